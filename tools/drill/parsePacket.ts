/**
 * Packets of a script, behind their `<` or `>`:
 *
 *      [ttl 64,ect0] 40000 > 8080 P. 1:1001(1000) ack 1 win 257 urg 3 <nop,nop,TS val 1 ecr 2>
 *      udp (100)         40000 > 8080 udp (100)
 *      [1:1461(1460)] icmp unreachable frag_needed mtu 1200        icmp echo_request (64)
 */
import type { TcpOption } from './options';
import type { Scanner } from './scanner';
import type { Echoed, Envelope, Packet } from './script';

const INT = /\d+/y;

export const icmpTypes: Readonly<Record<string, number>> = {
  echo_reply: 0, unreachable: 3, source_quench: 4, redirect: 5, echo_request: 8, time_exceeded: 11, parameter_problem: 12,
};

export const icmpCodes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  unreachable: {
    net_unreachable: 0, host_unreachable: 1, protocol_unreachable: 2, port_unreachable: 3, frag_needed: 4, source_route_failed: 5,
    net_unknown: 6, host_unknown: 7, source_host_isolated: 8, net_prohibited: 9, host_prohibited: 10, net_unreachable_for_tos: 11,
    host_unreachable_for_tos: 12, packet_filtered: 13, precedence_violation: 14, precedence_cutoff: 15,
  },
  time_exceeded: { exceed_ttl: 0, exceed_reass: 1 },
  redirect: { net: 0, host: 1 },
};

function int(s: Scanner, what: string): number {
  return Number(s.expect(INT, what)[0]);
}

/** A number, or null for `*`. */
function intOrAny(s: Scanner, what: string): number | null {
  return s.accept(/\*/y) ? null : int(s, what);
}

/** `a:b(n)`: the first sequence number and the length. */
function range(s: Scanner): { seq: number; length: number } {
  const seq = int(s, 'a sequence number');
  s.expect(/:/y, ':');
  const end = int(s, 'a sequence number');
  s.expect(/\(/y, '(');
  const length = int(s, 'a length');
  s.expect(/\)/y, ')');
  if ((seq + length) % 2 ** 32 !== end % 2 ** 32) s.fail(`${seq}:${end}(${length}): ${seq} + ${length} is not ${end}`);
  return { seq, length };
}

function envelope(s: Scanner): Envelope {
  const found: Envelope = {};
  do {
    const [word] = s.expect(/[a-z]+\d*/y, 'ttl, tos, ect0, ect1, ect01, ce, noecn, src, dst, badsum, df or fill');
    if (word === 'ttl') found.ttl = int(s, 'a TTL');
    else if (word === 'tos') found.tos = Number(s.expect(/0x[0-9a-fA-F]+|\d+/y, 'a TOS byte')[0]);
    else if (word === 'src' || word === 'dst') [found[word]] = s.expect(/[\d.]+/y, 'an address');
    else if (word === 'fill') found.fill = int(s, 'a byte');
    else if (word === 'badsum' || word === 'df') found[word] = true;
    else if (word === 'ect01') found.ecn = 'ect01';
    else {
      const ecn = ['noecn', 'ect1', 'ect0', 'ce'].indexOf(word);
      if (ecn < 0) s.fail(`${word}: expected ttl, tos, ect0, ect1, ect01, ce, noecn, src, dst, badsum, df or fill`);
      found.ecn = ecn;
    }
  } while (s.accept(/,/y));
  s.expect(/\]/y, ']');
  return found;
}

function option(s: Scanner): TcpOption {
  const [word] = s.expect(/[A-Za-z]+/y, 'a TCP option');
  switch (word) {
    case 'nop':
    case 'eol':
    case 'sackOK': return { kind: word };
    case 'mss':
    case 'wscale': return { kind: word, value: intOrAny(s, 'a number') };
    case 'TS': {
      s.expect(/val/y, 'val');
      const value = intOrAny(s, 'a timestamp');
      s.expect(/ecr/y, 'ecr');
      return { kind: 'TS', value, echo: intOrAny(s, 'a timestamp') };
    }
    case 'sack': {
      const blocks: [number, number][] = [];
      while (s.sees(INT)) {
        const left = int(s, 'a sequence number');
        s.expect(/:/y, ':');
        blocks.push([left, int(s, 'a sequence number')]);
      }
      return { kind: 'sack', blocks };
    }
    case 'raw': return { kind: 'raw', bytes: [...Buffer.from(s.expect(/(?:[0-9a-fA-F]{2})+/y, 'hexadecimal bytes')[0], 'hex')] };
    default: return s.fail(`${word} is not a TCP option known here`);
  }
}

/** `<…>` if there is one; null: anything. */
function options(s: Scanner): TcpOption[] | null {
  if (!s.accept(/</y)) return [];
  if (s.accept(/\.\.\./y)) {
    s.expect(/>/y, '>');
    return null;
  }
  const found: TcpOption[] = [];
  if (s.accept(/>/y)) return found;
  do found.push(option(s)); while (s.accept(/,/y));
  s.expect(/>/y, '>');
  return found;
}

function icmp(s: Scanner, base: { type: 'packet'; inbound: boolean; envelope: Envelope }, echoed: Echoed): Packet {
  const [type] = s.expect(/[a-z_]+|\d+/y, 'the type of an ICMP message');
  const icmpType = icmpTypes[type] ?? Number(type);
  if (!Number.isInteger(icmpType)) s.fail(`${type} is not a type of ICMP messages`);
  let icmpCode = 0;
  const codes = icmpCodes[type] ?? {};
  const code = s.accept(/code (\d+)/y)?.[1] ?? (s.sees(/mtu\b/y) ? undefined : s.accept(/[a-z_]+/y)?.[0]);
  if (code !== undefined) {
    icmpCode = codes[code] ?? Number(code);
    if (!Number.isInteger(icmpCode)) s.fail(`${code} is not a code of ICMP ${type}`);
  }
  const mtu = s.accept(/mtu (\d+)/y);
  const length = s.accept(/\((\d+)\)/y);
  return {
    ...base, proto: 'icmp', ports: null, icmpType, icmpCode, echoed,
    mtu: mtu ? Number(mtu[1]) : null, length: length ? Number(length[1]) : 0,
  };
}

/** What is quoted by the ICMP error that follows: `[1:1461(1460)]`, `[udp (100)]`. */
function echoedPacket(s: Scanner): Echoed {
  if (s.accept(/udp/y)) {
    const [, length] = s.expect(/\((\d+)\)/y, 'a length');
    s.expect(/\]/y, ']');
    return { proto: 'udp', length: Number(length) };
  }
  const found = range(s);
  s.expect(/\]/y, ']');
  return { proto: 'tcp', ...found };
}

/** A packet, from behind its direction to its end. */
export function parsePacket(s: Scanner, inbound: boolean): Packet {
  let around: Envelope = {};
  let echoed: Echoed = null;
  while (s.sees(/\[/y)) {
    if (s.accept(/\[(?=\s*(?:\d+:|udp))/y)) echoed = echoedPacket(s);
    else {
      s.accept(/\[/y);
      around = envelope(s);
    }
  }
  const base = { type: 'packet' as const, inbound, envelope: around };
  if (s.accept(/icmp\b/y)) return icmp(s, base, echoed);
  const pair = s.accept(/(\d+)\s*>\s*(\d+)/y);
  const ports: [number, number] | null = pair ? [Number(pair[1]), Number(pair[2])] : null;
  if (s.accept(/udp\b/y)) {
    const [, length] = s.expect(/\((\d+)\)/y, 'a length');
    return { ...base, proto: 'udp', ports, length: Number(length) };
  }
  const [flags] = s.expect(/[SFRPEWU.]+|-/y, 'TCP flags');
  const { seq, length } = range(s);
  const ack = s.accept(/ack (\d+)/y);
  const window = s.accept(/win (\d+)/y);
  const urgent = s.accept(/urg (\d+)/y);
  const number = (found: RegExpExecArray | null): number | null => (found ? Number(found[1]) : null);
  return {
    ...base, proto: 'tcp', ports, flags, seq, length,
    ack: number(ack), window: number(window), urgent: number(urgent), options: options(s),
  };
}
