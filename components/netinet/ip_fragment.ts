/**
 * Fragments (RFC 791 §3.2), of our own datagrams and of others that we forward (RFC 1812 §5.2.6).
 *
 *      | header | 0 … 1479 | 1480 … 2959 | rest |  ─▶  header + 1480, header' + 1480, header' + rest
 *
 * header' has only the options with the copied flag. The payload is shared with the datagram; the pieces
 * go in order. Cost: two mbufs a fragment.
 */
import { EMSGSIZE, ENOBUFS } from "../../kernel/abi/errno";
import { Ifnet } from "../../kernel/net/ifnet";
import { MAX_LINKHDR, M_BCAST, M_MCAST, Mbuf, VNET_F_NEEDS_CSUM, m_freem, m_gethdr } from "../../kernel/net/mbuf";
import { m_copym, m_makewritable } from "../../kernel/net/mbuf2";
import { Rtentry } from "../../kernel/net/route";
import { ipstat } from "./in_stat";
import * as ip from "./ip";
import { ip_opt_copy } from "./ip_options";
import { ip_emit, ip_finishcsum } from "./ip_output";

/** Copy the header of `m` to `to`; behind the first fragment only with the options that say so. Its length. */
function fragment_header(m: Mbuf, hlen: i32, off: i32, to: usize): i32 {
  const p = m.m_data;
  memory.copy(to, p, ip.IP_HDRLEN);
  let optlen = hlen - ip.IP_HDRLEN;
  if (off == 0) memory.copy(to + ip.IP_HDRLEN, p + ip.IP_HDRLEN, optlen);
  else if (optlen > 0) optlen = ip_opt_copy(p + ip.IP_HDRLEN, optlen, to + ip.IP_HDRLEN, true);
  store<u8>(to, <u8>(0x45 + (optlen >> 2)));
  return ip.IP_HDRLEN + optlen;
}

/** One fragment: `len` bytes of payload from `off` of the datagram `m`, behind a copy of its header. */
function ip_onefragment(m: Mbuf, hlen: i32, off: i32, len: i32, more: bool): Mbuf {
  const h = m_gethdr(MAX_LINKHDR);
  if (!h) return h;
  h.m_len = fragment_header(m, hlen, off, h.m_data);
  const data = m_copym(m, hlen + off, len);
  if (!data) {
    m_freem(h);
    return data;
  }
  h.m_next = data;
  h.ph_len = h.m_len + len;
  h.m_flags |= m.m_flags & (M_BCAST | M_MCAST);
  const was = ip.ip_off(m.m_data);
  let word = (was & ip.IP_OFFMASK) + (off >> 3);
  if (more || (was & ip.IP_MF) != 0) word |= ip.IP_MF;
  store<u16>(h.m_data, bswap<u16>(<u16>word), ip.IP_OFF);
  store<u16>(h.m_data, bswap<u16>(<u16>h.ph_len), ip.IP_LEN);
  store<u16>(h.m_data, 0, ip.IP_SUM);
  return h;
}

/** RFC 791 §3.2: send `m` in pieces of at most `mtu`, each a multiple of 8 bytes but the last. Consumes m. 0 or -errno. */
export function ip_fragment(m0: Mbuf, ifp: Ifnet, rt: Rtentry, hop: u32, mtu: i32): i32 {
  let m = m0;
  if ((m.vh_flags & VNET_F_NEEDS_CSUM) != 0) {
    m = m_makewritable(m, <i32>m.vh_csum_start + <i32>m.vh_csum_offset + 2);
    if (!m) return -ENOBUFS;
    ip_finishcsum(m);
  }
  const hlen = ip.ip_hl(m.m_data);
  const room = (mtu - hlen) & ~7;
  if (room < 8) {
    m_freem(m);
    return -EMSGSIZE;
  }
  const total = m.ph_len - hlen;
  ipstat.fragmented++;
  let e = 0;
  for (let off = 0; off < total && e == 0; off += room) {
    const len = min(room, total - off);
    const f = ip_onefragment(m, hlen, off, len, off + len < total);
    if (!f) {
      ipstat.nobufs++;
      e = -ENOBUFS;
      break;
    }
    ipstat.ofragments++;
    e = ip_emit(f, ifp, rt, hop);
  }
  m_freem(m);
  return e;
}
