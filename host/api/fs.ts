/**
 * kernel.fs: the image's files, with the promises of node:fs/promises, and the loaders that fill a
 * file system from a directory or a tar archive of the host.
 *
 * Every operation is complete when it is called (the image's files are in memory, or its block I/O
 * is its own affair); the promises are there so that code for node:fs/promises runs on it. The same
 * without promises is kernel.fs.sync.
 */
import { loadDir, loadTar, type LoadOptions, type Loaded } from './fsLoad';
import { KernelFsSync, type DirectoryEntry, type FileStats, type WriteOptions } from './fsSync';
import type { StatvfsFields } from './sysFiles';
import type { Sys } from './sysSockets';

export class KernelFs {
  /** The same calls without promises. */
  readonly sync: KernelFsSync;

  constructor(sys: Sys) {
    this.sync = new KernelFsSync(sys);
  }

  async readFile(path: string): Promise<Buffer>;
  async readFile(path: string, encoding: BufferEncoding): Promise<string>;
  async readFile(path: string, encoding?: BufferEncoding): Promise<Buffer | string> {
    return this.sync.readFile(path, encoding);
  }

  async writeFile(path: string, data: string | Uint8Array, options?: WriteOptions): Promise<void> {
    this.sync.writeFile(path, data, options);
  }

  async appendFile(path: string, data: string | Uint8Array): Promise<void> { this.sync.appendFile(path, data); }

  async mkdir(path: string, options?: { recursive?: boolean; mode?: number }): Promise<void> { this.sync.mkdir(path, options); }

  async readdir(path: string): Promise<string[]>;
  async readdir(path: string, options: { withFileTypes: true }): Promise<DirectoryEntry[]>;
  async readdir(path: string, options?: { withFileTypes?: boolean }): Promise<string[] | DirectoryEntry[]> {
    return this.sync.readdir(path, options);
  }

  async stat(path: string): Promise<FileStats> { return this.sync.stat(path); }
  async lstat(path: string): Promise<FileStats> { return this.sync.lstat(path); }
  async exists(path: string): Promise<boolean> { return this.sync.exists(path); }
  async rm(path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void> { this.sync.rm(path, options); }
  async rmdir(path: string): Promise<void> { this.sync.rmdir(path); }
  async unlink(path: string): Promise<void> { this.sync.unlink(path); }
  async rename(path: string, dest: string): Promise<void> { this.sync.rename(path, dest); }
  async link(path: string, dest: string): Promise<void> { this.sync.link(path, dest); }
  async symlink(target: string, path: string): Promise<void> { this.sync.symlink(target, path); }
  async readlink(path: string): Promise<string> { return this.sync.readlink(path); }
  async chmod(path: string, mode: number): Promise<void> { this.sync.chmod(path, mode); }
  async truncate(path: string, size?: number): Promise<void> { this.sync.truncate(path, size); }
  async utimes(path: string, atime: Date | number, mtime: Date | number): Promise<void> { this.sync.utimes(path, atime, mtime); }
  async statfs(path: string): Promise<StatvfsFields> { return this.sync.statfs(path); }

  /**
   * Copy a directory of the host into the image.
   * @param source directory of the host
   * @param dest directory of the image; made if it is missing
   * @returns how much was copied
   */
  async loadDir(source: string, dest = '/', options: LoadOptions = {}): Promise<Loaded> {
    return loadDir(this.sync, source, dest, options);
  }

  /**
   * Unpack a tar archive into the image.
   * @param source bytes of the archive, or its path on the host
   * @param dest directory of the image; made if it is missing
   */
  async loadTar(source: string | Uint8Array, dest = '/', options: LoadOptions = {}): Promise<Loaded> {
    return loadTar(this.sync, source, dest, options);
  }
}
