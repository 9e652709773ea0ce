/**
 * The reply of replyd: a head of exactly so many octets, a body of exactly so many (RFC 9112 §4).
 *
 *      HTTP/1.1 403 Fixed CRLF
 *      Server: replyd CRLF
 *      Content-Length: 3931 CRLF
 *      Connection: close CRLF
 *      X-Pad: ……… CRLF             as long as it takes; left out when the rest is already of that length
 *      CRLF
 *      lines of 72 characters, the last of them cut
 *
 * And the end of a request: its empty line. What follows it (content) is not looked at.
 */
import { EINVAL } from "../../kernel/abi/errno";
import { kput_char, kput_str, kput_u32 } from "../../kernel/kern/kstring";

const LF: i32 = 10;
const CR: i32 = 13;
/** "X-Pad: " and CR LF: a head can be longer by nothing, or by this much and more. */
const PAD_LEAST: i32 = 9;

/** Status line and fields without padding and empty line; the address after them. */
function reply_fields(at: usize, end: usize, status: i32, body: i32): usize {
  at = kput_str(at, end, "HTTP/1.1 ");
  at = kput_u32(at, end, <u32>status);
  at = kput_str(at, end, " Fixed\r\nServer: replyd\r\nContent-Length: ");
  at = kput_u32(at, end, <u32>body);
  return kput_str(at, end, "\r\nConnection: close\r\n");
}

/** `head` and `body` octets at `at`, where there is room for them. 0, or -EINVAL: there is no such head, or no such status. */
export function reply_put(at: usize, status: i32, head: i32, body: i32): i32 {
  if (status < 200 || status > 599 || body < 0) return -EINVAL;
  const end = at + <usize>head;
  // Written to the very end, the fields may have been cut: then there is no room for the empty line either.
  let p = reply_fields(at, end, status, body);
  const pad = <i32>(end - p) - 2;
  if (pad < 0 || (pad > 0 && pad < PAD_LEAST)) return -EINVAL;
  if (pad > 0) {
    p = kput_str(p, end, "X-Pad: ");
    for (let i = PAD_LEAST; i < pad; i++) p = kput_char(p, end, 120);
    p = kput_str(p, end, "\r\n");
  }
  kput_str(p, end, "\r\n");
  for (let i = 0; i < body; i++) store<u8>(end + <usize>i, <u8>(i % 73 == 72 ? LF : 33 + i % 73));
  return 0;
}

/**
 * Read on in a request: `state` is 0 before its first octet, then what was answered here. -1 when
 * its empty line is among these `len` octets at `p`, else the state for the next.
 */
export function request_end(state: i32, p: usize, len: i32): i32 {
  for (let i = 0; i < len; i++) {
    const c = <i32>load<u8>(p + <usize>i);
    if (c == LF) {
      if (state == 1) return -1;
      state = 1;
    } else if (c != CR) {
      state = 0;
    }
  }
  return state;
}
