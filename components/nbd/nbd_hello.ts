/**
 * The beginning of a connection: fixed newstyle haggling (doc/proto.md, "Fixed newstyle negotiation").
 *
 *      server: NBDMAGIC IHAVEOPT flags     client: flags     client: option … server: replies …
 *      until GO or EXPORT_NAME, which begin the requests, or ABORT
 *
 * An option whose data does not fit the receive buffer is passed over and answered TOO_BIG. Texts are
 * compared with names of exports and otherwise not used.
 */
import { DEV_BSHIFT } from "../../kernel/abi/disk";
import { BLKF_DISCARD, BLKF_RESIZE, blkdev_close, blkdev_get, blkdev_open } from "../../kernel/dev/blkdev";
import { kput_bytes, kput_str } from "../../kernel/kern/kstring";
import { NBD_MAXPAYLOAD, NC_ALIGNED, NC_HOLES, NC_META, NC_RDONLY, NC_RESIZE, NC_STRUCTURED } from "./nbd_check";
import { STEP_DATA, STEP_END, STEP_ON, STEP_WAIT } from "./nbd_cmd";
import { nbd_export_end, nbd_export_find, nbd_export_name, nbd_export_namelen, nbd_export_rdonly, nbd_export_unit } from "./nbd_export";
import { nbd_meta } from "./nbd_meta";
import {
  NBD_FLAG_CAN_MULTI_CONN, NBD_FLAG_FIXED_NEWSTYLE, NBD_FLAG_HAS_FLAGS, NBD_FLAG_NO_ZEROES, NBD_FLAG_READ_ONLY, NBD_FLAG_SEND_CACHE,
  NBD_FLAG_SEND_DF, NBD_FLAG_SEND_FAST_ZERO, NBD_FLAG_SEND_FLUSH, NBD_FLAG_SEND_FUA, NBD_FLAG_SEND_RESIZE, NBD_FLAG_SEND_TRIM, NBD_FLAG_SEND_WRITE_ZEROES,
  NBD_IHAVEOPT, NBD_INFO_BLOCK_SIZE, NBD_INFO_DESCRIPTION, NBD_INFO_EXPORT, NBD_INFO_NAME, NBD_MAGIC, NBD_OPTION_SIZE, NBD_OPT_ABORT,
  NBD_OPT_EXPORT_NAME, NBD_OPT_GO, NBD_OPT_INFO, NBD_OPT_LIST, NBD_OPT_LIST_META_CONTEXT, NBD_OPT_SET_META_CONTEXT,
  NBD_OPT_STRUCTURED_REPLY, NBD_REPLY_SIZE, NBD_REP_ACK, NBD_REP_ERR_INVALID, NBD_REP_ERR_SHUTDOWN, NBD_REP_ERR_TOO_BIG,
  NBD_REP_ERR_UNKNOWN, NBD_REP_ERR_UNSUP, NBD_REP_INFO, NBD_REP_MAGIC, NBD_REP_SERVER, be16, be32, be64, put16, put32, put64,
} from "./nbd_proto";
import { Conn, NBD_RXSIZE, NBD_TXSIZE, PH_ENDING, PH_OPTIONS, PH_REQUESTS, nb } from "./nbd_state";

/** Room in tx for all answers to any one option. */
const ROOM: i32 = 16384;
const EXPORT_ZEROS: i32 = 124;

function tx_at(c: Conn): usize {
  return c.c_tx + c.c_txlen;
}

/** What the server says first. */
export function hello_greet(c: Conn): void {
  const at = put64(put64(tx_at(c), NBD_MAGIC), NBD_IHAVEOPT);
  put16(at, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
  c.c_txlen += 18;
}

/** The client's flags. STEP_*. */
export function hello_flags(c: Conn): i32 {
  if (c.c_rxlen - c.c_rxoff < 4) return STEP_DATA;
  const flags = be32(c.c_rx + c.c_rxoff);
  c.c_rxoff += 4;
  if ((flags & ~(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES)) != 0) return STEP_END;
  c.c_nozeroes = i32((flags & NBD_FLAG_NO_ZEROES) != 0);
  c.c_phase = PH_OPTIONS;
  return STEP_ON;
}

/** An option's reply with `len` bytes of data, which follow at the address that it answers. */
export function hello_reply(c: Conn, option: u32, type: u32, len: i32): usize {
  let at = put64(tx_at(c), NBD_REP_MAGIC);
  at = put32(at, option);
  at = put32(at, type);
  at = put32(at, len);
  c.c_txlen += NBD_REPLY_SIZE + len;
  assert(c.c_txlen <= NBD_TXSIZE, "nbd: room for options");
  return at;
}

/** Transmission flags of export `i`. */
function export_flags(c: Conn, i: i32): u32 {
  let flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE;
  if ((c.c_may & NC_STRUCTURED) != 0) flags |= NBD_FLAG_SEND_DF;
  if (nbd_export_rdonly(i)) return flags | NBD_FLAG_READ_ONLY;
  flags |= NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES;
  const can = blkdev_get(nbd_export_unit(i)).d_flags;
  if ((can & BLKF_RESIZE) != 0) flags |= NBD_FLAG_SEND_RESIZE;
  return (can & BLKF_DISCARD) != 0 ? flags | NBD_FLAG_SEND_FAST_ZERO : flags;
}

function export_size(i: i32): u64 {
  return blkdev_get(nbd_export_unit(i)).d_nsect << DEV_BSHIFT;
}

/** From now on it is requests to export `i`. */
function use_export(c: Conn, i: i32): void {
  const dev = blkdev_get(nbd_export_unit(i));
  if (c.c_unit >= 0) blkdev_close(c.c_unit);
  c.c_unit = blkdev_open(dev.d_name, dev.d_namelen);
  assert(c.c_unit >= 0, "nbd: a device that is there");
  if (nbd_export_rdonly(i)) c.c_may |= NC_RDONLY;
  if ((dev.d_flags & BLKF_DISCARD) != 0) c.c_may |= NC_HOLES;
  if ((dev.d_flags & BLKF_RESIZE) != 0) c.c_may |= NC_RESIZE;
  // What was agreed for another export is void.
  if (c.c_metaunit != c.c_unit) c.c_may &= ~NC_META;
  c.c_phase = PH_REQUESTS;
}

/** EXPORT_NAME: no reply can refuse it, so an unknown name ends the connection. STEP_*. */
function export_name(c: Conn, data: usize, len: i32): i32 {
  const i = nbd_export_find(data, len);
  if (i < 0 || nb.draining != 0) return STEP_END;
  put16(put64(tx_at(c), export_size(i)), export_flags(c, i));
  c.c_txlen += 10;
  if (c.c_nozeroes == 0) {
    memory.fill(tx_at(c), 0, EXPORT_ZEROS);
    c.c_txlen += EXPORT_ZEROS;
  }
  use_export(c, i);
  return STEP_ON;
}

/** LIST: one SERVER for each export, then ACK. */
function list(c: Conn, len: i32): void {
  if (len != 0) {
    hello_reply(c, NBD_OPT_LIST, NBD_REP_ERR_INVALID, 0);
    return;
  }
  const end = nbd_export_end();
  for (let i = 0; i < end; i++) {
    if (nbd_export_unit(i) < 0) continue;
    const n = nbd_export_namelen(i);
    const at = put32(hello_reply(c, NBD_OPT_LIST, NBD_REP_SERVER, 4 + n), n);
    memory.copy(at, nbd_export_name(i), n);
  }
  hello_reply(c, NBD_OPT_LIST, NBD_REP_ACK, 0);
}

/** The name of the export, canonical. */
function info_name(c: Conn, option: u32, i: i32): void {
  const n = nbd_export_namelen(i);
  const at = put16(hello_reply(c, option, NBD_REP_INFO, 2 + n), NBD_INFO_NAME);
  memory.copy(at, nbd_export_name(i), n);
}

/** "block device rd0" */
function info_description(c: Conn, option: u32, i: i32): void {
  const dev = blkdev_get(nbd_export_unit(i));
  const n = 13 + dev.d_namelen;
  const at = put16(hello_reply(c, option, NBD_REP_INFO, 2 + n), NBD_INFO_DESCRIPTION);
  kput_bytes(kput_str(at, at + n, "block device "), at + n, dev.d_name, dev.d_namelen);
}

/** What the client asks to be told of export `i`: n numbers at `asked`; size and flags in any case. Was it told the block sizes? */
function infos(c: Conn, option: u32, i: i32, asked: usize, n: i32): bool {
  let at = put16(hello_reply(c, option, NBD_REP_INFO, 12), NBD_INFO_EXPORT);
  put16(put64(at, export_size(i)), export_flags(c, i));
  let told: u32 = 0;
  for (let k = 0; k < n; k++) {
    const what = be16(asked + 2 * k);
    if (what > NBD_INFO_BLOCK_SIZE || (told & (1 << what)) != 0) continue;
    told |= 1 << what;
    if (what == NBD_INFO_NAME) info_name(c, option, i);
    if (what == NBD_INFO_DESCRIPTION) info_description(c, option, i);
    if (what != NBD_INFO_BLOCK_SIZE) continue;
    at = put16(hello_reply(c, option, NBD_REP_INFO, 14), NBD_INFO_BLOCK_SIZE);
    at = put32(at, 1 << DEV_BSHIFT);
    at = put32(at, blkdev_get(nbd_export_unit(i)).d_blksize);
    put32(at, NBD_MAXPAYLOAD);
  }
  hello_reply(c, option, NBD_REP_ACK, 0);
  return (told & (1 << NBD_INFO_BLOCK_SIZE)) != 0;
}

/** INFO and GO: | length u32 | name | n u16 | n × u16 | */
function info(c: Conn, option: u32, data: usize, len: i32): void {
  const namelen = len >= 6 ? be32(data) : 0;
  const n = len >= 6 && namelen <= <u32>len - 6 ? be16(data + 4 + namelen) : 0;
  if (len < 6 || <u64>namelen + 6 + 2 * n != <u64>len) {
    hello_reply(c, option, NBD_REP_ERR_INVALID, 0);
    return;
  }
  const i = nbd_export_find(data + 4, namelen);
  if (i < 0) {
    hello_reply(c, option, NBD_REP_ERR_UNKNOWN, 0);
    return;
  }
  const sizes = infos(c, option, i, data + 6 + namelen, n);
  if (option != NBD_OPT_GO) return;
  use_export(c, i);
  if (sizes) c.c_may |= NC_ALIGNED;
}

/** One option whose `len` bytes of data are at `data`. STEP_*. */
function option_take(c: Conn, option: u32, data: usize, len: i32): i32 {
  if (option == NBD_OPT_EXPORT_NAME) return export_name(c, data, len);
  if (option == NBD_OPT_ABORT) {
    hello_reply(c, option, NBD_REP_ACK, 0);
    c.c_phase = PH_ENDING;
  } else if (nb.draining != 0) {
    hello_reply(c, option, NBD_REP_ERR_SHUTDOWN, 0);
  } else if (option == NBD_OPT_LIST) {
    list(c, len);
  } else if (option == NBD_OPT_INFO || option == NBD_OPT_GO) {
    info(c, option, data, len);
  } else if (option == NBD_OPT_STRUCTURED_REPLY) {
    if (len == 0) c.c_may |= NC_STRUCTURED;
    hello_reply(c, option, len == 0 ? NBD_REP_ACK : NBD_REP_ERR_INVALID, 0);
  } else if (option == NBD_OPT_LIST_META_CONTEXT || option == NBD_OPT_SET_META_CONTEXT) {
    nbd_meta(c, option, data, len);
  } else {
    hello_reply(c, option, NBD_REP_ERR_UNSUP, 0);
  }
  return STEP_ON;
}

/** One option, if it is all there. STEP_*. */
export function hello_option(c: Conn): i32 {
  if (c.c_txlen > NBD_TXSIZE - ROOM) return STEP_WAIT;
  const have = c.c_rxlen - c.c_rxoff;
  if (have < NBD_OPTION_SIZE) return STEP_DATA;
  const p = c.c_rx + c.c_rxoff;
  if (be64(p) != NBD_IHAVEOPT) return STEP_END;
  const option = be32(p + 8);
  const len = be32(p + 12);
  if (len > <u32>(NBD_RXSIZE - NBD_OPTION_SIZE)) {
    if (option == NBD_OPT_EXPORT_NAME) return STEP_END;
    hello_reply(c, option, NBD_REP_ERR_TOO_BIG, 0);
    c.c_rxoff += NBD_OPTION_SIZE;
    c.c_skip = len;
    return STEP_ON;
  }
  if (have < NBD_OPTION_SIZE + <i32>len) return STEP_DATA;
  c.c_rxoff += NBD_OPTION_SIZE + len;
  return option_take(c, option, p + NBD_OPTION_SIZE, len);
}
