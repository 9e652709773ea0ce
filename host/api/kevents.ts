/**
 * The host's own kqueue: how JavaScript objects wait for descriptors of the image.
 *
 *      knote (EV_CLEAR, udata = watcher id) ── ready ──► count in shared memory (RING_HOSTKQ)
 *                                                              │ looked at after every run
 *      Watcher.onEvent ◄── one SYS_kevent for up to 256 of them ┘
 *
 * A run without news for the host costs one load. Watcher ids are never used again, so an event that
 * was fetched together with the one whose handler closed its descriptor finds nobody. An exception in
 * a handler does not cost the others their events: it surfaces as an uncaught exception, as from any
 * callback of the event loop.
 */
import {
  EV_ADD, EV_CLEAR, EV_DELETE, EV_EOF, EV_ONESHOT, EVFILT_READ, EVFILT_TIMER, EVFILT_WRITE, KE_DATA, KE_FFLAGS, KE_FILTER,
  KE_FLAGS, KE_UDATA, KEVENT_SIZE, NOTE_USECONDS,
} from '../../kernel/abi/event';
import { ENOENT } from '../../kernel/abi/errno';
import { RING_HOSTKQ } from '../../kernel/abi/rump';
import { SYS_kevent, SYS_kqueue, SYS_kqueue_host } from '../../kernel/abi/syscall';
import { SystemError } from '../errtrans';
import type { Sys } from './sysSockets';

/** Who waits for a descriptor. */
export interface Watcher {
  /**
   * @param filter EVFILT_READ or EVFILT_WRITE, or EVFILT_TIMER after setTimer()
   * @param data bytes to read, connections to accept, or room to write
   * @param eof the other side has finished (READ) or will read no more (WRITE)
   */
  onEvent(filter: number, data: number, eof: boolean, fflags: number): void;
  /** The kernel is gone, after a panic with an error; no event will come. */
  onGone(error: Error | null): void;
}

/** Events fetched by one call. */
const batch = 256;
/** Words kept of each event between fetching and handling. */
const kept = 4;

export class KEvents {
  private readonly sys: Sys;
  private readonly watchers = new Map<number, Watcher>();
  private readonly fetched = new Float64Array(batch * kept);
  private kq = -1;
  private flagAt = 0;
  private nextId = 1;
  private polling = false;

  constructor(sys: Sys) {
    this.sys = sys;
  }

  /** Number of descriptors watched. */
  get size(): number { return this.watchers.size; }

  /** Is anything on the host's kqueue? */
  get isReady(): boolean {
    return this.flagAt !== 0 && this.sys.image.i32[this.flagAt] !== 0;
  }

  /**
   * Watch descriptor `fd` with both filters (or only EVFILT_READ) until forget(). Closing the
   * descriptor removes the knotes.
   * @returns the watcher's id
   * @throws SystemError
   */
  watch(fd: number, watcher: Watcher, onlyRead = false): number {
    if (this.kq < 0) this.open();
    const { sys } = this;
    const id = this.nextId++;
    const add = { ident: fd, flags: EV_ADD | EV_CLEAR, fflags: 0, udata: id, data: 0 };
    sys.putKevent(sys.data, { ...add, filter: EVFILT_READ });
    if (!onlyRead) sys.putKevent(sys.data + KEVENT_SIZE, { ...add, filter: EVFILT_WRITE });
    const result = sys.raw(SYS_kevent, this.kq, sys.data, onlyRead ? 1 : 2, 0, 0);
    if (result < 0) throw new SystemError(result, 'kevent');
    this.watchers.set(id, watcher);
    return id;
  }

  /** The watcher's descriptor is being closed. */
  forget(id: number): void {
    this.watchers.delete(id);
  }

  /** Give watcher `id` one EVFILT_TIMER event in `us` microseconds of the image's clock; again moves it. */
  setTimer(id: number, us: number): void {
    this.changeTimer(id, EV_ADD | EV_ONESHOT, us);
  }

  /** No timer event any more. */
  clearTimer(id: number): void {
    this.changeTimer(id, EV_DELETE, 0);
  }

  /** Fetch and hand out what is ready; called by the pump after every run. */
  poll(): void {
    if (!this.isReady || this.polling) return;
    this.polling = true;
    try {
      const n = this.fetch();
      for (let i = 0; i < n; i++) this.dispatch(i * kept);
    } catch (error) {
      if (this.sys.image.end === null) throw error;
    } finally {
      this.polling = false;
    }
  }

  /** Tell every watcher that the kernel has ended. */
  gone(error: Error | null): void {
    const watchers = [...this.watchers.values()];
    this.watchers.clear();
    for (const watcher of watchers) watcher.onGone(error);
  }

  /** The timer of a watcher has its id as its own. What is not there need not be deleted. */
  private changeTimer(id: number, flags: number, us: number): void {
    const { sys } = this;
    sys.putKevent(sys.data, { ident: id, filter: EVFILT_TIMER, flags, fflags: NOTE_USECONDS, udata: id, data: Math.ceil(us) });
    const result = sys.raw(SYS_kevent, this.kq, sys.data, 1, 0, 0);
    if (result < 0 && result !== -ENOENT) throw new SystemError(result, 'kevent');
  }

  private open(): void {
    const { sys } = this;
    const kq = sys.raw(SYS_kqueue);
    if (kq < 0) throw new SystemError(kq, 'kqueue');
    const result = sys.raw(SYS_kqueue_host, kq);
    if (result < 0) throw new SystemError(result, 'kqueue_host');
    this.kq = kq;
    this.flagAt = sys.image.exports.rump_ring(RING_HOSTKQ) >>> 2;
  }

  /** Copy what is ready out of the exchange area, which handlers overwrite. */
  private fetch(): number {
    const { sys, fetched } = this;
    const n = sys.raw(SYS_kevent, this.kq, 0, 0, sys.data, batch);
    if (n < 0) throw new SystemError(n, 'kevent');
    for (let i = 0, at = sys.data; i < n; i++, at += KEVENT_SIZE) {
      fetched[i * kept] = sys.dv.getUint32(at + KE_UDATA, true);
      fetched[i * kept + 1] = sys.dv.getInt16(at + KE_FILTER, true) * 65536 + sys.dv.getUint16(at + KE_FLAGS, true);
      fetched[i * kept + 2] = sys.dv.getUint32(at + KE_DATA, true) + sys.dv.getInt32(at + KE_DATA + 4, true) * 2 ** 32;
      fetched[i * kept + 3] = sys.dv.getInt32(at + KE_FFLAGS, true);
    }
    return n;
  }

  private dispatch(at: number): void {
    const { fetched } = this;
    const watcher = this.watchers.get(fetched[at]!);
    if (watcher === undefined) return;
    const word = fetched[at + 1]!;
    const filter = Math.floor(word / 65536);
    try {
      watcher.onEvent(filter, fetched[at + 2]!, (word & EV_EOF) !== 0, fetched[at + 3]!);
    } catch (error) {
      // A panic in a system call of the handler has been reported, and its socket is closed.
      if (this.sys.image.end === null) process.nextTick(() => { throw error; });
    }
  }
}
