/**
 * A tar archive as a list of entries: ustar (POSIX.1-1988), pax (POSIX.1-2001) and GNU.
 *
 * An archive is a row of 512-byte blocks: a header, then the member's data padded to a block, and so
 * on, until two blocks of zeros. What does not fit the header's fields comes in a member of its own
 * before the one that it describes: pax records ("27 path=…\n", type x; type g for all that follow)
 * or GNU's long names (type L, and K for a link's target).
 *
 *      0      100   108   116   124    136     148      156    157        257     263  …  345
 *      | name | mode | uid | gid | size | mtime | chksum | type | linkname | magic | …    | prefix |
 *
 * Pure: bytes in, entries out; the data of an entry is a view of the bytes given. Strict: an archive
 * that is torn, damaged or of another format is refused with one line that says where and why,
 * because half a site that looks whole is worse than none. Paths come out relative, normalised and
 * free of "..", so a loader that prefixes its root cannot leave it.
 */

export type TarType = 'file' | 'directory' | 'symlink' | 'hardlink';

export interface TarEntry {
  /** Relative and normalised: "a/b"; "." for the root itself. */
  path: string;
  type: TarType;
  /** Permission bits, 0 to 0o7777. */
  mode: number;
  /** Modification time in seconds since 1970, with pax also a fraction. */
  mtime: number;
  /** Contents of a file; empty for the other types. */
  data: Uint8Array;
  /** Target of a symlink as written; of a hardlink, a path in the form of `path`. */
  linkname: string;
}

export interface TarOptions {
  /** Called for a member that has no place here (devices, FIFOs); without it such a member is an error. */
  onSkip?: (path: string, why: string) => void;
}

/** The archive was refused; the message is one line and names the offset or the member. */
export class TarError extends Error {
  override name = 'TarError';
}

const BLOCK = 512;
const NAME_MAX = 255;
const PATH_MAX = 1023;
const SKIPPED: Record<string, string> = { '3': 'character device', '4': 'block device', '6': 'FIFO' };
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** What overrides the header of the next member (from x, L, K) or of all (from g). */
type Overrides = Map<string, string>;

interface Header {
  at: number;
  name: string;
  mode: number;
  size: number;
  mtime: number;
  type: string;
  linkname: string;
}

/**
 * All members of an archive, in order.
 * @throws TarError if the bytes are not one whole, sound tar archive.
 */
export function parseTar(bytes: Uint8Array, opts: TarOptions = {}): TarEntry[] {
  refuseForeign(bytes);
  const entries: TarEntry[] = [];
  const files = new Set<string>();
  const globals: Overrides = new Map();
  let local: Overrides = new Map();
  let at = 0;
  for (;;) {
    if (isZeroBlock(bytes, at)) {
      checkEnd(bytes, at);
      if (local.size) throw new TarError(`torn archive: the header at ${at} should follow an extended header`);
      return entries;
    }
    const head = readHeader(bytes, at);
    const body = at + BLOCK;
    if ('xgLK'.includes(head.type)) {
      const data = slice(bytes, body, head.size, head.name);
      readExtension(head, data, head.type === 'g' ? globals : local);
      at = body + pad(head.size);
      continue;
    }
    applyOverrides(head, globals);
    applyOverrides(head, local);
    local = new Map();
    // Only a file has data: some writers leave a size in the headers of links and directories.
    const size = '123456'.includes(head.type) ? 0 : head.size;
    const data = slice(bytes, body, size, head.name);
    at = body + pad(size);
    const entry = makeEntry(head, data, files, opts);
    if (entry) entries.push(entry);
  }
}

function pad(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** Archives in other wrappings, named so that the reader knows what to do. */
function refuseForeign(b: Uint8Array): void {
  const starts = (...magic: number[]) => magic.every((x, i) => b[i] === x);
  if (b.length === 0) throw new TarError('not a tar archive: it is empty');
  if (starts(0x1f, 0x8b)) throw new TarError('not a tar archive: it is compressed with gzip; decompress it first');
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) throw new TarError('not a tar archive: it is compressed with xz; decompress it first');
  if (starts(0x42, 0x5a, 0x68)) throw new TarError('not a tar archive: it is compressed with bzip2; decompress it first');
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) throw new TarError('not a tar archive: it is compressed with zstd; decompress it first');
  if (starts(0x50, 0x4b, 0x03, 0x04)) throw new TarError('not a tar archive: it is a zip file');
}

function isZeroBlock(b: Uint8Array, at: number): boolean {
  if (at + BLOCK > b.length) return false;
  for (let i = at; i < at + BLOCK; i++) if (b[i] !== 0) return false;
  return true;
}

/** The end mark is two blocks of zeros; only zeros may follow it. */
function checkEnd(b: Uint8Array, at: number): void {
  if (!isZeroBlock(b, at + BLOCK)) {
    const what = at + 2 * BLOCK > b.length ? 'the end mark is cut short' : 'a lone block of zeros';
    throw new TarError(`torn archive: ${what} at offset ${at}`);
  }
  for (let i = at + 2 * BLOCK; i < b.length; i++) {
    if (b[i] !== 0) throw new TarError(`damaged archive: data after the end mark, at offset ${i}`);
  }
}

function slice(b: Uint8Array, at: number, size: number, name: string): Uint8Array {
  if (size > b.length - at) {
    const left = Math.max(0, b.length - at);
    throw new TarError(`torn archive: ${quote(name)} has ${size} bytes, of which ${left} are there`);
  }
  return b.subarray(at, at + size);
}

function readHeader(b: Uint8Array, at: number): Header {
  if (at + BLOCK > b.length) {
    if (at === 0) throw new TarError('not a tar archive: shorter than one block');
    const what = at >= b.length ? 'the end mark is missing' : 'it ends within a header';
    throw new TarError(`torn archive: ${what}, at offset ${at}`);
  }
  checkSum(b, at);
  const magic = text(b, at + 257, 8, at, 'magic');
  const ustar = magic.startsWith('ustar');
  // Before POSIX there was no magic: then the checksum alone vouches for the header.
  if (!ustar && magic !== '') throw new TarError(`not a tar archive: unknown magic ${quote(magic)} at offset ${at}`);
  const posix = ustar && b[at + 262] === 0;
  const prefix = posix ? text(b, at + 345, 155, at, 'prefix') : '';
  const name = text(b, at, 100, at, 'name');
  const type = String.fromCharCode(b[at + 156]!);
  return {
    at,
    name: prefix ? `${prefix}/${name}` : name,
    mode: number(b, at + 100, 8, at, 'mode'),
    size: number(b, at + 124, 12, at, 'size'),
    mtime: number(b, at + 136, 12, at, 'mtime'),
    type: type === '\0' || type === '7' ? '0' : type,
    linkname: text(b, at + 157, 100, at, 'link name'),
  };
}

/** The sum of the header's bytes with the sum's own field as spaces; old tars summed signed bytes. */
function checkSum(b: Uint8Array, at: number): void {
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const x = i >= 148 && i < 156 ? 0x20 : b[at + i]!;
    unsigned += x;
    signed += x < 128 ? x : x - 256;
  }
  const field = latin1(b, at + 148, 8);
  const told = /^ *([0-7]+)[ \0]*$/.exec(field);
  if (told && (parseInt(told[1]!, 8) === unsigned || parseInt(told[1]!, 8) === signed)) return;
  throw new TarError(
    at === 0 ? 'not a tar archive: no valid header at its start' : `damaged archive: bad header checksum at offset ${at}`,
  );
}

function latin1(b: Uint8Array, at: number, len: number): string {
  let s = '';
  for (let i = 0; i < len; i++) s += String.fromCharCode(b[at + i]!);
  return s;
}

/** A NUL-terminated field, or a full one without its NUL. */
function text(b: Uint8Array, at: number, len: number, header: number, what: string): string {
  let end = at;
  while (end < at + len && b[end] !== 0) end++;
  return decode(b.subarray(at, end), header, what);
}

function decode(b: Uint8Array, header: number, what: string): string {
  try {
    return utf8.decode(b);
  } catch {
    throw new TarError(`damaged archive: the ${what} in the header at offset ${header} is not UTF-8`);
  }
}

/** An octal field, or GNU's base 256 when the first bit is set (0x80 positive, 0xff negative). */
function number(b: Uint8Array, at: number, len: number, header: number, what: string): number {
  const first = b[at]!;
  let value = 0;
  if (first === 0x80 || first === 0xff) {
    value = first === 0xff ? -1 : 0;
    for (let i = 1; i < len; i++) value = value * 256 + b[at + i]!;
  } else {
    const m = /^[ \0]*([0-7]*)[ \0]*$/.exec(latin1(b, at, len));
    if (!m) throw new TarError(`damaged archive: the ${what} in the header at offset ${header} is not a number`);
    value = m[1] ? parseInt(m[1], 8) : 0;
  }
  if (!Number.isSafeInteger(value) || (value < 0 && what !== 'mtime')) {
    throw new TarError(`damaged archive: the ${what} in the header at offset ${header} is out of range`);
  }
  return value;
}

function readExtension(head: Header, data: Uint8Array, into: Overrides): void {
  if (head.type === 'L' || head.type === 'K') {
    const nul = data.indexOf(0);
    const name = decode(nul < 0 ? data : data.subarray(0, nul), head.at, 'long name');
    into.set(head.type === 'L' ? 'path' : 'linkpath', name);
    return;
  }
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const digits = space < 0 ? '' : latin1(data, at, space - at);
    const len = /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : 0;
    const equals = data.indexOf(0x3d, space + 1);
    if (len === 0 || at + len > data.length || data[at + len - 1] !== 0x0a || equals < 0 || equals >= at + len) {
      throw new TarError(`damaged archive: bad extended header at offset ${head.at}`);
    }
    const key = decode(data.subarray(space + 1, equals), head.at, 'extended header');
    const value = data.subarray(equals + 1, at + len - 1);
    if (key.startsWith('GNU.sparse.')) throw new TarError(`unsupported archive: sparse member at offset ${head.at}`);
    if (key === 'path' || key === 'linkpath' || key === 'size' || key === 'mtime') {
      into.set(key, decode(value, head.at, key));
    }
    at += len;
  }
}

/** An empty value cancels an override and leaves the header's own (POSIX pax, "extended header"). */
function applyOverrides(head: Header, from: Overrides): void {
  for (const [key, value] of from) {
    if (value === '') continue;
    if (key === 'path') head.name = value;
    else if (key === 'linkpath') head.linkname = value;
    else if (key === 'size') {
      if (!/^[0-9]{1,15}$/.test(value)) throw new TarError(`damaged archive: bad size ${quote(value)} at offset ${head.at}`);
      head.size = Number(value);
    } else {
      if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(value)) throw new TarError(`damaged archive: bad mtime ${quote(value)} at offset ${head.at}`);
      head.mtime = Number(value);
    }
  }
}

function makeEntry(head: Header, data: Uint8Array, files: Set<string>, opts: TarOptions): TarEntry | null {
  const path = sanitise(head.name, head.at);
  const skipped = SKIPPED[head.type];
  if (skipped) {
    if (!opts.onSkip) throw new TarError(`unsupported archive: ${quote(path)} is a ${skipped}`);
    opts.onSkip(path, skipped);
    return null;
  }
  // Before ustar a directory was a file whose name ended with a slash.
  const type = head.type === '0' && head.name.endsWith('/') ? '5' : head.type;
  const entry: TarEntry = { path, type: 'file', mode: head.mode & 0o7777, mtime: head.mtime, data, linkname: '' };
  if (type === '0') {
    if (path === '.') throw new TarError(`damaged archive: a file without a name at offset ${head.at}`);
    files.add(path);
  } else if (type === '5') {
    entry.type = 'directory';
  } else if (type === '2') {
    entry.type = 'symlink';
    entry.linkname = head.linkname;
    if (entry.linkname === '' || entry.linkname.includes('\0') || byteLength(entry.linkname) > PATH_MAX) {
      throw new TarError(`damaged archive: bad target of the symbolic link ${quote(path)}`);
    }
  } else if (type === '1') {
    entry.type = 'hardlink';
    entry.linkname = sanitise(head.linkname, head.at);
    if (!files.has(entry.linkname)) {
      throw new TarError(`damaged archive: ${quote(path)} is a link to ${quote(entry.linkname)}, which is not before it`);
    }
    files.add(path);
  } else {
    throw new TarError(`unsupported archive: ${quote(path)} is of type ${quote(head.type)}`);
  }
  return entry;
}

/** Relative, without empty and "." components; ".." is refused rather than resolved. */
function sanitise(name: string, at: number): string {
  const parts = name.split('/').filter((p) => p !== '' && p !== '.');
  if (name === '') throw new TarError(`damaged archive: a member without a name at offset ${at}`);
  if (name.includes('\0')) throw new TarError(`damaged archive: a NUL in the name ${quote(name)}`);
  if (parts.includes('..')) throw new TarError(`unsafe archive: ${quote(name)} leaves its directory`);
  const path = parts.join('/') || '.';
  if (byteLength(path) > PATH_MAX) throw new TarError(`unsupported archive: a name longer than ${PATH_MAX} bytes at offset ${at}`);
  for (const p of parts) {
    if (byteLength(p) > NAME_MAX) throw new TarError(`unsupported archive: a component longer than ${NAME_MAX} bytes at offset ${at}`);
  }
  return path;
}

function byteLength(s: string): number {
  return encoder.encode(s).length;
}

/** Quoted, shortened and without control characters, so that the message stays one line. */
function quote(s: string): string {
  return JSON.stringify(s.length > 80 ? `${s.slice(0, 77)}...` : s);
}
