/**
 * deadline: the I/O scheduler that sorts, and lets nothing wait for ever (role iosched).
 *
 *      reads:  sorted by sector [ 10 | 42 | 96 | … ]    by arrival: 96 ─► 10 ─► 42
 *      writes: sorted by sector [ …                ]    by arrival: …
 *
 * Requests go out in batches of one direction, upwards by sector from where the last ended, at most
 * FIFO_BATCH of them. Between batches: reads first, unless writes have been passed over WRITES_STARVED
 * times; and if the oldest of the chosen direction is past its deadline (500 ms for reads, 5 s for
 * writes) the batch begins with it, else it goes on upwards, from the lowest when there is nothing above.
 * (Axboe's algorithm; deadlines are looked at only between batches.)
 * The sorted lists are arrays: finding is O(log n), inserting moves n words, n being what waits.
 */
import { DEADLINE_FIFO_BATCH, DEADLINE_READ_EXPIRE_MS, DEADLINE_WRITES_STARVED, DEADLINE_WRITE_EXPIRE_MS } from "rump/tunables";
import { Bioq, NORQ, RQ_READ, RQ_WRITE, Rq, bioq_enter, bioq_leave, rq_end } from "../../kernel/dev/bioq";
import { kmem_alloc } from "../../kernel/kern/kmem";

/** One direction. */
@unmanaged
class Sorted {
  /** Rqs by first sector. */
  table: usize;
  count: i32;
  /** By arrival. */
  first: Rq;
  last: Rq;
  /** Where the last one that went ended. */
  at: u64;
}

@unmanaged
class DeadlineQueue {
  /** Sorted, for RQ_READ and RQ_WRITE. */
  dirs: usize;
  most: i32;
  /** Direction of the batch, and how many of it have gone. */
  dir: i32;
  batch: i32;
  /** Times that writes have been passed over. */
  starved: i32;
}

function sorted_of(d: DeadlineQueue, dir: i32): Sorted {
  return changetype<Sorted>(d.dirs + <usize>dir * offsetof<Sorted>());
}

function rq_at(s: Sorted, i: i32): Rq {
  return changetype<Rq>(load<usize>(s.table + (<usize>i << 2)));
}

/** For queue `q`, in which up to `most` Rqs wait. Boot only. */
export function iosched_init(q: Bioq, most: u32): void {
  const d = changetype<DeadlineQueue>(kmem_alloc(offsetof<DeadlineQueue>(), 8, "deadline"));
  d.dirs = kmem_alloc(2 * offsetof<Sorted>(), 8, "deadline");
  for (let dir = RQ_READ; dir <= RQ_WRITE; dir++) sorted_of(d, dir).table = kmem_alloc(<usize>most << 2, 8, "deadline");
  d.most = most;
  d.batch = DEADLINE_FIFO_BATCH;
  q.bq_sched = changetype<usize>(d);
}

/** Index of the first Rq of `s` that does not begin below `sector`; count if there is none. */
function lower_bound(s: Sorted, sector: u64): i32 {
  let low = 0;
  let high = s.count;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (rq_at(s, mid).rq_blkno < sector) low = mid + 1;
    else high = mid;
  }
  return low;
}

function insert(d: DeadlineQueue, s: Sorted, rq: Rq): void {
  assert(s.count < d.most, "deadline: more than there can be");
  const at = s.table + (<usize>lower_bound(s, rq.rq_blkno) << 2);
  memory.copy(at + 4, at, s.table + (<usize>s.count << 2) - at);
  store<usize>(at, changetype<usize>(rq));
  s.count++;
}

/** Take out what is at index `i`. */
function remove(s: Sorted, i: i32): void {
  const at = s.table + (<usize>i << 2);
  memory.copy(at, at + 4, <usize>(s.count - i - 1) << 2);
  s.count--;
}

/** Index of `rq`, whose first sector is, or was, `sector`. */
function index_of(s: Sorted, rq: Rq, sector: u64): i32 {
  let i = lower_bound(s, sector);
  while (rq_at(s, i) != rq) i++;
  return i;
}

export function iosched_add(q: Bioq, rq: Rq): void {
  const d = changetype<DeadlineQueue>(q.bq_sched);
  const s = sorted_of(d, rq.rq_dir);
  rq.rq_next = NORQ;
  rq.rq_prev = s.last;
  if (s.last) s.last.rq_next = rq;
  else s.first = rq;
  s.last = rq;
  insert(d, s, rq);
  bioq_enter(q, rq);
}

/** The first sector of `rq` has become lower: something was put in front of it. */
export function iosched_moved(q: Bioq, rq: Rq): void {
  const d = changetype<DeadlineQueue>(q.bq_sched);
  const s = sorted_of(d, rq.rq_dir);
  let i = 0;
  while (rq_at(s, i) != rq) i++;
  remove(s, i);
  insert(d, s, rq);
}

/** Take out `rq`. */
function take(q: Bioq, d: DeadlineQueue, s: Sorted, rq: Rq): Rq {
  remove(s, index_of(s, rq, rq.rq_blkno));
  if (rq.rq_prev) rq.rq_prev.rq_next = rq.rq_next;
  else s.first = rq.rq_next;
  if (rq.rq_next) rq.rq_next.rq_prev = rq.rq_prev;
  else s.last = rq.rq_prev;
  s.at = rq_end(rq);
  d.batch++;
  bioq_leave(q, rq);
  return rq;
}

/** The direction of the next batch. Something waits. */
function choose(d: DeadlineQueue): i32 {
  const writes = sorted_of(d, RQ_WRITE).count > 0;
  if (sorted_of(d, RQ_READ).count > 0) {
    if (!writes || d.starved < DEADLINE_WRITES_STARVED) {
      if (writes) d.starved++;
      return RQ_READ;
    }
  }
  d.starved = 0;
  return RQ_WRITE;
}

/** The Rq to be sent to the device next at time `now` (µs), taken out; null (0) if none waits. */
export function iosched_next(q: Bioq, now: i64): Rq {
  if (q.bq_count == 0) return NORQ;
  const d = changetype<DeadlineQueue>(q.bq_sched);
  let s = sorted_of(d, d.dir);
  if (d.batch < DEADLINE_FIFO_BATCH && s.count > 0) {
    const i = lower_bound(s, s.at);
    if (i < s.count) return take(q, d, s, rq_at(s, i));
  }
  d.dir = choose(d);
  s = sorted_of(d, d.dir);
  d.batch = 0;
  const expire: i64 = d.dir == RQ_READ ? DEADLINE_READ_EXPIRE_MS : DEADLINE_WRITE_EXPIRE_MS;
  if (s.first.rq_time + expire * 1000 <= now) return take(q, d, s, s.first);
  const i = lower_bound(s, s.at);
  return take(q, d, s, rq_at(s, i < s.count ? i : 0));
}
