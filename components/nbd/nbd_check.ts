/**
 * What of a request can be judged before anything is done: pure functions.
 *
 *      order of looking: shutting down, known command, known flags, read-only, alignment, length, range
 *
 * A client that has asked for the block sizes keeps to whole sectors of 512 bytes, or gets EINVAL; one
 * that has not may say any byte (doc/proto.md, "Block size constraints"). Beyond the end a write is
 * ENOSPC and all else EINVAL ("Error values").
 */
import { EINVAL, ENOMEM, ENOSPC, EOPNOTSUPP, EROFS } from "../../kernel/abi/errno";
import {
  NBD_CMD_BLOCK_STATUS, NBD_CMD_CACHE, NBD_CMD_FLAG_DF, NBD_CMD_FLAG_FAST_ZERO, NBD_CMD_FLAG_FUA, NBD_CMD_FLAG_NO_HOLE,
  NBD_CMD_FLAG_REQ_ONE, NBD_CMD_FLUSH, NBD_CMD_READ, NBD_CMD_RESIZE, NBD_CMD_TRIM, NBD_CMD_WRITE, NBD_CMD_WRITE_ZEROES, NBD_EINVAL, NBD_EIO,
  NBD_ENOMEM, NBD_ENOSPC, NBD_ENOTSUP, NBD_EOVERFLOW, NBD_EPERM, NBD_ESHUTDOWN,
} from "./nbd_proto";

/** What data a request may carry or ask for, at most. */
export const NBD_MAXPAYLOAD: u32 = 33554432;
/** Data of one piece of it: what a request has memory for, and the most that comes in one chunk. */
export const NBD_BUFSIZE: u32 = 131072;

/** What the connection may do. */
export const NC_RDONLY: i32 = 1;
export const NC_STRUCTURED: i32 = 2;
export const NC_META: i32 = 4;
export const NC_DRAIN: i32 = 8;
/** The device makes holes. */
export const NC_HOLES: i32 = 16;
/** The client knows of the block sizes. */
export const NC_ALIGNED: i32 = 32;
/** The device's size can be changed. */
export const NC_RESIZE: i32 = 64;

/** Flags that command `type` may carry; -1 = there is no such command. */
export function nbd_flags_of(type: u32): i32 {
  if (type == NBD_CMD_READ) return NBD_CMD_FLAG_DF | NBD_CMD_FLAG_FUA;
  if (type == NBD_CMD_WRITE || type == NBD_CMD_TRIM) return NBD_CMD_FLAG_FUA;
  if (type == NBD_CMD_WRITE_ZEROES) return NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO;
  if (type == NBD_CMD_BLOCK_STATUS) return NBD_CMD_FLAG_REQ_ONE | NBD_CMD_FLAG_FUA;
  if (type == NBD_CMD_FLUSH || type == NBD_CMD_CACHE || type == NBD_CMD_RESIZE) return NBD_CMD_FLAG_FUA;
  return -1;
}

function changes(type: u32): bool {
  return type == NBD_CMD_WRITE || type == NBD_CMD_TRIM || type == NBD_CMD_WRITE_ZEROES || type == NBD_CMD_RESIZE;
}

/** Is what `type` with `flags` wants of this connection agreed upon? 0 or NBD_E*. */
function check_agreed(type: u32, flags: u32, may: i32): u32 {
  if (type == NBD_CMD_BLOCK_STATUS && (may & NC_META) == 0) return NBD_EINVAL;
  if (type == NBD_CMD_READ && (flags & NBD_CMD_FLAG_DF) != 0 && (may & NC_STRUCTURED) == 0) return NBD_EINVAL;
  if (changes(type) && (may & NC_RDONLY) != 0) return NBD_EPERM;
  if (type == NBD_CMD_RESIZE && (may & NC_RESIZE) == 0) return NBD_EINVAL;
  if ((flags & NBD_CMD_FLAG_FAST_ZERO) == 0) return 0;
  return (may & NC_HOLES) == 0 || (flags & NBD_CMD_FLAG_NO_HOLE) != 0 ? NBD_ENOTSUP : 0;
}

/**
 * Judge a request.
 * @param size bytes of the export
 * @param may NC_*
 * @returns 0 or NBD_E*
 */
export function nbd_check(type: u32, flags: u32, off: u64, len: u32, size: u64, may: i32): u32 {
  if ((may & NC_DRAIN) != 0) return NBD_ESHUTDOWN;
  const known = nbd_flags_of(type);
  if (known < 0 || (flags & ~<u32>known) != 0) return NBD_EINVAL;
  const e = check_agreed(type, flags, may);
  if (e != 0) return e;
  if (type == NBD_CMD_FLUSH) return off != 0 || len != 0 ? NBD_EINVAL : 0;
  if (type == NBD_CMD_RESIZE) return len != 0 || off == 0 || (off & 511) != 0 ? NBD_EINVAL : 0;
  if (len == 0) return NBD_EINVAL;
  const skew = <u32>off & 511;
  if ((may & NC_ALIGNED) != 0 && ((len & 511) | skew) != 0) return NBD_EINVAL;
  if ((type == NBD_CMD_READ || type == NBD_CMD_WRITE) && len > NBD_MAXPAYLOAD) return NBD_EINVAL;
  if ((flags & NBD_CMD_FLAG_DF) != 0 && len > NBD_BUFSIZE - skew) return NBD_EOVERFLOW;
  if (off > size || <u64>len > size - off) {
    return type == NBD_CMD_WRITE || type == NBD_CMD_WRITE_ZEROES ? NBD_ENOSPC : NBD_EINVAL;
  }
  return 0;
}

/** The kernel's -errno as the protocol has it. */
export function nbd_error_of(e: i32): u32 {
  if (e == -ENOSPC) return NBD_ENOSPC;
  if (e == -EROFS) return NBD_EPERM;
  if (e == -ENOMEM) return NBD_ENOMEM;
  if (e == -EINVAL) return NBD_EINVAL;
  return e == -EOPNOTSUPP ? NBD_ENOTSUP : NBD_EIO;
}
