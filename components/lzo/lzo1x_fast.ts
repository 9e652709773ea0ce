/**
 * LZO1X decoder, the fast half: everything that cannot go wrong.
 *
 * Far from both buffer ends an instruction needs no check but the look-behind
 * one: the longest short form reads FAST_IN bytes of input and writes FAST_OUT
 * bytes of output (wild copies included).  Forms with an extended length check
 * that length.  Whatever does not fit these assumptions (a bad distance, the
 * end marker, a long run near an end) is left untouched: the loop stops *at*
 * the instruction, and the careful half (lzo1x_decompress.ts) decodes it or
 * names the error.  So this file has no error codes at all.
 *
 *      opcode      operands   length       distance
 *      1LLDDDSS    H          5..8         (H << 3) + D + 1        <= 2 KiB
 *      01LDDDSS    H          3..4         (H << 3) + D + 1        <= 2 KiB
 *      001LLLLL    ext DDSS   2 + L|31+ext D + 1                   <= 16 KiB
 *      0001HLLL    ext DDSS   2 + L|7+ext  16384 + (H << 14) + D   <= 48 KiB
 *      0000LLLL    ext        literal run of 3 + L|15+ext     (state 0)
 *      0000DDSS    H          2            (H << 2) + D + 1   (state 1..3)
 *      0000DDSS    H          3            (H << 2) + D + 2049 (state 4)
 *
 * S literals (0..3) end every copy; S is the next state.
 * Cost: one opcode load, one data-dependent branch tree, two 8-byte moves per
 * typical instruction.
 */

import { Copy } from "./lzo_copy";
import { Lzo1xCursor, STATE_MATCH, STATE_RUN } from "./lzo1x_cursor";

/** Input the loop may touch per turn: opcode, LE16, or 18 literals by 16s. */
const FAST_IN: usize = 48;
/** Output it may touch per turn: a 33-byte copy, 3 literals, slack. */
const FAST_OUT: usize = 72;
/** More zero bytes than this in one length: leave it to the careful half. */
const MAX_ZEROS: u32 = 0x7fffff;

class Fast {
  /**
   * Read a length extension at ip: zero bytes count 255 each, then 1..255.
   * @returns its value | its bytes << 32, or 0 when it comes near `end` or is
   *          more than `room`
   */
  static extension(ip: usize, end: usize, room: u32): u64 {
    const from = ip;
    while (ip < end && load<u8>(ip) == 0) ip++;
    const zeros = <u32>(ip - from);
    if (ip >= end || zeros > MAX_ZEROS) return 0;
    const value = zeros * 255 + load<u8>(ip);
    return value > room ? 0 : <u64>value | ((<u64>zeros + 1) << 32);
  }

  /** Copy 3 bytes forward one by one: a distance of 1 repeats a byte. */
  @inline
  static three(op: usize, m: usize): void {
    store<u8>(op, load<u8>(m));
    store<u8>(op, load<u8>(m, 1), 1);
    store<u8>(op, load<u8>(m, 2), 2);
  }
}

/** Decode while both buffers are far from their ends; see the file comment. */
export function lzo1x_fast(c: Lzo1xCursor): void {
  if (c.ip_end - c.ip < FAST_IN || c.op_end - c.op < FAST_OUT) return;
  const ip_safe = c.ip_end - FAST_IN;
  const op_safe = c.op_end - FAST_OUT;
  const dst = c.dst;
  const rle = c.version != 0;
  let ip = c.ip, op = c.op, state = c.state;
  while (ip <= ip_safe && op <= op_safe) {
    const t: u32 = load<u8>(ip);
    if (t >= 64) {
      const dist: u32 = 1 + ((t >> 2) & 7) + ((<u32>load<u8>(ip, 1)) << 3);
      if (dist > <u32>(op - dst)) break;
      const v = load<u64>(op - dist);
      store<u64>(op, dist >= 8 ? v : Copy.period(v, dist));
      op += (t >> 5) + 1;
      ip += 2;
      state = t & 3;
    } else if (t >= 16) {
      const mask: u32 = t >= 32 ? 31 : 7;
      let len = t & mask, next = ip + 1;
      if (len == 0) {
        const x = Fast.extension(next, ip_safe, <u32>(op_safe - op));
        if (x == 0) break;
        len = mask + <u32>x;
        next += <usize>(x >> 32);
      }
      const w: u32 = load<u16>(next);
      let dist = (w >> 2) + 1;
      if (t < 32) {
        dist += 16383 + ((t & 8) << 11);
        if (dist == 16384 || (rle && (t & 8) != 0 && load<u16>(ip, 1) >= 0xfffc)) break;
      }
      if (dist > <u32>(op - dst)) break;
      Copy.wild_match(op, dist, len + 2);
      op += len + 2;
      ip = next + 2;
      state = w & 3;
    } else if (state == STATE_MATCH) {
      let n = t + 3, next = ip + 1;
      if (t == 0) {
        const x = Fast.extension(next, ip_safe, min<u32>(<u32>(op_safe - op), <u32>(ip_safe - next)));
        if (x == 0) break;
        n = 18 + <u32>x;
        next += <usize>(x >> 32);
      }
      Copy.wild(op, next, n);
      op += n;
      ip = next + n;
      state = STATE_RUN;
      continue;
    } else {
      const far: u32 = state >> 2; // 1 after a literal run
      const dist: u32 = 1 + (t >> 2) + ((<u32>load<u8>(ip, 1)) << 2) + (far << 11);
      if (dist > <u32>(op - dst)) break;
      Fast.three(op, op - dist);
      op += 2 + far;
      ip += 2;
      state = t & 3;
    }
    store<u32>(op, load<u32>(ip));
    op += state;
    ip += state;
  }
  c.ip = ip;
  c.op = op;
  c.state = state;
}
