/**
 * WASI preview 1 by node:wasi, used as a reactor.
 *
 * `WASI.initialize` refuses an instance that exports _start, which ours do; it looks at the exports
 * object only, so it is shown one with the memory alone. Console bytes go to the process's stdout by
 * node:wasi itself, unless the caller has a console sink of its own. The experimental warning that
 * loading node:wasi prints says nothing to the user of an image and is swallowed.
 */
import { systemClock } from '../determinism';
import { ownWasi } from './own';
import { procExit, type WasiFunction, type WasiHost, type WasiOptions } from './wasi';

export async function nodeWasi(options: WasiOptions): Promise<WasiHost> {
  const { WASI } = await importQuietly();
  const wasi = new WASI({
    version: 'preview1', env: Object.fromEntries(options.params), args: [], returnOnExit: true,
  });
  const own = ownWasi(options);
  return {
    clock: systemClock,
    imports(module) {
      const theirs = wasi.wasiImport as Record<string, WasiFunction>;
      const fdWrite = options.console.usesStdout ? {} : { fd_write: own.imports(module).fd_write! };
      return { ...theirs, ...fdWrite, proc_exit: procExit };
    },
    attach(instance) {
      wasi.initialize({ exports: { memory: instance.exports.memory } });
      own.attach(instance);
    },
  };
}

async function importQuietly(): Promise<typeof import('node:wasi')> {
  const { emitWarning } = process;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (/WASI is an experimental feature/.test(String(warning))) return;
    (emitWarning as (...args: unknown[]) => void).call(process, warning, ...rest);
  }) as typeof process.emitWarning;
  try {
    return await import('node:wasi');
  } finally {
    process.emitWarning = emitWarning;
  }
}
