/**
 * tidy's rules on structure: each is shown a small tree that breaks it, and the same tree mended.
 * The trees are strings, never files, so nothing here has to be kept from tidy itself.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Project } from '../../tools/tidy/project';
import type { Rule } from '../../tools/tidy/finding';
import { dead } from '../../tools/tidy/rules/dead';
import { hyper } from '../../tools/tidy/rules/hyper';
import { layers } from '../../tools/tidy/rules/layers';

/** @returns "file:line message" of every finding */
function findings(rule: Rule, texts: Record<string, string>): string[] {
  return rule.check(new Project(texts)).map((f) => `${f.file}:${f.line} ${f.message}`);
}

function expectOne(rule: Rule, texts: Record<string, string>, pattern: RegExp): void {
  const found = findings(rule, texts);
  assert.equal(found.length, 1, `one finding, not ${JSON.stringify(found)}`);
  assert.match(found[0], pattern);
}

const ROUTE = { 'components/route/component.json': '{"name": "route", "provides": ["route"], "needs": []}' };
const ETHER = { 'components/ether/component.json': '{"name": "ether", "needs": ["route"], "provides": ["domain:inet"]}' };

describe('layers', () => {
  it('lets abi import nothing', () => {
    expectOne(layers, { 'kernel/abi/a.ts': '// a\nimport { x } from "../kern/k";', 'kernel/kern/k.ts': '' }, /^kernel\/abi\/a\.ts:2 a leaf file imports nothing/);
    assert.deepEqual(findings(layers, { 'kernel/abi/a.ts': 'import { x } from "./b";', 'kernel/abi/b.ts': '' }), []);
  });

  it('keeps kern below net, and net apart from vfs', () => {
    expectOne(layers, { 'kernel/kern/k.ts': 'import { m } from "../net/mbuf";', 'kernel/net/mbuf.ts': '' }, /kern may not import net/);
    expectOne(layers, { 'kernel/net/n.ts': 'import { v } from "../vfs/vnode";', 'kernel/vfs/vnode.ts': '' }, /net may not import vfs/);
    assert.deepEqual(findings(layers, { 'kernel/net/n.ts': 'import { k } from "../kern/k";', 'kernel/kern/k.ts': '' }), []);
  });

  it('keeps components apart, but for roles that component.json names', () => {
    expectOne(layers, { ...ROUTE, ...ETHER, 'components/route/route.ts': '', 'components/ether/e.ts': 'import { r } from "../route/route";' }, /component:ether may not import component:route/);
    expectOne(layers, { ...ROUTE, ...ETHER, 'components/route/route.ts': 'import { x } from "rump/domain_inet";' }, /neither needs nor provides/);
    assert.deepEqual(findings(layers, { ...ROUTE, ...ETHER, 'components/ether/e.ts': 'import { r } from "rump/route"; import { N } from "rump/tunables"; import { d } from "rump/domain_inet";' }), []);
  });

  it('keeps roles out of the kernel, tunables excepted', () => {
    expectOne(layers, { 'kernel/kern/k.ts': 'import { r } from "rump/route"; import { KERN_MAXFILES } from "rump/tunables";' }, /kern may not use a role/);
  });

  it('keeps the worlds apart: the host sees kernel/abi only', () => {
    expectOne(layers, { 'host/h.ts': 'import { k } from "../kernel/kern/k";', 'kernel/kern/k.ts': '' }, /host may not import kern/);
    expectOne(layers, { 'components/a/a.user.ts': 'import { a } from "./a";', 'components/a/a.ts': '' }, /user:a may not import component:a/);
    expectOne(layers, { 'components/a/a.user.ts': 'import { b } from "../b/b.user";', 'components/b/b.user.ts': '' }, /user:a may not import user:b/);
    expectOne(layers, { 'components/a/a.ts': 'import { a } from "./a.user";', 'components/a/a.user.ts': '' }, /component:a may not import user:a/);
    const fine = { 'host/h.ts': 'import { E } from "../kernel/abi/errno";', 'kernel/abi/errno.ts': '', 'components/a/a.abi.ts': '', 'components/a/a.user.ts': 'import { x } from "./a.abi"; import { h } from "../../host/h";' };
    assert.deepEqual(findings(layers, fine), []);
  });

  it('finds imports of what is not there, and packages in the image', () => {
    expectOne(layers, { 'kernel/net/n.ts': 'import { x } from "./gone";' }, /no such file: \.\/gone/);
    expectOne(layers, { 'kernel/net/n.ts': 'import { x } from "lodash";' }, /the image has no packages/);
    assert.deepEqual(findings(layers, { 'host/h.ts': 'import { users } from "../gen/host/users"; import fs from "node:fs";' }), []);
  });

  it('finds a component named in kernel, host or tools: it could not be deleted', () => {
    expectOne(layers, { ...ROUTE, 'tools/t.ts': 'const path = "components/route/route.ts";' }, /names the folder of component route/);
    assert.deepEqual(findings(layers, { ...ROUTE, 'tests/t.test.ts': 'const path = "components/route/route.ts";' }), []);
  });

  it('looks through dynamic imports, re-exports and import types', () => {
    const texts = (line: string): Record<string, string> => ({ 'host/h.ts': line, 'kernel/net/n.ts': '' });
    expectOne(layers, texts('export * from "../kernel/net/n";'), /host may not import net/);
    expectOne(layers, texts('const n = await import("../kernel/net/n");'), /host may not import net/);
    expectOne(layers, texts('type N = import("../kernel/net/n").N;'), /host may not import net/);
  });
});

describe('hyper', () => {
  it('lets only hyper files declare imports', () => {
    expectOne(hyper, { 'components/a/a.ts': 'const x: i32 = 1;\nexport declare function a_send(ptr: usize): i32;' }, /^components\/a\/a\.ts:2 a_send is an import of the image/);
    expectOne(hyper, { 'kernel/kern/k.ts': '@external("env", "f") function f(): i32 { return 0; }' }, /f is an import/);
    assert.deepEqual(findings(hyper, { 'components/a/a.hyper.ts': 'export declare function a_send(ptr: usize): i32;', 'kernel/kern/hyper.ts': 'export declare function h(): void;' }), []);
  });

  it('refuses i64 at the border, except where WASI asks for it', () => {
    expectOne(hyper, { 'components/a/a.hyper.ts': 'export declare function a_seek(offset: i64): i32;' }, /a_seek uses i64/);
    assert.deepEqual(findings(hyper, { 'kernel/kern/wasi.hyper.ts': 'export declare function clock_time_get(id: i32, p: u64, out: usize): i32;' }), []);
  });
});

describe('dead', () => {
  const base = {
    'package.json': '{"scripts": {"go": "node tools/go.mjs"}}',
    'tools/go.mjs': 'start("tools/helper.mjs");',
    'tools/helper.mjs': '',
    'components/a/component.json': '{"name": "a", "entry": "a.ts"}',
    'kernel/component.json': '{"name": "kernel", "parts": {"vfs": {"init": {"VFS": "vfs/mount.ts:vfs_init"}}}}',
    'kernel/vfs/mount.ts': '',
    'components/a/a.ts': 'import { b } from "./b";',
    'components/a/b.ts': 'export const b: i32 = 1;',
    'components/a/c.spec.ts': 'import { c } from "./c";',
    'components/a/c.ts': '',
  };

  it('follows commands, strings, component.json and specs', () => {
    assert.deepEqual(findings(dead, base), []);
  });

  it('finds what nothing leads to, also a pair that leads to each other', () => {
    const texts = { ...base, 'components/a/x.ts': 'import { y } from "./y";', 'components/a/y.ts': 'import { x } from "./x";' };
    assert.deepEqual(findings(dead, texts).map((line) => line.split(':')[0]), ['components/a/x.ts', 'components/a/y.ts']);
  });
});
