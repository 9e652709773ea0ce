/**
 * Bytes and text without allocation.
 *
 * Text in the image is bytes in memory; `string` values are compile-time literals (UTF-16 data
 * segments) and only ever read. A Kbuf-style cursor is not needed: each writer takes the place to
 * write to and answers the place after it, so calls chain: `at = kput_str(at, end, "x")`. Writers stop
 * at `end`, never beyond it.
 */

/** Write literal `s` (ASCII) at `at`, not beyond `end`; the address after it. */
export function kput_str(at: usize, end: usize, s: string): usize {
  const n = s.length;
  for (let i = 0; i < n && at < end; i++) store<u8>(at++, <u8>s.charCodeAt(i));
  return at;
}

/** Write `len` bytes from `ptr`. */
export function kput_bytes(at: usize, end: usize, ptr: usize, len: usize): usize {
  const n = min(len, end - at);
  memory.copy(at, ptr, n);
  return at + n;
}

export function kput_char(at: usize, end: usize, c: i32): usize {
  if (at < end) store<u8>(at++, <u8>c);
  return at;
}

/** Decimal, unsigned. */
export function kput_u64(at: usize, end: usize, v: u64): usize {
  let div: u64 = 1;
  while (v / div >= 10) div *= 10;
  for (; div > 0 && at < end; div /= 10) store<u8>(at++, <u8>(48 + ((v / div) % 10)));
  return at;
}

export function kput_u32(at: usize, end: usize, v: u32): usize {
  let div: u32 = 1;
  while (v / div >= 10) div *= 10;
  for (; div > 0 && at < end; div /= 10) store<u8>(at++, <u8>(48 + ((v / div) % 10)));
  return at;
}

/** Decimal, signed. */
export function kput_i64(at: usize, end: usize, v: i64): usize {
  if (v < 0) {
    at = kput_char(at, end, 45);
    return kput_u64(at, end, <u64>(0 - v));
  }
  return kput_u64(at, end, <u64>v);
}

/** Hexadecimal, lower case, `digits` wide. */
export function kput_hex(at: usize, end: usize, v: u64, digits: i32): usize {
  for (let i = digits - 1; i >= 0; i--) {
    const d = <i32>((v >> (<u64>i << 2)) & 15);
    at = kput_char(at, end, d < 10 ? 48 + d : 87 + d);
  }
  return at;
}

/** Do the `len` bytes at `ptr` spell `s` (ASCII)? */
export function kstr_eq(ptr: usize, len: i32, s: string): bool {
  if (s.length != len) return false;
  for (let i = 0; i < len; i++) {
    if (<i32>load<u8>(ptr + i) != s.charCodeAt(i)) return false;
  }
  return true;
}

/** Are two runs of bytes equal? */
export function kbytes_eq(a: usize, b: usize, len: usize): bool {
  return memory.compare(a, b, len) == 0;
}

/** Decimal number in the `len` bytes at `ptr`; -1 if it is not one, or over 2^53. */
export function kparse_u64(ptr: usize, len: i32): i64 {
  if (len <= 0) return -1;
  let v: i64 = 0;
  for (let i = 0; i < len; i++) {
    const d = <i32>load<u8>(ptr + i) - 48;
    if (d < 0 || d > 9) return -1;
    v = v * 10 + d;
    if (v > 1 << 53) return -1;
  }
  return v;
}

/** Do `len` bytes at `ptr` lie within linear memory? For pointers that come from outside: else EFAULT. */
export function useracc(ptr: usize, len: i32): bool {
  if (len < 0) return false;
  return <u64>ptr + <u64>len <= <u64>memory.size() << 16;
}
