/**
 * The boundary between image and host: version, interrupt sources, ring layout, limits.
 *
 * A ring is the array queue of Van Jacobson's channels: one producer, one consumer, each index in a
 * cache line of its own; indexes only grow and are masked on use.
 *
 *      @0   head  (producer)          @128 entries (a power of two)    @136 consumer wants a wake-up
 *      @64  tail  (consumer)          @132 bytes an entry              @192 entries …
 */
export const RUMP_ABI: i32 = 1;
export const RUMPUSER_VERSION: i32 = 1;

export const INTR_SOCKIN: i32 = 0;
export const INTR_BIO: i32 = 1;
/** Network interface n is source INTR_NETIF + n. */
export const INTR_NETIF: i32 = 2;
export const INTR_MAX: i32 = 32;

/** Word 0: knotes pending on the host's kqueue. */
export const RING_HOSTKQ: i32 = 0;
export const RING_BIO: i32 = 1;
export const RING_SOCKIN: i32 = 2;
export const RING_NETIF: i32 = 3;
export const RING_MAX: i32 = 32;

export const RING_HEAD: i32 = 0;
export const RING_TAIL: i32 = 64;
export const RING_ENTRIES: i32 = 128;
export const RING_ENTRYSIZE: i32 = 132;
export const RING_WANTS: i32 = 136;
export const RING_DATA: i32 = 192;

/** Bytes of the host exchange area (rump_hostbuf). */
export const RUMP_HOSTBUF_SIZE: i32 = 262144;

export const LOG_EMERG: i32 = 0;
export const LOG_ALERT: i32 = 1;
export const LOG_CRIT: i32 = 2;
export const LOG_ERR: i32 = 3;
export const LOG_WARNING: i32 = 4;
export const LOG_NOTICE: i32 = 5;
export const LOG_INFO: i32 = 6;
export const LOG_DEBUG: i32 = 7;

export const BIO_READ: i32 = 0;
export const BIO_WRITE: i32 = 1;
export const BIO_FLUSH: i32 = 2;
export const BIO_DISCARD: i32 = 3;
/** On a write: durable before it completes. */
export const BIO_FUA: i32 = 0x100;

/** hyp_bio_open's answer: size f64 @0, sector i32 @8, type i32 @12 (0 file, 1 block device), read-only i32 @16. */
export const BIOINFO_SIZE: i32 = 24;
export const BIO_OPEN_RDONLY: i32 = 1;
export const BIO_OPEN_CREATE: i32 = 2;
/** A completion on RING_BIO: cookie i32, result i32 (bytes or -errno). */
export const BIO_COMPLETION_SIZE: i32 = 8;

/** sysctl nodes: kinds and flags. */
export const CTLTYPE_INT: i32 = 1;
export const CTLTYPE_QUAD: i32 = 2;
export const CTLTYPE_STRING: i32 = 3;
export const CTLTYPE_FUNC: i32 = 4;
export const CTLFLAG_RW: i32 = 0x100;

export const CLOCK_REALTIME: i32 = 0;
export const CLOCK_MONOTONIC: i32 = 1;
