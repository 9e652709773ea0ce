/**
 * What queues of requests in front of a device are made of, whoever decides about their order.
 *
 *      bufs ─► Rq ─► scheduler (role iosched: noop, deadline) ─► Rq ─► the driver
 *               │ merged: Buf ─► Buf ─► Buf of adjacent sectors, in order
 *
 *      hash of ends:   sector behind an Rq ─► Rq      where a Buf can be added behind
 *      hash of starts: its first sector    ─► Rq      … or in front
 *
 * An Rq is one transfer of the device: one Buf, or several that lie next to each other, of the same
 * direction and flags. It is in the hashes while it waits and is not there any more when it is under way.
 * All operations look through one bucket at most.
 */
import { kmem_alloc } from "../kern/kmem";
import { Pool, pool_getz, pool_init, pool_put } from "../kern/pool";
import { Buf } from "./buf";

export const RQ_READ: i32 = 0;
export const RQ_WRITE: i32 = 1;
const BUCKETS: u32 = 64;

/** One transfer. */
@unmanaged
export class Rq {
  /** The scheduler's list: order of arrival. */
  rq_next: Rq;
  rq_prev: Rq;
  /** Chains of the hashes. */
  rq_endnext: Rq;
  rq_startnext: Rq;
  rq_dir: i32;
  /** B_FUA. */
  rq_flags: i32;
  rq_blkno: u64;
  rq_nsect: u32;
  rq_nbufs: u32;
  /** Its Bufs, by b_next. */
  rq_first: Buf;
  rq_last: Buf;
  /** When it came, µs of uptime. */
  rq_time: i64;
  /** In the hashes. */
  rq_hashed: i32;
  /** The driver's: the queue, and where its data is gathered. */
  rq_queue: usize;
  rq_bounce: usize;
}

/** The queue of one device. */
@unmanaged
export class Bioq {
  bq_pool: Pool;
  bq_ends: usize;
  bq_starts: usize;
  /** Rqs that wait. */
  bq_count: i32;
  /** Most sectors of one Rq. */
  bq_maxsect: u32;
  /** The scheduler's own. */
  bq_sched: usize;
  bq_nback: u64;
  bq_nfront: u64;
  bq_ndispatched: u64;
}

export const NORQ: Rq = changetype<Rq>(0);

/** Rqs for `n` transfers, for any number of queues. Boot only. */
export function bioq_pool(n: u32): Pool {
  return pool_init("rq", <u32>offsetof<Rq>(), n, 8);
}

/** Make an empty queue. Boot only. */
export function bioq_create(pool: Pool, maxsect: u32): Bioq {
  const q = changetype<Bioq>(kmem_alloc(offsetof<Bioq>(), 8, "bioq"));
  q.bq_pool = pool;
  q.bq_maxsect = maxsect;
  q.bq_ends = kmem_alloc(<usize>BUCKETS << 2, 64, "bioq");
  q.bq_starts = kmem_alloc(<usize>BUCKETS << 2, 64, "bioq");
  return q;
}

function bucket(table: usize, sector: u64): usize {
  return table + (<usize>(<u32>((sector >> 3) ^ (sector >> 9)) & (BUCKETS - 1)) << 2);
}

/** Sector behind `rq`. */
export function rq_end(rq: Rq): u64 {
  return rq.rq_blkno + rq.rq_nsect;
}

function hash(q: Bioq, rq: Rq): void {
  const end = bucket(q.bq_ends, rq_end(rq));
  rq.rq_endnext = changetype<Rq>(load<usize>(end));
  store<usize>(end, changetype<usize>(rq));
  const start = bucket(q.bq_starts, rq.rq_blkno);
  rq.rq_startnext = changetype<Rq>(load<usize>(start));
  store<usize>(start, changetype<usize>(rq));
  rq.rq_hashed = 1;
}

function unhash(q: Bioq, rq: Rq): void {
  let at = bucket(q.bq_ends, rq_end(rq));
  while (load<usize>(at) != changetype<usize>(rq)) at = load<usize>(at) + offsetof<Rq>("rq_endnext");
  store<usize>(at, changetype<usize>(rq.rq_endnext));
  at = bucket(q.bq_starts, rq.rq_blkno);
  while (load<usize>(at) != changetype<usize>(rq)) at = load<usize>(at) + offsetof<Rq>("rq_startnext");
  store<usize>(at, changetype<usize>(rq.rq_startnext));
  rq.rq_hashed = 0;
}

/** A new Rq of one Buf, for the scheduler; null (0) if there is none to be had. */
export function rq_make(q: Bioq, bp: Buf, dir: i32, flags: i32, now: i64): Rq {
  const p = pool_getz(q.bq_pool);
  if (p == 0) return NORQ;
  const rq = changetype<Rq>(p);
  rq.rq_dir = dir;
  rq.rq_flags = flags;
  rq.rq_blkno = bp.b_blkno;
  rq.rq_nsect = bp.b_nsect;
  rq.rq_nbufs = 1;
  rq.rq_first = bp;
  rq.rq_last = bp;
  rq.rq_time = now;
  rq.rq_queue = changetype<usize>(q);
  bp.b_next = changetype<Buf>(0);
  return rq;
}

/** It waits: others can be merged with it. */
export function bioq_enter(q: Bioq, rq: Rq): void {
  hash(q, rq);
  q.bq_count++;
}

/** It is taken out, to be sent to the device. */
export function bioq_leave(q: Bioq, rq: Rq): void {
  assert(q.bq_count > 0 && rq.rq_hashed != 0, "bioq_leave: it does not wait");
  unhash(q, rq);
  q.bq_count--;
  q.bq_ndispatched++;
}

export function rq_free(q: Bioq, rq: Rq): void {
  assert(rq.rq_hashed == 0, "rq_free: it waits");
  pool_put(q.bq_pool, changetype<usize>(rq));
}

/** May the two become one transfer? */
function alike(q: Bioq, rq: Rq, bp: Buf, dir: i32, flags: i32): bool {
  return rq.rq_dir == dir && rq.rq_flags == flags && rq.rq_nsect + bp.b_nsect <= q.bq_maxsect;
}

/** A waiting Rq that ends where `bp` begins; null (0) if there is none. */
export function bioq_before(q: Bioq, bp: Buf, dir: i32, flags: i32): Rq {
  let rq = changetype<Rq>(load<usize>(bucket(q.bq_ends, bp.b_blkno)));
  while (rq && (rq_end(rq) != bp.b_blkno || !alike(q, rq, bp, dir, flags))) rq = rq.rq_endnext;
  return rq;
}

/** A waiting Rq that begins where `bp` ends. */
export function bioq_behind(q: Bioq, bp: Buf, dir: i32, flags: i32): Rq {
  const end = bp.b_blkno + bp.b_nsect;
  let rq = changetype<Rq>(load<usize>(bucket(q.bq_starts, end)));
  while (rq && (rq.rq_blkno != end || !alike(q, rq, bp, dir, flags))) rq = rq.rq_startnext;
  return rq;
}

/** Add `bp` behind `rq`. */
export function rq_append(q: Bioq, rq: Rq, bp: Buf): void {
  unhash(q, rq);
  bp.b_next = changetype<Buf>(0);
  rq.rq_last.b_next = bp;
  rq.rq_last = bp;
  rq.rq_nsect += bp.b_nsect;
  rq.rq_nbufs++;
  q.bq_nback++;
  hash(q, rq);
}

/** Add `bp` in front of `rq`, whose first sector changes. */
export function rq_prepend(q: Bioq, rq: Rq, bp: Buf): void {
  unhash(q, rq);
  bp.b_next = rq.rq_first;
  rq.rq_first = bp;
  rq.rq_blkno = bp.b_blkno;
  rq.rq_nsect += bp.b_nsect;
  rq.rq_nbufs++;
  q.bq_nfront++;
  hash(q, rq);
}
