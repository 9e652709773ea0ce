/**
 * What the node backend's two kinds of sockets have in common: a stream (nodeStream.user.ts) and a
 * datagram socket (nodeDatagram.user.ts).
 *
 * Node pushes data at us by events and takes any amount to send; a socket of the image has neither
 * habit. So each kind keeps a bounded receive queue (SO_RCVBUF) and refuses to send beyond SO_SNDBUF,
 * and tells the image by events when that has changed.
 */
import { EINVAL, ENOPROTOOPT, EOPNOTSUPP } from '../../kernel/abi/errno';
import * as abi from '../../kernel/abi/socket';
import type { SockinHost } from './backend.user';
import type { EventQueue, EventSource } from './eventQueue.user';
import type { Handled } from './handleTable.user';
import { writeSockaddr, type Endpoint } from './nodeAddress.user';

/** Services of the backend to its sockets. */
export interface NodeContext {
  readonly host: SockinHost;
  readonly queue: EventQueue;
  /** Whether sockets keep the process alive. */
  wanted: boolean;
  /** Closed by the image but still sending. */
  lingering: Set<{ destroy(): void }>;
}

/** One stretch of the image's memory. */
export interface Span { at: number; len: number }

export abstract class NodeSocket implements Handled, EventSource {
  handle = -1;
  pending = 0;
  error = 0;
  dead = false;
  /** SO_RCVBUF and SO_SNDBUF, bytes. */
  protected rcvbuf = 65536;
  protected sndbuf = 65536;
  /** Values of options, by optionKey(); those which are not here do not exist. */
  protected readonly kept: Map<number, number>;

  /** @param defaults what options are before they are set */
  constructor(
    protected readonly context: NodeContext, public cookie: number, readonly family: number, defaults: ReadonlyMap<number, number>,
  ) {
    this.kept = new Map(defaults);
  }

  abstract bind(to: Endpoint): number;
  abstract connect(to: Endpoint | null): number;
  abstract send(spans: readonly Span[], total: number, flags: number, to: Endpoint | null): number;
  /** Also: the sender's address in `from.end`, if the protocol tells. */
  abstract recv(spans: readonly Span[], total: number, flags: number, from: { end?: Endpoint }): number;
  abstract close(): void;
  abstract abort(): void;
  abstract local(): Endpoint;
  abstract peer(): Endpoint | undefined;
  abstract avail(): number;
  abstract unsent(): number;
  abstract setRef(wanted: boolean): void;

  listen(backlog: number): number { return -EOPNOTSUPP; }
  accept(): NodeSocket | number { return -EINVAL; }
  shutdown(how: number): number { return -EOPNOTSUPP; }

  /** Set an option of `level` to `value`. 0 or -errno. */
  protected abstract apply(level: number, opt: number, value: number, bytes: Uint8Array): number;

  setopt(level: number, opt: number, bytes: Uint8Array): number {
    const value = optionValue(bytes);
    if (value === undefined) return -EINVAL;
    if (level === abi.SOL_SOCKET) {
      if (opt === abi.SO_RCVBUF || opt === abi.SO_SNDBUF) {
        if (value <= 0) return -EINVAL;
        if (opt === abi.SO_RCVBUF) this.rcvbuf = value;
        else this.sndbuf = value;
        return 0;
      }
      // Not to be passed over in silence: who asks for it wants to share a port.
      if (opt === abi.SO_REUSEPORT && value !== 0) return -EOPNOTSUPP;
    }
    const r = this.apply(level, opt, value, bytes);
    if (r === 0) this.kept.set(optionKey(level, opt), value);
    return r;
  }

  /** The value of an option or -errno. */
  getopt(level: number, opt: number): number {
    if (level === abi.SOL_SOCKET && opt === abi.SO_RCVBUF) return this.rcvbuf;
    if (level === abi.SOL_SOCKET && opt === abi.SO_SNDBUF) return this.sndbuf;
    return this.kept.get(optionKey(level, opt)) ?? -ENOPROTOOPT;
  }

  /** Write an endpoint for the image. Its length or -errno. */
  writeName(end: Endpoint, sa: number, size: number): number {
    return writeSockaddr(this.context.host, sa, size, this.family, end);
  }

  /** Tell the image, with whatever else happens in this turn of the event loop. */
  protected tell(bits: number, error = 0): void {
    if (this.dead) return;
    this.context.queue.post(this, bits, error);
    this.context.queue.schedule();
  }
}

export const optionKey = (level: number, opt: number): number => level * 65536 + opt;

/** An option's value: an int, or one byte where BSD allows that (multicast TTL, loop). */
export function optionValue(bytes: Uint8Array): number | undefined {
  if (bytes.length >= 4) return new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0, true);
  return bytes.length === 1 ? bytes[0] : undefined;
}

/** Gather the image's bytes into a buffer of their own, at most `limit` of them. */
export function gather(u8: Uint8Array, spans: readonly Span[], limit: number): Buffer {
  const out = Buffer.allocUnsafe(limit);
  let n = 0;
  for (const { at, len } of spans) {
    const take = Math.min(len, limit - n);
    out.set(u8.subarray(at, at + take), n);
    n += take;
  }
  return out;
}

/** Spread `data` over the image's memory from byte `skip` of the spans on. Bytes placed. */
export function scatter(u8: Uint8Array, spans: readonly Span[], skip: number, data: Uint8Array): number {
  let placed = 0;
  let start = skip;
  for (const { at, len } of spans) {
    if (start >= len) { start -= len; continue; }
    const take = Math.min(len - start, data.length - placed);
    u8.set(data.subarray(placed, placed + take), at + start);
    placed += take;
    start = 0;
  }
  return placed;
}
