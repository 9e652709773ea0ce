/**
 * kqueue(2): the one way of waiting in this kernel.
 *
 *      Kqueue ── queue of ready Knotes ──► kevent(2) copies them out, re-checking each
 *        │ hash of knotes without a descriptor (TIMER, USER)
 *      File.f_knotes ── knotes on a descriptor ── each also on the Klist of what it watches
 *
 * Something happens: the subsystem calls knote(list, hint); each Knote on the list is asked
 * (fo_kqevent) and, if ready, queued. kevent(2) asks again before it delivers, because what was ready
 * may have been consumed meanwhile, and a level-triggered knote stays queued until it is found not
 * ready: without the second look "became ready again" is lost (facts.md §7.1). kevent never waits;
 * whoever owns the queue is told when it goes from empty to not empty: an app in the image by a soft
 * interrupt (kqueue_notify), the host by a counter in shared memory (RING_HOSTKQ).
 *
 * Activation and delivery are O(1) a knote; nothing is O(knotes registered).
 */
import { EBADF, EFAULT, EINVAL, ELOOP, EMFILE, ENOENT, ENOMEM } from "../abi/errno";
import * as ev from "../abi/event";
import { RING_HOSTKQ } from "../abi/rump";
import { SYS_kevent, SYS_kqueue, SYS_kqueue_host } from "../abi/syscall";
import { KERN_MAXKQUEUES } from "rump/tunables";
import { DTYPE_KQUEUE, FREAD, File, fd_alloc, fd_getfile } from "./file";
import { kmem_alloc } from "./kmem";
import {
  KN_ACTIVE, KN_DISABLED, Knote, klist_insert, klist_remove, knote, knote_activate, knote_alloc, knote_boot,
  knote_disable, knote_drop, knote_find, knote_free, knote_head, knote_kqclose, kq_dequeue, kq_enqueue,
} from "./knote";
import { KN_MODES, filt_attach, filt_event, filt_isfd, filt_touch } from "./kqueue_filter";
import { useracc } from "./kstring";
import { Pool, pool_getz, pool_index, pool_init_obj, pool_put } from "./pool";
import { ring_register } from "./ring";
import { softint_establish, softint_schedule } from "./softint";
import { sysent_set } from "./syscall";

/** Chains of knotes without a descriptor, a kqueue. */
export const KQ_HASH: i32 = 16;

/** A kqueue is itself a file: it can be closed, and watched with EVFILT_READ. */
export class Kqueue extends File {
  kq_first: Knote;
  kq_last: Knote;
  kq_count: i32;
  /** Soft interrupt to mark when events come, + 1; 0 none. */
  kq_notify: i32;
  /** What that soft interrupt calls. */
  kq_fn: i32;
  kq_arg: usize;
  kq_ishost: bool;
  /** Knotes that watch this kqueue. */
  kq_klist: usize;
  kq_hash: usize;
  /** kqs.mark of the last search that came by. */
  kq_mark: u32;

  fo_read(buf: usize, len: i32): i32 {
    return -EINVAL;
  }
  fo_write(buf: usize, len: i32): i32 {
    return -EINVAL;
  }
  fo_close(): i32 {
    return kqueue_close(this);
  }
  fo_kqfilter(kn: Knote): i32 {
    if (kn.kn_filter != ev.EVFILT_READ || kn.kn_kq == this) return -EINVAL;
    kqs.mark++;
    if (kqueue_waits(this, kn.kn_kq)) return -ELOOP;
    klist_insert(changetype<usize>(this) + offsetof<Kqueue>("kq_klist"), kn);
    return 0;
  }
  fo_kqdetach(kn: Knote): void {
    klist_remove(kn);
  }
  fo_kqevent(kn: Knote, hint: i32): bool {
    kn.kn_data = this.kq_count;
    return this.kq_count > 0;
  }
}

@unmanaged
class KqState {
  kqueues: Pool;
  /** All open kqueues, for the shutdown broadcast: KERN_MAXKQUEUES words, by pool index. */
  all: usize;
  /** KQ_HASH words for each kqueue, by pool index. */
  hashes: usize;
  /** Shared with the host: word 0 counts what is pending on its kqueue. */
  hostflag: usize;
  /** The kqueue that the host watches, or 0. */
  host: usize;
  mark: u32;
}

let kqs: KqState = changetype<KqState>(0);

export function kqueue_boot(): void {
  kqs = changetype<KqState>(kmem_alloc(offsetof<KqState>(), 8, "kqueue"));
  kqs.kqueues = pool_init_obj<Kqueue>("kqueue", KERN_MAXKQUEUES);
  kqs.hashes = kmem_alloc(<usize>KERN_MAXKQUEUES * KQ_HASH << 2, 64, "kqueue");
  knote_boot();
  kqs.all = kmem_alloc(<usize>KERN_MAXKQUEUES << 2, 4, "kqueue");
  kqs.hostflag = kmem_alloc(64, 64, "kqueue");
  ring_register(RING_HOSTKQ, kqs.hostflag);
  sysent_set(SYS_kqueue, sys_kqueue);
  sysent_set(SYS_kevent, sys_kevent);
  sysent_set(SYS_kqueue_host, sys_kqueue_host);
}

/** Does `kq` watch `watched`, itself or through others? Goes up from `watched`, by each kqueue once. */
function kqueue_waits(kq: Kqueue, watched: Kqueue): bool {
  if (watched.kq_mark == kqs.mark) return false;
  watched.kq_mark = kqs.mark;
  for (let kn = changetype<Knote>(watched.kq_klist); kn; kn = kn.kn_selnext) {
    if (kn.kn_kq == kq || kqueue_waits(kq, kn.kn_kq)) return true;
  }
  return false;
}

/** One change of the list: the 24 bytes at `ch`. 0 or -errno. */
function kqueue_register(kq: Kqueue, ch: usize): i32 {
  const ident = load<u32>(ch, ev.KE_IDENT);
  const filter = <i32>load<i16>(ch, ev.KE_FILTER);
  const flags = <i32>load<u16>(ch, ev.KE_FLAGS);
  let fp = changetype<File>(0);
  if (filt_isfd(filter)) {
    fp = fd_getfile(<i32>ident);
    if (changetype<usize>(fp) == 0) return -EBADF;
  } else if (filter != ev.EVFILT_TIMER && filter != ev.EVFILT_USER) return -EINVAL;
  const head = knote_head(kq, ident, fp);
  let kn = knote_find(kq, head, ident, filter);
  if (!kn) {
    if ((flags & ev.EV_ADD) == 0) return -ENOENT;
    kn = knote_alloc();
    if (!kn) return -ENOMEM;
    kn.kn_kq = kq;
    kn.kn_ident = ident;
    kn.kn_filter = filter;
    kn.kn_flags = flags & KN_MODES;
    kn.kn_udata = load<u32>(ch, ev.KE_UDATA);
    kn.kn_sfflags = load<i32>(ch, ev.KE_FFLAGS);
    kn.kn_sdata = load<i64>(ch, ev.KE_DATA);
    kn.kn_fp = fp;
    kn.kn_fpnext = changetype<Knote>(load<usize>(head));
    store<usize>(head, changetype<usize>(kn));
    const e = filt_attach(kn);
    if (e < 0) {
      store<usize>(head, changetype<usize>(kn.kn_fpnext));
      knote_free(kn);
      return e;
    }
  } else if ((flags & ev.EV_DELETE) != 0) {
    knote_drop(kn);
    return 0;
  } else {
    const e = filt_touch(kn, ch, flags);
    if (e < 0) return e;
  }
  if ((flags & ev.EV_DISABLE) != 0) knote_disable(kn);
  else if ((flags & ev.EV_ENABLE) != 0) kn.kn_status &= ~KN_DISABLED;
  if ((kn.kn_status & KN_DISABLED) == 0 && filt_event(kn, 0)) knote_activate(kn);
  return 0;
}

// ── delivery ─────────────────────────────────────────────────────────────────────────────────────

function kevent_put(at: usize, kn: Knote, flags: i32): void {
  store<u32>(at, kn.kn_ident, ev.KE_IDENT);
  store<i16>(at, <i16>kn.kn_filter, ev.KE_FILTER);
  store<u16>(at, <u16>flags, ev.KE_FLAGS);
  store<i32>(at, kn.kn_filter == ev.EVFILT_USER ? kn.kn_sfflags : kn.kn_fflags, ev.KE_FFLAGS);
  store<u32>(at, kn.kn_udata, ev.KE_UDATA);
  store<i64>(at, kn.kn_filter == ev.EVFILT_USER ? kn.kn_sdata : kn.kn_data, ev.KE_DATA);
}

/** Copy up to `max` ready events to `out`; each knote is looked at once. Events copied. */
function kqueue_scan(kq: Kqueue, out: usize, max: i32): i32 {
  let n = 0;
  for (let left = kq.kq_count; left > 0 && n < max; left--) {
    const kn = kq.kq_first;
    kq_dequeue(kq, kn);
    if (!filt_event(kn, 0)) {
      kn.kn_status &= ~KN_ACTIVE;
      continue;
    }
    kevent_put(out + <usize>n * ev.KEVENT_SIZE, kn, kn.kn_flags);
    n++;
    if ((kn.kn_flags & ev.EV_ONESHOT) != 0) knote_drop(kn);
    else if ((kn.kn_flags & (ev.EV_DISPATCH | ev.EV_CLEAR)) != 0) kevent_delivered(kn);
    else kq_enqueue(kq, kn);
  }
  return n;
}

/** An event of `kn` has been handed out, and it does not stay queued: EV_CLEAR, EV_DISPATCH, or both. */
function kevent_delivered(kn: Knote): void {
  kn.kn_status &= ~KN_ACTIVE;
  if ((kn.kn_flags & ev.EV_DISPATCH) != 0) kn.kn_status |= KN_DISABLED;
  if ((kn.kn_flags & ev.EV_CLEAR) == 0) return;
  kn.kn_data = 0;
  kn.kn_fflags = 0;
  kn.kn_flags &= ~ev.EV_EOF;
}

function sys_kevent(fd: i32, ch: i32, nch: i32, out: i32, nev: i32, a5: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0 || fp.f_type != DTYPE_KQUEUE) return -EBADF;
  const kq = changetype<Kqueue>(changetype<usize>(fp));
  const most = <i32>0x7fffffff / ev.KEVENT_SIZE;
  if (nch < 0 || nev < 0 || nch > most || nev > most) return -EINVAL;
  if (!useracc(ch, nch * ev.KEVENT_SIZE) || !useracc(out, nev * ev.KEVENT_SIZE)) return -EFAULT;
  let n = 0;
  for (let i = 0; i < nch; i++) {
    const c = <usize>ch + <usize>i * ev.KEVENT_SIZE;
    const e = kqueue_register(kq, c);
    const receipt = (<i32>load<u16>(c, ev.KE_FLAGS) & ev.EV_RECEIPT) != 0;
    if (e == 0 && !receipt) continue;
    if (n >= nev) return e;
    const at = <usize>out + <usize>n * ev.KEVENT_SIZE;
    memory.copy(at, c, ev.KEVENT_SIZE);
    store<u16>(at, <u16>ev.EV_ERROR, ev.KE_FLAGS);
    store<i64>(at, -e, ev.KE_DATA);
    n++;
  }
  return n > 0 ? n : kqueue_scan(kq, out, nev);
}

// ── making, closing, owners ──────────────────────────────────────────────────────────────────────

function sys_kqueue(a0: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const p = pool_getz(kqs.kqueues);
  if (p == 0) return -EMFILE;
  const kq = changetype<Kqueue>(p);
  kq.f_type = DTYPE_KQUEUE;
  kq.f_flag = FREAD;
  const fd = fd_alloc(kq);
  if (fd < 0) {
    pool_put(kqs.kqueues, p);
    return fd;
  }
  const index = <usize>pool_index(kqs.kqueues, p);
  kq.kq_hash = kqs.hashes + index * (KQ_HASH << 2);
  memory.fill(kq.kq_hash, 0, KQ_HASH << 2);
  store<usize>(kqs.all + (index << 2), p);
  return fd;
}

/** Forget every knote of `kq`: those on descriptors are found through the descriptors. */
function kqueue_close(kq: Kqueue): i32 {
  for (let i = 0; i < KQ_HASH; i++) {
    const head = kq.kq_hash + (<usize>i << 2);
    while (load<usize>(head) != 0) knote_drop(changetype<Knote>(load<usize>(head)));
  }
  knote_kqclose(kq);
  assert(kq.kq_count == 0, "kqueue_close: still queued");
  if (kq.kq_ishost) {
    kqs.host = 0;
    kqueue_hostcount(0);
  }
  store<usize>(kqs.all + (<usize>pool_index(kqs.kqueues, changetype<usize>(kq)) << 2), 0);
  pool_put(kqs.kqueues, changetype<usize>(kq));
  return 0;
}

/** Shared memory word 0 of RING_HOSTKQ: how many events wait on the host's kqueue. */
export function kqueue_hostcount(n: i32): void {
  store<i32>(kqs.hostflag, n);
}

function kqueue_get(fd: i32): Kqueue {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0 || fp.f_type != DTYPE_KQUEUE) return changetype<Kqueue>(0);
  return changetype<Kqueue>(changetype<usize>(fp));
}

/** The host says that kqueue `fd` is the one whose count it watches. */
function sys_kqueue_host(fd: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const kq = kqueue_get(fd);
  if (changetype<usize>(kq) == 0) return -EBADF;
  if (kqs.host != 0) changetype<Kqueue>(kqs.host).kq_ishost = false;
  kqs.host = changetype<usize>(kq);
  kq.kq_ishost = true;
  kqueue_hostcount(kq.kq_count);
  return 0;
}

/** Run an app whose kqueue has events; once more if it left some. */
function kqueue_softint(arg: usize): void {
  const kq = changetype<Kqueue>(arg);
  // kq_notify is 0 when the app's kqueue was closed meanwhile and its memory is another's.
  if (kq.kq_count == 0 || kq.kq_notify == 0) return;
  call_indirect<void>(kq.kq_fn, kq.kq_arg);
  if (kq.kq_count > 0 && kq.kq_notify != 0) softint_schedule(kq.kq_notify - 1);
}

/** Call `fn(arg)` in soft interrupt context while kqueue `fd` has events. Boot only; 0 or -EBADF. */
export function kqueue_notify(fd: i32, fn: (arg: usize) => void, arg: usize): i32 {
  const kq = kqueue_get(fd);
  if (changetype<usize>(kq) == 0) return -EBADF;
  kq.kq_fn = fn.index;
  kq.kq_arg = arg;
  kq.kq_notify = softint_establish(kqueue_softint, changetype<usize>(kq)) + 1;
  if (kq.kq_count > 0) softint_schedule(kq.kq_notify - 1);
  return 0;
}

/** Trigger every EVFILT_USER knote with `ident`, on whatever kqueue it is. */
export function kqueue_broadcast(ident: u32): void {
  for (let i = 0; i < KERN_MAXKQUEUES; i++) {
    const p = load<usize>(kqs.all + (<usize>i << 2));
    if (p == 0) continue;
    const kq = changetype<Kqueue>(p);
    const kn = knote_find(kq, knote_head(kq, ident, changetype<File>(0)), ident, ev.EVFILT_USER);
    if (!kn) continue;
    kn.kn_fflags |= ev.NOTE_TRIGGER;
    if (filt_event(kn, 0)) knote_activate(kn);
  }
}
