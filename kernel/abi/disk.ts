/**
 * Block devices as the image and the host name them: SYS_diskctl and the words of its commands.
 *
 * SYS_diskctl(verb, a1 … a5):
 *
 *      DISK_CTL      (command, its length, answer, room)   text both ways; bytes of the answer
 *      DISK_OPEN     (name, its length)                    unit number, and the device is in use
 *      DISK_CLOSE    (unit)
 *      DISK_READ     (unit, sector low, high, buf, bytes)  bytes
 *      DISK_WRITE    (unit, sector low, high, buf, bytes)  bytes; fewer when memory ran out on the way
 *      DISK_DISCARD  (unit, sector low, high, sectors)     0
 *      DISK_ZERO     (unit, sector low, high, sectors)     0
 *      DISK_SYNC     (unit)                                0
 *      DISK_STATUS   (unit, sector low, high, sectors)     sectors that are alike | BLK_* << 28
 *
 * A transfer on a device that completes later (host files) answers -EINPROGRESS, and its result comes
 * with DISK_DONE (unit): -EAGAIN until then. Commands are words: "attach rd0 size=64M level=1".
 */
export const DISK_CTL: i32 = 1;
export const DISK_OPEN: i32 = 2;
export const DISK_CLOSE: i32 = 3;
export const DISK_READ: i32 = 4;
export const DISK_WRITE: i32 = 5;
export const DISK_DISCARD: i32 = 6;
export const DISK_ZERO: i32 = 7;
export const DISK_SYNC: i32 = 8;
export const DISK_STATUS: i32 = 9;
export const DISK_DONE: i32 = 10;

/** Bytes of a device's name, at most. */
export const DISK_NAMELEN: i32 = 15;
/** Bytes of a sector in all interfaces, whatever the device's own block is. */
export const DEV_BSIZE: i32 = 512;
export const DEV_BSHIFT: i32 = 9;

/** Besides BIO_READ … BIO_DISCARD (abi/rump.ts): zeros, and the memory for them need not stay. */
export const BIO_ZERO: i32 = 4;

/** Status of sectors: a hole reads as zeros and has no memory of its own. */
export const BLK_DATA: i32 = 0;
export const BLK_HOLE: i32 = 1;
export const BLK_ZERO: i32 = 2;
/** Most sectors of one DISK_STATUS. */
export const BLK_STATUS_MAX: i32 = 0x0fffffff;
