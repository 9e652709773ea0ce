/**
 * What decorators of netdevs have in common: they are the netdev to the port, and the port to a netdev.
 *
 *      image's port ◀── outward ── Wrapper ── inward ──▶ inner netdev
 *          ▲                          │                       │
 *          └──────── receive ─────────┴──── InnerPort ◀───────┘
 *
 * Everything passes through unchanged except what a subclass takes in hand.
 */
import type { Frame } from './frame';
import type { Netdev, NetdevPort, ReceiveRing } from './netdev';

export class Wrapper implements Netdev {
  protected port: NetdevPort | null = null;

  constructor(protected readonly inner: Netdev) {}

  get label(): string { return this.inner.label; }
  get caps(): number { return this.inner.caps; }
  get mac(): Uint8Array | undefined { return this.inner.mac; }
  get mtu(): number | undefined { return this.inner.mtu; }

  open(port: NetdevPort): void {
    this.port = port;
    this.inner.open(this.innerPort(port));
  }

  start(): void { this.inner.start?.(); }

  send(frame: Frame): number { return this.inner.send(frame); }

  room(): void { this.inner.room?.(); }

  close(): void | Promise<void> {
    this.port = null;
    return this.inner.close();
  }

  ref(): void { this.inner.ref?.(); }

  unref(): void { this.inner.unref?.(); }

  /** The port that the inner netdev is given. */
  protected innerPort(port: NetdevPort): NetdevPort {
    return new InnerPort(port);
  }
}

/** A port that stands before another. */
export class InnerPort implements NetdevPort {
  constructor(protected readonly outer: NetdevPort) {}

  get name(): string { return this.outer.name; }
  get accepts(): number { return this.outer.accepts; }
  get rx(): ReceiveRing | null { return this.outer.rx; }
  get clock(): NetdevPort['clock'] { return this.outer.clock; }
  get timers(): NetdevPort['timers'] { return this.outer.timers; }
  get random(): NetdevPort['random'] { return this.outer.random; }

  receive(frame: Frame): boolean { return this.outer.receive(frame); }

  starve(): void { this.outer.starve(); }

  flush(): void { this.outer.flush(); }

  writable(): void { this.outer.writable(); }

  link(up: boolean): void { this.outer.link(up); }

  log(level: number, message: string): void { this.outer.log(level, message); }

  fail(error: unknown): void { this.outer.fail(error); }
}
