/**
 * A bad link, on purpose: loss, duplication, reordering, corruption, congestion marks, delay and a rate limit, seeded.
 *
 *      frame ─▶ lost? ─▶ duplicated? ─▶ a bit flipped? ─▶ rate (a queue) ─▶ delay + jitter, or held back ─▶
 *
 * Both directions are treated alike, each with its own stream of chances drawn from the seed, so that
 * what happens to the n-th frame of one direction does not depend on the other. Time is the kernel's:
 * under a virtual clock the same seed gives the same run, to the microsecond. Frames are as on a wire
 * (the device offers no offloads): a loss is the loss of one segment, a flipped bit meets a checksum.
 *
 * Reordering holds a frame back until later ones have passed it: for a few frame times, or at most
 * holdUs. A flipped bit lies behind the addresses, so that the frame still arrives.
 */
import { EAGAIN, EINVAL } from '../../kernel/abi/errno';
import { IFCAP_SG } from '../../kernel/abi/if';
import { seededEntropy } from '../determinism';
import { ETHER_HDR_LEN, Frame } from './frame';
import { FrameQueue } from './frameQueue';
import type { Netdev, NetdevPort, ReceiveRing } from './netdev';
import { ETHERTYPE_IP, ETHERTYPE_IPV6, wireFrames } from './offload';
import { InnerPort, Wrapper } from './wrapper';

export interface Faults {
  /** Probabilities per frame, 0 to 1. */
  loss?: number;
  duplicate?: number;
  reorder?: number;
  corrupt?: number;
  /** Of an ECN-capable packet to be marked with congestion (RFC 3168 §5). */
  ce?: number;
  /** Every frame takes this long, µs … */
  delayUs?: number;
  /** … and up to this much longer, evenly distributed, without changing the order. */
  jitterUs?: number;
  /** How long a frame is held back by reordering, µs; default 1000. */
  holdUs?: number;
  /** Bytes a second; frames wait their turn. */
  rate?: number;
  /** Bytes that may wait for their turn; more is dropped. Default 1 MiB. */
  queueBytes?: number;
  /** Where the chances come from; default 1. */
  seed?: number | bigint | string;
}

export interface FaultCounters {
  frames: number;
  lost: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  marked: number;
  /** Dropped because a queue was full. */
  overflowed: number;
}

/** Set Congestion Experienced in an IPv4 or IPv6 packet that is ECN-capable and not marked yet: whether it was one. */
function markCongestion(bytes: Uint8Array): boolean {
  const ip = bytes.subarray(ETHER_HDR_LEN);
  const type = bytes[12]! << 8 | bytes[13]!;
  if (type === ETHERTYPE_IP && ip.length >= 20) {
    const tos = ip[1]!;
    if ((tos & 3) === 0 || (tos & 3) === 3) return false;
    ip[1] = tos | 3;
    // RFC 1624: the checksum follows the change of one word.
    const sum = (~(ip[10]! << 8 | ip[11]!) & 0xffff) + (ip[1] - tos);
    const checksum = ~((sum & 0xffff) + (sum >>> 16));
    ip[10] = checksum >> 8 & 0xff;
    ip[11] = checksum & 0xff;
    return true;
  }
  if (type !== ETHERTYPE_IPV6 || ip.length < 40) return false;
  const ecn = ip[1]! >> 4 & 3;
  if (ecn === 0 || ecn === 3) return false;
  ip[1] = ip[1]! | 0x30;
  return true;
}

/** The faults of one direction. */
class Line {
  readonly counters: FaultCounters = { frames: 0, lost: 0, duplicated: 0, reordered: 0, corrupted: 0, marked: 0, overflowed: 0 };
  private readonly random: { next(): number };
  /** Marks have chances of their own, so that what else happens to a seed stays. */
  private readonly marks: { next(): number };
  /** When the line is free, and when the last frame in order arrives: µs, monotonic. */
  private freeUs = 0;
  private lastUs = 0;
  private closed = false;

  constructor(private readonly faults: Faults, direction: string, private readonly out: (frame: Frame) => void) {
    this.random = seededEntropy(`${faults.seed ?? 1}/${direction}`);
    this.marks = seededEntropy(`${faults.seed ?? 1}/${direction}/ce`);
  }

  /** Take one frame as a wire has it; `bytes` becomes the line's own. */
  put(bytes: Uint8Array<ArrayBuffer>, port: NetdevPort): void {
    const { faults, counters } = this;
    counters.frames++;
    // Every frame draws the same number of chances, so that one knob does not shift the others.
    const lost = this.chance(faults.loss);
    const twice = this.chance(faults.duplicate);
    const flipped = this.chance(faults.corrupt);
    const late = this.chance(faults.reorder);
    const bit = this.random.next();
    const jitter = Math.floor(this.random.next() / 0x100000000 * (faults.jitterUs ?? 0));
    if (lost) {
      counters.lost++;
      return;
    }
    if (this.marks.next() < (faults.ce ?? 0) * 0x100000000 && markCongestion(bytes)) counters.marked++;
    if (flipped && bytes.length > ETHER_HDR_LEN) {
      counters.corrupted++;
      const at = ETHER_HDR_LEN + (bit >>> 3) % (bytes.length - ETHER_HDR_LEN);
      bytes[at]! ^= 1 << (bit & 7);
    }
    if (late) counters.reordered++;
    if (twice) counters.duplicated++;
    for (let n = twice ? 2 : 1; n > 0; n--) this.schedule(bytes, jitter, late, port);
  }

  stop(): void {
    this.closed = true;
  }

  private chance(probability = 0): boolean {
    return this.random.next() < probability * 0x100000000;
  }

  private schedule(bytes: Uint8Array, jitter: number, late: boolean, port: NetdevPort): void {
    const { faults } = this;
    const now = port.clock.monotonic();
    let at = now;
    if (faults.rate !== undefined) {
      const start = Math.max(now, this.freeUs);
      if ((start - now) * faults.rate / 1e6 > (faults.queueBytes ?? 1 << 20)) {
        this.counters.overflowed++;
        return;
      }
      this.freeUs = start + bytes.length * 1e6 / faults.rate;
      at = this.freeUs;
    }
    at += (faults.delayUs ?? 0) + jitter;
    if (late) at += faults.holdUs ?? 1000;
    else this.lastUs = at = Math.max(at, this.lastUs);
    const arrive = (): void => { if (!this.closed) this.out(Frame.of(bytes)); };
    if (at <= now) arrive();
    else port.timers.after(at - now, arrive);
  }
}

export class FaultyNetdev extends Wrapper {
  private readonly outgoing: Line;
  private readonly incoming: Line;
  /** Frames for which the inner device, or the image, has no room at the moment. */
  private readonly unsent = new FrameQueue();
  private readonly unread = new FrameQueue();

  constructor(inner: Netdev, faults: Faults) {
    super(inner);
    for (const key of ['loss', 'duplicate', 'reorder', 'corrupt', 'ce'] as const) {
      const value = faults[key] ?? 0;
      if (!(value >= 0 && value <= 1)) throw new RangeError(`fault: ${key} ${value} is not a probability from 0 to 1`);
    }
    for (const key of ['delayUs', 'jitterUs', 'holdUs', 'queueBytes'] as const) {
      if (!((faults[key] ?? 0) >= 0)) throw new RangeError(`fault: ${key} ${faults[key]} is not a time or size`);
    }
    if (faults.rate !== undefined && !(faults.rate > 0)) throw new RangeError(`fault: a rate of ${faults.rate} bytes a second`);
    this.outgoing = new Line(faults, 'out', (frame) => this.sendOn(frame));
    this.incoming = new Line(faults, 'in', (frame) => this.deliver(frame));
  }

  /** What has happened to frames from the image, and to it. */
  get counters(): { outgoing: FaultCounters; incoming: FaultCounters } {
    return { outgoing: this.outgoing.counters, incoming: this.incoming.counters };
  }

  override get caps(): number { return IFCAP_SG; }

  override send(frame: Frame): number {
    if (this.port === null || frame.length < ETHER_HDR_LEN) return -EINVAL;
    for (const bytes of wireFrames(frame)) this.outgoing.put(bytes, this.port);
    return 0;
  }

  override room(): void {
    for (let frame = this.unread.peek(); frame !== undefined; frame = this.unread.peek()) {
      if (this.port === null || !this.port.receive(frame)) return;
      this.unread.shift();
    }
    this.inner.room?.();
  }

  override close(): void | Promise<void> {
    this.outgoing.stop();
    this.incoming.stop();
    return super.close();
  }

  /** The inner device takes frames again. */
  resume(): void {
    for (let frame = this.unsent.peek(); frame !== undefined; frame = this.unsent.peek()) {
      if (this.inner.send(frame) === -EAGAIN) return;
      this.unsent.shift();
    }
  }

  /** A frame comes from the inner device. */
  take(frame: Frame): void {
    if (this.port === null) return;
    for (const bytes of wireFrames(frame)) this.incoming.put(bytes, this.port);
  }

  protected override innerPort(port: NetdevPort): NetdevPort {
    return new FaultyPort(port, this);
  }

  private sendOn(frame: Frame): void {
    if (this.unsent.length > 0 || this.inner.send(frame) === -EAGAIN) {
      if (!this.unsent.push(frame)) this.outgoing.counters.overflowed++;
    }
  }

  private deliver(frame: Frame): void {
    if (this.port === null) return;
    if (this.unread.length > 0 || !this.port.receive(frame)) {
      if (!this.unread.push(frame)) this.incoming.counters.overflowed++;
    }
  }
}

class FaultyPort extends InnerPort {
  constructor(outer: NetdevPort, private readonly link_: FaultyNetdev) {
    super(outer);
  }

  override get accepts(): number { return 0; }
  override get rx(): ReceiveRing | null { return null; }

  override receive(frame: Frame): boolean {
    this.link_.take(frame);
    return true;
  }

  override writable(): void {
    this.link_.resume();
  }
}

/** Put `faults` on the line between an interface and `inner`. */
export function fault(inner: Netdev, faults: Faults): FaultyNetdev {
  return new FaultyNetdev(inner, faults);
}
