/**
 * For benchmarks: interleaved rounds, medians, ratios, and wrk.
 *
 * Two things are compared by running them in turns, not one after the other: what the machine does
 * besides then falls on both alike. Each round is run in the opposite order of the one before. The
 * ratio is the median of the rounds' ratios, which a slow minute moves less than the ratio of medians.
 */
import { need } from '../../tools/lib/need';
import { run } from '../lib/spawn';

/** @returns the middle of the values (the mean of the two middle ones) */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[half] as number : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
}

export interface Interleaved<K extends string> {
  /** Every measurement, in rounds. */
  samples: Record<K, number[]>;
  medians: Record<K, number>;
  /** Median over the rounds of a's value divided by b's. */
  ratio(a: K, b: K): number;
}

/**
 * Measure several things in turns.
 * @param rounds how often each is measured
 * @param things name → function that measures once and gives the value
 * @param log told before each measurement
 */
export async function interleave<K extends string>(
  rounds: number, things: Record<K, () => Promise<number> | number>, log: (text: string) => void = () => undefined,
): Promise<Interleaved<K>> {
  const names = Object.keys(things) as K[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? names : [...names].reverse();
    for (const name of order) {
      log(`${name}, round ${round + 1} of ${rounds}`);
      samples[name].push(await things[name]());
    }
  }
  return {
    samples,
    medians: Object.fromEntries(names.map((name) => [name, median(samples[name])])) as Record<K, number>,
    ratio: (a, b) => median(samples[a].map((value, round) => value / (samples[b][round] as number))),
  };
}

export interface WrkResult {
  requestsPerSecond: number;
  /** Body and headers, bytes a second. */
  bytesPerSecond: number;
  /** Median time of a request, µs. */
  p50us: number;
  p99us: number;
  /** Sockets that could not connect, read, write, or timed out. */
  socketErrors: number;
  /** Answers that were neither 2xx nor 3xx. */
  badAnswers: number;
}

const UNITS: Record<string, number> = { us: 1, ms: 1e3, s: 1e6, m: 60e6, B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

function quantity(text: string | undefined): number {
  const match = /^([\d.]+)([a-zA-Z]*)$/.exec(text ?? '');
  return match ? Number(match[1]) * (UNITS[match[2] ?? ''] ?? 1) : NaN;
}

/** Read what wrk prints. */
export function parseWrk(output: string): WrkResult {
  const first = (pattern: RegExp): string | undefined => pattern.exec(output)?.[1];
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output);
  return {
    requestsPerSecond: Number(first(/Requests\/sec:\s+([\d.]+)/)),
    bytesPerSecond: quantity(first(/Transfer\/sec:\s+(\S+)/)),
    p50us: quantity(first(/^\s+50%\s+(\S+)/m)),
    p99us: quantity(first(/^\s+99%\s+(\S+)/m)),
    socketErrors: errors ? errors.slice(1).reduce((sum, n) => sum + Number(n), 0) : 0,
    badAnswers: Number(first(/Non-2xx or 3xx responses: (\d+)/) ?? 0),
  };
}

export interface WrkOptions {
  connections?: number;
  threads?: number;
  seconds?: number;
  headers?: Record<string, string>;
}

/** Drive a server with wrk, which is installed if it can be. Throws when there was any error. */
export async function wrk(url: string, options: WrkOptions = {}): Promise<WrkResult> {
  const { connections = 64, threads = 1, seconds = 3, headers = {} } = options;
  const missing = need('wrk');
  if (missing) throw new Error(missing);
  const args = ['-t', `${threads}`, '-c', `${connections}`, '-d', `${seconds}s`, '--latency'];
  for (const [name, value] of Object.entries(headers)) args.push('-H', `${name}: ${value}`);
  const { stdout, stderr, code } = await run('wrk', [...args, url], { timeoutMs: (seconds + 30) * 1000 });
  if (code !== 0) throw new Error(`wrk ${url}: ${stderr || stdout}`);
  const result = parseWrk(stdout);
  if (result.socketErrors + result.badAnswers > 0) throw new Error(`wrk ${url}: ${result.socketErrors} socket errors, ${result.badAnswers} bad answers\n${stdout}`);
  return result;
}
