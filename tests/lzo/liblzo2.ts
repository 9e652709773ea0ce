/**
 * The reference, called in-process: Debian's liblzo2 (compiled with -O2) through koffi.
 *
 * It comes with lzop, so `skip: need('lzop')` is all that a test says. Used as a black box: bytes in,
 * bytes and a code out. Never part of what is shipped.
 */
import koffi from 'koffi';

export const COMPRESSORS = ['lzo1x_1', 'lzo1x_1_11', 'lzo1x_1_12', 'lzo1x_1_15', 'lzo1x_999'] as const;
export type Compressor = (typeof COMPRESSORS)[number];

/** More work memory than any of them wants. */
const WRKMEM = 1 << 20;
/** Bytes behind every output buffer that must stay as they are. */
const GUARD = 64;

type Native = (src: Uint8Array, srclen: number, dst: Uint8Array, dstlen: number[], wrkmem: Uint8Array | null) => number;

export class Liblzo2 {
  readonly #functions: Record<Compressor, Native>;
  readonly #decompress: Native;
  readonly #wrkmem = Buffer.alloc(WRKMEM);

  constructor() {
    const library = koffi.load('liblzo2.so.2');
    const bind = (name: string): Native => library.func(`int ${name}(void *src, size_t srclen, void *dst, _Inout_ size_t *dstlen, void *wrkmem)`) as unknown as Native;
    this.#functions = Object.fromEntries(COMPRESSORS.map((name) => [name, bind(`${name}_compress`)])) as Record<Compressor, Native>;
    this.#decompress = bind('lzo1x_decompress_safe');
  }

  compress(name: Compressor, src: Uint8Array): Buffer {
    const dst = Buffer.allocUnsafe(src.length + (src.length >> 4) + 67);
    const length = this.compressInto(name, src, dst);
    return dst.subarray(0, length);
  }

  /** Into a buffer of the caller's, for measuring. @returns length */
  compressInto(name: Compressor, src: Uint8Array, dst: Uint8Array): number {
    const length = [dst.length];
    const code = this.#functions[name](src, src.length, dst, length, this.#wrkmem);
    if (code !== 0) throw new Error(`${name}_compress: ${code}`);
    return length[0]!;
  }

  /** @returns its code, and what it wrote until then */
  decompress(src: Uint8Array, room: number): { code: number; output: Buffer } {
    const dst = Buffer.allocUnsafe(room + GUARD);
    return this.decompressInto(src, dst, room);
  }

  decompressInto(src: Uint8Array, dst: Buffer, room: number): { code: number; output: Buffer } {
    const length = [room];
    const code = this.#decompress(src, src.length, dst, length, null);
    return { code, output: dst.subarray(0, length[0]) };
  }
}
