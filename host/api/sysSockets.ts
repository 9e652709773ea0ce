/**
 * kernel.sys, sockets and kqueue: the calls of kernel/net/uipc_syscalls.ts and kern/kqueue.ts.
 *
 * Non-blocking: what would wait throws EAGAIN (connect: EINPROGRESS). Node-like objects on top of
 * these are kernel.net and kernel.dgram.
 */
import {
  EV_ADD, KE_DATA, KE_FFLAGS, KE_FILTER, KE_FLAGS, KE_IDENT, KE_UDATA, KEVENT_SIZE,
} from '../../kernel/abi/event';
import { SOCK_MAXADDRLEN } from '../../kernel/abi/sockaddr';
import {
  SYS_accept, SYS_bind, SYS_connect, SYS_getpeername, SYS_getsockname, SYS_getsockopt, SYS_kevent, SYS_kqueue,
  SYS_listen, SYS_recvfrom, SYS_sendto, SYS_setsockopt, SYS_shutdown, SYS_socket, SYS_socketpair,
} from '../../kernel/abi/syscall';
import type { SystemErrorInfo } from '../errtrans';
import { getSockaddr, putSockaddr, type SockAddress } from './sockaddr';
import { atAddress, atLength, atOption, atStruct, dataMax } from './sysBase';
import { SysFiles } from './sysFiles';

/** struct kevent. */
export interface Kevent {
  ident: number;
  filter: number;
  flags: number;
  fflags: number;
  /** Any 32-bit number of the caller's. */
  udata: number;
  data: number;
}

/** Events that one call of kevent() fetches at most. */
export const keventsMax: number = Math.floor(dataMax / KEVENT_SIZE);

function where(addr: SockAddress | undefined): SystemErrorInfo {
  if (addr === undefined) return {};
  return addr.family === 'local' ? { path: addr.path } : { address: addr.address, port: addr.port };
}

export class Sys extends SysFiles {
  /** A descriptor. @param type SOCK_*, @param protocol IPPROTO_* or 0 */
  socket(domain: number, type: number, protocol = 0): number {
    return this.check(this.raw(SYS_socket, domain, type, protocol), 'socket');
  }

  /** Two connected descriptors. */
  socketpair(domain: number, type: number, protocol = 0): [number, number] {
    const at = this.base + atStruct;
    this.check(this.raw(SYS_socketpair, domain, type, protocol, at), 'socketpair');
    return [this.dv.getInt32(at, true), this.dv.getInt32(at + 4, true)];
  }

  bind(fd: number, addr: SockAddress): void {
    this.check(this.raw(SYS_bind, fd, this.base + atAddress, this.putAddress(addr)), 'bind', where(addr));
  }

  listen(fd: number, backlog = 511): void {
    this.check(this.raw(SYS_listen, fd, backlog), 'listen');
  }

  /** The next connection of a listener. */
  accept(fd: number): { fd: number; address: SockAddress | null } {
    const conn = this.check(this.tryAccept(fd), 'accept');
    return { fd: conn, address: this.takeAddress() };
  }

  /** As accept, with the answer as it is; the peer's address is then to be had by takeAddress(). */
  tryAccept(fd: number): number {
    this.dv.setInt32(this.base + atLength, SOCK_MAXADDRLEN, true);
    return this.raw(SYS_accept, fd, this.base + atAddress, this.base + atLength);
  }

  /** @throws EINPROGRESS while it is under way: wait for EVFILT_WRITE, then look at SO_ERROR */
  connect(fd: number, addr: SockAddress): void {
    this.check(this.tryConnect(fd, addr), 'connect', where(addr));
  }

  tryConnect(fd: number, addr: SockAddress): number {
    return this.raw(SYS_connect, fd, this.base + atAddress, this.putAddress(addr));
  }

  /** @returns how many bytes were taken */
  send(fd: number, bytes: Uint8Array, flags = 0): number {
    const n = this.putData(bytes);
    return this.check(this.raw(SYS_sendto, fd, this.data, n, flags), 'send');
  }

  sendto(fd: number, bytes: Uint8Array, addr: SockAddress, flags = 0): number {
    return this.check(this.trySendto(fd, bytes, addr, flags), 'sendto', where(addr));
  }

  trySendto(fd: number, bytes: Uint8Array, addr: SockAddress | null, flags = 0): number {
    const n = this.putData(bytes);
    if (addr === null) return this.raw(SYS_sendto, fd, this.data, n, flags);
    const length = this.putAddress(addr);
    return this.raw(SYS_sendto, fd, this.data, n, flags, this.base + atAddress, length);
  }

  /** Up to `size` bytes; none at the end of the stream. */
  recv(fd: number, size = 65536, flags = 0): Buffer {
    return this.takeData(this.check(this.raw(SYS_recvfrom, fd, this.data, Math.min(size, dataMax), flags), 'recv'));
  }

  /** One datagram, or bytes of a stream, and who sent them. */
  recvfrom(fd: number, size = 65536, flags = 0): { data: Buffer; address: SockAddress | null } {
    const n = this.check(this.tryRecvfrom(fd, size, flags), 'recvfrom');
    return { data: this.takeData(n), address: this.takeAddress() };
  }

  tryRecvfrom(fd: number, size = 65536, flags = 0): number {
    this.dv.setInt32(this.base + atLength, SOCK_MAXADDRLEN, true);
    return this.raw(SYS_recvfrom, fd, this.data, Math.min(size, dataMax), flags, this.base + atAddress, this.base + atLength);
  }

  /** @param how SHUT_* */
  shutdown(fd: number, how: number): void {
    this.check(this.raw(SYS_shutdown, fd, how), 'shutdown');
  }

  getsockname(fd: number): SockAddress | null {
    this.dv.setInt32(this.base + atLength, SOCK_MAXADDRLEN, true);
    this.check(this.raw(SYS_getsockname, fd, this.base + atAddress, this.base + atLength), 'getsockname');
    return this.takeAddress();
  }

  getpeername(fd: number): SockAddress | null {
    this.dv.setInt32(this.base + atLength, SOCK_MAXADDRLEN, true);
    this.check(this.raw(SYS_getpeername, fd, this.base + atAddress, this.base + atLength), 'getpeername');
    return this.takeAddress();
  }

  /** Set an option to a number (an i32) or to the bytes of its structure. */
  setsockopt(fd: number, level: number, option: number, value: number | boolean | Uint8Array): void {
    this.check(this.trySetsockopt(fd, level, option, value), 'setsockopt');
  }

  trySetsockopt(fd: number, level: number, option: number, value: number | boolean | Uint8Array): number {
    const at = this.base + atOption;
    if (value instanceof Uint8Array) this.u8.set(value.subarray(0, 1024), at);
    else this.dv.setInt32(at, Number(value), true);
    return this.raw(SYS_setsockopt, fd, level, option, at, value instanceof Uint8Array ? value.length : 4);
  }

  /** The option as the bytes of its structure. */
  getsockopt(fd: number, level: number, option: number, size = 256): Buffer {
    const at = this.base + atOption;
    this.dv.setInt32(this.base + atLength, Math.min(size, 1024), true);
    this.check(this.raw(SYS_getsockopt, fd, level, option, at, this.base + atLength), 'getsockopt');
    const n = this.dv.getInt32(this.base + atLength, true);
    return Buffer.from(this.u8.slice(at, at + n));
  }

  /** The option as an i32. */
  getsockoptInt(fd: number, level: number, option: number): number {
    return this.getsockopt(fd, level, option, 4).readInt32LE(0);
  }

  /** A descriptor of a new kqueue. */
  kqueue(): number {
    return this.check(this.raw(SYS_kqueue), 'kqueue');
  }

  /**
   * Apply changes, then fetch events; never waits.
   * @param changes at most keventsMax of them; missing fields are 0, missing flags EV_ADD
   * @param max most events wanted
   */
  kevent(kq: number, changes: ReadonlyArray<Partial<Kevent> & { ident: number; filter: number }> = [], max = 0): Kevent[] {
    const at = this.data;
    changes.slice(0, keventsMax).forEach((change, i) => {
      this.putKevent(at + i * KEVENT_SIZE, { flags: EV_ADD, fflags: 0, udata: 0, data: 0, ...change });
    });
    const n = this.check(this.raw(SYS_kevent, kq, at, changes.length, at, Math.min(max, keventsMax)), 'kevent');
    return Array.from({ length: n }, (_, i) => this.getKevent(at + i * KEVENT_SIZE));
  }

  /** Write a struct kevent. */
  putKevent(at: number, event: Kevent): void {
    this.dv.setUint32(at + KE_IDENT, event.ident, true);
    this.dv.setInt16(at + KE_FILTER, event.filter, true);
    this.dv.setUint16(at + KE_FLAGS, event.flags, true);
    this.dv.setInt32(at + KE_FFLAGS, event.fflags, true);
    this.dv.setUint32(at + KE_UDATA, event.udata, true);
    this.putI64(at + KE_DATA, event.data);
  }

  /** Read a struct kevent. */
  getKevent(at: number): Kevent {
    const { dv } = this;
    return {
      ident: dv.getUint32(at + KE_IDENT, true), filter: dv.getInt16(at + KE_FILTER, true),
      flags: dv.getUint16(at + KE_FLAGS, true), fflags: dv.getInt32(at + KE_FFLAGS, true),
      udata: dv.getUint32(at + KE_UDATA, true), data: this.getI64(at + KE_DATA),
    };
  }

  /** The address that the last call left in the exchange area. */
  takeAddress(): SockAddress | null {
    return getSockaddr(this.dv, this.base + atAddress, this.dv.getInt32(this.base + atLength, true));
  }

  private putAddress(addr: SockAddress): number {
    return putSockaddr(this.dv, this.base + atAddress, addr);
  }
}
