/**
 * Arguments for system calls as the worst of callers would choose them, from a seed.
 *
 *      hostbuf:  | structures, side by side | … and buffers for results, anywhere in all of it |
 *
 * What goes in may point anywhere. What comes out may not: a pointer into the kernel is memory like any
 * other, so an honest kernel would overwrite itself on request. So buffers for results lie within the
 * area, behind the end of memory, or across it; and each call says which bytes it may write. All others
 * of the area are compared afterwards. Results may be written over the structures of the same call: the
 * kernel has to have read them by then.
 */
import { seededEntropy } from '../../host/determinism';
import type { ImageInstance } from '../../host/instance';

export const areaSize = 65_536;
/** Where the structures of one call lie, one after the other. */
const structSize = 16_384;

/** What a descriptor stands for, as far as the calls made tell. */
export type Kind = 'file' | 'kqueue' | 'socket';

export interface Range {
  ptr: number;
  len: number;
}

const words = [
  0, 1, 2, 3, 4, 7, 8, 16, 24, 63, 64, 255, 256, 1023, 1024, 4095, 4096, 65_535, 65_536, 262_144, 1 << 20, 1 << 24, 1 << 30,
  0x7fffffff, -1, -2, -8, -4096, -0x80000000, 0x1555_5555, 0x2000_0000, 0x0fff_ffff,
];

export class Hostile {
  readonly image: ImageInstance;
  /** Address of the area. */
  readonly base: number;
  readonly memorySize: number;
  private readonly open: Record<Kind, number[]> = { file: [], kqueue: [], socket: [] };
  /** Ports that our own sockets are bound to: the only ones that are connected to. */
  readonly ports: number[] = [0, 1];
  private readonly area: Uint8Array;
  private readonly shadow = new Uint8Array(areaSize);
  private readonly next: () => number;
  private readonly kinds: readonly Kind[];
  private writable: Range[] = [];
  private structsUsed = 0;

  /** @param kinds what the image has; the first is what is read and written */
  constructor(image: ImageInstance, seed: string, kinds: readonly Kind[]) {
    this.image = image;
    this.kinds = kinds;
    this.base = image.exports.rump_hostbuf();
    this.memorySize = image.u8.length;
    this.area = image.u8.subarray(this.base, this.base + areaSize);
    const random = seededEntropy(seed);
    this.next = random.next;
    random.fill(this.area);
  }

  below(n: number): number {
    return this.next() % n;
  }

  /** True `percent` times in a hundred. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** A 32-bit number: small, at an edge, or anything. */
  word(): number {
    const kind = this.below(4);
    if (kind === 0) return this.below(16);
    if (kind === 1) return this.pick(words);
    return kind === 2 ? this.below(1 << 16) : this.next() | 0;
  }

  /** A file size or offset: mostly such that something is there. */
  offset(): [lo: number, hi: number] {
    const kind = this.below(8);
    if (kind === 0) return [this.word(), this.word()];
    if (kind === 1) return [this.word(), this.pick([-1, 0, 1, 0x7fffffff, -0x80000000])];
    return [this.below(200_000), 0];
  }

  /** A descriptor, mostly of the kind that the call wants. */
  fd(kind: Kind = this.pick(this.kinds)): number {
    const list = this.open[this.chance(85) ? kind : this.pick(this.kinds)];
    return list.length > 0 && this.chance(92) ? this.pick(list) : this.word();
  }

  /** One that can be read and written. */
  io(): number {
    return this.fd(this.kinds[0]);
  }

  /** A descriptor that a call made, if it did. */
  opened(fd: number, kind: Kind): void {
    if (fd >= 0) this.open[kind].push(fd);
  }

  /** A descriptor to close, which is forgotten. */
  toClose(): number {
    const list = this.kinds.flatMap((kind) => this.open[kind]);
    const fd = list.length > 0 && this.chance(98) ? this.pick(list) : this.word();
    for (const kind of this.kinds) this.open[kind] = this.open[kind].filter((each) => each !== fd);
    return fd;
  }

  /** Descriptors that are probably open. */
  get openCount(): number {
    return this.open.file.length + this.open.kqueue.length + this.open.socket.length;
  }

  /** Room for a structure of `len` bytes, which the caller fills. */
  struct(len: number): number {
    const at = this.structsUsed + this.below(8);
    this.structsUsed = at + len;
    if (this.structsUsed > structSize) throw new Error('no room for the structures of a call');
    return this.base + at;
  }

  /** An address within the area with `len` bytes behind it; at times over the structures of the call. */
  private room(len: number): number {
    return this.base + this.below(this.chance(15) ? Math.min(64, areaSize - len) : areaSize - len);
  }

  /** Bytes to be read by the image: in the area, anywhere, or nowhere. @param honest never nowhere */
  input(most = 5000, honest = this.chance(80)): Range {
    if (honest) {
      const len = this.chance(5) ? this.below(areaSize) : this.below(most);
      return { ptr: this.room(len), len };
    }
    return { ptr: this.chance(50) ? this.below(this.memorySize) : this.edge(), len: this.chance(50) ? this.below(64) : this.word() };
  }

  /** Room to be written by the image: within the area if `honest`, else such that it must be refused (or is empty). */
  output(most = 5000, honest = this.chance(80)): Range {
    if (honest) {
      const range = { ptr: 0, len: this.chance(5) ? this.below(areaSize) : this.below(most) };
      range.ptr = this.room(range.len);
      return this.mayWrite(range);
    }
    if (this.chance(30)) return { ptr: this.room(0), len: this.pick([-1, -2, -4096, -0x80000000, 0x7fffffff, 0x7ffffff0, 1 << 30, 0]) };
    const ptr = this.edge();
    return { ptr, len: 1 + ((this.memorySize - (ptr >>> 0)) >>> 0) % 0x7fffffff + this.below(64) };
  }

  /** An address at the end of memory, or behind it: of at least `size` bytes there, not all are memory. */
  edge(size = 1): number {
    const far = [this.memorySize, this.memorySize + 1, 0x7fffffff, -0x80000000, -1, -2, -16, -4096, this.memorySize - size + 1];
    return Math.max(this.pick(far), -0x80000000) | 0;
  }

  /** Room for a result of exactly `size` bytes, or an address where there is none. */
  result(size: number): number {
    return this.chance(85) ? this.resultRoom(size) : this.edge(size);
  }

  /** Room for a result of up to `size` bytes. */
  resultRoom(size: number): number {
    return this.mayWrite({ ptr: this.room(size), len: size }).ptr;
  }

  /** The call that is next may write `range` of the area. */
  mayWrite(range: Range): Range {
    this.writable.push(range);
    return range;
  }

  put32(at: number, value: number): void {
    this.image.dv.setInt32(at, value, true);
  }

  put16(at: number, value: number): void {
    this.image.dv.setInt16(at, value, true);
  }

  put8(at: number, value: number): void {
    this.image.dv.setUint8(at, value);
  }

  putBytes(bytes: Uint8Array): Range {
    const ptr = this.struct(bytes.length);
    this.image.u8.set(bytes, ptr);
    return { ptr, len: bytes.length };
  }

  /** Everything is in place for the next call. */
  seal(): void {
    this.shadow.set(this.area);
  }

  /** Offset in the area of a byte that the call wrote and may not have written; -1 if there is none. */
  stray(): number {
    for (const { ptr, len } of this.writable) {
      const from = Math.max(0, ptr - this.base);
      const to = Math.min(areaSize, ptr - this.base + len);
      if (to > from) this.shadow.set(this.area.subarray(from, to), from);
    }
    this.writable = [];
    this.structsUsed = 0;
    if (Buffer.compare(this.area, this.shadow) === 0) return -1;
    return this.area.findIndex((byte, i) => byte !== this.shadow[i]);
  }
}
