/**
 * Packets in words, as tcpdump and scripts write them: what was seen, in the numbers of the script.
 *
 *      0.100000 > 8080 > 40000 P. 1:1001(1000) ack 1 win 65535 <nop,nop,TS val 100 ecr 200>
 */
import type { Flow, Flows } from './flow';
import { flagLetters } from './inject';
import { decodeOptions, noShift, optionsText, type Shift } from './options';
import type { Packet } from './script';
import { ACK, type Datagram, ipText, type TcpFields, URG } from './wire';

export interface Known {
  tcp: Flows;
  localIp: string;
}

/** Shift of the options in a segment of `flow`; sent by the image or by its peer. */
export function optionShift(flow: Flow | null, outbound: boolean): Shift {
  if (flow === null) return noShift;
  return outbound
    ? { sack: flow.remoteShift, value: flow.localTsShift ?? 0, echo: 0 }
    : { sack: flow.localShift ?? 0, value: 0, echo: flow.localTsShift ?? 0 };
}

function tcpText(tcp: TcpFields, outbound: boolean, known: Known): string {
  const [local, remote] = outbound ? [tcp.srcPort, tcp.dstPort] : [tcp.dstPort, tcp.srcPort];
  const flow = known.tcp.ofWire(local, remote);
  const own = (n: number): number => (flow === null ? n : outbound ? flow.localToScript(n) : flow.remoteToScript(n));
  const other = (n: number): number => (flow === null ? n : outbound ? flow.remoteToScript(n) : flow.localToScript(n));
  const seq = own(tcp.seq);
  const words = [`${tcp.srcPort} > ${tcp.dstPort}`, flagLetters(tcp.flags), `${seq}:${(seq + tcp.payload.length) >>> 0}(${tcp.payload.length})`];
  if ((tcp.flags & ACK) !== 0) words.push(`ack ${other(tcp.ack)}`);
  words.push(`win ${tcp.window}`);
  if ((tcp.flags & URG) !== 0 || tcp.urgent !== 0) words.push(`urg ${tcp.urgent}`);
  if (tcp.options.length > 0) words.push(optionsText(decodeOptions(tcp.options), optionShift(flow, outbound)));
  return words.join(' ');
}

/** A datagram in one line. */
export function datagramText(d: Datagram, known: Known): string {
  const outbound = ipText(d.ip.src) === known.localIp;
  const words: string[] = [];
  if (d.ip.offset > 0 || d.ip.more) words.push(`fragment ${d.ip.offset}${d.ip.more ? '+' : ''} of protocol ${d.ip.proto}`);
  else if (d.tcp) words.push(tcpText(d.tcp, outbound, known));
  else if (d.udp) words.push(`${d.udp.srcPort} > ${d.udp.dstPort} udp (${d.udp.payload.length})`);
  else if (d.icmp) words.push(`icmp type ${d.icmp.type} code ${d.icmp.code} (${d.icmp.body.length})`);
  else words.push(`protocol ${d.ip.proto} (${d.bytes.length} bytes)`);
  if (d.faults.length > 0) words.push(`[${d.faults.join(', ')}]`);
  return `${outbound ? '>' : '<'} ${words.join(' ')}`;
}

/** A packet of a script, as it was written. */
export function packetText(p: Packet): string {
  const mark = p.inbound ? '<' : '>';
  const ports = p.ports === null ? '' : `${p.ports[0]} > ${p.ports[1]} `;
  if (p.proto === 'udp') return `${mark} ${ports}udp (${p.length})`;
  if (p.proto === 'icmp') return `${mark} icmp type ${p.icmpType} code ${p.icmpCode}${p.mtu === null ? '' : ` mtu ${p.mtu}`}`;
  const words = [`${mark} ${ports}${p.flags} ${p.seq}:${(p.seq + p.length) >>> 0}(${p.length})`];
  if (p.ack !== null) words.push(`ack ${p.ack}`);
  if (p.window !== null) words.push(`win ${p.window}`);
  if (p.urgent !== null) words.push(`urg ${p.urgent}`);
  if (p.options === null) words.push('<...>');
  else if (p.options.length > 0) words.push(optionsText(p.options));
  return words.join(' ');
}

/** µs as seconds. */
export function timeText(us: number): string {
  return (us / 1e6).toFixed(6);
}
