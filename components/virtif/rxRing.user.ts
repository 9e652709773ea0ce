/**
 * The host's end of virtif's receive ring: takes empty buffers in order, gives them back filled.
 *
 *      | addr size len nbufs vnet | … |     head (the image's) − tail (ours) = buffers free
 *
 * A frame longer than a buffer takes the next ones too (virtio's mergeable buffers), so one size of
 * buffer serves an ACK and a segment of 64 KiB alike. Indexes are read from memory every time, so that
 * a snapshot put back needs no word with the host. Addresses come from the image: each is checked
 * against the size of memory before anything is written there.
 *
 * Cost: a frame of two pieces into one buffer about 80 ns plus the copy.
 */
import { copyBytes, type Frame } from '../../host/netdev/frame';
import type { ReceiveRing } from '../../host/netdev/netdev';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../../kernel/abi/if';
import { RING_DATA, RING_ENTRIES, RING_ENTRYSIZE, RING_HEAD, RING_TAIL } from '../../kernel/abi/rump';
import {
  VIRTIF_RX_ADDR, VIRTIF_RX_ENTRY, VIRTIF_RX_LEN, VIRTIF_RX_LINK, VIRTIF_RX_NBUFS, VIRTIF_RX_SIZE, VIRTIF_RX_VNET,
} from './virtif.abi';

const ENTRY_WORDS = VIRTIF_RX_ENTRY >> 2;
const ADDR = VIRTIF_RX_ADDR >> 2;
const SIZE = VIRTIF_RX_SIZE >> 2;
const LEN = VIRTIF_RX_LEN >> 2;
const NBUFS = VIRTIF_RX_NBUFS >> 2;
const VNET = VIRTIF_RX_VNET >> 2;

/** No buffer may be smaller: an Ethernet header must fit into the first. */
const BUFFER_MIN = 64;

export class RxRing implements ReceiveRing {
  private readonly words: Int32Array<ArrayBuffer>;
  /** Index in `words` of the ring, and of its entry 0. */
  private readonly ring: number;
  private readonly data: number;
  private readonly mask: number;

  /**
   * @param u8 linear memory
   * @param pointer address of the ring
   * @throws RangeError if there is no such ring in memory
   */
  constructor(readonly u8: Uint8Array<ArrayBuffer>, pointer: number) {
    this.words = new Int32Array(u8.buffer, 0, u8.length >> 2);
    this.ring = pointer >>> 2;
    this.data = (pointer + RING_DATA) >>> 2;
    const entries = this.words[this.ring + (RING_ENTRIES >> 2)] ?? 0;
    const entrySize = this.words[this.ring + (RING_ENTRYSIZE >> 2)] ?? 0;
    if ((pointer & 3) !== 0 || entries <= 0 || (entries & (entries - 1)) !== 0 || entrySize !== VIRTIF_RX_ENTRY
      || pointer + RING_DATA + entries * entrySize > u8.length) {
      throw new RangeError(`virtif: no receive ring at address ${pointer}`);
    }
    this.mask = entries - 1;
  }

  private get tail(): number { return this.words[this.ring + (RING_TAIL >> 2)]!; }

  room(): number {
    const room = (this.words[this.ring + (RING_HEAD >> 2)]! - this.tail) >>> 0;
    return room > this.mask + 1 ? 0 : room;
  }

  addressOf(i: number): number {
    const at = this.entry(i);
    const address = this.words[at + ADDR]! >>> 0;
    return address + this.sizeOf(i) <= this.u8.length ? address : 0;
  }

  sizeOf(i: number): number {
    const size = this.words[this.entry(i) + SIZE]!;
    return size >= BUFFER_MIN ? size : 0;
  }

  headerAddress(): number {
    return (this.entry(0) + VNET) << 2 >>> 0;
  }

  commit(length: number): void {
    const first = this.entry(0);
    let nbufs = 0;
    for (let left = length; left > 0; nbufs++) left -= this.sizeOf(nbufs);
    this.finish(first, length, nbufs);
  }

  /** Copy `frame` into buffers. False if there are too few, or a bad one. */
  receive(frame: Frame): boolean {
    const room = this.room();
    if (room === 0 || frame.length === 0) return false;
    const { words } = this;
    const first = this.entry(0);
    const size = words[first + SIZE]!;
    if (frame.length <= size && size >= BUFFER_MIN) {
      const to = words[first + ADDR]! >>> 0;
      if (to === 0 || to + size > this.u8.length) return false;
      this.gather(frame, to);
      this.header(first, frame);
      this.finish(first, frame.length, 1);
      return true;
    }
    const nbufs = this.scatter(frame, room);
    if (nbufs === 0) return false;
    this.header(first, frame);
    this.finish(first, frame.length, nbufs);
    return true;
  }

  /** Tell the image that the cable is in, or out; an interrupt must follow. */
  setLink(up: boolean): void {
    this.words[this.ring + (VIRTIF_RX_LINK >> 2)] = up ? LINK_STATE_UP : LINK_STATE_DOWN;
  }

  /** Index in `words` of the i-th free entry. */
  private entry(i: number): number {
    return this.data + ((this.tail + i) & this.mask) * ENTRY_WORDS;
  }

  private header(entry: number, frame: Frame): void {
    const { words } = this;
    words[entry + VNET] = frame.h0;
    words[entry + VNET + 1] = frame.h1;
    words[entry + VNET + 2] = frame.h2;
  }

  /** Hand `nbufs` buffers to the image as one frame. */
  private finish(first: number, length: number, nbufs: number): void {
    const { words } = this;
    words[first + LEN] = length;
    words[first + NBUFS] = nbufs;
    words[this.ring + (RING_TAIL >> 2)] = this.tail + nbufs;
  }

  /** All pieces one after the other to `to`. */
  private gather(frame: Frame, to: number): void {
    const { words: pieces, u8: from } = frame;
    const fromWords = from.buffer === pieces.buffer && from.byteOffset === 0 ? pieces : null;
    for (let i = frame.at, end = i + 2 * frame.n; i < end; i += 2) {
      const len = pieces[i + 1]!;
      copyBytes(from, fromWords, pieces[i]! >>> 0, this.u8, this.words, to, len);
      to += len;
    }
  }

  /** All pieces into as many buffers as it takes. @returns how many; 0 if that is more than `room` */
  private scatter(frame: Frame, room: number): number {
    let i = 0;
    let to = this.addressOf(0);
    let free = this.sizeOf(0);
    const { words: pieces, u8: from } = frame;
    for (let at = frame.at, end = at + 2 * frame.n; at < end; at += 2) {
      let source = pieces[at]! >>> 0;
      let left = pieces[at + 1]!;
      while (left > 0) {
        if (free === 0) {
          if (++i >= room) return 0;
          to = this.addressOf(i);
          free = this.sizeOf(i);
        }
        if (to === 0 || free === 0) return 0;
        const len = Math.min(left, free);
        this.u8.set(from.subarray(source, source + len), to);
        source += len;
        to += len;
        left -= len;
        free -= len;
      }
    }
    return i + 1;
  }
}
