/**
 * System calls on paths: open, stat, mkdir, unlink, rename and the rest.
 *
 * A path is an address and a length in bytes, no NUL. Every call is the same three steps: namei (with
 * the parent, where an entry will change), the checks that POSIX puts before the file system (types,
 * mount points, read-only mounts, "." and ".."), then one vop and the knotes of those who watch. A call
 * that fails has changed nothing.
 */
import {
  EBUSY, EEXIST, EFAULT, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS, EXDEV,
} from "../abi/errno";
import * as ev from "../abi/event";
import { AT_SYMLINK_NOFOLLOW, PATH_MAX } from "../abi/fcntl";
import { ALLPERMS, STAT_SIZEOF, TIMESPEC_SIZEOF, UTIME_NOW, UTIME_OMIT } from "../abi/stat";
import { STATVFS_SIZEOF } from "../abi/statvfs";
import * as nr from "../abi/syscall";
import { getmicrotime } from "../kern/clock";
import { useracc } from "../kern/kstring";
import { sysent_set } from "../kern/syscall";
import { mount_statvfs, vfs_mount, vfs_state, vfs_unmount } from "./mount";
import { FOLLOW, LAST_DOT, LAST_NORMAL, LAST_ROOT, Nameidata, WANTPARENT, namei, ni_release } from "./namei";
import { off64, vfs_fdcalls_init } from "./vfs_fdcalls";
import { vn_open, vn_stat, vn_truncate } from "./vfs_vnops";
import { VDIR, VLNK, VNOVAL, VNOVAL_TIME, VROOT, Vnode, vn_isnull, vn_knote, vn_rdonly, vrele } from "./vnode";

/** Boot: register the calls. */
export function vfs_syscalls_init(): void {
  sysent_set(nr.SYS_open, sys_open);
  sysent_set(nr.SYS_stat, sys_stat);
  sysent_set(nr.SYS_lstat, sys_lstat);
  sysent_set(nr.SYS_mkdir, sys_mkdir);
  sysent_set(nr.SYS_rmdir, sys_rmdir);
  sysent_set(nr.SYS_unlink, sys_unlink);
  sysent_set(nr.SYS_rename, sys_rename);
  sysent_set(nr.SYS_link, sys_link);
  sysent_set(nr.SYS_symlink, sys_symlink);
  sysent_set(nr.SYS_readlink, sys_readlink);
  sysent_set(nr.SYS_truncate, sys_truncate);
  sysent_set(nr.SYS_chmod, sys_chmod);
  sysent_set(nr.SYS_utimens, sys_utimens);
  sysent_set(nr.SYS_statvfs, sys_statvfs);
  sysent_set(nr.SYS_mount, sys_mount);
  sysent_set(nr.SYS_unmount, sys_unmount);
  vfs_fdcalls_init();
}

/** Release `ni` and answer `e`. */
function done(ni: Nameidata, e: i32): i32 {
  ni_release(ni);
  return e;
}

/** open(path, len, flags, mode). */
function sys_open(path: i32, len: i32, flags: i32, mode: i32, a4: i32, a5: i32): i32 {
  return vn_open(path, len, flags, mode);
}

function dostat(path: i32, len: i32, buf: i32, flags: i32): i32 {
  if (!useracc(buf, STAT_SIZEOF)) return -EFAULT;
  const ni = vfs_state().nd;
  const e = namei(ni, path, len, flags);
  return e < 0 ? e : done(ni, vn_stat(ni.ni_vp, buf));
}

/** stat(path, len, buf). */
function sys_stat(path: i32, len: i32, buf: i32, a3: i32, a4: i32, a5: i32): i32 {
  return dostat(path, len, buf, FOLLOW);
}

/** lstat(path, len, buf): of a symbolic link itself. */
function sys_lstat(path: i32, len: i32, buf: i32, a3: i32, a4: i32, a5: i32): i32 {
  return dostat(path, len, buf, 0);
}

/** A name is to be made: 0 if it is free and may be, with the result of namei held; else nothing is. */
function namei_create(ni: Nameidata, path: i32, len: i32, isdir: bool): i32 {
  let e = namei(ni, path, len, WANTPARENT);
  if (e < 0) return e;
  if (!vn_isnull(ni.ni_vp)) e = -EEXIST;
  else if (ni.ni_slash && !isdir) e = -ENOENT;
  else if (vn_rdonly(ni.ni_dvp)) e = -EROFS;
  return e < 0 ? done(ni, e) : 0;
}

/** An entry was made in ni_dvp: `r` is its vnode, to be released, or -errno. */
function created(ni: Nameidata, r: i32, note: i32): i32 {
  if (r < 0) return done(ni, r);
  vn_knote(ni.ni_dvp, note);
  vrele(changetype<Vnode>(r));
  return done(ni, 0);
}

/** mkdir(path, len, mode). */
function sys_mkdir(path: i32, len: i32, mode: i32, a3: i32, a4: i32, a5: i32): i32 {
  const ni = vfs_state().nd;
  const e = namei_create(ni, path, len, true);
  if (e < 0) return e;
  const r = ni.ni_dvp.vop_mkdir(ni.ni_name, ni.ni_namelen, mode & ALLPERMS);
  return created(ni, r, ev.NOTE_WRITE | ev.NOTE_LINK);
}

/** symlink(target, tlen, path, len). */
function sys_symlink(target: i32, tlen: i32, path: i32, len: i32, a4: i32, a5: i32): i32 {
  if (!useracc(target, tlen)) return -EFAULT;
  if (tlen == 0) return -ENOENT;
  if (tlen >= PATH_MAX) return -ENAMETOOLONG;
  for (let i = 0; i < tlen; i++) {
    if (load<u8>(target + i) == 0) return -EINVAL;
  }
  const ni = vfs_state().nd;
  const e = namei_create(ni, path, len, false);
  if (e < 0) return e;
  const r = ni.ni_dvp.vop_symlink(ni.ni_name, ni.ni_namelen, target, tlen);
  return created(ni, r, ev.NOTE_WRITE);
}

/** link(path, len, newpath, newlen): a symbolic link is linked itself, not followed. */
function sys_link(path: i32, len: i32, to: i32, tolen: i32, a4: i32, a5: i32): i32 {
  const from = vfs_state().nd;
  const ni = vfs_state().nd2;
  let e = namei(from, path, len, 0);
  if (e < 0) return e;
  const vp = from.ni_vp;
  if (vp.v_type == VDIR) return done(from, -EPERM);
  e = namei_create(ni, to, tolen, false);
  if (e < 0) return done(from, e);
  if (vp.v_mount != ni.ni_dvp.v_mount) e = -EXDEV;
  else e = ni.ni_dvp.vop_link(ni.ni_name, ni.ni_namelen, vp);
  if (e >= 0) {
    vn_knote(vp, ev.NOTE_LINK);
    vn_knote(ni.ni_dvp, ev.NOTE_WRITE);
  }
  ni_release(ni);
  return done(from, e);
}

/** `vp` lost a name: its watchers hear whether that was the last. */
function knote_unlinked(vp: Vnode): void {
  if (vp.v_klist == 0) return;
  const va = vfs_state().va;
  if (vp.vop_getattr(va) == 0) vn_knote(vp, va.va_nlink == 0 ? ev.NOTE_DELETE : ev.NOTE_LINK);
}

/** unlink(path, len). */
function sys_unlink(path: i32, len: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const ni = vfs_state().nd;
  let e = namei(ni, path, len, WANTPARENT);
  if (e < 0) return e;
  const vp = ni.ni_vp;
  if (vn_isnull(vp)) return done(ni, -ENOENT);
  if (vp.v_type == VDIR) return done(ni, -EPERM);
  assert(ni.ni_last == LAST_NORMAL, "unlink: what is not a directory has a name");
  if (vn_rdonly(vp)) return done(ni, -EROFS);
  e = ni.ni_dvp.vop_remove(ni.ni_name, ni.ni_namelen, vp);
  if (e >= 0) {
    vn_knote(ni.ni_dvp, ev.NOTE_WRITE);
    knote_unlinked(vp);
  }
  return done(ni, e);
}

/** rmdir(path, len). */
function sys_rmdir(path: i32, len: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const ni = vfs_state().nd;
  let e = namei(ni, path, len, WANTPARENT);
  if (e < 0) return e;
  const vp = ni.ni_vp;
  if (vn_isnull(vp)) e = -ENOENT;
  else if (vp.v_type != VDIR) e = -ENOTDIR;
  else if (ni.ni_last == LAST_DOT) e = -EINVAL;
  else if ((vp.v_flag & VROOT) != 0) e = -EBUSY;
  else if (ni.ni_last != LAST_NORMAL) e = -ENOTEMPTY;
  else if (vn_rdonly(vp)) e = -EROFS;
  else e = ni.ni_dvp.vop_rmdir(ni.ni_name, ni.ni_namelen, vp);
  if (e >= 0) {
    vn_knote(ni.ni_dvp, ev.NOTE_WRITE | ev.NOTE_LINK);
    vn_knote(vp, ev.NOTE_DELETE);
  }
  return done(ni, e);
}

/** May what `from` found move to where `to` points? 0, or -errno; 1 if there is nothing to do. */
function rename_check(from: Nameidata, to: Nameidata): i32 {
  const vp = from.ni_vp;
  const tvp = to.ni_vp;
  const isdir = vp.v_type == VDIR;
  if (from.ni_last == LAST_ROOT || to.ni_last == LAST_ROOT) return -EBUSY;
  if (from.ni_last != LAST_NORMAL || to.ni_last != LAST_NORMAL) return -EINVAL;
  if ((vp.v_flag & VROOT) != 0) return -EBUSY;
  if (from.ni_dvp.v_mount != to.ni_dvp.v_mount) return -EXDEV;
  if (vn_rdonly(vp)) return -EROFS;
  if (!vn_isnull(tvp)) {
    if ((tvp.v_flag & VROOT) != 0) return -EBUSY;
    if (tvp == vp) return 1;
    if (isdir && tvp.v_type != VDIR) return -ENOTDIR;
    if (!isdir && tvp.v_type == VDIR) return -EISDIR;
  }
  return to.ni_slash && !isdir ? -ENOTDIR : 0;
}

/** rename(path, len, newpath, newlen): what newpath named is replaced in the same step. */
function sys_rename(path: i32, len: i32, to: i32, tolen: i32, a4: i32, a5: i32): i32 {
  const f = vfs_state().nd;
  const t = vfs_state().nd2;
  let e = namei(f, path, len, WANTPARENT);
  if (e < 0) return e;
  if (vn_isnull(f.ni_vp)) return done(f, -ENOENT);
  e = namei(t, to, tolen, WANTPARENT);
  if (e < 0) return done(f, e);
  const vp = f.ni_vp;
  const tvp = t.ni_vp;
  e = rename_check(f, t);
  if (e == 0) {
    e = f.ni_dvp.vop_rename(f.ni_name, f.ni_namelen, vp, t.ni_dvp, t.ni_name, t.ni_namelen, tvp);
    if (e >= 0) {
      const note = vp.v_type == VDIR ? ev.NOTE_WRITE | ev.NOTE_LINK : ev.NOTE_WRITE;
      vn_knote(f.ni_dvp, note);
      if (t.ni_dvp != f.ni_dvp) vn_knote(t.ni_dvp, note);
      vn_knote(vp, ev.NOTE_RENAME);
      if (!vn_isnull(tvp)) knote_unlinked(tvp);
    }
  }
  ni_release(t);
  return done(f, e < 0 ? e : 0);
}

/** readlink(path, len, buf, buflen): bytes, cut at buflen. */
function sys_readlink(path: i32, len: i32, buf: i32, buflen: i32, a4: i32, a5: i32): i32 {
  if (!useracc(buf, buflen)) return buflen < 0 ? -EINVAL : -EFAULT;
  const ni = vfs_state().nd;
  const e = namei(ni, path, len, 0);
  if (e < 0) return e;
  return done(ni, ni.ni_vp.v_type == VLNK ? ni.ni_vp.vop_readlink(buf, buflen) : -EINVAL);
}

/** truncate(path, len, size_lo, size_hi). */
function sys_truncate(path: i32, len: i32, lo: i32, hi: i32, a4: i32, a5: i32): i32 {
  const ni = vfs_state().nd;
  const e = namei(ni, path, len, FOLLOW);
  return e < 0 ? e : done(ni, vn_truncate(ni.ni_vp, off64(lo, hi)));
}

/** Give `vp` the permission bits of `mode`. */
export function vn_chmod(vp: Vnode, mode: i32): i32 {
  if (vn_rdonly(vp)) return -EROFS;
  const va = vfs_state().va;
  va.va_mode = mode & ALLPERMS;
  va.va_atime_us = VNOVAL_TIME;
  va.va_mtime_us = VNOVAL_TIME;
  const e = vp.vop_setattr(va);
  if (e >= 0) vn_knote(vp, ev.NOTE_ATTRIB);
  return e;
}

/** chmod(path, len, mode). */
function sys_chmod(path: i32, len: i32, mode: i32, a3: i32, a4: i32, a5: i32): i32 {
  const ni = vfs_state().nd;
  const e = namei(ni, path, len, FOLLOW);
  return e < 0 ? e : done(ni, vn_chmod(ni.ni_vp, mode));
}

/** Is the timespec at `ts` one, or UTIME_NOW, UTIME_OMIT, within ±2^43 seconds? */
function timespec_ok(ts: usize): bool {
  const sec = load<i64>(ts);
  const nsec = load<i64>(ts, 8);
  if (nsec == UTIME_NOW || nsec == UTIME_OMIT) return true;
  const range: i64 = <i64>1 << 43;
  return nsec >= 0 && nsec < 1000000000 && sec > -range && sec < range;
}

function timespec_get(ts: usize): i64 {
  const nsec = load<i64>(ts, 8);
  if (nsec == UTIME_NOW) return getmicrotime();
  if (nsec == UTIME_OMIT) return VNOVAL_TIME;
  return load<i64>(ts) * 1000000 + nsec / 1000;
}

/** Set access and modification time of `vp` from the two timespecs at `times`; 0 = both now. */
export function vn_utimens(vp: Vnode, times: usize): i32 {
  if (vn_rdonly(vp)) return -EROFS;
  const va = vfs_state().va;
  va.va_mode = VNOVAL;
  if (times == 0) {
    va.va_atime_us = getmicrotime();
    va.va_mtime_us = va.va_atime_us;
  } else {
    if (!useracc(times, 2 * TIMESPEC_SIZEOF)) return -EFAULT;
    if (!timespec_ok(times) || !timespec_ok(times + TIMESPEC_SIZEOF)) return -EINVAL;
    va.va_atime_us = timespec_get(times);
    va.va_mtime_us = timespec_get(times + TIMESPEC_SIZEOF);
  }
  const e = vp.vop_setattr(va);
  if (e >= 0) vn_knote(vp, ev.NOTE_ATTRIB);
  return e;
}

/** utimens(path, len, times, flags): flags 0 or AT_SYMLINK_NOFOLLOW. */
function sys_utimens(path: i32, len: i32, times: i32, flags: i32, a4: i32, a5: i32): i32 {
  if ((flags & ~AT_SYMLINK_NOFOLLOW) != 0) return -EINVAL;
  const ni = vfs_state().nd;
  const e = namei(ni, path, len, flags == 0 ? FOLLOW : 0);
  return e < 0 ? e : done(ni, vn_utimens(ni.ni_vp, times));
}

/** statvfs(path, len, buf). */
function sys_statvfs(path: i32, len: i32, buf: i32, a3: i32, a4: i32, a5: i32): i32 {
  if (!useracc(buf, STATVFS_SIZEOF)) return -EFAULT;
  const ni = vfs_state().nd;
  const e = namei(ni, path, len, FOLLOW);
  return e < 0 ? e : done(ni, mount_statvfs(ni.ni_vp.v_mount, buf));
}

/** mount(type, typelen, dir, dirlen, flags, args): `args` is the file system's structure or 0. */
function sys_mount(type: i32, tlen: i32, dir: i32, dlen: i32, flags: i32, args: i32): i32 {
  if (!useracc(type, tlen)) return -EFAULT;
  const ni = vfs_state().nd;
  const e = namei(ni, dir, dlen, FOLLOW);
  return e < 0 ? e : done(ni, vfs_mount(type, tlen, ni.ni_vp, dir, dlen, flags, args));
}

/** unmount(dir, dirlen): `dir` is the root of what is mounted. */
function sys_unmount(dir: i32, dlen: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const ni = vfs_state().nd;
  const e = namei(ni, dir, dlen, FOLLOW);
  if (e < 0) return e;
  const mp = ni.ni_vp.v_mount;
  const isroot = (ni.ni_vp.v_flag & VROOT) != 0;
  ni_release(ni);
  return isroot ? vfs_unmount(mp) : -EINVAL;
}
