/**
 * Connections: the loop that looks at what has come, does it, and sends what is ready.
 *
 *      run:  ┌► steps: options or requests out of rx ─► replies gather in tx
 *            │  flush: tx and large data to the socket ─ the client takes no more ─► wait for room
 *            └─ receive ─ nothing there ─► wait for data
 *
 * Events are edges (EV_CLEAR): a connection reads until there is nothing and sends until there is no
 * room, and whoever lifts another limit (the device is done) runs it again. After NBD_TURN bytes others
 * have their turn. A client that does not read its replies is not read from either.
 */
import { EAGAIN } from "../../kernel/abi/errno";
import { blkdev_close } from "../../kernel/dev/blkdev";
import { getmicrouptime } from "../../kernel/kern/clock";
import { pool_get, pool_getz, pool_put } from "../../kernel/kern/pool";
import { app_done } from "../../kernel/kern/shutdown";
import { softint_schedule } from "../../kernel/kern/softint";
import { sys_close, sys_recv } from "../../kernel/kern/usyscall";
import { STEP_DATA, STEP_END, STEP_ON, STEP_WAIT, cmd_data, cmd_step } from "./nbd_cmd";
import { hello_flags, hello_greet, hello_option } from "./nbd_hello";
import {
  Conn, NBD_RXSIZE, NBD_TXSIZE, NOCONN, NOREQ, PH_ENDING, PH_FLAGS, PH_GONE, PH_OPTIONS, PH_REQUESTS, nb, req_free,
} from "./nbd_state";
import { TX_BROKEN, TX_DONE, TX_FULL, TX_MORE, tx_flush, tx_pump } from "./nbd_tx";

/** Bytes that a connection may move in one turn. */
const NBD_TURN: i32 = 1048576;
/** What a step counts for, besides its data. */
const STEP_COST: i32 = 4096;

/** A connection for socket `fd`; null (0) when there are no more. */
export function conn_new(fd: i32): Conn {
  const p = pool_getz(nb.conns);
  if (p == 0) return NOCONN;
  const c = changetype<Conn>(p);
  c.c_rx = pool_get(nb.rx);
  c.c_tx = pool_get(nb.tx);
  assert(c.c_rx != 0 && c.c_tx != 0, "nbd: pools disagree");
  c.c_fd = fd;
  c.c_unit = -1;
  c.c_metaunit = -1;
  c.c_phase = PH_FLAGS;
  c.c_since_us = getmicrouptime();
  c.c_next = nb.first;
  if (nb.first) nb.first.c_prev = c;
  nb.first = c;
  nb.nconns++;
  nb.nidle++;
  hello_greet(c);
  return c;
}

/** Free a connection that is gone, once nobody refers to it. */
export function conn_free(c: Conn): void {
  if (c.c_phase != PH_GONE || c.c_nreqs > 0 || c.c_queued != 0 || nb.running == c) return;
  if (c.c_prev) c.c_prev.c_next = c.c_next;
  else nb.first = c.c_next;
  if (c.c_next) c.c_next.c_prev = c.c_prev;
  nb.nconns--;
  nb.nidle--;
  pool_put(nb.rx, c.c_rx);
  pool_put(nb.tx, c.c_tx);
  pool_put(nb.conns, changetype<usize>(c));
  conn_drained();
}

/** If the end was asked for and all connections are gone: that was it. */
export function conn_drained(): void {
  if (nb.draining != 1 || nb.nconns > 0) return;
  nb.draining = 2;
  app_done();
}

/** End it now. What is with the device comes back later, and nobody is told. */
export function conn_kill(c: Conn): void {
  if (c.c_phase == PH_GONE) return;
  c.c_phase = PH_GONE;
  sys_close(c.c_fd);
  c.c_fd = -1;
  if (c.c_wreq && c.c_wreq.r_got < c.c_wreq.r_n) req_free(c.c_wreq);
  if (c.c_out) req_free(c.c_out);
  while (c.c_outq) {
    const r = c.c_outq;
    c.c_outq = r.r_next;
    req_free(r);
  }
  assert(c.c_nreqs == c.c_nbusy, "nbd: requests of a dead connection");
  if (c.c_unit >= 0) blkdev_close(c.c_unit);
  c.c_unit = -1;
  conn_free(c);
}

/** Have it run soon. */
export function conn_wake(c: Conn): void {
  if (nb.running == c || c.c_queued != 0) return;
  c.c_queued = 1;
  c.c_again = nb.again;
  nb.again = c;
  softint_schedule(nb.softint);
}

/** Soft interrupt: run those that are to be run. */
export function conn_again(arg: usize): void {
  let c = nb.again;
  nb.again = NOCONN;
  while (c) {
    const next = c.c_again;
    c.c_queued = 0;
    if (c.c_phase == PH_GONE) conn_free(c);
    else conn_run(c);
    c = next;
  }
}

/** Pass over what is not wanted. */
function skip(c: Conn): i32 {
  const n = <i32>min<u64>(c.c_skip, <u64>(c.c_rxlen - c.c_rxoff));
  if (n == 0) return STEP_DATA;
  c.c_rxoff += n;
  c.c_skip -= n;
  return STEP_ON;
}

function step(c: Conn): i32 {
  if (c.c_skip > 0) return skip(c);
  if (c.c_phase == PH_REQUESTS) return c.c_wreq ? cmd_data(c) : cmd_step(c);
  if (c.c_phase == PH_OPTIONS) return hello_option(c);
  return c.c_phase == PH_FLAGS ? hello_flags(c) : STEP_WAIT;
}

/** Take steps until something must be received or sent first. STEP_*; STEP_ON = send first. */
function steps(c: Conn): i32 {
  while (nb.budget > 0) {
    if (!tx_pump(c)) return STEP_END;
    if (c.c_out || c.c_outq || c.c_txlen > NBD_TXSIZE / 2) return STEP_ON;
    nb.budget -= STEP_COST;
    const s = step(c);
    if (s != STEP_ON) return s;
  }
  return STEP_ON;
}

/** Receive to rx: bytes, 0 at the end, or -errno. */
function receive(c: Conn): i32 {
  if (c.c_rxoff > 0) {
    const n = c.c_rxlen - c.c_rxoff;
    memory.copy(c.c_rx, c.c_rx + c.c_rxoff, n);
    c.c_rxoff = 0;
    c.c_rxlen = n;
  }
  assert(c.c_rxlen < NBD_RXSIZE, "nbd: more than a buffer is wanted");
  const n = sys_recv(c.c_fd, c.c_rx + c.c_rxlen, NBD_RXSIZE - c.c_rxlen, 0);
  if (n > 0) c.c_rxlen += n;
  return n;
}

/** One round: steps, flush, receive. True: there may be more to do at once. */
function round(c: Conn): bool {
  const had = c.c_nreqs;
  const s = steps(c);
  const f = s == STEP_END ? TX_BROKEN : tx_flush(c);
  if (f == TX_BROKEN) {
    conn_kill(c);
    return false;
  }
  if (f == TX_FULL) return false;
  if (f == TX_MORE) return true;
  if (c.c_phase == PH_ENDING && c.c_nreqs == 0) {
    conn_kill(c);
    return false;
  }
  assert(f == TX_DONE, "nbd: flush");
  // A reply that is being sent waits for the device, and all others behind it.
  if (s == STEP_ON) return !c.c_outq;
  if (s == STEP_WAIT) return c.c_nreqs < had;
  const n = receive(c);
  if (n == 0 && c.c_nreqs > 0 && !c.c_wreq) {
    // The client has said all that it had to say, and may still want the answers.
    conn_end(c);
    return true;
  }
  if (n <= 0 && n != -EAGAIN) conn_kill(c);
  return n > 0;
}

/** Take no more from it; end it when all has been answered. */
export function conn_end(c: Conn): void {
  if (c.c_phase == PH_GONE) return;
  if (c.c_wreq && c.c_wreq.r_got < c.c_wreq.r_n) {
    req_free(c.c_wreq);
    c.c_wreq = NOREQ;
  }
  c.c_phase = PH_ENDING;
  c.c_since_us = getmicrouptime();
}

/** Do what can be done. */
export function conn_run(c: Conn): void {
  if (c.c_phase == PH_GONE) return;
  assert(!nb.running, "nbd: run within a run");
  nb.running = c;
  nb.budget = NBD_TURN;
  let more: bool = true;
  while (more && nb.budget > 0) {
    nb.budget -= STEP_COST;
    more = round(c);
  }
  nb.running = NOCONN;
  if (c.c_phase == PH_GONE) conn_free(c);
  else if (more) conn_wake(c);
}
