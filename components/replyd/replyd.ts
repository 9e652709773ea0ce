/**
 * replyd: the same reply to every request, and the connection is closed from this side, so that it is the
 * server that keeps the TIME-WAIT. For the test of httperf that is published with 198 octets of head and
 * 3,931 of body, always 4xx (tests/bench/httperf.bench.ts), and for whoever needs a reply of known size.
 *
 *      accept ─▶ read, to the empty line ─▶ send ─▶ close
 *                  │ not there yet            │ no room
 *                  ▼                          ▼
 *               EVFILT_READ               EVFILT_WRITE
 *
 * The reply is written once, at boot, and sent from there. A request that is there when its connection is
 * accepted costs three system calls and no event. One connection has one filter at a time. When all
 * connections are in use the listener rests: others wait in its queue.
 *
 * Parameters: REPLYD_PORT (80), REPLYD_STATUS (403), REPLYD_HEADER (198), REPLYD_BODY (3931). A peer that
 * never ends its request keeps its connection: this is a server for measurements.
 */
import { EAGAIN, EINVAL } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import { LOG_ERR, LOG_NOTICE } from "../../kernel/abi/rump";
import { AF_INET, SOCK_STREAM, SOL_SOCKET, SOMAXCONN, SO_REUSEADDR } from "../../kernel/abi/socket";
import { SA_FAMILY, SA_LEN, SIN_PORT, SOCKADDR_IN_SIZE } from "../../kernel/abi/sockaddr";
import { REPLYD_MAXCONNS, REPLYD_MAXREPLY } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kqueue_notify } from "../../kernel/kern/kqueue";
import { log_begin, log_end, log_int, log_str } from "../../kernel/kern/log";
import { Pool, pool_get, pool_init, pool_put } from "../../kernel/kern/pool";
import { getparam_int } from "../../kernel/kern/rumpuser";
import { app_done, app_register } from "../../kernel/kern/shutdown";
import { sysctl_int, sysctl_quad } from "../../kernel/kern/sysctl";
import * as u from "../../kernel/kern/usyscall";
import { reply_put, request_end } from "./replyd_reply";

const NEVENTS: i32 = 64;
/** Connections that one event of the listener may take, before others have their turn. */
const ACCEPTS: i32 = 64;
const READ_SIZE: i32 = 4096;
/** udata of the listener; connections have their address. */
const UD_LISTEN: u32 = 1;
const NO_FILTER: i32 = -1;

@unmanaged
class Conn {
  c_fd: i32;
  /** How far the request's end has been found (request_end). */
  c_state: i32;
  /** Octets of the reply that were sent; -1 while the request is not complete. */
  c_sent: i32;
  /** The filter that is set: EVFILT_READ, EVFILT_WRITE, or NO_FILTER. */
  c_filter: i32;
}

@unmanaged
class ReplydState {
  kq: i32;
  lfd: i32;
  /** The listener's filter is disabled: all connections are in use. */
  resting: i32;
  nconns: i32;
  conns: Pool;
  events: usize;
  change: usize;
  sa: usize;
  input: usize;
  reply: usize;
  len: i32;
  accepted: u64;
  replies: u64;
  /** Ended before the reply was handed over. */
  aborted: u64;
}

let st: ReplydState = changetype<ReplydState>(0);

function watch(ident: i32, filter: i32, flags: i32, udata: u32): i32 {
  memory.fill(st.change, 0, ev.KEVENT_SIZE);
  store<u32>(st.change, ident, ev.KE_IDENT);
  store<i16>(st.change, <i16>filter, ev.KE_FILTER);
  store<u16>(st.change, <u16>flags, ev.KE_FLAGS);
  store<u32>(st.change, udata, ev.KE_UDATA);
  return u.sys_kevent(st.kq, st.change, 1, 0, 0);
}

/** A listener on `port`. Its descriptor or -errno. */
function serve(port: i32): i32 {
  const fd = u.sys_socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return fd;
  store<u8>(st.sa, <u8>SOCKADDR_IN_SIZE, SA_LEN);
  store<u8>(st.sa, <u8>AF_INET, SA_FAMILY);
  store<u16>(st.sa, bswap<u16>(<u16>port), SIN_PORT);
  store<i32>(st.change, 1);
  u.sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, st.change, 4);
  let e = u.sys_bind(fd, st.sa, SOCKADDR_IN_SIZE);
  if (e >= 0) e = u.sys_listen(fd, SOMAXCONN);
  if (e >= 0) e = watch(fd, ev.EVFILT_READ, ev.EV_ADD, UD_LISTEN);
  return e < 0 ? e : fd;
}

function complain(what: string, n: i32): i32 {
  log_begin(LOG_ERR, "replyd");
  log_str(what);
  log_int(n);
  log_end();
  return -EINVAL;
}

/** The reply, of the sizes that the parameters say. 0 or -EINVAL. */
function make_reply(): i32 {
  const status = getparam_int("REPLYD_STATUS", 403);
  const head = getparam_int("REPLYD_HEADER", 198);
  const body = getparam_int("REPLYD_BODY", 3931);
  if (head < 0 || body < 0 || head > REPLYD_MAXREPLY - body) return complain("a reply may have this many octets and no more: ", REPLYD_MAXREPLY);
  st.len = head + body;
  st.reply = kmem_alloc(<usize>st.len, 64, "replyd_reply");
  return reply_put(st.reply, status, head, body) < 0 ? complain("there is no such status, or no head of this many octets: ", head) : 0;
}

/** POSTINIT phase. 0 or -errno. */
export function replyd_init(): i32 {
  st = changetype<ReplydState>(kmem_alloc(offsetof<ReplydState>(), 64, "replyd"));
  st.conns = pool_init("replyd_conn", <u32>offsetof<Conn>(), REPLYD_MAXCONNS, 8);
  st.events = kmem_alloc(<usize>NEVENTS * ev.KEVENT_SIZE, 8, "replyd");
  st.change = kmem_alloc(ev.KEVENT_SIZE, 8, "replyd");
  st.sa = kmem_alloc(SOCKADDR_IN_SIZE, 8, "replyd");
  st.input = kmem_alloc(READ_SIZE, 64, "replyd");
  let e = make_reply();
  if (e < 0) return e;
  const port = getparam_int("REPLYD_PORT", 80);
  if (port <= 0 || port > 65535) return complain("no port: ", port);
  st.kq = u.sys_kqueue();
  if (st.kq < 0) return st.kq;
  e = kqueue_notify(st.kq, replyd_run, 0);
  if (e >= 0) e = watch(ev.KE_IDENT_SHUTDOWN, ev.EVFILT_USER, ev.EV_ADD | ev.EV_ONESHOT, 0);
  if (e < 0) return e;
  st.lfd = serve(port);
  if (st.lfd < 0) return st.lfd;
  const at = changetype<usize>(st);
  sysctl_int("replyd.conns", at + offsetof<ReplydState>("nconns"), 0);
  sysctl_quad("replyd.accepted", at + offsetof<ReplydState>("accepted"), 0);
  sysctl_quad("replyd.replies", at + offsetof<ReplydState>("replies"), 0);
  sysctl_quad("replyd.aborted", at + offsetof<ReplydState>("aborted"), 0);
  app_register();
  log_begin(LOG_NOTICE, "replyd");
  log_str("replying on port ");
  log_int(port);
  log_end();
  return 0;
}

/** Soft interrupt: one batch of events. What is left brings us back, after others have had their turn. */
function replyd_run(arg: usize): void {
  const n = u.sys_kevent(st.kq, 0, 0, st.events, NEVENTS);
  for (let i = 0; i < n; i++) {
    const e = st.events + <usize>i * ev.KEVENT_SIZE;
    const udata = load<u32>(e, ev.KE_UDATA);
    if (<i32>load<i16>(e, ev.KE_FILTER) == ev.EVFILT_USER) app_done();
    else if (udata == UD_LISTEN) replyd_accept();
    else conn_turn(changetype<Conn>(<usize>udata));
  }
}

/** Take what waits, as far as there is room. */
function replyd_accept(): void {
  for (let i = 0; i < ACCEPTS; i++) {
    const p = st.nconns < REPLYD_MAXCONNS ? pool_get(st.conns) : 0;
    const fd = p != 0 ? u.sys_accept(st.lfd, 0, 0) : 0;
    if (p == 0 || fd < 0) {
      if (p != 0) pool_put(st.conns, p);
      if (fd != -EAGAIN && st.nconns > 0) rest(1);
      return;
    }
    const c = changetype<Conn>(p);
    c.c_fd = fd;
    c.c_state = 0;
    c.c_sent = -1;
    c.c_filter = NO_FILTER;
    st.accepted++;
    st.nconns++;
    conn_turn(c);
  }
}

/** The listener's events off (1) or on (0). */
function rest(resting: i32): void {
  if (st.resting == resting) return;
  st.resting = resting;
  watch(st.lfd, ev.EVFILT_READ, resting != 0 ? ev.EV_DISABLE : ev.EV_ENABLE, UD_LISTEN);
}

function conn_close(c: Conn): void {
  u.sys_close(c.c_fd);
  pool_put(st.conns, changetype<usize>(c));
  st.nconns--;
  rest(0);
}

/** Come back at an event of `filter`. */
function conn_wait(c: Conn, filter: i32): void {
  if (c.c_filter == filter) return;
  const udata = <u32>changetype<usize>(c);
  if (c.c_filter != NO_FILTER) watch(c.c_fd, c.c_filter, ev.EV_DELETE, udata);
  c.c_filter = filter;
  if (watch(c.c_fd, filter, ev.EV_ADD, udata) >= 0) return;
  st.aborted++;
  conn_close(c);
}

/** As far as it goes: read to the empty line, send, close. */
function conn_turn(c: Conn): void {
  while (c.c_sent < 0) {
    const n = u.sys_recv(c.c_fd, st.input, READ_SIZE, 0);
    if (n == -EAGAIN) {
      conn_wait(c, ev.EVFILT_READ);
      return;
    }
    if (n <= 0) {
      st.aborted++;
      conn_close(c);
      return;
    }
    c.c_state = request_end(c.c_state, st.input, n);
    if (c.c_state < 0) c.c_sent = 0;
  }
  while (c.c_sent < st.len) {
    const n = u.sys_send(c.c_fd, st.reply + <usize>c.c_sent, st.len - c.c_sent, 0);
    if (n == -EAGAIN) {
      conn_wait(c, ev.EVFILT_WRITE);
      return;
    }
    if (n < 0) {
      st.aborted++;
      conn_close(c);
      return;
    }
    c.c_sent += n;
  }
  st.replies++;
  conn_close(c);
}
