/**
 * Writing `.lzo`: blocks of 256 KiB, each compressed or, if that does not make it smaller, stored as it is; with the checksum that the real lzop writes by default (Adler-32 of the data).
 *
 * Memory: one block, its compressed form, and what the source hands over at a time.
 */
import type { Lzo } from './lzoModule.user';
import { encodeHeader, LZOP_BLOCK, SLOW_LEVEL } from './lzopHeader.user';
import type { Feed } from './lzopReader.user';

export interface WriteOptions {
  /** Name to keep in the header; "" for none. */
  name: string;
  /** st_mode, and seconds since 1970. */
  mode: number;
  mtime: number;
  /** 1 to 9, as lzop's: 7 to 9 are slow and small. */
  level: number;
  /** CRC-32 instead of Adler-32. */
  crc32: boolean;
  stdin: boolean;
  stdout: boolean;
}

/** Head of a block: lengths and checksum. */
function blockHead(length: number, stored: number, sum: number): Uint8Array {
  const head = Buffer.alloc(12);
  head.writeUInt32BE(length, 0);
  head.writeUInt32BE(stored, 4);
  head.writeUInt32BE(sum, 8);
  return head;
}

/** The bytes of an `.lzo` file with all of `source`. Views are good until the next step. */
export async function* writeLzop(source: Feed, lzo: Lzo, options: WriteOptions): AsyncGenerator<Uint8Array> {
  yield encodeHeader(options, lzo);
  for (;;) {
    const block = await source.upTo(LZOP_BLOCK);
    if (block.length === 0) break;
    const room = lzo.buffer(block.length);
    room.set(block);
    const sum = options.crc32 ? lzo.crc32(room) : lzo.adler32(room);
    const packed = lzo.compress(room, options.level < SLOW_LEVEL ? 1 : options.level);
    const smaller = packed.length < room.length;
    yield blockHead(room.length, smaller ? packed.length : room.length, sum);
    yield smaller ? packed : room;
  }
  yield new Uint8Array(4);
}
