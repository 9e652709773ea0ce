/**
 * The hypercalls of virtif: the import module `virtif`, served by virtif.user.ts.
 *
 * Interface `unit` is virt<unit>; what stands behind it the host decides (host/netdev/). Answers are
 * >= 0 or -errno, no call blocks. There is no call to close an interface: it lives as long as its image.
 */

/**
 * Ask for the device of `unit`; fills VIRTIF_INFO_SIZE bytes at `info` (virtif.abi.ts).
 * 0; -ENXIO: there is no such interface; another -errno: it cannot be had (the host has logged why).
 */
export declare function virtif_create(unit: i32, info: usize): i32;

/**
 * Frames may come in from now on: `ring` holds empty buffers. A batch of frames is followed by
 * rump_intr(INTR_NETIF + unit), as is a change of the link's state and room to send after -EAGAIN.
 */
export declare function virtif_open(unit: i32, ring: usize): i32;

/**
 * Send one frame: `n` pieces, {address u32, length u32} each, at `iov`; a virtio_net_hdr at `vnet`
 * (4-byte aligned). It has been sent, or dropped, when the call returns: 0, -EAGAIN (the device is
 * full; nothing was taken), or -errno (dropped).
 */
export declare function virtif_send(unit: i32, vnet: usize, iov: usize, n: i32): i32;
