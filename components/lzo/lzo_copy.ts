/**
 * Copies for the LZO1X coder: the inner loops, in units of 8 bytes.
 *
 * A match may overlap its own output (distance < length): the result is then
 * the last `distance` bytes repeated.  Three cases, by distance:
 *
 *      >= 16    two u64 per turn, source always complete
 *      8 .. 15  one u64 per turn, source always complete
 *      1 .. 7   the period is spread over one u64 (v), and v is stored at
 *               steps of the largest multiple of the period <= 8:
 *
 *               period 3:  v = abcabcab   op+0 abcabcab
 *                          step 6         op+6       abcabcab
 *
 * The "wild" functions overshoot: they may write up to COPY_SLACK bytes past
 * the end of what was asked for.  The caller proves that this room is there;
 * every one of them states it.  Cost: 16 bytes a turn, no branch on length
 * below 16 bytes but the loop's own.
 */

/** Bytes a wild copy may write (or, for literals, read) past its end. */
export const COPY_SLACK: u32 = 16;

/** From here on memory.copy/fill (a call in every engine) beats the loop. */
const LONG_COPY: u32 = 192;

export class Copy {
  /**
   * Literals: `n` bytes from `s` to `d`, buffers apart.
   * Reads and writes up to COPY_SLACK bytes more.
   */
  @inline
  static wild(d: usize, s: usize, n: u32): void {
    if (n > LONG_COPY) {
      memory.copy(d, s, n);
    } else {
      const end = d + n;
      do {
        store<u64>(d, load<u64>(s));
        store<u64>(d, load<u64>(s, 8), 8);
        d += 16;
        s += 16;
      } while (d < end);
    }
  }

  /**
   * A match: `n` bytes at `op` from `dist` >= 1 bytes back.
   * Writes up to COPY_SLACK bytes more; reads nothing past that either.
   */
  @inline
  static wild_match(op: usize, dist: u32, n: u32): void {
    let m = op - dist;
    const end = op + n;
    if (dist >= 16) {
      if (n > LONG_COPY && dist >= n) {
        memory.copy(op, m, n);
      } else {
        do {
          store<u64>(op, load<u64>(m));
          store<u64>(op, load<u64>(m, 8), 8);
          op += 16;
          m += 16;
        } while (op < end);
      }
    } else if (dist >= 8) {
      do {
        store<u64>(op, load<u64>(m));
        op += 8;
        m += 8;
      } while (op < end);
    } else {
      Copy.spread(op, m, dist, end, n);
    }
  }

  /** A match with distance 1..7: repeat the period (see above). */
  @inline
  static spread(op: usize, m: usize, dist: u32, end: usize, n: u32): void {
    if (n > LONG_COPY && dist == 1) {
      memory.fill(op, load<u8>(m), n);
      return;
    }
    const v = Copy.period(load<u64>(m), dist);
    const step: u32 = 8 - (8 % dist);
    do {
      store<u64>(op, v);
      op += step;
    } while (op < end);
  }

  /** The low `dist` (1..7) bytes of v repeated over 8 bytes. */
  @inline
  static period(v: u64, dist: u32): u64 {
    let bits: u64 = dist << 3;
    v &= ((<u64>1) << bits) - 1;
    v |= v << bits;
    bits += bits;
    if (bits < 64) {
      v |= v << bits;
      bits += bits;
      if (bits < 64) v |= v << bits;
    }
    return v;
  }

  /** A match without slack: exactly `n` bytes are written, any overlap. */
  static exact_match(op: usize, dist: u32, n: u32): void {
    const m = op - dist;
    if (dist >= n) {
      memory.copy(op, m, n);
      return;
    }
    for (let i: u32 = 0; i < n; i++) store<u8>(op + i, load<u8>(m + i));
  }
}
