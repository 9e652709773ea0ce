/**
 * What the host half of a component (components/X/X.user.ts) is given, and what it gives back.
 *
 * A half exports `hypercalls(host): ComponentHost`. Its functions become the import module `X` of
 * the image. Rules (docs/rumpuser.md): a hypercall never blocks, never calls back into the image,
 * answers >= 0 or -errno in NetBSD's numbering, and reports what happens later by pushing on its
 * ring and calling `intr`.
 *
 * `u8`, `i32` and `dv` are views of linear memory; the memory never grows, so they never detach.
 * They are empty until the instance exists: a half must not keep a copy taken in hypercalls().
 */
import type { Command } from 'commander';
import type { Clock, Entropy } from './determinism';
import type { HostRing } from './hostRing';

export interface HyperHost {
  /** Linear memory as bytes, as 32-bit words, and as a DataView (little endian by argument). */
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly i32: Int32Array<ArrayBuffer>;
  readonly dv: DataView<ArrayBuffer>;
  /** The views again, for code that wants them together. */
  memory(): { u8: Uint8Array<ArrayBuffer>; i32: Int32Array<ArrayBuffer>; dv: DataView<ArrayBuffer> };
  /** The shared ring `id` (RING_*); throws when the image has none. Usable once rump_init has made it. */
  ring(id: number): HostRing;
  /** Mark an interrupt source (INTR_*) and schedule one run for all that is marked by then. */
  intr(source: number): void;
  /** The batch is complete: run now instead of at the end of this event loop turn. Harmless inside a run. */
  flush(): void;
  /** Boot parameters (-e, defaults of the image). */
  readonly params: ReadonlyMap<string, string>;
  /** Options of the host given to boot({ host: { … } }) or on the command line, e.g. backend. */
  readonly options: Readonly<Record<string, unknown>>;
  /** One record of the kernel log. @param level LOG_* */
  log(level: number, message: string): void;
  readonly clock: Clock;
  readonly random: Entropy;
  /** NetBSD errno (positive) of a Node error, a code string, or a Linux number. */
  errnoFromNode(error: unknown): number;
  /** A failure of the host half itself that cannot be reported as an errno: stops the kernel. */
  fail(error: unknown): void;
}

/** A hypercall: numbers in, a number or nothing out. */
export type Hypercall = (...args: number[]) => number | void;

/** What a component's hypercalls() returns. */
export interface ComponentHost {
  /** The functions of import module X. */
  imports: Record<string, Hypercall>;
  /** Let go of every descriptor, timer and thread. May be called in any state, once. */
  close(): void | Promise<void>;
  /** Called after every run of the image (transmit queues are drained here). */
  afterRun?(): void;
  /** Keep the process alive for this component's handles, or do not. */
  ref?(): void;
  unref?(): void;
}

/** The type of `hypercalls` in X.user.ts. */
export type Hypercalls = (host: HyperHost) => ComponentHost;

/** A component's entry in gen/host/users.ts, which the build makes from the folders that exist. */
export interface ComponentUser {
  /** From X.user.ts: the host half. */
  hypercalls?: Hypercalls;
  /** From X.cli.ts: commands of its own for `rumpwasm`. */
  registerCommands?: (program: Command) => void;
}
