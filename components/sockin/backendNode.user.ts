/**
 * The portable backend: node:net and node:dgram, wherever Node runs.
 *
 * This file is the table of handles and the way between the hypercalls' pointers and the sockets'
 * spans and endpoints; what a socket does is in nodeStream.user.ts and nodeDatagram.user.ts. It
 * differs from the epoll backend where Node does not offer more: no urgent data, no SO_REUSEPORT, no
 * IP_TOS; a listener's surplus over its backlog is reset rather than left in the kernel's queue.
 */
import { EBADF, EFAULT, EINVAL, EMFILE, EMSGSIZE, ENOTCONN } from '../../kernel/abi/errno';
import * as abi from '../../kernel/abi/socket';
import { span, type SockinBackend, type SockinHost } from './backend.user';
import type { EventQueue } from './eventQueue.user';
import { HandleTable } from './handleTable.user';
import { readSockaddr, type Endpoint } from './nodeAddress.user';
import { NodeDatagram } from './nodeDatagram.user';
import { type NodeContext, type NodeSocket, type Span } from './nodeSocket.user';
import { NodeStream } from './nodeStream.user';
import { SOCKIN_IOV_MAX, SOCKIN_NAME_PEER, SOCKIN_OPT_MAX } from './sockin.abi';

export class NodeBackend implements SockinBackend {
  readonly name = 'node';
  private readonly table = new HandleTable<NodeSocket>(1 << 20);
  private readonly context: NodeContext;

  constructor(private readonly host: SockinHost, queue: EventQueue) {
    this.context = { host, queue, wanted: true, lingering: new Set() };
  }

  get open(): number { return this.table.size + this.context.lingering.size; }

  socket(domain: number, type: number, proto: number, cookie: number): number {
    const datagram = (type & abi.SOCK_TYPEMASK) === abi.SOCK_DGRAM;
    const s = datagram ? new NodeDatagram(this.context, cookie, domain) : new NodeStream(this.context, cookie, domain);
    return this.table.add(s) < 0 ? -EMFILE : s.handle;
  }

  bind(h: number, sa: number, salen: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const to = readSockaddr(this.host, sa, salen, s.family);
    return typeof to === 'number' ? to : s.bind(to);
  }

  listen(h: number, backlog: number): number {
    return this.table.get(h)?.listen(backlog) ?? -EBADF;
  }

  accept(h: number, cookie: number, sa: number, size: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (this.table.full) return -EMFILE;
    const c = s.accept();
    if (typeof c === 'number') return c;
    c.cookie = cookie;
    this.table.add(c);
    const from = c.peer();
    if (size > 0 && from) c.writeName(from, sa, size);
    return c.handle;
  }

  connect(h: number, sa: number, salen: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (salen === 0) return s.connect(null);
    const to = readSockaddr(this.host, sa, salen, s.family);
    return typeof to === 'number' ? to : s.connect(to);
  }

  send(h: number, buf: number, len: number, flags: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const at = buf >>> 0;
    return span(at, len, this.host.u8.length) ? s.send([{ at, len }], len, flags, null) : -EFAULT;
  }

  recv(h: number, buf: number, len: number, flags: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const at = buf >>> 0;
    return span(at, len, this.host.u8.length) ? s.recv([{ at, len }], len, flags, {}) : -EFAULT;
  }

  sendmsg(h: number, iov: number, iovcnt: number, flags: number, sa: number, salen: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const to = salen === 0 ? null : readSockaddr(this.host, sa, salen, s.family);
    if (typeof to === 'number') return to;
    const spans = this.spans(iov >>> 0, iovcnt);
    return typeof spans === 'number' ? spans : s.send(spans, total(spans), flags, to);
  }

  recvmsg(h: number, iov: number, iovcnt: number, flags: number, sa: number, size: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const spans = this.spans(iov >>> 0, iovcnt);
    if (typeof spans === 'number') return spans;
    if (size > 0 && !span(sa >>> 0, size, this.host.u8.length)) return -EFAULT;
    const from: { end?: Endpoint } = {};
    const n = s.recv(spans, total(spans), flags, from);
    if (n < 0 || size === 0) return n;
    if (from.end) s.writeName(from.end, sa, size);
    else this.host.u8.fill(0, sa >>> 0, (sa >>> 0) + 2);
    return n;
  }

  shutdown(h: number, how: number): number {
    return this.table.get(h)?.shutdown(how) ?? -EBADF;
  }

  close(h: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    this.table.remove(s);
    s.close();
    return 0;
  }

  abort(h: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    this.table.remove(s);
    s.abort();
    return 0;
  }

  getname(h: number, which: number, sa: number, size: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const end = which === SOCKIN_NAME_PEER ? s.peer() : s.local();
    return end ? s.writeName(end, sa, size) : -ENOTCONN;
  }

  setopt(h: number, level: number, opt: number, val: number, len: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (!span(val >>> 0, len, this.host.u8.length)) return -EFAULT;
    if (len > SOCKIN_OPT_MAX) return -EINVAL;
    return s.setopt(level, opt, this.host.u8.subarray(val >>> 0, (val >>> 0) + len));
  }

  getopt(h: number, level: number, opt: number, val: number, len: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (!span(val >>> 0, len, this.host.u8.length)) return -EFAULT;
    if (len < 4) return -EINVAL;
    const value = s.getopt(level, opt);
    if (value < 0) return value;
    this.host.dv.setInt32(val >>> 0, value, true);
    return 4;
  }

  avail(h: number): number { return this.table.get(h)?.avail() ?? -EBADF; }

  unsent(h: number): number { return this.table.get(h)?.unsent() ?? -EBADF; }

  atmark(h: number): number { return this.table.get(h) ? 0 : -EBADF; }

  ref(): void { this.setRef(true); }

  unref(): void { this.setRef(false); }

  shutdownAll(): void {
    for (const s of this.table.all()) {
      this.table.remove(s);
      s.abort();
    }
    for (const s of this.context.lingering) s.destroy();
  }

  private setRef(wanted: boolean): void {
    this.context.wanted = wanted;
    for (const s of this.table.all()) s.setRef(wanted);
  }

  /** The image's iovec array, checked. @returns spans or -errno */
  private spans(iov: number, count: number): Span[] | number {
    const { dv, u8 } = this.host;
    if (count < 0 || count > SOCKIN_IOV_MAX) return -EMSGSIZE;
    if (!span(iov, count * abi.IOVEC_SIZE, u8.length)) return -EFAULT;
    const spans: Span[] = [];
    for (let i = 0; i < count; i++) {
      const at = dv.getUint32(iov + i * abi.IOVEC_SIZE + abi.IOV_BASE, true);
      const len = dv.getUint32(iov + i * abi.IOVEC_SIZE + abi.IOV_LEN, true);
      if (!span(at, len, u8.length)) return -EFAULT;
      spans.push({ at, len });
    }
    return spans;
  }
}

function total(spans: readonly Span[]): number {
  return spans.reduce((sum, s) => sum + s.len, 0);
}
