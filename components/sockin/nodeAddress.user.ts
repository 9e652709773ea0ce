/**
 * Addresses between the image's sockaddrs and the strings that node:net and node:dgram speak.
 *
 *      | 28 | AF_INET6 | port BE | flowinfo | 16 bytes | scope |   <->   { address: "fe80::1%eth0", port }
 *
 * IPv6 text goes out as eight groups (Node takes any valid form) and comes in in every form of
 * RFC 4291 §2.2: "::", an embedded IPv4 address, a zone after "%" (RFC 4007 §11). A zone is a number
 * in a sockaddr and the name of an interface to libuv, except on Windows.
 */
import { networkInterfaces } from 'node:os';
import { EFAULT, EINVAL } from '../../kernel/abi/errno';
import {
  SIN6_ADDR, SIN6_FLOWINFO, SIN6_PORT, SIN6_SCOPE_ID, SIN_ADDR, SIN_PORT, SOCKADDR_IN6_SIZE, SOCKADDR_IN_SIZE,
} from '../../kernel/abi/sockaddr';
import { AF_INET, AF_INET6 } from '../../kernel/abi/socket';
import { checkSockaddr, span, type SockinHost } from './backend.user';

/** One end of a connection, as Node names it. */
export interface Endpoint { address: string; port: number }

/** The wildcard address of a family, port 0. */
export function anyEndpoint(family: number): Endpoint {
  return { address: family === AF_INET6 ? '::' : '0.0.0.0', port: 0 };
}

/** Read the image's sockaddr. @returns an endpoint, or -errno */
export function readSockaddr(host: SockinHost, pointer: number, salen: number, family: number): Endpoint | number {
  const sa = pointer >>> 0;
  const r = checkSockaddr(host.u8, sa, salen, family);
  if (r < 0) return r;
  const { u8, dv } = host;
  if (family === AF_INET) {
    return { address: u8.subarray(sa + SIN_ADDR, sa + SIN_ADDR + 4).join('.'), port: dv.getUint16(sa + SIN_PORT, false) };
  }
  const scope = dv.getUint32(sa + SIN6_SCOPE_ID, true);
  const zone = scope === 0 ? '' : `%${zoneName(scope)}`;
  return { address: formatIpv6(u8, sa + SIN6_ADDR) + zone, port: dv.getUint16(sa + SIN6_PORT, false) };
}

/** Write `end` as a sockaddr of `family` at `pointer`, which has room for `size` bytes. Its length or -errno. */
export function writeSockaddr(host: SockinHost, pointer: number, size: number, family: number, end: Endpoint): number {
  const sa = pointer >>> 0;
  const { u8, dv } = host;
  if (!span(sa, size, u8.length)) return -EFAULT;
  const length = family === AF_INET ? SOCKADDR_IN_SIZE : SOCKADDR_IN6_SIZE;
  if (size < length) return -EINVAL;
  u8.fill(0, sa, sa + length);
  u8[sa] = length;
  u8[sa + 1] = family;
  if (family === AF_INET) {
    dv.setUint16(sa + SIN_PORT, end.port, false);
    u8.set(parseIpv4(end.address) ?? [0, 0, 0, 0], sa + SIN_ADDR);
    return length;
  }
  const [text = '', zone = ''] = end.address.split('%');
  dv.setUint16(sa + SIN6_PORT, end.port, false);
  dv.setUint32(sa + SIN6_FLOWINFO, 0, false);
  u8.set(parseIpv6(text) ?? new Uint8Array(16), sa + SIN6_ADDR);
  dv.setUint32(sa + SIN6_SCOPE_ID, zone === '' ? 0 : zoneNumber(zone), true);
  return length;
}

/** The four bytes of a dotted quad, or undefined. */
export function parseIpv4(text: string): number[] | undefined {
  const bytes = text.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  return bytes.length === 4 && bytes.every((b) => b < 256) ? bytes : undefined;
}

export function formatIpv4(u8: Uint8Array, at: number): string {
  return u8.subarray(at, at + 4).join('.');
}

export function formatIpv6(u8: Uint8Array, at: number): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((u8[at + i]! << 8) | u8[at + i + 1]!).toString(16));
  return groups.join(':');
}

/** The sixteen bytes of an IPv6 address without zone, or undefined. */
export function parseIpv6(text: string): Uint8Array | undefined {
  let source = text;
  const dot = source.lastIndexOf(':');
  if (source.includes('.')) {
    const quad = parseIpv4(source.slice(dot + 1));
    if (!quad) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = quad;
    source = `${source.slice(0, dot + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const halves = source.split('::');
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string | undefined): string[] => (half ? half.split(':') : []);
  const left = groupsOf(halves[0]);
  const right = groupsOf(halves[1]);
  const gap = 8 - left.length - right.length;
  if (halves.length === 1 ? gap !== 0 : gap < 1) return undefined;
  const groups = [...left, ...new Array<string>(gap).fill('0'), ...right];
  const out = new Uint8Array(16);
  for (const [i, group] of groups.entries()) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    const value = parseInt(group, 16);
    out[2 * i] = value >> 8;
    out[2 * i + 1] = value & 255;
  }
  return out;
}

/** libuv wants the interface by name. */
export function zoneName(scope: number): string {
  if (process.platform === 'win32') return String(scope);
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((a) => a.family === 'IPv6' && a.scopeid === scope)) return name;
  }
  return String(scope);
}

export function zoneNumber(zone: string): number {
  if (/^\d+$/.test(zone)) return Number(zone);
  const found = networkInterfaces()[zone]?.find((a) => a.family === 'IPv6' && a.scopeid !== 0);
  return found?.family === 'IPv6' ? found.scopeid : 0;
}
