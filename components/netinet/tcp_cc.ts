/**
 * Congestion control: how much may be in flight. RFC 5681 with appropriate byte counting (RFC 3465).
 *
 *      cwnd < ssthresh   slow start: + bytes acknowledged, at most two segments an ACK
 *      otherwise         congestion avoidance: + one segment a window
 *      loss              ssthresh = flight/2       timeout   the same, and cwnd = 1 segment
 *
 * What the window is, is decided here; which segments are lost, and what is sent while a loss is being
 * repaired, in tcp_recovery.ts. The two meet in the functions below and in snd_cwnd and snd_ssthresh.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { SEQ_LT } from "./tcp";
import { tcp_backoff_us } from "./tcp_rtt";
import * as v from "./tcp_var";
import { Tcpcb, tcp_inflight, tcps } from "./tcp_var";

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

/** Keep the window as it is now, before a congestion event changes it, for tcp_cc_undo. */
export function tcp_cc_save(tp: Tcpcb): void {
  tp.cc_prev_cwnd = tp.snd_cwnd;
  tp.cc_prev_ssthresh = tp.snd_ssthresh;
}

/**
 * The last congestion event was none (F-RTO, Eifel, DSACK): the window is what it was before it, RFC
 * 9438 §4.9. At most once for each event; false when there is nothing to undo.
 */
export function tcp_cc_undo(tp: Tcpcb): bool {
  if (tp.cc_prev_cwnd == 0) return false;
  tp.snd_cwnd = max(tp.snd_cwnd, tp.cc_prev_cwnd);
  tp.snd_ssthresh = max(tp.snd_ssthresh, tp.cc_prev_ssthresh);
  tp.cc_prev_cwnd = 0;
  return true;
}

/** A loss, the first of its flight: RFC 5681 (4): half the flight, at least two segments. Saves for tcp_cc_undo. */
export function tcp_cc_congestion(tp: Tcpcb): void {
  // A timeout within fast recovery belongs to the same event: what was before that is kept.
  if ((tp.t_flags & v.TF_FASTRECOVERY) == 0) tcp_cc_save(tp);
  const flight = min(tcp_inflight(tp), tp.snd_wnd);
  tp.snd_ssthresh = max(flight >> 1, 2 * tp.t_maxseg);
}

/** `acked` bytes of new data were acknowledged outside recovery. */
function cc_grow(tp: Tcpcb, acked: u32): void {
  const mss = tp.t_maxseg;
  if (tp.snd_cwnd < tp.snd_ssthresh) {
    // RFC 3465 §2.2 with L = 2; one segment after a timeout (§2.3).
    tp.snd_cwnd += min(acked, cc_limit(tp, mss));
    return;
  }
  tp.t_bytes_acked += acked;
  if (tp.t_bytes_acked < tp.snd_cwnd) return;
  tp.t_bytes_acked -= tp.snd_cwnd;
  tp.snd_cwnd += mss;
}

function cc_limit(tp: Tcpcb, mss: u32): u32 {
  return SEQ_LT(tp.snd_nxt, tp.snd_max) ? mss : mss << 1;
}

/** The window was the limit: only then does an ACK say that more would have gone through (RFC 7661). */
function cc_limited(tp: Tcpcb, acked: u32): bool {
  return (tcp_inflight(tp) + acked) * 2 >= tp.snd_cwnd || tp.snd_cwnd < tp.snd_ssthresh;
}

/** `acked` bytes of new data were acknowledged while nothing is being recovered. */
export function tcp_cc_ack(tp: Tcpcb, acked: u32): void {
  if (cc_limited(tp, acked)) cc_grow(tp, acked);
  if (tp.snd_cwnd > 0x3fffffff) tp.snd_cwnd = 0x3fffffff;
}

/** The retransmission timer ran out (RFC 5681 §3.1). */
export function tcp_cc_rto(tp: Tcpcb): void {
  // Only the first timeout of a flight halves; its back-offs are the same loss.
  if (tp.t_rxtshift == 1) tcp_cc_congestion(tp);
  tp.snd_cwnd = tp.t_maxseg;
  tp.t_bytes_acked = 0;
}

/** Nothing in flight: after an idle RTO the window is no longer known (RFC 5681 §4.1). */
export function tcp_cc_idle(tp: Tcpcb): void {
  if (tp.t_state < v.TCPS_ESTABLISHED || tp.t_lastsend_us == 0) return;
  if (getmicrouptime() - tp.t_lastsend_us < tcp_backoff_us(tp)) return;
  const iw = cc_initial(tp);
  if (tp.snd_cwnd > iw) tp.snd_cwnd = iw;
}
