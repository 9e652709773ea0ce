/**
 * Where control sockets are: a directory that nobody else can enter.
 *
 *      $XDG_RUNTIME_DIR/rumpwasm/NAME.sock        if that variable names a directory of this user's
 *      TMPDIR/rumpwasm-UID/NAME.sock              else
 *
 * A control socket is as good as the process behind it, so the directory must belong to this user,
 * be closed to all others (0700), and be a directory, not a link to one: whatever else is found under
 * the name, put there by somebody quicker, is refused and not repaired. Its parent must be one in
 * which others cannot replace it: not writable by them, or sticky. Once that has been seen nobody
 * else can change it, so there is no race between looking and using.
 */
import { type Stats, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { ControlError } from './protocol';

const extension = '.sock';
/** What fits into a sockaddr_un on every system, with the NUL. */
const socketPathMax = 103;
const sticky = 0o1000;
const writableByOthers = 0o022;
const closedMode = 0o700;

function ownerId(): number {
  return process.getuid?.() ?? -1;
}

/** Could others put something else in the place of an entry of this directory? */
function isSafeParent({ mode, uid }: Stats): boolean {
  return (uid === ownerId() || uid === 0) && ((mode & writableByOthers) === 0 || (mode & sticky) !== 0);
}

/** $XDG_RUNTIME_DIR, if it is what it should be. */
function runtimeDirectory(): string | null {
  const path = process.env.XDG_RUNTIME_DIR;
  if (path === undefined || !isAbsolute(path)) return null;
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() && stat.uid === ownerId() && isSafeParent(stat) ? path : null;
}

/** Path of this user's directory of control sockets, whether or not it exists. */
export function controlDirectory(): string {
  const runtime = runtimeDirectory();
  return runtime === null ? join(tmpdir(), `rumpwasm-${ownerId()}`) : join(runtime, 'rumpwasm');
}

/**
 * Make sure that `path` is a directory which only this user can enter.
 * @param create make it if it is not there
 * @returns false if it is not there and `create` is not set
 * @throws ControlError EACCES for anything that others could have put there, or could read or change
 */
export function checkDirectory(path: string, create: boolean): boolean {
  const parent = statSync(dirname(path), { throwIfNoEntry: false });
  if (parent === undefined) throw new ControlError('ENOENT', `there is no directory ${dirname(path)} for control sockets`);
  if (!isSafeParent(parent)) throw new ControlError('EACCES', `${dirname(path)} is not safe for control sockets: others may rename what is in it`);
  if (create) {
    try {
      mkdirSync(path, { mode: closedMode });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST') throw new ControlError(code ?? 'EIO', `cannot make ${path} for control sockets: ${code}`);
    }
  }
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  const wrong = stat.isSymbolicLink() ? 'it is a symbolic link' : !stat.isDirectory() ? 'it is not a directory'
    : stat.uid !== ownerId() ? `it belongs to user ${stat.uid}` : (stat.mode & 0o077) !== 0 ? `its mode is ${(stat.mode & 0o777).toString(8)}, not 700` : null;
  if (wrong !== null) throw new ControlError('EACCES', `${path} is not safe for control sockets: ${wrong}`);
  return true;
}

/** Can `name` be the name of an instance? */
export function isInstanceName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);
}

/** @throws ControlError EINVAL for a name that cannot be one, ENAMETOOLONG if the path would not fit */
export function socketPath(directory: string, name: string): string {
  if (!isInstanceName(name)) throw new ControlError('EINVAL', `${JSON.stringify(name)} cannot name an instance: letters, digits, and . _ - within`);
  const path = join(directory, name + extension);
  if (Buffer.byteLength(path) > socketPathMax) throw new ControlError('ENAMETOOLONG', `the path of the control socket is too long: ${path}`);
  return path;
}

/** Names with a socket in `directory`, alive or not, sorted. */
export function socketNames(directory: string): string[] {
  return readdirSync(directory).filter((file) => file.endsWith(extension)).map((file) => file.slice(0, -extension.length)).filter(isInstanceName).sort();
}
