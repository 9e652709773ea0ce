/**
 * A zram device of the machine's kernel, to measure against: made for the purpose, and removed.
 *
 * Transfers are O_DIRECT, so that the page cache takes no part. Buffers for that must be aligned;
 * the memory of a WebAssembly.Memory is. Needs root and the zram module with its control files.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CONTROL = '/sys/class/zram-control';
const PAGE = 65536;

/** Why there is no zram to be had here; '' if there is. */
export function zramMissing(): string {
  if (process.getuid?.() !== 0) return 'zram needs root';
  try {
    accessSync(`${CONTROL}/hot_add`, constants.R_OK);
    accessSync(`${CONTROL}/hot_remove`, constants.W_OK);
    return '';
  } catch {
    return 'this kernel has no zram';
  }
}

export class Zram {
  readonly #number: number;
  readonly #dir: string;
  readonly #fd: number;
  /** Aligned memory for transfers. */
  readonly buffer: Buffer;

  /** @param algorithm one of comp_algorithm: "lzo", "lzo-rle" */
  constructor(size: number, algorithm: string, transfer: number) {
    this.#number = Number(readFileSync(`${CONTROL}/hot_add`, 'utf8'));
    this.#dir = mkdtempSync(join(tmpdir(), 'rumpwasm-zram-'));
    try {
      writeFileSync(`${this.#sys}/comp_algorithm`, algorithm);
      writeFileSync(`${this.#sys}/disksize`, String(size));
      const [major, minor] = readFileSync(`${this.#sys}/dev`, 'utf8').trim().split(':');
      const node = join(this.#dir, 'zram');
      execFileSync('mknod', [node, 'b', major!, minor!]);
      this.#fd = openSync(node, constants.O_RDWR | constants.O_DIRECT);
    } catch (error) {
      this.#remove();
      throw error;
    }
    const memory = new WebAssembly.Memory({ initial: Math.ceil(transfer / PAGE) });
    this.buffer = Buffer.from(memory.buffer as ArrayBuffer, 0, transfer);
  }

  get #sys(): string {
    return `/sys/block/zram${this.#number}`;
  }

  /** Write `length` bytes of the buffer. */
  write(at: number, length: number): void {
    if (writeSync(this.#fd, this.buffer, 0, length, at) !== length) throw new Error('zram: short write');
  }

  read(at: number, length: number): void {
    if (readSync(this.#fd, this.buffer, 0, length, at) !== length) throw new Error('zram: short read');
  }

  /** mem_used_total. */
  used(): number {
    return Number(readFileSync(`${this.#sys}/mm_stat`, 'utf8').trim().split(/\s+/)[2]);
  }

  #remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
    writeFileSync(`${CONTROL}/hot_remove`, String(this.#number));
  }

  close(): void {
    closeSync(this.#fd);
    this.#remove();
  }
}
