/**
 * Reading `.lzo`: a stream of bytes in, the data out, block by block, every checksum verified.
 *
 *      source ─► Feed (exactly n bytes) ─► magic, header ─► blocks ─► next member, end, or zeros
 *
 * Memory: one block and what the source hands over at a time, whatever the length of the file. Data is
 * handed out only after its checksum was right; what was handed out before an error was good.
 */
import type { Lzo } from './lzoModule.user';
import { lzoError } from './lzoModule.user';
import {
  type Exactly, F_ADLER32_C, F_ADLER32_D, F_CRC32_C, F_CRC32_D, LZOP_BLOCK_MAX, LZOP_MAGIC, LzopError, type LzopHeader, readHeader,
} from './lzopHeader.user';

/** Bytes of an async source, in the portions that are asked for. */
export class Feed implements Exactly {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();
  #ended = false;
  /** Bytes taken so far. */
  taken = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Up to `n` bytes: fewer only at the end. The result may be a view of what the source gave. */
  async upTo(n: number): Promise<Uint8Array> {
    if (this.#chunk.length >= n) return this.#take(n);
    const out = Buffer.allocUnsafe(n);
    let have = 0;
    while (have < n) {
      if (this.#chunk.length === 0 && !(await this.#more())) break;
      const part = this.#take(Math.min(n - have, this.#chunk.length));
      out.set(part, have);
      have += part.length;
    }
    return out.subarray(0, have);
  }

  async exactly(n: number, what: string): Promise<Uint8Array> {
    const bytes = await this.upTo(n);
    if (bytes.length < n) throw new LzopError(`it is torn: it ends within ${what}`);
    return bytes;
  }

  #take(n: number): Uint8Array {
    const part = this.#chunk.subarray(0, n);
    this.#chunk = this.#chunk.subarray(n);
    this.taken += n;
    return part;
  }

  async #more(): Promise<boolean> {
    while (!this.#ended && this.#chunk.length === 0) {
      const next = await this.#source.next();
      if (next.done) this.#ended = true;
      else this.#chunk = next.value;
    }
    return !this.#ended;
  }
}

/** What a reader hands out: the beginning of a member, or data of it. */
export type Part = { header: LzopHeader } | { data: Uint8Array };

export interface ReadOptions {
  /** Told about bytes behind the last member that are neither a member nor zeros. */
  onGarbage?: () => void;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Undo the filter: every byte is the difference to the one `stride` before it in its block. */
export function unfilter(block: Uint8Array, stride: number): void {
  for (let i = stride; i < block.length; i++) block[i] = (block[i]! + block[i - stride]!) & 0xff;
}

/** Whether all that is left is zeros: the padding of a tape. */
async function onlyZeros(feed: Feed, first: Uint8Array): Promise<boolean> {
  for (let bytes = first; bytes.length > 0; bytes = await feed.upTo(65536)) {
    if (bytes.some((byte) => byte !== 0)) return false;
  }
  return true;
}

/** Verify one pair of checksums: `sums` in the order Adler-32, CRC-32, as far as `flags` has them. */
function verify(lzo: Lzo, bytes: Uint8Array, sums: number[], adler: boolean, crc: boolean, where: string): void {
  if (adler && sums.shift() !== lzo.adler32(bytes)) throw new LzopError(`${where} is corrupt (Adler-32)`);
  if (crc && sums.shift() !== lzo.crc32(bytes)) throw new LzopError(`${where} is corrupt (CRC-32)`);
}

/** One block; null at the end of the member. */
async function readBlock(feed: Feed, header: LzopHeader, lzo: Lzo, index: number): Promise<Uint8Array | null> {
  const where = `block ${index}`;
  const uint = async (): Promise<number> => Buffer.from(await feed.exactly(4, `the head of ${where}`)).readUInt32BE(0);
  const length = await uint();
  if (length === 0) return null;
  const stored = await uint();
  if (length > LZOP_BLOCK_MAX || stored > length || stored === 0) throw new LzopError(`${where} is corrupt (length)`);
  const { flags } = header;
  const packed = stored < length;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const dataSums: number[] = [];
  for (const flag of [F_ADLER32_D, F_CRC32_D]) if (has(flag)) dataSums.push(await uint());
  const storedSums: number[] = [];
  for (const flag of packed ? [F_ADLER32_C, F_CRC32_C] : []) if (has(flag)) storedSums.push(await uint());
  const bytes = await feed.exactly(stored, where);
  if (packed) verify(lzo, bytes, storedSums, has(F_ADLER32_C), has(F_CRC32_C), where);
  const data = packed ? unpack(lzo, bytes, length, where) : bytes;
  if (header.filter > 0) unfilter(data, header.filter);
  verify(lzo, data, dataSums, has(F_ADLER32_D), has(F_CRC32_D), where);
  return data;
}

function unpack(lzo: Lzo, bytes: Uint8Array, length: number, where: string): Uint8Array {
  const { code, output } = lzo.decompress(bytes, length);
  if (code < 0) throw new LzopError(`${where} is corrupt: ${lzoError(code)}`);
  if (output.length !== length) throw new LzopError(`${where} is corrupt: it is shorter than its header says`);
  return output;
}

/**
 * All members of `source`: each header, then its data. Views are good until the next step.
 * @throws LzopError with one line that says what is wrong
 */
export async function* readLzop(source: Feed, lzo: Lzo, options: ReadOptions = {}): AsyncGenerator<Part> {
  let index = 1;
  for (let member = 0; ; member++) {
    const magic = await source.upTo(LZOP_MAGIC.length);
    if (!same(magic, LZOP_MAGIC)) {
      if (member === 0) throw new LzopError(magic.length === 0 ? 'it is empty, not an .lzo file' : 'it is not an .lzo file');
      if (!(await onlyZeros(source, magic))) options.onGarbage?.();
      return;
    }
    const header = await readHeader(source, lzo);
    yield { header };
    for (;;) {
      const data = await readBlock(source, header, lzo, index);
      if (data === null) break;
      yield { data };
      index += 1;
    }
  }
}
