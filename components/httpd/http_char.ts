/**
 * Which octets may stand where: one table for every grammar that HTTP needs.
 *
 *      bit 0  tchar              RFC 9110 §5.6.2   method, field name, tokens of lists
 *      bit 1  in a target        RFC 3986 §2       VCHAR but for " < > \ # ; | ^ ` { } are let through, as
 *                                                  browsers send them raw and no meaning hangs on them
 *      bit 2  in a field value   RFC 9110 §5.5     SP HTAB VCHAR obs-text: never NUL, CR, LF or another CTL
 *      bit 3  in a host name     RFC 3986 §3.2.2   unreserved sub-delims and %
 *      bit 4  hexadecimal digit
 *      bit 5  stays as it is in a path that we write (pchar and /), the rest is percent-encoded
 *
 * A test is two loads. The table is 256 bytes of static data.
 */
export const C_TCHAR: i32 = 1;
export const C_TARGET: i32 = 2;
export const C_VALUE: i32 = 4;
export const C_HOST: i32 = 8;
export const C_HEX: i32 = 16;
export const C_PATH: i32 = 32;

/** Rows of 16: 0x00 … 0xf0. */
// prettier-ignore
const http_ctype: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  4, 47, 4, 5, 47, 15, 47, 47, 46, 46, 47, 47, 46, 47, 47, 38,
  63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 38, 46, 4, 46, 4, 6,
  38, 63, 63, 63, 63, 63, 63, 47, 47, 47, 47, 47, 47, 47, 47, 47,
  47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 6, 4, 6, 7, 47,
  7, 63, 63, 63, 63, 63, 63, 47, 47, 47, 47, 47, 47, 47, 47, 47,
  47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 6, 7, 6, 47, 0,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
]);

/** Is octet `c` of class `mask`? */
export function is_char(c: u8, mask: i32): bool {
  return (<i32>load<u8>(http_ctype + c) & mask) != 0;
}

/** How many of the `len` octets at `ptr` are of class `mask`, counted from the first. */
export function span_char(ptr: usize, len: i32, mask: i32): i32 {
  let i = 0;
  while (i < len && (<i32>load<u8>(http_ctype + load<u8>(ptr + i)) & mask) != 0) i++;
  return i;
}

/** Value of hexadecimal digit `c`; -1 if it is none. */
export function hex_value(c: u8): i32 {
  if (c >= 48 && c <= 57) return c - 48;
  const l = c | 0x20;
  return l >= 97 && l <= 102 ? l - 87 : -1;
}

/** Do the `len` octets at `ptr` spell `s` (lower case letters, digits, `-`, `/`), without regard to case? */
export function is_word(ptr: usize, len: i32, s: string): bool {
  if (s.length != len) return false;
  for (let i = 0; i < len; i++) {
    let c = <i32>load<u8>(ptr + i);
    if (c >= 65 && c <= 90) c |= 0x20;
    if (c != s.charCodeAt(i)) return false;
  }
  return true;
}
