/**
 * The wire format of the harness socket: framing only.
 *
 *      request:  u32 length of what follows | u8 op | i32 fd | i32 a | i32 b | i32 c | payload
 *      reply:    u32 length of what follows | i64 ret | i32 errno | i64 aux | payload         little-endian
 */

export const OP_FREE = 0;
export const OP_SOCKET = 1;
export const OP_BIND = 2;
export const OP_LISTEN = 3;
export const OP_ACCEPT = 4;
export const OP_CONNECT = 5;
export const OP_RECV = 6;
export const OP_SEND = 7;
export const OP_SENDTO = 8;
export const OP_RECVFROM = 9;
export const OP_FCNTL = 10;
export const OP_IOCTL = 11;
export const OP_CLOSE = 12;
export const OP_SHUTDOWN = 13;
export const OP_GETSOCKOPT = 14;
export const OP_SETSOCKOPT = 15;
export const OP_POLL = 16;
export const OP_FRAME_IN = 17;
export const OP_FRAME_OUT = 18;
export const OP_SLEEP = 19;
export const OP_TIME = 20;

const REQUEST_HEADER = 17;
const REPLY_HEADER = 20;
/** No request is longer: 16 MiB. */
const REQUEST_MAX = 1 << 24;

export interface Request {
  op: number;
  fd: number;
  a: number;
  b: number;
  c: number;
  payload: Buffer;
}

export interface Answer {
  /** -1 for failure. */
  ret: number;
  /** Linux's number, 0 if all is well. */
  errno?: number;
  aux?: number;
  payload?: Uint8Array;
}

/** What came in is no request. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Cuts a stream into requests. */
export class RequestReader {
  private held: Buffer = Buffer.alloc(0);

  /**
   * @returns the requests that `chunk` completes
   * @throws ProtocolError for a length that cannot be
   */
  push(chunk: Buffer): Request[] {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    const found: Request[] = [];
    let at = 0;
    while (this.held.length - at >= 4) {
      const length = this.held.readUInt32LE(at);
      if (length < REQUEST_HEADER || length > REQUEST_MAX) throw new ProtocolError(`a request of ${length} bytes`);
      if (this.held.length - at - 4 < length) break;
      found.push(readRequest(this.held.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    this.held = this.held.subarray(at);
    return found;
  }
}

function readRequest(b: Buffer): Request {
  return {
    op: b.readUInt8(0), fd: b.readInt32LE(1), a: b.readInt32LE(5), b: b.readInt32LE(9), c: b.readInt32LE(13),
    payload: Buffer.from(b.subarray(REQUEST_HEADER)),
  };
}

/** A request as bytes, for clients. */
export function encodeRequest({ op, fd, a, b, c, payload }: Request): Buffer {
  const out = Buffer.alloc(4 + REQUEST_HEADER + payload.length);
  out.writeUInt32LE(REQUEST_HEADER + payload.length, 0);
  out.writeUInt8(op, 4);
  [fd, a, b, c].forEach((word, i) => out.writeInt32LE(word, 5 + 4 * i));
  out.set(payload, 4 + REQUEST_HEADER);
  return out;
}

export function encodeAnswer({ ret, errno = 0, aux = 0, payload = new Uint8Array(0) }: Answer): Buffer {
  const out = Buffer.alloc(4 + REPLY_HEADER + payload.length);
  out.writeUInt32LE(REPLY_HEADER + payload.length, 0);
  out.writeBigInt64LE(BigInt(ret), 4);
  out.writeInt32LE(errno, 12);
  out.writeBigInt64LE(BigInt(Math.trunc(aux)), 16);
  out.set(payload, 4 + REPLY_HEADER);
  return out;
}
