/**
 * A segment arrives for a listener (RFC 9293 §3.10.7.2).
 *
 *      RST → ignore    ACK → reset    SYN → a new socket in SYN-RECEIVED, on the listener's queue
 *      anything else → drop
 *
 * The new connection takes its addresses from the segment; it is complete, and can be accepted, when
 * its SYN is acknowledged. The queue of connections being made is bounded; one more SYN is dropped, and
 * the peer asks again (tcp_segment.ts keeps a full accept queue waiting the same way).
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { Socket, sonewconn } from "../../kernel/net/socket";
import { in_ifbroadcast } from "./in_ifaddr";
import { in_pcbsetbind, in_pcbsetconn } from "./in_pcb";
import * as th from "./tcp";
import { TOF_MSS, TOF_SACKPERM, TOF_SCALE, TOF_TS, tcpopt } from "./tcp_options";
import { tcp_peermss, tcp_setmss } from "./tcp_mtu";
import { tcp_output } from "./tcp_output";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_dropwithreset, tcp_new_iss, tcp_rcvseqinit, tcp_sendseqinit } from "./tcp_subr";
import { TCP_KEEPINIT_US, tcp_timer_arm } from "./tcp_timer";
import { tcp_rcvscale } from "./tcp_usrreq";
import * as v from "./tcp_var";
import { Tcpcb, sototcpcb, tcps } from "./tcp_var";

/** Take what the options of a SYN say; for both directions of opening. */
export function tcp_synopts(tp: Tcpcb): void {
  const to = tcpopt;
  tcp_peermss(tp, (to.to_flags & TOF_MSS) != 0 ? to.to_mss : 0);
  if ((to.to_flags & TOF_SCALE) != 0 && (tp.t_flags & v.TF_REQ_SCALE) != 0) {
    tp.t_flags |= v.TF_RCVD_SCALE;
    tp.snd_scale = to.to_wscale;
    tp.rcv_scale = tp.request_r_scale;
  }
  if ((to.to_flags & TOF_TS) != 0 && (tp.t_flags & v.TF_REQ_TSTMP) != 0) {
    tp.t_flags |= v.TF_RCVD_TSTMP;
    tp.ts_recent = to.to_tsval;
    tp.ts_recent_age_us = getmicrouptime();
  }
  // RFC 2018 §2: both ends must offer it.
  if ((to.to_flags & TOF_SACKPERM) != 0 && (tp.t_flags & v.TF_REQ_SACK) != 0) tp.t_flags |= v.TF_SACK_PERMIT;
  tcp_setmss(tp);
}

/** A segment for listener `lp`. The payload stays with tcps.seg. */
export function tcp_listen_input(lp: Tcpcb): void {
  const seg = tcps.seg;
  // First, RST; second, ACK; third, SYN (RFC 9293 §3.10.7.2).
  if ((seg.ti_flags & th.TH_RST) != 0) return;
  if ((seg.ti_flags & th.TH_ACKF) != 0) {
    tcpstat.badsyn++;
    tcp_dropwithreset();
    return;
  }
  if ((seg.ti_flags & th.TH_SYN) == 0) return;
  // SYN and FIN together make no sense; a broadcast address or our own pair (LAND) can be no peer.
  if ((seg.ti_flags & th.TH_FIN) != 0 || seg.src == 0 || in_ifbroadcast(seg.src) || in_ifbroadcast(seg.dst) ||
      (seg.src == seg.dst && seg.sport == seg.dport)) {
    tcpstat.badsyn++;
    return;
  }
  const lso = lp.t_inpcb.inp_so;
  const so = sonewconn(lso, 0);
  if (!so) {
    tcpstat.listendrop++;
    return;
  }
  tcp_passive_open(lp, so);
}

/** Make `so`, fresh from sonewconn, the connection that this SYN asks for, and answer. */
function tcp_passive_open(lp: Tcpcb, so: Socket): void {
  const seg = tcps.seg;
  const tp = sototcpcb(so);
  const inp = tp.t_inpcb;
  const linp = lp.t_inpcb;
  inp.inp_ttl = linp.inp_ttl;
  inp.inp_tos = linp.inp_tos;
  inp.inp_minttl = linp.inp_minttl;
  in_pcbsetbind(inp, seg.dst, seg.dport);
  if (in_pcbsetconn(inp, seg.dst, seg.src, seg.sport) < 0) {
    tcp_close(tp);
    return;
  }
  tcp_inherit(tp, lp);
  tcp_rcvscale(tp, so);
  tcp_synopts(tp);
  tcp_sendseqinit(tp, tcp_new_iss(tp));
  tcp_rcvseqinit(tp, seg.seg_seq);
  tp.snd_wnd = seg.seg_wnd_raw;
  tp.max_sndwnd = tp.snd_wnd;
  tp.snd_wl1 = seg.seg_seq;
  tp.t_state = v.TCPS_SYN_RECEIVED;
  tp.t_flags |= v.TF_PASSIVE;
  tcpstat.accepts++;
  tcp_timer_arm(tp, v.TCPT_KEEP, TCP_KEEPINIT_US);
  // RFC 9293 §3.10.7.2: data or URG with the SYN is not kept here; the peer sends it again.
  tcp_output(tp);
}

/** Options that a listener hands on to its connections. */
function tcp_inherit(tp: Tcpcb, lp: Tcpcb): void {
  const keep = v.TF_NODELAY | v.TF_NOPUSH | v.TF_REQ_SCALE | v.TF_REQ_TSTMP | v.TF_REQ_SACK;
  tp.t_flags = (tp.t_flags & ~keep) | (lp.t_flags & keep);
  tp.t_usermss = lp.t_usermss;
  tp.t_keepidle_us = lp.t_keepidle_us;
  tp.t_keepintvl_us = lp.t_keepintvl_us;
  tp.t_keepcnt = lp.t_keepcnt;
  tp.t_user_timeout_us = lp.t_user_timeout_us;
}
