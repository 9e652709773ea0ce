/**
 * kqueue(2): filters, flags and the layout of `struct kevent`, shared by the image and the host.
 *
 *      0        4       6       8        12       16            24
 *      | ident  | filter| flags | fflags | udata  | data (i64)  |
 *
 * NetBSD's meanings; the structure is ours, packed for a 32-bit address space, so that the host can
 * read an array of them with one DataView and no BigInt.
 */
export const KEVENT_SIZE: i32 = 24;
export const KE_IDENT: i32 = 0;
export const KE_FILTER: i32 = 4;
export const KE_FLAGS: i32 = 6;
export const KE_FFLAGS: i32 = 8;
export const KE_UDATA: i32 = 12;
export const KE_DATA: i32 = 16;

/** data = bytes to read, or connections to accept; EV_EOF at the end of the stream. */
export const EVFILT_READ: i32 = 0;
/** data = room to write; EV_EOF when the peer will read no more. */
export const EVFILT_WRITE: i32 = 1;
/** Changes of a file: NOTE_*. */
export const EVFILT_VNODE: i32 = 3;
/** ident is a number of the caller's; data = period (NOTE_* unit), on return how often it expired. */
export const EVFILT_TIMER: i32 = 6;
/** ident is a number of the caller's; triggered by NOTE_TRIGGER. */
export const EVFILT_USER: i32 = 8;
/**
 * Urgent data of a stream is under way or unread (poll's POLLPRI): fflags = NOTE_OOB, data = bytes before its last
 * one, -1 while that has not come. DragonFly's and OpenBSD's name; NetBSD has no such filter.
 */
export const EVFILT_EXCEPT: i32 = 16;

export const EV_ADD: i32 = 0x0001;
export const EV_DELETE: i32 = 0x0002;
export const EV_ENABLE: i32 = 0x0004;
export const EV_DISABLE: i32 = 0x0008;
export const EV_ONESHOT: i32 = 0x0010;
export const EV_CLEAR: i32 = 0x0020;
export const EV_RECEIPT: i32 = 0x0040;
export const EV_DISPATCH: i32 = 0x0080;
export const EV_ERROR: i32 = 0x4000;
export const EV_EOF: i32 = 0x8000;

/** EVFILT_READ/WRITE: data is a low-water mark. */
export const NOTE_LOWAT: i32 = 0x0001;
/** EVFILT_EXCEPT: what is there. */
export const NOTE_OOB: i32 = 0x0002;

export const NOTE_DELETE: i32 = 0x0001;
export const NOTE_WRITE: i32 = 0x0002;
export const NOTE_EXTEND: i32 = 0x0004;
export const NOTE_ATTRIB: i32 = 0x0008;
export const NOTE_LINK: i32 = 0x0010;
export const NOTE_RENAME: i32 = 0x0020;

/** EVFILT_TIMER units; milliseconds when none is given. */
export const NOTE_MSECONDS: i32 = 0x0000;
export const NOTE_SECONDS: i32 = 0x0001;
export const NOTE_USECONDS: i32 = 0x0002;
export const NOTE_NSECONDS: i32 = 0x0003;

/** EVFILT_USER: how fflags combine, and the trigger. */
export const NOTE_FFNOP: i32 = 0x00000000;
export const NOTE_FFAND: i32 = 0x40000000;
export const NOTE_FFOR: i32 = -0x80000000;
export const NOTE_FFCOPY: i32 = -0x40000000;
export const NOTE_FFCTRLMASK: i32 = -0x40000000;
export const NOTE_FFLAGSMASK: i32 = 0x00ffffff;
export const NOTE_TRIGGER: i32 = 0x01000000;

/** ident of the EVFILT_USER event that tells an app to drain and finish (kern/shutdown.ts). */
export const KE_IDENT_SHUTDOWN: i32 = 0x7fffffff;
