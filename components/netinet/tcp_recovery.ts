/**
 * Loss recovery: which segments are lost, and what is sent while they are being repaired.
 * With SACK by the scoreboard (tcp_sackrec.ts); here, for the others, NewReno (RFC 6582) with limited
 * transmit (RFC 3042).
 *
 *      third duplicate   ssthresh by tcp_cc.ts, retransmit, cwnd = ssthresh + 3, then + 1 a duplicate
 *      partial ACK       retransmit the next hole, deflate; full ACK: cwnd = ssthresh
 *      timeout           what was in flight is taken for lost (tcp_timer.ts)
 */
import { SEQ_GT, SEQ_LT } from "./tcp";
import { tcp_cc_ack, tcp_cc_congestion, tcp_cc_rto } from "./tcp_cc";
import { tcp_output } from "./tcp_output";
import { tcp_sack_recovery, tcp_sack_rto } from "./tcp_sackrec";
import { tcp_sent_active, tcp_sent_goback } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import { tcp_rexmt_arm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcp_inflight, tcps } from "./tcp_var";

/** RFC 5681 §3.2: duplicates that mean a loss. */
const TCPREXMTTHRESH: i32 = 3;

/**
 * Bytes that may be sent from snd_una on: the peer's window, and the congestion window, which what has
 * left the network by the scoreboard does not count in (cwnd - pipe, seen from snd_una).
 */
export function tcp_sendwindow(tp: Tcpcb): u32 {
  return min(tp.snd_wnd, tp.snd_cwnd + tp.t_sacked + tp.t_lost - tp.t_rexmt);
}

/** New data was acknowledged: snd_una has advanced by `acked`. */
export function tcp_recovery_ack(tp: Tcpcb, acked: u32): void {
  if (tcps.del.active) {
    tcp_sack_recovery(tp, acked);
    return;
  }
  if ((tp.t_flags & v.TF_FASTRECOVERY) == 0) {
    tp.t_dupacks = 0;
    tcp_cc_ack(tp, acked);
    return;
  }
  if (SEQ_GT(tp.recover, tp.snd_una)) {
    // RFC 6582 §3.2 step 3, partial: the next hole goes at once, the window deflates by what left.
    tcpstat.newrenopartial++;
    recovery_retransmit(tp);
    tp.snd_cwnd = tp.snd_cwnd > acked ? tp.snd_cwnd - acked : 0;
    if (acked >= tp.t_maxseg) tp.snd_cwnd += tp.t_maxseg;
    if (tp.snd_cwnd < tp.t_maxseg) tp.snd_cwnd = tp.t_maxseg;
    tcp_rexmt_arm(tp);
    return;
  }
  // Full: no burst of what the inflated window held back.
  tp.t_flags &= ~v.TF_FASTRECOVERY;
  tp.t_dupacks = 0;
  tp.snd_cwnd = min(tp.snd_ssthresh, max(tcp_inflight(tp), tp.t_maxseg) + tp.t_maxseg);
}

/** The segment at snd_una again, whatever snd_nxt is. */
function recovery_retransmit(tp: Tcpcb): void {
  const nxt = tp.snd_nxt;
  const cwnd = tp.snd_cwnd;
  tp.snd_nxt = tp.snd_una;
  tp.snd_cwnd = tp.t_maxseg;
  tp.t_rtttime_us = 0;
  tcp_output(tp);
  tp.snd_cwnd = cwnd;
  if (SEQ_GT(nxt, tp.snd_nxt)) tp.snd_nxt = nxt;
}

/** A duplicate acknowledgment (RFC 5681 §2) arrived. */
export function tcp_recovery_dupack(tp: Tcpcb): void {
  tp.t_dupacks++;
  if ((tp.t_flags & v.TF_FASTRECOVERY) != 0) {
    tp.snd_cwnd += tp.t_maxseg;
    tcp_output(tp);
    return;
  }
  if (tp.t_dupacks < TCPREXMTTHRESH) {
    recovery_limited_transmit(tp);
    return;
  }
  // RFC 6582 §3.2 step 2: duplicates of a flight that was already recovered do not count.
  if (tp.t_dupacks > TCPREXMTTHRESH || SEQ_LT(tp.snd_una, tp.recover)) return;
  tcpstat.fastrexmit++;
  tcp_cc_congestion(tp);
  tp.recover = tp.snd_max;
  tp.t_flags |= v.TF_FASTRECOVERY;
  recovery_retransmit(tp);
  tcp_rexmt_arm(tp);
  tp.snd_cwnd = tp.snd_ssthresh + <u32>TCPREXMTTHRESH * tp.t_maxseg;
  tcp_output(tp);
}

/** RFC 3042: each of the first two duplicates lets one new segment go; after a timeout there is none that is new. */
function recovery_limited_transmit(tp: Tcpcb): void {
  if (tp.snd_nxt != tp.snd_max) return;
  const cwnd = tp.snd_cwnd;
  tp.snd_cwnd = cwnd + <u32>tp.t_dupacks * tp.t_maxseg;
  tcp_output(tp);
  tp.snd_cwnd = cwnd;
}

/** The retransmission timer ran out: whatever recovery was under way is over, all that is not SACKed is sent again. */
export function tcp_recovery_rto(tp: Tcpcb): void {
  tcp_cc_rto(tp);
  tp.t_dupacks = 0;
  tp.recover = tp.snd_max;
  if (tcp_sent_active(tp)) {
    tcp_sack_rto(tp);
    return;
  }
  tp.t_flags &= ~v.TF_FASTRECOVERY;
  tcp_sent_goback(tp);
}
