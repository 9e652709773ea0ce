/**
 * Addresses as text, and the words of a command: what tables and controls of the net part (sysctl) share.
 *
 *      "add 10.1.0.0/16 10.0.0.2"  ── ktext_word ──▶ "add"  ── ktext_next ──▶ "10.1.0.0/16 10.0.0.2"
 *
 * IPv4 addresses are u32 as they lie in a packet (first byte lowest). Control path: nothing here is fast.
 */
import { kput_char, kput_hex, kput_u32 } from "../kern/kstring";

/** Write IPv4 address `a` at `at`, not beyond `end`; the address after it. */
export function kput_ipv4(at: usize, end: usize, a: u32): usize {
  for (let i = 0; i < 4; i++) {
    if (i > 0) at = kput_char(at, end, 46);
    at = kput_u32(at, end, (a >> (i << 3)) & 255);
  }
  return at;
}

/** Write the 6 bytes at `p` as an Ethernet address. */
export function kput_ether(at: usize, end: usize, p: usize): usize {
  for (let i = 0; i < 6; i++) {
    if (i > 0) at = kput_char(at, end, 58);
    at = kput_hex(at, end, load<u8>(p + i), 2);
  }
  return at;
}

/** The address spelt "a.b.c.d" by the `n` bytes at `p`; -1 if they do not. */
export function kparse_ipv4(p: usize, n: i32): i64 {
  let addr: u32 = 0;
  let part: u32 = 0;
  let digits = 0;
  let parts = 0;
  for (let i = 0; i <= n; i++) {
    const c = i < n ? <i32>load<u8>(p + i) : 46;
    if (c >= 48 && c <= 57) {
      part = part * 10 + <u32>(c - 48);
      if (++digits > 3 || part > 255) return -1;
      continue;
    }
    if (c != 46 || digits == 0 || parts == 4) return -1;
    addr |= part << (parts << 3);
    parts++;
    part = 0;
    digits = 0;
  }
  return parts == 4 ? <i64>addr : -1;
}

/** Write to `out` the 6 bytes of the address spelt "aa:bb:cc:dd:ee:ff" by the `n` bytes at `p`; false if they do not. */
export function kparse_ether(p: usize, n: i32, out: usize): bool {
  if (n != 17) return false;
  for (let i = 0; i < 17; i++) {
    const c = <i32>load<u8>(p + i);
    if (i % 3 == 2) {
      if (c != 58) return false;
      continue;
    }
    let d = c - 48;
    if (d < 0) return false;
    if (d > 9) d = (c | 32) - 87;
    if (d > 15 || (d < 10 && c > 57)) return false;
    const at = out + <usize>(i / 3);
    store<u8>(at, <u8>(i % 3 == 0 ? d << 4 : <i32>load<u8>(at) | d));
  }
  return true;
}

/** Bytes of the first word of the `n` bytes at `p`: up to a space or the end. */
export function ktext_word(p: usize, n: i32): i32 {
  let i = 0;
  while (i < n && load<u8>(p + i) != 32) i++;
  return i;
}

/** Bytes to skip from a word of `k` bytes to the next one; n if there is none. */
export function ktext_next(p: usize, n: i32, k: i32): i32 {
  while (k < n && load<u8>(p + k) == 32) k++;
  return k;
}

/** `n` without the spaces and line ends at the end of the `n` bytes at `p`. */
export function ktext_trim(p: usize, n: i32): i32 {
  while (n > 0 && load<u8>(p + n - 1) <= 32) n--;
  return n;
}
