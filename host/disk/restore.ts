/**
 * From a file to a RAM disk: all of it, or nothing.
 *
 *      read and verify the whole file ─ not good? one line, and nothing has been touched
 *      a disk beside it ("rd~N") is filled ─ no memory? it goes, and nothing has been touched
 *      "set rd0 from=rd~N": in one moment the contents are the new ones
 *
 * An archive (format.ts) is known by its beginning; any other file of whole sectors is taken as a raw
 * image if that is asked for. Work is in steps: run at once, or with a turn of the event loop after each.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { SystemError } from '../errtrans';
import type { Kernel } from '../kernel';
import type { ArchiveFormat } from './archive';
import { type DiskDevice, DiskPort, pieceMax } from './device';
import { DiskFileError, fileError } from './error';
import {
  checkTrailer, chunkSize, type Header, headerSize, isArchive, isTrailer, parseHeader, parseRecord, recordSize, trailerSize,
} from './format';
import { ChunkCodec } from './lzo';

/** Work between two turns of the event loop, bytes. */
const stepSize = 1 << 20;
let copies = 0;

export interface Restored {
  format: ArchiveFormat;
  size: number;
  data: number;
}

export interface RestoreOptions {
  /** What the file must be; default: an archive, known by its beginning. */
  format?: ArchiveFormat;
  /** Restore although the device is in use. */
  force?: boolean;
}

type Take = (offset: number, bytes: Uint8Array) => void;

/** An open file, read in large pieces. */
class Input {
  readonly path: string;
  readonly fd: number;
  readonly size: number;
  #buffer = Buffer.alloc(0);
  #at = 0;

  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, 'r');
    const stat = fstatSync(this.fd);
    this.size = stat.size;
    if (!stat.isFile()) {
      closeSync(this.fd);
      throw new DiskFileError('EINVAL', `${path} is not a regular file`);
    }
  }

  /** The next `n` bytes, fewer at the end: a view that is good until the next call. */
  next(n: number): Buffer {
    if (this.#buffer.length < n) {
      const more = Buffer.allocUnsafe(Math.max(n - this.#buffer.length, stepSize));
      const got = readSync(this.fd, more, 0, more.length, this.#at);
      this.#at += got;
      this.#buffer = Buffer.concat([this.#buffer, more.subarray(0, got)]);
      if (got > 0 && this.#buffer.length < n) return this.next(n);
    }
    const bytes = this.#buffer.subarray(0, n);
    this.#buffer = this.#buffer.subarray(bytes.length);
    return bytes;
  }

  rewind(): void {
    this.#buffer = Buffer.alloc(0);
    this.#at = 0;
  }

  refuse(why: string): never {
    throw new DiskFileError('EFTYPE', `${this.path} is refused: ${why}`);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Go over the whole archive, verifying all of it, and hand on its chunks. */
function* readArchive(input: Input, codec: ChunkCodec, take: Take): Generator<void, Restored> {
  const crc = (bytes: Uint8Array): number => codec.crc32(bytes);
  const hash = createHash('sha256');
  input.rewind();
  const head = input.next(headerSize);
  const header = parseHeader(head, crc);
  if (typeof header === 'string') input.refuse(header);
  hash.update(head);
  const found = { id: header.id, records: 0, bytes: 0 };
  for (let from = 0, since = 0; ;) {
    const start = Buffer.from(input.next(recordSize));
    if (start.length === recordSize && isTrailer(start)) {
      const trailer = Buffer.concat([start, input.next(trailerSize - recordSize)]);
      const wrong = checkTrailer(trailer, { ...found, digest: hash.digest() }, crc);
      if (wrong !== null) input.refuse(wrong);
      if (input.next(1).length > 0) input.refuse('there is something behind its trailer');
      return { format: 'sparse', size: header.size, data: found.bytes };
    }
    if (start.length < recordSize) input.refuse('it is torn: it ends before its trailer');
    hash.update(start);
    const end = readRecord(input, start, header, from, codec, (stored) => hash.update(stored), take);
    found.records++;
    found.bytes += end.length;
    from = end.offset + end.length;
    since += end.length;
    if (since >= stepSize) {
      since = 0;
      yield;
    }
  }
}

function readRecord(input: Input, start: Buffer, header: Header, from: number, codec: ChunkCodec, see: (stored: Buffer) => void, take: Take): { offset: number; length: number } {
  const record = parseRecord(start, header, from, (bytes) => codec.crc32(bytes));
  if (typeof record === 'string') input.refuse(record);
  const stored = input.next(record.stored);
  if (stored.length < record.stored) input.refuse('it is torn: it ends within a record');
  see(stored);
  const plain = record.stored === record.length ? stored : codec.unpack(stored, record.length);
  if (plain === null || codec.crc32(plain) !== record.crc) input.refuse('a record of it is damaged');
  take(record.offset, plain);
  return record;
}

/** Hand on the parts of a raw image that are not zeros. */
function* readRaw(input: Input, take: Take): Generator<void, Restored> {
  if (input.size === 0 || input.size % 512 !== 0) input.refuse(`a raw image has whole sectors of 512 bytes, not ${input.size} bytes`);
  input.rewind();
  const zeros = Buffer.alloc(pieceMax);
  let data = 0;
  for (let at = 0; at < input.size;) {
    const bytes = input.next(Math.min(pieceMax, input.size - at));
    if (bytes.length === 0 || bytes.length % 512 !== 0) input.refuse('it became shorter while it was read');
    if (zeros.compare(bytes, 0, bytes.length, 0, bytes.length) !== 0) {
      take(at, bytes);
      data += bytes.length;
    }
    at += bytes.length;
    if (at % stepSize === 0) yield;
  }
  return { format: 'raw', size: input.size, data };
}

/** What the file is, by its beginning and by what is asked for. */
function formatOf(input: Input, wanted: ArchiveFormat | undefined): ArchiveFormat {
  const archive = isArchive(Buffer.from(input.next(headerSize)));
  if (wanted === 'raw' && archive) input.refuse('it is an archive, not a raw image');
  if (!archive && wanted !== 'raw') input.refuse('it is not an archive of a disk');
  return archive ? 'sparse' : 'raw';
}

/** Fill a new disk with what the file holds, and let `name` have its contents. */
function* fill(port: DiskPort, name: string, input: Input, format: ArchiveFormat, codec: ChunkCodec, size: number): Generator<void, Restored> {
  const copy = `rd~r${(copies = (copies + 1) % 1e6)}`;
  const settings = port.stat(name);
  port.command(`attach ${copy} size=${size} level=${settings.get('level')} dedup=${settings.get('dedup')}`);
  let device: DiskDevice | null = null;
  try {
    device = port.open(copy);
    const to = device;
    const take: Take = (offset, bytes) => {
      for (let at = 0; at < bytes.length; at += pieceMax) to.write(offset + at, bytes.subarray(at, at + pieceMax));
    };
    const result = yield* format === 'raw' ? readRaw(input, take) : readArchive(input, codec, take);
    port.command(`set ${name} from=${copy}`);
    return result;
  } finally {
    device?.close();
    port.command(`detach ${copy}`);
  }
}

/** Verify, then fill. */
function* restoreSteps(kernel: Kernel, name: string, path: string, codec: ChunkCodec, options: RestoreOptions): Generator<void, Restored> {
  const port = new DiskPort(kernel);
  if (!port.has(name)) throw new DiskFileError('ENXIO', `there is no device ${name}`);
  port.size(name);
  if (port.uses(name) > 0 && options.force !== true) throw new DiskFileError('EBUSY', `${name} is in use; restore it all the same with --force`);
  const input = new Input(path);
  try {
    const format = formatOf(input, options.format);
    const { size } = format === 'raw' ? { size: input.size } : yield* readArchive(input, codec, () => {});
    return yield* fill(port, name, input, format, codec, size);
  } finally {
    input.close();
  }
}

function explain(error: unknown, name: string, path: string): unknown {
  if (error instanceof SystemError && error.code === 'ENOSPC') return new DiskFileError('ENOSPC', `there is not enough memory to restore ${name} from ${path} beside what is there`);
  if (error instanceof SystemError && error.code === 'EROFS') return new DiskFileError('EROFS', `${name} is locked`);
  return error instanceof SystemError ? error : fileError(error, 'read', path);
}

/** As restoreDisk, in one go: nothing else runs meanwhile. For what must be there from the start. */
export function restoreNow(kernel: Kernel, name: string, path: string, codec: ChunkCodec, options: RestoreOptions = {}): Restored {
  try {
    const steps = restoreSteps(kernel, name, path, codec, options);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  } catch (error) {
    throw explain(error, name, path);
  }
}

/**
 * Let RAM disk `name` of `kernel` have what the file at `path` holds, and its size.
 * @throws DiskFileError, SystemError: the device is as it was then
 */
export async function restoreDisk(kernel: Kernel, name: string, path: string, options: RestoreOptions = {}): Promise<Restored> {
  const codec = await ChunkCodec.open(chunkSize);
  try {
    const steps = restoreSteps(kernel, name, path, codec, options);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      await new Promise((resolve) => { setImmediate(resolve); });
    }
  } catch (error) {
    throw explain(error, name, path);
  }
}

/** Bytes of the disk that the file at `path` holds, and its format, by its header; null if there is no file. */
export function describeFile(path: string, codec: ChunkCodec): { format: ArchiveFormat; size: number } | null {
  let input: Input;
  try {
    input = new Input(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fileError(error, 'read', path);
  }
  try {
    const head = Buffer.from(input.next(headerSize));
    if (!isArchive(head)) return { format: 'raw', size: input.size };
    const header = parseHeader(head, (bytes) => codec.crc32(bytes));
    return typeof header === 'string' ? input.refuse(header) : { format: 'sparse', size: header.size };
  } finally {
    input.close();
  }
}
