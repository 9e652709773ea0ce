/**
 * kernel.sys, files: the calls of kernel/vfs (vfs_syscalls.ts, vfs_fdcalls.ts) and kern/file.ts.
 *
 * Names and arguments are those of NetBSD's manual, section 2, with JavaScript values for buffers
 * and structures. Every call throws SystemError. Offsets and sizes are doubles, exact to 2^53.
 * More comfortable files are kernel.fs.
 */
import { DIRENT_FILENO, DIRENT_NAME, DIRENT_NAMLEN, DIRENT_RECLEN, DIRENT_TYPE } from '../../kernel/abi/dirent';
import { AT_SYMLINK_NOFOLLOW, SEEK_SET } from '../../kernel/abi/fcntl';
import {
  STAT_ATIM, STAT_BIRTHTIM, STAT_BLKSIZE, STAT_BLOCKS, STAT_CTIM, STAT_DEV, STAT_GID, STAT_INO, STAT_MODE, STAT_MTIM,
  STAT_NLINK, STAT_RDEV, STAT_SIZE, STAT_UID, TIMESPEC_SIZEOF,
} from '../../kernel/abi/stat';
import {
  STATVFS_BFREE, STATVFS_BLOCKS, STATVFS_BSIZE, STATVFS_FFREE, STATVFS_FILES, STATVFS_FLAG, STATVFS_FRSIZE,
  STATVFS_FSTYPENAME, STATVFS_MNTONNAME, STATVFS_NAMEMAX,
} from '../../kernel/abi/statvfs';
import * as nr from '../../kernel/abi/syscall';
import { atOption, atPath2, atStruct, dataMax, SysBase } from './sysBase';

/** struct stat; times in milliseconds since 1970, with a fraction. */
export interface StatFields {
  dev: number;
  mode: number;
  ino: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blocks: number;
  blksize: number;
  atimeMs: number;
  mtimeMs: number;
  ctimeMs: number;
  birthtimeMs: number;
}

/** struct statvfs. */
export interface StatvfsFields {
  flag: number;
  bsize: number;
  frsize: number;
  namemax: number;
  blocks: number;
  bfree: number;
  files: number;
  ffree: number;
  fstypename: string;
  mntonname: string;
}

/** struct dirent. @see DT_* for the type */
export interface DirentFields {
  fileno: number;
  type: number;
  name: string;
}

const decoder = new TextDecoder();
const low = (value: number): number => value | 0;
const high = (value: number): number => Math.floor(value / 2 ** 32) | 0;

export class SysFiles extends SysBase {
  /** A descriptor. @param flags O_*, @param mode permission bits of a new file */
  open(path: string, flags: number, mode = 0o644): number {
    const n = this.putPath(path, 'open');
    return this.check(this.raw(nr.SYS_open, this.base, n, low(flags), mode), 'open', { path });
  }

  close(fd: number): void {
    this.check(this.raw(nr.SYS_close, fd), 'close');
  }

  /** Up to `size` bytes (at most 248 KiB a call); none at the end. */
  read(fd: number, size = dataMax): Buffer {
    return this.takeData(this.check(this.raw(nr.SYS_read, fd, this.data, Math.min(size, dataMax)), 'read'));
  }

  /** @returns how many bytes were taken, at most 248 KiB a call */
  write(fd: number, bytes: Uint8Array): number {
    return this.check(this.raw(nr.SYS_write, fd, this.data, this.putData(bytes)), 'write');
  }

  pread(fd: number, size: number, offset: number): Buffer {
    const n = this.raw(nr.SYS_pread, fd, this.data, Math.min(size, dataMax), low(offset), high(offset));
    return this.takeData(this.check(n, 'pread'));
  }

  pwrite(fd: number, bytes: Uint8Array, offset: number): number {
    return this.check(this.raw(nr.SYS_pwrite, fd, this.data, this.putData(bytes), low(offset), high(offset)), 'pwrite');
  }

  /** @param whence SEEK_*; @returns the new offset */
  lseek(fd: number, offset: number, whence: number = SEEK_SET): number {
    const at = this.base + atStruct;
    this.check(this.raw(nr.SYS_lseek, fd, low(offset), high(offset), whence, at), 'lseek');
    return this.getI64(at);
  }

  fsync(fd: number): void {
    this.check(this.raw(nr.SYS_fsync, fd), 'fsync');
  }

  ftruncate(fd: number, size: number): void {
    this.check(this.raw(nr.SYS_ftruncate, fd, low(size), high(size)), 'ftruncate');
  }

  truncate(path: string, size: number): void {
    const n = this.putPath(path, 'truncate');
    this.check(this.raw(nr.SYS_truncate, this.base, n, low(size), high(size)), 'truncate', { path });
  }

  stat(path: string): StatFields {
    return this.statPath(nr.SYS_stat, path, 'stat');
  }

  /** Of a symbolic link itself. */
  lstat(path: string): StatFields {
    return this.statPath(nr.SYS_lstat, path, 'lstat');
  }

  fstat(fd: number): StatFields {
    this.check(this.raw(nr.SYS_fstat, fd, this.base + atStruct), 'fstat');
    return this.takeStat();
  }

  mkdir(path: string, mode = 0o755): void {
    const n = this.putPath(path, 'mkdir');
    this.check(this.raw(nr.SYS_mkdir, this.base, n, mode), 'mkdir', { path });
  }

  rmdir(path: string): void {
    this.onPath(nr.SYS_rmdir, path, 'rmdir');
  }

  unlink(path: string): void {
    this.onPath(nr.SYS_unlink, path, 'unlink');
  }

  chmod(path: string, mode: number): void {
    const n = this.putPath(path, 'chmod');
    this.check(this.raw(nr.SYS_chmod, this.base, n, mode), 'chmod', { path });
  }

  rename(path: string, dest: string): void {
    this.onTwoPaths(nr.SYS_rename, path, dest, 'rename');
  }

  /** Another name `dest` for the file `path`. */
  link(path: string, dest: string): void {
    this.onTwoPaths(nr.SYS_link, path, dest, 'link');
  }

  /** A symbolic link `path` which says `target`. */
  symlink(target: string, path: string): void {
    this.onTwoPaths(nr.SYS_symlink, target, path, 'symlink');
  }

  readlink(path: string): string {
    const n = this.putPath(path, 'readlink');
    const got = this.check(this.raw(nr.SYS_readlink, this.base, n, this.data, dataMax), 'readlink', { path });
    return this.text(this.data, got);
  }

  /** Set access and modification time, in milliseconds since 1970. */
  utimens(path: string, atimeMs: number, mtimeMs: number, followLinks = true): void {
    const n = this.putPath(path, 'utimens');
    const at = this.base + atStruct;
    this.putTimespec(at, atimeMs);
    this.putTimespec(at + TIMESPEC_SIZEOF, mtimeMs);
    const flags = followLinks ? 0 : AT_SYMLINK_NOFOLLOW;
    this.check(this.raw(nr.SYS_utimens, this.base, n, at, flags), 'utimens', { path });
  }

  /** Some more entries of an open directory, "." and ".." among them; none at the end. */
  getdents(fd: number): DirentFields[] {
    const n = this.check(this.raw(nr.SYS_getdents, fd, this.data, 65536), 'getdents');
    const entries: DirentFields[] = [];
    for (let at = this.data; at < this.data + n; at += this.dv.getUint16(at + DIRENT_RECLEN, true)) {
      entries.push({
        fileno: this.getI64(at + DIRENT_FILENO),
        type: this.dv.getUint8(at + DIRENT_TYPE),
        name: this.text(at + DIRENT_NAME, this.dv.getUint16(at + DIRENT_NAMLEN, true)),
      });
    }
    return entries;
  }

  statvfs(path: string): StatvfsFields {
    const n = this.putPath(path, 'statvfs');
    const at = this.data;
    this.check(this.raw(nr.SYS_statvfs, this.base, n, at), 'statvfs', { path });
    const u32 = (offset: number): number => this.dv.getUint32(at + offset, true);
    return {
      flag: u32(STATVFS_FLAG), bsize: u32(STATVFS_BSIZE), frsize: u32(STATVFS_FRSIZE), namemax: u32(STATVFS_NAMEMAX),
      blocks: this.getI64(at + STATVFS_BLOCKS), bfree: this.getI64(at + STATVFS_BFREE),
      files: this.getI64(at + STATVFS_FILES), ffree: this.getI64(at + STATVFS_FFREE),
      fstypename: this.cString(at + STATVFS_FSTYPENAME), mntonname: this.cString(at + STATVFS_MNTONNAME),
    };
  }

  /** Mount a file system of kind `type` over `dir`. @param args the kind's own structure */
  mount(type: string, dir: string, flags = 0, args?: Uint8Array): void {
    const [typeLength, dirLength] = [this.putPath(type, 'mount'), this.putPath(dir, 'mount', atPath2)];
    const at = this.base + atOption;
    if (args) this.u8.set(args.subarray(0, 1024), at);
    const result = this.raw(nr.SYS_mount, this.base, typeLength, this.base + atPath2, dirLength, flags, args ? at : 0);
    this.check(result, 'mount', { path: dir });
  }

  unmount(dir: string): void {
    this.onPath(nr.SYS_unmount, dir, 'unmount');
  }

  /** @param data bytes of the request's argument, overwritten with its answer */
  ioctl(fd: number, request: number, data: Uint8Array = new Uint8Array(4)): number {
    const at = this.base + atOption;
    this.u8.set(data.subarray(0, 1024), at);
    const result = this.check(this.raw(nr.SYS_ioctl, fd, request, at), 'ioctl');
    data.set(this.u8.subarray(at, at + Math.min(data.length, 1024)));
    return result;
  }

  fcntl(fd: number, command: number, argument = 0): number {
    return this.check(this.raw(nr.SYS_fcntl, fd, command, argument), 'fcntl');
  }

  /** A clock of the image, in microseconds. @param which CLOCK_* */
  clockGettime(which: number): number {
    const at = this.base + atStruct;
    this.check(this.raw(nr.SYS_clock_gettime, which, at), 'clock_gettime');
    return this.getI64(at);
  }

  private onPath(number: number, path: string, name: string): void {
    this.check(this.raw(number, this.base, this.putPath(path, name)), name, { path });
  }

  private onTwoPaths(number: number, path: string, dest: string, name: string): void {
    const [n, m] = [this.putPath(path, name), this.putPath(dest, name, atPath2)];
    this.check(this.raw(number, this.base, n, this.base + atPath2, m), name, { path, dest });
  }

  private statPath(number: number, path: string, name: string): StatFields {
    const n = this.putPath(path, name);
    this.check(this.raw(number, this.base, n, this.base + atStruct), name, { path });
    return this.takeStat();
  }

  private takeStat(): StatFields {
    const at = this.base + atStruct;
    const u32 = (offset: number): number => this.dv.getUint32(at + offset, true);
    const time = (offset: number): number => this.getI64(at + offset) * 1000 + this.getI64(at + offset + 8) / 1e6;
    return {
      dev: this.getI64(at + STAT_DEV), mode: u32(STAT_MODE), ino: this.getI64(at + STAT_INO), nlink: u32(STAT_NLINK),
      uid: u32(STAT_UID), gid: u32(STAT_GID), rdev: this.getI64(at + STAT_RDEV), size: this.getI64(at + STAT_SIZE),
      blocks: this.getI64(at + STAT_BLOCKS), blksize: u32(STAT_BLKSIZE), atimeMs: time(STAT_ATIM),
      mtimeMs: time(STAT_MTIM), ctimeMs: time(STAT_CTIM), birthtimeMs: time(STAT_BIRTHTIM),
    };
  }

  private putTimespec(at: number, ms: number): void {
    const seconds = Math.floor(ms / 1000);
    this.putI64(at, seconds);
    this.putI64(at + 8, Math.round((ms - seconds * 1000) * 1e6));
  }

  private text(at: number, length: number): string {
    return decoder.decode(this.u8.subarray(at, at + length));
  }

  private cString(at: number): string {
    return this.text(at, this.u8.indexOf(0, at) - at);
  }
}
