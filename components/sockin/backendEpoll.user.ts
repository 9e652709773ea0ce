/**
 * The fast backend: Linux's non-blocking system calls, one epoll descriptor, Node's event loop.
 *
 *      kernel ──edges──> epoll fd ──readable──> uv_poll in Node's loop ──> turn()
 *                          turn(): epoll_wait(≤ 256, no wait) ─> EventQueue ─> one run of the image
 *
 * Edge-triggered throughout: an event is told once, and the image reads (writes, accepts) until
 * EAGAIN or a short count. Writability is watched from the first time that a send was not taken
 * whole, so that a new connection costs no event that says what everybody knows. Data moves between
 * the kernel and linear memory directly; this file never sees a byte of it.
 *
 * Cost: socket calls about 0.2 µs beyond the kernel's; a turn 2.5 µs for up to 256 events.
 */
import { EAGAIN, EBADF, EFAULT, EINPROGRESS, EINVAL, EMFILE } from '../../kernel/abi/errno';
import { AF_INET6, SOCK_DGRAM, SOCK_STREAM, SOCK_TYPEMASK } from '../../kernel/abi/socket';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../kernel/abi/inet';
import { span, type SockinBackend, type SockinHost } from './backend.user';
import type { EventQueue, EventSource } from './eventQueue.user';
import { HandleTable, type Handled } from './handleTable.user';
import * as linux from './linuxAbi.user';
import { LinuxAddress } from './linuxAddress.user';
import { getOption, setOption } from './linuxOption.user';
import {
  EVENT_BATCH, EVENT_DATA, EVENT_SIZE, S_ADDR, S_EVENT, S_EVENTS, S_MSGHDR, S_OPT, linuxSys,
  type LinuxSys, type PollHandle,
} from './linuxSys.user';
import {
  SOCKIN_EV_CONNECTED, SOCKIN_EV_ERROR, SOCKIN_EV_HUP, SOCKIN_EV_RDHUP, SOCKIN_EV_READ,
  SOCKIN_EV_URGENT, SOCKIN_EV_WRITE, SOCKIN_NAME_PEER,
} from './sockin.abi';

const IDLE = 0;
const LISTENING = 1;
const CONNECTING = 2;
const OPEN = 3;

const STREAM_EVENTS = linux.EPOLLIN | linux.EPOLLPRI | linux.EPOLLRDHUP;

class EpollSocket implements Handled, EventSource {
  handle = -1;
  pending = 0;
  error = 0;
  dead = false;
  state = IDLE;
  /** Events asked of epoll; 0 = not in it yet. */
  watched = 0;

  constructor(
    readonly fd: number, public cookie: number, readonly family: number, readonly datagram: boolean,
  ) {}
}

const drain = (): void => {};

export class EpollBackend implements SockinBackend {
  readonly name = 'epoll';
  private readonly sys: LinuxSys;
  private readonly table = new HandleTable<EpollSocket>(1 << 20);
  private readonly address: LinuxAddress;
  private readonly epoll: number;
  private readonly watch: PollHandle;
  private wanted = true;
  private closed = false;
  /** Native address and size of linear memory. */
  private readonly base: number;
  private readonly size: number;

  /** @throws when koffi, a symbol or epoll is not to be had */
  constructor(private readonly host: SockinHost, private readonly queue: EventQueue) {
    this.sys = linuxSys();
    this.base = this.sys.addressOf(host.u8);
    this.size = host.u8.length;
    this.address = new LinuxAddress(this.sys, host.u8, this.base);
    this.epoll = this.sys.epollCreate1(linux.EPOLL_CLOEXEC);
    if (this.epoll < 0) throw new Error(`epoll_create1: errno ${-this.sys.error()}`);
    this.watch = this.sys.poll(this.epoll, () => this.turn());
    this.watch.unref();
  }

  get open(): number { return this.table.size; }

  socket(domain: number, type: number, proto: number, cookie: number): number {
    const sys = this.sys;
    const datagram = (type & SOCK_TYPEMASK) === SOCK_DGRAM;
    const family = domain === AF_INET6 ? linux.AF_INET6 : linux.AF_INET;
    const kind = (datagram ? SOCK_DGRAM : SOCK_STREAM) | linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC;
    const fd = sys.socket(family, kind, proto === 0 ? (datagram ? IPPROTO_UDP : IPPROTO_TCP) : proto);
    if (fd < 0) return sys.error();
    if (family === linux.AF_INET6) {
      // NetBSD's default (net.inet6.ip6.v6only = 1); Linux's is the other.
      sys.scratch.setInt32(S_OPT, 1, true);
      sys.setsockopt(fd, linux.IPPROTO_IPV6, linux.IPV6_V6ONLY, sys.at + S_OPT, 4);
    }
    if (!datagram) {
      // Urgent data stays in line (RFC 6093 §3.2); accepted sockets inherit it.
      sys.scratch.setInt32(S_OPT, 1, true);
      sys.setsockopt(fd, linux.SOL_SOCKET, linux.SO_OOBINLINE, sys.at + S_OPT, 4);
    }
    const s = new EpollSocket(fd, cookie, domain, datagram);
    if (datagram) s.state = OPEN;
    return this.enter(s, datagram ? linux.EPOLLIN : 0);
  }

  bind(h: number, sa: number, salen: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const r = this.address.fromImage(sa, salen, s.family);
    if (r < 0) return r;
    return this.sys.bind(s.fd, this.sys.at + S_ADDR, r) < 0 ? this.sys.error() : 0;
  }

  listen(h: number, backlog: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (this.sys.listen(s.fd, backlog) < 0) return this.sys.error();
    s.state = LISTENING;
    return this.watchFor(s, linux.EPOLLIN);
  }

  accept(h: number, cookie: number, sa: number, size: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const to = this.address.prepare(sa >>> 0, size);
    if (to < 0) return to;
    const fd = this.sys.accept4(s.fd, to, to === 0 ? 0 : this.address.lengthAt, linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC);
    if (fd < 0) return this.sys.error();
    if (to !== 0) this.address.toImage(sa >>> 0);
    const c = new EpollSocket(fd, cookie, s.family, false);
    c.state = OPEN;
    return this.enter(c, STREAM_EVENTS);
  }

  connect(h: number, sa: number, salen: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (salen === 0) return s.datagram ? this.forgetPeer(s) : -EINVAL;
    const n = this.address.fromImage(sa, salen, s.family);
    if (n < 0) return n;
    const r = this.sys.connect(s.fd, this.sys.at + S_ADDR, n) < 0 ? this.sys.error() : 0;
    if (s.datagram || (r !== 0 && r !== -EINPROGRESS)) return r;
    s.state = r === 0 ? OPEN : CONNECTING;
    return this.watchFor(s, STREAM_EVENTS | linux.EPOLLOUT) || r;
  }

  send(h: number, buf: number, len: number, flags: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (!span(buf >>> 0, len, this.size)) return -EFAULT;
    return this.sent(s, this.sys.send(s.fd, this.base + (buf >>> 0), len, linux.sendFlags(flags)), len);
  }

  recv(h: number, buf: number, len: number, flags: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (!span(buf >>> 0, len, this.size)) return -EFAULT;
    const n = this.sys.recv(s.fd, this.base + (buf >>> 0), len, linux.recvFlags(flags, s.datagram));
    return n >= 0 ? n : this.sys.error();
  }

  sendmsg(h: number, iov: number, iovcnt: number, flags: number, sa: number, salen: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const namelen = salen === 0 ? 0 : this.address.fromImage(sa, salen, s.family);
    if (namelen < 0) return namelen;
    const len = this.address.iovec(iov >>> 0, iovcnt);
    if (len < 0) return len;
    this.address.message(namelen === 0 ? 0 : this.sys.at + S_ADDR, namelen, iovcnt);
    return this.sent(s, this.sys.sendmsg(s.fd, this.sys.at + S_MSGHDR, linux.sendFlags(flags)), len);
  }

  recvmsg(h: number, iov: number, iovcnt: number, flags: number, sa: number, size: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const to = this.address.prepare(sa >>> 0, size);
    if (to < 0) return to;
    const len = this.address.iovec(iov >>> 0, iovcnt);
    if (len < 0) return len;
    this.address.message(to, to === 0 ? 0 : size, iovcnt);
    const n = this.sys.recvmsg(s.fd, this.sys.at + S_MSGHDR, linux.recvFlags(flags, s.datagram));
    if (n < 0) return this.sys.error();
    if (to !== 0) this.address.toImageFromMessage(sa >>> 0);
    return n;
  }

  shutdown(h: number, how: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    return this.sys.shutdown(s.fd, how) < 0 ? this.sys.error() : 0;
  }

  close(h: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    this.release(s);
    return 0;
  }

  abort(h: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (!s.datagram) {
      const { scratch, at } = this.sys;
      scratch.setInt32(S_OPT, 1, true);
      scratch.setInt32(S_OPT + 4, 0, true);
      this.sys.setsockopt(s.fd, linux.SOL_SOCKET, linux.SO_LINGER, at + S_OPT, 8);
    }
    this.release(s);
    return 0;
  }

  getname(h: number, which: number, sa: number, size: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    const to = this.address.prepare(sa >>> 0, size);
    if (to <= 0) return to === 0 ? -EINVAL : to;
    const call = which === SOCKIN_NAME_PEER ? this.sys.getpeername : this.sys.getsockname;
    if (call(s.fd, to, this.address.lengthAt) < 0) return this.sys.error();
    return this.address.toImage(sa >>> 0);
  }

  setopt(h: number, level: number, opt: number, val: number, len: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (!span(val >>> 0, len, this.size)) return -EFAULT;
    return setOption(this.sys, s.fd, level, opt, this.host.u8.subarray(val >>> 0, (val >>> 0) + len));
  }

  getopt(h: number, level: number, opt: number, val: number, len: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (!span(val >>> 0, len, this.size)) return -EFAULT;
    return getOption(this.sys, s.fd, level, opt, this.host.u8.subarray(val >>> 0, (val >>> 0) + len));
  }

  avail(h: number): number { return this.ask(h, linux.FIONREAD); }

  unsent(h: number): number { return this.ask(h, linux.SIOCOUTQ); }

  atmark(h: number): number { return this.ask(h, linux.SIOCATMARK); }

  ref(): void {
    this.wanted = true;
    if (this.table.size > 0) this.watch.ref();
  }

  unref(): void {
    this.wanted = false;
    this.watch.unref();
  }

  shutdownAll(): void {
    if (this.closed) return;
    this.closed = true;
    for (const s of this.table.all()) this.release(s);
    this.watch.close();
    this.sys.close(this.epoll);
  }

  /** Take `s` into the table and, if `events` are given, into epoll. Its handle or -errno. */
  private enter(s: EpollSocket, events: number): number {
    if (this.table.add(s) < 0) {
      this.sys.close(s.fd);
      return -EMFILE;
    }
    if (this.table.size === 1 && this.wanted) this.watch.ref();
    const r = events === 0 ? 0 : this.watchFor(s, events);
    if (r === 0) return s.handle;
    this.release(s);
    return r;
  }

  private release(s: EpollSocket): void {
    this.table.remove(s);
    s.dead = true;
    this.sys.close(s.fd);
    if (this.table.size === 0) this.watch.unref();
  }

  /** Have epoll tell of `events`; those true already are told, too. 0 or -errno. */
  private watchFor(s: EpollSocket, events: number): number {
    const { scratch, at } = this.sys;
    const op = s.watched === 0 ? linux.EPOLL_CTL_ADD : linux.EPOLL_CTL_MOD;
    scratch.setUint32(S_EVENT, (events | linux.EPOLLET) >>> 0, true);
    scratch.setInt32(S_EVENT + EVENT_DATA, s.handle, true);
    if (this.sys.epollCtl(this.epoll, op, s.fd, at + S_EVENT) < 0) return this.sys.error();
    s.watched = events;
    return 0;
  }

  /** The answer of a send of `len` bytes; what was not taken whole is followed by EV_WRITE. */
  private sent(s: EpollSocket, n: number, len: number): number {
    if (n === len) return n;
    const r = n >= 0 ? n : this.sys.error();
    if ((r >= 0 || r === -EAGAIN) && (s.watched & linux.EPOLLOUT) === 0) this.watchFor(s, s.watched | linux.EPOLLOUT);
    return r;
  }

  private forgetPeer(s: EpollSocket): number {
    this.sys.scratch.setUint16(S_ADDR, linux.AF_UNSPEC, true);
    return this.sys.connect(s.fd, this.sys.at + S_ADDR, 16) < 0 ? this.sys.error() : 0;
  }

  private ask(h: number, request: number): number {
    const s = this.table.get(h);
    if (!s) return -EBADF;
    if (this.sys.ioctl(s.fd, request, this.sys.at + S_OPT) < 0) return this.sys.error();
    return this.sys.scratch.getInt32(S_OPT, true);
  }

  /** The pending error of `fd`, which is thereby taken: errno (NetBSD's) or 0. */
  private takeError(fd: number): number {
    const { scratch, at } = this.sys;
    scratch.setInt32(S_OPT, 0, true);
    scratch.setUint32(S_OPT + 4, 4, true);
    if (this.sys.getsockopt(fd, linux.SOL_SOCKET, linux.SO_ERROR, at + S_OPT, at + S_OPT + 4) < 0) return -this.sys.error();
    const error = scratch.getInt32(S_OPT, true);
    return error === 0 ? 0 : this.host.errnoFromNode(error);
  }

  /** Node's loop found the epoll descriptor readable. Nothing may be thrown into native code. */
  private turn(): void {
    try {
      if (this.closed) return;
      const { scratch, at } = this.sys;
      const n = this.sys.epollWait(this.epoll, at + S_EVENTS, EVENT_BATCH, 0);
      for (let i = 0, p = S_EVENTS; i < n; i++, p += EVENT_SIZE) {
        const s = this.table.get(scratch.getInt32(p + EVENT_DATA, true));
        if (s) this.translate(s, scratch.getUint32(p, true));
      }
      this.queue.flush();
      // A native callback does not run what it queued with nextTick or promises; an immediate does.
      setImmediate(drain);
    } catch (error) {
      this.host.fail(error);
    }
  }

  private translate(s: EpollSocket, events: number): void {
    let bits = 0;
    let error = 0;
    if (s.state === IDLE) return;
    if ((events & (linux.EPOLLERR | linux.EPOLLHUP)) !== 0) error = this.takeError(s.fd);
    if (s.state === CONNECTING) {
      if (error !== 0) {
        s.state = IDLE;
        this.forgetPeer(s); // or the next connect() would be told of this failure again
        this.queue.post(s, SOCKIN_EV_ERROR, error);
        return;
      }
      if ((events & (linux.EPOLLOUT | linux.EPOLLHUP)) === 0) return;
      s.state = OPEN;
      bits |= SOCKIN_EV_CONNECTED;
    }
    if ((events & linux.EPOLLIN) !== 0) bits |= SOCKIN_EV_READ;
    if ((events & linux.EPOLLPRI) !== 0) bits |= SOCKIN_EV_URGENT | SOCKIN_EV_READ;
    if ((events & linux.EPOLLOUT) !== 0) bits |= SOCKIN_EV_WRITE;
    if ((events & linux.EPOLLRDHUP) !== 0) bits |= SOCKIN_EV_RDHUP | SOCKIN_EV_READ;
    if ((events & linux.EPOLLHUP) !== 0) bits |= SOCKIN_EV_HUP | SOCKIN_EV_READ | SOCKIN_EV_WRITE;
    if (error !== 0) bits |= SOCKIN_EV_ERROR | SOCKIN_EV_READ | SOCKIN_EV_WRITE;
    if (bits !== 0) this.queue.post(s, bits, error);
  }
}
