/**
 * Clocks and entropy, real and injected.
 *
 * An image is a function of (clock, entropy, frames, completions). With `virtualClock` and
 * `seededEntropy` the first two are the caller's: two boots which are given the same inputs end
 * with the same memory (kernel.memoryHash()). Under a virtual clock the pump arms no timer of the
 * host; time moves by kernel.advance() only. Network devices that delay frames hang their timers on the
 * same clock: they fire while it is moved, in order.
 *
 * Times are microseconds in doubles: exact to 2^53 µs, 285 years.
 */
import { createHash, randomFillSync } from 'node:crypto';
import { TimerHeap } from './timerHeap';

/** A source of time. Both readings in microseconds. */
export interface Clock {
  /** Microseconds since 1970-01-01T00:00:00Z. */
  realtime(): number;
  /** Microseconds since some moment in the past; never goes back. */
  monotonic(): number;
  /** True when time only moves by the caller's hand. */
  readonly virtual: boolean;
}

/** A clock which the caller moves. */
export interface VirtualClock extends Clock {
  readonly virtual: true;
  /** Move forward by `us` microseconds. */
  advance(us: number): void;
  /** Move forward to the monotonic moment `us`; a moment in the past is an error. */
  advanceTo(us: number): void;
  /** Call `fn` when the clock has been moved `us` microseconds from now. @returns takes it back */
  after(us: number, fn: () => void): () => void;
  /** The moment of the next of these calls, monotonic µs; -1 when there is none. */
  nextTimer(): number;
}

/** A source of random bytes. */
export interface Entropy {
  /** Fill `bytes`. */
  fill(bytes: Uint8Array): void;
}

/** performance.now() counts from the start of the process; uv_hrtime, which WASI uses, does not. */
const monotonicBase = Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000;

/** The host's clock; `monotonic` agrees with CLOCK_MONOTONIC and node:wasi. About 40 ns a reading. */
export const systemClock: Clock = {
  virtual: false,
  realtime: () => (performance.timeOrigin + performance.now()) * 1000,
  monotonic: () => performance.now() * 1000 + monotonicBase,
};

/** The host's entropy (getrandom(2) through node:crypto). */
export const systemEntropy: Entropy = {
  fill: (bytes) => { randomFillSync(bytes); },
};

/**
 * A clock that stands still until moved.
 * @param start the wall clock at the beginning: microseconds since 1970, a Date, or an ISO string
 *              (default 2024-01-01T00:00:00Z). The monotonic clock begins at 0.
 */
export function virtualClock(start: number | Date | string = '2024-01-01T00:00:00Z'): VirtualClock {
  const startUs = typeof start === 'number' ? start : new Date(start).getTime() * 1000;
  if (!Number.isFinite(startUs)) throw new RangeError(`virtualClock: ${String(start)} is not a time`);
  let now = 0;
  const timers = new TimerHeap();

  /** Time passes: what is due meanwhile is called at its own moment. */
  function moveTo(us: number): void {
    for (let at = timers.next(); at >= 0 && at <= us; at = timers.next()) {
      now = Math.max(now, at);
      timers.take()();
    }
    now = Math.max(now, us);
  }

  return {
    virtual: true,
    realtime: () => startUs + now,
    monotonic: () => now,
    advance(us) {
      if (!(us >= 0)) throw new RangeError(`virtualClock: cannot advance by ${us} µs`);
      moveTo(now + us);
    },
    advanceTo(us) {
      if (!(us >= now)) throw new RangeError(`virtualClock: ${us} µs is before now (${now} µs)`);
      moveTo(us);
    },
    after: (us, fn) => timers.add(now + Math.max(0, us), fn),
    nextTimer: () => timers.next(),
  };
}

/**
 * A reproducible stream of bytes: xoshiro128** (Blackman and Vigna, 2018) seeded by SHA-256 of the
 * seed. Not for secrets.
 * @param seed any number, bigint or string
 */
export function seededEntropy(seed: number | bigint | string): Entropy & { next(): number } {
  const digest = createHash('sha256').update(`rumpwasm:${seed}`).digest();
  const s = new Uint32Array([0, 4, 8, 12].map((at) => digest.readUInt32LE(at)));
  if (s.every((word) => word === 0)) s[0] = 1;

  /** The next 32 bits, as an unsigned number. */
  function next(): number {
    const mixed = Math.imul(s[1]!, 5);
    const result = Math.imul((mixed << 7) | (mixed >>> 25), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  function fill(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      let word = next();
      for (let i = 0; i < 4 && at < bytes.length; i++) {
        bytes[at++] = word & 0xff;
        word >>>= 8;
      }
    }
  }
  return { fill, next };
}
