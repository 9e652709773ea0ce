/**
 * From a RAM disk to a file: as it is of one moment, while it goes on being used.
 *
 *      snapshot ("attach rd~N from=rd0", some ms) ─► runs of data ─► compress ─► file ─► snapshot away
 *
 * Two formats: `sparse` (format.ts) and `raw`, the bytes themselves, holes as holes of the file. The event
 * loop gets its turn after every megabyte, and the file is replaced as a whole (durable.ts). A kernel
 * that has exited has no writers, so that its disk is read as it lies.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { SystemError } from '../errtrans';
import type { Kernel } from '../kernel';
import { type DiskDevice, DiskPort, pieceMax } from './device';
import { replaceFile } from './durable';
import { DiskFileError } from './error';
import { chunkSize, makeHeader, makeRecord, makeTrailer } from './format';
import { ChunkCodec } from './lzo';

export type ArchiveFormat = 'sparse' | 'raw';

export interface Archived {
  /** Bytes of the device, of data on it, and of the file. */
  size: number;
  data: number;
  file: number;
}

export interface ArchiveOptions {
  format?: ArchiveFormat;
  /** Bytes of data so far. */
  onProgress?: (data: number) => void;
  signal?: AbortSignal;
}

/** Bytes gathered for one write. */
const batchSize = 1 << 20;
let snapshots = 0;

/** Writes gathered into large ones, and their digest. */
class Output {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #digested = false;
  #parts: Uint8Array[] = [];
  #pending = 0;
  written = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Take a copy of `bytes`. */
  async put(bytes: Uint8Array): Promise<void> {
    this.#parts.push(Buffer.from(bytes));
    this.#pending += bytes.length;
    this.written += bytes.length;
    if (this.#pending >= batchSize) await this.flush();
  }

  async flush(): Promise<void> {
    const all = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#pending = 0;
    if (!this.#digested) this.#hash.update(all);
    for (let at = 0; at < all.length;) at += (await this.#file.write(all, at)).bytesWritten;
  }

  /** SHA-256 of all until now; what follows is not part of it. */
  async digest(): Promise<Buffer> {
    await this.flush();
    this.#digested = true;
    return this.#hash.digest();
  }
}

function step(options: ArchiveOptions, data: number): void {
  if (options.signal?.aborted) throw new DiskFileError('ECANCELED', 'the archive was abandoned');
  options.onProgress?.(data);
}

async function writeSparse(device: DiskDevice, size: number, file: FileHandle, options: ArchiveOptions): Promise<Archived> {
  const codec = await ChunkCodec.open(chunkSize);
  const crc = (bytes: Uint8Array): number => codec.crc32(bytes);
  const out = new Output(file);
  const { bytes: header, id } = makeHeader(size, crc);
  await out.put(header);
  let records = 0;
  let data = 0;
  for (const { offset, length } of device.runs(size, chunkSize)) {
    const plain = device.read(offset, length);
    const check = codec.crc32(plain);
    const packed = codec.pack(plain);
    const stored = Buffer.from(packed ?? plain);
    await out.put(makeRecord({ offset, length, stored: stored.length, crc: check }, crc));
    await out.put(stored);
    records++;
    data += length;
    step(options, data);
  }
  const digest = await out.digest();
  await out.put(makeTrailer({ id, records, bytes: data, digest }, crc));
  await out.flush();
  return { size, data, file: out.written };
}

async function writeRaw(device: DiskDevice, size: number, file: FileHandle, options: ArchiveOptions): Promise<Archived> {
  await file.truncate(size);
  let data = 0;
  for (const { offset, length } of device.runs(size, pieceMax)) {
    const bytes = Buffer.from(device.read(offset, length));
    for (let at = 0; at < length;) at += (await file.write(bytes, at, length - at, offset + at)).bytesWritten;
    data += length;
    step(options, data);
  }
  return { size, data, file: size };
}

/** What `name` is at this moment, under another name, for the time of `work`. */
async function withSnapshot<T>(kernel: Kernel, port: DiskPort, name: string, work: (frozen: string) => Promise<T>): Promise<T> {
  if (kernel.image.end !== null) return work(name);
  const frozen = `rd~${(snapshots = (snapshots + 1) % 1e6)}`;
  try {
    port.command(`attach ${frozen} from=${name}`);
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EINVAL') throw new DiskFileError('EOPNOTSUPP', `${name} is not a RAM disk`);
    throw error;
  }
  try {
    return await work(frozen);
  } finally {
    port.command(`detach ${frozen}`);
  }
}

/**
 * Write RAM disk `name` of `kernel` to the file at `path`.
 * @throws SystemError of the device, DiskFileError of the file; the file is as it was then
 */
export async function archiveDisk(kernel: Kernel, name: string, path: string, options: ArchiveOptions = {}): Promise<Archived> {
  const port = new DiskPort(kernel);
  if (!port.has(name)) throw new DiskFileError('ENXIO', `there is no device ${name}`);
  let result: Archived | null = null;
  await withSnapshot(kernel, port, name, (frozen) => port.using(frozen, async (device) => {
    const size = port.size(frozen);
    const write = options.format === 'raw' ? writeRaw : writeSparse;
    await replaceFile(path, async (file) => { result = await write(device, size, file, options); });
  }));
  return result!;
}
