/**
 * A segment arrives in SYN-SENT (RFC 9293 §3.10.7.3): ACK, RST, SYN, in that order.
 *
 *      acceptable SYN,ACK → ESTABLISHED        SYN alone → SYN-RECEIVED (simultaneous open, RFC 9293 §3.5 MUST-10)
 */
import { ECONNREFUSED } from "../../kernel/abi/errno";
import { soisconnected } from "../../kernel/net/socket";
import * as th from "./tcp";
import { tcp_cc_established } from "./tcp_cc";
import { tcp_ecn_syn } from "./tcp_ecn";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcp_output } from "./tcp_output";
import { tcp_synopts } from "./tcp_listen";
import { tcp_ts_rtt, tcp_xmit_timer } from "./tcp_rtt";
import { getmicrouptime } from "../../kernel/kern/clock";
import { tcp_segment_text } from "./tcp_segment";
import { tcp_check_sequence } from "./tcp_sequence";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_dropwithreset, tcp_rcvseqinit } from "./tcp_subr";
import { tcp_established_timers, tcp_keepalive_touch } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

export function tcp_synsent_input(tp: Tcpcb): void {
  const seg = tcps.seg;
  const acked = (seg.ti_flags & th.TH_ACKF) != 0;
  // First: an ACK outside (ISS, SND.NXT] is answered with a reset.
  if (acked && (th.SEQ_LEQ(seg.seg_ack, tp.iss) || th.SEQ_GT(seg.seg_ack, tp.snd_max))) {
    tcp_dropwithreset();
    return;
  }
  // Second: a reset counts only with an acceptable ACK (RFC 9293 §3.10.7.3, RFC 5961 §3.2).
  if ((seg.ti_flags & th.TH_RST) != 0) {
    if (!acked) return;
    tcpstat.conndrops++;
    tp.t_inpcb.inp_so.so_error = ECONNREFUSED;
    tcp_close(tp);
    return;
  }
  // Fourth: without SYN there is nothing more to do.
  if ((seg.ti_flags & th.TH_SYN) == 0) return;
  tcp_rcvseqinit(tp, seg.seg_seq);
  tcp_synopts(tp);
  tcp_ecn_syn(tp);
  tcp_keepalive_touch(tp);
  tp.snd_wnd = seg.seg_wnd;
  tp.max_sndwnd = tp.snd_wnd;
  tp.snd_wl1 = seg.seg_seq;
  tp.snd_wl2 = seg.seg_ack;
  if (acked) tcp_synsent_established(tp);
  else tcp_simultaneous_open(tp);
}

/** Our SYN is acknowledged: the connection stands. */
function tcp_synsent_established(tp: Tcpcb): void {
  const seg = tcps.seg;
  const so = tp.t_inpcb.inp_so;
  tcpstat.connects++;
  // Karn: a SYN sent twice is timed only if a timestamp tells which was answered.
  const ts = (tp.t_flags & v.TF_RCVD_TSTMP) != 0 && tcpopt.to_tsecr != 0 && (tcpopt.to_flags & TOF_TS) != 0;
  if (ts) {
    const rtt = tcp_ts_rtt(tp, tcpopt.to_tsecr);
    if (rtt >= 0) tcp_xmit_timer(tp, rtt);
  } else if (tp.t_rtttime_us != 0 && (tp.t_flags & v.TF_SYNREXMT) == 0) {
    tcp_xmit_timer(tp, getmicrouptime() - tp.t_rtttime_us);
  }
  tp.t_rtttime_us = 0;
  tp.t_una_since_us = 0;
  tp.snd_una = seg.seg_ack;
  if (th.SEQ_LT(tp.snd_nxt, tp.snd_una)) tp.snd_nxt = tp.snd_una;
  tp.t_state = v.TCPS_ESTABLISHED;
  tcp_cc_established(tp);
  tcp_established_timers(tp);
  tp.t_flags |= v.TF_ACKNOW;
  soisconnected(so);
  // Data or FIN that came with the SYN (RFC 9293 §3.10.7.3 "fifth"): from the sixth step on.
  seg.seg_seq++;
  if (seg.ti_len > 0 || (seg.ti_flags & (th.TH_FIN | th.TH_URG)) != 0) {
    if (tcp_check_sequence(tp)) tcp_segment_text(tp);
    else tcp_output(tp);
    return;
  }
  tcp_output(tp);
}

/** Both sides sent a SYN: answer with SYN,ACK, <SEQ=ISS> (RFC 9293 §3.5 MUST-10, figure 7). */
function tcp_simultaneous_open(tp: Tcpcb): void {
  tp.t_state = v.TCPS_SYN_RECEIVED;
  tp.snd_nxt = tp.iss;
  tp.t_flags |= v.TF_ACKNOW;
  tcp_output(tp);
}
