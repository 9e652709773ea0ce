/**
 * IP input: a packet arrives (RFC 791 §3.2, RFC 1122 §3.2.1).
 *
 *      netisr ─▶ ip_input: version, lengths, checksum, source ─▶ ours? ─▶ reassemble ─▶ TCP UDP ICMP IGMP raw
 *                                                              └ no: forward (ip_forward.ts) or drop
 *
 * Nothing of a packet is believed before the header has been checked here; what follows may rely on
 * it: the header is contiguous, ph_len is the datagram's length, padding is cut off. Options are
 * accepted (RFC 1122 §3.2.1.8; ip_options.ts), source routes refused. Martian sources are dropped: ours,
 * broadcast, multicast, this network, loopback from a wire (RFC 1812 §5.3.7).
 */
import { IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_TCP, IPPROTO_UDP } from "../../kernel/abi/inet";
import { IFF_LOOPBACK } from "../../kernel/abi/if";
import { Ifnet, if_byindex } from "../../kernel/net/ifnet";
import { in_cksum_data } from "../../kernel/net/in_cksum";
import { CSUM_IP_CHECKED, M_BCAST, M_LOOP, M_MCAST, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_adj, m_pullup } from "../../kernel/net/mbuf2";
import { NETISR_IP, netisr_register } from "../../kernel/net/netisr";
import { icmp_error, ICMP_PARAMPROB, ICMP_UNREACH, ICMP_UNREACH_PROTOCOL } from "./icmp_error";
import { icmp_input } from "./icmp_input";
import { igmp_input } from "./igmp";
import { in_broadcast_on, in_localip, in_loopback, in_multicast } from "./in_ifaddr";
import { in_iface } from "./in_iface";
import { in_mcast_member } from "./in_mcast";
import { ipstat } from "./in_stat";
import * as ip from "./ip";
import { RTC_MARTIAN_SRC, rtcache_note } from "rump/rtcache";
import { ip_logmartian, ip_rpfilter } from "./ip_filter";
import { ip_forward, ip_forwarding, ip_sourceroute } from "./ip_forward";
import { IPOPT_SSRR, ip_opt_check, ip_opt_sourceroute } from "./ip_options";
import { ip_reass } from "./ip_reass";
import { rip_input } from "./raw_ip";
import { tcp_input } from "./tcp_input";
import { udp_input } from "./udp_input";

/** NET phase. */
export function ip_input_boot(): void {
  netisr_register(NETISR_IP, ip_input);
}

/** Check the header; the packet with it contiguous and the padding gone, or null (freed, counted). */
function ip_check(m0: Mbuf): Mbuf {
  ipstat.total++;
  if (m0.ph_len < ip.IP_HDRLEN) {
    ipstat.toosmall++;
    m_freem(m0);
    return changetype<Mbuf>(0);
  }
  let m = m_pullup(m0, ip.IP_HDRLEN);
  if (!m) return m;
  const vhl = <i32>load<u8>(m.m_data);
  const hlen = (vhl & 15) << 2;
  const len = ip.ip_len(m.m_data);
  if (vhl >> 4 != 4) ipstat.badvers++;
  else if (hlen < ip.IP_HDRLEN) ipstat.badhlen++;
  else if (len < hlen) ipstat.badlen++;
  else if (m.ph_len < len) ipstat.tooshort++;
  else {
    m = m_pullup(m, hlen);
    if (!m) return m;
    if ((m.ph_csum & CSUM_IP_CHECKED) == 0 && in_cksum_data(m.m_data, hlen) != 0) {
      ipstat.badsum++;
      m_freem(m);
      return changetype<Mbuf>(0);
    }
    if (m.ph_len > len) m_adj(m, len - m.ph_len);
    return m;
  }
  m_freem(m);
  return changetype<Mbuf>(0);
}

/**
 * A source that no packet from `ifp` can have (RFC 9293 §3.9.2.3 MUST-63). RFC 1122 §3.2.1.3 (a), (b): "this network" (0/8) is the
 * source of who does not know its address yet (DHCP, IGMP); it speaks to all, and cannot be answered.
 */
function ip_martian(src: u32, dst: u32, ifp: Ifnet, looped: bool): bool {
  if (in_multicast(src) || src == 0xffffffff || (src & 0xf0) == 0xf0) return true;
  if ((src & 0xff) == 0 && (src != 0 || in_localip(dst))) return true;
  if (looped || (changetype<usize>(ifp) != 0 && (ifp.if_flags & IFF_LOOPBACK) != 0)) return false;
  if (in_loopback(src) || in_localip(src)) return true;
  return changetype<usize>(ifp) != 0 && src != 0 && in_broadcast_on(src, ifp);
}

/**
 * Options of packet `m`, `ours` or not: malformed ones end it, with a parameter problem from a router (RFC
 * 1812 §4.3.3.5); a source route takes another way (ip_forward.ts). True if m is consumed.
 */
function ip_dooptions(m: Mbuf, hlen: i32, ifp: Ifnet, ours: bool): bool {
  const o = m.m_data + ip.IP_HDRLEN;
  const n = hlen - ip.IP_HDRLEN;
  const bad = ip_opt_check(o, n);
  if (bad != 0) {
    ipstat.badoptions++;
    if (ip_forwarding()) icmp_error(m, ICMP_PARAMPROB, 0, bad);
    else m_freem(m);
    return true;
  }
  const at = ip_opt_sourceroute(o, n);
  if (at < 0) return false;
  if (!ours && ip_forwarding() && <i32>load<u8>(o + at) != IPOPT_SSRR) return false;
  ipstat.badoptions++;
  ip_sourceroute(m, ifp, at);
  return true;
}

/** Is the packet for this host? Sets M_BCAST, M_MCAST. */
function ip_ours(m: Mbuf, dst: u32, ifp: Ifnet): bool {
  if (in_localip(dst)) {
    // RFC 1122 §3.2.1.3 (g): loopback addresses stay inside.
    return !in_loopback(dst) || (m.m_flags & M_LOOP) != 0 || changetype<usize>(ifp) == 0 || (ifp.if_flags & IFF_LOOPBACK) != 0;
  }
  if (in_multicast(dst)) {
    m.m_flags |= M_MCAST;
    return in_mcast_member(ifp, dst);
  }
  if (changetype<usize>(ifp) != 0 && in_broadcast_on(dst, ifp)) {
    m.m_flags |= M_BCAST;
    return true;
  }
  return false;
}

/** A packet from the link: consumes it. */
export function ip_input(m0: Mbuf): void {
  let m = ip_check(m0);
  if (!m) return;
  const p = m.m_data;
  const hlen = ip.ip_hl(p);
  const src = load<u32>(p, ip.IP_SRC);
  const dst = load<u32>(p, ip.IP_DST);
  const ifp = if_byindex(m.ph_rcvif);
  in_iface(m.ph_rcvif).ii_received++;
  if (ip_martian(src, dst, ifp, (m.m_flags & M_LOOP) != 0)) {
    ipstat.badaddr++;
    rtcache_note(RTC_MARTIAN_SRC);
    ip_logmartian(src, dst, ifp);
    m_freem(m);
    return;
  }
  if (changetype<usize>(ifp) != 0 && (m.m_flags & M_LOOP) == 0 && !ip_rpfilter(src, load<u8>(p, ip.IP_TOS), ifp)) {
    rtcache_note(RTC_MARTIAN_SRC);
    m_freem(m);
    return;
  }
  const ours = ip_ours(m, dst, ifp);
  if (hlen > ip.IP_HDRLEN && ip_dooptions(m, hlen, ifp, ours)) return;
  if (!ours) {
    if ((m.m_flags & (M_BCAST | M_MCAST)) != 0) {
      ipstat.notours++;
      m_freem(m);
      return;
    }
    ip_forward(m, ifp);
    return;
  }
  if ((ip.ip_off(p) & (ip.IP_MF | ip.IP_OFFMASK)) != 0) {
    ipstat.fragments++;
    m = ip_reass(m);
    if (!m) return;
  }
  ip_deliver(m);
}

/** A whole datagram for us: to its protocol. */
function ip_deliver(m: Mbuf): void {
  const p = m.m_data;
  const hlen = ip.ip_hl(p);
  const proto = <i32>load<u8>(p, ip.IP_P);
  ipstat.delivered++;
  if (proto == IPPROTO_TCP) {
    tcp_input(m, hlen);
    return;
  }
  if (proto == IPPROTO_UDP) {
    udp_input(m, hlen);
    return;
  }
  const raw = rip_input(m, hlen);
  if (proto == IPPROTO_ICMP) {
    icmp_input(m, hlen);
  } else if (proto == IPPROTO_IGMP) {
    igmp_input(m, hlen);
  } else if (raw) {
    m_freem(m);
  } else {
    // RFC 1122 §3.2.2.1: protocol unreachable.
    ipstat.noproto++;
    icmp_error(m, ICMP_UNREACH, ICMP_UNREACH_PROTOCOL, 0);
  }
}
