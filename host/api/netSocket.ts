/**
 * kernel.net.Socket: a TCP (or local) socket of the image as a Duplex stream, shaped like
 * node:net's, so that Node's own http client and server run over it unchanged.
 *
 *      _read  ── SYS_read until there is no more or the reader is full ◄── EVFILT_READ (edge)
 *      _write ── SYS_write until EAGAIN, the rest waits       ◄── EVFILT_WRITE (edge)
 *      end()  ── SHUT_WR; the peer's FIN ends the readable side (allowHalfOpen as in Node)
 *
 * Back-pressure runs both ways: a reader that stops reading leaves the data in the image's socket
 * buffer, where it closes the window; a writer's callback comes when the image has taken everything.
 * Events are edges, so writing goes on until EAGAIN, and reading until EAGAIN or a short read that
 * took all the event spoke of. One copy each way (image ⇄ Buffer).
 */
import { addAbortSignal } from 'node:stream';
import { EAGAIN, EINPROGRESS, ENOTCONN } from '../../kernel/abi/errno';
import { EVFILT_READ } from '../../kernel/abi/event';
import { SHUT_WR, SO_ERROR, SO_LINGER, SOCK_STREAM, SOL_SOCKET } from '../../kernel/abi/socket';
import { SYS_close, SYS_read, SYS_shutdown, SYS_write } from '../../kernel/abi/syscall';
import { SystemError, type SystemErrorInfo } from '../errtrans';
import type { Watcher } from './kevents';
import { addressOf, type ConnectOptions, connectTarget, domainOf, type NetTarget } from './netArgs';
import { type NetContext, SocketBase } from './netSocketBase';
import { inetAddress } from './sockaddr';
import { dataMax } from './sysBase';

export interface SocketOptions {
  allowHalfOpen?: boolean;
  readableHighWaterMark?: number;
  writableHighWaterMark?: number;
  /** A connected descriptor of the image; the socket owns it from here on. */
  fd?: number;
  /** With `fd`: do not begin to read. */
  paused?: boolean;
  signal?: AbortSignal;
}

function notFound(host: string | undefined): Error {
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: host });
}

type Callback = (error?: Error | null) => void;

/** Bytes asked for by one SYS_read. */
const readSize = 65536;

export class NetSocket extends SocketBase implements Watcher {
  bytesRead = 0;
  bytesWritten = 0;
  /** The server that accepted it, for node:http. */
  server: unknown = null;

  private watchId = 0;
  private target: NetTarget | null = null;
  private wantsData = false;
  private hasData = false;
  private sawEof = false;
  /** Bytes that the last event spoke of and that were not read yet. */
  private announced = 0;
  private chunks: Uint8Array[] = [];
  private chunkAt = 0;
  private chunkOffset = 0;
  private writeDone: Callback | null = null;
  private whenConnected: (() => void)[] = [];
  private resetOnClose = false;

  constructor(context: NetContext, options: SocketOptions = {}) {
    super(context, {
      allowHalfOpen: options.allowHalfOpen ?? false, emitClose: false, autoDestroy: true, decodeStrings: true,
      ...(options.readableHighWaterMark === undefined ? {} : { readableHighWaterMark: options.readableHighWaterMark }),
      ...(options.writableHighWaterMark === undefined ? {} : { writableHighWaterMark: options.writableHighWaterMark }),
    });
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
    if (options.fd !== undefined) this.adopt(options.fd, options.paused ?? false);
  }

  // ── connecting ─────────────────────────────────────────────────────────────────────────────────

  /** As node:net: (port, host?, listener?), (options, listener?) or (path, listener?). */
  connect(...args: unknown[]): this {
    const { target, listener, options } = connectTarget(args);
    if (listener) this.once('connect', listener);
    if (this.fd >= 0 || this.connecting) throw Object.assign(new Error('Socket is already connecting'), { code: 'EALREADY' });
    this.connecting = true;
    this.target = target;
    this.applyConnectOptions(options);
    if (options.lookup && target.host !== undefined && target.address === undefined) {
      options.lookup(target.host, { family: options.family ?? 0 }, (error, address) => {
        if (this.destroyed) return;
        if (error) this.destroy(error);
        else this.startConnect({ ...target, address: inetAddress(address, target.port!) }, options);
      });
    } else {
      this.startConnect(target, options);
    }
    return this;
  }

  private startConnect(target: NetTarget, options: ConnectOptions): void {
    this.target = target;
    const { sys } = this.context;
    try {
      const { address } = target;
      if (address === undefined) throw notFound(target.host);
      this.fd = sys.socket(domainOf(address), SOCK_STREAM);
      if (options.localAddress !== undefined || options.localPort !== undefined) {
        const anyHost = address.family === 'IPv6' ? '::' : '0.0.0.0';
        sys.bind(this.fd, addressOf(options.localAddress ?? anyHost, options.localPort ?? 0)!);
      }
      this.watchId = this.context.kevents.watch(this.fd, this);
      this.applySocketOptions();
      const result = sys.tryConnect(this.fd, address);
      if (result < 0 && result !== -EINPROGRESS) throw new SystemError(result, 'connect', this.peerInfo());
      if (result >= 0) process.nextTick(() => { if (this.connecting && !this.destroyed) this.connected(); });
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  private connected(): void {
    this.connecting = false;
    this.touch();
    this.emit('connect');
    this.emit('ready');
    const waiting = this.whenConnected;
    this.whenConnected = [];
    for (const go of waiting) go();
    if (this.destroyed) return;
    this.hasData = true;
    this.read(0);
    if (this.wantsData && this.hasData) this.readMore();
  }

  /** A connected descriptor. */
  private adopt(fd: number, paused: boolean): void {
    this.fd = fd;
    this.watchId = this.context.kevents.watch(fd, this);
    if (paused) this.pause();
    else this.read(0);
  }

  private afterConnect(go: () => void): void {
    if (this.connecting) this.whenConnected.push(go);
    else go();
  }

  // ── events of the image ────────────────────────────────────────────────────────────────────────

  onEvent(filter: number, data: number, eof: boolean): void {
    if (this.destroyed) return;
    if (this.connecting) {
      this.checkConnect(filter);
      return;
    }
    if (filter === EVFILT_READ) {
      this.hasData = true;
      this.announced = data;
      if (eof) this.sawEof = true;
      if (this.wantsData) this.readMore();
    } else if (this.writeDone !== null) {
      this.writeMore();
    }
  }

  onGone(error: Error | null): void {
    this.fd = -1;
    this.destroy(error ?? undefined);
  }

  private checkConnect(filter: number): void {
    const error = this.context.sys.getsockoptInt(this.fd, SOL_SOCKET, SO_ERROR);
    if (error !== 0) this.destroy(new SystemError(error, 'connect', this.peerInfo()));
    else if (filter !== EVFILT_READ || this.isConnected()) this.connected();
  }

  private isConnected(): boolean {
    try {
      return this.context.sys.getpeername(this.fd) !== null;
    } catch {
      return false;
    }
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────

  override _read(): void {
    this.wantsData = true;
    if (this.hasData) this.readMore();
  }

  private readMore(): void {
    const { sys } = this.context;
    while (this.wantsData && this.hasData && !this.destroyed) {
      const n = this.call(SYS_read, this.fd, sys.data, readSize);
      if (n === -EAGAIN) {
        this.hasData = false;
        return;
      }
      if (n < 0) {
        this.destroy(new SystemError(n, 'read'));
        return;
      }
      this.touch();
      if (n === 0) {
        this.wantsData = false;
        this.push(null);
        // Without a reader 'end' would never come, and with it the end of the other half.
        this.read(0);
        return;
      }
      this.bytesRead += n;
      this.announced -= n;
      // A short read has emptied the socket buffer, and what comes later is another event.
      if (n < readSize && this.announced <= 0 && !this.sawEof) this.hasData = false;
      if (!this.push(sys.takeData(n))) this.wantsData = false;
    }
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.startWrite([chunk], callback);
  }

  override _writev(items: { chunk: Uint8Array }[], callback: Callback): void {
    this.startWrite(items.map(({ chunk }) => chunk), callback);
  }

  private startWrite(chunks: Uint8Array[], callback: Callback): void {
    this.chunks = chunks;
    this.chunkAt = 0;
    this.chunkOffset = 0;
    this.writeDone = callback;
    this.afterConnect(() => this.writeMore());
  }

  private writeMore(): void {
    const { sys } = this.context;
    while (this.chunkAt < this.chunks.length) {
      const n = this.call(SYS_write, this.fd, sys.data, this.gather());
      if (n === -EAGAIN) return;
      if (n < 0) {
        this.finishWrite(new SystemError(n, 'write'));
        return;
      }
      this.touch();
      this.bytesWritten += n;
      this.consume(n);
    }
    this.finishWrite(null);
  }

  /** Put as much of what is to be written in the exchange area as it holds. */
  private gather(): number {
    const { sys } = this.context;
    let filled = 0;
    for (let i = this.chunkAt; i < this.chunks.length && filled < dataMax; i++) {
      const chunk = this.chunks[i]!;
      const from = i === this.chunkAt ? this.chunkOffset : 0;
      const n = Math.min(chunk.length - from, dataMax - filled);
      sys.u8.set(from === 0 && n === chunk.length ? chunk : chunk.subarray(from, from + n), sys.data + filled);
      filled += n;
    }
    return filled;
  }

  private consume(bytes: number): void {
    let left = bytes;
    while (this.chunkAt < this.chunks.length) {
      const rest = this.chunks[this.chunkAt]!.length - this.chunkOffset;
      if (left < rest) {
        this.chunkOffset += left;
        return;
      }
      left -= rest;
      this.chunkAt++;
      this.chunkOffset = 0;
    }
  }

  private finishWrite(error: Error | null): void {
    const done = this.writeDone;
    this.writeDone = null;
    this.chunks = [];
    done?.(error);
  }

  override _final(callback: Callback): void {
    this.afterConnect(() => {
      if (this.fd < 0) {
        callback();
        return;
      }
      const result = this.call(SYS_shutdown, this.fd, SHUT_WR);
      callback(result < 0 && result !== -ENOTCONN ? new SystemError(result, 'shutdown') : null);
    });
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.connecting = false;
    this.whenConnected = [];
    this.setTimeout(0);
    const { sys, kevents } = this.context;
    kevents.forget(this.watchId);
    if (this.fd >= 0 && sys.image.end === null) {
      if (this.resetOnClose) sys.trySetsockopt(this.fd, SOL_SOCKET, SO_LINGER, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
      sys.raw(SYS_close, this.fd);
    }
    this.fd = -1;
    this.writeDone = null;
    callback(error);
    process.nextTick(() => this.emit('close', error !== null));
  }

  /** Close after what has been written is gone. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Close with a reset instead of an orderly end. */
  resetAndDestroy(): this {
    this.resetOnClose = true;
    return this.destroy();
  }

  private peerInfo(): SystemErrorInfo {
    const address = this.target?.address;
    if (address === undefined) return {};
    return address.family === 'local' ? { path: address.path } : { address: address.address, port: address.port };
  }
}
