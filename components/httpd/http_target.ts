/**
 * Request targets and authorities (RFC 9112 §3.2, RFC 3986 §3.2).
 *
 *      origin-form      /path?query                   all methods but CONNECT
 *      absolute-form    http://host:port/path?query   as a proxy would be asked; must be accepted
 *      authority-form   host:port                     CONNECT only
 *      asterisk-form    *                             OPTIONS only
 *
 * Where the path lies is noted, and whether it is plain: most are, and then its octets as they came
 * are the name of the file (HR_PATH_ODD otherwise; http_uri.ts then decodes it).
 */
import { C_HEX, C_HOST, C_TARGET, is_char, is_word } from "./http_char";
import * as q from "./http_req";
import { HttpReq } from "./http_req";

const SLASH: u8 = 47;
const QUESTION: u8 = 63;
const PERCENT: u8 = 37;
const DOT: u8 = 46;
const COLON: u8 = 58;

/** Read the target that parse_line has located. 0 or minus a status. */
export function http_target(r: HttpReq, base: usize): i32 {
  const p = base + r.hr_target;
  const n = <i32>r.hr_targetlen;
  if (r.hr_method == q.M_CONNECT) {
    r.hr_form = q.FORM_AUTHORITY;
    return http_authority(p, n) && n > 0 ? 0 : -400;
  }
  if (load<u8>(p) == SLASH) {
    r.hr_form = q.FORM_ORIGIN;
    return target_path(r, base, r.hr_target, n);
  }
  if (n == 1 && load<u8>(p) == 42) {
    r.hr_form = q.FORM_ASTERISK;
    return r.hr_method == q.M_OPTIONS ? 0 : -400;
  }
  return target_absolute(r, base, n);
}

/** http://authority/path or https://…; the authority wins over Host (RFC 9112 §3.2.2). */
function target_absolute(r: HttpReq, base: usize, n: i32): i32 {
  const p = base + r.hr_target;
  let skip = 0;
  if (n > 7 && is_word(p, 7, "http://")) skip = 7;
  else if (n > 8 && is_word(p, 8, "https://")) skip = 8;
  else return -400;
  let end = skip;
  while (end < n && load<u8>(p + end) != SLASH && load<u8>(p + end) != QUESTION) end++;
  if (end == skip || !http_authority(p + skip, end - skip)) return -400;
  r.hr_form = q.FORM_ABSOLUTE;
  return target_path(r, base, r.hr_target + end, n - end);
}

/** Path and query, `n` octets at offset `at`. An empty path (absolute-form only) means "/". */
function target_path(r: HttpReq, base: usize, at: u32, n: i32): i32 {
  const p = base + at;
  let odd = n == 0 || load<u8>(p) != SLASH;
  let i = 0;
  let last: u8 = 0;
  for (; i < n; i++) {
    const c = load<u8>(p + i);
    if (c == QUESTION) break;
    if (!is_char(c, C_TARGET)) return -400;
    if (c == PERCENT || (last == SLASH && (c == SLASH || c == DOT))) odd = true;
    last = c;
  }
  r.hr_path = at;
  r.hr_pathlen = i;
  if (odd) r.hr_flags |= q.HR_PATH_ODD;
  for (; i < n; i++) {
    if (!is_char(load<u8>(p + i), C_TARGET)) return -400;
  }
  return 0;
}

/**
 * Are the `n` octets at `p` host [ ":" port ], as Host and the authority of a target have it? Without
 * userinfo, which RFC 9110 §4.2.4 forbids. An empty host is one (RFC 9112 §3.2).
 */
export function http_authority(p: usize, n: i32): bool {
  let i = 0;
  if (n > 0 && load<u8>(p) == 91) {
    i = ip_literal(p, n);
    if (i == 0) return false;
  } else {
    while (i < n && is_char(load<u8>(p + i), C_HOST)) {
      if (load<u8>(p + i) == PERCENT) {
        if (i + 2 >= n || !is_char(load<u8>(p + i + 1), C_HEX) || !is_char(load<u8>(p + i + 2), C_HEX)) return false;
        i += 2;
      }
      i++;
    }
  }
  if (i == n) return true;
  if (load<u8>(p + i) != COLON) return false;
  let port = 0;
  for (i++; i < n; i++) {
    const d = <i32>load<u8>(p + i) - 48;
    if (<u32>d > 9) return false;
    port = port * 10 + d;
    if (port > 65535) return false;
  }
  return true;
}

/** "[" IPv6address or IPvFuture "]": the octets it takes, 0 if it is malformed. */
function ip_literal(p: usize, n: i32): i32 {
  for (let i = 1; i < n; i++) {
    const c = load<u8>(p + i);
    if (c == 93) return i > 2 ? i + 1 : 0;
    if (!is_char(c, C_HEX) && c != COLON && c != DOT) return 0;
  }
  return 0;
}
