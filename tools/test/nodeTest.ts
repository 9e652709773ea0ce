/**
 * Test files: finding them, running each in a process of its own, reading what came of it.
 *
 * A file says in its header comment what it needs of the runner:
 *
 *     @timeout 300      seconds it may take (default 120)
 *     @alone            it measures or loads the machine: nothing else runs at that time
 *
 * A process that dies, hangs, leaves handles open or reports nothing is a failure with the end of
 * its output, so that no file can vanish from the count.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runChild, type ChildResult } from '../lib/child';
import type { TestLine } from '../testReporter/main';
import { foldEvents } from './events';
import type { Failure, StageResult } from './outcome';

export const DEFAULT_TIMEOUT_S = 120;
const HEADER_CHARS = 2000;
const TAIL_LINES = 40;

export interface TestFile {
  /** Path relative to the root. */
  source: string;
  timeoutMs: number;
  alone: boolean;
}

/** @returns all files below `dir` whose name ends so, sorted */
export function findFiles(dir: string, suffix: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return findFiles(path, suffix);
    return entry.name.endsWith(suffix) ? [path] : [];
  }).sort();
}

/** Read what a file's header says about how to run it. */
export function readMarkers(source: string, text: string): TestFile {
  const header = text.slice(0, HEADER_CHARS);
  const timeout = /^\s*(?:\/\/|\*)\s*@timeout\s+(\d+)/m.exec(header);
  const seconds = timeout ? Number(timeout[1]) : DEFAULT_TIMEOUT_S;
  return { source, timeoutMs: seconds * 1000, alone: /^\s*(?:\/\/|\*)\s*@alone\b/m.test(header) };
}

/** @param filters a file is taken if its path contains one of them, or if there are none */
export function findTests(root: string, filters: string[]): TestFile[] {
  return findFiles(join(root, 'tests'), '.test.ts')
    .map((path) => relative(root, path))
    .filter((source) => filters.length === 0 || filters.some((filter) => source.includes(filter)))
    .map((source) => readMarkers(source, readFileSync(join(root, source), 'utf8')));
}

/** @returns the end of a text, indented under its heading */
export function tail(text: string, lines = TAIL_LINES): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

function readLines(file: string): TestLine[] {
  if (!existsSync(file)) return [];
  const lines: TestLine[] = [];
  for (const text of readFileSync(file, 'utf8').split('\n')) {
    try {
      if (text !== '') lines.push(JSON.parse(text) as TestLine);
    } catch { /* a process that was killed leaves half a line at the end */ }
  }
  return lines;
}

/** A failure of the process as a whole, beyond those of its tests; null when it ended well. */
function processFailure(test: TestFile, child: ChildResult, unfinished: string[], failed: number): Failure | null {
  const idle = child.timedOut ? 'after the last test (a handle was left open?)' : '';
  const where = unfinished.length > 0 ? `while running "${unfinished.join('" > "')}"` : idle;
  const name = `${test.source} (process)`;
  if (child.timedOut) return { name, detail: `stopped after ${test.timeoutMs / 1000} s ${where}\n${tail(child.output)}` };
  if (child.signal) return { name, detail: `ended by ${child.signal} ${where}\n${tail(child.output)}` };
  if (child.code !== 0 && failed === 0) return { name, detail: `exit status ${child.code} ${where}\n${tail(child.output)}` };
  return null;
}

/**
 * Run one bundled test file.
 * @param module the bundle @param reporter the bundle of tools/testReporter
 * @param limitMs what is left of the time for everything
 */
export async function runTestFile(root: string, test: TestFile, module: string, reporter: string, limitMs: number): Promise<StageResult> {
  const events = `${module}.ndjson`;
  mkdirSync(dirname(events), { recursive: true });
  rmSync(events, { force: true });
  const args = ['--enable-source-maps', `--test-reporter=${reporter}`, `--test-reporter-destination=${events}`, module];
  const timeoutMs = Math.max(1000, Math.min(test.timeoutMs, limitMs));
  const child = await runChild(process.execPath, args, { cwd: root, timeoutMs });
  const { passed, failures, skips, unfinished } = foldEvents(test.source, readLines(events));
  const broken = processFailure({ ...test, timeoutMs }, child, unfinished, failures.length);
  if (broken) failures.push(broken);
  if (passed + failures.length + skips.length === 0) {
    failures.push({ name: test.source, detail: `reported no test at all\n${tail(child.output)}` });
  }
  return { name: test.source, passed, failures, skips, ms: child.ms };
}
