/**
 * File systems and mounts: the kinds there are, and where each is attached to the tree.
 *
 *      vfs.filesystems ─► Filesystem "tmpfs" ─► …          one object a kind (role "fs")
 *      vfs.mounts ─► Mount "/" ─► Mount "/data" ─► …       one structure a mount
 *                                  │ mnt_covered: the directory it hides, referenced
 *                                  └ mnt_data: the file system's own
 *
 * A component attaches its kind while booting (vfs_attach). The first becomes the root at once,
 * unless the parameter `rootfs` names another; mount(2) adds the rest over directories. Crossing a
 * mount point is namei's work: a covered directory's v_mountedhere leads down, the root's mount leads
 * back up. A mount counts its vnodes in use, so "busy" is one compare. All O(1) but finding a kind.
 */
import { EBUSY, EINVAL, ENAMETOOLONG, ENODEV, ENOSPC, ENOTDIR } from "../abi/errno";
import { PATH_MAX } from "../abi/fcntl";
import { LOG_INFO } from "../abi/rump";
import * as sv from "../abi/statvfs";
import { kmem_alloc } from "../kern/kmem";
import { kput_str, kstr_eq } from "../kern/kstring";
import { log_begin, log_bytes, log_end, log_str } from "../kern/log";
import { Pool, pool_getz, pool_init, pool_put } from "../kern/pool";
import { getparam_ptr, param_len } from "../kern/rumpuser";
import { VDIR, VROOT, Vattr, Vnode, vn_isnull, vref, vrele } from "./vnode";
import { Nameidata } from "./namei";
import { vfs_syscalls_init } from "./vfs_syscalls";
import { vn_init } from "./vfs_vnops";

/** Most mounts at a time. */
export const VFS_MAXMOUNTS: i32 = 16;

/** A kind of file system. Managed layout (virtual methods): from kobj only. */
export abstract class Filesystem {
  vfs_next: usize;

  /** "tmpfs" and the like, shorter than MFSNAMELEN. */
  abstract fs_name(): string;
  /** A new mount: set mnt_data. `args` is the file system's own structure, 0 for its defaults. */
  abstract fs_mount(mp: Mount, args: usize): i32;
  /** The mount goes; none of its vnodes is in use. */
  abstract fs_unmount(mp: Mount): i32;
  /** The root directory, referenced. */
  abstract fs_root(mp: Mount): Vnode;
  /** Fill bsize, frsize, namemax and the counts of a struct statvfs. */
  abstract fs_statvfs(mp: Mount, buf: usize): i32;
}

/** One mounted file system. */
@unmanaged
export class Mount {
  mnt_next: Mount;
  mnt_fs: Filesystem;
  /** MNT_*. */
  mnt_flag: i32;
  /** st_dev of its files: 1, 2, … never used again. */
  mnt_fsid: u32;
  mnt_data: usize;
  /** 0 for the root. */
  mnt_covered: Vnode;
  /** Vnodes of this mount with references. */
  mnt_nactive: i32;
  mnt_onlen: i32;
  /** Path it was mounted on: PATH_MAX bytes follow the structure. */
}

@unmanaged
export class VfsState {
  filesystems: usize;
  mounts: Mount;
  /** The mount at "/"; 0 before. */
  root: Mount;
  mountpool: Pool;
  nmounts: i32;
  fsid: u32;
  /** Scratch of the path calls; each call is run to completion, two paths at most. */
  nd: Nameidata;
  nd2: Nameidata;
  va: Vattr;
  /** Target of a symbolic link under way: PATH_MAX bytes. */
  linkbuf: usize;
}

let vfs: VfsState = changetype<VfsState>(0);

/** The state of kernel/vfs. */
export function vfs_state(): VfsState {
  return vfs;
}

function nameidata_alloc(): Nameidata {
  const ni = changetype<Nameidata>(kmem_alloc(offsetof<Nameidata>() + PATH_MAX, 8, "vfs"));
  ni.ni_path = changetype<usize>(ni) + offsetof<Nameidata>();
  return ni;
}

/** Boot phase VFS, before the file systems. */
export function vfs_init(): void {
  assert(<u64>memory.size() << 16 <= 0x80000000, "vfs: addresses must be positive i32");
  vfs = changetype<VfsState>(kmem_alloc(offsetof<VfsState>(), 8, "vfs"));
  vfs.mountpool = pool_init("mount", <u32>offsetof<Mount>() + PATH_MAX, VFS_MAXMOUNTS, 8);
  vfs.nd = nameidata_alloc();
  vfs.nd2 = nameidata_alloc();
  vfs.va = changetype<Vattr>(kmem_alloc(offsetof<Vattr>(), 8, "vfs"));
  vfs.linkbuf = kmem_alloc(PATH_MAX, 8, "vfs");
  vn_init();
  vfs_syscalls_init();
}

/** A kind of file system is there. Boot phase VFS. 0 or -errno of mounting the root. */
export function vfs_attach(fs: Filesystem): i32 {
  fs.vfs_next = vfs.filesystems;
  vfs.filesystems = changetype<usize>(fs);
  if (changetype<usize>(vfs.root) != 0) return 0;
  const wanted = getparam_ptr("rootfs");
  if (wanted != 0 && !kstr_eq(wanted, param_len(wanted), fs.fs_name())) return 0;
  return vfs_mountroot(fs);
}

function vfs_mountroot(fs: Filesystem): i32 {
  const mp = mount_alloc(fs, sv.MNT_ROOTFS);
  mount_setname(mp, 0, 0);
  const e = fs.fs_mount(mp, 0);
  if (e < 0) {
    pool_put(vfs.mountpool, changetype<usize>(mp));
    return e;
  }
  mount_insert(mp);
  vfs.root = mp;
  log_begin(LOG_INFO, "vfs");
  log_str("root is ");
  log_str(fs.fs_name());
  log_end();
  return 0;
}

function mount_alloc(fs: Filesystem, flags: i32): Mount {
  const mp = changetype<Mount>(pool_getz(vfs.mountpool));
  if (changetype<usize>(mp) == 0) return mp;
  mp.mnt_fs = fs;
  mp.mnt_flag = flags;
  mp.mnt_fsid = ++vfs.fsid;
  return mp;
}

function mount_insert(mp: Mount): void {
  mp.mnt_next = vfs.mounts;
  vfs.mounts = mp;
  vfs.nmounts++;
}

/** Keep the path that `mp` is mounted on as an absolute one without slashes at its end. */
function mount_setname(mp: Mount, on: usize, len: i32): void {
  while (len > 0 && load<u8>(on) == 47) {
    on++;
    len--;
  }
  while (len > 0 && load<u8>(on + len - 1) == 47) len--;
  const at = mount_onname(mp);
  store<u8>(at, 47);
  memory.copy(at + 1, on, len);
  mp.mnt_onlen = len + 1;
}

/** Address of the path that `mp` is mounted on; mnt_onlen bytes. */
export function mount_onname(mp: Mount): usize {
  return changetype<usize>(mp) + offsetof<Mount>();
}

/** The root of the whole tree, referenced; none (0) if nothing is mounted. */
export function vfs_root(): Vnode {
  const mp = vfs.root;
  if (changetype<usize>(mp) == 0) return changetype<Vnode>(0);
  return mp.mnt_fs.fs_root(mp);
}

function fs_byname(name: usize, len: i32): usize {
  let at = vfs.filesystems;
  while (at != 0 && !kstr_eq(name, len, changetype<Filesystem>(at).fs_name())) {
    at = changetype<Filesystem>(at).vfs_next;
  }
  return at;
}

/**
 * Mount a file system of kind `type` over directory `dvp`, known as `on`. `args` as in fs_mount.
 * -ENODEV no such kind, -EBUSY something is mounted there, -ENOSPC too many mounts.
 */
export function vfs_mount(type: usize, tlen: i32, dvp: Vnode, on: usize, onlen: i32, flags: i32, args: usize): i32 {
  const fs = fs_byname(type, tlen);
  if (fs == 0) return -ENODEV;
  if ((flags & ~(sv.MNT_RDONLY | sv.MNT_NOATIME)) != 0) return -EINVAL;
  if (dvp.v_type != VDIR) return -ENOTDIR;
  if (changetype<usize>(dvp.v_mountedhere) != 0 || (dvp.v_flag & VROOT) != 0) return -EBUSY;
  assert(onlen > 0, "vfs_mount: path");
  // One slash may be added, and a NUL must fit behind.
  if (onlen + 1 >= PATH_MAX) return -ENAMETOOLONG;
  const mp = mount_alloc(changetype<Filesystem>(fs), flags);
  if (changetype<usize>(mp) == 0) return -ENOSPC;
  mount_setname(mp, on, onlen);
  const e = mp.mnt_fs.fs_mount(mp, args);
  if (e < 0) {
    pool_put(vfs.mountpool, changetype<usize>(mp));
    return e;
  }
  vref(dvp);
  mp.mnt_covered = dvp;
  dvp.v_mountedhere = mp;
  mount_insert(mp);
  log_begin(LOG_INFO, "vfs");
  log_str(mp.mnt_fs.fs_name());
  log_str(" on ");
  log_bytes(mount_onname(mp), mp.mnt_onlen);
  log_end();
  return 0;
}

/** Undo a mount. -EBUSY if it is the root, or any of its files is in use. */
export function vfs_unmount(mp: Mount): i32 {
  if (mp == vfs.root || mp.mnt_nactive != 0) return -EBUSY;
  const e = mp.mnt_fs.fs_unmount(mp);
  if (e < 0) return e;
  const dvp = mp.mnt_covered;
  assert(!vn_isnull(dvp) && dvp.v_mountedhere == mp, "vfs_unmount: covered");
  dvp.v_mountedhere = changetype<Mount>(0);
  vrele(dvp);
  if (vfs.mounts == mp) {
    vfs.mounts = mp.mnt_next;
  } else {
    let at = vfs.mounts;
    while (at.mnt_next != mp) at = at.mnt_next;
    at.mnt_next = mp.mnt_next;
  }
  vfs.nmounts--;
  pool_put(vfs.mountpool, changetype<usize>(mp));
  return 0;
}

/** Fill struct statvfs at `buf` for `mp`. */
export function mount_statvfs(mp: Mount, buf: usize): i32 {
  memory.fill(buf, 0, sv.STATVFS_SIZEOF);
  store<i32>(buf, mp.mnt_flag, sv.STATVFS_FLAG);
  store<u32>(buf, mp.mnt_fsid, sv.STATVFS_FSID);
  const name = buf + sv.STATVFS_FSTYPENAME;
  kput_str(name, name + sv.MFSNAMELEN - 1, mp.mnt_fs.fs_name());
  memory.copy(buf + sv.STATVFS_MNTONNAME, mount_onname(mp), mp.mnt_onlen);
  return mp.mnt_fs.fs_statvfs(mp, buf);
}
