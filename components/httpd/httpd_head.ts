/**
 * Heads of responses (RFC 9110 §6.6, §8; RFC 9112 §4).
 *
 * Two ways to make one. For a file the head of its 200 is put together once, when the file is opened,
 * with the places noted that other answers need (tag, type, dates); afterwards only the 29 octets of
 * Date are replaced, once a second. All other heads are written into the output buffer line by line:
 * head_begin, head_… , head_end. Octets go to hd.out, whose room the caller has made sure of
 * (httpd_conn.ts keeps REPLY_ROOM free).
 */
import { kput_bytes, kput_char, kput_hex, kput_str, kput_u64 } from "../../kernel/kern/kstring";
import { HTTP_DATE_LEN, http_date_put } from "./http_date";
import { mime_put } from "./http_mime";
import { FileEnt } from "./httpd_file";
import { BUFSIZE, CF_CLOSE, Conn, HEAD_ROOM, INLINE_MAX, conn_req, hd } from "./httpd_state";

/** Room in hd.out that the answer to any one request may need. */
export const REPLY_ROOM: u32 = HEAD_ROOM + INLINE_MAX;

/** The reason phrase of `code`. */
export function status_text(code: i32): string {
  switch (code) {
    case 100: return "Continue";
    case 200: return "OK";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

// ── the output buffer ────────────────────────────────────────────────────────────────────────────

/** Where the next octet goes. */
export function out_at(): usize {
  return hd.out + hd.outlen;
}

export function out_end(): usize {
  return hd.out + BUFSIZE;
}

/** `at` is where the next octet goes now. The buffer is never filled to its end: that would be a cut. */
export function out_to(at: usize): void {
  assert(at < out_end(), "out_to: no room was left");
  hd.outlen = <u32>(at - hd.out);
}

export function out_str(text: string): void {
  out_to(kput_str(out_at(), out_end(), text));
}

export function out_bytes(p: usize, n: usize): void {
  out_to(kput_bytes(out_at(), out_end(), p, n));
}

export function out_u64(v: u64): void {
  out_to(kput_u64(out_at(), out_end(), v));
}

// ── heads written line by line ───────────────────────────────────────────────────────────────────

/** Status line, Server, Date. */
export function head_begin(code: i32): void {
  out_str("HTTP/1.1 ");
  out_u64(code);
  out_str(" ");
  out_str(status_text(code));
  out_str("\r\nServer: rumpwasm\r\nDate: ");
  out_bytes(hd.date, HTTP_DATE_LEN);
  out_str("\r\n");
}

/** A field whose value is a literal. */
export function head_field(line: string): void {
  out_str(line);
  out_str("\r\n");
}

export function head_length(n: i64): void {
  out_str("Content-Length: ");
  out_u64(n);
  out_str("\r\n");
}

/** ETag and Last-Modified of `fe`. */
export function head_validators(fe: FileEnt): void {
  out_str("Last-Modified: ");
  out_bytes(fe.fe_buf + fe.fe_lmoff, HTTP_DATE_LEN);
  out_str("\r\nETag: ");
  out_bytes(fe.fe_buf + fe.fe_etagoff, fe.fe_etaglen);
  out_str("\r\n");
}

/** Content-Type of `fe`. */
export function head_type(fe: FileEnt): void {
  out_str("Content-Type: ");
  out_bytes(fe.fe_buf + fe.fe_typeoff, fe.fe_typelen);
  out_str("\r\n");
}

/** Connection, if it says anything, and the empty line. */
export function head_end(c: Conn): void {
  if ((c.c_flags & CF_CLOSE) != 0) out_str("Connection: close\r\n\r\n");
  else if (conn_req(c).hr_minor == 0) out_str("Connection: keep-alive\r\n\r\n");
  else out_str("\r\n");
}

// ── the prepared head of a file ──────────────────────────────────────────────────────────────────

/** Write the head of the 200 for `fe` to fe_buf; the file's name is `n` octets at `path`. */
export function file_head_put(fe: FileEnt, path: usize, n: i32): void {
  const base = fe.fe_buf;
  const end = base + HEAD_ROOM;
  let at = kput_str(base, end, "HTTP/1.1 200 OK\r\nServer: rumpwasm\r\nDate: ");
  fe.fe_dateoff = <i32>(at - base);
  fe.fe_date = hd.now_sec;
  at = kput_bytes(at, end, hd.date, HTTP_DATE_LEN);
  at = kput_str(at, end, "\r\nContent-Type: ");
  fe.fe_typeoff = <i32>(at - base);
  at = mime_put(at, end, path, n);
  fe.fe_typelen = <i32>(at - base) - fe.fe_typeoff;
  at = kput_str(at, end, "\r\nContent-Length: ");
  at = kput_u64(at, end, fe.fe_size);
  at = kput_str(at, end, "\r\nLast-Modified: ");
  fe.fe_lmoff = <i32>(at - base);
  // Never later than Date (RFC 9110 §8.8.2.1).
  http_date_put(at, min<i64>(fe.fe_mtime, hd.now_sec));
  at = kput_str(at + HTTP_DATE_LEN, end, "\r\nETag: ");
  fe.fe_etagoff = <i32>(at - base);
  at = etag_put(at, end, fe);
  fe.fe_etaglen = <i32>(at - base) - fe.fe_etagoff;
  at = kput_str(at, end, "\r\nAccept-Ranges: bytes\r\n\r\n");
  assert(at < end, "file_head_put: no room was left");
  fe.fe_headlen = <i32>(at - base);
}

/** "size-mtime-inode", hexadecimal: strong, as any change of the octets changes one of them. */
function etag_put(at: usize, end: usize, fe: FileEnt): usize {
  at = kput_char(at, end, 34);
  at = hex_put(at, end, fe.fe_size);
  at = kput_char(at, end, 45);
  at = hex_put(at, end, fe.fe_mtime * 1000000000 + fe.fe_mtime_ns);
  at = kput_char(at, end, 45);
  at = hex_put(at, end, fe.fe_ino);
  return kput_char(at, end, 34);
}

function hex_put(at: usize, end: usize, v: u64): usize {
  const digits = v == 0 ? 1 : <i32>((67 - clz(v)) >> 2);
  return kput_hex(at, end, v, digits);
}

/** The head of `fe` with the Date of now. */
export function file_head(fe: FileEnt): usize {
  if (fe.fe_date != hd.now_sec) {
    memory.copy(fe.fe_buf + fe.fe_dateoff, hd.date, HTTP_DATE_LEN);
    fe.fe_date = hd.now_sec;
  }
  return fe.fe_buf;
}
