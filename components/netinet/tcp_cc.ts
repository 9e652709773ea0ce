/**
 * Congestion control: RFC 5681 with appropriate byte counting (RFC 3465) and NewReno (RFC 6582).
 *
 *      cwnd < ssthresh   slow start: + bytes acknowledged, at most two segments an ACK
 *      otherwise         congestion avoidance: + one segment a window
 *      third duplicate   ssthresh = flight/2, retransmit, cwnd = ssthresh + 3, then + 1 a duplicate
 *      partial ACK       retransmit the next hole, deflate; full ACK: cwnd = ssthresh
 *      timeout           ssthresh = flight/2, cwnd = 1 segment
 *
 * Everything that decides how much may be in flight is here, behind the functions that the rest of TCP
 * calls; nothing else writes snd_cwnd or snd_ssthresh.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { SEQ_GT, SEQ_LT } from "./tcp";
import { tcp_output } from "./tcp_output";
import { tcp_backoff_us } from "./tcp_rtt";
import { tcpstat } from "./tcp_stat";
import { tcp_rexmt_arm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcp_inflight, tcps } from "./tcp_var";

/** RFC 5681 §3.2: duplicates that mean a loss. */
const TCPREXMTTHRESH: i32 = 3;

export function tcp_cc_init(tp: Tcpcb): void {
  tp.snd_cwnd = tp.t_maxseg;
  tp.snd_ssthresh = 0x3fffffff;
}

/** The initial window, bytes: RFC 6928 §2, or net.inet.tcp.init_win segments. */
function cc_initial(tp: Tcpcb): u32 {
  const mss = tp.t_maxseg;
  const segs = <u32>tcps.init_win;
  const byte_limit: u32 = 14600;
  return segs == 10 ? min<u32>(10 * mss, max<u32>(2 * mss, byte_limit)) : segs * mss;
}

/** The connection stands, its segment size is known. */
export function tcp_cc_established(tp: Tcpcb): void {
  // RFC 5681 §3.1: a lost SYN tells of congestion.
  tp.snd_cwnd = (tp.t_flags & v.TF_SYNREXMT) != 0 ? tp.t_maxseg : cc_initial(tp);
}

/** Bytes that may be in flight from snd_una: the peer's window and the congestion window. */
export function tcp_sendwindow(tp: Tcpcb): u32 {
  return min(tp.snd_wnd, tp.snd_cwnd);
}

function cc_halve(tp: Tcpcb): void {
  // RFC 5681 (4): half the flight, at least two segments.
  const flight = min(tcp_inflight(tp), tp.snd_wnd);
  tp.snd_ssthresh = max(flight >> 1, 2 * tp.t_maxseg);
}

/** `acked` bytes of new data were acknowledged outside recovery. */
function cc_grow(tp: Tcpcb, acked: u32): void {
  const mss = tp.t_maxseg;
  if (tp.snd_cwnd < tp.snd_ssthresh) {
    // RFC 3465 §2.2 with L = 2; one segment after a timeout (§2.3).
    tp.snd_cwnd += min(acked, th_limit(tp, mss));
    return;
  }
  tp.t_bytes_acked += acked;
  if (tp.t_bytes_acked < tp.snd_cwnd) return;
  tp.t_bytes_acked -= tp.snd_cwnd;
  tp.snd_cwnd += mss;
}

function th_limit(tp: Tcpcb, mss: u32): u32 {
  return SEQ_LT(tp.snd_nxt, tp.snd_max) ? mss : mss << 1;
}

/** The window was the limit: only then does an ACK say that more would have gone through (RFC 7661). */
function cc_limited(tp: Tcpcb, acked: u32): bool {
  return (tcp_inflight(tp) + acked) * 2 >= tp.snd_cwnd || tp.snd_cwnd < tp.snd_ssthresh;
}

/** New data was acknowledged: snd_una has advanced by `acked`. */
export function tcp_cc_ack(tp: Tcpcb, acked: u32): void {
  if ((tp.t_flags & v.TF_FASTRECOVERY) == 0) {
    tp.t_dupacks = 0;
    if (cc_limited(tp, acked)) cc_grow(tp, acked);
    if (tp.snd_cwnd > 0x3fffffff) tp.snd_cwnd = 0x3fffffff;
    return;
  }
  if (SEQ_GT(tp.recover, tp.snd_una)) {
    // RFC 6582 §3.2 step 3, partial: the next hole goes at once, the window deflates by what left.
    tcpstat.newrenopartial++;
    cc_retransmit(tp);
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
function cc_retransmit(tp: Tcpcb): void {
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
export function tcp_cc_dupack(tp: Tcpcb): void {
  tp.t_dupacks++;
  if ((tp.t_flags & v.TF_FASTRECOVERY) != 0) {
    tp.snd_cwnd += tp.t_maxseg;
    tcp_output(tp);
    return;
  }
  if (tp.t_dupacks < TCPREXMTTHRESH) {
    cc_limited_transmit(tp);
    return;
  }
  // RFC 6582 §3.2 step 2: duplicates of a flight that was already recovered do not count.
  if (tp.t_dupacks > TCPREXMTTHRESH || SEQ_LT(tp.snd_una, tp.recover)) return;
  tcpstat.fastrexmit++;
  cc_halve(tp);
  tp.recover = tp.snd_max;
  tp.t_flags |= v.TF_FASTRECOVERY;
  cc_retransmit(tp);
  tcp_rexmt_arm(tp);
  tp.snd_cwnd = tp.snd_ssthresh + <u32>TCPREXMTTHRESH * tp.t_maxseg;
  tcp_output(tp);
}

/** RFC 3042: each of the first two duplicates lets one new segment go; after a timeout there is none that is new. */
function cc_limited_transmit(tp: Tcpcb): void {
  if (tp.snd_nxt != tp.snd_max) return;
  const cwnd = tp.snd_cwnd;
  tp.snd_cwnd = cwnd + <u32>tp.t_dupacks * tp.t_maxseg;
  tcp_output(tp);
  tp.snd_cwnd = cwnd;
}

/** The retransmission timer ran out (RFC 5681 §3.1). */
export function tcp_cc_rto(tp: Tcpcb): void {
  // Only the first timeout of a flight halves; its back-offs are the same loss.
  if (tp.t_rxtshift == 1) cc_halve(tp);
  tp.snd_cwnd = tp.t_maxseg;
  tp.t_bytes_acked = 0;
  tp.t_dupacks = 0;
  tp.recover = tp.snd_max;
  tp.t_flags &= ~v.TF_FASTRECOVERY;
}

/** Nothing in flight: after an idle RTO the window is no longer known (RFC 5681 §4.1). */
export function tcp_cc_idle(tp: Tcpcb): void {
  if (tp.t_state < v.TCPS_ESTABLISHED || tp.t_lastsend_us == 0) return;
  if (getmicrouptime() - tp.t_lastsend_us < tcp_backoff_us(tp)) return;
  const iw = cc_initial(tp);
  if (tp.snd_cwnd > iw) tp.snd_cwnd = iw;
}
