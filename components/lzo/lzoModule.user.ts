/**
 * The stand-alone lzo module, for the host: build/component-lzo.wasm in an instance of its own.
 *
 *      memory   | module's data | wrkmem | result | block        | packed block         |
 *               0            arena                  capacity       capacity + worst case
 *
 * An instance serves blocks of up to `capacity` bytes; a larger one is made when a larger block comes.
 * The module imports nothing but where to say that an invariant is broken, so a corrupt block can do no
 * more than fail.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot, withMemory } from '../../host/imageFile';
import {
  LZO_E_EOF_NOT_FOUND, LZO_E_INPUT_NOT_CONSUMED, LZO_E_INPUT_OVERRUN, LZO_E_LOOKBEHIND_OVERRUN, LZO_E_OUTPUT_OVERRUN,
} from './lzo.abi';

const PAGE = 65536;
/** That of lzo1x_hc_compress, which wants most. */
const WRKMEM = 16384 + 131072;
const HC_LEVEL_MIN = 3;
const RESULT = 64;
/** Bytes a block may grow by when it cannot be compressed. */
const worst = (length: number): number => (length >> 4) + 67;

interface LzoExports {
  memory: WebAssembly.Memory;
  lzo_arena(): number;
  lzo1x_1_compress(src: number, srclen: number, dst: number, dstcap: number, wrkmem: number): number;
  lzorle_1_compress(src: number, srclen: number, dst: number, dstcap: number, wrkmem: number): number;
  lzo1x_hc_compress(src: number, srclen: number, dst: number, dstcap: number, wrkmem: number, level: number): number;
  lzo1x_decompress_safe(src: number, srclen: number, dst: number, dstcap: number, result: number): number;
  lzorle_decompress_safe(src: number, srclen: number, dst: number, dstcap: number, result: number): number;
  adler32(sum: number, p: number, len: number): number;
  crc32(sum: number, p: number, len: number): number;
}

/** What a decoder's code means, for people. */
export function lzoError(code: number): string {
  switch (code) {
    case LZO_E_INPUT_OVERRUN: return 'it ends within an instruction';
    case LZO_E_OUTPUT_OVERRUN: return 'it is longer than its header says';
    case LZO_E_LOOKBEHIND_OVERRUN: return 'it refers to bytes before its beginning';
    case LZO_E_EOF_NOT_FOUND: return 'it has no end marker';
    case LZO_E_INPUT_NOT_CONSUMED: return 'its end marker comes too early';
    default: return `error ${code}`;
  }
}

/** Path of the built module. */
export function lzoModulePath(): string {
  return join(packageRoot(), 'build', 'component-lzo.wasm');
}

function readModule(): Uint8Array {
  try {
    return readFileSync(lzoModulePath());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`cannot read ${lzoModulePath()}: ${code === 'ENOENT' ? 'build it with: rumpwasm build --component lzo' : code}`);
  }
}

/** Compressor, decompressor and checksums. Results are views, good until the next call. */
export class Lzo {
  readonly #bytes: Uint8Array;
  #exports!: LzoExports;
  #u8!: Uint8Array;
  #capacity = 0;
  #wrkmem = 0;
  #result = 0;
  #plain = 0;
  #packed = 0;

  /** @param capacity bytes of the largest block expected */
  constructor(capacity: number, bytes: Uint8Array = readModule()) {
    this.#bytes = bytes;
    this.#reserve(capacity);
  }

  /** An instance with room for blocks of `capacity` bytes. */
  #reserve(capacity: number): void {
    if (capacity <= this.#capacity) return;
    const need = WRKMEM + RESULT + 2 * capacity + worst(capacity) + 256;
    const memory = withMemory(this.#bytes, Math.max(need + PAGE, 16 * PAGE), 'component-lzo.wasm');
    const panicked = (message: number, length: number): never => {
      throw new Error(`lzo: ${Buffer.from(this.#u8.subarray(message, message + length)).toString('latin1')}`);
    };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(memory as Uint8Array<ArrayBuffer>), { rumpuser: { hyp_panic: panicked } });
    this.#exports = instance.exports as unknown as LzoExports;
    this.#u8 = new Uint8Array(this.#exports.memory.buffer);
    this.#capacity = capacity;
    this.#wrkmem = this.#exports.lzo_arena();
    this.#result = this.#wrkmem + WRKMEM;
    this.#plain = this.#result + RESULT;
    this.#packed = (this.#plain + capacity + 63) & ~63;
    if (this.#packed + capacity + worst(capacity) > this.#u8.length) throw new Error('component-lzo.wasm: its memory is too small');
  }

  /** Where the caller may put a block of up to `length` bytes, saving a copy. */
  buffer(length: number): Uint8Array {
    this.#reserve(length);
    return this.#u8.subarray(this.#plain, this.#plain + length);
  }

  #put(bytes: Uint8Array, at: number): void {
    if (bytes.byteOffset !== at || bytes.buffer !== this.#u8.buffer) this.#u8.set(bytes, at);
  }

  /**
   * @param level 1 for LZO1X-1; 3 to 9 are slow and small
   * @returns one LZO1X block
   */
  compress(block: Uint8Array, level = 1): Uint8Array {
    this.#reserve(block.length);
    this.#put(block, this.#plain);
    const room = block.length + worst(block.length);
    const length = level < HC_LEVEL_MIN
      ? this.#exports.lzo1x_1_compress(this.#plain, block.length, this.#packed, room, this.#wrkmem)
      : this.#exports.lzo1x_hc_compress(this.#plain, block.length, this.#packed, room, this.#wrkmem, level);
    if (length < 0) throw new Error(`lzo: compressor's error ${length}`);
    return this.#u8.subarray(this.#packed, this.#packed + length);
  }

  /**
   * @param length room for the output
   * @param rle accept lzo-rle
   * @returns what the block holds, and 0 or LZO_E_*; with an error, what was decoded until then
   */
  decompress(block: Uint8Array, length: number, rle = false): { code: number; output: Uint8Array } {
    this.#reserve(Math.max(length, block.length));
    this.#put(block, this.#packed);
    const fn = rle ? this.#exports.lzorle_decompress_safe : this.#exports.lzo1x_decompress_safe;
    const code = fn(this.#packed, block.length, this.#plain, length, this.#result);
    const produced = new DataView(this.#u8.buffer).getUint32(this.#result + 4, true);
    return { code: Math.min(code, 0), output: this.#u8.subarray(this.#plain, this.#plain + produced) };
  }

  /** Continue an Adler-32 (1 to begin). */
  adler32(bytes: Uint8Array, sum = 1): number {
    return this.#sum(this.#exports.adler32, bytes, sum);
  }

  /** Continue a CRC-32 (0 to begin). */
  crc32(bytes: Uint8Array, sum = 0): number {
    return this.#sum(this.#exports.crc32, bytes, sum);
  }

  #sum(fn: (sum: number, p: number, len: number) => number, bytes: Uint8Array, begin: number): number {
    if (bytes.buffer === this.#u8.buffer) return fn(begin, bytes.byteOffset, bytes.length) >>> 0;
    let sum = begin;
    for (let at = 0; at < bytes.length; at += this.#capacity) {
      const part = bytes.subarray(at, at + this.#capacity);
      this.#u8.set(part, this.#packed);
      sum = fn(sum, this.#packed, part.length);
    }
    return sum >>> 0;
  }
}
