/**
 * A tmpfs node: inode and vnode in one object, and the file system's operations on it.
 *
 *      n_area (56 bytes), by type:
 *        file        index of its blocks (tmpfs_bmap.ts)
 *        directory   TmpfsDir: parent and list of entries (tmpfs_dirent.ts)
 *        symlink     the target itself if it is at most 56 bytes, else an index with one block
 *
 * There is no vnode cache, because the memory behind a vnode is the vnode: a look-up is the hash and a
 * count. A node lives while it has a name or a reference; vop_inactive of a nameless one frees it, so
 * a file that is unlinked while open stays whole until its last close. The operations are thin here;
 * tmpfs_dir.ts and tmpfs_file.ts do the work.
 */
import { ENOENT } from "../../kernel/abi/errno";
import { MNT_NOATIME, MNT_RDONLY } from "../../kernel/abi/statvfs";
import { getmicrotime } from "../../kernel/kern/clock";
import { VDIR, VNOVAL, VNOVAL_TIME, Vattr, Vnode, vref } from "../../kernel/vfs/vnode";
import { BLK_SHIFT, BLK_SIZE } from "./tmpfs_block";
import { TmpfsDir, dirent_isnull, dirent_lookup } from "./tmpfs_dirent";
import {
  tmpfs_create, tmpfs_link, tmpfs_mkdir, tmpfs_readdir, tmpfs_remove, tmpfs_rename, tmpfs_rmdir, tmpfs_symlink,
} from "./tmpfs_dir";
import { tmpfs_bmap, tmpfs_read, tmpfs_readlink, tmpfs_release, tmpfs_truncate, tmpfs_write } from "./tmpfs_file";
import { tmpfs_node_free } from "./tmpfs_mount";

/** Size that a directory shows for each of its entries. */
const DIRENT_SHOWN: i64 = 64;

export class TmpfsNode extends Vnode {
  n_area: u64;
  n_area_1: u64;
  n_area_2: u64;
  n_area_3: u64;
  n_area_4: u64;
  n_area_5: u64;
  n_area_6: u64;
  n_atime_us: i64;
  n_mtime_us: i64;
  n_ctime_us: i64;
  n_birthtime_us: i64;
  n_ino: u32;
  n_gen: u32;
  n_mode: i32;
  n_nlink: u32;
  /** Blocks held, index blocks included. */
  n_nblocks: u32;
  /** List of the mount's nodes. */
  n_mnext: TmpfsNode = changetype<TmpfsNode>(0);
  n_mprev: TmpfsNode = changetype<TmpfsNode>(0);

  /** Address of n_area: of a file the index, of a symlink perhaps the target. */
  area(): usize {
    return changetype<usize>(this) + offsetof<TmpfsNode>("n_area");
  }

  /** The directory's part. */
  dir(): TmpfsDir {
    assert(this.v_type == VDIR, "tmpfs: not a directory");
    return changetype<TmpfsDir>(this.area());
  }

  /** Contents or entries changed now. */
  modified(): void {
    this.n_mtime_us = getmicrotime();
    this.n_ctime_us = this.n_mtime_us;
  }

  /** Attributes changed now. */
  changed(): void {
    this.n_ctime_us = getmicrotime();
  }

  /** It was read now. */
  accessed(): void {
    if ((this.v_mount.mnt_flag & (MNT_RDONLY | MNT_NOATIME)) == 0) this.n_atime_us = getmicrotime();
  }

  vop_lookup(name: usize, len: i32): i32 {
    const de = dirent_lookup(changetype<usize>(this), name, len);
    if (dirent_isnull(de)) return -ENOENT;
    vref(changetype<TmpfsNode>(de.de_node));
    return <i32>de.de_node;
  }
  vop_parent(): i32 {
    const parent = this.dir().parent;
    vref(changetype<TmpfsNode>(parent));
    return <i32>parent;
  }
  vop_create(name: usize, len: i32, mode: i32): i32 {
    return tmpfs_create(this, name, len, mode);
  }
  vop_mkdir(name: usize, len: i32, mode: i32): i32 {
    return tmpfs_mkdir(this, name, len, mode);
  }
  vop_symlink(name: usize, len: i32, target: usize, tlen: i32): i32 {
    return tmpfs_symlink(this, name, len, target, tlen);
  }
  vop_link(name: usize, len: i32, vp: Vnode): i32 {
    return tmpfs_link(this, name, len, VTON(vp));
  }
  vop_remove(name: usize, len: i32, vp: Vnode): i32 {
    return tmpfs_remove(this, name, len, VTON(vp));
  }
  vop_rmdir(name: usize, len: i32, vp: Vnode): i32 {
    return tmpfs_rmdir(this, name, len, VTON(vp));
  }
  vop_rename(name: usize, len: i32, vp: Vnode, tdvp: Vnode, tname: usize, tlen: i32, tvp: Vnode): i32 {
    return tmpfs_rename(this, name, len, VTON(vp), VTON(tdvp), tname, tlen, VTON(tvp));
  }
  vop_read(off: i64, buf: usize, len: i32): i32 {
    return tmpfs_read(this, off, buf, len);
  }
  vop_write(off: i64, buf: usize, len: i32): i32 {
    return tmpfs_write(this, off, buf, len);
  }
  vop_truncate(size: i64): i32 {
    return tmpfs_truncate(this, size);
  }
  vop_readlink(buf: usize, len: i32): i32 {
    return tmpfs_readlink(this, buf, len);
  }
  vop_readdir(offp: usize, buf: usize, len: i32): i32 {
    return tmpfs_readdir(this, offp, buf, len);
  }
  vop_bmap(off: i64, lenp: usize): i32 {
    return tmpfs_bmap(this, off, lenp);
  }

  vop_getattr(va: Vattr): i32 {
    va.va_size = this.v_type == VDIR ? DIRENT_SHOWN * (<i64>this.dir().count + 2) : this.v_size;
    va.va_atime_us = this.n_atime_us;
    va.va_mtime_us = this.n_mtime_us;
    va.va_ctime_us = this.n_ctime_us;
    va.va_birthtime_us = this.n_birthtime_us;
    va.va_bytes = <i64>this.n_nblocks << BLK_SHIFT;
    va.va_fileid = this.n_ino;
    va.va_mode = this.n_mode;
    va.va_nlink = this.n_nlink;
    va.va_blocksize = BLK_SIZE;
    va.va_gen = this.n_gen;
    return 0;
  }

  vop_setattr(va: Vattr): i32 {
    if (va.va_mode != VNOVAL) this.n_mode = va.va_mode;
    if (va.va_atime_us != VNOVAL_TIME) this.n_atime_us = va.va_atime_us;
    if (va.va_mtime_us != VNOVAL_TIME) this.n_mtime_us = va.va_mtime_us;
    this.changed();
    return 0;
  }

  vop_inactive(): void {
    if (this.n_nlink != 0) return;
    tmpfs_release(this);
    tmpfs_node_free(this);
  }
}

/** The node that `vp`, a vnode of tmpfs or none, is. */
export function VTON(vp: Vnode): TmpfsNode {
  return changetype<TmpfsNode>(changetype<usize>(vp));
}
