/**
 * For the specs: literals as octets in memory, and back.
 *
 * Specs compare runs of octets with literals, so both directions are here once. `put` fills one fixed
 * buffer of 16 KiB from its start; `put_at` places text anywhere in it. Not part of an image.
 */

const PLACE: usize = memory.data(16384);

/** Where `put` writes. */
export function place(): usize {
  return PLACE;
}

/** Write `s` (each character one octet) at offset `off`; its length. */
export function put_at(off: i32, s: string): i32 {
  for (let i = 0; i < s.length; i++) store<u8>(PLACE + off + i, <u8>s.charCodeAt(i));
  return s.length;
}

/** Write `s` at the start; its length. */
export function put(s: string): i32 {
  return put_at(0, s);
}

/** Write `s` `times` over, from offset `off`; the offset after it. */
export function put_many(off: i32, s: string, times: i32): i32 {
  for (let i = 0; i < times; i++) off += put_at(off, s);
  return off;
}

/** Do the `n` octets at `p` spell `s`? */
export function spells(p: usize, n: i32, s: string): bool {
  if (n != s.length) return false;
  for (let i = 0; i < n; i++) {
    if (<i32>load<u8>(p + i) != (s.charCodeAt(i) & 0xff)) return false;
  }
  return true;
}
