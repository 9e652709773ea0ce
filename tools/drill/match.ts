/**
 * Is the packet that was seen the one that the script expects? The first difference in words, or null.
 *
 * Flags, sequence number, length, and options are compared always (no options written: there are none;
 * `<...>`: any); acknowledgment, window and urgent pointer when they are written. The image's initial
 * sequence number and the offset of its timestamps are learned here. What no script says is checked too:
 * checksums, addresses, that TCP sets DF, and every byte of the payload.
 */
import { optionShift } from './describe';
import type { Flow, Flows } from './flow';
import { flagBits, flagLetters } from './inject';
import { decodeOptions, optionsText, sameOptions } from './options';
import { firstDifference } from './pattern';
import type { IcmpPacket, Packet, Settings, TcpPacket, UdpPacket } from './script';
import { ACK, type Datagram, ipText, RST, SYN, type TcpFields } from './wire';

export interface MatchContext {
  settings: Settings;
  tcp: Flows;
  udp: Flows;
}

/** Ticks of the image's timestamp clock in a second. */
const TS_HZ = 1000;

function differs(what: string, wanted: unknown, got: unknown): string {
  return `${what}: expected ${String(wanted)}, got ${String(got)}`;
}

function matchIp(packet: Packet, { ip, faults }: Datagram, { settings }: MatchContext): string | null {
  if (faults.length > 0) return faults.join(', ');
  const { envelope } = packet;
  const src = envelope.src ?? settings.localIp;
  const dst = envelope.dst ?? settings.remoteIp;
  if (ipText(ip.src) !== src) return differs('source address', src, ipText(ip.src));
  if (ipText(ip.dst) !== dst) return differs('destination address', dst, ipText(ip.dst));
  if (envelope.ttl !== undefined && ip.ttl !== envelope.ttl) return differs('TTL', envelope.ttl, ip.ttl);
  if (envelope.tos !== undefined && ip.tos !== envelope.tos) return differs('TOS', envelope.tos, ip.tos);
  const ecn = ip.tos & 3;
  if (envelope.ecn === 'ect01' && ecn !== 1 && ecn !== 2) return differs('ECN', 'ect01', ecn);
  if (typeof envelope.ecn === 'number' && envelope.ecn !== ecn) return differs('ECN', envelope.ecn, ecn);
  if ((packet.proto === 'tcp' || envelope.df === true) && !ip.df) return 'DF is not set';
  return null;
}

/** Ports; learns the one that the image has chosen. */
function matchPorts(flow: Flow, srcPort: number, dstPort: number): string | null {
  if (flow.localPort === null) flow.localPort = srcPort;
  if (srcPort !== flow.localPort) return differs('source port', flow.localPort, srcPort);
  return dstPort === flow.remotePort ? null : differs('destination port', flow.remotePort, dstPort);
}

function matchNumbers(packet: TcpPacket, tcp: TcpFields, flow: Flow): string | null {
  if ((tcp.flags & SYN) !== 0) flow.localSynSeen(packet.seq, tcp.seq, (tcp.flags & ACK) === 0 ? null : tcp.ack);
  if ((tcp.flags & RST) === 0) flow.localSent((tcp.seq + tcp.payload.length + (tcp.flags & SYN ? 1 : 0)) >>> 0);
  const seq = flow.localToScript(tcp.seq);
  // RFC 9293 §3.10.7.1: a reset of nothing that is known is <SEQ=0>, in the wire's own numbers.
  const bareReset = (tcp.flags & RST) !== 0 && tcp.seq === 0 && packet.seq === 0;
  if (seq !== packet.seq && !bareReset) return differs('sequence number', packet.seq, seq);
  if (tcp.payload.length !== packet.length) return differs('length', packet.length, tcp.payload.length);
  if (packet.ack !== null && (tcp.flags & ACK) !== 0) {
    const ack = flow.remoteToScript(tcp.ack);
    if (ack !== packet.ack) return differs('acknowledgment', packet.ack, ack);
  }
  if ((tcp.flags & ACK) === 0 && tcp.ack !== 0) return differs('acknowledgment field without ACK', 0, tcp.ack);
  if (packet.window !== null && packet.window !== tcp.window) return differs('window', packet.window, tcp.window);
  if (packet.urgent !== null && packet.urgent !== tcp.urgent) return differs('urgent pointer', packet.urgent, tcp.urgent);
  return null;
}

function matchOptions(packet: TcpPacket, tcp: TcpFields, flow: Flow, settings: Settings): string | null {
  if (packet.options === null) return null;
  const got = decodeOptions(tcp.options);
  const wanted = packet.options.find((option) => option.kind === 'TS');
  const seen = got.find((option) => option.kind === 'TS');
  if (wanted?.kind === 'TS' && wanted.value !== null && seen?.kind === 'TS' && flow.localTsShift === null) {
    flow.localTsShift = (seen.value! - wanted.value) >>> 0;
  }
  const shift = optionShift(flow, true);
  const slack = Math.ceil((settings.toleranceUs * TS_HZ) / 1e6);
  return sameOptions(packet.options, got, shift, slack) ? null : differs('options', optionsText(packet.options), optionsText(got, shift));
}

function matchTcp(packet: TcpPacket, d: Datagram, context: MatchContext): string | null {
  const { tcp } = d;
  if (tcp === undefined) return 'it is not a TCP segment';
  const flow = context.tcp.ofScript(packet.ports, false);
  const ports = matchPorts(flow, tcp.srcPort, tcp.dstPort);
  if (ports !== null) return ports;
  const flags = flagLetters(tcp.flags);
  if (flagBits(packet.flags) !== tcp.flags) return differs('flags', packet.flags, flags);
  const found = matchNumbers(packet, tcp, flow) ?? matchOptions(packet, tcp, flow, context.settings);
  if (found !== null) return found;
  const bad = (tcp.flags & SYN) === 0 && tcp.payload.length > 0 && packet.envelope.fill === undefined
    ? firstDifference('local', flow.localOffset(tcp.seq), tcp.payload) : -1;
  return bad < 0 ? null : `byte ${bad} of the payload is not what was written there`;
}

function matchUdp(packet: UdpPacket, d: Datagram, context: MatchContext): string | null {
  const { udp } = d;
  if (udp === undefined) return 'it is not a UDP datagram';
  const flow = context.udp.ofScript(packet.ports, false);
  const ports = matchPorts(flow, udp.srcPort, udp.dstPort);
  if (ports !== null) return ports;
  if (udp.payload.length !== packet.length) return differs('length', packet.length, udp.payload.length);
  return firstDifference('local', 0, udp.payload) < 0 ? null : 'the payload is not what was written';
}

function matchIcmp(packet: IcmpPacket, d: Datagram): string | null {
  const { icmp } = d;
  if (icmp === undefined) return 'it is not an ICMP message';
  if (icmp.type !== packet.icmpType) return differs('ICMP type', packet.icmpType, icmp.type);
  if (icmp.code !== packet.icmpCode) return differs('ICMP code', packet.icmpCode, icmp.code);
  return packet.mtu === null || packet.mtu === icmp.rest ? null : differs('MTU', packet.mtu, icmp.rest);
}

/** What is wrong with a packet that a --lax script does not ask for: checksums, and contents of known connections. */
export function checkUnexpected(d: Datagram, flows: Flows): string | null {
  if (d.faults.length > 0) return d.faults.join(', ');
  const { tcp } = d;
  if (tcp === undefined || (tcp.flags & SYN) !== 0 || tcp.payload.length === 0) return null;
  const flow = flows.ofWire(tcp.srcPort, tcp.dstPort);
  if (flow === null || flow.localShift === null) return null;
  return firstDifference('local', flow.localOffset(tcp.seq), tcp.payload) < 0 ? null : 'the payload is not what was written there';
}

/** The first difference between what is expected and what was seen; null if there is none. */
export function matchPacket(packet: Packet, d: Datagram, context: MatchContext): string | null {
  const around = matchIp(packet, d, context);
  if (around !== null) return around;
  if (packet.proto === 'tcp') return matchTcp(packet, d, context);
  return packet.proto === 'udp' ? matchUdp(packet, d, context) : matchIcmp(packet, d);
}
