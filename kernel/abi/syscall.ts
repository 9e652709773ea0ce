/**
 * System call numbers: NetBSD's where it has the call, 500 and up for ours.
 *
 * In-image apps (kern/usyscall.ts) and the host (host/api/sys.ts) use the same numbers through the
 * same dispatcher (kern/syscall.ts). Arguments are six i32; pointers are addresses in linear memory;
 * 64-bit file offsets travel as two i32, low word first.
 */
export const SYS_exit: i32 = 1;
export const SYS_read: i32 = 3;
export const SYS_write: i32 = 4;
export const SYS_open: i32 = 5;
export const SYS_close: i32 = 6;
export const SYS_link: i32 = 9;
export const SYS_unlink: i32 = 10;
export const SYS_chmod: i32 = 15;
export const SYS_unmount: i32 = 22;
export const SYS_recvmsg: i32 = 27;
export const SYS_sendmsg: i32 = 28;
export const SYS_recvfrom: i32 = 29;
export const SYS_accept: i32 = 30;
export const SYS_getpeername: i32 = 31;
export const SYS_getsockname: i32 = 32;
export const SYS_ioctl: i32 = 54;
export const SYS_symlink: i32 = 57;
export const SYS_readlink: i32 = 58;
export const SYS_fcntl: i32 = 92;
export const SYS_fsync: i32 = 95;
export const SYS_socket: i32 = 97;
export const SYS_connect: i32 = 98;
export const SYS_bind: i32 = 104;
export const SYS_setsockopt: i32 = 105;
export const SYS_listen: i32 = 106;
export const SYS_getsockopt: i32 = 118;
export const SYS_readv: i32 = 120;
export const SYS_writev: i32 = 121;
export const SYS_fchmod: i32 = 124;
export const SYS_rename: i32 = 128;
export const SYS_sendto: i32 = 133;
export const SYS_shutdown: i32 = 134;
export const SYS_socketpair: i32 = 135;
export const SYS_mkdir: i32 = 136;
export const SYS_rmdir: i32 = 137;
export const SYS_pread: i32 = 173;
export const SYS_pwrite: i32 = 174;
export const SYS_lseek: i32 = 199;
export const SYS_truncate: i32 = 200;
export const SYS_ftruncate: i32 = 201;
export const SYS_getdents: i32 = 272;
export const SYS_kqueue: i32 = 344;
export const SYS_statvfs: i32 = 357;
export const SYS_fstatvfs: i32 = 358;
export const SYS_mount: i32 = 410;
export const SYS_clock_gettime: i32 = 427;
export const SYS_kevent: i32 = 435;
export const SYS_stat: i32 = 439;
export const SYS_fstat: i32 = 440;
export const SYS_lstat: i32 = 441;
export const SYS_utimens: i32 = 467;
export const SYS_futimens: i32 = 472;
export const SYS_sysctlbyname: i32 = 500;
export const SYS_sysctlnext: i32 = 501;
export const SYS_kqueue_host: i32 = 502;
export const SYS_fmap: i32 = 503;
export const SYS_diskctl: i32 = 504;
export const SYS_getparam: i32 = 505;
/** One more than the largest number: the size of the dispatch table. */
export const SYS_MAXSYSCALL: i32 = 512;
