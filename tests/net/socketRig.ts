/**
 * What the socket suite (sockets.ts) runs on: two kernels that reach each other, and a way to wait.
 *
 *      a ── its own sockets ── (host's loopback | hub | wire) ── b's sockets ── b
 *
 * sockin's rig is one kernel that is both, over the loopback of the host; netinet's is two kernels on
 * a hub. The suite uses nothing but system calls, so it cannot tell: that is the point of it.
 *
 * `Sock` is one descriptor. Its methods answer what the kernel answers, >= 0 or -errno; must() turns a
 * failure into an assertion with the name of the error.
 */
import assert from 'node:assert/strict';
import { errnoName } from '../../host/errtrans';
import type { Kernel } from '../../host/kernel';
import type { Kevent } from '../../host/api/sysSockets';
import type { InetAddress } from '../../host/api/sockaddr';
import { EAGAIN, EINPROGRESS } from '../../kernel/abi/errno';
import { EV_ADD, EVFILT_READ, EVFILT_WRITE } from '../../kernel/abi/event';
import { FIONREAD } from '../../kernel/abi/filio';
import * as abi from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';

export type Family = 'IPv4' | 'IPv6';

export interface SocketRig {
  readonly a: Kernel;
  readonly b: Kernel;
  /** Address at which `of` is reached; undefined when the rig lacks the family. */
  address(of: Kernel, family: Family): string | undefined;
  /** Let time pass until `done()`; an assertion with `what` fails if it never is. */
  until(done: () => boolean, what: string): Promise<void>;
  /** Let about so much time pass. */
  pause(ms: number): Promise<void>;
  /** Bytes of the transfer to a reader that pauses, connections to hold at once, bytes of a transfer. */
  readonly sizes: { paused: number; connections: number; transfer: number };
  /** Bytes that may be under way to a reader that does not read (both kernels' and all buffers between). */
  readonly buffered: number;
  close(): Promise<void>;
}

const AF: Record<Family, number> = { IPv4: abi.AF_INET, IPv6: abi.AF_INET6 };

/** "EAGAIN" for -35, "5" for 5. */
export const told = (r: number): string => (r < 0 ? errnoName(-r) : String(r));

/** `r` if it is no error. */
export function must(r: number, what = 'call'): number {
  assert.ok(r >= 0, `${what}: ${told(r)}`);
  return r;
}

export class Sock {
  private kq = -1;

  constructor(readonly rig: SocketRig, readonly kernel: Kernel, readonly fd: number, readonly family: Family) {}

  static stream(rig: SocketRig, kernel: Kernel, family: Family = 'IPv4'): Sock {
    return new Sock(rig, kernel, must(kernel.sys.raw(nr.SYS_socket, AF[family], abi.SOCK_STREAM, 0), 'socket'), family);
  }

  static dgram(rig: SocketRig, kernel: Kernel, family: Family = 'IPv4'): Sock {
    return new Sock(rig, kernel, must(kernel.sys.raw(nr.SYS_socket, AF[family], abi.SOCK_DGRAM, 0), 'socket'), family);
  }

  /** A listener of `kernel` at a port of the kernel's choice. */
  static listener(rig: SocketRig, kernel: Kernel, backlog = 128, family: Family = 'IPv4'): Sock {
    const s = Sock.stream(rig, kernel, family);
    must(s.bind(rig.address(kernel, family)!, 0), 'bind');
    must(s.listen(backlog), 'listen');
    return s;
  }

  /** A connection: [a's end, b's end, b's listener]. */
  static async pair(rig: SocketRig, family: Family = 'IPv4'): Promise<[Sock, Sock, Sock]> {
    const l = Sock.listener(rig, rig.b, 128, family);
    const c = Sock.stream(rig, rig.a, family);
    await c.connected(l.name());
    return [c, await l.accepted(), l];
  }

  private attempt(call: () => number): number {
    try {
      return call();
    } catch (error) {
      const { errno } = error as { errno?: number };
      if (typeof errno !== 'number') throw error;
      return -errno;
    }
  }

  private at(address: string, port: number): InetAddress { return { family: this.family, address, port }; }

  bind(address: string, port: number): number {
    return this.attempt(() => { this.kernel.sys.bind(this.fd, this.at(address, port)); return 0; });
  }

  listen(backlog: number): number { return this.kernel.sys.raw(nr.SYS_listen, this.fd, backlog); }

  connect(to: { address: string; port: number }): number {
    return this.kernel.sys.tryConnect(this.fd, this.at(to.address, to.port));
  }

  /** Connect and wait for it. */
  async connected(to: { address: string; port: number }): Promise<this> {
    const r = this.connect(to);
    if (r === -EINPROGRESS) {
      await this.rig.until(() => this.ready(EVFILT_WRITE) !== undefined, 'connected');
      assert.equal(told(-this.soError()), '0');
    } else must(r, 'connect');
    return this;
  }

  accept(): Sock | number {
    const fd = this.kernel.sys.tryAccept(this.fd);
    return fd < 0 ? fd : new Sock(this.rig, this.kernel, fd, this.family);
  }

  async accepted(): Promise<Sock> {
    await this.rig.until(() => this.ready(EVFILT_READ) !== undefined, 'a connection to accept');
    const s = this.accept();
    assert.ok(typeof s !== 'number', typeof s === 'number' ? told(s) : '');
    return s;
  }

  send(data: Uint8Array | string, flags = 0): number {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.kernel.sys.u8.set(bytes, this.kernel.sys.data);
    return this.kernel.sys.raw(nr.SYS_sendto, this.fd, this.kernel.sys.data, bytes.length, flags);
  }

  sendTo(data: Uint8Array | string, to: { address: string; port: number }): number {
    return this.kernel.sys.trySendto(this.fd, Buffer.from(data), this.at(to.address, to.port));
  }

  /** Receive into the exchange area; the bytes are then to be had by data(n). */
  recvRaw(size: number, flags = 0): number {
    return this.kernel.sys.raw(nr.SYS_recvfrom, this.fd, this.kernel.sys.data, size, flags);
  }

  /** What the last recvRaw brought: a view, good until the next call. */
  view(n: number): Buffer { return Buffer.from(this.kernel.sys.u8.buffer, this.kernel.sys.data, n); }

  /** What was received as text, or the error's name. */
  recv(size = 65536, flags = 0): string {
    const n = this.recvRaw(size, flags);
    return n < 0 ? told(n) : this.view(n).toString('latin1');
  }

  /** recv, waiting for something. */
  async read(size = 65536): Promise<string> {
    let n = this.recvRaw(size);
    if (n === -EAGAIN) {
      await this.rig.until(() => { n = this.recvRaw(size); return n !== -EAGAIN; }, 'something to read');
    }
    return n < 0 ? told(n) : this.view(n).toString('latin1');
  }

  /** All up to the end of the stream. */
  async readAll(): Promise<string> {
    let all = '';
    for (let part = await this.read(); part !== ''; part = await this.read()) all += part;
    return all;
  }

  /** A datagram and who sent it. */
  recvFrom(size = 65536, flags = 0): { n: number; text: string; from: InetAddress | null } {
    const n = this.kernel.sys.tryRecvfrom(this.fd, size, flags);
    const from = n < 0 ? null : this.kernel.sys.takeAddress() as InetAddress | null;
    return { n, text: n < 0 ? told(n) : this.view(Math.min(n, size)).toString('latin1'), from };
  }

  shutdown(how: number): number { return this.kernel.sys.raw(nr.SYS_shutdown, this.fd, how); }
  close(): number {
    if (this.kq >= 0) this.kernel.sys.close(this.kq);
    this.kq = -1;
    return this.kernel.sys.raw(nr.SYS_close, this.fd);
  }

  /** Close with a reset. */
  abort(): number {
    const linger = Buffer.alloc(abi.LINGER_SIZE);
    linger.writeInt32LE(1, 0);
    must(this.kernel.sys.trySetsockopt(this.fd, abi.SOL_SOCKET, abi.SO_LINGER, linger), 'SO_LINGER');
    return this.close();
  }

  name(): InetAddress { return this.kernel.sys.getsockname(this.fd) as InetAddress; }
  peer(): InetAddress { return this.kernel.sys.getpeername(this.fd) as InetAddress; }
  peerError(): string { return told(this.attempt(() => { this.peer(); return 0; })); }

  setopt(level: number, opt: number, value: number | Uint8Array): number {
    return this.kernel.sys.trySetsockopt(this.fd, level, opt, value);
  }

  getopt(level: number, opt: number): number {
    return this.attempt(() => this.kernel.sys.getsockoptInt(this.fd, level, opt));
  }

  /** SO_ERROR, which it clears: a positive errno, or 0. */
  soError(): number { return this.getopt(abi.SOL_SOCKET, abi.SO_ERROR); }

  /** FIONREAD. */
  available(): number {
    const at = this.kernel.sys.base + 4096;
    must(this.kernel.sys.raw(nr.SYS_ioctl, this.fd, FIONREAD, at), 'FIONREAD');
    return this.kernel.sys.dv.getInt32(at, true);
  }

  /** What a level-triggered knote of `filter` says now; undefined when it is not ready. */
  ready(filter: number): Kevent | undefined {
    if (this.kq < 0) {
      this.kq = this.kernel.sys.kqueue();
      this.kernel.sys.kevent(this.kq, [EVFILT_READ, EVFILT_WRITE].map((f) => ({ ident: this.fd, filter: f, flags: EV_ADD })));
    }
    return this.kernel.sys.kevent(this.kq, [], 2).find((e) => e.filter === filter);
  }

  /** Wait until a knote of `filter` satisfies `test`. */
  async event(filter: number, test: (event: Kevent) => boolean = () => true, what = 'event'): Promise<Kevent> {
    let found: Kevent | undefined;
    await this.rig.until(() => {
      found = this.ready(filter);
      return found !== undefined && test(found);
    }, what);
    return found!;
  }
}

/** Close them all. */
export function closeAll(...socks: Sock[]): void {
  for (const s of socks) must(s.close(), 'close');
}
