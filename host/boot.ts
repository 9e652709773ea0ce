/**
 * boot(): from a file to a running kernel.
 *
 *      find, check, compile ─► host halves ─► instantiate ─► rump_init ─► fill file systems ─► pump
 *      (imageFile.ts)          (components.ts) (instance.ts)              (api/fsLoad.ts)      (pump.ts)
 *
 * The first run of the image comes only after its file systems are filled, so that nothing is served
 * before it is there. Compiling is the long part (some ms); instantiating and initialising take a few.
 */
import { statSync } from 'node:fs';
import type { LoadOptions, Loaded } from './api/fsLoad';
import type { BlockStore } from './bio';
import { HyperHostOwner, neededHalves } from './components';
import { type ConsoleOptions, KernelConsole } from './console';
import { type Clock, type Entropy, systemClock, systemEntropy } from './determinism';
import type { ComponentHost, ComponentUser } from './hyperHost';
import { errnoName, errnoText } from './errtrans';
import { type ImageFile, ImageError, loadImage } from './imageFile';
import { ImageInstance } from './instance';
import { type BootTimes, Kernel } from './kernel';
import { makeParams } from './params';
import { Pump } from './pump';
import { makeRumpuser, type Rumpuser } from './rumpuser';
import { makeWasi, type WasiHost, type WasiKind } from './wasi/wasi';

/** The image refused to boot. */
export class BootError extends Error {
  override readonly name = 'BootError';
  /** The errno's name: 'EADDRINUSE'. */
  readonly code: string;
  /** NetBSD's number, positive. */
  readonly errno: number;
  /** What it was booted with, defaults included. */
  readonly params: ReadonlyMap<string, string>;

  /** @param said the first complaint in the kernel's log, if there was one */
  constructor(image: string, errno: number, said: string | null, params: ReadonlyMap<string, string>) {
    super(`${image} did not boot: ${said ?? errnoText(errno)} (${errnoName(errno)})`);
    this.errno = errno;
    this.code = errnoName(errno);
    this.params = params;
  }
}

/** What to put into a file system of the image before it runs. */
export interface Volume {
  /** Directory or tar archive of the host. */
  source: string;
  /** Directory of the image; default "/". */
  mount?: string;
}

export interface BootOptions extends ConsoleOptions {
  /** Parameters (rumprun's -e); they replace the image's defaults. */
  params?: Readonly<Record<string, string | number | boolean | null | undefined>>;
  /** Who provides WASI; default 'rumpuser', our own. */
  wasi?: WasiKind;
  /** Time and entropy to use instead of the host's; only with wasi 'rumpuser'. */
  clock?: Clock;
  random?: Entropy;
  /** Directories and archives to load (-b). */
  volumes?: readonly Volume[];
  /** Block stores which the image may open, by the name it uses (-b name=disk.img). */
  blk?: Readonly<Record<string, string | BlockStore>>;
  /**
   * Network devices by interface name: { virt0: tap({ name: 'tap0' }) }, or in words: { virt0: 'tap=tap0' };
   * NetdevOption, unless `components` has another half for virtif.
   */
  netdevs?: Readonly<Record<string, unknown>>;
  /** Options for host halves of components, e.g. { backend: 'epoll' }. */
  host?: Readonly<Record<string, unknown>>;
  /** Host halves instead of, or besides, those of the component folders. */
  components?: Readonly<Record<string, ComponentUser>>;
  /** Bytes of linear memory instead of what the image was linked with (-M). */
  memory?: number;
  /** Never run by itself: only kernel.run(), advance() and runUntil(). */
  manual?: boolean;
  /** Called for each volume when it has been loaded. */
  onLoaded?: (volume: Volume, loaded: Loaded) => void;
  onSkip?: LoadOptions['onSkip'];
  /** Called when everything is in place, before the image runs for the first time. */
  beforeRun?: (kernel: Kernel) => void | Promise<void>;
}

/**
 * Boot an image.
 * @param image name ("SOCKIN"), path of a .wasm file, its bytes, or a compiled module
 * @throws ImageError if it is not an image that this host can run; RumpPanic if it panics while booting
 */
export async function boot(image: string | Uint8Array | WebAssembly.Module, options: BootOptions = {}): Promise<Kernel> {
  const wasiKind = options.wasi ?? 'rumpuser';
  if (wasiKind !== 'rumpuser' && (options.clock || options.random)) {
    throw new TypeError(`an injected clock or entropy needs wasi 'rumpuser', not '${wasiKind}'`);
  }
  const started = performance.now();
  const file = loadImage(image, options.memory);
  const compileMs = performance.now() - started;
  const console = new KernelConsole(options);
  const params = makeParams(file.identity?.params, options.params);
  const wasi = await makeWasi(wasiKind, {
    params, console, clock: options.clock ?? systemClock, random: options.random ?? systemEntropy,
  });
  const host = new HyperHostOwner({
    params, console, clock: wasi.clock, random: options.random ?? systemEntropy,
    options: { ...options.host, netdevs: options.netdevs ?? {} },
  });
  const prepared: Prepared = { file, host, wasi, console, params, compileMs, options, image: null, halves: new Map(), rumpuser: null };
  let kernel: Kernel;
  try {
    kernel = start(prepared);
  } catch (error) {
    await letGo(prepared);
    throw error;
  }
  try {
    await fill(kernel, options);
    await options.beforeRun?.(kernel);
  } catch (error) {
    await kernel.close();
    throw error;
  }
  kernel.pump.kick();
  return kernel;
}

/** What is there before the Kernel is. */
interface Prepared {
  file: ImageFile;
  host: HyperHostOwner;
  wasi: WasiHost;
  console: KernelConsole;
  params: ReadonlyMap<string, string>;
  compileMs: number;
  options: BootOptions;
  image: ImageInstance | null;
  halves: Map<string, ComponentHost>;
  rumpuser: Rumpuser | null;
}

/** Close what host halves hold, each whether or not the others manage to. */
async function letGo({ halves, rumpuser, wasi, console, image }: Prepared): Promise<void> {
  if (image !== null) wasi.afterRun?.();
  console.flush();
  rumpuser?.close();
  const results = await Promise.allSettled([...halves.values()].map(async (half) => half.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Host halves, instance, rump_init, kernel. */
function start(prepared: Prepared): Kernel {
  const { file, host, wasi, console, options } = prepared;
  for (const [name, half] of neededHalves(file.module, file.name, options.components)) {
    prepared.halves.set(name, half.hypercalls!(host));
  }
  prepared.rumpuser = makeRumpuser(host, {
    console, blk: blockStores(options.blk), onExit: (status) => prepared.image?.requestExit(status),
  });
  const imports = {
    rumpuser: prepared.rumpuser.imports, wasi_snapshot_preview1: wasi.imports(file.module),
    ...Object.fromEntries([...prepared.halves].map(([name, half]) => [name, half.imports])),
  };
  const instantiateStart = performance.now();
  const instance = instantiate(file, imports as WebAssembly.Imports);
  const image = new ImageInstance(instance);
  prepared.image = image;
  wasi.attach(instance);
  host.attach(image);
  const initStart = performance.now();
  const result = initialise(image, prepared);
  if (result < 0) throw new BootError(file.name, -result, console.firstComplaint, prepared.params);
  const initMs = performance.now() - initStart;
  return assemble(prepared, image, { compileMs: prepared.compileMs, instantiateMs: initStart - instantiateStart, initMs });
}

/** Synchronous: half a millisecond, where the asynchronous form waits for V8's background compilers. */
function instantiate(file: ImageFile, imports: WebAssembly.Imports): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(file.module, imports);
  } catch (error) {
    if (error instanceof WebAssembly.LinkError) throw new ImageError(`${file.name} does not fit this host: ${error.message}`);
    throw error;
  }
}

/** rump_init: 0 or -errno. An image that ends itself meanwhile is told of by the Kernel. */
function initialise(image: ImageInstance, { wasi, console }: Prepared): number {
  try {
    return image.init();
  } finally {
    wasi.afterRun?.();
    console.flush();
  }
}

/** Pump, hooks and the Kernel around an initialised image. */
function assemble(prepared: Prepared, image: ImageInstance, bootTimes: BootTimes): Kernel {
  const { file, host, wasi, halves, console, params, options } = prepared;
  const afterRun: (() => void)[] = [];
  if (wasi.afterRun) afterRun.push(() => wasi.afterRun!());
  for (const half of halves.values()) if (half.afterRun) afterRun.push(() => half.afterRun!());
  afterRun.push(() => console.flush());
  const pump: Pump = new Pump(image, {
    clock: wasi.clock, afterRun, rings: host.rings, isReady: () => kernel.hasEvents, deliver: () => kernel.poll(),
    manual: options.manual ?? false,
  });
  const kernel: Kernel = new Kernel({
    name: file.name, imageSize: file.size, components: file.identity?.components ?? [], image, pump, console, params, bootTimes,
    release: () => letGo(prepared),
    ref: () => { for (const half of halves.values()) half.ref?.(); },
    unref: () => { for (const half of halves.values()) half.unref?.(); },
  });
  host.start(pump);
  return kernel;
}

/** Load the volumes, each at its place. */
async function fill(kernel: Kernel, options: BootOptions): Promise<void> {
  const loadOptions = options.onSkip ? { onSkip: options.onSkip } : {};
  for (const volume of options.volumes ?? []) {
    const isTar = statSync(volume.source, { throwIfNoEntry: false })?.isFile() ?? false;
    const loaded = isTar
      ? await kernel.fs.loadTar(volume.source, volume.mount ?? '/', loadOptions)
      : await kernel.fs.loadDir(volume.source, volume.mount ?? '/', loadOptions);
    options.onLoaded?.(volume, loaded);
  }
}

function blockStores(blk: BootOptions['blk']): ReadonlyMap<string, BlockStore> {
  return new Map(Object.entries(blk ?? {}).map(([name, store]) => [name, typeof store === 'string' ? { path: store } : store]));
}
