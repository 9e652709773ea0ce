/**
 * TCP segmentation in software: what a device with IFCAP_TSO4 does, for a device without it.
 *
 *      | IP | TCP | payload, up to 64 KiB |  ─▶  | IP | TCP | gso_size |  | IP | TCP | gso_size |  …  | rest |
 *
 * Such packets come from our own TCP, when the route changed under it, and from other machines whose
 * device handed them over whole (IFCAP_LRO), to be forwarded. Each segment has a copy of the headers with
 * its own length, identification (counted on from the first), sequence number, and checksums; FIN and PSH
 * belong to the last, CWR to the first (RFC 3168 §6.1.2). The payload is shared, not copied. A checksum is
 * left to the device as ever (VNET_F_NEEDS_CSUM). Cost: an mbuf for the headers and one or two for the
 * payload of a segment.
 */
import { IPPROTO_TCP } from "../../kernel/abi/inet";
import { in_pseudo } from "../../kernel/net/in_cksum";
import {
  MAX_LINKHDR, MHLEN, MNULL, Mbuf, VNET_F_NEEDS_CSUM, VNET_GSO_ECN, VNET_GSO_NONE, VNET_GSO_TCPV4, m_freem, m_getcl, m_gethdr,
} from "../../kernel/net/mbuf";
import { m_copydata, m_copym } from "../../kernel/net/mbuf2";
import * as ip from "./ip";
import * as th from "./tcp";

/** Bytes of headers before the payload of the TCP packet `m`, or 0 when it is none that can be cut. */
export function tcp_gso_hdrlen(m: Mbuf): i32 {
  const hlen = ip.ip_hl(m.m_data);
  if ((m.vh_gso_type & ~VNET_GSO_ECN) != VNET_GSO_TCPV4 || m.vh_gso_size == 0) return 0;
  if (load<u8>(m.m_data, ip.IP_P) != <u8>IPPROTO_TCP || m.ph_len < hlen + th.TCP_HDRLEN) return 0;
  if ((ip.ip_off(m.m_data) & (ip.IP_MF | ip.IP_OFFMASK)) != 0) return 0;
  let n = m;
  let at = hlen + <i32>th.TH_OFF;
  while (at >= n.m_len) {
    at -= n.m_len;
    n = n.m_next;
  }
  const thlen = <i32>(load<u8>(n.m_data + at) >> 4) << 2;
  return thlen < th.TCP_HDRLEN || m.ph_len < hlen + thlen ? 0 : hlen + thlen;
}

/** Length of the largest packet that `m` is on a wire: its own, or that of a full segment. */
export function tcp_gso_wirelen(m: Mbuf): i32 {
  if (m.vh_gso_type == VNET_GSO_NONE) return m.ph_len;
  const hlen = tcp_gso_hdrlen(m);
  return hlen == 0 ? m.ph_len : min(m.ph_len, hlen + <i32>m.vh_gso_size);
}

/** A packet of one mbuf with room for `len` bytes of headers. */
function gso_head(len: i32): Mbuf {
  return len <= MHLEN - MAX_LINKHDR ? m_gethdr(MAX_LINKHDR) : m_getcl(MAX_LINKHDR);
}

/**
 * The segment of `m` (headers `hlen` long, as tcp_gso_hdrlen says) that begins at byte `off` of its
 * payload, a multiple of the segment size. A packet of its own, or null without mbufs; `m` stays as it is.
 */
export function tcp_gso_segment(m: Mbuf, hlen: i32, off: i32): Mbuf {
  const size = <i32>m.vh_gso_size;
  const left = m.ph_len - hlen - off;
  const len = min(size, left);
  const h = gso_head(hlen);
  if (!h) return h;
  const p = h.m_data;
  m_copydata(m, 0, hlen, p);
  h.m_len = hlen;
  h.ph_len = hlen + len;
  h.ph_rcvif = m.ph_rcvif;
  if (len > 0) {
    const data = m_copym(m, hlen + off, len);
    if (!data) {
      m_freem(h);
      return MNULL;
    }
    h.m_next = data;
  }
  const iphlen = ip.ip_hl(p);
  const id = <i32>bswap<u16>(load<u16>(p, ip.IP_ID)) + off / size;
  store<u16>(p, bswap<u16>(<u16>h.ph_len), ip.IP_LEN);
  store<u16>(p, bswap<u16>(<u16>id), ip.IP_ID);
  store<u16>(p, 0, ip.IP_SUM);
  const t = p + iphlen;
  let flags = <i32>load<u8>(t, th.TH_FLAGS);
  if (off > 0) flags &= ~th.TH_CWR;
  if (left > size) flags &= ~(th.TH_FIN | th.TH_PUSH);
  store<u8>(t, <u8>flags, th.TH_FLAGS);
  store<u32>(t, bswap<u32>(bswap<u32>(load<u32>(t, th.TH_SEQ)) + off), th.TH_SEQ);
  const sum = in_pseudo(load<u32>(p, ip.IP_SRC), load<u32>(p, ip.IP_DST), IPPROTO_TCP, h.ph_len - iphlen);
  store<u16>(t, <u16>sum, th.TH_SUM);
  h.vh_flags = VNET_F_NEEDS_CSUM;
  h.vh_csum_start = <u16>iphlen;
  h.vh_csum_offset = <u16>th.TH_SUM;
  return h;
}
