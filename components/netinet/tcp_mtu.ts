/**
 * How large a segment may be: MSS, path MTU, and links that segment for us.
 *
 *      t_maxseg = min(peer's MSS, path MTU - 40, user's limit) - options in every segment
 *
 * RFC 9293 §3.7.1 (MUST-14 to 16, MUST-67), RFC 6691 (the MSS option does not count options), RFC 1191
 * (path MTU), RFC 5927 §7.2 (a "needed" message is believed only below what we sent and above a floor),
 * and a black hole that swallows large segments without a word is stepped around by the plateaus of
 * RFC 1191 §7.1 when retransmissions of full segments fail.
 */
import { IFCAP_TSO4 } from "../../kernel/abi/if";
import { Rtentry } from "../../kernel/net/route";
import { in_pcbroute, in_rtmtu } from "./in_route";
import { TCPOLEN_TSTAMP_APPA, TCP_MSS_DEFAULT } from "./tcp";
import { tcp_output } from "./tcp_output";
import { tcpstat } from "./tcp_stat";
import { TF_RCVD_TSTMP, Tcpcb, tcps } from "./tcp_var";

/** IP and TCP header without options. */
const HDRS: i32 = 40;
/** No path has less (RFC 791); what a forged "needed" message can do is bounded by this. */
const MTU_FLOOR: i32 = 296;
/** Largest IP packet. */
const IP_MAXPACKET: u32 = 65535;

/** MTU of the path as it is known now. */
export function tcp_pathmtu(tp: Tcpcb): i32 {
  const inp = tp.t_inpcb;
  const rt = in_pcbroute(inp, inp.inp_faddr);
  const mtu = rt ? in_rtmtu(rt) : 576;
  return tp.t_pathmtu != 0 && <i32>tp.t_pathmtu < mtu ? <i32>tp.t_pathmtu : mtu;
}

/**
 * What we announce on route `rt` (may be null), the user's limit being `usermss` (0 none): what our interface can
 * take, less 40 (RFC 9293 §3.7.1 SHLD-6).
 */
export function tcp_ourmss_by(rt: Rtentry, usermss: u32): u32 {
  const mss = <u32>((rt ? rt.rt_ifp.if_mtu : 576) - HDRS);
  return usermss != 0 && usermss < mss ? usermss : mss;
}

export function tcp_ourmss(tp: Tcpcb): u32 {
  return tcp_ourmss_by(in_pcbroute(tp.t_inpcb, tp.t_inpcb.inp_faddr), tp.t_usermss);
}

/** Work t_maxseg out anew: after the handshake, when the path's MTU changes, when the user asks. */
export function tcp_setmss(tp: Tcpcb): void {
  let mss = <u32>(tcp_pathmtu(tp) - HDRS);
  if (tp.t_peermss < mss) mss = tp.t_peermss;
  if (tp.t_usermss != 0 && tp.t_usermss < mss) mss = tp.t_usermss;
  if (mss < <u32>tcps.minmss) mss = <u32>tcps.minmss;
  if ((tp.t_flags & TF_RCVD_TSTMP) != 0) mss -= TCPOLEN_TSTAMP_APPA;
  tp.t_maxseg = mss;
}

/** The peer's MSS option, 0 if it sent none (RFC 9293 §3.7.1 MUST-15: then 536). */
export function tcp_peermss(tp: Tcpcb, mss: u32): void {
  tp.t_peermss = mss == 0 ? TCP_MSS_DEFAULT : mss < <u32>tcps.minmss ? <u32>tcps.minmss : mss;
}

/** Most payload that one call of ip_output may carry: a segment, or more if the link segments. */
export function tcp_tsomax(tp: Tcpcb): u32 {
  const rt = in_pcbroute(tp.t_inpcb, tp.t_inpcb.inp_faddr);
  if (!rt || (rt.rt_ifp.if_capenable & IFCAP_TSO4) == 0) return tp.t_maxseg;
  const most = rt.rt_ifp.if_tsomax != 0 ? <u32>rt.rt_ifp.if_tsomax : IP_MAXPACKET - 120;
  return most < tp.t_maxseg ? tp.t_maxseg : most;
}

/** ICMP says that a segment of ours needs fragmentation at a link of `mtu` (0: an old router, no value). */
export function tcp_mtudisc(tp: Tcpcb, mtu: u32): void {
  const now = tcp_pathmtu(tp);
  let next = <i32>mtu;
  if (next == 0) next = plateau_below(now);
  if (next < MTU_FLOOR) next = MTU_FLOOR;
  if (next >= now) return;
  tp.t_pathmtu = <u32>next;
  tcp_setmss(tp);
  tcpstat.mturesent++;
  tp.snd_nxt = tp.snd_una;
  tp.t_rtttime_us = 0;
  tcp_output(tp);
}

/** RFC 1191 §7.1. */
function plateau_below(mtu: i32): i32 {
  if (mtu > 32000) return 32000;
  if (mtu > 17914) return 17914;
  if (mtu > 8166) return 8166;
  if (mtu > 4352) return 4352;
  if (mtu > 2002) return 2002;
  if (mtu > 1492) return 1492;
  if (mtu > 1280) return 1280;
  if (mtu > 1006) return 1006;
  if (mtu > 508) return 508;
  return MTU_FLOOR;
}

/** Full segments have been retransmitted three times in vain: try smaller ones. */
export function tcp_mtu_blackhole(tp: Tcpcb): void {
  if (tp.t_rxtshift < 3 || tp.t_rxtshift > 6) return;
  // A path that has carried segments of this size is no black hole: these are plain losses.
  if (tp.t_provenseg >= tp.t_maxseg) return;
  const mtu = tcp_pathmtu(tp);
  if (mtu <= 508 || tp.snd_max - tp.snd_una < tp.t_maxseg) return;
  tp.t_pathmtu = <u32>plateau_below(mtu);
  tcp_setmss(tp);
}
