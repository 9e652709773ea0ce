/**
 * A bus in shared memory: one ring of frames that every thread can write to and everyone reads.
 *
 *      | header 256 B | record | record | … | free | … |      records never wrap: a marker ends the lap
 *                       ▲ first               ▲ last            a place is lap × size + offset
 *
 *      record: | length i32 | sender i32 | time f64, µs | virtio_net_hdr 12 | 0 | bytes … | to 8 |
 *
 * The design is NetBSD's shmif (facts.md §4.6): writers overwrite the oldest records, readers have a
 * place of their own each, and one that is too slow finds its place behind `first` and has lost what
 * was in between. Laps make places unique, so that a reader asleep for a whole lap notices. A lock guards
 * header and records; it is held for one frame at a time (0.2 µs) and names its owner, and one whose
 * owner has died holding it is taken over: `first` moves before anything is overwritten and `last` after
 * it is complete, so the bus is whole at every moment.
 */
import { Frame, FRAME_MAX, VNET_HDR_SIZE } from './frame';

const MAGIC = 0x52574253;
const VERSION = 1;
/** Words of the header. */
const W_MAGIC = 0;
const W_VERSION = 1;
const W_SIZE = 2;
const W_LOCK = 3;
const W_SEQ = 4;
const W_WAITERS = 5;
const W_IDS = 6;
const W_FIRST_LAP = 8;
const W_FIRST = 9;
const W_LAST_LAP = 10;
const W_LAST = 11;

const HEADER = 256;
const RECORD = 32;
const VNET_AT = 16;
/** Length of the marker that ends a lap. */
const END_OF_LAP = -1;
const SIZE_MIN = 4 * (FRAME_MAX + RECORD + 8);
const DEFAULT_SIZE = 4 << 20;

/** Atomics.waitAsync (ES2024), which Node 20 has and its types do not. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(words: Int32Array, index: number, value: number): { async: false } | { async: true; value: Promise<string> };
};

const SPINS = 200;
const WAIT_MS = 2;
/** A lock held for so long belongs to a thread that is no more. */
const DEAD_MS = 1000;

/** Make a bus of at least `bytes` (1 MiB and up; default 4 MiB), to be handed to other threads. */
export function createBus(bytes = DEFAULT_SIZE): SharedArrayBuffer {
  const size = Math.max(SIZE_MIN, bytes) & ~7;
  const buffer = new SharedArrayBuffer(HEADER + size);
  const words = new Int32Array(buffer);
  words[W_VERSION] = VERSION;
  words[W_SIZE] = size;
  Atomics.store(words, W_MAGIC, MAGIC);
  return buffer;
}

/** One reader and writer of a bus. */
export class BusPort {
  /** Frames that were overwritten before they were read. */
  overruns = 0;
  readonly words: Int32Array<SharedArrayBuffer>;
  private readonly u8: Uint8Array<SharedArrayBuffer>;
  private readonly times: Float64Array<SharedArrayBuffer>;
  private readonly size: number;
  private readonly id: number;
  private readonly frame = new Frame();
  private lap: number;
  private offset: number;

  /** @throws TypeError if `buffer` is not a bus */
  constructor(readonly buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.u8 = new Uint8Array(buffer);
    if (this.words[W_MAGIC] !== MAGIC || this.words[W_VERSION] !== VERSION) throw new TypeError('this memory is not a bus of createBus()');
    this.times = new Float64Array(buffer);
    this.size = this.words[W_SIZE]!;
    this.id = Atomics.add(this.words, W_IDS, 1) + 1;
    this.frame.u8 = this.u8;
    this.frame.words = new Int32Array(2);
    this.frame.n = 1;
    this.lock();
    this.lap = this.words[W_LAST_LAP]!;
    this.offset = this.words[W_LAST]!;
    this.unlock();
  }

  /** Put a frame on the bus. @param timeUs when, µs since 1970 */
  write(frame: Frame, timeUs: number): void {
    const { words } = this;
    const need = (RECORD + frame.length + 7) & ~7;
    this.lock();
    let at = words[W_LAST]!;
    if (at + need + 4 > this.size) {
      this.reclaim(at, this.size - at, words[W_LAST_LAP]!);
      words[(HEADER + at) >> 2] = END_OF_LAP;
      words[W_LAST_LAP]!++;
      words[W_LAST] = at = 0;
    }
    this.reclaim(at, need, words[W_LAST_LAP]!);
    const w = (HEADER + at) >> 2;
    words[w] = frame.length;
    words[w + 1] = this.id;
    this.times[(HEADER + at + 8) >> 3] = timeUs;
    words[w + (VNET_AT >> 2)] = frame.h0;
    words[w + (VNET_AT >> 2) + 1] = frame.h1;
    words[w + ((VNET_AT + VNET_HDR_SIZE) >> 2) - 1] = frame.h2;
    frame.copyTo(this.u8, HEADER + at + RECORD);
    words[W_LAST] = at + need;
    this.unlock();
    Atomics.add(words, W_SEQ, 1);
    if (Atomics.load(words, W_WAITERS) > 0) Atomics.notify(words, W_SEQ);
  }

  /**
   * Look at the next frame of another port. `take` is called with the bus locked; the frame's bytes are
   * there during the call only. If it answers false the frame stays the next.
   * @returns whether there was a frame, and it was taken
   */
  read(take: (frame: Frame, timeUs: number) => boolean): boolean {
    const { words } = this;
    this.lock();
    try {
      this.catchUp();
      for (;;) {
        if (this.lap === words[W_LAST_LAP] && this.offset === words[W_LAST]) return false;
        const at = HEADER + this.offset;
        const length = words[at >> 2]!;
        if (length === END_OF_LAP) {
          this.lap = (this.lap + 1) | 0;
          this.offset = 0;
          continue;
        }
        const next = this.offset + ((RECORD + length + 7) & ~7);
        if (words[(at >> 2) + 1] === this.id) {
          this.offset = next;
          continue;
        }
        this.describe(at, length);
        const taken = take(this.frame, this.times[(at + 8) >> 3]!);
        if (taken) this.offset = next;
        return taken;
      }
    } finally {
      this.unlock();
    }
  }

  /** Go back to the oldest frame that is still on the bus: to look at what has been. */
  rewind(): void {
    this.lock();
    this.lap = this.words[W_FIRST_LAP]!;
    this.offset = this.words[W_FIRST]!;
    this.unlock();
  }

  /** The bus's counter of frames, for wait(). */
  sequence(): number {
    return Atomics.load(this.words, W_SEQ);
  }

  /** Resolves when the counter is no longer `seen`. */
  async wait(seen: number): Promise<void> {
    const { words } = this;
    Atomics.add(words, W_WAITERS, 1);
    const waiting = waitAsync(words, W_SEQ, seen);
    if (waiting.async) await waiting.value;
    Atomics.sub(words, W_WAITERS, 1);
  }

  /** Wake everybody who waits, for no reason. */
  nudge(): void {
    Atomics.add(this.words, W_SEQ, 1);
    Atomics.notify(this.words, W_SEQ);
  }

  private describe(at: number, length: number): void {
    const { frame, words } = this;
    const vnet = (at + VNET_AT) >> 2;
    frame.words[0] = at + RECORD;
    frame.words[1] = length;
    frame.length = length;
    frame.h0 = words[vnet]!;
    frame.h1 = words[vnet + 1]!;
    frame.h2 = words[vnet + 2]!;
  }

  /** If our place has been overwritten, go to the oldest frame there is. */
  private catchUp(): void {
    const { words } = this;
    const laps = (words[W_FIRST_LAP]! - this.lap) | 0;
    if (laps < 0 || (laps === 0 && this.offset >= words[W_FIRST]!)) return;
    this.overruns++;
    this.lap = words[W_FIRST_LAP]!;
    this.offset = words[W_FIRST]!;
  }

  /** Move `first` over all records that lie in `need` bytes from `at` and are of the lap before. */
  private reclaim(at: number, need: number, lap: number): void {
    const { words } = this;
    for (;;) {
      const first = words[W_FIRST]!;
      if (words[W_FIRST_LAP] === lap || first >= at + need) return;
      const length = words[(HEADER + first) >> 2]!;
      if (length === END_OF_LAP) {
        words[W_FIRST] = 0;
        words[W_FIRST_LAP]!++;
      } else words[W_FIRST] = first + ((RECORD + length + 7) & ~7);
    }
  }

  private lock(): void {
    const { words, id } = this;
    let since = 0;
    for (let spins = 0; ; spins++) {
      const owner = Atomics.compareExchange(words, W_LOCK, 0, id);
      if (owner === 0) return;
      if (spins < SPINS) continue;
      since ||= performance.now();
      if (performance.now() - since > DEAD_MS && Atomics.compareExchange(words, W_LOCK, owner, id) === owner) return;
      Atomics.wait(words, W_LOCK, owner, WAIT_MS);
    }
  }

  private unlock(): void {
    Atomics.store(this.words, W_LOCK, 0);
  }
}

/** Every frame that is still on the bus, oldest first, as a capture. */
export function busFrames(buffer: SharedArrayBuffer): { timeUs: number; frame: Frame }[] {
  const port = new BusPort(buffer);
  port.rewind();
  const frames: { timeUs: number; frame: Frame }[] = [];
  while (port.read((frame, timeUs) => frames.push({ timeUs, frame: frame.copy() }) > 0));
  return frames;
}
