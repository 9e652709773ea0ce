/**
 * The specs: each `*.spec.ts` of kernel/ and components/ compiled with as-pect, run, and counted.
 *
 * as-pect's own command compiles every spec anew and prints a page for each. Here a spec whose sources
 * have not changed is not compiled again (compile.ts), the host is mocked (mocks.mjs), and what passes
 * is one line. A spec that does not compile counts as one failure.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeSpecSources } from '../mkimage/spec';
import { loadTree } from '../mkimage/tree';
import { compileSpec } from './compile';
import { failureLines, type SpecResult } from './report';
import { runSpec } from './run';

/** Specs below `dir`, relative to the root. */
function specsBelow(root: string, dir: string): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory()) return specsBelow(root, path);
    return path.endsWith('.spec.ts') ? [path] : [];
  }).sort();
}

async function oneSpec(root: string, spec: string, names: RegExp): Promise<SpecResult> {
  try {
    return await runSpec(spec, await compileSpec(root, spec), names);
  } catch (error) {
    return { spec, tests: [{ name: 'compiles and starts', pass: false, lines: (error as Error).message.split('\n') }], log: [], ms: 0 };
  }
}

function show(result: SpecResult, verbose: boolean): void {
  const failed = result.tests.filter((test) => !test.pass);
  const counts = `${result.tests.length - failed.length} passed${failed.length > 0 ? `, ${failed.length} failed` : ''}`;
  console.log(`${failed.length > 0 ? '✗' : '✓'} ${result.spec}: ${counts} (${result.ms.toFixed(0)} ms)`);
  if (verbose) for (const test of result.tests) console.log(`    ${test.pass ? '✓' : '✗'} ${test.name}`);
  for (const line of failureLines(result)) console.log(line);
}

/** Run the specs that the arguments name; 0 if all passed. */
export async function main(args: string[], root: string): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { name: { type: 'string', default: '' }, verbose: { type: 'boolean', short: 'v', default: false } },
  });
  writeSpecSources(loadTree(root));
  const all = ['kernel', 'components'].flatMap((dir) => specsBelow(root, dir));
  const chosen = all.filter((spec) => positionals.length === 0 || positionals.some((part) => spec.includes(part)));
  if (chosen.length === 0) throw new Error(`no spec matches ${positionals.join(' ') || 'kernel/ or components/'}`);
  let passed = 0;
  let failed = 0;
  for (const spec of chosen) {
    const result = await oneSpec(root, spec, new RegExp(values.name));
    const good = result.tests.filter((test) => test.pass).length;
    passed += good;
    failed += result.tests.length - good;
    show(result, values.verbose);
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}
