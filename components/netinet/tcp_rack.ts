/**
 * RACK: losses found by time (RFC 8985 §6). A segment is lost if another one, sent sufficiently later,
 * has been delivered.
 *
 *      sent:       A        B      C                 delivered: C
 *      lost when   now >= xmit(A) + RTT(C) + reo_wnd
 *
 * reo_wnd is what the network may reorder by: none while three segments are SACKed or recovery is on and
 * no reordering has been seen, else a quarter of the smallest round trip, more for each round trip in
 * which D-SACK says that a retransmission was needless. A lost retransmission is found like any other
 * segment, since what counts is the time of the last transmission. The work is bounded by the segments
 * newly lost: the list by time (tcp_sent.ts) begins with the oldest transmission.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { SEQ_GEQ, SEQ_GT, SEQ_LT } from "./tcp";
import { TOF_TS, tcpopt } from "./tcp_options";
import { SENT_EVER, SENT_REXMT, Tcpsent } from "./tcp_scoreboard";
import { sent_lose } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import { tcp_timer_arm, tcp_timer_disarm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

/** RFC 8985 §6.2: segments SACKed that mean a loss without waiting, as long as no reordering was seen. */
const DUPTHRESH: i32 = 3;
/** Recoveries for which a widened window lasts (§6.2 step 4). */
const REO_PERSIST: i32 = 16;
/** The smallest round trip is of the last five minutes. */
const MINRTT_WINDOW_US: i64 = 300000000;

/** RACK_sent_after of RFC 8985 §6.2: transmission 1 (time, end) is younger than transmission 2. */
function sent_after(t1: i64, end1: u32, t2: i64, end2: u32): bool {
  return t1 > t2 || (t1 == t2 && SEQ_GT(end1, end2));
}

/** The network has reordered: from now on three segments SACKed are not enough. */
export function tcp_rack_reordering(tp: Tcpcb): void {
  if ((tp.t_sackflags & v.TSF_REORD) != 0) return;
  tp.t_sackflags |= v.TSF_REORD;
  tcpstat.rack_reordering++;
}

/** Steps 1 to 3: `r`, not delivered before, has been. */
export function tcp_rack_delivered(tp: Tcpcb, r: Tcpsent): void {
  const now = getmicrouptime();
  const rtt = max<i64>(now - r.xmit_us, 0);
  const ever = (r.flags & SENT_EVER) != 0;
  if (!ever && (tp.rack_min_rtt_us == 0 || rtt <= tp.rack_min_rtt_us || now - tp.rack_min_rtt_at_us > MINRTT_WINDOW_US)) {
    tp.rack_min_rtt_us = rtt;
    tp.rack_min_rtt_at_us = now;
  }
  // Step 3: delivered below what was delivered before, and sent once: the network reorders.
  if (SEQ_GT(r.end, tp.rack_fack)) tp.rack_fack = r.end;
  else if (!ever && SEQ_LT(r.end, tcps.del.fack)) tcp_rack_reordering(tp);
  if (ever) {
    // Step 2: which transmission was it? Not the last, if the echo is older or no path is that fast.
    const to = tcpopt;
    if ((to.to_flags & TOF_TS) != 0 && (tp.t_flags & v.TF_RCVD_TSTMP) != 0) {
      if (SEQ_LT(to.to_tsecr, <u32>(r.xmit_us / 1000) + tp.ts_offset)) return;
    }
    if (rtt < tp.rack_min_rtt_us) return;
  }
  // "In ascending order of xmit_ts": RACK.rtt is that of the youngest that this ACK delivers.
  if (r.xmit_us > tcps.del.xmit_us) {
    tcps.del.xmit_us = r.xmit_us;
    tp.rack_rtt_us = rtt;
  }
  if (sent_after(r.xmit_us, r.end, tp.rack_xmit_us, tp.rack_end)) {
    tp.rack_xmit_us = r.xmit_us;
    tp.rack_end = r.end;
  }
}

/** Step 4: the reordering window, µs. */
export function tcp_rack_reo_wnd(tp: Tcpcb): i64 {
  if ((tp.t_sackflags & v.TSF_REORD) == 0) {
    if ((tp.t_flags & v.TF_FASTRECOVERY) != 0 || (tp.t_sackflags & v.TSF_LOSS) != 0) return 0;
    if (tp.t_sackedsegs >= DUPTHRESH) return 0;
  }
  return min(<i64>(1 + tp.rack_reo_wnd_incr) * tp.rack_min_rtt_us / 4, <i64>tp.t_srtt_us);
}

/** Step 4: D-SACK for a segment that was not a tail loss probe widens the window, once a round trip. */
export function tcp_rack_dsack(tp: Tcpcb): void {
  if ((tp.t_sackflags & v.TSF_DSACKROUND) != 0 && SEQ_GEQ(tp.snd_una, tp.rack_dsack_round)) tp.t_sackflags &= ~v.TSF_DSACKROUND;
  if (!tcps.del.dsack || (tp.t_sackflags & v.TSF_DSACKROUND) != 0) return;
  if ((tp.t_sackflags & v.TSF_TLPREXMT) != 0 && tcps.del.dsack_end == tp.tlp_end) return;
  tp.t_sackflags |= v.TSF_DSACKROUND;
  tp.rack_dsack_round = tp.snd_max;
  if (tp.rack_reo_wnd_incr < 255) tp.rack_reo_wnd_incr++;
  tp.rack_reo_wnd_persist = REO_PERSIST;
  tcpstat.rack_reo_wnd_up++;
}

/** Step 4: a recovery has ended. */
export function tcp_rack_recovered(tp: Tcpcb): void {
  if (tp.rack_reo_wnd_persist > 0 && --tp.rack_reo_wnd_persist == 0) tp.rack_reo_wnd_incr = 0;
}

/** Step 5: mark what is lost; arm the timer for what may be by then. Bytes newly lost. */
export function tcp_rack_detect(tp: Tcpcb): u32 {
  const now = getmicrouptime();
  const wait = tp.rack_rtt_us + tcp_rack_reo_wnd(tp);
  let lost: u32 = 0;
  let left: i64 = 0;
  for (let r = tp.t_sent_xfirst; r; r = tp.t_sent_xfirst) {
    if (!sent_after(tp.rack_xmit_us, tp.rack_end, r.xmit_us, r.end)) break;
    left = r.xmit_us + wait - now;
    if (left > 0) break;
    if ((r.flags & SENT_REXMT) != 0) tcpstat.rack_lost_rexmits++;
    lost += r.end - r.start;
    sent_lose(tp, r);
  }
  if (left > 0) {
    tp.t_sackflags &= ~v.TSF_PTO;
    tcp_timer_arm(tp, v.TCPT_RACK, left);
  } else if ((tp.t_sackflags & v.TSF_PTO) == 0) tcp_timer_disarm(tp, v.TCPT_RACK);
  return lost;
}
