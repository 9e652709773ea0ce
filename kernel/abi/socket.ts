/**
 * Sockets: families, types, options, flags and the layouts of msghdr, cmsghdr, iovec and linger,
 * shared by the image and the host. NetBSD's numbers; the structures are those of a 32-bit machine.
 *
 *     iovec    | base u32 | len u32 |
 *     msghdr   | name u32 | namelen u32 | iov u32 | iovlen u32 | control u32 | controllen u32 | flags i32 |
 *     cmsghdr  | len u32 (header and data) | level i32 | type i32 | data … , padded to 4 |
 *     linger   | onoff i32 | seconds i32 |
 *     timeval  | sec i64 | usec i32 | pad i32 |
 *
 * Compiled by asc and by tsc alike: constants only.
 */
export const AF_UNSPEC: i32 = 0;
export const AF_LOCAL: i32 = 1;
export const AF_INET: i32 = 2;
export const AF_LINK: i32 = 18;
export const AF_INET6: i32 = 24;
export const AF_ROUTE: i32 = 34;
export const AF_MAX: i32 = 40;

export const SOCK_STREAM: i32 = 1;
export const SOCK_DGRAM: i32 = 2;
export const SOCK_RAW: i32 = 3;
export const SOCK_SEQPACKET: i32 = 5;
/** The kind of socket within socket(2)'s type argument; the bits above are flags. */
export const SOCK_TYPEMASK: i32 = 0x000000ff;
/** Accepted and ignored: there is no exec. */
export const SOCK_CLOEXEC: i32 = 0x10000000;
export const SOCK_NONBLOCK: i32 = 0x20000000;
/** Accepted and ignored: there are no signals, EPIPE is all a writer gets. */
export const SOCK_NOSIGPIPE: i32 = 0x40000000;

export const SOL_SOCKET: i32 = 0xffff;

export const SO_DEBUG: i32 = 0x0001;
export const SO_ACCEPTCONN: i32 = 0x0002;
export const SO_REUSEADDR: i32 = 0x0004;
export const SO_KEEPALIVE: i32 = 0x0008;
export const SO_DONTROUTE: i32 = 0x0010;
export const SO_BROADCAST: i32 = 0x0020;
export const SO_LINGER: i32 = 0x0080;
export const SO_OOBINLINE: i32 = 0x0100;
export const SO_REUSEPORT: i32 = 0x0200;
export const SO_NOSIGPIPE: i32 = 0x0800;
export const SO_TIMESTAMP: i32 = 0x2000;

export const SO_SNDBUF: i32 = 0x1001;
export const SO_RCVBUF: i32 = 0x1002;
export const SO_SNDLOWAT: i32 = 0x1003;
export const SO_RCVLOWAT: i32 = 0x1004;
export const SO_ERROR: i32 = 0x1007;
export const SO_TYPE: i32 = 0x1008;
/** Datagrams dropped because the receive buffer was full. */
export const SO_OVERFLOWED: i32 = 0x1009;
export const SO_SNDTIMEO: i32 = 0x100b;
export const SO_RCVTIMEO: i32 = 0x100c;
/** Ours, read only: the protocol of socket(2) and the family, as Linux's SO_PROTOCOL and SO_DOMAIN. */
export const SO_PROTOCOL: i32 = 0x1020;
export const SO_DOMAIN: i32 = 0x1021;
/** Ours, read only: connections that the queue of a listener had no room for. */
export const SO_LISTENOVERFLOW: i32 = 0x1022;
/** Ours, read only: completed connections waiting, and the limit that listen(2) set. */
export const SO_LISTENQLEN: i32 = 0x1023;
export const SO_LISTENQLIMIT: i32 = 0x1024;

export const MSG_OOB: i32 = 0x0001;
export const MSG_PEEK: i32 = 0x0002;
export const MSG_DONTROUTE: i32 = 0x0004;
export const MSG_EOR: i32 = 0x0008;
/** Out: the datagram was longer than the buffer. In: answer with the true length of the datagram. */
export const MSG_TRUNC: i32 = 0x0010;
export const MSG_CTRUNC: i32 = 0x0020;
/** All or EAGAIN: nothing is taken until the whole length (or the end, or an error) is there. */
export const MSG_WAITALL: i32 = 0x0040;
/** Accepted; every call is non-blocking anyway. */
export const MSG_DONTWAIT: i32 = 0x0080;
export const MSG_BCAST: i32 = 0x0100;
export const MSG_MCAST: i32 = 0x0200;
export const MSG_NOSIGNAL: i32 = 0x0400;
/** send: more data follows at once (the protocol may hold a short segment back). */
export const MSG_MORE: i32 = 0x8000;

export const SHUT_RD: i32 = 0;
export const SHUT_WR: i32 = 1;
export const SHUT_RDWR: i32 = 2;

/** The default ceiling of listen(2)'s backlog (sysctl kern.ipc.somaxconn). */
export const SOMAXCONN: i32 = 1024;

export const IOVEC_SIZE: i32 = 8;
export const IOV_BASE: i32 = 0;
export const IOV_LEN: i32 = 4;
/** The largest msg_iovlen. */
export const IOV_MAX: i32 = 1024;

export const MSGHDR_SIZE: i32 = 28;
export const MSGHDR_NAME: i32 = 0;
export const MSGHDR_NAMELEN: i32 = 4;
export const MSGHDR_IOV: i32 = 8;
export const MSGHDR_IOVLEN: i32 = 12;
export const MSGHDR_CONTROL: i32 = 16;
export const MSGHDR_CONTROLLEN: i32 = 20;
export const MSGHDR_FLAGS: i32 = 24;

export const CMSGHDR_SIZE: i32 = 12;
export const CMSG_LEN_OFF: i32 = 0;
export const CMSG_LEVEL_OFF: i32 = 4;
export const CMSG_TYPE_OFF: i32 = 8;
/** Control messages: type at level SOL_SOCKET; data = timeval. */
export const SCM_TIMESTAMP: i32 = 0x08;

export const LINGER_SIZE: i32 = 8;
export const TIMEVAL_SIZE: i32 = 16;
