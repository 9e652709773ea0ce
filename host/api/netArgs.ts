/**
 * The argument forms of node:net and node:dgram, read once and for all.
 *
 *      connect(port, host?, listener?) · connect(path, listener?) · connect(options, listener?)
 *      listen(port?, host?, backlog?, listener?) · listen(path …) · listen(options, listener?)
 *
 * Names are not resolved here (the image has no resolver): a host must be an IP address or
 * "localhost", unless the caller brings a `lookup` function of Node's form. A server listens on
 * 0.0.0.0 by default; "::" must be asked for.
 */
import { AF_INET, AF_INET6, AF_LOCAL } from '../../kernel/abi/socket';
import { inetAddress, familyOf, type SockAddress } from './sockaddr';

export type LookupFunction = (
  host: string, options: { family: number }, callback: (error: Error | null, address: string) => void,
) => void;

export interface ConnectOptions {
  port?: number | string;
  host?: string;
  /** A local socket instead of a port. */
  path?: string;
  /** 4 or 6: which loopback "localhost" means. */
  family?: number;
  localAddress?: string;
  localPort?: number;
  noDelay?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  timeout?: number;
  lookup?: LookupFunction;
}

/** Where a connect() goes. */
export interface NetTarget {
  /** undefined: `host` is a name that nobody resolved. */
  address: SockAddress | undefined;
  host?: string;
  port?: number;
}

/** AF_* of an address. */
export function domainOf(address: SockAddress): number {
  if (address.family === 'local') return AF_LOCAL;
  return address.family === 'IPv4' ? AF_INET : AF_INET6;
}

/** A port number from a number or decimal text. @throws RangeError ERR_SOCKET_BAD_PORT */
export function toPort(value: unknown): number {
  const port = typeof value === 'string' && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw Object.assign(new RangeError(`Port should be >= 0 and < 65536. Received ${String(value)}.`), { code: 'ERR_SOCKET_BAD_PORT' });
  }
  return port;
}

/** The address that `host` and `port` mean without asking anybody; undefined for a name. */
export function addressOf(host: string, port: number, family = 0): SockAddress | undefined {
  if (familyOf(host) !== undefined) return inetAddress(host, port);
  return host === 'localhost' ? inetAddress(family === 6 ? '::1' : '127.0.0.1', port) : undefined;
}

type Listener = () => void;

/** Split off a trailing listener, if there is one. */
function splitListener(args: readonly unknown[]): { rest: unknown[]; listener: Listener | undefined } {
  const rest = args.filter((arg) => arg !== undefined && arg !== null);
  const last = rest.at(-1);
  if (typeof last !== 'function') return { rest, listener: undefined };
  return { rest: rest.slice(0, -1), listener: last as Listener };
}

const isPort = (value: unknown): boolean => typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));

/** The arguments of connect(). */
export function connectTarget(args: readonly unknown[]): { target: NetTarget; options: ConnectOptions; listener: Listener | undefined } {
  const { rest, listener } = splitListener(args);
  const [first, second] = rest;
  let options: ConnectOptions;
  if (typeof first === 'object') options = first as ConnectOptions;
  else if (isPort(first)) options = { port: first as number, ...(typeof second === 'string' ? { host: second } : {}) };
  else options = { path: String(first) };
  if (options.path !== undefined && options.port === undefined) {
    return { target: { address: { family: 'local', path: options.path } }, options, listener };
  }
  const port = toPort(options.port);
  const host = options.host ?? 'localhost';
  return { target: { address: addressOf(host, port, options.family), host, port }, options, listener };
}

export interface ListenOptions {
  port?: number | string;
  host?: string;
  path?: string;
  backlog?: number;
  /** With "::": accept IPv6 only. */
  ipv6Only?: boolean;
  /** Let several listeners share the port. */
  reusePort?: boolean;
}

/** The arguments of listen(). */
export function listenTarget(args: readonly unknown[]): { address: SockAddress | undefined; options: ListenOptions; listener: Listener | undefined } {
  const { rest, listener } = splitListener(args);
  const [first] = rest;
  let options: ListenOptions;
  if (typeof first === 'object') {
    options = first as ListenOptions;
  } else if (first === undefined || isPort(first)) {
    const host = rest.slice(1).find((arg) => typeof arg === 'string');
    const backlog = rest.slice(1).find((arg) => typeof arg === 'number');
    options = {
      port: (first ?? 0) as number, ...(host === undefined ? {} : { host: host as string }),
      ...(backlog === undefined ? {} : { backlog: backlog as number }),
    };
  } else {
    options = { path: String(first) };
  }
  if (options.path !== undefined && options.port === undefined) return { address: { family: 'local', path: options.path }, options, listener };
  return { address: addressOf(options.host ?? '0.0.0.0', toPort(options.port ?? 0)), options, listener };
}
