/**
 * The host half of virtif: the hypercalls of virtif.hyper.ts, between an image and its netdevs.
 *
 *      virt<unit> ── boot({ netdevs: { virt0: … } }), or parameter if.virt0=virtif,tap=tap0
 *
 *      virtif_send ─▶ Frame over the image's own list of pieces ─▶ netdev.send     nothing is copied
 *      netdev ─▶ port.receive ─▶ RxRing ─▶ INTR_NETIF + unit ─▶ one run of the image a batch
 *
 * One Frame object an interface serves all that it sends: a netdev that keeps one takes a copy. What
 * the image says of its memory is checked here, once, before any netdev sees it, because some hand
 * addresses on to the kernel.
 */
import type { ComponentHost, HyperHost } from '../../host/hyperHost';
import { Frame, FRAME_MAX, VNET_HDR_SIZE } from '../../host/netdev/frame';
import { type Netdev, NetdevError, type NetdevPort, type ReceiveRing } from '../../host/netdev/netdev';
import { interfacesOf } from '../../host/netdev/spec';
import { type Timers, timersOf } from '../../host/netdev/timers';
import { EFAULT, EINVAL, EIO, EMSGSIZE, ENXIO } from '../../kernel/abi/errno';
import { IFCAP_CSUM_RX, IFCAP_LRO } from '../../kernel/abi/if';
import { INTR_NETIF, LOG_ERR, LOG_WARNING } from '../../kernel/abi/rump';
import { RxRing } from './rxRing.user';
import {
  VIRTIF_INFO_CAPS, VIRTIF_INFO_MAC, VIRTIF_INFO_MTU, VIRTIF_INFO_SIZE, VIRTIF_INFO_TSOMAX, VIRTIF_IOV_MAX,
} from './virtif.abi';

const DEFAULT_MTU = 1500;
const MTU_MIN = 68;
const MTU_MAX = 65535;

/** One interface: the port that its netdev is given. */
class Unit implements NetdevPort {
  readonly name: string;
  readonly accepts = IFCAP_CSUM_RX | IFCAP_LRO;
  readonly frame = new Frame();
  readonly timers: Timers;
  ring: RxRing | null = null;
  /** A receive() found no room: the netdev is to be told when there is some. */
  starved = false;
  private readonly source: number;

  constructor(private readonly host: HyperHost, readonly unit: number, readonly netdev: Netdev) {
    this.name = `virt${unit}`;
    this.source = INTR_NETIF + unit;
    this.timers = timersOf(host.clock);
    this.frame.u8 = host.u8;
    this.frame.words = host.i32;
  }

  get rx(): ReceiveRing | null { return this.ring; }
  get clock(): HyperHost['clock'] { return this.host.clock; }
  get random(): HyperHost['random'] { return this.host.random; }

  receive(frame: Frame): boolean {
    if (this.ring !== null && this.ring.receive(frame)) {
      this.host.intr(this.source);
      return true;
    }
    this.starved = true;
    return false;
  }

  starve(): void {
    this.starved = true;
  }

  flush(): void {
    this.host.intr(this.source);
    this.host.flush();
  }

  writable(): void {
    this.host.intr(this.source);
  }

  link(up: boolean): void {
    this.ring?.setLink(up);
    this.host.intr(this.source);
  }

  log(level: number, message: string): void { this.host.log(level, message); }

  fail(error: unknown): void { this.host.fail(error); }

  /** Describe the piece list at `iov` in `frame`. 0 or -errno. */
  describe(vnet: number, iov: number, n: number): number {
    const { i32 } = this.host;
    const size = this.host.u8.length;
    if (n <= 0 || n > VIRTIF_IOV_MAX || ((vnet | iov) & 3) !== 0) return -EINVAL;
    if (vnet < 0 || vnet + VNET_HDR_SIZE > size || iov < 0 || iov + 8 * n > size) return -EFAULT;
    const { frame } = this;
    const first = iov >> 2;
    let length = 0;
    for (let i = first, end = first + 2 * n; i < end; i += 2) {
      const len = i32[i + 1]!;
      if (len < 0 || (i32[i]! >>> 0) + len > size) return -EFAULT;
      length += len;
    }
    if (length > FRAME_MAX) return -EMSGSIZE;
    frame.at = first;
    frame.n = n;
    frame.length = length;
    frame.h0 = i32[vnet >> 2]!;
    frame.h1 = i32[(vnet >> 2) + 1]!;
    frame.h2 = i32[(vnet >> 2) + 2]!;
    return 0;
  }
}

/** A station address for an interface that has none: locally administered, the unit in its last byte. */
function makeMac(host: HyperHost, unit: number): Uint8Array {
  const bytes = new Uint8Array(3);
  host.random.fill(bytes);
  return Uint8Array.of(0xb2, 0x0a, bytes[0]!, bytes[1]!, bytes[2]!, unit);
}

/** Write what virtif_create answers. */
function answer(host: HyperHost, info: number, unit: Unit): void {
  const { netdev } = unit;
  host.u8.fill(0, info, info + VIRTIF_INFO_SIZE);
  host.dv.setInt32(info + VIRTIF_INFO_CAPS, netdev.caps, true);
  host.dv.setInt32(info + VIRTIF_INFO_MTU, Math.min(Math.max(netdev.mtu ?? DEFAULT_MTU, MTU_MIN), MTU_MAX), true);
  host.dv.setInt32(info + VIRTIF_INFO_TSOMAX, 0, true);
  host.u8.set(netdev.mac ?? makeMac(host, unit.unit), info + VIRTIF_INFO_MAC);
}

/** All interfaces of one image. */
class Interfaces {
  private readonly wanted: Map<string, () => Netdev>;
  private readonly units: (Unit | undefined)[] = [];
  private keep = true;
  private booted = false;

  /** @throws RangeError for words that say no device */
  constructor(private readonly host: HyperHost) {
    this.wanted = interfacesOf(host.options.netdevs as Readonly<Record<string, unknown>> | undefined, host.params);
  }

  create(number: number, info: number): number {
    const { host } = this;
    if (info < 0 || info + VIRTIF_INFO_SIZE > host.u8.length) return -EFAULT;
    const make = this.wanted.get(`virt${number}`);
    if (make === undefined) return -ENXIO;
    if (this.units[number] !== undefined) return -EINVAL;
    try {
      const unit = new Unit(host, number, make());
      unit.netdev.open(unit);
      this.units[number] = unit;
      if (!this.keep) unit.netdev.unref?.();
      answer(host, info, unit);
      return 0;
    } catch (error) {
      if (!(error instanceof NetdevError) && !(error instanceof RangeError)) throw error;
      host.log(LOG_ERR, error.message);
      return error instanceof NetdevError ? -error.errno : -EINVAL;
    }
  }

  open(number: number, ring: number): number {
    const unit = this.units[number];
    if (unit === undefined || unit.ring !== null) return -EINVAL;
    try {
      unit.ring = new RxRing(this.host.u8, ring);
    } catch {
      return -EFAULT;
    }
    unit.netdev.start?.();
    return 0;
  }

  send(number: number, vnet: number, iov: number, n: number): number {
    const unit = this.units[number];
    if (unit === undefined) return -EIO;
    const e = unit.describe(vnet, iov, n);
    return e < 0 ? e : unit.netdev.send(unit.frame);
  }

  /** Netdevs that found no buffers are told when there are some. */
  afterRun(): void {
    if (!this.booted) this.complain();
    for (const unit of this.units) {
      if (unit === undefined || !unit.starved || unit.ring === null || unit.ring.room() === 0) continue;
      unit.starved = false;
      unit.netdev.room?.();
    }
  }

  async close(): Promise<void> {
    for (const unit of this.units.splice(0)) await unit?.netdev.close();
  }

  setRef(keep: boolean): void {
    this.keep = keep;
    for (const unit of this.units) {
      if (keep) unit?.netdev.ref?.();
      else unit?.netdev.unref?.();
    }
  }

  /** Devices that the image never asked for: it has fewer interfaces than that. */
  private complain(): void {
    this.booted = true;
    for (const name of this.wanted.keys()) {
      if (!this.units.some((unit) => unit?.name === name)) this.host.log(LOG_WARNING, `this image has no interface ${name} (tunable VIRTIF_MAXIF)`);
    }
  }
}

export function hypercalls(host: HyperHost): ComponentHost {
  const all = new Interfaces(host);
  return {
    imports: {
      virtif_create: (unit, info) => all.create(unit!, info!),
      virtif_open: (unit, ring) => all.open(unit!, ring!),
      virtif_send: (unit, vnet, iov, n) => all.send(unit!, vnet!, iov!, n!),
    },
    afterRun: () => all.afterRun(),
    close: () => all.close(),
    ref: () => all.setRef(true),
    unref: () => all.setRef(false),
  };
}
