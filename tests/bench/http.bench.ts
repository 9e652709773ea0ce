/**
 * HTTP: image SOCKIN (httpd and tmpfs in WebAssembly, the host's sockets below) against Node's own
 * `http` server on the same files. Each is a process of its own, both stay up for the whole time, and
 * wrk drives them in turns from a third.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { serve } from '../lib/serve';
import { start, type Process } from '../lib/spawn';
import { root, site } from '../lib/tree';
import { interleave, median, wrk, type WrkOptions, type WrkResult } from './lib';

const PEER = `node:http ${process.versions.node}`;

interface Case {
  name: string;
  path: string;
  options: WrkOptions;
  /** What is measured, more being better. */
  value(result: WrkResult): number;
  unit: string;
  aim?: string;
}

const CASES: Case[] = [
  { name: 'keep-alive, 64 connections', path: '/', options: {}, value: (r) => r.requestsPerSecond, unit: 'req/s', aim: '≥ 1.0×' },
  { name: 'keep-alive, 1 connection', path: '/', options: { connections: 1 }, value: (r) => r.requestsPerSecond, unit: 'req/s' },
  { name: 'a connection for each request', path: '/', options: { headers: { Connection: 'close' } }, value: (r) => r.requestsPerSecond, unit: 'req/s' },
  { name: 'file of 80 KB', path: '/primes.txt', options: {}, value: (r) => r.bytesPerSecond / 1e6, unit: 'MB/s' },
];

async function startPeer(): Promise<{ url: string; process: Process }> {
  const peer = start(process.execPath, [join(root, 'tests/bench/peers/nodeHttp.mjs'), site]);
  const [, port] = await peer.waitFor(/listening (\d+)/);
  return { url: `http://127.0.0.1:${port}`, process: peer };
}

async function runCase(one: Case, ours: string, theirs: string, { quick, log }: BenchOptions): Promise<Row[]> {
  const options = { ...one.options, seconds: quick ? 1 : 3 };
  const latencies: Record<'ours' | 'peer', number[]> = { ours: [], peer: [] };
  const measure = (who: 'ours' | 'peer', url: string) => async (): Promise<number> => {
    const result = await wrk(url + one.path, options);
    latencies[who].push(result.p50us);
    return one.value(result);
  };
  const things = { ours: measure('ours', ours), peer: measure('peer', theirs) };
  const { medians, ratio } = await interleave(quick ? 1 : 5, things, (text) => log(`${one.name}: ${text}`));
  const row: Row = { metric: one.name, value: medians.ours, unit: one.unit, peer: PEER, peerValue: medians.peer, ratio: ratio('ours', 'peer') };
  if (one.aim) row.aim = one.aim;
  const [p50, theirP50] = [median(latencies.ours), median(latencies.peer)];
  return [row, { metric: `${one.name}: median time`, value: p50, unit: 'µs', peer: PEER, peerValue: theirP50, ratio: theirP50 / p50 }];
}

const bench: Bench = {
  name: 'http',
  about: 'image SOCKIN against node:http, the same files, driven by wrk in turns',
  async run(report, options) {
    options.log('starting both servers');
    const ours = await serve({ args: ['-q'] });
    const peer = await startPeer();
    try {
      for (const warm of [ours.url, peer.url]) await wrk(`${warm}/`, { seconds: options.quick ? 1 : 3 });
      for (const one of CASES) {
        for (const row of await runCase(one, ours.url, peer.url, options)) report(row);
        await sleep(500);               // let closed connections settle before the next case
      }
    } finally {
      await Promise.all([ours.process.stop(), peer.process.stop()]);
    }
  },
};

export default bench;
