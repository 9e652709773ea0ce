/**
 * The internet checksum against the definition (RFC 1071 §4.1, a loop over 16-bit words), over every
 * alignment, length and way of cutting a packet; pseudo headers; incremental updates (RFC 1624).
 */
import { in4_cksum, in6_pseudo, in_cksum, in_cksum_chain, in_cksum_data, in_cksum_part, in_cksum_update,
  in_cksum_update32, in_pseudo } from "./in_cksum";
import { MLEN, Mbuf, m_clget, m_freem, m_get, m_gethdr } from "./mbuf";
import { m_copyback } from "./mbuf3";
import { spec_buf, spec_net_boot } from "./net_spec";

spec_net_boot();

let seed: u32 = 12345;
function rnd(): u32 {
  seed = seed * 1664525 + 1013904223;
  return seed >> 8;
}

function randomise(at: usize, len: i32): void {
  for (let i = 0; i < len; i++) store<u8>(at + i, <u8>rnd());
}

/** The checksum as the RFC has it: words in network order; the result swapped to lie in memory. */
function naive(p: usize, len: i32): u32 {
  let sum: u32 = 0;
  for (let i = 0; i + 1 < len; i += 2) {
    sum += (<u32>load<u8>(p + i) << 8) | load<u8>(p + i + 1);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  if (len & 1) sum += <u32>load<u8>(p + len - 1) << 8;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~sum & 0xffff;
  return ((sum & 0xff) << 8) | (sum >> 8);
}

/** The bytes at `p` as a chain cut at random places, in mbufs that begin anywhere. */
function cut(p: usize, len: i32): Mbuf {
  const top = m_gethdr(<i32>(rnd() % 20));
  let tail = top;
  let at = 0;
  while (at < len) {
    const m = m_get();
    if (rnd() & 1) m_clget(m);
    m.m_data += rnd() % 16;
    const k = min(len - at, <i32>(rnd() % <u32>(MLEN - 16)));
    memory.copy(m.m_data, p + at, k);
    m.m_len = k;
    tail.m_next = m;
    tail = m;
    at += k;
  }
  top.ph_len = len;
  return top;
}

describe("in_cksum", () => {
  it("agrees with the definition for every length and alignment", () => {
    let bad = 0;
    randomise(spec_buf, 400);
    for (let off = 0; off < 9; off++) {
      for (let len = 0; len < 300; len++) {
        if (in_cksum_data(spec_buf + off, len) != naive(spec_buf + off, len)) bad++;
      }
    }
    expect(bad).toBe(0);
  });

  it("loses no carry", () => {
    memory.fill(spec_buf, 0xff, 65536);
    expect(in_cksum_data(spec_buf, 65536)).toBe(naive(spec_buf, 65536));
    expect(in_cksum_data(spec_buf, 65535)).toBe(naive(spec_buf, 65535));
    expect(in_cksum_part(spec_buf, 65536)).toBe(0xffff);
    memory.fill(spec_buf, 0, 64);
    expect(in_cksum_data(spec_buf, 64)).toBe(0xffff);
  });

  it("does not depend on how a packet is cut", () => {
    let bad = 0;
    for (let i = 0; i < 300; i++) {
      const len = <i32>(rnd() % 3000);
      randomise(spec_buf, len);
      const m = cut(spec_buf, len);
      if (in_cksum(m, 0, len) != naive(spec_buf, len)) bad++;
      const off = len > 0 ? <i32>(rnd() % <u32>len) : 0;
      if (in_cksum(m, off, len - off) != naive(spec_buf + off, len - off)) bad++;
      m_freem(m);
    }
    expect(bad).toBe(0);
  });

  it("verifies to zero with the checksum in place", () => {
    randomise(spec_buf, 1460);
    store<u16>(spec_buf + 16, 0);
    const m = cut(spec_buf, 1460);
    const pseudo = in_pseudo(load<u32>(spec_buf), load<u32>(spec_buf + 4), 6, 1460);
    store<u16>(spec_buf + 65536, <u16>in4_cksum(m, 0, 1460, pseudo));
    m_copyback(m, 16, 2, spec_buf + 65536);
    expect(in4_cksum(m, 0, 1460, pseudo)).toBe(0);
    m_freem(m);
  });

  it("sums pseudo headers as if they were bytes", () => {
    let bad = 0;
    for (let i = 0; i < 200; i++) {
      const len = <i32>(rnd() & 0xffff);
      randomise(spec_buf, 40);
      store<u16>(spec_buf + 8, <u16>(17 << 8));
      store<u8>(spec_buf + 10, <u8>(len >> 8));
      store<u8>(spec_buf + 11, <u8>len);
      const want = naive(spec_buf, 12) ^ 0xffff;
      if (in_pseudo(load<u32>(spec_buf), load<u32>(spec_buf + 4), 17, len) != want) bad++;
      store<u32>(spec_buf + 32, bswap<u32>(len));
      store<u32>(spec_buf + 36, 58 << 24);
      const want6 = naive(spec_buf, 40) ^ 0xffff;
      if (in6_pseudo(spec_buf, spec_buf + 16, 58, len) != want6) bad++;
    }
    expect(bad).toBe(0);
  });

  it("updates as if it were computed anew", () => {
    let bad = 0;
    for (let i = 0; i < 500; i++) {
      randomise(spec_buf, 20);
      const before = in_cksum_data(spec_buf, 20);
      const old = load<u16>(spec_buf + 8);
      store<u16>(spec_buf + 8, <u16>rnd());
      const c = in_cksum_update(before, old, load<u16>(spec_buf + 8));
      if (c != in_cksum_data(spec_buf, 20)) bad++;
      const old32 = load<u32>(spec_buf + 12);
      store<u32>(spec_buf + 12, rnd() * 77777);
      if (in_cksum_update32(c, old32, load<u32>(spec_buf + 12)) != in_cksum_data(spec_buf, 20)) bad++;
    }
    expect(bad).toBe(0);
  });

  it("sums a chain without a header at any offset", () => {
    randomise(spec_buf, 100);
    const m = cut(spec_buf, 100);
    expect(in_cksum_chain(m, 99, 1)).toBe(load<u8>(spec_buf + 99));
    expect(in_cksum_chain(m, 50, 0)).toBe(0);
    m_freem(m);
  });
});
