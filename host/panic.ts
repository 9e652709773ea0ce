/**
 * When an image stops for good: panic, trap, exit, and what is said afterwards.
 *
 * A panic is a broken invariant which the kernel found itself (hyp_panic); a trap is one which
 * WebAssembly found; an exception out of a hypercall is a bug of the host half. All three leave the
 * image torn in the middle of something, so all three become one RumpPanic: what happened, during
 * which call, and the WASM frames by component and function (from the names section, which V8 puts
 * in its stack). After it every call into the kernel fails with KernelGoneError.
 */

/** One frame of the image, innermost first. */
export interface PanicFrame {
  /** "tcp_input", or "wasm-function[12]" when the image has no names section. */
  fn: string;
  /** Source module: "kernel/kern/pool", "components/httpd/http_parse"; empty if unknown. */
  module: string;
  /** "kern", "net", "httpd" …; empty if unknown. */
  component: string;
  /** Offset of the instruction in the .wasm file. */
  offset: number;
}

const frameLine = /^\s*at (?:(.+?) \()?wasm:\/\/wasm\/[^\s)]*?(?:wasm-function\[(\d+)\])?:(0x[0-9a-f]+)\)?$/;

/**
 * The frames of the image in a V8 stack, by component and function.
 * @param stack an Error's `.stack`
 */
export function wasmFrames(stack: string | undefined): PanicFrame[] {
  const frames: PanicFrame[] = [];
  for (const line of (stack ?? '').split('\n')) {
    const m = frameLine.exec(line);
    if (!m) continue;
    const full = (m[1] ?? `wasm-function[${m[2]}]`).replace(/^[\w.]+\.(?=(kernel|components|gen)\/)/, '');
    const cut = full.lastIndexOf('/');
    const module = cut < 0 ? '' : full.slice(0, cut);
    frames.push({ fn: full.slice(cut + 1), module, component: componentOf(module), offset: Number(m[3]) });
  }
  return frames;
}

function componentOf(module: string): string {
  const m = /^(?:kernel|components)\/([^/]+)/.exec(module);
  return m?.[1] ?? '';
}

/** The kernel has stopped on a broken invariant. */
export class RumpPanic extends Error {
  override readonly name = 'RumpPanic';
  /** What the kernel or the engine said, without "panic: ". */
  readonly reason: string;
  /** The call into the image that was under way: "rump_run", "syscall read(3, 65536, 512)". */
  readonly during: string;
  /** Innermost first. */
  readonly frames: readonly PanicFrame[];

  constructor(kind: 'panic' | 'trap' | 'hypercall', reason: string, during: string, frames: readonly PanicFrame[], cause?: unknown) {
    const where = frames.find((frame) => frame.fn !== 'panic' && frame.fn !== 'kpanic');
    const place = where ? ` in ${where.fn}${where.component ? ` (${where.component})` : ''}` : '';
    super(`${kind}: ${reason}${place}, during ${during}`, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.during = during;
    this.frames = frames;
  }

  /** Several lines for a terminal: the message, then one line a frame. */
  report(): string {
    const lines = this.frames.map((f, i) => `  #${i} ${f.module ? `${f.module}/` : ''}${f.fn} +0x${f.offset.toString(16)}`);
    return [this.message, ...lines].join('\n');
  }
}

/** A call to a kernel that has panicked, exited or been closed. */
export class KernelGoneError extends Error {
  override readonly name = 'KernelGoneError';
  readonly code = 'ERR_KERNEL_GONE';
}

/** A call into the image from within a hypercall: forbidden, because the image is not re-entrant. */
export class ReentryError extends Error {
  override readonly name = 'ReentryError';
  readonly code = 'ERR_KERNEL_REENTRY';
}

/** Thrown by proc_exit to leave the image at once; never seen by callers of the host API. */
export class ImageExit {
  constructor(readonly status: number) {}
}

/** Thrown by hyp_panic to leave the image; turned into a RumpPanic where the image was entered. */
export class PanicUnwind extends Error {
  constructor(readonly reason: string) { super(reason); }
}
