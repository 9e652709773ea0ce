/**
 * Forwarding of IPv4 packets (RFC 1812 §5.2 and §5.3), when net.inet.ip.forwarding says so.
 *
 *      may it go? ─▶ route ─▶ TTL ─▶ options ─▶ MTU ─▶ out ─▶ by the way it came: redirect
 *      │ no: dropped  │ none   │ 0     │ bad      │ DF: "needed", the next hop's MTU
 *                     ▼ unreachable    ▼ parameter problem
 *                              ▼ time exceeded
 *
 * Not forwarded: link broadcasts and multicasts, broadcasts (of whatever network of ours, RFC 2644),
 * multicast, martian sources and destinations (ip_filter.ts). Without forwarding a packet for somebody else
 * is dropped without a word (RFC 1122 §3.3.1). Routes answer for themselves: blackhole says nothing,
 * unreachable "host unreachable", prohibit "administratively prohibited", none "net unreachable" (RFC 1812
 * §5.2.7.1). What an error quotes is as it came in: its first bytes are kept aside before anything of it is
 * changed, because by the time that a redirect or "host unreachable" is known to be due the packet is gone.
 */
import { EHOSTUNREACH, ENETDOWN } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { in_cksum_data, in_cksum_update } from "../../kernel/net/in_cksum";
import { Ifnet, if_proxy_set } from "../../kernel/net/ifnet";
import { M_BCAST, M_MCAST, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_copydata, m_makewritable } from "../../kernel/net/mbuf2";
import { m_devget } from "../../kernel/net/mbuf3";
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_GATEWAY, RTF_LOCAL, RTF_PROHIBIT, RTF_REJECT, Rtentry,
} from "../../kernel/net/route";
import { rtalloc4 } from "rump/route";
import { RTC_BRD, RTC_IN_MC, RTC_MARTIAN_DST, RTC_MARTIAN_SRC, RTC_NO_ROUTE, rtcache_in, rtcache_note, rtcache_put } from "rump/rtcache";
import {
  ICMP_PARAMPROB, ICMP_REDIRECT, ICMP_REDIRECT_HOST, ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, ICMP_UNREACH,
  ICMP_UNREACH_FILTER_PROHIB, ICMP_UNREACH_HOST, ICMP_UNREACH_NEEDFRAG, ICMP_UNREACH_NET, ICMP_UNREACH_SRCFAIL, icmp_error,
} from "./icmp_error";
import { in_ifaddr_of, in_ifbroadcast } from "./in_ifaddr";
import { in_iface } from "./in_iface";
import { in_rtmtu } from "./in_route";
import { ipstat } from "./in_stat";
import * as ip from "./ip";
import { ip_forwardable, ip_logmartian } from "./ip_filter";
import { IPOPT_SSRR, ip_opt_nexthop, ip_opt_record, ip_opt_sourceroute } from "./ip_options";
import { ip_send } from "./ip_output";
import { ip_redirect_due } from "./ip_redirect";
import { tcp_gso_wirelen } from "./tcp_gso";

/** What an error quotes of a packet that has gone. */
const QUOTE: i32 = 128;

@unmanaged
class ForwardState {
  enabled: i32;
  /** Follow source routes: net.inet.ip.forwsrcrt. */
  sroute: i32;
  /** The first QUOTE bytes of the packet in hand, and how many there are. */
  quote: usize;
  quotelen: i32;
}

let fw: ForwardState = changetype<ForwardState>(0);

export function ip_forward_boot(): void {
  fw = changetype<ForwardState>(kmem_alloc(offsetof<ForwardState>(), 8, "ip_forward"));
  fw.quote = kmem_alloc(QUOTE, 8, "ip_forward");
  sysctl_int("net.inet.ip.forwarding", changetype<usize>(fw), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.ip.forwsrcrt", changetype<usize>(fw) + offsetof<ForwardState>("sroute"), CTLFLAG_RW, 0, 1);
  if_proxy_set(ip_proxy);
}

/** Does this image forward? */
export function ip_forwarding(): bool {
  return fw.enabled != 0;
}

/** May a packet like `m` go on at all? `known`: the cache has its flow, so that it is to no broadcast address. */
function forwardable(m: Mbuf, src: u32, dst: u32, ifp: Ifnet, known: bool): bool {
  // RFC 1812 §5.3.4: what was broadcast on the link. §5.3.5, RFC 2644: nor a directed broadcast.
  if (fw.enabled == 0) return false;
  if ((m.m_flags & (M_BCAST | M_MCAST)) != 0 || (!known && in_ifbroadcast(dst))) {
    rtcache_note((m.m_flags & M_MCAST) != 0 ? RTC_IN_MC : RTC_BRD);
    return false;
  }
  const from = ip_forwardable(src);
  if (from && ip_forwardable(dst)) return true;
  rtcache_note(from ? RTC_MARTIAN_DST : RTC_MARTIAN_SRC);
  ipstat.martian++;
  ip_logmartian(src, dst, ifp);
  return false;
}

/** Packet `m` (header checked, not for us) came in by `ifp` (may be null). Consumes it. */
export function ip_forward(m: Mbuf, ifp: Ifnet): void {
  const p = m.m_data;
  const src = load<u32>(p, ip.IP_SRC);
  const dst = load<u32>(p, ip.IP_DST);
  const known = fw.enabled != 0 && (m.m_flags & (M_BCAST | M_MCAST)) == 0
    ? rtcache_in(dst, src, load<u8>(p, ip.IP_TOS), m.ph_rcvif) : changetype<Rtentry>(0);
  if (!forwardable(m, src, dst, ifp, known ? true : false)) {
    ipstat.cantforward++;
    m_freem(m);
    return;
  }
  const rt = known ? known : rtalloc4(dst, src, load<u8>(p, ip.IP_TOS), m.ph_rcvif);
  if (!rt || (rt.rt_flags & (RTF_REJECT | RTF_BLACKHOLE | RTF_BROADCAST | RTF_LOCAL)) != 0) {
    ip_noroute(m, rt);
    return;
  }
  // RFC 1812 §5.3.1: time exceeded, and only for what would go on.
  if (load<u8>(p, ip.IP_TTL) <= 1) {
    icmp_error(m, ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, 0);
    return;
  }
  const mtu = in_rtmtu(rt);
  if ((ip.ip_off(p) & ip.IP_DF) != 0 && tcp_gso_wirelen(m) > mtu) {
    ipstat.cantfrag++;
    icmp_error(m, ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG, mtu);
    return;
  }
  fw.quotelen = min(m.ph_len, QUOTE);
  m_copydata(m, 0, fw.quotelen, fw.quote);
  const iif = m.ph_rcvif;
  const tos = load<u8>(p, ip.IP_TOS);
  if (ip_forward1(m, ifp, rt, mtu) && !known) rtcache_put(dst, src, tos, iif, rt);
}

/** The packet may go by `rt`: TTL, options, out. True if it went. */
function ip_forward1(m0: Mbuf, ifp: Ifnet, rt: Rtentry, mtu: i32): bool {
  const hlen = ip.ip_hl(m0.m_data);
  const m = m_makewritable(m0, hlen);
  if (!m) {
    ipstat.nobufs++;
    return false;
  }
  const p = m.m_data;
  // RFC 1624: the header checksum follows the TTL without being computed anew.
  const old = <u32>load<u16>(p, ip.IP_TTL);
  store<u8>(p, load<u8>(p, ip.IP_TTL) - 1, ip.IP_TTL);
  store<u16>(p, <u16>in_cksum_update(load<u16>(p, ip.IP_SUM), old, load<u16>(p, ip.IP_TTL)), ip.IP_SUM);
  const dst = load<u32>(p, ip.IP_DST);
  const hop = (rt.rt_flags & RTF_GATEWAY) != 0 ? rt.rt_gateway4 : dst;
  if (hlen > ip.IP_HDRLEN && !ip_forward_options(m, hlen, in_ifaddr_of(rt.rt_ifp, hop))) return false;
  const index = m.ph_rcvif;
  const e = ip_send(m, rt.rt_ifp, rt, hop, mtu);
  if (e < 0) {
    ipstat.odropped++;
    if (e == -EHOSTUNREACH || e == -ENETDOWN) ip_quoted_error(ICMP_UNREACH, ICMP_UNREACH_HOST, 0, index);
    return false;
  }
  ipstat.forward++;
  in_iface(index).ii_forwarded++;
  in_iface(rt.rt_ifp.if_index).ii_sent++;
  if (rt.rt_ifp == ifp) ip_redirect(ifp, dst, hop);
  return true;
}

/** RFC 1812 §5.2.4: record route and timestamp get `addr`. False: there is something wrong with them, m is consumed. */
function ip_forward_options(m: Mbuf, hlen: i32, addr: u32): bool {
  const p = m.m_data;
  const bad = ip_opt_record(p + ip.IP_HDRLEN, hlen - ip.IP_HDRLEN, addr);
  if (bad != 0) {
    ipstat.badoptions++;
    icmp_error(m, ICMP_PARAMPROB, 0, bad);
    return false;
  }
  store<u16>(p, 0, ip.IP_SUM);
  store<u16>(p, <u16>in_cksum_data(p, hlen), ip.IP_SUM);
  return true;
}

/** An error about the packet whose beginning was kept, which came in by interface `index`. */
function ip_quoted_error(type: i32, code: i32, arg: u32, index: u16): void {
  const m = m_devget(fw.quote, fw.quotelen, true);
  if (!m) return;
  m.ph_rcvif = index;
  icmp_error(m, type, code, arg);
}

/** The packet whose beginning was kept left by `ifp`, by which it came, for `hop`: its source may be told. */
function ip_redirect(ifp: Ifnet, dst: u32, hop: u32): void {
  const hlen = ip.ip_hl(fw.quote);
  if (ip_opt_sourceroute(fw.quote + ip.IP_HDRLEN, hlen - ip.IP_HDRLEN) >= 0) return;
  if (!ip_redirect_due(ifp, load<u32>(fw.quote, ip.IP_SRC), dst, hop)) return;
  ipstat.redirectsent++;
  ip_quoted_error(ICMP_REDIRECT, ICMP_REDIRECT_HOST, hop, ifp.if_index);
}

/** `rt` (null: there is none) is no way to go. */
function ip_noroute(m: Mbuf, rt: Rtentry): void {
  ipstat.noroute++;
  rtcache_note(RTC_NO_ROUTE);
  if (rt && (rt.rt_flags & (RTF_BLACKHOLE | RTF_BROADCAST | RTF_LOCAL)) != 0) {
    m_freem(m);
    return;
  }
  const code = !rt ? ICMP_UNREACH_NET : (rt.rt_flags & RTF_PROHIBIT) != 0 ? ICMP_UNREACH_FILTER_PROHIB : ICMP_UNREACH_HOST;
  icmp_error(m, ICMP_UNREACH, code, 0);
}

/**
 * A packet with a source route (at offset `at` of its options) came to its next stop, us, by `ifp`: on
 * along it. With net.inet.ip.forwsrcrt = 0 it is refused (RFC 7126 §4.3), and a router says so (RFC 1812
 * §5.2.4.1). Consumes m.
 */
export function ip_sourceroute(m0: Mbuf, ifp: Ifnet, at: i32): void {
  if (fw.sroute == 0 || fw.enabled == 0) {
    ipstat.badsroute++;
    if (fw.enabled != 0) icmp_error(m0, ICMP_UNREACH, ICMP_UNREACH_SRCFAIL, 0);
    else m_freem(m0);
    return;
  }
  const hlen = ip.ip_hl(m0.m_data);
  const m = m_makewritable(m0, hlen);
  if (!m) return;
  const p = m.m_data;
  const o = p + ip.IP_HDRLEN + at;
  const next = ip_opt_nexthop(o, 0);
  const rt = next != 0 ? rtalloc4(next, load<u32>(p, ip.IP_SRC), load<u8>(p, ip.IP_TOS), m.ph_rcvif) : changetype<Rtentry>(0);
  const strict = <i32>load<u8>(o) == IPOPT_SSRR;
  if (!rt || (strict && (rt.rt_flags & RTF_GATEWAY) != 0)) {
    ipstat.badsroute++;
    icmp_error(m, ICMP_UNREACH, ICMP_UNREACH_SRCFAIL, 0);
    return;
  }
  ip_opt_nexthop(o, in_ifaddr_of(rt.rt_ifp, next));
  store<u32>(p, next, ip.IP_DST);
  store<u16>(p, 0, ip.IP_SUM);
  store<u16>(p, <u16>in_cksum_data(p, hlen), ip.IP_SUM);
  ip_forward(m, ifp);
}

/**
 * Proxy ARP (RFC 1027): shall interface `ifp` answer `spa` for `tpa`? If it is set to, and we would forward
 * there, by another interface.
 */
function ip_proxy(ifp: Ifnet, tpa: u32, spa: u32): bool {
  if (fw.enabled == 0 || in_iface(ifp.if_index).ii_proxyarp == 0) return false;
  if (!ip_forwardable(tpa) || in_ifbroadcast(tpa)) return false;
  const rt = rtalloc4(tpa, spa, 0, ifp.if_index);
  if (!rt || (rt.rt_flags & (RTF_REJECT | RTF_BLACKHOLE | RTF_BROADCAST | RTF_LOCAL)) != 0) return false;
  return rt.rt_ifp != ifp;
}
