/**
 * ICMP messages as a raw socket sends and receives them (RFC 792): echo, and errors about an echo.
 *
 *      sent:      | type | code | checksum | identifier | sequence | payload …
 *      received:  | IP header | the same                                            a reply
 *                 | IP header | type | code | checksum | – | IP header | 8 bytes …  an error, quoting
 */
import { IPPROTO_ICMP } from '../../kernel/abi/inet';

const echoReply = 0;
const unreachable = 3;
const echoRequest = 8;
const timeExceeded = 11;
const parameterProblem = 12;
export const icmpHeader = 8;
const ipHeader = 20;
/** The largest payload of an echo: what an IP datagram holds besides the headers. */
export const echoMax: number = 65535 - ipHeader - icmpHeader;

export interface EchoReply {
  kind: 'reply';
  source: string;
  ttl: number;
  id: number;
  sequence: number;
  payload: Uint8Array;
}

/** Somebody on the way complains about an echo request. */
export interface EchoError {
  kind: 'error';
  source: string;
  id: number;
  sequence: number;
  /** As ping(8) words it. */
  text: string;
}

const unreachableTexts = [
  'Destination Net Unreachable', 'Destination Host Unreachable', 'Destination Protocol Unreachable', 'Destination Port Unreachable',
  'Frag needed and DF set', 'Source Route Failed', 'Destination Net Unknown', 'Destination Host Unknown', 'Source Host Isolated',
  'Destination Net Prohibited', 'Destination Host Prohibited', 'Destination Net Unreachable for Type of Service',
  'Destination Host Unreachable for Type of Service', 'Packet filtered', 'Precedence Violation', 'Precedence Cutoff',
];

function errorText(type: number, code: number): string {
  if (type === unreachable) return unreachableTexts[code] ?? `Dest Unreachable, Bad Code: ${code}`;
  if (type === timeExceeded) return code === 0 ? 'Time to live exceeded' : 'Frag reassembly time exceeded';
  return 'Parameter problem';
}

/** The Internet checksum (RFC 1071). */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += (bytes[i]! << 8) + bytes[i + 1]!;
  if (bytes.length & 1) sum += bytes[bytes.length - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return ~sum & 0xffff;
}

/** An echo request. */
export function echo(id: number, sequence: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(icmpHeader + payload.length);
  const dv = new DataView(bytes.buffer);
  bytes[0] = echoRequest;
  dv.setUint16(4, id);
  dv.setUint16(6, sequence);
  bytes.set(payload, icmpHeader);
  dv.setUint16(2, checksum(bytes));
  return bytes;
}

const address = (bytes: Uint8Array, at: number): string => bytes.subarray(at, at + 4).join('.');
const word = (bytes: Uint8Array, at: number): number => bytes[at]! * 256 + bytes[at + 1]!;
const headerLength = (bytes: Uint8Array, at: number): number => (bytes[at]! & 15) * 4;

/** What a raw ICMP socket received, if it is about an echo; else null. */
export function parseIcmp(bytes: Uint8Array): EchoReply | EchoError | null {
  if (bytes.length < ipHeader) return null;
  const at = headerLength(bytes, 0);
  if (at < ipHeader || bytes.length < at + icmpHeader) return null;
  const source = address(bytes, 12);
  const type = bytes[at]!;
  if (type === echoReply) {
    return { kind: 'reply', source, ttl: bytes[8]!, id: word(bytes, at + 4), sequence: word(bytes, at + 6), payload: bytes.subarray(at + icmpHeader) };
  }
  if (type !== unreachable && type !== timeExceeded && type !== parameterProblem) return null;
  const inner = at + icmpHeader;
  if (bytes.length < inner + ipHeader || bytes[inner + 9] !== IPPROTO_ICMP) return null;
  const quoted = inner + headerLength(bytes, inner);
  if (bytes.length < quoted + icmpHeader || bytes[quoted] !== echoRequest) return null;
  return { kind: 'error', source, id: word(bytes, quoted + 4), sequence: word(bytes, quoted + 6), text: errorText(type, bytes[at + 1]!) };
}
