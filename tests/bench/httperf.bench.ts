/**
 * The test of httperf that is published for kevent servers (facts.md §13): the image HTTPERF on a TAP
 * device in a namespace, a reply of 198 octets of head and 3,931 of body with status 403, the server
 * closing first, so that every connection leaves a TIME-WAIT in the image; runs A to D, and B ten times.
 *
 *      namespace ns:     httperf, 10.77.0.1 ── tap0 ── HTTPERF, 10.77.0.2
 *                                 10.78.0.1 ── veth ── 10.78.0.2: namespace peer, Node's net, the same reply
 *
 * Linux's own stack with the same reply is measured next to each run, in turns: what a busy machine does
 * to httperf itself (which polls, and takes a whole processor) shows there. The client's ports come again
 * after 64,000 connections at most, and then meet a vestige, which a SYN with a newer timestamp may
 * replace (RFC 6191): counted as reused.
 */
import { join } from 'node:path';
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { table } from '../../tools/lib/term.mjs';
import { startTap, IMAGE } from '../interop/tapRig';
import { need } from '../lib/need';
import { type Netns, withNetns } from '../lib/net';
import { runNode } from '../lib/spawn';
import { cli, root } from '../lib/tree';
import { type Cells, cellsOf, errorsText, httperf, PUBLISHED, type Result, RUNS, type RunPlan } from './httperfRun';

const PEER = '10.78.0.2';
const LINUX = "Linux's stack, Node net";
const REPEATS = 10;
/** The published row that each run is reported beside. */
const BESIDE: Record<string, [string, number]> = {
  A: ['published: kevent_poll', 1759.4], B: ['published: FreeBSD kqueue', 1000], C: ['published: FreeBSD kqueue', 2000], D: ['published: kevent_socket, "record"', 2654.4],
};

interface Rig { ns: Netns; instance: string }
type Vestiges = Record<'live' | 'inserted' | 'killed' | 'reused' | 'expired', number>;

/** The image's counters of vestiges, by its control socket. */
async function vestiges({ instance }: Rig): Promise<Vestiges> {
  const value = async (name: string): Promise<number> => {
    const { code, stdout, stderr } = await runNode([cli, 'sysctl', '--instance', instance, '-n', `net.inet.tcp.vtw.${name}`]);
    if (code !== 0) throw new Error(stderr);
    return Number(stdout);
  };
  const [live, inserted, killed, reused, expired] = await Promise.all(['live', 'inserted', 'killed', 'reused', 'expired'].map(value));
  return { live: live!, inserted: inserted!, killed: killed!, reused: reused!, expired: expired! };
}

/** A server with Linux's stack in a namespace of its own, and the way to it. */
async function startPeer(ns: Netns, peer: Netns): Promise<void> {
  ns.ip('link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1', 'netns', peer.name);
  ns.ip('addr', 'add', PEER.replace(/2$/, '1/24'), 'dev', 'veth0');
  ns.ip('link', 'set', 'veth0', 'up');
  peer.ip('addr', 'add', `${PEER}/24`, 'dev', 'veth1');
  peer.ip('link', 'set', 'veth1', 'up');
  await peer.start(process.execPath, [join(root, 'tests/bench/peers/reply.mjs'), '80', '403', '198', '3931']).waitFor(/listening/);
}

/** A reply that is not the published one measures something else. */
function checkReply(plan: RunPlan, result: Result): void {
  if (result.replies === 0) throw new Error(`run ${plan.name}: no replies`);
  const { header, content, status4xx, replies } = result;
  if (header !== 198 || content !== 3931 || status4xx !== replies) throw new Error(`run ${plan.name}: replies of ${header} + ${content} octets, ${status4xx} of ${replies} with 4xx`);
}

/** Connections that httperf was told to make and that had no reply: also those that it did not attempt. */
function failed(plan: RunPlan, result: Result): number {
  return Math.max(result.errors, plan.conns - result.replies);
}

async function runsAToD(rig: Rig, plans: readonly RunPlan[], report: (row: Row) => void, { log, show }: BenchOptions): Promise<void> {
  const rows: Cells[] = [];
  const waiting: string[] = [];
  for (const [i, plan] of plans.entries()) {
    const results: Partial<Record<'ours' | 'linux', Result>> = {};
    for (const who of i % 2 === 0 ? ['ours', 'linux'] as const : ['linux', 'ours'] as const) {
      log(`run ${plan.name}: ${plan.conns} connections${plan.rate > 0 ? ` at ${plan.rate}/s` : ''}, ${who === 'ours' ? 'the image' : LINUX}`);
      const result = await httperf(rig.ns, who === 'ours' ? IMAGE : PEER, plan);
      results[who] = result;
      if (who === 'linux') continue;
      checkReply(plan, result);
      const v = await vestiges(rig);
      waiting.push(`${plan.name}: live ${v.live}, inserted ${v.inserted}, expired ${v.expired}, reused ${v.reused}, killed ${v.killed}`);
    }
    const [ours, linux] = [results.ours!, results.linux!];
    rows.push(cellsOf(plan.name, 'ours', ours), cellsOf(plan.name, `${LINUX}, this run`, linux), ...PUBLISHED.filter(([run]) => run === plan.name));
    const [peer, peerValue] = BESIDE[plan.name]!;
    report({ metric: `${plan.name}: connections`, value: ours.connRate, unit: 'conn/s', peer, peerValue, ratio: ours.connRate / peerValue });
    report({ metric: `${plan.name}: errors (${errorsText(ours)})`, value: failed(plan, ours), unit: `of ${plan.conns}`, ...(plan.name === 'D' ? { aim: '≤ 0' } : {}), peer: `${LINUX}, this run`, peerValue: failed(plan, linux) });
  }
  show(table(['run', 'server', 'conn/s', 'req/s', 'replies/conns', 'errors', 'reply rate min/avg/max', 'conn time avg/median ms', 'concurrent'], rows, '<<>>><<<>'));
  show(`vestiges in the image after each run, counted since its start:\n  ${waiting.join('\n  ')}\n`);
}

/** B again and again: the rate must not fall as TIME-WAIT fills (published: to about 500 until the listener was made anew). */
async function repeated(rig: Rig, plan: RunPlan, times: number, report: (row: Row) => void, { log, show }: BenchOptions): Promise<void> {
  const rates: number[] = [];
  const lines: string[] = [];
  for (let i = 1; i <= times; i++) {
    log(`B, ${i} of ${times}`);
    const result = await httperf(rig.ns, IMAGE, plan);
    checkReply(plan, result);
    const v = await vestiges(rig);
    rates.push(result.replies / result.conns * result.connRate);
    lines.push(`${i}: ${result.connRate.toFixed(1)} conn/s, ${result.replies} replies, errors ${errorsText(result)}; vestiges live ${v.live}, reused ${v.reused}, killed ${v.killed}`);
  }
  const [first, last] = [rates[0]!, rates.at(-1)!];
  report({ metric: `B ${times} times: replies a second, last beside first`, value: last, unit: 'replies/s', peer: 'the first', peerValue: first, ratio: last / first, aim: '≥ 0.98×' });
  report({ metric: `B ${times} times: the slowest`, value: Math.min(...rates), unit: 'replies/s', peer: 'the first', peerValue: first, ratio: Math.min(...rates) / first });
  show(`B ${times} times in a row:\n  ${lines.join('\n  ')}\n`);
}

const bench: Bench = {
  name: 'httperf',
  about: 'the published test of httperf: runs A to D, and B ten times in a row, the server closing first',
  async run(report, options) {
    const missing = need('linux', 'netns', 'tun', 'ping', 'httperf');
    if (missing) throw new Error(missing);
    const built = await runNode([cli, 'build', 'HTTPERF'], { cwd: root, timeoutMs: 120_000 });
    if (built.code !== 0) throw new Error(built.stderr);
    await withNetns((ns) => withNetns(async (peer) => {
      const rig = { ns, instance: `httperf-${process.pid}` };
      options.log('starting the image and the peer');
      await startTap(ns, root, { name: 'HTTPERF', site: false, args: ['--name', rig.instance] });
      await startPeer(ns, peer);
      // As many ports as there are: the client's, not the image's, would be the first to run out.
      await ns.run('sh', ['-c', 'echo 1024 65535 > /proc/sys/net/ipv4/ip_local_port_range']);
      for (const address of [IMAGE, PEER]) await ns.run('ping', ['-c', '3', '-i', '0.2', address]);
      const plans = options.quick ? [{ name: 'A', conns: 2000, rate: 0 } as const] : RUNS;
      await runsAToD(rig, plans, report, options);
      await repeated(rig, options.quick ? { name: 'B', conns: 2000, rate: 1000 } : RUNS[1]!, options.quick ? 1 : REPEATS, report, options);
    }));
  },
};

export default bench;
