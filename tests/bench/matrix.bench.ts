/**
 * The loss matrix: goodput of a TCP connection with the Linux kernel over a bad line, in each direction,
 * beside that of two Linux kernels over the same bad line, cell by cell in the same run.
 *
 * Rows: loss of 0, 1, 3, 5 % of the frames of either direction, and 2 % of them held back for 2 ms
 * (reordering). Columns: round trips of the line. A cell is the goodput over a fixed time from a cold
 * start (a fixed amount would take Linux minutes at 5 % and 50 ms); Linux's share of a cell is measured
 * just before or after ours, in turns. Before it 100 MiB go each way over each row, byte for byte.
 *
 *     npm run bench -- matrix
 *     MATRIX_SNAPSHOT=tests/bench/snapshots/matrix.md npm run bench -- matrix       writes the tables
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname, join } from 'node:path';
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { need } from '../lib/need';
import { runNode } from '../lib/spawn';
import { cli, root } from '../lib/tree';
import { CONGESTION, echoed, faultsOf, goodput, type Line, withImage, withLinux } from './matrixRig';

const LINES: readonly Line[] = [
  { name: 'no loss', faults: {} },
  { name: '1 % loss', faults: { loss: 0.01 } },
  { name: '3 % loss', faults: { loss: 0.03 } },
  { name: '5 % loss', faults: { loss: 0.05 } },
  { name: '2 % reordered', faults: { reorder: 0.02, holdUs: 2000 } },
];
/** Round trip of the line, ms → seconds of a measurement. */
const COLUMNS: readonly { rttMs: number; seconds: number }[] = [{ rttMs: 0, seconds: 5 }, { rttMs: 10, seconds: 8 }, { rttMs: 50, seconds: 12 }];
const AIM = '≥ 0.9×';
const PEER = 'Linux to Linux';
const WAYS = ['into the image', 'out of the image'] as const;
const MIB = 1 << 20;

interface Cell { line: string; rttMs: number; way: string; ours: number; linux: number }

/** One row and column, both ways, ours and theirs. */
async function measure(line: Line, column: (typeof COLUMNS)[number], quick: boolean, oursFirst: boolean): Promise<Cell[]> {
  const faults = faultsOf(line, column.rttMs);
  const seconds = quick ? 1 : column.seconds;
  const both = async (which: typeof withImage): Promise<number[]> => which(faults, async (ns) => [await goodput(ns, seconds, false), await goodput(ns, seconds, true)]);
  const first = await both(oursFirst ? withImage : withLinux);
  const second = await both(oursFirst ? withLinux : withImage);
  const [ours, linux] = oursFirst ? [first, second] : [second, first];
  return WAYS.map((way, i) => ({ line: line.name, rttMs: column.rttMs, way, ours: ours[i]!, linux: linux[i]! }));
}

/** Bytes each way over every row, by the echo service. */
async function bytesHold(lines: readonly Line[], bytes: number, report: (row: Row) => void, log: (text: string) => void): Promise<void> {
  for (const line of lines) {
    log(`${line.name}: ${bytes / MIB} MiB each way, byte for byte`);
    const seconds = await withImage(faultsOf(line, 0), (ns) => echoed(ns, bytes, 420_000));
    report({ metric: `${line.name}: ${bytes / MIB} MiB each way, every byte right`, value: seconds, unit: 's' });
  }
}

function cellText({ ours, linux }: Cell): string {
  return `${ours.toFixed(1)} / ${linux.toFixed(1)} (${(ours / linux).toFixed(2)})`;
}

/** The tables, as Markdown that reads as text. */
function tables(cells: Cell[]): string {
  const columns = [...new Set(cells.map((cell) => cell.rttMs))];
  const rows = [...new Set(cells.map((cell) => cell.line))];
  const width = Math.max(...cells.map((cell) => cellText(cell).length), 10);
  return WAYS.map((way) => {
    const head = `| ${way.padEnd(18)} | ${columns.map((rtt) => `${rtt} ms`.padEnd(width)).join(' | ')} |`;
    const rule = `|${'-'.repeat(20)}|${columns.map(() => '-'.repeat(width + 2)).join('|')}|`;
    const body = rows.map((line) => {
      const texts = columns.map((rtt) => cells.find((cell) => cell.line === line && cell.rttMs === rtt && cell.way === way)).map((cell) => (cell ? cellText(cell) : '').padEnd(width));
      return `| ${line.padEnd(18)} | ${texts.join(' | ')} |`;
    });
    return [head, rule, ...body].join('\n');
  }).join('\n\n');
}

function snapshot(path: string, text: string, quick: boolean): void {
  const commit = execFileSync('git', ['-C', root, 'log', '-1', '--format=%h'], { encoding: 'utf8' }).trim();
  const met = (text.match(/\((\d+\.\d+)\)/g) ?? []).map((ratio) => Number(ratio.slice(1, -1)));
  const head = `# Loss matrix

Goodput in MB/s: ours with Linux / Linux to Linux under the same faults in the same run (ratio). Aim: 0.9.
${met.filter((ratio) => ratio >= 0.9).length} of ${met.length} cells reach it.

- command: \`MATRIX_SNAPSHOT=${path} npm run bench -- matrix${quick ? ' --quick' : ''}\`
- ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, commit ${commit}, Node ${process.versions.node}
- ${cpus().length} × ${cpus()[0]?.model.trim() ?? '?'}, Linux ${release()}, congestion control of Linux: ${CONGESTION}
- a cell: ${COLUMNS.map(({ rttMs, seconds }) => `${quick ? 1 : seconds} s at ${rttMs} ms`).join(', ')}; loss and reordering in both directions, seed 7

`;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), `${head}${text}\n`);
}

async function matrix(report: (row: Row) => void, { quick, log, show }: BenchOptions): Promise<void> {
  const lines = quick ? LINES.filter(({ name }) => name !== '3 % loss') : LINES;
  const columns = quick ? COLUMNS.filter(({ rttMs }) => rttMs !== 10) : COLUMNS;
  await bytesHold(lines, (quick ? 4 : 100) * MIB, report, log);
  const cells: Cell[] = [];
  for (const line of lines) {
    for (const column of columns) {
      log(`${line.name}, ${column.rttMs} ms: cell ${cells.length / 2 + 1} of ${lines.length * columns.length}`);
      for (const cell of await measure(line, column, quick, cells.length % 4 === 0)) {
        cells.push(cell);
        report({
          metric: `${cell.line}, ${cell.rttMs} ms, ${cell.way}`, value: cell.ours, unit: 'MB/s', peer: PEER, peerValue: cell.linux, ratio: cell.ours / cell.linux, aim: AIM,
        });
      }
    }
  }
  const text = tables(cells);
  show(`MB/s, ours / Linux to Linux (ratio):\n\n${text}`);
  const path = process.env.MATRIX_SNAPSHOT;
  if (path) snapshot(path, text, quick);
}

const bench: Bench = {
  name: 'matrix',
  about: 'TCP with Linux over bad lines (loss × round trip), beside two Linux kernels over the same',
  async run(report, options) {
    const missing = need('linux', 'netns', 'tun', 'ping', 'iperf3');
    if (missing) throw new Error(missing);
    const built = await runNode([cli, 'build', 'WIRE'], { cwd: root, timeoutMs: 120_000 });
    if (built.code !== 0) throw new Error(built.stderr);
    await matrix(report, options);
  },
};

export default bench;
