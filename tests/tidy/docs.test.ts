/**
 * tidy's rule on documents, and the ratchet: links that lead nowhere, commands that do not exist,
 * values that got worse, and the update that must not loosen anything.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Project } from '../../tools/tidy/project';
import { assertionDensity, checkRatchet, measure, tighten } from '../../tools/tidy/ratchet';
import { docs, slug } from '../../tools/tidy/rules/docs';

const WHOLE = {
  'README.md': '# Project', 'ARCHITECTURE.md': '# Shape\n## The pump & rings', 'CHANGELOG.md': '', LICENSE: '',
  'package.json': '{"scripts": {"start": "x", "test": "x", "tidy": "x"}}', 'package-lock.json': '{}', '.ci/run': '',
};

function messages(texts: Record<string, string>): string[] {
  return docs.check(new Project({ ...WHOLE, ...texts })).map((f) => `${f.file}:${f.line} ${f.message}`);
}

describe('docs', () => {
  it('is content with a whole tree', () => {
    assert.deepEqual(messages({ 'README.md': 'See [shape](ARCHITECTURE.md#the-pump--rings), `npm start`, [web](https://example.org/x).' }), []);
  });

  it('finds links to files and headings that are not there', () => {
    assert.match(messages({ 'README.md': 'a\n[x](gone.md)' })[0], /^README\.md:2 link to gone\.md: no such file/);
    assert.match(messages({ 'README.md': '[x](ARCHITECTURE.md#nope)' })[0], /no such heading/);
    assert.match(messages({ 'docs/a.md': '[x](README.md)' })[0], /docs\/a\.md:1 link to README\.md: no such file/);
  });

  it('does not read code as links', () => {
    assert.deepEqual(messages({ 'README.md': '```\n[x](gone.md)\n```\n`[y](gone.md)`' }), []);
  });

  it('finds commands that package.json does not have', () => {
    assert.match(messages({ 'README.md': 'Say `npm run speed`.' })[0], /npm run speed` is not a script/);
    assert.deepEqual(messages({ 'README.md': 'Say `npm run tidy` or `npm ci`.' }), []);
  });

  it('finds documents that sources refer to, and required files, when they are missing', () => {
    assert.match(messages({ 'host/a.ts': '// see docs/' + 'gone.md' })[0], /host\/a\.ts:1 refers to docs\/gone\.md/);
    const { LICENSE: _, ...without } = WHOLE;
    assert.deepEqual(docs.check(new Project(without)).map((f) => `${f.file} ${f.message}`), ['LICENSE is missing']);
  });

  it('names headings as GitHub does', () => {
    assert.equal(slug('The pump & rings'), 'the-pump--rings');
    assert.equal(slug('`kmem_alloc` (boot)'), 'kmem_alloc-boot');
  });
});

describe('ratchet', () => {
  const tree = (lines: number): Project => new Project({ 'host/a.ts': `function f(): void {\n${'g();\n'.repeat(lines - 2)}}\n` });
  const mark = { host: { longestFile: 30, longestFunction: 30, allowances: 0 } };

  it('finds what is worse than it was', () => {
    assert.deepEqual(checkRatchet(measure(tree(30), []), mark), []);
    const found = checkRatchet(measure(tree(31), []), mark).map((f) => f.message);
    assert.equal(found.length, 2);
    assert.match(found[0], /host: longestFile is 31 \(host\/a\.ts\), the ratchet stands at 30/);
  });

  it('counts allowances', () => {
    const allowance = { file: 'host/a.ts', line: 1, rule: 'nogc', reason: 'a reason' };
    assert.match(checkRatchet(measure(tree(5), [allowance]), mark)[0].message, /allowances is 1/);
  });

  it('tightens and never loosens', () => {
    assert.deepEqual(tighten(measure(tree(20), []), mark).host, { longestFile: 20, longestFunction: 20, allowances: 0 });
    assert.deepEqual(tighten(measure(tree(50), []), mark).host, mark.host);
  });

  it('has the limits of the rules where nothing is written yet', () => {
    assert.deepEqual(checkRatchet(measure(tree(60), []), {}), []);
  });

  it('counts assertions in the image, not in specs', () => {
    const project = new Project({ 'kernel/net/a.ts': 'assert(x, "m");\n'.repeat(2) + '\n'.repeat(98), 'kernel/net/a.spec.ts': 'assert(1);' });
    assert.equal(assertionDensity(project), 20);
  });
});
