/**
 * tap: an interface of an image as an Ethernet interface of a Linux host.
 *
 *      image ⇄ virtif ⇄ TapNetdev ⇄ /dev/net/tun ⇄ tap0 ⇄ the host's stack, bridges, other machines
 *
 * Frames carry virtio-net headers, so checksums and segmentation are left to the host's stack in both
 * directions: up to 64 KiB go in one system call. At most BATCH frames are read before the image has its
 * turn; one run of the image a batch. `spinUs` stays in that loop for a while after the last frame, which
 * costs a processor and brings the round trip down to the kernel's own.
 */
import { IFCAP_CSUM_RX, IFCAP_CSUM_TX, IFCAP_LRO, IFCAP_SG, IFCAP_TSO4, IFCAP_TSO6, IFNAMSIZ } from '../../kernel/abi/if';
import { ENETDOWN } from '../../kernel/abi/errno';
import { LOG_DEBUG, LOG_ERR } from '../../kernel/abi/rump';
import { errnoFromLinux, errnoText } from '../errtrans';
import { koffi, nativeMissing } from '../native/koffi';
import { type Frame, FRAME_MAX } from './frame';
import { type Netdev, type NetdevPort, type ReceiveRing } from './netdev';
import { configureHelper, findInterpreter, HelperTap } from './tapHelper';
import { FRAME_OVERHEAD, ScratchRing, type TapIo } from './tapIo';
import { configureNative, NativeTap } from './tapNative';
import {
  closeQuietly, isInterfaceName, mtuOf, noIoctl, openTun, refused, TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6,
} from './tapSetup';

/** Frames read before the image runs. */
const BATCH = 64;
/** Longest stay in the spinning loop, µs: the program's own timers and sockets must have their turn. */
const SPIN_MAX_US = 1000;

export interface TapOptions {
  /** Name of the interface on the host; made if there is none. 'tap%d' takes the next free number. Default 'tap%d'. */
  name?: string;
  /** Station address of the image's end. */
  mac?: Uint8Array | undefined;
  /** MTU of the image's end; that of the host's interface without. */
  mtu?: number | undefined;
  /** False: no checksums or segments are left to the other side. */
  offload?: boolean;
  /** Look for frames for this long after the last one, before waiting for the event loop. */
  spinUs?: number;
  /** How to make system calls: by koffi ('native'), by a child process, or whichever works. */
  io?: TapIoKind;
}

/** 'helper' is perl or python3, whichever is there. */
export type TapIoKind = 'native' | 'helper' | 'perl' | 'python3';
export const tapIoKinds: readonly TapIoKind[] = ['native', 'helper', 'perl', 'python3'];

const noop = (): void => {};

export class TapNetdev implements Netdev {
  caps = 0;
  readonly mac: Uint8Array | undefined;
  mtu: number | undefined;
  /** Name of the host's interface, once it is open. */
  name: string;
  private io: TapIo | null = null;
  private port: NetdevPort | null = null;
  private scratch: ScratchRing | null = null;
  private frameMax = FRAME_MAX;
  private keep = true;
  private readonly spinUs: number;

  constructor(private readonly options: TapOptions = {}) {
    this.name = options.name ?? 'tap%d';
    if (!isInterfaceName(this.name)) throw new RangeError(`tap: ${JSON.stringify(this.name)} is not the name of an interface (up to ${IFNAMSIZ - 1} characters)`);
    this.mac = options.mac;
    this.spinUs = options.spinUs ?? 0;
  }

  get label(): string { return `tap ${this.name}`; }

  open(port: NetdevPort): void {
    this.port = port;
    const offload = this.options.offload !== false && (port.accepts & IFCAP_CSUM_RX) !== 0;
    const lro = offload && (port.accepts & IFCAP_LRO) !== 0;
    const flags = (offload ? TUN_F_CSUM : 0) | (lro ? TUN_F_TSO4 | TUN_F_TSO6 : 0);
    const fd = openTun(port.name, this.name);
    try {
      this.io = this.configure(fd, flags, port);
    } catch (error) {
      closeQuietly(fd);
      throw error;
    }
    this.mtu = this.options.mtu ?? mtuOf(this.name);
    this.frameMax = lro ? FRAME_MAX : (this.mtu ?? 1500) + FRAME_OVERHEAD;
    this.caps = IFCAP_SG | (offload ? IFCAP_CSUM_TX | IFCAP_CSUM_RX | IFCAP_TSO4 | IFCAP_TSO6 : 0) | (lro ? IFCAP_LRO : 0);
  }

  start(): void {
    const { io, port } = this;
    if (io === null || port === null) return;
    if (port.rx === null) this.scratch = new ScratchRing(port);
    else if (io instanceof NativeTap) io.setMemory(port.rx.u8);
    io.watch(() => this.turn(), () => port.writable());
    if (!this.keep) io.unref();
  }

  send(frame: Frame): number {
    return this.io === null ? -ENETDOWN : this.io.write(frame);
  }

  room(): void {
    this.io?.resume();
  }

  close(): void {
    this.io?.close();
    this.io = null;
    this.port = null;
  }

  ref(): void {
    this.keep = true;
    this.io?.ref();
  }

  unref(): void {
    this.keep = false;
    this.io?.unref();
  }

  private configure(fd: number, offload: number, port: NetdevPort): TapIo {
    const { io: kind = 'native' } = this.options;
    const missing = kind === 'native' ? whyNoKoffi() : 'another way was asked for';
    let result: string | number;
    let io: TapIo;
    if (missing === undefined) {
      result = configureNative(fd, this.name, offload);
      io = new NativeTap(fd);
    } else {
      const interpreter = this.options.io === 'native' ? null : findInterpreter(kind === 'perl' || kind === 'python3' ? kind : undefined);
      if (interpreter === null) throw noIoctl(port.name, this.name, missing);
      port.log(LOG_DEBUG, `${port.name}: ${missing}; using ${interpreter.command}`);
      result = configureHelper(interpreter, fd, this.name, offload);
      io = new HelperTap(interpreter, fd);
    }
    if (typeof result === 'number') throw refused(port.name, this.name, -result);
    this.name = result;
    return io;
  }

  /** There is something to read. Called by native code: nothing may be thrown through it. */
  private turn(): void {
    const { port, io } = this;
    if (port === null || io === null) return;
    try {
      const began = this.spinUs > 0 ? port.clock.monotonic() : 0;
      let last = began;
      for (;;) {
        if (this.batch(port, io) !== 0) {
          if (this.spinUs === 0) break;
          last = port.clock.monotonic();
        } else if (this.spinUs === 0) break;
        const now = port.clock.monotonic();
        if (this.io === null || now - last >= this.spinUs || now - began >= SPIN_MAX_US) break;
      }
      // A native callback does not run what it queued with nextTick or promises; an immediate does.
      setImmediate(noop);
    } catch (error) {
      port.fail(error);
    }
  }

  /** One batch of frames and, if there were any, a run of the image. @returns frames */
  private batch(port: NetdevPort, io: TapIo): number {
    const rx: ReceiveRing = port.rx ?? this.scratch!;
    const n = io.read(rx, BATCH, this.frameMax);
    const frames = n < 0 ? -1 - n : n;
    if (n < 0) {
      port.starve();
      io.pause();
    }
    if (io.gone !== null) this.lost(port, io.gone);
    if (n !== 0) port.flush();
    return frames;
  }

  /** Somebody deleted the host's interface, or the helper died: as if the cable had been cut. */
  private lost(port: NetdevPort, why: string | number): void {
    this.io?.close();
    this.io = null;
    const words = typeof why === 'string' ? why : errnoText(errnoFromLinux(why));
    port.log(LOG_ERR, `${port.name}: TAP device ${this.name} is gone: ${words}`);
    port.link(false);
  }
}

/** Why koffi is not to be had, or undefined. */
function whyNoKoffi(): string | undefined {
  const missing = nativeMissing();
  if (missing !== undefined) return missing;
  try {
    koffi();
    return undefined;
  } catch (error) {
    return `koffi: ${(error as Error).message}`;
  }
}

/** A TAP device of Linux, for boot({ netdevs }). */
export function tap(options: TapOptions = {}): TapNetdev {
  return new TapNetdev(options);
}
