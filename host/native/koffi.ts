/**
 * Native calls through koffi: loading it, addresses of memory, and libuv's own poll handle.
 *
 * Addresses go as plain numbers of type uint64, the fastest form (about 20 ns a call; no wrapper, no
 * BigInt). An ArrayBuffer's bytes lie outside V8's heap and never move, so an address taken once stays
 * good for as long as the buffer lives. koffi brings prebuilt binaries; where it is missing, or the
 * machine is one whose numbers are not known here, nativeMissing() says so and callers use another way.
 */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';

/** A C function on numbers. */
export type NativeCall = (...args: number[]) => number;

/** What a poll callback is told. */
export interface PollEvents { readable: boolean; writable: boolean; disconnect: boolean }

/** A watch on one descriptor in Node's event loop (koffi's wrapper of uv_poll_t), level-triggered. */
export interface PollHandle {
  start(options: { readable?: boolean; writable?: boolean }, callback: (events: PollEvents) => void): void;
  stop(): void;
  close(): void;
  ref(): void;
  unref(): void;
}

export interface Koffi {
  load(path: null): { func(name: string, result: string, args: string[]): NativeCall };
  address(value: Uint8Array): bigint;
  errno(): number;
  node: { poll(fd: number, options: { readable?: boolean; writable?: boolean }, callback: (events: PollEvents) => void): PollHandle };
}

const archs = new Set(['x64', 'arm64', 'riscv64']);
const TWO32 = 0x100000000;

let loaded: Koffi | undefined;

/** Why native calls cannot be made here, or undefined if they should work. */
export function nativeMissing(): string | undefined {
  if (process.platform !== 'linux') return `the platform is ${process.platform}, not linux`;
  if (!archs.has(process.arch) || endianness() !== 'LE') return `no numbers for ${process.arch}`;
  if (process.env.RUMPWASM_NATIVE === 'off') return 'native calls are switched off (RUMPWASM_NATIVE=off)';
  return undefined;
}

/** koffi, loaded once a process. @throws Error when nativeMissing(), or koffi is not installed */
export function koffi(): Koffi {
  if (loaded !== undefined) return loaded;
  const missing = nativeMissing();
  if (missing !== undefined) throw new Error(missing);
  loaded = createRequire(import.meta.url)('koffi') as Koffi;
  return loaded;
}

/** Native address of the first byte of `bytes`. */
export function addressOf(bytes: Uint8Array): number {
  return Number(koffi().address(bytes));
}

/**
 * Make functions of libc callable.
 * @param signatures our name → C name and types of the arguments
 * @param wide names whose result is a ssize_t; that of the others is an int
 */
export function libc<T>(signatures: Readonly<Record<string, readonly [name: string, args: string[]]>>, wide: ReadonlySet<string>): T {
  const lib = koffi().load(null);
  return Object.fromEntries(Object.entries(signatures).map(
    ([key, [name, args]]) => [key, lib.func(name, wide.has(key) ? 'int64' : 'int', args)],
  )) as T;
}

/** Store a native address or length as two words: a BigInt would be the slow way. */
export function putWord64(to: Uint32Array, index: number, value: number): void {
  to[index] = value % TWO32;
  to[index + 1] = value / TWO32;
}
