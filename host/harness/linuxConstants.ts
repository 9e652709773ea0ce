/**
 * Linux's numbers on one side, the image's (NetBSD's) on the other, for whoever speaks to the harness.
 *
 * Options are matched by name: what the kernel's ABI files do not have cannot be set, and says
 * ENOPROTOOPT as Linux would; a name that is added there is understood here from then on.
 */
import * as filio from '../../kernel/abi/filio';
import * as inet from '../../kernel/abi/inet';
import * as socket from '../../kernel/abi/socket';

export const LINUX_EINVAL = 22;
export const LINUX_AF_INET6 = 10;
const LINUX_SOL_SOCKET = 1;
const LINUX_SOCK_NONBLOCK = 0x800;
const LINUX_SOCK_TYPEMASK = 0xf;
const LINUX_SOL_TCP = 6;
const LINUX_SOL_UDP = 17;
const LINUX_SOL_IPV6 = 41;

/** fcntl(2) and the flags it knows here. */
export const LINUX_F_GETFD = 1;
export const LINUX_F_SETFD = 2;
export const LINUX_F_GETFL = 3;
export const LINUX_F_SETFL = 4;
export const LINUX_O_RDWR = 2;
export const LINUX_O_NONBLOCK = 0x800;

export const LINUX_MSG_DONTWAIT = 0x40;

/** Names with the numbers of this kernel. */
type Numbers = Readonly<Record<string, number>>;
const inetNumbers = inet as unknown as Numbers;
const socketNumbers = socket as unknown as Numbers;

/** Linux's number of an option → its name in kernel/abi; several names: the first that exists. */
const socketOptions: Readonly<Record<number, string>> = {
  1: 'SO_DEBUG', 2: 'SO_REUSEADDR', 3: 'SO_TYPE', 4: 'SO_ERROR', 5: 'SO_DONTROUTE', 6: 'SO_BROADCAST', 7: 'SO_SNDBUF', 8: 'SO_RCVBUF',
  9: 'SO_KEEPALIVE', 10: 'SO_OOBINLINE', 13: 'SO_LINGER', 15: 'SO_REUSEPORT', 18: 'SO_RCVLOWAT', 19: 'SO_SNDLOWAT', 20: 'SO_RCVTIMEO',
  21: 'SO_SNDTIMEO', 29: 'SO_TIMESTAMP', 30: 'SO_ACCEPTCONN', 32: 'SO_SNDBUF', 33: 'SO_RCVBUF', 38: 'SO_PROTOCOL', 39: 'SO_DOMAIN',
};
const tcpOptions: Readonly<Record<number, string>> = {
  1: 'TCP_NODELAY', 2: 'TCP_MAXSEG', 3: 'TCP_CORK TCP_NOPUSH', 4: 'TCP_KEEPIDLE', 5: 'TCP_KEEPINTVL', 6: 'TCP_KEEPCNT', 7: 'TCP_SYNCNT',
  8: 'TCP_LINGER2', 9: 'TCP_DEFER_ACCEPT', 10: 'TCP_WINDOW_CLAMP', 11: 'TCP_INFO', 12: 'TCP_QUICKACK', 13: 'TCP_CONGESTION TCP_CONGCTL',
  14: 'TCP_MD5SIG', 18: 'TCP_USER_TIMEOUT', 25: 'TCP_NOTSENT_LOWAT',
};
const ipOptions: Readonly<Record<number, string>> = {
  1: 'IP_TOS', 2: 'IP_TTL', 3: 'IP_HDRINCL', 4: 'IP_OPTIONS', 8: 'IP_PKTINFO', 12: 'IP_RECVTTL', 21: 'IP_MINTTL', 32: 'IP_MULTICAST_IF',
  33: 'IP_MULTICAST_TTL', 34: 'IP_MULTICAST_LOOP', 35: 'IP_ADD_MEMBERSHIP', 36: 'IP_DROP_MEMBERSHIP',
};
const ipv6Options: Readonly<Record<number, string>> = {
  16: 'IPV6_UNICAST_HOPS', 17: 'IPV6_MULTICAST_IF', 18: 'IPV6_MULTICAST_HOPS', 19: 'IPV6_MULTICAST_LOOP', 20: 'IPV6_JOIN_GROUP',
  21: 'IPV6_LEAVE_GROUP', 26: 'IPV6_V6ONLY', 67: 'IPV6_TCLASS',
};

/** An option in the image's numbers. */
export interface NativeOption {
  level: number;
  option: number;
}

function lookUp(numbers: Numbers, names: string | undefined): number | undefined {
  return names?.split(' ').map((name) => numbers[name]).find((number) => number !== undefined);
}

/** The image's numbers of a Linux option; undefined if it has no such thing. */
export function nativeOption(level: number, option: number): NativeOption | undefined {
  const table: readonly [native: number, numbers: Numbers, names: Readonly<Record<number, string>>] =
    level === LINUX_SOL_SOCKET ? [socket.SOL_SOCKET, socketNumbers, socketOptions]
      : level === LINUX_SOL_TCP ? [inet.IPPROTO_TCP, inetNumbers, tcpOptions]
        : level === LINUX_SOL_IPV6 ? [inet.IPPROTO_IPV6, inetNumbers, ipv6Options]
          : level === LINUX_SOL_UDP ? [inet.IPPROTO_UDP, inetNumbers, {}] : [inet.IPPROTO_IP, inetNumbers, level === 0 ? ipOptions : {}];
  const number = lookUp(table[1], table[2][option]);
  return number === undefined ? undefined : { level: table[0], option: number };
}

/** socket(2)'s domain; an unknown one stays unknown. */
export function nativeFamily(domain: number): number {
  if (domain === LINUX_AF_INET6) return socket.AF_INET6;
  return domain === socket.AF_INET || domain === socket.AF_LOCAL ? domain : socket.AF_MAX;
}

/** And back. */
export function linuxFamily(family: number): number {
  return family === socket.AF_INET6 ? LINUX_AF_INET6 : family;
}

/** socket(2)'s type and the flag in it. */
export function nativeType(type: number): { type: number; nonblock: boolean } {
  return { type: type & LINUX_SOCK_TYPEMASK, nonblock: (type & LINUX_SOCK_NONBLOCK) !== 0 };
}

const messageFlags: readonly [linux: number, native: number][] = [
  [0x1, socket.MSG_OOB], [0x2, socket.MSG_PEEK], [0x4, socket.MSG_DONTROUTE], [0x20, socket.MSG_TRUNC], [0x80, socket.MSG_EOR],
  [0x100, socket.MSG_WAITALL], [0x4000, socket.MSG_NOSIGNAL], [0x8000, socket.MSG_MORE],
];

/** MSG_* flags. MSG_DONTWAIT is the harness's own affair. */
export function nativeMessageFlags(flags: number): number {
  return messageFlags.reduce((all, [linux, native]) => ((flags & linux) !== 0 ? all | native : all), 0);
}

/** ioctl(2): requests with an integer for an answer. */
export function nativeIoctl(request: number): number | undefined {
  const known: Readonly<Record<number, number>> = { 0x541b: filio.FIONREAD, 0x5411: filio.FIONWRITE, 0x8905: filio.SIOCATMARK, 0x894b: filio.SIOCOUTQNSD };
  return known[request >>> 0];
}
