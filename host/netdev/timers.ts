/**
 * Timers of netdevs, on the kernel's own clock.
 *
 * A device that delays frames must do so in the time that its kernel lives in: with the host's clock
 * these are setTimeout (whole milliseconds, rounded up), with a virtual clock they are events of that
 * clock, which fire in order while it is moved and at no other moment.
 */
import type { Clock, VirtualClock } from '../determinism';

export interface Timers {
  /** Call `fn` in `us` microseconds. @returns takes it back */
  after(us: number, fn: () => void): () => void;
}

function isVirtual(clock: Clock): clock is VirtualClock {
  return clock.virtual;
}

/** The timers of `clock`. */
export function timersOf(clock: Clock): Timers {
  if (isVirtual(clock)) return clock;
  return {
    after(us, fn) {
      const timer = setTimeout(fn, Math.max(0, Math.ceil(us / 1000)));
      return () => clearTimeout(timer);
    },
  };
}
