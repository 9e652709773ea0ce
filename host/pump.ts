/**
 * The pump: decides when the image runs.
 *
 *      hypercall halves, syscalls ── kick(source) ──┐
 *      deadline timer ──────────────────────────────┼─► turn: rump_intr for each marked source,
 *      a half with a full batch in hand ── flush() ─┘         rump_run(now), hooks, next deadline
 *
 * Kicks of one turn of the event loop become one run (setImmediate): whatever libuv delivered in its
 * poll phase is one batch. flush() runs at once, for a half which has just fetched a whole batch
 * itself; then what the run has for JavaScript waits for the end of the turn, because such a half may
 * be called by native code outside of any callback scope of Node (koffi), where a stream's nextTicks
 * would run in the middle of each other. Time is read once per run. The image tells its next deadline; one timer is kept for it,
 * and moved only when the deadline comes closer (a deadline that moves away costs one early run, not
 * a timer per run). Nothing polls: without a kick or a deadline nothing happens, at no CPU cost.
 *
 * Measured: a run without work 0.06 µs, a turn of the event loop 0.9 µs, a microtask 0.2 µs. With one
 * kick a turn a microtask would win 0.7 µs; with the 64 of a busy server it would run the image 64
 * times (13 µs, and small batches inside) instead of once.
 *
 * Under a virtual clock there is no timer: advance() and runUntil() go from deadline to deadline.
 */
import type { Clock, VirtualClock } from './determinism';
import type { HostRing } from './hostRing';
import type { ImageInstance } from './instance';

/** Runs in a row when hypercalls raised interrupts during a run, before the event loop has its turn. */
const ROUNDS_MAX = 4;
/** The longest delay setTimeout takes. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;
/** More runs than this at one virtual moment means that the image never comes to rest. */
const SETTLE_MAX = 1_000_000;

export interface PumpOptions {
  clock: Clock;
  /** Never run by itself: only run(), advance() and runUntil(). */
  manual: boolean;
  /** Called after every run, in order; may kick, must not call code of users. */
  afterRun: ReadonlyArray<() => void>;
  /** Is there something for deliver()? */
  isReady: () => boolean;
  /** Hand what the image has for the host to code of users; may do anything. */
  deliver: () => void;
  /** Rings whose overflow must be moved before a run, with their interrupt source. */
  rings: ReadonlyMap<number, { ring: HostRing; source: number }>;
}

export class Pump {
  /** Number of rump_run calls so far. */
  runs = 0;
  /** The image's next deadline in µs on its clock; -1 when there is none. */
  deadlineUs = -1;

  private readonly image: ImageInstance;
  private readonly clock: Clock;
  private readonly options: PumpOptions;
  private sources = 0;
  private wanted = false;
  private running = false;
  private stopped = false;
  private isRef = true;
  /** The image has been told the time in this turn of the event loop. */
  private isTold = false;
  private immediate: NodeJS.Immediate | null = null;
  private timer: NodeJS.Timeout | null = null;
  private timerDeadlineUs = -1;
  private readonly startUs: number;
  private readonly onImmediate = (): void => {
    this.immediate = null;
    this.isTold = false;
    if (this.wanted) this.turn();
    if (this.options.isReady()) this.options.deliver();
  };
  private readonly onTimer = (): void => {
    this.timer = null;
    this.turn();
    if (this.options.isReady()) this.options.deliver();
  };

  constructor(image: ImageInstance, options: PumpOptions) {
    this.image = image;
    this.options = options;
    this.clock = options.clock;
    this.startUs = options.clock.monotonic();
  }

  /** Is a run wanted that has not happened? */
  get isPending(): boolean { return this.wanted; }

  /** Does it never run by itself? */
  get isManual(): boolean { return this.options.manual; }

  /** Does time move by the caller's hand? */
  get isVirtual(): boolean { return this.clock.virtual; }

  /** Monotonic time of the image's clock, µs. */
  get nowUs(): number { return this.clock.monotonic(); }

  /** Time since it was made, on the image's clock, µs. */
  get uptimeUs(): number { return this.clock.monotonic() - this.startUs; }

  /**
   * Tell the image the time before a call that is not a run: timers which that sets would count from
   * the last run otherwise, which may be long ago. Once a turn of the event loop is enough: the kick
   * that follows the call brings the end of the turn.
   */
  tick(): void {
    if (this.isTold || this.running || this.image.isInside || this.image.end !== null) return;
    this.isTold = !this.clock.virtual && !this.options.manual && !this.stopped;
    this.image.clock(this.clock.monotonic());
  }

  /** Ask for a run at the end of this turn of the event loop, marking an interrupt source if given. */
  kick(source = -1): void {
    if (source >= 0) this.sources |= 1 << source;
    this.wanted = true;
    if (this.immediate !== null || this.running || this.stopped || this.options.manual) return;
    this.immediate = setImmediate(this.onImmediate);
  }

  /** Run at once if anything is wanted. Within a run or a hypercall this is only a kick. */
  flush(): void {
    if (!this.wanted || this.options.manual) return;
    if (this.running || this.image.isInside) {
      this.kick();
      return;
    }
    this.turn();
    if (this.options.isReady() && !this.stopped) this.immediate ??= setImmediate(this.onImmediate);
  }

  /** Run at once, wanted or not, until the image has nothing more to do at this moment (manual mode, tests). */
  run(): void {
    this.wanted = true;
    for (let n = 0; this.wanted && !this.stopped; n++) {
      if (n > SETTLE_MAX) throw new Error('the image does not come to rest: it always has more work');
      this.turn();
      if (this.options.isReady()) this.options.deliver();
    }
  }

  /** Move a virtual clock `us` microseconds forward, running the image at every deadline on the way. */
  advance(us: number): void {
    const clock = this.virtualClock();
    const target = clock.monotonic() + us;
    this.run();
    for (let at = this.nextEvent(clock); !this.stopped && at >= 0 && at <= target; at = this.nextEvent(clock)) {
      clock.advanceTo(Math.max(at, clock.monotonic()));
      this.run();
    }
    clock.advanceTo(target);
    this.run();
  }

  /**
   * Move a virtual clock from deadline to deadline until `done()` is true.
   * @param limitUs give up after this much virtual time
   * @returns whether `done()` became true; false at the limit, or when nothing is left to wait for
   */
  runUntil(done: () => boolean, limitUs = 3_600_000_000): boolean {
    const clock = this.virtualClock();
    const end = clock.monotonic() + limitUs;
    this.run();
    while (!done()) {
      const at = this.nextEvent(clock);
      if (this.stopped || at < 0 || at > end) return false;
      clock.advanceTo(Math.max(at, clock.monotonic()));
      this.run();
    }
    return true;
  }

  /** When something happens next: the image's deadline, or a timer of the clock. -1 never. */
  private nextEvent(clock: VirtualClock): number {
    const timer = clock.nextTimer();
    if (timer < 0 || this.deadlineUs < 0) return Math.max(timer, this.deadlineUs);
    return Math.min(timer, this.deadlineUs);
  }

  /** The deadline timer keeps the process alive (the default). */
  ref(): void {
    this.isRef = true;
    this.timer?.ref();
  }

  /** The deadline timer alone does not keep the process alive. */
  unref(): void {
    this.isRef = false;
    this.timer?.unref();
  }

  /** No further run. */
  stop(): void {
    this.stopped = true;
    this.wanted = false;
    if (this.immediate !== null) clearImmediate(this.immediate);
    this.immediate = null;
    this.disarm();
  }

  /** One batch: up to ROUNDS_MAX runs, the timer, the hooks. */
  private turn(): void {
    if (this.stopped || this.running || this.image.end !== null) return;
    this.running = true;
    let next = -1;
    let now = 0;
    let rounds = 0;
    do {
      this.wanted = false;
      this.signal();
      now = this.clock.monotonic();
      next = this.image.run(now);
      this.runs++;
    } while (this.sources !== 0 && ++rounds < ROUNDS_MAX && this.image.end === null);
    this.running = false;
    if (this.stopped || this.image.end !== null) return;
    this.deadlineUs = next;
    if (this.sources !== 0 || (next >= 0 && next <= now)) this.wanted = true;
    if (!this.clock.virtual && !this.options.manual) this.arm(next, now);
    try {
      for (const hook of this.options.afterRun) hook();
    } finally {
      if (this.wanted) this.kick();
    }
  }

  /** Hand marked sources to the image, after moving what waited outside its rings. */
  private signal(): void {
    for (const { ring, source } of this.options.rings.values()) {
      if (ring.waiting > 0 && ring.flush() > 0) this.sources |= 1 << source;
    }
    let sources = this.sources;
    this.sources = 0;
    while (sources !== 0) {
      const source = 31 - Math.clz32(sources);
      sources &= ~(1 << source);
      this.image.intr(source);
    }
  }

  private arm(next: number, now: number): void {
    if (next < 0 || next <= now) {
      this.disarm();
      return;
    }
    if (this.timer !== null && this.timerDeadlineUs <= next) return;
    this.disarm();
    const delayMs = Math.min(Math.ceil((next - now) / 1000), TIMEOUT_MAX_MS);
    this.timer = setTimeout(this.onTimer, delayMs);
    if (!this.isRef) this.timer.unref();
    this.timerDeadlineUs = next;
  }

  private disarm(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private virtualClock(): VirtualClock {
    if (!this.clock.virtual) throw new Error('advance() and runUntil() need a virtual clock: boot(image, { clock: virtualClock() })');
    return this.clock as VirtualClock;
  }
}
