/**
 * mount(2) and statvfs(2): flags, struct statvfs, and the arguments of a tmpfs mount.
 *
 *       0      4        8         12     16   20        24       32      40      48
 *       | flag | bsize  | frsize  | fsid | namemax | - | blocks  | bfree | files | ffree |
 *       56                 72                      1096
 *       | fstypename (16)  | mntonname (1024)       |
 *
 * The fields and names are NetBSD's; the layout is ours, with the counts as u64. blocks and bfree
 * are in units of frsize. Strings end with a NUL.
 */
export const STATVFS_SIZEOF: i32 = 1096;
export const STATVFS_FLAG: i32 = 0;
export const STATVFS_BSIZE: i32 = 4;
export const STATVFS_FRSIZE: i32 = 8;
export const STATVFS_FSID: i32 = 12;
export const STATVFS_NAMEMAX: i32 = 16;
export const STATVFS_BLOCKS: i32 = 24;
export const STATVFS_BFREE: i32 = 32;
export const STATVFS_FILES: i32 = 40;
export const STATVFS_FFREE: i32 = 48;
export const STATVFS_FSTYPENAME: i32 = 56;
export const STATVFS_MNTONNAME: i32 = 72;

/** Length of a file system's type name, with the NUL. */
export const MFSNAMELEN: i32 = 16;

/** Nothing on this mount may change: EROFS. */
export const MNT_RDONLY: i32 = 0x00000001;
/** Reading does not update the access time. */
export const MNT_NOATIME: i32 = 0x04000000;
/** The root of the tree; set by the kernel. */
export const MNT_ROOTFS: i32 = 0x00004000;

/**
 * mount("tmpfs", dir, flags, args, TMPFS_ARGS_SIZEOF): limits of this mount, 0 = what the pools
 * have; the mode of its root directory, 0 = 0755. No argument at all is all zeros.
 */
export const TMPFS_ARGS_NODES: i32 = 0;
export const TMPFS_ARGS_BLOCKS: i32 = 4;
export const TMPFS_ARGS_MODE: i32 = 8;
export const TMPFS_ARGS_SIZEOF: i32 = 12;
