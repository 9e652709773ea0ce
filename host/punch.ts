/**
 * Ranges of a file without data: holes where the host can make them (Linux, fallocate through koffi).
 *
 *      fallocate(PUNCH_HOLE | KEEP_SIZE)   reads as zeros afterwards, on files and on block devices
 *      else, for zeros                     zeros are written, in pieces, off the main thread
 *      else, for a discard                 nothing: it is advice
 */
import { write } from 'node:fs';
import { koffi, nativeMissing } from './native/koffi';

const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const PIECE = 1 << 20;

type Fallocate = (fd: number, mode: number, offset: number, length: number) => number;

let fallocate: Fallocate | null | undefined;

function load(): Fallocate | null {
  if (fallocate !== undefined) return fallocate;
  fallocate = null;
  if (nativeMissing() === undefined) {
    try {
      fallocate = koffi().load(null).func('fallocate64', 'int', ['int', 'int', 'int64', 'int64']);
    } catch { /* not to be had: zeros are written */ }
  }
  return fallocate;
}

/** Make a hole. @returns whether that could be done */
export function punchHole(fd: number, offset: number, length: number): boolean {
  const call = load();
  return call !== null && call(fd, PUNCH_HOLE | KEEP_SIZE, offset, length) === 0;
}

/** Write zeros. @param done called once, with the error if there was one */
export function writeZeros(fd: number, offset: number, length: number, done: (error: Error | null) => void): void {
  const zeros = Buffer.alloc(Math.min(length, PIECE));
  const step = (at: number): void => {
    if (at >= length) {
      done(null);
      return;
    }
    write(fd, zeros, 0, Math.min(zeros.length, length - at), offset + at, (error, n) => {
      if (error) done(error);
      else step(at + n);
    });
  };
  step(0);
}
