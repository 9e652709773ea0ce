/**
 * Replies: from requests that are ready to bytes on the socket.
 *
 *      outq ─► header to tx, small data behind it          sent together: many replies, one call
 *           └► header to tx, large data stays where it is   c_out: one call with both
 *
 * A request comes by here once for each piece of its data. A simple reply is one header and all the
 * data, so its request owns the connection until the last piece (c_owner); chunks of structured replies
 * may mix. An error in the middle of a simple reply can only be told by ending the connection.
 */
import { EAGAIN } from "../../kernel/abi/errno";
import { IOV_BASE, IOV_LEN, IOVEC_SIZE } from "../../kernel/abi/socket";
import { sys_send, sys_writev } from "../../kernel/kern/usyscall";
import { NC_STRUCTURED } from "./nbd_check";
import { nbd_io_read } from "./nbd_io";
import {
  NBD_CHUNK_MAGIC, NBD_CMD_BLOCK_STATUS, NBD_CMD_READ, NBD_REPLY_BLOCK_STATUS, NBD_REPLY_ERROR, NBD_REPLY_FLAG_DONE,
  NBD_REPLY_OFFSET_DATA, NBD_REPLY_OFFSET_HOLE, NBD_SIMPLE_MAGIC, put16, put32, put64,
} from "./nbd_proto";
import { Conn, NBD_TXSIZE, NOREQ, RP_DATA, RP_HOLE, RP_STATUS, Req, nb, req_at, req_free } from "./nbd_state";

/** Data up to this many bytes is copied, to be sent with what is around it. */
const SMALL: u32 = 16384;
/** No header is longer. */
const HEADER_MAX: u32 = 64;
/** Sends in a row, before others have their turn. */
const SENDS: i32 = 16;

export const TX_DONE: i32 = 0;
/** The client takes no more now; there is more, but others come first; the connection is broken. */
export const TX_FULL: i32 = 1;
export const TX_MORE: i32 = 2;
export const TX_BROKEN: i32 = -1;

/** A piece of `r` is ready. */
export function out_push(r: Req): void {
  const c = r.r_conn;
  r.r_next = NOREQ;
  if (c.c_owner == r) {
    r.r_next = c.c_outq;
    c.c_outq = r;
    if (!c.c_outlast) c.c_outlast = r;
    return;
  }
  if (c.c_outlast) c.c_outlast.r_next = r;
  else c.c_outq = r;
  c.c_outlast = r;
}

function out_pop(c: Conn): Req {
  const r = c.c_outq;
  c.c_outq = r.r_next;
  if (!c.c_outq) c.c_outlast = NOREQ;
  return r;
}

/** Are replies to `r` chunks? */
function is_structured(r: Req): bool {
  return (r.r_conn.c_may & NC_STRUCTURED) != 0 && (r.r_type == NBD_CMD_READ || r.r_type == NBD_CMD_BLOCK_STATUS);
}

function put_chunk(r: Req, at: usize, flags: u32, type: u32, length: u32): usize {
  at = put16(put32(at, NBD_CHUNK_MAGIC), flags);
  at = put16(at, type);
  store<u64>(at, r.r_cookie);
  return put32(at + 8, length);
}

/** The header of the piece of `r`, without its data; the address behind it. */
export function put_header(r: Req, at: usize): usize {
  if (!is_structured(r)) {
    if (r.r_begun != 0) return at;
    r.r_begun = 1;
    at = put32(put32(at, NBD_SIMPLE_MAGIC), r.r_error);
    store<u64>(at, r.r_cookie);
    return at + 8;
  }
  if (r.r_error != 0) {
    at = put_chunk(r, at, NBD_REPLY_FLAG_DONE, NBD_REPLY_ERROR, 6);
    return put16(put32(at, r.r_error), 0);
  }
  const done = r.r_left == 0 ? NBD_REPLY_FLAG_DONE : 0;
  if (r.r_piece == RP_STATUS) return put_chunk(r, at, done, NBD_REPLY_BLOCK_STATUS, r.r_n);
  if (r.r_piece == RP_HOLE) {
    at = put_chunk(r, at, done, NBD_REPLY_OFFSET_HOLE, 12);
    return put32(put64(at, r.r_off), r.r_n);
  }
  assert(r.r_piece == RP_DATA, "nbd: piece");
  at = put_chunk(r, at, done, NBD_REPLY_OFFSET_DATA, r.r_n + 8);
  return put64(at, r.r_off);
}

/** A piece of `r` has gone out, or is in tx: on to the next, or it is over. */
function piece_sent(r: Req): void {
  const c = r.r_conn;
  if (r.r_left > 0 && r.r_error == 0) {
    if (!is_structured(r)) c.c_owner = r;
    nbd_io_read(r);
    return;
  }
  if (c.c_owner == r) c.c_owner = NOREQ;
  req_free(r);
}

/** Bring what is ready to tx, as far as there is room. False: the connection cannot go on. */
export function tx_pump(c: Conn): bool {
  while (c.c_outq && !c.c_out) {
    const r = c.c_outq;
    if (c.c_owner && c.c_owner != r) return true;
    const data = r.r_error == 0 && (r.r_piece == RP_DATA || r.r_piece == RP_STATUS);
    const small = data && r.r_n <= SMALL;
    if (<u32>c.c_txlen + HEADER_MAX + (small ? r.r_n : 0) > <u32>NBD_TXSIZE) return true;
    if (r.r_error != 0 && r.r_begun != 0 && !is_structured(r)) return false;
    out_pop(c);
    if (r.r_error != 0) nb.nerrors++;
    const at = c.c_tx + c.c_txlen;
    c.c_txlen += <i32>(put_header(r, at) - at);
    if (small) {
      memory.copy(c.c_tx + c.c_txlen, req_at(r), r.r_n);
      c.c_txlen += r.r_n;
    } else if (data) {
      c.c_out = r;
      c.c_dat = req_at(r);
      c.c_datend = req_at(r) + r.r_n;
      return true;
    }
    piece_sent(r);
  }
  return true;
}

/** Send what is in tx and the large data behind it: bytes or -errno. */
function send_both(c: Conn, head: i32, data: i32): i32 {
  if (data == 0) return sys_send(c.c_fd, c.c_tx + c.c_txoff, head, 0);
  if (head == 0) return sys_send(c.c_fd, c.c_dat, data, 0);
  store<usize>(nb.iov, c.c_tx + c.c_txoff, IOV_BASE);
  store<i32>(nb.iov, head, IOV_LEN);
  store<usize>(nb.iov + IOVEC_SIZE, c.c_dat, IOV_BASE);
  store<i32>(nb.iov + IOVEC_SIZE, data, IOV_LEN);
  return sys_writev(c.c_fd, nb.iov, 2);
}

/** Bytes of tx and of the large data have been taken. */
function sent(c: Conn, n: i32): void {
  const head = min(n, c.c_txlen - c.c_txoff);
  c.c_txoff += head;
  if (c.c_txoff == c.c_txlen) {
    c.c_txoff = 0;
    c.c_txlen = 0;
  }
  if (!c.c_out) return;
  c.c_dat += n - head;
  if (c.c_dat < c.c_datend) return;
  const r = c.c_out;
  c.c_out = NOREQ;
  piece_sent(r);
}

/** Send all that is ready, as far as the client takes it: TX_*. */
export function tx_flush(c: Conn): i32 {
  for (let i = 0; i < SENDS; i++) {
    if (!tx_pump(c)) return TX_BROKEN;
    const head = c.c_txlen - c.c_txoff;
    const data = c.c_out ? <i32>(c.c_datend - c.c_dat) : 0;
    if (head + data == 0) return TX_DONE;
    const n = send_both(c, head, data);
    if (n == -EAGAIN) return TX_FULL;
    if (n <= 0) return TX_BROKEN;
    sent(c, n);
  }
  return TX_MORE;
}
