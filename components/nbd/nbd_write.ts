/**
 * Requests that change the device: WRITE, TRIM, WRITE_ZEROES, piece by piece.
 *
 *      a piece of whole sectors        lock shared ─► bio ─► done
 *      … with a part of a sector       lock alone ─► read that sector ─► put it around the data ─► bio ─► done
 *
 *                 r_off                          r_off + r_n
 *      sectors: | head ···│ data ┊ data ┊ data │···· tail |        the buffer has the same shape
 *                └ r_skew ┘
 *
 * Zeros go as BIO_ZERO for whole sectors, and as data at both ends; TRIM is for whole sectors only, being
 * a hint. FUA of WRITE is the write's own; for zeros and TRIM a flush follows them.
 */
import { BIO_ZERO, DEV_BSHIFT, DEV_BSIZE } from "../../kernel/abi/disk";
import { BIO_DISCARD, BIO_FLUSH, BIO_READ, BIO_WRITE } from "../../kernel/abi/rump";
import { B_FUA } from "../../kernel/dev/buf";
import { NBD_BUFSIZE } from "./nbd_check";
import { conn_free } from "./nbd_conn";
import { nbd_submit } from "./nbd_io";
import { RL_ALONE, RL_SHARED, lock_release, lock_take } from "./nbd_lock";
import { NBD_CMD_FLAG_FUA, NBD_CMD_FLAG_NO_HOLE, NBD_CMD_TRIM, NBD_CMD_WRITE, NBD_CMD_WRITE_ZEROES } from "./nbd_proto";
import { PH_GONE, Req, nb, req_at, req_free } from "./nbd_state";
import { out_push } from "./nbd_tx";

/** r_step: the piece itself; its first or its last sector is being read. */
const WS_OUT: i32 = 0;
const WS_HEAD: i32 = 1;
const WS_TAIL: i32 = 2;
const SECTOR: u32 = DEV_BSIZE;

/** The next piece of data, if there is one; all of the range is in r_left at first, and r_n is 0. */
export function write_next(r: Req): bool {
  if (r.r_left == 0) return false;
  r.r_off += r.r_n;
  r.r_skew = <u32>r.r_off & (SECTOR - 1);
  r.r_n = min<u32>(r.r_left, NBD_BUFSIZE - r.r_skew);
  r.r_left -= r.r_n;
  r.r_got = 0;
  r.r_op = BIO_WRITE;
  return true;
}

/** Bytes of the last sector that the piece has. */
function tail_of(r: Req): u32 {
  return (r.r_skew + r.r_n) & (SECTOR - 1);
}

/** Where the first or the last sector is read to. */
function scratch(r: Req, tail: bool): usize {
  return r.r_data + NBD_BUFSIZE + (tail ? <usize>SECTOR : 0);
}

/** All data of the piece is there. */
export function write_piece(r: Req): void {
  const alone = r.r_op == BIO_WRITE && (r.r_skew | tail_of(r)) != 0;
  r.r_conn.c_nbusy++;
  if (lock_take(r, r.r_conn.c_unit, alone ? RL_ALONE : RL_SHARED)) write_granted(r);
}

/** `r` has the lock that it wanted. */
export function write_granted(r: Req): void {
  const c = r.r_conn;
  c.c_nbusy--;
  if (c.c_phase == PH_GONE) {
    lock_release(r);
    req_free(r);
    conn_free(c);
    return;
  }
  const at = r.r_off >> DEV_BSHIFT;
  if (r.r_op != BIO_WRITE) {
    nbd_submit(r, r.r_op, 0, at, 0, 0, r.r_n >> DEV_BSHIFT);
  } else if (r.r_skew != 0) {
    r.r_step = WS_HEAD;
    nbd_submit(r, BIO_READ, 0, at, scratch(r, false), SECTOR, 0);
  } else if (tail_of(r) != 0) {
    read_tail(r);
  } else {
    write_out(r);
  }
}

function read_tail(r: Req): void {
  r.r_step = WS_TAIL;
  nbd_submit(r, BIO_READ, 0, (r.r_off + r.r_n) >> DEV_BSHIFT, scratch(r, true), SECTOR, 0);
}

/** The buffer is whole sectors. */
function write_out(r: Req): void {
  r.r_step = WS_OUT;
  const bytes = (r.r_skew + r.r_n + SECTOR - 1) & ~(SECTOR - 1);
  nbd_submit(r, BIO_WRITE, (r.r_flags & NBD_CMD_FLAG_FUA) != 0 ? B_FUA : 0, r.r_off >> DEV_BSHIFT, r.r_data, bytes, 0);
}

/** Put the end of the sector at `from` behind the data. */
function put_tail(r: Req, from: usize): void {
  const n = tail_of(r);
  memory.copy(req_at(r) + r.r_n, from + n, SECTOR - n);
}

/** The device is done with a step of the piece, without an error: begin the next. False: that was all. */
export function write_step(r: Req): bool {
  const step = r.r_step;
  if (step == WS_OUT) return false;
  if (step == WS_HEAD) {
    memory.copy(r.r_data, scratch(r, false), r.r_skew);
    if (tail_of(r) != 0 && r.r_skew + r.r_n > SECTOR) {
      read_tail(r);
      return true;
    }
    if (tail_of(r) != 0) put_tail(r, scratch(r, false));
  } else {
    put_tail(r, scratch(r, true));
  }
  write_out(r);
  return true;
}

/** The next piece of zeros, if there is one: begun. */
function zeros_next(r: Req): bool {
  if (!write_next(r)) return false;
  const whole = r.r_n + r.r_left;
  if ((r.r_flags & NBD_CMD_FLAG_NO_HOLE) == 0) {
    // Up to a whole sector; then all of those; then what is left.
    r.r_n = r.r_skew != 0 ? min<u32>(whole, SECTOR - r.r_skew) : whole < SECTOR ? whole : whole & ~(SECTOR - 1);
    r.r_left = whole - r.r_n;
    if (r.r_skew == 0 && r.r_n >= SECTOR) r.r_op = BIO_ZERO;
  }
  if (r.r_op == BIO_WRITE) memory.fill(req_at(r), 0, r.r_n);
  write_piece(r);
  return true;
}

/** Begin a TRIM or WRITE_ZEROES that has been found good. */
export function ranges_start(r: Req): void {
  if (r.r_type == NBD_CMD_WRITE_ZEROES) {
    zeros_next(r);
    return;
  }
  assert(r.r_type == NBD_CMD_TRIM, "nbd: command");
  const end = (r.r_off + r.r_left) & ~<u64>(SECTOR - 1);
  r.r_off = (r.r_off + SECTOR - 1) & ~<u64>(SECTOR - 1);
  r.r_left = 0;
  if (end <= r.r_off) {
    out_push(r);
    return;
  }
  r.r_n = <u32>(end - r.r_off);
  r.r_op = BIO_DISCARD;
  write_piece(r);
}

/** What is to be done with `r` now that a piece of it is done; false: it is to be answered. */
export function write_go_on(r: Req): bool {
  if (r.r_type == NBD_CMD_WRITE) {
    nb.bytes_written += r.r_n;
    return write_next(r);
  }
  if (r.r_type == NBD_CMD_WRITE_ZEROES && zeros_next(r)) return true;
  const flush = (r.r_flags & (NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE)) == NBD_CMD_FLAG_FUA && r.r_flushing == 0;
  if (!flush) return false;
  r.r_flushing = 1;
  nbd_submit(r, BIO_FLUSH, 0, 0, 0, 0, 0);
  return true;
}
