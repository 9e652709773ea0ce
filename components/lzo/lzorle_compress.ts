/**
 * lzo-rle compressor: LZO1X-1 with runs of zeros as an instruction.
 *
 * Memory pages are full of zeros; as matches they cost a byte per 255, here
 * 4 bytes per 2051 zeros, and both ends skip the search.  The stream begins
 * with 17 and the version, 1 (see lzo1x_decompress.ts for the format).
 *
 * A run is noticed when the search stops at a repeat whose 4 bytes are zero
 * (its second probe at the latest).  Runs below RUN_MIN stay ordinary matches.
 *
 * Two copies must not be written in version 1, they would read as runs:
 *  - distance 0xbfff at all;
 *  - an extended 0001 copy whose first three bytes look like a run's, that is
 *    (distance & 0x803f) == 0x803f with length 261..264: cut to 260.
 */

import { lzo1x_find, lzo1x_finish, Lzo1xProbe, LZO1X_TAIL } from "./lzo1x_compress";
import { LZO_S_BACK, LzoEmit, M4_MAX_DIST } from "./lzo_emit";
import { LZO_E_ERROR, LZO_E_OUTPUT_OVERRUN } from "./lzo.abi";

const VERSION_MARK: u16 = 17 | (1 << 8);
/** Shortest run worth its 4 bytes. */
const RUN_MIN: u32 = 32;
/** Longest run of one instruction: 11 bits + 4. */
const RUN_MAX: u32 = 2051;
const BUF_MAX: u32 = 0x7e000000;
/** The S bits of a run are in the third byte from its end. */
const RUN_BACK: u32 = 3;

/** Zeros from p on, up to end. */
function zeros_at(p: usize, end: usize): u32 {
  const from = p;
  while (p + 8 <= end) {
    const x = load<u64>(p);
    if (x != 0) return <u32>(p - from) + (<u32>ctz<u64>(x) >> 3);
    p += 8;
  }
  while (p < end && load<u8>(p) == 0) p++;
  return <u32>(p - from);
}

/** One run of 4..RUN_MAX zeros. */
function emit_run(op: usize, n: u32): usize {
  const x = n - 4;
  store<u32>(op, (0x18 | (x & 7)) | (0xfffc << 8) | ((x >> 3) << 24));
  return op + 4;
}

/** 1..3 literals behind a run: its S bits are one byte further back, X ends it. */
function emit_after_run(op: usize, from: usize, n: u32): usize {
  store<u8>(op - RUN_BACK, load<u8>(op - RUN_BACK) | n);
  store<u32>(op, load<u32>(from));
  return op + n;
}

/**
 * Length of a match that version 1 may write as it is.
 * @returns len, or a shorter length, or 0 when the match cannot be used
 */
function allowed(dist: u32, len: u32): u32 {
  if (dist == M4_MAX_DIST) return 0;
  if ((dist & 0x803f) == 0x803f && len >= 261 && len <= 264) return 260;
  return len;
}

/**
 * Compress srclen bytes to one lzo-rle block (bitstream version 1).
 * Parameters and result as lzo1x_1_compress().
 */
export function lzorle_1_compress(src: usize, srclen: u32, dst: usize, dstcap: u32, wrkmem: usize): i32 {
  if (srclen > BUF_MAX || dstcap > BUF_MAX) return LZO_E_ERROR;
  if (dstcap < 5) return LZO_E_OUTPUT_OVERRUN;
  const dst_end = dst + dstcap;
  const src_end = src + srclen;
  store<u16>(dst, VERSION_MARK);
  const begin = dst + 2;
  let op = begin;
  let anchor = src;
  let back = LZO_S_BACK;
  if (srclen > LZO1X_TAIL) {
    const shift = Lzo1xProbe.clear(wrkmem, srclen);
    const last = src_end - LZO1X_TAIL;
    let ip = src + 1;
    for (;;) {
      const found = lzo1x_find(ip, last, anchor, src, wrkmem, shift);
      if (found == 0) break;
      ip = <usize>found & 0xffffffff;
      const dist = <u32>(found >> 32);
      const run: u32 = load<u32>(ip) == 0 ? min<u32>(zeros_at(ip, src_end), RUN_MAX) : 0;
      const len = run >= RUN_MIN ? run : allowed(dist, Lzo1xProbe.extend(ip - dist, ip, src_end));
      if (len == 0) {
        ip += 1;
        continue;
      }
      const lits = <u32>(ip - anchor);
      if (LzoEmit.room(lits, len) > <u32>(dst_end - op)) return LZO_E_OUTPUT_OVERRUN;
      if (back == RUN_BACK && lits <= 3) op = emit_after_run(op, anchor, lits);
      else op = LzoEmit.literals(op, anchor, lits, op == begin);
      if (run >= RUN_MIN) {
        op = emit_run(op, len);
        back = RUN_BACK;
      } else {
        op = LzoEmit.match(op, dist, len);
        back = LZO_S_BACK;
      }
      ip += len;
      anchor = ip;
    }
  }
  return lzo1x_finish(op, dst, begin, dst_end, anchor, src_end, back);
}
