/**
 * A RAM disk of a running kernel, for whoever copies it to a file or back: SYS_diskctl, at once.
 *
 * Transfers go through the host exchange area and are done when the call returns (RAM disks are), so
 * reading is a plain loop. An image that has ended in order can still be read: its memory is whole, and
 * what is called needs nothing of the host. That is how the last write-back gets everything.
 */
import {
  BLK_DATA, BLK_STATUS_MAX, DEV_BSIZE, DISK_CLOSE, DISK_CTL, DISK_OPEN, DISK_READ, DISK_STATUS, DISK_WRITE,
} from '../../kernel/abi/disk';
import { EINPROGRESS } from '../../kernel/abi/errno';
import { SYS_diskctl } from '../../kernel/abi/syscall';
import { dataMax } from '../api/sysBase';
import { SystemError } from '../errtrans';
import type { Kernel } from '../kernel';
import { DiskFileError } from './error';

/** Bytes of the longest transfer. */
export const pieceMax = 131072;
const commandMax = 4096;

/** Block devices of one kernel, also of one that has exited. */
export class DiskPort {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  raw(...args: [verb: number, a1?: number, a2?: number, a3?: number, a4?: number, a5?: number]): number {
    const { image, sys } = this.#kernel;
    if (image.end === null) return sys.raw(SYS_diskctl, ...args);
    if (image.end.kind === 'panic') throw new DiskFileError('EIO', 'the kernel has panicked: its disks cannot be trusted');
    const [verb, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0] = args;
    return image.exports.rump_syscall(SYS_diskctl, verb, a1, a2, a3, a4, a5);
  }

  /** A line of words (kernel/dev/diskctl.ts); its answer. @throws SystemError */
  command(line: string): string {
    const { sys } = this.#kernel;
    const text = Buffer.from(line);
    sys.u8.set(text, sys.data);
    const answer = sys.data + commandMax;
    const n = this.raw(DISK_CTL, sys.data, text.length, answer, dataMax - commandMax);
    if (n < 0) throw new SystemError(n, `disk ${line}`);
    return Buffer.from(sys.u8.subarray(answer, answer + n)).toString();
  }

  /** The "name value" lines of a device. */
  stat(name: string): Map<string, string> {
    return new Map(this.command(`stat ${name}`).split('\n').filter(Boolean).map((line) => {
      const space = line.indexOf(' ');
      return [line.slice(0, space), line.slice(space + 1)];
    }));
  }

  /** Is there a RAM disk of that name? */
  has(name: string): boolean {
    return this.command('list').split('\n').some((line) => line.startsWith(`name=${name} `));
  }

  /** Times that it is in use. */
  uses(name: string): number {
    const line = this.command('list').split('\n').find((each) => each.startsWith(`name=${name} `));
    return Number(/ open=(\d+)/.exec(line ?? '')?.[1] ?? 0);
  }

  size(name: string): number {
    const size = this.stat(name).get('size');
    if (size === undefined) throw new DiskFileError('EOPNOTSUPP', `${name} is not a RAM disk`);
    return Number(size);
  }

  open(name: string): DiskDevice {
    const { sys } = this.#kernel;
    sys.u8.set(Buffer.from(name), sys.data);
    const unit = this.raw(DISK_OPEN, sys.data, Buffer.byteLength(name));
    if (unit < 0) throw new SystemError(unit, `disk open ${name}`);
    return new DiskDevice(this, sys.u8, sys.data, name, unit);
  }

  /** Use `name` for as long as `work` takes. */
  async using<T>(name: string, work: (device: DiskDevice) => Promise<T> | T): Promise<T> {
    const device = this.open(name);
    try {
      return await work(device);
    } finally {
      device.close();
    }
  }
}

/** One open device. Offsets and lengths are whole sectors of 512 bytes. */
export class DiskDevice {
  readonly #port: DiskPort;
  readonly #u8: Uint8Array;
  readonly #data: number;
  readonly #unit: number;
  readonly name: string;

  constructor(port: DiskPort, u8: Uint8Array, data: number, name: string, unit: number) {
    this.#port = port;
    this.#u8 = u8;
    this.#data = data;
    this.#unit = unit;
    this.name = name;
  }

  #check(result: number, what: string): number {
    if (result === -EINPROGRESS) throw new DiskFileError('EOPNOTSUPP', `${this.name} is not a RAM disk`);
    if (result < 0) throw new SystemError(result, `disk ${what} ${this.name}`);
    return result;
  }

  /** Up to pieceMax bytes: a view that is good until the next call into the kernel. */
  read(offset: number, length: number): Uint8Array {
    const sector = offset / DEV_BSIZE;
    const n = this.#check(this.#port.raw(DISK_READ, this.#unit, sector | 0, Math.floor(sector / 2 ** 32), this.#data, length), 'read');
    if (n < length) throw new SystemError(-5, `disk read ${this.name}`);
    return this.#u8.subarray(this.#data, this.#data + n);
  }

  /** Write up to pieceMax bytes. */
  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const sector = (offset + at) / DEV_BSIZE;
      this.#u8.set(bytes.subarray(at), this.#data);
      at += this.#check(this.#port.raw(DISK_WRITE, this.#unit, sector | 0, Math.floor(sector / 2 ** 32), this.#data, bytes.length - at), 'write');
    }
  }

  /** What is at `offset`: data or zeros; and for how many bytes. */
  status(offset: number, length: number): { data: boolean; length: number } {
    const sector = offset / DEV_BSIZE;
    const most = Math.min(length / DEV_BSIZE, BLK_STATUS_MAX);
    const result = this.#check(this.#port.raw(DISK_STATUS, this.#unit, sector | 0, Math.floor(sector / 2 ** 32), most), 'status');
    return { data: result >> 28 === BLK_DATA, length: (result & BLK_STATUS_MAX) * DEV_BSIZE };
  }

  /** Ranges of data below `size`, in order, none longer than `most`. */
  *runs(size: number, most: number): Generator<{ offset: number; length: number }> {
    for (let at = 0; at < size;) {
      const { data, length } = this.status(at, size - at);
      for (let from = at; data && from < at + length; from += most) {
        yield { offset: from, length: Math.min(most, at + length - from) };
      }
      at += length;
    }
  }

  close(): void {
    this.#port.raw(DISK_CLOSE, this.#unit);
  }
}
