/**
 * One request, as the parser leaves it: numbers and places, nothing copied.
 *
 *      base ──► G E T   / a ? b   H T T P / 1 . 1 \r\n H o s t :   h \r\n … \r\n \r\n │ body or next request
 *               │       └ hr_path, hr_target             └ field F_HOST              └ the parser's result
 *               └ hr_line
 *
 * All places are offsets from the first octet of the request, because its octets may move (from the
 * shared receive buffer to one of the connection's own) while the head is incomplete. A head has at
 * most HTTP_HEAD_MAX octets, so u16 would do; u32 is what loads fastest.
 */

/** Longest head: request line and fields with the empty line (431 beyond it). */
export const HTTP_HEAD_MAX: u32 = 8192;
/** Longest request line (414 beyond it): RFC 9112 §3 asks for at least 8000. */
export const HTTP_LINE_MAX: u32 = 8000;
/** Most field lines in one head (431 beyond it). */
export const HTTP_FIELDS_MAX: i32 = 100;

/** hr_method. */
export const M_UNKNOWN: i32 = 0;
export const M_GET: i32 = 1;
export const M_HEAD: i32 = 2;
export const M_OPTIONS: i32 = 3;
export const M_POST: i32 = 4;
export const M_PUT: i32 = 5;
export const M_DELETE: i32 = 6;
export const M_PATCH: i32 = 7;
export const M_TRACE: i32 = 8;
export const M_CONNECT: i32 = 9;

/** hr_form: of the request target, RFC 9112 §3.2. */
export const FORM_ORIGIN: i32 = 0;
export const FORM_ABSOLUTE: i32 = 1;
export const FORM_AUTHORITY: i32 = 2;
export const FORM_ASTERISK: i32 = 3;

/** hr_flags. */
export const HR_CLOSE: i32 = 0x01;
export const HR_KEEPALIVE: i32 = 0x02;
/** The body comes in chunks. */
export const HR_CHUNKED: i32 = 0x04;
/** Expect: 100-continue; and an expectation that is not that. */
export const HR_EXPECT_100: i32 = 0x08;
export const HR_EXPECT_BAD: i32 = 0x10;
/** A transfer coding besides chunked, which we do not implement (501). */
export const HR_TE_OTHER: i32 = 0x20;
/** The path needs decoding or normalising: it has a %, an empty segment, or one that starts with a dot. */
export const HR_PATH_ODD: i32 = 0x40;

/** Fields that the server looks at; the id indexes hr_seen's bits and the place table. */
export const F_HOST: i32 = 0;
export const F_CONTENT_LENGTH: i32 = 1;
export const F_TRANSFER_ENCODING: i32 = 2;
export const F_CONNECTION: i32 = 3;
export const F_EXPECT: i32 = 4;
export const F_RANGE: i32 = 5;
export const F_IF_RANGE: i32 = 6;
export const F_IF_MATCH: i32 = 7;
export const F_IF_NONE_MATCH: i32 = 8;
export const F_IF_MODIFIED_SINCE: i32 = 9;
export const F_IF_UNMODIFIED_SINCE: i32 = 10;
export const F_ACCEPT: i32 = 11;
export const F_COUNT: i32 = 12;

/** hr_state: what the next line is. */
export const HS_LINE: i32 = 0;
export const HS_FIELDS: i32 = 1;
export const HS_DONE: i32 = 2;

@unmanaged
export class HttpReq {
  hr_state: i32;
  /** Start of the line being read, and up to where no LF was found in it. */
  hr_at: u32;
  hr_scan: u32;
  /** Empty lines skipped before the request line; then field lines read. */
  hr_nlines: i32;
  hr_method: i32;
  /** 0 or 1: HTTP/1.0, HTTP/1.1 (and whatever comes after). */
  hr_minor: i32;
  hr_form: i32;
  hr_flags: i32;
  hr_seen: u32;
  /** Fields that came more than once. */
  hr_dup: u32;
  hr_line: u32;
  hr_linelen: u32;
  hr_target: u32;
  hr_targetlen: u32;
  /** The path within the target, without query; length 0 for other forms. */
  hr_path: u32;
  hr_pathlen: u32;
  /** Where the fields start. */
  hr_fields: u32;
  hr_headlen: u32;
  /** Value of Content-Length; 0 if there is none. */
  hr_length: i64;
}

/** A HttpReq is followed by F_COUNT pairs (offset u32, length u32). */
export const HTTPREQ_SIZE: u32 = <u32>offsetof<HttpReq>() + (<u32>F_COUNT << 3);

/** Ready for the first octet of a request. The place table needs no clearing: hr_seen guards it. */
export function http_req_init(r: HttpReq): void {
  memory.fill(changetype<usize>(r), 0, offsetof<HttpReq>());
}

/** Has the request field `id`? */
export function http_has(r: HttpReq, id: i32): bool {
  return (r.hr_seen & (<u32>1 << id)) != 0;
}

/** Did field `id` come on more than one line? */
export function http_repeated(r: HttpReq, id: i32): bool {
  return (r.hr_dup & (<u32>1 << id)) != 0;
}

function http_slot(r: HttpReq, id: i32): usize {
  return changetype<usize>(r) + offsetof<HttpReq>() + (<usize>id << 3);
}

/** Offset and length of the value of field `id` (the first, if it is repeated). Only if http_has. */
export function http_value_off(r: HttpReq, id: i32): u32 {
  return load<u32>(http_slot(r, id));
}

export function http_value_len(r: HttpReq, id: i32): i32 {
  return load<i32>(http_slot(r, id), 4);
}

/** Note a line of field `id` with its value at `off`. */
export function http_note(r: HttpReq, id: i32, off: u32, len: i32): void {
  const bit = <u32>1 << id;
  if ((r.hr_seen & bit) != 0) {
    r.hr_dup |= bit;
    return;
  }
  r.hr_seen |= bit;
  store<u32>(http_slot(r, id), off);
  store<i32>(http_slot(r, id), len, 4);
}

/** Will the connection serve another request after this one (RFC 9112 §9.3)? */
export function http_persistent(r: HttpReq): bool {
  if ((r.hr_flags & HR_CLOSE) != 0) return false;
  return r.hr_minor >= 1 || (r.hr_flags & HR_KEEPALIVE) != 0;
}

/** Has the request a body? */
export function http_hasbody(r: HttpReq): bool {
  return r.hr_length > 0 || (r.hr_flags & HR_CHUNKED) != 0;
}
