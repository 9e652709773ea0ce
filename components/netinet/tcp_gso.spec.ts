/**
 * Segmentation in software against arithmetic: every segment's place, length, flags and checksums, for
 * many sizes, and no mbuf lost.
 */
import { in_cksum_chain, in_cksum_fold, in_pseudo } from "../../kernel/net/in_cksum";
import { Mbuf, VNET_F_NEEDS_CSUM, VNET_GSO_NONE, VNET_GSO_TCPV4, m_freem } from "../../kernel/net/mbuf";
import { m_copydata } from "../../kernel/net/mbuf2";
import { m_devget, m_sanity } from "../../kernel/net/mbuf3";
import { spec_buf, spec_mbufs_inuse } from "../../kernel/net/net_spec";
import * as ip from "./ip";
import { ip_finishcsum } from "./ip_output";
import { ip4, spec_netinet_boot } from "./netinet_spec";
import * as th from "./tcp";
import { tcp_gso_hdrlen, tcp_gso_segment, tcp_gso_wirelen } from "./tcp_gso";

spec_netinet_boot();
const inuse_empty = spec_mbufs_inuse();
const SEQ: u32 = 0xfffffc00;
const ALL: i32 = th.TH_ACKF | th.TH_PUSH | th.TH_FIN | th.TH_CWR;

/** A TCP packet of `len` bytes of payload in segments of `size`, `opts` bytes of TCP options. */
function packet(len: i32, size: i32, opts: i32): Mbuf {
  const p = spec_buf;
  const total = 40 + opts + len;
  memory.fill(p, 0, 40);
  store<u8>(p, 0x45);
  store<u16>(p, bswap<u16>(<u16>total), ip.IP_LEN);
  store<u16>(p, bswap<u16>(0xfffe), ip.IP_ID);
  store<u16>(p, bswap<u16>(<u16>ip.IP_DF), ip.IP_OFF);
  store<u8>(p, 64, ip.IP_TTL);
  store<u8>(p, 6, ip.IP_P);
  store<u32>(p, ip4(10, 0, 0, 9), ip.IP_SRC);
  store<u32>(p, ip4(10, 0, 1, 9), ip.IP_DST);
  store<u32>(p + 20, bswap<u32>(SEQ), th.TH_SEQ);
  store<u8>(p + 20, <u8>((20 + opts) << 2), th.TH_OFF);
  store<u8>(p + 20, <u8>ALL, th.TH_FLAGS);
  memory.fill(p + 40, 1, opts);
  for (let i = 0; i < len; i++) store<u8>(p + 40 + opts + i, <u8>(i * 7 + (i >> 8)));
  const m = m_devget(p, total, true);
  m.vh_flags = VNET_F_NEEDS_CSUM;
  m.vh_gso_type = VNET_GSO_TCPV4;
  m.vh_gso_size = <u16>size;
  m.vh_csum_start = 20;
  m.vh_csum_offset = 16;
  return m;
}

/** Is segment `s`, number `i` of a packet with payload `len` in parts of `size`, as it must be? 0, or which check failed. */
function wrong(s: Mbuf, i: i32, len: i32, size: i32, opts: i32): i32 {
  const off = i * size;
  const part = min(size, len - off);
  const hlen = 40 + opts;
  if (!m_sanity(s) || s.ph_len != hlen + part) return 1;
  const p = s.m_data;
  const t = p + 20;
  if (ip.ip_len(p) != s.ph_len || bswap<u16>(load<u16>(p, ip.IP_ID)) != <u16>(0xfffe + i)) return 2;
  if (bswap<u32>(load<u32>(t, th.TH_SEQ)) != SEQ + off) return 3;
  let flags = th.TH_ACKF;
  if (i == 0) flags |= th.TH_CWR;
  if (off + part == len) flags |= th.TH_PUSH | th.TH_FIN;
  if (<i32>load<u8>(t, th.TH_FLAGS) != flags) return 4;
  ip_finishcsum(s);
  const pseudo = in_pseudo(load<u32>(p, ip.IP_SRC), load<u32>(p, ip.IP_DST), 6, s.ph_len - 20);
  if (in_cksum_fold(<u64>in_cksum_chain(s, 20, s.ph_len - 20) + pseudo) != 0xffff) return 5;
  if (load<u16>(p, ip.IP_SUM) != 0 || s.vh_gso_type != VNET_GSO_NONE) return 6;
  m_copydata(s, hlen, part, spec_buf + 70000);
  for (let k = 0; k < part; k++) if (load<u8>(spec_buf + 70000 + k) != <u8>((off + k) * 7 + ((off + k) >> 8))) return 7;
  return 0;
}

describe("tcp_gso", () => {
  it("makes of every packet the segments that it stands for", () => {
    for (let len = 1; len < 65000; len += len < 4000 ? 611 : 9973) {
      for (let size = 536; size <= 8960; size += 1411) {
        const opts = len % 3 == 0 ? 12 : len % 3 == 1 ? 0 : 40;
        const m = packet(len, size, opts);
        const hlen = tcp_gso_hdrlen(m);
        expect(hlen).toBe(40 + opts);
        expect(tcp_gso_wirelen(m)).toBe(min(m.ph_len, hlen + size));
        for (let off = 0; off < len; off += size) {
          const s = tcp_gso_segment(m, hlen, off);
          expect(wrong(s, off / size, len, size, opts)).toBe(0, "a segment");
          m_freem(s);
        }
        m_freem(m);
      }
    }
    expect(spec_mbufs_inuse()).toBe(inuse_empty);
  });

  it("leaves alone what is no TCP packet to be cut", () => {
    const m = packet(5000, 1000, 0);
    const p = m.m_data;
    store<u8>(p, 17, ip.IP_P);
    expect(tcp_gso_hdrlen(m)).toBe(0, "UDP");
    expect(tcp_gso_wirelen(m)).toBe(5040);
    store<u8>(p, 6, ip.IP_P);
    store<u8>(p + 20, 4 << 4, th.TH_OFF);
    expect(tcp_gso_hdrlen(m)).toBe(0, "a header too short");
    store<u8>(p + 20, 5 << 4, th.TH_OFF);
    store<u16>(p, bswap<u16>(<u16>ip.IP_MF), ip.IP_OFF);
    expect(tcp_gso_hdrlen(m)).toBe(0, "a fragment");
    store<u16>(p, 0, ip.IP_OFF);
    m.vh_gso_size = 0;
    expect(tcp_gso_hdrlen(m)).toBe(0, "no size");
    m.vh_gso_size = 1000;
    m.vh_gso_type = VNET_GSO_NONE;
    expect(tcp_gso_wirelen(m)).toBe(5040);
    m_freem(m);
    expect(spec_mbufs_inuse()).toBe(inuse_empty);
  });
});
