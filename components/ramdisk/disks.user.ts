/**
 * Block devices of a running kernel, from the host: SYS_diskctl (kernel/abi/disk.ts) with JavaScript
 * values.
 *
 *      const disks = new Disks(kernel);
 *      disks.attach('rd0', { size: 64 << 20, level: 1 });
 *      const disk = disks.open('rd0');
 *      await disk.write(0, bytes);  …  disk.close();
 *
 * A transfer goes through the exchange area in pieces, so its length does not matter. Devices that are
 * done later (files of the host) are waited for; RAM disks are done at once.
 */
import type { Kernel } from '../../host/kernel';
import { SystemError } from '../../host/errtrans';
import { dataMax } from '../../host/api/sysBase';
import {
  BLK_HOLE, BLK_STATUS_MAX, BLK_ZERO, DEV_BSIZE, DISK_CLOSE, DISK_CTL, DISK_DISCARD, DISK_DONE, DISK_OPEN, DISK_READ, DISK_STATUS,
  DISK_SYNC, DISK_WRITE, DISK_ZERO,
} from '../../kernel/abi/disk';
import { EAGAIN, EBUSY, EINPROGRESS } from '../../kernel/abi/errno';
import { SYS_diskctl } from '../../kernel/abi/syscall';
import { type DiskInfo, parseList, parseTable } from './diskText.user';

/** Bytes of one transfer: whole blocks that fit the exchange area. */
const PIECE = Math.floor(dataMax / 65536) * 65536;
/** Room for the text of a command. */
const COMMAND_MAX = 4096;
/** Sectors of one discard: blocks of any device are whole in it. */
const SPAN = 2 ** 30;

/** Settings of a RAM disk; sizes in bytes, or with a unit: "64M". */
export interface DiskOptions {
  size: number | string;
  /** 0 none, 1 LZO1X-1, 2 lzo-rle, 3 to 9 slow and small. */
  level?: number;
  dedup?: 'off' | 'scan' | 'write';
  /** Most memory that its blocks may take; 0 = no limit. */
  limit?: number | string;
}

export type Status = 'data' | 'hole' | 'zero';

/** Numbers and words of a table with one "name value" a line. */
export type DiskStats = Record<string, number | string>;

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

const words = (options: Partial<DiskOptions>): string =>
  Object.entries(options).filter(([, value]) => value !== undefined).map(([key, value]) => ` ${key}=${value}`).join('');

/** What concerns the devices of one kernel. */
export class Disks {
  constructor(readonly kernel: Kernel) {}

  /** The call itself: >= 0, or an exception. */
  call(what: string, verb: number, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0): number {
    const result = this.raw(verb, a1, a2, a3, a4, a5);
    if (result < 0) throw new SystemError(result, what);
    return result;
  }

  raw(verb: number, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0): number {
    return this.kernel.sys.raw(SYS_diskctl, verb, a1, a2, a3, a4, a5);
  }

  /** One line of words (kernel/dev/diskctl.ts). @returns the answer. @throws SystemError */
  command(line: string): string {
    const { sys } = this.kernel;
    const text = Buffer.from(line);
    if (text.length > COMMAND_MAX) throw new RangeError('the command is too long');
    sys.u8.set(text, sys.data);
    const answer = sys.data + COMMAND_MAX;
    const result = this.raw(DISK_CTL, sys.data, text.length, answer, dataMax - COMMAND_MAX);
    if (result < 0) throw new SystemError(result, line);
    return Buffer.from(sys.u8.subarray(answer, answer + result)).toString();
  }

  list(): DiskInfo[] {
    return parseList(this.command('list'));
  }

  attach(name: string, options: DiskOptions): void {
    this.command(`attach ${name}${words(options)}`);
  }

  detach(name: string): void {
    this.command(`detach ${name}`);
  }

  resize(name: string, size: number | string): void {
    this.command(`resize ${name} size=${size}`);
  }

  set(name: string, options: Partial<DiskOptions>): void {
    this.command(`set ${name}${words(options)}`);
  }

  /** Forget all that is on it. */
  flush(name: string): void {
    this.command(`flush ${name}`);
  }

  lock(name: string): void {
    this.command(`lock ${name}`);
  }

  unlock(name: string): void {
    this.command(`unlock ${name}`);
  }

  stat(name: string): DiskStats {
    return this.table(`stat ${name}`);
  }

  /** The answer of a command as a table: "mm_stat", "ksm". */
  table(command: string): DiskStats {
    return parseTable(this.command(command));
  }

  /** Use a device: it cannot be detached until close(). */
  open(name: string): Disk {
    const { sys } = this.kernel;
    sys.u8.set(Buffer.from(name), sys.data);
    const unit = this.call(`open ${name}`, DISK_OPEN, sys.data, Buffer.byteLength(name));
    return new Disk(this, name, unit);
  }
}

/** One open device. Offsets and lengths are bytes, whole sectors of 512. */
export class Disk {
  constructor(readonly disks: Disks, readonly name: string, readonly unit: number) {}

  /** Low and high word of the sector at `offset`. */
  #sector(offset: number): [number, number] {
    if (offset % DEV_BSIZE !== 0) throw new RangeError(`${offset} is not a multiple of ${DEV_BSIZE}`);
    const sector = offset / DEV_BSIZE;
    return [sector | 0, Math.floor(sector / 2 ** 32)];
  }

  /**
   * A call whose result may come later, or that must wait for others. What it reads is in the exchange
   * area only at that moment.
   * @param start makes the call, with all that it needs in the exchange area
   * @param take called with the result when it is there
   */
  async #finish(what: string, start: () => number, take: (result: number) => void = () => {}): Promise<number> {
    let now = start();
    while (now === -EBUSY) {
      await turn();
      now = start();
    }
    if (now === -EINPROGRESS) {
      do {
        await turn();
        now = this.disks.raw(DISK_DONE, this.unit);
      } while (now === -EAGAIN);
    }
    if (now < 0) throw new SystemError(now, what, { path: this.name });
    take(now);
    return now;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const { sys } = this.disks.kernel;
    const out = Buffer.allocUnsafe(length);
    for (let at = 0; at < length;) {
      const want = Math.min(PIECE, length - at);
      const [low, high] = this.#sector(offset + at);
      // Fewer than wanted: the next call says why.
      at += await this.#finish('read', () => this.disks.raw(DISK_READ, this.unit, low, high, sys.data, want), (got) => {
        out.set(sys.u8.subarray(sys.data, sys.data + got), at);
      });
    }
    return out;
  }

  /** Write all of `bytes`. @throws SystemError ENOSPC when memory runs out; what came before is written */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const { sys } = this.disks.kernel;
    for (let at = 0; at < bytes.length;) {
      const want = Math.min(PIECE, bytes.length - at);
      const [low, high] = this.#sector(offset + at);
      const from = at;
      at += await this.#finish('write', () => {
        sys.u8.set(bytes.subarray(from, from + want), sys.data);
        return this.disks.raw(DISK_WRITE, this.unit, low, high, sys.data, want);
      });
    }
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#range(DISK_DISCARD, 'discard', offset, length);
  }

  /** Make zeros, as holes where that is possible. */
  async zero(offset: number, length: number): Promise<void> {
    await this.#range(DISK_ZERO, 'zero', offset, length);
  }

  async #range(verb: number, what: string, offset: number, length: number): Promise<void> {
    for (let at = 0; at < length; at += SPAN * DEV_BSIZE) {
      const [low, high] = this.#sector(offset + at);
      const nsect = Math.min(SPAN, (length - at) / DEV_BSIZE);
      await this.#finish(what, () => this.disks.raw(verb, this.unit, low, high, nsect));
    }
  }

  /** Wait until what was written is durable. */
  async sync(): Promise<void> {
    await this.#finish('sync', () => this.disks.raw(DISK_SYNC, this.unit));
  }

  /** What is at `offset`, and for how many bytes, at most `length`. */
  status(offset: number, length: number): { status: Status; length: number } {
    const [low, high] = this.#sector(offset);
    const result = this.disks.call('status', DISK_STATUS, this.unit, low, high, Math.min(length / DEV_BSIZE, BLK_STATUS_MAX));
    const kind = result >> 28;
    return { status: kind === BLK_HOLE ? 'hole' : kind === BLK_ZERO ? 'zero' : 'data', length: (result & BLK_STATUS_MAX) * DEV_BSIZE };
  }

  close(): void {
    this.disks.call('close', DISK_CLOSE, this.unit);
  }
}
