/**
 * Knotes: one interest of one kqueue in one thing, and the lists that they hang on.
 *
 *      File.f_knotes ─► Knote ─► Knote        by kn_fpnext: all interests in this descriptor
 *      Kqueue.kq_hash[ident] ─► Knote         by kn_fpnext: TIMER and USER have no descriptor
 *      Klist (one word, in a socket buffer, vnode …) ⇄ Knote   by kn_selnext/kn_selprev
 *      Kqueue.kq_first ⇄ Knote … kq_last      by kn_tqnext/kn_tqprev: the ready ones
 *
 * Something happens: the subsystem calls knote(list, hint); each Knote on the list is asked whether
 * it is ready, and queued if so. All operations are O(1) a knote.
 */
import { CALLOUT_SIZE } from "./callout";
import { File, fd_getfile, fd_maxfiles } from "./file";
import { KQ_HASH, Kqueue, kqueue_hostcount } from "./kqueue";
import { filt_detach, filt_event } from "./kqueue_filter";
import { kmem_alloc } from "./kmem";
import { Pool, pool_getz, pool_init, pool_put } from "./pool";
import { softint_schedule } from "./softint";
import { KERN_MAXKNOTES } from "rump/tunables";

/** kn_status. */
export const KN_QUEUED: i32 = 1;
export const KN_DISABLED: i32 = 2;
export const KN_ACTIVE: i32 = 4;

@unmanaged
export class Knote {
  kn_kq: Kqueue;
  kn_ident: u32;
  kn_filter: i32;
  kn_flags: i32;
  kn_fflags: i32;
  kn_udata: u32;
  kn_data: i64;
  /** What the caller asked for: fflags and data of EV_ADD. */
  kn_sfflags: i32;
  kn_sdata: i64;
  kn_status: i32;
  /** The file watched, for filters on a descriptor. */
  kn_fp: File;
  /** Next of File.f_knotes, or of the kqueue's hash chain. */
  kn_fpnext: Knote;
  /** Klist links, the list's head being at kn_list. */
  kn_selnext: Knote;
  kn_selprev: Knote;
  kn_list: usize;
  /** Queue links. */
  kn_tqnext: Knote;
  kn_tqprev: Knote;
  /** EVFILT_TIMER: a Callout in the CALLOUT_SIZE bytes behind the structure. */
  kn_hook: usize;
}

@unmanaged
class KnoteState {
  pool: Pool;
}

let ks: KnoteState = changetype<KnoteState>(0);

export function knote_boot(): void {
  ks = changetype<KnoteState>(kmem_alloc(offsetof<KnoteState>(), 8, "knote"));
  ks.pool = pool_init("knote", <u32>(knote_hook() + CALLOUT_SIZE), KERN_MAXKNOTES, 8);
}

/** Where, in a knote, the room for a filter's own callout begins. */
function knote_hook(): usize {
  return (offsetof<Knote>() + 7) & ~7;
}

/** A zeroed knote, or 0. */
export function knote_alloc(): Knote {
  const kn = changetype<Knote>(pool_getz(ks.pool));
  if (kn) kn.kn_hook = changetype<usize>(kn) + knote_hook();
  return kn;
}

export function knote_free(kn: Knote): void {
  pool_put(ks.pool, changetype<usize>(kn));
}

// ── lists of what is watched ─────────────────────────────────────────────────────────────────────

/** Put `kn` on the list whose head word is at `head`. */
export function klist_insert(head: usize, kn: Knote): void {
  const first = changetype<Knote>(load<usize>(head));
  kn.kn_list = head;
  kn.kn_selprev = changetype<Knote>(0);
  kn.kn_selnext = first;
  if (first) first.kn_selprev = kn;
  store<usize>(head, changetype<usize>(kn));
}

export function klist_remove(kn: Knote): void {
  assert(kn.kn_list != 0, "klist_remove: on no list");
  if (kn.kn_selprev) kn.kn_selprev.kn_selnext = kn.kn_selnext;
  else store<usize>(kn.kn_list, changetype<usize>(kn.kn_selnext));
  if (kn.kn_selnext) kn.kn_selnext.kn_selprev = kn.kn_selprev;
  kn.kn_list = 0;
}

/** Something happened to what the list at `head` watches; `hint` is passed to fo_kqevent. */
export function knote(head: usize, hint: i32): void {
  let kn = changetype<Knote>(load<usize>(head));
  while (kn) {
    const next = kn.kn_selnext;
    if (filt_event(kn, hint)) knote_activate(kn);
    kn = next;
  }
}

// ── the ready queue ──────────────────────────────────────────────────────────────────────────────

/** Put `kn` at the end of the ready queue. */
export function kq_enqueue(kq: Kqueue, kn: Knote): void {
  kn.kn_status |= KN_QUEUED;
  kn.kn_tqnext = changetype<Knote>(0);
  kn.kn_tqprev = kq.kq_last;
  if (kq.kq_last) kq.kq_last.kn_tqnext = kn;
  else kq.kq_first = kn;
  kq.kq_last = kn;
  kq.kq_count++;
  if (kq.kq_ishost) kqueue_hostcount(kq.kq_count);
}

/** Take `kn` off the ready queue. */
export function kq_dequeue(kq: Kqueue, kn: Knote): void {
  if (kn.kn_tqprev) kn.kn_tqprev.kn_tqnext = kn.kn_tqnext;
  else kq.kq_first = kn.kn_tqnext;
  if (kn.kn_tqnext) kn.kn_tqnext.kn_tqprev = kn.kn_tqprev;
  else kq.kq_last = kn.kn_tqprev;
  kn.kn_status &= ~KN_QUEUED;
  kq.kq_count--;
  if (kq.kq_ishost) kqueue_hostcount(kq.kq_count);
}

/** `kn` is ready: queue it and tell the owner of its kqueue. */
export function knote_activate(kn: Knote): void {
  kn.kn_status |= KN_ACTIVE;
  if ((kn.kn_status & (KN_QUEUED | KN_DISABLED)) != 0) return;
  const kq = kn.kn_kq;
  kq_enqueue(kq, kn);
  if (kq.kq_notify != 0) softint_schedule(kq.kq_notify - 1);
  if (kq.kq_klist != 0) knote(changetype<usize>(kq) + offsetof<Kqueue>("kq_klist"), 0);
}

// ── knotes: find, make, drop ─────────────────────────────────────────────────────────────────────

/** The chain on which a knote of `kq` for `ident`, or for `fp`, stands. */
export function knote_head(kq: Kqueue, ident: u32, fp: File): usize {
  if (changetype<usize>(fp) != 0) return changetype<usize>(fp) + offsetof<File>("f_knotes");
  return kq.kq_hash + (<usize>(ident & (KQ_HASH - 1)) << 2);
}

/** The knote of `kq` for (ident, filter) on the chain at `head`, or 0. */
export function knote_find(kq: Kqueue, head: usize, ident: u32, filter: i32): Knote {
  let kn = changetype<Knote>(load<usize>(head));
  while (kn && !(kn.kn_kq == kq && kn.kn_ident == ident && kn.kn_filter == filter)) kn = kn.kn_fpnext;
  return kn;
}

/** Forget `kn` altogether. */
export function knote_drop(kn: Knote): void {
  const kq = kn.kn_kq;
  if ((kn.kn_status & KN_QUEUED) != 0) kq_dequeue(kq, kn);
  filt_detach(kn);
  const head = knote_head(kq, kn.kn_ident, kn.kn_fp);
  let at = changetype<Knote>(load<usize>(head));
  if (at == kn) {
    store<usize>(head, changetype<usize>(kn.kn_fpnext));
  } else {
    while (at.kn_fpnext != kn) at = at.kn_fpnext;
    at.kn_fpnext = kn.kn_fpnext;
  }
  knote_free(kn);
}

/** `fp` is being closed: its knotes go without an event, as kqueue(2) says. */
export function knote_fdclose(fp: File): void {
  while (fp.f_knotes != 0) knote_drop(changetype<Knote>(fp.f_knotes));
}

/** `kq` is being closed: its knotes on descriptors go. O(descriptors), as closing a kqueue is rare. */
export function knote_kqclose(kq: Kqueue): void {
  for (let fd = 0; fd < fd_maxfiles(); fd++) {
    const fp = fd_getfile(fd);
    if (changetype<usize>(fp) == 0) continue;
    let kn = changetype<Knote>(fp.f_knotes);
    while (kn) {
      const next = kn.kn_fpnext;
      if (kn.kn_kq == kq) knote_drop(kn);
      kn = next;
    }
  }
}

/** EV_DISABLE: keep it, but deliver nothing. */
export function knote_disable(kn: Knote): void {
  kn.kn_status |= KN_DISABLED;
  if ((kn.kn_status & KN_QUEUED) != 0) kq_dequeue(kn.kn_kq, kn);
}
