/**
 * The `.lzo` file format of lzop: header and block heads. Big-endian throughout.
 *
 *      magic 89 4c 5a 4f 00 0d 0a 1a 0a                   9 bytes
 *      version, library version, version needed           3 x u16
 *      method, level                                      2 x u8
 *      flags                                              u32
 *      filter                                             u32, only with F_H_FILTER
 *      mode, mtime low, mtime high                        3 x u32
 *      length of name, name                               u8, bytes
 *      checksum of all but the magic                      u32: Adler-32, or CRC-32 with F_H_CRC32
 *      [length, extra field, its checksum]                only with F_H_EXTRA_FIELD
 *
 *      block: length                                      u32, 0 = end of this member
 *             stored length                               u32, equal to length: stored as it is
 *             checksums of the data: Adler, CRC           u32 each, as flags say
 *             checksums of what is stored: Adler, CRC     u32 each, as flags say, not if stored as it is
 *             bytes
 *
 * Members may follow one another. Known from files that lzop 1.04 wrote and from how it answers files
 * that were changed by a byte.
 */
import type { Lzo } from './lzoModule.user';

export const LZOP_MAGIC = Uint8Array.of(0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a);
/** Bytes of a block that lzop writes, and the most that it reads. */
export const LZOP_BLOCK = 256 * 1024;
export const LZOP_BLOCK_MAX = 64 * 1024 * 1024;

export const F_ADLER32_D = 0x1;
export const F_ADLER32_C = 0x2;
export const F_STDIN = 0x4;
export const F_STDOUT = 0x8;
const F_MULTIPART = 0x400;
const F_H_EXTRA_FIELD = 0x40;
export const F_CRC32_D = 0x100;
export const F_CRC32_C = 0x200;
const F_H_FILTER = 0x800;
const F_H_CRC32 = 0x1000;
const F_OS_UNIX = 0x03000000;

/** What lzop 1.04 with liblzo2 2.10 says of itself; readers look at the version needed. */
const VERSION = 0x1040;
const LIB_VERSION = 0x20a0;
/** The oldest lzop that reads plain files, and those with CRC-32. */
const NEEDED = 0x0940;
const NEEDED_CRC32 = 0x1001;
/** LZO1X-1, LZO1X-1(15), LZO1X-999: one bitstream. */
const METHODS = [1, 2, 3];
const METHOD_LZO1X_1 = 1;
const METHOD_LZO1X_999 = 3;
/** Levels from here on are those of the slow compressor, in lzop as here. */
export const SLOW_LEVEL = 7;
const FILTER_MAX = 16;
/** Bytes of the header between magic and name. */
const FIXED = 25;

/** The file is not what it should be; the message is for one line. */
export class LzopError extends Error {
  override readonly name = 'LzopError';
}

export interface LzopHeader {
  flags: number;
  /** Stride of the difference filter; 0 = none. */
  filter: number;
  mode: number;
  /** Seconds since 1970. */
  mtime: number;
  name: string;
}

/** Where the reader gets its bytes: exactly `n`, or an error. */
export interface Exactly {
  exactly(n: number, what: string): Promise<Uint8Array>;
}

/** The header of a member made here. */
export function encodeHeader(header: { name: string; mode: number; mtime: number; level: number; crc32: boolean; stdin: boolean; stdout: boolean }, lzo: Lzo): Uint8Array {
  const name = Buffer.from(header.name).subarray(0, 255);
  const out = Buffer.alloc(LZOP_MAGIC.length + FIXED + name.length + 4);
  const io = (header.stdin ? F_STDIN : 0) | (header.stdout ? F_STDOUT : 0);
  const sums = header.crc32 ? F_CRC32_D | F_H_CRC32 : F_ADLER32_D;
  out.set(LZOP_MAGIC);
  let at = out.writeUInt16BE(VERSION, LZOP_MAGIC.length);
  at = out.writeUInt16BE(LIB_VERSION, at);
  at = out.writeUInt16BE(header.crc32 ? NEEDED_CRC32 : NEEDED, at);
  at = out.writeUInt8(header.level < SLOW_LEVEL ? METHOD_LZO1X_1 : METHOD_LZO1X_999, at);
  at = out.writeUInt8(header.level, at);
  at = out.writeUInt32BE(F_OS_UNIX | sums | io, at);
  at = out.writeUInt32BE(header.mode >>> 0, at);
  at = out.writeUInt32BE(header.mtime >>> 0, at);
  at = out.writeUInt32BE(Math.floor(header.mtime / 2 ** 32) >>> 0, at);
  at = out.writeUInt8(name.length, at);
  out.set(name, at);
  at += name.length;
  const covered = out.subarray(LZOP_MAGIC.length, at);
  out.writeUInt32BE(header.crc32 ? lzo.crc32(covered) : lzo.adler32(covered), at);
  return out;
}

/** Reads fields and keeps them for the checksum. */
class Fields {
  readonly #parts: Uint8Array[] = [];
  constructor(readonly source: Exactly) {}

  async bytes(n: number): Promise<Buffer> {
    const part = Buffer.from(await this.source.exactly(n, 'its header'));
    this.#parts.push(part);
    return part;
  }

  async uint(n: number): Promise<number> {
    return (await this.bytes(n)).readUIntBE(0, n);
  }

  all(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

/** Refuse what this reader does not know, before its fields are taken for something else. */
function checkKnown(needed: number, method: number, flags: number, filter: number): void {
  if (needed > VERSION) throw new LzopError(`it needs lzop ${(needed >> 12)}.${(needed & 0xfff).toString(16)} or newer`);
  if (!METHODS.includes(method)) throw new LzopError(`compression method ${method} is unknown`);
  if ((flags & F_MULTIPART) !== 0) throw new LzopError('it is one part of several, which is not supported');
  if (filter > FILTER_MAX) throw new LzopError(`filter ${filter} is unknown`);
}

/** Read the header behind the magic and verify its checksum. */
export async function readHeader(source: Exactly, lzo: Lzo): Promise<LzopHeader> {
  const fields = new Fields(source);
  const version = await fields.uint(2);
  await fields.uint(2);
  // Files of lzop before 0.94 lack some fields; there are none left to read.
  if (version < NEEDED) throw new LzopError(`it was made by lzop ${version.toString(16)}, which is too old`);
  const needed = await fields.uint(2);
  const method = await fields.uint(1);
  await fields.uint(1);
  const flags = await fields.uint(4);
  const filter = (flags & F_H_FILTER) !== 0 ? await fields.uint(4) : 0;
  const mode = await fields.uint(4);
  const low = await fields.uint(4);
  const high = await fields.uint(4);
  const name = await fields.bytes(await fields.uint(1));
  const covered = fields.all();
  const sum = (flags & F_H_CRC32) !== 0 ? lzo.crc32(covered) : lzo.adler32(covered);
  if ((await fields.uint(4)) !== sum) throw new LzopError('its header is corrupt (checksum)');
  checkKnown(needed, method, flags, filter);
  if ((flags & F_H_EXTRA_FIELD) !== 0) {
    const length = await fields.uint(4);
    if (length > LZOP_BLOCK_MAX) throw new LzopError('its header is corrupt (extra field)');
    await fields.bytes(length + 4);
  }
  return { flags, filter, mode, mtime: high * 2 ** 32 + low, name: name.toString() };
}
