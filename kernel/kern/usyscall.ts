/**
 * System calls as apps in the image make them: libc's names, one line each.
 *
 * All are non-blocking: what would wait answers -EAGAIN (connect: -EINPROGRESS), and waiting is a
 * kevent. Results are >= 0 or -errno.
 */
import * as nr from "../abi/syscall";
import { syscall } from "./syscall";

export function sys_socket(domain: i32, type: i32, protocol: i32): i32 {
  return syscall(nr.SYS_socket, domain, type, protocol, 0, 0, 0);
}
export function sys_bind(fd: i32, sa: usize, len: i32): i32 {
  return syscall(nr.SYS_bind, fd, <i32>sa, len, 0, 0, 0);
}
export function sys_listen(fd: i32, backlog: i32): i32 {
  return syscall(nr.SYS_listen, fd, backlog, 0, 0, 0, 0);
}
/** `sa` may be 0; else room for the peer's address, `salen` pointing at an i32 with its size. */
export function sys_accept(fd: i32, sa: usize, salen: usize): i32 {
  return syscall(nr.SYS_accept, fd, <i32>sa, <i32>salen, 0, 0, 0);
}
export function sys_connect(fd: i32, sa: usize, len: i32): i32 {
  return syscall(nr.SYS_connect, fd, <i32>sa, len, 0, 0, 0);
}
export function sys_recv(fd: i32, buf: usize, len: i32, flags: i32): i32 {
  return syscall(nr.SYS_recvfrom, fd, <i32>buf, len, flags, 0, 0);
}
export function sys_recvfrom(fd: i32, buf: usize, len: i32, flags: i32, sa: usize, salen: usize): i32 {
  return syscall(nr.SYS_recvfrom, fd, <i32>buf, len, flags, <i32>sa, <i32>salen);
}
export function sys_send(fd: i32, buf: usize, len: i32, flags: i32): i32 {
  return syscall(nr.SYS_sendto, fd, <i32>buf, len, flags, 0, 0);
}
export function sys_sendto(fd: i32, buf: usize, len: i32, flags: i32, sa: usize, salen: i32): i32 {
  return syscall(nr.SYS_sendto, fd, <i32>buf, len, flags, <i32>sa, salen);
}
/** `msg` points at a struct msghdr (abi/socket.ts). */
export function sys_sendmsg(fd: i32, msg: usize, flags: i32): i32 {
  return syscall(nr.SYS_sendmsg, fd, <i32>msg, flags, 0, 0, 0);
}
export function sys_recvmsg(fd: i32, msg: usize, flags: i32): i32 {
  return syscall(nr.SYS_recvmsg, fd, <i32>msg, flags, 0, 0, 0);
}
export function sys_shutdown(fd: i32, how: i32): i32 {
  return syscall(nr.SYS_shutdown, fd, how, 0, 0, 0, 0);
}
export function sys_setsockopt(fd: i32, level: i32, opt: i32, val: usize, len: i32): i32 {
  return syscall(nr.SYS_setsockopt, fd, level, opt, <i32>val, len, 0);
}
export function sys_getsockopt(fd: i32, level: i32, opt: i32, val: usize, len: usize): i32 {
  return syscall(nr.SYS_getsockopt, fd, level, opt, <i32>val, <i32>len, 0);
}
export function sys_getsockname(fd: i32, sa: usize, salen: usize): i32 {
  return syscall(nr.SYS_getsockname, fd, <i32>sa, <i32>salen, 0, 0, 0);
}
export function sys_getpeername(fd: i32, sa: usize, salen: usize): i32 {
  return syscall(nr.SYS_getpeername, fd, <i32>sa, <i32>salen, 0, 0, 0);
}
export function sys_close(fd: i32): i32 {
  return syscall(nr.SYS_close, fd, 0, 0, 0, 0, 0);
}
export function sys_read(fd: i32, buf: usize, len: i32): i32 {
  return syscall(nr.SYS_read, fd, <i32>buf, len, 0, 0, 0);
}
export function sys_write(fd: i32, buf: usize, len: i32): i32 {
  return syscall(nr.SYS_write, fd, <i32>buf, len, 0, 0, 0);
}
/** `iov` points at `iovcnt` struct iovec (abi/socket.ts). On a socket a writev is one send. */
export function sys_readv(fd: i32, iov: usize, iovcnt: i32): i32 {
  return syscall(nr.SYS_readv, fd, <i32>iov, iovcnt, 0, 0, 0);
}
export function sys_writev(fd: i32, iov: usize, iovcnt: i32): i32 {
  return syscall(nr.SYS_writev, fd, <i32>iov, iovcnt, 0, 0, 0);
}
export function sys_pread(fd: i32, buf: usize, len: i32, off: i64): i32 {
  return syscall(nr.SYS_pread, fd, <i32>buf, len, <i32>off, <i32>(off >> 32), 0);
}
export function sys_pwrite(fd: i32, buf: usize, len: i32, off: i64): i32 {
  return syscall(nr.SYS_pwrite, fd, <i32>buf, len, <i32>off, <i32>(off >> 32), 0);
}
/** `path` is `len` bytes, no NUL. */
export function sys_open(path: usize, len: i32, flags: i32, mode: i32): i32 {
  return syscall(nr.SYS_open, <i32>path, len, flags, mode, 0, 0);
}
export function sys_stat(path: usize, len: i32, st: usize): i32 {
  return syscall(nr.SYS_stat, <i32>path, len, <i32>st, 0, 0, 0);
}
export function sys_fstat(fd: i32, st: usize): i32 {
  return syscall(nr.SYS_fstat, fd, <i32>st, 0, 0, 0, 0);
}
/** Where file bytes from `off` lie in memory; how many are contiguous goes to the i32 at `lenp`. */
export function sys_fmap(fd: i32, off: i64, lenp: usize): i32 {
  return syscall(nr.SYS_fmap, fd, <i32>off, <i32>(off >> 32), <i32>lenp, 0, 0);
}
export function sys_ioctl(fd: i32, cmd: i32, data: usize): i32 {
  return syscall(nr.SYS_ioctl, fd, cmd, <i32>data, 0, 0, 0);
}
export function sys_fcntl(fd: i32, cmd: i32, arg: i32): i32 {
  return syscall(nr.SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}
export function sys_kqueue(): i32 {
  return syscall(nr.SYS_kqueue, 0, 0, 0, 0, 0, 0);
}
/** Apply `nch` changes, then fetch up to `nev` events; never waits. */
export function sys_kevent(kq: i32, ch: usize, nch: i32, ev: usize, nev: i32): i32 {
  return syscall(nr.SYS_kevent, kq, <i32>ch, nch, <i32>ev, nev, 0);
}
