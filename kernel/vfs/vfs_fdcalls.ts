/**
 * System calls on open files: what read, write and close of kern/file.ts leave for vnodes.
 *
 * 64-bit offsets come as two i32, low word first; a 64-bit answer goes to memory. fmap is the sendfile
 * of this kernel: it answers where the file's bytes lie, and the caller hands that address to a
 * socket, so a page goes from the file system to the network without a copy inside the image. The
 * address holds until the file is next written, truncated or removed; since nothing else runs between
 * two system calls of one event handler, "map, then send" needs no lock and no pin.
 */
import { EBADF, EFAULT, EINVAL, ENOTDIR, ESPIPE } from "../abi/errno";
import { SEEK_CUR, SEEK_END, SEEK_SET } from "../abi/fcntl";
import { STATVFS_SIZEOF } from "../abi/statvfs";
import * as nr from "../abi/syscall";
import { FREAD, FWRITE, fd_getfile } from "../kern/file";
import { useracc } from "../kern/kstring";
import { sysent_set } from "../kern/syscall";
import { mount_statvfs } from "./mount";
import { vn_chmod, vn_utimens } from "./vfs_syscalls";
import { VnodeFile, vn_getfile, vn_read, vn_truncate, vn_write } from "./vfs_vnops";
import { VDIR, VREG, vn_knote } from "./vnode";

/** Boot: register the calls of this file. */
export function vfs_fdcalls_init(): void {
  sysent_set(nr.SYS_pread, sys_pread);
  sysent_set(nr.SYS_pwrite, sys_pwrite);
  sysent_set(nr.SYS_lseek, sys_lseek);
  sysent_set(nr.SYS_ftruncate, sys_ftruncate);
  sysent_set(nr.SYS_fsync, sys_fsync);
  sysent_set(nr.SYS_getdents, sys_getdents);
  sysent_set(nr.SYS_fmap, sys_fmap);
  sysent_set(nr.SYS_fchmod, sys_fchmod);
  sysent_set(nr.SYS_futimens, sys_futimens);
  sysent_set(nr.SYS_fstatvfs, sys_fstatvfs);
}

function isnull(fp: VnodeFile): bool {
  return changetype<usize>(fp) == 0;
}

/** Why vn_getfile answered none: no such descriptor or access, or not a file at all. */
function notfile(fd: i32, otherwise: i32): i32 {
  const fp = fd_getfile(fd);
  return changetype<usize>(fp) != 0 && isnull(vn_getfile(fd, 0)) ? -otherwise : -EBADF;
}

/** An offset from its two words. */
export function off64(lo: i32, hi: i32): i64 {
  return (<i64>hi << 32) | <i64>(<u32>lo);
}

/** pread(fd, buf, len, off_lo, off_hi): read at an offset; the file's own stays. */
function sys_pread(fd: i32, buf: i32, len: i32, lo: i32, hi: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, FREAD);
  if (isnull(fp)) return notfile(fd, ESPIPE);
  if (!useracc(buf, len)) return len < 0 ? -EINVAL : -EFAULT;
  return vn_read(fp.f_vp, off64(lo, hi), buf, len);
}

/** pwrite(fd, buf, len, off_lo, off_hi): write at an offset, O_APPEND or not. */
function sys_pwrite(fd: i32, buf: i32, len: i32, lo: i32, hi: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, FWRITE);
  if (isnull(fp)) return notfile(fd, ESPIPE);
  if (!useracc(buf, len)) return len < 0 ? -EINVAL : -EFAULT;
  return vn_write(fp.f_vp, off64(lo, hi), buf, len);
}

/** lseek(fd, off_lo, off_hi, whence, result): the new offset goes to the i64 at `result` unless that is 0. */
function sys_lseek(fd: i32, lo: i32, hi: i32, whence: i32, result: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, 0);
  if (isnull(fp)) return notfile(fd, ESPIPE);
  if (result != 0 && !useracc(result, 8)) return -EFAULT;
  let base: i64 = 0;
  if (whence == SEEK_CUR) base = fp.f_offset;
  else if (whence == SEEK_END) base = fp.f_vp.v_size;
  else if (whence != SEEK_SET) return -EINVAL;
  const off = off64(lo, hi);
  const to = base + off;
  // base >= 0, so a sum that wrapped is negative too.
  if (to < 0) return -EINVAL;
  fp.f_offset = to;
  vn_knote(fp.f_vp, 0);
  if (result != 0) store<i64>(result, to);
  return 0;
}

/** ftruncate(fd, size_lo, size_hi). */
function sys_ftruncate(fd: i32, lo: i32, hi: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, FWRITE);
  return isnull(fp) ? notfile(fd, EINVAL) : vn_truncate(fp.f_vp, off64(lo, hi));
}

/** fsync(fd). */
function sys_fsync(fd: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, 0);
  return isnull(fp) ? notfile(fd, EINVAL) : fp.f_vp.vop_fsync();
}

/** getdents(fd, buf, len): whole entries (abi/dirent.ts); their bytes, 0 at the end. */
function sys_getdents(fd: i32, buf: i32, len: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, FREAD);
  if (isnull(fp)) return notfile(fd, ENOTDIR);
  if (fp.f_vp.v_type != VDIR) return -ENOTDIR;
  if (!useracc(buf, len)) return len < 0 ? -EINVAL : -EFAULT;
  return fp.f_vp.vop_readdir(changetype<usize>(fp) + offsetof<VnodeFile>("f_offset"), buf, len);
}

/**
 * fmap(fd, off_lo, off_hi, lenp): the address of the byte at the offset. The i32 at `lenp` says on
 * entry how many bytes are wanted and on return how many, of those, lie there in a row. At the end of
 * the file both are 0. The memory is the file system's: read only.
 */
function sys_fmap(fd: i32, lo: i32, hi: i32, lenp: i32, a4: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, FREAD);
  if (isnull(fp)) return notfile(fd, EINVAL);
  if (!useracc(lenp, 4)) return -EFAULT;
  const off = off64(lo, hi);
  if (fp.f_vp.v_type != VREG || off < 0 || load<i32>(lenp) < 0) return -EINVAL;
  return fp.f_vp.vop_bmap(off, lenp);
}

/** fchmod(fd, mode). */
function sys_fchmod(fd: i32, mode: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, 0);
  return isnull(fp) ? notfile(fd, EINVAL) : vn_chmod(fp.f_vp, mode);
}

/** futimens(fd, times): as utimens. */
function sys_futimens(fd: i32, times: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, 0);
  return isnull(fp) ? notfile(fd, EINVAL) : vn_utimens(fp.f_vp, times);
}

/** fstatvfs(fd, buf). */
function sys_fstatvfs(fd: i32, buf: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = vn_getfile(fd, 0);
  if (isnull(fp)) return notfile(fd, EINVAL);
  return useracc(buf, STATVFS_SIZEOF) ? mount_statvfs(fp.f_vp.v_mount, buf) : -EFAULT;
}
