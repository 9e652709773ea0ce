/**
 * kernel.net.Server: a listening socket of the image, shaped like node:net's.
 *
 * 'listening', 'connection', 'close', 'error' and 'drop' are Node's. Connections are accepted until
 * EAGAIN at each event, so a full queue is drained in one go. Node's http server runs over it:
 *
 *      const http = createServer(handler);
 *      kernel.net.createServer((socket) => http.emit('connection', socket)).listen(80);
 */
import { EventEmitter } from 'node:events';
import { EAGAIN, ECONNABORTED } from '../../kernel/abi/errno';
import { IPPROTO_IPV6, IPV6_V6ONLY } from '../../kernel/abi/inet';
import { SO_REUSEADDR, SO_REUSEPORT, SOCK_STREAM, SOL_SOCKET } from '../../kernel/abi/socket';
import { SYS_close } from '../../kernel/abi/syscall';
import { SystemError } from '../errtrans';
import type { Watcher } from './kevents';
import { domainOf, type ListenOptions, listenTarget } from './netArgs';
import { NetSocket } from './netSocket';
import type { NetContext } from './netSocketBase';
import type { SockAddress } from './sockaddr';

export interface ServerOptions {
  allowHalfOpen?: boolean;
  /** Do not begin to read; the listener calls resume(). */
  pauseOnConnect?: boolean;
  noDelay?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  highWaterMark?: number;
}

export class NetServer extends EventEmitter implements Watcher {
  /** Connections beyond this many are closed at once, with a 'drop' event; undefined = no limit. */
  maxConnections: number | undefined;
  listening = false;

  private readonly context: NetContext;
  private readonly options: ServerOptions;
  private fd = -1;
  private watchId = 0;
  private closing = false;
  private connections = 0;

  constructor(context: NetContext, options: ServerOptions = {}, listener?: (socket: NetSocket) => void) {
    super();
    this.context = context;
    this.options = options;
    if (listener) this.on('connection', listener);
  }

  /** As node:net: (port?, host?, backlog?, listener?), (path …) or (options, listener?). */
  listen(...args: unknown[]): this {
    const { address, options, listener } = listenTarget(args);
    if (this.fd >= 0) throw Object.assign(new Error('Listen method has been called more than once without closing.'), { code: 'ERR_SERVER_ALREADY_LISTEN' });
    if (listener) this.once('listening', listener);
    this.closing = false;
    try {
      this.open(address, options);
    } catch (error) {
      this.release();
      process.nextTick(() => this.emit('error', error));
      return this;
    }
    this.listening = true;
    process.nextTick(() => { if (this.listening) this.emit('listening'); });
    return this;
  }

  private open(address: SockAddress | undefined, options: ListenOptions): void {
    if (address === undefined) {
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${options.host}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: options.host });
    }
    const { sys, kevents } = this.context;
    this.fd = sys.socket(domainOf(address), SOCK_STREAM);
    if (address.family !== 'local') sys.setsockopt(this.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reusePort) sys.setsockopt(this.fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (address.family === 'IPv6') sys.trySetsockopt(this.fd, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6Only === true);
    try {
      sys.bind(this.fd, address);
      sys.listen(this.fd, options.backlog ?? 511);
    } catch (error) {
      // Node calls both "listen", and so do those who compare messages.
      if (error instanceof SystemError && address.family !== 'local') throw new SystemError(error.errno, 'listen', address);
      throw error;
    }
    this.watchId = kevents.watch(this.fd, this, true);
  }

  /** The bound address; null when not listening. */
  address(): { address: string; family: string; port: number } | string | null {
    if (this.fd < 0 || this.context.sys.image.end !== null) return null;
    const name = this.context.sys.getsockname(this.fd);
    if (name === null || name.family === 'local') return name?.path ?? null;
    return { address: name.address, family: name.family, port: name.port };
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.connections);
    return this;
  }

  /** Stop accepting; 'close' when the last connection has ended. */
  close(callback?: (error?: Error) => void): this {
    if (callback) {
      if (this.listening) this.once('close', () => callback());
      else this.once('close', () => callback(Object.assign(new Error('Server is not running.'), { code: 'ERR_SERVER_NOT_RUNNING' })));
    }
    this.release();
    this.closing = true;
    this.emitCloseIfDone();
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => { this.close(() => resolve()); });
  }

  /** The image's own descriptors keep the process alive, not this object: nothing to do. */
  ref(): this { return this; }
  unref(): this { return this; }

  onEvent(): void {
    const { sys } = this.context;
    while (this.fd >= 0) {
      const conn = sys.tryAccept(this.fd);
      if (conn === -EAGAIN) return;
      if (conn === -ECONNABORTED) continue;
      if (conn < 0) {
        this.emit('error', new SystemError(conn, 'accept'));
        return;
      }
      this.welcome(conn, sys.takeAddress());
    }
  }

  onGone(): void {
    this.fd = -1;
    this.listening = false;
    this.closing = true;
    this.emitCloseIfDone();
  }

  private welcome(fd: number, remote: SockAddress | null): void {
    if (this.maxConnections !== undefined && this.connections >= this.maxConnections) {
      this.context.sys.raw(SYS_close, fd);
      const peer = remote?.family === 'local' ? {} : { remoteAddress: remote?.address, remotePort: remote?.port, remoteFamily: remote?.family };
      this.emit('drop', peer);
      return;
    }
    const { options } = this;
    const socket = new NetSocket(this.context, {
      fd, allowHalfOpen: options.allowHalfOpen ?? false, paused: options.pauseOnConnect ?? false,
      ...(options.highWaterMark === undefined ? {} : { readableHighWaterMark: options.highWaterMark, writableHighWaterMark: options.highWaterMark }),
    });
    socket.setRemote(remote);
    socket.server = this;
    if (options.noDelay) socket.setNoDelay(true);
    if (options.keepAlive) socket.setKeepAlive(true, options.keepAliveInitialDelay ?? 0);
    this.connections++;
    socket.once('close', () => {
      this.connections--;
      this.emitCloseIfDone();
    });
    this.emit('connection', socket);
  }

  private release(): void {
    if (this.fd >= 0) {
      this.context.kevents.forget(this.watchId);
      if (this.context.sys.image.end === null) this.context.sys.raw(SYS_close, this.fd);
    }
    this.fd = -1;
    this.listening = false;
  }

  private emitCloseIfDone(): void {
    if (!this.closing || this.fd >= 0 || this.connections > 0) return;
    this.closing = false;
    process.nextTick(() => this.emit('close'));
  }
}
