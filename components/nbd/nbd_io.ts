/**
 * Requests at the device: pieces of one buffer each, until all is done.
 *
 *      READ          status ─► a hole: told as one ─┐
 *                          └► data: bio ────────────┴► out_push ─► sent ─► next piece
 *      WRITE, TRIM, WRITE_ZEROES     see nbd_write.ts
 *      RESIZE        at once: the device's new size counts from the next look at it, for all connections
 *
 * A device may be done at once or later: nbd_iodone comes once in either case, and wakes the connection
 * unless that is what is being run.
 */
import { BLK_HOLE, BLK_ZERO, DEV_BSHIFT, DEV_BSIZE } from "../../kernel/abi/disk";
import { EINVAL } from "../../kernel/abi/errno";
import { BIO_FLUSH, BIO_READ } from "../../kernel/abi/rump";
import { BLKF_LOCKED, BLKF_RDONLY, Blkdev, blkdev_get } from "../../kernel/dev/blkdev";
import { Buf, bio_prepare, bio_submit } from "../../kernel/dev/buf";
import { NBD_BUFSIZE, NC_STRUCTURED, nbd_error_of } from "./nbd_check";
import { conn_free, conn_wake } from "./nbd_conn";
import { lock_release } from "./nbd_lock";
import {
  NBD_CMD_BLOCK_STATUS, NBD_CMD_CACHE, NBD_CMD_FLAG_DF, NBD_CMD_FLAG_REQ_ONE, NBD_CMD_FLUSH, NBD_CMD_READ, NBD_CMD_RESIZE, NBD_CMD_TRIM,
  NBD_CMD_WRITE, NBD_CMD_WRITE_ZEROES, NBD_EINVAL, NBD_ENOSPC, NBD_EPERM, NBD_META_ALLOCATION, NBD_STATE_HOLE, NBD_STATE_ZERO, be32, put32,
} from "./nbd_proto";
import { NOREQ, NbdState, PH_GONE, RP_DATA, RP_END, RP_HOLE, RP_STATUS, Req, nb, req_buf, req_free } from "./nbd_state";
import { out_push } from "./nbd_tx";
import { ranges_start, write_go_on, write_step } from "./nbd_write";

/** Holes shorter than this are told as data: a chunk of their own would cost more. */
const HOLE_MIN: u64 = 16384;
/** Extents in one answer, and looks at the device for it. */
const EXTENTS_MAX: i32 = 1024;
const LOOKS_MAX: i32 = 8192;

function device(r: Req): Blkdev {
  return blkdev_get(r.r_conn.c_unit);
}

/** Hand a transfer of `r` to its device. */
export function nbd_submit(r: Req, op: i32, flags: i32, blkno: u64, data: usize, bytes: u32, nsect: u32): void {
  const bp = req_buf(r);
  bio_prepare(bp, op, flags, blkno, data, bytes, nb.iodone, changetype<usize>(r));
  if (bytes == 0) bp.b_nsect = nsect;
  r.r_conn.c_nbusy++;
  nb.budget -= bytes;
  bio_submit(device(r), bp);
}

/** What is from byte `off` on: BLK_*; how many bytes of `len` are like it goes to nb.nsect. */
function status(r: Req, off: u64, len: u64): i32 {
  const skew = off & (DEV_BSIZE - 1);
  nb.nsect = (skew + len + DEV_BSIZE - 1) >> DEV_BSHIFT;
  const what = device(r).d_status(off >> DEV_BSHIFT, changetype<usize>(nb) + offsetof<NbdState>("nsect"));
  nb.nsect = min<u64>((nb.nsect << DEV_BSHIFT) - skew, len);
  assert(nb.nsect > 0, "nbd: status of nothing");
  return what;
}

/** The next piece of a READ is r_n bytes of r_left: from a hole, or from the device. */
function read_shape(r: Req): void {
  r.r_n = min<u32>(r.r_left, NBD_BUFSIZE - r.r_skew);
  r.r_piece = RP_DATA;
  if ((r.r_conn.c_may & NC_STRUCTURED) == 0) return;
  const what = status(r, r.r_off, r.r_left);
  const run = nb.nsect;
  const zeros = what == BLK_HOLE || what == BLK_ZERO;
  const free = (r.r_flags & NBD_CMD_FLAG_DF) == 0;
  if (zeros && (run == r.r_left || (run >= HOLE_MIN && free))) {
    r.r_piece = RP_HOLE;
    r.r_n = <u32>run;
  } else if (!zeros && run < r.r_n && free) {
    // What follows the data is a hole: worth ending the piece there?
    status(r, r.r_off + run, r.r_left - run);
    if (nb.nsect >= HOLE_MIN) r.r_n = <u32>run;
  }
}

/** The next piece of a READ: r_left bytes are left from r_off + r_n on. */
export function nbd_io_read(r: Req): void {
  r.r_off += r.r_n;
  const dev = device(r);
  if (r.r_off + r.r_left > dev.d_nsect << DEV_BSHIFT) {
    // Good when it came; the device has become smaller since.
    r.r_error = NBD_EINVAL;
    r.r_left = 0;
    r.r_n = 0;
    r.r_piece = RP_END;
    out_push(r);
    return;
  }
  r.r_skew = <u32>r.r_off & (DEV_BSIZE - 1);
  read_shape(r);
  r.r_left -= r.r_n;
  nb.bytes_read += r.r_n;
  if (r.r_piece == RP_HOLE) out_push(r);
  else nbd_submit(r, BIO_READ, 0, r.r_off >> DEV_BSHIFT, r.r_data, (r.r_skew + r.r_n + DEV_BSIZE - 1) & ~(DEV_BSIZE - 1), 0);
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

/** The new size that the client wants. 0 or NBD_E*. */
function resize(r: Req): u32 {
  const dev = device(r);
  if ((dev.d_flags & (BLKF_RDONLY | BLKF_LOCKED)) != 0) return NBD_EPERM;
  const e = dev.d_resize(r.r_off >> DEV_BSHIFT);
  if (e == 0) return 0;
  // It is whole sectors: what the device finds wrong with it is that it is too much.
  return e == -EINVAL ? NBD_ENOSPC : nbd_error_of(e);
}

/** Begin a request that has been found good; all of its range is in r_left, and r_n is 0. */
export function nbd_io_start(r: Req): void {
  const type = r.r_type;
  if (type == NBD_CMD_READ) {
    nbd_io_read(r);
  } else if (type == NBD_CMD_BLOCK_STATUS) {
    read_status(r);
  } else if (type == NBD_CMD_CACHE || type == NBD_CMD_RESIZE) {
    // All of a RAM disk is in memory, and a file of the host in the host's cache.
    if (type == NBD_CMD_RESIZE) r.r_error = resize(r);
    r.r_left = 0;
    out_push(r);
  } else if (type == NBD_CMD_FLUSH) {
    nbd_submit(r, BIO_FLUSH, 0, 0, 0, 0, 0);
  } else {
    ranges_start(r);
  }
}

/** Does `r` change the device? */
function is_change(r: Req): bool {
  return r.r_type == NBD_CMD_WRITE || r.r_type == NBD_CMD_TRIM || r.r_type == NBD_CMD_WRITE_ZEROES;
}

/** The device is done with the piece of a request, or with a step of it. */
export function nbd_iodone(bp: Buf): void {
  const r = changetype<Req>(bp.b_arg);
  const c = r.r_conn;
  const change = is_change(r);
  c.c_nbusy--;
  if (bp.b_error == 0 && c.c_phase != PH_GONE && change && write_step(r)) return;
  lock_release(r);
  if (c.c_phase == PH_GONE) {
    req_free(r);
    conn_free(c);
    return;
  }
  // The range was good when the request came: the device has become smaller since.
  if (bp.b_error < 0) r.r_error = bp.b_error == -EINVAL && change ? NBD_ENOSPC : nbd_error_of(bp.b_error);
  if (r.r_error != 0 && c.c_wreq == r) {
    // What is left of its data is not wanted any more.
    c.c_wreq = NOREQ;
    c.c_skip = r.r_left;
  }
  if (r.r_error != 0 || !change || !write_go_on(r)) {
    if (r.r_type != NBD_CMD_READ) r.r_piece = RP_END;
    out_push(r);
  }
  conn_wake(c);
}
