/**
 * The access log: one line a request on the console, in the common log format.
 *
 *      127.0.0.1 - - [20/Nov/2026:19:02:48 +0000] "GET / HTTP/1.1" 200 1234
 *
 * What comes from the peer is escaped (\xHH for quotes, backslashes and all that is not printable
 * ASCII), so a line cannot be forged. The octets counted are those of the body that the answer has;
 * a line is written when the answer is made, not when the last octet is gone. Lines gather in a buffer
 * and go to the console together at the end of a turn of the server. With HTTPD_QUIET the cost is one
 * comparison.
 */
import { AF_INET6 } from "../../kernel/abi/socket";
import { kput_bytes, kput_char, kput_hex, kput_str, kput_u64 } from "../../kernel/kern/kstring";
import { rumpuser_console } from "../../kernel/kern/rumpuser";
import { CLF_DATE_LEN } from "./http_date";
import { in6_put, in_put } from "./httpd_addr";
import { Conn, LOG_ROOM, conn_addr, conn_req, hd } from "./httpd_state";

/** Octets of the request line that a log line shows, and of a whole line at most. */
const SHOWN_MAX: u32 = 256;
const LINE_MAX: usize = 4 * <usize>SHOWN_MAX + 256;

/** Write the peer's address. */
export function peer_put(at: usize, end: usize, c: Conn): usize {
  return c.c_family == AF_INET6 ? in6_put(at, end, conn_addr(c)) : in_put(at, end, conn_addr(c));
}

function escaped_put(at: usize, end: usize, p: usize, n: u32): usize {
  for (let i: u32 = 0; i < n && at + 4 < end; i++) {
    const c = load<u8>(p + i);
    if (c >= 0x20 && c < 0x7f && c != 34 && c != 92) {
      at = kput_char(at, end, c);
    } else {
      at = kput_str(at, end, "\\x");
      at = kput_hex(at, end, c, 2);
    }
  }
  return at;
}

/** Log the answer `code` with a body of `sent` octets; the request's head is at `base` (0: there is none). */
export function access_log(c: Conn, base: usize, code: i32, sent: i64): void {
  if (hd.quiet != 0) return;
  if (hd.log + <usize>LOG_ROOM - hd.logat < LINE_MAX) access_flush();
  const r = conn_req(c);
  const end = hd.log + <usize>LOG_ROOM;
  let at = peer_put(hd.logat, end, c);
  at = kput_str(at, end, " - - [");
  at = kput_bytes(at, end, hd.clfdate, CLF_DATE_LEN);
  at = kput_str(at, end, "] \"");
  if (base == 0 || r.hr_linelen == 0) at = kput_char(at, end, 45);
  else at = escaped_put(at, end, base + r.hr_line, min(r.hr_linelen, SHOWN_MAX));
  at = kput_str(at, end, "\" ");
  at = kput_u64(at, end, code);
  at = kput_char(at, end, 32);
  at = kput_u64(at, end, sent);
  at = kput_char(at, end, 10);
  assert(at < end, "access_log: no room was left");
  hd.logat = at;
}

/** Lines that have gathered go to the console. */
export function access_flush(): void {
  if (hd.logat == hd.log) return;
  rumpuser_console(hd.log, <i32>(hd.logat - hd.log));
  hd.logat = hd.log;
}
