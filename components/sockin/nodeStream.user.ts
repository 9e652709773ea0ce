/**
 * A TCP socket of the image on node:net.
 *
 *      IDLE ─bind─> IDLE ─listen─> LISTENING ─'connection'─> accept queue (≤ backlog)
 *        └─connect─> CONNECTING ─'connect'─> OPEN ─'data'─> chunks (≤ SO_RCVBUF, then pause()) ─> recv
 *                                            OPEN <─ write (≤ SO_SNDBUF, then EAGAIN) ─ send
 *
 * Half-close is real both ways (allowHalfOpen). A paused reader stops libuv's reads, so the kernel's
 * window closes and nothing grows: at most SO_RCVBUF plus one chunk of 64 KiB and Node's own
 * high-water mark wait here. bind() tries the address by listening on it for an instant, because
 * node:net binds only when it listens or connects and an image wants to know now.
 */
import { connect, createServer, Socket as NetSocket, type Server } from 'node:net';
import {
  EAGAIN, ECONNABORTED, EDESTADDRREQ, EINPROGRESS, EINVAL, EISCONN, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPIPE,
} from '../../kernel/abi/errno';
import * as inet from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/socket';
import { anyEndpoint, type Endpoint } from './nodeAddress.user';
import { listenNow } from './nodeListen.user';
import { NodeSocket, gather, optionKey, scatter, type NodeContext, type Span } from './nodeSocket.user';
import {
  SOCKIN_EV_CONNECTED, SOCKIN_EV_ERROR, SOCKIN_EV_HUP, SOCKIN_EV_RDHUP, SOCKIN_EV_READ, SOCKIN_EV_WRITE,
} from './sockin.abi';

/** How long a closed socket may go on sending what it has, milliseconds. */
const LINGER_MS = 30_000;
/** What a chunk counts for in the receive queue beyond its bytes: many small ones must not cost more memory. */
const CHUNK_OVERHEAD = 256;
const ignore = (): void => {};

const NODELAY = optionKey(inet.IPPROTO_TCP, inet.TCP_NODELAY);
const KEEPIDLE = optionKey(inet.IPPROTO_TCP, inet.TCP_KEEPIDLE);
const KEEPALIVE = optionKey(abi.SOL_SOCKET, abi.SO_KEEPALIVE);
const V6ONLY = optionKey(inet.IPPROTO_IPV6, inet.IPV6_V6ONLY);
const defaults: ReadonlyMap<number, number> = new Map([
  [NODELAY, 0], [KEEPIDLE, 7200], [KEEPALIVE, 0], [V6ONLY, 1], [optionKey(abi.SOL_SOCKET, abi.SO_REUSEADDR), 0],
]);

export class NodeStream extends NodeSocket {
  private bound: Endpoint | undefined;
  private remote: Endpoint | undefined;
  private server: Server | undefined;
  private socket: NetSocket | undefined;
  private backlog = 0;
  private readonly accepted: NodeStream[] = [];
  private connecting = false;
  private readonly chunks: Buffer[] = [];
  /** Bytes of chunks[0] that are gone, and bytes that wait. */
  private offset = 0;
  private queued = 0;
  private paused = false;
  private ended = false;
  private shutRead = false;
  private shutWrite = false;
  private wantWrite = false;

  constructor(context: NodeContext, cookie: number, family: number) { super(context, cookie, family, defaults); }

  bind(to: Endpoint): number {
    if (this.bound || this.socket || this.server) return -EINVAL;
    const probe = createServer();
    probe.on('error', ignore);
    const answer = listenNow(probe, this.listenOptions(to, 1));
    if (answer.error !== undefined) return -this.context.host.errnoFromNode(answer.error);
    const at = probe.address();
    this.bound = { address: to.address, port: at && typeof at === 'object' ? at.port : to.port };
    probe.close();
    return 0;
  }

  override listen(backlog: number): number {
    this.backlog = backlog;
    if (this.server) return 0;
    if (this.socket) return -EISCONN;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.on('connection', (socket) => this.incoming(socket));
    let answered = false;
    server.on('error', (error) => {
      if (answered) return;
      this.tell(SOCKIN_EV_ERROR | SOCKIN_EV_READ, this.context.host.errnoFromNode(error));
    });
    const answer = listenNow(server, this.listenOptions(this.bound ?? anyEndpoint(this.family), backlog));
    if (answer.error !== undefined) {
      answered = true;
      return -this.context.host.errnoFromNode(answer.error);
    }
    this.server = server;
    if (!this.context.wanted) server.unref();
    return 0;
  }

  override accept(): NodeStream | number {
    if (!this.server) return -EINVAL;
    const next = this.accepted.shift();
    if (!next) return -EAGAIN;
    next.start();
    return next;
  }

  connect(to: Endpoint | null): number {
    if (!to) return -EINVAL;
    if (this.server) return -EOPNOTSUPP;
    if (this.socket) return this.connecting ? -EINPROGRESS : -EISCONN;
    const from = this.bound && { localAddress: this.bound.address, localPort: this.bound.port };
    try {
      this.adopt(connect({ host: to.address, port: to.port, allowHalfOpen: true, ...from }));
    } catch (error) {
      return -this.context.host.errnoFromNode(error);
    }
    this.connecting = true;
    this.remote = to;
    this.socket!.once('connect', () => this.connected());
    return -EINPROGRESS;
  }

  send(spans: readonly Span[], total: number, flags: number, to: Endpoint | null): number {
    const socket = this.socket;
    if ((flags & abi.MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (!socket) return to ? -EDESTADDRREQ : -EPIPE;
    if (this.shutWrite || socket.destroyed || !socket.writable) return -EPIPE;
    const room = this.connecting ? 0 : this.sndbuf - socket.writableLength;
    const take = Math.min(total, room);
    if (take < total) this.wantWrite = true;
    if (take <= 0) return total === 0 ? 0 : -EAGAIN;
    socket.write(gather(this.context.host.u8, spans, take), this.wrote);
    return take;
  }

  recv(spans: readonly Span[], total: number, flags: number): number {
    if ((flags & abi.MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (!this.socket || this.connecting) return -ENOTCONN;
    if (this.queued === 0) return this.ended || this.shutRead || this.socket.destroyed ? 0 : -EAGAIN;
    const peek = (flags & abi.MSG_PEEK) !== 0;
    let done = 0;
    let index = 0;
    let offset = this.offset;
    while (done < total && index < this.chunks.length) {
      const chunk = this.chunks[index]!;
      const placed = scatter(this.context.host.u8, spans, done, chunk.subarray(offset));
      done += placed;
      offset += placed;
      if (offset === chunk.length) { index++; offset = 0; }
    }
    if (!peek) this.consume(index, offset, done);
    return done;
  }

  override shutdown(how: number): number {
    if (!this.socket || this.connecting) return -ENOTCONN;
    if (how !== abi.SHUT_WR) {
      this.shutRead = true;
      this.consume(this.chunks.length, 0, this.queued);
      this.tell(SOCKIN_EV_RDHUP | SOCKIN_EV_READ);
    }
    if (how !== abi.SHUT_RD && !this.shutWrite) {
      this.shutWrite = true;
      this.socket.end();
    }
    return 0;
  }

  close(): void {
    this.dead = true;
    this.stopListening();
    const socket = this.socket;
    if (!socket || socket.destroyed) return;
    socket.removeListener('data', this.arrived);
    // With nothing left to write in this process, the kernel does the rest.
    if (this.connecting || socket.writableLength === 0) { socket.destroy(); return; }
    const { lingering } = this.context;
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    lingering.add(socket);
    socket.once('close', () => { clearTimeout(timer); lingering.delete(socket); });
    socket.resume();
    socket.end(() => socket.destroy());
  }

  abort(): void {
    this.dead = true;
    this.stopListening();
    const socket = this.socket;
    // libuv refuses to reset a handle that is shutting down, and Node then leaks it; and while it
    // connects Node would wait for the connection.
    const settled = !this.connecting && (!socket?.writableEnded || socket.writableFinished);
    if (settled) socket?.resetAndDestroy();
    else socket?.destroy();
  }

  local(): Endpoint {
    const at = this.server?.address();
    if (at && typeof at === 'object') return { address: at.address, port: at.port };
    const { localAddress, localPort } = this.socket ?? {};
    if (localAddress !== undefined && localPort !== undefined) return { address: localAddress, port: localPort };
    return this.bound ?? anyEndpoint(this.family);
  }

  peer(): Endpoint | undefined { return this.connecting ? undefined : this.remote; }

  avail(): number { return this.server ? this.accepted.length : this.queued; }

  unsent(): number { return this.socket?.writableLength ?? 0; }

  setRef(wanted: boolean): void {
    for (const handle of [this.server, this.socket]) {
      if (wanted) handle?.ref();
      else handle?.unref();
    }
  }

  protected apply(level: number, opt: number, value: number): number {
    if (level === abi.SOL_SOCKET && opt === abi.SO_REUSEADDR) return 0; // libuv always sets it
    if (level === abi.SOL_SOCKET && opt === abi.SO_KEEPALIVE) {
      this.socket?.setKeepAlive(value !== 0, this.keepIdle());
      return 0;
    }
    if (level === inet.IPPROTO_TCP && opt === inet.TCP_NODELAY) {
      this.socket?.setNoDelay(value !== 0);
      return 0;
    }
    if (level === inet.IPPROTO_TCP && opt === inet.TCP_KEEPIDLE) {
      if (value <= 0) return -EINVAL;
      if (this.kept.get(KEEPALIVE)) this.socket?.setKeepAlive(true, value * 1000);
      return 0;
    }
    if (level === inet.IPPROTO_IPV6 && opt === inet.IPV6_V6ONLY) return this.bound ? -EINVAL : 0;
    return -ENOPROTOOPT;
  }

  private listenOptions(to: Endpoint, backlog: number) {
    const ipv6Only = this.family === abi.AF_INET6 && this.kept.get(V6ONLY) !== 0;
    return { host: to.address, port: to.port, backlog, ipv6Only };
  }

  /** TCP_KEEPIDLE in milliseconds. */
  private keepIdle(): number { return this.kept.get(KEEPIDLE)! * 1000; }

  /** What was set before there was a connection, or was the listener's. */
  private applyKept(): void {
    if (this.kept.get(NODELAY)) this.socket!.setNoDelay(true);
    if (this.kept.get(KEEPALIVE)) this.socket!.setKeepAlive(true, this.keepIdle());
  }

  private stopListening(): void {
    for (const waiting of this.accepted.splice(0)) waiting.abort();
    this.server?.close();
  }

  /** A connection for the listener; the image fetches it with accept(). */
  private incoming(socket: NetSocket): void {
    const s = new NodeStream(this.context, -1, this.family);
    s.dead = true; // no events before accept()
    for (const [key, value] of this.kept) s.kept.set(key, value);
    s.rcvbuf = this.rcvbuf;
    s.sndbuf = this.sndbuf;
    s.adopt(socket);
    s.remote = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    if (this.accepted.length >= this.backlog) { s.abort(); return; }
    s.applyKept();
    this.accepted.push(s);
    this.tell(SOCKIN_EV_READ);
  }

  private adopt(socket: NetSocket): void {
    this.socket = socket;
    if (!this.context.wanted) socket.unref();
    socket.on('error', (error) => this.failed(error));
    socket.on('close', this.gone);
  }

  private connected(): void {
    this.connecting = false;
    this.applyKept();
    this.start();
    this.tell(SOCKIN_EV_CONNECTED | SOCKIN_EV_WRITE);
  }

  /** Begin to read. */
  private start(): void {
    const socket = this.socket!;
    this.dead = false;
    socket.on('data', this.arrived);
    socket.on('end', () => { this.ended = true; this.tell(SOCKIN_EV_RDHUP | SOCKIN_EV_READ); });
    socket.resume();
    if (this.error !== 0) this.tell(SOCKIN_EV_ERROR | SOCKIN_EV_HUP, this.error);
    else if (socket.destroyed) this.tell(SOCKIN_EV_ERROR | SOCKIN_EV_HUP, ECONNABORTED);
  }

  private failed(error: unknown): void {
    const errno = this.context.host.errnoFromNode(error);
    if (this.dead) { this.error = errno; return; }
    if (this.connecting) {
      // As after a failed connect() anywhere: the socket may try again.
      this.connecting = false;
      this.socket?.removeListener('close', this.gone);
      this.socket = undefined;
      this.tell(SOCKIN_EV_ERROR, errno);
      return;
    }
    this.tell(SOCKIN_EV_ERROR | SOCKIN_EV_HUP | SOCKIN_EV_READ | SOCKIN_EV_WRITE, errno);
  }

  private readonly arrived = (chunk: Buffer): void => {
    if (this.shutRead) return;
    this.chunks.push(chunk);
    this.queued += chunk.length;
    if (this.queued + this.chunks.length * CHUNK_OVERHEAD >= this.rcvbuf && !this.paused) {
      this.paused = true;
      this.socket!.pause();
    }
    this.tell(SOCKIN_EV_READ);
  };

  private readonly gone = (): void => this.tell(SOCKIN_EV_HUP | SOCKIN_EV_READ | SOCKIN_EV_WRITE);

  private readonly wrote = (): void => {
    const socket = this.socket;
    if (!this.wantWrite || !socket || socket.writableLength > this.sndbuf >> 1) return;
    this.wantWrite = false;
    this.tell(SOCKIN_EV_WRITE);
  };

  /** Forget `index` chunks and the first `offset` bytes of the next; `bytes` altogether. */
  private consume(index: number, offset: number, bytes: number): void {
    this.chunks.splice(0, index);
    this.offset = offset;
    this.queued -= bytes;
    if (this.paused && this.queued <= this.rcvbuf >> 1) {
      this.paused = false;
      this.socket!.resume();
    }
  }
}
