/**
 * IPv4 and TCP as bytes, in buffers that are used again: a million sessions are eight million datagrams.
 *
 *      | IPv4 20 | TCP 20 | NOP NOP TS 12 | payload |
 */
import { PSH, type Segment } from './twModel';

const IP = 20;
const TCP = 20;
const TS = 12;

export interface Reply { flags: number; seq: number; ack: number; window: number }

export class Wire {
  private readonly bytes = new Uint8Array(256);
  private readonly view = new DataView(this.bytes.buffer);

  constructor(private readonly server: number, private readonly port: number) {}

  private sum(from: number, to: number, start: number): number {
    let sum = start;
    for (let i = from; i < to; i += 2) sum += this.view.getUint16(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return ~sum & 0xffff;
  }

  /** A segment from address:port to the server; `damage` flips a bit of what the checksum covers. */
  build(address: number, port: number, { flags, seq, ack, length, ts }: Segment, damage: boolean): Uint8Array {
    const { bytes, view } = this;
    const tcp = TCP + (ts === null ? 0 : TS);
    const end = IP + tcp + length + (length & 1);
    bytes.fill(0, 0, end);
    view.setUint32(0, 0x45000000 | (IP + tcp + length));
    view.setUint16(6, 0x4000);
    view.setUint16(8, 0x4006);
    view.setUint32(12, address);
    view.setUint32(16, this.server);
    view.setUint16(10, this.sum(0, IP, 0));
    view.setUint16(IP, port);
    view.setUint16(IP + 2, this.port);
    view.setUint32(IP + 4, seq);
    view.setUint32(IP + 8, (flags & 16) !== 0 ? ack : 0);
    view.setUint16(IP + 12, (tcp << 10) | flags);
    view.setUint16(IP + 14, 60_000);
    if (ts !== null) {
      view.setUint32(IP + TCP, 0x0101080a);
      view.setUint32(IP + TCP + 4, ts);
    }
    if ((flags & PSH) !== 0) bytes.fill(0x78, IP + tcp, IP + tcp + length);
    view.setUint16(IP + 16, this.sum(12, end, 6 + tcp + length));
    if (damage) bytes[IP + 4 + (seq & 7)]! ^= 1 << (ack & 7);
    return bytes.subarray(0, IP + tcp + length);
  }

  /** What the server sent. */
  parse(datagram: Uint8Array): Reply {
    const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    return { flags: view.getUint8(IP + 13), seq: view.getInt32(IP + 4), ack: view.getInt32(IP + 8), window: view.getUint16(IP + 14) };
  }
}
