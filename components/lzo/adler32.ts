/**
 * Adler-32 (RFC 1950 §8.2 and §9): the checksum of `.lzo` files.
 *
 *      a = 1 + sum of bytes            mod 65521
 *      b = sum of a after each byte    mod 65521          result b << 16 | a
 *
 * The sums are reduced once every 5552 bytes: the longest run for which b
 * stays below 2^32 whatever the bytes are.  Cost: 2 additions a byte.
 */

/** Largest prime below 2^16. */
const BASE: u32 = 65521;
/** Most bytes before b must be reduced; a multiple of 16. */
const NMAX: u32 = 5552;

/**
 * Continue the checksum `sum` (1 to begin) over len bytes at p.
 * @returns the new checksum
 */
export function adler32(sum: u32, p: usize, len: u32): u32 {
  let a = sum & 0xffff;
  let b = sum >> 16;
  while (len > 0) {
    const n = min<u32>(len, NMAX);
    const end = p + n;
    const bulk = p + (n & ~15);
    while (p < bulk) {
      a += load<u8>(p); b += a;
      a += load<u8>(p, 1); b += a;
      a += load<u8>(p, 2); b += a;
      a += load<u8>(p, 3); b += a;
      a += load<u8>(p, 4); b += a;
      a += load<u8>(p, 5); b += a;
      a += load<u8>(p, 6); b += a;
      a += load<u8>(p, 7); b += a;
      a += load<u8>(p, 8); b += a;
      a += load<u8>(p, 9); b += a;
      a += load<u8>(p, 10); b += a;
      a += load<u8>(p, 11); b += a;
      a += load<u8>(p, 12); b += a;
      a += load<u8>(p, 13); b += a;
      a += load<u8>(p, 14); b += a;
      a += load<u8>(p, 15); b += a;
      p += 16;
    }
    while (p < end) {
      a += load<u8>(p);
      b += a;
      p++;
    }
    a %= BASE;
    b %= BASE;
    len -= n;
  }
  return (b << 16) | a;
}
