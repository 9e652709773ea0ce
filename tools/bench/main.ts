/**
 * `npm run bench [-- NAME …] [-- --json] [-- --quick]`: every figure that the project claims.
 *
 * Runs tests/bench/*.bench.ts one after the other, each in a process of its own, and prints a table for
 * each: ours, the peer named in the row, the ratio, the aim and whether it was reached. `--json` prints
 * all rows as one JSON document instead. Progress goes to standard error. Exit status 1 when a
 * benchmark fails to run; a missed aim is a result, not an error.
 */
import { cpus, totalmem } from 'node:os';
import { basename, join, relative } from 'node:path';
import { runChild } from '../lib/child';
import type { ToolContext } from '../lib/context';
import { bar, bold, dim, green, red, step, table } from '../lib/term.mjs';
import { findFiles } from '../test/nodeTest';
import type { WorkerMessage } from '../benchWorker/main';
import { figure, isMet, type Row } from './bench';

const BAR_COLUMNS = 20;
const TIMEOUT_MS = 30 * 60_000;
const QUICK_TIMEOUT_MS = 3 * 60_000;

interface BenchResult {
  name: string;
  about: string;
  rows: Row[];
  /** What it shows besides. */
  text: string;
  error: string;
}

const nameOf = (source: string): string => basename(source, '.bench.ts');

async function runOne(context: ToolContext, source: string, module: string, quick: boolean): Promise<BenchResult> {
  const result: BenchResult = { name: nameOf(source), about: '', rows: [], text: '', error: '' };
  const worker = await context.bundleTool('benchWorker');
  await step<void>(`bench ${result.name}`, async (note) => {
    const child = await runChild(process.execPath, ['--enable-source-maps', worker, module, ...(quick ? ['--quick'] : [])], {
      cwd: context.root,
      timeoutMs: quick ? QUICK_TIMEOUT_MS : TIMEOUT_MS,
      onMessage: (raw) => {
        const message = raw as WorkerMessage;
        if (message.type === 'about') Object.assign(result, { name: message.name, about: message.about });
        else if (message.type === 'row') result.rows.push(message.row);
        else if (message.type === 'show') result.text += `${message.text}\n`;
        else note(message.text);
      },
    });
    note(`${result.rows.length} rows`);
    if (child.code !== 0) result.error = child.timedOut ? `stopped after ${child.ms} ms\n${child.output}` : child.output.trim() || `exit status ${child.code}`;
  });
  return result;
}

/** "met" or "missed", in colour. */
function aimText(row: Row): string {
  const met = isMet(row);
  if (met === null) return row.aim ?? '';
  return `${row.aim} ${met ? green('met') : red('missed')}`;
}

function showResult({ name, about, rows, text, error }: BenchResult): void {
  console.log(`\n${bold(name)}${about ? `: ${about}` : ''}`);
  if (rows.length > 0) {
    const cells = rows.map((row) => {
      const full = Math.max(row.value, row.peerValue ?? 0);
      const peer = row.peerValue === undefined ? '' : `${figure(row.peerValue)} ${dim(row.peer ?? '')}`;
      const bars = row.share !== undefined ? bar(row.share, 1, BAR_COLUMNS) : row.peerValue === undefined ? '' : `${bar(row.value, full, BAR_COLUMNS)} ${dim(bar(row.peerValue, full, BAR_COLUMNS))}`;
      return [row.metric, figure(row.value), row.unit, peer, row.ratio === undefined ? '' : `${row.ratio.toFixed(2)}×`, aimText(row), bars];
    });
    console.log(table(['metric', 'ours', 'unit', 'peer', 'ratio', 'aim', ''], cells, '<><>><<'));
  }
  if (text) console.log(`\n${text}`);
  if (error) console.log(red(error));
}

function machine(): Record<string, unknown> {
  return { node: process.versions.node, cpu: cpus()[0]?.model.trim() ?? '', cores: cpus().length, memoryMiB: Math.round(totalmem() / 2 ** 20) };
}

export async function main(args: string[], context: ToolContext): Promise<number> {
  const names = args.filter((word) => !word.startsWith('-'));
  const quick = args.includes('--quick');
  const all = findFiles(join(context.root, 'tests', 'bench'), '.bench.ts').map((path) => relative(context.root, path));
  const unknown = names.filter((name) => !all.some((source) => nameOf(source) === name));
  if (unknown.length > 0) throw new Error(`no benchmark ${unknown.join(', ')}; there are: ${all.map(nameOf).join(', ')}`);
  const chosen = all.filter((source) => names.length === 0 || names.includes(nameOf(source)));
  const modules = await context.bundleTests('bench', chosen);
  const results: BenchResult[] = [];
  for (const source of chosen) {
    const result = await runOne(context, source, modules.get(source) ?? '', quick);
    results.push(result);
    if (!args.includes('--json')) showResult(result);
  }
  const rows = results.flatMap((result) => result.rows.map((row) => ({ bench: result.name, ...row, met: isMet(row) })));
  if (args.includes('--json')) {
    console.log(JSON.stringify({ machine: machine(), quick, rows, errors: results.filter((r) => r.error).map(({ name, error }) => ({ bench: name, error })) }, null, 1));
  } else {
    const { node, cpu, cores } = machine();
    const missed = rows.filter((row) => row.met === false).length;
    console.log(`\n${dim(`Node ${node}, ${cores} × ${cpu}`)}\naims: ${rows.filter((row) => row.met === true).length} met, ${missed} missed`);
  }
  return results.some((result) => result.error) ? 1 : 0;
}
