/**
 * A bounded queue of packets, linked by m_nextpkt: an interface's send queue, a protocol's input queue.
 *
 *      ifq_head ─▶ packet ─m_nextpkt─▶ packet ─▶ 0 ◀─ ifq_tail        ifq_len <= ifq_maxlen
 *
 * A packet that finds it full is dropped and counted. All operations are O(1).
 */
import { MNULL, Mbuf, m_freem } from "./mbuf";

@unmanaged
export class Ifqueue {
  ifq_head: Mbuf;
  ifq_tail: Mbuf;
  ifq_len: i32;
  ifq_maxlen: i32;
  ifq_drops: u64;
}

/** Bytes of an Ifqueue, for those that embed one. */
export const IFQUEUE_SIZE: usize = 24;

/** Append `m`; false when the queue is full: m is then freed and counted. */
export function ifq_enqueue(q: Ifqueue, m: Mbuf): bool {
  if (q.ifq_len >= q.ifq_maxlen) {
    q.ifq_drops++;
    m_freem(m);
    return false;
  }
  m.m_nextpkt = MNULL;
  if (q.ifq_tail) q.ifq_tail.m_nextpkt = m;
  else q.ifq_head = m;
  q.ifq_tail = m;
  q.ifq_len++;
  return true;
}

/** Put `m` back at the front (the device had no room after all), whatever the limit. */
export function ifq_prepend(q: Ifqueue, m: Mbuf): void {
  m.m_nextpkt = q.ifq_head;
  if (!q.ifq_head) q.ifq_tail = m;
  q.ifq_head = m;
  q.ifq_len++;
}

/** The packet that waited longest, or null. */
export function ifq_dequeue(q: Ifqueue): Mbuf {
  const m = q.ifq_head;
  if (!m) return m;
  q.ifq_head = m.m_nextpkt;
  if (!q.ifq_head) q.ifq_tail = MNULL;
  m.m_nextpkt = MNULL;
  q.ifq_len--;
  assert(q.ifq_len >= 0, "ifq: count");
  return m;
}

/** Drop everything. */
export function ifq_purge(q: Ifqueue): void {
  for (let m = ifq_dequeue(q); m; m = ifq_dequeue(q)) m_freem(m);
}
