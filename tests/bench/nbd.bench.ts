/**
 * A RAM disk over NBD: MB/s and memory beside `nbdkit memory allocator=zstd`, real clients (nbdcopy, fio),
 * mixed data, one run, interleaved rounds. Memory is what the process has grown by (VmRSS), for both.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { buildImage } from '../../tools/mkimage/build';
import { need } from '../lib/need';
import { freePort } from '../lib/net';
import { type Process, run as runCommand, start } from '../lib/spawn';
import { cli, root } from '../lib/tree';
import { mixed } from '../lzo/samples';

const MIB = 1 << 20;
const PEER = 'nbdkit memory allocator=zstd';

/** A server with an empty disk, and its figures. */
interface Served {
  process: Process;
  uri: string;
  rssBefore: number;
}

function rss(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

async function until(uri: string): Promise<void> {
  for (let i = 0; i < 100; i++) if ((await runCommand('nbdinfo', ['--size', uri])).code === 0) return;
  throw new Error(`nobody answers at ${uri}`);
}

async function ours(size: number): Promise<Served> {
  const port = await freePort();
  const process_ = start(process.execPath, [cli, 'run', 'NBD', '-e', `NBD_PORT=${port}`, '-b', `rd0,size=${size}`], { cwd: root });
  await process_.waitFor(/serving/, 120_000);
  const uri = `nbd://127.0.0.1:${port}/rd0`;
  await until(uri);
  return { process: process_, uri, rssBefore: rss(process_.pid) };
}

async function theirs(size: number): Promise<Served> {
  const port = await freePort();
  const process_ = start('nbdkit', ['-f', '-i', '127.0.0.1', '-p', `${port}`, 'memory', `size=${size}`, 'allocator=zstd']);
  const uri = `nbd://127.0.0.1:${port}/`;
  await until(uri);
  return { process: process_, uri, rssBefore: rss(process_.pid) };
}

async function timed(command: string, args: string[]): Promise<{ seconds: number; stdout: string }> {
  const began = performance.now();
  const { code, stdout, stderr } = await runCommand(command, args, { timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return { seconds: (performance.now() - began) / 1000, stdout };
}

/** Requests a second, reads and writes together, of fio. */
async function fio(uri: string, bs: string, seconds: number): Promise<number> {
  const { stdout } = await timed('fio', [
    '--name=bench', '--ioengine=nbd', `--uri=${uri}`, '--rw=randrw', `--bs=${bs}`, '--iodepth=32', '--time_based', `--runtime=${seconds}`, '--size=32m',
    '--buffer_compress_percentage=50', '--refill_buffers', '--output-format=json',
  ]);
  const [job] = (JSON.parse(stdout.slice(stdout.indexOf('{'))) as { jobs: { read: { iops: number }; write: { iops: number } }[] }).jobs;
  return job!.read.iops + job!.write.iops;
}

type Figures = Record<'write' | 'read' | 'memory' | 'random', number>;

async function measure(serve: (size: number) => Promise<Served>, image: string, length: number, seconds: number): Promise<Figures> {
  const served = await serve(length);
  try {
    const write = length / 1e6 / (await timed('nbdcopy', ['--no-extents', image, served.uri])).seconds;
    const memory = ((rss(served.process.pid) - served.rssBefore) / length) * 100;
    const read = length / 1e6 / (await timed('nbdcopy', [served.uri, `${image}.back`])).seconds;
    if (!readFileSync(image).equals(readFileSync(`${image}.back`))) throw new Error(`${served.uri}: what came back is not what went in`);
    return { write, read, memory, random: await fio(served.uri, '4k', seconds) };
  } finally {
    await served.process.stop();
  }
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

async function run(report: (row: Row) => void, { quick, log }: BenchOptions): Promise<void> {
  const missing = need('nbdcopy', 'nbdinfo', 'fio');
  if (missing) throw new Error(missing);
  const noPeer = need('nbdkit');
  if (noPeer) log(`no peer: ${noPeer}`);
  await buildImage('NBD');
  const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-nbd-bench-'));
  try {
    const data = mixed(quick ? 16 * MIB : 128 * MIB);
    const image = join(dir, 'image');
    writeFileSync(image, data);
    const mine: Figures[] = [];
    const other: Figures[] = [];
    for (let i = 0; i < (quick ? 1 : 5); i++) {
      log(`round ${i + 1}`);
      mine.push(await measure(ours, image, data.length, quick ? 1 : 3));
      if (!noPeer) other.push(await measure(theirs, image, data.length, quick ? 1 : 3));
    }
    const rows: [keyof Figures, string, string, string?][] = [
      ['write', 'nbdcopy to an empty disk', 'MB/s', '≥ 1.0×'], ['read', 'nbdcopy from it', 'MB/s', '≥ 1.0×'],
      ['random', 'fio randrw 4k, depth 32', 'requests/s', '≥ 1.0×'], ['memory', 'memory for mixed data', '% of data'],
    ];
    for (const [key, metric, unit, aim] of rows) {
      const value = median(mine.map((each) => each[key]));
      const ratio = noPeer ? 0 : median(mine.map((each, i) => (key === 'memory' ? other[i]![key] / each[key] : each[key] / other[i]![key])));
      report({ metric, value, unit, ...(noPeer ? {} : { peer: PEER, peerValue: median(other.map((each) => each[key])), ratio }), ...(aim ? { aim } : {}) });
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const bench: Bench = { name: 'nbd', about: 'a compressed RAM disk over NBD beside nbdkit', run };
export default bench;
