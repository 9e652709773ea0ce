/**
 * For the specs of this folder: a kernel with tmpfs as its root, and system calls on literal paths.
 *
 * The kernel gets memory of its own beside the spec's heap (memory.grow). All calls go through the one
 * dispatcher, so the specs see what an app or the host would see. Buffers are static: one for each
 * path, one for data, one for results.
 */
import { DIRENT_NAME, DIRENT_NAMLEN, DIRENT_RECLEN } from "../../kernel/abi/dirent";
import { STAT_INO, STAT_MODE, STAT_NLINK, STAT_SIZE, STAT_SIZEOF } from "../../kernel/abi/stat";
import { STATVFS_BFREE, STATVFS_FFREE, STATVFS_MNTONNAME } from "../../kernel/abi/statvfs";
import * as nr from "../../kernel/abi/syscall";
import { kern_boot_services } from "../../kernel/kern/init";
import { kmem_boot, kmem_seal } from "../../kernel/kern/kmem";
import { syscall } from "../../kernel/kern/syscall";
import { vfs_init } from "../../kernel/vfs/mount";
import { tmpfs_attach } from "./tmpfs";

/** Memory of the kernel under test, in pages of 64 KiB. */
const PAGES: i32 = 768;
const PATH_A: usize = memory.data(4096);
const PATH_B: usize = memory.data(4096);
const STAT: usize = memory.data(152, 8);
const STATVFS: usize = memory.data(1096, 8);
const I64: usize = memory.data(8, 8);
/** 64 KiB for data. */
export const DATA: usize = memory.data(65536);

/** Boot a kernel; once in a spec file. */
export function spec_boot(): void {
  // The spec's own heap takes all memory there is when it is first used: that must be before.
  heap.free(heap.alloc(16));
  const page = memory.grow(PAGES);
  assert(page > 0, "spec_boot: no memory");
  kmem_boot(<usize>page << 16, <usize>(page + PAGES) << 16);
  assert(kern_boot_services() == 0, "spec_boot: kernel");
  vfs_init();
  assert(tmpfs_attach() == 0, "spec_boot: tmpfs");
  kmem_seal();
}

function put(at: usize, s: string): i32 {
  assert(s.length < 4096, "spec: path");
  return <i32>String.UTF8.encodeUnsafe(changetype<usize>(s), s.length, at);
}

/** call(path, len, a, b, c). */
function call1(n: i32, path: string, a: i32 = 0, b: i32 = 0, c: i32 = 0): i32 {
  return syscall(n, <i32>PATH_A, put(PATH_A, path), a, b, c, 0);
}

/** call(path, len, path2, len2). */
function call2(n: i32, a: string, b: string): i32 {
  return syscall(n, <i32>PATH_A, put(PATH_A, a), <i32>PATH_B, put(PATH_B, b), 0, 0);
}

export function open(path: string, flags: i32, mode: i32 = 0o644): i32 {
  return call1(nr.SYS_open, path, flags, mode);
}
export function close(fd: i32): i32 {
  return syscall(nr.SYS_close, fd, 0, 0, 0, 0, 0);
}
export function mkdir(path: string, mode: i32 = 0o755): i32 {
  return call1(nr.SYS_mkdir, path, mode);
}
export function rmdir(path: string): i32 {
  return call1(nr.SYS_rmdir, path);
}
export function unlink(path: string): i32 {
  return call1(nr.SYS_unlink, path);
}
export function rename(from: string, to: string): i32 {
  return call2(nr.SYS_rename, from, to);
}
export function link(from: string, to: string): i32 {
  return call2(nr.SYS_link, from, to);
}
export function symlink(target: string, path: string): i32 {
  return call2(nr.SYS_symlink, target, path);
}
export function truncate(path: string, size: i64): i32 {
  return call1(nr.SYS_truncate, path, <i32>size, <i32>(size >> 32));
}
export function chmod(path: string, mode: i32): i32 {
  return call1(nr.SYS_chmod, path, mode);
}
export function utimens(path: string, times: usize, flags: i32 = 0): i32 {
  return call1(nr.SYS_utimens, path, <i32>times, flags);
}
export function unmount(path: string): i32 {
  return call1(nr.SYS_unmount, path);
}
/** `args` 0, or the address of TMPFS_ARGS. */
export function mount(type: string, dir: string, flags: i32, args: usize): i32 {
  const tlen = put(PATH_A, type);
  return syscall(nr.SYS_mount, <i32>PATH_A, tlen, <i32>PATH_B, put(PATH_B, dir), flags, <i32>args);
}
/** The target as a string; "" and the error in lastError(). */
export function readlink(path: string): string {
  const n = call1(nr.SYS_readlink, path, <i32>DATA, 4096);
  return n < 0 ? "error " + (-n).toString() : String.UTF8.decodeUnsafe(DATA, n);
}

export function pwrite(fd: i32, buf: usize, len: i32, off: i64): i32 {
  return syscall(nr.SYS_pwrite, fd, <i32>buf, len, <i32>off, <i32>(off >> 32), 0);
}
export function pread(fd: i32, buf: usize, len: i32, off: i64): i32 {
  return syscall(nr.SYS_pread, fd, <i32>buf, len, <i32>off, <i32>(off >> 32), 0);
}
export function write(fd: i32, buf: usize, len: i32): i32 {
  return syscall(nr.SYS_write, fd, <i32>buf, len, 0, 0, 0);
}
export function read(fd: i32, buf: usize, len: i32): i32 {
  return syscall(nr.SYS_read, fd, <i32>buf, len, 0, 0, 0);
}
export function ftruncate(fd: i32, size: i64): i32 {
  return syscall(nr.SYS_ftruncate, fd, <i32>size, <i32>(size >> 32), 0, 0, 0);
}
/** The new offset, or -errno. */
export function lseek(fd: i32, off: i64, whence: i32): i64 {
  const e = syscall(nr.SYS_lseek, fd, <i32>off, <i32>(off >> 32), whence, <i32>I64, 0);
  return e < 0 ? e : load<i64>(I64);
}
/** Address, or -errno; the length wanted and found is the i32 at `lenp`. */
export function fmap(fd: i32, off: i64, lenp: usize): i32 {
  return syscall(nr.SYS_fmap, fd, <i32>off, <i32>(off >> 32), <i32>lenp, 0, 0);
}
export function getdents(fd: i32, buf: usize, len: i32): i32 {
  return syscall(nr.SYS_getdents, fd, <i32>buf, len, 0, 0, 0);
}

/** Address of struct stat of `path`, or 0 and the error as -errno in its place. */
export function stat(path: string): i32 {
  memory.fill(STAT, 0xff, STAT_SIZEOF);
  return call1(nr.SYS_stat, path, <i32>STAT);
}
export function lstat(path: string): i32 {
  memory.fill(STAT, 0xff, STAT_SIZEOF);
  return call1(nr.SYS_lstat, path, <i32>STAT);
}
export function fstat(fd: i32): i32 {
  memory.fill(STAT, 0xff, STAT_SIZEOF);
  return syscall(nr.SYS_fstat, fd, <i32>STAT, 0, 0, 0, 0);
}
/** Fields of the last stat. */
export function st_mode(): i32 {
  return load<i32>(STAT, STAT_MODE);
}
export function st_nlink(): i32 {
  return load<i32>(STAT, STAT_NLINK);
}
export function st_size(): i64 {
  return load<i64>(STAT, STAT_SIZE);
}
export function st_ino(): i64 {
  return load<i64>(STAT, STAT_INO);
}
/** Field of the last stat at offset `at` of abi/stat.ts. */
export function st_i64(at: usize): i64 {
  return load<i64>(STAT + at);
}

/** Free blocks and free nodes of the file system that `path` is on. */
export function blocks_free(path: string = "/"): i64 {
  assert(call1(nr.SYS_statvfs, path, <i32>STATVFS) == 0, "statvfs");
  return load<i64>(STATVFS, STATVFS_BFREE);
}
export function nodes_free(path: string = "/"): i64 {
  assert(call1(nr.SYS_statvfs, path, <i32>STATVFS) == 0, "statvfs");
  return load<i64>(STATVFS, STATVFS_FFREE);
}

/** Where the file system that `path` is on is mounted. */
export function mounted_on(path: string): string {
  assert(call1(nr.SYS_statvfs, path, <i32>STATVFS) == 0, "statvfs");
  return String.UTF8.decodeUnsafe(STATVFS + STATVFS_MNTONNAME, 1024, true);
}

/** Make `path` a file with the text `s`. */
export function put_file(path: string, s: string): i32 {
  const fd = open(path, 0x601);
  if (fd < 0) return fd;
  const n = write(fd, DATA, put(DATA, s));
  close(fd);
  return n;
}

/** Contents of `path` as a string, at most 64 KiB. */
export function get_file(path: string): string {
  const fd = open(path, 0);
  if (fd < 0) return "error " + (-fd).toString();
  const n = read(fd, DATA, 65536);
  close(fd);
  return n < 0 ? "error " + (-n).toString() : String.UTF8.decodeUnsafe(DATA, n);
}

/** Names in directory `path`, "." and ".." too, in the order given, with a space between. */
export function list_dir(path: string, bufsize: i32 = 4096): string {
  const fd = open(path, 0);
  if (fd < 0) return "error " + (-fd).toString();
  let out = "";
  while (true) {
    const n = getdents(fd, DATA, bufsize);
    if (n < 0) out += "error " + (-n).toString();
    if (n <= 0) break;
    for (let at = DATA; at < DATA + n; at += load<u16>(at, DIRENT_RECLEN)) {
      if (out.length > 0) out += " ";
      out += String.UTF8.decodeUnsafe(at + DIRENT_NAME, load<u16>(at, DIRENT_NAMLEN));
    }
  }
  close(fd);
  return out;
}
