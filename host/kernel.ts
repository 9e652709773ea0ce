/**
 * A booted image as its users hold it: the host API (design.md §8).
 *
 *      kernel.sys       raw system calls        kernel.net, kernel.dgram   sockets shaped like Node's
 *      kernel.fs        files                   kernel.sysctl(name)        what the kernel exposes
 *      kernel.ping()    is anybody there?        kernel.routeEvents()   what changes in the tables
 *      kernel.advance() virtual time            kernel.snapshot()          memory, saved and put back
 *
 * It ends in one of three ways: by itself (`exited` resolves with the status), by a panic (`exited`
 * rejects with the RumpPanic, and 'panic' is emitted, or logged if nobody listens), or by close(). Afterwards every call fails
 * with one KernelGoneError, and sockets and servers close (sockets with an error after a panic).
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { LOG_EMERG } from '../kernel/abi/rump';
import { type Dgram, makeDgram } from './api/dgram';
import { KernelFs } from './api/fs';
import { KEvents } from './api/kevents';
import { makeNet, type Net } from './api/net';
import { Pinger, type PingOptions } from './api/ping';
import { type RouteEvent, RouteListener } from './api/routeEvents';
import { Sysctl, type SysctlNode, type SysctlValue } from './api/sysctl';
import { Sys } from './api/sysSockets';
import type { KernelConsole } from './console';
import type { ImageEnd, ImageInstance } from './instance';
import { KernelGoneError } from './panic';
import type { Pump } from './pump';

/** The memory of an image at one moment, for restore(). */
export interface Snapshot {
  readonly memory: Uint8Array;
  /** Exported mutable globals by name. */
  readonly globals: ReadonlyMap<string, number | bigint>;
}

/** How long each part of the boot took, milliseconds. */
export interface BootTimes {
  /** Reading and compiling the module. */
  compileMs: number;
  /** Instantiating it. */
  instantiateMs: number;
  /** rump_init: all phases, to listening. */
  initMs: number;
}

export interface KernelParts {
  name: string;
  /** Bytes of the .wasm file. */
  imageSize: number;
  components: readonly string[];
  image: ImageInstance;
  pump: Pump;
  console: KernelConsole;
  params: ReadonlyMap<string, string>;
  bootTimes: BootTimes;
  /** The kernel's own ways of letting go: hypercall halves, block files. */
  release: () => Promise<void>;
  ref: () => void;
  unref: () => void;
}

const pageSize = 4096;

export class Kernel extends EventEmitter {
  /** Name of the image: "SOCKIN". */
  readonly name: string;
  readonly imageSize: number;
  readonly params: ReadonlyMap<string, string>;
  readonly bootTimes: BootTimes;
  /** Components linked into it; empty if the image does not say. */
  readonly components: readonly string[];
  /** Linear memory and exports. */
  readonly image: ImageInstance;
  readonly pump: Pump;
  readonly console: KernelConsole;
  readonly sys: Sys;
  readonly net: Net;
  readonly dgram: Dgram;
  readonly fs: KernelFs;
  /** The exit status; rejects with a RumpPanic if the kernel panicked. */
  readonly exited: Promise<number>;

  private readonly parts: KernelParts;
  private readonly kevents: KEvents;
  private readonly sysctls: Sysctl;
  private resolveExit!: (status: number) => void;
  private rejectExit!: (error: Error) => void;
  private released: Promise<void> | null = null;

  constructor(parts: KernelParts) {
    super();
    this.parts = parts;
    this.name = parts.name;
    this.imageSize = parts.imageSize;
    this.params = parts.params;
    this.components = parts.components;
    this.bootTimes = parts.bootTimes;
    this.image = parts.image;
    this.pump = parts.pump;
    this.console = parts.console;
    this.sys = new Sys(parts.image, () => parts.pump.tick(), () => parts.pump.kick());
    this.kevents = new KEvents(this.sys);
    this.sysctls = new Sysctl(this.sys);
    this.net = makeNet({ sys: this.sys, kevents: this.kevents });
    this.dgram = makeDgram({ sys: this.sys, kevents: this.kevents });
    this.fs = new KernelFs(this.sys);
    this.exited = new Promise((resolve, reject) => {
      this.resolveExit = resolve;
      this.rejectExit = reject;
    });
    // Whoever does not wait for the end must not be killed by it.
    this.exited.catch(() => {});
    parts.image.onEnd = (end) => this.ended(end);
    if (parts.image.end !== null) this.ended(parts.image.end);
  }

  /** Linear memory. */
  get memory(): WebAssembly.Memory { return this.image.memory; }

  /** Is it running? */
  get isAlive(): boolean { return this.image.end === null; }

  /** Has the image events for the host? */
  get hasEvents(): boolean { return this.image.end === null && this.kevents.isReady; }

  /** Hand out the events that the image has for the host; the pump does so after runs. */
  poll(): void {
    if (this.image.end === null) this.kevents.poll();
  }

  /** The value of `name`; with `value`, set it. @throws SystemError */
  sysctl(name: string, value?: SysctlValue): SysctlValue {
    if (value !== undefined) this.sysctls.set(name, value);
    return this.sysctls.get(name);
  }

  /** Set `name` without reading it again. @throws SystemError */
  sysctlSet(name: string, value: SysctlValue): void {
    this.sysctls.set(name, value);
  }

  /** The answer of function `name` to a question of its own kind: the rest of a table, a look-up. */
  sysctlAsk(name: string, question: string): SysctlValue {
    return this.sysctls.ask(name, question);
  }

  /** Every readable node with its value. */
  sysctlAll(): Record<string, SysctlValue> {
    return this.sysctls.all();
  }

  /** Names and types of all nodes. */
  sysctlList(): SysctlNode[] {
    return this.sysctls.list();
  }

  /**
   * Send echo requests to `address` from within the image.
   * @throws SystemError if it has no raw sockets, or no more of them
   */
  ping(address: string, options?: PingOptions): Pinger {
    const { sys, kevents, pump } = this;
    return new Pinger({ sys, kevents, now: () => pump.nowUs, flush: () => pump.flush() }, address, options);
  }

  /**
   * Be told when routes, addresses or interfaces of the image change.
   * @throws SystemError if it has no routing sockets, or no more of them
   */
  routeEvents(onRoute: (event: RouteEvent) => void): RouteListener {
    return new RouteListener(this.sys, this.kevents, onRoute);
  }

  /** Run until nothing is to be done at this moment (manual and virtual-clock kernels, tests). */
  run(): void {
    this.pump.run();
  }

  /** Move the virtual clock by `us` microseconds, running at every deadline on the way. */
  advance(us: number): void {
    this.pump.advance(us);
  }

  /** Move the virtual clock from deadline to deadline until `done()`; false if it never is. */
  runUntil(done: () => boolean, limitUs?: number): boolean {
    return this.pump.runUntil(done, limitUs);
  }

  /**
   * The whole state of the image: its memory and exported globals. It can be put back into this
   * kernel (or one booted from the same image with the same memory size), not into the world: what
   * lies outside (host sockets, frames under way) is not part of it.
   */
  snapshot(): Snapshot {
    this.mustRest('snapshot');
    const globals = new Map<string, number | bigint>();
    for (const [name, value] of Object.entries(this.image.exports as WebAssembly.Exports)) {
      if (value instanceof WebAssembly.Global) globals.set(name, value.value as number | bigint);
    }
    return { memory: this.image.u8.slice(), globals };
  }

  /** Put a snapshot back. */
  restore(snapshot: Snapshot): void {
    this.mustRest('restore');
    if (snapshot.memory.length !== this.image.u8.length) {
      throw new RangeError(`the snapshot has ${snapshot.memory.length} bytes, this kernel ${this.image.u8.length}`);
    }
    this.image.u8.set(snapshot.memory);
    for (const [name, value] of snapshot.globals) {
      const global = (this.image.exports as WebAssembly.Exports)[name];
      if (!(global instanceof WebAssembly.Global) || global.value === value) continue;
      global.value = value;
    }
    this.pump.kick();
  }

  /** SHA-256 of linear memory, hexadecimal. */
  memoryHash(): string {
    return createHash('sha256').update(this.image.u8).digest('hex');
  }

  /** 4 KiB pages of linear memory that are not all zero: what the image really uses. */
  touchedMemory(): { pages: number; bytes: number } {
    const memory = Buffer.from(this.memory.buffer as ArrayBuffer);
    const zeros = Buffer.alloc(pageSize);
    let pages = 0;
    for (let at = 0; at < memory.length; at += pageSize) {
      if (zeros.compare(memory, at, at + pageSize) !== 0) pages++;
    }
    return { pages, bytes: pages * pageSize };
  }

  /**
   * Orderly end: apps drain and the image exits; then everything is let go.
   * @param graceMs after this long it is closed all the same; of virtual time, if that is what it has
   * @returns the exit status; 0 if it had to be closed
   */
  async shutdown(graceMs = 10_000): Promise<number> {
    if (this.image.end === null) {
      this.pump.tick();
      this.image.call('rump_shutdown', () => this.image.exports.rump_shutdown());
      if (this.pump.isVirtual) this.pump.runUntil(() => !this.isAlive, graceMs * 1000);
      else if (this.pump.isManual) this.pump.run();
      else await this.drained(graceMs);
    }
    await this.close();
    return this.exited;
  }

  /** End now, without draining. */
  async close(): Promise<void> {
    if (this.image.end === null) {
      this.image.close();
      this.resolveExit(0);
    }
    await this.release(null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The image's timers and sockets keep the process alive (the default). */
  ref(): this {
    this.pump.ref();
    this.parts.ref();
    return this;
  }

  /** They do not. */
  unref(): this {
    this.pump.unref();
    this.parts.unref();
    return this;
  }

  /** Wait until the image has ended, at most `graceMs`. */
  private async drained(graceMs: number): Promise<void> {
    this.pump.kick();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.exited.then(done, done);
    });
  }

  private mustRest(what: string): void {
    if (this.image.isInside) throw new Error(`${what} from within a hypercall: the image is in the middle of something`);
  }

  /** The image has ended by itself. */
  private ended(end: ImageEnd): void {
    // A callback of its own, so that promises are settled even if native code brought us here.
    setImmediate(() => {});
    if (end.kind === 'panic') {
      if (this.listenerCount('panic') === 0) this.console.log(LOG_EMERG, end.error.message);
      this.rejectExit(end.error);
      void this.release(new KernelGoneError(`the kernel is gone: ${end.error.message}`, { cause: end.error }));
      this.emit('panic', end.error);
    } else if (end.kind === 'exit') {
      this.resolveExit(end.status);
      void this.release(null);
      this.emit('exit', end.status);
    }
  }

  /** Once: stop the pump, end sockets (with `error`, if it is one) and servers, close what the host halves hold. */
  private release(error: Error | null): Promise<void> {
    if (this.released !== null) return this.released;
    this.pump.stop();
    this.kevents.gone(error);
    this.released = this.parts.release();
    return this.released;
  }
}
