/**
 * Conditional requests (RFC 9110 §13): is the client's copy still good, is the state what it thinks?
 *
 *      If-Match ────────── no match ──► 412        evaluated in this order (§13.2.2);
 *      If-Unmodified-Since (if no If-Match) ─► 412     If-Range is separate: it only decides
 *      If-None-Match ───── match ─────► 304            whether Range counts
 *      If-Modified-Since (if no If-None-Match) ─► 304
 *
 * Entity tags of ours are strong. If-Match and If-Range compare strongly (a weak tag matches
 * nothing), If-None-Match weakly. Lists may come on several lines. Pure: it sees the request, one tag
 * and one date.
 */
import * as q from "./http_req";
import { HttpReq, http_has, http_repeated, http_value_len, http_value_off } from "./http_req";
import { http_date_parse } from "./http_date";
import { http_next } from "./http_field";

/** What the selected representation is, for comparison. */
@unmanaged
export class Validator {
  /** The entity tag with its quotes. */
  v_etag: usize;
  v_etaglen: i32;
  /** Seconds of Last-Modified, and now. */
  v_mtime: i64;
  v_now: i64;
}

const QUOTE: u8 = 34;

/**
 * Does one tag of the list of `n` octets at `p` equal the validator's? "*" equals any. A list that
 * is malformed matches nothing from there on.
 */
export function etag_in(v: Validator, p: usize, n: i32, strong: bool): bool {
  let i = 0;
  while (i < n) {
    const c = load<u8>(p + i);
    if (c == 32 || c == 9 || c == 44) {
      i++;
      continue;
    }
    if (c == 42) return true;
    const weak = c == 87 && i + 2 < n && load<u8>(p + i + 1) == 47;
    if (weak) i += 2;
    if (load<u8>(p + i) != QUOTE) return false;
    let end = i + 1;
    while (end < n && load<u8>(p + end) != QUOTE) end++;
    if (end >= n) return false;
    const len = end + 1 - i;
    if (!(weak && strong) && len == v.v_etaglen && memory.compare(p + i, v.v_etag, len) == 0) return true;
    i = end + 1;
  }
  return false;
}

/** As etag_in, over every line of field `id`. */
function field_matches(v: Validator, r: HttpReq, base: usize, id: i32, strong: bool): bool {
  if (!http_repeated(r, id)) return etag_in(v, base + http_value_off(r, id), http_value_len(r, id), strong);
  const out = memory.data(8);
  let at: u32 = 0;
  while ((at = http_next(r, base, id, at, out)) != 0) {
    if (etag_in(v, base + load<u32>(out), load<i32>(out, 4), strong)) return true;
  }
  return false;
}

/** Seconds of the date in field `id`; -1 if it is absent, repeated or no date: then it is ignored. */
function field_date(v: Validator, r: HttpReq, base: usize, id: i32): i64 {
  if (!http_has(r, id) || http_repeated(r, id)) return -1;
  return http_date_parse(base + http_value_off(r, id), http_value_len(r, id), v.v_now);
}

/** Evaluate the preconditions of a GET or HEAD: 0 to go on, 304 or 412. */
export function http_precondition(v: Validator, r: HttpReq, base: usize): i32 {
  if (http_has(r, q.F_IF_MATCH)) {
    if (!field_matches(v, r, base, q.F_IF_MATCH, true)) return 412;
  } else {
    const since = field_date(v, r, base, q.F_IF_UNMODIFIED_SINCE);
    if (since >= 0 && v.v_mtime > since) return 412;
  }
  if (http_has(r, q.F_IF_NONE_MATCH)) {
    return field_matches(v, r, base, q.F_IF_NONE_MATCH, false) ? 304 : 0;
  }
  const since = field_date(v, r, base, q.F_IF_MODIFIED_SINCE);
  return since >= 0 && v.v_mtime <= since ? 304 : 0;
}

/**
 * Does Range count, as If-Range has it (§13.1.5)? Yes without If-Range; with a tag if it is ours,
 * strongly; with a date if it is exactly Last-Modified and that is a strong validator: the file has
 * not changed in the second that now is.
 */
export function http_if_range(v: Validator, r: HttpReq, base: usize): bool {
  if (!http_has(r, q.F_IF_RANGE)) return true;
  if (http_repeated(r, q.F_IF_RANGE)) return false;
  const p = base + http_value_off(r, q.F_IF_RANGE);
  const n = http_value_len(r, q.F_IF_RANGE);
  if (n > 0 && (load<u8>(p) == QUOTE || (load<u8>(p) == 87 && n > 1 && load<u8>(p + 1) == 47))) {
    return n == v.v_etaglen && memory.compare(p, v.v_etag, n) == 0;
  }
  return http_date_parse(p, n, v.v_now) == v.v_mtime && v.v_mtime < v.v_now;
}
