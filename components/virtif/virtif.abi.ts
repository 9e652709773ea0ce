/**
 * The boundary between virtif's two halves: what is asked when an interface is made, and the ring of
 * receive buffers. Compiled by asc and by tsc alike: constants only.
 *
 *      image ──▶ | buffer 0 | buffer 1 | … |  empty buffers, in order          head: the image's
 *      host  ──▶ fills one after the other, a long frame several of them       tail: the host's
 *
 * The ring has the header of abi/rump.ts, with head = buffers given and tail = buffers filled, both
 * since boot. The image keeps for itself how many of those filled it has taken back. An entry:
 *
 *      @0  address      @4  bytes of room       by the image
 *      @8  length of the frame              by the host, in the first buffer of a frame
 *      @12 buffers that it takes
 *      @16 its virtio_net_hdr, 12 bytes
 */
export const VIRTIF_RX_ADDR: i32 = 0;
export const VIRTIF_RX_SIZE: i32 = 4;
export const VIRTIF_RX_LEN: i32 = 8;
export const VIRTIF_RX_NBUFS: i32 = 12;
export const VIRTIF_RX_VNET: i32 = 16;
export const VIRTIF_RX_ENTRY: i32 = 32;

/** Word of the ring's header that the host writes: LINK_STATE_* of abi/if.ts. */
export const VIRTIF_RX_LINK: i32 = 140;

/** virtif_create's answer: IFCAP_* of the device, its MTU, bytes of TCP payload a packet may have (0: 64 KiB), MAC. */
export const VIRTIF_INFO_CAPS: i32 = 0;
export const VIRTIF_INFO_MTU: i32 = 4;
export const VIRTIF_INFO_TSOMAX: i32 = 8;
export const VIRTIF_INFO_MAC: i32 = 12;
export const VIRTIF_INFO_SIZE: i32 = 20;

/** Most pieces of a frame that virtif_send takes: IOV_MAX of Linux less one for the header. */
export const VIRTIF_IOV_MAX: i32 = 512;
