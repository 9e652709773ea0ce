/**
 * The hypercalls of ipif: the import module `ipif`, served by ipif.user.ts.
 *
 * Interface `unit` is ip<unit>. Answers are >= 0 or -errno, no call blocks. Datagrams that wait for the
 * image are announced by rump_intr(IPIF_INTR + unit) and fetched one by one, so nothing is shared: a
 * snapshot of the image never holds half a transfer.
 */

/** The MTU of interface `unit`, or -ENXIO: the host has none. */
export declare function ipif_create(unit: i32): i32;

/** Bytes of the datagram that waits longest (1 to IPIF_MAXPACKET), 0 when none does. */
export declare function ipif_next(unit: i32): i32;

/** Fetch that datagram into `room` bytes at `buf` (less than it takes: it is dropped). Its length, or -errno. */
export declare function ipif_recv(unit: i32, buf: usize, room: i32): i32;

/** Send the `len` bytes at `buf`, a whole datagram; the host has copied it on return. 0, or -errno: dropped. */
export declare function ipif_send(unit: i32, buf: usize, len: i32): i32;
