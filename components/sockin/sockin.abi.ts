/**
 * The boundary between sockin's two halves: event bits, the layout of an event, limits.
 *
 *      event on RING_SOCKIN:  | cookie u32 | bits u32 | error i32 | zero |        16 bytes
 *      iovec array:           | base u32 | len u32 |  × n                         as abi/socket.ts
 *
 * `cookie` is the image's own name of a socket, given to the host with socket and accept; the host
 * only repeats it. Compiled by asc and by tsc alike: constants only.
 */

/** There is (more) to read, or a connection to accept. */
export const SOCKIN_EV_READ: i32 = 0x01;
/** There is room to write again. */
export const SOCKIN_EV_WRITE: i32 = 0x02;
/** The peer will send no more (FIN): after the data that is there, end of stream. */
export const SOCKIN_EV_RDHUP: i32 = 0x04;
/** Both directions are finished. */
export const SOCKIN_EV_HUP: i32 = 0x08;
/** A connect() under way has succeeded. */
export const SOCKIN_EV_CONNECTED: i32 = 0x10;
/** Something failed: the event's error is the errno (NetBSD's number), to be had by SO_ERROR. */
export const SOCKIN_EV_ERROR: i32 = 0x20;
/** Urgent data has come: a short read need not mean that nothing is left, it may have met the mark. */
export const SOCKIN_EV_URGENT: i32 = 0x40;

export const SOCKIN_EVENT_SIZE: i32 = 16;
export const SOCKIN_EVENT_COOKIE: i32 = 0;
export const SOCKIN_EVENT_BITS: i32 = 4;
export const SOCKIN_EVENT_ERROR: i32 = 8;

/** sockin_getname: which end. */
export const SOCKIN_NAME_SOCK: i32 = 0;
export const SOCKIN_NAME_PEER: i32 = 1;

/** Longest iovec array that one sockin_sendmsg or sockin_recvmsg takes: IOV_MAX of abi/socket.ts. */
export const SOCKIN_IOV_MAX: i32 = 1024;
/** Longest option value that sockin_setopt and sockin_getopt carry, in bytes. */
export const SOCKIN_OPT_MAX: i32 = 256;
