/**
 * NewReno: the window of RFC 5681 with appropriate byte counting (RFC 3465).
 *
 *      congestion avoidance: + one segment for each window of bytes acknowledged
 *      congestion:           ssthresh = flight/2, at least two segments
 *
 * Slow start and everything else that does not depend on the algorithm is in tcp_cc.ts; which segments
 * are lost, the other half of RFC 6582, in tcp_recovery.ts. State: t_bytes_acked. O(1) an ACK.
 */
import { Tcpcb } from "./tcp_var";

/** Congestion avoidance (RFC 9293 §3.8.2 MUST-19), RFC 3465 §2.1 (RFC 5681 §3.1): a window's worth of ACKs opens it by one segment. */
export function newreno_ack(tp: Tcpcb, acked: u32): void {
  tp.t_bytes_acked += acked;
  if (tp.t_bytes_acked < tp.snd_cwnd) return;
  tp.t_bytes_acked -= tp.snd_cwnd;
  tp.snd_cwnd += tp.t_maxseg;
}

/** RFC 5681 §3.1 equation (4), of `flight` bytes. */
export function newreno_ssthresh(tp: Tcpcb, flight: u32): u32 {
  tp.t_bytes_acked = 0;
  return flight >> 1;
}

/** A timeout leaves nothing to forget. */
export function newreno_timeout(tp: Tcpcb): void {
  tp.t_bytes_acked = 0;
}

/** Time does not matter here. */
export function newreno_quiet(tp: Tcpcb, us: i64): void {
}
