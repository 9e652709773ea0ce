/**
 * What a network card does for a stack, done in JavaScript: checksums and segmentation.
 *
 *      | eth | ip | tcp | 1..n × gso_size bytes |  ──▶  | eth | ip | tcp | gso_size |, | eth | … |, …
 *
 * Needed where a frame leaves the world of virtio-net headers: in captures, at a peer that computes
 * its own checksums, before faults are injected (a bit is flipped in a frame as the wire has it).
 * RFC 1071 for the sum, RFC 9293 §3.1 and RFC 768 for the pseudo-header, RFC 3168 §6.1.2 for CWR.
 * A frame whose header does not fit its contents is passed on as it is: receivers check.
 *
 * Cost: one pass over the bytes for the copy, one for each sum (16 bits at a time, about 1 ns a byte).
 */
import { IFCAP_CSUM_RX, IFCAP_LRO } from '../../kernel/abi/if';
import {
  ETHER_HDR_LEN, type Frame, VNET_F_NEEDS_CSUM, VNET_GSO_ECN, VNET_GSO_NONE, VNET_GSO_TCPV4, VNET_GSO_TCPV6,
} from './frame';

export const ETHERTYPE_IP = 0x0800;
export const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_QINQ = 0x88a8;
const TCP_FIN = 0x01;
const TCP_PSH = 0x08;
const TCP_CWR = 0x80;
const IPPROTO_TCP = 6;
const TCP_CSUM_OFFSET = 16;

const be16 = (b: Uint8Array, at: number): number => (b[at]! << 8) | b[at + 1]!;

function put16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value & 0xff;
}

function put32(b: Uint8Array, at: number, value: number): void {
  put16(b, at, value >>> 16);
  put16(b, at + 2, value & 0xffff);
}

/** Sum of the 16-bit words of `b` from `start` to `end`, added to `sum`; not folded. Up to 2^53 exact. */
export function sumWords(b: Uint8Array, start: number, end: number, sum = 0): number {
  let at = start;
  for (; at + 1 < end; at += 2) sum += (b[at]! << 8) | b[at + 1]!;
  return at < end ? sum + (b[at]! << 8) : sum;
}

/** The checksum that goes with a sum: folded and complemented. */
export function foldSum(sum: number): number {
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** Offset of the network header behind Ethernet and tags, or -1 if it is neither IPv4 nor IPv6. */
export function networkOffset(b: Uint8Array): number {
  let at = ETHER_HDR_LEN;
  let type = be16(b, at - 2);
  while ((type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ) && at + 4 <= b.length) {
    type = be16(b, at + 2);
    at += 4;
  }
  return type === ETHERTYPE_IP || type === ETHERTYPE_IPV6 ? at : -1;
}

/** Where in a UDP header the checksum stands. */
const UDP_CSUM_OFFSET = 6;

/** Complete the transport checksum in place: over all from `start`, into the field at `start + offset`. */
function finishChecksum(b: Uint8Array, start: number, offset: number): void {
  if (start + offset + 2 > b.length) return;
  let sum = foldSum(sumWords(b, start, b.length));
  // RFC 768: zero means "none", so a UDP sum of zero is sent as all ones; TCP's stays what it is.
  if (sum === 0 && offset === UDP_CSUM_OFFSET) sum = 0xffff;
  put16(b, start + offset, sum);
}

/** Where the headers of a frame to be segmented are. */
interface Shape {
  ip: number;
  six: boolean;
  tcp: number;
  payload: number;
}

/** @returns null if `b` is not a TCP segment as gso_type says */
function shapeOf(b: Uint8Array, type: number, tcp: number): Shape | null {
  const ip = networkOffset(b);
  const six = type === VNET_GSO_TCPV6;
  if (ip < 0 || tcp + 20 > b.length || (b[ip]! >> 4) !== (six ? 6 : 4)) return null;
  if (tcp < ip + (six ? 40 : 20) || (!six && b[ip + 9] !== IPPROTO_TCP)) return null;
  const payload = tcp + (b[tcp + 12]! >> 4) * 4;
  return payload < tcp + 20 || payload > b.length ? null : { ip, six, tcp, payload };
}

/** Sum of the pseudo-header of a TCP segment of `len` bytes (header included). */
function pseudoSum(b: Uint8Array, { ip, six }: Shape, len: number): number {
  return six ? sumWords(b, ip + 8, ip + 40, len + IPPROTO_TCP) : sumWords(b, ip + 12, ip + 20, len + IPPROTO_TCP);
}

/** One segment: the headers of `b`, `len` bytes of payload from offset `off` of it. */
function segment(b: Uint8Array, shape: Shape, index: number, off: number, len: number, ecn: boolean): Uint8Array<ArrayBuffer> {
  const { ip, six, tcp, payload } = shape;
  const out = new Uint8Array(payload + len);
  out.set(b.subarray(0, payload));
  out.set(b.subarray(payload + off, payload + off + len), payload);
  if (six) put16(out, ip + 4, out.length - ip - 40);
  else {
    put16(out, ip + 2, out.length - ip);
    put16(out, ip + 4, (be16(b, ip + 4) + index) & 0xffff);
    put16(out, ip + 10, 0);
    put16(out, ip + 10, foldSum(sumWords(out, ip, ip + (out[ip]! & 15) * 4)));
  }
  const seq = ((be16(b, tcp + 4) * 0x10000) + be16(b, tcp + 6) + off) % 0x100000000;
  put32(out, tcp + 4, seq);
  if (payload + off + len < b.length) out[tcp + 13]! &= ~(TCP_FIN | TCP_PSH);
  if (index > 0 && ecn) out[tcp + 13]! &= ~TCP_CWR;
  put16(out, tcp + TCP_CSUM_OFFSET, 0);
  const sum = sumWords(out, tcp, out.length, pseudoSum(out, shape, out.length - tcp));
  put16(out, tcp + TCP_CSUM_OFFSET, foldSum(sum));
  return out;
}

/**
 * The frame as it would be on a wire: with its checksum, cut into segments.
 * @returns copies, one or more
 */
export function wireFrames(frame: Frame): Uint8Array<ArrayBuffer>[] {
  const whole = frame.bytes();
  if (!frame.isUnfinished) return [whole];
  const ecn = (frame.gsoType & VNET_GSO_ECN) !== 0;
  const type = frame.gsoType & ~VNET_GSO_ECN;
  const size = frame.gsoSize;
  if (type === VNET_GSO_TCPV4 || type === VNET_GSO_TCPV6) {
    const shape = size > 0 ? shapeOf(whole, type, frame.csumStart) : null;
    if (shape !== null && whole.length - shape.payload > size) {
      const out: Uint8Array<ArrayBuffer>[] = [];
      const total = whole.length - shape.payload;
      for (let off = 0, i = 0; off < total; off += size, i++) {
        out.push(segment(whole, shape, i, off, Math.min(size, total - off), ecn));
      }
      return out;
    }
  }
  if ((frame.flags & VNET_F_NEEDS_CSUM) !== 0) finishChecksum(whole, frame.csumStart, frame.csumOffset);
  return [whole];
}

/** May a port that takes `accepts` (IFCAP_CSUM_RX, IFCAP_LRO) be given `frame` as it is? */
export function fits(frame: Frame, accepts: number): boolean {
  if (!frame.isUnfinished) return true;
  if ((accepts & IFCAP_CSUM_RX) === 0) return false;
  return frame.gsoType === VNET_GSO_NONE || (accepts & IFCAP_LRO) !== 0;
}
