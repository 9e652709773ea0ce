/**
 * kernel.fs.sync: the image's files with node:fs-like calls, synchronous because the image is.
 *
 * Paths are absolute whether or not they begin with "/": the image has no current directory. Errors
 * are SystemErrors with the path in them. Files move in pieces of the exchange area (248 KiB).
 */
import { EEXIST, EISDIR, ENOENT, ENOTDIR } from '../../kernel/abi/errno';
import { DT_DIR, DT_LNK, DT_REG } from '../../kernel/abi/dirent';
import { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_TRUNC, O_WRONLY } from '../../kernel/abi/fcntl';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../kernel/abi/stat';
import { SystemError } from '../errtrans';
import type { StatFields, StatvfsFields } from './sysFiles';
import type { Sys } from './sysSockets';

export interface FileStats extends StatFields {
  atime: Date;
  mtime: Date;
  ctime: Date;
  birthtime: Date;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

export interface DirectoryEntry {
  name: string;
  /** The directory it is in. */
  parentPath: string;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

export interface WriteOptions {
  mode?: number;
  /** 'w' replaces (the default), 'a' appends, 'wx' fails if the file is there. */
  flag?: 'w' | 'a' | 'wx';
}

const writeFlags = { w: O_TRUNC, a: O_APPEND, wx: O_EXCL };

export class KernelFsSync {
  private readonly sys: Sys;

  constructor(sys: Sys) {
    this.sys = sys;
  }

  readFile(path: string): Buffer;
  readFile(path: string, encoding: BufferEncoding): string;
  readFile(path: string, encoding?: BufferEncoding): Buffer | string;
  readFile(path: string, encoding?: BufferEncoding): Buffer | string {
    const fd = this.sys.open(path, O_RDONLY);
    try {
      if (fileType(this.sys.fstat(fd)) === S_IFDIR) throw new SystemError(EISDIR, 'read', { path });
      const pieces: Buffer[] = [];
      for (;;) {
        const piece = this.sys.read(fd);
        if (piece.length === 0) break;
        pieces.push(piece);
      }
      const whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      return encoding === undefined ? whole : whole.toString(encoding);
    } finally {
      this.sys.close(fd);
    }
  }

  writeFile(path: string, data: string | Uint8Array, options: WriteOptions = {}): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const fd = this.sys.open(path, O_WRONLY | O_CREAT | writeFlags[options.flag ?? 'w'], options.mode ?? 0o644);
    try {
      for (let at = 0; at < bytes.length;) at += this.sys.write(fd, bytes.subarray(at));
    } catch (error) {
      throw error instanceof SystemError ? new SystemError(error.errno, 'write', { path }) : error;
    } finally {
      this.sys.close(fd);
    }
  }

  appendFile(path: string, data: string | Uint8Array): void {
    this.writeFile(path, data, { flag: 'a' });
  }

  /** With `recursive`, missing parents are made and an existing directory is no error. */
  mkdir(path: string, options: { recursive?: boolean; mode?: number } = {}): void {
    const mode = options.mode ?? 0o755;
    if (!options.recursive) {
      this.sys.mkdir(path, mode);
      return;
    }
    let prefix = '';
    for (const part of path.split('/').filter(Boolean)) {
      prefix += `/${part}`;
      try {
        this.sys.mkdir(prefix, mode);
      } catch (error) {
        if (!(error instanceof SystemError) || error.errno !== EEXIST) throw error;
        if (fileType(this.sys.stat(prefix)) !== S_IFDIR) throw new SystemError(ENOTDIR, 'mkdir', { path: prefix });
      }
    }
  }

  readdir(path: string): string[];
  readdir(path: string, options: { withFileTypes: true }): DirectoryEntry[];
  readdir(path: string, options?: { withFileTypes?: boolean }): string[] | DirectoryEntry[];
  readdir(path: string, options: { withFileTypes?: boolean } = {}): string[] | DirectoryEntry[] {
    const fd = this.sys.open(path, O_RDONLY | O_DIRECTORY);
    try {
      const entries: DirectoryEntry[] = [];
      for (;;) {
        const some = this.sys.getdents(fd);
        if (some.length === 0) break;
        for (const { name, type } of some) if (name !== '.' && name !== '..') entries.push(entryOf(path, name, type));
      }
      return options.withFileTypes ? entries : entries.map(({ name }) => name);
    } finally {
      this.sys.close(fd);
    }
  }

  stat(path: string): FileStats {
    return statsOf(this.sys.stat(path));
  }

  lstat(path: string): FileStats {
    return statsOf(this.sys.lstat(path));
  }

  exists(path: string): boolean {
    try {
      this.sys.stat(path);
      return true;
    } catch (error) {
      if (error instanceof SystemError) return false;
      throw error;
    }
  }

  /** Remove a file or link, or with `recursive` a whole tree; with `force` its absence is no error. */
  rm(path: string, options: { recursive?: boolean; force?: boolean } = {}): void {
    let stats: FileStats;
    try {
      stats = this.lstat(path);
    } catch (error) {
      if (options.force && error instanceof SystemError && error.errno === ENOENT) return;
      throw error;
    }
    if (!stats.isDirectory()) {
      this.sys.unlink(path);
      return;
    }
    if (!options.recursive) throw new SystemError(EISDIR, 'rm', { path });
    for (const name of this.readdir(path)) this.rm(`${path.replace(/\/$/, '')}/${name}`, options);
    this.sys.rmdir(path);
  }

  rmdir(path: string): void { this.sys.rmdir(path); }
  unlink(path: string): void { this.sys.unlink(path); }
  rename(path: string, dest: string): void { this.sys.rename(path, dest); }
  link(path: string, dest: string): void { this.sys.link(path, dest); }
  symlink(target: string, path: string): void { this.sys.symlink(target, path); }
  readlink(path: string): string { return this.sys.readlink(path); }
  chmod(path: string, mode: number): void { this.sys.chmod(path, mode); }
  truncate(path: string, size = 0): void { this.sys.truncate(path, size); }

  /** @param atime @param mtime a Date, or seconds since 1970 */
  utimes(path: string, atime: Date | number, mtime: Date | number): void {
    this.sys.utimens(path, milliseconds(atime), milliseconds(mtime));
  }

  /** As utimes, of a symbolic link itself. */
  lutimes(path: string, atime: Date | number, mtime: Date | number): void {
    this.sys.utimens(path, milliseconds(atime), milliseconds(mtime), false);
  }

  /** Size and use of the file system that `path` is on. */
  statfs(path: string): StatvfsFields {
    return this.sys.statvfs(path);
  }
}

const milliseconds = (time: Date | number): number => (typeof time === 'number' ? time * 1000 : time.getTime());
const fileType = (stat: StatFields): number => stat.mode & S_IFMT;

function statsOf(fields: StatFields): FileStats {
  const type = fileType(fields);
  return {
    ...fields,
    atime: new Date(fields.atimeMs), mtime: new Date(fields.mtimeMs),
    ctime: new Date(fields.ctimeMs), birthtime: new Date(fields.birthtimeMs),
    isFile: () => type === S_IFREG, isDirectory: () => type === S_IFDIR, isSymbolicLink: () => type === S_IFLNK,
  };
}

function entryOf(parentPath: string, name: string, type: number): DirectoryEntry {
  return {
    name, parentPath,
    isFile: () => type === DT_REG, isDirectory: () => type === DT_DIR, isSymbolicLink: () => type === DT_LNK,
  };
}
