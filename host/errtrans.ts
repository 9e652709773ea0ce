/**
 * Error numbers of three worlds: NetBSD's (the image), Linux's (koffi, io on this host) and Node's
 * codes ("ECONNREFUSED").
 *
 * The image speaks NetBSD only (kernel/abi/errno.ts). Names are the common ground: every number of
 * either side has exactly one name here, and libuv's codes are those names plus a few of its own
 * (EAI_*, EOF, ECHARSET, UNKNOWN) which are folded onto the nearest errno.
 *
 *      NetBSD number <-> name <-> Linux number
 *                         ^------ libuv code (a name, or an alias of one)
 *
 * Cost: an array lookup by number, a Map lookup by name; the tables are built once (about 90 rows).
 */
import * as abi from '../kernel/abi/errno';

/** Linux numbers (asm-generic) and the message of each name. Names absent here exist on NetBSD only. */
const linuxRows: ReadonlyArray<readonly [name: string, number: number, text: string]> = [
  ['EPERM', 1, 'operation not permitted'],
  ['ENOENT', 2, 'no such file or directory'],
  ['ESRCH', 3, 'no such process'],
  ['EINTR', 4, 'interrupted system call'],
  ['EIO', 5, 'input/output error'],
  ['ENXIO', 6, 'device not configured'],
  ['E2BIG', 7, 'argument list too long'],
  ['ENOEXEC', 8, 'exec format error'],
  ['EBADF', 9, 'bad file descriptor'],
  ['ECHILD', 10, 'no child processes'],
  ['EAGAIN', 11, 'resource temporarily unavailable'],
  ['ENOMEM', 12, 'cannot allocate memory'],
  ['EACCES', 13, 'permission denied'],
  ['EFAULT', 14, 'bad address'],
  ['ENOTBLK', 15, 'block device required'],
  ['EBUSY', 16, 'device busy'],
  ['EEXIST', 17, 'file exists'],
  ['EXDEV', 18, 'cross-device link'],
  ['ENODEV', 19, 'operation not supported by device'],
  ['ENOTDIR', 20, 'not a directory'],
  ['EISDIR', 21, 'is a directory'],
  ['EINVAL', 22, 'invalid argument'],
  ['ENFILE', 23, 'too many open files in system'],
  ['EMFILE', 24, 'too many open files'],
  ['ENOTTY', 25, 'inappropriate ioctl for device'],
  ['ETXTBSY', 26, 'text file busy'],
  ['EFBIG', 27, 'file too large'],
  ['ENOSPC', 28, 'no space left on device'],
  ['ESPIPE', 29, 'illegal seek'],
  ['EROFS', 30, 'read-only file system'],
  ['EMLINK', 31, 'too many links'],
  ['EPIPE', 32, 'broken pipe'],
  ['EDOM', 33, 'numerical argument out of domain'],
  ['ERANGE', 34, 'result too large'],
  ['EDEADLK', 35, 'resource deadlock avoided'],
  ['ENAMETOOLONG', 36, 'file name too long'],
  ['ENOLCK', 37, 'no locks available'],
  ['ENOSYS', 38, 'function not implemented'],
  ['ENOTEMPTY', 39, 'directory not empty'],
  ['ELOOP', 40, 'too many levels of symbolic links'],
  ['ENODATA', 61, 'no message available'],
  ['ETIME', 62, 'stream ioctl timeout'],
  ['EREMOTE', 66, 'too many levels of remote in path'],
  ['ENOLINK', 67, 'link has been severed'],
  ['EPROTO', 71, 'protocol error'],
  ['EMULTIHOP', 72, 'multihop attempted'],
  ['EBADMSG', 74, 'bad or corrupt message'],
  ['EOVERFLOW', 75, 'value too large to be stored in data type'],
  ['EILSEQ', 84, 'illegal byte sequence'],
  ['EUSERS', 87, 'too many users'],
  ['ENOTSOCK', 88, 'socket operation on non-socket'],
  ['EDESTADDRREQ', 89, 'destination address required'],
  ['EMSGSIZE', 90, 'message too long'],
  ['EPROTOTYPE', 91, 'protocol wrong type for socket'],
  ['ENOPROTOOPT', 92, 'protocol option not available'],
  ['EPROTONOSUPPORT', 93, 'protocol not supported'],
  ['ESOCKTNOSUPPORT', 94, 'socket type not supported'],
  ['EOPNOTSUPP', 95, 'operation not supported'],
  ['EPFNOSUPPORT', 96, 'protocol family not supported'],
  ['EAFNOSUPPORT', 97, 'address family not supported by protocol family'],
  ['EADDRINUSE', 98, 'address already in use'],
  ['EADDRNOTAVAIL', 99, 'cannot assign requested address'],
  ['ENETDOWN', 100, 'network is down'],
  ['ENETUNREACH', 101, 'network is unreachable'],
  ['ENETRESET', 102, 'network dropped connection on reset'],
  ['ECONNABORTED', 103, 'software caused connection abort'],
  ['ECONNRESET', 104, 'connection reset by peer'],
  ['ENOBUFS', 105, 'no buffer space available'],
  ['EISCONN', 106, 'socket is already connected'],
  ['ENOTCONN', 107, 'socket is not connected'],
  ['ESHUTDOWN', 108, 'cannot send after socket shutdown'],
  ['ETOOMANYREFS', 109, 'too many references'],
  ['ETIMEDOUT', 110, 'operation timed out'],
  ['ECONNREFUSED', 111, 'connection refused'],
  ['EHOSTDOWN', 112, 'host is down'],
  ['EHOSTUNREACH', 113, 'no route to host'],
  ['EALREADY', 114, 'operation already in progress'],
  ['EINPROGRESS', 115, 'operation now in progress'],
  ['ESTALE', 116, 'stale file handle'],
  ['EDQUOT', 122, 'disc quota exceeded'],
  ['ECANCELED', 125, 'operation canceled'],
];

/** NetBSD names without a Linux number of their own: the Linux name they travel as. */
const netbsdOnly: Readonly<Record<string, readonly [linux: string, text: string]>> = {
  EPROCLIM: ['EAGAIN', 'too many processes'],
  EFTYPE: ['EINVAL', 'inappropriate file type or format'],
  ENOTSUP: ['EOPNOTSUPP', 'not supported'],
};

/** libuv codes which are not errno names, and names spelt otherwise. */
const aliases: Readonly<Record<string, string>> = {
  EWOULDBLOCK: 'EAGAIN',
  EDEADLOCK: 'EDEADLK',
  EOF: 'ECONNRESET',
  UNKNOWN: 'EIO',
  ECHARSET: 'EILSEQ',
  EAI_ADDRFAMILY: 'EAFNOSUPPORT',
  EAI_AGAIN: 'EAGAIN',
  EAI_FAMILY: 'EAFNOSUPPORT',
  EAI_MEMORY: 'ENOMEM',
  EAI_NODATA: 'EHOSTUNREACH',
  EAI_NONAME: 'EHOSTUNREACH',
  ENOTFOUND: 'EHOSTUNREACH',
  ENONET: 'ENETUNREACH',
  ERR_SOCKET_BAD_PORT: 'EINVAL',
  ERR_SOCKET_DGRAM_NOT_RUNNING: 'EBADF',
  ERR_STREAM_DESTROYED: 'EPIPE',
  ERR_STREAM_WRITE_AFTER_END: 'EPIPE',
};

const nameOfNetbsd: string[] = [];
const netbsdOfName = new Map<string, number>();
const textOfName = new Map<string, string>();
const linuxOfNetbsd: number[] = [];
const netbsdOfLinux: number[] = [];

function buildTables(): void {
  for (const [name, value] of Object.entries(abi)) {
    if (name === 'ELAST') continue;
    netbsdOfName.set(name, value);
    if (name !== 'EWOULDBLOCK') nameOfNetbsd[value] = name;
  }
  const linuxOfName = new Map<string, number>();
  for (const [name, linux, text] of linuxRows) {
    const netbsd = netbsdOfName.get(name);
    if (netbsd === undefined) throw new Error(`errtrans: kernel/abi/errno.ts lacks ${name}`);
    linuxOfName.set(name, linux);
    textOfName.set(name, text);
    linuxOfNetbsd[netbsd] = linux;
    netbsdOfLinux[linux] = netbsd;
  }
  for (const [name, [linuxName, text]] of Object.entries(netbsdOnly)) {
    textOfName.set(name, text);
    linuxOfNetbsd[netbsdOfName.get(name)!] = linuxOfName.get(linuxName)!;
  }
}
buildTables();

/** Name of a NetBSD number ("ECONNREFUSED"), or "E#n" for one that does not exist. */
export function errnoName(errno: number): string {
  return nameOfNetbsd[errno] ?? `E#${errno}`;
}

/** Message of a NetBSD number, in lower case without a full stop. */
export function errnoText(errno: number): string {
  return textOfName.get(errnoName(errno)) ?? `unknown error ${errno}`;
}

/** NetBSD number of a name or of a libuv code; EIO for one nobody knows. */
export function errnoFromCode(code: string): number {
  return netbsdOfName.get(code) ?? netbsdOfName.get(aliases[code] ?? '') ?? abi.EIO;
}

/** NetBSD number of a Linux number (positive or negative); EIO for one without a counterpart. */
export function errnoFromLinux(linux: number): number {
  return netbsdOfLinux[Math.abs(linux)] ?? abi.EIO;
}

/** Linux number of a NetBSD number; Linux's EIO (5) for one without a counterpart. */
export function linuxFromErrno(errno: number): number {
  return linuxOfNetbsd[Math.abs(errno)] ?? 5;
}

/**
 * NetBSD number (positive) of whatever Node or koffi reports: an Error with `.code`, a code string,
 * or a Linux errno (positive or negative).
 */
export function errnoFromNode(error: unknown): number {
  if (typeof error === 'number') return errnoFromLinux(error);
  if (typeof error === 'string') return errnoFromCode(error);
  if (error instanceof SystemError) return error.errno;
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? errnoFromCode(code) : abi.EIO;
}

/** What a SystemError says beyond the number. */
export interface SystemErrorInfo {
  address?: string;
  port?: number;
  path?: string;
  dest?: string;
}

/**
 * A system call of the image failed. Shaped like Node's own system errors, except that `errno` is
 * NetBSD's number (positive): "connect ECONNREFUSED 127.0.0.1:1".
 */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  /** NetBSD's number, positive. */
  readonly errno: number;
  /** Its name: 'ECONNREFUSED'. */
  readonly code: string;
  readonly syscall: string;
  readonly address?: string;
  readonly port?: number;
  readonly path?: string;
  readonly dest?: string;

  /** @param errno NetBSD's number; its sign does not matter, so a raw -errno answer can be passed. */
  constructor(errno: number, syscall: string, info: SystemErrorInfo = {}) {
    const number = Math.abs(errno);
    super(describe(number, syscall, info));
    this.errno = number;
    this.code = errnoName(number);
    this.syscall = syscall;
    if (info.address !== undefined) this.address = info.address;
    if (info.port !== undefined) this.port = info.port;
    if (info.path !== undefined) this.path = info.path;
    if (info.dest !== undefined) this.dest = info.dest;
  }
}

function describe(errno: number, syscall: string, info: SystemErrorInfo): string {
  const code = errnoName(errno);
  if (info.path !== undefined) {
    const arrow = info.dest === undefined ? '' : ` -> '${info.dest}'`;
    return `${code}: ${errnoText(errno)}, ${syscall} '${info.path}'${arrow}`;
  }
  if (info.address !== undefined) {
    const where = info.port === undefined ? info.address
      : info.address.includes(':') ? `[${info.address}]:${info.port}` : `${info.address}:${info.port}`;
    return `${syscall} ${code} ${where}`;
  }
  return `${syscall} ${code}: ${errnoText(errno)}`;
}
