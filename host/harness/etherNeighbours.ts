/**
 * An Ethernet around an IpDevice: for images whose interface wants one.
 *
 *      image ── ARP who-has ──▶ answered here, for every address but the image's own
 *            ── frame ─▶ header off ─▶ IpDevice.send        IpPort.receive ─▶ header on ─▶ image
 *
 * All neighbours have one station address. Announcements and probes of the image for its own address
 * (RFC 5227) are left alone, or it would think that somebody else has it.
 */
import { Frame, ETHER_HDR_LEN } from '../netdev/frame';
import type { Netdev, NetdevPort } from '../netdev/netdev';
import type { IpDevice, IpPort } from './ipDevice';

/** Locally administered: the image's station, and everybody else's. */
const OURS = Uint8Array.of(0x02, 0, 0, 0, 0, 0x01);
const THEIRS = Uint8Array.of(0x02, 0, 0, 0, 0, 0x02);

const TYPE_IP = 0x0800;
const TYPE_ARP = 0x0806;
const TYPE_IPV6 = 0x86dd;
/** RFC 826: an ARP packet for Ethernet and IPv4; operations. */
const ARP_LENGTH = 28;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;
const ARP_OP = 6;
const ARP_SENDER = 8;
const ARP_SENDER_IP = 14;
const ARP_TARGET_IP = 24;

function frameOf(type: number, payload: Uint8Array): Uint8Array {
  const out = Buffer.alloc(ETHER_HDR_LEN + payload.length);
  out.set(OURS, 0);
  out.set(THEIRS, 6);
  out.writeUInt16BE(type, 12);
  out.set(payload, ETHER_HDR_LEN);
  return out;
}

export class EtherNeighbours implements Netdev, IpPort {
  readonly label = 'harness';
  readonly caps = 0;
  readonly mac = OURS;
  private port: NetdevPort | null = null;
  /** Frames that the image had no buffers for. */
  private queue: Uint8Array[] = [];

  /** @param local the image's address, "a.b.c.d/len" */
  constructor(private readonly device: IpDevice, private readonly local: string) {}

  get mtu(): number { return this.device.mtu; }

  get waiting(): number { return this.queue.length; }

  open(port: NetdevPort): void {
    this.port = port;
    this.device.open(this);
  }

  send(frame: Frame): number {
    const bytes = Buffer.from(frame.bytes());
    if (bytes.length < ETHER_HDR_LEN) return 0;
    const type = bytes.readUInt16BE(12);
    const payload = bytes.subarray(ETHER_HDR_LEN);
    if (type === TYPE_ARP) this.answer(payload);
    else if (type === TYPE_IP || type === TYPE_IPV6) this.device.send(payload, this.port!.clock.monotonic());
    return 0;
  }

  receive(datagram: Uint8Array): void {
    this.queue.push(frameOf(datagram[0]! >> 4 === 6 ? TYPE_IPV6 : TYPE_IP, datagram));
    this.room();
  }

  clear(): void {
    this.queue = [];
  }

  /** Hand over what waits. */
  room(): void {
    while (this.queue.length > 0 && this.port!.receive(Frame.of(this.queue[0]!))) this.queue.shift();
  }

  close(): void {
    this.queue = [];
  }

  /** RFC 826: "?Am I the target protocol address?" Yes. */
  private answer(arp: Buffer): void {
    if (arp.length < ARP_LENGTH || arp.readUInt16BE(ARP_OP) !== ARP_REQUEST) return;
    const sender = arp.readUInt32BE(ARP_SENDER_IP);
    const target = arp.subarray(ARP_TARGET_IP, ARP_TARGET_IP + 4);
    if (sender === 0 || target.join('.') === this.local.split('/')[0]) return;
    const reply = Buffer.from(arp.subarray(0, ARP_LENGTH));
    reply.writeUInt16BE(ARP_REPLY, ARP_OP);
    reply.set(THEIRS, ARP_SENDER);
    reply.set(target, ARP_SENDER_IP);
    reply.set(arp.subarray(ARP_SENDER, ARP_SENDER + 10), ARP_SENDER + 10);
    this.queue.push(frameOf(TYPE_ARP, reply));
    this.room();
  }
}
