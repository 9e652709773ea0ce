/**
 * Events on their way to the image: merged by socket, so that no backlog can grow.
 *
 *      post(socket, bits) ──> dirty sockets, each once, with the bits it has collected
 *      flush()            ──> RING_SOCKIN as far as there is room, INTR_SOCKIN, one run; then the rest
 *
 * Readiness is a set, not a sequence: two "readable" are one. However slow the image is, what waits
 * is bounded by the number of sockets, and the ring never overflows. One flush follows a batch of
 * events, not each of them, so that a run of the image has as much as possible to do.
 */
import type { HyperHost } from '../../host/hyperHost';
import { INTR_SOCKIN, RING_SOCKIN } from '../../kernel/abi/rump';
import { SOCKIN_EV_ERROR } from './sockin.abi';

/** The part of a socket that has events. */
export interface EventSource {
  /** The image's name for it. */
  cookie: number;
  /** SOCKIN_EV_* collected and not yet delivered. */
  pending: number;
  /** errno (NetBSD's) for SOCKIN_EV_ERROR. */
  error: number;
  /** Closed: what is pending is not delivered. */
  dead: boolean;
}

/** What the queue needs of the host. */
export type EventHost = Pick<HyperHost, 'ring' | 'intr' | 'flush'>;

export class EventQueue {
  private dirty: EventSource[] = [];
  private scheduled = false;
  private stopped = false;
  private readonly later = (): void => { this.scheduled = false; this.flush(); };

  constructor(private readonly host: EventHost) {}

  /** Note that `bits` have become true of `source`. Delivered by flush() or schedule(). */
  post(source: EventSource, bits: number, error = 0): void {
    if (source.pending === 0) this.dirty.push(source);
    source.pending |= bits;
    if ((bits & SOCKIN_EV_ERROR) !== 0) source.error = error;
  }

  /** Deliver at the end of this turn of the event loop: for events that come one at a time. */
  schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    setImmediate(this.later);
  }

  /** Deliver what is pending and run the image. Never called from within a hypercall. */
  flush(): void {
    if (this.stopped || this.dirty.length === 0) return;
    const ring = this.host.ring(RING_SOCKIN);
    const room = ring.capacity - ring.used - ring.waiting;
    const batch = this.dirty;
    const n = Math.min(room, batch.length);
    this.dirty = n < batch.length ? batch.slice(n) : [];
    for (let i = 0; i < n; i++) {
      const source = batch[i]!;
      if (!source.dead) ring.push(source.cookie, source.pending, source.error);
      source.pending = 0;
      source.error = 0;
    }
    this.host.intr(INTR_SOCKIN);
    this.host.flush();
  }

  /** The image has run: there is room on the ring for what had to wait. */
  afterRun(): void {
    if (this.dirty.length > 0) this.schedule();
  }

  /** Deliver nothing any more. */
  stop(): void {
    this.stopped = true;
    this.dirty = [];
  }
}
