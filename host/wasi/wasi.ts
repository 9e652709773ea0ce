/**
 * WASI preview 1 for an image, from one of three providers.
 *
 *      rumpuser   our own (wasi/own.ts): the only one whose clock and entropy can be injected
 *      node       node:wasi               (wasi/nodeWasi.ts)
 *      wasmer     @wasmer/wasi            (wasi/wasmerWasi.ts)
 *
 * The image is used as a reactor (rump_init, rump_run), although it also exports _start for hosts
 * that know nothing of us. All providers share two rules: proc_exit leaves the image by throwing
 * ImageExit, and the pump takes its time from the provider's own CLOCK_MONOTONIC, because the image
 * compares the two.
 */
import type { KernelConsole } from '../console';
import type { Clock, Entropy } from '../determinism';
import { ImageExit } from '../panic';

export type WasiKind = 'rumpuser' | 'node' | 'wasmer';

export const wasiKinds: readonly WasiKind[] = ['rumpuser', 'node', 'wasmer'];

export interface WasiOptions {
  params: ReadonlyMap<string, string>;
  console: KernelConsole;
  clock: Clock;
  random: Entropy;
}

/** A function of the import module; WASI passes i64 as BigInt. */
export type WasiFunction = (...args: never[]) => unknown;

export interface WasiHost {
  /** The clock which the image sees; the pump must read this one. */
  readonly clock: Clock;
  /** The functions for the imports of `module`. */
  imports(module: WebAssembly.Module): Record<string, WasiFunction>;
  /** Called once, with the instance, before the first call into it. */
  attach(instance: WebAssembly.Instance): void;
  /** Called after every call that may have written to the console. */
  afterRun?(): void;
}

/** proc_exit for every provider. */
export function procExit(status: number): never {
  throw new ImageExit(status);
}

/** Make the provider `kind`; loads node:wasi or @wasmer/wasi only when asked for. */
export async function makeWasi(kind: WasiKind, options: WasiOptions): Promise<WasiHost> {
  if (kind === 'node') return (await import('./nodeWasi')).nodeWasi(options);
  if (kind === 'wasmer') return (await import('./wasmerWasi')).wasmerWasi(options);
  return (await import('./own')).ownWasi(options);
}
