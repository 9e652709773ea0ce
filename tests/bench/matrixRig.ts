/**
 * The two set-ups that the loss matrix compares: the same client, the same bad line, another server.
 *
 *      namespace A: client (10.78.0.1) ── tap ── fault ─┬─ the image, iperfd and inetd (10.78.0.2)
 *                                                       └─ tap ── namespace B: iperf3 -s, the kernel (10.78.0.2)
 *
 * The line is host/netdev/fault.ts in both, with the same parameters and the same seed; for Linux it
 * stands in a process of its own that forwards frames (peers/link.mjs). No offloads on either: a frame
 * is one segment. Namespaces are new for each cell, so nothing is remembered of the one before.
 */
import { join } from 'node:path';
import type { Faults } from '../../host/netdev/fault';
import { type Netns, waitFor, withNetns } from '../lib/net';
import { cli, root } from '../lib/tree';

export const SERVER = '10.78.0.2';
const CLIENT = '10.78.0.1';
/** Of Linux, on both sides, whatever the machine's default: the image's own. Another would be another comparison. */
export const CONGESTION = 'cubic';
let serial = 0;

/** A row of the matrix: what is wrong with the line besides its length. */
export interface Line {
  name: string;
  faults: Faults;
}

/** The line of a row, so long that a round trip takes `rttMs`. */
export function faultsOf(line: Line, rttMs: number): Faults {
  return { seed: 7, ...line.faults, ...(rttMs > 0 ? { delayUs: rttMs * 500 } : {}) };
}

/** The same in words of -I. Never none: with a line before it, however good, an image has no offloads. */
function words({ loss = 0, reorder, delayUs, holdUs, seed }: Faults): string {
  const said = [`loss=${loss * 100}%`, reorder ? `reorder=${reorder * 100}%` : '', holdUs ? `hold=${holdUs}us` : '', delayUs ? `delay=${delayUs}us` : ''];
  return `,${said.filter((word) => word !== '').join(',')},seed=${String(seed)}`;
}

async function reach(ns: Netns, tap: string): Promise<void> {
  ns.ip('addr', 'add', `${CLIENT}/24`, 'dev', tap);
  ns.ip('link', 'set', tap, 'up');
  await waitFor(async () => (await ns.run('ping', ['-c', '1', '-W', '1', SERVER])).code === 0, 'an answer from the server', 30_000);
}

/** With the image as the server. */
export async function withImage<T>(faults: Faults, body: (ns: Netns) => Promise<T>): Promise<T> {
  return withNetns(async (ns) => {
    const image = ns.start(process.execPath, [
      cli, 'run', 'WIRE', '-q', '--name', `matrix-${process.pid}-${serial++}`, '-I', `virt0,virtif,tap=tap0${words(faults)}`,
      '-W', `virt0,inet,static,${SERVER}/24,${CLIENT}`,
    ], { cwd: root });
    await image.waitFor(/serving|running/, 60_000);
    await reach(ns, 'tap0');
    return body(ns);
  });
}

/** With Linux as the server. */
export async function withLinux<T>(faults: Faults, body: (ns: Netns) => Promise<T>): Promise<T> {
  return withNetns((ns) => withNetns(async (other) => {
    const link = ns.start(process.execPath, [join(root, 'tests/bench/peers/link.mjs'), join(root, 'dist', 'index.mjs'), 'tapa', 'tapb', JSON.stringify(faults)], { cwd: root });
    await link.waitFor(/linked/);
    ns.ip('link', 'set', 'tapb', 'netns', other.name);
    other.ip('addr', 'add', `${SERVER}/24`, 'dev', 'tapb');
    other.ip('link', 'set', 'tapb', 'up');
    await other.start('iperf3', ['-s', '--forceflush']).waitFor(/listening/i);
    await reach(ns, 'tapa');
    return body(ns);
  }));
}

/** Goodput over `seconds`, as the receiver counts it, MB/s. @param reverse from the server */
export async function goodput(ns: Netns, seconds: number, reverse: boolean): Promise<number> {
  const args = ['-c', SERVER, '-t', `${seconds}`, '-J', '-C', CONGESTION, ...(reverse ? ['-R'] : [])];
  for (let attempt = 1; ; attempt++) {
    const { stdout } = await ns.run('iperf3', args, { timeoutMs: (seconds + 40) * 1000 });
    const result = JSON.parse(stdout) as { error?: string; end?: { sum_received?: { bits_per_second: number } } };
    if (result.error === undefined && result.end?.sum_received !== undefined) return result.end.sum_received.bits_per_second / 8e6;
    // The control connection goes over the same bad line, and a server may still be busy with its last client.
    if (attempt === 3) throw new Error(`iperf3 ${args.join(' ')}: ${result.error ?? 'no result'}`);
  }
}

/** Send pseudo-random bytes to the echo service and compare what comes back, byte for byte. @returns seconds */
export async function echoed(ns: Netns, bytes: number, timeoutMs: number): Promise<number> {
  const done = await ns.run(process.execPath, [join(root, 'tests/bench/peers/echo.mjs'), SERVER, '7', `${bytes}`], { timeoutMs });
  if (done.code !== 0) throw new Error(done.stderr || done.stdout);
  return Number(done.stdout);
}
