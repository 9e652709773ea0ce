/**
 * Open files on vnodes: the File behind a descriptor that open(2) answers.
 *
 *      fd ─► VnodeFile ─ref─► Vnode
 *            │ f_offset: where read, write and getdents are
 *            └ f_flag: FREAD, FWRITE, O_APPEND
 *
 * Because a call runs to completion, "append" is "write at v_size": no lock, no race. Files are always
 * ready to write; EVFILT_READ is ready while bytes are left behind the offset; EVFILT_VNODE gathers
 * the NOTE_* that the calls of vfs_syscalls.ts tell of.
 */
import { EEXIST, EFAULT, EINVAL, EISDIR, ELOOP, EMFILE, ENFILE, ENOTDIR, EROFS } from "../abi/errno";
import * as ev from "../abi/event";
import * as fc from "../abi/fcntl";
import * as st from "../abi/stat";
import { KERN_MAXFILES } from "rump/tunables";
import { DTYPE_VNODE, FREAD, FWRITE, File, fd_alloc, fd_getfile, fd_maxfiles, fd_nfiles } from "../kern/file";
import { Knote, klist_insert, klist_remove } from "../kern/knote";
import { useracc } from "../kern/kstring";
import { Pool, pool_getz, pool_init_obj, pool_put } from "../kern/pool";
import { vfs_state } from "./mount";
import { FOLLOW, Nameidata, WANTPARENT, namei, ni_release } from "./namei";
import { VDIR, VLNK, VREG, Vnode, vn_isnull, vn_knote, vn_rdonly, vref, vrele } from "./vnode";

let vn_filepool: Pool = changetype<Pool>(0);

/** An open file, directory included. From vn_open only. */
export class VnodeFile extends File {
  f_vp: Vnode = changetype<Vnode>(0);
  /** Bytes from the start; of a directory, the file system's own position. */
  f_offset: i64;

  fo_read(buf: usize, len: i32): i32 {
    const n = vn_read(this.f_vp, this.f_offset, buf, len);
    if (n > 0) this.f_offset += n;
    return n;
  }

  fo_write(buf: usize, len: i32): i32 {
    if ((this.f_flag & fc.O_APPEND) != 0) this.f_offset = this.f_vp.v_size;
    const n = vn_write(this.f_vp, this.f_offset, buf, len);
    if (n > 0) this.f_offset += n;
    return n;
  }

  fo_stat(buf: usize): i32 {
    return useracc(buf, st.STAT_SIZEOF) ? vn_stat(this.f_vp, buf) : -EFAULT;
  }

  fo_close(): i32 {
    const vp = this.f_vp;
    pool_put(vn_filepool, changetype<usize>(this));
    vrele(vp);
    return 0;
  }

  fo_kqfilter(kn: Knote): i32 {
    const data = kn.kn_filter == ev.EVFILT_READ || kn.kn_filter == ev.EVFILT_WRITE;
    if (!(data && this.f_vp.v_type == VREG) && kn.kn_filter != ev.EVFILT_VNODE) return -EINVAL;
    klist_insert(changetype<usize>(this.f_vp) + offsetof<Vnode>("v_klist"), kn);
    return 0;
  }

  fo_kqdetach(kn: Knote): void {
    klist_remove(kn);
  }

  fo_kqevent(kn: Knote, hint: i32): bool {
    if (kn.kn_filter == ev.EVFILT_VNODE) {
      kn.kn_fflags |= hint & kn.kn_sfflags;
      return kn.kn_fflags != 0;
    }
    if (kn.kn_filter == ev.EVFILT_WRITE) return true;
    kn.kn_data = max<i64>(this.f_vp.v_size - this.f_offset, 0);
    return kn.kn_data > 0;
  }
}

/** Boot: the pool of open files. */
export function vn_init(): void {
  vn_filepool = pool_init_obj<VnodeFile>("vnfile", KERN_MAXFILES);
}

/** The open file behind `fd`; 0 if it is not one, or not open for `access` (FREAD, FWRITE). */
export function vn_getfile(fd: i32, access: i32): VnodeFile {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0 || fp.f_type != DTYPE_VNODE || (fp.f_flag & access) != access) {
    return changetype<VnodeFile>(0);
  }
  return changetype<VnodeFile>(changetype<usize>(fp));
}

/**
 * Open the `len` bytes at `path` with O_* `flags`; a file that O_CREAT makes gets `mode`. The
 * descriptor, or -errno with nothing made and nothing truncated.
 */
export function vn_open(path: usize, len: i32, flags: i32, mode: i32): i32 {
  const accmode = flags & fc.O_ACCMODE;
  const creat = (flags & fc.O_CREAT) != 0;
  if (accmode == fc.O_ACCMODE || (creat && (flags & fc.O_DIRECTORY) != 0)) return -EINVAL;
  if (fd_nfiles() >= fd_maxfiles()) return -EMFILE;
  const excl = creat && (flags & fc.O_EXCL) != 0;
  const follow = excl || (flags & fc.O_NOFOLLOW) != 0 ? 0 : FOLLOW;
  const ni = vfs_state().nd;
  let e = namei(ni, path, len, follow | (creat ? WANTPARENT : 0));
  if (e < 0) return e;
  const fp = changetype<VnodeFile>(pool_getz(vn_filepool));
  if (changetype<usize>(fp) == 0) e = -ENFILE;
  else if (vn_isnull(ni.ni_vp)) e = vn_open_create(ni, mode);
  else e = vn_open_check(ni.ni_vp, flags, excl);
  if (e < 0) {
    if (changetype<usize>(fp) != 0) pool_put(vn_filepool, changetype<usize>(fp));
    ni_release(ni);
    return e;
  }
  const vp = ni.ni_vp;
  vref(vp);
  ni_release(ni);
  fp.f_vp = vp;
  fp.f_type = DTYPE_VNODE;
  fp.f_flag = (accmode + 1) | (flags & (fc.O_APPEND | fc.O_NONBLOCK));
  assert((fp.f_flag & (FREAD | FWRITE)) != 0, "vn_open: access");
  const fd = fd_alloc(fp);
  assert(fd >= 0, "vn_open: a descriptor was free");
  return fd;
}

/** O_CREAT, and the name is free: make it, and leave the vnode in `ni`. */
function vn_open_create(ni: Nameidata, mode: i32): i32 {
  if (ni.ni_slash) return -EISDIR;
  if (vn_rdonly(ni.ni_dvp)) return -EROFS;
  const r = ni.ni_dvp.vop_create(ni.ni_name, ni.ni_namelen, mode & st.ALLPERMS);
  if (r < 0) return r;
  ni.ni_vp = changetype<Vnode>(r);
  vn_knote(ni.ni_dvp, ev.NOTE_WRITE);
  return 0;
}

/** What is there may be opened with `flags`? Then O_TRUNC is done. */
function vn_open_check(vp: Vnode, flags: i32, excl: bool): i32 {
  if (excl) return -EEXIST;
  if (vp.v_type == VLNK) return -ELOOP;
  const writes = (flags & (fc.O_WRONLY | fc.O_RDWR | fc.O_TRUNC)) != 0;
  if (vp.v_type == VDIR) return writes || (flags & fc.O_CREAT) != 0 ? -EISDIR : 0;
  if ((flags & fc.O_DIRECTORY) != 0) return -ENOTDIR;
  if (writes && vn_rdonly(vp)) return -EROFS;
  return (flags & fc.O_TRUNC) != 0 ? vn_truncate(vp, 0) : 0;
}

/** Up to `len` bytes of `vp` from `off` to `buf`. */
export function vn_read(vp: Vnode, off: i64, buf: usize, len: i32): i32 {
  if (vp.v_type == VDIR) return -EISDIR;
  if (off < 0) return -EINVAL;
  return len == 0 ? 0 : vp.vop_read(off, buf, len);
}

/** Up to `len` bytes from `buf` to `vp` at `off`. */
export function vn_write(vp: Vnode, off: i64, buf: usize, len: i32): i32 {
  assert(vp.v_type == VREG, "vn_write: only regular files open for writing");
  if (off < 0) return -EINVAL;
  if (len == 0) return 0;
  const before = vp.v_size;
  const n = vp.vop_write(off, buf, len);
  if (n > 0) vn_knote(vp, vp.v_size > before ? ev.NOTE_WRITE | ev.NOTE_EXTEND : ev.NOTE_WRITE);
  return n;
}

/** Cut or extend `vp` to `size` bytes. */
export function vn_truncate(vp: Vnode, size: i64): i32 {
  if (vp.v_type == VDIR) return -EISDIR;
  if (vp.v_type != VREG || size < 0) return -EINVAL;
  if (vn_rdonly(vp)) return -EROFS;
  const before = vp.v_size;
  const e = vp.vop_truncate(size);
  if (e >= 0) vn_knote(vp, size > before ? ev.NOTE_WRITE | ev.NOTE_EXTEND : ev.NOTE_WRITE);
  return e;
}

/** Seconds and nanoseconds of `us` µs since 1970, before that too: the nanoseconds are never negative. */
function timespec_put(at: usize, us: i64): void {
  let sec = us / 1000000;
  if (us < 0 && sec * 1000000 != us) sec--;
  store<i64>(at, sec);
  store<i64>(at, (us - sec * 1000000) * 1000, 8);
}

/** Fill struct stat at `buf`. */
export function vn_stat(vp: Vnode, buf: usize): i32 {
  const va = vfs_state().va;
  const e = vp.vop_getattr(va);
  if (e < 0) return e;
  memory.fill(buf, 0, st.STAT_SIZEOF);
  store<u64>(buf, vp.v_mount.mnt_fsid, st.STAT_DEV);
  store<u32>(buf, (<u32>vp.v_type << 12) | va.va_mode, st.STAT_MODE);
  store<u64>(buf, va.va_fileid, st.STAT_INO);
  store<u32>(buf, va.va_nlink, st.STAT_NLINK);
  timespec_put(buf + st.STAT_ATIM, va.va_atime_us);
  timespec_put(buf + st.STAT_MTIM, va.va_mtime_us);
  timespec_put(buf + st.STAT_CTIM, va.va_ctime_us);
  timespec_put(buf + st.STAT_BIRTHTIM, va.va_birthtime_us);
  store<i64>(buf, va.va_size, st.STAT_SIZE);
  store<i64>(buf, va.va_bytes / st.S_BLKSIZE, st.STAT_BLOCKS);
  store<i32>(buf, va.va_blocksize, st.STAT_BLKSIZE);
  store<u32>(buf, va.va_gen, st.STAT_GEN);
  return 0;
}
