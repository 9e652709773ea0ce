/**
 * struct stat and the mode bits, shared by the image and the host.
 *
 *       0     8      16    24       28    32    40      48     64     80     96
 *       | dev | mode | ino | nlink  | uid | gid | rdev  | atim | mtim | ctim | birthtim |
 *       112    120      128       132     136                     152
 *       | size | blocks | blksize | flags | gen | (spare)          |
 *
 * This is NetBSD's layout on a 64-bit machine: dev, ino, rdev, size and blocks are 64 bits wide; a
 * time is seconds (i64) and then nanoseconds (i64). blocks counts units of 512 bytes. The numbers of
 * the mode bits are POSIX's customary ones.
 */
export const STAT_SIZEOF: i32 = 152;
export const STAT_DEV: i32 = 0;
export const STAT_MODE: i32 = 8;
export const STAT_INO: i32 = 16;
export const STAT_NLINK: i32 = 24;
export const STAT_UID: i32 = 28;
export const STAT_GID: i32 = 32;
export const STAT_RDEV: i32 = 40;
export const STAT_ATIM: i32 = 48;
export const STAT_MTIM: i32 = 64;
export const STAT_CTIM: i32 = 80;
export const STAT_BIRTHTIM: i32 = 96;
export const STAT_SIZE: i32 = 112;
export const STAT_BLOCKS: i32 = 120;
export const STAT_BLKSIZE: i32 = 128;
export const STAT_FLAGS: i32 = 132;
export const STAT_GEN: i32 = 136;

/** Unit of STAT_BLOCKS. */
export const S_BLKSIZE: i32 = 512;

/** Mask of the type. */
export const S_IFMT: i32 = 0o170000;
export const S_IFIFO: i32 = 0o010000;
export const S_IFCHR: i32 = 0o020000;
export const S_IFDIR: i32 = 0o040000;
export const S_IFBLK: i32 = 0o060000;
export const S_IFREG: i32 = 0o100000;
export const S_IFLNK: i32 = 0o120000;
export const S_IFSOCK: i32 = 0o140000;

/** Mask of what chmod(2) may change. */
export const ALLPERMS: i32 = 0o7777;
export const S_ISUID: i32 = 0o4000;
export const S_ISGID: i32 = 0o2000;
export const S_ISVTX: i32 = 0o1000;
export const S_IRUSR: i32 = 0o400;
export const S_IWUSR: i32 = 0o200;
export const S_IXUSR: i32 = 0o100;
export const S_IRGRP: i32 = 0o040;
export const S_IWGRP: i32 = 0o020;
export const S_IXGRP: i32 = 0o010;
export const S_IROTH: i32 = 0o004;
export const S_IWOTH: i32 = 0o002;
export const S_IXOTH: i32 = 0o001;

/**
 * utimens(2): in place of nanoseconds, "now" and "leave as it is". The argument is two timespecs
 * (access, modification) of TIMESPEC_SIZEOF bytes each.
 */
export const UTIME_NOW: i32 = 0x3fffffff;
export const UTIME_OMIT: i32 = 0x3ffffffe;
/** A timespec: seconds i64 @0, nanoseconds i64 @8. */
export const TIMESPEC_SIZEOF: i32 = 16;
