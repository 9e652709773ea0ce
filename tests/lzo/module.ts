/**
 * Our module, without the host class in front of it: buffers placed by the test, each with canaries
 * behind it, so that a write outside is seen.
 *
 *      arena: wrkmem | result | src, canary | dst, canary
 */
import { readFileSync } from 'node:fs';
import { withMemory } from '../../host/imageFile';
import { buildComponent } from '../../tools/mkimage/build';

const WRKMEM = 16384 + 131072;
const CANARY = 0xa5;
const CANARIES = 64;

interface Exports {
  memory: WebAssembly.Memory;
  lzo_arena(): number;
  lzo1x_1_compress(src: number, srclen: number, dst: number, dstcap: number, wrkmem: number): number;
  lzorle_1_compress(src: number, srclen: number, dst: number, dstcap: number, wrkmem: number): number;
  lzo1x_hc_compress(src: number, srclen: number, dst: number, dstcap: number, wrkmem: number, level: number): number;
  lzo1x_decompress_safe(src: number, srclen: number, dst: number, dstcap: number, result: number): number;
  lzorle_decompress_safe(src: number, srclen: number, dst: number, dstcap: number, result: number): number;
}

export interface Outcome {
  /** 0, or LZO_E_*. */
  code: number;
  output: Uint8Array;
  consumed: number;
}

export class LzoModule {
  readonly #exports: Exports;
  readonly u8: Uint8Array;
  readonly wrkmem: number;
  readonly #result: number;
  readonly src: number;
  readonly dst: number;

  constructor(wasm: Uint8Array, readonly room: number) {
    const sized = withMemory(wasm, 3 * room + 4 * 65536);
    const panicked = (at: number, length: number): never => {
      throw new Error(`panic: ${Buffer.from(this.u8.subarray(at, at + length)).toString('latin1')}`);
    };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(sized as Uint8Array<ArrayBuffer>), { rumpuser: { hyp_panic: panicked } });
    this.#exports = instance.exports as unknown as Exports;
    this.u8 = new Uint8Array(this.#exports.memory.buffer);
    this.wrkmem = this.#exports.lzo_arena();
    this.#result = this.wrkmem + WRKMEM;
    this.src = this.#result + 64;
    this.dst = this.src + room + (room >> 3) + 256;
  }

  get exports(): Exports {
    return this.#exports;
  }

  #guard(at: number): void {
    this.u8.fill(CANARY, at, at + CANARIES);
  }

  #checkGuard(at: number, what: string): void {
    for (let i = 0; i < CANARIES; i++) if (this.u8[at + i] !== CANARY) throw new Error(`${what} wrote ${i + 1} byte(s) past its room`);
  }

  /** @param how 1 LZO1X-1, 2 lzo-rle, 3 to 9 the slow compressor */
  compress(input: Uint8Array, how = 1, room = input.length + (input.length >> 4) + 67): Uint8Array | number {
    this.u8.set(input, this.src);
    this.#guard(this.dst + room);
    const length = this.compressAt(how, this.src, input.length, this.dst, room);
    this.#checkGuard(this.dst + room, 'compress');
    return length < 0 ? length : this.u8.subarray(this.dst, this.dst + length);
  }

  compressAt(how: number, src: number, length: number, dst: number, room: number): number {
    if (how > 2) return this.#exports.lzo1x_hc_compress(src, length, dst, room, this.wrkmem, how);
    const fn = how === 2 ? this.#exports.lzorle_1_compress : this.#exports.lzo1x_1_compress;
    return fn(src, length, dst, room, this.wrkmem);
  }

  decompress(input: Uint8Array, room: number, rle = false): Outcome {
    this.u8.set(input, this.src);
    this.#guard(this.dst + room);
    const fn = rle ? this.#exports.lzorle_decompress_safe : this.#exports.lzo1x_decompress_safe;
    const length = fn(this.src, input.length, this.dst, room, this.#result);
    this.#checkGuard(this.dst + room, 'decompress');
    const result = new DataView(this.u8.buffer, this.#result);
    return { code: Math.min(length, 0), output: this.u8.subarray(this.dst, this.dst + result.getUint32(4, true)), consumed: result.getUint32(0, true) };
  }
}

/**
 * Buffers that end where memory ends: an access behind one of them is a trap.
 * @param how which compressor, 0 = decompress
 * @returns length or code
 */
export function atTheEnd(module: LzoModule, input: Uint8Array, room: number, how: number, outputLast: boolean): number {
  const { exports: e, u8 } = module;
  const end = u8.length;
  const src = outputLast ? module.src : end - input.length;
  const dst = outputLast ? end - room : module.dst;
  u8.set(input, src);
  return how > 0 ? module.compressAt(how, src, input.length, dst, room) : e.lzo1x_decompress_safe(src, input.length, dst, room, 0);
}

/** The module as it is built now, with room for inputs of `room` bytes. */
export async function lzoModule(room: number): Promise<LzoModule> {
  return new LzoModule(readFileSync((await buildComponent('lzo')).wasmFile), room);
}
