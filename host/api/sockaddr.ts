/**
 * Socket addresses between JavaScript and the image's sockaddrs (kernel/abi/sockaddr.ts).
 *
 *      { family: 'IPv4', address: '127.0.0.1', port: 80 }   ⇄   | 16 | 2 | port BE | addr | zero |
 *      { family: 'IPv6', address: 'fe80::1', port, scopeid } ⇄  | 28 | 24 | port BE | flow | addr | scope |
 *      { family: 'local', path: '/tmp/x' }                  ⇄   | n | 1 | path |
 *
 * IPv6 text is RFC 4291 §2.2 on the way in and RFC 5952 §4 on the way out.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { AF_INET, AF_INET6, AF_LOCAL } from '../../kernel/abi/socket';
import {
  SA_FAMILY, SA_LEN, SIN6_ADDR, SIN6_FLOWINFO, SIN6_PORT, SIN6_SCOPE_ID, SIN_ADDR, SIN_PORT, SOCKADDR_IN6_SIZE,
  SOCKADDR_IN_SIZE, SUN_PATH, SUN_PATHLEN,
} from '../../kernel/abi/sockaddr';

export interface InetAddress {
  family: 'IPv4' | 'IPv6';
  address: string;
  port: number;
  /** IPv6 only. */
  flowinfo?: number;
  scopeid?: number;
}

export interface LocalAddress {
  family: 'local';
  path: string;
}

export type SockAddress = InetAddress | LocalAddress;

/** AF_* of a numeric address; undefined for a name. */
export function familyOf(address: string): number | undefined {
  if (isIPv4(address)) return AF_INET;
  return isIPv6(address) ? AF_INET6 : undefined;
}

/** An address from its parts; the family follows from the text. @throws TypeError for a name */
export function inetAddress(address: string, port: number): InetAddress {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw Object.assign(new RangeError(`port should be >= 0 and < 65536, received ${port}`), { code: 'ERR_SOCKET_BAD_PORT' });
  }
  if (isIPv4(address)) return { family: 'IPv4', address, port };
  if (isIPv6(address)) return { family: 'IPv6', address, port };
  throw new TypeError(`${JSON.stringify(address)} is not an IP address`);
}

/**
 * Write `addr` as a sockaddr at `at`.
 * @returns its length in bytes
 */
export function putSockaddr(dv: DataView, at: number, addr: SockAddress): number {
  if (addr.family !== 'local') return addr.family === 'IPv4' ? putIn(dv, at, addr) : putIn6(dv, at, addr);
  const path = new TextEncoder().encode(addr.path);
  if (path.length > SUN_PATHLEN) throw new RangeError(`socket path of ${path.length} bytes, the limit is ${SUN_PATHLEN}`);
  dv.setUint8(at + SA_LEN, SUN_PATH + path.length);
  dv.setUint8(at + SA_FAMILY, AF_LOCAL);
  path.forEach((byte, i) => dv.setUint8(at + SUN_PATH + i, byte));
  return SUN_PATH + path.length;
}

function putIn(dv: DataView, at: number, { address, port }: InetAddress): number {
  dv.setUint32(at, 0);
  dv.setUint8(at + SA_LEN, SOCKADDR_IN_SIZE);
  dv.setUint8(at + SA_FAMILY, AF_INET);
  dv.setUint16(at + SIN_PORT, port);
  address.split('.').forEach((part, i) => dv.setUint8(at + SIN_ADDR + i, Number(part)));
  dv.setFloat64(at + 8, 0);
  return SOCKADDR_IN_SIZE;
}

function putIn6(dv: DataView, at: number, { address, port, flowinfo = 0, scopeid = 0 }: InetAddress): number {
  dv.setUint8(at + SA_LEN, SOCKADDR_IN6_SIZE);
  dv.setUint8(at + SA_FAMILY, AF_INET6);
  dv.setUint16(at + SIN6_PORT, port);
  dv.setUint32(at + SIN6_FLOWINFO, flowinfo);
  const zone = /%(\d+)$/.exec(address);
  parseIn6(address.replace(/%.*$/, '')).forEach((group, i) => dv.setUint16(at + SIN6_ADDR + i * 2, group));
  dv.setUint32(at + SIN6_SCOPE_ID, zone ? Number(zone[1]) : scopeid, true);
  return SOCKADDR_IN6_SIZE;
}

/** The eight groups of a valid IPv6 address. */
function parseIn6(text: string): number[] {
  const v4 = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const hex = (hi: string, lo: string): string => (Number(hi) * 256 + Number(lo)).toString(16);
  const plain = v4 ? `${v4[1]}${hex(v4[2]!, v4[3]!)}:${hex(v4[4]!, v4[5]!)}` : text;
  const [head, tail] = plain.split('::') as [string, string | undefined];
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((g) => parseInt(g, 16)));
  const [before, after] = [groups(head), groups(tail ?? '')];
  return tail === undefined ? before : [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** Read the sockaddr of `len` bytes at `at`; null for none or for a family not known here. */
export function getSockaddr(dv: DataView, at: number, len: number): SockAddress | null {
  if (len < 2) return null;
  const family = dv.getUint8(at + SA_FAMILY);
  if (family === AF_INET && len >= SOCKADDR_IN_SIZE) {
    const bytes = [0, 1, 2, 3].map((i) => dv.getUint8(at + SIN_ADDR + i));
    return { family: 'IPv4', address: bytes.join('.'), port: dv.getUint16(at + SIN_PORT) };
  }
  if (family === AF_INET6 && len >= SOCKADDR_IN6_SIZE) {
    const groups = Array.from({ length: 8 }, (_, i) => dv.getUint16(at + SIN6_ADDR + i * 2));
    const scopeid = dv.getUint32(at + SIN6_SCOPE_ID, true);
    const base: InetAddress = { family: 'IPv6', address: formatIn6(groups), port: dv.getUint16(at + SIN6_PORT) };
    return scopeid === 0 ? base : { ...base, scopeid };
  }
  if (family === AF_LOCAL) {
    const bytes = Array.from({ length: Math.min(len, dv.getUint8(at + SA_LEN) || len) - SUN_PATH }, (_, i) => dv.getUint8(at + SUN_PATH + i));
    const nul = bytes.indexOf(0);
    return { family: 'local', path: new TextDecoder().decode(Uint8Array.from(nul < 0 ? bytes : bytes.slice(0, nul))) };
  }
  return null;
}

/** RFC 5952: lower case, the longest run of two or more zero groups (the first of equals) as "::". */
function formatIn6(groups: readonly number[]): string {
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff) {
    return `::ffff:${groups[6]! >> 8}.${groups[6]! & 255}.${groups[7]! >> 8}.${groups[7]! & 255}`;
  }
  let [best, bestLength] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > bestLength) [best, bestLength] = [i, n];
    if (n > 0) i += n;
  }
  const text = (part: readonly number[]): string => part.map((g) => g.toString(16)).join(':');
  return best < 0 ? text(groups) : `${text(groups.slice(0, best))}::${text(groups.slice(best + bestLength))}`;
}
