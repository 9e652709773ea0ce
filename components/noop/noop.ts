/**
 * noop: the I/O scheduler that has no opinion (role iosched). Requests go out as they came; those that
 * lie next to each other have been merged before (kernel/dev/bioq.ts). Right for memory, for devices that
 * sort by themselves, and as the measure of what sorting brings.
 *
 *      first ─► Rq ─► Rq ─► last      by arrival; everything is O(1)
 */
import { Bioq, NORQ, Rq, bioq_enter, bioq_leave } from "../../kernel/dev/bioq";
import { kmem_alloc } from "../../kernel/kern/kmem";

@unmanaged
class NoopQueue {
  first: Rq;
  last: Rq;
}

/** For queue `q`. Boot only. */
export function iosched_init(q: Bioq, most: u32): void {
  q.bq_sched = kmem_alloc(offsetof<NoopQueue>(), 8, "noop");
}

export function iosched_add(q: Bioq, rq: Rq): void {
  const n = changetype<NoopQueue>(q.bq_sched);
  rq.rq_next = NORQ;
  rq.rq_prev = n.last;
  if (n.last) n.last.rq_next = rq;
  else n.first = rq;
  n.last = rq;
  bioq_enter(q, rq);
}

/** The first sector of `rq` has changed: nothing to do. */
export function iosched_moved(q: Bioq, rq: Rq): void {}

/** The Rq to be sent to the device next, taken out; null (0) if none waits. */
export function iosched_next(q: Bioq, now: i64): Rq {
  const n = changetype<NoopQueue>(q.bq_sched);
  const rq = n.first;
  if (!rq) return NORQ;
  n.first = rq.rq_next;
  if (n.first) n.first.rq_prev = NORQ;
  else n.last = NORQ;
  bioq_leave(q, rq);
  return rq;
}
