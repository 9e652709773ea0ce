/**
 * What sockin's host half must be able to do, whichever way: the one interface of both backends.
 *
 *      image ── sockin.hyper ──> sockin.user ──> SockinBackend ──> epoll (Linux, koffi)
 *        ^                                            │         └> node (net, dgram; anywhere)
 *        └────── RING_SOCKIN, INTR_SOCKIN ─── EventQueue
 *
 * The methods are the hypercalls of sockin.hyper.ts one for one: synchronous, never blocking, the
 * answer >= 0 or -errno in NetBSD's numbering. Pointers are offsets into the image's memory and are
 * not to be believed: every backend checks them against the size of memory before use (span()),
 * because a backend that hands addresses to the kernel would otherwise open the sandbox.
 */
import { AF_INET, AF_INET6 } from '../../kernel/abi/socket';
import { EAFNOSUPPORT, EFAULT, EINVAL } from '../../kernel/abi/errno';
import {
  SA_FAMILY, SOCKADDR_IN_SIZE, SOCKADDR_IN6_SIZE,
} from '../../kernel/abi/sockaddr';

export interface SockinBackend {
  /** 'epoll' or 'node'. */
  readonly name: string;
  /** Sockets open now, those included that the image has closed but which still send. */
  readonly open: number;

  socket(domain: number, type: number, proto: number, cookie: number): number;
  bind(h: number, sa: number, salen: number): number;
  listen(h: number, backlog: number): number;
  accept(h: number, cookie: number, sa: number, size: number): number;
  connect(h: number, sa: number, salen: number): number;
  send(h: number, buf: number, len: number, flags: number): number;
  recv(h: number, buf: number, len: number, flags: number): number;
  sendmsg(h: number, iov: number, iovcnt: number, flags: number, sa: number, salen: number): number;
  recvmsg(h: number, iov: number, iovcnt: number, flags: number, sa: number, size: number): number;
  shutdown(h: number, how: number): number;
  close(h: number): number;
  abort(h: number): number;
  getname(h: number, which: number, sa: number, size: number): number;
  setopt(h: number, level: number, opt: number, val: number, len: number): number;
  getopt(h: number, level: number, opt: number, val: number, len: number): number;
  avail(h: number): number;
  unsent(h: number): number;
  atmark(h: number): number;

  /** Keep the process alive while sockets are open (the default), or do not. */
  ref(): void;
  unref(): void;
  /** Close everything at once; no call follows. */
  shutdownAll(): void;
}

/** What a backend needs of the host: a part of HyperHost. */
export interface SockinHost {
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly dv: DataView<ArrayBuffer>;
  errnoFromNode(error: unknown): number;
  log(level: number, message: string): void;
  fail(error: unknown): void;
}

/** Whether `len` bytes at `at` lie in a memory of `size` bytes; all three non-negative integers below 2^32. */
export function span(at: number, len: number, size: number): boolean {
  return at >= 0 && len >= 0 && at + len <= size;
}

/**
 * Check a sockaddr of the image.
 * @param family the socket's AF_*
 * @returns 0, -EFAULT, -EINVAL (too short) or -EAFNOSUPPORT (of another family)
 */
export function checkSockaddr(u8: Uint8Array, sa: number, salen: number, family: number): number {
  if (!span(sa, salen, u8.length)) return -EFAULT;
  if (salen < 2) return -EINVAL;
  if (u8[sa + SA_FAMILY] !== family) return -EAFNOSUPPORT;
  const need = family === AF_INET ? SOCKADDR_IN_SIZE : family === AF_INET6 ? SOCKADDR_IN6_SIZE : 0;
  if (need === 0) return -EAFNOSUPPORT;
  return salen < need ? -EINVAL : 0;
}
