/**
 * Range: bytes=… (RFC 9110 §14).
 *
 *      bytes=0-499, 9500-9999, -500        →   [first, length] [first, length] …   of the size given
 *
 * Each spec is cut to the size; those wholly beyond the end are dropped, and if none is left the
 * answer is 416. Ranges that overlap or touch are joined where the earlier one was asked for, so that
 * a request cannot make the server send the same octets over and over (§17.15). What is malformed, is
 * in another unit, or asks for more than RANGES_MAX parts is as if it had not come: 200 and the whole.
 */

/** Most ranges in one request. */
export const RANGES_MAX: i32 = 16;
/** A RangeSet entry: first i64, length i64. */
export const RANGE_SIZE: usize = 16;

export const RANGES_IGNORE: i32 = -1;

export function range_first(set: usize, i: i32): i64 {
  return load<i64>(set + <usize>i * RANGE_SIZE);
}

export function range_length(set: usize, i: i32): i64 {
  return load<i64>(set + <usize>i * RANGE_SIZE, 8);
}

function range_store(set: usize, i: i32, first: i64, len: i64): void {
  store<i64>(set + <usize>i * RANGE_SIZE, first);
  store<i64>(set + <usize>i * RANGE_SIZE, len, 8);
}

/** Digits from `p` to `end`: how many there are; their value (cut at 2^62) goes to `out`. */
function number(p: usize, end: usize, out: usize): i32 {
  let v: i64 = 0;
  let i = 0;
  while (p + i < end) {
    const d = <i32>load<u8>(p + i) - 48;
    if (<u32>d > 9) break;
    v = v < 400_000_000_000_000_000 ? v * 10 + d : v;
    i++;
  }
  store<i64>(out, v);
  return i;
}

function skip_ows(p: usize, end: usize): usize {
  while (p < end && (load<u8>(p) == 32 || load<u8>(p) == 9)) p++;
  return p;
}

/**
 * Read the value of a Range field, `n` octets at `p`, for a representation of `size` octets. The
 * ranges to send go to `set` (RANGES_MAX entries, and one more of room to work in). Their number, 0
 * if none can be satisfied (416), or RANGES_IGNORE.
 */
export function http_ranges(p: usize, n: i32, size: i64, set: usize): i32 {
  const end = p + <usize>n;
  if (n < 8 || (load<u32>(p) | 0x20202020) != 0x65747962 || (load<u8>(p + 4) | 0x20) != 115) return RANGES_IGNORE;
  if (load<u8>(p + 5) != 61) return RANGES_IGNORE;
  const scratch = set + <usize>RANGES_MAX * RANGE_SIZE;
  let at = p + 6;
  let count = 0;
  let specs = 0;
  while (true) {
    at = skip_ows(at, end);
    if (at < end && load<u8>(at) != 44) {
      if (++specs > RANGES_MAX) return RANGES_IGNORE;
      at = range_spec(at, end, size, scratch);
      if (at == 0) return RANGES_IGNORE;
      const len = load<i64>(scratch, 8);
      if (len > 0) count = range_join(set, count, load<i64>(scratch), len);
      at = skip_ows(at, end);
    }
    if (at == end) break;
    if (load<u8>(at) != 44) return RANGES_IGNORE;
    at++;
  }
  return specs == 0 ? RANGES_IGNORE : count;
}

/** One range-spec at `p`: first and length (0: not satisfiable) to `out`. The place after it, 0 if malformed. */
function range_spec(p: usize, end: usize, size: i64, out: usize): usize {
  const nfirst = number(p, end, out);
  const first = load<i64>(out);
  let at = p + nfirst;
  if (at >= end || load<u8>(at) != 45) return 0;
  at++;
  const nlast = number(at, end, out);
  let last = load<i64>(out);
  at += nlast;
  if (nfirst == 0) {
    if (nlast == 0) return 0;
    const tail = min<i64>(last, size);
    range_store(out, 0, size - tail, tail);
    return at;
  }
  if (nlast == 0) last = size - 1;
  else if (last < first) return 0;
  const stop = min<i64>(last, size - 1);
  range_store(out, 0, first, first < size ? stop - first + 1 : 0);
  return at;
}

/** Add a range; it joins with all that overlap or touch it, in the place of the earliest. The new count. */
function range_join(set: usize, count: i32, first: i64, len: i64): i32 {
  let from = first;
  let to = first + len;
  let at = count;
  let i = 0;
  while (i < count) {
    const f = range_first(set, i);
    const t = f + range_length(set, i);
    if (from > t || f > to) {
      i++;
      continue;
    }
    from = min<i64>(from, f);
    to = max<i64>(to, t);
    if (i < at) at = i;
    count--;
    for (let j = i; j < count; j++) range_store(set, j, range_first(set, j + 1), range_length(set, j + 1));
    // What it grew into may touch one that it did not touch before.
    i = 0;
  }
  for (let j = count; j > at; j--) range_store(set, j, range_first(set, j - 1), range_length(set, j - 1));
  range_store(set, at, from, to - from);
  return count + 1;
}
