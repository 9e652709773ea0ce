/**
 * LZO blocks for archives, by the stand-alone module build/component-lzo.wasm in an instance of its own.
 *
 *      memory   | module's | work memory | plain chunk | packed chunk |
 *               0        arena
 *
 * It imports nothing but a way to say that it is broken, and its decompressor is safe, so a bad block
 * can do no more than fail. Where the module is missing it is built, if the sources are here.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildComponent } from '../../tools/mkimage/index';
import { packageRoot, withMemory } from '../imageFile';
import { DiskFileError } from './error';

const workMemory = 16384 + 131072;
const minimumMemory = 16 * 65536;

interface LzoExports {
  memory: WebAssembly.Memory;
  lzo_arena(): number;
  lzo1x_1_compress(src: number, length: number, dst: number, room: number, work: number): number;
  lzo1x_decompress_safe(src: number, length: number, dst: number, room: number, result: number): number;
  crc32(sum: number, at: number, length: number): number;
}

/** Results are views, good until the next call. */
export class ChunkCodec {
  readonly #exports: LzoExports;
  readonly #u8: Uint8Array;
  readonly #chunk: number;
  readonly #work: number;
  readonly #plain: number;
  readonly #packed: number;
  readonly #room: number;

  private constructor(module: Uint8Array, chunk: number) {
    this.#chunk = chunk;
    this.#room = chunk + (chunk >> 4) + 67;
    const bytes = withMemory(module, Math.max(workMemory + 2 * this.#room + 131072, minimumMemory), 'component-lzo.wasm');
    const imports = { rumpuser: { hyp_panic: () => { throw new Error('lzo: an invariant is broken'); } } };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), imports);
    this.#exports = instance.exports as unknown as LzoExports;
    this.#u8 = new Uint8Array(this.#exports.memory.buffer);
    this.#work = this.#exports.lzo_arena();
    this.#plain = (this.#work + workMemory + 63) & ~63;
    this.#packed = (this.#plain + this.#room + 63) & ~63;
    if (this.#packed + this.#room > this.#u8.length) throw new Error('component-lzo.wasm: its memory is too small');
  }

  /** @param chunk bytes of the largest plain chunk */
  static async open(chunk: number): Promise<ChunkCodec> {
    const path = join(packageRoot(), 'build', 'component-lzo.wasm');
    if (!existsSync(path)) {
      if (!existsSync(join(packageRoot(), 'kernel', 'conf'))) throw new DiskFileError('ENOENT', `compressed archives need ${path}`);
      await buildComponent('lzo');
    }
    return new ChunkCodec(readFileSync(path), chunk);
  }

  /** One chunk, smaller; null if it does not get smaller. */
  pack(plain: Uint8Array): Uint8Array | null {
    this.#u8.set(plain, this.#plain);
    const n = this.#exports.lzo1x_1_compress(this.#plain, plain.length, this.#packed, this.#room, this.#work);
    return n > 0 && n < plain.length ? this.#u8.subarray(this.#packed, this.#packed + n) : null;
  }

  /** A chunk of `length` bytes out of what pack made of it; null if it is not that. */
  unpack(packed: Uint8Array, length: number): Uint8Array | null {
    if (length > this.#chunk || packed.length > this.#room) return null;
    this.#u8.set(packed, this.#packed);
    const n = this.#exports.lzo1x_decompress_safe(this.#packed, packed.length, this.#plain, length, 0);
    return n === length ? this.#u8.subarray(this.#plain, this.#plain + length) : null;
  }

  /** CRC-32 (of zip) of up to a chunk of bytes. */
  crc32(bytes: Uint8Array): number {
    if (bytes.buffer === this.#u8.buffer) return this.#exports.crc32(0, bytes.byteOffset, bytes.length) >>> 0;
    this.#u8.set(bytes, this.#packed);
    return this.#exports.crc32(0, this.#packed, bytes.length) >>> 0;
  }
}
