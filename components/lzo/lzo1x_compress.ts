/**
 * LZO1X-1 compressor.
 *
 * Problem: find repeats fast; one look per position is the budget.
 *
 * Method: a hash table of positions, indexed by a hash of the 4 bytes there.
 * Table entries are 16 bits: the position modulo 64 KiB.  The distance back is
 * then (here - entry) mod 64 KiB, so one table serves input of any length, as
 * a sliding window, with no reset between chunks; a stale or wrapped entry
 * gives a wrong candidate at worst, and candidates are compared anyway.
 *
 *      here ──hash of 4 bytes──► table[h] ──► candidate = here - ((here - e) & 0xffff)
 *                                  ▲ here           same 4 bytes? within 48 KiB?
 *                                                   then extend by 8 bytes a turn
 *
 * Where nothing is found for a while the step grows by one for every 32 bytes
 * of literals, so that incompressible input costs little.
 *
 * The table has 2^bits entries (16 KiB at most), fewer for short input: it is
 * cleared at each call, and that cost shall stay small beside the work.
 * Output is a function of the input alone.
 *
 * Worst case output: n + n/16 + 64 + 3 bytes is what callers of LZO reserve;
 * this one needs less (n + n/255 + 16).  Less room is fine: the result is
 * then LZO_E_OUTPUT_OVERRUN as soon as the output would not fit, which is how
 * a store for compressed blocks says "not worth it".
 */

import { COPY_SLACK } from "./lzo_copy";
import { LZO_S_BACK, LzoEmit, M4_MAX_DIST } from "./lzo_emit";
import { LZO_E_ERROR, LZO_E_OUTPUT_OVERRUN } from "./lzo.abi";

/** Bytes of work memory that every compressor here wants. */
export const LZO1X_1_MEM_COMPRESS: u32 = 16384;

/** Log2 of the entries of the largest and of the smallest table. */
const BITS_MAX: u32 = 13;
const BITS_MIN: u32 = 8;
/** No match starts in the last bytes, so that probes and wild copies stay inside. */
export const LZO1X_TAIL: u32 = COPY_SLACK;
/** Bytes of the end marker. */
const END_SIZE: u32 = 3;
/** Longest input, so that lengths fit a positive i32. */
const BUF_MAX: u32 = 0x7e000000;
/** Log2 of the literals that add one to the step. */
const SKIP_SHIFT: u32 = 5;

export class Lzo1xProbe {
  /** Table offset (in bytes) for the 4 bytes v. */
  @inline
  static slot(v: u32, shift: u32): usize {
    return <usize>(((v * 0x9e3779b1) >> shift) << 1);
  }

  /**
   * Clear a table that suits n >= 2 bytes of input.
   * @returns the shift that brings a 32-bit hash to its size
   */
  static clear(table: usize, n: u32): u32 {
    const bits = min<u32>(max<u32>(32 - clz<u32>(n - 1), BITS_MIN), BITS_MAX);
    memory.fill(table, 0, (<usize>2) << bits);
    return 32 - bits;
  }

  /** Bytes equal at a and b, b's end being `end`; 4 are known to be. */
  @inline
  static extend(a: usize, b: usize, end: usize): u32 {
    const from = b;
    a += 4;
    b += 4;
    while (b + 8 <= end) {
      const x = load<u64>(a) ^ load<u64>(b);
      if (x != 0) return <u32>(b - from) + (<u32>ctz<u64>(x) >> 3);
      a += 8;
      b += 8;
    }
    while (b < end && load<u8>(a) == load<u8>(b)) {
      a++;
      b++;
    }
    return <u32>(b - from);
  }
}

/**
 * Look for the next repeat, from ip on.
 * A candidate never lies before src: an entry is a position already passed, or
 * 0 for the block's first byte; so the load needs no check of its own, and the
 * rarely true comparison comes first.
 * @param anchor  where the current literals began: sets the step
 * @returns its position | its distance << 32, or 0 at `last`
 */
export function lzo1x_find(ip: usize, last: usize, anchor: usize, src: usize, wrkmem: usize, shift: u32): u64 {
  while (ip < last) {
    const v = load<u32>(ip);
    const slot = wrkmem + Lzo1xProbe.slot(v, shift);
    const here = <u32>(ip - src);
    const dist: u32 = (here - load<u16>(slot)) & 0xffff;
    store<u16>(slot, here);
    if (load<u32>(ip - dist) == v) {
      if (dist - 1 < M4_MAX_DIST) return <u64>ip | ((<u64>dist) << 32);
    }
    ip += 1 + ((ip - anchor) >> SKIP_SHIFT);
  }
  return 0;
}

/**
 * Compress srclen bytes to one LZO1X block.
 * @param src, srclen  input
 * @param dst, dstcap  room for the block; nothing beyond it is written
 * @param wrkmem       LZO1X_1_MEM_COMPRESS bytes, 2-byte aligned, contents free
 * @returns bytes of the block, or LZO_E_OUTPUT_OVERRUN, LZO_E_ERROR
 */
export function lzo1x_1_compress(src: usize, srclen: u32, dst: usize, dstcap: u32, wrkmem: usize): i32 {
  if (srclen > BUF_MAX || dstcap > BUF_MAX) return LZO_E_ERROR;
  const dst_end = dst + dstcap;
  const src_end = src + srclen;
  let op = dst;
  let anchor = src;
  if (srclen > LZO1X_TAIL) {
    const shift = Lzo1xProbe.clear(wrkmem, srclen);
    const last = src_end - LZO1X_TAIL;
    let ip = src + 1;
    for (;;) {
      const found = lzo1x_find(ip, last, anchor, src, wrkmem, shift);
      if (found == 0) break;
      ip = <usize>found & 0xffffffff;
      const dist = <u32>(found >> 32);
      const len = Lzo1xProbe.extend(ip - dist, ip, src_end);
      const lits = <u32>(ip - anchor);
      if (LzoEmit.room(lits, len) > <u32>(dst_end - op)) return LZO_E_OUTPUT_OVERRUN;
      op = LzoEmit.literals(op, anchor, lits, op == dst);
      op = LzoEmit.match(op, dist, len);
      ip += len;
      anchor = ip;
    }
  }
  return lzo1x_finish(op, dst, dst, dst_end, anchor, src_end, LZO_S_BACK);
}

/**
 * The literals that are left, byte exact at both ends, and the end marker.
 * @param begin  where the first instruction goes (dst, or behind a version)
 * @param back   how far behind op the S bits of the last instruction are
 * @returns length of the block, or LZO_E_OUTPUT_OVERRUN
 */
export function lzo1x_finish(
  op: usize, dst: usize, begin: usize, dst_end: usize, anchor: usize, src_end: usize, back: u32,
): i32 {
  const n = <u32>(src_end - anchor);
  if (n + LzoEmit.run_room(n) + END_SIZE > <u32>(dst_end - op)) return LZO_E_OUTPUT_OVERRUN;
  if (n != 0) {
    if (n <= 3 && op != begin) store<u8>(op - back, load<u8>(op - back) | n);
    else op = LzoEmit.run(op, n, op == begin);
    memory.copy(op, anchor, n);
    op += n;
  }
  op = LzoEmit.end(op);
  assert(op <= dst_end, "lzo: block longer than its room");
  return <i32>(op - dst);
}
