/**
 * kernel.dgram: node:dgram over the UDP sockets of an image.
 *
 *      const socket = kernel.dgram.createSocket('udp4');
 *      socket.on('message', (data, rinfo) => …).bind(53);
 *
 * bind, send, connect, close, address, the multicast and buffer options, and the events 'listening',
 * 'message', 'connect', 'close', 'error' are Node's. A datagram that finds the send buffer full waits
 * for room in order; its callback comes when the image has taken it. Names are not resolved.
 */
import { EventEmitter } from 'node:events';
import { EAGAIN } from '../../kernel/abi/errno';
import { EVFILT_READ } from '../../kernel/abi/event';
import { AF_INET, AF_INET6, SO_REUSEADDR, SO_REUSEPORT, SOCK_DGRAM, SOL_SOCKET } from '../../kernel/abi/socket';
import { SYS_close } from '../../kernel/abi/syscall';
import { SystemError } from '../errtrans';
import { DgramOptions } from './dgramOptions';
import type { Watcher } from './kevents';
import { addressOf, toPort } from './netArgs';
import type { NetContext } from './netSocketBase';
import type { InetAddress, SockAddress } from './sockaddr';

export interface DgramSocketOptions {
  type: 'udp4' | 'udp6';
  reuseAddr?: boolean;
  reusePort?: boolean;
  recvBufferSize?: number;
  sendBufferSize?: number;
}

/** Who sent a datagram. */
export interface RemoteInfo {
  address: string;
  family: 'IPv4' | 'IPv6';
  port: number;
  size: number;
}

type SendCallback = (error: Error | null, bytes?: number) => void;

interface Waiting {
  data: Uint8Array;
  to: InetAddress | null;
  callback: SendCallback | undefined;
}

/** The largest UDP payload, and then some. */
const datagramMax = 65536;
/** Datagrams handed to listeners at one event before the others have their turn. */
const burst = 128;

function notRunning(): Error {
  return Object.assign(new Error('Not running'), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
}

export class DgramSocket extends EventEmitter implements Watcher {
  readonly type: 'udp4' | 'udp6';
  private readonly context: NetContext;
  private readonly options: DgramSocketOptions;
  private readonly socketOptions: DgramOptions;
  private fd: number;
  private watchId: number;
  private bound = false;
  private waiting: Waiting[] = [];
  private peer: InetAddress | null = null;

  constructor(context: NetContext, options: DgramSocketOptions, listener?: (data: Buffer, rinfo: RemoteInfo) => void) {
    super();
    if (options.type !== 'udp4' && options.type !== 'udp6') {
      throw Object.assign(new TypeError('Bad socket type specified. Valid types are: udp4, udp6'), { code: 'ERR_SOCKET_BAD_TYPE' });
    }
    this.type = options.type;
    this.context = context;
    this.options = options;
    this.fd = context.sys.socket(this.type === 'udp4' ? AF_INET : AF_INET6, SOCK_DGRAM);
    this.watchId = context.kevents.watch(this.fd, this);
    this.socketOptions = new DgramOptions(context.sys, this.fd, this.type === 'udp6');
    if (options.recvBufferSize) this.setRecvBufferSize(options.recvBufferSize);
    if (options.sendBufferSize) this.setSendBufferSize(options.sendBufferSize);
    if (listener) this.on('message', listener);
  }

  /** (port?, address?, listener?) or ({ port, address }, listener?). */
  bind(...args: unknown[]): this {
    this.mustRun();
    const listener = args.find((arg) => typeof arg === 'function') as (() => void) | undefined;
    const first = args[0];
    const form = typeof first === 'object' && first !== null ? (first as { port?: number; address?: string }) : {
      ...(first === undefined || typeof first === 'function' ? {} : { port: first as number }),
      ...(typeof args[1] === 'string' ? { address: args[1] } : {}),
    };
    if (this.bound) throw Object.assign(new Error('Socket is already bound'), { code: 'ERR_SOCKET_ALREADY_BOUND' });
    if (listener) this.once('listening', listener);
    this.bound = true;
    const host = form.address ?? this.anyAddress();
    const target = addressOf(host, toPort(form.port ?? 0), this.type === 'udp6' ? 6 : 4);
    try {
      this.bindNow(target, host);
    } catch (error) {
      this.bound = false;
      process.nextTick(() => this.emit('error', error));
      return this;
    }
    process.nextTick(() => { if (this.fd >= 0) this.emit('listening'); });
    return this;
  }

  /** (data, port?, address?, callback?) or (data, offset, length, port?, address?, callback?). */
  send(data: string | Uint8Array | ReadonlyArray<string | Uint8Array>, ...args: unknown[]): void {
    this.mustRun();
    const callback = args.find((arg) => typeof arg === 'function') as SendCallback | undefined;
    const plain = args.filter((arg) => typeof arg !== 'function');
    let bytes = toBytes(data);
    const numbers = plain.filter((arg) => typeof arg === 'number').length;
    if (numbers >= (this.peer === null ? 3 : 2)) {
      const [offset, length] = plain.splice(0, 2) as [number, number];
      bytes = bytes.subarray(offset, offset + length);
    }
    const [port, host] = plain as [number | undefined, string | undefined];
    let to: InetAddress | null = null;
    try {
      to = this.peer === null ? this.destination(port, host) : null;
    } catch (error) {
      this.failSend(error as Error, callback);
      return;
    }
    this.waiting.push({ data: bytes, to, callback });
    if (this.waiting.length === 1) this.flush();
  }

  /** Send to and hear from one peer only. */
  connect(port: number, host?: unknown, listener?: () => void): void {
    this.mustRun();
    const callback = (typeof host === 'function' ? host : listener) as (() => void) | undefined;
    try {
      const to = this.destination(port, typeof host === 'string' ? host : undefined);
      this.context.sys.connect(this.fd, to);
      this.peer = to;
      this.bound = true;
    } catch (error) {
      process.nextTick(() => this.emit('error', error));
      return;
    }
    if (callback) this.once('connect', callback);
    process.nextTick(() => { if (this.fd >= 0) this.emit('connect'); });
  }

  close(callback?: () => void): this {
    this.mustRun();
    if (callback) this.once('close', callback);
    this.context.kevents.forget(this.watchId);
    if (this.context.sys.image.end === null) this.context.sys.raw(SYS_close, this.fd);
    this.onGone();
    return this;
  }

  address(): { address: string; family: string; port: number } {
    this.mustRun();
    return inetOf(this.context.sys.getsockname(this.fd));
  }

  remoteAddress(): { address: string; family: string; port: number } {
    this.mustRun();
    if (this.peer === null) throw Object.assign(new Error('Not connected'), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
    return inetOf(this.context.sys.getpeername(this.fd));
  }

  setBroadcast(on: boolean): void { this.socketOptions.setBroadcast(on); }
  setTTL(ttl: number): number { return this.socketOptions.setTtl(ttl); }
  setMulticastTTL(ttl: number): number { return this.socketOptions.setMulticastTtl(ttl); }
  setMulticastLoopback(on: boolean): boolean { return this.socketOptions.setMulticastLoopback(on); }
  addMembership(group: string, iface?: string): void { this.socketOptions.membership(true, group, iface); }
  dropMembership(group: string, iface?: string): void { this.socketOptions.membership(false, group, iface); }
  setRecvBufferSize(size: number): void { this.socketOptions.recvBufferSize = size; }
  setSendBufferSize(size: number): void { this.socketOptions.sendBufferSize = size; }
  getRecvBufferSize(): number { return this.socketOptions.recvBufferSize; }
  getSendBufferSize(): number { return this.socketOptions.sendBufferSize; }
  getSendQueueCount(): number { return this.waiting.length; }
  getSendQueueSize(): number { return this.waiting.reduce((sum, { data }) => sum + data.length, 0); }

  /** The image's own descriptors keep the process alive, not this object: nothing to do. */
  ref(): this { return this; }
  unref(): this { return this; }

  onEvent(filter: number): void {
    if (filter === EVFILT_READ) this.receive();
    else this.flush();
  }

  onGone(): void {
    this.fd = -1;
    const { waiting } = this;
    this.waiting = [];
    for (const { callback } of waiting) callback?.(notRunning());
    process.nextTick(() => this.emit('close'));
  }

  private mustRun(): void {
    if (this.fd < 0) throw notRunning();
  }

  private anyAddress(): string { return this.type === 'udp4' ? '0.0.0.0' : '::'; }

  private bindNow(target: SockAddress | undefined, host: string): void {
    if (target === undefined) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND', hostname: host });
    const { sys } = this.context;
    if (this.options.reuseAddr) sys.setsockopt(this.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (this.options.reusePort) sys.setsockopt(this.fd, SOL_SOCKET, SO_REUSEPORT, 1);
    sys.bind(this.fd, target);
  }

  private destination(port: number | undefined, host: string | undefined): InetAddress {
    const name = host ?? 'localhost';
    const to = addressOf(name, toPort(port), this.type === 'udp6' ? 6 : 4);
    if (to === undefined || to.family === 'local') throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND', hostname: name });
    if (to.port === 0) throw Object.assign(new RangeError('Port should be > 0 and < 65536. Received 0.'), { code: 'ERR_SOCKET_BAD_PORT' });
    return to;
  }

  private receive(): void {
    const { sys } = this.context;
    for (let i = 0; this.fd >= 0; i++) {
      if (i === burst) {
        setImmediate(() => this.receive());
        return;
      }
      const n = sys.tryRecvfrom(this.fd, datagramMax);
      if (n === -EAGAIN) return;
      if (n < 0) {
        this.emit('error', new SystemError(n, 'recvmsg'));
        continue;
      }
      const from = sys.takeAddress();
      const data = sys.takeData(n);
      this.emit('message', data, { ...inetOf(from), size: n });
    }
  }

  private flush(): void {
    const { sys } = this.context;
    while (this.waiting.length > 0 && this.fd >= 0) {
      const { data, to, callback } = this.waiting[0]!;
      const n = sys.trySendto(this.fd, data, to);
      if (n === -EAGAIN) return;
      this.waiting.shift();
      this.bound = true;
      if (n < 0) this.failSend(new SystemError(n, 'send', to ?? {}), callback);
      else if (callback) process.nextTick(callback, null, n);
    }
  }

  private failSend(error: Error, callback: SendCallback | undefined): void {
    process.nextTick(() => {
      if (callback) callback(error);
      else this.emit('error', error);
    });
  }
}

function inetOf(name: SockAddress | null): { address: string; family: 'IPv4' | 'IPv6'; port: number } {
  if (name === null || name.family === 'local') return { address: '', family: 'IPv4', port: 0 };
  return { address: name.address, family: name.family, port: name.port };
}

function toBytes(data: string | Uint8Array | ReadonlyArray<string | Uint8Array>): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  if (Array.isArray(data)) return Buffer.concat(data.map((part: string | Uint8Array) => (typeof part === 'string' ? Buffer.from(part) : part)));
  throw new TypeError('a datagram is a string, bytes, or an array of them');
}

export interface Dgram {
  createSocket(type: 'udp4' | 'udp6' | DgramSocketOptions, listener?: (data: Buffer, rinfo: RemoteInfo) => void): DgramSocket;
}

export function makeDgram(context: NetContext): Dgram {
  return {
    createSocket: (type, listener) => new DgramSocket(context, typeof type === 'string' ? { type } : type, listener),
  };
}
