/**
 * One test binary, run in as-pect's TestContext against the mocked host.
 */
import { instantiate } from '@assemblyscript/loader';
import { EmptyReporter, TestContext, type TestNode } from '@as-pect/core';
import { mockImports, specHost } from './mocks.mjs';
import { type SpecResult, testLines } from './report';

/** as-pect's number for a single test, as against a group. */
const TEST_NODE = 0;

/** "group › group › test". */
function fullName(node: TestNode): string {
  const names: string[] = [];
  for (let at: TestNode | null = node; at?.parent; at = at.parent) names.unshift(at.name);
  return names.join(' › ');
}

/** Run `binary`; only tests whose own name matches `names`. */
export async function runSpec(spec: string, binary: Uint8Array, names: RegExp): Promise<SpecResult> {
  const began = performance.now();
  const context = new TestContext({ fileName: spec, reporter: new EmptyReporter(), binary, testRegex: names, groupRegex: new RegExp('') });
  const host = specHost();
  const imports = context.createImports(mockImports(host, new WebAssembly.Module(binary)));
  const module = await instantiate(binary, imports as Parameters<typeof instantiate>[1]);
  host.memory = module.exports.memory as unknown as WebAssembly.Memory;
  host.exports = module.exports as Record<string, unknown>;
  context.run(module as unknown as Parameters<typeof context.run>[0]);
  const tests: SpecResult['tests'] = [];
  const visit = (node: TestNode): void => {
    if (node.type === TEST_NODE && node.ran) tests.push({ name: fullName(node), pass: node.pass, lines: testLines(node) });
    // A failing beforeEach or afterEach ends its group without a word: what then did not run has failed.
    if (node.type === TEST_NODE && !node.ran && names.test(node.name)) tests.push({ name: `${fullName(node)} (did not run)`, pass: false, lines: testLines(node) });
    if (node.type !== TEST_NODE && node.ran && !node.pass && node.children.every((child) => child.pass)) {
      tests.push({ name: `${fullName(node)} (the group itself)`, pass: false, lines: testLines(node) });
    }
    node.children.forEach(visit);
  };
  visit(context.rootNode);
  for (const { type, message, stackTrace } of context.errors) {
    tests.push({ name: type, pass: false, lines: [message, ...stackTrace.split('\n')] });
  }
  return { spec, tests, log: host.log, ms: performance.now() - began };
}
