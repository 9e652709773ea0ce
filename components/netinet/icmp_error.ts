/**
 * ICMP errors that we send (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2).
 *
 *      | type code sum | unused or MTU | header of the offending packet and as much as fits 576 bytes |
 *
 * Never about an ICMP error, a fragment but the first, a broadcast or multicast (of link or network), a
 * source that names no single host; and no more than net.inet.icmp.errppslimit a second, so that a
 * flood cannot use us (a token bucket, randomised so that it tells nobody what else we send, RFC 8900's
 * and CVE-2020-25705's lesson).
 */
import { IPPROTO_ICMP } from "../../kernel/abi/inet";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { cprng_uniform } from "../../kernel/kern/cprng";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { in_cksum, in_cksum_data } from "../../kernel/net/in_cksum";
import { if_byindex } from "../../kernel/net/ifnet";
import { MAX_LINKHDR, M_BCAST, M_MCAST, Mbuf, VNET_F_NEEDS_CSUM, m_freem, m_getcl } from "../../kernel/net/mbuf";
import { m_copydata, m_makewritable } from "../../kernel/net/mbuf2";
import { NETISR_IPUNREACH, netisr_register } from "../../kernel/net/netisr";
import { in_ifaddr_of, in_ifbroadcast, in_localip, in_loopback, in_multicast } from "./in_ifaddr";
import { Inpcb } from "./in_pcb";
import { icmpstat } from "./in_stat";
import * as ip from "./ip";
import { ip_finishcsum, ip_output } from "./ip_output";
import { tcp_gso_hdrlen, tcp_gso_segment } from "./tcp_gso";

export const ICMP_ECHOREPLY: i32 = 0;
export const ICMP_UNREACH: i32 = 3;
export const ICMP_SOURCEQUENCH: i32 = 4;
export const ICMP_REDIRECT: i32 = 5;
export const ICMP_ECHO: i32 = 8;
export const ICMP_TIMXCEED: i32 = 11;
export const ICMP_PARAMPROB: i32 = 12;
export const ICMP_TSTAMP: i32 = 13;
export const ICMP_TSTAMPREPLY: i32 = 14;

export const ICMP_UNREACH_NET: i32 = 0;
export const ICMP_UNREACH_HOST: i32 = 1;
export const ICMP_UNREACH_PROTOCOL: i32 = 2;
export const ICMP_UNREACH_PORT: i32 = 3;
export const ICMP_UNREACH_NEEDFRAG: i32 = 4;
export const ICMP_UNREACH_SRCFAIL: i32 = 5;
export const ICMP_UNREACH_NET_PROHIB: i32 = 9;
export const ICMP_UNREACH_HOST_PROHIB: i32 = 10;
export const ICMP_UNREACH_FILTER_PROHIB: i32 = 13;
export const ICMP_TIMXCEED_INTRANS: i32 = 0;
export const ICMP_TIMXCEED_REASS: i32 = 1;

export const ICMP_REDIRECT_HOST: i32 = 1;

/** Errors must come through however far it is: not the default time to live. */
const MAXTTL: i32 = 255;
export const ICMP_MINLEN: i32 = 8;
/** RFC 1812 §4.3.2.3: as much of the original as fits 576 bytes in all. */
const ICMP_QUOTE_MAX: i32 = 576 - 28;

@unmanaged
class IcmpErrState {
  errppslimit: i32;
  tokens: i32;
  at_us: i64;
}

let ies: IcmpErrState = changetype<IcmpErrState>(0);

export function icmp_error_boot(): void {
  ies = changetype<IcmpErrState>(kmem_alloc(offsetof<IcmpErrState>(), 8, "icmp"));
  ies.errppslimit = 100;
  ies.tokens = 100;
  sysctl_int("net.inet.icmp.errppslimit", changetype<usize>(ies), CTLFLAG_RW, 0, 1000000);
  netisr_register(NETISR_IPUNREACH, icmp_undelivered);
}

/** The link found nobody at the next hop of `m` (ARP): whoever sent it, be it us, hears of it. Consumes m. */
function icmp_undelivered(m: Mbuf): void {
  icmp_error(m, ICMP_UNREACH, ICMP_UNREACH_HOST, 0);
}

/** One token, if there is one: errppslimit a second, with a burst of as many. */
function icmp_ratelimit(): bool {
  const now = getmicrouptime();
  if (now - ies.at_us >= 100000) {
    const tenths = (now - ies.at_us) / 100000;
    const add = tenths > 10 ? <i64>ies.errppslimit : tenths * <i64>ies.errppslimit / 10;
    ies.tokens = <i32>min<i64>(<i64>ies.errppslimit, <i64>ies.tokens + add);
    ies.at_us = now;
  }
  if (ies.tokens <= 0) return false;
  // Some answers cost two, at random: the count cannot be used to measure who else was answered.
  ies.tokens -= cprng_uniform(8) == 0 ? 2 : 1;
  return true;
}

/** May packet `m` be answered with an error at all (RFC 1122 §3.2.2)? */
function icmp_mayerror(m: Mbuf, hlen: i32): bool {
  const p = m.m_data;
  if ((m.m_flags & (M_BCAST | M_MCAST)) != 0 || (ip.ip_off(p) & ip.IP_OFFMASK) != 0) return false;
  const src = load<u32>(p, ip.IP_SRC);
  const dst = load<u32>(p, ip.IP_DST);
  if ((src & 0xff) == 0 || in_multicast(src) || in_ifbroadcast(src) || (src & 0xf0) == 0xf0) return false;
  if (in_multicast(dst) || in_ifbroadcast(dst) || (in_loopback(src) && !in_localip(src))) return false;
  if (<i32>load<u8>(p, ip.IP_P) != IPPROTO_ICMP) return true;
  // Not about an error: only queries may be answered.
  if (m.ph_len < hlen + 1 || m.m_len < hlen + 1) return false;
  const type = <i32>load<u8>(p + hlen);
  return type == ICMP_ECHO || type == ICMP_ECHOREPLY || type == ICMP_TSTAMP || type == ICMP_TSTAMPREPLY;
}

/** Write the error for `m` into `n`, behind whose data pointer the IP header will go. */
function icmp_build(n: Mbuf, m: Mbuf, type: i32, code: i32, arg: u32): void {
  const quote = min(m.ph_len, ICMP_QUOTE_MAX);
  const p = n.m_data;
  store<u8>(p, <u8>type);
  store<u8>(p, <u8>code, 1);
  store<u16>(p, 0, 2);
  store<u32>(p, 0, 4);
  if (type == ICMP_UNREACH && code == ICMP_UNREACH_NEEDFRAG) store<u16>(p, bswap<u16>(<u16>arg), 6);
  else if (type == ICMP_PARAMPROB) store<u8>(p, <u8>arg, 4);
  else if (type == ICMP_REDIRECT) store<u32>(p, arg, 4);
  m_copydata(m, 0, quote, p + ICMP_MINLEN);
  n.m_len = ICMP_MINLEN + quote;
  n.ph_len = n.m_len;
  store<u16>(p, <u16>in_cksum(n, 0, n.m_len), 2);
}

/**
 * What is quoted must be as it was, or would be, on the wire: a packet whose checksum was left to the link
 * gets it now, and of one that is to be segmented it is the first segment.
 */
function icmp_whole(m1: Mbuf): Mbuf {
  if ((m1.vh_flags & VNET_F_NEEDS_CSUM) == 0) return m1;
  let m0 = m1;
  const hlen = tcp_gso_hdrlen(m1);
  if (hlen != 0) {
    m0 = tcp_gso_segment(m1, hlen, 0);
    m_freem(m1);
    if (!m0) return m0;
    store<u16>(m0.m_data, <u16>in_cksum_data(m0.m_data, ip.ip_hl(m0.m_data)), ip.IP_SUM);
  }
  const m = m_makewritable(m0, min(m0.ph_len, <i32>m0.vh_csum_start + <i32>m0.vh_csum_offset + 2));
  if (m) ip_finishcsum(m);
  return m;
}

/**
 * Tell the source of `m0` (IP header first) of `type`/`code`. `arg` is the MTU for NEEDFRAG, the gateway for
 * REDIRECT, the place of the fault in the header for PARAMPROB. Consumes m0, whether or not anything is
 * sent.
 */
export function icmp_error(m0: Mbuf, type: i32, code: i32, arg: u32): void {
  const m = icmp_whole(m0);
  if (!m) return;
  const hlen = ip.ip_hl(m.m_data);
  if (!icmp_mayerror(m, hlen)) {
    icmpstat.outsuppressed++;
    m_freem(m);
    return;
  }
  if (!icmp_ratelimit()) {
    icmpstat.outlimited++;
    m_freem(m);
    return;
  }
  const n = m_getcl(MAX_LINKHDR + ip.IP_HDRLEN);
  if (n) {
    icmp_build(n, m, type, code, arg);
    if (type == ICMP_UNREACH) icmpstat.outunreach++;
    else if (type == ICMP_TIMXCEED) icmpstat.outtimxceed++;
    else if (type == ICMP_REDIRECT) icmpstat.outredirect++;
    else icmpstat.outparamprob++;
    const dst = load<u32>(m.m_data, ip.IP_SRC);
    // RFC 1812 §4.3.2.5: the TOS of the packet, with the precedence "internetwork control".
    const tos = (<i32>load<u8>(m.m_data, ip.IP_TOS) & 0x1e) | 0xc0;
    ip_output(n, changetype<Inpcb>(0), icmp_errsrc(m, type), dst, IPPROTO_ICMP, MAXTTL, tos, false);
  }
  m_freem(m);
}

/**
 * Whom the error is from: the address that the packet was for, if it is ours; a redirect comes from the
 * gateway that its receiver uses (RFC 1122 §3.2.2.2); else the interface that it leaves by decides (RFC 1812
 * §4.3.2.4): 0.
 */
function icmp_errsrc(m: Mbuf, type: i32): u32 {
  const dst = load<u32>(m.m_data, ip.IP_DST);
  if (in_localip(dst)) return dst;
  const ifp = if_byindex(m.ph_rcvif);
  return type == ICMP_REDIRECT && changetype<usize>(ifp) != 0 ? in_ifaddr_of(ifp, load<u32>(m.m_data, ip.IP_SRC)) : 0;
}
