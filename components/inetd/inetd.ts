/**
 * inetd: the small services, for tests of what carries them.
 *
 *      echo 7 (RFC 862)   what comes goes back      discard 9 (RFC 863)   what comes is counted
 *      chargen 19 (RFC 864)   lines of 72 characters without end, or one for each datagram
 *
 * One kqueue, level-triggered reads; a connection whose peer does not take what it is sent is not read
 * from either (echo), so nothing grows: back-pressure goes from one direction to the other. Ports are
 * those of the RFCs plus INETD_PORT_BASE. A datagram that comes
 * from a port of these services is not answered (the loop of CERT CA-1996-01).
 */
import { EAGAIN, EINVAL } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import { LOG_ERR } from "../../kernel/abi/rump";
import { AF_INET, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR } from "../../kernel/abi/socket";
import { SA_FAMILY, SA_LEN, SIN_PORT, SOCKADDR_IN_SIZE } from "../../kernel/abi/sockaddr";
import { INETD_BUFSIZE, INETD_MAXCONNS } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kqueue_notify } from "../../kernel/kern/kqueue";
import { log_begin, log_end, log_int, log_str } from "../../kernel/kern/log";
import { Pool, pool_get, pool_init, pool_put } from "../../kernel/kern/pool";
import { getparam_int } from "../../kernel/kern/rumpuser";
import { app_done, app_register } from "../../kernel/kern/shutdown";
import { sysctl_quad } from "../../kernel/kern/sysctl";
import * as u from "../../kernel/kern/usyscall";

const ECHO: i32 = 7;
const DISCARD: i32 = 9;
const CHARGEN: i32 = 19;
const NEVENTS: i32 = 64;
/** udata of listeners and UDP sockets: the port, tagged; connections have their address. */
const UD_LISTEN: u32 = 0x1;
const UD_DGRAM: u32 = 0x2;

@unmanaged
class Conn {
  c_fd: i32;
  c_service: i32;
  /** Bytes of c_buf that wait to be sent: [c_off, c_len). */
  c_off: i32;
  c_len: i32;
  /** Waits for EVFILT_WRITE. */
  c_blocked: i32;
  c_line: i32;
  c_buf: usize;
}

@unmanaged
class InetdState {
  kq: i32;
  base: i32;
  conns: Pool;
  bufs: Pool;
  events: usize;
  change: usize;
  sa: usize;
  dgram: usize;
  nconns: i32;
  draining: i32;
  accepted: u64;
  bytes: u64;
}

let st: InetdState = changetype<InetdState>(0);

function watch(ident: i32, filter: i32, flags: i32, udata: u32): i32 {
  store<u32>(st.change, ident, ev.KE_IDENT);
  store<i16>(st.change, <i16>filter, ev.KE_FILTER);
  store<u16>(st.change, <u16>flags, ev.KE_FLAGS);
  store<i32>(st.change, 0, ev.KE_FFLAGS);
  store<u32>(st.change, udata, ev.KE_UDATA);
  store<i64>(st.change, 0, ev.KE_DATA);
  return u.sys_kevent(st.kq, st.change, 1, 0, 0);
}

/** A socket of `type` on `port`, watched. 0 or -errno. */
function serve(type: i32, service: i32): i32 {
  const fd = u.sys_socket(AF_INET, type, 0);
  if (fd < 0) return fd;
  memory.fill(st.sa, 0, SOCKADDR_IN_SIZE);
  store<u8>(st.sa, <u8>SOCKADDR_IN_SIZE, SA_LEN);
  store<u8>(st.sa, <u8>AF_INET, SA_FAMILY);
  store<u16>(st.sa, bswap<u16>(<u16>(st.base + service)), SIN_PORT);
  store<i32>(st.change, 1);
  u.sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, st.change, 4);
  let e = u.sys_bind(fd, st.sa, SOCKADDR_IN_SIZE);
  if (e >= 0 && type == SOCK_STREAM) e = u.sys_listen(fd, 128);
  const tag = type == SOCK_STREAM ? UD_LISTEN : UD_DGRAM;
  if (e >= 0) e = watch(fd, ev.EVFILT_READ, ev.EV_ADD, (<u32>service << 8) | tag);
  if (e < 0) {
    log_begin(LOG_ERR, "inetd");
    log_str("cannot serve port ");
    log_int(st.base + service);
    log_str(": errno ");
    log_int(-e);
    log_end();
  }
  return e;
}

/** POSTINIT phase. 0 or -errno. */
export function inetd_init(): i32 {
  st = changetype<InetdState>(kmem_alloc(offsetof<InetdState>(), 64, "inetd"));
  st.conns = pool_init("inetd_conn", <u32>offsetof<Conn>(), INETD_MAXCONNS, 8);
  st.bufs = pool_init("inetd_buf", INETD_BUFSIZE, INETD_MAXCONNS, 64);
  st.events = kmem_alloc(<usize>NEVENTS * ev.KEVENT_SIZE, 8, "inetd");
  st.change = kmem_alloc(ev.KEVENT_SIZE, 8, "inetd");
  st.sa = kmem_alloc(64, 8, "inetd");
  st.dgram = kmem_alloc(65536, 64, "inetd");
  st.base = getparam_int("INETD_PORT_BASE", 0);
  if (st.base < 0 || st.base > 65000) return -EINVAL;
  st.kq = u.sys_kqueue();
  if (st.kq < 0) return st.kq;
  let e = kqueue_notify(st.kq, inetd_run, 0);
  if (e >= 0) e = watch(ev.KE_IDENT_SHUTDOWN, ev.EVFILT_USER, ev.EV_ADD | ev.EV_ONESHOT, 0);
  for (let i = 0; i < 3 && e >= 0; i++) {
    const service = i == 0 ? ECHO : i == 1 ? DISCARD : CHARGEN;
    e = serve(SOCK_STREAM, service);
    if (e >= 0) e = serve(SOCK_DGRAM, service);
  }
  if (e < 0) return e;
  sysctl_quad("inetd.accepted", changetype<usize>(st) + offsetof<InetdState>("accepted"), 0);
  sysctl_quad("inetd.bytes", changetype<usize>(st) + offsetof<InetdState>("bytes"), 0);
  app_register();
  return 0;
}

/** Soft interrupt: events. */
function inetd_run(arg: usize): void {
  for (let round = 0; round < 4; round++) {
    const n = u.sys_kevent(st.kq, 0, 0, st.events, NEVENTS);
    for (let i = 0; i < n; i++) inetd_event(st.events + <usize>i * ev.KEVENT_SIZE);
    if (n < NEVENTS) break;
  }
}

function inetd_event(e: usize): void {
  const udata = load<u32>(e, ev.KE_UDATA);
  const fd = load<i32>(e, ev.KE_IDENT);
  if (<i32>load<i16>(e, ev.KE_FILTER) == ev.EVFILT_USER) {
    st.draining = 1;
    app_done();
  } else if ((udata & 3) == UD_LISTEN) {
    inetd_accept(fd, <i32>(udata >> 8));
  } else if ((udata & 3) == UD_DGRAM) {
    inetd_dgram(fd, <i32>(udata >> 8));
  } else {
    conn_turn(changetype<Conn>(<usize>udata));
  }
}

/** Take what waits; with no room for a connection it is closed at once. */
function inetd_accept(lfd: i32, service: i32): void {
  for (let i = 0; i < 32; i++) {
    const fd = u.sys_accept(lfd, 0, 0);
    if (fd < 0) return;
    const p = pool_get(st.conns);
    const buf = p != 0 ? pool_get(st.bufs) : 0;
    if (buf == 0) {
      if (p != 0) pool_put(st.conns, p);
      u.sys_close(fd);
      continue;
    }
    memory.fill(p, 0, offsetof<Conn>());
    const c = changetype<Conn>(p);
    c.c_fd = fd;
    c.c_service = service;
    c.c_buf = buf;
    st.accepted++;
    st.nconns++;
    if (watch(fd, ev.EVFILT_READ, ev.EV_ADD, <u32>p) < 0) conn_close(c);
    else if (service == CHARGEN) conn_turn(c);
  }
}

function conn_close(c: Conn): void {
  u.sys_close(c.c_fd);
  pool_put(st.bufs, c.c_buf);
  pool_put(st.conns, changetype<usize>(c));
  st.nconns--;
}

/** Wait for room instead of for data, or the other way round. */
function conn_block(c: Conn, blocked: i32): void {
  if (c.c_blocked == blocked) return;
  c.c_blocked = blocked;
  const p = <u32>changetype<usize>(c);
  watch(c.c_fd, ev.EVFILT_READ, blocked != 0 ? ev.EV_DISABLE : ev.EV_ENABLE, p);
  watch(c.c_fd, ev.EVFILT_WRITE, blocked != 0 ? ev.EV_ADD | ev.EV_ENABLE : ev.EV_DISABLE, p);
}

/** The chargen line that begins with character `first`: 72 characters and CR LF. */
function chargen_line(p: usize, first: i32): void {
  for (let i = 0; i < 72; i++) store<u8>(p + i, <u8>(32 + (first + i) % 95));
  store<u16>(p, 0x0a0d, 72);
}

/** Fill the empty buffer: with what was received, or with lines. Bytes, 0 at the end, or -errno. */
function conn_fill(c: Conn): i32 {
  if (c.c_service != CHARGEN) {
    const n = u.sys_recv(c.c_fd, c.c_buf, INETD_BUFSIZE, 0);
    if (n > 0) st.bytes += <u64>n;
    return n;
  }
  // What a chargen client says is read and forgotten; its end is ours.
  const n = u.sys_recv(c.c_fd, c.c_buf, INETD_BUFSIZE, 0);
  if (n != -EAGAIN && n <= 0) return n;
  let at = 0;
  for (; at + 74 <= INETD_BUFSIZE; at += 74) {
    chargen_line(c.c_buf + at, c.c_line);
    c.c_line = (c.c_line + 1) % 95;
  }
  return at;
}

/** Send what is there, fetch more; at most a few buffers a turn, so that others have theirs. */
function conn_turn(c: Conn): void {
  for (let i = 0; i < 8; i++) {
    if (c.c_off == c.c_len) {
      const n = conn_fill(c);
      if (n == -EAGAIN) {
        conn_block(c, 0);
        return;
      }
      if (n <= 0) {
        conn_close(c);
        return;
      }
      if (c.c_service == DISCARD) continue;
      c.c_off = 0;
      c.c_len = n;
    }
    const n = u.sys_send(c.c_fd, c.c_buf + c.c_off, c.c_len - c.c_off, 0);
    if (n == -EAGAIN) {
      conn_block(c, 1);
      return;
    }
    if (n < 0) {
      conn_close(c);
      return;
    }
    c.c_off += n;
  }
  // The budget of this turn is used up: come back when there is something to do, in either direction.
  conn_block(c, c.c_off < c.c_len || c.c_service == CHARGEN ? 1 : 0);
}

/** Datagrams: each is answered by itself. */
function inetd_dgram(fd: i32, service: i32): void {
  for (let i = 0; i < 64; i++) {
    const salen = st.sa + 32;
    store<i32>(salen, 32);
    let n = u.sys_recvfrom(fd, st.dgram, 65536, 0, st.sa, salen);
    if (n < 0) return;
    st.bytes += <u64>n;
    if (service == DISCARD) continue;
    const port = <i32>bswap<u16>(load<u16>(st.sa, SIN_PORT)) - st.base;
    if (port == ECHO || port == CHARGEN) continue;
    if (service == CHARGEN) {
      chargen_line(st.dgram, 0);
      n = 74;
    }
    u.sys_sendto(fd, st.dgram, n, 0, st.sa, load<i32>(salen));
  }
}
