/**
 * The simulation that `rumpwasm sim` runs: random flows between images on bad links, one seed.
 *
 *      plan (from the seed) ─▶ World ─▶ flows, a number at a time ─▶ all closed ─▶ 2 MSL pass ─▶ books
 *
 * Invariants: every byte of every flow is the right one at the right place; no flow ends otherwise than
 * by its plan; linear memory never grows; when all is over no mbuf is in use and no control block
 * remains but the listeners'. A violation is an error that names the seed.
 */
import { AF_INET, SOCK_STREAM } from '../../kernel/abi/socket';
import { seededEntropy } from '../determinism';
import type { Kernel } from '../kernel';
import type { Faults } from '../netdev/fault';
import { Flow, type FlowPlan } from './flow';
import { World } from './world';

export interface ScenarioOptions {
  seed: number | string;
  images: number;
  flows: number;
  /** Flows under way at once. */
  parallel: number;
  /** Most bytes one way. */
  bytes: number;
  faults: Faults;
  image?: string | WebAssembly.Module;
  onProgress?: (done: number, world: World) => void;
}

export interface ScenarioResult {
  seed: number | string;
  hash: string;
  frames: number;
  steps: number;
  flows: number;
  bytes: number;
  /** Virtual time, µs. */
  timeUs: number;
  /** Segments sent again, over all images. */
  retransmits: number;
}

/** Something that must hold did not. */
export class SimError extends Error {
  override readonly name = 'SimError';
}

const PORT = 7000;
/** Virtual time that one flow may take. */
const FLOW_LIMIT_US = 7_200_000_000;

function plans(options: ScenarioOptions, random: () => number): FlowPlan[] {
  return Array.from({ length: options.flows }, (_, id) => {
    const from = random() % options.images;
    const to = (from + 1 + random() % (options.images - 1)) % options.images;
    return {
      id, from, to, port: PORT,
      up: random() % (options.bytes + 1), down: random() % (options.bytes + 1),
      lazy: random() % 4 === 0 ? 1 + random() % 8 : 0,
    };
  });
}

function listen(kernel: Kernel): number {
  const fd = kernel.sys.socket(AF_INET, SOCK_STREAM);
  kernel.sys.bind(fd, { family: 'IPv4', address: '0.0.0.0', port: PORT });
  kernel.sys.listen(fd, 1024);
  return fd;
}

/** A counter of a "name value" table. */
export function counter(kernel: Kernel, table: string, name: string): number {
  const line = String(kernel.sysctl(table)).split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? NaN : Number(line.slice(name.length + 1));
}

/** Objects of pool `name` in use. */
export function poolInUse(kernel: Kernel, name: string): number {
  const line = String(kernel.sysctl('kern.pools')).split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? NaN : Number(line.split(' ')[3]);
}

/** One run: the flows of `plans`, some at a time. */
class Run {
  private readonly active = new Map<string, Flow>();
  private readonly listeners: number[];
  private readonly waiting: FlowPlan[];
  finished = 0;
  bytes = 0;

  constructor(readonly world: World, readonly options: ScenarioOptions, private readonly random: () => number) {
    this.listeners = world.kernels.map(listen);
    this.waiting = plans(options, random);
  }

  private begin(): void {
    while (this.active.size < this.options.parallel && this.waiting.length > 0) {
      const plan = this.waiting.shift()!;
      const flow = new Flow(plan, this.world.kernels, this.random);
      flow.start(World.address(plan.to));
      if (flow.error !== '') throw new SimError(`seed ${this.options.seed}, flow ${plan.id}: ${flow.error}`);
      this.active.set(`${plan.to}|${World.address(plan.from)}|${flow.clientPort()}`, flow);
    }
  }

  private accept(): void {
    this.world.kernels.forEach((kernel, i) => {
      for (;;) {
        const fd = kernel.sys.tryAccept(this.listeners[i]!);
        if (fd < 0) return;
        const peer = kernel.sys.takeAddress() as { address: string; port: number };
        const flow = this.active.get(`${i}|${peer.address}|${peer.port}`);
        if (flow === undefined) throw new SimError(`seed ${this.options.seed}: image ${i} accepted ${peer.address}:${peer.port}, which nobody opened`);
        flow.server.fd = fd;
      }
    });
  }

  /** One turn of the programs on the images. @returns whether flows are left */
  turn(): boolean {
    this.begin();
    this.accept();
    for (const [key, flow] of this.active) {
      flow.turn();
      if (flow.error !== '') throw new SimError(`seed ${this.options.seed}, flow ${flow.plan.id} (${JSON.stringify(flow.plan)}): ${flow.error}`);
      if (!flow.done) continue;
      flow.close();
      this.bytes += flow.client.got + flow.server.got;
      this.active.delete(key);
      this.finished++;
    }
    return this.active.size > 0 || this.waiting.length > 0;
  }
}

function checkBooks(world: World, seed: number | string, memory: readonly number[]): void {
  world.kernels.forEach((kernel, i) => {
    const wrong = (what: string): SimError => new SimError(`seed ${seed}: image ${i} ${what}`);
    if (kernel.memory.buffer.byteLength !== memory[i]) throw wrong('has grown');
    if (poolInUse(kernel, 'tcpcb') !== 1) throw wrong(`keeps ${poolInUse(kernel, 'tcpcb')} TCP control blocks`);
    // Receive buffers that the interface holds are mbufs with clusters; nothing else may be in use.
    const lent = poolInUse(kernel, 'mbcl');
    if (poolInUse(kernel, 'mbuf') > lent) throw wrong(`keeps ${poolInUse(kernel, 'mbuf')} mbufs, ${lent} of them with the interface`);
  });
}

/** Run it. @throws SimError */
export async function runScenario(options: ScenarioOptions): Promise<ScenarioResult> {
  const entropy = seededEntropy(`${options.seed}:scenario`);
  const random = (): number => entropy.next();
  const world = await World.create({
    seed: options.seed, images: options.images, faults: options.faults,
    ...(options.image === undefined ? {} : { image: options.image }),
  });
  try {
    const memory = world.kernels.map((kernel) => kernel.memory.buffer.byteLength);
    const run = new Run(world, options, random);
    const limit = FLOW_LIMIT_US + options.flows * 60_000_000;
    world.settle();
    while (run.turn()) {
      // Programs get the processor now and then, at moments that the seed chooses.
      const pauseUs = 100 + random() % 2000;
      world.pass(pauseUs);
      if (world.clock.monotonic() > limit) throw new SimError(`seed ${options.seed}: ${run.finished} of ${options.flows} flows finished in ${limit / 1e6} s`);
      options.onProgress?.(run.finished, world);
    }
    world.pass(200_000_000);
    checkBooks(world, options.seed, memory);
    return {
      seed: options.seed, hash: world.hash.digest('hex'), frames: world.frames, steps: world.steps, flows: run.finished,
      bytes: run.bytes, timeUs: world.clock.monotonic(),
      retransmits: world.kernels.reduce((sum, kernel) => sum + counter(kernel, 'net.inet.tcp.stats', 'sndrexmitpack'), 0),
    };
  } finally {
    await world.close();
  }
}
