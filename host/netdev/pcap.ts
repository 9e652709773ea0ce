/**
 * Captures: a decorator that writes what passes through a netdev, and a netdev that replays a file.
 *
 *      image ── PcapTap ── any netdev          pcap(tap({ name: 'tap0' }), 'out.pcap')
 *                  └▶ out.pcap                 replay('in.pcap')
 *
 * Frames are written as a wire would have them: checksums completed, segments cut (offload.ts), so that
 * tshark sees what a card would have sent. Times are the kernel's own, so that a capture of a simulation
 * is the same every time. What passes is not changed, nor copied but into the file; frames that a device
 * reads straight into the image's buffers are seen as it commits them.
 */
import { EINVAL } from '../../kernel/abi/errno';
import { errnoFromNode } from '../errtrans';
import { Frame, VNET_HDR_SIZE } from './frame';
import { type Netdev, NetdevError, type NetdevPort, type ReceiveRing } from './netdev';
import { wireFrames } from './offload';
import { type CapturedFrame, PcapError, PcapWriter, readPcap } from './pcapFile';
import { InnerPort, Wrapper } from './wrapper';

/** What was captured is in the file after this time at the latest. */
const FLUSH_MS = 100;

export class PcapTap extends Wrapper {
  private writer: PcapWriter | null = null;
  private timer: NodeJS.Timeout | null = null;

  /** @param file path, or a writer that others write to as well and the caller closes */
  constructor(inner: Netdev, private readonly file: string | PcapWriter) {
    super(inner);
  }

  /** Frames written so far. */
  get frames(): number { return this.writer?.frames ?? 0; }

  override open(port: NetdevPort): void {
    try {
      this.writer = typeof this.file === 'string' ? new PcapWriter(this.file) : this.file;
    } catch (error) {
      throw new NetdevError(`${port.name}: cannot write the capture ${String(this.file)}: ${(error as Error).message}`, errnoFromNode(error));
    }
    super.open(port);
  }

  override send(frame: Frame): number {
    const result = this.inner.send(frame);
    if (result === 0) this.capture(frame);
    return result;
  }

  override close(): void | Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (typeof this.file === 'string') this.writer?.close();
    else this.writer?.flush();
    return super.close();
  }

  /** Write `frame` as the wire has it. */
  capture(frame: Frame): void {
    if (this.writer === null || this.port === null) return;
    const now = this.port.clock.realtime();
    for (const bytes of wireFrames(frame)) this.writer.write(bytes, now);
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.writer?.flush();
    }, FLUSH_MS).unref();
  }

  protected override innerPort(port: NetdevPort): NetdevPort {
    return new CapturingPort(port, this);
  }
}

class CapturingPort extends InnerPort {
  private ring: CapturingRing | null = null;

  constructor(outer: NetdevPort, private readonly tap: PcapTap) {
    super(outer);
  }

  override get rx(): ReceiveRing | null {
    const { rx } = this.outer;
    if (rx === null) return null;
    if (this.ring?.inner !== rx) this.ring = new CapturingRing(rx, this.tap);
    return this.ring;
  }

  override receive(frame: Frame): boolean {
    if (!this.outer.receive(frame)) return false;
    this.tap.capture(frame);
    return true;
  }
}

/** The image's buffers, looked at when a frame is complete in them. */
class CapturingRing implements ReceiveRing {
  private readonly frame = new Frame();
  private readonly header: DataView<ArrayBuffer>;

  constructor(readonly inner: ReceiveRing, private readonly tap: PcapTap) {
    this.frame.u8 = inner.u8;
    this.header = new DataView(inner.u8.buffer, inner.u8.byteOffset, inner.u8.byteLength);
  }

  get u8(): Uint8Array<ArrayBuffer> { return this.inner.u8; }

  room(): number { return this.inner.room(); }

  addressOf(i: number): number { return this.inner.addressOf(i); }

  sizeOf(i: number): number { return this.inner.sizeOf(i); }

  headerAddress(): number { return this.inner.headerAddress(); }

  commit(length: number): void {
    const pieces: number[] = [];
    for (let i = 0, left = length; left > 0; i++) {
      const size = Math.min(this.inner.sizeOf(i), left);
      pieces.push(this.inner.addressOf(i), size);
      left -= size;
    }
    const { frame, header } = this;
    const at = this.inner.headerAddress();
    frame.words = Int32Array.from(pieces);
    frame.n = pieces.length / 2;
    frame.length = length;
    frame.h0 = header.getInt32(at, true);
    frame.h1 = header.getInt32(at + 4, true);
    frame.h2 = header.getInt32(at + VNET_HDR_SIZE - 4, true);
    this.tap.capture(frame);
    this.inner.commit(length);
  }
}

/** Write what passes through `inner` to `file`. */
export function pcap(inner: Netdev, file: string | PcapWriter): PcapTap {
  return new PcapTap(inner, file);
}

export interface ReplayOptions {
  /** 'recorded' (default): at the distances of the file; 'fast': as the image takes them. */
  pace?: 'recorded' | 'fast';
  mac?: Uint8Array | undefined;
  mtu?: number | undefined;
}

/** A netdev from which the frames of a file come; what the image sends goes nowhere. */
export class Replay implements Netdev {
  readonly label: string;
  readonly caps = 0;
  readonly mac: Uint8Array | undefined;
  readonly mtu: number | undefined;
  /** Frames delivered, and frames that the image has sent meanwhile. */
  delivered = 0;
  sent = 0;
  private frames: CapturedFrame[] = [];
  private port: NetdevPort | null = null;
  private startUs = 0;
  private cancel: (() => void) | null = null;

  constructor(private readonly path: string, private readonly options: ReplayOptions = {}) {
    this.label = `replay ${path}`;
    this.mac = options.mac;
    this.mtu = options.mtu;
  }

  /** Has everything been delivered? */
  get isDone(): boolean { return this.delivered === this.frames.length; }

  open(port: NetdevPort): void {
    this.port = port;
    try {
      this.frames = readPcap(this.path);
    } catch (error) {
      const errno = error instanceof PcapError ? EINVAL : errnoFromNode(error);
      throw new NetdevError(`${port.name}: cannot replay: ${(error as Error).message}`, errno);
    }
  }

  start(): void {
    this.startUs = this.port!.clock.monotonic();
    this.cancel = this.port!.timers.after(0, () => this.go());
  }

  send(): number {
    this.sent++;
    return 0;
  }

  room(): void {
    if (this.cancel === null) this.go();
  }

  close(): void {
    this.cancel?.();
    this.cancel = null;
    this.port = null;
  }

  /** Deliver what is due, then wait for the next frame's time (or for room). */
  private go(): void {
    this.cancel = null;
    const { port, frames } = this;
    if (port === null) return;
    while (this.delivered < frames.length) {
      const next = frames[this.delivered]!;
      const waitUs = this.options.pace === 'fast' ? 0
        : this.startUs + (next.timeUs - frames[0]!.timeUs) - port.clock.monotonic();
      if (waitUs >= 1) {
        this.cancel = port.timers.after(waitUs, () => this.go());
        return;
      }
      if (!port.receive(Frame.of(next.bytes))) return;
      this.delivered++;
    }
  }
}

/** Replay the Ethernet frames of a pcap or pcapng file. */
export function replay(path: string, options: ReplayOptions = {}): Replay {
  return new Replay(path, options);
}
