/**
 * TIME-WAIT as vestiges and as control blocks: memory and processor time of a session, and how fast
 * connections are made as TIME-WAIT grows. Two images on a hub in one process; the server closes first.
 *
 * lwIP's figures beside ours are those of peers.md, measured elsewhere: 52,600 connections a second by
 * killing TIME-WAIT early; with honest TIME-WAIT 28,000, falling to 8,500, and none after 16,383.
 */
import type { Kernel } from '../../host/index';
import type { Bench, Row } from '../../tools/bench/bench';
import { runNode } from '../lib/spawn';
import { cli, root } from '../lib/tree';
import { churn, makePair, type Pair, value } from '../vtw/churn';
import { interleave } from './lib';

/** More than 16, and prime to 16,384: the client comes back to a 4-tuple after 278,528 connections. */
const PORTS = 17;
const MIB = 2 ** 20;
/** Nobody leaves TIME-WAIT while this runs. */
const LONG = { 'net.inet.tcp.mslt.local': 7200 };

/** peers.md: measured elsewhere, on another machine. */
const LWIP = [['TIME-WAIT killed early', 52_600], ['honest TIME-WAIT, at first', 28_000], ['honest TIME-WAIT, later; it stops at 16,383', 8_500]] as const;

interface Fill { rate: number; cpuUs: number; touched: number }

/** `count` more connections. */
async function fill(two: Pair, count: number): Promise<Fill> {
  const [cpu, touched] = [process.cpuUsage(), two.server.touchedMemory().bytes];
  const result = await churn(two, count, { ports: PORTS });
  if (result.lost > 0 || result.refused.size > 0) throw new Error(`${result.lost} connections were lost, refused: ${JSON.stringify([...result.refused])}`);
  const { user, system } = process.cpuUsage(cpu);
  return { rate: count / result.seconds, cpuUs: (user + system) / count, touched: two.server.touchedMemory().bytes - touched };
}

/** Bytes that a session holds in pools when it has a control block and a socket. */
function blockBytes(kernel: Kernel): number {
  const sizes = String(kernel.sysctl('kern.pools')).split('\n').map((line) => line.split(' '));
  const of = (name: string): number => Number(sizes.find(([each]) => each === name)?.[1] ?? 0);
  return of('tcpcb') + of('tcp_inpcb') + of('socket');
}

type Report = (row: Row) => void;

/** 65,536 sessions, with vestiges and without. */
async function memory(report: Report, count: number): Promise<void> {
  for (const [enable, how] of [[1, 'vestiges'], [0, 'control blocks']] as const) {
    const two = await makePair({ image: 'NETTW', sysctl: { ...LONG, 'net.inet.tcp.vtw.enable': enable } });
    await fill(two, 1000);
    const all = await fill(two, count - 1000);
    const waiting = value(two.server, 'vtw.live') + value(two.server, 'timewait');
    const bytes = enable === 1 ? value(two.server, 'vtw.bytes') / value(two.server, 'vtw.entries') : blockBytes(two.server);
    report({ metric: `pools' bytes for each session, ${how}`, value: bytes, unit: 'B', ...(enable === 1 ? { aim: '≤ 40', peer: 'NetBSD, published', peerValue: 75.5 } : {}) });
    report({ metric: `in TIME-WAIT, ${how}`, value: waiting, unit: 'sessions' });
    report({ metric: `linear memory touched by them, ${how}`, value: all.touched / MIB, unit: 'MiB' });
    report({ metric: `processor time of a session, both ends, ${how}`, value: all.cpuUs, unit: 'µs' });
    report({ metric: `connections while it grew, ${how}`, value: all.rate, unit: 'conn/s' });
    await two.close();
  }
}

/** The rate as TIME-WAIT grows. */
async function growth(report: Report, steps: readonly number[], log: (text: string) => void): Promise<void> {
  const two = await makePair({ image: 'NETTW', params: { VTW_ENTRIES: 262_144 }, sysctl: LONG });
  await fill(two, 2000);
  let at = value(two.server, 'vtw.live');
  for (const step of steps) {
    if (step > at) await fill(two, step - at);
    log(`${step} in TIME-WAIT`);
    const { rate } = await fill(two, 4000);
    at = value(two.server, 'vtw.live');
    report({ metric: `connections with ${step.toLocaleString('en')} vestiges`, value: rate, unit: 'conn/s' });
  }
  for (const [what, rate] of LWIP) report({ metric: `published of lwIP in WASM: ${what}`, value: rate, unit: 'conn/s' });
  report({ metric: 'discarded before their time', value: value(two.server, 'vtw.killed'), unit: 'sessions' });
  await two.close();
}

/** 60,000 vestiges beside none, in turns. */
async function beside(report: Report, rounds: number, log: (text: string) => void): Promise<void> {
  const full = await makePair({ sysctl: LONG });
  const none = await makePair({ sysctl: { 'net.inet.tcp.mslt.local': 1 } });
  await fill(full, 60_000);
  await fill(none, 4000);
  const empty = async (): Promise<number> => {
    while (value(none.server, 'vtw.live') > 0) await new Promise((done) => { setTimeout(done, 50); });
    return (await fill(none, 4000)).rate;
  };
  const result = await interleave(rounds, { full: async () => (await fill(full, 4000)).rate, none: empty }, log);
  report({
    metric: 'connections with 60,000 vestiges beside none', value: result.medians.full, unit: 'conn/s', aim: '≥ 0.95×',
    peer: 'the same with none', peerValue: result.medians.none, ratio: result.ratio('full', 'none'),
  });
  await full.close();
  await none.close();
}

const bench: Bench = {
  name: 'vtw',
  about: 'TIME-WAIT as vestiges and as control blocks: bytes, processor time, connections a second as it grows',
  async run(report, { quick, log }) {
    for (const image of ['NET', 'NETTW']) {
      const built = await runNode([cli, 'build', image], { cwd: root, timeoutMs: 120_000 });
      if (built.code !== 0) throw new Error(built.stderr);
    }
    await memory(report, quick ? 20_000 : 65_536);
    await growth(report, quick ? [0, 16_384, 60_000] : [0, 16_384, 32_768, 60_000, 131_072, 250_000], log);
    await beside(report, quick ? 5 : 15, log);
  },
};

export default bench;
