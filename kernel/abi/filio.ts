/**
 * ioctl(2) requests on descriptors and sockets, NetBSD's numbers (direction, size, group, number),
 * shared by the image and the host. Each takes the address of an i32. Constants only.
 */
/** Out: bytes that a read would return. */
export const FIONREAD: i32 = 0x4004667f;
/** In: non-blocking mode on or off. */
export const FIONBIO: i32 = -0x7ffb9982;
/** In: accepted and ignored, there are no signals. */
export const FIOASYNC: i32 = -0x7ffb9983;
/** Out: bytes in the send buffer. */
export const FIONWRITE: i32 = 0x40046679;
/** Out: bytes in the send buffer of a TCP socket that have not been sent yet. */
export const SIOCOUTQNSD: i32 = 0x4004734b;
/** Out: room in the send buffer. */
export const FIONSPACE: i32 = 0x40046678;
/** Out: 1 when the next byte to read is the urgent one (RFC 9293 §3.8.5). */
export const SIOCATMARK: i32 = 0x40047307;
