/**
 * tidy's rules on what stands in a file: lengths, headers, names, allocation, notes, allowances.
 * Each is shown a text that breaks it and one that does not.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyAllowances, findAllowances, type Rule } from '../../tools/tidy/finding';
import { Project } from '../../tools/tidy/project';
import { headers, headerWords } from '../../tools/tidy/rules/headers';
import { lengths } from '../../tools/tidy/rules/lengths';
import { naming } from '../../tools/tidy/rules/naming';
import { nogc } from '../../tools/tidy/rules/nogc';
import { text } from '../../tools/tidy/rules/text';

function messages(rule: Rule, path: string, source: string): string[] {
  return rule.check(new Project({ [path]: source })).filter((f) => !f.warning).map((f) => `${f.line} ${f.message}`);
}

/** A function of so many lines. */
function longFunction(lines: number, name = 'f'): string {
  return `function ${name}(): void {\n${'  g();\n'.repeat(lines - 2)}}\n`;
}

describe('lengths', () => {
  it('takes a file of 400 lines and no more', () => {
    assert.deepEqual(messages(lengths, 'host/a.ts', 'x;\n'.repeat(400)), []);
    assert.deepEqual(messages(lengths, 'kernel/net/a.ts', 'x;\n'.repeat(401)), ['400 401 lines, at most 400']);
  });

  it('takes a function of 69 lines and no more, in both worlds', () => {
    assert.deepEqual(messages(lengths, 'host/a.ts', longFunction(69)), []);
    assert.deepEqual(messages(lengths, 'host/a.ts', `\n${longFunction(70)}`), ['2 f takes 70 lines, at most 69']);
    assert.deepEqual(messages(lengths, 'kernel/net/a.ts', `// @ts-ignore\n@inline\n${longFunction(75)}`).length, 1);
  });

  it('measures methods and arrow functions, and what stands in describe() but not describe itself', () => {
    assert.equal(messages(lengths, 'host/a.ts', `class A {\n  m(): void {\n${'g();\n'.repeat(70)}}\n}`).length, 1);
    assert.equal(messages(lengths, 'host/a.ts', `const f = () => {\n${'g();\n'.repeat(70)}};`).length, 1);
    assert.deepEqual(messages(lengths, 'tests/a.test.ts', `describe('a', () => {\n${'g();\n'.repeat(100)}});`), []);
    assert.equal(messages(lengths, 'tests/a.test.ts', `describe('a', () => {\nit('b', () => {\n${'g();\n'.repeat(100)}});\n});`).length, 1);
  });

  it('does not measure a function that is a list of tests, but what stands in it', () => {
    const list = (inner: string): string => `export function streamTests(): void {\n  const shared = 1;\n${inner}}\n`;
    assert.deepEqual(messages(lengths, 'tests/a.ts', list("  test('a', () => {});\n".repeat(90))), []);
    assert.equal(messages(lengths, 'tests/a.ts', list(`  test('a', () => {\n${'g();\n'.repeat(80)}});\n`)).length, 1);
    assert.equal(messages(lengths, 'tests/a.ts', list(`  g();\n${"  test('a', () => {});\n".repeat(90)}`)).length, 1, 'work between the tests');
  });

  it('mentions a file that is very short', () => {
    const [warning] = lengths.check(new Project({ 'host/a.ts': 'x;\n', 'host/index.ts': 'x;\n' }));
    assert.equal(warning.warning, true);
    assert.equal(warning.file, 'host/a.ts');
  });
});

describe('headers', () => {
  it('wants a comment first, with something to say', () => {
    assert.match(messages(headers, 'host/a.ts', 'import x from "y";\n/** Too late to be a header of this file at all. */')[0], /no header comment/);
    assert.match(messages(headers, 'host/a.ts', '/** Utilities. */')[0], /says too little/);
    assert.deepEqual(messages(headers, 'tools/a.mjs', '#!/usr/bin/env node\n// Rings between the image and its host: layout and indexes.'), []);
  });

  it('counts words, not stars', () => {
    assert.equal(headerWords('/**\n * one two\n * three\n */'), 3);
    assert.equal(headerWords('const a = 1;'), 0);
  });
});

describe('naming', () => {
  it('wants snake_case in the image, and lets macros be upper case', () => {
    assert.deepEqual(messages(naming, 'kernel/net/a.ts', 'function mGetcl(): void {}'), ['1 mGetcl should be in snake_case']);
    assert.deepEqual(messages(naming, 'kernel/net/a.ts', 'function m_getcl(): void {}\nfunction SEQ_LT(a: u32, b: u32): bool { return a < b; }\nfunction __new(): void {}'), []);
    assert.deepEqual(messages(naming, 'kernel/net/a.ts', 'class mbuf {}'), ['1 class mbuf should be in PascalCase']);
  });

  it('wants camelCase in the host, except in import objects', () => {
    assert.deepEqual(messages(naming, 'host/a.ts', 'class A { read_all() {} }'), ['1 read_all should be in camelCase']);
    assert.deepEqual(messages(naming, 'host/a.ts', 'const b_c = () => 1;'), ['1 b_c should be in camelCase']);
    assert.deepEqual(messages(naming, 'host/a.ts', 'const imports = { fd_write: () => 0, fd_read() { return 0; } };\nclass A { #inner() {} _read() {} }'), []);
    assert.equal(messages(naming, 'host/a.ts', 'function _hidden() {}').length, 1);
    const both = new Project({ 'kernel/kern/hyper.ts': 'export declare function hyp_log(level: i32): void;', 'host/a.ts': 'const hyp_log = () => 1; const hyp_lag = () => 1;' });
    assert.deepEqual(naming.check(both).map((f) => f.message), ['hyp_lag should be in camelCase'], 'a hypercall keeps its name');
  });
});

describe('nogc', () => {
  const inFunction = (code: string): string[] => messages(nogc, 'kernel/net/a.ts', `export function f(x: i32): void {\n${code}\n}`);

  it('finds what allocates or throws, at its line', () => {
    const bad = [
      'const a = new Thing();', 'const s = "a" + b;', 's += "tail";', 'const s = `n = ${x}`;', 'const a = [1, 2];', 'const o = { a: 1 };',
      'g(() => 1);', 'g(function (): i32 { return 1; });', 'throw 1;', 'try { g(); } finally { h(); }', 'g(...list);',
    ];
    for (const code of bad) assert.match(inFunction(code)[0] ?? '', /^2 /, code);
  });

  it('reports a chain of joined strings once', () => {
    assert.equal(inFunction('const s = "a" + b + "c" + d;').length, 1);
  });

  it('lets static data and constants be', () => {
    const good = [
      'const TABLE: StaticArray<u8> = [1, 2, 3];', 'const ROWS: StaticArray<StaticArray<u8>> = [[1], [2]];', 'let st: State = changetype<State>(0);',
      'const SIZE: usize = offsetof<State>();', 'const P = memory.data<u8>([1, 2]);', 'const TEXT: string = `two\nlines`;', 'const N: i32 = -(1 << 4) + OTHER;',
    ];
    for (const code of good) assert.deepEqual(messages(nogc, 'kernel/net/a.ts', code), [], code);
    assert.deepEqual(inFunction('const p = memory.data<u16>([1, 2]);\nlog_str("text"); return a + b;'), []);
  });

  it('finds work at module level: an image has no start function', () => {
    assert.match(messages(nogc, 'kernel/net/a.ts', 'const p: usize = kmem_alloc(64, 64, "x");')[0], /start function/);
    assert.match(messages(nogc, 'kernel/net/a.ts', 'const T: string = "a" +\n "b";')[0], /joined at run time/);
    assert.match(messages(nogc, 'kernel/net/a.ts', 'const list: i32[] = [1];')[0], /array literal/);
  });

  it('does not judge specs, nor the host', () => {
    assert.deepEqual(messages(nogc, 'kernel/net/a.spec.ts', 'describe("a", () => { new X(); });'), []);
    assert.deepEqual(messages(nogc, 'host/a.ts', 'const a = new Map();'), []);
  });
});

describe('text', () => {
  const note = 'TO' + 'DO';
  const home = '/ro' + 'ot/x';

  it('finds notes to oneself and paths of one machine, in any file', () => {
    assert.match(messages(text, 'docs/a.md', `fine\n${note}: more`)[0], /^2 .*note to oneself/);
    assert.match(messages(text, 'host/a.ts', `open('${home}');`)[0], /path of one machine/);
  });

  it('leaves words and paths alone that only look alike', () => {
    assert.deepEqual(messages(text, 'host/a.ts', `mkdtemp('/tmp/a-${'X'.repeat(6)}'); // ${'to' + 'do'} in lower case, GET /framework/x, a${home}`), []);
  });
});

describe('allowances', () => {
  const code = (comment: string): Record<string, string> => ({ 'kernel/net/a.ts': `${comment}\nconst x = new Y();\n` });
  const rest = (texts: Record<string, string>): string[] => {
    const project = new Project(texts);
    return applyAllowances(nogc.check(project), findAllowances(project)).map((f) => f.message);
  };

  it('let a finding pass on the next line or their own, with a reason', () => {
    assert.deepEqual(rest(code('// tidy-allow ' + 'nogc: made once by the host, never in the image')), []);
    assert.deepEqual(rest({ 'kernel/net/a.ts': 'const x = new Y(); // tidy-allow ' + 'nogc: made once by the host' }), []);
  });

  it('must give a reason, must be used, and hold for their rule only', () => {
    assert.match(rest(code('// tidy-allow ' + 'nogc'))[0], /has to give its reason/);
    assert.match(rest({ 'kernel/net/a.ts': '// tidy-allow ' + 'nogc: nothing is wrong here\nconst x: i32 = 1;' })[0], /remove the allowance/);
    assert.equal(rest(code('// tidy-allow ' + 'layers: the wrong rule altogether')).length, 2);
  });
});
