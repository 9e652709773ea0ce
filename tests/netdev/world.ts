/**
 * Several images on one virtual clock, for tests of the wire: nothing happens but by step().
 *
 *      run all until nobody has anything to do ─▶ move the clock to the next deadline or timer ─▶ …
 */
import { seededEntropy, virtualClock, type VirtualClock } from '../../host/determinism';
import type { BootOptions } from '../../host/boot';
import type { Kernel } from '../../host/kernel';
import { bootImage } from '../host/images';

export class World {
  readonly kernels: Kernel[] = [];
  readonly clock: VirtualClock = virtualClock('2026-11-20T12:00:00Z');

  constructor(readonly seed: number | string = 1) {}

  /** Boot one more image on the clock of this world. */
  async boot(options: BootOptions = {}, image = 'NET'): Promise<Kernel> {
    const kernel = await bootImage(image, {
      clock: this.clock, random: seededEntropy(`${this.seed}/${this.kernels.length}`), manual: true, ...options,
    });
    this.kernels.push(kernel);
    return kernel;
  }

  /** Let everything happen that happens at this moment. */
  settle(): void {
    for (let busy = true; busy;) {
      for (const kernel of this.kernels) if (kernel.isAlive) kernel.run();
      busy = this.kernels.some((kernel) => kernel.isAlive && kernel.pump.isPending);
    }
  }

  /** Move to the next moment at which something happens; false if nothing ever does. */
  step(limitUs = Infinity): boolean {
    this.settle();
    const moments = [this.clock.nextTimer(), ...this.kernels.filter((k) => k.isAlive).map((k) => k.pump.deadlineUs)].filter((at) => at >= 0);
    const next = Math.min(...moments);
    if (next > limitUs) return false;
    this.clock.advanceTo(Math.max(next, this.clock.monotonic()));
    this.settle();
    return true;
  }

  /** Go on until `done()`. @throws Error with `what` if it is not so within `us` */
  until(done: () => boolean, what: string, us = 60_000_000): void {
    const limit = this.clock.monotonic() + us;
    this.settle();
    while (!done()) if (!this.step(limit)) throw new Error(`${what}: not within ${us} µs`);
  }

  /** Let `us` microseconds pass. */
  pass(us: number): void {
    const limit = this.clock.monotonic() + us;
    while (this.step(limit));
    this.clock.advanceTo(limit);
    this.settle();
  }

  async close(): Promise<void> {
    for (const kernel of this.kernels) await kernel.close();
  }
}

/** A counter of "name value" lines of a sysctl. */
export function counter(kernel: Kernel, table: string, name: string): number {
  const m = new RegExp(`(?:^|\\s)${name} (\\d+)`).exec(String(kernel.sysctl(table)));
  if (!m) throw new Error(`${table} has no ${name}: ${String(kernel.sysctl(table))}`);
  return Number(m[1]);
}

/** -W as a parameter. */
export function address(name: string, text: string): Record<string, string> {
  return { [`net.${name}`]: `inet,static,${text}` };
}
