/**
 * Internet addresses as text, both ways (RFC 5952 for IPv6 on output, RFC 4291 §2.2 on input).
 *
 *      127.0.0.1      dotted quad, four decimal numbers, no leading zeros
 *      2001:db8::1    the longest run of two or more zero groups (the first, if equal) becomes ::
 *
 * Used for HTTPD_ADDR and the access log; a full parser (dotted quads in IPv6, zones) is not needed.
 */
import { kput_char, kput_hex, kput_str, kput_u32 } from "../../kernel/kern/kstring";

/** Write the four octets at `p`. */
export function in_put(at: usize, end: usize, p: usize): usize {
  for (let i = 0; i < 4; i++) {
    if (i > 0) at = kput_char(at, end, 46);
    at = kput_u32(at, end, load<u8>(p + i));
  }
  return at;
}

function group(p: usize, i: i32): u32 {
  return (<u32>load<u8>(p + 2 * i) << 8) | load<u8>(p + 2 * i + 1);
}

/** Write the sixteen octets at `p`; ::ffff:a.b.c.d as the IPv4 address that it maps. */
export function in6_put(at: usize, end: usize, p: usize): usize {
  if (load<u64>(p) == 0 && load<u32>(p + 8) == 0xffff0000) return in_put(at, end, p + 12);
  let best = -1;
  let bestlen = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && group(p, j) == 0) j++;
    if (j - i > bestlen) {
      best = i;
      bestlen = j - i;
    }
    if (j > i) i = j;
  }
  for (let i = 0; i < 8; i++) {
    if (i == best) {
      at = kput_str(at, end, "::");
      i += bestlen - 1;
      continue;
    }
    if (i > 0 && i != best + bestlen) at = kput_char(at, end, 58);
    const g = group(p, i);
    at = kput_hex(at, end, g, g < 0x10 ? 1 : g < 0x100 ? 2 : g < 0x1000 ? 3 : 4);
  }
  return at;
}

/** Read a dotted quad of `n` octets at `p` into the four at `out`; false if it is none. */
export function in_parse(p: usize, n: i32, out: usize): bool {
  let i = 0;
  for (let k = 0; k < 4; k++) {
    if (k > 0 && (i >= n || load<u8>(p + i++) != 46)) return false;
    let v = 0;
    let digits = 0;
    while (i < n && digits < 4) {
      const d = <i32>load<u8>(p + i) - 48;
      if (<u32>d > 9) break;
      if (digits > 0 && v == 0) return false;
      v = v * 10 + d;
      digits++;
      i++;
    }
    if (digits == 0 || v > 255) return false;
    store<u8>(out + k, <u8>v);
  }
  return i == n;
}

function hex_digit(c: u8): i32 {
  if (c >= 48 && c <= 57) return c - 48;
  const l = c | 0x20;
  return l >= 97 && l <= 102 ? l - 87 : -1;
}

/** Read an IPv6 address of `n` octets at `p` into the sixteen at `out`; false if it is none. */
export function in6_parse(p: usize, n: i32, out: usize): bool {
  memory.fill(out, 0, 16);
  let groups = 0;
  let gap = -1;
  let i = 0;
  if (n >= 2 && load<u16>(p) == 0x3a3a) {
    gap = 0;
    i = 2;
  }
  while (i < n) {
    if (groups == 8) return false;
    let v = 0;
    let digits = 0;
    while (i < n && digits < 5 && hex_digit(load<u8>(p + i)) >= 0) {
      v = (v << 4) | hex_digit(load<u8>(p + i++));
      digits++;
    }
    if (digits == 0 || digits > 4) return false;
    store<u8>(out + 2 * groups, <u8>(v >> 8));
    store<u8>(out + 2 * groups + 1, <u8>v);
    groups++;
    if (i == n) break;
    if (load<u8>(p + i++) != 58 || i == n) return false;
    if (load<u8>(p + i) == 58) {
      if (gap >= 0) return false;
      gap = groups;
      i++;
    }
  }
  if (gap < 0) return groups == 8;
  if (groups == 8) return false;
  // The groups behind the gap belong at the end.
  const tail = groups - gap;
  memory.copy(out + 16 - 2 * tail, out + 2 * gap, 2 * tail);
  memory.fill(out + 2 * gap, 0, 16 - 2 * groups);
  return true;
}
