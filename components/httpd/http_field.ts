/**
 * Field lines: syntax, the fields the server acts on, and the rules of framing (RFC 9110 §5, §7.6,
 * §10.1; RFC 9112 §5, §6).
 *
 *      field-line = field-name ":" OWS field-value OWS
 *
 * Every line is checked; a dozen names are recognised by length and then letter by letter, and the
 * place of their value is noted. What decides where the message ends (Content-Length,
 * Transfer-Encoding) is judged here and nowhere else, strictly: two servers that disagree about it
 * are what request smuggling is made of.
 */
import { C_TCHAR, C_VALUE, is_char, is_word, span_char } from "./http_char";
import * as q from "./http_req";
import { HttpReq, http_has, http_note, http_repeated } from "./http_req";
import { http_authority } from "./http_target";

const SP: u8 = 32;
const HTAB: u8 = 9;
const COMMA: u8 = 44;
const SEMICOLON: u8 = 59;

/** One field line of `n` > 0 octets at offset `at`, without its CRLF. 0 or minus a status. */
export function http_field(r: HttpReq, base: usize, at: u32, n: u32): i32 {
  const p = base + at;
  const len = <i32>n;
  const name = span_char(p, len, C_TCHAR);
  // Also caught here: a folded line, and white space before the colon.
  if (name == 0 || name == len || load<u8>(p + name) != 58) return -400;
  let from = name + 1;
  let to = len;
  while (from < to && is_ows(load<u8>(p + from))) from++;
  while (to > from && is_ows(load<u8>(p + to - 1))) to--;
  if (!value_ok(p + from, to - from)) return -400;
  const id = field_id(p, name);
  if (id < 0) return 0;
  http_note(r, id, at + from, to - from);
  return field_act(r, id, p + from, to - from);
}

function is_ows(c: u8): bool {
  return c == SP || c == HTAB;
}

/** No control character but HTAB: eight octets at a time while there is none at all. */
function value_ok(p: usize, n: i32): bool {
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const x = load<u64>(p + i);
    const low = (x - 0x2020202020202020) & ~x;
    const y = x ^ 0x7f7f7f7f7f7f7f7f;
    const del = (y - 0x0101010101010101) & ~y;
    if (((low | del) & 0x8080808080808080) != 0) break;
  }
  for (; i < n; i++) {
    if (!is_char(load<u8>(p + i), C_VALUE)) return false;
  }
  return true;
}

/** Which of the fields F_* `n` octets at `p` name; -1 for all others. */
export function field_id(p: usize, n: i32): i32 {
  switch (n) {
    case 4:
      return is_word(p, n, "host") ? q.F_HOST : -1;
    case 5:
      return is_word(p, n, "range") ? q.F_RANGE : -1;
    case 6:
      if (is_word(p, n, "accept")) return q.F_ACCEPT;
      return is_word(p, n, "expect") ? q.F_EXPECT : -1;
    case 8:
      if (is_word(p, n, "if-range")) return q.F_IF_RANGE;
      return is_word(p, n, "if-match") ? q.F_IF_MATCH : -1;
    case 10:
      return is_word(p, n, "connection") ? q.F_CONNECTION : -1;
    case 13:
      return is_word(p, n, "if-none-match") ? q.F_IF_NONE_MATCH : -1;
    case 14:
      return is_word(p, n, "content-length") ? q.F_CONTENT_LENGTH : -1;
    case 17:
      if (is_word(p, n, "transfer-encoding")) return q.F_TRANSFER_ENCODING;
      return is_word(p, n, "if-modified-since") ? q.F_IF_MODIFIED_SINCE : -1;
    case 19:
      return is_word(p, n, "if-unmodified-since") ? q.F_IF_UNMODIFIED_SINCE : -1;
    default:
      return -1;
  }
}

/** What field `id` with value `n` octets at `p` means for the message as a whole. */
function field_act(r: HttpReq, id: i32, p: usize, n: i32): i32 {
  switch (id) {
    case q.F_HOST:
      return http_repeated(r, id) || !http_authority(p, n) ? -400 : 0;
    case q.F_CONTENT_LENGTH:
      return http_repeated(r, id) ? -400 : field_length(r, p, n);
    case q.F_TRANSFER_ENCODING:
      return http_repeated(r, id) ? -400 : field_coding(r, p, n);
    case q.F_CONNECTION:
      field_connection(r, p, n);
      return 0;
    case q.F_EXPECT:
      r.hr_flags |= !http_repeated(r, id) && is_word(p, n, "100-continue") ? q.HR_EXPECT_100 : q.HR_EXPECT_BAD;
      return 0;
    default:
      return 0;
  }
}

/** Content-Length = 1*DIGIT. More than 18 digits would not fit and is no length of ours: 413. */
function field_length(r: HttpReq, p: usize, n: i32): i32 {
  if (n == 0) return -400;
  let v: i64 = 0;
  for (let i = 0; i < n; i++) {
    const d = <i32>load<u8>(p + i) - 48;
    if (<u32>d > 9) return -400;
    if (i < 18) v = v * 10 + d;
  }
  r.hr_length = v;
  return n > 18 ? -413 : 0;
}

/**
 * Transfer-Encoding: chunked must be last and once (RFC 9112 §6.3: otherwise the end cannot be told,
 * 400); other codings before it are known to HTTP but not to us (501).
 */
function field_coding(r: HttpReq, p: usize, n: i32): i32 {
  let at = 0;
  let chunked = false;
  while (at <= n) {
    let end = at;
    while (end < n && load<u8>(p + end) != COMMA) end++;
    let from = at;
    let to = end;
    while (from < to && is_ows(load<u8>(p + from))) from++;
    while (to > from && is_ows(load<u8>(p + to - 1))) to--;
    const name = span_char(p + from, to - from, C_TCHAR);
    if (name == 0 || chunked) return -400;
    if (name == to - from && is_word(p + from, name, "chunked")) {
      chunked = true;
    } else {
      const c = from + name < to ? load<u8>(p + from + name) : SEMICOLON;
      if (c != SEMICOLON && !is_ows(c)) return -400;
      r.hr_flags |= q.HR_TE_OTHER;
    }
    at = end + 1;
  }
  if (!chunked) return -400;
  r.hr_flags |= q.HR_CHUNKED;
  return 0;
}

/** Connection: a list of tokens; what we do not know, we need not. */
function field_connection(r: HttpReq, p: usize, n: i32): void {
  let at = 0;
  while (at < n) {
    const len = span_char(p + at, n - at, C_TCHAR);
    if (len == 0) {
      at++;
      continue;
    }
    if (is_word(p + at, len, "close")) r.hr_flags |= q.HR_CLOSE;
    else if (is_word(p + at, len, "keep-alive")) r.hr_flags |= q.HR_KEEPALIVE;
    at += len;
  }
}

/** The head is complete: what can only be said of all its fields together. 0 or minus a status. */
export function http_fields_check(r: HttpReq): i32 {
  if (r.hr_minor >= 1 && !http_has(r, q.F_HOST)) return -400;
  if (http_has(r, q.F_TRANSFER_ENCODING)) {
    if (http_has(r, q.F_CONTENT_LENGTH) || r.hr_minor == 0) return -400;
    if ((r.hr_flags & q.HR_TE_OTHER) != 0) return -501;
  }
  // Expectations are of HTTP/1.1 (RFC 9110 §10.1.1).
  if (r.hr_minor == 0) r.hr_flags &= ~(q.HR_EXPECT_100 | q.HR_EXPECT_BAD);
  return 0;
}

/**
 * The next line of field `id`: `from` is 0 for the first, then what the last call answered. Offset
 * and length of its value (with the white space around it) go to the two words at `out`. 0 when
 * there is none left. For the rare lists that come on several lines (RFC 9110 §5.3); the head must
 * be complete.
 */
export function http_next(r: HttpReq, base: usize, id: i32, from: u32, out: usize): u32 {
  let at = from == 0 ? r.hr_fields : from;
  while (at + 2 < r.hr_headlen) {
    let end = at;
    while (load<u8>(base + end) != 13) end++;
    const p = base + at;
    const name = span_char(p, <i32>(end - at), C_TCHAR);
    if (field_id(p, name) == id) {
      store<u32>(out, at + name + 1);
      store<u32>(out, end - at - name - 1, 4);
      return end + 2;
    }
    at = end + 2;
  }
  return 0;
}
