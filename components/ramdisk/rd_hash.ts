/**
 * The hash of a block of 4 KiB: 64 bits, keyed.
 *
 * It serves twice: as the checksum that every stored block is verified against when it is read (LZO has
 * none), and as the key under which equal blocks are found. The key is random at each boot, so nobody
 * who writes to a disk can aim at collisions; and a collision costs a comparison, never data, because
 * equal blocks are compared byte by byte before they are shared.
 *
 *      4 lanes, each over every fourth word:  lane = rotl((lane ^ word) × K, 29)
 *      then the lanes are folded, and every bit is spread over the result
 *
 * Each step is a bijection of the lane, so a change of one word always changes its lane. Cost: four
 * independent chains, about 0.3 µs a block.
 */

const K0: u64 = 0x9e3779b97f4a7c15;
const K1: u64 = 0xc2b2ae3d27d4eb4f;
const K2: u64 = 0xd6e8feb86659fd93;
const K3: u64 = 0xa0761d6478bd642f;
const BLOCK: usize = 4096;

/** Spread every bit of x over all bits. */
function mix(x: u64): u64 {
  x = (x ^ (x >> 32)) * K2;
  x = (x ^ (x >> 29)) * K1;
  return x ^ (x >> 32);
}

/** Hash of the 4096 bytes at p, under key. */
export function rd_hash(p: usize, key: u64): u64 {
  let a = key ^ K0;
  let b = key ^ K1;
  let c = key ^ K2;
  let d = key ^ K3;
  const end = p + BLOCK;
  while (p < end) {
    a = rotl<u64>((a ^ load<u64>(p)) * K0, 29);
    b = rotl<u64>((b ^ load<u64>(p, 8)) * K1, 29);
    c = rotl<u64>((c ^ load<u64>(p, 16)) * K2, 29);
    d = rotl<u64>((d ^ load<u64>(p, 24)) * K3, 29);
    p += 32;
  }
  return mix(mix(mix(mix(a) ^ b) ^ c) ^ d);
}

/**
 * Whether the block at p is one 32-bit word over and over.
 * @returns the word, or -1
 */
export function rd_same_word(p: usize): i64 {
  const first = load<u64>(p);
  if (rotl<u64>(first, 32) != first) return -1;
  const end = p + BLOCK;
  while (p < end) {
    if (((load<u64>(p) ^ first) | (load<u64>(p, 8) ^ first)) != 0) return -1;
    p += 16;
  }
  return <i64>(first & 0xffffffff);
}

/** Fill a block with a 32-bit word. */
export function rd_fill_word(p: usize, word: u32): void {
  if (word == 0) {
    memory.fill(p, 0, BLOCK);
    return;
  }
  const two = <u64>word | (<u64>word << 32);
  const end = p + BLOCK;
  while (p < end) {
    store<u64>(p, two);
    store<u64>(p, two, 8);
    p += 16;
  }
}

/** Whether two blocks are equal. */
export function rd_equal(a: usize, b: usize): bool {
  const end = a + BLOCK;
  while (a < end) {
    const x = (load<u64>(a) ^ load<u64>(b)) | (load<u64>(a, 8) ^ load<u64>(b, 8));
    if (x != 0) return false;
    a += 16;
    b += 16;
  }
  return true;
}
