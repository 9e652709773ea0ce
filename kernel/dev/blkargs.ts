/**
 * Words of a command: "attach rd0 size=64M level=1", taken apart in place.
 *
 *      text   a t t a c h · r d 0 · s i z e = 6 4 M
 *                          └ a_word ┘     └ a_val ┘      the current word, and what is behind its "="
 *
 * The control plane of block devices is text both ways, as with RapidDisk's management file: any
 * client can write it, and what is printed can be read by people. Cost does not matter here.
 */
import { EINVAL } from "../abi/errno";
import { kstr_eq } from "../kern/kstring";

@unmanaged
export class Args {
  a_at: usize;
  a_end: usize;
  /** The current word. */
  a_word: usize;
  a_wordlen: i32;
  /** What follows its "=": set by arg_key. */
  a_val: usize;
  a_vallen: i32;
}

export const ARGS_SIZE: u32 = 24;

/** Begin with the n bytes of text at `text`. */
export function args_init(a: Args, text: usize, n: i32): void {
  a.a_at = text;
  a.a_end = text + n;
  a.a_word = text;
  a.a_wordlen = 0;
}

/** On to the next word; false at the end. */
export function arg_next(a: Args): bool {
  let at = a.a_at;
  while (at < a.a_end && load<u8>(at) <= 32) at++;
  a.a_word = at;
  while (at < a.a_end && load<u8>(at) > 32) at++;
  a.a_wordlen = <i32>(at - a.a_word);
  a.a_at = at;
  return a.a_wordlen > 0;
}

/** Is the word `s`? */
export function arg_is(a: Args, s: string): bool {
  return kstr_eq(a.a_word, a.a_wordlen, s);
}

/** Is the word `key=…`? Then its value is the current one. */
export function arg_key(a: Args, key: string): bool {
  const n = key.length;
  if (a.a_wordlen <= n || load<u8>(a.a_word + n) != 0x3d || !kstr_eq(a.a_word, n, key)) return false;
  a.a_val = a.a_word + n + 1;
  a.a_vallen = a.a_wordlen - n - 1;
  return true;
}

/** Bits to shift for a unit letter: K, M, G, T; -1 for anything else. */
function unit_shift(c: i32): i32 {
  const upper = c & ~0x20;
  if (upper == 0x4b) return 10;
  if (upper == 0x4d) return 20;
  if (upper == 0x47) return 30;
  return upper == 0x54 ? 40 : -1;
}

/** The value as a number, perhaps with K, M, G or T behind it (powers of 1024); -EINVAL if it is none. */
export function arg_number(a: Args): i64 {
  let v: i64 = 0;
  let n = a.a_vallen;
  let shift = 0;
  if (n > 1 && unit_shift(load<u8>(a.a_val + n - 1)) >= 0) {
    n--;
    shift = unit_shift(load<u8>(a.a_val + n));
  }
  if (n <= 0 || n > 15) return -EINVAL;
  for (let i = 0; i < n; i++) {
    const digit = <i32>load<u8>(a.a_val + i) - 48;
    if (digit < 0 || digit > 9) return -EINVAL;
    v = v * 10 + digit;
  }
  if (shift > 0 && v >> (62 - shift) != 0) return -EINVAL;
  return v << shift;
}

/** Is the value `s`? */
export function arg_value_is(a: Args, s: string): bool {
  return kstr_eq(a.a_val, a.a_vallen, s);
}
