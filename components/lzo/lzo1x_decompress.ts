/**
 * LZO1X decoder: entry points, and the half of it that checks everything.
 *
 * Problem: decode any LZO1X block (1X-1, 1X-1(11), 1X-1(12), 1X-1(15), 1X-999:
 * one format, several compressors) or lzo-rle block from an untrusted source,
 * without one access outside the two buffers, and fail with the same code and
 * the same output as the reference's safe decoder does.
 *
 * Two halves share a cursor:
 *
 *      lzo1x_fast()      while far from both ends      no error possible
 *      careful()         one instruction               every check, in order
 *
 * The careful half's rules, found by black-box tests against liblzo2 2.10:
 *  - 3 bytes of input must be ahead of every instruction (the end marker is 3
 *    bytes long), hence also after every run of literals;
 *  - a literal run checks room in the output first, then input;
 *  - a match checks its distance first, then room in the output; its trailing
 *    literals come after the match has been written.
 *
 * lzo-rle (bitstream version 1): a stream of 5 bytes or more whose first byte
 * is 17 carries its version in the second byte.  In version 1 the 0001 form
 * with H = 1 and D all ones is a run of zeros, and one byte X follows:
 *
 *      00011LLL  111111SS  11111111  XXXXXXXX    (X << 3 | L) + 4 zeros
 *
 * It is told apart from a long copy (L = 0, extension) before the extension is
 * looked at: encoders avoid the copies that would look like one.
 *
 * Cost: see tests/bench/lzo.bench.ts; the work is in the fast half.
 */

import { Copy } from "./lzo_copy";
import { Lzo1xCursor, STATE_MATCH, STATE_RUN } from "./lzo1x_cursor";
import { lzo1x_fast } from "./lzo1x_fast";
import {
  LZO_E_ERROR, LZO_E_INPUT_NOT_CONSUMED, LZO_E_INPUT_OVERRUN, LZO_E_LOOKBEHIND_OVERRUN,
  LZO_E_OUTPUT_OVERRUN,
} from "./lzo.abi";

/** Input demanded ahead of every instruction. */
const AHEAD: u32 = 3;
/** Lengths stop growing here: more than any buffer holds. */
const LEN_MAX: u32 = 0x80000000;
/** Longest buffer, so that a length always fits a positive i32. */
const BUF_MAX: u32 = 0x7fffffff;
/** What one careful step says beside an error: go on, or the end was found. */
const GO_ON: i32 = 1;
const AT_END: i32 = 0;
/** The first byte's special values: see facts in the file comment. */
const FIRST_VERSION: u32 = 17;

/** The decoder's cursor; no call leaves anything in it for the next. */
const cursor: usize = memory.data(offsetof<Lzo1xCursor>(), 16);

/** Where a decoder stopped, whatever its result (`res` of the entry points). */
@unmanaged
export class LzoResult {
  /** Bytes of input used. */
  consumed: u32;
  /** Bytes of output written. */
  produced: u32;
}

/**
 * Decode one LZO1X block (version 0 only: exactly what liblzo2 accepts).
 * @param src, srclen  the block, its end marker included
 * @param dst, dstcap  room for the output; nothing beyond it is written
 * @param res          LzoResult to fill, or 0
 * @returns bytes of output, or LZO_E_*
 */
export function lzo1x_decompress_safe(src: usize, srclen: u32, dst: usize, dstcap: u32, res: usize): i32 {
  return decompress(src, srclen, dst, dstcap, res, false);
}

/**
 * Decode one block that may be lzo-rle: reads version 1 and version 0 streams.
 * Parameters and result as lzo1x_decompress_safe().
 */
export function lzorle_decompress_safe(src: usize, srclen: u32, dst: usize, dstcap: u32, res: usize): i32 {
  return decompress(src, srclen, dst, dstcap, res, true);
}

function decompress(src: usize, srclen: u32, dst: usize, dstcap: u32, res: usize, versions: bool): i32 {
  if (srclen > BUF_MAX || dstcap > BUF_MAX) return LZO_E_ERROR;
  const c = changetype<Lzo1xCursor>(cursor);
  c.ip = src;
  c.ip_end = src + srclen;
  c.op = dst;
  c.dst = dst;
  c.op_end = dst + dstcap;
  c.state = STATE_MATCH;
  c.version = 0;
  let r = first(c, versions);
  while (r == GO_ON) {
    lzo1x_fast(c);
    r = careful(c);
  }
  assert(c.op >= dst && c.op <= dst + dstcap, "lzo: output cursor left its buffer");
  assert(c.ip >= src && c.ip <= src + srclen, "lzo: input cursor left its buffer");
  if (res != 0) {
    const out = changetype<LzoResult>(res);
    out.consumed = <u32>(c.ip - src);
    out.produced = <u32>(c.op - dst);
  }
  if (r == AT_END) return c.ip == c.ip_end ? <i32>(c.op - dst) : LZO_E_INPUT_NOT_CONSUMED;
  return r;
}

/** The first byte has meanings of its own: the version, or a literal run. */
function first(c: Lzo1xCursor, versions: bool): i32 {
  const left = <u32>(c.ip_end - c.ip);
  if (left == 0) return LZO_E_INPUT_OVERRUN;
  if (versions && left >= 5 && load<u8>(c.ip) == FIRST_VERSION) {
    c.version = load<u8>(c.ip, 1);
    if (c.version > 1) return LZO_E_ERROR;
    c.ip += 2;
  }
  const t: u32 = load<u8>(c.ip);
  if (t <= FIRST_VERSION) return GO_ON;
  c.ip += 1;
  return literals(c, t - FIRST_VERSION, min<u32>(t - FIRST_VERSION, STATE_RUN));
}

/** Copy n literals and enter `state`; 3 bytes of input must remain after. */
function literals(c: Lzo1xCursor, n: u32, state: u32): i32 {
  if (n > <u32>(c.op_end - c.op)) return LZO_E_OUTPUT_OVERRUN;
  const left = <u32>(c.ip_end - c.ip);
  if (n > left || left - n < AHEAD) return LZO_E_INPUT_OVERRUN;
  memory.copy(c.op, c.ip, n);
  c.op += n;
  c.ip += n;
  c.state = state;
  return GO_ON;
}

/** A match, then its trailing literals. */
function match(c: Lzo1xCursor, dist: u32, n: u32, trailing: u32): i32 {
  if (dist > <u32>(c.op - c.dst)) return LZO_E_LOOKBEHIND_OVERRUN;
  if (n > <u32>(c.op_end - c.op)) return LZO_E_OUTPUT_OVERRUN;
  Copy.exact_match(c.op, dist, n);
  c.op += n;
  return literals(c, trailing, trailing);
}

/** A run of zeros (version 1), then its trailing literals. */
function zeros(c: Lzo1xCursor, n: u32, trailing: u32): i32 {
  if (n > <u32>(c.op_end - c.op)) return LZO_E_OUTPUT_OVERRUN;
  memory.fill(c.op, 0, n);
  c.op += n;
  return literals(c, trailing, trailing);
}

/**
 * Length of an instruction: its bits, or base + extension when they are 0.
 * Moves c.ip over the extension.
 * @returns the length, or 0 when the input ends in it
 */
function length(c: Lzo1xCursor, bits: u32, base: u32): u32 {
  if (bits != 0) return bits;
  let n = base;
  while (c.ip != c.ip_end) {
    const b: u32 = load<u8>(c.ip);
    c.ip += 1;
    if (b != 0) return min<u32>(n + b, LEN_MAX);
    n = min<u32>(n + 255, LEN_MAX);
  }
  return 0;
}

/** Decode one instruction with every check. */
function careful(c: Lzo1xCursor): i32 {
  if (<u32>(c.ip_end - c.ip) < AHEAD) return LZO_E_INPUT_OVERRUN;
  const t: u32 = load<u8>(c.ip);
  if (t >= 16 && t < 64) return long_match(c, t);
  if (t < 16 && c.state == STATE_MATCH) {
    c.ip += 1;
    const n = length(c, t, 15);
    return n == 0 ? LZO_E_INPUT_OVERRUN : literals(c, n + 3, STATE_RUN);
  }
  const h: u32 = load<u8>(c.ip, 1);
  c.ip += 2;
  if (t >= 64) return match(c, 1 + ((t >> 2) & 7) + (h << 3), (t >> 5) + 1, t & 3);
  if (c.state == STATE_RUN) return match(c, 2049 + (t >> 2) + (h << 2), 3, t & 3);
  return match(c, 1 + (t >> 2) + (h << 2), 2, t & 3);
}

/** The 001 and 0001 forms: 16-bit distance, length perhaps extended. */
function long_match(c: Lzo1xCursor, t: u32): i32 {
  if (c.version != 0 && (t & 0xf8) == 0x18 && load<u16>(c.ip, 1) >= 0xfffc) {
    if (<u32>(c.ip_end - c.ip) < 4) return LZO_E_INPUT_OVERRUN;
    const n: u32 = (((<u32>load<u8>(c.ip, 3)) << 3) | (t & 7)) + 4;
    const trailing: u32 = load<u8>(c.ip, 1) & 3;
    c.ip += 4;
    return zeros(c, n, trailing);
  }
  c.ip += 1;
  const n = t >= 32 ? length(c, t & 31, 31) : length(c, t & 7, 7);
  if (n == 0 || <u32>(c.ip_end - c.ip) < 2) return LZO_E_INPUT_OVERRUN;
  const w: u32 = load<u16>(c.ip);
  c.ip += 2;
  if (t >= 32) return match(c, (w >> 2) + 1, n + 2, w & 3);
  const dist: u32 = 16384 + ((t & 8) << 11) + (w >> 2);
  if (dist == 16384) return AT_END;
  return match(c, dist, n + 2, w & 3);
}
