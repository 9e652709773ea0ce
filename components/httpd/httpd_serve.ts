/**
 * What a request asks for, and what it gets (RFC 9110).
 *
 *      method ─► path ─► file ─► preconditions ─► range ─► reply_…
 *       417
 *       501      400      301        304           206
 *       405      404      403 404    412           416
 *       204 OPTIONS       503
 *
 * Only the steps that a request's fields call for are taken: without conditional fields and Range the
 * way from the parsed head to the prepared answer is one look-up. Octets of the head at `base` are
 * read, never kept.
 */
import { kstr_eq } from "../../kernel/kern/kstring";
import { is_word } from "./http_char";
import { http_if_range, http_precondition } from "./http_cond";
import { RANGES_IGNORE, http_ranges } from "./http_range";
import * as q from "./http_req";
import { HttpReq, http_has, http_persistent, http_repeated, http_value_len, http_value_off } from "./http_req";
import { http_path } from "./http_uri";
import { FileEnt, file_lookup } from "./httpd_file";
import * as h from "./httpd_head";
import { reply_multi } from "./httpd_multi";
import * as reply from "./httpd_reply";
import { CF_CLOSE, Conn, PATH_ROOM, conn_req, hd } from "./httpd_state";
import { status_page } from "./httpd_status";

/** Fields that make a GET or HEAD more than a look-up. */
const SPECIAL: u32 = (1 << q.F_RANGE) | (1 << q.F_IF_MATCH) | (1 << q.F_IF_NONE_MATCH) |
  (1 << q.F_IF_MODIFIED_SINCE) | (1 << q.F_IF_UNMODIFIED_SINCE);

/** Would the request of `r` be refused whatever it names? The status, or 0. */
export function method_status(r: HttpReq): i32 {
  if (r.hr_method == q.M_GET || r.hr_method == q.M_HEAD || r.hr_method == q.M_OPTIONS) return 0;
  return r.hr_method == q.M_UNKNOWN ? 501 : 405;
}

/** Answer the request whose complete head is at `base`. */
export function serve(c: Conn, base: usize): void {
  const r = conn_req(c);
  assert(r.hr_state == q.HS_DONE, "serve: head");
  if (!http_persistent(r) || hd.draining != 0) c.c_flags |= CF_CLOSE;
  const refused = (r.hr_flags & q.HR_EXPECT_BAD) != 0 ? 417 : method_status(r);
  if (refused != 0) reply.reply_error(c, base, refused);
  else if (r.hr_method == q.M_OPTIONS) reply.reply_options(c, base);
  else serve_path(c, r, base);
}

/** From the path to the file. */
function serve_path(c: Conn, r: HttpReq, base: usize): void {
  let p = base + r.hr_path;
  let n = <i32>r.hr_pathlen;
  if ((r.hr_flags & q.HR_PATH_ODD) != 0) {
    n = http_path(p, n, hd.path, PATH_ROOM);
    p = hd.path;
  } else if (n > PATH_ROOM) {
    n = -404;
  }
  if (n < 0) {
    reply.reply_error(c, base, -n);
    return;
  }
  // "/_status": the first octets decide for nearly all.
  if (n >= 8 && load<u16>(p) == 0x5f2f && hd.status_on != 0 && serve_status(c, r, base, p, n)) return;
  const e = file_lookup(p, n);
  if (e > 0) serve_file(c, r, base, changetype<FileEnt>(<usize>e));
  else if (e == -301) reply.reply_slash(c, base, p, n);
  else reply.reply_error(c, base, -e);
}

/** The file, or what the conditions say. */
function serve_file(c: Conn, r: HttpReq, base: usize, fe: FileEnt): void {
  if ((r.hr_seen & SPECIAL) == 0) {
    reply.reply_file(c, base, fe);
    return;
  }
  const v = hd.validator;
  v.v_etag = fe.fe_buf + fe.fe_etagoff;
  v.v_etaglen = fe.fe_etaglen;
  v.v_mtime = fe.fe_mtime;
  v.v_now = hd.now_sec;
  const status = http_precondition(v, r, base);
  if (status == 304) {
    reply.reply_not_modified(c, base, fe);
    return;
  }
  if (status != 0) {
    reply.reply_error(c, base, status);
    return;
  }
  // Range is defined for GET alone (RFC 9110 §14.2); two of them are as none.
  const wants = r.hr_method == q.M_GET && http_has(r, q.F_RANGE) && !http_repeated(r, q.F_RANGE);
  if (!wants || !http_if_range(v, r, base) || !serve_ranges(c, r, base, fe)) reply.reply_file(c, base, fe);
}

/** Answer with the ranges asked for; false if the field is to be ignored. */
function serve_ranges(c: Conn, r: HttpReq, base: usize, fe: FileEnt): bool {
  const p = base + http_value_off(r, q.F_RANGE);
  const count = http_ranges(p, http_value_len(r, q.F_RANGE), fe.fe_size, hd.ranges);
  if (count == RANGES_IGNORE) return false;
  if (count == 0) reply.reply_error(c, base, 416, fe.fe_size);
  else if (count == 1) reply.reply_range(c, base, fe);
  else return reply_multi(c, base, fe, count);
  return true;
}

// ── the status page ──────────────────────────────────────────────────────────────────────────────

/** Does Accept ask for text/html by name, and not with q=0? */
function accepts_html(r: HttpReq, base: usize): bool {
  if (!http_has(r, q.F_ACCEPT)) return false;
  const p = base + http_value_off(r, q.F_ACCEPT);
  const n = http_value_len(r, q.F_ACCEPT);
  for (let i = 0; i + 9 <= n; i++) {
    if (!is_word(p + i, 9, "text/html")) continue;
    const rest = n - i - 9;
    const zero = rest >= 4 && is_word(p + i + 9, 4, ";q=0") && (rest == 4 || load<u8>(p + i + 13) != 46);
    return !zero;
  }
  return false;
}

/** Answer with the status page if that is what the path of `n` octets at `p` names. */
function serve_status(c: Conn, r: HttpReq, base: usize, p: usize, n: i32): bool {
  let json = true;
  if (kstr_eq(p, n, "/_status")) json = !accepts_html(r, base);
  else if (kstr_eq(p, n, "/_status.html")) json = false;
  else if (!kstr_eq(p, n, "/_status.json")) return false;
  const sb = status_page(json);
  h.head_begin(200);
  h.head_field(json ? "Content-Type: application/json" : "Content-Type: text/html; charset=utf-8");
  h.head_length(sb.sb_len);
  h.head_field("Cache-Control: no-store");
  h.head_field("Vary: Accept");
  h.head_end(c);
  if (r.hr_method == q.M_HEAD) {
    sb.sb_refs--;
  } else {
    assert(c.c_mem == 0 && c.c_left == 0, "serve_status: busy");
    c.c_mem = sb.sb_data;
    c.c_off = 0;
    c.c_left = sb.sb_len;
  }
  reply.reply_done(c, base, 200, sb.sb_len);
  return true;
}
