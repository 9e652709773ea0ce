/**
 * Several ranges in one answer: multipart/byteranges (RFC 9110 §14.6).
 *
 *      206, Content-Type: multipart/byteranges; boundary=B
 *        CRLF --B CRLF Content-Type, Content-Range CRLF CRLF  octets      (for each range)
 *        CRLF --B-- CRLF
 *
 * The length is known beforehand, so the connection persists: the heads of all parts are written once
 * to be measured, and again when their turn comes (httpd_send.ts asks for the next part when one is
 * out). The state of such an answer is a small pooled object; if there is none the whole file is sent.
 */
import { cprng_strong } from "../../kernel/kern/cprng";
import { kput_bytes, kput_hex, kput_str, kput_u64 } from "../../kernel/kern/kstring";
import { pool_get, pool_put } from "../../kernel/kern/pool";
import { RANGES_MAX, RANGE_SIZE, range_first, range_length } from "./http_range";
import { M_GET } from "./http_req";
import { FileEnt, file_ref, file_unref } from "./httpd_file";
import * as h from "./httpd_head";
import { reply_done } from "./httpd_reply";
import { Conn, conn_req, hd } from "./httpd_state";

@unmanaged
class MultiRange {
  mr_file: FileEnt;
  mr_count: i32;
  mr_next: i32;
  mr_boundary: u64;
}

/** Octets of a MultiRange with its ranges behind it. */
export const MULTI_SIZE: u32 = 24 + <u32>RANGES_MAX * <u32>RANGE_SIZE;

function set_of(m: MultiRange): usize {
  return changetype<usize>(m) + 24;
}

/** The head of part `i`, or the end for i = mr_count, written at `at`. */
function part_put(at: usize, end: usize, m: MultiRange, i: i32): usize {
  at = kput_str(at, end, "\r\n--");
  at = kput_hex(at, end, m.mr_boundary, 16);
  if (i == m.mr_count) return kput_str(at, end, "--\r\n");
  const fe = m.mr_file;
  const first = range_first(set_of(m), i);
  at = kput_str(at, end, "\r\nContent-Type: ");
  at = kput_bytes(at, end, fe.fe_buf + fe.fe_typeoff, fe.fe_typelen);
  at = kput_str(at, end, "\r\nContent-Range: bytes ");
  at = kput_u64(at, end, first);
  at = kput_str(at, end, "-");
  at = kput_u64(at, end, first + range_length(set_of(m), i) - 1);
  at = kput_str(at, end, "/");
  at = kput_u64(at, end, fe.fe_size);
  return kput_str(at, end, "\r\n\r\n");
}

/** Octets of the whole multipart body. */
function multi_length(m: MultiRange): i64 {
  let n: i64 = 0;
  for (let i = 0; i <= m.mr_count; i++) {
    n += part_put(h.out_at(), h.out_end(), m, i) - h.out_at();
    if (i < m.mr_count) n += range_length(set_of(m), i);
  }
  return n;
}

/** Answer with the `count` > 1 ranges at hd.ranges; false if there is no object for it. */
export function reply_multi(c: Conn, base: usize, fe: FileEnt, count: i32): bool {
  assert(count > 1 && count <= RANGES_MAX && c.c_multi == 0, "reply_multi: count");
  assert(conn_req(c).hr_method == M_GET, "reply_multi: Range is for GET");
  const p = pool_get(hd.multis);
  if (p == 0) return false;
  const m = changetype<MultiRange>(p);
  m.mr_file = fe;
  m.mr_count = count;
  m.mr_next = 0;
  cprng_strong(p + offsetof<MultiRange>("mr_boundary"), 8);
  memory.copy(set_of(m), hd.ranges, <usize>count * RANGE_SIZE);
  const n = multi_length(m);
  h.head_begin(206);
  h.out_str("Content-Type: multipart/byteranges; boundary=");
  h.out_to(kput_hex(h.out_at(), h.out_end(), m.mr_boundary, 16));
  h.out_str("\r\n");
  h.head_length(n);
  h.head_validators(fe);
  h.head_end(c);
  c.c_multi = p;
  file_ref(fe);
  reply_done(c, base, 206, n);
  return true;
}

/** One part is out: write the head of the next to hd.out and make its range the body; or the end. */
export function multi_next(c: Conn): void {
  const m = changetype<MultiRange>(c.c_multi);
  const i = m.mr_next++;
  assert(hd.outlen == 0 && c.c_left == 0 && i <= m.mr_count, "multi_next: state");
  h.out_to(part_put(h.out_at(), h.out_end(), m, i));
  if (i == m.mr_count) {
    multi_end(c);
    return;
  }
  file_ref(m.mr_file);
  c.c_file = m.mr_file;
  c.c_off = range_first(set_of(m), i);
  c.c_left = range_length(set_of(m), i);
}

/** The answer is out, or given up. */
export function multi_end(c: Conn): void {
  file_unref(changetype<MultiRange>(c.c_multi).mr_file);
  pool_put(hd.multis, c.c_multi);
  c.c_multi = 0;
}
