/**
 * The host's end of virtif's receive ring (components/virtif/rxRing.user.ts), over memory made by hand:
 * the test is the image.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RxRing } from '../../components/virtif/rxRing.user';
import {
  VIRTIF_RX_ADDR, VIRTIF_RX_ENTRY, VIRTIF_RX_LEN, VIRTIF_RX_LINK, VIRTIF_RX_NBUFS, VIRTIF_RX_SIZE, VIRTIF_RX_VNET,
} from '../../components/virtif/virtif.abi';
import { Frame } from '../../host/netdev/frame';
import { RING_DATA, RING_ENTRIES, RING_ENTRYSIZE, RING_HEAD, RING_TAIL } from '../../kernel/abi/rump';
import { pattern } from './frames';

const RING = 4096;
const BUFFERS = 65536;
const ENTRIES = 8;
const SIZE = 2046;

/** An image of one ring. */
class Image {
  readonly u8 = new Uint8Array(new ArrayBuffer(1 << 20));
  readonly dv = new DataView(this.u8.buffer);
  readonly ring: RxRing;
  private posted = 0;
  private taken = 0;

  constructor(indexes = 0) {
    this.dv.setUint32(RING + RING_ENTRIES, ENTRIES, true);
    this.dv.setUint32(RING + RING_ENTRYSIZE, VIRTIF_RX_ENTRY, true);
    this.posted = this.taken = indexes >>> 0;
    this.dv.setUint32(RING + RING_HEAD, this.posted, true);
    this.dv.setUint32(RING + RING_TAIL, this.posted, true);
    this.ring = new RxRing(this.u8, RING);
  }

  entry(i: number): number { return RING + RING_DATA + (i % ENTRIES) * VIRTIF_RX_ENTRY; }

  /** Post `n` buffers; each place in the ring has its own. */
  post(n: number, size = SIZE, at?: number): void {
    for (let i = 0; i < n; i++, this.posted = (this.posted + 1) >>> 0) {
      const e = this.entry(this.posted);
      this.dv.setUint32(e + VIRTIF_RX_ADDR, at ?? BUFFERS + (this.posted % ENTRIES) * 2048 + 2, true);
      this.dv.setUint32(e + VIRTIF_RX_SIZE, size, true);
    }
    this.dv.setUint32(RING + RING_HEAD, this.posted, true);
  }

  /** Frames that have come in: bytes and header words. */
  take(): { bytes: Uint8Array; vnet: number[] }[] {
    const frames: { bytes: Uint8Array; vnet: number[] }[] = [];
    const tail = this.dv.getUint32(RING + RING_TAIL, true);
    while (this.taken !== tail) {
      const e = this.entry(this.taken);
      const length = this.dv.getInt32(e + VIRTIF_RX_LEN, true);
      const n = this.dv.getInt32(e + VIRTIF_RX_NBUFS, true);
      const parts: Uint8Array[] = [];
      for (let i = 0, left = length; i < n; i++) {
        const b = this.entry(this.taken + i);
        const at = this.dv.getUint32(b + VIRTIF_RX_ADDR, true);
        const size = Math.min(left, this.dv.getUint32(b + VIRTIF_RX_SIZE, true));
        parts.push(this.u8.slice(at, at + size));
        left -= size;
      }
      frames.push({ bytes: Buffer.concat(parts), vnet: [0, 4, 8].map((o) => this.dv.getInt32(e + VIRTIF_RX_VNET + o, true)) });
      this.taken = (this.taken + n) >>> 0;
    }
    return frames;
  }
}

const sent = (n: number): { bytes: Buffer; vnet: number[] } => ({ bytes: pattern(n), vnet: [n, n + 1, n + 2] });
const frame = (n: number): Frame => Frame.of(pattern(n), n, n + 1, n + 2);

describe('receive ring', () => {
  it('puts frames of any size into as many buffers as they take', () => {
    const image = new Image();
    for (const n of [60, 66, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 8 * SIZE]) {
      image.post(ENTRIES - image.ring.room());
      assert.ok(image.ring.receive(frame(n)), `${n}`);
      assert.deepEqual(image.take(), [sent(n)], `${n}`);
    }
  });

  it('gathers pieces from the same memory and from others', () => {
    const image = new Image();
    const expected = pattern(5000);
    for (const own of [true, false]) {
      const memory = own ? image.u8 : new Uint8Array(1 << 20);
      const words = own ? new Int32Array(memory.buffer) : new Int32Array(64);
      const f = new Frame();
      f.u8 = memory;
      f.words = words;
      f.at = own ? 500_000 >> 2 : 2;
      let [at, to] = [0, 600_001];
      for (const len of [14, 20, 32, 1, 3, 2930, 2000]) {
        memory.set(expected.subarray(at, at + len), to);
        words[f.at + 2 * f.n] = to;
        words[f.at + 2 * f.n + 1] = len;
        f.n++;
        at += len;
        to += len + 5;
      }
      f.length = at;
      image.post(ENTRIES - image.ring.room());
      assert.ok(image.ring.receive(f));
      assert.deepEqual(image.take()[0]!.bytes, expected);
      f.n = 4;
      f.length = 67;
      assert.ok(image.ring.receive(f));
      assert.deepEqual(image.take()[0]!.bytes, expected.subarray(0, 67));
    }
  });

  it('takes what there is room for, and nothing of what there is not', () => {
    const image = new Image();
    assert.equal(image.ring.receive(frame(60)), false);
    image.post(3);
    assert.equal(image.ring.receive(frame(3 * SIZE + 1)), false);
    assert.equal(image.ring.room(), 3);
    for (let i = 0; i < 3; i++) assert.ok(image.ring.receive(frame(60 + i)));
    assert.equal(image.ring.receive(frame(60)), false);
    assert.deepEqual(image.take().map((f) => f.bytes.length), [60, 61, 62]);
    assert.equal(image.ring.receive(Frame.of(new Uint8Array(0))), false);
  });

  it('goes round, and its indexes too', () => {
    const image = new Image(2 ** 32 - 5);
    for (let i = 0; i < 100; i++) {
      image.post(ENTRIES - image.ring.room());
      const n = 60 + (i * 997) % (4 * SIZE);
      assert.ok(image.ring.receive(frame(n)));
      assert.deepEqual(image.take(), [sent(n)]);
    }
  });

  it('is filled without a copy by who knows how', () => {
    const image = new Image();
    image.post(ENTRIES);
    const { ring } = image;
    assert.ok(ring.receive(frame(60)));
    for (const n of [100, 5000]) {
      const whole = pattern(n);
      for (let i = 0, at = 0; at < n; i++) {
        image.u8.set(whole.subarray(at, at + ring.sizeOf(i)), ring.addressOf(i));
        at += ring.sizeOf(i);
      }
      new Int32Array(image.u8.buffer).set([n, n + 1, n + 2], ring.headerAddress() >> 2);
      ring.commit(n);
    }
    assert.deepEqual(image.take(), [sent(60), sent(100), sent(5000)]);
  });

  it('believes no address outside of memory, no silly size, no wild index', () => {
    for (const [size, at] of [[2048, (1 << 20) - 100], [2048, 0xfffffff0], [2048, 0], [10, BUFFERS], [-5, BUFFERS]] as const) {
      const image = new Image();
      image.post(2, size, at);
      for (const n of [60, 3000]) assert.equal(image.ring.receive(frame(n)), false, `${size} at ${at}`);
      assert.ok(image.ring.addressOf(0) === 0 || image.ring.sizeOf(0) === 0 || at === BUFFERS);
    }
    const image = new Image();
    image.dv.setUint32(RING + RING_HEAD, 77, true);
    assert.equal(image.ring.room(), 0);
    assert.equal(image.ring.receive(frame(60)), false);
  });

  it('is refused where there is none', () => {
    const { u8 } = new Image();
    for (const pointer of [0, 4098, (1 << 20) - 64, 2 ** 31]) assert.throws(() => new RxRing(u8, pointer), RangeError);
  });

  it('tells of the link', () => {
    const image = new Image();
    image.ring.setLink(false);
    assert.equal(image.dv.getInt32(RING + VIRTIF_RX_LINK, true), 1);
    image.ring.setLink(true);
    assert.equal(image.dv.getInt32(RING + VIRTIF_RX_LINK, true), 2);
  });
});
