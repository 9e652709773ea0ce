/**
 * Words of commands about routes and rules: the cursor, and what a word can be.
 *
 *      "10.1.0.0/16"  "default"  "main"  "0x10"  "virt0"
 *
 * One command is under way at a time, so the cursor is state of the module. Control path.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kparse_u64, kput_char, kput_str, kput_u32, kstr_eq } from "../../kernel/kern/kstring";
import { if_find } from "../../kernel/net/ifnet";
import { kparse_ipv4, kput_ipv4, ktext_next, ktext_trim, ktext_word } from "../../kernel/net/in_text";
import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from "../../kernel/net/route";

/** The command under way: what is left of it; the word taken last; what prefix_word found. */
@unmanaged
export class RouteText {
  p: usize;
  n: i32;
  word: usize;
  len: i32;
  addr: u32;
  prefixlen: i32;
}

let rtx: RouteText = changetype<RouteText>(0);

export function text_boot(): void {
  rtx = changetype<RouteText>(kmem_alloc(offsetof<RouteText>(), 8, "route"));
}

/** Begin with the `n` bytes at `p`. */
export function text_begin(p: usize, n: i32): void {
  rtx.p = p;
  rtx.n = ktext_trim(p, n);
}

/** Nothing is left. */
export function text_done(): bool {
  return rtx.n == 0;
}

/** Take the next word; false at the end. */
export function word_take(): bool {
  const k = ktext_word(rtx.p, rtx.n);
  rtx.word = rtx.p;
  rtx.len = k;
  const skip = ktext_next(rtx.p, rtx.n, k);
  rtx.p += skip;
  rtx.n -= skip;
  return k > 0;
}

/** Is the word taken last `s`? */
export function word_is(s: string): bool {
  return kstr_eq(rtx.word, rtx.len, s);
}

/** Take the next word if it is `s`. */
export function word_accept(s: string): bool {
  if (!kstr_eq(rtx.p, ktext_word(rtx.p, rtx.n), s)) return false;
  word_take();
  return true;
}

/** The word taken last as an IPv4 address, or -1. */
export function word_ipv4(): i64 {
  return kparse_ipv4(rtx.word, rtx.len);
}

/** The next word, taken only if it is an IPv4 address; that, or -1. */
export function word_accept_ipv4(): i64 {
  const a = kparse_ipv4(rtx.p, ktext_word(rtx.p, rtx.n));
  if (a >= 0) word_take();
  return a;
}

/** The word taken last as a number, decimal or 0x…, of at most 32 bits; or -1. */
export function word_number(): i64 {
  return parse_number(rtx.word, rtx.len);
}

function parse_number(p: usize, n: i32): i64 {
  let v: i64 = -1;
  if (n > 2 && load<u8>(p) == 48 && (load<u8>(p, 1) | 32) == 120) {
    v = 0;
    for (let i = 2; i < n; i++) {
      const c = <i32>load<u8>(p + i) | 32;
      const d = c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 102 ? c - 87 : -1;
      if (d < 0 || n > 10) return -1;
      v = v << 4 | d;
    }
  } else v = kparse_u64(p, n);
  return v <= 0xffffffff ? v : -1;
}

/** The word taken last, "N" or "N/MASK": the number, the mask through text_mask(); -1 if it is neither. */
export function word_masked(): i64 {
  let k = 0;
  while (k < rtx.len && load<u8>(rtx.word + k) != 47) k++;
  const v = parse_number(rtx.word, k);
  const mask = k < rtx.len ? parse_number(rtx.word + k + 1, rtx.len - k - 1) : 0xffffffff;
  rtx.addr = <u32>mask;
  return mask < 0 ? -1 : v;
}

/** What word_masked found behind the stroke. */
export function text_mask(): u32 {
  return rtx.addr;
}

/** The index of the interface named by the word taken last, or 0. */
export function word_interface(): i32 {
  const ifp = if_find(rtx.word, rtx.len);
  return changetype<usize>(ifp) == 0 ? 0 : <i32>ifp.if_index;
}

/** The number of the table that the word taken last names, or 0. */
export function word_table(): i32 {
  if (word_is("main")) return RT_TABLE_MAIN;
  if (word_is("local")) return RT_TABLE_LOCAL;
  if (word_is("default")) return RT_TABLE_DEFAULT;
  const n = word_number();
  return n > 0 && n <= 0x7fffffff ? <i32>n : 0;
}

/** Is the word taken last a prefix: "default", "all", "a.b.c.d" or "a.b.c.d/len"? Then text_addr(), text_prefixlen(). */
export function word_prefix(): bool {
  rtx.addr = 0;
  rtx.prefixlen = 0;
  if (word_is("default") || word_is("all") || word_is("any")) return true;
  let k = 0;
  while (k < rtx.len && load<u8>(rtx.word + k) != 47) k++;
  const len = k < rtx.len ? kparse_u64(rtx.word + k + 1, rtx.len - k - 1) : 32;
  const addr = kparse_ipv4(rtx.word, k);
  if (addr < 0 || len < 0 || len > 32) return false;
  rtx.addr = <u32>addr;
  rtx.prefixlen = <i32>len;
  return true;
}

export function text_addr(): u32 {
  return rtx.addr;
}

export function text_prefixlen(): i32 {
  return rtx.prefixlen;
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────

/** A table's name, or number. */
export function kput_table(at: usize, end: usize, id: i32): usize {
  if (id == RT_TABLE_MAIN) return kput_str(at, end, "main");
  if (id == RT_TABLE_LOCAL) return kput_str(at, end, "local");
  if (id == RT_TABLE_DEFAULT) return kput_str(at, end, "default");
  return kput_u32(at, end, id);
}

/** "a.b.c.d/len" */
export function kput_prefix(at: usize, end: usize, addr: u32, len: i32): usize {
  return kput_u32(kput_char(kput_ipv4(at, end, addr), end, 47), end, len);
}
