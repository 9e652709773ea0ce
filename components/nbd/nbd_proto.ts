/**
 * The NBD protocol's numbers (NetworkBlockDevice, doc/proto.md), and its byte order: big-endian.
 *
 *      request           | 25609513 | flags u16 | type u16 | cookie u64 | offset u64 | length u32 | [data]
 *      simple reply      | 67446698 | error u32 | cookie u64 | [data]
 *      structured chunk  | 668e33ef | flags u16 | type u16 | cookie u64 | length u32 | payload
 *      option            | 49484156454f5054 | option u32 | length u32 | data
 *      option's reply    | 0003e889045565a9 | option u32 | type u32 | length u32 | data
 */

export const NBD_MAGIC: u64 = 0x4e42444d41474943;
export const NBD_IHAVEOPT: u64 = 0x49484156454f5054;
export const NBD_REP_MAGIC: u64 = 0x0003e889045565a9;
export const NBD_REQUEST_MAGIC: u32 = 0x25609513;
export const NBD_SIMPLE_MAGIC: u32 = 0x67446698;
export const NBD_CHUNK_MAGIC: u32 = 0x668e33ef;

/** Sizes of the fixed parts. */
export const NBD_OPTION_SIZE: i32 = 16;
export const NBD_REPLY_SIZE: i32 = 20;
export const NBD_REQUEST_SIZE: i32 = 28;
export const NBD_SIMPLE_SIZE: i32 = 16;
export const NBD_CHUNK_SIZE: i32 = 20;

/** Of the greeting: fixed newstyle, and no 124 zeros after EXPORT_NAME. */
export const NBD_FLAG_FIXED_NEWSTYLE: u32 = 1;
export const NBD_FLAG_NO_ZEROES: u32 = 2;

export const NBD_OPT_EXPORT_NAME: u32 = 1;
export const NBD_OPT_ABORT: u32 = 2;
export const NBD_OPT_LIST: u32 = 3;
export const NBD_OPT_STARTTLS: u32 = 5;
export const NBD_OPT_INFO: u32 = 6;
export const NBD_OPT_GO: u32 = 7;
export const NBD_OPT_STRUCTURED_REPLY: u32 = 8;
export const NBD_OPT_LIST_META_CONTEXT: u32 = 9;
export const NBD_OPT_SET_META_CONTEXT: u32 = 10;

export const NBD_REP_ACK: u32 = 1;
export const NBD_REP_SERVER: u32 = 2;
export const NBD_REP_INFO: u32 = 3;
export const NBD_REP_META_CONTEXT: u32 = 4;
export const NBD_REP_ERR_UNSUP: u32 = 0x80000001;
export const NBD_REP_ERR_INVALID: u32 = 0x80000003;
export const NBD_REP_ERR_UNKNOWN: u32 = 0x80000006;
export const NBD_REP_ERR_SHUTDOWN: u32 = 0x80000007;
export const NBD_REP_ERR_TOO_BIG: u32 = 0x80000009;

export const NBD_INFO_EXPORT: u32 = 0;
export const NBD_INFO_NAME: u32 = 1;
export const NBD_INFO_DESCRIPTION: u32 = 2;
export const NBD_INFO_BLOCK_SIZE: u32 = 3;

/** Of an export. */
export const NBD_FLAG_HAS_FLAGS: u32 = 1;
export const NBD_FLAG_READ_ONLY: u32 = 2;
export const NBD_FLAG_SEND_FLUSH: u32 = 4;
export const NBD_FLAG_SEND_FUA: u32 = 8;
export const NBD_FLAG_SEND_TRIM: u32 = 32;
export const NBD_FLAG_SEND_WRITE_ZEROES: u32 = 64;
export const NBD_FLAG_SEND_DF: u32 = 128;
export const NBD_FLAG_CAN_MULTI_CONN: u32 = 256;
/** Extension "resize": the command is understood. */
export const NBD_FLAG_SEND_RESIZE: u32 = 512;
export const NBD_FLAG_SEND_CACHE: u32 = 1024;
export const NBD_FLAG_SEND_FAST_ZERO: u32 = 2048;

export const NBD_CMD_READ: u32 = 0;
export const NBD_CMD_WRITE: u32 = 1;
export const NBD_CMD_DISC: u32 = 2;
export const NBD_CMD_FLUSH: u32 = 3;
export const NBD_CMD_TRIM: u32 = 4;
export const NBD_CMD_CACHE: u32 = 5;
export const NBD_CMD_WRITE_ZEROES: u32 = 6;
export const NBD_CMD_BLOCK_STATUS: u32 = 7;
/** Extension "resize": the new size is in the place of the offset, and the length is 0. */
export const NBD_CMD_RESIZE: u32 = 8;

export const NBD_CMD_FLAG_FUA: u32 = 1;
export const NBD_CMD_FLAG_NO_HOLE: u32 = 2;
export const NBD_CMD_FLAG_DF: u32 = 4;
export const NBD_CMD_FLAG_REQ_ONE: u32 = 8;
export const NBD_CMD_FLAG_FAST_ZERO: u32 = 16;

export const NBD_REPLY_FLAG_DONE: u32 = 1;
export const NBD_REPLY_NONE: u32 = 0;
export const NBD_REPLY_OFFSET_DATA: u32 = 1;
export const NBD_REPLY_OFFSET_HOLE: u32 = 2;
export const NBD_REPLY_BLOCK_STATUS: u32 = 5;
export const NBD_REPLY_ERROR: u32 = 0x8001;

/** base:allocation. */
export const NBD_STATE_HOLE: u32 = 1;
export const NBD_STATE_ZERO: u32 = 2;
/** Our number for that context. */
export const NBD_META_ALLOCATION: u32 = 1;

export const NBD_EPERM: u32 = 1;
export const NBD_EIO: u32 = 5;
export const NBD_ENOMEM: u32 = 12;
export const NBD_EINVAL: u32 = 22;
export const NBD_ENOSPC: u32 = 28;
export const NBD_EOVERFLOW: u32 = 75;
export const NBD_ENOTSUP: u32 = 95;
export const NBD_ESHUTDOWN: u32 = 108;

export function be16(p: usize): u32 {
  return <u32>bswap<u16>(load<u16>(p));
}

export function be32(p: usize): u32 {
  return bswap<u32>(load<u32>(p));
}

export function be64(p: usize): u64 {
  return bswap<u64>(load<u64>(p));
}

/** Write; the address behind it. */
export function put16(p: usize, v: u32): usize {
  store<u16>(p, bswap<u16>(<u16>v));
  return p + 2;
}

export function put32(p: usize, v: u32): usize {
  store<u32>(p, bswap<u32>(v));
  return p + 4;
}

export function put64(p: usize, v: u64): usize {
  store<u64>(p, bswap<u64>(v));
  return p + 8;
}
