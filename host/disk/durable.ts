/**
 * A file that is either its old or its new self, whenever the machine or the process stops.
 *
 *      .NAME.PID-N.tmp ─ write … ─ fsync ─ rename to NAME ─ fsync of the directory
 *
 * The rename is the moment: before it the old file is untouched, after it the new one is complete and on
 * the disk. What killed processes have left behind is removed when the same file is written again. A
 * symbolic link is followed, and the file that it names replaced.
 */
import { type FileHandle, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DiskFileError, fileError } from './error';

const defaultMode = 0o644;
let serial = 0;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Remove temporary files for `name` whose process is gone. */
async function removeLeftovers(directory: string, name: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    if (!entry.startsWith(`.${name}.`)) continue;
    const pid = /^(\d+)-\d+\.tmp$/.exec(entry.slice(name.length + 2))?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(directory, entry), { force: true });
  }
}

/** Where the file really is, and its mode. */
async function target(path: string): Promise<{ path: string; mode: number }> {
  try {
    const real = await realpath(path);
    const found = await stat(real);
    if (!found.isFile()) throw new DiskFileError('EINVAL', `${path} is not a regular file`);
    return { path: real, mode: found.mode & 0o777 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { path, mode: defaultMode };
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replace the file at `path` by what `write` writes.
 * @throws DiskFileError; the old file is as it was then, unless only the last step, which makes the new one durable, failed
 */
export async function replaceFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    const { path: real, mode } = await target(path);
    const directory = dirname(real);
    await removeLeftovers(directory, basename(real));
    const temporary = join(directory, `.${basename(real)}.${process.pid}-${++serial}.tmp`);
    const file = await open(temporary, 'wx', mode);
    try {
      await write(file);
      await file.sync();
      await file.close();
      await rename(temporary, real);
    } catch (error) {
      await file.close().catch(() => {});
      await rm(temporary, { force: true });
      throw error;
    }
    await syncDirectory(directory);
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}
