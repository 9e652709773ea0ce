/**
 * DHCP's own UDP and IP: messages go out and come in before there is an address, so sockets cannot.
 *
 *      out:  broadcast, in a frame of our own making; or by the routing table and ARP, to a server we know
 *      in:   ether's filter ─▶ UDP to port 68? ─▶ checks, a copy in one piece ─▶ dhcp_parse
 *
 * What the filter does not recognise goes on to IP untouched. RFC 791 §3.1, RFC 768, RFC 2131 §4.1.
 */
import { EHOSTUNREACH, ENOBUFS } from "../../kernel/abi/errno";
import { IPPROTO_UDP } from "../../kernel/abi/inet";
import { AF_INET } from "../../kernel/abi/socket";
import { SA_FAMILY, SA_LEN, SIN_ADDR, SOCKADDR_IN_SIZE } from "../../kernel/abi/sockaddr";
import { cprng_fast32 } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { in_cksum_data, in_cksum_fold, in_cksum_part, in_pseudo } from "../../kernel/net/in_cksum";
import { CSUM_DATA_OK, CSUM_IP_CHECKED, MAX_LINKHDR, M_BCAST, Mbuf, m_getcl } from "../../kernel/net/mbuf";
import { m_copydata } from "../../kernel/net/mbuf2";
import { RTF_GATEWAY } from "../../kernel/net/route";
import { ETHERTYPE_IP, ether_broadcast, ether_frame } from "rump/ether";
import { rtalloc4 } from "rump/route";
import { DHCP_MSGMAX, dhcp_build } from "./dhcp_msg";
import { Dhcp, dhcpstat } from "./dhcp_var";

const IP_HDRLEN: i32 = 20;
const HDRLEN: i32 = 28;
const BOOTPS: i32 = 67;
const BOOTPC: i32 = 68;
const IP_OFF: usize = 6;
const IP_P: usize = 9;
const IP_SUM: usize = 10;
const IP_SRC: usize = 12;
const IP_DST: usize = 16;
/** More fragments, and the offset: neither may be set. */
const IP_FRAGBITS: i32 = 0x3fff;
const BROADCAST: u32 = 0xffffffff;
/** Longest packet that is looked at: no server sends more than we allow (option 57). */
const PACKET_MAX: i32 = 9216;

@unmanaged
class DhcpPacket {
  /** PACKET_MAX bytes: the packet that came in last; a sockaddr_in. */
  buf: usize;
  sa: usize;
}

let dp: DhcpPacket = changetype<DhcpPacket>(0);

export function dhcp_packet_boot(): void {
  dp = changetype<DhcpPacket>(kmem_alloc(offsetof<DhcpPacket>(), 8, "dhcp"));
  dp.buf = kmem_alloc(PACKET_MAX, 8, "dhcp");
  dp.sa = kmem_alloc(SOCKADDR_IN_SIZE, 8, "dhcp");
  store<u8>(dp.sa, <u8>SOCKADDR_IN_SIZE, SA_LEN);
  store<u8>(dp.sa, <u8>AF_INET, SA_FAMILY);
}

// ── out ──────────────────────────────────────────────────────────────────────────────────────────

/** The IP and UDP headers at `p`, before `len` bytes of message. */
function put_headers(p: usize, len: i32, src: u32, dst: u32): void {
  memory.fill(p, 0, HDRLEN);
  store<u8>(p, 0x45);
  store<u16>(p, bswap<u16>(<u16>(HDRLEN + len)), 2);
  store<u16>(p, <u16>cprng_fast32(), 4);
  store<u8>(p, 64, 8);
  store<u8>(p, <u8>IPPROTO_UDP, IP_P);
  store<u32>(p, src, IP_SRC);
  store<u32>(p, dst, IP_DST);
  store<u16>(p, <u16>in_cksum_data(p, IP_HDRLEN), IP_SUM);
  const udp = p + IP_HDRLEN;
  store<u16>(udp, bswap<u16>(<u16>BOOTPC));
  store<u16>(udp, bswap<u16>(<u16>BOOTPS), 2);
  store<u16>(udp, bswap<u16>(<u16>(8 + len)), 4);
  const sum = <u64>in_cksum_part(udp, 8 + len) + <u64>in_pseudo(src, dst, IPPROTO_UDP, 8 + len);
  const cksum = in_cksum_fold(sum) ^ 0xffff;
  store<u16>(udp, <u16>(cksum == 0 ? 0xffff : cksum), 6);
}

/** Send `m` to server `dst` the way that the routing table says. Consumes m. */
function send_routed(m: Mbuf, src: u32, dst: u32): i32 {
  const rt = rtalloc4(dst, src, 0, 0);
  if (!rt) return -EHOSTUNREACH;
  store<u32>(dp.sa, (rt.rt_flags & RTF_GATEWAY) != 0 ? rt.rt_gateway4 : dst, SIN_ADDR);
  return rt.rt_ifp.if_output(m, dp.sa, rt);
}

/**
 * Send message `type` of `d` from `src`, to server `dst` or (BROADCAST, all ones) to whoever is there.
 * 0 or -errno; that it may be lost is what retransmission is for.
 */
export function dhcp_send(d: Dhcp, type: i32, src: u32, dst: u32): i32 {
  const m = m_getcl(MAX_LINKHDR);
  if (!m) {
    dhcpstat.nobufs++;
    return -ENOBUFS;
  }
  const len = dhcp_build(d, m.m_data + HDRLEN, type);
  assert(len <= DHCP_MSGMAX, "dhcp_send: length");
  put_headers(m.m_data, len, src, dst);
  m.m_len = HDRLEN + len;
  m.ph_len = m.m_len;
  dhcpstat.sent++;
  if (dst != BROADCAST) return send_routed(m, src, dst);
  m.m_flags |= M_BCAST;
  return ether_frame(d.dh_ifp, m, ether_broadcast(), ETHERTYPE_IP);
}

// ── in ───────────────────────────────────────────────────────────────────────────────────────────

/** Is IPv4 packet `m` a datagram to the port of DHCP clients? */
export function dhcp_isours(m: Mbuf): bool {
  if (m.ph_len < HDRLEN) return false;
  const p = dp.buf;
  m_copydata(m, 0, HDRLEN, p);
  if (load<u8>(p) != 0x45 || load<u8>(p, IP_P) != <u8>IPPROTO_UDP) return false;
  if ((<i32>bswap<u16>(load<u16>(p, IP_OFF)) & IP_FRAGBITS) != 0) return false;
  return <i32>bswap<u16>(load<u16>(p, IP_HDRLEN + 2)) == BOOTPC;
}

/** Are the `len` bytes at `p`, whose IP and UDP headers say so, right? `csum` is what the device checked. */
function packet_ok(p: usize, len: i32, csum: u8): bool {
  const iplen = <i32>bswap<u16>(load<u16>(p, 2));
  const ulen = <i32>bswap<u16>(load<u16>(p, IP_HDRLEN + 4));
  if (iplen < HDRLEN || iplen > len || ulen < 8 || ulen > iplen - IP_HDRLEN) return false;
  if ((csum & CSUM_IP_CHECKED) == 0 && in_cksum_data(p, IP_HDRLEN) != 0) return false;
  if (load<u16>(p, IP_HDRLEN + 6) == 0 || (csum & CSUM_DATA_OK) != 0) return true;
  const pseudo = in_pseudo(load<u32>(p, IP_SRC), load<u32>(p, IP_DST), IPPROTO_UDP, ulen);
  return in_cksum_fold(<u64>in_cksum_part(p + IP_HDRLEN, ulen) + <u64>pseudo) == 0xffff;
}

/** The message in `m` (which dhcp_isours) in one piece: its length, or -1 if its headers are wrong. Does not consume m. */
export function dhcp_unwrap(m: Mbuf): i32 {
  const len = m.ph_len;
  if (len > PACKET_MAX) return -1;
  m_copydata(m, 0, len, dp.buf);
  if (!packet_ok(dp.buf, len, m.ph_csum)) return -1;
  return <i32>bswap<u16>(load<u16>(dp.buf, IP_HDRLEN + 4)) - 8;
}

/** Where dhcp_unwrap left the message. */
export function dhcp_unwrapped(): usize {
  return dp.buf + HDRLEN;
}
