/**
 * shmif: an Ethernet of worker threads, each with instances of its own, over a bus in shared memory.
 *
 *      thread 1: image ⇄ ShmNetdev ─┐
 *      thread 2: image ⇄ ShmNetdev ─┼─ SharedArrayBuffer (shmBus.ts)      createBus() ─ postMessage ─▶
 *      main:     image ⇄ ShmNetdev ─┘
 *
 * Every frame is on the bus for all, as on a coaxial cable; what is known to be for somebody else (its
 * destination has been heard as another's source) is not copied in. A reader that is too slow loses
 * frames and counts them. Waiting is Atomics.waitAsync, so nobody polls: a wake-up takes 25 to 55 µs.
 */
import { EINVAL } from '../../kernel/abi/errno';
import { IFCAP_CSUM_RX, IFCAP_CSUM_TX, IFCAP_LRO, IFCAP_SG, IFCAP_TSO4, IFCAP_TSO6 } from '../../kernel/abi/if';
import { ETHER_HDR_LEN, Frame, FRAME_MAX, macNumber } from './frame';
import { FrameQueue } from './frameQueue';
import type { Netdev, NetdevCounters, NetdevPort } from './netdev';
import { fits, wireFrames } from './offload';
import { BusPort } from './shmBus';

const SHM_CAPS = IFCAP_CSUM_TX | IFCAP_CSUM_RX | IFCAP_TSO4 | IFCAP_TSO6 | IFCAP_LRO | IFCAP_SG;
/** Addresses of others that are remembered. */
const TABLE_MAX = 4096;
/** Frames read before the image has its turn. */
const BATCH = 64;
/** A timer of this length stands for "the process is to stay", which waitAsync does not. */
const KEEP_MS = 2 ** 31 - 1;

export interface ShmOptions {
  /** False: no checksums or segments are left to others. */
  offload?: boolean;
  mac?: Uint8Array | undefined;
  mtu?: number | undefined;
}

const noop = (): void => {};

export class ShmNetdev implements Netdev {
  readonly label = 'shmif';
  readonly caps: number;
  readonly mac: Uint8Array | undefined;
  readonly mtu: number | undefined;
  readonly counters: NetdevCounters = { sent: 0, delivered: 0, dropped: 0 };
  private bus: BusPort | null = null;
  private port: NetdevPort | null = null;
  private keeper: NodeJS.Timeout | null = null;
  private keep = true;
  private full = false;
  /** Source addresses of frames from the bus. */
  private readonly others = new Set<number>();
  /** Source of the frame sent last. */
  private ours = -1;
  /** Segments of a frame that was taken from the bus, which the image has no room for yet. */
  private readonly pieces = new FrameQueue();

  constructor(private readonly memory: SharedArrayBuffer, options: ShmOptions = {}) {
    this.caps = options.offload === false ? IFCAP_SG : SHM_CAPS;
    this.mac = options.mac;
    this.mtu = options.mtu;
  }

  /** Times that the image was too slow, and frames were lost on it. */
  get overruns(): number { return this.bus?.overruns ?? 0; }

  open(port: NetdevPort): void {
    this.port = port;
    this.bus = new BusPort(this.memory);
  }

  start(): void {
    if (this.keep) this.ref();
    void this.listen();
  }

  send(frame: Frame): number {
    if (this.bus === null || frame.length < ETHER_HDR_LEN || frame.length > FRAME_MAX) return -EINVAL;
    this.counters.sent++;
    this.remember(frame);
    this.bus.write(frame, this.port!.clock.realtime());
    return 0;
  }

  room(): void {
    this.full = false;
    this.drain();
  }

  close(): void {
    const { bus } = this;
    this.port = null;
    this.bus = null;
    this.unref();
    bus?.nudge();
  }

  ref(): void {
    this.keep = true;
    if (this.port !== null) this.keeper ??= setInterval(noop, KEEP_MS);
  }

  unref(): void {
    this.keep = false;
    if (this.keeper !== null) clearInterval(this.keeper);
    this.keeper = null;
  }

  private async listen(): Promise<void> {
    for (let bus = this.bus; bus !== null; bus = this.bus) {
      const seen = bus.sequence();
      if (!this.full && this.drain()) await new Promise(setImmediate);
      else await bus.wait(seen);
    }
  }

  /** One batch of frames from the bus. @returns whether there may be more */
  private drain(): boolean {
    const { bus, port } = this;
    if (bus === null || port === null) return false;
    let n = 0;
    while (n < BATCH && this.deliverPieces(port) && bus.read((frame) => this.take(frame, port))) n++;
    if (n > 0) port.flush();
    return n === BATCH;
  }

  /** A frame is on the bus: false leaves it there. */
  private take(frame: Frame, port: NetdevPort): boolean {
    if (!this.isForUs(frame)) return true;
    const accepts = this.caps & port.accepts;
    if (!fits(frame, accepts)) {
      for (const bytes of wireFrames(frame)) if (!this.pieces.push(Frame.of(bytes))) this.counters.dropped++;
      return true;
    }
    if (port.receive(frame)) this.counters.delivered++;
    else this.full = true;
    return !this.full;
  }

  private deliverPieces(port: NetdevPort): boolean {
    for (let frame = this.pieces.peek(); frame !== undefined; frame = this.pieces.peek()) {
      if (!port.receive(frame)) {
        this.full = true;
        return false;
      }
      this.pieces.shift();
      this.counters.delivered++;
    }
    return true;
  }

  /** What we send as is not another's (any more). */
  private remember(frame: Frame): void {
    const at = frame.words[frame.at]! >>> 0;
    if (frame.words[frame.at + 1]! < ETHER_HDR_LEN) return;
    const source = macNumber(frame.u8, at + 6);
    if (source === this.ours) return;
    this.ours = source;
    this.others.delete(source);
  }

  /** Learn whose frame it is; false if it is for another of those heard here. */
  private isForUs({ u8, words, at }: Frame): boolean {
    const p = words[at]!;
    const source = macNumber(u8, p + 6);
    if (!this.others.has(source)) {
      if (this.others.size >= TABLE_MAX) this.others.clear();
      this.others.add(source);
      if (source === this.ours) this.ours = -1;
    }
    return (u8[p]! & 1) !== 0 || !this.others.has(macNumber(u8, p));
  }
}

const buses = new Map<string, SharedArrayBuffer>();

/** Give a bus a name in this thread, for specifications such as shm=NAME. */
export function registerBus(name: string, bus: SharedArrayBuffer): void {
  buses.set(name, bus);
}

/** The bus registered as `name`. @throws RangeError */
export function busNamed(name: string): SharedArrayBuffer {
  const bus = buses.get(name);
  if (bus === undefined) throw new RangeError(`shm=${name}: no bus of that name in this thread (registerBus)`);
  return bus;
}

/**
 * An interface on a bus, for boot({ netdevs }).
 * @param bus of createBus(), or the name that it was registered by in this thread
 */
export function shmif(bus: SharedArrayBuffer | string, options: ShmOptions = {}): ShmNetdev {
  return new ShmNetdev(typeof bus === 'string' ? busNamed(bus) : bus, options);
}
