/**
 * How large a segment may be: MSS, path MTU, and links that segment for us.
 *
 *      t_maxseg = min(peer's MSS, path MTU - 40, user's limit) - options in every segment
 *
 * RFC 9293 §3.7.1 (MUST-14, MUST-15, MUST-16, MUST-67), RFC 6691 (the MSS option does not count options). How the
 * MTU of the path is found is in tcp_pmtud.ts. A peer's MSS is taken for no less than net.inet.tcp.minmss:
 * a tiny one would cost a packet for every few bytes (CVE-2019-11479).
 */
import { IFCAP_TSO4 } from "../../kernel/abi/if";
import { Rtentry } from "../../kernel/net/route";
import { in_pcbroute, in_rtmtu } from "./in_route";
import { TCPOLEN_TSTAMP_APPA, TCP_MSS_DEFAULT } from "./tcp";
import { tcp_pmtud_init } from "./tcp_pmtud";
import { TCPS_ESTABLISHED, TF_RCVD_TSTMP, Tcpcb, tcps } from "./tcp_var";

/** IP and TCP header without options. */
const HDRS: i32 = 40;
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
 * take, less 40: fixed headers, RFC 9293 §3.7.1 MUST-67 (and SHLD-6).
 */
export function tcp_ourmss_by(rt: Rtentry, usermss: u32): u32 {
  const mss = <u32>((rt ? rt.rt_ifp.if_mtu : 576) - HDRS);
  return usermss != 0 && usermss < mss ? usermss : mss;
}

export function tcp_ourmss(tp: Tcpcb): u32 {
  return tcp_ourmss_by(in_pcbroute(tp.t_inpcb, tp.t_inpcb.inp_faddr), tp.t_usermss);
}

/** Payload of a segment where the path carries packets of `mtu`: what peer and user allow, less our options. */
export function tcp_segsize(tp: Tcpcb, mtu: i32): u32 {
  let mss = <u32>(mtu - HDRS);
  // RFC 9293 §3.7.1 MUST-16: the smaller of the peer's MSS and what the path takes, less our options.
  if (tp.t_peermss < mss) mss = tp.t_peermss;
  if (tp.t_usermss != 0 && tp.t_usermss < mss) mss = tp.t_usermss;
  if (mss < <u32>tcps.minmss) mss = <u32>tcps.minmss;
  if ((tp.t_flags & TF_RCVD_TSTMP) != 0) mss -= TCPOLEN_TSTAMP_APPA;
  return mss;
}

/** The largest packet that may ever go: whatever is known of the path beyond the first link. */
export function tcp_ceiling(tp: Tcpcb): i32 {
  const rt = in_pcbroute(tp.t_inpcb, tp.t_inpcb.inp_faddr);
  let most = rt ? <u32>in_rtmtu(rt) : 576;
  if (tp.t_peermss + HDRS < most) most = tp.t_peermss + HDRS;
  return <i32>(tp.t_usermss != 0 && tp.t_usermss + HDRS < most ? tp.t_usermss + HDRS : most);
}

/** Work t_maxseg out anew: after the handshake, when the path's MTU changes, when the user asks. */
export function tcp_setmss(tp: Tcpcb): void {
  if (tp.t_state < TCPS_ESTABLISHED) tcp_pmtud_init(tp);
  tp.t_maxseg = tcp_segsize(tp, tcp_pathmtu(tp));
}

/** The peer's MSS option, 0 if it sent none (RFC 9293 §3.7.1 MUST-15: then 536). */
export function tcp_peermss(tp: Tcpcb, mss: u32): void {
  tp.t_peermss = mss == 0 ? TCP_MSS_DEFAULT : mss < <u32>tcps.minmss ? <u32>tcps.minmss : mss;
}

/** Most payload that one call of ip_output may carry: a segment, or more if the link segments. */
export function tcp_tsomax(tp: Tcpcb): u32 {
  const rt = in_pcbroute(tp.t_inpcb, tp.t_inpcb.inp_faddr);
  // A probe of the path's MTU is one packet.
  if (!rt || (rt.rt_ifp.if_capenable & IFCAP_TSO4) == 0 || tp.t_probe_mss != 0) return tp.t_maxseg;
  const most = rt.rt_ifp.if_tsomax != 0 ? <u32>rt.rt_ifp.if_tsomax : IP_MAXPACKET - 120;
  return most < tp.t_maxseg ? tp.t_maxseg : most;
}
