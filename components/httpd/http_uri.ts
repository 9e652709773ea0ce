/**
 * From the path of a target to the name of a file, and back (RFC 3986 §2.1, §3.3, §5.2.4).
 *
 *      /a/%62/./c//../d%20e    →   /a/b/d e
 *
 * Segments are decoded first and judged afterwards, once, so no encoding hides anything:
 *   400  an incomplete %XX; a NUL or another control character; `..` that would leave the root
 *   404  an encoded slash (it would be a name with a slash in it, and no file has one); a name that
 *        starts with a dot, but for /.well-known (RFC 8615): what people hide stays hidden; a result
 *        longer than the room for it (no file has such a name either)
 * Empty segments and `.` go, `..` takes the segment before it along. The result starts with a slash
 * and has no segment that means anything but its name: nothing outside the root can be named.
 * Linear in the length of the path.
 */
import { C_PATH, hex_value, is_char } from "./http_char";

const SLASH: u8 = 47;
const DOT: u8 = 46;
const PERCENT: u8 = 37;

/** Decode one segment of `n` octets at `p` to `to` … `end`; its length or minus a status. */
function segment_decode(p: usize, n: i32, to: usize, end: usize): i32 {
  let at = to;
  for (let i = 0; i < n; i++) {
    let c = load<u8>(p + i);
    if (c == PERCENT) {
      if (i + 2 >= n) return -400;
      const hi = hex_value(load<u8>(p + i + 1));
      const lo = hex_value(load<u8>(p + i + 2));
      if ((hi | lo) < 0) return -400;
      c = <u8>((hi << 4) | lo);
      if (c == SLASH) return -404;
      i += 2;
    }
    if (c < 0x20 || c == 0x7f) return -400;
    if (at >= end) return -404;
    store<u8>(at++, c);
  }
  return <i32>(at - to);
}

/** May a file whose path segment is the `n` octets at `p` be served? `first`: directly below the root. */
function segment_hidden(p: usize, n: i32, first: bool): bool {
  if (n == 0 || load<u8>(p) != DOT) return false;
  // ".well-known"
  const known = n == 11 && load<u64>(p) == 0x6e6b2d6c6c65772e && load<u32>(p + 7) == 0x6e776f6e;
  return !(first && known);
}

/**
 * Decode and normalise the path of `n` octets at `p` into `dst`, at most `cap` octets. Its length,
 * at least 1, or minus a status. A slash at the end is kept: "/a/" and "/a/." are directories.
 */
export function http_path(p: usize, n: i32, dst: usize, cap: i32): i32 {
  const end = dst + <usize>cap;
  let at = dst;
  let i = n > 0 && load<u8>(p) == SLASH ? 1 : 0;
  store<u8>(at++, SLASH);
  // `at` stands behind a slash at the top of the loop.
  while (i < n) {
    let stop = i;
    while (stop < n && load<u8>(p + stop) != SLASH) stop++;
    const len = segment_decode(p + i, stop - i, at, end);
    if (len < 0) return len;
    i = stop + 1;
    const one = len == 1 && load<u8>(at) == DOT;
    if (len == 0 || one) continue;
    if (len == 2 && load<u16>(at) == 0x2e2e) {
      if (at == dst + 1) return -400;
      at--;
      while (load<u8>(at - 1) != SLASH) at--;
      continue;
    }
    if (segment_hidden(at, len, at == dst + 1)) return -404;
    at += len;
    if (stop < n) {
      if (at >= end) return -404;
      store<u8>(at++, SLASH);
    }
  }
  assert(at > dst && at <= end && load<u8>(dst) == SLASH, "http_path: result");
  return <i32>(at - dst);
}

/** Write path `p` of `n` octets at `at`, percent-encoded where it must be, not beyond `end`. */
export function http_path_encode(at: usize, end: usize, p: usize, n: i32): usize {
  for (let i = 0; i < n; i++) {
    const c = load<u8>(p + i);
    if (is_char(c, C_PATH)) {
      if (at < end) store<u8>(at++, c);
    } else if (at + 3 <= end) {
      store<u8>(at, PERCENT);
      store<u8>(at + 1, hex_digit(c >> 4));
      store<u8>(at + 2, hex_digit(c & 15));
      at += 3;
    }
  }
  return at;
}

function hex_digit(v: u8): u8 {
  return v < 10 ? 48 + v : 55 + v;
}

/** Write text `p` of `n` octets for an HTML page: & < > " ' as references. */
export function html_escape(at: usize, end: usize, p: usize, n: i32): usize {
  for (let i = 0; i < n; i++) {
    const c = load<u8>(p + i);
    const special = c == 38 || c == 60 || c == 62 || c == 34 || c == 39 || c < 0x20 || c == 0x7f;
    if (!special) {
      if (at < end) store<u8>(at++, c);
    } else if (at + 6 <= end) {
      // &#xHH;
      store<u32>(at, 0x00782326);
      store<u8>(at + 3, hex_digit(c >> 4));
      store<u8>(at + 4, hex_digit(c & 15));
      store<u8>(at + 5, 59);
      at += 6;
    }
  }
  return at;
}
