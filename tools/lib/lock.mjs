/**
 * A lock between processes: two terminals may say `npm start` and `npm test` at the same moment.
 *
 * The lock is a file that holds the owner's pid. It comes into being complete, by link(2) from a
 * private file, so nobody ever reads a half-written one. A lock whose owner is dead (or older than
 * STALE_MS, in case its pid was reused) is moved aside by rename and looked at again afterwards:
 * when two waiters judge the same stale lock, the slower one must not remove the quicker one's.
 *
 * Cost: one link and one unlink when nobody else is there; a waiter looks every POLL_MS.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 200;
const STALE_MS = 30 * 60 * 1000;
let serial = 0;

/**
 * @param {number} pid
 * @returns {boolean} whether a process of that number exists
 */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * @param {string} file
 * @returns {{pid: number, stale: boolean} | null} who holds the lock; null when nobody does
 */
function holder(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    return { pid, stale: !isAlive(pid) || Date.now() - statSync(file).mtimeMs > STALE_MS };
  } catch {
    return null;
  }
}

/**
 * Take the lock if it is free.
 * @param {string} file
 * @returns {boolean} true when it is now ours
 */
export function tryLock(file) {
  mkdirSync(dirname(file), { recursive: true });
  const mine = `${file}.${process.pid}.${serial++}`;
  writeFileSync(mine, `${process.pid}\n`);
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * Remove a lock whose owner is gone.
 * @param {string} file
 * @param {number} pid the owner that was judged dead
 */
function breakLock(file, pid) {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch {
    return;                             // another waiter was quicker
  }
  if (holder(aside)?.pid !== pid) {
    try {
      linkSync(aside, file);            // it was a fresh lock after all: put it back
    } catch { /* and its owner has been replaced meanwhile, which is as good */ }
  }
  rmSync(aside, { force: true });
}

/**
 * Run `work` while holding the lock; waits for as long as a living process holds it.
 * @template T
 * @param {string} file
 * @param {() => Promise<T> | T} work
 * @param {(pid: number) => void} [onWait] called once, if there is somebody to wait for
 * @returns {Promise<T>}
 */
export async function withLock(file, work, onWait) {
  for (let told = false; !tryLock(file); ) {
    const other = holder(file);
    if (other === null) continue;
    if (other.stale) {
      breakLock(file, other.pid);
      continue;
    }
    if (!told) onWait?.(other.pid);
    told = true;
    await sleep(POLL_MS);
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.removeListener('exit', release);
    release();
  }
}
