/** The audit of the binary: each rule is broken once, on purpose, and must be the reason given. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { buildComponent, buildImage, checkSources, LinkError } from '../../tools/mkimage/index';
import { changed, type Files, FIXTURE, makeTree } from './fixture';

const HELLO = FIXTURE['components/hello/hello.ts'] as string;

/** Building DEMO with `changes` fails with one line that matches all of `patterns`. */
async function refuses(t: TestContext, changes: Files, ...patterns: RegExp[]): Promise<void> {
  const root = makeTree(t, changes);
  await assert.rejects(buildImage('DEMO', { root }), (error: Error) => {
    assert.ok(error instanceof LinkError, error.stack);
    assert.ok(!error.message.includes('\n'), error.message);
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

const hello = (from: string, to: string): Files => {
  assert.ok(HELLO.includes(from));
  return { 'components/hello/hello.ts': HELLO.replace(from, to) };
};

test('an import that no hyper file declares', (t) => refuses(t, {
  'components/hello/hello.ts': `declare function peek(at: usize): i32;\n${HELLO.replace('return 0;', 'return peek(0);')}`,
}, /imports hello\.peek \(declared in components\/hello\/hello\.ts\), which is in no hyper file/));

test('a hyper file that component.json does not name', (t) => refuses(t, {
  'components/app/steal.hyper.ts': 'export declare function take(n: i32): i32;\n',
  'components/app/app.ts': `import { take } from "./steal.hyper";\n${FIXTURE['components/app/app.ts']}`.replace('greet(3)', 'greet(take(3))'),
}, /imports steal\.take/));

test('hypercalls under another name than the component\'s', (t) => refuses(t, {
  'components/hello/other.hyper.ts': FIXTURE['components/hello/hello.hyper.ts'] as string,
  'components/hello/component.json': changed('components/hello/component.json', { hyper: 'other.hyper.ts' }),
}, /"hyper" names components\/hello\/other\.hyper\.ts; it must be hello\.hyper\.ts/));

test('a 64-bit integer in a hypercall', (t) => refuses(t, {
  'components/hello/hello.hyper.ts': (FIXTURE['components/hello/hello.hyper.ts'] as string).replace('never(n: i32)', 'never(n: i64)'),
}, /hello\.hyper\.ts: hypercall hello_never has a 64-bit integer/));

test('allocation, with who does it', async (t) => {
  await refuses(t, hello('return 0;', 'const a = new Array<i32>(4); return a.length;'),
    /__new is reachable, but an image has no garbage collector; it is called by .*components\/hello\/hello\/hello_init/);
  await refuses(t, hello('st.said += HELLO_TIMES;', 'st.said += ("n" + n.toString()).length;'), /components\/hello\/hello\/greet \(.*__new\)/);
});

test('code at the top level of a module', (t) => refuses(t, hello('export function greet', 'let boot: i32 = hello_say(1, 1);\nexport function peek(): i32 { return boot; }\nexport function greet'),
  /code runs at the top level of .*components\/hello\/hello/));

test('state in a module variable', async (t) => {
  const withExport = { 'kernel/kern/exports.ts': `${FIXTURE['kernel/kern/exports.ts']}
import { greet } from "../../components/hello/hello";
export function rump_run(n: i32): i32 { return greet(n); }\n` };
  const counter = hello('export function greet(n: i32): i32 {', 'let count: i32 = 0;\nexport function greet(n: i32): i32 { count++; n += count;');
  const root = makeTree(t, { ...counter, ...withExport });
  await assert.rejects(buildImage('DEMO', { root }), /kernel\/kern\/exports.ts imports ..\/..\/components\/hello\/hello: a component is reached by its role/);
  const app = { 'components/app/app.ts': `${FIXTURE['components/app/app.ts']}let count: i32 = 0;\nexport function app_count(): i32 { return ++count; }\n`,
    'components/app/app_exports.ts': 'export { app_count } from "./app";\n',
    'kernel/conf/DEMO.json': changed('kernel/conf/DEMO.json', { exports: ['app'] }) };
  await refuses(t, app, /module variable components\/app\/app\/count is written after boot, by components\/app\/app\/app_count/);
  const start = { ...app, 'components/app/app.ts': (app['components/app/app.ts'] as string).replace('count: i32 = 0', 'count: i32 = 3') };
  await refuses(t, start, /mutable global components\/app\/app\/count starts as 3/);
});

test('a state behind a pointer that is set at boot is as it should be', async (t) => {
  const root = makeTree(t, hello('return hello_say', 'st.said++; return hello_say'));
  assert.equal((await buildImage('DEMO', { root })).built, true);
});

test('needs that are not declared', async (t) => {
  await refuses(t, { 'components/app/component.json': changed('components/app/component.json', { needs: ['kern:net'] }) },
    /components\/app\/app.ts imports rump\/greeter, but components\/app\/component.json does not list "greeter" in "needs"/);
  await refuses(t, { 'components/app/component.json': changed('components/app/component.json', { needs: ['greeter'] }) },
    /components\/app\/app.ts imports ..\/..\/kernel\/net\/net, but components\/app\/component.json does not need kern:net/);
});

test('a budget that is exceeded', async (t) => {
  await refuses(t, {
    'components/app/component.json': changed('components/app/component.json', { sizeBudget: 3 }),
    'kernel/conf/DEMO.json': changed('kernel/conf/DEMO.json', { exports: ['app'] }),
  }, /app has \d+ bytes of code, over the sizeBudget of 3 in components\/app\/component.json/);
  await refuses(t, { 'kernel/conf/DEMO.json': changed('kernel/conf/DEMO.json', { sizeBudget: 100 }) }, /the image has \d+ bytes, over its sizeBudget of 100/);
});

test('a component alone may not keep state either', async (t) => {
  const root = makeTree(t, { 'components/alone/alone.ts': 'let n: i32 = 0;\nexport function alone_next(): i32 { return ++n; }\n' });
  await assert.rejects(buildComponent('alone', { root }), /alone\/n is written after boot, by components\/alone\/alone\/alone_next/);
});

test('check compiles functions and methods that no image reaches', async (t) => {
  const root = makeTree(t);
  assert.deepEqual((await checkSources([], root)).units, ['kern', 'net', 'alone', 'app', 'bonjour', 'hello']);
  const broken: Record<string, string> = {
    function: 'function never(n: i32): i32 { return nonsense; }',
    method: 'class Never { x: i32; m(): i32 { return nonsense; } }',
    override: 'abstract class A { abstract m(): i32; }\nclass B extends A { m(): i32 { return nonsense; } }',
    static: '@unmanaged class Never { static s(): i32 { return nonsense; } }',
    getter: '@unmanaged class Never { get g(): i32 { return nonsense; } }',
    allocation: 'function never(): usize { return changetype<usize>(new Array<i32>(2)); }',
  };
  for (const [what, text] of Object.entries(broken)) {
    const bad = makeTree(t, { 'components/alone/other.ts': `${text}\nexport const X: i32 = 1;\n` });
    await assert.rejects(checkSources(['alone'], bad), what === 'allocation' ? /__new/ : /nonsense/, what);
  }
});
