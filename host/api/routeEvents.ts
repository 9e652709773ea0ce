/**
 * kernel.routeEvents: what a routing socket of the image tells (components/route/rtsock.ts), as objects.
 *
 *      const listener = kernel.routeEvents((event) => …);      listener.stop();
 *
 * Messages are binary as NetBSD's (kernel/abi/route.ts). A listener that was too slow is told once that it has
 * lost some ("overflow") and must look at the tables anew.
 */
import { ENOBUFS } from '../../kernel/abi/errno';
import * as abi from '../../kernel/abi/route';
import { AF_INET, AF_ROUTE, SOCK_RAW } from '../../kernel/abi/socket';
import { SYS_close } from '../../kernel/abi/syscall';
import { KernelGoneError } from '../panic';
import type { KEvents, Watcher } from './kevents';
import type { Sys } from './sysSockets';

export interface RouteEvent {
  /** "overflow" stands for messages that were lost. */
  type: 'add' | 'delete' | 'change' | 'redirect' | 'miss' | 'interface' | 'address' | 'address-gone' | 'overflow' | 'unknown';
  /** Number of the interface; 0 for none. */
  index: number;
  flags: number;
  /** "10.1.0.0/16" */
  destination?: string;
  gateway?: string;
  /** The address to send from, or that came or went. */
  address?: string;
  broadcast?: string;
  /** Who sent the redirect. */
  author?: string;
  mtu?: number;
}

const types = new Map<number, RouteEvent['type']>([
  [abi.RTM_ADD, 'add'], [abi.RTM_DELETE, 'delete'], [abi.RTM_CHANGE, 'change'], [abi.RTM_REDIRECT, 'redirect'], [abi.RTM_MISS, 'miss'],
  [abi.RTM_IFINFO, 'interface'], [abi.RTM_NEWADDR, 'address'], [abi.RTM_DELADDR, 'address-gone'],
]);

/** sockaddrs by the bits of `addrs`, from `at` on. */
function addresses(bytes: Buffer, addrs: number, at: number): Map<number, string> {
  const found = new Map<number, string>();
  for (let bit = 1; bit <= abi.RTA_BRD && at < bytes.length; bit <<= 1) {
    if ((addrs & bit) === 0) continue;
    const length = bytes[at]!;
    if (bytes[at + 1] === AF_INET) found.set(bit, bytes.subarray(at + 4, at + 8).join('.'));
    at += Math.max(8, (length + 7) & ~7);
  }
  return found;
}

const lengthOf = (mask: string): number => mask.split('.').reduce((sum, byte) => sum + Number(byte).toString(2).replace(/0/g, '').length, 0);

/** One message of a routing socket; null if it is none of this version. */
export function parseRouteMessage(bytes: Buffer): RouteEvent | null {
  if (bytes.length < abi.IFAM_HDRLEN || bytes[abi.RTM_VERSIONOFF] !== abi.RTM_VERSION || bytes.readUInt16LE(abi.RTM_MSGLEN) !== bytes.length) return null;
  const type = types.get(bytes[abi.RTM_TYPE]!) ?? 'unknown';
  if (type === 'interface') {
    return { type, index: bytes.readUInt16LE(abi.IFM_INDEX), flags: bytes.readInt32LE(abi.IFM_FLAGS), mtu: Number(bytes.readBigUInt64LE(abi.IFM_DATA_MTU)) };
  }
  const ofAddress = type === 'address' || type === 'address-gone';
  const found = addresses(bytes, bytes.readInt32LE(abi.RTM_ADDRS), ofAddress ? abi.IFAM_HDRLEN : abi.RTM_HDRLEN);
  const get = (bit: number, name: keyof RouteEvent): Partial<RouteEvent> => (found.has(bit) ? { [name]: found.get(bit) } : {});
  const mask = found.get(abi.RTA_NETMASK);
  const [destination, local] = [found.get(abi.RTA_DST), found.get(abi.RTA_IFA)];
  return {
    type, index: bytes.readUInt16LE(abi.RTM_INDEX), flags: bytes.readInt32LE(abi.RTM_FLAGS),
    ...(destination === undefined ? {} : { destination: mask === undefined ? destination : `${destination}/${lengthOf(mask)}` }),
    ...get(abi.RTA_GATEWAY, 'gateway'),
    ...(local === undefined ? {} : { address: ofAddress && mask !== undefined ? `${local}/${lengthOf(mask)}` : local }),
    ...get(abi.RTA_BRD, 'broadcast'), ...get(abi.RTA_AUTHOR, 'author'),
  };
}

const overflow: RouteEvent = { type: 'overflow', index: 0, flags: 0 };

/** A routing socket that is read as soon as there is something to read. */
export class RouteListener implements Watcher {
  /** Resolves after stop(); rejects if the kernel ends. */
  readonly done: Promise<void>;

  private readonly sys: Sys;
  private readonly kevents: KEvents;
  private readonly onRoute: (event: RouteEvent) => void;
  private readonly watchId: number;
  private fd: number;
  private resolve!: () => void;
  private reject!: (error: Error) => void;

  /** @throws SystemError if the image has no routing sockets, or no more of them */
  constructor(sys: Sys, kevents: KEvents, onRoute: (event: RouteEvent) => void) {
    this.sys = sys;
    this.kevents = kevents;
    this.onRoute = onRoute;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => {});
    this.fd = sys.socket(AF_ROUTE, SOCK_RAW, 0);
    this.watchId = kevents.watch(this.fd, this, true);
  }

  stop(): void {
    if (this.fd < 0) return;
    this.kevents.forget(this.watchId);
    this.sys.raw(SYS_close, this.fd);
    this.fd = -1;
    this.resolve();
  }

  onEvent(): void {
    while (this.fd >= 0) {
      const size = this.sys.tryRecvfrom(this.fd);
      if (size < 0 && size !== -ENOBUFS) return;
      const event = size < 0 ? overflow : parseRouteMessage(this.sys.takeData(size));
      if (event !== null) this.onRoute(event);
    }
  }

  onGone(error: Error | null): void {
    if (this.fd < 0) return;
    this.fd = -1;
    this.reject(error ?? new KernelGoneError('the kernel has ended'));
  }
}
