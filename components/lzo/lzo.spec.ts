/**
 * The coder by itself: known streams, round trips over every small length and over overlaps, what a
 * tight output does, lzo-rle's rules, checksums. The comparison with the reference is tests/lzo.
 */
import { adler32 } from "./adler32";
import { crc32 } from "./crc32";
import {
  LZO1X_1_MEM_COMPRESS, LZO1X_HC_MEM_COMPRESS, LZO_E_INPUT_NOT_CONSUMED, LZO_E_INPUT_OVERRUN, LZO_E_LOOKBEHIND_OVERRUN, LZO_E_OUTPUT_OVERRUN,
  LzoResult, lzo1x_1_compress, lzo1x_decompress_safe, lzo1x_hc_compress, lzorle_1_compress, lzorle_decompress_safe,
} from "./lzo";

const MAX: u32 = 20000;
const GUARD: u32 = 64;
const SRC: usize = memory.data(20000 + 64);
const PACKED: usize = memory.data(22000);
const OUT: usize = memory.data(20000 + 64);
const WRKMEM: usize = memory.data(16384 + 131072, 16);
const RES: usize = memory.data(8, 8);

/** Bytes from hex digits; @returns how many. */
function hex(at: usize, s: string): u32 {
  let n: u32 = 0;
  let high: i32 = -1;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c == 32) continue;
    const v = c < 58 ? c - 48 : c - 87;
    if (high < 0) {
      high = v;
    } else {
      store<u8>(at + n, (high << 4) | v);
      n++;
      high = -1;
    }
  }
  return n;
}

/** Decode hex; what it makes must be the hex of `plain`. */
function decodes(packed: string, plain: string): void {
  const n = hex(PACKED, packed);
  const want = hex(SRC, plain);
  expect(lzo1x_decompress_safe(PACKED, n, OUT, MAX, RES)).toBe(want, packed);
  expect(memory.compare(OUT, SRC, want)).toBe(0, packed);
  expect(changetype<LzoResult>(RES).consumed).toBe(n);
}

function fails(packed: string, cap: u32, code: i32, produced: u32): void {
  const n = hex(PACKED, packed);
  memory.fill(OUT, 0x5a, MAX);
  expect(lzo1x_decompress_safe(PACKED, n, OUT, cap, RES)).toBe(code, packed);
  expect(changetype<LzoResult>(RES).produced).toBe(produced, packed);
  for (let i: u32 = 0; i < GUARD; i++) assert(load<u8>(OUT + cap + i) == 0x5a, "spec: wrote past its room");
}

let seed: u32 = 1;
function rnd(n: u32): u32 {
  seed = seed * 1664525 + 1013904223;
  return <u32>((<u64>seed * n) >> 32);
}

/** Fill SRC with n bytes of a kind. */
function fill(kind: u32, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    let b: u32 = 0;
    if (kind == 0) b = rnd(256);
    else if (kind == 1) b = 0;
    else if (kind == 2) b = rnd(3);
    else if (kind <= 22) b = i < kind - 2 ? rnd(256) : load<u8>(SRC + i - (kind - 2)); // period 1..20
    else b = (i >> 8) & 1 ? 0 : rnd(256);
    store<u8>(SRC + i, b);
  }
}

/** Compress with one of the coders: 0 LZO1X-1, 1 lzo-rle, 2 to 4 the slow one. */
function compress(how: i32, n: u32, cap: u32): i32 {
  if (how == 0) return lzo1x_1_compress(SRC, n, PACKED, cap, WRKMEM);
  return how == 1 ? lzorle_1_compress(SRC, n, PACKED, cap, WRKMEM) : lzo1x_hc_compress(SRC, n, PACKED, cap, WRKMEM, how * 3 - 3);
}

/** All coders, there and back, with nothing written past what was allowed. */
function round_trip(n: u32): void {
  for (let how = 0; how < 5; how++) {
    const rle = how == 1;
    const cap = n + (n >> 4) + 67;
    memory.fill(PACKED, 0x5a, cap + GUARD);
    const packed = compress(how, n, cap);
    assert(packed > 0, "spec: compressor failed");
    for (let i: u32 = 0; i < GUARD; i++) assert(load<u8>(PACKED + cap + i) == 0x5a, "spec: compressor wrote past its room");
    memory.fill(OUT, 0x5a, n + GUARD);
    const back = rle ? lzorle_decompress_safe(PACKED, packed, OUT, n, 0) : lzo1x_decompress_safe(PACKED, packed, OUT, n, 0);
    assert(back == n, "spec: wrong length");
    assert(memory.compare(SRC, OUT, n) == 0, "spec: wrong bytes");
    for (let i: u32 = 0; i < GUARD; i++) assert(load<u8>(OUT + n + i) == 0x5a, "spec: decompressor wrote past its room");
  }
}

describe("lzo1x_decompress_safe", () => {
  it("decodes every form of instruction", () => {
    decodes("11 00 00", "");
    decodes("12 61 11 00 00", "61");
    decodes("15 61626364 11 00 00", "61626364");
    decodes("01 61626364 11 00 00", "61626364"); // a run without the first byte's form
    decodes("15 61626364 4c 00 11 00 00", "61626364 616263"); // length 3, distance 4
    decodes("15 61626364 20 01 0000 11 00 00", "61626364 " + "6464".repeat(17)); // length 34, distance 1
    decodes("15 61626364 4d 00 78 00 00 11 00 00", "61626364 616263 78 7878"); // then 2 bytes, distance 1
  });

  it("takes trailing literals as they are", () => {
    decodes("15 61626364 4f 00 78797a 11 00 00", "61626364 616263 78797a");
  });

  it("says what is wrong as the reference does", () => {
    fails("", 10, LZO_E_INPUT_OVERRUN, 0);
    fails("12 61 11 00", 10, LZO_E_INPUT_OVERRUN, 0);
    fails("11 00 00 00", 10, LZO_E_INPUT_NOT_CONSUMED, 0);
    fails("12 61", 0, LZO_E_OUTPUT_OVERRUN, 0);
    fails("15 61626364 4c 01 11 00 00", 20, LZO_E_LOOKBEHIND_OVERRUN, 4);
    fails("15 61626364 4c 00 11 00 00", 6, LZO_E_OUTPUT_OVERRUN, 4);
    fails("15 61626364 4f 00 616263 11 00 00", 7, LZO_E_OUTPUT_OVERRUN, 7);
  });

  it("survives a length of 255s without an end", () => {
    memory.fill(PACKED, 0, MAX);
    expect(lzo1x_decompress_safe(PACKED, MAX, OUT, 100, 0)).toBe(LZO_E_INPUT_OVERRUN);
    store<u8>(PACKED + 18000, 1);
    expect(lzo1x_decompress_safe(PACKED, MAX, OUT, 100, 0)).toBe(LZO_E_OUTPUT_OVERRUN);
  });
});

describe("round trips", () => {
  it("of every length up to 600, of every kind", () => {
    for (let kind: u32 = 0; kind < 24; kind++) {
      for (let n: u32 = 0; n < 600; n += n < 80 ? 1 : 37) {
        fill(kind, n);
        round_trip(n);
      }
    }
  });

  it("of long input, whose window slides", () => {
    for (let kind: u32 = 0; kind < 24; kind += 3) {
      fill(kind, MAX);
      round_trip(MAX);
    }
  });
});

describe("compressors", () => {
  it("depend on their input alone", () => {
    expect(LZO1X_HC_MEM_COMPRESS).toBeLessThan(16384 + 131072 + 1);
    expect(LZO1X_1_MEM_COMPRESS).toBeLessThan(LZO1X_HC_MEM_COMPRESS);
    for (let how = 0; how < 5; how++) {
      fill(2, 4096);
      const a = compress(how, 4096, 5000);
      memory.copy(OUT, PACKED, a);
      memory.fill(WRKMEM, 0xff, LZO1X_HC_MEM_COMPRESS);
      expect(compress(how, 4096, 5000)).toBe(a);
      expect(memory.compare(OUT, PACKED, a)).toBe(0);
    }
  });

  it("are the smaller the longer they take", () => {
    fill(2, 4096);
    let last = compress(0, 4096, 5000);
    for (let how = 2; how < 5; how++) {
      const n = compress(how, 4096, 5000);
      expect(n).toBeLessThan(last + 1);
      last = n;
    }
  });

  it("give up where the output would not fit, and keep to their room", () => {
    for (let kind: u32 = 0; kind < 12; kind++) {
      const how = kind / 3;
      fill(kind % 3, 4096);
      const full = compress(how, 4096, 5000);
      for (let cap: i32 = 0; cap < full; cap += 1 + (full >> 6)) {
        memory.fill(PACKED, 0x5a, 6000);
        expect(compress(how, 4096, cap)).toBe(LZO_E_OUTPUT_OVERRUN);
        for (let i: u32 = 0; i < GUARD; i++) assert(load<u8>(PACKED + cap + i) == 0x5a, "spec: wrote past its room");
      }
    }
  });
});

describe("lzo-rle", () => {
  it("has a version, and runs of zeros of 4 to 2051 bytes", () => {
    const n = hex(PACKED, "1101 12 61 18 fdff ff 62 1f fcff 00 11 00 00");
    // 1 literal; 2044 zeros, then one literal; 11 zeros
    expect(lzorle_decompress_safe(PACKED, n, OUT, MAX, RES)).toBe(1 + 2044 + 1 + 11);
    expect(load<u8>(OUT)).toBe(0x61);
    expect(load<u8>(OUT, 2045)).toBe(0x62);
    expect(load<u64>(OUT, 1)).toBe(0);
    expect(load<u64>(OUT, 2046)).toBe(0);
  });

  it("is not taken for LZO1X, and a version to come is refused", () => {
    const n = hex(PACKED, "1101 12 61 11 00 00");
    expect(lzo1x_decompress_safe(PACKED, n, OUT, MAX, 0)).toBe(LZO_E_LOOKBEHIND_OVERRUN);
    store<u8>(PACKED + 1, 2);
    expect(lzorle_decompress_safe(PACKED, n, OUT, MAX, 0)).toBe(-1);
  });

  it("is small on zeros", () => {
    fill(1, 4096);
    expect(lzorle_1_compress(SRC, 4096, PACKED, 5000, WRKMEM)).toBeLessThan(20);
  });

  it("reads a run within its rules at the ends of both buffers", () => {
    const n = hex(PACKED, "1101 12 61 18 fcff 02 11 00 00"); // 1 + 20 bytes
    expect(lzorle_decompress_safe(PACKED, n, OUT, 21, 0)).toBe(21);
    expect(lzorle_decompress_safe(PACKED, n, OUT, 20, 0)).toBe(LZO_E_OUTPUT_OVERRUN);
    for (let i: u32 = 2; i < n; i++) expect(lzorle_decompress_safe(PACKED, i, OUT, 21, 0)).toBeLessThan(0);
  });
});

describe("checksums", () => {
  it("give the values that everybody gives", () => {
    const n = hex(SRC, "313233343536373839");
    expect(adler32(1, SRC, n)).toBe(0x091e01de);
    expect(crc32(0, SRC, n)).toBe(0xcbf43926);
    expect(adler32(1, SRC, 0)).toBe(1);
    expect(crc32(0, SRC, 0)).toBe(0);
  });

  it("can be taken in pieces", () => {
    fill(0, MAX);
    const a = adler32(1, SRC, MAX);
    const c = crc32(0, SRC, MAX);
    for (let cut: u32 = 0; cut < MAX; cut += 777) {
      expect(adler32(adler32(1, SRC, cut), SRC + cut, MAX - cut)).toBe(a);
      expect(crc32(crc32(0, SRC, cut), SRC + cut, MAX - cut)).toBe(c);
    }
  });

  it("do not overflow on the worst input", () => {
    memory.fill(SRC, 0xff, MAX);
    let a: u64 = 1;
    let b: u64 = 0;
    for (let i: u32 = 0; i < MAX; i++) {
      a = (a + 255) % 65521;
      b = (b + a) % 65521;
    }
    expect(adler32(1, SRC, MAX)).toBe(<u32>((b << 16) | a));
  });
});
