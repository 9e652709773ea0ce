/**
 * Proportional rate reduction (RFC 6937, RFC 9937): how much may leave with each ACK of a fast recovery.
 *
 *      pipe > ssthresh    as much of what is delivered as brings the flight to ssthresh by the end of the round trip
 *      pipe <= ssthresh   what is delivered, and a segment more while nothing further is lost (slow start), up to ssthresh
 *
 * The allowance becomes cwnd = pipe + allowance, so that output knows nothing of it. Counted in bytes;
 * what does not make a segment yet is kept by prr_delivered and prr_out for the next ACK.
 */
import { tcp_pipe } from "./tcp_sent";
import { Tcpcb, tcp_inflight } from "./tcp_var";

/** Recovery begins: RecoverFS is the flight as it was before this ACK told of a loss. `sacked` are this ACK's bytes. */
export function tcp_prr_init(tp: Tcpcb, sacked: u32): void {
  tp.prr_delivered = 0;
  tp.prr_out = 0;
  const before = tp.t_sacked > sacked ? tp.t_sacked - sacked : 0;
  const flight = tcp_inflight(tp);
  tp.prr_recoverfs = flight > before ? flight - before : tp.t_maxseg;
}

/** An ACK that delivered `delivered` bytes; `safe`: it advanced snd_una and told of no further loss. */
export function tcp_prr_ack(tp: Tcpcb, delivered: u32, safe: bool): void {
  const pipe = tcp_pipe(tp);
  const ssthresh = tp.snd_ssthresh;
  let cnt: i64 = 0;
  tp.prr_delivered += delivered;
  if (pipe > ssthresh) {
    const fs = <u64>tp.prr_recoverfs;
    cnt = <i64>((<u64>tp.prr_delivered * ssthresh + fs - 1) / fs) - <i64>tp.prr_out;
  } else {
    cnt = max<i64>(<i64>tp.prr_delivered - <i64>tp.prr_out, <i64>delivered);
    if (safe) cnt += tp.t_maxseg;
    cnt = min<i64>(cnt, <i64>(ssthresh - pipe));
  }
  // RFC 9937 §6.2: the first retransmission goes at once.
  if (tp.prr_out == 0 && cnt < <i64>tp.t_maxseg) cnt = tp.t_maxseg;
  tp.snd_cwnd = pipe + <u32>max<i64>(cnt, 0);
}

/** Recovery is over. */
export function tcp_prr_done(tp: Tcpcb): void {
  tp.snd_cwnd = tp.snd_ssthresh;
}
