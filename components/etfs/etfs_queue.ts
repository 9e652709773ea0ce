/**
 * The I/O queue of a file of the host.
 *
 *      submit ─► barrier before it, or no Rq left? ─► waits (first come, first served)
 *             ─► neighbour waiting? ─► merged with it
 *             ─► scheduler (role iosched) ─► up to ETFS_DEPTH under way ─► hyp_bio
 *             ─► FLUSH, DISCARD, ZERO: not sorted, at once
 *
 * A barrier goes alone: when all before it are done, and before any that comes after. What was merged is
 * gathered in a bounce buffer, because a hypercall has one address; neighbours in memory need none. If a
 * merged transfer fails, each of its requests is tried by itself, so that it fails for its own sectors
 * only. There is no order between requests that are under way together, but that of barriers.
 */
import { BIO_ZERO, DEV_BSHIFT } from "../../kernel/abi/disk";
import { EIO } from "../../kernel/abi/errno";
import { BIO_DISCARD, BIO_FLUSH, BIO_FUA, BIO_READ, BIO_WRITE } from "../../kernel/abi/rump";
import {
  Bioq, NORQ, RQ_READ, RQ_WRITE, Rq, bioq_before, bioq_behind, bioq_create, bioq_pool, rq_append, rq_free, rq_make, rq_prepend,
} from "../../kernel/dev/bioq";
import { B_BARRIER, B_FUA, Buf, bio_complete } from "../../kernel/dev/buf";
import { getmicrouptime } from "../../kernel/kern/clock";
import { hyp_bio } from "../../kernel/kern/hyper";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_char, kput_str, kput_u64 } from "../../kernel/kern/kstring";
import { Pool, pool_get, pool_index, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import { ETFS_BOUNCES, ETFS_DEPTH, ETFS_MAXDEVS, ETFS_MAXRQS, ETFS_MERGE } from "rump/tunables";
import { iosched_add, iosched_init, iosched_moved, iosched_next } from "rump/iosched";

/** Bytes of one hypercall on a range without data. */
const RANGE_MAX: u32 = 1 << 30;
const NOBUF: Buf = changetype<Buf>(0);

@unmanaged
export class EtfsQueue {
  eq_bioq: Bioq;
  eq_handle: i32;
  eq_used: i32;
  /** Transfers under way. */
  eq_inflight: i32;
  /** A barrier is under way. */
  eq_barrier: i32;
  /** Bufs that wait for a barrier or for an Rq. */
  eq_first: Buf;
  eq_last: Buf;
  /** Bufs of merged transfers that failed: each by itself, before all others. */
  eq_retry: Buf;
  /** The Rq that waits for a bounce buffer. */
  eq_held: Rq;
  eq_submitted: u64;
  eq_bounced: u64;
  eq_errors: u64;
}

@unmanaged
class EtfsQueues {
  /** ETFS_MAXDEVS pointers. */
  table: usize;
  rqs: Pool;
  bounces: Pool;
}

let qs: EtfsQueues = changetype<EtfsQueues>(0);

function queue_at(i: i32): EtfsQueue {
  return changetype<EtfsQueue>(load<usize>(qs.table + (<usize>i << 2)));
}

/** Boot: all queues that there may be. */
export function etfs_queue_init(): void {
  qs = changetype<EtfsQueues>(kmem_alloc(offsetof<EtfsQueues>(), 8, "etfs"));
  qs.table = kmem_alloc(<usize>ETFS_MAXDEVS << 2, 8, "etfs");
  qs.rqs = bioq_pool(ETFS_MAXRQS);
  qs.bounces = pool_init("etfs.bounce", ETFS_MERGE, ETFS_BOUNCES, 64);
  for (let i = 0; i < ETFS_MAXDEVS; i++) {
    const q = changetype<EtfsQueue>(kmem_alloc(offsetof<EtfsQueue>(), 8, "etfs"));
    q.eq_bioq = bioq_create(qs.rqs, ETFS_MERGE >> DEV_BSHIFT);
    iosched_init(q.eq_bioq, ETFS_MAXRQS);
    store<usize>(qs.table + (<usize>i << 2), changetype<usize>(q));
  }
}

/** A queue for host handle `handle`. There are as many as devices. */
export function etfs_queue_get(handle: i32): EtfsQueue {
  let i = 0;
  while (queue_at(i).eq_used != 0) i++;
  const q = queue_at(i);
  q.eq_used = 1;
  q.eq_handle = handle;
  q.eq_submitted = 0;
  q.eq_bounced = 0;
  q.eq_errors = 0;
  q.eq_bioq.bq_nback = 0;
  q.eq_bioq.bq_nfront = 0;
  q.eq_bioq.bq_ndispatched = 0;
  return q;
}

export function etfs_queue_busy(q: EtfsQueue): bool {
  return q.eq_inflight > 0 || q.eq_bioq.bq_count > 0 || changetype<usize>(q.eq_first) != 0;
}

export function etfs_queue_put(q: EtfsQueue): void {
  assert(!etfs_queue_busy(q), "etfs: a queue in use");
  q.eq_used = 0;
}

// ── in ───────────────────────────────────────────────────────────────────────────────────────────

function wait(q: EtfsQueue, bp: Buf): void {
  bp.b_next = NOBUF;
  if (q.eq_last) q.eq_last.b_next = bp;
  else q.eq_first = bp;
  q.eq_last = bp;
}

/** Direction of a transfer with data; -1 for what has none. */
function direction(bp: Buf): i32 {
  if (bp.b_op == BIO_READ) return RQ_READ;
  return bp.b_op == BIO_WRITE ? RQ_WRITE : -1;
}

/** Take `bp` in, if nothing stands in its way. */
function admit(q: EtfsQueue, bp: Buf): bool {
  const bq = q.eq_bioq;
  if (q.eq_barrier != 0) return false;
  if ((bp.b_flags & B_BARRIER) != 0) {
    if (q.eq_inflight > 0 || bq.bq_count > 0 || q.eq_held || q.eq_retry) return false;
    q.eq_barrier = 1;
  }
  const dir = direction(bp);
  const flags = bp.b_flags & B_FUA;
  const plain = dir >= 0 && (bp.b_flags & B_BARRIER) == 0;
  if (plain && merge(bq, bp, dir, flags)) return true;
  const rq = rq_make(bq, bp, dir, flags, getmicrouptime());
  if (!rq) {
    q.eq_barrier = 0;
    return false;
  }
  rq.rq_queue = changetype<usize>(q);
  if (plain) iosched_add(bq, rq);
  else send(q, rq);
  return true;
}

/** Make `bp` a part of what waits next to it. */
function merge(bq: Bioq, bp: Buf, dir: i32, flags: i32): bool {
  let rq = bioq_before(bq, bp, dir, flags);
  if (rq) {
    rq_append(bq, rq, bp);
    return true;
  }
  rq = bioq_behind(bq, bp, dir, flags);
  if (!rq) return false;
  rq_prepend(bq, rq, bp);
  iosched_moved(bq, rq);
  return true;
}

/** A request from above. */
export function etfs_queue_submit(q: EtfsQueue, bp: Buf): void {
  q.eq_submitted++;
  if (q.eq_first || !admit(q, bp)) wait(q, bp);
  dispatch(q);
}

// ── out ──────────────────────────────────────────────────────────────────────────────────────────

/** Do the data of all Bufs of `rq` lie one behind the other in memory? */
function is_contiguous(rq: Rq): bool {
  for (let bp = rq.rq_first; bp.b_next; bp = bp.b_next) {
    if (bp.b_data + bp.b_bcount != bp.b_next.b_data) return false;
  }
  return true;
}

/** Copy between the Bufs of `rq` and its bounce buffer. */
function gather(rq: Rq, out: bool): void {
  let at = rq.rq_bounce;
  for (let bp = rq.rq_first; bp; bp = bp.b_next) {
    if (out) memory.copy(at, bp.b_data, bp.b_bcount);
    else memory.copy(bp.b_data, at, bp.b_bcount);
    at += bp.b_bcount;
  }
}

/** The number that the host knows `rq` by. */
function cookie_of(rq: Rq): i32 {
  return <i32>pool_index(qs.rqs, changetype<usize>(rq));
}

/** Hand `rq` to the host; false: there is no bounce buffer for it. */
function send(q: EtfsQueue, rq: Rq): bool {
  const first = rq.rq_first;
  let op = first.b_op;
  let bytes = rq.rq_nsect << DEV_BSHIFT;
  let data = first.b_data;
  if (op == BIO_READ || op == BIO_WRITE) {
    if (rq.rq_nbufs > 1 && !is_contiguous(rq)) {
      rq.rq_bounce = pool_get(qs.bounces);
      if (rq.rq_bounce == 0) return false;
      q.eq_bounced++;
      if (op == BIO_WRITE) gather(rq, true);
      data = rq.rq_bounce;
    }
    if (op == BIO_WRITE && (rq.rq_flags & B_FUA) != 0) op |= BIO_FUA;
  } else {
    // rq_nsect is what is left of the range: long ones go in parts.
    bytes = op == BIO_FLUSH ? 0 : <u32>min<u64>(<u64>rq.rq_nsect << DEV_BSHIFT, RANGE_MAX);
    data = 0;
  }
  q.eq_inflight++;
  const e = hyp_bio(q.eq_handle, op, data, bytes, <f64>rq.rq_blkno * 512.0, cookie_of(rq));
  if (e < 0) complete(q, rq, e);
  return true;
}

/** Fill the device's hands: what failed before, then what the scheduler says. */
function dispatch(q: EtfsQueue): void {
  const now = getmicrouptime();
  while (q.eq_inflight < ETFS_DEPTH && q.eq_barrier == 0) {
    let rq = q.eq_held;
    q.eq_held = NORQ;
    if (!rq && q.eq_retry) {
      const bp = q.eq_retry;
      const next = bp.b_next;
      rq = rq_make(q.eq_bioq, bp, direction(bp), bp.b_flags & B_FUA, now);
      if (!rq) return;
      rq.rq_queue = changetype<usize>(q);
      q.eq_retry = next;
    }
    if (!rq) rq = iosched_next(q.eq_bioq, now);
    if (!rq) return;
    if (!send(q, rq)) {
      q.eq_held = rq;
      return;
    }
  }
}

/** The Bufs of `rq` are done, with 0 or -errno. */
function finish(q: EtfsQueue, rq: Rq, e: i32): void {
  let bp = rq.rq_first;
  while (bp) {
    const next = bp.b_next;
    bp.b_error = e;
    if (e == 0) bp.b_resid = 0;
    bio_complete(bp);
    bp = next;
  }
}

/** Put the Bufs of `rq` in front of the retry list. */
function retry(q: EtfsQueue, rq: Rq): void {
  rq.rq_last.b_next = q.eq_retry;
  q.eq_retry = rq.rq_first;
}

/** The host is done with `rq`: bytes or -errno. */
function complete(q: EtfsQueue, rq: Rq, result: i32): void {
  q.eq_inflight--;
  const op = rq.rq_first.b_op;
  const moves = op == BIO_READ || op == BIO_WRITE;
  let e = min(result, 0);
  if (moves && result >= 0 && <u32>result != rq.rq_nsect << DEV_BSHIFT) e = -EIO;
  if (e == 0 && (op == BIO_DISCARD || op == BIO_ZERO) && rq.rq_nsect > RANGE_MAX >> DEV_BSHIFT) {
    rq.rq_blkno += RANGE_MAX >> DEV_BSHIFT;
    rq.rq_nsect -= RANGE_MAX >> DEV_BSHIFT;
    send(q, rq);
    return;
  }
  if (rq.rq_bounce != 0) {
    if (e == 0 && op == BIO_READ) gather(rq, false);
    pool_put(qs.bounces, rq.rq_bounce);
  }
  q.eq_errors += u32(e < 0);
  if ((rq.rq_first.b_flags & B_BARRIER) != 0) q.eq_barrier = 0;
  if (e < 0 && rq.rq_nbufs > 1) retry(q, rq);
  else finish(q, rq, e);
  rq_free(q.eq_bioq, rq);
}

/** Let in what waits, as far as it may; then on with the next transfers. */
function advance(q: EtfsQueue): void {
  while (q.eq_first) {
    const bp = q.eq_first;
    const next = bp.b_next;
    if (!admit(q, bp)) break;
    q.eq_first = next;
    if (!next) q.eq_last = NOBUF;
  }
  dispatch(q);
}

/** A completion from the host, by its cookie. */
export function etfs_queue_done(cookie: i32, result: i32): void {
  const rq = changetype<Rq>(pool_ptr(qs.rqs, cookie));
  const q = changetype<EtfsQueue>(rq.rq_queue);
  complete(q, rq, result);
  advance(q);
  // Rqs and bounce buffers are common to all: another queue may have waited for these.
  for (let i = 0; i < ETFS_MAXDEVS; i++) {
    const other = queue_at(i);
    if (other != q && other.eq_used != 0 && (other.eq_held || other.eq_first || other.eq_retry)) advance(other);
  }
}

function line(at: usize, end: usize, key: string, value: u64): usize {
  at = kput_u64(kput_char(kput_str(at, end, key), end, 32), end, value);
  return kput_char(at, end, 10);
}

/** Numbers of the queue, a line each. */
export function etfs_queue_stat(q: EtfsQueue, at: usize, end: usize): usize {
  at = line(at, end, "requests", q.eq_submitted);
  at = line(at, end, "transfers", q.eq_bioq.bq_ndispatched);
  at = line(at, end, "merged_back", q.eq_bioq.bq_nback);
  at = line(at, end, "merged_front", q.eq_bioq.bq_nfront);
  at = line(at, end, "bounced", q.eq_bounced);
  at = line(at, end, "in_flight", q.eq_inflight);
  return line(at, end, "errors", q.eq_errors);
}
