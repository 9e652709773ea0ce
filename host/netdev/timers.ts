/**
 * Timers of netdevs, on the kernel's own clock.
 *
 * A device that delays frames must do so in the time that its kernel lives in: with a virtual clock
 * these are events of that clock, which fire in order while it is moved and at no other moment. With
 * the host's clock they are one setTimeout (whole milliseconds, rounded up) for the first of a heap:
 * what is due is called in the order of its moments, however late the event loop is. (A setTimeout each
 * would be rounded by itself, and frames of one line would overtake each other.)
 */
import type { Clock, VirtualClock } from '../determinism';
import { TimerHeap } from '../timerHeap';

export interface Timers {
  /** Call `fn` in `us` microseconds. @returns takes it back */
  after(us: number, fn: () => void): () => void;
}

function isVirtual(clock: Clock): clock is VirtualClock {
  return clock.virtual;
}

class RealTimers implements Timers {
  private readonly heap = new TimerHeap();
  private armed: NodeJS.Timeout | undefined;
  /** The moment that `armed` is for. */
  private armedUs = Infinity;

  constructor(private readonly clock: Clock) {}

  after(us: number, fn: () => void): () => void {
    const at = this.clock.monotonic() + Math.max(0, us);
    const cancel = this.heap.add(at, fn);
    if (at < this.armedUs) this.arm(at);
    return () => {
      cancel();
      if (this.heap.next() < 0) this.disarm();
    };
  }

  private arm(at: number): void {
    clearTimeout(this.armed);
    this.armedUs = at;
    this.armed = setTimeout(() => this.fire(), Math.max(0, Math.ceil((at - this.clock.monotonic()) / 1000)));
  }

  private disarm(): void {
    clearTimeout(this.armed);
    this.armedUs = Infinity;
  }

  private fire(): void {
    this.armedUs = Infinity;
    try {
      for (let next = this.heap.next(); next >= 0 && next <= this.clock.monotonic(); next = this.heap.next()) this.heap.take()();
    } finally {
      const next = this.heap.next();
      if (next >= 0 && next < this.armedUs) this.arm(next);
    }
  }
}

/** The timers of `clock`. */
export function timersOf(clock: Clock): Timers {
  return isVirtual(clock) ? clock : new RealTimers(clock);
}
