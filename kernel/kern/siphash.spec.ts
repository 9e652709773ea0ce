/**
 * SipHash-1-3 against a second implementation, written from the paper with the rounds as a function;
 * that one is proved by the authors' vectors for SipHash-2-4 (Aumasson, Bernstein 2012, appendix A).
 */
import { spec_rand, spec_srand } from "./kern_spec_boot";
import { SIPHASH_KEYLEN, siphash13, siphash13_2 } from "./siphash";

const key = memory.data(16, 8);
const msg = memory.data(1024, 8);
const v = new StaticArray<u64>(4);

function round(): void {
  v[0] += v[1]; v[2] += v[3];
  v[1] = rotl<u64>(v[1], 13); v[3] = rotl<u64>(v[3], 16);
  v[1] ^= v[0]; v[3] ^= v[2];
  v[0] = rotl<u64>(v[0], 32);
  v[2] += v[1]; v[0] += v[3];
  v[1] = rotl<u64>(v[1], 17); v[3] = rotl<u64>(v[3], 21);
  v[1] ^= v[2]; v[3] ^= v[0];
  v[2] = rotl<u64>(v[2], 32);
}

/** SipHash-c-d, a byte at a time. */
function reference(c: i32, d: i32, ptr: usize, len: i32): u64 {
  v[0] = load<u64>(key) ^ 0x736f6d6570736575;
  v[1] = load<u64>(key, 8) ^ 0x646f72616e646f6d;
  v[2] = load<u64>(key) ^ 0x6c7967656e657261;
  v[3] = load<u64>(key, 8) ^ 0x7465646279746573;
  let m: u64 = 0;
  for (let i = 0; i <= (len | 7); i++) {
    const byte: u64 = i < len ? load<u8>(ptr + i) : i == (len | 7) ? <u64>(len & 255) : 0;
    m |= byte << <u64>((i & 7) * 8);
    if ((i & 7) != 7) continue;
    v[3] ^= m;
    for (let k = 0; k < c; k++) round();
    v[0] ^= m;
    m = 0;
  }
  v[2] ^= 0xff;
  for (let k = 0; k < d; k++) round();
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

function counting(): void {
  for (let i = 0; i < 16; i++) store<u8>(key + i, <u8>i);
  for (let i = 0; i < 64; i++) store<u8>(msg + i, <u8>i);
}

function flip(at: usize, bit: i32): void {
  const byte = at + (bit >> 3);
  store<u8>(byte, <u8>(<i32>load<u8>(byte) ^ (1 << (bit & 7))));
}

describe("the reference", () => {
  it("is SipHash: the authors' vectors for 2-4", () => {
    counting();
    expect(reference(2, 4, msg, 15)).toBe(0xa129ca6149be45e5, "the paper's example");
    expect(reference(2, 4, msg, 0)).toBe(0x726fdb47dd0e0e31);
    expect(reference(2, 4, msg, 1)).toBe(0x74f839c593dc67fd);
    expect(reference(2, 4, msg, 8)).toBe(0x93f5f5799a932462);
    expect(reference(2, 4, msg, 63)).toBe(0x958a324ceb064572);
  });
});

describe("siphash13", () => {
  it("agrees with the reference at every length and alignment", () => {
    expect(SIPHASH_KEYLEN).toBe(16);
    spec_srand(5);
    for (let i = 0; i < 16; i += 4) store<u32>(key + i, spec_rand());
    for (let i = 0; i < 1024; i += 4) store<u32>(msg + i, spec_rand());
    for (let len = 0; len < 300; len++) {
      for (let off = 0; off < 3; off++) assert(siphash13(key, msg + off, len) == reference(1, 3, msg + off, len), len.toString());
    }
    counting();
    for (let len = 0; len < 64; len++) assert(siphash13(key, msg, len) == reference(1, 3, msg, len), len.toString());
    expect(siphash13(key, msg, 0)).toBe(reference(1, 3, msg, 0));
  });

  it("of two words is that of their sixteen bytes", () => {
    spec_srand(6);
    for (let n = 0; n < 200; n++) {
      for (let i = 0; i < 16; i += 4) store<u32>(msg + i, spec_rand());
      for (let i = 0; i < 16; i += 4) store<u32>(key + i, spec_rand());
      assert(siphash13_2(key, load<u64>(msg), load<u64>(msg, 8)) == reference(1, 3, msg, 16), "two words");
    }
    expect(siphash13_2(key, 0, 0)).not.toBe(siphash13_2(key, 0, 1));
  });

  it("depends on every bit of key and message", () => {
    counting();
    const was = siphash13(key, msg, 24);
    for (let bit = 0; bit < 24 * 8; bit++) {
      flip(msg, bit);
      assert(siphash13(key, msg, 24) != was, "message");
      flip(msg, bit);
    }
    for (let bit = 0; bit < 128; bit++) {
      flip(key, bit);
      assert(siphash13(key, msg, 24) != was, "key");
      flip(key, bit);
    }
    expect(siphash13(key, msg, 24)).toBe(was);
  });
});
