/**
 * The vnode: a file of any file system, as the rest of the kernel sees it.
 *
 *      Nameidata, VnodeFile ──ref──► Vnode ◄──extends── TmpfsNode …
 *                                    │ v_mount ──► Mount ──► Filesystem
 *                                    │ v_mountedhere: what is mounted over this directory
 *                                    └ v_klist: knotes that watch it
 *
 * A file system extends Vnode and overrides the operations (vop_*) that it has; what it leaves out
 * answers the errno that fits. Vnodes are counted: whoever keeps one holds a reference (vref, vrele),
 * and at the last vrele the file system hears vop_inactive, which is when an unlinked file may go.
 * A vnode belongs to its file system's pool; nothing here allocates.
 *
 * Operations that answer a vnode answer its address, referenced, or -errno: one i32, for memory ends
 * below 2 GiB. Names are `len` bytes at an address, no NUL, 1 to NAME_MAX of them, without "/", never
 * "." or "..". Permission, read-only mounts, mount points and knotes are the callers' (vfs_vnops.ts,
 * vfs_syscalls.ts), so that every file system behaves alike.
 */
import { EINVAL, ENOTDIR, EOPNOTSUPP } from "../abi/errno";
import { DT_DIR, DT_LNK, DT_REG } from "../abi/dirent";
import { MNT_RDONLY } from "../abi/statvfs";
import { knote } from "../kern/knote";
import { Mount } from "./mount";

/** v_type: the type bits of the mode, shifted (DT_*). */
export const VREG: i32 = DT_REG;
export const VDIR: i32 = DT_DIR;
export const VLNK: i32 = DT_LNK;

/** v_flag: the root of its mount. */
export const VROOT: i32 = 1;

/** In a Vattr for vop_setattr: leave this field as it is. */
export const VNOVAL: i32 = -1;
export const VNOVAL_TIME: i64 = i64.MIN_VALUE;

/** Attributes: what getattr answers and setattr takes. Times are µs since 1970. */
@unmanaged
export class Vattr {
  va_size: i64;
  va_atime_us: i64;
  va_mtime_us: i64;
  va_ctime_us: i64;
  va_birthtime_us: i64;
  /** Bytes held by the file, holes not counted. */
  va_bytes: i64;
  va_fileid: u64;
  /** Permission bits only. */
  va_mode: i32;
  va_nlink: u32;
  va_blocksize: i32;
  /** Grows when an inode number is used again. */
  va_gen: u32;
}

/** A file, directory or symbolic link. Managed layout (virtual methods): from pool_init_obj only. */
export abstract class Vnode {
  v_usecount: i32;
  v_type: i32;
  v_flag: i32;
  /** Size of a regular file in bytes, kept by the file system. */
  v_size: i64;
  v_mount: Mount = changetype<Mount>(0);
  v_mountedhere: Mount = changetype<Mount>(0);
  /** Head of the Klist. */
  v_klist: usize;

  /** The entry `name` of this directory: a vnode or -ENOENT. */
  vop_lookup(name: usize, len: i32): i32 {
    return -ENOTDIR;
  }
  /** The directory that this directory is in; the root's is itself. A vnode. */
  vop_parent(): i32 {
    return -ENOTDIR;
  }
  /** Make a regular file that is not there yet: a vnode. -ENOSPC changes nothing; so for all below. */
  vop_create(name: usize, len: i32, mode: i32): i32 {
    return -EOPNOTSUPP;
  }
  /** Make a directory: a vnode. */
  vop_mkdir(name: usize, len: i32, mode: i32): i32 {
    return -EOPNOTSUPP;
  }
  /** Make a symbolic link to the `tlen` bytes at `target`: a vnode. */
  vop_symlink(name: usize, len: i32, target: usize, tlen: i32): i32 {
    return -EOPNOTSUPP;
  }
  /** Another name for `vp`, which is not a directory and on the same mount. */
  vop_link(name: usize, len: i32, vp: Vnode): i32 {
    return -EOPNOTSUPP;
  }
  /** Remove the name of `vp`, which is not a directory. */
  vop_remove(name: usize, len: i32, vp: Vnode): i32 {
    return -EOPNOTSUPP;
  }
  /** Remove directory `vp`; -ENOTEMPTY. */
  vop_rmdir(name: usize, len: i32, vp: Vnode): i32 {
    return -EOPNOTSUPP;
  }
  /**
   * Move entry `name` (vnode `vp`) of this directory to `tname` in `tdvp`, over `tvp` if that is not
   * 0. Types are checked already; -EINVAL if a directory would move into itself, -ENOTEMPTY.
   */
  vop_rename(name: usize, len: i32, vp: Vnode, tdvp: Vnode, tname: usize, tlen: i32, tvp: Vnode): i32 {
    return -EOPNOTSUPP;
  }
  /** Bytes read from offset `off`, 0 at or after the end. */
  vop_read(off: i64, buf: usize, len: i32): i32 {
    return -EINVAL;
  }
  /** Bytes written at `off`, fewer than `len` if space ran out; -ENOSPC or -EFBIG if none. */
  vop_write(off: i64, buf: usize, len: i32): i32 {
    return -EINVAL;
  }
  vop_truncate(size: i64): i32 {
    return -EINVAL;
  }
  abstract vop_getattr(va: Vattr): i32;
  /** Takes va_mode, va_atime_us and va_mtime_us. */
  vop_setattr(va: Vattr): i32 {
    return -EOPNOTSUPP;
  }
  /** Target of a symbolic link to `buf`, cut at `len`; its bytes there. */
  vop_readlink(buf: usize, len: i32): i32 {
    return -EINVAL;
  }
  /**
   * Entries (abi/dirent.ts) from position *`offp` (i64, 0 = first) to `buf`; *`offp` moves on. Bytes,
   * 0 at the end, -EINVAL if not even one fits.
   */
  vop_readdir(offp: usize, buf: usize, len: i32): i32 {
    return -ENOTDIR;
  }
  vop_fsync(): i32 {
    return 0;
  }
  /**
   * Where the bytes from `off` lie in memory: an address, and at `lenp` (i32) how many from there are
   * contiguous, at most what is there on entry. 0 and 0 at the end. Valid until the file changes.
   */
  vop_bmap(off: i64, lenp: usize): i32 {
    return -EOPNOTSUPP;
  }
  /** The last reference went. */
  abstract vop_inactive(): void;
}

/** Is there a vnode? A field or variable of type Vnode may hold none. */
export function vn_isnull(vp: Vnode): bool {
  return changetype<usize>(vp) == 0;
}

/** May nothing be changed on its mount? */
export function vn_rdonly(vp: Vnode): bool {
  return (vp.v_mount.mnt_flag & MNT_RDONLY) != 0;
}

/** One more reference. */
export function vref(vp: Vnode): void {
  assert(vp.v_usecount >= 0, "vref: count");
  if (vp.v_usecount++ == 0) vp.v_mount.mnt_nactive++;
}

/** One reference fewer; the vnode may be gone afterwards. */
export function vrele(vp: Vnode): void {
  assert(vp.v_usecount > 0, "vrele: no reference");
  if (--vp.v_usecount > 0) return;
  assert(vp.v_klist == 0, "vrele: watched by a descriptor, yet no reference");
  const mp = vp.v_mount;
  assert(mp.mnt_nactive > 0, "vrele: mount count");
  mp.mnt_nactive--;
  vp.vop_inactive();
}

/** Tell those who watch `vp`: `hint` is NOTE_*. */
export function vn_knote(vp: Vnode, hint: i32): void {
  if (vp.v_klist != 0) knote(changetype<usize>(vp) + offsetof<Vnode>("v_klist"), hint);
}
