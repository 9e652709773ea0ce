/**
 * Request bodies, read to be thrown away (RFC 9112 §6, §7.1).
 *
 * The server uses no body, but the next request begins behind it. A body of known length is counted
 * down; a chunked one is decoded by this machine, one octet of framing at a time, chunk data in
 * bulk:
 *
 *      SIZE ─ hex digits ─► EXT ─ ;… ─► SIZE_LF ─┬─ size > 0 ─► DATA ─► DATA_CR ─► DATA_LF ─► SIZE
 *                                                └─ size 0 ─► TRAILER ─ lines ─ empty line ─► done
 *
 * All octets count against a limit, framing included (chunk extensions are a known way to make a
 * server read forever), beyond which the answer is 413; a malformed octet is 400. Resumable at any
 * octet, no buffer.
 */

import { C_VALUE, hex_value, is_char } from "./http_char";

/** hb_state. */
const B_DONE: i32 = 0;
const B_COUNT: i32 = 1;
const B_SIZE: i32 = 2;
const B_EXT: i32 = 3;
const B_SIZE_LF: i32 = 4;
const B_DATA: i32 = 5;
const B_DATA_CR: i32 = 6;
const B_DATA_LF: i32 = 7;
const B_TRAILER: i32 = 8;
const B_TRAILER_LINE: i32 = 9;
const B_TRAILER_LF: i32 = 10;
const B_END_LF: i32 = 11;

const CR: u8 = 13;
const LF: u8 = 10;
/** Hexadecimal digits of a chunk's size: 2^32 - 1 at most. */
const SIZE_DIGITS: i32 = 8;

@unmanaged
export class HttpBody {
  hb_state: i32;
  hb_digits: i32;
  /** Octets of the body, or of the chunk, still to come. */
  hb_remain: i64;
  /** Octets that may still come before it is too much. */
  hb_budget: i64;
}

/** A body of `length` octets, or chunked. More than `limit` is 413 at once if that can be told: 0 or -413. */
export function http_body_init(b: HttpBody, length: i64, chunked: bool, limit: i64): i32 {
  b.hb_state = chunked ? B_SIZE : length > 0 ? B_COUNT : B_DONE;
  b.hb_digits = 0;
  b.hb_remain = chunked ? 0 : length;
  b.hb_budget = limit;
  return !chunked && length > limit ? -413 : 0;
}

export function http_body_done(b: HttpBody): bool {
  return b.hb_state == B_DONE;
}

/** Take what belongs to the body of the `len` octets at `p`: how many, or minus a status. */
export function http_body_feed(b: HttpBody, p: usize, len: i32): i32 {
  let i = 0;
  while (i < len && b.hb_state != B_DONE) {
    let took = 1;
    if (b.hb_state == B_COUNT || b.hb_state == B_DATA) {
      took = <i32>min<i64>(b.hb_remain, len - i);
      b.hb_remain -= took;
      if (b.hb_remain == 0) b.hb_state = b.hb_state == B_COUNT ? B_DONE : B_DATA_CR;
    } else {
      const next = body_octet(b, load<u8>(p + i));
      if (next < 0) return next;
      b.hb_state = next;
    }
    i += took;
    b.hb_budget -= took;
    if (b.hb_budget < 0) return -413;
  }
  return i;
}

/** One octet of framing: the next state or minus a status. */
function body_octet(b: HttpBody, c: u8): i32 {
  switch (b.hb_state) {
    case B_SIZE:
      return body_size(b, c);
    case B_EXT:
      if (c == CR) return B_SIZE_LF;
      return is_text(c) ? B_EXT : -400;
    case B_SIZE_LF:
      if (c != LF) return -400;
      b.hb_digits = 0;
      return b.hb_remain > 0 ? B_DATA : B_TRAILER;
    case B_DATA_CR:
      return c == CR ? B_DATA_LF : -400;
    case B_DATA_LF:
      return c == LF ? B_SIZE : -400;
    case B_TRAILER:
      if (c == CR) return B_END_LF;
      return is_text(c) && c != 32 && c != 9 ? B_TRAILER_LINE : -400;
    case B_TRAILER_LINE:
      if (c == CR) return B_TRAILER_LF;
      return is_text(c) ? B_TRAILER_LINE : -400;
    case B_TRAILER_LF:
      return c == LF ? B_TRAILER : -400;
    default:
      assert(b.hb_state == B_END_LF, "http_body: state");
      return c == LF ? B_DONE : -400;
  }
}

/** A digit of the chunk's size, or what ends it: white space is not allowed there. */
function body_size(b: HttpBody, c: u8): i32 {
  const v = hex_value(c);
  if (v >= 0) {
    if (++b.hb_digits > SIZE_DIGITS) return -413;
    b.hb_remain = (b.hb_remain << 4) | v;
    return B_SIZE;
  }
  if (b.hb_digits == 0) return -400;
  if (c == CR) return B_SIZE_LF;
  return c == 59 ? B_EXT : -400;
}

function is_text(c: u8): bool {
  return is_char(c, C_VALUE);
}
