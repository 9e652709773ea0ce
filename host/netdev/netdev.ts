/**
 * What stands behind an interface of an image: the one interface of all network devices of the host.
 *
 *      image ── virtif.hyper ──▶ virtif.user ── send(frame) ──▶ Netdev      tap, hub, shmif, qemu …
 *        ▲                           │
 *        └─ receive ring, interrupt ─┴◀── port.receive(frame) ──┘           pcap and fault wrap another
 *
 * Frames go out by reference (frame.ts) and come in by one copy, or by none: a device that can read
 * straight into the image's buffers (tap) uses port.rx. What a device can leave to others, or others to
 * it, is said in IFCAP_* bits (kernel/abi/if.ts): `caps` of a device is what its send() takes and what
 * it may deliver, `accepts` of a port what its receive() takes. Whoever cannot, is given frames that
 * are finished (offload.ts).
 *
 * Nothing here blocks. send() is called from within the image: it must not call back into it, and says
 * -EAGAIN when the device is full, to be followed by port.writable().
 */
import type { Clock, Entropy } from '../determinism';
import type { Frame } from './frame';
import type { Timers } from './timers';

/** A device cannot be had; the message says why in one line, and what to do. */
export class NetdevError extends Error {
  override readonly name = 'NetdevError';
  /** NetBSD's number, positive: what the image is told. */
  readonly errno: number;

  constructor(message: string, errno: number) {
    super(message);
    this.errno = errno;
  }
}

export interface Netdev {
  /** For messages: "tap0", "hub lan". */
  readonly label: string;
  /** IFCAP_* bits; valid once open() has returned, as are mac and mtu. */
  readonly caps: number;
  /** Station address that the interface should have; without, one is made up. */
  readonly mac?: Uint8Array | undefined;
  /** Largest packet that fits into a frame, without the Ethernet header. */
  readonly mtu?: number | undefined;
  /** Get the device. No frame is delivered before start(). @throws NetdevError */
  open(port: NetdevPort): void;
  /** The interface can receive from now on. */
  start?(): void;
  /**
   * Take a frame of the image; its bytes are only there during the call.
   * @returns 0, -EAGAIN (full: the frame will be offered again after port.writable()), or -errno (dropped)
   */
  send(frame: Frame): number;
  /** There are receive buffers again, after a receive() that found none. */
  room?(): void;
  /** Let go of everything. May be called in any state, once. */
  close(): void | Promise<void>;
  /** Keep the process alive for this device (the default), or do not. */
  ref?(): void;
  unref?(): void;
}

/** An interface of an image, as its device sees it. */
export interface NetdevPort {
  /** Name of the interface: "virt0". */
  readonly name: string;
  /** IFCAP_CSUM_RX: frames whose checksum is not finished; IFCAP_LRO: frames to be segmented. */
  readonly accepts: number;
  /** The receive buffers themselves, for a device that fills them without a copy; null if there are none. */
  readonly rx: ReceiveRing | null;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Entropy;
  /**
   * Hand over a frame (copied) and let the image run at the end of this turn of the event loop.
   * @returns false if there was no room: the frame is the caller's still, room() will be called
   */
  receive(frame: Frame): boolean;
  /** A device that fills `rx` itself found no room there: room() will be called. */
  starve(): void;
  /** A batch was put into `rx`, or handed over: let the image run now if it may. */
  flush(): void;
  /** The device takes frames again. */
  writable(): void;
  /** The cable is plugged in or pulled. Plugged to begin with. */
  link(up: boolean): void;
  /** A record in the kernel's log. @param level LOG_* */
  log(level: number, message: string): void;
  /** The device has failed for good. */
  fail(error: unknown): void;
}

/** The image's free receive buffers, in their order (components/virtif/virtif.abi.ts draws the ring). */
export interface ReceiveRing {
  /** Linear memory that the addresses are of. */
  readonly u8: Uint8Array<ArrayBuffer>;
  /** Buffers free now. */
  room(): number;
  /** Address of the i-th free buffer from the next, validated; 0 if the image gave a bad one. */
  addressOf(i: number): number;
  /** Bytes of it. */
  sizeOf(i: number): number;
  /** Address of the 12 bytes for the virtio_net_hdr of the next frame. */
  headerAddress(): number;
  /** The next frame lies in the buffers, filled one after the other: `length` bytes. */
  commit(length: number): void;
}

/** What a port reports that a test or a statistic wants to know of a device. */
export interface NetdevCounters {
  sent: number;
  delivered: number;
  dropped: number;
}

const macPattern = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

/**
 * A station address from its text.
 * @throws RangeError if it is not one, or a group's
 */
export function parseMac(text: string): Uint8Array {
  if (!macPattern.test(text)) throw new RangeError(`${JSON.stringify(text)} is not a MAC address such as b2:0a:00:0b:0e:01`);
  const mac = Uint8Array.from(text.split(':'), (hex) => parseInt(hex, 16));
  if ((mac[0]! & 1) !== 0) throw new RangeError(`${text} is the MAC address of a group, not of a station`);
  if (mac.every((byte) => byte === 0)) throw new RangeError(`${text} cannot be the MAC address of a station`);
  return mac;
}

/** A station address as text. */
export function formatMac(mac: Uint8Array): string {
  return [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
