/**
 * Linux's numbers for what the image says in NetBSD's: socket types, message flags, options, epoll.
 *
 * Only little-endian 64-bit Linux with the generic numbering is served (x64, arm64, riscv64); on
 * anything else the node backend runs. Linux checks an option's value itself, so the table is of
 * names only; the few whose values differ in form are in linuxOption.user.ts.
 */
import * as inet from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/socket';

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x80000000;

export const FIONREAD = 0x541b;
export const SIOCOUTQ = 0x5411;
export const SIOCATMARK = 0x8905;

export const SOL_SOCKET = 1;
export const SO_ERROR = 4;
export const SO_OOBINLINE = 10;
export const SO_LINGER = 13;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;

const MSG_PEEK = 0x02;
const MSG_TRUNC = 0x20;
const MSG_NOSIGNAL = 0x4000;

/** NetBSD's message flags → Linux's. MSG_DONTWAIT is implied, MSG_WAITALL is the image's affair. */
const flagRows: ReadonlyArray<readonly [number, number]> = [
  [abi.MSG_OOB, 0x01], [abi.MSG_PEEK, MSG_PEEK], [abi.MSG_DONTROUTE, 0x04], [abi.MSG_EOR, 0x80],
  [abi.MSG_MORE, 0x8000],
];

/** Flags of send(2). A signal is never wanted: EPIPE says it all. */
export function sendFlags(flags: number): number {
  let linux = MSG_NOSIGNAL;
  if (flags !== 0) for (const [from, to] of flagRows) if ((flags & from) !== 0) linux |= to;
  return linux;
}

/** Flags of recv(2). A datagram's full length is always asked for: the image cuts and says so. */
export function recvFlags(flags: number, datagram: boolean): number {
  let linux = datagram ? MSG_TRUNC : 0;
  if ((flags & abi.MSG_PEEK) !== 0) linux |= MSG_PEEK;
  return linux;
}

const optionRows: ReadonlyArray<readonly [level: number, opt: number, linuxLevel: number, linuxOpt: number]> = [
  [abi.SOL_SOCKET, abi.SO_REUSEADDR, SOL_SOCKET, 2],
  [abi.SOL_SOCKET, abi.SO_TYPE, SOL_SOCKET, 3],
  [abi.SOL_SOCKET, abi.SO_ERROR, SOL_SOCKET, SO_ERROR],
  [abi.SOL_SOCKET, abi.SO_DONTROUTE, SOL_SOCKET, 5],
  [abi.SOL_SOCKET, abi.SO_BROADCAST, SOL_SOCKET, 6],
  [abi.SOL_SOCKET, abi.SO_SNDBUF, SOL_SOCKET, 7],
  [abi.SOL_SOCKET, abi.SO_RCVBUF, SOL_SOCKET, 8],
  [abi.SOL_SOCKET, abi.SO_KEEPALIVE, SOL_SOCKET, 9],
  [abi.SOL_SOCKET, abi.SO_REUSEPORT, SOL_SOCKET, 15],
  [inet.IPPROTO_IP, inet.IP_TOS, 0, 1],
  [inet.IPPROTO_IP, inet.IP_TTL, 0, 2],
  [inet.IPPROTO_IP, inet.IP_MINTTL, 0, 21],
  [inet.IPPROTO_IP, inet.IP_MULTICAST_IF, 0, 32],
  [inet.IPPROTO_IP, inet.IP_MULTICAST_TTL, 0, 33],
  [inet.IPPROTO_IP, inet.IP_MULTICAST_LOOP, 0, 34],
  [inet.IPPROTO_IP, inet.IP_ADD_MEMBERSHIP, 0, 35],
  [inet.IPPROTO_IP, inet.IP_DROP_MEMBERSHIP, 0, 36],
  [inet.IPPROTO_IPV6, inet.IPV6_UNICAST_HOPS, IPPROTO_IPV6, 16],
  [inet.IPPROTO_IPV6, inet.IPV6_MULTICAST_IF, IPPROTO_IPV6, 17],
  [inet.IPPROTO_IPV6, inet.IPV6_MULTICAST_HOPS, IPPROTO_IPV6, 18],
  [inet.IPPROTO_IPV6, inet.IPV6_MULTICAST_LOOP, IPPROTO_IPV6, 19],
  [inet.IPPROTO_IPV6, inet.IPV6_JOIN_GROUP, IPPROTO_IPV6, 20],
  [inet.IPPROTO_IPV6, inet.IPV6_LEAVE_GROUP, IPPROTO_IPV6, 21],
  [inet.IPPROTO_IPV6, inet.IPV6_V6ONLY, IPPROTO_IPV6, IPV6_V6ONLY],
  [inet.IPPROTO_IPV6, inet.IPV6_TCLASS, IPPROTO_IPV6, 67],
  [inet.IPPROTO_TCP, inet.TCP_NODELAY, 6, 1],
  [inet.IPPROTO_TCP, inet.TCP_MAXSEG, 6, 2],
  [inet.IPPROTO_TCP, inet.TCP_KEEPIDLE, 6, 4],
  [inet.IPPROTO_TCP, inet.TCP_KEEPINTVL, 6, 5],
  [inet.IPPROTO_TCP, inet.TCP_KEEPCNT, 6, 6],
  [inet.IPPROTO_TCP, inet.TCP_CONGCTL, 6, 13],
  [inet.IPPROTO_TCP, inet.TCP_USER_TIMEOUT, 6, 18],
];

const key = (level: number, opt: number): number => level * 65536 + opt;
const options = new Map(optionRows.map(([level, opt, l, o]) => [key(level, opt), { level: l, opt: o }]));

/** Linux's level and number of an option of the image, or undefined where Linux has none. */
export function linuxOption(level: number, opt: number): { level: number; opt: number } | undefined {
  return options.get(key(level, opt));
}
