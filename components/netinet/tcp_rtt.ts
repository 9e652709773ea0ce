/**
 * Round-trip time and retransmission timeout: RFC 6298, in µs.
 *
 *      first sample:  SRTT = R, RTTVAR = R/2
 *      then:          RTTVAR = ¾ RTTVAR + ¼ |SRTT - R|,  SRTT = ⅞ SRTT + ⅛ R
 *      RTO = SRTT + max(200 ms, 4 RTTVAR), at least rtomin, at most rtomax; doubled for each retransmission
 *
 * Before a sample the RTO is 1 s (§2.1). If the SYN had to be sent again, it begins at 3 s for data
 * (§5.7): the 1 s was evidently too short for this path. Karn's rule, RFC 9293 §3.8.1 MUST-18: only segments sent once are
 * timed, unless timestamps tell which transmission is acknowledged (RFC 7323 §4).
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { TF_SYNREXMT, Tcpcb, tcps } from "./tcp_var";
import { tcpstat } from "./tcp_stat";

/** RFC 6298 §2.1 and §5.7. */
export const TCPTV_RTOINIT_US: i32 = 1000000;
export const TCPTV_RTOFALLBACK_US: i32 = 3000000;
/**
 * Least of the variance term. RFC 6298 has the clock's granularity G there; but where round trips are steady
 * 4 RTTVAR falls to nothing, and one delayed ACK, or a queue that grows, would be a timeout. Linux has the same.
 */
const VARMIN_US: i32 = 200000;

function clamp_rto(us: i32): i32 {
  if (us < tcps.rtomin_us) return tcps.rtomin_us;
  return us > tcps.rtomax_us ? tcps.rtomax_us : us;
}

/** RFC 9293 §3.8.1 MUST-18: a sample of `rtt_us`. Ends the back-off (RFC 6298 §5.7 note: a new sample is needed to do so). */
export function tcp_xmit_timer(tp: Tcpcb, rtt_us: i64): void {
  tcpstat.rttupdated++;
  const r = rtt_us < 1 ? 1 : rtt_us > 120000000 ? 120000000 : <i32>rtt_us;
  tp.t_rtt_us = r;
  if (tp.t_srtt_us == 0) {
    tp.t_srtt_us = r;
    tp.t_rttvar_us = r >> 1;
  } else {
    const delta = r > tp.t_srtt_us ? r - tp.t_srtt_us : tp.t_srtt_us - r;
    tp.t_rttvar_us += (delta - tp.t_rttvar_us) >> 2;
    tp.t_srtt_us += (r - tp.t_srtt_us) >> 3;
    if (tp.t_srtt_us < 1) tp.t_srtt_us = 1;
  }
  const var4 = tp.t_rttvar_us << 2;
  tp.t_rto_us = clamp_rto(tp.t_srtt_us + max(var4, min(VARMIN_US, tcps.rtomin_us)));
  tp.t_rxtshift = 0;
}

/** The timeout to arm now: the RTO, doubled for each retransmission (RFC 9293 §3.8.2 MUST-19), at most rtomax. */
export function tcp_backoff_us(tp: Tcpcb): i64 {
  const us = <i64>tp.t_rto_us << <i64>min(tp.t_rxtshift, 16);
  return us > <i64>tcps.rtomax_us ? <i64>tcps.rtomax_us : us;
}

/** The handshake is done: RFC 6298 §5.7. */
export function tcp_rto_synfallback(tp: Tcpcb): void {
  tp.t_rxtshift = 0;
  if ((tp.t_flags & TF_SYNREXMT) == 0) return;
  tp.t_flags &= ~TF_SYNREXMT;
  if (tp.t_rto_us < TCPTV_RTOFALLBACK_US) tp.t_rto_us = TCPTV_RTOFALLBACK_US;
}

/** The timestamp clock of this connection: ms, from an offset that tells nothing (RFC 7323 §5.4). */
export function tcp_ts_getticks(tp: Tcpcb): u32 {
  return <u32>(getmicrouptime() / 1000) + tp.ts_offset;
}

/** µs since the peer's echo `tsecr` of our clock was sent; -1 if it cannot be. */
export function tcp_ts_rtt(tp: Tcpcb, tsecr: u32): i64 {
  const ms = tcp_ts_getticks(tp) - tsecr;
  return ms > 600000 ? -1 : <i64>ms * 1000;
}
