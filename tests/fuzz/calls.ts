/**
 * The system calls with what they take: for each, a function that chooses arguments.
 *
 * A generator writes structures into the area and says which bytes may come out of the call (hostile.ts).
 * `after` sees the result: descriptors that were made are kept for the calls that follow.
 */
import { EVFILT_READ, EVFILT_TIMER, EVFILT_USER, EVFILT_VNODE, EVFILT_WRITE, KE_DATA, KE_FFLAGS, KE_FILTER, KE_FLAGS, KE_IDENT,
  KE_UDATA, KEVENT_SIZE } from '../../kernel/abi/event';
import { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDWR, O_TRUNC, O_WRONLY } from '../../kernel/abi/fcntl';
import { FIONBIO, FIONREAD } from '../../kernel/abi/filio';
import * as nr from '../../kernel/abi/syscall';
import { STAT_SIZEOF } from '../../kernel/abi/stat';
import { STATVFS_SIZEOF } from '../../kernel/abi/statvfs';
import type { Hostile, Kind, Range } from './hostile';

export interface Call {
  name: string;
  nr: number;
  /** How often it is chosen, against the others. */
  weight: number;
  args(h: Hostile): number[];
  after?(h: Hostile, result: number, args: number[]): void;
}

const made = (kind: Kind) => (h: Hostile, result: number): void => h.opened(result, kind);

// ── structures ───────────────────────────────────────────────────────────────────────────────────

const dirNames = ['d', 'e', 'dir'];
const fileNames = ['a', 'b', 'c', 'f', 'ü', 'a b'];
const oddNames = ['.', '..', '', 'x'.repeat(255), 'x'.repeat(256), '\0'];

/** The bytes of a path, which may be none; mostly of a file (or of a directory). */
function path(h: Hostile, last: readonly string[] = fileNames): Range {
  if (h.chance(6)) return h.input(1500);
  let text = h.chance(90) ? '/' : '';
  for (let n = h.pick([0, 0, 0, 1, 1, 2, 3]); n > 0; n--) text += `${h.pick(h.chance(95) ? dirNames : oddNames)}/`;
  text += h.pick(h.chance(90) ? last : [...dirNames, ...fileNames, ...oddNames]) + (h.chance(4) ? '/' : '');
  if (h.chance(2)) text = '/a'.repeat(h.below(600));
  const range = h.putBytes(Buffer.from(text));
  return h.chance(97) ? range : { ptr: range.ptr, len: h.word() };
}

/** `count` iovecs for results (`out`) or arguments. */
function iovecs(h: Hostile, out: boolean): [ptr: number, count: number] {
  const count = h.below(6);
  const ptr = h.struct(8 * count);
  // One bad one is enough to have all of them refused.
  const bad = h.chance(30) ? h.below(6) : -1;
  for (let i = 0; i < count; i++) {
    const { ptr: base, len } = out ? h.output(3000, i !== bad) : h.input(3000, i !== bad);
    h.put32(ptr + 8 * i, base);
    h.put32(ptr + 8 * i + 4, len);
  }
  const kind = h.below(20);
  if (kind === 0) return [ptr, h.pick([-1, -0x80000000, 1025, 0x2000_0000, 0x2000_0001, 0x7fffffff])];
  return kind === 1 ? [h.edge(8), 1] : [ptr, count];
}

/** `count` changes of every kind. */
function changes(h: Hostile): [ptr: number, count: number] {
  const count = h.below(5);
  const ptr = h.struct(KEVENT_SIZE * count);
  for (let i = 0, at = ptr; i < count; i++, at += KEVENT_SIZE) {
    h.put32(at + KE_IDENT, h.chance(70) ? h.fd() : h.below(10));
    h.put16(at + KE_FILTER, h.chance(90) ? h.pick([EVFILT_READ, EVFILT_WRITE, EVFILT_VNODE, EVFILT_TIMER, EVFILT_USER]) : h.word());
    h.put16(at + KE_FLAGS, h.chance(60) ? h.pick([0x01, 0x11, 0x21, 0x41, 0x81, 0x02, 0x04, 0x08, 0x09, 0xa1]) : h.word());
    h.put32(at + KE_FFLAGS, h.chance(50) ? h.below(4) : h.word());
    h.put32(at + KE_UDATA, h.word());
    h.put32(at + KE_DATA, h.word());
    h.put32(at + KE_DATA + 4, h.chance(80) ? 0 : h.word());
  }
  const kind = h.below(20);
  if (kind === 0) return [ptr, h.pick([-1, 0x7fffffff, 178_956_971, -0x80000000])];
  return kind === 1 ? [h.edge(KEVENT_SIZE), 1] : [ptr, count];
}

/** A socket address: of this machine's loopback, of no family of ours, or no address at all. */
function sockaddr(h: Hostile): Range {
  const v6 = h.chance(15);
  const bytes = Buffer.alloc(v6 ? 28 : 16);
  bytes[0] = h.chance(80) ? bytes.length : h.below(256);
  bytes[1] = v6 ? 24 : 2;
  bytes.writeUInt16BE(h.pick(h.ports), 2);
  if (v6) bytes[23] = 1;
  else bytes.set([127, 0, 0, 1], 4);
  const kind = h.below(12);
  if (kind === 0) bytes[1] = h.pick([0, 1, 3, 39, 255]);
  const range = h.putBytes(bytes);
  if (kind === 1) return { ptr: range.ptr, len: h.pick([0, 1, 2, 4, 7, -1, 300, 0x7fffffff]) };
  return kind === 2 ? { ptr: h.edge(16), len: 16 } : range;
}

/** Room for an address: [sa, address of its length]; sa = 0 asks for none. */
function sockaddrOut(h: Hostile): [sa: number, salen: number] {
  return h.chance(30) ? [0, h.word()] : valueOut(h);
}

/** Room for something of any length: [address, address of its length]. */
function valueOut(h: Hostile): [value: number, length: number] {
  const room = h.output(128);
  const salen = h.chance(90) ? h.mayWrite({ ptr: h.struct(4), len: 4 }).ptr : h.edge(4);
  if ((salen >>> 0) + 4 <= h.memorySize) h.put32(salen, room.len);
  return [room.ptr, salen];
}

function msghdr(h: Hostile, out: boolean): number {
  if (h.chance(5)) return h.edge(28);
  const at = h.struct(28);
  if (out) h.mayWrite({ ptr: at, len: 28 });
  const [iov, count] = iovecs(h, out);
  const name = out ? h.output(64) : sockaddr(h);
  const control = out ? h.output(200) : h.input(200);
  const fields = [h.chance(50) ? 0 : name.ptr, name.len, iov, count, h.chance(70) ? 0 : control.ptr, control.len, h.word()];
  fields.forEach((value, i) => h.put32(at + 4 * i, value));
  return at;
}

// ── the calls ────────────────────────────────────────────────────────────────────────────────────

const buffer = (range: Range): number[] => [range.ptr, range.len];

function openFlags(h: Hostile): number {
  const flag = (bit: number, percent: number): number => (h.chance(percent) ? bit : 0);
  return h.pick([0, O_WRONLY, O_RDWR, O_RDWR]) | flag(O_CREAT, 70) | flag(O_EXCL, 5) | flag(O_TRUNC, 10) | flag(O_APPEND, 20)
    | flag(O_NOFOLLOW, 5) | flag(O_DIRECTORY, 5);
}

const anyFile: Call[] = [
  { name: 'read', nr: nr.SYS_read, weight: 6, args: (h) => [h.io(), ...buffer(h.output())] },
  { name: 'write', nr: nr.SYS_write, weight: 8, args: (h) => [h.io(), ...buffer(h.input())] },
  { name: 'readv', nr: nr.SYS_readv, weight: 4, args: (h) => [h.io(), ...iovecs(h, true)] },
  { name: 'writev', nr: nr.SYS_writev, weight: 4, args: (h) => [h.io(), ...iovecs(h, false)] },
  { name: 'fstat', nr: nr.SYS_fstat, weight: 2, args: (h) => [h.io(), h.result(STAT_SIZEOF)] },
  { name: 'fcntl', nr: nr.SYS_fcntl, weight: 2, args: (h) => [h.io(), h.chance(80) ? h.below(6) : h.word(), h.word()] },
  { name: 'ioctl', nr: nr.SYS_ioctl, weight: 3, args: (h) => [h.io(), h.chance(70) ? h.pick([FIONREAD, FIONBIO]) : h.word(), h.chance(85) ? h.resultRoom(256) : h.edge(4)] },
  { name: 'close', nr: nr.SYS_close, weight: 9, args: (h) => [h.toClose()] },
];

const vnodes: Call[] = [
  { name: 'open', nr: nr.SYS_open, weight: 12, after: made('file'),
    args: (h) => [...buffer(path(h)), h.chance(90)
      ? openFlags(h)
      : h.word(), h.word()] },
  { name: 'pread', nr: nr.SYS_pread, weight: 4, args: (h) => [h.io(), ...buffer(h.output()), ...h.offset()] },
  { name: 'pwrite', nr: nr.SYS_pwrite, weight: 6, args: (h) => [h.io(), ...buffer(h.input()), ...h.offset()] },
  { name: 'lseek', nr: nr.SYS_lseek, weight: 4, args: (h) => [h.io(), ...h.offset(), h.chance(90) ? h.below(3) : h.word(), h.chance(20) ? 0 : h.result(8)] },
  { name: 'ftruncate', nr: nr.SYS_ftruncate, weight: 3, args: (h) => [h.io(), ...h.offset()] },
  { name: 'truncate', nr: nr.SYS_truncate, weight: 2, args: (h) => [...buffer(path(h)), ...h.offset()] },
  { name: 'fsync', nr: nr.SYS_fsync, weight: 1, args: (h) => [h.io()] },
  { name: 'fstatvfs', nr: nr.SYS_fstatvfs, weight: 1, args: (h) => [h.io(), h.result(STATVFS_SIZEOF)] },
  { name: 'fchmod', nr: nr.SYS_fchmod, weight: 1, args: (h) => [h.io(), h.word()] },
  { name: 'futimens', nr: nr.SYS_futimens, weight: 1, args: (h) => [h.io(), h.input(32).ptr] },
  { name: 'getdents', nr: nr.SYS_getdents, weight: 4, args: (h) => [h.io(), ...buffer(h.output())] },
  { name: 'fmap', nr: nr.SYS_fmap, weight: 3, args: (h) => [h.io(), ...h.offset(), h.result(4)] },
];

const paths: Call[] = [
  { name: 'mkdir', nr: nr.SYS_mkdir, weight: 3, args: (h) => [...buffer(path(h, dirNames)), h.word()] },
  { name: 'rmdir', nr: nr.SYS_rmdir, weight: 1, args: (h) => buffer(path(h, dirNames)) },
  { name: 'unlink', nr: nr.SYS_unlink, weight: 4, args: (h) => buffer(path(h)) },
  { name: 'rename', nr: nr.SYS_rename, weight: 4, args: (h) => [...buffer(path(h)), ...buffer(path(h))] },
  { name: 'link', nr: nr.SYS_link, weight: 2, args: (h) => [...buffer(path(h)), ...buffer(path(h))] },
  { name: 'symlink', nr: nr.SYS_symlink, weight: 2, args: (h) => [...buffer(path(h)), ...buffer(path(h))] },
  { name: 'readlink', nr: nr.SYS_readlink, weight: 2, args: (h) => [...buffer(path(h)), ...buffer(h.output())] },
  { name: 'stat', nr: nr.SYS_stat, weight: 2, args: (h) => [...buffer(path(h)), h.result(STAT_SIZEOF)] },
  { name: 'lstat', nr: nr.SYS_lstat, weight: 1, args: (h) => [...buffer(path(h)), h.result(STAT_SIZEOF)] },
  { name: 'statvfs', nr: nr.SYS_statvfs, weight: 1, args: (h) => [...buffer(path(h)), h.result(STATVFS_SIZEOF)] },
  { name: 'chmod', nr: nr.SYS_chmod, weight: 1, args: (h) => [...buffer(path(h)), h.word()] },
  { name: 'utimens', nr: nr.SYS_utimens, weight: 1, args: (h) => [...buffer(path(h)), h.input(32).ptr, h.word()] },
  { name: 'mount', nr: nr.SYS_mount, weight: 1, args: (h) => [...buffer(h.putBytes(Buffer.from(h.pick(['tmpfs', 'ffs', 'x'])))), ...buffer(path(h)), h.chance(70) ? 0 : h.word(), h.chance(60) ? 0 : h.input(64).ptr] },
  { name: 'unmount', nr: nr.SYS_unmount, weight: 1, args: (h) => [...buffer(path(h)), h.below(2)] },
];

const events: Call[] = [
  { name: 'kqueue', nr: nr.SYS_kqueue, weight: 2, args: () => [], after: made('kqueue') },
  { name: 'kevent', nr: nr.SYS_kevent, weight: 14,
    args(h) {
      const [ch, nch] = changes(h);
      const nev = h.chance(95) ? h.below(20) : h.pick([-1, 0x7fffffff, 89_478_486]);
      const out = h.chance(95) ? h.resultRoom(20 * KEVENT_SIZE) : h.edge(1);
      return [h.fd('kqueue'), ch, nch, out, nev];
    } },
  { name: 'kqueue_host', nr: nr.SYS_kqueue_host, weight: 1, args: (h) => [h.fd('kqueue')] },
  { name: 'clock_gettime', nr: nr.SYS_clock_gettime, weight: 1, args: (h) => [h.chance(80) ? h.below(2) : h.word(), h.result(8)] },
  { name: 'getparam', nr: nr.SYS_getparam, weight: 1, args: (h) => [...buffer(h.chance(50) ? h.putBytes(Buffer.from('FUZZ')) : h.input(20)), ...buffer(h.output(100))] },
  { name: 'sysctlnext', nr: nr.SYS_sysctlnext, weight: 1, args: (h) => [h.chance(80) ? h.below(60) : h.word(), ...buffer(h.output(100))] },
  { name: 'sysctlbyname', nr: nr.SYS_sysctlbyname, weight: 3,
    args: (h) => [...buffer(h.chance(90) ? h.putBytes(Buffer.from(h.pick(['kern.trace', 'kern.loglevel', 'kern.pools', 'kern.msgbuf', 'kern.stat', 'kern.kmem', 'net.sockin.events', 'kern', '']))) : h.input(20)),
      ...buffer(h.output()), ...buffer(h.chance(60) ? { ptr: 0, len: 0 } : h.input(8))] },
  { name: 'unknown', nr: 0, weight: 2, args: (h) => Array.from({ length: 6 }, () => h.word()) },
];

const sockets: Call[] = [
  { name: 'socket', nr: nr.SYS_socket, weight: 8, after: made('socket'), args: (h) => (h.chance(90) ? [h.pick([2, 2, 24]), 1 + h.below(2), 0] : [h.word(), h.word(), h.word()]) },
  { name: 'socketpair', nr: nr.SYS_socketpair, weight: 1, args: (h) => [h.pick([1, 2, 24]), 1 + h.below(3), 0, h.result(8)] },
  { name: 'bind', nr: nr.SYS_bind, weight: 6, args: (h) => [h.fd('socket'), ...buffer(sockaddr(h))] },
  { name: 'listen', nr: nr.SYS_listen, weight: 4, args: (h) => [h.fd('socket'), h.chance(80) ? h.below(10) : h.word()] },
  { name: 'accept', nr: nr.SYS_accept, weight: 6, after: made('socket'), args: (h) => [h.fd('socket'), ...sockaddrOut(h), h.word()] },
  { name: 'connect', nr: nr.SYS_connect, weight: 6, args: (h) => [h.fd('socket'), ...buffer(sockaddr(h))] },
  { name: 'sendto', nr: nr.SYS_sendto, weight: 6, args: (h) => [h.fd('socket'), ...buffer(h.input()), h.chance(70) ? 0 : h.word(), ...(h.chance(50) ? [0, h.word()] : buffer(sockaddr(h)))] },
  { name: 'recvfrom', nr: nr.SYS_recvfrom, weight: 6, args: (h) => [h.fd('socket'), ...buffer(h.output()), h.chance(70) ? 0 : h.word(), ...sockaddrOut(h)] },
  { name: 'sendmsg', nr: nr.SYS_sendmsg, weight: 4, args: (h) => [h.fd('socket'), msghdr(h, false), h.chance(70) ? 0 : h.word()] },
  { name: 'recvmsg', nr: nr.SYS_recvmsg, weight: 4, args: (h) => [h.fd('socket'), msghdr(h, true), h.chance(70) ? 0 : h.word()] },
  { name: 'shutdown', nr: nr.SYS_shutdown, weight: 2, args: (h) => [h.fd('socket'), h.chance(90) ? h.below(3) : h.word()] },
  { name: 'setsockopt', nr: nr.SYS_setsockopt, weight: 4, args: (h) => [h.fd('socket'), h.chance(70) ? 0xffff : h.pick([0, 6, 17, 41, -1]), h.chance(60) ? 1 << h.below(14) : h.word(), ...buffer(h.input(64))] },
  { name: 'getsockopt', nr: nr.SYS_getsockopt, weight: 4, args: (h) => [h.fd('socket'), h.chance(70) ? 0xffff : h.pick([0, 6, 17, 41, -1]), h.chance(60) ? 0x1000 + h.below(16) : h.word(), ...valueOut(h)] },
  { name: 'getsockname', nr: nr.SYS_getsockname, weight: 4, after: ourPort, args: (h) => [h.fd('socket'), ...sockaddrOut(h)] },
  { name: 'getpeername', nr: nr.SYS_getpeername, weight: 2, args: (h) => [h.fd('socket'), ...sockaddrOut(h)] },
];

/** A port of ours, for others to connect to. */
function ourPort(h: Hostile, result: number, [, sa = 0]: number[]): void {
  if (result !== 0 || sa < h.base || sa + 4 > h.base + 65_536) return;
  const family = h.image.dv.getUint8(sa + 1);
  const port = h.image.dv.getUint16(sa + 2, false);
  if ((family === 2 || family === 24) && port >= 1024 && h.ports.length < 40) h.ports.push(port);
}

export const fileCalls: readonly Call[] = [...anyFile, ...vnodes, ...paths, ...events];
export const socketCalls: readonly Call[] = [...anyFile, ...events, ...sockets];
