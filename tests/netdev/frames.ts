/**
 * Frames for tests, made and read in plain JavaScript: Ethernet, IPv4, IPv6, TCP, UDP.
 *
 * Checksums are computed here in the slowest, most obvious way, so that they can judge those of
 * host/netdev/offload.ts.
 */
import { Frame, VNET_F_NEEDS_CSUM, VNET_GSO_NONE } from '../../host/netdev/frame';

export const MAC_A = Buffer.from('b20a00000001', 'hex');
export const MAC_B = Buffer.from('b20a00000002', 'hex');
export const MAC_C = Buffer.from('b20a00000003', 'hex');
export const BROADCAST = Buffer.from('ffffffffffff', 'hex');

/** One's complement sum of the words of `b`, folded: 0xffff when a checksum within it is right. */
export function folded(b: Uint8Array, sum = 0): number {
  for (let i = 0; i < b.length; i++) sum += i % 2 === 0 ? b[i]! * 256 : b[i]!;
  while (sum > 65535) sum = (sum & 65535) + Math.floor(sum / 65536);
  return sum;
}

/** An Ethernet frame of 6-byte addresses and any payload. */
export function ether(to: Uint8Array, from: Uint8Array, payload: Uint8Array, type = 0x88b5): Buffer {
  return Buffer.concat([to, from, Buffer.from([type >> 8, type & 255]), payload]);
}

export interface TcpShape {
  six?: boolean;
  payload: Uint8Array;
  seq?: number;
  flags?: number;
  options?: Uint8Array;
  id?: number;
  /** A VLAN tag behind the addresses. */
  tag?: number;
}

function ipHeader(shape: TcpShape, protocol: number, length: number): Buffer {
  if (shape.six) {
    const ip = Buffer.alloc(40);
    ip[0] = 0x60;
    ip.writeUInt16BE(length, 4);
    ip[6] = protocol;
    ip[7] = 64;
    ip.fill(0x11, 8, 24);
    ip.fill(0x22, 24, 40);
    return ip;
  }
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(20 + length, 2);
  ip.writeUInt16BE(shape.id ?? 7, 4);
  ip[8] = 64;
  ip[9] = protocol;
  ip.set([10, 0, 0, 1, 10, 0, 0, 2], 12);
  ip.writeUInt16BE(~folded(ip) & 0xffff, 10);
  return ip;
}

/** Sum of the pseudo-header. */
function pseudo(ip: Buffer, protocol: number, length: number): number {
  return folded(ip.length === 40 ? ip.subarray(8, 40) : ip.subarray(12, 20), protocol + length);
}

function link(ip: Buffer, rest: Buffer, shape: TcpShape): Buffer {
  const type = shape.six ? 0x86dd : 0x0800;
  const tag = shape.tag === undefined ? Buffer.alloc(0) : Buffer.from([0x81, 0, shape.tag >> 8, shape.tag & 255]);
  return Buffer.concat([MAC_B, MAC_A, tag, Buffer.from([type >> 8, type & 255]), ip, rest]);
}

/** Where the transport header of such a frame is. */
export function transportAt(shape: TcpShape): number {
  return 14 + (shape.tag === undefined ? 0 : 4) + (shape.six ? 40 : 20);
}

/**
 * A TCP segment as a stack that leaves the rest to its card would send it: the checksum field holds the
 * pseudo-header's sum, and with `gsoSize` the payload is that of several segments.
 */
export function tcpFrame(shape: TcpShape, gsoType = VNET_GSO_NONE, gsoSize = 0): Frame {
  const options = shape.options ?? Buffer.alloc(0);
  const tcp = Buffer.alloc(20 + options.length);
  tcp.writeUInt16BE(1234, 0);
  tcp.writeUInt16BE(80, 2);
  tcp.writeUInt32BE(shape.seq ?? 1000, 4);
  tcp.writeUInt32BE(5, 8);
  tcp[12] = (tcp.length / 4) << 4;
  tcp[13] = shape.flags ?? 0x10;
  tcp.writeUInt16BE(4096, 14);
  tcp.set(options, 20);
  const ip = ipHeader(shape, 6, tcp.length + shape.payload.length);
  tcp.writeUInt16BE(pseudo(ip, 6, tcp.length + shape.payload.length), 16);
  const bytes = link(ip, Buffer.concat([tcp, shape.payload]), shape);
  const at = transportAt(shape);
  return Frame.of(bytes, VNET_F_NEEDS_CSUM | (gsoType << 8) | (at + tcp.length) << 16, gsoSize | (at << 16), 16);
}

/** The same for UDP. */
export function udpFrame(shape: TcpShape): Frame {
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(1234, 0);
  udp.writeUInt16BE(4321, 2);
  udp.writeUInt16BE(8 + shape.payload.length, 4);
  const ip = ipHeader(shape, 17, 8 + shape.payload.length);
  udp.writeUInt16BE(pseudo(ip, 17, 8 + shape.payload.length), 6);
  const at = transportAt(shape);
  return Frame.of(link(ip, Buffer.concat([udp, shape.payload]), shape), VNET_F_NEEDS_CSUM, at << 16, 6);
}

/** What a receiver finds in a TCP or UDP frame; throws when a length or checksum is wrong. */
export function dissect(bytes: Uint8Array, tagged = false): { id: number; seq: number; flags: number; payload: Buffer } {
  const b = Buffer.from(bytes);
  const at = tagged ? 18 : 14;
  const six = b[at]! >> 4 === 6;
  const ip = b.subarray(at, at + (six ? 40 : 20));
  const rest = b.subarray(at + ip.length);
  const length = six ? ip.readUInt16BE(4) : ip.readUInt16BE(2) - 20;
  if (length !== rest.length) throw new Error(`IP says ${length} bytes, there are ${rest.length}`);
  if (!six && folded(ip) !== 0xffff) throw new Error('bad IP checksum');
  const protocol = six ? ip[6]! : ip[9]!;
  if (folded(rest, pseudo(ip, protocol, length)) !== 0xffff) throw new Error('bad transport checksum');
  if (protocol === 17) return { id: 0, seq: 0, flags: 0, payload: rest.subarray(8) };
  const data = (rest[12]! >> 4) * 4;
  return { id: six ? 0 : ip.readUInt16BE(4), seq: rest.readUInt32BE(4), flags: rest[13]!, payload: rest.subarray(data) };
}

/** `n` bytes that depend on their place. */
export function pattern(n: number, start = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length: n }, (_, i) => ((start + i) * 31 + ((start + i) >> 8)) & 255));
}
