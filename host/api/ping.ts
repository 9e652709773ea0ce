/**
 * kernel.ping: echo requests out of the image, by a raw ICMP socket and the image's own timers.
 *
 *      const pinger = kernel.ping('10.0.0.1', { count: 3, onReply: (reply) => … });
 *      const { received, rttUs } = await pinger.done;
 *
 *      send ──► timer (interval) ──► send ──► … count sent ──► timer (timeout) ──► done
 *                                       └── all answered ────────────────────────► done
 *
 * Because waiting is a kevent of the image, it works under a virtual clock too, and costs nothing
 * while nothing happens. Flooding (ping -f) sends again as soon as the last request is answered, and at
 * least every 10 ms. Sequence numbers are 16 bits; what is remembered of them is bounded by that.
 */
import { EAGAIN, ENOBUFS } from '../../kernel/abi/errno';
import { EVFILT_TIMER } from '../../kernel/abi/event';
import { IP_TTL, IPPROTO_ICMP, IPPROTO_IP } from '../../kernel/abi/inet';
import { AF_INET, SO_RCVBUF, SOCK_RAW, SOL_SOCKET } from '../../kernel/abi/socket';
import { SYS_close } from '../../kernel/abi/syscall';
import { errnoText, SystemError } from '../errtrans';
import { KernelGoneError } from '../panic';
import { echo, echoMax, icmpHeader, parseIcmp } from './icmp';
import type { KEvents, Watcher } from './kevents';
import { inetAddress, type InetAddress } from './sockaddr';
import type { Sys } from './sysSockets';

export interface PingReply {
  sequence: number;
  /** Who answered: another than was asked, for a broadcast address. */
  address: string;
  /** Of the ICMP message: header and payload. */
  bytes: number;
  ttl: number;
  rttUs: number;
  /** This request had been answered already. */
  duplicate: boolean;
  /** Offset of the first byte of the payload that is not as it was sent; -1 none. */
  wrongAt: number;
}

/** A request could not be sent, or somebody says that it did not arrive. */
export interface PingTrouble {
  sequence: number;
  /** Who says so; null for the image itself. */
  address: string | null;
  text: string;
}

export interface PingOptions {
  /** Requests; 0 (the default) for no end. */
  count?: number;
  /** Between requests, µs; default 1 s. */
  intervalUs?: number;
  /** Bytes of payload; default 56. */
  size?: number;
  /** How long the last request waits for its answer, µs; default 2 s. */
  timeoutUs?: number;
  ttl?: number;
  flood?: boolean;
  onReply?: (reply: PingReply) => void;
  onTrouble?: (trouble: PingTrouble) => void;
}

export interface PingSummary {
  address: string;
  transmitted: number;
  /** Requests that were answered; further answers to the same one are duplicates. */
  received: number;
  duplicates: number;
  troubles: number;
  /** First request to end, µs. */
  elapsedUs: number;
  /** Round trip of first answers, µs; null without any. */
  rttUs: { min: number; avg: number; max: number; stddev: number } | null;
}

/** What a pinger needs of its kernel. */
export interface PingContext {
  sys: Sys;
  kevents: KEvents;
  /** Monotonic time of the image's clock, µs. */
  now: () => number;
  /** Let the image run now, so that what was sent leaves at once. */
  flush: () => void;
}

const floodUs = 10_000;
/** Answers taken at one event. */
const burst = 64;
const receiveSize = 65_536;
const sequences = 65_536;
/** What is to be known of a sequence number. */
const [unsent, waiting, answered] = [0, 1, 2];

export class Pinger implements Watcher {
  /** Resolves at the end, also after stop(); rejects if the kernel ends. */
  readonly done: Promise<PingSummary>;

  private readonly context: PingContext;
  private readonly options: PingOptions;
  private readonly target: InetAddress;
  private readonly payload: Uint8Array;
  /** The identifier of our requests: the watcher's id, which no other pinger of this kernel has. */
  private readonly id: number;
  private readonly count: number;
  private readonly intervalUs: number;
  private readonly startUs: number;
  private readonly sentUs = new Float64Array(sequences);
  private readonly state = new Uint8Array(sequences);
  private fd: number;
  private watchId: number;
  private transmitted = 0;
  private received = 0;
  private duplicates = 0;
  private troubles = 0;
  private rttMin = Infinity;
  private rttMax = 0;
  private rttSum = 0;
  private rttSquares = 0;
  private resolve!: (summary: PingSummary) => void;
  private reject!: (error: Error) => void;

  /** @throws SystemError if the image has no raw sockets, TypeError or RangeError for the arguments */
  constructor(context: PingContext, address: string, options: PingOptions = {}) {
    this.context = context;
    this.options = options;
    this.target = inetAddress(address === 'localhost' ? '127.0.0.1' : address, 0);
    if (this.target.family !== 'IPv4') throw new TypeError(`${address} is not an IPv4 address`);
    const size = options.size ?? 56;
    if (!Number.isInteger(size) || size < 0 || size > echoMax) throw new RangeError(`a payload of ${size} bytes: it has 0 to ${echoMax}`);
    this.payload = Uint8Array.from({ length: size }, (_, i) => i & 0xff);
    this.count = options.count ?? 0;
    this.intervalUs = options.flood ? floodUs : options.intervalUs ?? 1_000_000;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => {});
    const { sys, kevents } = context;
    this.fd = sys.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    this.watchId = kevents.watch(this.fd, this, true);
    this.id = this.watchId & 0xffff;
    this.startUs = context.now();
    try {
      // A small buffer holds few answers of this size; that it cannot be larger is no reason to stop.
      sys.trySetsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, Math.max(65_536, Math.min(4 * (size + 64), 262_144)));
      if (options.ttl !== undefined) sys.setsockopt(this.fd, IPPROTO_IP, IP_TTL, options.ttl);
      this.send();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** How it stands. */
  get summary(): PingSummary {
    const n = this.received;
    const avg = this.rttSum / n;
    return {
      address: this.target.address, transmitted: this.transmitted, received: n, duplicates: this.duplicates, troubles: this.troubles,
      elapsedUs: this.context.now() - this.startUs,
      rttUs: n === 0 ? null : { min: this.rttMin, avg, max: this.rttMax, stddev: Math.sqrt(Math.max(0, this.rttSquares / n - avg * avg)) },
    };
  }

  /** No further request, and no more waiting for answers. */
  stop(): void {
    if (this.fd < 0) return;
    const { sys, kevents } = this.context;
    kevents.clearTimer(this.watchId);
    kevents.forget(this.watchId);
    sys.raw(SYS_close, this.fd);
    this.fd = -1;
    this.resolve(this.summary);
  }

  onEvent(filter: number): void {
    if (this.fd < 0) return;
    if (filter !== EVFILT_TIMER) this.receive();
    else if (this.allSent) this.stop();
    else this.send();
  }

  onGone(error: Error | null): void {
    if (this.fd < 0) return;
    this.fd = -1;
    this.reject(error ?? new KernelGoneError('the kernel has ended'));
  }

  private get allSent(): boolean {
    return this.count > 0 && this.transmitted >= this.count;
  }

  private send(): void {
    const { sys, kevents, now, flush } = this.context;
    const sequence = this.transmitted % sequences;
    this.sentUs[sequence] = now();
    const result = sys.trySendto(this.fd, echo(this.id, sequence, this.payload), this.target);
    // A flood finds buffers full and tries again; otherwise that is told as everything else is.
    const again = this.options.flood && (result === -EAGAIN || result === -ENOBUFS);
    if (!again) {
      this.transmitted++;
      this.state[sequence] = result < 0 ? unsent : waiting;
    }
    kevents.setTimer(this.watchId, this.allSent ? this.options.timeoutUs ?? 2_000_000 : this.intervalUs);
    if (result < 0 && !again) this.trouble(sequence, null, errnoText(-result));
    flush();
  }

  private receive(): void {
    const { sys } = this.context;
    for (let n = 0; n < burst && this.fd >= 0; n++) {
      const size = sys.tryRecvfrom(this.fd, receiveSize);
      if (size < 0) return;
      this.take(sys.takeData(size));
    }
    // More may be waiting, and the event that said so is used up.
    if (this.fd >= 0) setImmediate(() => { if (this.fd >= 0) this.receive(); });
  }

  private take(bytes: Uint8Array): void {
    const message = parseIcmp(bytes);
    if (message === null || message.id !== this.id) return;
    const { sequence } = message;
    if (message.kind === 'error') {
      if (this.state[sequence] === waiting) this.trouble(sequence, message.source, message.text);
      return;
    }
    if (this.state[sequence] === unsent) return;
    const duplicate = this.state[sequence] === answered;
    const rttUs = this.context.now() - this.sentUs[sequence]!;
    if (duplicate) this.duplicates++;
    else this.countReply(sequence, rttUs);
    this.options.onReply?.({
      sequence, address: message.source, bytes: icmpHeader + message.payload.length, ttl: message.ttl, rttUs, duplicate,
      wrongAt: this.wrongAt(message.payload),
    });
    if (this.fd < 0 || duplicate) return;
    if (this.allSent && this.received >= this.transmitted) this.stop();
    else if (this.options.flood && !this.allSent) this.send();
  }

  /** The first answer to a request. */
  private countReply(sequence: number, rttUs: number): void {
    this.state[sequence] = answered;
    this.received++;
    this.rttMin = Math.min(this.rttMin, rttUs);
    this.rttMax = Math.max(this.rttMax, rttUs);
    this.rttSum += rttUs;
    this.rttSquares += rttUs * rttUs;
  }

  private trouble(sequence: number, address: string | null, text: string): void {
    this.troubles++;
    this.options.onTrouble?.({ sequence, address, text });
  }

  private wrongAt(payload: Uint8Array): number {
    const n = Math.max(payload.length, this.payload.length);
    for (let i = 0; i < n; i++) if (payload[i] !== this.payload[i]) return i;
    return -1;
  }
}

/** Does `error` say that the image has no raw ICMP sockets? */
export function isNoRawSockets(error: unknown): boolean {
  return error instanceof SystemError && error.syscall === 'socket' && error.code !== 'ENOBUFS' && error.code !== 'EMFILE' && error.code !== 'ENFILE';
}
