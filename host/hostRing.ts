/**
 * The host's end of a ring shared with the image: it produces, the image consumes.
 *
 * Layout (kernel/abi/rump.ts), an array queue after Van Jacobson's channels: each index has a cache
 * line of its own, only grows, and is masked on use.
 *
 *      @0 head (ours)   @64 tail (the image's)   @128 entries   @132 entry size   @192 entries …
 *
 * The host never overwrites: when the ring is full, entries wait in a queue of the host's own and
 * follow in order once the image has made room (flush(), called by the pump around every run).
 * The tail comes from the other side and is checked before it is believed.
 *
 * Cost: a push is four stores for a two-word entry, no allocation unless the ring is full.
 */
import {
  RING_DATA, RING_ENTRIES, RING_ENTRYSIZE, RING_HEAD, RING_TAIL,
} from '../kernel/abi/rump';

export class HostRing {
  /** Entries pushed, ever; for statistics and tests. */
  pushed = 0;
  /** How many of them had to wait outside the ring. */
  overflowed = 0;

  private readonly words: Int32Array;
  private readonly headAt: number;
  private readonly tailAt: number;
  private readonly dataAt: number;
  private readonly mask: number;
  private readonly entryWords: number;
  private overflow: number[] = [];
  private overflowAt = 0;

  /**
   * @param buffer linear memory of the image
   * @param pointer address of the ring (rump_ring(id)), a multiple of 4
   */
  constructor(buffer: ArrayBuffer, pointer: number) {
    if (pointer <= 0 || pointer % 4 !== 0) throw new RangeError(`no ring at address ${pointer}`);
    const words = new Int32Array(buffer);
    const at = pointer >>> 2;
    const entries = words[at + (RING_ENTRIES >> 2)]!;
    const entrySize = words[at + (RING_ENTRYSIZE >> 2)]!;
    if (entries <= 0 || (entries & (entries - 1)) !== 0 || entrySize <= 0 || entrySize % 4 !== 0
      || pointer + RING_DATA + entries * entrySize > buffer.byteLength) {
      throw new RangeError(`ring at ${pointer} is malformed: ${entries} entries of ${entrySize} bytes`);
    }
    this.words = words;
    this.headAt = at + (RING_HEAD >> 2);
    this.tailAt = at + (RING_TAIL >> 2);
    this.dataAt = at + (RING_DATA >> 2);
    this.mask = entries - 1;
    this.entryWords = entrySize >> 2;
  }

  /** Number of entries the ring holds. */
  get capacity(): number { return this.mask + 1; }

  /** Entries in the ring which the image has not consumed. */
  get used(): number {
    const used = (this.words[this.headAt]! - this.words[this.tailAt]!) >>> 0;
    if (used > this.mask + 1) throw new RangeError(`ring: the image moved its tail past the head (${used} used)`);
    return used;
  }

  /** Entries waiting outside the ring because it was full. */
  get waiting(): number { return (this.overflow.length - this.overflowAt) / this.entryWords; }

  /** Append one entry; words beyond the entry's size must be absent, missing ones are zero. */
  push(w0: number, w1 = 0, w2 = 0, w3 = 0, ...more: number[]): void {
    this.pushed++;
    const n = this.entryWords;
    if (n > 4 || this.overflow.length > 0 || this.used > this.mask) {
      this.pushSlow([w0, w1, w2, w3, ...more]);
      return;
    }
    const words = this.words;
    const head = words[this.headAt]!;
    const at = this.dataAt + (head & this.mask) * n;
    words[at] = w0;
    if (n > 1) words[at + 1] = w1;
    if (n > 2) words[at + 2] = w2;
    if (n > 3) words[at + 3] = w3;
    words[this.headAt] = head + 1;
  }

  /**
   * Move entries that waited outside into the ring as far as there is room.
   * @returns how many moved
   */
  flush(): number {
    if (this.overflow.length === 0) return 0;
    const n = this.entryWords;
    let room = this.mask + 1 - this.used;
    let moved = 0;
    while (room > 0 && this.overflowAt < this.overflow.length) {
      this.store(this.overflow, this.overflowAt);
      this.overflowAt += n;
      room--;
      moved++;
    }
    if (this.overflowAt === this.overflow.length) {
      this.overflow = [];
      this.overflowAt = 0;
    }
    return moved;
  }

  private pushSlow(words: number[]): void {
    const n = this.entryWords;
    while (words.length < n) words.push(0);
    if (this.overflow.length === 0 && this.used <= this.mask) {
      this.store(words, 0);
      return;
    }
    this.overflowed++;
    for (let i = 0; i < n; i++) this.overflow.push(words[i]!);
  }

  private store(from: readonly number[], start: number): void {
    const head = this.words[this.headAt]!;
    const at = this.dataAt + (head & this.mask) * this.entryWords;
    for (let i = 0; i < this.entryWords; i++) this.words[at + i] = from[start + i]!;
    this.words[this.headAt] = head + 1;
  }
}
