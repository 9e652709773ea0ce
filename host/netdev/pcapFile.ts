/**
 * Capture files: writing pcap, reading pcap and pcapng.
 *
 *      pcap    | magic u32 | 2 | 4 | zone | sigfigs | snaplen | link type |   then per frame
 *              | seconds u32 | µs (or ns) u32 | captured u32 | length u32 | bytes … |
 *      pcapng  blocks | type u32 | length u32 | body … | length u32 |: section, interface, packet
 *
 * draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Both byte orders and both resolutions are read; of
 * pcapng the packet blocks (enhanced, simple) of Ethernet interfaces, every other block is passed over.
 * A file that ends in the middle of a record (a capture that was cut off) gives what is whole.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

const MAGIC_US = 0xa1b2c3d4;
const MAGIC_NS = 0xa1b23c4d;
const LINKTYPE_ETHERNET = 1;
const SNAPLEN = 262144;
const BLOCK_SECTION = 0x0a0d0d0a;
const BLOCK_INTERFACE = 1;
const BLOCK_SIMPLE = 3;
const BLOCK_PACKET = 6;
const SECTION_MAGIC = 0x1a2b3c4d;
const OPTION_TSRESOL = 9;
/** Bytes collected before they are written. */
const BUFFER = 65536;

export interface CapturedFrame {
  /** µs since 1970, fractions if the file has them. */
  timeUs: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The file is not a capture of Ethernet frames. */
export class PcapError extends Error {
  override readonly name = 'PcapError';
}

/** A pcap file (µs, Ethernet) being written; what was given to it is there after flush() or close(). */
export class PcapWriter {
  /** Frames written. */
  frames = 0;
  private readonly fd: number;
  private readonly buffer = Buffer.alloc(BUFFER);
  private used = 0;
  private closed = false;

  /** Make the file, or empty it. @throws Error of openSync */
  constructor(readonly path: string) {
    this.fd = openSync(path, 'w', 0o644);
    const b = this.buffer;
    b.writeUInt32LE(MAGIC_US, 0);
    b.writeUInt16LE(2, 4);
    b.writeUInt16LE(4, 6);
    b.writeUInt32LE(SNAPLEN, 16);
    b.writeUInt32LE(LINKTYPE_ETHERNET, 20);
    this.used = 24;
    this.flush();
  }

  /** Append a frame. @param timeUs µs since 1970 @param length of the whole frame, if `bytes` is only its head */
  write(bytes: Uint8Array, timeUs: number, length = bytes.length): void {
    if (this.closed) return;
    const need = 16 + bytes.length;
    if (this.used + need > BUFFER) this.flush();
    const whole = Math.floor(timeUs);
    const b = need > BUFFER ? Buffer.alloc(need) : this.buffer;
    const at = need > BUFFER ? 0 : this.used;
    b.writeUInt32LE(Math.floor(whole / 1_000_000) % 0x100000000, at);
    b.writeUInt32LE(whole % 1_000_000, at + 4);
    b.writeUInt32LE(bytes.length, at + 8);
    b.writeUInt32LE(length, at + 12);
    b.set(bytes, at + 16);
    if (need > BUFFER) writeAll(this.fd, b);
    else this.used += need;
    this.frames++;
  }

  flush(): void {
    if (this.closed || this.used === 0) return;
    writeAll(this.fd, this.buffer.subarray(0, this.used));
    this.used = 0;
  }

  close(): void {
    if (this.closed) return;
    this.flush();
    this.closed = true;
    closeSync(this.fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

/**
 * All Ethernet frames of a capture file.
 * @throws PcapError naming the file, Error of readFileSync
 */
export function readPcap(path: string): CapturedFrame[] {
  const bytes = readFileSync(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 24) throw new PcapError(`${path} is too short for a capture file`);
  if (view.getUint32(0, true) === BLOCK_SECTION) return readNg(path, bytes, view);
  for (const little of [true, false]) {
    const magic = view.getUint32(0, little);
    if (magic === MAGIC_US || magic === MAGIC_NS) return readClassic(path, bytes, view, little, magic === MAGIC_NS);
  }
  throw new PcapError(`${path} is neither pcap nor pcapng`);
}

function readClassic(path: string, bytes: Buffer, view: DataView, little: boolean, nano: boolean): CapturedFrame[] {
  const link = view.getUint32(20, little) & 0xffff;
  if (link !== LINKTYPE_ETHERNET) throw new PcapError(`${path} holds link type ${link}, not Ethernet (1)`);
  const frames: CapturedFrame[] = [];
  for (let at = 24; at + 16 <= bytes.length;) {
    const length = view.getUint32(at + 8, little);
    if (at + 16 + length > bytes.length) break;
    const part = view.getUint32(at + 4, little);
    frames.push({
      timeUs: view.getUint32(at, little) * 1_000_000 + (nano ? part / 1000 : part),
      bytes: new Uint8Array(bytes.subarray(at + 16, at + 16 + length)),
    });
    at += 16 + length;
  }
  return frames;
}

interface NgInterface { link: number; unitsPerSecond: number }

/** The if_tsresol option of an interface block, as units in a second. */
function resolution(view: DataView, at: number, end: number, little: boolean): number {
  while (at + 4 <= end) {
    const code = view.getUint16(at, little);
    const length = view.getUint16(at + 2, little);
    if (code === 0) break;
    if (code === OPTION_TSRESOL && length >= 1) {
      const value = view.getUint8(at + 4);
      return value & 0x80 ? 2 ** (value & 0x7f) : 10 ** value;
    }
    at += 4 + ((length + 3) & ~3);
  }
  return 1_000_000;
}

function readNg(path: string, bytes: Buffer, view: DataView): CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  let interfaces: NgInterface[] = [];
  let little = true;
  const take = (at: number, length: number, timeUs: number): void => {
    frames.push({ timeUs, bytes: new Uint8Array(bytes.subarray(at, at + length)) });
  };
  for (let at = 0; at + 12 <= bytes.length;) {
    if (view.getUint32(at, true) === BLOCK_SECTION) {
      little = view.getUint32(at + 8, true) === SECTION_MAGIC;
      interfaces = [];
    }
    const type = view.getUint32(at, little);
    const size = view.getUint32(at + 4, little);
    if (size < 12 || size % 4 !== 0) throw new PcapError(`${path}: a block of ${size} bytes at ${at}`);
    const end = at + size - 4;
    if (end + 4 > bytes.length) break;
    if (type === BLOCK_INTERFACE && size >= 20) {
      interfaces.push({ link: view.getUint16(at + 8, little), unitsPerSecond: resolution(view, at + 16, end, little) });
    } else if (type === BLOCK_PACKET && size >= 32) {
      const from = interfaces[view.getUint32(at + 8, little)];
      const time = view.getUint32(at + 12, little) * 0x100000000 + view.getUint32(at + 16, little);
      const length = view.getUint32(at + 20, little);
      if (from?.link === LINKTYPE_ETHERNET && at + 28 + length <= end) take(at + 28, length, time / from.unitsPerSecond * 1_000_000);
    } else if (type === BLOCK_SIMPLE && interfaces[0]?.link === LINKTYPE_ETHERNET) {
      take(at + 12, Math.min(view.getUint32(at + 8, little), end - at - 12), 0);
    }
    at += size;
  }
  return frames;
}
