/** The spec runner: what passes, fails, traps or does not compile is told apart and counted. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compileSpec } from '../../tools/aspect/compile';
import { failureLines } from '../../tools/aspect/report';
import { runSpec } from '../../tools/aspect/run';
import { findRoot } from '../../tools/lib/root.mjs';
import { loadTree, writeSpecSources } from '../../tools/mkimage/index';
import { makeTree, writeFiles } from './fixture';

const SPEC = `
import { greet } from "rump/greeter";
import { hyp_log } from "../../kernel/kern/hyper";
import { hello_never } from "../hello/hello.hyper";
import { kpanic } from "../../kernel/kern/panic";
describe("the greeter", () => {
  it("adds one", () => { expect(greet(1)).toBe(2); });
  it("is wrong", () => { hyp_log(6, changetype<usize>("x"), 1); expect(greet(1)).toBe(3, "as told"); });
  throws("panics", () => { kpanic("over", null, 1, 1); });
  it("has hypercalls that do nothing", () => { expect(hello_never(1)).toBe(-78); });
  it("traps", () => { unreachable(); });
});
`;

test('specs run against a mocked host', async (t) => {
  const root = makeTree(t, { 'components/app/app.spec.ts': SPEC });
  const repository = findRoot();
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'));
  for (const file of ['as-pect.asconfig.json', 'tools/mkimage/transform.mjs', 'tools/mkimage/ascTransform.mjs', 'kernel/runtime/nogc.ts']) cpSync(join(repository, file), join(root, file));
  writeSpecSources(loadTree(root));
  const spec = 'components/app/app.spec.ts';
  const result = await runSpec(spec, await compileSpec(root, spec), /(?:)/);
  assert.deepEqual(result.tests.map(({ name, pass }) => `${pass} ${name}`), [
    'true the greeter › adds one', 'false the greeter › is wrong', 'true the greeter › panics',
    'true the greeter › has hypercalls that do nothing', 'false the greeter › traps',
  ]);
  const told = failureLines(result).join('\n');
  assert.match(told, /is wrong\n\s+as told\n\s+actual: +2\n\s+expected: +3/);
  assert.match(told, /log: <6> x/);
  assert.match(told, /traps\n.*\n\s+RuntimeError: unreachable/);
  const named = await runSpec(spec, await compileSpec(root, spec), /adds/);
  assert.deepEqual(named.tests.map(({ name }) => name), ['the greeter › adds one']);

  const wasm = join(root, 'build/specs/components/app/app.spec.wasm');
  const made = statSync(wasm).mtimeMs;
  await compileSpec(root, spec);
  assert.equal(statSync(wasm).mtimeMs, made, 'kept while nothing changes');
  writeFiles(root, { 'components/bonjour/bonjour.ts': 'export function greet(n: i32): i32 { return n + 2; }\n' });
  const again = await runSpec(spec, await compileSpec(root, spec), /(?:)/);
  assert.deepEqual(again.tests.map(({ pass }) => pass), [false, true, true, true, false]);

  writeFiles(root, { 'components/app/bad.spec.ts': 'it("x", () => { expect(nonsense).toBe(1); });\n' });
  await assert.rejects(compileSpec(root, 'components/app/bad.spec.ts'), /nonsense/);
  assert.ok(!existsSync(join(root, 'build/specs/components/app/bad.spec.wasm')));
});
