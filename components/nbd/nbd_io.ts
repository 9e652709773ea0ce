/**
 * Requests at the device: pieces of one buffer each, until all is done.
 *
 *      READ          status ─► a hole: told as one ─┐
 *                          └► data: bio ────────────┴► out_push ─► sent ─► next piece
 *      WRITE         data of a piece has come ─► bio ─► next piece comes … ─► reply
 *      TRIM, ZEROES  bio on the whole range ─► with FUA: flush ─► reply
 *
 * A device may be done at once or later: nbd_iodone comes once in either case, and wakes the connection
 * unless that is what is being run.
 */
import { BIO_ZERO, BLK_HOLE, BLK_ZERO, DEV_BSHIFT } from "../../kernel/abi/disk";
import { BIO_DISCARD, BIO_FLUSH, BIO_READ, BIO_WRITE } from "../../kernel/abi/rump";
import { Blkdev, blkdev_get } from "../../kernel/dev/blkdev";
import { B_FUA, Buf, bio_prepare, bio_submit } from "../../kernel/dev/buf";
import { NBD_BUFSIZE, NC_STRUCTURED, nbd_error_of } from "./nbd_check";
import { conn_free, conn_wake } from "./nbd_conn";
import {
  NBD_CMD_BLOCK_STATUS, NBD_CMD_CACHE, NBD_CMD_FLAG_DF, NBD_CMD_FLAG_FUA, NBD_CMD_FLAG_NO_HOLE, NBD_CMD_FLAG_REQ_ONE, NBD_CMD_FLUSH,
  NBD_CMD_READ, NBD_CMD_TRIM, NBD_CMD_WRITE, NBD_CMD_WRITE_ZEROES, NBD_META_ALLOCATION, NBD_STATE_HOLE, NBD_STATE_ZERO, be32, put32,
} from "./nbd_proto";
import { NOREQ, NbdState, PH_GONE, RP_DATA, RP_END, RP_HOLE, RP_STATUS, Req, nb, req_buf, req_free } from "./nbd_state";
import { out_push } from "./nbd_tx";

/** Holes shorter than this are told as data: a chunk of their own would cost more. */
const HOLE_MIN: u64 = 16384;
/** Extents in one answer, and looks at the device for it. */
const EXTENTS_MAX: i32 = 1024;
const LOOKS_MAX: i32 = 8192;

function device(r: Req): Blkdev {
  return blkdev_get(r.r_conn.c_unit);
}

function submit(r: Req, op: i32, flags: i32, bytes: u32, nsect: u32): void {
  const bp = req_buf(r);
  bio_prepare(bp, op, flags, r.r_off >> DEV_BSHIFT, r.r_data, bytes, nb.iodone, changetype<usize>(r));
  if (bytes == 0) bp.b_nsect = nsect;
  r.r_conn.c_nbusy++;
  nb.budget -= bytes;
  bio_submit(device(r), bp);
}

/** What is from `off` on: BLK_*; how many bytes of `len` are like it goes to nb.nsect. */
function status(r: Req, off: u64, len: u64): i32 {
  nb.nsect = len >> DEV_BSHIFT;
  const what = device(r).d_status(off >> DEV_BSHIFT, changetype<usize>(nb) + offsetof<NbdState>("nsect"));
  nb.nsect <<= DEV_BSHIFT;
  assert(nb.nsect > 0, "nbd: status of nothing");
  return what;
}

/** The next piece of a READ: r_left bytes are left from r_off + r_n on. */
export function nbd_io_read(r: Req): void {
  r.r_off += r.r_n;
  let n = min<u32>(r.r_left, NBD_BUFSIZE);
  r.r_piece = RP_DATA;
  if ((r.r_conn.c_may & NC_STRUCTURED) != 0) {
    const what = status(r, r.r_off, r.r_left);
    const run = nb.nsect;
    const zeros = what == BLK_HOLE || what == BLK_ZERO;
    if (zeros && (run == r.r_left || (run >= HOLE_MIN && (r.r_flags & NBD_CMD_FLAG_DF) == 0))) {
      r.r_piece = RP_HOLE;
      n = <u32>run;
    } else if (!zeros && run < n && (r.r_flags & NBD_CMD_FLAG_DF) == 0) {
      // What follows the data is a hole: worth ending the piece there?
      status(r, r.r_off + run, r.r_left - run);
      if (nb.nsect >= HOLE_MIN) n = <u32>run;
    }
  }
  r.r_n = n;
  r.r_left -= n;
  nb.bytes_read += n;
  if (r.r_piece == RP_HOLE) out_push(r);
  else submit(r, BIO_READ, 0, n, 0);
}

/** All data of the piece of a WRITE has come. */
export function nbd_io_write(r: Req): void {
  submit(r, BIO_WRITE, (r.r_flags & NBD_CMD_FLAG_FUA) != 0 ? B_FUA : 0, r.r_n, 0);
}

/** The next piece of a WRITE or of real zeros, if there is one. */
export function nbd_io_next(r: Req): bool {
  if (r.r_left == 0) return false;
  r.r_off += r.r_n;
  r.r_n = min<u32>(r.r_left, NBD_BUFSIZE);
  r.r_left -= r.r_n;
  r.r_got = 0;
  return true;
}

/** Extents of base:allocation, as the reply has them, in the buffer of `r`. */
function read_status(r: Req): void {
  let at = put32(r.r_data, NBD_META_ALLOCATION);
  const most = (r.r_flags & NBD_CMD_FLAG_REQ_ONE) != 0 ? 1 : EXTENTS_MAX;
  let n = 0;
  let last: u32 = 0xffffffff;
  let off = r.r_off;
  let left = <u64>r.r_left;
  for (let i = 0; i < LOOKS_MAX && left > 0; i++) {
    const what = status(r, off, left);
    const flags = what == BLK_HOLE ? NBD_STATE_HOLE | NBD_STATE_ZERO : what == BLK_ZERO ? NBD_STATE_ZERO : 0;
    if (flags == last) {
      put32(at - 8, be32(at - 8) + <u32>nb.nsect);
    } else {
      if (n++ == most) break;
      at = put32(put32(at, <u32>nb.nsect), flags);
      last = flags;
    }
    off += nb.nsect;
    left -= nb.nsect;
  }
  r.r_n = <u32>(at - r.r_data);
  r.r_left = 0;
  r.r_piece = RP_STATUS;
  out_push(r);
}

/** Begin a request that has been found good; all of its range is in r_left, and r_n is 0. */
export function nbd_io_start(r: Req): void {
  const type = r.r_type;
  if (type == NBD_CMD_READ) {
    nbd_io_read(r);
  } else if (type == NBD_CMD_BLOCK_STATUS) {
    read_status(r);
  } else if (type == NBD_CMD_CACHE) {
    // All of a RAM disk is in memory, and a file of the host in the host's cache.
    r.r_left = 0;
    out_push(r);
  } else if (type == NBD_CMD_FLUSH) {
    submit(r, BIO_FLUSH, 0, 0, 0);
  } else if (type == NBD_CMD_WRITE_ZEROES && (r.r_flags & NBD_CMD_FLAG_NO_HOLE) != 0) {
    nbd_io_next(r);
    memory.fill(r.r_data, 0, r.r_n);
    nbd_io_write(r);
  } else {
    assert(type == NBD_CMD_TRIM || type == NBD_CMD_WRITE_ZEROES, "nbd: command");
    const nsect = r.r_left >> DEV_BSHIFT;
    r.r_left = 0;
    submit(r, type == NBD_CMD_TRIM ? BIO_DISCARD : BIO_ZERO, 0, 0, nsect);
  }
}

/** What is to be done with `r` now that the device is done with it; false: it is to be answered. */
function go_on(r: Req): bool {
  const type = r.r_type;
  if (type == NBD_CMD_WRITE) {
    nb.bytes_written += r.r_n;
    return nbd_io_next(r);
  }
  if (type != NBD_CMD_TRIM && type != NBD_CMD_WRITE_ZEROES) return false;
  if (nbd_io_next(r)) {
    nbd_io_write(r);
    return true;
  }
  const flush = (r.r_flags & (NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE)) == NBD_CMD_FLAG_FUA && r.r_flushing == 0;
  if (!flush) return false;
  r.r_flushing = 1;
  submit(r, BIO_FLUSH, 0, 0, 0);
  return true;
}

/** The device is done with the piece of a request. */
export function nbd_iodone(bp: Buf): void {
  const r = changetype<Req>(bp.b_arg);
  const c = r.r_conn;
  c.c_nbusy--;
  if (c.c_phase == PH_GONE) {
    req_free(r);
    conn_free(c);
    return;
  }
  if (bp.b_error < 0) r.r_error = nbd_error_of(bp.b_error);
  if (r.r_error != 0 && c.c_wreq == r) {
    // What is left of its data is not wanted any more.
    c.c_wreq = NOREQ;
    c.c_skip = r.r_left;
  }
  if (r.r_error != 0 || !go_on(r)) {
    if (r.r_type != NBD_CMD_READ) r.r_piece = RP_END;
    out_push(r);
  }
  conn_wake(c);
}
