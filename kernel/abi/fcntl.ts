/**
 * open(2), fcntl(2) and lseek(2): flags in NetBSD's numbering, and the limits on names and paths.
 */
export const O_RDONLY: i32 = 0x00000000;
export const O_WRONLY: i32 = 0x00000001;
export const O_RDWR: i32 = 0x00000002;
export const O_ACCMODE: i32 = 0x00000003;
export const O_NONBLOCK: i32 = 0x00000004;
/** Every write goes to the end of the file. */
export const O_APPEND: i32 = 0x00000008;
export const O_SYNC: i32 = 0x00000080;
/** ELOOP if the last component is a symbolic link. */
export const O_NOFOLLOW: i32 = 0x00000100;
export const O_CREAT: i32 = 0x00000200;
export const O_TRUNC: i32 = 0x00000400;
/** With O_CREAT: EEXIST if the name is there, even as a dangling symbolic link. */
export const O_EXCL: i32 = 0x00000800;
/** ENOTDIR if it is not a directory. */
export const O_DIRECTORY: i32 = 0x00200000;
/** Accepted and without effect: there is no exec. */
export const O_CLOEXEC: i32 = 0x00400000;

export const F_GETFD: i32 = 1;
export const F_SETFD: i32 = 2;
export const F_GETFL: i32 = 3;
export const F_SETFL: i32 = 4;
export const FD_CLOEXEC: i32 = 1;

export const SEEK_SET: i32 = 0;
export const SEEK_CUR: i32 = 1;
export const SEEK_END: i32 = 2;

/** Longest name of one component, in bytes, without the NUL. */
export const NAME_MAX: i32 = 255;
/** Longest path, in bytes, with the NUL. */
export const PATH_MAX: i32 = 1024;
/** Symbolic links followed in one walk before it is called a loop. */
export const MAXSYMLINKS: i32 = 32;

/** utimens(2): of the link itself, not of what it leads to. */
export const AT_SYMLINK_NOFOLLOW: i32 = 0x200;
