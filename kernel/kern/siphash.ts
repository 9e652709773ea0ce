/**
 * SipHash-1-3: the keyed hash of every table that the outside can aim at.
 *
 * An unkeyed hash lets a peer choose tuples that share a bucket (facts.md §2.4); with a 128-bit key
 * from boot entropy it cannot. One compression round a word and three to finish, as in the variant
 * that hash tables use (Aumasson, Bernstein 2012). About 10 ns for a 12-byte tuple.
 *
 * The key lives in memory at `key`: k0 u64, k1 u64 (SIPHASH_KEYLEN bytes).
 */
export const SIPHASH_KEYLEN: i32 = 16;

const C0: u64 = 0x736f6d6570736575;
const C1: u64 = 0x646f72616e646f6d;
const C2: u64 = 0x6c7967656e657261;
const C3: u64 = 0x7465646279746573;

/** Hash of the two words `a` and `b` (16 bytes of message): for address and port tuples. */
export function siphash13_2(key: usize, a: u64, b: u64): u64 {
  const k0 = load<u64>(key);
  const k1 = load<u64>(key, 8);
  let v0 = C0 ^ k0;
  let v1 = C1 ^ k1;
  let v2 = C2 ^ k0;
  let v3 = C3 ^ k1;
  const last: u64 = (<u64>16) << 56;
  for (let i = 0; i < 6; i++) {
    const m: u64 = i == 0 ? a : i == 1 ? b : i == 2 ? last : 0;
    v3 ^= m;
    if (i == 3) v2 ^= 0xff;
    v0 += v1;
    v1 = rotl<u64>(v1, 13) ^ v0;
    v0 = rotl<u64>(v0, 32);
    v2 += v3;
    v3 = rotl<u64>(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl<u64>(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl<u64>(v1, 17) ^ v2;
    v2 = rotl<u64>(v2, 32);
    v0 ^= m;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}

/** Hash of `len` bytes at `ptr`. */
export function siphash13(key: usize, ptr: usize, len: u32): u64 {
  const k0 = load<u64>(key);
  const k1 = load<u64>(key, 8);
  let v0 = C0 ^ k0;
  let v1 = C1 ^ k1;
  let v2 = C2 ^ k0;
  let v3 = C3 ^ k1;
  const words = len >> 3;
  const rest = len & 7;
  let last: u64 = <u64>len << 56;
  const tail = ptr + (<usize>words << 3);
  for (let i: u32 = 0; i < rest; i++) last |= <u64>load<u8>(tail + i) << (<u64>i << 3);
  const rounds = words + 4;
  for (let i: u32 = 0; i < rounds; i++) {
    const m: u64 = i < words ? load<u64>(ptr + (<usize>i << 3)) : i == words ? last : 0;
    v3 ^= m;
    if (i == words + 1) v2 ^= 0xff;
    v0 += v1;
    v1 = rotl<u64>(v1, 13) ^ v0;
    v0 = rotl<u64>(v0, 32);
    v2 += v3;
    v3 = rotl<u64>(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl<u64>(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl<u64>(v1, 17) ^ v2;
    v2 = rotl<u64>(v2, 32);
    v0 ^= m;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}
