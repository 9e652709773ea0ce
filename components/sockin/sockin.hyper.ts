/**
 * The hypercalls of sockin: the import module `sockin`, served by sockin.user.ts.
 *
 * Sockets of the host, named by a handle (>= 0). No call ever blocks: what would wait answers
 * -EAGAIN (connect: -EINPROGRESS) and is followed, when it can go on, by an event on RING_SOCKIN
 * (sockin.abi.ts) and interrupt INTR_SOCKIN. Events are edges: after one, read (or write, or accept)
 * until -EAGAIN. All numbers are NetBSD's: families, options, flags, errno; addresses are sockaddrs
 * of abi/sockaddr.ts, which carry their own length in the first byte. Answers are >= 0 or -errno.
 */

/** A socket of (domain, type, protocol) whose events will carry `cookie`. A handle. */
export declare function sockin_socket(domain: i32, type: i32, proto: i32, cookie: i32): i32;

/** Name the socket. */
export declare function sockin_bind(h: i32, sa: usize, salen: i32): i32;

/** Become a listener whose queue on the host holds `backlog` connections. */
export declare function sockin_listen(h: i32, backlog: i32): i32;

/**
 * Take the next connection: a handle whose events will carry `cookie`, or -EAGAIN. The peer's
 * address goes to `sa`, at most `size` bytes. A new handle is writable; what there is to read is
 * told by events.
 */
export declare function sockin_accept(h: i32, cookie: i32, sa: usize, size: i32): i32;

/**
 * Connect: 0 (done), or -EINPROGRESS and later SOCKIN_EV_CONNECTED or SOCKIN_EV_ERROR. A datagram
 * socket forgets its peer with salen = 0.
 */
export declare function sockin_connect(h: i32, sa: usize, salen: i32): i32;

/** Send from `buf` to the peer; `flags` MSG_*. Bytes taken. */
export declare function sockin_send(h: i32, buf: usize, len: i32, flags: i32): i32;

/** Receive into `buf`. Bytes, 0 at the end of the stream. For a datagram its full length, even if it was cut. */
export declare function sockin_recv(h: i32, buf: usize, len: i32, flags: i32): i32;

/** As sockin_send, from `iovcnt` iovecs at `iov`, to `sa` (salen = 0: to the peer). */
export declare function sockin_sendmsg(h: i32, iov: usize, iovcnt: i32, flags: i32, sa: usize, salen: i32): i32;

/** As sockin_recv, into `iovcnt` iovecs at `iov`; the sender goes to `sa` (size = 0: nowhere). */
export declare function sockin_recvmsg(h: i32, iov: usize, iovcnt: i32, flags: i32, sa: usize, size: i32): i32;

/** Finish one direction or both; `how` SHUT_*. */
export declare function sockin_shutdown(h: i32, how: i32): i32;

/** Let go of the handle; what was sent still goes out, in the background. */
export declare function sockin_close(h: i32): i32;

/** Let go of the handle with a reset (TCP): nothing more goes out. */
export declare function sockin_abort(h: i32): i32;

/** Address of one end (SOCKIN_NAME_*) to `sa`, at most `size` bytes. Its length. */
export declare function sockin_getname(h: i32, which: i32, sa: usize, size: i32): i32;

/** Set an option; `len` bytes at `val`. */
export declare function sockin_setopt(h: i32, level: i32, opt: i32, val: usize, len: i32): i32;

/** Read an option into `val`, at most `len` bytes. Its length. */
export declare function sockin_getopt(h: i32, level: i32, opt: i32, val: usize, len: i32): i32;

/** Bytes that sockin_recv would find now (a datagram socket: of the next datagram). */
export declare function sockin_avail(h: i32): i32;

/** Bytes sent that the peer does not have yet. */
export declare function sockin_unsent(h: i32): i32;

/** 1 when the next byte to read is the one after urgent data, else 0. */
export declare function sockin_atmark(h: i32): i32;
