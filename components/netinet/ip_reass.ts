/**
 * Reassembly of IPv4 fragments (RFC 791 §3.2, RFC 815), bounded on all sides.
 *
 *      frag_tab: one Ipq a datagram being put together, NETINET_MAXFRAGQ of them
 *      Ipq ─▶ fragment ─m_nextpkt─▶ fragment      by offset, no overlap; ph_priv0 = first byte, ph_priv1 = end
 *
 * Limits: datagrams in all, datagrams a source, fragments a datagram, 30 s (RFC 1122 §3.3.2 allows 60
 * to 120 and RFC 8200's neighbours use 30; a flood must not hold memory for long). Any overlap ends the
 * datagram (RFC 5722's rule, taken over from IPv6: an overlap is an attack or a fault), except an exact
 * repetition, which is dropped. When the table is full the oldest goes.
 */
import { CALLOUT_SIZE, Callout, callout_init, callout_pending, callout_schedule } from "../../kernel/kern/callout";
import { NETINET_MAXFRAGQ } from "rump/tunables";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { MNULL, Mbuf, VNET_F_NEEDS_CSUM, m_freem } from "../../kernel/net/mbuf";
import { m_adj, m_cat } from "../../kernel/net/mbuf2";
import { ICMP_TIMXCEED, ICMP_TIMXCEED_REASS, icmp_error } from "./icmp_error";
import { ipstat } from "./in_stat";
import * as ip from "./ip";

const IPFRAGTTL_US: i64 = 30000000;
const SWEEP_US: i64 = 1000000;
/** Fragments of one datagram: 64 KiB in pieces of 576 bytes are 119. */
const MAXFRAGSPERPACKET: i32 = 128;
/** Datagrams under way from one source. */
const MAXFRAGSPERSRC: i32 = 16;

/** Bits of ipq_ecn: not ECN-capable, congestion experienced. */
const ECN_NOT: u32 = 1 << 0;
const ECN_CE: u32 = 1 << 3;

@unmanaged
class Ipq {
  ipq_src: u32;
  ipq_dst: u32;
  ipq_id: u16;
  ipq_p: u8;
  ipq_used: u8;
  /** ECN fields seen: bit 1 << field. */
  ipq_ecn: u32;
  ipq_nfrags: i32;
  /** Bytes held; total length, -1 while the last fragment is missing. */
  ipq_have: i32;
  ipq_total: i32;
  ipq_expire_us: i64;
  ipq_frags: Mbuf;
}

@unmanaged
class ReassState {
  tab: usize;
  callout: usize;
  nused: i32;
}

let rst: ReassState = changetype<ReassState>(0);

export function ip_reass_boot(): void {
  rst = changetype<ReassState>(kmem_alloc(offsetof<ReassState>(), 8, "ip_reass"));
  rst.tab = kmem_alloc(<usize>NETINET_MAXFRAGQ * offsetof<Ipq>(), 64, "ip_reass");
  rst.callout = kmem_alloc(CALLOUT_SIZE, 8, "ip_reass");
  callout_init(changetype<Callout>(rst.callout), reass_sweep, 0);
}

function ipq_at(i: i32): Ipq {
  return changetype<Ipq>(rst.tab + <usize>i * offsetof<Ipq>());
}

function ipq_free(q: Ipq): void {
  while (q.ipq_frags) {
    const m = q.ipq_frags;
    q.ipq_frags = m.m_nextpkt;
    m_freem(m);
  }
  q.ipq_used = 0;
  rst.nused--;
}

/** Once a second: those that took too long. The sender hears of it if the first fragment is there. */
function reass_sweep(arg: usize): void {
  const now = getmicrouptime();
  for (let i = 0; i < NETINET_MAXFRAGQ; i++) {
    const q = ipq_at(i);
    if (q.ipq_used == 0 || q.ipq_expire_us > now) continue;
    ipstat.fragtimeout++;
    const first = q.ipq_frags;
    if (first && first.ph_priv0 == 0) {
      q.ipq_frags = first.m_nextpkt;
      first.m_nextpkt = MNULL;
      icmp_error(first, ICMP_TIMXCEED, ICMP_TIMXCEED_REASS, 0);
    }
    ipq_free(q);
  }
  if (rst.nused > 0) callout_schedule(changetype<Callout>(rst.callout), SWEEP_US);
}

/** The datagram that the fragment with header `p` belongs to; a new one if need be, by evicting if need be. */
function ipq_find(p: usize): Ipq {
  const src = load<u32>(p, ip.IP_SRC);
  const dst = load<u32>(p, ip.IP_DST);
  const id = load<u16>(p, ip.IP_ID);
  const proto = load<u8>(p, ip.IP_P);
  let free = changetype<Ipq>(0);
  let oldest = changetype<Ipq>(0);
  let oldest_src = changetype<Ipq>(0);
  let nsrc = 0;
  for (let i = 0; i < NETINET_MAXFRAGQ; i++) {
    const q = ipq_at(i);
    if (q.ipq_used == 0) {
      if (!free) free = q;
      continue;
    }
    if (q.ipq_src == src) {
      if (q.ipq_id == id && q.ipq_dst == dst && q.ipq_p == proto) return q;
      nsrc++;
      if (!oldest_src || q.ipq_expire_us < oldest_src.ipq_expire_us) oldest_src = q;
    }
    if (!oldest || q.ipq_expire_us < oldest.ipq_expire_us) oldest = q;
  }
  if (nsrc >= MAXFRAGSPERSRC) free = oldest_src;
  else if (!free) free = oldest;
  if (free.ipq_used != 0) {
    ipstat.fragflood++;
    ipq_free(free);
  }
  memory.fill(changetype<usize>(free), 0, offsetof<Ipq>());
  free.ipq_used = 1;
  free.ipq_src = src;
  free.ipq_dst = dst;
  free.ipq_id = id;
  free.ipq_p = proto;
  free.ipq_total = -1;
  free.ipq_expire_us = getmicrouptime() + IPFRAGTTL_US;
  rst.nused++;
  const c = changetype<Callout>(rst.callout);
  if (!callout_pending(c)) callout_schedule(c, SWEEP_US);
  return free;
}

/** Fragment `m` is refused, and with it the datagram. Null. */
function reass_abort(q: Ipq, m: Mbuf): Mbuf {
  m_freem(m);
  ipq_free(q);
  return MNULL;
}

/**
 * A fragment arrived (header checked, contiguous). The whole datagram when it was the last one missing:
 * its header is that of the first fragment, with length and offset set right; else null.
 */
export function ip_reass(m: Mbuf): Mbuf {
  const p = m.m_data;
  const hlen = ip.ip_hl(p);
  const off = ip.ip_off(p);
  const start = (off & ip.IP_OFFMASK) << 3;
  const len = m.ph_len - hlen;
  const more = (off & ip.IP_MF) != 0;
  const q = ipq_find(p);
  // All but the last carry a multiple of 8; none may reach beyond 64 KiB (ping of death).
  if (len <= 0 || (more && (len & 7) != 0) || start + len + hlen > ip.IP_MAXPACKET) {
    ipstat.fragdropped++;
    return reass_abort(q, m);
  }
  const end = start + len;
  if (!more) {
    if (q.ipq_total >= 0 && q.ipq_total != end) {
      ipstat.fragoverlap++;
      return reass_abort(q, m);
    }
    q.ipq_total = end;
  }
  q.ipq_ecn |= 1 << (<u32>load<u8>(p, ip.IP_TOS) & 3);
  if ((m.vh_flags & VNET_F_NEEDS_CSUM) != 0) m.vh_flags = 0;
  m.ph_priv0 = <u32>start;
  m.ph_priv1 = <u32>end;
  if (!reass_insert(q, m, start, end)) return MNULL;
  if (q.ipq_total < 0 || q.ipq_have != q.ipq_total) return MNULL;
  return reass_ecn(q) ? reass_join(q) : MNULL;
}

/**
 * RFC 3168 §5.3: a mark on any fragment is a mark on the datagram. With a fragment that is not ECN-capable
 * beside it the mark cannot be told, and the datagram is dropped, as congestion would have dropped it; without
 * a mark such a datagram is not ECN-capable. False if it is gone.
 */
function reass_ecn(q: Ipq): bool {
  const seen = q.ipq_ecn;
  if ((seen & (seen - 1)) == 0) return true;
  if ((seen & ECN_CE) != 0 && (seen & ECN_NOT) != 0) {
    ipstat.fragecn++;
    ipq_free(q);
    return false;
  }
  const p = q.ipq_frags.m_data;
  const tos = load<u8>(p, ip.IP_TOS);
  if ((seen & ECN_CE) != 0) store<u8>(p, tos | 3, ip.IP_TOS);
  else if ((seen & ECN_NOT) != 0) store<u8>(p, tos & ~3, ip.IP_TOS);
  return true;
}

/** Put `m` in its place. False if it was consumed otherwise (repetition, overlap, too many). */
function reass_insert(q: Ipq, m: Mbuf, start: i32, end: i32): bool {
  let prev = MNULL;
  let f = q.ipq_frags;
  while (f && <i32>f.ph_priv0 < start) {
    prev = f;
    f = f.m_nextpkt;
  }
  if (f && <i32>f.ph_priv0 == start && <i32>f.ph_priv1 == end) {
    ipstat.fragdropped++;
    m_freem(m);
    return false;
  }
  const before = changetype<usize>(prev) != 0 && <i32>prev.ph_priv1 > start;
  const overlap = before || (changetype<usize>(f) != 0 && <i32>f.ph_priv0 < end);
  const beyond = q.ipq_total >= 0 && end > q.ipq_total;
  if (overlap || beyond) {
    ipstat.fragoverlap++;
    reass_abort(q, m);
    return false;
  }
  if (++q.ipq_nfrags > MAXFRAGSPERPACKET) {
    ipstat.fragflood++;
    reass_abort(q, m);
    return false;
  }
  q.ipq_have += end - start;
  m.m_nextpkt = f;
  if (prev) prev.m_nextpkt = m;
  else q.ipq_frags = m;
  return true;
}

/** Every byte is there: one chain under the first fragment's header. */
function reass_join(q: Ipq): Mbuf {
  const m = q.ipq_frags;
  let f = m.m_nextpkt;
  m.m_nextpkt = MNULL;
  while (f) {
    const next = f.m_nextpkt;
    f.m_nextpkt = MNULL;
    m_adj(f, ip.ip_hl(f.m_data));
    m_cat(m, f);
    f = next;
  }
  q.ipq_frags = MNULL;
  ipq_free(q);
  ipstat.reassembled++;
  const p = m.m_data;
  store<u16>(p, bswap<u16>(<u16>m.ph_len), ip.IP_LEN);
  store<u16>(p, 0, ip.IP_OFF);
  m.ph_csum = 0;
  return m;
}
