/**
 * Filling a file system of the image from the host: a directory, or a tar archive (also .tar.gz).
 *
 *      ./site/          /www/               files, directories, symbolic links; modes and times
 *        index.html  →    index.html        what is neither (sockets, devices) is left out and told
 *        css/…            css/…
 *
 * A symbolic link is copied as it is; within the image it can lead nowhere but into the image. What
 * does not fit (ENOSPC) or cannot be read stops the load with one error that names the file.
 */
import { gunzipSync } from 'node:zlib';
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EEXIST } from '../../kernel/abi/errno';
import { SystemError } from '../errtrans';
import { parseTar, TarError, type TarEntry } from '../tar';
import type { KernelFsSync } from './fsSync';

/** What was copied. */
export interface Loaded {
  files: number;
  directories: number;
  links: number;
  bytes: number;
}

export interface LoadOptions {
  /** Called for what has no place in the image (devices, sockets, FIFOs). */
  onSkip?: (path: string, why: string) => void;
}

/** Something of the host could not be loaded; the message is one line. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** Path of `name` in directory `dir` of the image. */
function within(dir: string, name: string): string {
  return name === '.' || name === '' ? dir : `${dir.replace(/\/+$/, '')}/${name}`;
}

/** A host error as one line that names the file. */
function hostError(error: unknown, path: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  const words: Record<string, string> = {
    ENOENT: 'there is no such file or directory', EACCES: 'permission denied', ENOTDIR: 'it is not a directory', EISDIR: 'it is a directory',
  };
  return new LoadError(`cannot read ${path}: ${words[code ?? ''] ?? code ?? String(error)}`);
}

/** An error of the image while storing, as one line that names the file. */
function storing<T>(path: string, store: () => T): T {
  try {
    return store();
  } catch (error) {
    if (error instanceof SystemError) throw new LoadError(`cannot store ${path} in the image: ${error.code} (${error.message.replace(/^\w+: /, '').replace(/,.*/, '')})`);
    throw error;
  }
}

/** A symbolic link, replacing one that is there. */
function putLink(fs: KernelFsSync, target: string, path: string): void {
  try {
    fs.symlink(target, path);
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno !== EEXIST) throw error;
    fs.unlink(path);
    fs.symlink(target, path);
  }
}

export function loadDir(fs: KernelFsSync, source: string, dest: string, options: LoadOptions): Loaded {
  const loaded: Loaded = { files: 0, directories: 0, links: 0, bytes: 0 };
  try {
    if (!statSync(source).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
  } catch (error) {
    throw hostError(error, source);
  }
  storing(dest, () => fs.mkdir(dest, { recursive: true }));

  function copy(from: string, to: string): void {
    let names: string[];
    try {
      names = readdirSync(from).sort();
    } catch (error) {
      throw hostError(error, from);
    }
    for (const name of names) copyEntry(join(from, name), within(to, name));
  }

  function copyEntry(from: string, to: string): void {
    let stat;
    let data: Buffer | null = null;
    let target = '';
    try {
      stat = lstatSync(from);
      if (stat.isFile()) data = readFileSync(from);
      else if (stat.isSymbolicLink()) target = readlinkSync(from);
    } catch (error) {
      throw hostError(error, from);
    }
    const times: [number, number] = [stat.atimeMs / 1000, stat.mtimeMs / 1000];
    const mode = stat.mode & 0o7777;
    if (data !== null) {
      const bytes = data;
      storing(from, () => {
        fs.writeFile(to, bytes, { mode });
        fs.utimes(to, ...times);
      });
      loaded.files++;
      loaded.bytes += bytes.length;
    } else if (stat.isSymbolicLink()) {
      storing(from, () => putLink(fs, target, to));
      loaded.links++;
    } else if (stat.isDirectory()) {
      storing(from, () => fs.mkdir(to, { recursive: true, mode: mode | 0o700 }));
      loaded.directories++;
      copy(from, to);
      storing(from, () => {
        fs.chmod(to, mode);
        fs.utimes(to, ...times);
      });
    } else {
      options.onSkip?.(from, 'neither file, directory nor symbolic link');
    }
  }
  copy(source, dest);
  return loaded;
}

export function loadTar(fs: KernelFsSync, source: string | Uint8Array, dest: string, options: LoadOptions): Loaded {
  const name = typeof source === 'string' ? source : 'the archive';
  let bytes: Uint8Array;
  try {
    bytes = typeof source === 'string' ? readFileSync(source) : source;
  } catch (error) {
    throw hostError(error, name);
  }
  const loaded: Loaded = { files: 0, directories: 0, links: 0, bytes: 0 };
  const directories: TarEntry[] = [];
  let entries: TarEntry[];
  try {
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    entries = parseTar(isGzip ? gunzipSync(bytes) : bytes, options);
  } catch (error) {
    throw new LoadError(`cannot load ${name}: ${error instanceof TarError ? error.message : (error as Error).message}`);
  }
  storing(dest, () => fs.mkdir(dest, { recursive: true }));
  for (const entry of entries) {
    storing(entry.path, () => putEntry(fs, entry, dest, loaded));
    if (entry.type === 'directory' && entry.path !== '.') directories.push(entry);
  }
  // Innermost first, because storing into a directory changes its time.
  for (const entry of directories.reverse()) {
    const to = within(dest, entry.path);
    storing(entry.path, () => {
      fs.chmod(to, entry.mode);
      fs.utimes(to, entry.mtime, entry.mtime);
    });
  }
  return loaded;
}

function putEntry(fs: KernelFsSync, entry: TarEntry, dest: string, loaded: Loaded): void {
  const to = within(dest, entry.path);
  const slash = to.lastIndexOf('/');
  if (slash > 0) fs.mkdir(to.slice(0, slash), { recursive: true });
  if (entry.type === 'directory') {
    fs.mkdir(to, { recursive: true, mode: entry.mode | 0o700 });
    if (entry.path !== '.') loaded.directories++;
  } else if (entry.type === 'file') {
    fs.rm(to, { force: true });
    fs.writeFile(to, entry.data, { mode: entry.mode });
    fs.utimes(to, entry.mtime, entry.mtime);
    loaded.files++;
    loaded.bytes += entry.data.length;
  } else if (entry.type === 'symlink') {
    putLink(fs, entry.linkname, to);
    loaded.links++;
  } else {
    fs.rm(to, { force: true });
    fs.link(within(dest, entry.linkname), to);
    loaded.links++;
  }
}
