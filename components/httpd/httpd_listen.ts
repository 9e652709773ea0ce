/**
 * Listening, accepting, and what to do when there is no room for another connection.
 *
 *      accept ─► Conn free? ──────────────── yes ─► first turn at once (the request is often there)
 *                  └ no ─► an idle connection, not new? ─ yes ─► closed in its favour
 *                            └ no ─► 503, closed
 *      accept answers EMFILE, ENFILE, ENOBUFS ─► the same, else listeners are disabled until a connection
 *                                               closes: the backlog, then the peers, wait
 *
 * HTTPD_ADDR is a list ("127.0.0.1,::1"), HTTPD_PORT one port for all. Listeners are level-triggered:
 * what one event leaves is reported again.
 */
import * as errno from "../../kernel/abi/errno";
import { EVFILT_READ, EV_ADD, EV_DISABLE, EV_ENABLE } from "../../kernel/abi/event";
import { IPPROTO_IPV6, IPPROTO_TCP, IPV6_V6ONLY, TCP_NODELAY } from "../../kernel/abi/inet";
import { LOG_ERR, LOG_INFO, LOG_WARNING } from "../../kernel/abi/rump";
import * as sa from "../../kernel/abi/sockaddr";
import { AF_INET, AF_INET6, MSG_NOSIGNAL, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR, SOMAXCONN } from "../../kernel/abi/socket";
import { log_begin, log_bytes, log_end, log_int, log_str } from "../../kernel/kern/log";
import { pool_get } from "../../kernel/kern/pool";
import * as sys from "../../kernel/kern/usyscall";
import { in6_parse, in_parse } from "./httpd_addr";
import { conn_close, conn_turn } from "./httpd_conn";
import { head_begin, head_field, out_str } from "./httpd_head";
import * as s from "./httpd_state";
import { Conn, LISTENERS_MAX, conn_addr, conn_req, hd, queue_of } from "./httpd_state";
import { http_req_init } from "./http_req";
import { httpd_watch } from "./httpd_sys";
import { timer_arm } from "./httpd_timer";

/** Connections accepted for one event. */
const ACCEPT_MAX: i32 = 64;

// ── listening ────────────────────────────────────────────────────────────────────────────────────

function errno_name(e: i32): string {
  switch (e) {
    case errno.EADDRINUSE: return "EADDRINUSE";
    case errno.EADDRNOTAVAIL: return "EADDRNOTAVAIL";
    case errno.EACCES: return "EACCES";
    case errno.EAFNOSUPPORT: return "EAFNOSUPPORT";
    case errno.EINVAL: return "not an address";
    default: return "error";
  }
}

/** Say why the address of `n` octets at `p` cannot be served on; `e`, which is -errno. */
function listen_failed(p: usize, n: i32, e: i32): i32 {
  log_begin(LOG_ERR, "httpd");
  log_str("cannot listen on ");
  log_bytes(p, n);
  log_str(":");
  log_int(hd.port);
  log_str(": ");
  log_str(errno_name(-e));
  if (errno_name(-e) == "error") log_int(-e);
  log_end();
  return e;
}

/** The sockaddr of `n` octets of text at `p`, in hd.sockaddr: its length, or -EINVAL. */
function sockaddr_put(p: usize, n: i32): i32 {
  const at = hd.sockaddr;
  memory.fill(at, 0, sa.SOCKADDR_IN6_SIZE);
  store<u16>(at, bswap<u16>(<u16>hd.port), sa.SIN_PORT);
  if (in_parse(p, n, at + sa.SIN_ADDR)) {
    store<u8>(at, <u8>AF_INET, sa.SA_FAMILY);
    return sa.SOCKADDR_IN_SIZE;
  }
  memory.fill(at + sa.SIN6_FLOWINFO, 0, sa.SOCKADDR_IN6_SIZE - sa.SIN6_FLOWINFO);
  if (!in6_parse(p, n, at + sa.SIN6_ADDR)) return -errno.EINVAL;
  store<u8>(at, <u8>AF_INET6, sa.SA_FAMILY);
  return sa.SOCKADDR_IN6_SIZE;
}

/** Set an option that is a number to 1; that it is not known is no harm. */
function option_on(fd: i32, level: i32, option: i32): void {
  store<i32>(hd.word, 1);
  sys.sys_setsockopt(fd, level, option, hd.word, 4);
}

/** Listen on one address: 0 or -errno. */
function listen_on(p: usize, n: i32): i32 {
  const len = sockaddr_put(p, n);
  if (len < 0) return len;
  const family = <i32>load<u8>(hd.sockaddr, sa.SA_FAMILY);
  const fd = sys.sys_socket(family, SOCK_STREAM, 0);
  if (fd < 0) return fd;
  option_on(fd, SOL_SOCKET, SO_REUSEADDR);
  // Inherited by the connections: an answer's last segment must not wait for an acknowledgement.
  option_on(fd, IPPROTO_TCP, TCP_NODELAY);
  if (family == AF_INET6) option_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  let e = sys.sys_bind(fd, hd.sockaddr, len);
  if (e >= 0) e = sys.sys_listen(fd, SOMAXCONN);
  if (e >= 0) e = httpd_watch(fd, EVFILT_READ, EV_ADD, 0, 0, 0);
  if (e < 0) {
    sys.sys_close(fd);
    return e;
  }
  if (hd.port == 0) listen_port(fd);
  store<i32>(hd.lfds + (<usize>hd.nlisten << 2), fd);
  hd.nlisten++;
  return 0;
}

/** Port 0: which one it became. Further addresses get the same. */
function listen_port(fd: i32): void {
  store<i32>(hd.word, 128);
  if (sys.sys_getsockname(fd, hd.sockaddr, hd.word) >= 0) hd.port = bswap<u16>(load<u16>(hd.sockaddr, sa.SIN_PORT));
}

/** Listen on every address of the list of `n` octets at `p`: 0 or -errno of the first that failed. */
export function listen_all(p: usize, n: i32): i32 {
  let from = 0;
  for (let i = 0; i <= n; i++) {
    if (i < n && load<u8>(p + i) != 44) continue;
    const e = hd.nlisten < LISTENERS_MAX ? listen_on(p + from, i - from) : -errno.EINVAL;
    if (e < 0) return listen_failed(p + from, i - from, e);
    from = i + 1;
  }
  log_begin(LOG_INFO, "httpd");
  log_str("listening on ");
  log_bytes(p, n);
  log_str(" port ");
  log_int(hd.port);
  log_end();
  return 0;
}

/** Shutdown: no more connections. Those that wait in the backlog are refused by the close. */
export function listen_close(): void {
  for (let i = 0; i < hd.nlisten; i++) sys.sys_close(load<i32>(hd.lfds + (<usize>i << 2)));
  hd.nlisten = 0;
}

function listen_switch(flags: i32): void {
  for (let i = 0; i < hd.nlisten; i++) httpd_watch(load<i32>(hd.lfds + (<usize>i << 2)), EVFILT_READ, flags, 0, 0, 0);
}

/** A connection closed: there is room again. */
export function listen_resume(): void {
  hd.paused = 0;
  listen_switch(EV_ENABLE);
}

/** Accepting failed with `e`, and would again: not before a connection closes, or the next sweep. */
function listen_pause(e: i32): void {
  hd.paused = 1;
  listen_switch(EV_DISABLE);
  timer_arm();
  log_begin(LOG_WARNING, "httpd");
  log_str("accept: errno ");
  log_int(-e);
  log_end();
}

// ── accepting ────────────────────────────────────────────────────────────────────────────────────

/**
 * Make room: close the connection that has been idle for longest, or one that has not said anything
 * for a third of the time it has. False if there is none.
 */
function evict_idle(): bool {
  let c = queue_of(s.Q_IDLE).q_first;
  if (!c) {
    const q = queue_of(s.Q_NEW);
    c = q.q_first;
    if (!c || c.c_time + q.q_us / 3 > hd.now_us) return false;
  }
  conn_close(c);
  return true;
}

/** No Conn for socket `fd`: say so, and close. What the peer has sent is read, lest a reset overtake the answer. */
function refuse(fd: i32): void {
  hd.stat.refused++;
  assert(hd.outlen == 0, "refuse: output");
  head_begin(503);
  head_field("Retry-After: 1");
  head_field("Content-Length: 0");
  out_str("Connection: close\r\n\r\n");
  sys.sys_send(fd, hd.out, hd.outlen, MSG_NOSIGNAL);
  hd.outlen = 0;
  sys.sys_recv(fd, hd.rx, s.BUFSIZE, 0);
  sys.sys_close(fd);
}

/** Socket `fd` is a new connection, the peer's address at hd.sockaddr. */
function conn_new(fd: i32): void {
  let p = pool_get(hd.conns);
  if (p == 0 && evict_idle()) p = pool_get(hd.conns);
  if (p == 0) {
    refuse(fd);
    return;
  }
  const c = changetype<Conn>(p);
  memory.fill(p, 0, offsetof<Conn>());
  c.c_fd = fd;
  c.c_queue = s.Q_NONE;
  c.c_family = load<u8>(hd.sockaddr, sa.SA_FAMILY);
  if (c.c_family == AF_INET6) memory.copy(conn_addr(c), hd.sockaddr + sa.SIN6_ADDR, 16);
  else memory.copy(conn_addr(c), hd.sockaddr + sa.SIN_ADDR, 4);
  http_req_init(conn_req(c));
  hd.nconns++;
  conn_turn(c);
}

/** Is `e` a shortage that the end of some connection would relieve? */
function is_shortage(e: i32): bool {
  return e == -errno.EMFILE || e == -errno.ENFILE || e == -errno.ENOBUFS || e == -errno.ENOMEM;
}

function accept_one(fd: i32): i32 {
  store<i32>(hd.word, 128);
  return sys.sys_accept(fd, hd.sockaddr, hd.word);
}

/** Accept from listener `fd`, on which `n` connections wait. */
export function listen_event(fd: i32, n: i64): void {
  const most = <i32>max<i64>(1, min<i64>(n, ACCEPT_MAX));
  for (let i = 0; i < most; i++) {
    let e = accept_one(fd);
    if (is_shortage(e) && evict_idle()) e = accept_one(fd);
    if (e == -errno.EAGAIN) return;
    if (e == -errno.ECONNABORTED) continue;
    if (e < 0) {
      listen_pause(e);
      return;
    }
    hd.stat.accepted++;
    conn_new(e);
    timer_arm();
  }
}
