/**
 * The part of a kernel.net socket that is not about data: its descriptor, its names, its options and
 * its idle timer. netSocket.ts builds the stream on top.
 *
 * Options set before there is a descriptor are kept and applied when there is one, as in Node; one
 * that the protocol lacks is no error. Names are asked for on first use and remembered, so that they
 * are known after the end of the connection if anybody has looked before.
 */
import { Duplex, type DuplexOptions } from 'node:stream';
import { EIO } from '../../kernel/abi/errno';
import { IPPROTO_TCP, TCP_KEEPIDLE, TCP_NODELAY } from '../../kernel/abi/inet';
import { SO_KEEPALIVE, SOL_SOCKET } from '../../kernel/abi/socket';
import { SystemError } from '../errtrans';
import type { KEvents } from './kevents';
import type { ConnectOptions } from './netArgs';
import type { SockAddress } from './sockaddr';
import type { Sys } from './sysSockets';
import { type TcpInfo, tcpInfo } from './tcpInfo';

/** What sockets and servers need of the kernel. */
export interface NetContext {
  sys: Sys;
  kevents: KEvents;
}

export abstract class SocketBase extends Duplex {
  connecting = false;
  /** Milliseconds without traffic after which 'timeout' is emitted; 0 = never. */
  timeout = 0;

  protected readonly context: NetContext;
  /** The image's descriptor; -1 before and after. */
  protected fd = -1;
  private timer: NodeJS.Timeout | null = null;
  private noDelay: boolean | null = null;
  private keepAlive: { enable: boolean; delayMs: number } | null = null;
  private readonly names: { local: SockAddress | null; remote: SockAddress | null } = { local: null, remote: null };

  constructor(context: NetContext, options: DuplexOptions) {
    super(options);
    this.context = context;
  }

  /** Emit 'timeout' after `ms` without traffic; 0 turns it off. */
  setTimeout(ms: number, listener?: () => void): this {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.timeout = ms;
    if (ms > 0 && !this.destroyed) {
      this.timer = setTimeout(() => this.emit('timeout'), ms);
      this.timer.unref();
      if (listener) this.once('timeout', listener);
    } else if (listener) {
      this.removeListener('timeout', listener);
    }
    return this;
  }

  /** A system call; a kernel that dies of it, or is gone, destroys the socket and answers -EIO. */
  protected call(nr: number, a0: number, a1 = 0, a2 = 0): number {
    try {
      return this.context.sys.raw(nr, a0, a1, a2);
    } catch (error) {
      this.destroy(error as Error);
      return -EIO;
    }
  }

  /** There was traffic. */
  protected touch(): void {
    this.timer?.refresh();
  }

  setNoDelay(enable = true): this {
    this.noDelay = Boolean(enable);
    if (this.fd >= 0) this.applySocketOptions();
    return this;
  }

  setKeepAlive(enable = false, delayMs = 0): this {
    this.keepAlive = { enable: Boolean(enable), delayMs };
    if (this.fd >= 0) this.applySocketOptions();
    return this;
  }

  /** What TCP knows of this connection (TCP_INFO). @throws SystemError where there is none, or no more */
  tcpInfo(): TcpInfo {
    return tcpInfo(this.context.sys, this.fd);
  }

  protected applyConnectOptions(options: ConnectOptions): void {
    if (options.noDelay) this.noDelay = true;
    if (options.keepAlive) this.keepAlive = { enable: true, delayMs: options.keepAliveInitialDelay ?? 0 };
    if (options.timeout) this.setTimeout(options.timeout);
  }

  /** Hand the options to the descriptor. */
  protected applySocketOptions(): void {
    const { sys } = this.context;
    if (this.noDelay !== null) sys.trySetsockopt(this.fd, IPPROTO_TCP, TCP_NODELAY, this.noDelay);
    if (this.keepAlive === null) return;
    sys.trySetsockopt(this.fd, SOL_SOCKET, SO_KEEPALIVE, this.keepAlive.enable);
    const seconds = Math.floor(this.keepAlive.delayMs / 1000);
    if (this.keepAlive.enable && seconds > 0) sys.trySetsockopt(this.fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  }

  /** The image's own descriptors keep the process alive, not this object: nothing to do. */
  ref(): this { return this; }
  unref(): this { return this; }

  get pending(): boolean { return this.fd < 0 || this.connecting; }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  get bufferSize(): number { return this.writableLength; }

  /** The near end: { address, family, port }, or {} when there is none. */
  address(): { address?: string; family?: string; port?: number } {
    const local = this.nameOf('local');
    return local === null || local.family === 'local' ? {} : { address: local.address, family: local.family, port: local.port };
  }

  get localAddress(): string | undefined { return this.address().address; }
  get localPort(): number | undefined { return this.address().port; }
  get localFamily(): string | undefined { return this.address().family; }
  get remoteAddress(): string | undefined { return this.remote()?.address; }
  get remotePort(): number | undefined { return this.remote()?.port; }
  get remoteFamily(): string | undefined { return this.remote()?.family; }

  private remote(): { address: string; family: string; port: number } | undefined {
    const remote = this.nameOf('remote');
    return remote === null || remote.family === 'local' ? undefined : remote;
  }

  private nameOf(side: 'local' | 'remote'): SockAddress | null {
    const { sys } = this.context;
    if (this.names[side] !== null || this.fd < 0 || this.connecting || sys.image.end !== null) return this.names[side];
    try {
      this.names[side] = side === 'local' ? sys.getsockname(this.fd) : sys.getpeername(this.fd);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
    return this.names[side];
  }

  /** The peer's address as accept() told it. */
  setRemote(address: SockAddress | null): void {
    this.names.remote = address;
  }
}
