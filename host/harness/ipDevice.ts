/**
 * What stands behind an interface without a link layer (an image's ip0): boot option host.ipdevs.ip0.
 *
 *      image ── datagram ──▶ IpDevice.send            IpPort.receive ── datagram ──▶ image
 *
 * Datagrams are bare IPv4 or IPv6, whole and with their checksums. Nothing blocks; send() is called from
 * within the image and must not call back into it.
 */

/** The image's side of the interface, as its device sees it. */
export interface IpPort {
  /** Queue a datagram (copied) for the image's next run. @throws RangeError if it has no bytes, or more than 65535 */
  receive(datagram: Uint8Array): void;
  /** Datagrams that the image has not fetched yet. */
  readonly waiting: number;
  /** Forget them: the image's memory has been put back to another moment. */
  clear(): void;
}

export interface IpDevice {
  /** Largest datagram that the image may send. */
  readonly mtu: number;
  /** The interface exists. Called once, before the image sends anything. */
  open(port: IpPort): void;
  /** A datagram of the image; the bytes are only there during the call. @param timeUs when, on the image's clock */
  send(datagram: Uint8Array, timeUs: number): void;
}

/** A datagram that the image has sent, and when. */
export interface SentDatagram {
  readonly bytes: Uint8Array;
  /** Monotonic µs of the image's clock. */
  readonly timeUs: number;
}

/** Datagrams kept waiting for whoever asks at most: a stack that floods must not take the host's memory. */
const keptMax = 65_536;

/** The usual device: keeps what was sent until somebody takes it. */
export class QueueDevice implements IpDevice {
  port: IpPort | null = null;
  /** Called when something was sent; must not call into the image. */
  onSent: () => void = () => {};
  /** Datagrams dropped because nobody took them. */
  dropped = 0;
  private queue: SentDatagram[] = [];
  private first = 0;

  constructor(readonly mtu: number) {}

  open(port: IpPort): void {
    this.port = port;
  }

  send(datagram: Uint8Array, timeUs: number): void {
    if (this.length >= keptMax) {
      this.dropped++;
      return;
    }
    this.queue.push({ bytes: new Uint8Array(datagram), timeUs });
    this.onSent();
  }

  /** Hand the image a datagram. */
  inject(datagram: Uint8Array): void {
    if (this.port === null) throw new Error('the image has no interface ip0');
    this.port.receive(datagram);
  }

  /** Datagrams that wait to be taken. */
  get length(): number { return this.queue.length - this.first; }

  /** The one that waits longest, which stays. */
  peek(): SentDatagram | undefined { return this.queue[this.first]; }

  /** The one that waits longest. */
  take(): SentDatagram | undefined {
    const sent = this.queue[this.first];
    if (sent === undefined) return undefined;
    if (++this.first === this.queue.length) {
      this.queue = [];
      this.first = 0;
    }
    return sent;
  }

  /** Forget everything, both ways. */
  clear(): void {
    this.queue = [];
    this.first = 0;
    this.port?.clear();
  }
}
