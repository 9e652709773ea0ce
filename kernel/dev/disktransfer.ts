/**
 * Transfers of SYS_diskctl: one at a time for each device.
 *
 *      a RAM disk       from and to the caller's memory, done when the call returns
 *      done later       through a bounce buffer; -EINPROGRESS, then DISK_DONE: -EAGAIN … the result
 *
 *      WRITE: data ─► bounce ─► device            READ: device ─► bounce ─► data, when DISK_DONE tells it
 *
 * The host's calls share one exchange area, so what a caller has there is its own only until its call
 * returns; a device that is done later must not be given it. There are DEV_BOUNCES buffers of
 * DISK_BOUNCE bytes: a longer transfer is done in part, and with none left it is -EBUSY, as it is while
 * another transfer of the device is under way. What nobody has asked for when a device is closed for the
 * last time is forgotten.
 */
import { DEV_BSIZE } from "../abi/disk";
import { EAGAIN, EBADF, EBUSY, EINPROGRESS, EINVAL } from "../abi/errno";
import { BIO_READ, BIO_WRITE } from "../abi/rump";
import { DEV_BOUNCES, DEV_MAXDEVS } from "rump/tunables";
import { kmem_alloc } from "../kern/kmem";
import { Pool, pool_get, pool_init, pool_put } from "../kern/pool";
import { BLKF_SYNC, Blkdev, blkdev_close, blkdev_get } from "./blkdev";
import { B_DONE, BUF_SIZE, Buf, bio_prepare, bio_submit } from "./buf";

/** Bytes of one transfer of a device that is done later. */
const DISK_BOUNCE: u32 = 196608;
/** Of one unit: the request, and behind it what belongs to the transfer. */
const SLOT_SIZE: u32 = BUF_SIZE + 16;

/** What DISK_DONE has to know. */
@unmanaged
class Transfer {
  /** 0 = none: the device has the caller's memory. */
  t_bounce: usize;
  /** Where what is read is wanted. */
  t_data: usize;
  /** Nobody is left who could ask. */
  t_orphan: i32;
}

@unmanaged
class TransferState {
  slots: usize;
  bounces: Pool;
}

let ts: TransferState = changetype<TransferState>(0);

/** Boot. */
export function disktransfer_init(): void {
  assert(BUF_SIZE + offsetof<Transfer>() <= SLOT_SIZE && (DISK_BOUNCE & (DEV_BSIZE - 1)) == 0, "SLOT_SIZE");
  ts = changetype<TransferState>(kmem_alloc(offsetof<TransferState>(), 8, "diskctl"));
  ts.slots = kmem_alloc(<usize>DEV_MAXDEVS * SLOT_SIZE, 16, "diskctl");
  ts.bounces = pool_init("diskctl.bounce", DISK_BOUNCE, DEV_BOUNCES, 64);
}

function buf_of(unit: i32): Buf {
  return changetype<Buf>(ts.slots + <usize>unit * SLOT_SIZE);
}

function transfer_of(bp: Buf): Transfer {
  return changetype<Transfer>(changetype<usize>(bp) + BUF_SIZE);
}

function is_busy(bp: Buf): bool {
  return changetype<usize>(bp.b_dev) != 0;
}

/** The unit is free for the next transfer. */
function release(bp: Buf): void {
  const t = transfer_of(bp);
  if (t.t_bounce != 0) pool_put(ts.bounces, t.t_bounce);
  t.t_bounce = 0;
  t.t_orphan = 0;
  bp.b_dev = changetype<Blkdev>(0);
}

/** The result of a request that is done: bytes (0 for those without data), or -errno. */
function result_of(bp: Buf): i32 {
  const t = transfer_of(bp);
  const moves = bp.b_op == BIO_READ || bp.b_op == BIO_WRITE;
  const done = moves ? <i32>(bp.b_bcount - bp.b_resid) : 0;
  if (t.t_bounce != 0 && bp.b_op == BIO_READ) memory.copy(t.t_data, t.t_bounce, done);
  release(bp);
  return done > 0 ? done : bp.b_error;
}

/** Start a request on open device `unit`; its result, or -EINPROGRESS. */
export function disktransfer(unit: i32, op: i32, blkno: u64, data: usize, bytes: u32, nsect: u32): i32 {
  const dev = blkdev_get(unit);
  if (changetype<usize>(dev) == 0 || dev.d_nopen == 0) return -EBADF;
  const bp = buf_of(unit);
  const t = transfer_of(bp);
  if (is_busy(bp) && t.t_orphan != 0 && (bp.b_flags & B_DONE) != 0) release(bp);
  if (is_busy(bp)) return -EBUSY;
  if (bytes > 0 && (dev.d_flags & BLKF_SYNC) == 0) {
    t.t_bounce = pool_get(ts.bounces);
    if (t.t_bounce == 0) return -EBUSY;
    t.t_data = data;
    // The device judges what is not whole sectors.
    bytes = min<u32>(bytes, DISK_BOUNCE + (bytes & (DEV_BSIZE - 1)));
    if (op == BIO_WRITE && bytes <= DISK_BOUNCE) memory.copy(t.t_bounce, data, bytes);
    data = t.t_bounce;
  }
  bio_prepare(bp, op, 0, blkno, data, bytes, 0, 0);
  if (bytes == 0) bp.b_nsect = nsect;
  bio_submit(dev, bp);
  return (bp.b_flags & B_DONE) != 0 ? result_of(bp) : -EINPROGRESS;
}

/** How is the transfer of `unit` that was under way? Its result, or -EAGAIN. */
export function disktransfer_done(unit: i32): i32 {
  if (changetype<usize>(blkdev_get(unit)) == 0) return -EBADF;
  const bp = buf_of(unit);
  if (!is_busy(bp)) return -EINVAL;
  return (bp.b_flags & B_DONE) != 0 ? result_of(bp) : -EAGAIN;
}

/** Close a device. 0 or -errno. */
export function disktransfer_close(unit: i32): i32 {
  const e = blkdev_close(unit);
  if (e < 0 || blkdev_get(unit).d_nopen > 0) return e;
  const bp = buf_of(unit);
  if (is_busy(bp)) transfer_of(bp).t_orphan = 1;
  return e;
}
