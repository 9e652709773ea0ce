/**
 * A port without an image, for tests of netdevs: it keeps what it receives, on a clock of its own.
 */
import { seededEntropy, virtualClock, type VirtualClock } from '../../host/determinism';
import { type Frame } from '../../host/netdev/frame';
import type { Netdev, NetdevPort, ReceiveRing } from '../../host/netdev/netdev';
import { IFCAP_CSUM_RX, IFCAP_LRO } from '../../kernel/abi/if';

export class TestPort implements NetdevPort {
  readonly name = 'virt0';
  accepts = IFCAP_CSUM_RX | IFCAP_LRO;
  rx: ReceiveRing | null = null;
  readonly clock: VirtualClock;
  readonly random = seededEntropy(1);
  /** What has come in, copied. */
  readonly got: Frame[] = [];
  readonly logged: string[] = [];
  /** Frames that it will still take. */
  free = Infinity;
  flushes = 0;
  starved = 0;
  writables = 0;
  links: boolean[] = [];
  failed: unknown = null;

  constructor(clock: VirtualClock = virtualClock()) {
    this.clock = clock;
  }

  get timers(): VirtualClock { return this.clock; }

  /** Open and start `netdev` on this port. */
  plug<T extends Netdev>(netdev: T): T {
    netdev.open(this);
    netdev.start?.();
    return netdev;
  }

  /** The bytes of what has come in, and forget them. */
  take(): Uint8Array[] {
    return this.got.splice(0).map((frame) => frame.u8);
  }

  receive(frame: Frame): boolean {
    if (this.free <= 0) return false;
    this.free--;
    this.got.push(frame.copy());
    return true;
  }

  starve(): void { this.starved++; }

  flush(): void { this.flushes++; }

  writable(): void { this.writables++; }

  link(up: boolean): void { this.links.push(up); }

  log(level: number, message: string): void { this.logged.push(message); }

  fail(error: unknown): void { this.failed = error; }
}
