/**
 * WASI preview 1 by @wasmer/wasi, used as a reactor: a compatibility target.
 *
 * Three of its ways need care: it keeps stdout in a buffer (drained after every run and handed to
 * the console), its proc_exit throws an object of its own (replaced), and its CLOCK_MONOTONIC is the
 * wall clock, so the pump must count from the same (`clock` below). poll_oneoff on a clock traps,
 * which does not matter here because the pump waits, not the image.
 */
import { systemClock, type Clock } from '../determinism';
import { procExit, type WasiFunction, type WasiHost, type WasiOptions } from './wasi';

let initialised: Promise<void> | undefined;

/** What it calls monotonic: microseconds since 1970. */
const wallClock: Clock = {
  virtual: false,
  realtime: () => systemClock.realtime(),
  monotonic: () => systemClock.realtime(),
};

export async function wasmerWasi(options: WasiOptions): Promise<WasiHost> {
  const library = await import('@wasmer/wasi');
  // The package is CommonJS: depending on the loader its names are on the module or on its default.
  const { init, WASI } = 'WASI' in library ? library : (library as { default: typeof import('@wasmer/wasi') }).default;
  initialised ??= init();
  await initialised;
  const wasi = new WASI({ env: Object.fromEntries(options.params), args: ['rump'] });
  return {
    clock: wallClock,
    imports(module) {
      const theirs = wasi.getImports(module) as Record<string, Record<string, WasiFunction>>;
      return { ...theirs.wasi_snapshot_preview1, proc_exit: procExit };
    },
    attach(instance) {
      wasi.instantiate(instance, undefined);
    },
    afterRun() {
      const bytes = wasi.getStdoutBuffer();
      if (bytes.length > 0) options.console.write(bytes);
      const errors = wasi.getStderrBuffer();
      if (errors.length > 0) options.console.write(errors);
    },
  };
}
