/**
 * Datagrams as bytes: IPv4 with TCP, UDP or ICMP, built and taken apart, every checksum made and checked.
 *
 *      | IPv4 (RFC 791) 20 | TCP (RFC 9293 §3.1) 20 + options | payload |
 *                          | UDP (RFC 768) 8 | payload |
 *                          | ICMP (RFC 792) 8 | what it quotes |
 *
 * Written from the RFCs and apart from the stack, because it is what the stack is judged with.
 */

export const PROTO_ICMP = 1;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
export const ECE = 0x40;
export const CWR = 0x80;

const IP_HEADER = 20;
const TCP_HEADER = 20;
const UDP_HEADER = 8;
const ICMP_HEADER = 8;

/** The one's complement sum of RFC 1071 over `bytes`, folded, starting from `sum`. */
export function checksum(bytes: Uint8Array, sum = 0): number {
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if (bytes.length % 2 === 1) sum += bytes[bytes.length - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** "192.0.2.1" as a number. */
export function ipNumber(text: string): number {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) throw new RangeError(`${text} is not an IPv4 address`);
  return parts.reduce((n, part) => n * 256 + part, 0);
}

export function ipText(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

export interface IpFields {
  src: number;
  dst: number;
  proto: number;
  ttl: number;
  tos: number;
  /** Don't fragment. */
  df: boolean;
  /** Fragment offset in bytes, and whether more follow. */
  offset?: number;
  more?: boolean;
  id?: number;
}

/** An IPv4 datagram around `payload`. */
export function buildIp(ip: IpFields, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(IP_HEADER + payload.length);
  out[0] = 0x45;
  out[1] = ip.tos;
  out.writeUInt16BE(out.length, 2);
  out.writeUInt16BE(ip.id ?? 0, 4);
  out.writeUInt16BE((ip.df ? 0x4000 : 0) | (ip.more === true ? 0x2000 : 0) | ((ip.offset ?? 0) >> 3), 6);
  out[8] = ip.ttl;
  out[9] = ip.proto;
  out.writeUInt32BE(ip.src >>> 0, 12);
  out.writeUInt32BE(ip.dst >>> 0, 16);
  out.writeUInt16BE(checksum(out.subarray(0, IP_HEADER)), 10);
  out.set(payload, IP_HEADER);
  return out;
}

/** Checksum of a transport segment with its pseudo header (RFC 9293 §3.1). */
function transportSum(ip: Pick<IpFields, 'src' | 'dst' | 'proto'>, segment: Uint8Array): number {
  const pseudo = Buffer.alloc(12);
  pseudo.writeUInt32BE(ip.src >>> 0, 0);
  pseudo.writeUInt32BE(ip.dst >>> 0, 4);
  pseudo[9] = ip.proto;
  pseudo.writeUInt16BE(segment.length, 10);
  return checksum(segment, ~checksum(pseudo) & 0xffff);
}

export interface TcpFields {
  srcPort: number;
  dstPort: number;
  seq: number;
  ack: number;
  /** FIN, SYN … */
  flags: number;
  window: number;
  urgent: number;
  options: Uint8Array;
  payload: Uint8Array;
}

/** A TCP segment in its datagram. @param spoil damage the checksum */
export function buildTcp(ip: Omit<IpFields, 'proto'>, tcp: TcpFields, spoil = false): Buffer {
  const header = TCP_HEADER + Math.ceil(tcp.options.length / 4) * 4;
  const out = Buffer.alloc(header + tcp.payload.length);
  out.writeUInt16BE(tcp.srcPort, 0);
  out.writeUInt16BE(tcp.dstPort, 2);
  out.writeUInt32BE(tcp.seq >>> 0, 4);
  out.writeUInt32BE(tcp.ack >>> 0, 8);
  out[12] = (header / 4) << 4;
  out[13] = tcp.flags;
  out.writeUInt16BE(tcp.window, 14);
  out.writeUInt16BE(tcp.urgent, 18);
  out.set(tcp.options, TCP_HEADER);
  out.set(tcp.payload, header);
  const full = { ...ip, proto: PROTO_TCP };
  out.writeUInt16BE(transportSum(full, out) ^ (spoil ? 0x5555 : 0), 16);
  return buildIp(full, out);
}

export function buildUdp(ip: Omit<IpFields, 'proto'>, srcPort: number, dstPort: number, payload: Uint8Array, spoil = false): Buffer {
  const out = Buffer.alloc(UDP_HEADER + payload.length);
  out.writeUInt16BE(srcPort, 0);
  out.writeUInt16BE(dstPort, 2);
  out.writeUInt16BE(out.length, 4);
  out.set(payload, UDP_HEADER);
  const full = { ...ip, proto: PROTO_UDP };
  // RFC 768: a sum of zero is sent as all ones, zero means none.
  out.writeUInt16BE((transportSum(full, out) || 0xffff) ^ (spoil ? 0x5555 : 0), 6);
  return buildIp(full, out);
}

/** @param rest bytes 4 to 7 of the header: identifier and sequence, or the MTU */
export function buildIcmp(ip: Omit<IpFields, 'proto'>, type: number, code: number, rest: number, body: Uint8Array, spoil = false): Buffer {
  const out = Buffer.alloc(ICMP_HEADER + body.length);
  out[0] = type;
  out[1] = code;
  out.writeUInt32BE(rest >>> 0, 4);
  out.set(body, ICMP_HEADER);
  out.writeUInt16BE(checksum(out) ^ (spoil ? 0x5555 : 0), 2);
  return buildIp({ ...ip, proto: PROTO_ICMP }, out);
}

/** A datagram taken apart. */
export interface Datagram {
  bytes: Uint8Array;
  ip: Required<IpFields>;
  tcp?: TcpFields;
  udp?: { srcPort: number; dstPort: number; payload: Uint8Array };
  icmp?: { type: number; code: number; rest: number; body: Uint8Array };
  /** What is wrong with it: bad checksums and lengths. Empty if nothing is. */
  faults: string[];
}

/** @throws RangeError if it is not an IPv4 datagram at all */
export function parseDatagram(bytes: Uint8Array): Datagram {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (b.length < IP_HEADER || b[0]! >> 4 !== 4) throw new RangeError(`not an IPv4 datagram (${b.length} bytes)`);
  const faults: string[] = [];
  const header = (b[0]! & 15) * 4;
  const fragment = b.readUInt16BE(6);
  const ip: Required<IpFields> = {
    tos: b[1]!, id: b.readUInt16BE(4), df: (fragment & 0x4000) !== 0, more: (fragment & 0x2000) !== 0, offset: (fragment & 0x1fff) * 8,
    ttl: b[8]!, proto: b[9]!, src: b.readUInt32BE(12), dst: b.readUInt32BE(16),
  };
  if (b.readUInt16BE(2) !== b.length) faults.push(`IP length ${b.readUInt16BE(2)} of ${b.length} bytes`);
  if (checksum(b.subarray(0, header)) !== 0) faults.push('bad IP checksum');
  const found: Datagram = { bytes, ip, faults };
  const rest = b.subarray(header);
  if (ip.offset > 0 || ip.more) return found;
  if (ip.proto === PROTO_TCP) parseTcp(found, rest);
  else if (ip.proto === PROTO_UDP) parseUdp(found, rest);
  else if (ip.proto === PROTO_ICMP) parseIcmp(found, rest);
  return found;
}

function parseTcp(found: Datagram, b: Buffer): void {
  const header = b.length >= TCP_HEADER ? (b[12]! >> 4) * 4 : 0;
  if (header < TCP_HEADER || header > b.length) {
    found.faults.push('TCP header length');
    return;
  }
  if (transportSum(found.ip, b) !== 0) found.faults.push('bad TCP checksum');
  if ((b[12]! & 15) !== 0) found.faults.push('reserved TCP bits set');
  found.tcp = {
    srcPort: b.readUInt16BE(0), dstPort: b.readUInt16BE(2), seq: b.readUInt32BE(4), ack: b.readUInt32BE(8),
    flags: b[13]!, window: b.readUInt16BE(14), urgent: b.readUInt16BE(18),
    options: b.subarray(TCP_HEADER, header), payload: b.subarray(header),
  };
}

function parseUdp(found: Datagram, b: Buffer): void {
  if (b.length < UDP_HEADER || b.readUInt16BE(4) !== b.length) {
    found.faults.push('UDP length');
    return;
  }
  if (b.readUInt16BE(6) !== 0 && transportSum(found.ip, b) !== 0) found.faults.push('bad UDP checksum');
  found.udp = { srcPort: b.readUInt16BE(0), dstPort: b.readUInt16BE(2), payload: b.subarray(UDP_HEADER) };
}

function parseIcmp(found: Datagram, b: Buffer): void {
  if (b.length < ICMP_HEADER) {
    found.faults.push('ICMP length');
    return;
  }
  if (checksum(b) !== 0) found.faults.push('bad ICMP checksum');
  found.icmp = { type: b[0]!, code: b[1]!, rest: b.readUInt32BE(4), body: b.subarray(ICMP_HEADER) };
}
