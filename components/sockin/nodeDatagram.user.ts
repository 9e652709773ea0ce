/**
 * A UDP socket of the image on node:dgram.
 *
 *      'message' ─> datagrams (≤ SO_RCVBUF bytes, then dropped and counted, as UDP may) ─> recv
 *      send ─> dgram.send, at most SO_SNDBUF bytes not yet reported sent, then EAGAIN
 *
 * The dgram.Socket is made when it is first needed (bind, connect, send), because options such as
 * SO_REUSEADDR must be known by then; those set earlier are applied to it. With a lookup that answers
 * literal addresses at once, bind() is synchronous. Errors of a send come later, as SO_ERROR.
 */
import { createSocket, type Socket as DgramSocket } from 'node:dgram';
import {
  EAGAIN, EDESTADDRREQ, EINVAL, EISCONN, EMSGSIZE, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPIPE,
} from '../../kernel/abi/errno';
import * as inet from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/socket';
import {
  anyEndpoint, formatIpv4, formatIpv6, zoneName, type Endpoint,
} from './nodeAddress.user';
import { lookupLiteral } from './nodeListen.user';
import { NodeSocket, gather, optionKey, scatter, type NodeContext, type Span } from './nodeSocket.user';
import { SOCKIN_EV_ERROR, SOCKIN_EV_READ, SOCKIN_EV_WRITE } from './sockin.abi';

/** What waits in the receive queue beyond its payload, per datagram (keeps empty ones countable). */
const OVERHEAD = 64;
/** Largest payload: 65535 less the headers of IPv4 and UDP; less UDP's over IPv6. */
const MAX_UDP4 = 65507;
const MAX_UDP6 = 65527;

const REUSEADDR = optionKey(abi.SOL_SOCKET, abi.SO_REUSEADDR);
const V6ONLY = optionKey(inet.IPPROTO_IPV6, inet.IPV6_V6ONLY);
const defaults: ReadonlyMap<number, number> = new Map([
  [REUSEADDR, 0], [optionKey(abi.SOL_SOCKET, abi.SO_BROADCAST), 0], [V6ONLY, 1],
  [optionKey(inet.IPPROTO_IP, inet.IP_TTL), 64], [optionKey(inet.IPPROTO_IP, inet.IP_MULTICAST_TTL), 1],
  [optionKey(inet.IPPROTO_IP, inet.IP_MULTICAST_LOOP), 1], [optionKey(inet.IPPROTO_IPV6, inet.IPV6_UNICAST_HOPS), 64],
  [optionKey(inet.IPPROTO_IPV6, inet.IPV6_MULTICAST_HOPS), 1], [optionKey(inet.IPPROTO_IPV6, inet.IPV6_MULTICAST_LOOP), 1],
]);

interface Datagram { data: Buffer; from: Endpoint }

type Setting = (socket: DgramSocket) => void;

export class NodeDatagram extends NodeSocket {
  /** Datagrams that found the receive queue full. */
  dropped = 0;
  private socket: DgramSocket | undefined;
  private remote: Endpoint | undefined;
  private readonly waiting: Datagram[] = [];
  private queued = 0;
  private unsentBytes = 0;
  private wantWrite = false;
  private shutRead = false;
  private shutWrite = false;
  /** Options to be applied when the socket exists, in their order. */
  private readonly settings = new Map<string, Setting>();
  /** Why the last synchronous call failed. */
  private failure: unknown;

  constructor(context: NodeContext, cookie: number, family: number) { super(context, cookie, family, defaults); }

  bind(to: Endpoint): number {
    if (this.socket) return -EINVAL;
    return this.open(to);
  }

  connect(to: Endpoint | null): number {
    if (!to) return this.forgetPeer();
    const r = this.socket ? 0 : this.open(anyEndpoint(this.family));
    if (r < 0) return r;
    if (this.remote) this.forgetPeer();
    // An error is emitted one tick later, and reaches the image as SO_ERROR.
    this.socket!.connect(to.port, to.address);
    this.remote = to;
    return 0;
  }

  send(spans: readonly Span[], total: number, flags: number, to: Endpoint | null): number {
    if ((flags & abi.MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (this.shutWrite) return -EPIPE;
    if (to && this.remote) return -EISCONN;
    if (!to && !this.remote) return -EDESTADDRREQ;
    if (total > (this.family === abi.AF_INET6 ? MAX_UDP6 : MAX_UDP4)) return -EMSGSIZE;
    const r = this.socket ? 0 : this.open(anyEndpoint(this.family));
    if (r < 0) return r;
    if (this.unsentBytes > 0 && this.unsentBytes + total > this.sndbuf) {
      this.wantWrite = true;
      return -EAGAIN;
    }
    const data = gather(this.context.host.u8, spans, total);
    this.unsentBytes += total;
    const done = (error: Error | null): void => this.sent(total, error);
    if (to) this.socket!.send(data, to.port, to.address, done);
    else this.socket!.send(data, done);
    return total;
  }

  recv(spans: readonly Span[], total: number, flags: number, from: { end?: Endpoint }): number {
    if ((flags & abi.MSG_OOB) !== 0) return -EOPNOTSUPP;
    const first = this.waiting[0];
    if (!first) return this.shutRead ? 0 : -EAGAIN;
    scatter(this.context.host.u8, spans, 0, first.data.subarray(0, total));
    from.end = first.from;
    if ((flags & abi.MSG_PEEK) === 0) {
      this.waiting.shift();
      this.queued -= first.data.length + OVERHEAD;
    }
    return first.data.length;
  }

  override shutdown(how: number): number {
    if (!this.remote) return -ENOTCONN;
    if (how !== abi.SHUT_WR) this.shutRead = true;
    if (how !== abi.SHUT_RD) this.shutWrite = true;
    return 0;
  }

  close(): void {
    this.dead = true;
    const socket = this.socket;
    if (!socket) return;
    socket.removeAllListeners('message');
    if (this.unsentBytes === 0) { socket.close(); return; }
    const { lingering } = this.context;
    const rest = { destroy: (): void => { if (lingering.delete(rest)) socket.close(); } };
    lingering.add(rest);
    this.afterLast = rest.destroy;
  }

  abort(): void {
    this.unsentBytes = 0;
    this.close();
  }

  local(): Endpoint {
    if (!this.socket) return anyEndpoint(this.family);
    const { address, port } = this.socket.address();
    return { address, port };
  }

  peer(): Endpoint | undefined { return this.remote; }

  avail(): number { return this.waiting[0]?.data.length ?? 0; }

  unsent(): number { return this.unsentBytes; }

  setRef(wanted: boolean): void {
    if (wanted) this.socket?.ref();
    else this.socket?.unref();
  }

  protected apply(level: number, opt: number, value: number, bytes: Uint8Array): number {
    if (level === abi.SOL_SOCKET && opt === abi.SO_REUSEADDR) return 0;
    if (level === inet.IPPROTO_IPV6 && opt === inet.IPV6_V6ONLY) return this.socket ? -EINVAL : 0;
    const setting = this.setting(level, opt, value, bytes);
    if (!setting) return -ENOPROTOOPT;
    // A socket may be a member of many groups; any other option has one value.
    const many = opt === (level === inet.IPPROTO_IP ? inet.IP_ADD_MEMBERSHIP : inet.IPV6_JOIN_GROUP);
    this.settings.set(`${level}.${opt}.${many ? this.settings.size : ''}`, setting);
    if (!this.socket) return 0;
    try {
      setting(this.socket);
      return 0;
    } catch (error) {
      return -this.context.host.errnoFromNode(error);
    }
  }

  private setting(level: number, opt: number, value: number, bytes: Uint8Array): Setting | undefined {
    if (level === abi.SOL_SOCKET) return opt === abi.SO_BROADCAST ? (s) => s.setBroadcast(value !== 0) : undefined;
    if (level === inet.IPPROTO_IP) {
      switch (opt) {
        case inet.IP_TTL: return (s) => s.setTTL(value);
        case inet.IP_MULTICAST_TTL: return (s) => s.setMulticastTTL(value);
        case inet.IP_MULTICAST_LOOP: return (s) => s.setMulticastLoopback(value !== 0);
        case inet.IP_MULTICAST_IF: return multicastInterface(bytes);
        case inet.IP_ADD_MEMBERSHIP: case inet.IP_DROP_MEMBERSHIP: return membership4(opt, bytes);
        default: return undefined;
      }
    }
    if (level !== inet.IPPROTO_IPV6) return undefined;
    switch (opt) {
      case inet.IPV6_UNICAST_HOPS: return (s) => s.setTTL(value);
      case inet.IPV6_MULTICAST_HOPS: return (s) => s.setMulticastTTL(value);
      case inet.IPV6_MULTICAST_LOOP: return (s) => s.setMulticastLoopback(value !== 0);
      case inet.IPV6_MULTICAST_IF: return (s) => s.setMulticastInterface(value === 0 ? '::' : `::%${zoneName(value)}`);
      case inet.IPV6_JOIN_GROUP: case inet.IPV6_LEAVE_GROUP: return membership6(opt, bytes);
      default: return undefined;
    }
  }

  /** Make the dgram.Socket, bound to `to`. 0 or -errno. */
  private open(to: Endpoint): number {
    const six = this.family === abi.AF_INET6;
    const socket = createSocket({
      type: six ? 'udp6' : 'udp4', reuseAddr: this.kept.get(REUSEADDR) !== 0,
      ipv6Only: six && this.kept.get(V6ONLY) !== 0, lookup: lookupLiteral as never,
    });
    this.failure = undefined;
    let opening = true;
    socket.on('error', (error) => {
      if (opening) this.failure = error;
      else this.tell(SOCKIN_EV_ERROR | SOCKIN_EV_READ, this.context.host.errnoFromNode(error));
    });
    socket.on('message', (data, info) => this.arrived(data, { address: info.address, port: info.port }));
    try {
      socket.bind({ port: to.port, address: to.address, exclusive: true });
      if (this.failure === undefined) for (const set of this.settings.values()) set(socket);
    } catch (error) {
      this.failure = error;
    }
    opening = false;
    if (this.failure !== undefined) {
      socket.close();
      return -this.context.host.errnoFromNode(this.failure);
    }
    this.socket = socket;
    if (!this.context.wanted) socket.unref();
    return 0;
  }

  private forgetPeer(): number {
    if (!this.remote) return 0;
    this.remote = undefined;
    try {
      this.socket?.disconnect();
    } catch {
      // It never got connected: its error has been told, and there is no peer to forget.
    }
    return 0;
  }

  private arrived(data: Buffer, from: Endpoint): void {
    if (this.shutRead || this.dead) return;
    if (this.queued + data.length + OVERHEAD > this.rcvbuf && this.waiting.length > 0) {
      this.dropped++;
      return;
    }
    this.waiting.push({ data, from });
    this.queued += data.length + OVERHEAD;
    this.tell(SOCKIN_EV_READ);
  }

  private afterLast: (() => void) | undefined;

  private sent(bytes: number, error: Error | null): void {
    this.unsentBytes = Math.max(0, this.unsentBytes - bytes);
    if (this.unsentBytes === 0) this.afterLast?.();
    if (error) this.tell(SOCKIN_EV_ERROR | SOCKIN_EV_READ, this.context.host.errnoFromNode(error));
    if (this.wantWrite && this.unsentBytes <= this.sndbuf >> 1) {
      this.wantWrite = false;
      this.tell(SOCKIN_EV_WRITE);
    }
  }
}

/* The values are read at once: `bytes` is the image's memory and will hold something else. */

function multicastInterface(bytes: Uint8Array): Setting | undefined {
  if (bytes.length < 4) return undefined;
  const at = formatIpv4(bytes, 0);
  return (s) => s.setMulticastInterface(at);
}

/** struct ip_mreq: group, interface. */
function membership4(opt: number, bytes: Uint8Array): Setting | undefined {
  if (bytes.length < 8) return undefined;
  const group = formatIpv4(bytes, 0);
  const at = formatIpv4(bytes, 4);
  const where = at === '0.0.0.0' ? undefined : at;
  return (s) => (opt === inet.IP_ADD_MEMBERSHIP ? s.addMembership(group, where) : s.dropMembership(group, where));
}

/** struct ipv6_mreq: group, interface index. */
function membership6(opt: number, bytes: Uint8Array): Setting | undefined {
  if (bytes.length < 20) return undefined;
  const group = formatIpv6(bytes, 0);
  const index = new DataView(bytes.buffer, bytes.byteOffset + 16, 4).getUint32(0, true);
  const where = index === 0 ? undefined : `::%${zoneName(index)}`;
  return (s) => (opt === inet.IPV6_JOIN_GROUP ? s.addMembership(group, where) : s.dropMembership(group, where));
}
