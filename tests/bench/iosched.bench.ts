/**
 * The I/O schedulers: how long a read of a file of the host takes while writes flood its queue, with
 * `deadline` beside `noop`. One image, linked with the one and with the other; the same requests in the
 * same order over NBD; interleaved rounds, medians of the rounds' ratios.
 *
 *      flood: 4 connections × 16 writes of 64 KiB under way, at random      reader: one read of 4 KiB at a time
 *
 * A flood of plain writes goes to the host's page cache, one of FUA waits for its disk.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boot } from '../../host/boot';
import type { Kernel } from '../../host/kernel';
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { buildVariant } from '../../tools/mkimage/index';
import { freePort } from '../lib/net';
import { Random } from '../lzo/samples';
import { CMD, Wire } from '../nbd/wire';
import { median } from './lib';

const SIZE = 256 << 20;
const WRITE = 65536;
const READ = 4096;
const FLOODS = 4;
const DEPTH = 16;

interface Served {
  kernel: Kernel;
  port: number;
}

async function serve(scheduler: string, path: string): Promise<Served> {
  const { wasmFile } = await buildVariant('NBD', `NBD-${scheduler}`, (components) => components.map((each) => (each === 'deadline' ? scheduler : each)));
  const port = await freePort();
  const kernel = await boot(wasmFile, { blk: { hd0: { path, size: SIZE } }, params: { NBD_PORT: port, RAMDISK: '', RAMDISK_MEM: '1M', ETFS: 'hd0' } });
  return { kernel, port };
}

/** Write at random places until told to stop. @returns how many */
async function flood(wire: Wire, seed: number, flags: number, stop: () => boolean): Promise<number> {
  const r = new Random(seed);
  const data = Buffer.alloc(WRITE, seed);
  let under = 0;
  let done = 0;
  while (!stop() || under > 0) {
    for (; under < DEPTH && !stop(); under++) wire.request(CMD.write, under, r.below(SIZE / WRITE) * WRITE, WRITE, data, flags);
    const { error } = await wire.reply();
    if (error !== 0) throw new Error(`write: error ${error}`);
    under--;
    done++;
  }
  return done;
}

type Figures = Record<'p50' | 'p99' | 'writes', number>;

async function measure({ port }: Served, seed: number, flags: number, milliseconds: number): Promise<Figures> {
  const wires = await Promise.all(Array.from({ length: FLOODS + 1 }, () => Wire.go(port, 'hd0')));
  const reader = wires.pop()!;
  const end = performance.now() + milliseconds;
  const floods = wires.map((wire, i) => flood(wire, seed + i, flags, () => performance.now() >= end));
  const r = new Random(seed + 99);
  const times: number[] = [];
  while (performance.now() < end) {
    const began = performance.now();
    reader.request(CMD.read, 1, r.below(SIZE / READ) * READ, READ);
    if ((await reader.reply(READ)).error !== 0) throw new Error('read failed');
    times.push(performance.now() - began);
  }
  const writes = (await Promise.all(floods)).reduce((sum, n) => sum + n, 0) * WRITE / 1e3 / milliseconds;
  for (const wire of [...wires, reader]) wire.close();
  times.sort((a, b) => a - b);
  return { p50: times[times.length >> 1]!, p99: times[Math.floor(times.length * 0.99)]!, writes };
}

async function compare(name: string, flags: number, sides: [Served, Served], rounds: number, milliseconds: number, report: (row: Row) => void): Promise<void> {
  const figures: [Figures[], Figures[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) figures[side]!.push(await measure(sides[side]!, round + 1, flags, milliseconds));
  }
  const [mine, other] = figures;
  const rows: [keyof Figures, string, string][] = [
    ['p50', `read of 4 KiB during ${name}, median`, 'ms'], ['p99', `read of 4 KiB during ${name}, 99 %`, 'ms'], ['writes', `${name} meanwhile`, 'MB/s'],
  ];
  for (const [key, metric, unit] of rows) {
    const ratio = median(mine.map((each, i) => (key === 'writes' ? each[key] / other[i]![key] : other[i]![key] / each[key])));
    report({ metric, value: median(mine.map((each) => each[key])), unit, peer: 'noop', peerValue: median(other.map((each) => each[key])), ratio, ...(key === 'p50' ? { aim: '≥ 1.0×' } : {}) });
  }
}

async function run(report: (row: Row) => void, { quick, log }: BenchOptions): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-iosched-'));
  const sides: Served[] = [];
  try {
    for (const scheduler of ['deadline', 'noop']) sides.push(await serve(scheduler, join(dir, scheduler)));
    for (const [name, flags] of [['plain writes', 0], ['writes with FUA', 1]] as const) {
      log(name);
      await compare(name, flags, sides as [Served, Served], quick ? 2 : 7, quick ? 500 : 1500, report);
    }
  } finally {
    for (const { kernel } of sides) await kernel.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

const bench: Bench = { name: 'iosched', about: 'read latency during a write flood: deadline beside noop', run };
export default bench;
