/**
 * httperf: its runs A to D as they are published, one run, and what it prints.
 *
 * The published rows are those of facts.md §13: httperf 0.8 on a 2.2-GHz AMD64 over gigabit Ethernet,
 * servers on a 2.4-GHz Xeon. Another machine, another wire: they are named as published, never as
 * measured here. Their runs are not free of the client's own limits: the record of D has 803 fd-unavail,
 * with which, by httperf's manual, a run means nothing.
 */
import { need } from '../lib/need';
import type { Netns } from '../lib/net';

export type RunName = 'A' | 'B' | 'C' | 'D';

export interface RunPlan { name: RunName; conns: number; /** Connections a second; 0: one after the other. */ rate: number }

export const RUNS: readonly RunPlan[] = [
  { name: 'A', conns: 10_000, rate: 0 },
  { name: 'B', conns: 10_000, rate: 1000 },
  { name: 'C', conns: 20_000, rate: 2000 },
  { name: 'D', conns: 30_000, rate: 3000 },
];

export interface Result {
  conns: number;
  requests: number;
  replies: number;
  connRate: number;
  concurrent: number;
  requestRate: number;
  replyMin: number;
  replyAvg: number;
  replyMax: number;
  timeAvgMs: number;
  timeMedianMs: number;
  header: number;
  content: number;
  status4xx: number;
  errors: number;
  timo: number;
  reset: number;
  fdUnavail: number;
  /** All the other kinds: socket-timo, connrefused, addrunavail, ftab-full, other. */
  other: number;
}

/** What httperf prints at its end. Throws when something is not there. */
export function parseHttperf(output: string): Result {
  const fields = (pattern: RegExp): number[] => {
    const match = pattern.exec(output);
    if (match === null) throw new Error(`httperf did not print ${pattern}:\n${output}`);
    return match.slice(1).map(Number);
  };
  const [conns, requests, replies] = fields(/^Total: connections (\d+) requests (\d+) replies (\d+)/m);
  const [connRate, concurrent] = fields(/^Connection rate: ([\d.]+) conn\/s \([\d.]+ ms\/conn, <=(\d+) concurrent/m);
  const [timeAvgMs, timeMedianMs] = fields(/^Connection time \[ms\]: min [\d.]+ avg ([\d.]+) max [\d.]+ median ([\d.]+)/m);
  const [requestRate] = fields(/^Request rate: ([\d.]+) req\/s/m);
  const [replyMin, replyAvg, replyMax] = fields(/^Reply rate \[replies\/s\]: min ([\d.]+) avg ([\d.]+) max ([\d.]+)/m);
  const [header, content] = fields(/^Reply size \[B\]: header ([\d.]+) content ([\d.]+)/m);
  const [status4xx] = fields(/^Reply status: .*\b4xx=(\d+)/m);
  const [errors, timo, sockTimo, refused, reset] = fields(/^Errors: total (\d+) client-timo (\d+) socket-timo (\d+) connrefused (\d+) connreset (\d+)/m);
  const [fdUnavail, addr, ftab, rest] = fields(/^Errors: fd-unavail (\d+) addrunavail (\d+) ftab-full (\d+) other (\d+)/m);
  return {
    conns: conns!, requests: requests!, replies: replies!, connRate: connRate!, concurrent: concurrent!, requestRate: requestRate!,
    replyMin: replyMin!, replyAvg: replyAvg!, replyMax: replyMax!, timeAvgMs: timeAvgMs!, timeMedianMs: timeMedianMs!,
    header: header!, content: content!, status4xx: status4xx!, errors: errors!, timo: timo!, reset: reset!, fdUnavail: fdUnavail!,
    other: sockTimo! + refused! + addr! + ftab! + rest!,
  };
}

/** One run in `ns` against `server`, with as many descriptors as httperf can use (FD_SETSIZE, 1,024). */
export async function httperf(ns: Netns, server: string, plan: RunPlan): Promise<Result> {
  const missing = need('httperf');
  if (missing) throw new Error(missing);
  const rated = plan.rate > 0 ? ['--rate', `${plan.rate}`, '--timeout', '1'] : [];
  const args = ['--server', server, '--num-conns', `${plan.conns}`, ...rated];
  const { stdout, stderr, code } = await ns.run('sh', ['-c', 'ulimit -n 16384 && exec httperf "$@"', 'sh', ...args], { timeoutMs: 180_000 });
  if (code !== 0) throw new Error(`httperf ${args.join(' ')}: ${stderr || stdout}`);
  return parseHttperf(stdout);
}

/** `timo`, `reset` … that are not 0; "0" when none is. */
export function errorsText({ errors, timo, reset, fdUnavail, other }: Result): string {
  if (errors === 0) return '0';
  const kinds = Object.entries({ timo, reset, 'fd-unavail': fdUnavail, other }).filter(([, n]) => n > 0).map(([kind, n]) => `${n} ${kind}`);
  return `${errors}: ${kinds.join(', ')}`;
}

/** min/avg/max of httperf's samples of 5 s; "-" when the run was too short for one. */
function replyRate({ replyMin, replyAvg, replyMax }: Result): string {
  return replyMax === 0 ? '-' : [replyMin, replyAvg, replyMax].map((rate) => rate.toFixed(0)).join('/');
}

/** A row of the table: run, server, conn/s, req/s, replies/conns, errors, reply rate, connection time, concurrent. */
export type Cells = [run: string, server: string, connRate: string, requestRate: string, replies: string, errors: string, replyRate: string, time: string, concurrent: string];

export function cellsOf(run: string, server: string, r: Result): Cells {
  return [run, server, r.connRate.toFixed(1), r.requestRate.toFixed(1), `${r.replies}/${r.conns}`, errorsText(r),
    replyRate(r), `${r.timeAvgMs}/${r.timeMedianMs}`, `${r.concurrent}`];
}

/** As published (facts.md §13). */
export const PUBLISHED: readonly Cells[] = [
  ['A', 'published: kevent_poll read/send (Linux)', '1759.4', '1759.4', '10000/10000', '0', '-/1811/-', '0.6/0.5', '1'],
  ['A', 'published: the same, sendfile()', '2586.5', '-', '-', '-', '-', '-', '1'],
  ['A', 'published: Apache 2.0.54', '1258.4', '1258.4', '10000/10000', '0', '-/1348/-', '0.8/0.5', '1'],
  ['A', 'published: FreeBSD 6.0 kqueue', '1034.4', '1034.4', '10000/10000', '0', '-/1014/-', '1.0/0.5', '1'],
  ['B', 'published: kevent_poll step 2', '909.0', '794.7', '8519/10000', '1481 timo', '812/852/892', '149/141.5', '453'],
  ['B', 'published: Apache', '911.1', '431.0', '4731/10000', '5269 timo', '402/473/544', '1.2/0.5', '813'],
  ['B', 'published: kevent socket step 3', '909.1', '904.3', '9816/10000', '184 timo', '967/982/997', '104/129.5', '164'],
  ['B', 'published: FreeBSD kqueue', '1000.0', '1000.0', '9733/10000', '267 reset', '-/970/-', '1.0/0.5', '64'],
  ['C', 'published: FreeBSD kqueue', '2000.0', '2000.0', '14371/20000', '5629 reset', '-/1535/-', '1.0/0.5', '6'],
  ['D', 'published: kevent_poll, step 4', '-', '1718.8', '-', '-', '-', '-', '-'],
  ['D', 'published: kevent_socket step 5, "record"', '2654.4', '2521.8', '27101/29197', '2899: 2096 timo, 803 fd-unavail', '2540/2702/2864', '62.9/44.5', '1022'],
  ['D', 'published: FreeBSD kqueue', '2999.9', '2996.3', '18608/30000', '11392: 40 timo, 11352 reset', '1710/1861/2011', '1.5/1.5', '329'],
];
