/**
 * A client of the harness socket, written from the wire format (docs/harness.md) and from nothing of
 * the harness: Linux's numbers, one connection a lane, requests answered in order.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';

export interface Reply {
  ret: number;
  errno: number;
  aux: number;
  payload: Buffer;
}

/** Linux x86-64. */
export const L = {
  AF_INET: 2, SOCK_STREAM: 1, SOCK_DGRAM: 2, SOCK_NONBLOCK: 0x800, SOL_SOCKET: 1, SOL_TCP: 6, SO_REUSEADDR: 2, SO_TYPE: 3, SO_ERROR: 4,
  SO_RCVBUF: 8, SO_KEEPALIVE: 9, SO_LINGER: 13, SO_RCVTIMEO: 20, SO_DOMAIN: 39, TCP_NODELAY: 1, TCP_KEEPIDLE: 4, TCP_USER_TIMEOUT: 18,
  MSG_PEEK: 2, MSG_DONTWAIT: 0x40, MSG_WAITALL: 0x100, F_GETFL: 3, F_SETFL: 4, O_RDWR: 2, O_NONBLOCK: 0x800, SIOCINQ: 0x541b, SIOCOUTQ: 0x5411,
  POLLIN: 1, POLLOUT: 4, POLLERR: 8, POLLHUP: 16, POLLNVAL: 32, SHUT_WR: 1,
  EBADF: 9, EAGAIN: 11, EINVAL: 22, EPIPE: 32, ENOPROTOOPT: 92, EADDRINUSE: 98, ECONNRESET: 104, EISCONN: 106, ENOTCONN: 107,
  ETIMEDOUT: 110, ECONNREFUSED: 111, EINPROGRESS: 115,
} as const;

export function sockaddrIn(address: string, port: number): Buffer {
  const out = Buffer.alloc(16);
  out.writeUInt16LE(L.AF_INET, 0);
  out.writeUInt16BE(port, 2);
  address.split('.').forEach((part, i) => out.writeUInt8(Number(part), 4 + i));
  return out;
}

export const int = (n: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeInt32LE(n, 0);
  return out;
};

export class Client {
  private readonly replies: Reply[] = [];
  private readonly waiting: ((reply: Reply) => void)[] = [];
  private held: Buffer = Buffer.alloc(0);
  closed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('close', () => { this.closed = true; });
    socket.on('error', () => {});
  }

  static async open(path: string): Promise<Client> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Client(socket);
  }

  /** Send a request; the reply comes in its turn. */
  call(op: number, fd = 0, a = 0, b = 0, c = 0, payload: Uint8Array = Buffer.alloc(0)): Promise<Reply> {
    const out = Buffer.alloc(21 + payload.length);
    out.writeUInt32LE(17 + payload.length, 0);
    out.writeUInt8(op, 4);
    [fd, a, b, c].forEach((word, i) => out.writeInt32LE(word, 5 + 4 * i));
    out.set(payload, 21);
    this.socket.write(out);
    const ready = this.replies.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve) => { this.waiting.push(resolve); });
  }

  /** The same, and it has to succeed. */
  async must(op: number, fd = 0, a = 0, b = 0, c = 0, payload: Uint8Array = Buffer.alloc(0)): Promise<Reply> {
    const reply = await this.call(op, fd, a, b, c, payload);
    assert.ok(reply.ret >= 0, `op ${op}: errno ${reply.errno}`);
    assert.equal(reply.errno, 0);
    return reply;
  }

  async socketOf(type: number): Promise<number> { return (await this.must(1, 0, L.AF_INET, type)).ret; }
  async time(): Promise<number> { return (await this.must(20)).aux; }
  async sleep(us: number): Promise<void> { await this.must(19, 0, us); }
  async inject(datagram: Uint8Array): Promise<void> { await this.must(17, 0, 0, 0, 0, datagram); }

  /** The next datagram of the stack, and when it was sent. */
  async frame(): Promise<{ datagram: Buffer; at: number }> {
    const { ret, aux, payload } = await this.must(18, 0, 65535);
    assert.ok(ret > 0, 'a datagram');
    assert.equal(ret, payload.length);
    return { datagram: payload, at: aux };
  }

  async close(): Promise<void> {
    const gone = new Promise<void>((resolve) => { this.socket.once('close', () => resolve()); });
    this.socket.end();
    this.socket.resume();
    await gone;
  }

  private take(chunk: Buffer): void {
    this.held = Buffer.concat([this.held, chunk]);
    while (this.held.length >= 4 && this.held.length - 4 >= this.held.readUInt32LE(0)) {
      const length = this.held.readUInt32LE(0);
      const b = this.held.subarray(4, 4 + length);
      const reply: Reply = {
        ret: Number(b.readBigInt64LE(0)), errno: b.readInt32LE(8), aux: Number(b.readBigInt64LE(12)), payload: Buffer.from(b.subarray(20)),
      };
      this.held = this.held.subarray(4 + length);
      const next = this.waiting.shift();
      if (next !== undefined) next(reply);
      else this.replies.push(reply);
    }
  }
}
