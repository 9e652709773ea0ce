/**
 * File descriptors: small integers for whatever can be read, written, waited for.
 *
 *      fd_table: [0] [1] [2] … KERN_MAXFILES words, each a File or 0
 *      fd_map:   one bit an fd, 1 = taken; the lowest free one is found from fd_hint
 *
 * File is the polymorphic end: sockets (net/sys_socket.ts), vnodes (vfs/vfs_vnops.ts) and kqueues
 * (kern/kqueue.ts) extend it, each from a pool of its own. There is one table, as there is one
 * process. Allocation is the lowest free number, as POSIX wants; O(1) in practice, at worst one word
 * of bits for 64 descriptors.
 */
import { EBADF, EFAULT, EINVAL, EMFILE, ENOTTY, EOPNOTSUPP } from "../abi/errno";
import { IOVEC_SIZE, IOV_BASE, IOV_LEN, IOV_MAX } from "../abi/socket";
import { SYS_close, SYS_fcntl, SYS_fstat, SYS_ioctl, SYS_read, SYS_readv, SYS_write, SYS_writev } from "../abi/syscall";
import { F_GETFL, F_SETFL, O_APPEND, O_NONBLOCK } from "../abi/fcntl";
import { KERN_MAXFILES } from "rump/tunables";
import { kmem_alloc } from "./kmem";
import { useracc } from "./kstring";
import { Knote, knote_fdclose } from "./knote";
import { sysent_set } from "./syscall";

export const DTYPE_VNODE: i32 = 1;
export const DTYPE_SOCKET: i32 = 2;
export const DTYPE_KQUEUE: i32 = 3;
export const DTYPE_MISC: i32 = 4;

/** Access of the open file, in f_flag besides O_*. */
export const FREAD: i32 = 0x01;
export const FWRITE: i32 = 0x02;

/** An open file. Managed layout (virtual methods): only from kobj or pool_init_obj. */
export abstract class File {
  f_type: i32;
  /** FREAD, FWRITE and the O_ flags that can be set later. */
  f_flag: i32;
  /** Descriptors that name it; it is closed when the last goes. */
  f_count: i32;
  f_fd: i32;
  /** Knotes on this descriptor, of all kqueues, linked by kn_fpnext. */
  f_knotes: usize;

  /** Read up to `len` bytes to `buf`; bytes, 0 at the end, or -errno (-EAGAIN when it would wait). */
  abstract fo_read(buf: usize, len: i32): i32;
  /** Write up to `len` bytes from `buf`; bytes taken or -errno. */
  abstract fo_write(buf: usize, len: i32): i32;
  /**
   * Read into the `iovcnt` buffers of the struct iovecs at `iov`, which have been checked and copied; as fo_read.
   * One after the other, until one is not filled: what is read as a whole (datagrams) overrides it.
   */
  fo_readv(iov: usize, iovcnt: i32): i32 {
    let total = 0;
    for (let i = 0; i < iovcnt; i++, iov += IOVEC_SIZE) {
      const len = load<i32>(iov, IOV_LEN);
      const n = this.fo_read(load<usize>(iov, IOV_BASE), len);
      if (n < 0) return total > 0 ? total : n;
      total += n;
      if (n < len) break;
    }
    return total;
  }
  /** Write the buffers of the iovecs, one after the other until one is not taken whole; as fo_write. */
  fo_writev(iov: usize, iovcnt: i32): i32 {
    let total = 0;
    for (let i = 0; i < iovcnt; i++, iov += IOVEC_SIZE) {
      const len = load<i32>(iov, IOV_LEN);
      const n = this.fo_write(load<usize>(iov, IOV_BASE), len);
      if (n < 0) return total > 0 ? total : n;
      total += n;
      if (n < len) break;
    }
    return total;
  }
  /** Last descriptor gone: release everything, this object included. 0 or -errno. */
  abstract fo_close(): i32;
  /** Device control; `data` is an address. */
  fo_ioctl(cmd: i32, data: usize): i32 {
    return -ENOTTY;
  }
  /** O_NONBLOCK or O_APPEND changed. */
  fo_setflags(flags: i32): i32 {
    return 0;
  }
  fo_stat(st: usize): i32 {
    return -EOPNOTSUPP;
  }
  /** Attach `kn` to the list of what it watches; 0, or -EINVAL for a filter that it has not. */
  fo_kqfilter(kn: Knote): i32 {
    return -EINVAL;
  }
  /** Take `kn` off that list again. */
  fo_kqdetach(kn: Knote): void {}
  /** Is `kn` ready now? Sets kn_data, kn_fflags, EV_EOF. `hint` is that of knote(), 0 when re-checked. */
  fo_kqevent(kn: Knote, hint: i32): bool {
    return false;
  }
}

@unmanaged
class FdState {
  /** No free descriptor below this word of fd_map. */
  hint: i32;
  nfiles: i32;
  maxfiles: i32;
  /** IOV_MAX iovecs of the call under way. */
  iov: usize;
}

let fs: FdState = changetype<FdState>(0);
let fd_table: usize = 0;
let fd_map: usize = 0;

export function fd_boot(): void {
  fs = changetype<FdState>(kmem_alloc(offsetof<FdState>(), 8, "files"));
  fs.maxfiles = (KERN_MAXFILES + 63) & ~63;
  fd_table = kmem_alloc(<usize>fs.maxfiles << 2, 64, "files");
  fd_map = kmem_alloc(<usize>fs.maxfiles >> 3, 64, "files");
  fs.iov = kmem_alloc(IOV_MAX * IOVEC_SIZE, 8, "files");
  sysent_set(SYS_read, sys_read);
  sysent_set(SYS_write, sys_write);
  sysent_set(SYS_readv, sys_readv);
  sysent_set(SYS_writev, sys_writev);
  sysent_set(SYS_close, sys_close);
  sysent_set(SYS_ioctl, sys_ioctl);
  sysent_set(SYS_fcntl, sys_fcntl);
  sysent_set(SYS_fstat, sys_fstat);
}

/** Give `fp` the lowest free descriptor; it, or -EMFILE. */
export function fd_alloc(fp: File): i32 {
  const words = fs.maxfiles >> 6;
  for (let w = fs.hint; w < words; w++) {
    const at = fd_map + (<usize>w << 3);
    const free = ~load<u64>(at);
    if (free == 0) continue;
    const bit = <i32>ctz<u64>(free);
    store<u64>(at, load<u64>(at) | (<u64>1 << <u64>bit));
    fs.hint = w;
    fs.nfiles++;
    const fd = (w << 6) + bit;
    store<usize>(fd_table + (<usize>fd << 2), changetype<usize>(fp));
    fp.f_fd = fd;
    fp.f_count = 1;
    fp.f_knotes = 0;
    return fd;
  }
  fs.hint = words;
  return -EMFILE;
}

/** The file behind `fd`; null (0) if there is none. */
export function fd_getfile(fd: i32): File {
  if (<u32>fd >= <u32>fs.maxfiles) return changetype<File>(0);
  return changetype<File>(load<usize>(fd_table + (<usize>fd << 2)));
}

/** Close `fd`: its knotes go, then the file. 0 or -errno. */
export function fd_close(fd: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0) return -EBADF;
  knote_fdclose(fp);
  store<usize>(fd_table + (<usize>fd << 2), 0);
  const at = fd_map + (<usize>(fd >> 6) << 3);
  store<u64>(at, load<u64>(at) & ~(<u64>1 << <u64>(fd & 63)));
  if (fd >> 6 < fs.hint) fs.hint = fd >> 6;
  fs.nfiles--;
  assert(fp.f_count == 1, "fd_close: f_count");
  fp.f_count = 0;
  return fp.fo_close();
}

/** Descriptors in use, and how many there may be. */
export function fd_nfiles(): i32 {
  return fs.nfiles;
}

export function fd_maxfiles(): i32 {
  return fs.maxfiles;
}

function sys_read(fd: i32, buf: i32, len: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0 || (fp.f_flag & FREAD) == 0) return -EBADF;
  if (!useracc(buf, len)) return len < 0 ? -EINVAL : -EFAULT;
  return fp.fo_read(buf, len);
}

function sys_write(fd: i32, buf: i32, len: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0 || (fp.f_flag & FWRITE) == 0) return -EBADF;
  if (!useracc(buf, len)) return len < 0 ? -EINVAL : -EFAULT;
  return fp.fo_write(buf, len);
}

/**
 * Copy the `iovcnt` (at most IOV_MAX) iovecs at `iov` to iov_copied(): a buffer of theirs may overlap
 * them. The bytes that they describe; -EFAULT or -EINVAL if not all lie in memory, or are over 2^31 - 1.
 */
export function iov_copyin(iov: usize, iovcnt: i32): i32 {
  if (!useracc(iov, iovcnt * IOVEC_SIZE)) return -EFAULT;
  memory.copy(fs.iov, iov, iovcnt * IOVEC_SIZE);
  let total: i64 = 0;
  for (let i = 0, at = fs.iov; i < iovcnt; i++, at += IOVEC_SIZE) {
    const len = load<i32>(at, IOV_LEN);
    if (len < 0) return -EINVAL;
    if (!useracc(load<usize>(at, IOV_BASE), len)) return -EFAULT;
    total += len;
  }
  return total > 0x7fffffff ? -EINVAL : <i32>total;
}

/** The iovecs of the last iov_copyin; until the next system call. */
export function iov_copied(): usize {
  return fs.iov;
}

function sys_readv(fd: i32, iov: i32, iovcnt: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0 || (fp.f_flag & FREAD) == 0) return -EBADF;
  if (iovcnt <= 0 || iovcnt > IOV_MAX) return -EINVAL;
  const total = iov_copyin(iov, iovcnt);
  return total < 0 ? total : fp.fo_readv(fs.iov, iovcnt);
}

function sys_writev(fd: i32, iov: i32, iovcnt: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0 || (fp.f_flag & FWRITE) == 0) return -EBADF;
  if (iovcnt <= 0 || iovcnt > IOV_MAX) return -EINVAL;
  const total = iov_copyin(iov, iovcnt);
  return total < 0 ? total : fp.fo_writev(fs.iov, iovcnt);
}

function sys_close(fd: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  return fd_close(fd);
}

function sys_ioctl(fd: i32, cmd: i32, data: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0) return -EBADF;
  return fp.fo_ioctl(cmd, data);
}

function sys_fstat(fd: i32, st: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0) return -EBADF;
  return fp.fo_stat(st);
}

function sys_fcntl(fd: i32, cmd: i32, arg: i32, a3: i32, a4: i32, a5: i32): i32 {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0) return -EBADF;
  const settable = O_NONBLOCK | O_APPEND;
  if (cmd == F_GETFL) {
    // O_RDONLY 0, O_WRONLY 1, O_RDWR 2: one less than FREAD | FWRITE.
    return (fp.f_flag & settable) | ((fp.f_flag & (FREAD | FWRITE)) - 1);
  }
  if (cmd != F_SETFL) return -EINVAL;
  const e = fp.fo_setflags(arg & settable);
  if (e < 0) return e;
  fp.f_flag = (fp.f_flag & ~settable) | (arg & settable);
  return 0;
}
