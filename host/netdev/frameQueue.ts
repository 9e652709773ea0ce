/**
 * Frames that wait: a first-in, first-out queue with limits on frames and bytes.
 *
 * What is put in is copied (Frame.copy), because a frame's bytes are only lent. An array with a moving
 * head: O(1) at both ends, compacted when half of it is used up.
 */
import type { Frame } from './frame';

export class FrameQueue {
  /** Bytes of all frames in it. */
  bytes = 0;
  private frames: Frame[] = [];
  private head = 0;

  /** @param maxFrames @param maxBytes limits of push() */
  constructor(private readonly maxFrames = 4096, private readonly maxBytes = 16 << 20) {}

  get length(): number { return this.frames.length - this.head; }

  /** Append a copy of `frame`; false when the queue is full. */
  push(frame: Frame): boolean {
    if (this.length >= this.maxFrames || this.bytes + frame.length > this.maxBytes) return false;
    this.frames.push(frame.copy());
    this.bytes += frame.length;
    return true;
  }

  /** The oldest frame, left where it is. */
  peek(): Frame | undefined { return this.frames[this.head]; }

  /** Take the oldest frame. */
  shift(): Frame | undefined {
    const frame = this.frames[this.head];
    if (frame === undefined) return undefined;
    this.head++;
    this.bytes -= frame.length;
    if (this.head * 2 >= this.frames.length) {
      this.frames = this.frames.slice(this.head);
      this.head = 0;
    }
    return frame;
  }

  clear(): void {
    this.frames = [];
    this.head = 0;
    this.bytes = 0;
  }
}
