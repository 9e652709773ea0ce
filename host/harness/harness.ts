/**
 * The harness: an image on a bare IP interface, and clients that drive its sockets, its frames and its
 * clock (docs/harness.md has the wire format).
 *
 *      client ── Lane ── request ─▶ Pending ── attempt … ─▶ answer ── Lane ─▶ client      one each at a time
 *                                       ▲
 *      image runs, frames leave ────────┴──── time passes (alarm, or the virtual clock)
 *
 * Virtual time is the harness's: a client that sleeps or waits for a frame moves it, from deadline to
 * deadline, and so does the situation that every client waits, when nothing else could happen any more.
 * A client with two lanes races against itself: its second thread may be about to make the call that
 * the first one waits for, or to ask for the time after a call that has just returned. So before time is
 * moved, lanes that are not waiting are given a moment of real time to speak up.
 */
import { linuxFromErrno } from '../errtrans';
import type { VirtualClock } from '../determinism';
import type { Kernel } from '../kernel';
import { EIO } from '../../kernel/abi/errno';
import type { QueueDevice } from './ipDevice';
import { LINUX_EINVAL } from './linuxConstants';
import * as op from './protocol';
import type { Answer, Request } from './protocol';
import { failure, type Pending, Sockets } from './sockets';

/** How long a frame is waited for. */
const FRAME_LIMIT_US = 8_000_000;
const FRAME_MAX = 65_535;
/** Real time that silent lanes have to speak up before virtual time is moved, ms. */
const GRACE_MS = 5;
/** Virtual time stands still; who asks for it more often than this in a row waits for it to pass. */
const ASKED_MAX = 8;
/** Closer than this to its time an alarm is met by turning the event loop, ms. */
const CLOSE_MS = 2;

/** One client's connection: requests in, answers out, in order. */
export class Lane {
  private readonly queue: Request[] = [];
  /** The request that is being served. */
  current: Waiting | null = null;

  constructor(private readonly harness: Harness, readonly reply: (answer: Answer) => void) {}

  push(request: Request): void {
    this.queue.push(request);
    if (this.current === null) this.harness.serve(this, this.queue.shift()!);
  }

  /** The request was answered: the next one, if there is one. */
  next(): void {
    const request = this.queue.shift();
    if (request !== undefined) this.harness.serve(this, request);
  }
}

interface Waiting {
  lane: Lane;
  pending: Pending;
  /** Monotonic µs; null: never. */
  deadlineUs: number | null;
  /** Virtual time passes for it. */
  movesTime: boolean;
}

export interface HarnessParts {
  kernel: Kernel;
  device: QueueDevice;
  /** null: time is the host's. */
  clock: VirtualClock | null;
  /** A client has said that this is the end (op 0), and has been answered. */
  onFree: () => void;
}

export class Harness {
  readonly kernel: Kernel;
  private readonly device: QueueDevice;
  private readonly clock: VirtualClock | null;
  private readonly sockets: Sockets;
  private readonly onFree: () => void;
  private readonly lanes = new Set<Lane>();
  private readonly waiting = new Set<Waiting>();
  private timer: NodeJS.Timeout | null = null;
  private immediate: NodeJS.Immediate | null = null;
  /** Silent lanes have had their moment. */
  private isQuiet = false;
  /** How often in a row clients have asked for nothing but the time. */
  private asked = 0;
  private isPumping = false;
  private closed = false;

  constructor({ kernel, device, clock, onFree }: HarnessParts) {
    this.kernel = kernel;
    this.device = device;
    this.clock = clock;
    this.onFree = onFree;
    this.sockets = new Sockets(kernel.sys);
    kernel.run();
    this.schedule();
  }

  /** A client has connected. */
  open(reply: (answer: Answer) => void): Lane {
    const lane = new Lane(this, reply);
    this.lanes.add(lane);
    this.isQuiet = false;
    return lane;
  }

  /** It has gone, with whatever it waited for. */
  leave(lane: Lane): void {
    this.lanes.delete(lane);
    if (lane.current !== null) this.waiting.delete(lane.current);
    lane.current = null;
    this.schedule();
  }

  close(): void {
    this.closed = true;
    this.disarm();
  }

  /** Begin a request; its answer may come at once. */
  serve(lane: Lane, request: Request): void {
    this.isQuiet = false;
    this.asked = request.op === op.OP_TIME ? this.asked + 1 : 0;
    if (!this.kernel.isAlive) {
      lane.reply(failure(linuxFromErrno(EIO)));
      lane.next();
      return;
    }
    if (request.op === op.OP_FREE) {
      lane.reply({ ret: 0 });
      this.onFree();
      return;
    }
    const pending = this.begin(request);
    const { timeoutUs } = pending;
    lane.current = {
      lane, pending, deadlineUs: timeoutUs === null ? null : this.nowUs + timeoutUs,
      movesTime: request.op === op.OP_FRAME_OUT || request.op === op.OP_SLEEP,
    };
    this.waiting.add(lane.current);
    this.pump();
  }

  private get nowUs(): number { return this.kernel.pump.nowUs; }

  /** What clients are told the time is: the wall clock's µs. */
  private clientTime(monotonicUs: number): number {
    const wall = this.clock === null ? (performance.timeOrigin + performance.now()) * 1000 : this.clock.realtime();
    return wall - this.nowUs + monotonicUs;
  }

  private begin(request: Request): Pending {
    const socketCall = this.sockets.begin(request);
    if (socketCall !== undefined) return socketCall;
    const now = (answer: Answer): Pending => ({ attempt: () => answer, timeoutUs: null, expired: () => answer });
    switch (request.op) {
      case op.OP_FRAME_IN: return now(this.frameIn(request.payload));
      case op.OP_FRAME_OUT: return { attempt: () => this.frameOut(request.a), timeoutUs: FRAME_LIMIT_US, expired: () => ({ ret: 0 }) };
      case op.OP_SLEEP: return { attempt: () => null, timeoutUs: Math.max(0, request.a), expired: () => ({ ret: 0 }) };
      case op.OP_TIME: return now(this.tell());
      default: return now(failure(LINUX_EINVAL));
    }
  }

  /** The time. A client that spins on it, as packetdrill does for the last microseconds, sees it creep. */
  private tell(): Answer {
    if (this.clock !== null && this.asked > ASKED_MAX) this.clock.advance(1);
    return { ret: 0, aux: this.clientTime(this.nowUs) };
  }

  private frameIn(datagram: Uint8Array): Answer {
    if (datagram.length === 0 || datagram.length > FRAME_MAX) return failure(LINUX_EINVAL);
    this.device.inject(datagram);
    return { ret: 0 };
  }

  private frameOut(most: number): Answer | null {
    const sent = this.device.take();
    if (sent === undefined) return null;
    const payload = sent.bytes.subarray(0, Math.max(0, most));
    return { ret: payload.length, aux: this.clientTime(sent.timeUs), payload };
  }

  /** Let the image run, try what waits, answer what is done; then see when to come back. */
  private pump(): void {
    // An answer may bring the lane's next request at once: one loop serves them all.
    if (this.isPumping) return;
    this.isPumping = true;
    try {
      for (let progress = true; progress && this.kernel.isAlive && !this.closed;) {
        this.kernel.run();
        progress = false;
        for (const one of [...this.waiting]) progress = this.tryOne(one) || progress;
      }
    } finally {
      this.isPumping = false;
    }
    if (!this.kernel.isAlive) this.abandon();
    this.schedule();
  }

  private tryOne(one: Waiting): boolean {
    if (!this.waiting.has(one) || !this.kernel.isAlive) return false;
    const late = one.deadlineUs !== null && one.deadlineUs <= this.nowUs;
    const given = one.pending.attempt() ?? (late ? one.pending.expired() : null);
    if (given === null) return false;
    this.finish(one, given);
    return true;
  }

  private finish(one: Waiting, given: Answer): void {
    this.waiting.delete(one);
    one.lane.current = null;
    this.isQuiet = false;
    one.lane.reply(given);
    one.lane.next();
  }

  /** The image is gone: whoever waits hears so. */
  private abandon(): void {
    for (const one of [...this.waiting]) this.finish(one, failure(linuxFromErrno(EIO)));
  }

  private disarm(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    if (this.immediate !== null) clearImmediate(this.immediate);
    this.timer = null;
    this.immediate = null;
  }

  /** When something happens next by itself; -1 never. */
  private nextEvent(): number {
    let next = this.kernel.pump.deadlineUs;
    for (const { deadlineUs } of this.waiting) if (deadlineUs !== null && (next < 0 || deadlineUs < next)) next = deadlineUs;
    return next;
  }

  private schedule(): void {
    this.disarm();
    if (this.closed || !this.kernel.isAlive || this.isPumping) return;
    if (this.clock === null) this.setAlarm();
    else this.moveTime(this.clock);
  }

  /** Real time: come back at the next event. Timers of the host are late; the last moment is spent turning. */
  private setAlarm(): void {
    const next = this.nextEvent();
    if (next < 0) return;
    const delayMs = (next - this.nowUs) / 1000;
    if (delayMs > CLOSE_MS) this.timer = setTimeout(() => this.onAlarm(), Math.min(Math.floor(delayMs - 1), 2 ** 30));
    else this.immediate = setImmediate(() => this.onAlarm());
  }

  private onAlarm(): void {
    this.timer = null;
    this.immediate = null;
    if (this.nextEvent() > this.nowUs) this.schedule();
    else this.pump();
  }

  /** Virtual time: move it if it is to be moved, after those who are silent have had their moment. */
  private moveTime(clock: VirtualClock): void {
    const isWanted = [...this.waiting].some(({ movesTime }) => movesTime)
      || (this.lanes.size > 0 && [...this.lanes].every(({ current }) => current !== null));
    if (!isWanted || this.nextEvent() < 0) return;
    const isSilent = [...this.lanes].some(({ current }) => current === null);
    if (isSilent && !this.isQuiet) {
      this.timer = setTimeout(() => {
        this.timer = null;
        this.isQuiet = true;
        this.schedule();
      }, GRACE_MS);
      return;
    }
    this.immediate = setImmediate(() => {
      this.immediate = null;
      clock.advanceTo(Math.max(this.nextEvent(), clock.monotonic()));
      this.pump();
    });
  }
}
