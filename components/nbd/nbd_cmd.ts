/**
 * Requests as they come: header, judgement, and the data of writes.
 *
 *      rx: | request | data … | request | request | …
 *                      └ copied to the request's buffer as far as it is here; the rest is received there
 *
 * Refused data is passed over (c_skip), so that the next request is found. While the device works on a
 * piece of a write whose next piece has no memory yet, nothing is read: that is the back-pressure.
 */
import { EAGAIN } from "../../kernel/abi/errno";
import { DEV_BSHIFT } from "../../kernel/abi/disk";
import { IOV_BASE, IOV_LEN, IOVEC_SIZE } from "../../kernel/abi/socket";
import { NBD_CONNREQS } from "rump/tunables";
import { blkdev_get } from "../../kernel/dev/blkdev";
import { sys_readv } from "../../kernel/kern/usyscall";
import { nbd_check } from "./nbd_check";
import { nbd_io_start } from "./nbd_io";
import { NBD_CMD_DISC, NBD_CMD_WRITE, NBD_REQUEST_MAGIC, NBD_REQUEST_SIZE, be16, be32, be64 } from "./nbd_proto";
import { Conn, NBD_RXSIZE, NOREQ, PH_ENDING, RP_END, nb, req_alloc, req_at } from "./nbd_state";
import { out_push } from "./nbd_tx";
import { write_next, write_piece } from "./nbd_write";

/** What a step found: go on; more bytes are needed; something else must happen first; it is over. */
export const STEP_ON: i32 = 0;
export const STEP_DATA: i32 = 1;
export const STEP_WAIT: i32 = 2;
export const STEP_END: i32 = 3;

/** Receive the rest of the write's piece where it belongs, and what follows it to rx. STEP_*. */
function receive_data(c: Conn): i32 {
  const r = c.c_wreq;
  const want = <i32>(r.r_n - r.r_got);
  store<usize>(nb.iov, req_at(r) + r.r_got, IOV_BASE);
  store<i32>(nb.iov, want, IOV_LEN);
  store<usize>(nb.iov + IOVEC_SIZE, c.c_rx, IOV_BASE);
  store<i32>(nb.iov + IOVEC_SIZE, NBD_RXSIZE, IOV_LEN);
  const n = sys_readv(c.c_fd, nb.iov, 2);
  if (n == -EAGAIN) return STEP_DATA;
  if (n <= 0) return STEP_END;
  r.r_got += min(n, want);
  c.c_rxoff = 0;
  c.c_rxlen = max(n - want, 0);
  return STEP_ON;
}

/** The data of a write. STEP_*. */
export function cmd_data(c: Conn): i32 {
  const r = c.c_wreq;
  if (r.r_got == r.r_n) return STEP_WAIT;
  const here = min<u32>(c.c_rxlen - c.c_rxoff, r.r_n - r.r_got);
  memory.copy(req_at(r) + r.r_got, c.c_rx + c.c_rxoff, here);
  r.r_got += here;
  c.c_rxoff += here;
  if (r.r_got < r.r_n) {
    const step = receive_data(c);
    if (step != STEP_ON || r.r_got < r.r_n) return step;
  }
  if (r.r_left == 0) c.c_wreq = NOREQ;
  write_piece(r);
  return STEP_ON;
}

/** One request, if it is all there. STEP_*. */
export function cmd_step(c: Conn): i32 {
  if (c.c_rxlen - c.c_rxoff < NBD_REQUEST_SIZE) return STEP_DATA;
  const p = c.c_rx + c.c_rxoff;
  if (be32(p) != NBD_REQUEST_MAGIC) return STEP_END;
  const type = be16(p + 6);
  if (type == NBD_CMD_DISC) {
    c.c_phase = PH_ENDING;
    return STEP_WAIT;
  }
  const r = req_alloc(c, NBD_CONNREQS);
  if (!r) return STEP_WAIT;
  c.c_rxoff += NBD_REQUEST_SIZE;
  nb.nrequests++;
  r.r_type = type;
  r.r_flags = be16(p + 4);
  r.r_cookie = load<u64>(p + 8);
  r.r_off = be64(p + 16);
  r.r_left = be32(p + 24);
  const size = blkdev_get(c.c_unit).d_nsect << DEV_BSHIFT;
  r.r_error = nbd_check(type, r.r_flags, r.r_off, r.r_left, size, c.c_may);
  if (r.r_error != 0) {
    if (type == NBD_CMD_WRITE) c.c_skip = r.r_left;
    r.r_left = 0;
    r.r_piece = RP_END;
    out_push(r);
  } else if (type == NBD_CMD_WRITE) {
    write_next(r);
    c.c_wreq = r;
  } else {
    nbd_io_start(r);
  }
  return STEP_ON;
}
