/**
 * `npm test [-- FILTER …]`: the stages in order, then the test files, then one line that counts all.
 *
 *     bundle    the host into dist/            tidy      the rules of the house
 *     images    every image links              types     tsc over both worlds
 *     specs     as-pect, beside the sources    compile   every function, reached or not
 *     tests/…   node:test files, CONCURRENCY at a time, those marked @alone one by one at the end
 *
 * A filter keeps the stages of that name, the test files whose path contains it, and the specs if it
 * names something below kernel/ or components/. Failures are
 * shown as they come and again at the end, skips with their reasons after them, and the last line is
 * exactly "N passed, N failed" (", N skipped" where there are any). Under CI=true a skip has failed.
 * TEST_DEADLINE (seconds) bounds the whole: what has not run by then has failed.
 */
import type { ToolContext } from '../lib/context';
import { bold, dim, duration, green, red, step, table, yellow } from '../lib/term.mjs';
import { installNeeds } from './needs';
import { findTests, runTestFile, tail, type TestFile } from './nodeTest';
import { failedOf, tally, verdict, type StageResult } from './outcome';
import { STAGES, type Stage } from './stages';

const CONCURRENCY = 2;
/** Lines of a failure that are shown again at the end. */
const SUMMARY_LINES = 40;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function indent(text: string): string {
  return text.split('\n').map((line) => `    ${line}`).join('\n');
}

function showFailures(stage: StageResult): void {
  for (const failure of stage.failures) say(`${red('✗')} ${bold(failure.name)}\n${indent(failure.detail)}`);
}

/** Bring dist/ up to date, as a check of its own. */
async function bundleHost(context: ToolContext): Promise<StageResult> {
  const began = Date.now();
  const result: StageResult = { name: 'bundle', passed: 1, failures: [], skips: [], ms: 0 };
  try {
    await context.prepareHost();
  } catch (error) {
    result.passed = 0;
    result.failures.push({ name: 'bundle', detail: (error as Error).message });
  }
  return { ...result, ms: Date.now() - began };
}

/** Bundle the test files: together, which is quick, or one by one to find out which is broken. */
async function bundleAll(context: ToolContext, tests: TestFile[]): Promise<{ modules: Map<string, string>; broken: StageResult[] }> {
  try {
    return { modules: await context.bundleTests('tests', tests.map((test) => test.source)), broken: [] };
  } catch { /* so one of them does not compile */ }
  const modules = new Map<string, string>();
  const broken: StageResult[] = [];
  for (const { source } of tests) {
    try {
      for (const [name, module] of await context.bundleTests(`test-${source.replaceAll('/', '-')}`, [source])) modules.set(name, module);
    } catch (error) {
      broken.push({ name: source, passed: 0, failures: [{ name: source, detail: (error as Error).message }], skips: [], ms: 0 });
    }
  }
  return { modules, broken };
}

/** One line for a test file that is done. */
function fileLine(result: StageResult): string {
  const failed = failedOf(result);
  const words = [`${result.passed} passed`];
  if (failed > 0) words.push(red(`${failed} failed`));
  if (result.skips.length > 0) words.push(yellow(`${result.skips.length} skipped`));
  return `${failed > 0 ? red('✗') : green('✓')} ${result.name} ${dim(`${words.join(', ')} (${duration(result.ms)})`)}`;
}

/** Run the files that may share the machine CONCURRENCY at a time, then the others alone. */
async function runFiles(context: ToolContext, tests: TestFile[], deadline: number): Promise<StageResult[]> {
  const { modules, broken } = await bundleAll(context, tests);
  broken.forEach(showFailures);
  await installNeeds(context.root, tests);
  const reporter = await context.bundleTool('testReporter');
  const results = [...broken];
  const runOne = async (test: TestFile): Promise<void> => {
    const module = modules.get(test.source);
    if (module === undefined) return;
    const left = deadline - Date.now();
    const result = left > 0
      ? await runTestFile(context.root, test, module, reporter, left)
      : { name: test.source, passed: 0, failures: [{ name: test.source, detail: 'not run: out of time' }], skips: [], ms: 0 };
    results.push(result);
    say(fileLine(result));
    showFailures(result);
  };
  const queue = tests.filter((test) => !test.alone);
  const worker = async (): Promise<void> => {
    for (let test = queue.shift(); test; test = queue.shift()) await runOne(test);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  for (const test of tests.filter((each) => each.alone)) await runOne(test);
  return results.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What stands between the last test and the last line: times, failures again, skips. */
function showSummary(stages: StageResult[], files: StageResult[], strict: boolean): void {
  const filesTotal: StageResult = {
    name: `tests (${files.length} files)`,
    passed: files.reduce((n, file) => n + file.passed, 0),
    failures: files.flatMap((file) => file.failures),
    skips: files.flatMap((file) => file.skips),
    ms: files.reduce((n, file) => n + file.ms, 0),
  };
  const rows = (files.length > 0 ? [...stages, filesTotal] : stages).map((stage) => [
    stage.name, `${stage.passed}`, `${failedOf(stage)}`, `${stage.skips.length}`, duration(stage.ms),
  ]);
  say(`\n${table(['stage', 'passed', 'failed', 'skipped', 'time'], rows)}`);
  const all = [...stages, ...files];
  if (all.some((stage) => stage.failures.length > 0)) say(`\n${bold('Failures')}`);
  for (const stage of all) for (const { name, detail } of stage.failures) say(`${red('✗')} ${bold(name)}\n${indent(tail(detail, SUMMARY_LINES))}`);
  const skips = all.flatMap((stage) => stage.skips);
  if (skips.length > 0) say(`\n${bold(strict ? 'Skipped, which is a failure under CI' : 'Skipped')}\n${skips.map(({ name, reason }) => `${yellow('-')} ${name}: ${reason}`).join('\n')}`);
}

interface Choice {
  stages: Stage[];
  /** For the stage specs. */
  specFilters: string[];
  tests: TestFile[];
}

/** What the filters choose; everything if there are none. */
export function choose(root: string, filters: string[]): Choice {
  if (filters.length === 0) return { stages: STAGES, specFilters: [], tests: findTests(root, []) };
  const names = new Set(STAGES.map((stage) => stage.name));
  const specFilters = filters.filter((filter) => /^(?:kernel|components)\b/.test(filter));
  const fileFilters = filters.filter((filter) => !names.has(filter) && !specFilters.includes(filter));
  const tests = fileFilters.length > 0 ? findTests(root, fileFilters) : [];
  const wanted = new Set([...filters, ...(specFilters.length > 0 ? ['specs'] : []), ...(tests.length > 0 ? ['images'] : [])]);
  const stages = STAGES.filter((stage) => wanted.has(stage.name));
  if (stages.length === 0) throw new Error(`no stage and no test file matches ${filters.join(', ')}`);
  return { stages, specFilters, tests };
}

export async function main(filters: string[], context: ToolContext): Promise<number> {
  const strict = process.env.CI === 'true';
  const deadline = Date.now() + Number(process.env.TEST_DEADLINE ?? 3600) * 1000;
  const chosen = choose(context.root, filters);
  const stages: StageResult[] = [];
  const bundled = await bundleHost(context);
  stages.push(bundled);
  showFailures(bundled);
  for (const stage of chosen.stages) {
    if (stage.needsHost && failedOf(bundled) > 0) {
      stages.push({ name: stage.name, passed: 0, failures: [{ name: stage.name, detail: 'not run: the host does not bundle' }], skips: [], ms: 0 });
      continue;
    }
    const result = await step<StageResult>(`${stage.name}: ${stage.about}`, (note) => stage.run(context, chosen.specFilters, note));
    stages.push(result);
    showFailures(result);
  }
  const files = chosen.tests.length > 0 ? await runFiles(context, chosen.tests, deadline) : [];
  showSummary(stages, files, strict);
  const count = tally([...stages, ...files], strict);
  say(`\n${verdict(count)}`);
  return count.failed > 0 ? 1 : 0;
}
