/**
 * Answers: a whole file, a part of it, "not modified", a redirection, an error.
 *
 *      reply_file   200   prepared head (+ small body) sent from where it lies: hd.direct
 *                         large body: c_file, c_off, c_left for httpd_send.ts to work off
 *      reply_range  206   one range; several: httpd_multi.ts
 *      reply_error  4xx, 5xx   /404.html and its like from the root if there is one, else a few words
 *
 * Each writes one head, decides what body follows, counts and logs. Nothing is sent yet: answers to
 * pipelined requests gather in the output buffer and leave together.
 */
import { range_first, range_length } from "./http_range";
import { M_HEAD } from "./http_req";
import { http_path_encode } from "./http_uri";
import { FE_INLINE, FileEnt, file_lookup, file_ref } from "./httpd_file";
import * as h from "./httpd_head";
import { access_log } from "./httpd_log";
import { CF_CLOSE, Conn, conn_req, hd } from "./httpd_state";

/** A query longer than this is left out of a redirection. */
const QUERY_MAX: u32 = 512;

export const ALLOW: string = "Allow: GET, HEAD, OPTIONS";

/** Is the answer to be a head without its body? */
function head_only(c: Conn): bool {
  return conn_req(c).hr_method == M_HEAD;
}

/** The answer to the request at `base` is made: count it, log it. `n` octets of body belong to it. */
export function reply_done(c: Conn, base: usize, code: i32, n: i64): void {
  assert(code >= 100 && code < 600, "reply_done: code");
  hd.stat.requests++;
  c.c_nreq++;
  const at = hd.codes + (<usize>(code - 100) << 2);
  store<u32>(at, load<u32>(at) + 1);
  access_log(c, base, code, head_only(c) ? 0 : n);
}

/** Octets waiting in hd.direct go to the output buffer: something else follows them. */
export function out_settle(): void {
  if (hd.direct == 0) return;
  assert(hd.outlen == 0, "out_settle: order");
  memory.copy(hd.out, hd.direct, hd.directlen);
  hd.outlen = hd.directlen;
  hd.direct = 0;
}

/** `n` octets of `fe` from `first` are the body: copied if they are at hand, else left to be sent. */
export function reply_body(c: Conn, fe: FileEnt, first: i64, n: i64): void {
  if (head_only(c) || n == 0) return;
  if ((fe.fe_flags & FE_INLINE) != 0) {
    h.out_bytes(fe.fe_buf + fe.fe_headlen + <usize>first, <usize>n);
    return;
  }
  assert(changetype<usize>(c.c_file) == 0 && c.c_left == 0, "reply_body: busy");
  file_ref(fe);
  c.c_file = fe;
  c.c_mem = 0;
  c.c_off = first;
  c.c_left = n;
}

/** 200 and the whole file. */
export function reply_file(c: Conn, base: usize, fe: FileEnt): void {
  const p = h.file_head(fe);
  const inline = (fe.fe_flags & FE_INLINE) != 0;
  if ((c.c_flags & CF_CLOSE) == 0 && conn_req(c).hr_minor != 0) {
    const n = <u32>fe.fe_headlen + (inline && !head_only(c) ? <u32>fe.fe_size : 0);
    if (hd.outlen == 0) {
      hd.direct = p;
      hd.directlen = n;
    } else {
      h.out_bytes(p, n);
    }
    if (!inline) reply_body(c, fe, 0, fe.fe_size);
  } else {
    h.out_bytes(p, fe.fe_headlen - 2);
    h.head_end(c);
    reply_body(c, fe, 0, fe.fe_size);
  }
  reply_done(c, base, 200, fe.fe_size);
}

/** Content-Range: bytes first-last/size */
export function content_range(first: i64, n: i64, size: i64): void {
  h.out_str("Content-Range: bytes ");
  h.out_u64(first);
  h.out_str("-");
  h.out_u64(first + n - 1);
  h.out_str("/");
  h.out_u64(size);
  h.out_str("\r\n");
}

/** 206 and the one range at hd.ranges. */
export function reply_range(c: Conn, base: usize, fe: FileEnt): void {
  const first = range_first(hd.ranges, 0);
  const n = range_length(hd.ranges, 0);
  assert(first >= 0 && n > 0 && first + n <= fe.fe_size, "reply_range: range");
  h.head_begin(206);
  h.head_type(fe);
  content_range(first, n, fe.fe_size);
  h.head_length(n);
  h.head_validators(fe);
  h.head_end(c);
  reply_body(c, fe, first, n);
  reply_done(c, base, 206, n);
}

/** 304, with what a cache may want to update (RFC 9110 §15.4.5). */
export function reply_not_modified(c: Conn, base: usize, fe: FileEnt): void {
  h.head_begin(304);
  h.head_validators(fe);
  h.head_end(c);
  reply_done(c, base, 304, 0);
}

/** 204 to OPTIONS: there is nothing to say but what is allowed. */
export function reply_options(c: Conn, base: usize): void {
  h.head_begin(204);
  h.head_field(ALLOW);
  h.head_end(c);
  reply_done(c, base, 204, 0);
}

/** 100: go on with the body. Not an answer that counts. */
export function reply_continue(): void {
  h.out_str("HTTP/1.1 100 Continue\r\n\r\n");
}

/** 301 to the decoded path of `n` octets at `p` with a slash behind it, and the query as it came. */
export function reply_slash(c: Conn, base: usize, p: usize, n: i32): void {
  const r = conn_req(c);
  const query = r.hr_path + r.hr_pathlen;
  const len = r.hr_target + r.hr_targetlen - query;
  h.head_begin(301);
  h.out_str("Location: ");
  h.out_to(http_path_encode(h.out_at(), h.out_end() - 1, p, n));
  h.out_str("/");
  if (len <= QUERY_MAX) h.out_bytes(base + query, len);
  h.out_str("\r\n");
  reply_words(c, base, 301);
}

/** Fields that belong to certain errors. `size` is that of the file, for 416. */
function error_fields(code: i32, size: i64): void {
  if (code == 405) h.head_field(ALLOW);
  if (code == 503) h.head_field("Retry-After: 1");
  if (code == 416) {
    h.out_str("Content-Range: bytes */");
    h.out_u64(size);
    h.out_str("\r\n");
  }
}

/** Length of the page that page_put writes. */
function page_length(code: i32): i64 {
  return 90 + 2 * (4 + h.status_text(code).length);
}

function page_put(code: i32): void {
  h.out_str("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>");
  h.out_u64(code);
  h.out_str(" ");
  h.out_str(h.status_text(code));
  h.out_str("</title>\n<h1>");
  h.out_u64(code);
  h.out_str(" ");
  h.out_str(h.status_text(code));
  h.out_str("</h1>\n</html>\n");
}

/** The rest of a head and the few words that go with `code`. */
function reply_words(c: Conn, base: usize, code: i32): void {
  const n = page_length(code);
  h.head_field("Content-Type: text/html; charset=utf-8");
  h.head_length(n);
  h.head_end(c);
  const from = hd.outlen;
  if (!head_only(c)) {
    page_put(code);
    assert(hd.outlen - from == <u32>n, "reply_words: length");
  }
  reply_done(c, base, code, n);
}

/** The page that the site has for `code`, if any: "/404.html". */
function error_page(code: i32): FileEnt {
  const p = hd.word;
  store<u8>(p, 47);
  store<u8>(p + 1, <u8>(48 + code / 100));
  store<u8>(p + 2, <u8>(48 + ((code / 10) % 10)));
  store<u8>(p + 3, <u8>(48 + (code % 10)));
  // ".html"
  store<u32>(p + 4, 0x6d74682e);
  store<u8>(p + 8, 108);
  const fe = file_lookup(p, 9);
  return changetype<FileEnt>(fe > 0 ? <usize>fe : 0);
}

/** Answer `code`. `size` is that of the file, for 416. */
export function reply_error(c: Conn, base: usize, code: i32, size: i64 = 0): void {
  const fe = error_page(code);
  h.head_begin(code);
  error_fields(code, size);
  if (changetype<usize>(fe) == 0) {
    reply_words(c, base, code);
    return;
  }
  h.head_type(fe);
  h.head_length(fe.fe_size);
  h.head_end(c);
  reply_body(c, fe, 0, fe.fe_size);
  reply_done(c, base, code, fe.fe_size);
}
