/**
 * One image, instantiated: the only file that calls its exports.
 *
 * Every entry goes through `enter`, which refuses re-entry and calls on a dead kernel, and through
 * one catch, which turns whatever comes out of the image into its end:
 *
 *      hyp_panic, trap, exception of a hypercall → RumpPanic     proc_exit → exited with a status
 *
 * Linear memory never grows (initialMemory == maximumMemory), so the views are made once.
 * Cost of an entry beyond the call itself: two stores and two compares.
 */
import * as syscallNumbers from '../kernel/abi/syscall';
import { RUMP_ABI } from '../kernel/abi/rump';
import { ImageExit, KernelGoneError, PanicUnwind, ReentryError, RumpPanic, wasmFrames } from './panic';

/** What an image exports. */
export interface ImageExports extends WebAssembly.Exports {
  memory: WebAssembly.Memory;
  rump_abi(): number;
  rump_init(): number;
  rump_run(nowUs: number): number;
  /** Not in images of before it existed. */
  rump_clock?(nowUs: number): void;
  rump_intr(source: number): void;
  rump_syscall(nr: number, a0: number, a1: number, a2: number, a3: number, a4: number, a5: number): number;
  rump_hostbuf(): number;
  rump_ring(id: number): number;
  rump_shutdown(): void;
}

/** The names every image exports as functions; a module that lacks one is not an image of ours. */
export const imageExportNames = [
  'rump_abi', 'rump_init', 'rump_run', 'rump_intr', 'rump_syscall', 'rump_hostbuf', 'rump_ring', 'rump_shutdown',
] as const;

/** How V8 reports a stack overflow, in WebAssembly too. */
const stackOverflow = 'Maximum call stack size exceeded';

const nameOfSyscall = new Map(Object.entries(syscallNumbers).map(([name, nr]) => [nr, name.replace(/^SYS_/, '')]));

/** Name of a system call number: 3 → "read". */
export function syscallName(nr: number): string {
  return nameOfSyscall.get(nr) ?? `#${nr}`;
}

/** How an image ended. */
export type ImageEnd =
  | { kind: 'exit'; status: number }
  | { kind: 'panic'; error: RumpPanic }
  | { kind: 'closed' };

export class ImageInstance {
  readonly exports: ImageExports;
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly i32: Int32Array<ArrayBuffer>;
  readonly dv: DataView<ArrayBuffer>;
  /** null while the image lives. */
  end: ImageEnd | null = null;
  /** Called once, when the image has ended by exit or panic; never from inside the image. */
  onEnd: (end: ImageEnd) => void = () => {};

  private inside: string | null = null;
  private exitStatus: number | null = null;
  private failed: unknown = null;

  constructor(instance: WebAssembly.Instance) {
    this.exports = instance.exports as ImageExports;
    this.memory = this.exports.memory;
    const buffer = this.memory.buffer as ArrayBuffer;
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.dv = new DataView(buffer);
    const abi = this.exports.rump_abi();
    if (abi !== RUMP_ABI) throw new Error(`the image has ABI version ${abi}, this host speaks ${RUMP_ABI}`);
  }

  /** Is a call into the image under way (is this a hypercall)? */
  get isInside(): boolean { return this.inside !== null; }

  /** Run the boot phases; 0 or -errno. */
  init(): number {
    return this.call('rump_init', () => this.exports.rump_init());
  }

  /** One rump_run at `nowUs`; the next deadline in µs, or -1. */
  run(nowUs: number): number {
    this.enter('rump_run');
    let next = -1;
    try {
      next = this.exports.rump_run(nowUs);
    } catch (error) {
      this.stop(error, 'rump_run');
    }
    this.leave();
    return next;
  }

  /** Tell the time before a call that is not a run. Must not be called from inside the image. */
  clock(nowUs: number): void {
    this.exports.rump_clock?.(nowUs);
  }

  /** Mark an interrupt source. Must not be called from inside the image (the pump sees to that). */
  intr(source: number): void {
    this.exports.rump_intr(source);
  }

  /** One system call; >= 0 or -errno. */
  syscall(nr: number, a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0): number {
    this.enter('syscall');
    let result = -1;
    try {
      result = this.exports.rump_syscall(nr, a0, a1, a2, a3, a4, a5);
    } catch (error) {
      this.stop(error, `syscall ${syscallName(nr)}(${[a0, a1, a2, a3, a4, a5].join(', ')})`);
    }
    this.leave();
    this.throwIfPanicked();
    return result;
  }

  /** Any other export, by its name. */
  call<T>(what: string, fn: () => T): T {
    this.enter(what);
    let result: T | undefined;
    try {
      result = fn();
    } catch (error) {
      this.stop(error, what);
    }
    this.leave();
    this.throwIfPanicked();
    return result as T;
  }

  /** hyp_exit: end once the present call has returned. Outside of a call, end now. */
  requestExit(status: number): void {
    this.exitStatus = status;
    if (this.inside === null) this.leave();
  }

  /** A host half failed in a way that leaves the image without an answer: end it as a panic. */
  fail(error: unknown): void {
    this.failed ??= error ?? new Error('unknown failure');
    if (this.inside === null) this.leave();
  }

  /** No further calls; not an end of the image's own. */
  close(): void {
    this.end ??= { kind: 'closed' };
  }

  private enter(what: string): void {
    if (this.end !== null) this.refuse();
    if (this.inside !== null) {
      throw new ReentryError(`${what} called from within ${this.inside}: a hypercall must not call back into the image`);
    }
    this.inside = what;
  }

  /** The image has been left; if something asked for its end meanwhile, this is it. */
  private leave(): void {
    this.inside = null;
    if (this.end !== null) return;
    if (this.failed !== null) {
      const message = this.failed instanceof Error ? this.failed.message : String(this.failed);
      this.finish({ kind: 'panic', error: new RumpPanic('hypercall', message, 'the host half', [], this.failed) });
    } else if (this.exitStatus !== null) {
      this.finish({ kind: 'exit', status: this.exitStatus });
    }
  }

  /** Something was thrown through the image: it can never be entered again. */
  private stop(error: unknown, during: string): void {
    this.inside = null;
    if (error instanceof ImageExit) {
      this.finish({ kind: 'exit', status: error.status });
      return;
    }
    const stack = (error as Error | null)?.stack;
    const message = error instanceof Error ? error.message : String(error);
    const kind = error instanceof PanicUnwind ? 'panic'
      : error instanceof WebAssembly.RuntimeError || message === stackOverflow ? 'trap' : 'hypercall';
    const reason = error instanceof PanicUnwind ? error.reason : message;
    this.finish({ kind: 'panic', error: new RumpPanic(kind, reason, during, wasmFrames(stack), error) });
  }

  private finish(end: ImageEnd): void {
    this.end = end;
    this.onEnd(end);
  }

  /** The call that killed the image gets the panic itself … */
  private throwIfPanicked(): void {
    if (this.end !== null && this.end.kind === 'panic') throw this.end.error;
  }

  /** … and later ones this. */
  private refuse(): never {
    const end = this.end!;
    if (end.kind === 'panic') {
      throw new KernelGoneError(`the kernel is gone: ${end.error.message}`, { cause: end.error });
    }
    throw new KernelGoneError(end.kind === 'exit' ? `the kernel has exited with status ${end.status}` : 'the kernel is closed');
  }
}
