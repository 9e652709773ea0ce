/**
 * A router between two hubs, on a virtual clock, with the test itself as the host on either side.
 *
 *      10.0.0.200 ── hub ── virt0 10.0.0.1 [ROUTER] 10.0.1.1 virt1 ── hub ── 10.0.1.200
 *                                                                             (and 10.0.1.201, a gateway)
 *
 * Frames are as on a wire (no offloads) unless asked otherwise. Both stations answer ARP; what else they
 * receive is kept.
 */
import assert from 'node:assert/strict';
import { boot, type BootOptions, type Kernel } from '../../host/index';
import { checksum } from '../../host/api/icmp';
import { seededEntropy, virtualClock, type VirtualClock } from '../../host/determinism';
import type { Frame } from '../../host/netdev/frame';
import { hub, Hub, type HubEndpoint } from '../../host/netdev/hub';
import { IFCAP_CSUM_RX, IFCAP_LRO } from '../../kernel/abi/if';
import { stat } from '../net/lab';
import { arpAnswer, ipFrame, ipOf, udp, type Packet, type Seen } from '../net/packets';

export const LEFT = '10.0.0.200';
export const RIGHT = '10.0.1.200';
export const GATEWAY = '10.0.1.201';
/** Gateway on the left, for redirects. */
export const LEFT_GATEWAY = '10.0.0.201';
const MACS = ['b2:00:00:00:01:00', 'b2:00:00:00:01:01'] as const;

export interface RouterOptions {
  params?: BootOptions['params'];
  /** MTU of virt1. */
  mtu?: number;
  /** Offloads on virt0 and virt1. */
  offload?: [boolean, boolean];
  routes?: string[];
}

/** One side: a hub, and the station on it. */
export class Side {
  readonly hub: Hub;
  readonly endpoint: HubEndpoint;
  /** IPv4 packets that came by, and all frames as they came. */
  seen: Seen[] = [];
  frames: Frame[] = [];
  readonly mac: string;

  constructor(private readonly router: () => Router, readonly index: number, addresses: readonly string[]) {
    this.hub = new Hub(`side ${index}`);
    this.mac = MACS[index]!;
    this.endpoint = this.hub.endpoint((frame) => {
      for (const address of addresses) {
        const answer = arpAnswer(frame, address);
        if (answer !== null) this.endpoint.send(answer);
      }
      this.frames.push(frame.copy());
      this.seen.push(...ipOf(frame));
    }, IFCAP_CSUM_RX | IFCAP_LRO);
  }

  /** Send a packet to the router; `to` its frame's destination. */
  send(packet: Packet, to = this.mac): void {
    this.raw(ipFrame(to, packet));
  }

  raw(frame: Uint8Array | Frame): void {
    this.endpoint.send(frame);
    this.router().settle();
  }

  /** What has come since the last time. */
  take(): Seen[] {
    return this.seen.splice(0);
  }
}

export class Router {
  readonly clock: VirtualClock = virtualClock();
  kernel!: Kernel;
  readonly left = new Side(() => this, 0, [LEFT, LEFT_GATEWAY]);
  readonly right = new Side(() => this, 1, [RIGHT, GATEWAY]);

  static async make(options: RouterOptions = {}): Promise<Router> {
    const router = new Router();
    const [l = false, r = false] = options.offload ?? [];
    const mac = (i: number): Uint8Array => Uint8Array.from(MACS[i]!.split(':'), (hex) => parseInt(hex, 16));
    router.kernel = await boot('ROUTER', {
      netdevs: {
        virt0: hub(router.left.hub, { offload: l, mac: mac(0) }),
        virt1: hub(router.right.hub, { offload: r, mac: mac(1), ...(options.mtu === undefined ? {} : { mtu: options.mtu }) }),
      },
      params: {
        'net.virt0': 'inet,static,10.0.0.1/24', 'net.virt1': 'inet,static,10.0.1.1/24',
        ...Object.fromEntries((options.routes ?? []).map((route, i) => [`route.${i}`, route])), ...options.params,
      },
      manual: true, clock: router.clock, logLevel: 'err', random: seededEntropy('router'),
    });
    router.pass(10_000_000);
    // Both stations are known before anything is measured.
    for (const [side, other] of [[router.left, RIGHT], [router.right, LEFT]] as const) side.send(datagram({ src: other === RIGHT ? LEFT : RIGHT, dst: other }));
    router.pass(2_000_000);
    router.forget();
    return router;
  }

  forget(): void {
    for (const side of [this.left, this.right]) {
      side.take();
      side.frames = [];
    }
  }

  settle(): void {
    while (this.kernel.pump.isPending) this.kernel.run();
  }

  /** Let `us` of virtual time pass. */
  pass(us: number): void {
    const end = this.clock.monotonic() + us;
    this.settle();
    while (this.clock.monotonic() < end) {
      const at = this.kernel.pump.deadlineUs;
      this.clock.advanceTo(at < 0 ? end : Math.max(this.clock.monotonic(), Math.min(at, end)));
      this.kernel.run();
      this.settle();
      if (at >= 0 && at <= this.clock.monotonic() && this.kernel.pump.deadlineUs === at) break;
    }
    this.clock.advanceTo(end);
  }

  ip(name: string): number { return stat(this.kernel, 'net.inet.ip.stats', name); }
  icmp(name: string): number { return stat(this.kernel, 'net.inet.icmp.stats', name); }

  async close(): Promise<void> {
    await this.kernel.close();
  }
}

/** A UDP datagram from left to right. */
export function datagram(packet: Partial<Packet> & { size?: number } = {}): Packet {
  return { src: LEFT, dst: RIGHT, proto: 17, payload: udp(4000, 5000, Buffer.alloc(packet.size ?? 32, 0x5a)), ...packet };
}

export interface IcmpSeen {
  src: string;
  dst: string;
  type: number;
  code: number;
  /** Bytes 4 to 7: MTU, pointer, gateway. */
  rest: Buffer;
  quote: Buffer;
  tos: number;
}

/** The ICMP messages among `seen`, their checksums verified. */
export function icmpOf(seen: readonly Seen[]): IcmpSeen[] {
  return seen.filter((p) => p.proto === 1).map((p) => {
    const b = Buffer.from(p.payload);
    assert.equal(checksum(b), 0, 'the checksum of an ICMP message');
    return { src: p.src, dst: p.dst, type: b[0]!, code: b[1]!, rest: b.subarray(4, 8), quote: b.subarray(8), tos: p.tos ?? 0 };
  });
}

/** The one ICMP message that the left side got. */
export function theError(side: Side): IcmpSeen {
  const all = icmpOf(side.take());
  assert.equal(all.length, 1, `ICMP messages: ${JSON.stringify(all.map(({ type, code }) => [type, code]))}`);
  return all[0]!;
}
