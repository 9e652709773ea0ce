/**
 * struct dirent, what getdents(2) fills a buffer with, shared by the image and the host.
 *
 *       0        8        10       12     13
 *       | fileno | reclen | namlen | type | name … NUL … up to a multiple of 8 |
 *
 * NetBSD's layout: fileno is 64 bits, reclen and namlen 16, type 8. The next entry starts reclen
 * bytes further on. "." and ".." come first.
 */
export const DIRENT_FILENO: i32 = 0;
export const DIRENT_RECLEN: i32 = 8;
export const DIRENT_NAMLEN: i32 = 10;
export const DIRENT_TYPE: i32 = 12;
export const DIRENT_NAME: i32 = 13;
/** Room for an entry with the longest name: (13 + 255 + 1) rounded up to 8. */
export const DIRENT_MAXSIZE: i32 = 272;

/** The types are the type bits of the mode, shifted: S_IFMT >> 12. */
export const DT_UNKNOWN: i32 = 0;
export const DT_FIFO: i32 = 1;
export const DT_CHR: i32 = 2;
export const DT_DIR: i32 = 4;
export const DT_BLK: i32 = 6;
export const DT_REG: i32 = 8;
export const DT_LNK: i32 = 10;
export const DT_SOCK: i32 = 12;
