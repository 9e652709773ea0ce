/**
 * IP output: header, route, and how it goes out (RFC 791 §3.2, RFC 1122 §3.3).
 *
 *      transport ─▶ ip_output: header, route, source ─▶ ip_send: checksums or segments ─▶ if_output
 *                                                        └ too large: ip_fragment.ts, or EMSGSIZE with DF
 *
 * The transport hands over its segment with room before it; the header goes into that room. Checksums
 * that the link computes are left to it. Identification is from a keyed table of counters, one for many
 * peers, so that it neither repeats soon for one peer nor tells a third how much we send (RFC 7739).
 */
import { EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOBUFS } from "../../kernel/abi/errno";
import { IPPROTO_UDP } from "../../kernel/abi/inet";
import { IFCAP_CSUM_TX, IFCAP_TSO4 } from "../../kernel/abi/if";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { cprng_fast32, cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { siphash13_2 } from "../../kernel/kern/siphash";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { in_cksum, in_cksum_data } from "../../kernel/net/in_cksum";
import { Ifnet } from "../../kernel/net/ifnet";
import {
  M_BCAST, M_MCAST, Mbuf, VNET_F_NEEDS_CSUM, VNET_GSO_NONE, m_freem,
} from "../../kernel/net/mbuf";
import { m_prepend } from "../../kernel/net/mbuf2";
import { RTF_BLACKHOLE, RTF_GATEWAY, RTF_REJECT, Rtentry } from "../../kernel/net/route";
import { rtalloc4 } from "rump/route";
import { in_broadcast_on, in_ifaddr_of, in_multicast } from "./in_ifaddr";
import { in_mcast_ifp, in_mcast_loop } from "./in_mcast";
import { Inpcb } from "./in_pcb";
import { sin_put } from "./in_pcb_user";
import { in_pcbroute, in_rtmtu } from "./in_route";
import { ipstat } from "./in_stat";
import * as ip from "./ip";
import { ip_fragment } from "./ip_fragment";
import { tcp_gso_hdrlen, tcp_gso_segment, tcp_gso_wirelen } from "./tcp_gso";

const ID_SLOTS: u32 = 1024;

@unmanaged
class IpOutState {
  /** ID_SLOTS counters of u16; their key; a sockaddr_in for the next hop. */
  ids: usize;
  key: usize;
  nexthop: usize;
  /** net.inet.ip.ttl: what sockets and answers begin with (RFC 1122 §3.2.1.7). */
  ttl: i32;
}

let ios: IpOutState = changetype<IpOutState>(0);

export function ip_output_boot(): void {
  ios = changetype<IpOutState>(kmem_alloc(offsetof<IpOutState>(), 8, "ip_output"));
  ios.ids = kmem_alloc(<usize>ID_SLOTS << 1, 64, "ip_output");
  ios.key = kmem_alloc(16, 16, "ip_output");
  ios.nexthop = kmem_alloc(16, 8, "ip_output");
  ios.ttl = ip.IPDEFTTL;
  sysctl_int("net.inet.ip.ttl", changetype<usize>(ios) + offsetof<IpOutState>("ttl"), CTLFLAG_RW, 1, 255);
  cprng_strong(ios.key, 16);
  cprng_strong(ios.ids, ID_SLOTS << 1);
}

/** The time to live that packets of ours begin with, unless a socket says otherwise. */
export function ip_defttl(): i32 {
  return ios.ttl;
}

/** The next identification towards `dst` with protocol `proto`. */
function ip_newid(src: u32, dst: u32, proto: i32): u32 {
  const h = siphash13_2(ios.key, (<u64>src << 32) | dst, proto);
  const slot = ios.ids + ((<usize>h & (ID_SLOTS - 1)) << 1);
  const id = <u32>load<u16>(slot) + 1 + (cprng_fast32() & 3);
  store<u16>(slot, <u16>id);
  return (id + <u32>(h >> 32)) & 0xffff;
}

/** Write the header of `m` (20 bytes at its front, `optlen` bytes of options behind them); the checksum comes with the sending. */
export function ip_header(m: Mbuf, src: u32, dst: u32, proto: i32, ttl: i32, tos: i32, off: i32, optlen: i32 = 0): void {
  const p = m.m_data;
  store<u8>(p, <u8>(0x45 + (optlen >> 2)));
  store<u8>(p, <u8>tos, ip.IP_TOS);
  store<u16>(p, bswap<u16>(<u16>m.ph_len), ip.IP_LEN);
  // RFC 6864 §4: an atomic datagram needs no identification of its own.
  const id: u32 = (off & ip.IP_DF) != 0 && m.vh_gso_type == VNET_GSO_NONE ? 0 : ip_newid(src, dst, proto);
  store<u16>(p, bswap<u16>(<u16>id), ip.IP_ID);
  store<u16>(p, bswap<u16>(<u16>off), ip.IP_OFF);
  store<u8>(p, <u8>ttl, ip.IP_TTL);
  store<u8>(p, <u8>proto, ip.IP_P);
  store<u16>(p, 0, ip.IP_SUM);
  store<u32>(p, src, ip.IP_SRC);
  store<u32>(p, dst, ip.IP_DST);
}

/**
 * Send transport segment `m` from `src` (0: as the route says) to `dst`. `inp` (may be null) remembers
 * the route and says how multicast goes. Consumes m. 0, -ENETUNREACH, -EHOSTUNREACH, -EMSGSIZE (with
 * `df`, or over 64 KiB), -ENOBUFS. The segment may begin with `optlen` bytes of IP options.
 */
export function ip_output(m0: Mbuf, inp: Inpcb, src: u32, dst: u32, proto: i32, ttl: i32, tos: i32, df: bool, optlen: i32 = 0): i32 {
  if (m0.ph_len + ip.IP_HDRLEN > ip.IP_MAXPACKET && m0.vh_gso_type == VNET_GSO_NONE) {
    m_freem(m0);
    return -EMSGSIZE;
  }
  const mcast = in_multicast(dst);
  const rt = mcast || !inp ? rtalloc4(dst, src, tos, 0) : in_pcbroute(inp, dst);
  let ifp = mcast ? in_mcast_ifp(inp, rt) : rt ? rt.rt_ifp : changetype<Ifnet>(0);
  if (changetype<usize>(ifp) == 0) {
    ipstat.noroute++;
    m_freem(m0);
    return -ENETUNREACH;
  }
  if (!mcast && (rt.rt_flags & (RTF_REJECT | RTF_BLACKHOLE)) != 0) {
    m_freem(m0);
    return (rt.rt_flags & RTF_BLACKHOLE) != 0 ? 0 : -EHOSTUNREACH;
  }
  const m = m_prepend(m0, ip.IP_HDRLEN);
  if (!m) {
    ipstat.nobufs++;
    return -ENOBUFS;
  }
  ipstat.localout++;
  const from = src != 0 ? src : in_ifaddr_of(ifp, dst);
  ip_header(m, from, dst, proto, ttl, tos, df ? ip.IP_DF : 0, optlen);
  if (mcast) {
    m.m_flags |= M_MCAST;
    in_mcast_loop(m, inp, ifp, dst);
    // RFC 1112 §6.1: time to live 0 stays on this host.
    if (ttl == 0) {
      m_freem(m);
      return 0;
    }
    return ip_send(m, ifp, rt, dst, ifp.if_mtu);
  }
  if (in_broadcast_on(dst, ifp)) m.m_flags |= M_BCAST;
  const hop = (rt.rt_flags & RTF_GATEWAY) != 0 ? rt.rt_gateway4 : dst;
  return ip_send(m, ifp, rt, hop, in_rtmtu(rt));
}

/** Compute a checksum that the link will not: over what vh_csum_start says, into its field. */
export function ip_finishcsum(m: Mbuf): void {
  const start = <i32>m.vh_csum_start;
  let sum = in_cksum(m, start, m.ph_len - start);
  // RFC 768: a computed zero is sent as all ones.
  if (sum == 0 && load<u8>(m.m_data, ip.IP_P) == <u8>IPPROTO_UDP) sum = 0xffff;
  let at = start + <i32>m.vh_csum_offset;
  let n = m;
  while (at >= n.m_len) {
    at -= n.m_len;
    n = n.m_next;
  }
  store<u16>(n.m_data + at, <u16>sum);
  m.vh_flags &= ~VNET_F_NEEDS_CSUM;
}

/**
 * A complete IP packet, header first, out by `ifp` to next hop `hop`: whole, in fragments, or (one that is to
 * be segmented, by an interface that cannot or where fragments are needed) in segments. Consumes m. The
 * header checksum is computed where it is 0. 0 or -errno.
 */
export function ip_send(m: Mbuf, ifp: Ifnet, rt: Rtentry, hop: u32, mtu: i32): i32 {
  const fits = tcp_gso_wirelen(m) <= mtu;
  if (!fits && (ip.ip_off(m.m_data) & ip.IP_DF) != 0) {
    ipstat.cantfrag++;
    m_freem(m);
    return -EMSGSIZE;
  }
  if (m.vh_gso_type != VNET_GSO_NONE && (!fits || (ifp.if_capenable & IFCAP_TSO4) == 0)) return ip_segments(m, ifp, rt, hop, mtu);
  if (!fits) return ip_fragment(m, ifp, rt, hop, mtu);
  if ((m.vh_flags & VNET_F_NEEDS_CSUM) != 0 && (ifp.if_capenable & IFCAP_CSUM_TX) == 0) ip_finishcsum(m);
  return ip_emit(m, ifp, rt, hop);
}

/** Cut the TCP packet `m` into segments and send each. 0, or the first error. */
function ip_segments(m: Mbuf, ifp: Ifnet, rt: Rtentry, hop: u32, mtu: i32): i32 {
  const hlen = tcp_gso_hdrlen(m);
  let e = hlen == 0 ? -EMSGSIZE : 0;
  ipstat.gsosegmented++;
  for (let off = 0; e == 0; off += <i32>m.vh_gso_size) {
    if (off > 0 && off >= m.ph_len - hlen) break;
    const segment = tcp_gso_segment(m, hlen, off);
    if (!segment) {
      ipstat.nobufs++;
      e = -ENOBUFS;
      break;
    }
    ipstat.gsosegments++;
    e = ip_send(segment, ifp, rt, hop, mtu);
  }
  m_freem(m);
  return e;
}

/** Header checksum, and to the link. */
export function ip_emit(m: Mbuf, ifp: Ifnet, rt: Rtentry, hop: u32): i32 {
  const p = m.m_data;
  // What is forwarded has one, and keeps it (RFC 1812 §5.3.1): an error on the way here stays visible.
  if (load<u16>(p, ip.IP_SUM) == 0) store<u16>(p, <u16>in_cksum_data(p, ip.ip_hl(p)), ip.IP_SUM);
  sin_put(ios.nexthop, hop, 0);
  return ifp.if_output(m, ios.nexthop, rt);
}
