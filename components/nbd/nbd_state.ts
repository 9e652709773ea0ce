/**
 * nbd's state: connections, requests with their memory, and the rule that shares it out.
 *
 *      Conn ── rx 16 KiB: what came and is not looked at yet
 *           ── tx 64 KiB: replies and small data that wait to be sent
 *           ── outq ─► Req ─► Req    pieces that are ready to be sent, in order of completion
 *
 *      Req  = Buf (the request to the device) | Req | … and a buffer of NBD_BUFSIZE of its own, behind
 *             which are two sectors, for those that a write covers only in part
 *
 * A request of any length is done in pieces of its one buffer, so a connection's memory is bounded.
 * A connection may always have one request; more only if enough are left for each of the others to have
 * one: a client that reads nothing cannot starve the rest, and nobody ever waits for anybody else.
 */
import { DEV_BSIZE } from "../../kernel/abi/disk";
import { KEVENT_SIZE } from "../../kernel/abi/event";
import { IOVEC_SIZE } from "../../kernel/abi/socket";
import { NBD_MAXCONNS, NBD_MAXREQS } from "rump/tunables";
import { BUF_SIZE, Buf } from "../../kernel/dev/buf";
import { CALLOUT_SIZE } from "../../kernel/kern/callout";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_avail, pool_getz, pool_index, pool_init, pool_put } from "../../kernel/kern/pool";
import { NBD_BUFSIZE } from "./nbd_check";
import { lock_init } from "./nbd_lock";

export const NBD_RXSIZE: i32 = 16384;
export const NBD_TXSIZE: i32 = 65536;
export const NEVENTS: i32 = 64;
const REQ_STRIDE: usize = NBD_BUFSIZE + 2 * DEV_BSIZE;
export const ADDR_MAX: i32 = 112;

/** c_phase: the client's flags, its options, its requests; going as soon as all is said; gone. */
export const PH_FLAGS: i32 = 0;
export const PH_OPTIONS: i32 = 1;
export const PH_REQUESTS: i32 = 2;
export const PH_ENDING: i32 = 3;
export const PH_GONE: i32 = 4;

@unmanaged
export class Conn {
  c_next: Conn;
  c_prev: Conn;
  /** On the list of those that are to be run. */
  c_again: Conn;
  c_queued: i32;
  c_fd: i32;
  c_phase: i32;
  /** The client's wishes: no zeros after EXPORT_NAME. */
  c_nozeroes: i32;
  /** NC_*: what it may do. */
  c_may: i32;
  /** The device, open; -1 = none yet. */
  c_unit: i32;
  /** Device that the metadata context was agreed for; -1 = none. */
  c_metaunit: i32;
  /** Bytes of an option or of refused data that are still to be passed over. */
  c_skip: u64;
  c_since_us: i64;
  c_rx: usize;
  c_rxoff: i32;
  c_rxlen: i32;
  c_eof: i32;
  c_tx: usize;
  c_txoff: i32;
  c_txlen: i32;
  /** Requests it has; those of them that are with the device. */
  c_nreqs: i32;
  c_nbusy: i32;
  /** The write whose data is coming. */
  c_wreq: Req;
  /** Ready to be sent. */
  c_outq: Req;
  c_outlast: Req;
  /** Its data follows what is in tx. */
  c_out: Req;
  c_dat: usize;
  c_datend: usize;
  /** It has sent a part of its reply: nothing else may come between. */
  c_owner: Req;
}

/** r_piece: what the next piece of the reply is. */
export const RP_END: i32 = 0;
export const RP_DATA: i32 = 1;
export const RP_HOLE: i32 = 2;
export const RP_STATUS: i32 = 3;

@unmanaged
export class Req {
  r_conn: Conn;
  r_next: Req;
  r_data: usize;
  /** As it came: not in our byte order. */
  r_cookie: u64;
  r_type: u32;
  r_flags: u32;
  /** Device, while the request has its lock or waits for it; RL_*. */
  r_unit: i32;
  r_lock: i32;
  /** What is being done of the piece of a write: WS_*, BIO_*. */
  r_step: i32;
  r_op: i32;
  /** The piece begins that many bytes into its first sector, and its data into the buffer. */
  r_skew: u32;
  /** Where the piece under way begins, in bytes, its length, and what comes after it. */
  r_off: u64;
  r_n: u32;
  r_left: u32;
  /** Bytes of the piece's data that have come. */
  r_got: u32;
  r_piece: i32;
  /** NBD_E*. */
  r_error: u32;
  /** Part of a simple reply has been sent. */
  r_begun: i32;
  /** The flush after a TRIM or WRITE_ZEROES with FUA is under way. */
  r_flushing: i32;
}

@unmanaged
export class NbdState {
  kq: i32;
  lfd: i32;
  ufd: i32;
  port: i32;
  draining: i32;
  softint: i32;
  conns: Pool;
  reqs: Pool;
  rx: Pool;
  tx: Pool;
  /** One buffer a request, by its index. */
  data: usize;
  /** Connections, and how many of them have no request. */
  first: Conn;
  nconns: i32;
  nidle: i32;
  again: Conn;
  /** The connection that is being run. */
  running: Conn;
  callout: usize;
  events: usize;
  change: usize;
  iov: usize;
  sa: usize;
  addr: usize;
  addrlen: i32;
  /** A lock for each device (nbd_lock.ts). */
  locks: usize;
  /** Scratch for d_status. */
  nsect: u64;
  /** Index of nbd_iodone, for the device. */
  iodone: i32;
  /** Bytes that the connection that is being run may still move. */
  budget: i32;
  naccepted: u64;
  nrefused: u64;
  nrequests: u64;
  nerrors: u64;
  bytes_read: u64;
  bytes_written: u64;
}

export let nb: NbdState = changetype<NbdState>(0);

export const NOCONN: Conn = changetype<Conn>(0);
export const NOREQ: Req = changetype<Req>(0);

export function nbd_state_init(): void {
  assert(NBD_MAXREQS >= NBD_MAXCONNS && NBD_MAXCONNS > 0, "nbd: NBD_MAXREQS must not be below NBD_MAXCONNS");
  nb = changetype<NbdState>(kmem_alloc(offsetof<NbdState>(), 64, "nbd"));
  nb.conns = pool_init("nbd_conn", <u32>offsetof<Conn>(), NBD_MAXCONNS, 8);
  nb.reqs = pool_init("nbd_req", BUF_SIZE + <u32>offsetof<Req>(), NBD_MAXREQS, 16);
  nb.rx = pool_init("nbd_rx", NBD_RXSIZE, NBD_MAXCONNS, 64);
  nb.tx = pool_init("nbd_tx", NBD_TXSIZE, NBD_MAXCONNS, 64);
  nb.data = kmem_alloc(<usize>NBD_MAXREQS * REQ_STRIDE, 4096, "nbd_data");
  nb.locks = lock_init();
  nb.events = kmem_alloc(<usize>NEVENTS * KEVENT_SIZE, 8, "nbd");
  nb.change = kmem_alloc(KEVENT_SIZE, 8, "nbd");
  nb.iov = kmem_alloc(2 * IOVEC_SIZE, 8, "nbd");
  nb.sa = kmem_alloc(128, 8, "nbd");
  nb.addr = kmem_alloc(ADDR_MAX, 8, "nbd");
  nb.callout = kmem_alloc(CALLOUT_SIZE, 8, "nbd");
  nb.lfd = -1;
  nb.ufd = -1;
}

/** The device's request of `r`: it lies in front of it. */
export function req_buf(r: Req): Buf {
  return changetype<Buf>(changetype<usize>(r) - BUF_SIZE);
}

/** Where the data of the piece of `r` is. */
export function req_at(r: Req): usize {
  return r.r_data + r.r_skew;
}

/** A request for `c`, or 0 if it may not have another one now. */
export function req_alloc(c: Conn, most: i32): Req {
  // One is kept for each connection that has none, and for each that may still come.
  const kept = nb.nidle + NBD_MAXCONNS - nb.nconns;
  if (c.c_nreqs > 0 && (c.c_nreqs >= most || <i32>pool_avail(nb.reqs) <= kept)) return NOREQ;
  const p = pool_getz(nb.reqs);
  assert(p != 0, "nbd: no request for a connection without one");
  const r = changetype<Req>(p + BUF_SIZE);
  r.r_conn = c;
  r.r_data = nb.data + <usize>pool_index(nb.reqs, p) * REQ_STRIDE;
  if (c.c_nreqs++ == 0) nb.nidle--;
  return r;
}

export function req_free(r: Req): void {
  const c = r.r_conn;
  assert(c.c_nreqs > 0, "nbd: request without a connection");
  if (--c.c_nreqs == 0) nb.nidle++;
  pool_put(nb.reqs, changetype<usize>(r) - BUF_SIZE);
}
