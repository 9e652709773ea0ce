/**
 * Frames between a TAP descriptor and memory: what tap.ts needs, whichever way it is done.
 *
 *      native   koffi: readv and writev on addresses, Node's own libuv says when (tapNative.ts)
 *      helper   fs.readvSync and writevSync, a child process says when (tapHelper.ts)
 *
 * Each frame on the descriptor has a virtio_net_hdr of 12 bytes before it.
 */
import { Frame, FRAME_MAX, VNET_HDR_SIZE } from './frame';
import type { NetdevPort, ReceiveRing } from './netdev';

/** Bytes of a frame beyond its IP packet: Ethernet header and one tag. */
export const FRAME_OVERHEAD = 18;

export interface TapIo {
  /**
   * Read up to `most` frames into `rx`, for frames of up to `frameMax` bytes.
   * @returns frames committed; -1 - n if after n frames there was no room for another
   */
  read(rx: ReceiveRing, most: number, frameMax: number): number;
  /** Write one frame. 0, -EAGAIN, or -errno. */
  write(frame: Frame): number;
  /** Call `onReadable` while there is something to read, `onWritable` once after -EAGAIN. */
  watch(onReadable: () => void, onWritable: () => void): void;
  /** Stop calling onReadable, or go on. */
  pause(): void;
  resume(): void;
  ref(): void;
  unref(): void;
  close(): void;
  /** Set when the device is gone (the interface was deleted): Linux's errno, or what happened in words. */
  readonly gone: string | number | null;
  /** Frames that did not fit what was offered for them, and were lost. */
  readonly truncated: number;
}

/**
 * A ring of one buffer in memory of its own, for a port that takes frames by receive() only. A frame
 * that the port has no room for stays in it.
 */
export class ScratchRing implements ReceiveRing {
  readonly u8 = new Uint8Array(new ArrayBuffer(FRAME_MAX + 64));
  private readonly frame = new Frame();
  private readonly words: Int32Array<ArrayBuffer>;
  private held = false;

  constructor(private readonly port: NetdevPort) {
    this.words = new Int32Array(this.u8.buffer, 0, VNET_HDR_SIZE >> 2);
    this.frame.u8 = this.u8;
    this.frame.n = 1;
    this.frame.words = Int32Array.of(16, 0);
  }

  /** Offer the frame that is still held, if any, and say whether another may come. */
  room(): number {
    if (this.held && this.port.receive(this.frame)) this.held = false;
    return this.held ? 0 : 1;
  }

  addressOf(): number { return 16; }

  sizeOf(): number { return FRAME_MAX + 48; }

  headerAddress(): number { return 0; }

  commit(length: number): void {
    const { frame, words } = this;
    frame.words[1] = length;
    frame.length = length;
    frame.h0 = words[0]!;
    frame.h1 = words[1]!;
    frame.h2 = words[2]!;
    this.held = !this.port.receive(frame);
  }
}
