/**
 * System calls as the server needs them: one change of the kqueue, one gathered send.
 *
 * Structures that a call wants in memory (struct kevent, msghdr, iovec) are built in places that the
 * state holds for it.
 */
import * as ev from "../../kernel/abi/event";
import * as so from "../../kernel/abi/socket";
import { sys_kevent, sys_send, sys_sendmsg } from "../../kernel/kern/usyscall";
import { Conn, hd } from "./httpd_state";

/** One change of the kqueue: 0 or -errno. */
export function httpd_watch(ident: i32, filter: i32, flags: i32, fflags: i32, data: i64, udata: usize): i32 {
  const ch = hd.change;
  store<u32>(ch, ident, ev.KE_IDENT);
  store<i16>(ch, <i16>filter, ev.KE_FILTER);
  store<u16>(ch, <u16>flags, ev.KE_FLAGS);
  store<i32>(ch, fflags, ev.KE_FFLAGS);
  store<u32>(ch, <u32>udata, ev.KE_UDATA);
  store<i64>(ch, data, ev.KE_DATA);
  return sys_kevent(hd.kq, ch, 1, 0, 0);
}

/** Watch connection `c` with `filter`. */
export function conn_watch(c: Conn, filter: i32, flags: i32): i32 {
  return httpd_watch(c.c_fd, filter, flags, 0, 0, changetype<usize>(c));
}

/** Most pieces that one send gathers. */
export const IOVECS: i32 = 8;

/** Piece `i` of the next send: `n` octets at `p`. */
export function iov_set(i: i32, p: usize, n: u32): void {
  assert(i >= 0 && i < IOVECS, "iov_set: index");
  const iov = hd.msg + <usize>(so.MSGHDR_SIZE + i * so.IOVEC_SIZE);
  store<usize>(iov, p, so.IOV_BASE);
  store<u32>(iov, n, so.IOV_LEN);
}

/** Send the first `n` pieces: octets taken or -errno. */
export function iov_send(fd: i32, n: i32): i32 {
  const iov = hd.msg + <usize>so.MSGHDR_SIZE;
  if (n == 1) return sys_send(fd, load<usize>(iov, so.IOV_BASE), load<i32>(iov, so.IOV_LEN), so.MSG_NOSIGNAL);
  store<usize>(hd.msg, iov, so.MSGHDR_IOV);
  store<u32>(hd.msg, n, so.MSGHDR_IOVLEN);
  return sys_sendmsg(fd, hd.msg, so.MSG_NOSIGNAL);
}
