/**
 * The parser of request heads: line by line, resumable at any octet (RFC 9112 §2 to §5).
 *
 *      HS_LINE ── request line ──► HS_FIELDS ── field line, field line, … ── empty line ──► HS_DONE
 *
 * http_parse is called with what has come so far and looks at each octet at most twice, however the
 * head is cut up: once for the LF that ends its line (eight at a time), once when the line is read.
 * It is pure: memory in, a HttpReq out; nothing is copied and nothing else is touched.
 *
 * What is refused (the answer is then the status, and the connection is closed, for its framing can
 * no longer be trusted):
 *   400  a line that ends in a bare LF; a CR that is not part of CRLF; NUL or another control
 *        character; white space before the colon, at the start of a field line (obsolete folding) or
 *        doubled in the request line; Host missing in HTTP/1.1, repeated or malformed; Content-Length
 *        repeated or malformed, or together with Transfer-Encoding; Transfer-Encoding in HTTP/1.0,
 *        repeated, or without chunked at its end
 *   414  a request line over HTTP_LINE_MAX     431  a head over HTTP_HEAD_MAX, too many fields
 *   501  a transfer coding besides chunked     505  a major version other than 1
 * A few empty lines before the request line are skipped, as §2.2 asks.
 */
import { C_TCHAR, span_char } from "./http_char";
import { http_field, http_fields_check } from "./http_field";
import * as q from "./http_req";
import { HttpReq } from "./http_req";
import { http_target } from "./http_target";

const CR: u8 = 13;
const LF: u8 = 10;
const SP: u8 = 32;
/** CRLFs tolerated before a request line. */
const EMPTY_LINES_MAX: i32 = 4;
/** A method longer than this is not waited for. */
const METHOD_MAX: i32 = 32;

/** Offset of the first LF in [from, to) of `base`; `to` if there is none. */
export function find_lf(base: usize, from: u32, to: u32): u32 {
  let i = from;
  for (; i + 8 <= to; i += 8) {
    const x = load<u64>(base + i) ^ 0x0a0a0a0a0a0a0a0a;
    const hit = (x - 0x0101010101010101) & ~x & 0x8080808080808080;
    if (hit != 0) return i + <u32>(ctz(hit) >> 3);
  }
  while (i < to && load<u8>(base + i) != LF) i++;
  return i;
}

/**
 * Read on in the head whose first octet is at `base`, of which `len` octets are here (the same ones
 * as before and more). The head's length when it is complete, 0 if more is needed, or minus the
 * status to answer with.
 */
export function http_parse(r: HttpReq, base: usize, len: u32): i32 {
  assert(r.hr_state != q.HS_DONE && r.hr_at <= len, "http_parse: state");
  while (true) {
    const lf = find_lf(base, r.hr_scan, len);
    if (lf >= len) return parse_partial(r, base, len);
    r.hr_scan = lf + 1;
    const at = r.hr_at;
    if (lf == at || load<u8>(base + lf - 1) != CR) return -400;
    const n = lf - 1 - at;
    if (lf >= q.HTTP_HEAD_MAX) return r.hr_state == q.HS_LINE ? -414 : -431;
    let e: i32;
    if (r.hr_state == q.HS_LINE) {
      e = n == 0 ? parse_empty(r) : parse_line(r, base, at, n);
    } else if (n > 0) {
      e = ++r.hr_nlines > q.HTTP_FIELDS_MAX ? -431 : http_field(r, base, at, n);
    } else {
      r.hr_state = q.HS_DONE;
      r.hr_headlen = lf + 1;
      e = http_fields_check(r);
      return e < 0 ? e : <i32>(lf + 1);
    }
    if (e < 0) return e;
    r.hr_at = lf + 1;
  }
}

/** The line at hr_at is incomplete: is it worth waiting for the rest? 0, or minus a status. */
function parse_partial(r: HttpReq, base: usize, len: u32): i32 {
  r.hr_scan = len;
  const have = len - r.hr_at;
  if (r.hr_state == q.HS_FIELDS) return len >= q.HTTP_HEAD_MAX ? -431 : 0;
  if (have == 0) return 0;
  const p = base + r.hr_at;
  if (have == 1 && load<u8>(p) == CR) return 0;
  const m = span_char(p, <i32>min(have, <u32>METHOD_MAX), C_TCHAR);
  // Not HTTP at all (a TLS hello, say): no need to wait for a timeout.
  if (m == 0 || (m < METHOD_MAX && m < <i32>have && load<u8>(p + m) != SP)) return -400;
  if (m == METHOD_MAX) return -501;
  return have > q.HTTP_LINE_MAX || len >= q.HTTP_HEAD_MAX ? -414 : 0;
}

function parse_empty(r: HttpReq): i32 {
  return ++r.hr_nlines > EMPTY_LINES_MAX ? -400 : 0;
}

/** Request line: method SP target SP version, `n` octets at `at`. 0 or minus a status. */
function parse_line(r: HttpReq, base: usize, at: u32, n: u32): i32 {
  if (n > q.HTTP_LINE_MAX) return -414;
  const p = base + at;
  const m = span_char(p, <i32>n, C_TCHAR);
  if (m == 0 || <u32>m >= n || load<u8>(p + m) != SP) return -400;
  // " HTTP/1.1" is the end of the line; what is between is the target.
  if (n < <u32>m + 11 || load<u8>(p + n - 9) != SP) return -400;
  const e = parse_version(r, p + n - 8);
  if (e < 0) return e;
  r.hr_line = at;
  r.hr_linelen = n;
  r.hr_method = method_of(p, m);
  r.hr_target = at + m + 1;
  r.hr_targetlen = n - m - 10;
  r.hr_state = q.HS_FIELDS;
  r.hr_nlines = 0;
  r.hr_fields = at + n + 2;
  return http_target(r, base);
}

/** Eight octets "HTTP/1.x" at `p`. */
function parse_version(r: HttpReq, p: usize): i32 {
  // "HTTP/" is case-sensitive (RFC 9112 §2.3).
  if (load<u32>(p) != 0x50545448 || load<u8>(p + 4) != 47 || load<u8>(p + 6) != 46) return -400;
  const major = <i32>load<u8>(p + 5) - 48;
  const minor = <i32>load<u8>(p + 7) - 48;
  if (<u32>major > 9 || <u32>minor > 9) return -400;
  if (major != 1) return -505;
  r.hr_minor = minor == 0 ? 0 : 1;
  return 0;
}

/** Four octets as the number that a load of them gives. */
function four(a: u32, b: u32, c: u32, d: u32): u32 {
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** Methods are case-sensitive (RFC 9110 §9.1). */
function method_of(p: usize, n: i32): i32 {
  if (n < 3 || n > 7) return q.M_UNKNOWN;
  const w = load<u32>(p);
  switch (n) {
    case 3:
      if (w == four(71, 69, 84, 32)) return q.M_GET;
      return w == four(80, 85, 84, 32) ? q.M_PUT : q.M_UNKNOWN;
    case 4:
      if (w == four(72, 69, 65, 68)) return q.M_HEAD;
      return w == four(80, 79, 83, 84) ? q.M_POST : q.M_UNKNOWN;
    case 5:
      if (w == four(80, 65, 84, 67) && load<u8>(p + 4) == 72) return q.M_PATCH;
      return w == four(84, 82, 65, 67) && load<u8>(p + 4) == 69 ? q.M_TRACE : q.M_UNKNOWN;
    case 6:
      return w == four(68, 69, 76, 69) && load<u16>(p + 4) == 0x4554 ? q.M_DELETE : q.M_UNKNOWN;
    default:
      if (w == four(79, 80, 84, 73) && load<u32>(p + 3) == four(73, 79, 78, 83)) return q.M_OPTIONS;
      return w == four(67, 79, 78, 78) && load<u32>(p + 3) == four(78, 69, 67, 84) ? q.M_CONNECT : q.M_UNKNOWN;
  }
}
