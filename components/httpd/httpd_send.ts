/**
 * Output: from the answers of a turn to the socket, and what happens when it has no room.
 *
 *      hd.direct or hd.out ─┐
 *      c_out (left over)  ──┼─► one sendmsg of up to 8 pieces, 256 KiB ─► socket
 *      file: fmap, fmap … ──┘        short? the rest of the head octets → c_out, EVFILT_WRITE once
 *
 * The octets of a file are sent from where the file system holds them (SYS_fmap): nothing of a large
 * file is copied inside the image, and nothing of it is kept while the socket is full: it is mapped
 * again when there is room. A file that has become shorter cannot be finished: the connection is
 * aborted, which is how the peer learns of it. A file system that cannot map is read into c_out.
 *
 * One turn sends at most TURN_MAX octets of a connection, so that a fast reader of a large file does
 * not keep the others waiting.
 */
import { EAGAIN, EIO } from "../../kernel/abi/errno";
import { EVFILT_WRITE, EV_ADD, EV_ONESHOT } from "../../kernel/abi/event";
import { FIONWRITE } from "../../kernel/abi/filio";
import { pool_get, pool_put } from "../../kernel/kern/pool";
import { sys_fmap, sys_ioctl, sys_pread } from "../../kernel/kern/usyscall";
import { FileEnt, file_unref } from "./httpd_file";
import { multi_end, multi_next } from "./httpd_multi";
import { BUFSIZE, CF_BLOCKED, Conn, Q_SEND, hd } from "./httpd_state";
import { status_release } from "./httpd_status";
import { IOVECS, conn_watch, iov_send, iov_set } from "./httpd_sys";
import { timer_restart } from "./httpd_timer";

/** Octets in one send, and in one turn. */
const SEND_MAX: u32 = 262144;
const TURN_MAX: u32 = 1048576;

/** Answers of conn_push. */
export const SENT: i32 = 0;
export const BLOCKED: i32 = 1;
export const BROKEN: i32 = -1;

/** Is there output that did not go yet, besides that of the turn? */
export function conn_pending(c: Conn): bool {
  return c.c_outlen > 0 || c.c_left > 0 || c.c_multi != 0;
}

/** Forget all output of `c`. */
export function conn_drop_output(c: Conn): void {
  if (c.c_out != 0) pool_put(hd.bufs, c.c_out);
  c.c_out = 0;
  c.c_outoff = 0;
  c.c_outlen = 0;
  c.c_left = 0;
  if (c.c_multi != 0) multi_end(c);
  body_end(c);
}

/** The body is out, or given up: let go of what it came from. */
function body_end(c: Conn): void {
  if (changetype<usize>(c.c_file) != 0) file_unref(c.c_file);
  if (c.c_mem != 0) status_release(c.c_mem);
  c.c_file = changetype<FileEnt>(0);
  c.c_mem = 0;
}

/** Pieces of the body after `used` pieces and `total` octets: the number of pieces now; -1 if the file is broken. */
function body_pieces(c: Conn, used: i32, total: u32): i32 {
  let off = c.c_off;
  let left = c.c_left;
  while (left > 0 && used < IOVECS && total < SEND_MAX) {
    let n = <u32>min<i64>(left, SEND_MAX - total);
    let p = c.c_mem + <usize>off;
    if (c.c_mem == 0) {
      store<u32>(hd.word, n);
      const e = sys_fmap(c.c_file.fe_fd, off, hd.word);
      n = load<u32>(hd.word);
      // At the end of the file too soon, or not to be mapped: what is before may go first.
      if (e <= 0 || n == 0) return used > 0 ? used : -1;
      p = <usize>e;
    }
    iov_set(used++, p, n);
    off += n;
    left -= n;
    total += n;
  }
  return used;
}

/** The file cannot be mapped: read a piece of it into c_out. False if that is not possible either. */
function body_read(c: Conn): bool {
  assert(c.c_outlen == 0 && c.c_mem == 0, "body_read: state");
  if (c.c_out == 0) c.c_out = pool_get(hd.bufs);
  if (c.c_out == 0) return false;
  const n = sys_pread(c.c_file.fe_fd, c.c_out, <i32>min<i64>(c.c_left, BUFSIZE), c.c_off);
  if (n <= 0) return false;
  c.c_outoff = 0;
  c.c_outlen = n;
  c.c_off += n;
  c.c_left -= n;
  return true;
}

/** What the socket did not take of the turn's octets must outlive the turn. */
function keep_rest(c: Conn, p: usize, n: u32): bool {
  if (n == 0) return true;
  if (c.c_out == 0) c.c_out = pool_get(hd.bufs);
  if (c.c_out == 0) return false;
  assert(n <= BUFSIZE, "keep_rest: length");
  memory.copy(c.c_out, p, n);
  c.c_outoff = 0;
  c.c_outlen = n;
  return true;
}

/** One send of head octets `n` at `p` and as much of the body as fits: octets taken, or -errno. */
function push_once(c: Conn, p: usize, n: u32): i32 {
  let pieces = 0;
  if (n > 0) iov_set(pieces++, p, n);
  if (c.c_left > 0) pieces = body_pieces(c, pieces, n);
  if (pieces < 0) return body_read(c) ? 0 : -EIO;
  assert(pieces > 0, "push_once: nothing to send");
  return iov_send(c.c_fd, pieces);
}

/** The turn's octets (p, n) or those in c_out could not all go: keep them, and wait for room. */
function push_blocked(c: Conn, p: usize, n: u32, own: bool, progress: bool): i32 {
  if (!own && !keep_rest(c, p, n)) return BROKEN;
  if (progress || c.c_queue != Q_SEND) {
    timer_restart(c, Q_SEND);
    c.c_unsent = conn_unsent(c);
  }
  c.c_flags |= CF_BLOCKED;
  // Reported at once if there is room already, as when the turn was ended for TURN_MAX.
  return conn_watch(c, EVFILT_WRITE, EV_ADD | EV_ONESHOT) == 0 ? BLOCKED : BROKEN;
}

/** Octets that the socket has taken and the peer has not; -1 if that cannot be told. */
function conn_unsent(c: Conn): i32 {
  return sys_ioctl(c.c_fd, FIONWRITE, hd.word) < 0 ? -1 : load<i32>(hd.word);
}

/**
 * `c` has had no room for as long as it may: but does the peer read? A socket with a large buffer
 * reports room only when much of it is free, which may take a slow peer minutes. If it has taken
 * something since we last looked, it has as long again.
 */
export function push_alive(c: Conn): bool {
  const n = conn_unsent(c);
  if (n < 0 || n >= c.c_unsent) return false;
  c.c_unsent = n;
  timer_restart(c, Q_SEND);
  return true;
}

/**
 * Send the output of the turn (of hd) and all that is pending: SENT, BLOCKED (the rest is kept and
 * EVFILT_WRITE asked for) or BROKEN (the connection is of no use any more).
 */
export function conn_push(c: Conn): i32 {
  let p = hd.direct != 0 ? hd.direct : hd.out;
  let n = hd.direct != 0 ? hd.directlen : hd.outlen;
  assert(n == 0 || c.c_outlen == 0, "conn_push: order");
  hd.direct = 0;
  hd.outlen = 0;
  let own = false;
  let turn: u32 = 0;
  while (true) {
    if (n == 0 && c.c_outlen > 0) {
      p = c.c_out + c.c_outoff;
      n = c.c_outlen;
      own = true;
    } else if (n == 0 && c.c_left == 0) {
      body_end(c);
      if (c.c_multi == 0) break;
      multi_next(c);
      p = hd.out;
      n = hd.outlen;
      hd.outlen = 0;
      own = false;
    }
    const r = turn >= TURN_MAX ? -EAGAIN : push_once(c, p, n);
    if (r == -EAGAIN) return push_blocked(c, p, n, own, turn > 0);
    if (r < 0) return BROKEN;
    turn += r;
    hd.stat.sent += r;
    const head = min<u32>(r, n);
    p += head;
    n -= head;
    if (own) {
      c.c_outoff += head;
      c.c_outlen -= head;
    }
    c.c_off += <u32>r - head;
    c.c_left -= <u32>r - head;
  }
  if (c.c_out != 0) conn_drop_output(c);
  c.c_flags &= ~CF_BLOCKED;
  return SENT;
}
