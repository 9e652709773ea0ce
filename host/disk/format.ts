/**
 * Archives of disks: only what is not zeros, in LZO blocks, everything checksummed. Little-endian.
 *
 *      header   | "RUMPDISK" | version u32 | 64 u32 | size u64 | chunk u32 | 0 u32 | made u64, ms | id 16 | 0 u32 | crc u32 |
 *      record   | offset u64 | length u32 | stored u32 | crc of the plain chunk u32 | crc of this header u32 | stored bytes |
 *      trailer  | "RUMPDEND" | id 16 | records u64 | bytes of data u64 | SHA-256 of all before 32 | 0 u32 | crc u32 |
 *
 * Records are in order of offset, whole sectors, at most `chunk` bytes; a chunk that does not get smaller
 * is stored as it is (stored = length). The id is random and ties the trailer to its header, so that a
 * file put together of two halves is found out. A file without its trailer is torn.
 */
import { randomBytes } from 'node:crypto';

export const headerSize = 64;
export const recordSize = 24;
export const trailerSize = 80;
export const chunkSize = 65536;
export const idSize = 16;
const version = 1;
const headMagic = 'RUMPDISK';
const tailMagic = 'RUMPDEND';

type Crc = (bytes: Uint8Array) => number;

export interface Header {
  size: number;
  chunk: number;
  madeMs: number;
  id: Buffer;
}

export interface Record {
  offset: number;
  length: number;
  stored: number;
  crc: number;
}

export interface Trailer {
  id: Buffer;
  records: number;
  bytes: number;
  digest: Buffer;
}

const withCrc = (bytes: Buffer, crc: Crc): Buffer => {
  bytes.writeUInt32LE(crc(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
  return bytes;
};

const hasCrc = (bytes: Buffer, crc: Crc): boolean => bytes.readUInt32LE(bytes.length - 4) === crc(bytes.subarray(0, bytes.length - 4));

const putU64 = (bytes: Buffer, value: number, at: number): void => { bytes.writeBigUInt64LE(BigInt(value), at); };
const getU64 = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));

/** Does a file begin like an archive? */
export function isArchive(head: Buffer): boolean {
  return head.length >= 8 && head.toString('latin1', 0, 8) === headMagic;
}

export function makeHeader(size: number, crc: Crc): { bytes: Buffer; id: Buffer } {
  const id = randomBytes(idSize);
  const bytes = Buffer.alloc(headerSize);
  bytes.write(headMagic, 'latin1');
  bytes.writeUInt32LE(version, 8);
  bytes.writeUInt32LE(headerSize, 12);
  putU64(bytes, size, 16);
  bytes.writeUInt32LE(chunkSize, 24);
  putU64(bytes, Date.now(), 32);
  id.copy(bytes, 40);
  return { bytes: withCrc(bytes, crc), id };
}

/** @returns the header, or what is wrong with it */
export function parseHeader(bytes: Buffer, crc: Crc): Header | string {
  if (!isArchive(bytes)) return 'it is not an archive of a disk';
  if (bytes.length < headerSize) return 'it ends within its header';
  if (bytes.readUInt32LE(8) !== version) return `it is of version ${bytes.readUInt32LE(8)}, and only ${version} is known here`;
  if (!hasCrc(bytes.subarray(0, headerSize), crc)) return 'its header is damaged';
  const size = getU64(bytes, 16);
  const chunk = bytes.readUInt32LE(24);
  if (size === 0 || size % 512 !== 0 || chunk !== chunkSize || bytes.readUInt32LE(12) !== headerSize) return 'its header makes no sense';
  return { size, chunk, madeMs: getU64(bytes, 32), id: Buffer.from(bytes.subarray(40, 40 + idSize)) };
}

export function makeRecord({ offset, length, stored, crc: plain }: Record, crc: Crc): Buffer {
  const bytes = Buffer.alloc(recordSize);
  putU64(bytes, offset, 0);
  bytes.writeUInt32LE(length, 8);
  bytes.writeUInt32LE(stored, 12);
  bytes.writeUInt32LE(plain, 16);
  return withCrc(bytes, crc);
}

/** @param from first byte that no record before it has @returns the record, or what is wrong with it */
export function parseRecord(bytes: Buffer, { size, chunk }: Header, from: number, crc: Crc): Record | string {
  if (!hasCrc(bytes, crc)) return 'a record of it is damaged';
  const record = { offset: getU64(bytes, 0), length: bytes.readUInt32LE(8), stored: bytes.readUInt32LE(12), crc: bytes.readUInt32LE(16) };
  const { offset, length, stored } = record;
  const sectors = offset % 512 === 0 && length % 512 === 0;
  const fits = offset >= from && offset + length <= size && length > 0 && length <= chunk && stored > 0 && stored <= length;
  return sectors && fits ? record : 'a record of it makes no sense';
}

export function isTrailer(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 8) === tailMagic;
}

export function makeTrailer({ id, records, bytes: count, digest }: Trailer, crc: Crc): Buffer {
  const bytes = Buffer.alloc(trailerSize);
  bytes.write(tailMagic, 'latin1');
  id.copy(bytes, 8);
  putU64(bytes, records, 24);
  putU64(bytes, count, 32);
  digest.copy(bytes, 40);
  return withCrc(bytes, crc);
}

/** @returns what is wrong with it, or null */
export function checkTrailer(bytes: Buffer, expected: Trailer, crc: Crc): string | null {
  if (bytes.length < trailerSize) return 'it ends within its trailer';
  if (!hasCrc(bytes, crc)) return 'its trailer is damaged';
  if (!bytes.subarray(8, 8 + idSize).equals(expected.id)) return 'its header and its trailer are of different archives';
  if (getU64(bytes, 24) !== expected.records || getU64(bytes, 32) !== expected.bytes) return 'records of it are missing';
  return bytes.subarray(40, 72).equals(expected.digest) ? null : 'its contents do not have the checksum that its trailer tells';
}
