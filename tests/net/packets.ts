/** IPv4 packets in Ethernet frames for tests: made and read in plain JavaScript. */
import { checksum } from '../../host/api/icmp';
import type { Frame } from '../../host/netdev/frame';
import { wireFrames } from '../../host/netdev/offload';

export interface Packet {
  src: string;
  dst: string;
  proto: number;
  payload: Uint8Array;
  ttl?: number;
  id?: number;
  /** Fragment offset in bytes, and whether more follow. */
  offset?: number;
  more?: boolean;
  /** Do not fragment. */
  df?: boolean;
  tos?: number;
  /** IP options; padded to words. */
  options?: Uint8Array;
}

export interface Seen extends Packet {
  frame: Buffer;
  from: string;
}

const mac = (text: string): Buffer => Buffer.from(text.replaceAll(':', ''), 'hex');
const quad = (text: string): number[] => text.split('.').map(Number);

/** The station address of kernel `i` of a lab. */
export const labMac = (i: number): string => `b2:00:00:00:00:0${i + 1}`;
/** That of the test itself. */
export const MY_MAC = 'b2:00:00:00:00:fe';
export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';

/** An Ethernet frame with an IPv4 packet, checksum of the header included. */
export function ipFrame(to: string, packet: Packet): Buffer {
  const options = Buffer.alloc(((packet.options?.length ?? 0) + 3) & ~3);
  if (packet.options) options.set(packet.options);
  const ip = Buffer.alloc(20 + options.length);
  ip[0] = 0x40 | ip.length >> 2;
  ip.writeUInt16BE(ip.length + packet.payload.length, 2);
  ip.writeUInt16BE(packet.id ?? 1, 4);
  ip[1] = packet.tos ?? 0;
  ip.writeUInt16BE((packet.offset ?? 0) >> 3 | (packet.more ? 0x2000 : 0) | (packet.df ? 0x4000 : 0), 6);
  ip[8] = packet.ttl ?? 64;
  ip[9] = packet.proto;
  ip.set(quad(packet.src), 12);
  ip.set(quad(packet.dst), 16);
  ip.set(options, 20);
  ip.writeUInt16BE(checksum(ip), 10);
  return Buffer.concat([mac(to), mac(MY_MAC), Buffer.from([8, 0]), ip, packet.payload]);
}

/** A UDP datagram without a checksum (RFC 768: none was made). */
export function udp(sport: number, dport: number, data: Uint8Array | string): Buffer {
  const bytes = Buffer.from(data);
  const header = Buffer.alloc(8);
  header.writeUInt16BE(sport, 0);
  header.writeUInt16BE(dport, 2);
  header.writeUInt16BE(8 + bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/** An ARP message (RFC 826). @param op 1 request, 2 reply */
export function arpFrame(to: string, op: number, senderIp: string, targetIp: string): Buffer {
  const arp = Buffer.alloc(28);
  arp.set([0, 1, 8, 0, 6, 4, 0, op]);
  arp.set(mac(MY_MAC), 8);
  arp.set(quad(senderIp), 14);
  if (op === 2) arp.set(mac(to), 18);
  arp.set(quad(targetIp), 24);
  return Buffer.concat([mac(to), mac(MY_MAC), Buffer.from([8, 6]), arp]);
}

/** The answer to `frame` if it asks for the station that has `address`. */
export function arpAnswer(frame: Frame, address: string): Buffer | null {
  const b = Buffer.from(frame.bytes());
  if (b.readUInt16BE(12) !== 0x806 || b[21] !== 1 || b.subarray(38, 42).join('.') !== address) return null;
  return arpFrame(b.toString('hex', 6, 12), 2, address, b.subarray(28, 32).join('.'));
}

/** The IPv4 packets in `frame`, as a wire would have them. */
export function ipOf(frame: Frame): Seen[] {
  const found: Seen[] = [];
  for (const bytes of wireFrames(frame)) {
    const b = Buffer.from(bytes);
    if (b.readUInt16BE(12) !== 0x800) continue;
    const hlen = (b[14]! & 15) * 4;
    const word = b.readUInt16BE(20);
    found.push({
      frame: b, from: b.subarray(6, 12).toString('hex'), src: b.subarray(26, 30).join('.'), dst: b.subarray(30, 34).join('.'),
      proto: b[23]!, ttl: b[22]!, id: b.readUInt16BE(18), offset: (word & 0x1fff) * 8, more: (word & 0x2000) !== 0, df: (word & 0x4000) !== 0, tos: b[15]!,
      options: b.subarray(34, 14 + hlen), payload: b.subarray(14 + hlen, 14 + b.readUInt16BE(16)),
    });
  }
  return found;
}
