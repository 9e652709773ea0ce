/**
 * The files of `rumpwasm lzo`: names, input, output that is whole or not there, progress.
 *
 *      FILE ─► Feed ─► writeLzop / readLzop ─► Output ─► OUT.<pid>.tmp ─► rename to OUT
 *
 * A file appears under its name only when it is complete; an error or a signal removes what was begun.
 * "-" is standard input or output.
 */
import { createReadStream, createWriteStream, existsSync, fstatSync, renameSync, rmSync, statSync, utimesSync, chmodSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { LzopError } from './lzopHeader.user';

const CHUNK = 256 * 1024;
const DRAW_MS = 100;

/** What is read. */
export interface Input {
  label: string;
  stream: AsyncIterable<Uint8Array>;
  /** Bytes, if known in advance. */
  size: number | null;
  /** Of a regular file. */
  stats: Stats | null;
  stdin: boolean;
}

const reason = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT': return 'no such file';
    case 'EACCES': case 'EPERM': return 'permission denied';
    case 'EISDIR': return 'it is a directory';
    case 'ENOSPC': return 'no space left on the device';
    default: return code ?? message;
  }
};

/** Open "-" or a file. @throws LzopError */
export function openInput(file: string): Input {
  if (file === '-') {
    const stats = fstatSync(0);
    const regular = stats.isFile();
    return { label: 'standard input', stream: process.stdin, size: regular ? stats.size : null, stats: regular ? stats : null, stdin: true };
  }
  let stats: Stats;
  try {
    stats = statSync(file);
  } catch (error) {
    throw new LzopError(reason(error));
  }
  if (stats.isDirectory()) throw new LzopError('it is a directory');
  const regular = stats.isFile();
  return { label: file, stream: createReadStream(file, { highWaterMark: CHUNK }), size: regular ? stats.size : null, stats: regular ? stats : null, stdin: false };
}

/** The name that the result has if none is given: FILE.lzo, or FILE without it. */
export function outputName(file: string, decompress: boolean): string {
  if (file === '-') return '-';
  if (!decompress) {
    if (file.endsWith('.lzo')) throw new LzopError('it is named .lzo already; give the name of the result with -o');
    return `${file}.lzo`;
  }
  if (file.endsWith('.lzo') && basename(file) !== '.lzo') return file.slice(0, -'.lzo'.length);
  if (file.endsWith('.tzo')) return `${file.slice(0, -'.tzo'.length)}.tar`;
  throw new LzopError('its name does not end in .lzo; give the name of the result with -o');
}

/** Where the result goes. */
export class Output {
  readonly #stream: Writable;
  readonly #temporary: string | null;
  readonly #remove: () => void;
  readonly stdout: boolean;
  written = 0;
  #failed: Error | null = null;

  /** @throws LzopError when the file is there and `force` is not */
  constructor(readonly name: string, force: boolean) {
    this.stdout = name === '-';
    this.#temporary = this.stdout ? null : join(dirname(name), `.${basename(name)}.${process.pid}.tmp`);
    if (!this.stdout && !force && existsSync(name)) throw new LzopError(`${name} exists; overwrite it with -f`);
    this.#stream = this.#temporary === null ? process.stdout : createWriteStream(this.#temporary);
    this.#stream.on('error', (error) => { this.#failed = error; });
    this.#remove = () => { if (this.#temporary !== null) rmSync(this.#temporary, { force: true }); };
    process.once('exit', this.#remove);
  }

  #check(): void {
    if (this.#failed) throw new LzopError(`cannot write ${this.stdout ? 'to standard output' : this.name}: ${reason(this.#failed)}`);
  }

  /** Write a copy of `bytes`, and wait while the other side is slow. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#check();
    this.written += bytes.length;
    if (!this.#stream.write(Buffer.from(bytes))) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#stream.off('drain', done).off('error', done).off('close', done);
          resolve();
        };
        this.#stream.on('drain', done).on('error', done).on('close', done);
      });
    }
    this.#check();
  }

  /** Make the file what its name says; with the mode and time that the original had. */
  async commit(mode?: number, mtime?: number): Promise<void> {
    if (this.#temporary === null) return;
    await new Promise<void>((resolve) => {
      this.#stream.once('close', resolve);
      this.#stream.end();
    });
    this.#check();
    if (mode !== undefined) chmodSync(this.#temporary, mode & 0o777);
    if (mtime !== undefined) utimesSync(this.#temporary, mtime, mtime);
    renameSync(this.#temporary, this.name);
    process.off('exit', this.#remove);
  }

  /** Forget what was written. */
  async abandon(): Promise<void> {
    if (this.#temporary === null) return;
    await new Promise<void>((resolve) => {
      this.#stream.once('close', () => resolve()).destroy();
    });
    this.#remove();
    process.off('exit', this.#remove);
  }
}

const megabytes = (n: number): string => `${(n / 1e6).toFixed(n < 1e7 ? 1 : 0)} MB`;

/** A line on the terminal that says how far it is; nothing when standard error is no terminal. */
export class Progress {
  readonly #began = Date.now();
  readonly #on: boolean;
  #drawn = 0;

  constructor(readonly label: string, readonly total: number | null, quiet: boolean) {
    this.#on = !quiet && process.stderr.isTTY === true && process.env.TERM !== 'dumb';
  }

  show(taken: number, written: number): void {
    const now = Date.now();
    if (!this.#on || now - this.#drawn < DRAW_MS) return;
    this.#drawn = now;
    const part = this.total ? ` ${String(Math.floor((taken / this.total) * 100)).padStart(3)} %` : '';
    const speed = taken / 1e3 / Math.max(now - this.#began, 1);
    process.stderr.write(`\r\x1b[K${this.label}${part}  ${megabytes(taken)} → ${megabytes(written)}  ${speed.toFixed(0)} MB/s`);
  }

  /** Remove the line, and say how it went. */
  done(taken: number, written: number): void {
    if (!this.#on) return;
    const share = taken > 0 ? ` (${((written / taken) * 100).toFixed(1)} %)` : '';
    process.stderr.write(`\r\x1b[K${this.label}: ${megabytes(taken)} → ${megabytes(written)}${share}\n`);
  }

  clear(): void {
    if (this.#on) process.stderr.write('\r\x1b[K');
  }
}
