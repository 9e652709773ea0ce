/**
 * Forwarding between two TAP devices by image ROUTER, beside the Linux kernel's own between two veth pairs, with the
 * same two hosts at the ends.
 *
 *      left ── tap ── [ROUTER] ── tap ── right        10.0.0.0/24, 10.0.1.0/24
 *      left ── veth ── [kernel] ── veth ── right      10.2.0.0/24, 10.2.1.0/24
 *
 * In turns, by iperf3: bulk TCP (large segments stay whole through both) and UDP datagrams of 64 bytes as fast as
 * the sender can make them, counted where they arrive. Sender, router and receiver share the machine's processors.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { plug, startRouter } from '../interop/routerRig';
import { need } from '../lib/need';
import { type Netns, withNetns } from '../lib/net';
import { interleave } from './lib';

const OURS = '10.0.1.2';
const KERNEL = '10.2.1.2';
const PEER = "the Linux kernel's forwarding between veth pairs";

interface Report {
  error?: string;
  end: { sum_received?: { bits_per_second: number }; sum?: { packets: number; lost_packets: number; seconds: number } };
}

async function iperf(ns: Netns, host: string, seconds: number, args: string[]): Promise<Report['end']> {
  const { stdout } = await ns.run('iperf3', ['-c', host, '-t', `${seconds}`, '-J', ...args], { timeoutMs: (seconds + 30) * 1000 });
  const report = JSON.parse(stdout) as Report;
  if (report.error !== undefined) throw new Error(`iperf3 -c ${host}: ${report.error}`);
  return report.end;
}

/** Gbit/s. */
async function bulk(ns: Netns, host: string, seconds: number): Promise<number> {
  return ((await iperf(ns, host, seconds, [])).sum_received?.bits_per_second ?? NaN) / 1e9;
}

/** Thousands of datagrams a second that arrive. */
async function small(ns: Netns, host: string, seconds: number): Promise<number> {
  const { sum } = await iperf(ns, host, seconds, ['-u', '-b', '0', '-l', '64']);
  return sum === undefined ? NaN : (sum.packets - sum.lost_packets) / sum.seconds / 1000;
}

/** A veth pair: `a` in namespace `from`, `b` in namespace `to`. */
function pair(from: Netns, to: Netns, a: string, b: string, addresses: [string, string]): void {
  from.ip('link', 'add', a, 'type', 'veth', 'peer', 'name', b, 'netns', to.name);
  from.ip('addr', 'add', addresses[0], 'dev', a);
  to.ip('addr', 'add', addresses[1], 'dev', b);
  from.ip('link', 'set', a, 'up');
  to.ip('link', 'set', b, 'up');
}

async function compare(left: Netns, right: Netns, report: (row: Row) => void, { quick, log }: BenchOptions): Promise<void> {
  const server = right.start('iperf3', ['-s', '--forceflush']);
  await server.waitFor(/Server listening/).catch(() => undefined);
  const rounds = quick ? 1 : 5;
  const seconds = quick ? 1 : 3;
  for (const [metric, unit, measure] of [['bulk TCP through the router', 'Gbit/s', bulk], ['UDP datagrams of 64 bytes', 'k/s', small]] as const) {
    const things = { ours: () => measure(left, OURS, seconds), peer: () => measure(left, KERNEL, seconds) };
    const { medians, ratio } = await interleave(rounds, things, (text) => log(`${metric}: ${text}`));
    report({ metric, value: medians.ours, unit, peer: PEER, peerValue: medians.peer, ratio: ratio('ours', 'peer') });
  }
  await server.stop();
}

const bench: Bench = {
  name: 'forward',
  about: "forwarding between two TAP devices, beside the Linux kernel's own",
  async run(report, options) {
    const missing = need('netns', 'tun', 'iperf3');
    if (missing) throw new Error(missing);
    const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-forward-'));
    try {
      await withNetns(async (router) => withNetns(async (left) => withNetns(async (right) => {
        const process = await startRouter(router, dir, 'f', ['tap=ta0', 'tap=ta1'], ['10.0.0.1/24', '10.0.1.1/24']);
        plug(router, left, 'ta0', '10.0.0.2/24');
        plug(router, right, 'ta1', '10.0.1.2/24');
        left.ip('route', 'add', '10.0.1.0/24', 'via', '10.0.0.1');
        right.ip('route', 'add', '10.0.0.0/24', 'via', '10.0.1.1');
        pair(router, left, 'v0', 'e0', ['10.2.0.1/24', '10.2.0.2/24']);
        pair(router, right, 'v1', 'e1', ['10.2.1.1/24', '10.2.1.2/24']);
        await router.run('sysctl', ['-w', 'net.ipv4.ip_forward=1']);
        left.ip('route', 'add', '10.2.1.0/24', 'via', '10.2.0.1');
        right.ip('route', 'add', '10.2.0.0/24', 'via', '10.2.1.1');
        await compare(left, right, report, options);
        await process.process.stop();
      })));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

export default bench;
