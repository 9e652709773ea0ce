/**
 * Bytes and text: writers that stop at their end, numbers at the edges of their types, comparisons,
 * and the check of pointers that come from outside.
 */
import { kbytes_eq, kparse_u64, kput_bytes, kput_char, kput_hex, kput_i64, kput_str, kput_u32, kput_u64, kstr_eq,
  useracc } from "./kstring";

const at = memory.data(128);

function text(end: usize): string {
  return String.UTF8.decodeUnsafe(at, end - at);
}

function u64s(v: u64): string {
  return text(kput_u64(at, at + 64, v));
}

function i64s(v: i64): string {
  return text(kput_i64(at, at + 64, v));
}

function parse(s: string): i64 {
  return kparse_u64(at, <i32>(kput_str(at, at + 64, s) - at));
}

describe("numbers", () => {
  it("are decimal, from one end of the type to the other", () => {
    expect(u64s(0)).toBe("0");
    expect(u64s(9)).toBe("9");
    expect(u64s(10)).toBe("10");
    expect(u64s(1000000007)).toBe("1000000007");
    expect(u64s(9999999999999999999)).toBe("9999999999999999999");
    expect(u64s(u64.MAX_VALUE)).toBe("18446744073709551615");
    expect(text(kput_u32(at, at + 64, 0))).toBe("0");
    expect(text(kput_u32(at, at + 64, 999999999))).toBe("999999999");
    expect(text(kput_u32(at, at + 64, u32.MAX_VALUE))).toBe("4294967295");
    expect(i64s(-1)).toBe("-1");
    expect(i64s(i64.MAX_VALUE)).toBe("9223372036854775807");
    expect(i64s(i64.MIN_VALUE)).toBe("-9223372036854775808");
  });

  it("agree with the standard library for every power of ten and two", () => {
    let p: u64 = 1;
    for (let i = 0; i < 20; i++, p *= 10) {
      assert(u64s(p) == p.toString() && u64s(p - 1) == (p - 1).toString(), p.toString());
    }
    for (let i = 0; i < 64; i++) assert(u64s(<u64>1 << <u64>i) == (<u64>1 << <u64>i).toString(), i.toString());
    expect(u64s(p)).toBe(p.toString());
  });

  it("are hexadecimal of as many digits as asked", () => {
    expect(text(kput_hex(at, at + 64, 0xdeadbeef, 8))).toBe("deadbeef");
    expect(text(kput_hex(at, at + 64, 0xab, 4))).toBe("00ab");
    expect(text(kput_hex(at, at + 64, u64.MAX_VALUE, 16))).toBe("ffffffffffffffff");
    expect(text(kput_hex(at, at + 64, 0x12345, 2))).toBe("45");
  });
});

describe("writers", () => {
  it("stop at the end and write nothing behind it", () => {
    for (let room = 0; room < 12; room++) {
      memory.fill(at, 0x2e, 128);
      const end = at + <usize>room;
      let p = kput_str(at, end, "ab");
      p = kput_i64(p, end, -1234);
      p = kput_char(p, end, 33);
      p = kput_hex(p, end, 0xff, 2);
      p = kput_u32(p, end, 7);
      p = kput_bytes(p, end, at + 64, 3);
      expect(p <= end).toBe(true);
      expect(text(p)).toBe("ab-1234!ff7..".substring(0, room));
      expect(load<u8>(end)).toBe(0x2e);
    }
  });

  it("copy bytes as they are", () => {
    for (let i = 0; i < 10; i++) store<u8>(at + 64 + i, <u8>(250 + i));
    expect(kput_bytes(at, at + 64, at + 64, 10)).toBe(at + 10);
    expect(kbytes_eq(at, at + 64, 10)).toBe(true);
    store<u8>(at + 9, 1);
    expect(kbytes_eq(at, at + 64, 10)).toBe(false);
    expect(kbytes_eq(at, at + 64, 9)).toBe(true);
    expect(kbytes_eq(at, at + 64, 0)).toBe(true);
  });
});

describe("comparison with a literal", () => {
  it("wants the whole of it", () => {
    kput_str(at, at + 64, "tmpfs");
    expect(kstr_eq(at, 5, "tmpfs")).toBe(true);
    expect(kstr_eq(at, 4, "tmpfs")).toBe(false);
    expect(kstr_eq(at, 5, "tmpft")).toBe(false);
    expect(kstr_eq(at, 5, "tmpf")).toBe(false);
    expect(kstr_eq(at, 0, "")).toBe(true);
    expect(kstr_eq(at, -1, "")).toBe(false);
  });
});

describe("kparse_u64", () => {
  it("takes digits and nothing else", () => {
    expect(parse("0")).toBe(0);
    expect(parse("007")).toBe(7);
    expect(parse("1234567890")).toBe(1234567890);
    expect(parse("")).toBe(-1);
    expect(parse("-1")).toBe(-1);
    expect(parse("+1")).toBe(-1);
    expect(parse(" 1")).toBe(-1);
    expect(parse("1 ")).toBe(-1);
    expect(parse("12a")).toBe(-1);
    expect(parse("0x10")).toBe(-1);
    expect(kparse_u64(at, -5)).toBe(-1);
  });

  it("goes to 2^53 and no further, however it is written", () => {
    expect(parse("9007199254740992")).toBe(9007199254740992);
    expect(parse("9007199254740993")).toBe(-1);
    expect(parse("9999999999999999")).toBe(-1);
    expect(parse("18446744073709551616")).toBe(-1);
    expect(parse("99999999999999999999999999999999999999999")).toBe(-1);
    expect(parse("00000000000000000000000000000042")).toBe(42);
  });
});

describe("useracc", () => {
  it("holds a pointer and a length against memory", () => {
    const end = <usize>memory.size() << 16;
    expect(useracc(0, 0)).toBe(true);
    expect(useracc(0, <i32>end)).toBe(true);
    expect(useracc(1, <i32>end)).toBe(false);
    expect(useracc(end, 0)).toBe(true);
    expect(useracc(end, 1)).toBe(false);
    expect(useracc(end - 1, 1)).toBe(true);
    expect(useracc(0xffffffff, 0)).toBe(false);
    expect(useracc(0xffffffff, 1)).toBe(false, "no wrapping around");
    expect(useracc(0x80000000, 0x7fffffff)).toBe(false);
    expect(useracc(16, -1)).toBe(false);
    expect(useracc(16, i32.MIN_VALUE)).toBe(false);
  });
});
