/**
 * A world of images on one virtual clock: what a simulation, and a test of loss and time, runs in.
 *
 *      kernel 0 ─ FrameHash ─ fault ─┐                      all time is World.clock;
 *      kernel 1 ─ FrameHash ─ fault ─┼─ hub                 all chance comes from the seed;
 *      …                             ┘                      every frame goes into one hash
 *
 * Nothing runs by itself: step() lets every kernel come to rest at the present moment, then moves the
 * clock to the next moment at which anything happens (a deadline of an image, a frame that was held
 * back). Kernels are run in their order, so a run is a function of the seed and of what the caller
 * does: the hash over (time, interface, direction, bytes) of all frames says whether two runs agree.
 */
import { createHash, type Hash } from 'node:crypto';
import { boot, type BootOptions } from '../boot';
import { seededEntropy, virtualClock, type VirtualClock } from '../determinism';
import type { Kernel } from '../kernel';
import { fault, type Faults } from '../netdev/fault';
import type { Frame } from '../netdev/frame';
import { Hub } from '../netdev/hub';
import type { Netdev, NetdevPort } from '../netdev/netdev';
import { InnerPort, Wrapper } from '../netdev/wrapper';

/** Rounds of running kernels at one moment before it is an endless loop. */
const SETTLE_MAX = 100_000;

/** Every frame that passes, into one hash. */
class FrameHash extends Wrapper {
  private readonly head = Buffer.alloc(16);

  constructor(inner: Netdev, private readonly world: World, private readonly index: number) {
    super(inner);
  }

  override send(frame: Frame): number {
    this.note(frame, 0);
    return this.inner.send(frame);
  }

  /** Take a frame into the hash. @param direction 0 out of the image, 1 into it */
  note(frame: Frame, direction: number): void {
    const { head, world } = this;
    world.options.onFrame?.(this.index, direction === 0, frame, world.clock.monotonic());
    head.writeDoubleLE(world.clock.monotonic(), 0);
    head.writeUInt32LE((this.index << 1) | direction, 8);
    head.writeUInt32LE(frame.length, 12);
    world.frames++;
    world.hash.update(head);
    world.hash.update(frame.bytes());
  }

  protected override innerPort(port: NetdevPort): NetdevPort {
    const hash = this;
    return new class extends InnerPort {
      /** Frames are handed over by copy, so that each is seen here. */
      override get rx(): null { return null; }
      override receive(frame: Frame): boolean {
        const taken = super.receive(frame);
        if (taken) hash.note(frame, 1);
        return taken;
      }
    }(port);
  }
}

export interface WorldOptions {
  seed: number | string;
  /** Images on the hub. */
  images: number;
  /** Name of the image; "NET". */
  image?: string | WebAssembly.Module;
  /** What is wrong with every link. */
  faults?: Faults;
  /** Frames as on a wire, without offloads; default true. */
  wire?: boolean;
  params?: BootOptions['params'];
  /** Told of every frame at the interface of image `index`, before the link's faults on its way out, after them in. */
  onFrame?: (index: number, outgoing: boolean, frame: Frame, timeUs: number) => void;
}

export class World {
  readonly clock: VirtualClock = virtualClock();
  readonly kernels: Kernel[] = [];
  readonly hub = new Hub('sim');
  readonly hash: Hash = createHash('sha256');
  /** Frames seen at the interfaces of images, in either direction. */
  frames = 0;
  /** Moments that the clock has stopped at. */
  steps = 0;

  private constructor(readonly options: WorldOptions) {}

  /** Address of kernel `i`. */
  static address(i: number): string {
    return `10.0.${i >> 8}.${(i & 255) + 1}`;
  }

  /** Boot the images and give them their addresses. */
  static async create(options: WorldOptions): Promise<World> {
    const world = new World(options);
    for (let i = 0; i < options.images; i++) world.kernels.push(await world.bootOne(i));
    return world;
  }

  private bootOne(i: number): Promise<Kernel> {
    const { seed, image = 'NET', faults, wire = true, params } = this.options;
    const mac = Uint8Array.of(0xb2, 0x0a, 0, 0, i >> 8, i & 255);
    const port = this.hub.port({ mac, offload: !wire });
    const line = faults === undefined ? port : fault(port, { ...faults, seed: `${seed}:link:${i}` });
    return boot(image as string, {
      manual: true, clock: this.clock, random: seededEntropy(`${seed}:image:${i}`), logLevel: 3,
      netdevs: { virt0: new FrameHash(line, this, i) },
      params: { ...params, 'net.virt0': `inet,static,${World.address(i)}/16` },
    });
  }

  /** Let every kernel do what is to be done at this moment. */
  settle(): void {
    for (let n = 0; n < SETTLE_MAX; n++) {
      let ran = false;
      for (const kernel of this.kernels) {
        if (!kernel.pump.isPending) continue;
        kernel.run();
        ran = true;
      }
      if (!ran) return;
    }
    throw new Error('the world does not come to rest');
  }

  /** The next moment at which something happens; -1 when nothing will. */
  next(): number {
    let at = this.clock.nextTimer();
    for (const { pump } of this.kernels) {
      if (pump.deadlineUs >= 0 && (at < 0 || pump.deadlineUs < at)) at = pump.deadlineUs;
    }
    return at;
  }

  /** Go on to the next moment, but not beyond `limitUs`. False when nothing happens before it. */
  step(limitUs = Infinity): boolean {
    this.settle();
    const at = this.next();
    if (at < 0 || at > limitUs) return false;
    this.steps++;
    this.clock.advanceTo(Math.max(at, this.clock.monotonic()));
    for (const kernel of this.kernels) {
      const { deadlineUs } = kernel.pump;
      if (deadlineUs >= 0 && deadlineUs <= this.clock.monotonic()) kernel.pump.kick();
    }
    this.settle();
    return true;
  }

  /** Let `us` of virtual time pass. */
  pass(us: number): void {
    const end = this.clock.monotonic() + us;
    while (this.step(end));
    this.clock.advanceTo(end);
    for (const kernel of this.kernels) kernel.pump.kick();
    this.settle();
  }

  /** Step until `done()`. @returns whether it became true within `limitUs` of virtual time */
  until(done: () => boolean, limitUs = 3_600_000_000): boolean {
    const end = this.clock.monotonic() + limitUs;
    this.settle();
    while (!done()) if (!this.step(end)) return done();
    return true;
  }

  async close(): Promise<void> {
    for (const kernel of this.kernels) await kernel.close();
  }
}
