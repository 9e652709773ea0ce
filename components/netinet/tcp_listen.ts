/**
 * A segment arrives for a listener (RFC 9293 §3.10.7.2).
 *
 *      of a connection being made → tcp_syncache_input.ts        RST → ignore
 *      ACK → a cookie's (tcp_syncookie.ts), or reset             SYN → the SYN cache, and SYN,ACK
 *      anything else → drop
 *
 * A connection gets a socket and a control block when the third segment of its handshake arrives; they are
 * made here, as if this block had sent the SYN,ACK. A SYN is dropped while the listener's queue of complete
 * connections is full: the peer asks again.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { sonewconn, soqroom } from "../../kernel/net/socket";
import { in_ifbroadcast } from "./in_ifaddr";
import { in_pcbsetbind, in_pcbsetconn } from "./in_pcb";
import * as th from "./tcp";
import { tcp_ecn_passive } from "./tcp_ecn";
import { TOF_MSS, TOF_SACKPERM, TOF_SCALE, TOF_TS, tcpopt } from "./tcp_options";
import { tcp_peermss, tcp_setmss } from "./tcp_mtu";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_dropwithreset, tcp_rcvseqinit, tcp_sendseqinit } from "./tcp_subr";
import { SCF_ECN, SCF_MSS, SCF_SACK, SCF_SCALE, SCF_TS, Syncache, syn_cache_lookup } from "./tcp_syncache";
import { syn_cache_add, syn_cache_cookie, syn_cache_segment, syn_cache_senttime } from "./tcp_syncache_input";
import { TCP_KEEPINIT_US, tcp_rexmt_arm, tcp_timer_arm } from "./tcp_timer";
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
  const sc = syn_cache_lookup(seg.dst, seg.dport, seg.src, seg.sport);
  if (sc) {
    syn_cache_segment(sc);
    return;
  }
  // First, RST; second, ACK; third, SYN (RFC 9293 §3.10.7.2).
  if ((seg.ti_flags & th.TH_RST) != 0) return;
  if ((seg.ti_flags & th.TH_ACKF) != 0) {
    if (syn_cache_cookie(lp)) return;
    tcpstat.badsyn++;
    tcp_dropwithreset();
    return;
  }
  if ((seg.ti_flags & th.TH_SYN) == 0) return;
  // SYN and FIN together make no sense; a broadcast address or our own pair (LAND) can be no peer.
  // RFC 9293 §3.9.2.3 MUST-63 (IP has dropped multicast sources), RFC 9293 §3.9.2.3 MUST-57.
  if ((seg.ti_flags & th.TH_FIN) != 0 || seg.src == 0 || in_ifbroadcast(seg.src) || in_ifbroadcast(seg.dst) ||
      (seg.src == seg.dst && seg.sport == seg.dport)) {
    tcpstat.badsyn++;
    return;
  }
  if (!soqroom(lp.t_inpcb.inp_so)) {
    tcpstat.listendrop++;
    tcpstat.sc_dropped++;
    return;
  }
  syn_cache_add(lp);
}

/** The options of the SYN that `sc` remembers, as tcp_synopts reads them. */
function synopts_of(tp: Tcpcb, sc: Syncache): void {
  const to = tcpopt;
  const flags = to.to_flags;
  const tsval = to.to_tsval;
  const had = <u32>sc.sc_flags;
  to.to_flags = ((had & SCF_MSS) != 0 ? TOF_MSS : 0) | ((had & SCF_SCALE) != 0 ? TOF_SCALE : 0) |
    ((had & SCF_TS) != 0 ? TOF_TS : 0) | ((had & SCF_SACK) != 0 ? TOF_SACKPERM : 0);
  to.to_mss = sc.sc_peermss;
  to.to_wscale = sc.sc_sndscale;
  to.to_tsval = sc.sc_tsrecent;
  tcp_synopts(tp);
  to.to_flags = flags;
  to.to_tsval = tsval;
}

/**
 * The connection that `sc` stands for: a socket in the queue of `lp` and a control block in SYN-RECEIVED, as
 * if it had sent the SYN,ACK. 0 when there is no room for it.
 */
export function tcp_passive_open(lp: Tcpcb, sc: Syncache): Tcpcb {
  const none = changetype<Tcpcb>(0);
  const so = sonewconn(lp.t_inpcb.inp_so, 0);
  if (!so) return none;
  const tp = sototcpcb(so);
  const inp = tp.t_inpcb;
  const linp = lp.t_inpcb;
  inp.inp_ttl = linp.inp_ttl;
  inp.inp_tos = linp.inp_tos;
  inp.inp_minttl = linp.inp_minttl;
  in_pcbsetbind(inp, sc.sc_laddr, sc.sc_lport);
  if (in_pcbsetconn(inp, sc.sc_laddr, sc.sc_faddr, sc.sc_fport) < 0) {
    tcp_close(tp);
    return none;
  }
  tcp_inherit(tp, lp);
  tp.request_r_scale = sc.sc_rcvscale;
  synopts_of(tp, sc);
  tp.ts_offset = sc.sc_tsoffset;
  tcp_sendseqinit(tp, sc.sc_iss);
  tp.snd_nxt = sc.sc_iss + 1;
  tp.snd_max = tp.snd_nxt;
  tp.rcv_wnd = sc.sc_win;
  tcp_rcvseqinit(tp, sc.sc_irs);
  tp.snd_wnd = sc.sc_peerwnd;
  tp.max_sndwnd = tp.snd_wnd;
  tp.snd_wl1 = sc.sc_irs;
  tp.t_rtttime_us = syn_cache_senttime(sc);
  tp.t_rtseq = sc.sc_iss;
  tp.t_state = v.TCPS_SYN_RECEIVED;
  tp.t_flags |= v.TF_PASSIVE;
  if (sc.sc_rxtshift != 0) tp.t_flags |= v.TF_SYNREXMT;
  if ((sc.sc_flags & SCF_ECN) != 0) tcp_ecn_passive(tp);
  tcpstat.accepts++;
  // Only until the segment that is being processed establishes it.
  tcp_timer_arm(tp, v.TCPT_KEEP, TCP_KEEPINIT_US);
  tcp_rexmt_arm(tp);
  return tp;
}

/** Options that a listener hands on to its connections. */
function tcp_inherit(tp: Tcpcb, lp: Tcpcb): void {
  const keep = v.TF_NODELAY | v.TF_NOPUSH | v.TF_REQ_SCALE | v.TF_REQ_TSTMP | v.TF_REQ_SACK;
  tp.t_flags = (tp.t_flags & ~keep) | (lp.t_flags & keep);
  tp.t_usermss = lp.t_usermss;
  tp.t_cc = lp.t_cc;
  tp.t_keepidle_us = lp.t_keepidle_us;
  tp.t_keepintvl_us = lp.t_keepintvl_us;
  tp.t_keepcnt = lp.t_keepcnt;
  tp.t_user_timeout_us = lp.t_user_timeout_us;
}
