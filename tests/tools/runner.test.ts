/**
 * The runner of `npm test`: what is counted, what becomes of a file that hangs, dies or says nothing.
 * A wrong count here would hide a failure anywhere else.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { foldEvents } from '../../tools/test/events';
import { choose } from '../../tools/test/main';
import { needsOf } from '../../tools/test/needs';
import { readMarkers, runTestFile } from '../../tools/test/nodeTest';
import { readVerdict, tally, verdict, type StageResult } from '../../tools/test/outcome';
import { resultOf } from '../../tools/test/stages';
import type { TestLine } from '../../tools/testReporter/main';
import { root, tempDir } from '../lib/tree';

const REPORTER = join(root, 'build', 'tools', 'testReporter.mjs');

function line(status: TestLine['status'], name: string, nesting: number, more: Partial<TestLine> = {}): TestLine {
  return { status, name, nesting, suite: false, ms: 1, ...more };
}

function stage(passed: number, failed: number, skipped: number): StageResult {
  const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `t${i}`);
  return { name: 's', passed, ms: 1, failures: names(failed).map((name) => ({ name, detail: '' })), skips: names(skipped).map((name) => ({ name, reason: 'r' })) };
}

describe('counting', () => {
  it('counts leaves, not headings', () => {
    const result = foldEvents('f', [
      line('start', 'A', 0), line('start', 'a', 1), line('pass', 'a', 1), line('start', 'b', 1), line('fail', 'b', 1, { error: 'boom' }),
      line('fail', 'A', 0, { failureType: 'subtestsFailed' }), line('start', 'c', 0), line('pass', 'c', 0),
      line('start', 'S', 0), line('pass', 'S', 0, { suite: true }),
    ]);
    assert.equal(result.passed, 2);
    assert.deepEqual(result.failures, [{ name: 'f > A > b', detail: 'boom' }]);
  });

  it('counts a heading that failed by itself', () => {
    const result = foldEvents('f', [line('start', 'A', 0), line('start', 'a', 1), line('pass', 'a', 1), line('fail', 'A', 0, { failureType: 'hookFailed', error: 'hook' })]);
    assert.equal(result.passed, 1);
    assert.equal(result.failures.length, 1);
  });

  it('keeps the reason of a skip, and names what never ended', () => {
    const result = foldEvents('f', [line('begin', 'a', 0), line('start', 'a', 0), line('pass', 'a', 0, { skip: 'needs root' }), line('begin', 'b', 0)]);
    assert.deepEqual(result.skips, [{ name: 'f > a', reason: 'needs root' }]);
    assert.deepEqual(result.unfinished, ['b']);
  });

  it('says "N passed, N failed", and takes a skip for a failure under CI', () => {
    assert.equal(verdict(tally([stage(3, 0, 0), stage(2, 1, 0)], false)), '5 passed, 1 failed');
    assert.equal(verdict(tally([stage(3, 0, 2)], false)), '3 passed, 0 failed, 2 skipped');
    assert.equal(verdict(tally([stage(3, 0, 2)], true)), '3 passed, 2 failed');
  });

  it('reads the counts of a program, and does not trust them over its exit status', () => {
    assert.deepEqual(readVerdict('noise\n12 passed, 3 failed\n'), { passed: 12, failed: 3, skipped: 0 });
    assert.equal(readVerdict('no counts here'), null);
    const child = { signal: null, timedOut: false, ms: 1 };
    assert.equal(resultOf('x', { ...child, code: 1, output: '5 passed, 0 failed' }).failures.length, 1);
    const three = resultOf('x', { ...child, code: 1, output: '5 passed, 3 failed' });
    assert.equal(tally([three], false).failed, 3);
    assert.deepEqual(tally([resultOf('x', { ...child, code: 0, output: 'fine' })], false), { passed: 1, failed: 0, skipped: 0 });
    assert.equal(tally([resultOf('x', { ...child, code: null, timedOut: true, output: '5 passed, 0 failed' })], false).failed, 1);
  });
});

describe('markers', () => {
  it('are read from the header comment', () => {
    assert.deepEqual(readMarkers('a', '/**\n * About.\n * @timeout 300\n * @alone\n */'), { source: 'a', timeoutMs: 300_000, alone: true });
    assert.deepEqual(readMarkers('a', '// @timeout 7\n'), { source: 'a', timeoutMs: 7000, alone: false });
    assert.deepEqual(readMarkers('a', 'const s = "@alone";'), { source: 'a', timeoutMs: 120_000, alone: false });
  });

  it('tell what to install', () => {
    assert.deepEqual(needsOf("test('x', { skip: need('wrk', \"ab\") || need('netns') });"), ['wrk', 'ab', 'netns']);
  });
});

describe('a filter', () => {
  const names = (...filters: string[]): string => {
    const { stages, specFilters, tests } = choose(root, filters);
    return `${stages.map((each) => each.name).join('+')} [${specFilters.join(' ')}] ${tests.map((each) => each.source).join(' ')}`.trim();
  };

  it('chooses stages, test files and specs', () => {
    assert.equal(names('tidy'), 'tidy []');
    assert.equal(names('specs'), 'specs []');
    assert.equal(names('components/lzo'), 'specs [components/lzo]');
    assert.equal(names('tools/runner'), 'images [] tests/tools/runner.test.ts');
    assert.throws(() => names('no-such-thing'), /no stage and no test file matches no-such-thing/);
    assert.equal(choose(root, []).stages.length, 5);
  });
});

describe('a test file', () => {
  const runText = (t: TestContext, text: string, timeoutMs = 20_000): Promise<StageResult> => {
    const module = join(tempDir(t), 'x.test.mjs');
    writeFileSync(module, `import test from 'node:test'; import assert from 'node:assert';\n${text}`);
    return runTestFile(root, { source: 'x.test.ts', timeoutMs, alone: false }, module, REPORTER, 60_000);
  };

  it('is counted', async (t) => {
    const result = await runText(t, "console.log('noise'); test('a', () => {}); test('b', () => assert.equal(1, 2)); test('c', { skip: 'because' }, () => {});");
    assert.equal(result.passed, 1);
    assert.equal(result.failures[0].name, 'x.test.ts > b');
    assert.deepEqual(result.skips, [{ name: 'x.test.ts > c', reason: 'because' }]);
  });

  it('that hangs is stopped, with the name of the test', async (t) => {
    const result = await runText(t, "test('a', () => {}); test('stuck', () => new Promise((r) => setTimeout(r, 60000)));", 1500);
    assert.equal(result.passed, 1);
    assert.match(result.failures[0].detail, /stopped after 1\.5 s while running "stuck"/);
    assert.ok(result.ms < 10_000);
  });

  it('that leaves a handle open has failed, though its tests passed', async (t) => {
    const result = await runText(t, "import net from 'node:net'; test('a', () => { net.createServer().listen(0); });", 1500);
    assert.equal(result.passed, 1);
    assert.match(result.failures[0].detail, /a handle was left open/);
  });

  it('that dies has failed', async (t) => {
    const result = await runText(t, "test('a', () => { process.exit(3); });");
    assert.match(result.failures[0].detail, /^exit status 3/);
  });

  it('that reports nothing has failed', async (t) => {
    const result = await runText(t, '');
    assert.match(result.failures[0].detail, /reported no test at all/);
  });
});
