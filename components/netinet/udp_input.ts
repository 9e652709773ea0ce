/**
 * UDP input (RFC 768, RFC 1122 §4.1): a datagram arrives, and what ICMP says of ours.
 *
 *      | sport dport | length sum | data …
 *
 * Unicast goes to the socket connected to the sender, else to the best bound one; broadcast and
 * multicast to every socket that wants it. A port that nobody has is answered with port unreachable.
 */
import { IPPROTO_UDP } from "../../kernel/abi/inet";
import { IP_RECVDSTADDR, IP_RECVTTL } from "../../kernel/abi/inet";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { CSUM_DATA_OK, M_BCAST, M_COPYALL, M_MCAST, MNULL, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_adj, m_copym, m_pullup } from "../../kernel/net/mbuf2";
import { in4_cksum, in_pseudo } from "../../kernel/net/in_cksum";
import { sorwakeup, sowwakeup } from "../../kernel/net/socket";
import { sbappendaddr, sbcreatecontrol } from "../../kernel/net/sockbuf";
import { rt_pmtu } from "rump/route";
import { if_byindex } from "../../kernel/net/ifnet";
import { ICMP_UNREACH, ICMP_UNREACH_PORT, icmp_error } from "./icmp_error";
import { in_mcast_joined } from "./in_mcast";
import {
  INP_CONNECTED, INP_RECVDSTADDR, INP_RECVTTL, Inpcb, Inpcbinfo, in_pcblookup_conn, in_pcblookup_wild,
} from "./in_pcb";
import { sin_put } from "./in_pcb_user";
import { udpstat } from "./in_stat";
import { IP_DST, IP_SRC, IP_TTL } from "./ip";

export const UH_SPORT: usize = 0;
export const UH_DPORT: usize = 2;
export const UH_LEN: usize = 4;
export const UH_SUM: usize = 6;
export const UDP_HDRLEN: i32 = 8;

@unmanaged
export class UdpState {
  info: Inpcbinfo;
  /** A sockaddr_in and a u32: for addresses handed up. */
  from: usize;
}

export let udps: UdpState = changetype<UdpState>(0);

export function udp_setstate(info: Inpcbinfo): void {
  udps = changetype<UdpState>(kmem_alloc(offsetof<UdpState>(), 8, "udp"));
  udps.info = info;
  udps.from = kmem_alloc(32, 8, "udp");
}

/** Control messages that the socket asked for. */
function udp_control(inp: Inpcb, p: usize): Mbuf {
  if ((inp.inp_flags & (INP_RECVDSTADDR | INP_RECVTTL)) == 0) return MNULL;
  let control = MNULL;
  if ((inp.inp_flags & INP_RECVTTL) != 0) {
    store<i32>(udps.from, load<u8>(p, IP_TTL), 16);
    control = sbcreatecontrol(udps.from + 16, 4, 0, IP_RECVTTL);
  }
  if ((inp.inp_flags & INP_RECVDSTADDR) != 0) {
    const dst = sbcreatecontrol(p + IP_DST, 4, 0, IP_RECVDSTADDR);
    if (dst) {
      dst.m_next = control;
      control = dst;
    }
  }
  return control;
}

/** Give the datagram (headers still in front, `skip` bytes of them) to `inp`. Consumes m. */
function udp_append(inp: Inpcb, m: Mbuf, skip: i32): void {
  const so = inp.inp_so;
  const p = m.m_data;
  const sport = <u32>bswap<u16>(load<u16>(p + skip - UDP_HDRLEN, UH_SPORT));
  const salen = sin_put(udps.from, load<u32>(p, IP_SRC), sport);
  const control = udp_control(inp, p);
  m_adj(m, skip);
  if (!sbappendaddr(so.so_rcv, udps.from, salen, m, control)) {
    udpstat.fullsock++;
    so.so_rcvdrops++;
    m_freem(m);
    m_freem(control);
    return;
  }
  udpstat.delivered++;
  sorwakeup(so);
}

/** Broadcast or multicast: a copy to each socket that wants it. Consumes m. */
function udp_fanout(m: Mbuf, skip: i32, src: u32, sport: u32, dst: u32, dport: u32): void {
  const mcast = (m.m_flags & M_MCAST) != 0;
  const ifp = if_byindex(m.ph_rcvif);
  let last = changetype<Inpcb>(0);
  for (let inp = udps.info.ipi_first; inp; inp = inp.inp_next) {
    if (<u32>inp.inp_lport != dport || (inp.inp_laddr != 0 && inp.inp_laddr != dst && mcast)) continue;
    if ((inp.inp_flags & INP_CONNECTED) != 0 && (inp.inp_faddr != src || <u32>inp.inp_fport != sport)) continue;
    if (mcast && !in_mcast_joined(inp, ifp, dst)) continue;
    if (last) {
      const n = m_copym(m, 0, M_COPYALL);
      if (n) udp_append(last, n, skip);
    }
    last = inp;
  }
  if (last) {
    udp_append(last, m, skip);
    return;
  }
  udpstat.noportbcast++;
  m_freem(m);
}

/** Check length and checksum; the packet with its headers contiguous, or null (freed, counted). */
function udp_check(m0: Mbuf, iphlen: i32): Mbuf {
  udpstat.ipackets++;
  if (m0.ph_len < iphlen + UDP_HDRLEN) {
    udpstat.hdrops++;
    m_freem(m0);
    return MNULL;
  }
  const m = m_pullup(m0, iphlen + UDP_HDRLEN);
  if (!m) return m;
  const p = m.m_data;
  const uh = p + iphlen;
  const len = <i32>bswap<u16>(load<u16>(uh, UH_LEN));
  if (len < UDP_HDRLEN || len > m.ph_len - iphlen) {
    udpstat.badlen++;
    m_freem(m);
    return MNULL;
  }
  if (len < m.ph_len - iphlen) m_adj(m, len - (m.ph_len - iphlen));
  if (load<u16>(uh, UH_SUM) == 0) {
    // RFC 768: the sender computed none.
    udpstat.nosum++;
    return m;
  }
  if ((m.ph_csum & CSUM_DATA_OK) != 0) return m;
  const pseudo = in_pseudo(load<u32>(p, IP_SRC), load<u32>(p, IP_DST), IPPROTO_UDP, len);
  if (in4_cksum(m, iphlen, len, pseudo) == 0) return m;
  udpstat.badsum++;
  m_freem(m);
  return MNULL;
}

/** A UDP datagram behind an IP header of `iphlen` bytes. Consumes it. */
export function udp_input(m0: Mbuf, iphlen: i32): void {
  const m = udp_check(m0, iphlen);
  if (!m) return;
  const p = m.m_data;
  const src = load<u32>(p, IP_SRC);
  const dst = load<u32>(p, IP_DST);
  const sport = <u32>bswap<u16>(load<u16>(p + iphlen, UH_SPORT));
  const dport = <u32>bswap<u16>(load<u16>(p + iphlen, UH_DPORT));
  const skip = iphlen + UDP_HDRLEN;
  if ((m.m_flags & (M_BCAST | M_MCAST)) != 0) {
    udp_fanout(m, skip, src, sport, dst, dport);
    return;
  }
  let inp = in_pcblookup_conn(udps.info, dst, dport, src, sport);
  if (!inp) inp = in_pcblookup_wild(udps.info, dst, dport, src ^ (sport << 16));
  if (inp) {
    udp_append(inp, m, skip);
    return;
  }
  udpstat.noport++;
  icmp_error(m, ICMP_UNREACH, ICMP_UNREACH_PORT, 0);
}

/** ICMP quotes a datagram of ours: errno `e` (0: needs fragmentation) for who sent it. */
export function udp_ctlinput(e: i32, mtu: u32, laddr: u32, lport: u32, faddr: u32, fport: u32): void {
  // RFC 1122 §4.1.3.3: only a connected socket can be told which of its sends failed.
  const inp = in_pcblookup_conn(udps.info, laddr, lport, faddr, fport);
  if (!inp) return;
  if (e == 0) {
    // RFC 1191 §3: the path is known to be narrower. A router that gives no size is one of before 1990.
    if (mtu != 0) rt_pmtu(faddr, laddr, inp.inp_tos, mtu);
    return;
  }
  const so = inp.inp_so;
  so.so_error = e;
  sorwakeup(so);
  sowwakeup(so);
}
