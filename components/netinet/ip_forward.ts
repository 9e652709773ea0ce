/**
 * Forwarding of IPv4 packets (RFC 1812 §5.2 to 5.3), when net.inet.ip.forwarding says so.
 *
 *      TTL → route → same link? redirect → MTU: fragment, or "needed" with the next hop's → out
 *
 * Not forwarded: link broadcasts and multicasts, sources and destinations in 0/8, 127/8 and 240/4
 * (RFC 1812 §5.3.7, RFC 6890), packets whose TTL would end here. Without forwarding a packet for
 * somebody else is dropped without a word (RFC 1122 §3.3.1).
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { in_cksum_update } from "../../kernel/net/in_cksum";
import { Ifnet } from "../../kernel/net/ifnet";
import { M_BCAST, M_MCAST, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_copym, m_makewritable } from "../../kernel/net/mbuf2";
import { RTF_BLACKHOLE, RTF_BROADCAST, RTF_GATEWAY, RTF_REJECT, Rtentry } from "../../kernel/net/route";
import { rtalloc4 } from "rump/route";
import {
  ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, ICMP_UNREACH, ICMP_UNREACH_HOST, ICMP_UNREACH_NEEDFRAG, ICMP_UNREACH_NET,
  icmp_error,
} from "./icmp_error";
import { in_loopback } from "./in_ifaddr";
import { in_rtmtu } from "./in_route";
import { ipstat } from "./in_stat";
import * as ip from "./ip";
import { ip_send } from "./ip_output";

@unmanaged
class ForwardState {
  enabled: i32;
}

let fw: ForwardState = changetype<ForwardState>(0);
/** What an error quotes of a packet that went on and failed. */
const QUOTE: i32 = 128;

export function ip_forward_boot(): void {
  fw = changetype<ForwardState>(kmem_alloc(offsetof<ForwardState>(), 8, "ip_forward"));
  sysctl_int("net.inet.ip.forwarding", changetype<usize>(fw), CTLFLAG_RW, 0, 1);
}

function forwardable(m: Mbuf, src: u32, dst: u32): bool {
  if (fw.enabled == 0 || (m.m_flags & (M_BCAST | M_MCAST)) != 0) return false;
  if (src == 0 || in_loopback(src) || in_loopback(dst)) return false;
  return (dst & 0xff) != 0 && (dst & 0xf0) != 0xf0;
}

/** Packet `m` (header checked, not for us) came in by `ifp`. Consumes it. */
export function ip_forward(m0: Mbuf, ifp: Ifnet): void {
  const p0 = m0.m_data;
  const dst = load<u32>(p0, ip.IP_DST);
  if (!forwardable(m0, load<u32>(p0, ip.IP_SRC), dst)) {
    ipstat.cantforward++;
    m_freem(m0);
    return;
  }
  if (load<u8>(p0, ip.IP_TTL) <= 1) {
    icmp_error(m0, ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, 0);
    return;
  }
  const rt = rtalloc4(dst, load<u32>(p0, ip.IP_SRC), load<u8>(p0, ip.IP_TOS), m0.ph_rcvif);
  if (!rt || (rt.rt_flags & (RTF_REJECT | RTF_BLACKHOLE | RTF_BROADCAST)) != 0) {
    ip_cantforward(m0, rt);
    return;
  }
  const m = m_makewritable(m0, ip.ip_hl(p0));
  if (!m) return;
  const p = m.m_data;
  // RFC 1624: the header checksum follows the TTL without being computed anew.
  const old = <u32>load<u16>(p, ip.IP_TTL);
  store<u8>(p, load<u8>(p, ip.IP_TTL) - 1, ip.IP_TTL);
  store<u16>(p, <u16>in_cksum_update(load<u16>(p, ip.IP_SUM), old, load<u16>(p, ip.IP_TTL)), ip.IP_SUM);
  const mtu = in_rtmtu(rt);
  if (m.ph_len > mtu && (ip.ip_off(p) & ip.IP_DF) != 0) {
    ipstat.cantfrag++;
    icmp_error(m, ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG, mtu);
    return;
  }
  const hop = (rt.rt_flags & RTF_GATEWAY) != 0 ? rt.rt_gateway4 : dst;
  ip_forward_send(m, rt, hop, mtu);
}

/** Send it on; if the link answers that the next hop is not there, the source hears of it. */
function ip_forward_send(m: Mbuf, rt: Rtentry, hop: u32, mtu: i32): void {
  const quote = m_copym(m, 0, min(m.ph_len, QUOTE));
  const e = ip_send(m, rt.rt_ifp, rt, hop, mtu);
  if (e >= 0) ipstat.forward++;
  else ipstat.odropped++;
  if (!quote) return;
  if (e >= 0) m_freem(quote);
  else icmp_error(quote, ICMP_UNREACH, ICMP_UNREACH_HOST, 0);
}

/** No way to go. */
function ip_cantforward(m: Mbuf, rt: Rtentry): void {
  ipstat.noroute++;
  if (rt && (rt.rt_flags & (RTF_BLACKHOLE | RTF_BROADCAST)) != 0) {
    m_freem(m);
    return;
  }
  icmp_error(m, ICMP_UNREACH, rt ? ICMP_UNREACH_HOST : ICMP_UNREACH_NET, 0);
}
