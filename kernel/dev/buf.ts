/**
 * Requests to block devices: struct buf, submission and completion.
 *
 *      user ─► bio_submit(bp) ─► dev.d_strategy(bp) ─► … ─► biodone(bp) ─► b_iodone(bp)
 *                   │ checked: aligned, within the device, writable            ▲
 *                   └ refused ──────────────────────────────────────────────────┘ at once, b_error set
 *
 * A device may be done before d_strategy returns (memory) or much later (files of the host); users see
 * one behaviour: the callback comes once, never from inside bio_submit's caller's own callback.
 * Completions wait in a queue while a strategy routine or another callback is under way, so a chain of
 * a million requests, each submitted by the callback of the last, runs in constant stack.
 * A user without a callback looks at B_DONE: for a device that is synchronous it is set when
 * bio_submit returns. Cost: two indirect calls a request.
 */
import { EINVAL, EROFS } from "../abi/errno";
import { BIO_ZERO, DEV_BSHIFT, DEV_BSIZE } from "../abi/disk";
import { BIO_DISCARD, BIO_FLUSH, BIO_READ, BIO_WRITE } from "../abi/rump";
import { kmem_alloc } from "../kern/kmem";
import { BLKF_LOCKED, BLKF_RDONLY, Blkdev } from "./blkdev";

/** b_flags: on a write, durable before it is done. */
export const B_FUA: i32 = 1;
/** No later request may pass this one, nor it an earlier one. */
export const B_BARRIER: i32 = 2;
/** Done: b_error and b_resid are valid. */
export const B_DONE: i32 = 4;

/** One request. Embed it or take it from a pool; zeroed is valid. BUF_SIZE bytes. */
@unmanaged
export class Buf {
  /** BIO_READ, BIO_WRITE, BIO_FLUSH, BIO_DISCARD (abi/rump.ts), BIO_ZERO (abi/disk.ts). */
  b_op: i32;
  b_flags: i32;
  /** First sector of 512 bytes. */
  b_blkno: u64;
  /** Data in memory, and its bytes; of DISCARD and ZERO there is no data. */
  b_data: usize;
  b_bcount: u32;
  /** Sectors of DISCARD and ZERO; set from b_bcount for READ and WRITE. */
  b_nsect: u32;
  /** 0 or -errno; bytes that were not transferred. */
  b_error: i32;
  b_resid: u32;
  /** Called when done, or 0: (bp: Buf) => void, by index; b_arg is the user's. */
  b_iodone: i32;
  b_arg: usize;
  b_dev: Blkdev;
  /** For whoever holds the request: first the queue in front of a device, then the done queue. */
  b_next: Buf;
  b_prev: Buf;
  /** When it was submitted or is due, µs of uptime; the queue's. */
  b_time: i64;
  /** The driver's. */
  b_cookie: usize;
}

export const BUF_SIZE: u32 = 80;

@unmanaged
class BioState {
  /** Strategy routines under way; callbacks being called. */
  busy: i32;
  draining: i32;
  first: Buf;
  last: Buf;
  nsubmitted: u64;
  nrefused: u64;
}

let bs: BioState = changetype<BioState>(0);

/** Boot. */
export function bio_init(): void {
  assert(offsetof<Buf>() <= BUF_SIZE, "BUF_SIZE");
  bs = changetype<BioState>(kmem_alloc(offsetof<BioState>(), 64, "bio"));
}

/** Fill in a request. `fn` is the callback's index, 0 = none. */
export function bio_prepare(bp: Buf, op: i32, flags: i32, blkno: u64, data: usize, bytes: u32, fn: i32, arg: usize): void {
  bp.b_op = op;
  bp.b_flags = flags;
  bp.b_blkno = blkno;
  bp.b_data = data;
  bp.b_bcount = bytes;
  bp.b_nsect = bytes >> DEV_BSHIFT;
  bp.b_iodone = fn;
  bp.b_arg = arg;
}

/** 0, or why the device must not see `bp`. */
function bio_check(dev: Blkdev, bp: Buf): i32 {
  const op = bp.b_op;
  if (op == BIO_FLUSH) return 0;
  if (op != BIO_READ && (dev.d_flags & (BLKF_RDONLY | BLKF_LOCKED)) != 0) return -EROFS;
  if (op == BIO_READ || op == BIO_WRITE) {
    if ((bp.b_bcount & (DEV_BSIZE - 1)) != 0) return -EINVAL;
    bp.b_nsect = bp.b_bcount >> DEV_BSHIFT;
  } else if (op != BIO_DISCARD && op != BIO_ZERO) {
    return -EINVAL;
  }
  const end = bp.b_blkno + bp.b_nsect;
  return end < bp.b_blkno || end > dev.d_nsect ? -EINVAL : 0;
}

/** Hand `bp` to `dev`. It belongs to the device until it is done. */
export function bio_submit(dev: Blkdev, bp: Buf): void {
  bp.b_dev = dev;
  bp.b_flags &= ~B_DONE;
  bp.b_error = 0;
  bp.b_resid = bp.b_op == BIO_READ || bp.b_op == BIO_WRITE ? bp.b_bcount : 0;
  bs.nsubmitted++;
  const e = bio_check(dev, bp);
  bs.busy++;
  if (e < 0) {
    bs.nrefused++;
    dev.d_invalid++;
    bp.b_error = e;
    biodone(bp);
  } else {
    dev.d_inflight++;
    dev.d_strategy(bp);
  }
  bs.busy--;
  if (bs.busy == 0) bio_drain();
}

/** The device is done with `bp`: b_error and b_resid are set. For drivers. */
export function bio_complete(bp: Buf): void {
  const dev = bp.b_dev;
  assert(dev.d_inflight > 0, "bio_complete: not under way");
  dev.d_inflight--;
  biodone(bp);
}

function biodone(bp: Buf): void {
  assert((bp.b_flags & B_DONE) == 0, "biodone: twice");
  bp.b_flags |= B_DONE;
  if (bp.b_iodone == 0) return;
  bp.b_next = changetype<Buf>(0);
  if (bs.last) bs.last.b_next = bp;
  else bs.first = bp;
  bs.last = bp;
  if (bs.busy == 0) bio_drain();
}

/** Call back for what is done, one after the other. */
function bio_drain(): void {
  if (bs.draining != 0) return;
  bs.draining = 1;
  while (bs.first) {
    const bp = bs.first;
    bs.first = bp.b_next;
    if (!bs.first) bs.last = changetype<Buf>(0);
    call_indirect<void>(bp.b_iodone, bp);
  }
  bs.draining = 0;
}
