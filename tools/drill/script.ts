/**
 * A packet script, parsed: what packetdrill's language says, for the subset that drill understands.
 *
 *      Script ─┬ settings            --tolerance_usecs=…, // sysctl name=value
 *              └ events ─┬ call      0.1...0.2 read(4, ..., 1000) = 1000
 *                        ├ packet    +0 < S 0:0(0) win 32792 <mss 1460>          (inbound: injected)
 *                        │           +0 > S. 0:0(0) ack 1 <...>                  (outbound: expected)
 *                        ├ code      +0 %{ assert state == 'ESTABLISHED' }%
 *                        └ shell     +0 `sysctl net.inet.tcp.delack_us=0`
 */
import type { TcpOption } from './options';

/** When an event happens, µs since the beginning of the script, or since the event before it. */
export interface When {
  /** 'any': whenever it comes (outbound packets). */
  kind: 'absolute' | 'relative' | 'any';
  at: number;
  /** The end of a range `a~b`, or when a blocking call returns, `a...b`. */
  until: number | null;
  blocks: boolean;
}

/** An argument of a call. */
export type Value =
  | { kind: 'number'; value: number }
  | { kind: 'name'; name: string }
  | { kind: 'string'; text: string }
  | { kind: 'any' }
  | { kind: 'list'; items: Value[] }
  | { kind: 'record'; fields: Map<string, Value> }
  | { kind: 'or'; items: Value[] }
  | { kind: 'apply'; name: string; items: Value[] };

export interface Call {
  type: 'call';
  name: string;
  items: Value[];
  /** null for `= ?`. */
  result: number | null;
  /** The errno's name, with result -1. */
  errno: string | null;
}

/** What a packet says of its IP header and its surroundings, in square brackets. */
export interface Envelope {
  ttl?: number;
  tos?: number;
  /** ECN codepoint 0 to 3; 'ect01': either. */
  ecn?: number | 'ect01';
  src?: string;
  dst?: string;
  badsum?: boolean;
  df?: boolean;
  /** Every byte of the payload instead of the pattern. */
  fill?: number;
}

interface PacketBase {
  type: 'packet';
  inbound: boolean;
  envelope: Envelope;
}

export interface TcpPacket extends PacketBase {
  proto: 'tcp';
  ports: [src: number, dst: number] | null;
  /** Letters of S F R P E W U and '.', as in the script; '-' for none. */
  flags: string;
  seq: number;
  length: number;
  ack: number | null;
  window: number | null;
  urgent: number | null;
  /** null: `<...>`, any. */
  options: TcpOption[] | null;
}

export interface UdpPacket extends PacketBase {
  proto: 'udp';
  ports: [src: number, dst: number] | null;
  length: number;
}

/** The packet that an ICMP error quotes. */
export type Echoed = { proto: 'tcp'; seq: number; length: number } | { proto: 'udp'; length: number } | null;

export interface IcmpPacket extends PacketBase {
  proto: 'icmp';
  ports: [src: number, dst: number] | null;
  icmpType: number;
  icmpCode: number;
  mtu: number | null;
  /** Bytes behind the header of an echo. */
  length: number;
  echoed: Echoed;
}

export type Packet = TcpPacket | UdpPacket | IcmpPacket;

export interface Code { type: 'code'; text: string }
export interface Shell { type: 'shell'; text: string }

export interface Event {
  line: number;
  when: When;
  what: Call | Packet | Code | Shell;
}

export interface Settings {
  toleranceUs: number;
  mtu: number;
  localIp: string;
  remoteIp: string;
  prefix: number;
  /** Initial sequence number of the peer on the wire, for sequence numbers that wrap. */
  remoteIsn: number;
  /** That of the image's first SYN, if the script wants a certain one. */
  localIsn: number | null;
  sysctls: [name: string, value: string][];
  /** Packets that no event expects are not an error. */
  lax: boolean;
  /** Do not look for leaks after the script. */
  noLeakCheck: boolean;
}

export interface Script {
  path: string;
  text: string;
  settings: Settings;
  events: Event[];
}

/** The script itself is wrong. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';

  constructor(readonly path: string, readonly line: number, message: string) {
    super(message);
  }
}

/** As packetdrill's defaults, with addresses of RFC 5737. */
export const defaultSettings: Readonly<Settings> = {
  toleranceUs: 4000, mtu: 1500, localIp: '192.168.0.1', remoteIp: '192.0.2.1', prefix: 16, remoteIsn: 0x9e3779b9, localIsn: null,
  sysctls: [], lax: false, noLeakCheck: false,
};
