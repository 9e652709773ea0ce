/**
 * nbd: block devices for clients of the network, by the NBD protocol (fixed newstyle).
 *
 *      nbd_hello, nbd_meta   options: LIST, INFO, GO, STRUCTURED_REPLY, metadata contexts
 *      nbd_cmd, nbd_check    requests as they come, and whether they are good
 *      nbd_io                the device          nbd_tx   replies
 *      nbd_conn              the loop around it  nbd_export   names
 *
 *      NBD_ADDR=127.0.0.1 NBD_PORT=10809    TCP, on whatever PF_INET the image has; port 0 = none
 *      NBD_SOCKET=/nbd                      PF_LOCAL within the image, if it has that
 *      NBD_EXPORTS                          see nbd_export.ts
 *
 * It runs over sockin and over netinet alike. A device's flush covers what all connections wrote, which
 * is what CAN_MULTI_CONN promises. At the end what was begun is answered, then connections are closed.
 */
import { EAFNOSUPPORT, EINVAL, ENAMETOOLONG, EPROTONOSUPPORT } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import { IPPROTO_TCP, TCP_NODELAY } from "../../kernel/abi/inet";
import { LOG_ERR } from "../../kernel/abi/rump";
import { SA_FAMILY, SA_LEN, SIN_ADDR, SIN_PORT, SOCKADDR_IN_SIZE, SUN_PATH } from "../../kernel/abi/sockaddr";
import { AF_INET, AF_LOCAL, SOCK_STREAM, SOL_SOCKET, SO_KEEPALIVE, SO_REUSEADDR } from "../../kernel/abi/socket";
import { Callout, callout_init, callout_schedule } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kqueue_notify } from "../../kernel/kern/kqueue";
import { kput_str } from "../../kernel/kern/kstring";
import { log_begin, log_bytes, log_end, log_int, log_str } from "../../kernel/kern/log";
import { getparam, getparam_int } from "../../kernel/kern/rumpuser";
import { app_register } from "../../kernel/kern/shutdown";
import { softint_establish } from "../../kernel/kern/softint";
import { sysctl_int, sysctl_quad, sysctl_str } from "../../kernel/kern/sysctl";
import * as u from "../../kernel/kern/usyscall";
import { kparse_ipv4 } from "../../kernel/net/in_text";
import { NC_DRAIN } from "./nbd_check";
import { conn_again, conn_drained, conn_end, conn_kill, conn_new, conn_run, conn_wake } from "./nbd_conn";
import { nbd_export_init } from "./nbd_export";
import { nbd_iodone } from "./nbd_io";
import { ADDR_MAX, Conn, NEVENTS, NbdState, PH_FLAGS, PH_GONE, PH_OPTIONS, PH_REQUESTS, nb, nbd_state_init } from "./nbd_state";

const UD_LISTEN: u32 = 1;
/** How long a client may haggle, or take for its last answers, and how often that is looked at. */
const PATIENCE_US: i64 = 30_000_000;
const SWEEP_US: i64 = 5_000_000;
/** Connections taken in a turn. */
const ACCEPTS: i32 = 16;

function watch(ident: i32, filter: i32, flags: i32, udata: u32): i32 {
  store<u32>(nb.change, ident, ev.KE_IDENT);
  store<i16>(nb.change, <i16>filter, ev.KE_FILTER);
  store<u16>(nb.change, <u16>flags, ev.KE_FLAGS);
  store<i32>(nb.change, 0, ev.KE_FFLAGS);
  store<u32>(nb.change, udata, ev.KE_UDATA);
  store<i64>(nb.change, 0, ev.KE_DATA);
  return u.sys_kevent(nb.kq, nb.change, 1, 0, 0);
}

/** A socket that listens at the address at nb.sa; descriptor or -errno. */
function serve(family: i32, salen: i32): i32 {
  const fd = u.sys_socket(family, SOCK_STREAM, 0);
  if (fd < 0) return fd;
  store<i32>(nb.change, 1);
  if (family == AF_INET) u.sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, nb.change, 4);
  let e = u.sys_bind(fd, nb.sa, salen);
  if (e >= 0) e = u.sys_listen(fd, 128);
  if (e >= 0) e = watch(fd, ev.EVFILT_READ, ev.EV_ADD, UD_LISTEN);
  if (e >= 0) return fd;
  u.sys_close(fd);
  return e;
}

/** Say why the boot ends: `what` cannot be done, for errno `e`. */
function complain(what: string, e: i32): i32 {
  log_begin(LOG_ERR, "nbd");
  log_str("cannot serve ");
  log_str(what);
  log_bytes(nb.addr, nb.addrlen);
  log_str(" port ");
  log_int(nb.port);
  log_str(": errno ");
  log_int(-e);
  log_end();
  return e;
}

/** TCP. 0 or -errno. */
function serve_inet(): i32 {
  nb.port = getparam_int("NBD_PORT", 10809);
  if (nb.port < 0 || nb.port > 65535) return -EINVAL;
  const n = getparam("NBD_ADDR", nb.addr, ADDR_MAX);
  nb.addrlen = n >= 0 ? n : <i32>(kput_str(nb.addr, nb.addr + ADDR_MAX, "127.0.0.1") - nb.addr);
  if (nb.port == 0) return 0;
  const addr = kparse_ipv4(nb.addr, nb.addrlen);
  if (addr < 0) return complain("NBD_ADDR ", -EINVAL);
  memory.fill(nb.sa, 0, SOCKADDR_IN_SIZE);
  store<u8>(nb.sa, <u8>SOCKADDR_IN_SIZE, SA_LEN);
  store<u8>(nb.sa, <u8>AF_INET, SA_FAMILY);
  store<u16>(nb.sa, bswap<u16>(<u16>nb.port), SIN_PORT);
  store<u32>(nb.sa, <u32>addr, SIN_ADDR);
  nb.lfd = serve(AF_INET, SOCKADDR_IN_SIZE);
  return nb.lfd < 0 ? complain("", nb.lfd) : 0;
}

/** PF_LOCAL, if the image has it. 0 or -errno. */
function serve_local(): i32 {
  const path = nb.sa + SUN_PATH;
  let n = getparam("NBD_SOCKET", path, 104);
  if (n > 100) return -ENAMETOOLONG;
  const asked = n > 0;
  if (!asked) n = <i32>(kput_str(path, path + 8, "/nbd") - path);
  store<u8>(nb.sa, <u8>(SUN_PATH + n), SA_LEN);
  store<u8>(nb.sa, <u8>AF_LOCAL, SA_FAMILY);
  nb.ufd = serve(AF_LOCAL, SUN_PATH + n);
  if (nb.ufd >= 0 || (!asked && (nb.ufd == -EAFNOSUPPORT || nb.ufd == -EPROTONOSUPPORT))) return 0;
  return complain("NBD_SOCKET on ", nb.ufd);
}

function field(offset: usize): usize {
  return changetype<usize>(nb) + offset;
}

function sysctls(): void {
  sysctl_str("nbd.address", nb.addr, ADDR_MAX, 0);
  sysctl_int("nbd.port", field(offsetof<NbdState>("port")), 0);
  sysctl_int("nbd.connections", field(offsetof<NbdState>("nconns")), 0);
  sysctl_quad("nbd.accepted", field(offsetof<NbdState>("naccepted")), 0);
  sysctl_quad("nbd.refused", field(offsetof<NbdState>("nrefused")), 0);
  sysctl_quad("nbd.requests", field(offsetof<NbdState>("nrequests")), 0);
  sysctl_quad("nbd.errors", field(offsetof<NbdState>("nerrors")), 0);
  sysctl_quad("nbd.bytes_read", field(offsetof<NbdState>("bytes_read")), 0);
  sysctl_quad("nbd.bytes_written", field(offsetof<NbdState>("bytes_written")), 0);
}

/** POSTINIT phase. 0 or -errno. */
export function nbd_init(): i32 {
  nbd_state_init();
  let e = nbd_export_init();
  if (e < 0) return e;
  nb.iodone = nbd_iodone.index;
  nb.softint = softint_establish(conn_again, 0);
  callout_init(changetype<Callout>(nb.callout), nbd_sweep, 0);
  nb.kq = u.sys_kqueue();
  if (nb.kq < 0) return nb.kq;
  e = kqueue_notify(nb.kq, nbd_events, 0);
  if (e >= 0) e = watch(ev.KE_IDENT_SHUTDOWN, ev.EVFILT_USER, ev.EV_ADD | ev.EV_ONESHOT, 0);
  if (e >= 0) e = serve_inet();
  if (e >= 0) e = serve_local();
  if (e < 0) return e;
  sysctls();
  app_register();
  return 0;
}

/** Soft interrupt: one batch of events; what is left brings us back. */
function nbd_events(arg: usize): void {
  const n = u.sys_kevent(nb.kq, 0, 0, nb.events, NEVENTS);
  for (let i = 0; i < n; i++) {
    const e = nb.events + <usize>i * ev.KEVENT_SIZE;
    const ident = load<i32>(e, ev.KE_IDENT);
    const udata = load<u32>(e, ev.KE_UDATA);
    if (<i32>load<i16>(e, ev.KE_FILTER) == ev.EVFILT_USER) drain();
    else if (udata == UD_LISTEN) accept_some(ident);
    else if (changetype<Conn>(<usize>udata).c_fd == ident) conn_run(changetype<Conn>(<usize>udata));
  }
}

function accept_some(lfd: i32): void {
  for (let i = 0; i < ACCEPTS; i++) {
    const fd = u.sys_accept(lfd, 0, 0);
    if (fd < 0) return;
    const c = conn_new(fd);
    if (!c) {
      nb.nrefused++;
      u.sys_close(fd);
      continue;
    }
    nb.naccepted++;
    if (nb.nconns == 1) callout_schedule(changetype<Callout>(nb.callout), SWEEP_US);
    store<i32>(nb.change, 1);
    u.sys_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, nb.change, 4);
    store<i32>(nb.change, 1);
    if (lfd == nb.lfd) u.sys_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, nb.change, 4);
    const id = <u32>changetype<usize>(c);
    let e = watch(fd, ev.EVFILT_READ, ev.EV_ADD | ev.EV_CLEAR, id);
    if (e >= 0) e = watch(fd, ev.EVFILT_WRITE, ev.EV_ADD | ev.EV_CLEAR, id);
    if (e < 0) conn_kill(c);
    else conn_run(c);
  }
}

/** Those that haggle for too long, or do not take their last answers, are ended. */
function nbd_sweep(arg: usize): void {
  const limit = getmicrouptime() - PATIENCE_US;
  let c = nb.first;
  while (c) {
    const next = c.c_next;
    if (c.c_phase != PH_REQUESTS && c.c_since_us < limit) conn_kill(c);
    c = next;
  }
  if (nb.nconns > 0) callout_schedule(changetype<Callout>(nb.callout), SWEEP_US);
}

/** The end begins: no new clients; what has been begun is answered. */
function drain(): void {
  nb.draining = 1;
  if (nb.lfd >= 0) u.sys_close(nb.lfd);
  if (nb.ufd >= 0) u.sys_close(nb.ufd);
  nb.lfd = -1;
  nb.ufd = -1;
  let c = nb.first;
  while (c) {
    const next = c.c_next;
    if (c.c_phase == PH_FLAGS || c.c_phase == PH_OPTIONS) {
      conn_kill(c);
    } else if (c.c_phase != PH_GONE) {
      c.c_may |= NC_DRAIN;
      conn_end(c);
      conn_wake(c);
    }
    c = next;
  }
  conn_drained();
}
