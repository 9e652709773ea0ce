/**
 * Inbound packets of a script, as datagrams.
 *
 *      < P. 1:101(100) ack 1 win 257     the numbers shifted to those of the wire, the payload by pattern
 *      < [1:1461(1460)] icmp …           quotes a segment that the image has sent, as it was sent
 */
import type { Flow, Flows } from './flow';
import { encodeOptions } from './options';
import { patternOf } from './pattern';
import type { Echoed, IcmpPacket, Packet, Settings, TcpPacket, UdpPacket } from './script';
import * as wire from './wire';

const FLAG_LETTERS: Readonly<Record<string, number>> = {
  F: wire.FIN, S: wire.SYN, R: wire.RST, P: wire.PSH, '.': wire.ACK, U: wire.URG, E: wire.ECE, W: wire.CWR, '-': 0,
};

const DEFAULT_TTL = 64;
const DEFAULT_WINDOW = 0;
/** Bytes of the quoted transport header: what RFC 792 asks for. */
const ICMP_QUOTE = 8;

/** Flags of a script as the byte of the header. */
export function flagBits(letters: string): number {
  return [...letters].reduce((bits, letter) => bits | FLAG_LETTERS[letter]!, 0);
}

/** And back, in the order in which packetdrill writes them. */
export function flagLetters(bits: number): string {
  const order = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W'];
  return order.filter((letter) => (bits & FLAG_LETTERS[letter]!) !== 0).join('') || '-';
}

export interface InjectContext {
  settings: Settings;
  tcp: Flows;
  udp: Flows;
}

function around(packet: Packet, { settings }: InjectContext): Omit<wire.IpFields, 'proto'> {
  const { envelope } = packet;
  const ecn = typeof envelope.ecn === 'number' ? envelope.ecn : 0;
  return {
    src: wire.ipNumber(envelope.src ?? settings.remoteIp), dst: wire.ipNumber(envelope.dst ?? settings.localIp),
    ttl: envelope.ttl ?? DEFAULT_TTL, tos: (envelope.tos ?? 0) | ecn, df: envelope.df ?? false,
  };
}

function payload(packet: Packet, offset: number, length: number): Uint8Array {
  const { fill } = packet.envelope;
  return fill === undefined ? patternOf('remote', offset, length) : new Uint8Array(length).fill(fill);
}

function tcpDatagram(packet: TcpPacket, context: InjectContext): Buffer {
  const flow = context.tcp.ofScript(packet.ports, true);
  const flags = flagBits(packet.flags);
  if ((flags & wire.SYN) !== 0) flow.remoteSynSent(packet.seq);
  const offset = (flags & wire.SYN) !== 0 ? 0 : flow.remoteOffset(packet.seq);
  return wire.buildTcp(around(packet, context), {
    srcPort: flow.remotePort, dstPort: portOf(flow), flags,
    seq: flow.remoteToWire(packet.seq), ack: packet.ack === null ? 0 : flow.localToWire(packet.ack),
    window: packet.window ?? DEFAULT_WINDOW, urgent: packet.urgent ?? 0,
    options: encodeOptions(packet.options ?? [], { sack: flow.localShift ?? 0, value: 0, echo: flow.localTsShift ?? 0 }),
    payload: payload(packet, offset, packet.length),
  }, packet.envelope.badsum ?? false);
}

/** The image's port; before it has told us, there is nothing to send to. */
function portOf(flow: Flow): number {
  if (flow.localPort === null) throw new RangeError('the image has not chosen its port yet: expect its packet first');
  return flow.localPort;
}

function udpDatagram(packet: UdpPacket, context: InjectContext): Buffer {
  const flow = context.udp.ofScript(packet.ports, true);
  return wire.buildUdp(around(packet, context), flow.remotePort, portOf(flow), payload(packet, 0, packet.length), packet.envelope.badsum ?? false);
}

/** What the error quotes: the header of a datagram of the image's. */
function quoted(echoed: Exclude<Echoed, null>, packet: IcmpPacket, context: InjectContext): Uint8Array {
  const { settings } = context;
  const flow = (echoed.proto === 'tcp' ? context.tcp : context.udp).ofScript(packet.ports, false);
  const ip = { src: wire.ipNumber(settings.localIp), dst: wire.ipNumber(settings.remoteIp), ttl: DEFAULT_TTL, tos: 0, df: true };
  const whole = echoed.proto === 'tcp'
    ? wire.buildTcp(ip, {
      srcPort: portOf(flow), dstPort: flow.remotePort, seq: flow.localToWire(echoed.seq), ack: 0, flags: wire.ACK, window: 0, urgent: 0,
      options: new Uint8Array(0), payload: patternOf('local', 0, echoed.length),
    })
    : wire.buildUdp(ip, portOf(flow), flow.remotePort, patternOf('local', 0, echoed.length));
  return whole.subarray(0, 20 + ICMP_QUOTE);
}

function icmpDatagram(packet: IcmpPacket, context: InjectContext): Buffer {
  const body = packet.echoed === null ? payload(packet, 0, packet.length) : quoted(packet.echoed, packet, context);
  return wire.buildIcmp(around(packet, context), packet.icmpType, packet.icmpCode, packet.mtu ?? 0, body, packet.envelope.badsum ?? false);
}

/** The datagram of an inbound packet. @throws RangeError if it cannot be built yet */
export function buildPacket(packet: Packet, context: InjectContext): Buffer {
  if (packet.proto === 'tcp') return tcpDatagram(packet, context);
  return packet.proto === 'udp' ? udpDatagram(packet, context) : icmpDatagram(packet, context);
}
