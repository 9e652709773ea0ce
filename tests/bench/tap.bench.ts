/**
 * An image on a TAP device against the kernel's own stack on a veth pair: bulk both ways by iperf3, round
 * trip by ping, in turns. Both are reached from one network namespace; iperf3 is the client of both, its
 * server is in the image (iperfd) or in a second namespace.
 */
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { need } from '../lib/need';
import { type Netns, withNetns } from '../lib/net';
import { cli, root } from '../lib/tree';
import { runNode } from '../lib/spawn';
import { interleave } from './lib';

const IMAGE = '10.0.0.2';
const SPINNING = '10.0.1.2';
const KERNEL = '10.0.2.2';
const PEER = "the kernel's stack over veth";

/** Bytes a second that iperf3 measures, Gbit/s. */
async function iperf(ns: Netns, host: string, seconds: number, ...args: string[]): Promise<number> {
  const { stdout } = await ns.run('iperf3', ['-c', host, '-t', `${seconds}`, '-J', ...args], { timeoutMs: (seconds + 30) * 1000 });
  const result = JSON.parse(stdout) as { error?: string; end?: { sum_received?: { bits_per_second: number } } };
  if (result.error !== undefined || result.end?.sum_received === undefined) throw new Error(`iperf3 -c ${host}: ${result.error ?? 'no result'}`);
  return result.end.sum_received.bits_per_second / 1e9;
}

/** Mean round trip of a flood of pings, µs. */
async function roundTrip(ns: Netns, host: string, count: number): Promise<number> {
  const { stdout } = await ns.run('ping', ['-f', '-q', '-c', `${count}`, host], { timeoutMs: 60_000 });
  const [, received, mean] = /(\d+) received[^]*= [\d.]+\/([\d.]+)\//.exec(stdout) ?? [];
  if (Number(received) !== count) throw new Error(`ping ${host}: ${stdout}`);
  return Number(mean) * 1000;
}

/** Start an image on a TAP device at `address`, with the namespace at .1 of its network. */
async function startImage(ns: Netns, name: string, address: string, more: string): Promise<void> {
  const image = ns.start(process.execPath, [
    cli, 'run', 'WIRE', '-q', '--name', `bench-${process.pid}-${name}`, '-I', `virt0,virtif,tap=${name}${more}`,
    '-W', `virt0,inet,static,${address}/24`, '-e', 'HTTPD_PORT=8080',
  ], { cwd: root });
  await image.waitFor(/serving|listening|running/i, 60_000).catch(() => undefined);
  ns.ip('addr', 'add', address.replace(/\.2$/, '.1/24'), 'dev', name);
  ns.ip('link', 'set', name, 'up');
  await ns.run('ping', ['-c', '3', '-i', '0.2', address]);
}

async function compare(ns: Netns, report: (row: Row) => void, { quick, log }: BenchOptions): Promise<void> {
  const rounds = quick ? 1 : 5;
  const seconds = quick ? 1 : 3;
  for (const [metric, args] of [['bulk into the image', []], ['bulk out of the image', ['-R']]] as const) {
    const things = { ours: () => iperf(ns, IMAGE, seconds, ...args), peer: () => iperf(ns, KERNEL, seconds, ...args) };
    const { medians, ratio } = await interleave(rounds, things, (text) => log(`${metric}: ${text}`));
    report({ metric: `${metric}, one stream`, value: medians.ours, unit: 'Gbit/s', peer: PEER, peerValue: medians.peer, ratio: ratio('ours', 'peer') });
  }
  const count = quick ? 2000 : 20_000;
  const things = { ours: () => roundTrip(ns, IMAGE, count), spinning: () => roundTrip(ns, SPINNING, count), peer: () => roundTrip(ns, KERNEL, count) };
  const { medians, ratio } = await interleave(rounds, things, (text) => log(`round trip: ${text}`));
  report({ metric: 'round trip of a flood, mean', value: medians.ours, unit: 'µs', peer: PEER, peerValue: medians.peer, ratio: ratio('peer', 'ours') });
  report({ metric: 'the same with spin=50us', value: medians.spinning, unit: 'µs', peer: PEER, peerValue: medians.peer, ratio: ratio('peer', 'spinning') });
}

const bench: Bench = {
  name: 'tap',
  about: "an image on a TAP device against the kernel's stack on a veth pair: iperf3, ping",
  async run(report, options) {
    const missing = need('linux', 'netns', 'tun', 'ping', 'iperf3');
    if (missing) throw new Error(missing);
    const built = await runNode([cli, 'build', 'WIRE'], { cwd: root, timeoutMs: 120_000 });
    if (built.code !== 0) throw new Error(built.stderr);
    await withNetns((ns) => withNetns(async (other) => {
      options.log('starting images and the peer');
      await startImage(ns, 'tap0', IMAGE, '');
      await startImage(ns, 'tap1', SPINNING, ',spin=50us');
      ns.ip('link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1', 'netns', other.name);
      ns.ip('addr', 'add', KERNEL.replace(/2$/, '1/24'), 'dev', 'veth0');
      ns.ip('link', 'set', 'veth0', 'up');
      other.ip('addr', 'add', `${KERNEL}/24`, 'dev', 'veth1');
      other.ip('link', 'set', 'veth1', 'up');
      await other.start('iperf3', ['-s', '--forceflush']).waitFor(/listening/i);
      await compare(ns, report, options);
    }));
  },
};

export default bench;
