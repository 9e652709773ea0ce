/**
 * Joining an image to the host halves of its components.
 *
 * The import section of an image is its privilege list: one module per component with hypercalls.
 * For each of them there must be a host half (gen/host/users.ts, made from the component folders);
 * an image that wants one which does not exist here is refused by name, before it is instantiated.
 */
import {
  INTR_BIO, INTR_NETIF, INTR_SOCKIN, RING_BIO, RING_NETIF, RING_SOCKIN,
} from '../kernel/abi/rump';
import { users } from '../gen/host/users';
import type { Clock, Entropy } from './determinism';
import type { ComponentUser, HyperHost } from './hyperHost';
import { errnoFromNode } from './errtrans';
import { HostRing } from './hostRing';
import type { ImageInstance } from './instance';
import type { KernelConsole } from './console';
import type { Pump } from './pump';
import { ImageError } from './imageFile';

/** Modules of the import section that are not components. */
const hostModules = new Set(['rumpuser', 'wasi_snapshot_preview1', 'env']);

/** The interrupt (INTR_*) that says that ring `id` (RING_*) has entries. */
function sourceOfRing(id: number): number {
  if (id === RING_BIO) return INTR_BIO;
  if (id === RING_SOCKIN) return INTR_SOCKIN;
  return id - RING_NETIF + INTR_NETIF;
}

export interface HyperHostOptions {
  params: ReadonlyMap<string, string>;
  options: Readonly<Record<string, unknown>>;
  console: KernelConsole;
  clock: Clock;
  random: Entropy;
}

/** HyperHost for all halves of one image, and its other side, which boot() holds. */
export class HyperHostOwner implements HyperHost {
  u8: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  i32: Int32Array<ArrayBuffer> = new Int32Array(0);
  dv: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(0));
  readonly params: ReadonlyMap<string, string>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  readonly random: Entropy;
  readonly errnoFromNode = errnoFromNode;
  /** Every ring in use, for the pump. */
  readonly rings = new Map<number, { ring: HostRing; source: number }>();

  private readonly console: KernelConsole;
  private image: ImageInstance | null = null;
  private pump: Pump | null = null;
  private early: number[] = [];

  constructor(options: HyperHostOptions) {
    this.params = options.params;
    this.options = options.options;
    this.console = options.console;
    this.clock = options.clock;
    this.random = options.random;
  }

  /** The instance exists: the views become real. */
  attach(image: ImageInstance): void {
    this.image = image;
    this.u8 = image.u8;
    this.i32 = image.i32;
    this.dv = image.dv;
  }

  /** The pump exists; interrupts of the boot are passed on to it. */
  start(pump: Pump): void {
    this.pump = pump;
    for (const source of this.early) pump.kick(source);
    this.early = [];
  }

  memory(): { u8: Uint8Array<ArrayBuffer>; i32: Int32Array<ArrayBuffer>; dv: DataView<ArrayBuffer> } {
    return this;
  }

  ring(id: number): HostRing {
    const known = this.rings.get(id);
    if (known !== undefined) return known.ring;
    if (this.image === null) throw new Error('ring() before the image exists');
    const pointer = this.image.exports.rump_ring(id);
    if (pointer === 0) throw new Error(`the image has no ring ${id}`);
    const ring = new HostRing(this.image.memory.buffer as ArrayBuffer, pointer);
    this.rings.set(id, { ring, source: sourceOfRing(id) });
    return ring;
  }

  intr(source: number): void {
    if (this.pump !== null) this.pump.kick(source);
    else this.early.push(source);
  }

  flush(): void {
    this.pump?.flush();
  }

  log(level: number, message: string): void {
    this.console.log(level, message);
  }

  fail(error: unknown): void {
    this.image?.fail(error);
  }
}

/** Which components' halves the imports of `module` need. @throws ImageError for one that does not exist */
export function neededHalves(module: WebAssembly.Module, name: string, extra: Readonly<Record<string, ComponentUser>> = {}): Map<string, ComponentUser> {
  const halves = new Map<string, ComponentUser>();
  for (const { module: component } of WebAssembly.Module.imports(module)) {
    if (hostModules.has(component) || halves.has(component)) continue;
    const half = extra[component] ?? users[component];
    if (half?.hypercalls === undefined) {
      throw new ImageError(`${name} needs the hypercalls of component "${component}", which this host does not have`);
    }
    halves.set(component, half);
  }
  return halves;
}
