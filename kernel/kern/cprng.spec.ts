/**
 * Random numbers: the stream is ChaCha20 with fast key erasure, as an implementation of its own, proved
 * by the vectors of RFC 8439, says; nothing given out stays in memory; uniform numbers are even.
 */
import { spec_kern_boot } from "./kern_spec_boot";
import { kmem_nrecords, kmem_record } from "./kmem";
import { cprng_fast32, cprng_fast64, cprng_strong, cprng_uniform } from "./cprng";

const buf = memory.data(256, 8);
const st = new StaticArray<u32>(16);
const out = new StaticArray<u32>(16);

function quarter(a: i32, b: i32, c: i32, d: i32): void {
  out[a] += out[b]; out[d] = rotl<u32>(out[d] ^ out[a], 16);
  out[c] += out[d]; out[b] = rotl<u32>(out[b] ^ out[c], 12);
  out[a] += out[b]; out[d] = rotl<u32>(out[d] ^ out[a], 8);
  out[c] += out[d]; out[b] = rotl<u32>(out[b] ^ out[c], 7);
}

/** RFC 8439 §2.3: the block of the state's key, counter and nonce, to `out`. */
function chacha_block(): void {
  st[0] = 0x61707865;
  st[1] = 0x3320646e;
  st[2] = 0x79622d32;
  st[3] = 0x6b206574;
  for (let i = 0; i < 16; i++) out[i] = st[i];
  for (let i = 0; i < 10; i++) {
    for (let k = 0; k < 4; k++) quarter(k, 4 + k, 8 + k, 12 + k);
    for (let k = 0; k < 4; k++) quarter(k, 4 + (k + 1) % 4, 8 + (k + 2) % 4, 12 + (k + 3) % 4);
  }
  for (let i = 0; i < 16; i++) out[i] += st[i];
}

// The host's entropy at boot is a sequence that is known: the first 32 bytes of the mock's.
spec_kern_boot();
let next: i32 = 8;
{
  let seed: u32 = 1;
  for (let i = 0; i < 8; i++) {
    let word: u32 = 0;
    for (let k = 0; k < 4; k++) {
      seed = seed * 1103515245 + 12345;
      word |= ((seed >> 16) & 255) << (k * 8);
    }
    st[4 + i] = word;
  }
}

/** The next word of the stream as it should be: the second half of a block, whose first half is the next key. */
function expected(): u32 {
  if (next == 8) {
    chacha_block();
    for (let i = 0; i < 8; i++) st[4 + i] = out[i];
    st[12]++;
    next = 0;
  }
  return out[8 + next++];
}

describe("the reference", () => {
  it("is ChaCha20: RFC 8439 §2.3.2 and A.1 #1", () => {
    const saved: u32[] = [];
    for (let i = 0; i < 16; i++) saved.push(st[i]);
    for (let i = 0; i < 8; i++) st[4 + i] = 0x03020100 + i * 0x04040404;
    st[12] = 1;
    st[13] = 0x09000000;
    st[14] = 0x4a000000;
    st[15] = 0;
    chacha_block();
    const want: u32[] = [0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2];
    for (let i = 0; i < 16; i++) expect(out[i]).toBe(want[i]);
    for (let i = 4; i < 16; i++) st[i] = 0;
    chacha_block();
    expect(out[0]).toBe(0xade0b876);
    expect(out[15]).toBe(0x8665eeb2);
    for (let i = 0; i < 16; i++) st[i] = saved[i];
  });
});

describe("cprng", () => {
  it("is the reference's stream, block after block", () => {
    for (let i = 0; i < 100; i++) expect(cprng_fast32()).toBe(expected());
    for (let i = 0; i < 20; i++) {
      const hi = <u64>expected();
      expect(cprng_fast64()).toBe((hi << 32) | expected());
    }
  });

  it("fills any length with it", () => {
    cprng_strong(buf, 0);
    for (let len = 4; len <= 128; len += 4) {
      memory.fill(buf, 0xcc, 256);
      cprng_strong(buf, len);
      for (let i = 0; i < len; i += 4) assert(load<u32>(buf + i) == expected(), "the stream");
      assert(load<u8>(buf + len) == 0xcc, "one byte too many");
    }
    cprng_strong(buf, 3);
    expect(load<u32>(buf) & 0xffffff).toBe(expected() & 0xffffff, "odd lengths too");
    cprng_strong(buf, 1);
    while (next != 8) expect(cprng_fast32()).toBe(expected());
  });

  it("keeps nothing in memory of what it gave out", () => {
    let block: usize = 0;
    for (let i = 0; i < kmem_nrecords(); i++) if (kmem_record(i).name == "cprng" && kmem_record(i).size == 128) block = kmem_record(i).base;
    assert(block != 0, "spec: where is the block");
    const a = cprng_fast32();
    const b = cprng_fast32();
    cprng_strong(buf, 8);
    for (let at = block; at < block + 125; at++) {
      assert(load<u32>(at) != a && load<u32>(at) != b && load<u32>(at) != load<u32>(buf), "still there");
    }
    expect(a).not.toBe(b);
  });
});

describe("cprng_uniform", () => {
  it("stays below its bound", () => {
    for (let bound: u32 = 1; bound < 200; bound++) {
      for (let i = 0; i < 50; i++) assert(cprng_uniform(bound) < bound, "bound");
    }
    for (let i = 0; i < 100; i++) assert(cprng_uniform(0xffffffff) < 0xffffffff, "bound");
    expect(cprng_uniform(1)).toBe(0);
    expect(() => { cprng_uniform(0); }).toThrow();
  });

  it("is even: chi-squared over 100 values", () => {
    const counts = new StaticArray<i32>(100);
    const n = 100000;
    for (let i = 0; i < n; i++) {
      const v = cprng_uniform(100);
      counts[v]++;
    }
    let chi: f64 = 0;
    for (let i = 0; i < 100; i++) {
      const d = <f64>(counts[i] - n / 100);
      chi += d * d / <f64>(n / 100);
    }
    // 99 degrees of freedom: 148 is exceeded once in a thousand; the sequence is fixed.
    expect(chi).toBeLessThan(148);
    expect(chi).toBeGreaterThan(61);
  });

  it("has no modulo bias where it would be greatest", () => {
    // Of 2^32 numbers modulo 3·2^30, a quarter would come up twice as often.
    let low = 0;
    for (let i = 0; i < 30000; i++) if (cprng_uniform(0xc0000000) < 0x40000000) low++;
    expect(low).toBeGreaterThan(9700);
    expect(low).toBeLessThan(10300);
  });
});
