/**
 * A laboratory network: several kernels on one hub, one virtual clock, and the means to look at them.
 *
 *      kernel 0 ── line ──┐
 *      kernel 1 ── line ──┼── hub ── endpoint (frames made and seen by the test)
 *      kernel n ── line ──┘
 *                                clock: stands still while anything is to be done, then moves to the
 *                                next deadline of a kernel, or of a frame that is under way
 *
 * Nothing here waits: an hour of silence costs as much as its timers do. Kernel n is 10.0.0.n+1/24.
 * The same seed gives the same run.
 */
import assert from 'node:assert/strict';
import { boot, type BootOptions, type Kernel } from '../../host/index';
import { parsePools } from '../../host/control/tables';
import { seededEntropy, virtualClock, type VirtualClock } from '../../host/determinism';
import { fault, type FaultyNetdev, type Faults } from '../../host/netdev/fault';
import { hub, Hub } from '../../host/netdev/hub';

export interface LabOptions {
  /** Kernels; default 2. */
  count?: number;
  image?: string;
  /** What is wrong with the line of kernel 0. */
  faults?: Faults;
  /** False: frames as on a wire, 1500 bytes at most, with checksums. */
  offload?: boolean;
  /** No interface: kernels that have only their loopback. */
  alone?: boolean;
  params?: BootOptions['params'];
  seed?: number | string;
}

/** Longest step of the clock in until(): what is polled for is seen soon after it happens, µs. */
const STEP_US = 1000;

export class Lab {
  readonly clock: VirtualClock = virtualClock();
  readonly hub = new Hub('lab');
  readonly kernels: Kernel[] = [];
  /** The line of kernel 0, if it has faults. */
  line: FaultyNetdev | null = null;

  static async make(options: LabOptions = {}): Promise<Lab> {
    const lab = new Lab();
    for (let i = 0; i < (options.count ?? 2); i++) {
      const port = hub(lab.hub, { offload: options.offload !== false, mac: Uint8Array.of(0xb2, 0, 0, 0, 0, i + 1) });
      const dev = i === 0 && options.faults !== undefined ? lab.line = fault(port, options.faults) : port;
      const net = options.alone ? {} : { netdevs: { virt0: dev } };
      const params = options.alone ? options.params : { 'net.virt0': `inet,static,${lab.address(i)}/24`, ...options.params };
      lab.kernels.push(await boot(options.image ?? 'NET', {
        ...net, ...(params === undefined ? {} : { params }), manual: true, clock: lab.clock, logLevel: 'err',
        random: seededEntropy(`lab ${options.seed ?? 1} ${i}`),
      }));
    }
    // Addresses are announced and defended for some seconds (RFC 5227) before anything is measured.
    lab.advance(10_000_000);
    return lab;
  }

  address(i: number): string { return `10.0.0.${i + 1}`; }

  get nowUs(): number { return this.clock.monotonic(); }

  /** Let every kernel do what it has to do at this moment. */
  settle(): void {
    for (let busy = true; busy;) {
      busy = false;
      for (const kernel of this.kernels) {
        if (!kernel.pump.isPending) continue;
        kernel.run();
        busy = true;
      }
    }
  }

  /** Move the clock to the next event, by `most` µs at most. @returns whether there was one by then */
  step(most = Infinity): boolean {
    const now = this.nowUs;
    let at = this.clock.nextTimer();
    for (const { pump } of this.kernels) if (pump.deadlineUs >= 0 && (at < 0 || pump.deadlineUs < at)) at = pump.deadlineUs;
    if (at < 0 && most === Infinity) return false;
    const to = Math.max(now, at < 0 ? now + most : Math.min(at, now + most));
    this.clock.advanceTo(to);
    for (const kernel of this.kernels) {
      if (kernel.pump.deadlineUs >= 0 && kernel.pump.deadlineUs <= to) kernel.run();
    }
    this.settle();
    return at >= 0 && at <= to;
  }

  /** Let `us` of virtual time pass. */
  advance(us: number): void {
    const end = this.nowUs + us;
    this.settle();
    while (this.nowUs < end) this.step(end - this.nowUs);
  }

  /** Let time pass until `done()`; an assertion with `what` fails if it is not within `limitUs`. */
  until(done: () => boolean, what: string, limitUs = 60_000_000): void {
    const end = this.nowUs + limitUs;
    this.settle();
    while (!done()) {
      assert.ok(this.nowUs < end, `waited ${limitUs / 1e6} s for ${what}`);
      this.settle();
      this.step(STEP_US);
    }
    this.settle();
  }

  async close(): Promise<void> {
    for (const kernel of this.kernels) await kernel.close();
  }
}

/** Objects in use by pool, without those that are none. */
export function poolsInUse(kernel: Kernel): Record<string, number> {
  const pools = parsePools(String(kernel.sysctl('kern.pools')));
  return Object.fromEntries(pools.filter((pool) => pool.inUse > 0).map((pool) => [pool.name, pool.inUse]));
}

/** A statistic by its name: stat(kernel, 'net.inet.tcp.stats', 'rcvbadsum'). */
export function stat(kernel: Kernel, table: string, name: string): number {
  const line = String(kernel.sysctl(table)).split('\n').find((each) => each.startsWith(`${name} `));
  assert.ok(line !== undefined, `${table} has no ${name}`);
  return Number(line.slice(name.length + 1));
}
