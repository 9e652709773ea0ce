/**
 * What is in flight, record by record: the sender's scoreboard (RFC 2018 §5, RFC 6675 §4, RFC 8985 §6).
 *
 *      snd_una                                                        snd_max
 *      | [start, end) LOST REXMT | [start, end) SACKED | [start, end) |      by sequence: next, prev
 *        oldest transmission → … → newest                                    by time: xnext, xprev
 *
 * A record is made when data is sent, one for all that leaves at one instant (up to 64 KiB), and is cut
 * where a SACK block or a retransmission ends inside it, at multiples of the segment size it was sent
 * with: so their number is bounded by the segments in flight, whatever a peer's blocks look like. Only
 * records that are thought to be in flight are on the list by time, which is what makes RACK's search
 * for losses cost no more than the losses (tcp_rack.ts).
 *
 *      flight = snd_max - snd_una      pipe = flight - SACKED - LOST + REXMT       (RFC 6675 §4 SetPipe)
 *
 * Records are from one pool for all connections. When it is empty, or one connection would have half
 * of it, that connection forgets its records (sack_sboverflow) and goes on by NewReno until all that was
 * sent without a record is acknowledged. The same is how anything that starts from snd_una again
 * (a smaller path MTU, a window shrunk to nothing) gets rid of them: tcp_sent_goback.
 */
import { NETINET_TCP_MAXSENT } from "rump/tunables";
import { getmicrouptime } from "../../kernel/kern/clock";
import { pool_get, pool_init, pool_put } from "../../kernel/kern/pool";
import { SEQ_GT, SEQ_LEQ, SEQ_LT } from "./tcp";
import { SENT_EVER, SENT_LOST, SENT_REXMT, SENT_SACKED, SENT_TIMED, Tcpsent } from "./tcp_scoreboard";
import { tcpstat } from "./tcp_stat";
import {
  TF_SACK_PERMIT, TSF_FRTO, TSF_FRTONEW, TSF_LOSS, TSF_TLP, TSF_TLPREXMT, Tcpcb, tcp_inflight, tcps,
} from "./tcp_var";

export const SNULL: Tcpsent = changetype<Tcpsent>(0);
/** Largest record: no packet has more. */
const SENT_MAXLEN: u32 = 65535;

export function tcp_sent_boot(): void {
  tcps.sent_pool = pool_init("tcpsent", <u32>offsetof<Tcpsent>(), NETINET_TCP_MAXSENT, 8);
}

/** Segments that record `r` left as. */
export function sent_segs(r: Tcpsent): i32 {
  return <i32>((r.end - r.start + r.mss - 1) / r.mss);
}

/** Is the scoreboard complete, so that recovery can go by it? With nothing in flight it is. */
export function tcp_sent_active(tp: Tcpcb): bool {
  if ((tp.t_flags & TF_SACK_PERMIT) == 0) return false;
  const r = tp.t_sent_first;
  return r ? SEQ_LEQ(r.start, tp.snd_una) : tp.snd_una == tp.snd_max;
}

/** RFC 6675 §4: bytes thought to be in the network. */
export function tcp_pipe(tp: Tcpcb): u32 {
  const out = tcp_inflight(tp) + tp.t_rexmt;
  const gone = tp.t_sacked + tp.t_lost;
  return out > gone ? out - gone : 0;
}

function xlist_remove(tp: Tcpcb, r: Tcpsent): void {
  if ((r.flags & SENT_TIMED) == 0) return;
  r.flags &= ~SENT_TIMED;
  if (r.xprev) r.xprev.xnext = r.xnext;
  else tp.t_sent_xfirst = r.xnext;
  if (r.xnext) r.xnext.xprev = r.xprev;
  else tp.t_sent_xlast = r.xprev;
}

function xlist_insert(tp: Tcpcb, r: Tcpsent, after: Tcpsent): void {
  r.flags |= SENT_TIMED;
  r.xprev = after;
  r.xnext = after ? after.xnext : tp.t_sent_xfirst;
  if (r.xnext) r.xnext.xprev = r;
  else tp.t_sent_xlast = r;
  if (after) after.xnext = r;
  else tp.t_sent_xfirst = r;
}

/** `len` bytes of `r`, with its flags, begin (sign 1) or cease (-1) to count. */
function sent_count(tp: Tcpcb, r: Tcpsent, len: u32, sign: i32): void {
  const n = sign > 0 ? len : 0 - len;
  const f = r.flags;
  if ((f & SENT_SACKED) != 0) tp.t_sacked += n;
  if ((f & SENT_LOST) != 0) tp.t_lost += n;
  if ((f & SENT_REXMT) != 0) tp.t_rexmt += n;
  if ((f & (SENT_LOST | SENT_REXMT)) == SENT_LOST) tp.t_due += n;
}

function sent_setflags(tp: Tcpcb, r: Tcpsent, flags: u32): void {
  const len = r.end - r.start;
  sent_count(tp, r, len, -1);
  r.flags = flags;
  sent_count(tp, r, len, 1);
}

/** The peer has it. */
export function sent_sack(tp: Tcpcb, r: Tcpsent): void {
  xlist_remove(tp, r);
  sent_setflags(tp, r, (r.flags & SENT_EVER) | SENT_SACKED);
  tp.t_sackedsegs += sent_segs(r);
}

/** It is gone, or its last transmission is. */
export function sent_lose(tp: Tcpcb, r: Tcpsent): void {
  xlist_remove(tp, r);
  sent_setflags(tp, r, (r.flags & ~SENT_REXMT) | SENT_LOST);
  const hint = tp.t_rexmt_hint;
  if (!hint || SEQ_LT(r.start, hint.start)) tp.t_rexmt_hint = r;
}

/**
 * When what ends at `end` leaves. What leaves at one instant (the clock stands still while the kernel
 * runs) is told apart by sequence number, and a µs where the order is another: RACK's order is true.
 */
function sent_stamp(tp: Tcpcb, end: u32): i64 {
  const now = getmicrouptime();
  if (now > tp.t_xmit_us) tp.t_xmit_us = now;
  else if (!SEQ_GT(end, tp.t_xmit_end)) tp.t_xmit_us++;
  tp.t_xmit_end = end;
  return tp.t_xmit_us;
}

/** It is sent again, now. */
export function sent_again(tp: Tcpcb, r: Tcpsent): void {
  xlist_remove(tp, r);
  sent_setflags(tp, r, r.flags | SENT_REXMT | SENT_EVER);
  r.xmit_us = sent_stamp(tp, r.end);
  xlist_insert(tp, r, tp.t_sent_xlast);
}

/** Not lost after all, nor known to be there: in flight again. The oldest transmission, as far as RACK is concerned. */
export function sent_unmark(tp: Tcpcb, r: Tcpsent): void {
  if ((r.flags & SENT_SACKED) != 0) tp.t_sackedsegs -= sent_segs(r);
  sent_setflags(tp, r, r.flags & ~(SENT_LOST | SENT_SACKED));
  if ((r.flags & SENT_TIMED) == 0) xlist_insert(tp, r, SNULL);
}

/** Forget `r`. */
export function sent_free(tp: Tcpcb, r: Tcpsent): void {
  xlist_remove(tp, r);
  sent_count(tp, r, r.end - r.start, -1);
  if ((r.flags & SENT_SACKED) != 0) tp.t_sackedsegs -= sent_segs(r);
  if (r.prev) r.prev.next = r.next;
  else tp.t_sent_first = r.next;
  if (r.next) r.next.prev = r.prev;
  else tp.t_sent_last = r.prev;
  if (tp.t_rexmt_hint == r) tp.t_rexmt_hint = r.next;
  if (tp.t_sack_hint == r) tp.t_sack_hint = r.next;
  tp.t_nsent--;
  pool_put(tcps.sent_pool, changetype<usize>(r));
}

/** The beginning of `r` up to `seq` is acknowledged. */
export function sent_trim(tp: Tcpcb, r: Tcpsent, seq: u32): void {
  const sacked = (r.flags & SENT_SACKED) != 0;
  if (sacked) tp.t_sackedsegs -= sent_segs(r);
  sent_count(tp, r, seq - r.start, -1);
  r.start = seq;
  if (sacked) tp.t_sackedsegs += sent_segs(r);
}

function sent_get(tp: Tcpcb): Tcpsent {
  if (<u32>tp.t_nsent >= tcps.sent_pool.pr_max >> 1) return SNULL;
  const r = changetype<Tcpsent>(pool_get(tcps.sent_pool));
  if (r) tp.t_nsent++;
  return r;
}

function sent_link(tp: Tcpcb, r: Tcpsent, after: Tcpsent): void {
  r.prev = after;
  r.next = after ? after.next : tp.t_sent_first;
  if (r.next) r.next.prev = r;
  else tp.t_sent_last = r;
  if (after) after.next = r;
  else tp.t_sent_first = r;
}

/** Cut `r` at `seq`: the part from there on, as a record of its own; null when there is none to be had. */
export function sent_split(tp: Tcpcb, r: Tcpsent, seq: u32): Tcpsent {
  assert(SEQ_LT(r.start, seq) && SEQ_LT(seq, r.end), "sent_split: outside");
  assert((r.flags & SENT_SACKED) == 0, "sent_split: sacked");
  const n = sent_get(tp);
  if (!n) {
    tcpstat.sack_sboverflow++;
    return n;
  }
  n.start = seq;
  n.end = r.end;
  n.mss = r.mss;
  n.xmit_us = r.xmit_us;
  n.flags = r.flags & ~SENT_TIMED;
  r.end = seq;
  sent_link(tp, n, r);
  if ((r.flags & SENT_TIMED) != 0) xlist_insert(tp, n, r);
  return n;
}

/** Forget all records: NewReno from here. */
export function tcp_sent_flush(tp: Tcpcb): void {
  while (tp.t_sent_first) sent_free(tp, tp.t_sent_first);
  assert((tp.t_sacked | tp.t_lost | tp.t_rexmt | tp.t_due | <u32>tp.t_sackedsegs | <u32>tp.t_nsent) == 0, "tcp_sent_flush: count");
  tp.t_nsackprev = 0;
  tp.t_sackflags &= ~(TSF_LOSS | TSF_FRTO | TSF_FRTONEW | TSF_TLP | TSF_TLPREXMT);
}

/** Begin again at snd_una, whatever the peer has said it holds. */
export function tcp_sent_goback(tp: Tcpcb): void {
  tcp_sent_flush(tp);
  tp.snd_nxt = tp.snd_una;
}

/** May [start, …) be added to `r`, which left at this same instant? */
function sent_extends(tp: Tcpcb, r: Tcpsent, start: u32, end: u32, now: i64): bool {
  return r.flags == SENT_TIMED && r.end == start && r.xmit_us == now && r.mss == tp.t_maxseg &&
    end - r.start <= SENT_MAXLEN && (r.end - r.start) % r.mss == 0;
}

/** [start, end) was sent, the FIN counted. What is older than the last record was sent before. */
export function tcp_sent_record(tp: Tcpcb, start: u32, end: u32): void {
  const last = tp.t_sent_last;
  const now = sent_stamp(tp, end);
  if (last) {
    if (sent_extends(tp, last, start, end, now)) {
      last.end = end;
      return;
    }
    if (!SEQ_GT(end, last.end)) return;
    start = last.end;
  }
  const r = sent_get(tp);
  if (!r) {
    tcpstat.sack_sboverflow++;
    tcp_sent_flush(tp);
    return;
  }
  r.start = start;
  r.end = end;
  r.mss = tp.t_maxseg;
  r.xmit_us = now;
  r.flags = 0;
  sent_link(tp, r, last);
  xlist_insert(tp, r, tp.t_sent_xlast);
}
