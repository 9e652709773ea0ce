/**
 * Error numbers, in NetBSD's numbering, shared by the image and the host.
 *
 * A kernel function answers >= 0 for success or one of these negated; it never throws. The host
 * turns Node's and Linux's numbers into these and back (host/errtrans.ts), so that nothing inside
 * the image depends on where it runs. Compiled by asc and by tsc alike: constants only.
 */
/** Operation not permitted. */
export const EPERM: i32 = 1;
/** No such file or directory. */
export const ENOENT: i32 = 2;
/** No such process. */
export const ESRCH: i32 = 3;
/** Interrupted system call. */
export const EINTR: i32 = 4;
/** Input/output error. */
export const EIO: i32 = 5;
/** Device not configured. */
export const ENXIO: i32 = 6;
/** Argument list too long. */
export const E2BIG: i32 = 7;
/** Exec format error. */
export const ENOEXEC: i32 = 8;
/** Bad file descriptor. */
export const EBADF: i32 = 9;
/** No child processes. */
export const ECHILD: i32 = 10;
/** Resource deadlock avoided. */
export const EDEADLK: i32 = 11;
/** Cannot allocate memory. */
export const ENOMEM: i32 = 12;
/** Permission denied. */
export const EACCES: i32 = 13;
/** Bad address. */
export const EFAULT: i32 = 14;
/** Block device required. */
export const ENOTBLK: i32 = 15;
/** Device busy. */
export const EBUSY: i32 = 16;
/** File exists. */
export const EEXIST: i32 = 17;
/** Cross-device link. */
export const EXDEV: i32 = 18;
/** Operation not supported by device. */
export const ENODEV: i32 = 19;
/** Not a directory. */
export const ENOTDIR: i32 = 20;
/** Is a directory. */
export const EISDIR: i32 = 21;
/** Invalid argument. */
export const EINVAL: i32 = 22;
/** Too many open files in system. */
export const ENFILE: i32 = 23;
/** Too many open files. */
export const EMFILE: i32 = 24;
/** Inappropriate ioctl for device. */
export const ENOTTY: i32 = 25;
/** Text file busy. */
export const ETXTBSY: i32 = 26;
/** File too large. */
export const EFBIG: i32 = 27;
/** No space left on device. */
export const ENOSPC: i32 = 28;
/** Illegal seek. */
export const ESPIPE: i32 = 29;
/** Read-only file system. */
export const EROFS: i32 = 30;
/** Too many links. */
export const EMLINK: i32 = 31;
/** Broken pipe. */
export const EPIPE: i32 = 32;
/** Numerical argument out of domain. */
export const EDOM: i32 = 33;
/** Result too large. */
export const ERANGE: i32 = 34;
/** Resource temporarily unavailable. */
export const EAGAIN: i32 = 35;
/** Operation now in progress. */
export const EINPROGRESS: i32 = 36;
/** Operation already in progress. */
export const EALREADY: i32 = 37;
/** Socket operation on non-socket. */
export const ENOTSOCK: i32 = 38;
/** Destination address required. */
export const EDESTADDRREQ: i32 = 39;
/** Message too long. */
export const EMSGSIZE: i32 = 40;
/** Protocol wrong type for socket. */
export const EPROTOTYPE: i32 = 41;
/** Protocol option not available. */
export const ENOPROTOOPT: i32 = 42;
/** Protocol not supported. */
export const EPROTONOSUPPORT: i32 = 43;
/** Socket type not supported. */
export const ESOCKTNOSUPPORT: i32 = 44;
/** Operation not supported. */
export const EOPNOTSUPP: i32 = 45;
/** Protocol family not supported. */
export const EPFNOSUPPORT: i32 = 46;
/** Address family not supported by protocol family. */
export const EAFNOSUPPORT: i32 = 47;
/** Address already in use. */
export const EADDRINUSE: i32 = 48;
/** Can't assign requested address. */
export const EADDRNOTAVAIL: i32 = 49;
/** Network is down. */
export const ENETDOWN: i32 = 50;
/** Network is unreachable. */
export const ENETUNREACH: i32 = 51;
/** Network dropped connection on reset. */
export const ENETRESET: i32 = 52;
/** Software caused connection abort. */
export const ECONNABORTED: i32 = 53;
/** Connection reset by peer. */
export const ECONNRESET: i32 = 54;
/** No buffer space available. */
export const ENOBUFS: i32 = 55;
/** Socket is already connected. */
export const EISCONN: i32 = 56;
/** Socket is not connected. */
export const ENOTCONN: i32 = 57;
/** Can't send after socket shutdown. */
export const ESHUTDOWN: i32 = 58;
/** Too many references: can't splice. */
export const ETOOMANYREFS: i32 = 59;
/** Operation timed out. */
export const ETIMEDOUT: i32 = 60;
/** Connection refused. */
export const ECONNREFUSED: i32 = 61;
/** Too many levels of symbolic links. */
export const ELOOP: i32 = 62;
/** File name too long. */
export const ENAMETOOLONG: i32 = 63;
/** Host is down. */
export const EHOSTDOWN: i32 = 64;
/** No route to host. */
export const EHOSTUNREACH: i32 = 65;
/** Directory not empty. */
export const ENOTEMPTY: i32 = 66;
/** Too many processes. */
export const EPROCLIM: i32 = 67;
/** Too many users. */
export const EUSERS: i32 = 68;
/** Disc quota exceeded. */
export const EDQUOT: i32 = 69;
/** Stale file handle. */
export const ESTALE: i32 = 70;
/** Too many levels of remote in path. */
export const EREMOTE: i32 = 71;
/** No locks available. */
export const ENOLCK: i32 = 77;
/** Function not implemented. */
export const ENOSYS: i32 = 78;
/** Inappropriate file type or format. */
export const EFTYPE: i32 = 79;
/** Value too large to be stored in data type. */
export const EOVERFLOW: i32 = 84;
/** Illegal byte sequence. */
export const EILSEQ: i32 = 85;
/** Not supported. */
export const ENOTSUP: i32 = 86;
/** Operation canceled. */
export const ECANCELED: i32 = 87;
/** Bad or corrupt message. */
export const EBADMSG: i32 = 88;
/** No message available. */
export const ENODATA: i32 = 89;
/** STREAM ioctl timeout. */
export const ETIME: i32 = 92;
/** Multihop attempted. */
export const EMULTIHOP: i32 = 94;
/** Link has been severed. */
export const ENOLINK: i32 = 95;
/** Protocol error. */
export const EPROTO: i32 = 96;
/** NetBSD's name for EAGAIN on sockets; the same number. */
export const EWOULDBLOCK: i32 = EAGAIN;
/** Largest number in use. */
export const ELAST: i32 = 96;
