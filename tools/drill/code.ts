/**
 * Code blocks:   %{ assert state == 'ESTABLISHED' }%
 *
 * One statement a line (or a `;`), each `assert EXPRESSION`, in JavaScript. What it may look at:
 *
 *      state                   of the current connection, netstat's word; 'CLOSED' if it has none
 *      recvq sendq cwnd ssthresh srtt_us rto_us backoff              of the current connection, 0 if it has none
 *      tcpstat.NAME ipstat.NAME icmpstat.NAME udpstat.NAME  counters of netstat -s, from 0
 *      iss_ahead               how far its initial sequence number is beyond what its predecessor had sent
 *      connections             how many control blocks there are     sysctl('name')
 *
 *      tcpi_NAME               the fields of TCP_INFO (kernel/abi/tcp_info.ts) of its descriptor
 */
import { tcpInfo } from '../../host/api/tcpInfo';
import type { Kernel } from '../../host/kernel';
import type { Flow } from './flow';

export interface Connection {
  state: string;
  recvq: number;
  sendq: number;
  localPort: number;
  remotePort: number;
  cwnd: number;
  srtt_us: number;
  rto_us: number;
  backoff: number;
  ssthresh: number;
}

/** The TCP control blocks of the image (sysctl net.inet.tcp.pcblist). */
export function connections(kernel: Kernel): Connection[] {
  const port = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));
  return String(kernel.sysctl('net.inet.tcp.pcblist')).split('\n').filter((line) => line !== '').map((line) => {
    const [, recvq, sendq, local, remote, state, cwnd, srtt, rto, backoff, ssthresh] = line.split(' ');
    return {
      state: state!, recvq: Number(recvq), sendq: Number(sendq), localPort: port(local!), remotePort: port(remote!),
      cwnd: Number(cwnd), srtt_us: Number(srtt), rto_us: Number(rto), backoff: Number(backoff), ssthresh: Number(ssthresh),
    };
  });
}

/** A table of "name value" lines. */
function counters(kernel: Kernel, name: string): Record<string, number> {
  const lines = String(kernel.sysctl(name)).split('\n').filter((line) => line !== '');
  return Object.fromEntries(lines.map((line) => {
    const [key, value] = line.split(' ');
    return [key!, Number(value)];
  }));
}

/** Names of an expression, computed when they are looked at. */
function scope(kernel: Kernel, flow: Flow | null): Record<string, unknown> {
  const all = connections(kernel);
  const own = all.find((one) => one.localPort === flow?.localPort && one.remotePort === flow.remotePort);
  return {
    state: 'CLOSED', recvq: 0, sendq: 0, cwnd: 0, srtt_us: 0, rto_us: 0, backoff: 0, ssthresh: 0, ...own, connections: all.length, iss_ahead: flow?.issAhead ?? 0,
    sysctl: (name: string) => kernel.sysctl(name),
    get tcpstat() { return counters(kernel, 'net.inet.tcp.stats'); },
    get ipstat() { return counters(kernel, 'net.inet.ip.stats'); },
    get icmpstat() { return counters(kernel, 'net.inet.icmp.stats'); },
    get udpstat() { return counters(kernel, 'net.inet.udp.stats'); },
  };
}

/** tcpi_NAME → value; none if the descriptor has no connection any more. */
function infoOf(kernel: Kernel, fd: number): Record<string, number> {
  try {
    return Object.fromEntries(Object.entries(tcpInfo(kernel.sys, fd)).map(([name, value]) => [`tcpi_${name}`, value]));
  } catch {
    return {};
  }
}

/** Names that a false assertion is about, with their values. */
function seen(expression: string, names: Record<string, unknown>): string {
  const words = [...new Set(expression.match(/[A-Za-z_][\w.]*/g) ?? [])];
  const shown = words.flatMap((word) => {
    const [first, second] = word.split('.');
    const value = names[first!];
    if (typeof value === 'object' && value !== null && second !== undefined) return [`${word} = ${String((value as Record<string, unknown>)[second])}`];
    return typeof value === 'string' || typeof value === 'number' ? [`${word} = ${value}`] : [];
  });
  return shown.join(', ');
}

/**
 * Run a code block.
 * @param fd the image's descriptor of the connection, -1 for none
 * @returns what is wrong, or null
 */
export function runCode(text: string, kernel: Kernel, flow: Flow | null, fd: number): string | null {
  for (const statement of text.split(/[;\n]/).map((part) => part.trim()).filter((part) => part !== '' && !part.startsWith('#'))) {
    const found = /^assert\b\s*([\s\S]+)$/.exec(statement);
    if (!found) return `${statement}: only assert is understood here`;
    const expression = found[1]!;
    const names = { ...scope(kernel, flow), ...(/\btcpi_/.test(expression) ? infoOf(kernel, fd) : {}) };
    let result: unknown;
    try {
      // Not a boundary: scripts are sources of this tree.
      result = new Function(...Object.keys(names), `return (${expression});`)(...Object.values(names));
    } catch (error) {
      return `${expression}: ${(error as Error).message}`;
    }
    if (!result) return `assert ${expression} is false: ${seen(expression, names)}`;
  }
  return null;
}
