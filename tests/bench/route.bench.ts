/**
 * Routes: tables against a model, a look-up's time by trie and by cache, and a flood of random destinations.
 *
 * All in image ROUTEBIG, whose interfaces swallow packets (components/fibtest): what is measured is the image,
 * without a device. Prefixes and destinations come from seeds (tests/route/bigTable.ts), destinations lie within
 * prefixes. Loops run inside the image, the cost of the loop itself taken off; trie and cache take turns.
 *
 * The flood sends datagrams between random addresses, and after every tenth one of a thousand flows; what its
 * single look-ups take is measured from outside, one by one, so a look-up's time has that of two clock readings
 * and one call in it, and now and then a turn of the machine's scheduler: the nodes read are its bound.
 */
import type { Bench, Row } from '../../tools/bench/bench';
import { agree } from '../route/againstModel';
import { bootFib, drawTable, type Fib, fill, random } from '../route/bigTable';
import { interleave } from './lib';

type Report = (row: Row) => void;

const FLOWS = 1000;
const WORKING_SET = 4096;
const CHUNK = 10_000;

/** So many addresses within prefixes of `table`. */
function within(table: Float64Array, count: number, seed: number): Uint32Array {
  const next = random(seed);
  return Uint32Array.from({ length: count }, () => {
    const prefix = table[next() % table.length]!;
    return Math.floor(prefix / 64) + next() % 2 ** (32 - prefix % 64);
  });
}

const count = (n: number): string => n.toLocaleString('en-US');

/** ns for each of `n` × `rounds` steps of `step`. */
function timed(n: number, rounds: number, step: (n: number, rounds: number) => number): number {
  const began = performance.now();
  step(n, rounds);
  return (performance.now() - began) * 1e6 / (n * rounds);
}

/** A full table of `size`: what look-ups take. */
async function lookups(report: Report, size: number, quick: boolean): Promise<void> {
  const fib = await bootFib();
  const { call, kernel } = fib;
  const table = drawTable(size, size);
  const began = performance.now();
  fill(fib, table);
  const fillUs = (performance.now() - began) * 1e3 / size;
  const memory = fib.counters('net.route.memory');
  const many = within(table, quick ? 65_536 : 1_048_576, 3);
  const name = `${count(size)} prefixes`;
  let deepest = 0;
  let nodes = 0;
  for (const address of many.subarray(0, 65_536)) {
    const depth = call.fibtest_depth(address);
    nodes += depth;
    deepest = Math.max(deepest, depth);
  }
  report({ metric: `${name}: memory a prefix, trie`, value: memory.trie_bytes! / size, unit: 'bytes' });
  report({ metric: `${name}: memory a prefix, all`, value: (memory.trie_bytes! + memory.route_bytes!) / size, unit: 'bytes' });
  report({ metric: `${name}: insert, with the call into the image`, value: fillUs * 1e3, unit: 'ns' });
  report({ metric: `${name}: nodes that a look-up reads, mean`, value: nodes / 65_536, unit: 'nodes' });
  report({ metric: `${name}: nodes that a look-up reads, most`, value: deepest, unit: 'nodes', aim: '≤ 6' });
  const rounds = quick ? 3 : 9;
  const passes = Math.max(1, Math.floor((quick ? 1 : 4) * 1_048_576 / many.length));
  fib.addresses(many);
  const random1 = await interleave(rounds, {
    trie: () => timed(many.length, passes, call.fibtest_trie), nothing: () => timed(many.length, passes, call.fibtest_nothing),
  });
  report({ metric: `${name}: trie, ${count(many.length)} destinations`, value: random1.medians.trie - random1.medians.nothing, unit: 'ns' });
  fib.addresses(many.subarray(0, WORKING_SET));
  call.fibtest_cache(WORKING_SET, 20);
  const loops = quick ? 200 : 1000;
  const hot = await interleave(rounds, {
    cache: () => timed(WORKING_SET, loops, call.fibtest_cache), trie: () => timed(WORKING_SET, loops, call.fibtest_trie),
    nothing: () => timed(WORKING_SET, loops, call.fibtest_nothing),
  });
  const [cache, trie] = [hot.medians.cache - hot.medians.nothing, hot.medians.trie - hot.medians.nothing];
  report({ metric: `${name}: cache hit, ${count(WORKING_SET)} flows`, value: cache, unit: 'ns', peer: 'trie', peerValue: trie, ratio: trie / cache });
  await forwarding(report, fib, name, rounds, quick);
  await kernel.close();
}

/** Packets forwarded with and without the cache, and with policy rules. */
async function forwarding(report: Report, { kernel, call }: Fib, name: string, rounds: number, quick: boolean): Promise<void> {
  const packets = quick ? 100_000 : 400_000;
  const pass = (enabled: number) => (): number => {
    kernel.sysctlSet('net.rtcache.enabled', enabled);
    for (let flow = 0; flow < WORKING_SET; flow++) call.fibtest_flow(flow);
    const began = performance.now();
    for (let i = 0; i < packets; i++) call.fibtest_flow(i % WORKING_SET);
    return (performance.now() - began) * 1e6 / packets;
  };
  for (const rules of [0, 10]) {
    for (let i = 0; i < rules; i++) kernel.sysctlSet('net.route.rules', `add priority ${100 + i} from 10.200.${i}.0/24 tos 4 lookup 100`);
    const { medians } = await interleave(rounds, { cache: pass(1), trie: pass(0) });
    report({
      metric: `${name}: a packet forwarded${rules > 0 ? `, ${rules} policy rules` : ''}, cache`, value: medians.cache, unit: 'ns', peer: 'without', peerValue: medians.trie,
      ratio: medians.trie / medians.cache,
    });
  }
}

/** Look-ups one by one: how many took how long. */
function histogram(report: Report, { call }: Fib, total: number): void {
  const buckets = new Float64Array(24);
  const next = random(11);
  let slowest = 0;
  for (let i = 0; i < total; i++) {
    const address = next();
    const began = performance.now();
    call.fibtest_lookup(address);
    const ns = (performance.now() - began) * 1e6;
    slowest = Math.max(slowest, ns);
    buckets[Math.min(23, Math.max(5, Math.floor(Math.log2(Math.max(ns, 1)))))]!++;
  }
  const most = Math.max(...buckets);
  buckets.forEach((n, i) => {
    if (n > 0) report({ metric: `look-ups of ${count(i === 5 ? 0 : 2 ** i)} to ${count(2 ** (i + 1))} ns`, value: n, unit: 'of them', share: n / most });
  });
  report({ metric: 'slowest look-up, the scheduler of the machine included', value: slowest / 1000, unit: 'µs' });
}

async function flood(report: Report, quick: boolean, log: (text: string) => void): Promise<void> {
  const total = quick ? 500_000 : 10_000_000;
  const fib = await bootFib();
  const { call, kernel } = fib;
  const table = drawTable(100_000, 5);
  fill(fib, table);
  fib.addresses(within(table, FLOWS, 9));
  const pools = (): string => String(kernel.sysctl('kern.pools')).split('\n').map((line) => line.split(' ').slice(0, 4).join(' ')).join('\n');
  for (let i = 0; i < 20 * FLOWS; i++) call.fibtest_flow(i % FLOWS);
  const [before, bytes] = [pools(), kernel.memory.buffer.byteLength];
  const first = fib.counters('net.rtcache.stats');
  let [sent, worst, slowestUs] = [0, 1, 0];
  let at = first;
  for (let i = 0; i < total; i += CHUNK) {
    const began = performance.now();
    const flows = call.fibtest_flood(CHUNK, 77 + i, 10, FLOWS);
    slowestUs = Math.max(slowestUs, (performance.now() - began) * 1000 / CHUNK);
    sent += flows;
    const now = fib.counters('net.rtcache.stats');
    worst = Math.min(worst, (now.in_hit! - at.in_hit!) / flows);
    at = now;
    if (i % (total / 10) === 0) log(`flood: ${count(i)} packets`);
  }
  report({ metric: `flood of ${count(total)} datagrams: linear memory grew by`, value: kernel.memory.buffer.byteLength - bytes, unit: 'bytes', aim: '≤ 0' });
  report({ metric: 'flood: pools whose use changed', value: pools() === before ? 0 : 1, unit: 'pools', aim: '≤ 0' });
  report({ metric: 'flood: entries in the cache, at most 16,384', value: at.entries!, unit: 'entries', aim: '≤ 16384' });
  report({ metric: `flood: hit rate of ${count(FLOWS)} flows beside it`, value: (at.in_hit! - first.in_hit!) / sent * 100, unit: '%', aim: '≥ 90' });
  report({ metric: `flood: the same, worst of ${count(total / CHUNK)} spans`, value: worst * 100, unit: '%', aim: '≥ 80' });
  report({ metric: `flood: slowest mean of ${count(CHUNK)} packets`, value: slowestUs, unit: 'µs a packet' });
  log('look-ups one by one');
  histogram(report, fib, total);
  await kernel.close();
}

const bench: Bench = {
  name: 'route',
  about: 'routing tables against a model; look-ups by trie and by cache; a flood of random destinations',
  async run(report, { quick, log }) {
    for (const size of quick ? [10, 1000, 100_000] : [10, 1000, 100_000, 1_000_000]) {
      log(`${count(size)} prefixes`);
      await lookups(report, size, quick);
    }
    await flood(report, quick, log);
    const size = quick ? 100_000 : 1_000_000;
    log('against the model');
    const fib = await bootFib();
    const { inserted, deleted, lookups: looked, found } = agree(fib, size, size, 41);
    report({ metric: `${count(size)} random steps on ${count(size)} prefixes: divergences from the model`, value: 0, unit: '', aim: '≤ 0' });
    report({ metric: 'inserts, deletes, look-ups among them', value: inserted + deleted + looked, unit: `(${count(inserted)}, ${count(deleted)}, ${count(looked)}; ${count(found)} found)` });
    await fib.kernel.close();
  },
};

export default bench;
