/**
 * The internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit words.
 *
 * The sum does not care about byte order, so words are added as they lie in memory (little-endian) and
 * the result is stored the same way; a pair of bytes that starts at an odd offset contributes with its
 * halves swapped. 64-bit words are added as two 32-bit halves in lanes of 64 bits: no carry is lost for
 * 2^32 words, no branch a word. 1460 bytes cost about 48 ns (design.md §10; a loop over 16-bit words
 * 194 ns). Partial sums are u32 not yet folded to 16 bits, and can be added while they are folded
 * (in_cksum_part answers at most 0xffff).
 */
import { Mbuf } from "./mbuf";

/** Fold a sum to 16 bits. */
export function in_cksum_fold(sum: u64): u32 {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  let s = <u32>sum;
  s = (s >> 16) + (s & 0xffff);
  return (s >> 16) + (s & 0xffff);
}

/** The folded sum (not complemented) of `len` bytes at `p`, as if `p` were at an even offset. */
export function in_cksum_part(p: usize, len: i32): u32 {
  let a: u64 = 0;
  let b: u64 = 0;
  let c: u64 = 0;
  let d: u64 = 0;
  let n = len;
  for (; n >= 32; n -= 32, p += 32) {
    const w0 = load<u64>(p);
    const w1 = load<u64>(p, 8);
    const w2 = load<u64>(p, 16);
    const w3 = load<u64>(p, 24);
    a += w0 & 0xffffffff;
    b += w0 >> 32;
    c += w1 & 0xffffffff;
    d += w1 >> 32;
    a += w2 & 0xffffffff;
    b += w2 >> 32;
    c += w3 & 0xffffffff;
    d += w3 >> 32;
  }
  a += b + c + d;
  for (; n >= 4; n -= 4, p += 4) a += load<u32>(p);
  if (n & 2) {
    a += load<u16>(p);
    p += 2;
  }
  if (n & 1) a += load<u8>(p);
  return in_cksum_fold(a);
}

/** The folded sum of `len` bytes from offset `off` of a chain; the bytes must be there. */
export function in_cksum_chain(m: Mbuf, off: i32, len: i32): u32 {
  while (m && off >= m.m_len) {
    off -= m.m_len;
    m = m.m_next;
  }
  let sum: u64 = 0;
  let odd = 0;
  while (len > 0) {
    assert(changetype<usize>(m) != 0, "in_cksum: chain too short");
    const k = min(m.m_len - off, len);
    let part = in_cksum_part(m.m_data + off, k);
    // What begins at an odd offset of the packet has its bytes in the other halves of the words.
    if (odd) part = ((part << 8) | (part >> 8)) & 0xffff;
    sum += part;
    odd ^= k & 1;
    len -= k;
    off = 0;
    m = m.m_next;
  }
  return in_cksum_fold(sum);
}

/** The checksum of `len` bytes from offset `off`, to be stored as a u16 as it is; 0 for data with a right one in it. */
export function in_cksum(m: Mbuf, off: i32, len: i32): u32 {
  return in_cksum_chain(m, off, len) ^ 0xffff;
}

/** As in_cksum, of contiguous bytes (an IP header). */
export function in_cksum_data(p: usize, len: i32): u32 {
  return in_cksum_part(p, len) ^ 0xffff;
}

/** 16 bits of a host-order number as they lie in memory in network order, for adding to a sum. */
export function in_cksum_htons(v: i32): u32 {
  return <u32>(((v & 0xff) << 8) | ((v >> 8) & 0xff));
}

/**
 * The sum of the IPv4 pseudo header (RFC 9293 §3.1): addresses as loaded from the packet (u32),
 * protocol and transport length in host order. Folded, not complemented: what a packet with
 * VNET_F_NEEDS_CSUM carries in its checksum field.
 */
export function in_pseudo(src: u32, dst: u32, proto: i32, len: i32): u32 {
  return in_cksum_fold(<u64>src + <u64>dst + <u64>in_cksum_htons(proto) + <u64>in_cksum_htons(len));
}

/** The sum of the IPv6 pseudo header (RFC 8200 §8.1): addresses of 16 bytes at `src` and `dst`. */
export function in6_pseudo(src: usize, dst: usize, nxt: i32, len: i32): u32 {
  const sum = <u64>in_cksum_part(src, 16) + <u64>in_cksum_part(dst, 16) + <u64>in_cksum_htons(nxt);
  return in_cksum_fold(sum + <u64>in_cksum_htons(len & 0xffff) + <u64>in_cksum_htons(len >> 16));
}

/** The transport checksum of `len` bytes from `off`, with a pseudo header sum added. */
export function in4_cksum(m: Mbuf, off: i32, len: i32, pseudo: u32): u32 {
  return in_cksum_fold(<u64>in_cksum_chain(m, off, len) + <u64>pseudo) ^ 0xffff;
}

/**
 * The new checksum when a 16-bit word of the data changes from `old` to `now` (RFC 1624 eqn. 3); all
 * three as they lie in memory. Never gives 0xffff from a packet whose words are not all zero.
 */
export function in_cksum_update(cksum: u32, old: u32, now: u32): u32 {
  return in_cksum_fold(<u64>(cksum ^ 0xffff) + <u64>(old ^ 0xffff) + <u64>now) ^ 0xffff;
}

/** The same for a 32-bit word (an address). */
export function in_cksum_update32(cksum: u32, old: u32, now: u32): u32 {
  return in_cksum_fold(<u64>(cksum ^ 0xffff) + <u64>~old + <u64>now) ^ 0xffff;
}
