/**
 * The stack under test: one kernel on a virtual clock, put back to the moment after its boot before
 * each script.
 *
 *      boot (once for each MTU and address) ─▶ snapshot ─▶ { restore ─▶ script }*        1 to 2 ms a script
 *
 * Between events the image is at rest: whatever can happen at a moment has happened (settle). Time moves
 * from deadline to deadline, and at each of them whoever waits is asked again (waiters).
 */
import { boot } from '../../host/boot';
import { seededEntropy, type VirtualClock } from '../../host/determinism';
import { QueueDevice } from '../../host/harness/ipDevice';
import type { Kernel, Snapshot } from '../../host/kernel';
import { buildImage } from '../mkimage/index';
import { ipNumber, ipText } from './wire';

/** The image that scripts run on. */
const IMAGE = 'DRILL';
/** Rounds at one moment before something is taken to be in a loop. */
const SETTLE_MAX = 10_000;
/** Uptime of the image when a script begins. */
const SETTLED_US = 100_000_000;

export interface MachineSettings {
  mtu: number;
  localIp: string;
  prefix: number;
}

/** A virtual clock that can also be put back, together with the memory that has seen it. */
class ReplayClock implements VirtualClock {
  readonly virtual = true;
  private now = 0;
  private readonly startUs = Date.UTC(2026, 0, 1) * 1000;

  realtime(): number { return this.startUs + this.now; }
  monotonic(): number { return this.now; }
  advance(us: number): void { this.advanceTo(this.now + us); }
  advanceTo(us: number): void {
    if (us < this.now) throw new RangeError(`the clock stands at ${this.now} µs, beyond ${us}`);
    this.now = us;
  }
  /** Nothing but the image has timers here. */
  after(): () => void { throw new Error('no timers but the image\'s'); }
  nextTimer(): number { return -1; }
  reset(us: number): void { this.now = us; }
}

/** A neighbour of `address` to route by: the next host of its network, or the one before it. */
export function neighbourOf(address: string, prefix: number): string {
  const n = ipNumber(address);
  const size = 2 ** (32 - prefix);
  const host = n % size;
  return ipText(host + 2 < size ? n + 1 : n - 1);
}

export class Machine {
  /** Asked after every round: true if it has called into the image, which must then run again. */
  waiters: () => boolean = () => false;
  /** Script time 0 on the image's clock. */
  private originUs = 0;
  private readonly bootedUs: number;
  private readonly snapshot: Snapshot;

  private constructor(readonly kernel: Kernel, readonly device: QueueDevice, private readonly clock: ReplayClock) {
    kernel.run();
    // Uptime 0 is a special moment in many a field ("never"); scripts begin well after it.
    clock.advance(SETTLED_US);
    kernel.run();
    this.bootedUs = clock.monotonic();
    this.originUs = this.bootedUs;
    this.snapshot = kernel.snapshot();
  }

  static async create({ mtu, localIp, prefix }: MachineSettings): Promise<Machine> {
    const clock = new ReplayClock();
    const device = new QueueDevice(mtu);
    const { wasmFile } = await buildImage(IMAGE);
    const kernel = await boot(wasmFile, {
      manual: true, clock, random: seededEntropy('drill'), logLevel: 'err', host: { ipdevs: { ip0: device } },
      params: { 'net.ip0': `inet,static,${localIp}/${prefix},${neighbourOf(localIp, prefix)}` },
    });
    // A panic is the script's result, not news for the terminal.
    kernel.on('panic', () => {});
    return new Machine(kernel, device, clock);
  }

  /** µs since the beginning of the script. */
  get nowUs(): number { return this.clock.monotonic() - this.originUs; }

  /** Script time of a moment on the image's clock. */
  scriptTime(us: number): number { return us - this.originUs; }

  /** Back to the moment after the boot. @param laterUs the script begins so much later */
  restore(laterUs = 0): void {
    this.waiters = () => false;
    this.clock.reset(this.bootedUs);
    this.originUs = this.bootedUs;
    this.device.clear();
    this.kernel.restore(this.snapshot);
    this.advanceTo(laterUs);
    this.originUs += laterUs;
  }

  /** Let everything happen that can happen now. */
  settle(): void {
    for (let n = 0; ; n++) {
      if (n > SETTLE_MAX) throw new Error('the image does not come to rest');
      this.kernel.run();
      if (!this.waiters()) return;
    }
  }

  /**
   * Let time pass until `us` of the script, or until `done()`.
   * @returns whether it was done
   */
  advanceTo(us: number, done: () => boolean = () => false): boolean {
    const target = us + this.originUs;
    this.settle();
    while (!done()) {
      const next = this.kernel.pump.deadlineUs;
      if (next < 0 || next > target) {
        if (Number.isFinite(target)) this.clock.advanceTo(Math.max(target, this.clock.monotonic()));
        this.settle();
        return done();
      }
      this.clock.advanceTo(Math.max(next, this.clock.monotonic()));
      this.settle();
    }
    return true;
  }

  async close(): Promise<void> {
    await this.kernel.close();
  }
}
