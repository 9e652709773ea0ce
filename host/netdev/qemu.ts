/**
 * A link over a stream socket, as QEMU's `-netdev stream` and passt speak it.
 *
 *      | length u32, big endian | frame … | length | frame … |        no virtio-net header
 *
 * passt gives an image a network without any privilege: `passt --socket /run/p.sock`, then
 * `-I virt0,virtif,qemu=/run/p.sock -W virt0,inet,dhcp`. The link is up while the connection stands; a
 * connection that fails or ends is tried again, at growing intervals. Frames that do not fit the socket's
 * buffer at the moment are refused with -EAGAIN, so that they wait in the interface's queue.
 */
import { connect, type Socket } from 'node:net';
import { EAGAIN, ENETDOWN } from '../../kernel/abi/errno';
import { IFCAP_SG } from '../../kernel/abi/if';
import { LOG_INFO, LOG_WARNING } from '../../kernel/abi/rump';
import { ETHER_HDR_LEN, Frame, FRAME_MAX } from './frame';
import { FrameQueue } from './frameQueue';
import type { Netdev, NetdevPort } from './netdev';

const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 10_000;
/** Frames that may wait for receive buffers before the socket is told to stop. */
const WAITING_MAX = 256;

export interface QemuOptions {
  /** Path of a unix socket, or HOST:PORT. */
  address: string;
  mac?: Uint8Array | undefined;
  mtu?: number | undefined;
}

export class QemuNetdev implements Netdev {
  readonly label: string;
  readonly caps = IFCAP_SG;
  readonly mac: Uint8Array | undefined;
  readonly mtu: number | undefined;
  private readonly target: { path: string } | { host: string; port: number };
  private socket: Socket | null = null;
  private up = false;
  private port: NetdevPort | null = null;
  private keep = true;
  private retryMs = RETRY_FIRST_MS;
  private timer: NodeJS.Timeout | null = null;
  /** What has come in of a frame that is not complete. */
  private partial = Buffer.alloc(0);
  private readonly waiting = new FrameQueue();

  constructor(private readonly options: QemuOptions) {
    const network = /^(?:\[([^\]]+)\]|([^/:[\]]+)):(\d{1,5})$/.exec(options.address);
    if (options.address === '') throw new RangeError('qemu: expected the path of a socket, or HOST:PORT');
    this.target = network ? { host: (network[1] ?? network[2])!, port: Number(network[3]) } : { path: options.address };
    this.label = `qemu ${options.address}`;
    this.mac = options.mac;
    this.mtu = options.mtu;
  }

  open(port: NetdevPort): void {
    this.port = port;
  }

  start(): void {
    this.port?.link(false);
    this.dial();
  }

  send(frame: Frame): number {
    const { socket } = this;
    if (socket === null || !this.up) return -ENETDOWN;
    if (socket.writableNeedDrain) return -EAGAIN;
    const bytes = Buffer.allocUnsafe(4 + frame.length);
    bytes.writeUInt32BE(frame.length);
    frame.copyTo(bytes, 4);
    socket.write(bytes);
    return 0;
  }

  room(): void {
    for (let frame = this.waiting.peek(); frame !== undefined; frame = this.waiting.peek()) {
      if (this.port === null || !this.port.receive(frame)) return;
      this.waiting.shift();
    }
    this.socket?.resume();
  }

  close(): void {
    this.port = null;
    if (this.timer !== null) clearTimeout(this.timer);
    this.socket?.destroy();
    this.socket = null;
  }

  ref(): void {
    this.keep = true;
    this.socket?.ref();
    this.timer?.ref();
  }

  unref(): void {
    this.keep = false;
    this.socket?.unref();
    this.timer?.unref();
  }

  private dial(): void {
    this.timer = null;
    const socket = connect(this.target);
    this.socket = socket;
    if (!this.keep) socket.unref();
    let why = 'the other side closed it';
    socket.setNoDelay(true);
    socket.once('connect', () => {
      this.up = true;
      this.retryMs = RETRY_FIRST_MS;
      this.port?.log(LOG_INFO, `${this.port.name}: connected to ${this.options.address}`);
      this.port?.link(true);
    });
    socket.on('data', (bytes) => this.input(bytes));
    socket.on('drain', () => this.port?.writable());
    socket.once('error', (error) => { why = error.message; });
    socket.once('close', () => this.lost(why));
  }

  /** The connection is not, or no longer. */
  private lost(why: string): void {
    const { port } = this;
    if (port === null) return;
    if (this.up || this.retryMs === RETRY_FIRST_MS) {
      port.log(LOG_WARNING, `${port.name}: no link to ${this.options.address}: ${why}; trying again`);
    }
    if (this.up) port.link(false);
    this.up = false;
    this.socket = null;
    this.partial = Buffer.alloc(0);
    this.timer = setTimeout(() => this.dial(), this.retryMs);
    if (!this.keep) this.timer.unref();
    this.retryMs = Math.min(2 * this.retryMs, RETRY_LAST_MS);
  }

  private input(bytes: Buffer): void {
    let data = this.partial.length === 0 ? bytes : Buffer.concat([this.partial, bytes]);
    while (data.length >= 4) {
      const length = data.readUInt32BE(0);
      if (length < ETHER_HDR_LEN || length > FRAME_MAX) {
        this.socket?.destroy(new Error(`a frame of ${length} bytes`));
        return;
      }
      if (data.length < 4 + length) break;
      this.deliver(data.subarray(4, 4 + length));
      data = data.subarray(4 + length);
    }
    this.partial = Buffer.from(data);
  }

  private deliver(bytes: Uint8Array): void {
    if (this.port === null) return;
    const frame = Frame.of(bytes);
    if (this.waiting.length === 0 && this.port.receive(frame)) return;
    this.waiting.push(frame);
    if (this.waiting.length >= WAITING_MAX) this.socket?.pause();
  }
}

/** A link to passt, QEMU, or another program that speaks this format, for boot({ netdevs }). */
export function qemu(options: QemuOptions | string): QemuNetdev {
  return new QemuNetdev(typeof options === 'string' ? { address: options } : options);
}
