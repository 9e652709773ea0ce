/**
 * Our own WASI preview 1: the few functions an image uses, with injected clock and entropy.
 *
 *      console     fd_write on 1 and 2         parameters   environ_get, environ_sizes_get
 *      entropy     random_get                  time         clock_time_get, clock_res_get
 *      the end     proc_exit                   no arguments, no files: EBADF, and ENOSYS for the rest
 *
 * poll_oneoff is ENOSYS on purpose: only `_start` waits, and here the pump waits instead. Addresses
 * come from the image and are checked (EFAULT). A clock reading costs a BigInt division; the image
 * reads the clock once a minute (time arrives with rump_run).
 */
import type { KernelConsole } from '../console';
import { environBytes } from '../params';
import { procExit, type WasiFunction, type WasiHost, type WasiOptions } from './wasi';

/** WASI's error numbers, which are nobody else's. */
const success = 0;
const ebadf = 8;
const efault = 21;
const einval = 28;
const enosys = 52;

const iovecsMax = 1024;
const filetypeCharacterDevice = 2;

export function ownWasi(options: WasiOptions): WasiHost {
  const state = { u8: new Uint8Array(0), dv: new DataView(new ArrayBuffer(0)) };
  const functions: Record<string, WasiFunction> = {
    ...environment(options, state), ...console_(options.console, state), ...timeAndChance(options, state),
    proc_exit: procExit,
    sched_yield: () => success,
    poll_oneoff: () => enosys,
    fd_close: () => ebadf,
    fd_seek: () => ebadf,
    fd_prestat_get: () => ebadf,
  };
  return {
    clock: options.clock,
    imports(module) {
      const wanted = WebAssembly.Module.imports(module).filter((i) => i.module === 'wasi_snapshot_preview1');
      return Object.fromEntries(wanted.map(({ name }) => [name, functions[name] ?? (() => enosys)]));
    },
    attach(instance) {
      const { buffer } = instance.exports.memory as WebAssembly.Memory;
      state.u8 = new Uint8Array(buffer as ArrayBuffer);
      state.dv = new DataView(buffer as ArrayBuffer);
    },
  };
}

interface Memory {
  u8: Uint8Array;
  dv: DataView;
}

/** Is [ptr, ptr+len) inside linear memory? */
function inside(memory: Memory, ptr: number, len: number): boolean {
  return ptr >= 0 && len >= 0 && ptr + len <= memory.u8.length;
}

function environment(options: WasiOptions, memory: Memory): Record<string, WasiFunction> {
  const environ = environBytes(options.params);

  function sizes(strings: readonly Uint8Array[], countAt: number, sizeAt: number): number {
    const [count, size] = [countAt >>> 0, sizeAt >>> 0];
    if (!inside(memory, count, 4) || !inside(memory, size, 4)) return efault;
    memory.dv.setUint32(count, strings.length, true);
    memory.dv.setUint32(size, strings.reduce((sum, bytes) => sum + bytes.length, 0), true);
    return success;
  }

  function get(strings: readonly Uint8Array[], tableAt: number, bufferAt: number): number {
    let [table, buffer] = [tableAt >>> 0, bufferAt >>> 0];
    for (const bytes of strings) {
      if (!inside(memory, table, 4) || !inside(memory, buffer, bytes.length)) return efault;
      memory.dv.setUint32(table, buffer, true);
      memory.u8.set(bytes, buffer);
      table += 4;
      buffer += bytes.length;
    }
    return success;
  }
  return {
    environ_sizes_get: (count: number, size: number) => sizes(environ, count, size),
    environ_get: (table: number, buffer: number) => get(environ, table, buffer),
    args_sizes_get: (count: number, size: number) => sizes([], count, size),
    args_get: (table: number, buffer: number) => get([], table, buffer),
  };
}

function console_(console: KernelConsole, memory: Memory): Record<string, WasiFunction> {
  function fdWrite(fd: number, iovs: number, count: number, writtenAt: number): number {
    if (fd !== 1 && fd !== 2) return ebadf;
    if (count < 0 || count > iovecsMax) return einval;
    const [table, written] = [iovs >>> 0, writtenAt >>> 0];
    if (!inside(memory, table, count * 8) || !inside(memory, written, 4)) return efault;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const ptr = memory.dv.getUint32(table + i * 8, true);
      const len = memory.dv.getUint32(table + i * 8 + 4, true);
      if (!inside(memory, ptr, len)) return efault;
      if (len > 0) console.write(memory.u8.subarray(ptr, ptr + len));
      total += len;
    }
    memory.dv.setUint32(written, total, true);
    return success;
  }

  function fdRead(fd: number, _iovs: number, _count: number, readAt: number): number {
    if (fd !== 0) return ebadf;
    if (!inside(memory, readAt >>> 0, 4)) return efault;
    memory.dv.setUint32(readAt >>> 0, 0, true);
    return success;
  }

  function fdstat(fd: number, at: number): number {
    if (fd < 0 || fd > 2) return ebadf;
    if (!inside(memory, at >>> 0, 24)) return efault;
    memory.u8.fill(0, at >>> 0, (at >>> 0) + 24);
    memory.u8[at >>> 0] = filetypeCharacterDevice;
    return success;
  }
  return { fd_write: fdWrite, fd_read: fdRead, fd_fdstat_get: fdstat };
}

function timeAndChance(options: WasiOptions, memory: Memory): Record<string, WasiFunction> {
  const { clock, random } = options;

  function clockTimeGet(id: number, _precision: bigint, timeAt: number): number {
    const at = timeAt >>> 0;
    if (id !== 0 && id !== 1) return einval;
    if (!inside(memory, at, 8)) return efault;
    const us = id === 0 ? clock.realtime() : clock.monotonic();
    memory.dv.setBigUint64(at, BigInt(Math.floor(us)) * 1000n, true);
    return success;
  }

  function clockResGet(id: number, at: number): number {
    if (id !== 0 && id !== 1) return einval;
    if (!inside(memory, at >>> 0, 8)) return efault;
    memory.dv.setBigUint64(at >>> 0, 1000n, true);
    return success;
  }

  function randomGet(ptr: number, len: number): number {
    const at = ptr >>> 0;
    if (!inside(memory, at, len)) return efault;
    random.fill(memory.u8.subarray(at, at + len));
    return success;
  }
  return { clock_time_get: clockTimeGet, clock_res_get: clockResGet, random_get: randomGet };
}
