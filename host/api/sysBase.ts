/**
 * System calls of the image as the host makes them: the exchange area and the way errors come back.
 *
 * Arguments that are not numbers go through the host exchange area (rump_hostbuf), which is laid out
 * anew by each call. Calls are synchronous and the image never calls back, so one area is enough.
 *
 *      0         2048       4096        5120       5632        6144       8192               256 KiB
 *      | path    | path 2   | structs   | sockaddr | socklen   | option   | data …               |
 *
 * Before a call the image is told the time. Each call that may have left work inside kicks the pump: the work is done before the event loop
 * turns, together with that of all other calls of this turn.
 */
import { RUMP_HOSTBUF_SIZE } from '../../kernel/abi/rump';
import { ENAMETOOLONG } from '../../kernel/abi/errno';
import { PATH_MAX } from '../../kernel/abi/fcntl';
import { SystemError, type SystemErrorInfo } from '../errtrans';
import type { ImageInstance } from '../instance';

/** Offsets in the exchange area. */
export const atPath = 0;
export const atPath2 = 2048;
export const atStruct = 4096;
export const atAddress = 5120;
export const atLength = 5632;
export const atOption = 6144;
export const atData = 8192;

/** Bytes between the option and the data. */
export const optionMax: number = atData - atOption;
/** Most bytes that one call can carry. */
export const dataMax: number = RUMP_HOSTBUF_SIZE - atData;

const encoder = new TextEncoder();

export class SysBase {
  /** Address of the exchange area. */
  readonly base: number;
  /** Address of its data part. */
  readonly data: number;
  readonly image: ImageInstance;
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly dv: DataView<ArrayBuffer>;
  private readonly tick: () => void;
  private readonly kick: () => void;

  /** @param tick called before each system call, @param kick after it */
  constructor(image: ImageInstance, tick: () => void, kick: () => void) {
    this.image = image;
    this.tick = tick;
    this.u8 = image.u8;
    this.dv = image.dv;
    this.base = image.exports.rump_hostbuf();
    this.data = this.base + atData;
    this.kick = kick;
  }

  /** One system call by number, arguments as they are: >= 0 or -errno. Does not throw for an errno. */
  raw(nr: number, a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0): number {
    this.tick();
    const result = this.image.syscall(nr, a0, a1, a2, a3, a4, a5);
    this.kick();
    return result;
  }

  /** `result` if it is >= 0; else throw it. */
  protected check(result: number, syscall: string, info?: SystemErrorInfo): number {
    if (result < 0) throw new SystemError(result, syscall, info);
    return result;
  }

  /** Put `path` in the exchange area. @returns its length in bytes */
  protected putPath(path: string, syscall: string, at = atPath): number {
    const bytes = encoder.encode(path);
    if (bytes.length >= PATH_MAX) throw new SystemError(ENAMETOOLONG, syscall, { path });
    this.u8.set(bytes, this.base + at);
    return bytes.length;
  }

  /** Put `bytes` in the data part. @returns how many of them there was room for */
  protected putData(bytes: Uint8Array): number {
    const n = Math.min(bytes.length, dataMax);
    this.u8.set(n === bytes.length ? bytes : bytes.subarray(0, n), this.data);
    return n;
  }

  /** A copy of the first `n` bytes of the data part. */
  takeData(n: number): Buffer {
    const out = Buffer.allocUnsafe(n);
    out.set(this.u8.subarray(this.data, this.data + n));
    return out;
  }

  /** A signed 64-bit number at `at` as a double. */
  protected getI64(at: number): number {
    return this.dv.getUint32(at, true) + this.dv.getInt32(at + 4, true) * 2 ** 32;
  }

  protected putI64(at: number, value: number): void {
    this.dv.setUint32(at, value >>> 0, true);
    this.dv.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
  }
}
