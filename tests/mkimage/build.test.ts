/** Building: what comes out runs, is the same each time, is not made twice, and survives deletions. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildComponent, buildImage, CompileError, inspectImage, LinkError, listComponents, listImages } from '../../tools/mkimage/index';
import { changed, makeTree, writeFiles } from './fixture';

type Exports = Record<string, (...args: number[]) => number>;

/** Instantiate with hypercalls that take notes. */
function instantiate(file: string): { exports: Exports; calls: unknown[][] } {
  const module = new WebAssembly.Module(readFileSync(file));
  const calls: unknown[][] = [];
  const imports: Record<string, Record<string, unknown>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] = { ...imports[from], [name]: (...args: unknown[]) => { calls.push([`${from}.${name}`, ...args]); return 0; } };
  }
  const { exports } = new WebAssembly.Instance(module, imports as WebAssembly.Imports);
  return { exports: exports as unknown as Exports, calls };
}

test('an image boots, calls its hypercalls, and is described by its manifest', async (t) => {
  const root = makeTree(t);
  const { wasmFile, manifest, built } = await buildImage('DEMO', { root });
  assert.equal(built, true);
  const { exports, calls } = instantiate(wasmFile);
  assert.equal(exports.rump_init(), 0);
  assert.equal(exports.rump_abi(), 7);
  assert.deepEqual(calls, [['hello.hello_say', 15, 0.5]]);
  assert.deepEqual(manifest.components, ['hello', 'app']);
  assert.deepEqual(manifest.imports.map((i) => `${i.module}.${i.name} ${i.unit}`), ['hello.hello_say hello', 'rumpuser.hyp_log kern', 'wasi_snapshot_preview1.proc_exit kern']);
  assert.deepEqual(manifest.unusedHypercalls, ['hello.hello_never', 'rumpuser.hyp_exit', 'rumpuser.hyp_panic']);
  assert.deepEqual(manifest.exports.map((e) => e.name), ['_start', 'memory', 'rump_abi', 'rump_init', 'table']);
  assert.deepEqual(manifest.memory, { pages: 4, maxPages: 4 });
  assert.deepEqual(manifest.globals.filter((g) => g.mutable).map((g) => g.name), ['components/hello/hello/st', 'kernel/kern/init/brk', 'kernel/net/net/pool'].filter((n) => manifest.globals.some((g) => g.name === n)));
  assert.ok(!JSON.stringify(manifest).includes(root), 'no path of this machine');
});

test('a failing init function is reported and ends the boot', async (t) => {
  const root = makeTree(t);
  const { wasmFile } = await buildImage('DEMO', { root });
  const module = new WebAssembly.Module(readFileSync(wasmFile));
  const logged: number[] = [];
  const { exports } = new WebAssembly.Instance(module, {
    hello: { hello_say: () => -1 },
    rumpuser: { hyp_log: (level: number) => { logged.push(level); } },
    wasi_snapshot_preview1: { proc_exit: () => undefined },
  });
  assert.equal((exports as unknown as Exports).rump_init(), -5);
  assert.deepEqual(logged, [-5]);
});

test('the same tree gives the same bytes, and is built once', async (t) => {
  const [one, two] = [makeTree(t), makeTree(t)];
  const first = await buildImage('DEMO', { root: one });
  const second = await buildImage('DEMO', { root: two });
  assert.deepEqual(readFileSync(first.wasmFile), readFileSync(second.wasmFile));
  assert.deepEqual(readFileSync(first.manifestFile), readFileSync(second.manifestFile));
  assert.equal((await buildImage('DEMO', { root: one })).built, false);
  assert.equal((await buildImage('DEMO', { root: one, force: true })).built, true);
  assert.deepEqual(readFileSync(first.wasmFile), readFileSync(second.wasmFile));
  const source = join(one, 'components/hello/hello.ts');
  writeFileSync(source, readFileSync(source, 'utf8').replace('n * HELLO_TIMES', 'n + HELLO_TIMES'));
  const third = await buildImage('DEMO', { root: one });
  assert.equal(third.built, true);
  assert.notDeepEqual(readFileSync(third.wasmFile), readFileSync(second.wasmFile));
  rmSync(third.wasmFile);
  assert.equal((await buildImage('DEMO', { root: one })).built, true);
});

test('a tunable of the conf reaches the code', async (t) => {
  const root = makeTree(t, { 'kernel/conf/DEMO.json': { description: 'd', components: ['hello', 'app'], tunables: { HELLO_TIMES: 7 } } });
  const { exports, calls } = instantiate((await buildImage('DEMO', { root })).wasmFile);
  exports.rump_init();
  assert.deepEqual(calls, [['hello.hello_say', 21, 0.5]]);
});

test('deleting a component leaves the images that do not name it building', async (t) => {
  const root = makeTree(t);
  rmSync(join(root, 'components/hello'), { recursive: true });
  const { exports } = instantiate((await buildImage('OTHER', { root })).wasmFile);
  assert.equal(exports.rump_init(), 0);
  assert.ok(exports.app_pool() > 0, 'what the conf says is exported');
  await assert.rejects(buildImage('DEMO', { root }), /link DEMO: unknown component "hello"/);
  assert.match(listImages(root).find((i) => i.name === 'DEMO')!.error!, /unknown component "hello"/);
});

test('a component is built alone, with panic below it', async (t) => {
  const root = makeTree(t);
  const { wasmFile, manifest } = await buildComponent('alone', { root });
  assert.match(wasmFile, /build\/component-alone\.wasm$/);
  const { exports, calls } = instantiate(wasmFile);
  assert.equal(exports.alone_twice(21), 42);
  assert.throws(() => exports.alone_twice(-1), WebAssembly.RuntimeError);
  assert.equal(calls[0][0], 'rumpuser.hyp_panic');
  assert.deepEqual(manifest.exports.map((e) => e.name), ['alone_twice', 'memory', 'table']);
});

test('a debug build has a source map and the same behaviour', async (t) => {
  const root = makeTree(t);
  const { wasmFile, manifest } = await buildImage('DEMO', { root, debug: true });
  assert.equal(manifest.target, 'debug');
  assert.ok(existsSync(`${wasmFile}.map`));
  assert.equal(instantiate(wasmFile).exports.rump_init(), 0);
});

test('what does not compile is told in the words of the compiler', async (t) => {
  const root = makeTree(t, { 'components/bonjour/bonjour.ts': 'export function greet(n: i32): i32 { return nonsense; }\n' });
  await assert.rejects(buildImage('OTHER', { root }), (error: Error) => {
    assert.ok(error instanceof CompileError);
    assert.match(error.message, /^link OTHER does not compile\n[\s\S]*nonsense[\s\S]*components\/bonjour\/bonjour.ts\(1,45\)/);
    return true;
  });
});

test('inspect reads the binary, with or without its manifest; others are refused', async (t) => {
  const root = makeTree(t);
  const { wasmFile, manifestFile } = await buildImage('DEMO', { root });
  const found = inspectImage('DEMO', root);
  assert.equal(found.identity.image, 'DEMO');
  assert.deepEqual(found.identity.params, { PORT: '80' });
  assert.deepEqual(found.manifest!.phases.map((p) => p.phase), ['KERN', 'NET', 'POSTINIT']);
  assert.deepEqual(found.imports.map((i) => i.name).sort(), ['hello_say', 'hyp_log', 'proc_exit']);
  assert.equal(found.sizes.file, readFileSync(wasmFile).length);
  assert.ok(found.sizes.stripped < found.sizes.file && found.sizes.code < found.sizes.stripped);
  rmSync(manifestFile);
  assert.equal(inspectImage(wasmFile, root).manifest, null);
  writeFiles(root, { 'x.wasm': 'not wasm' });
  writeFileSync(join(root, 'y.wasm'), Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  assert.throws(() => inspectImage(join(root, 'x.wasm'), root), /not a WebAssembly module/);
  assert.throws(() => inspectImage(join(root, 'y.wasm'), root), /not an image made by/);
  assert.throws(() => inspectImage('OTHER', root), (error: Error) => error instanceof LinkError && /no such file: image OTHER has not been built/.test(error.message));
});

test('ls lists parts, components and images', (t) => {
  const root = makeTree(t, { 'kernel/conf/BAD.json': changed('kernel/conf/DEMO.json', { components: ['bonjour'] }) });
  const { parts, components } = listComponents(root);
  assert.deepEqual([...parts, ...components].map((c) => c.name), ['kern', 'net', 'alone', 'app', 'bonjour', 'hello']);
  const images = listImages(root);
  assert.deepEqual(images.map((i) => `${i.name} ${i.units.join('+')}`), ['BAD hello+bonjour', 'BASE hello', 'DEMO kern+net+hello+app', 'OTHER kern+net+bonjour+app']);
  assert.match(images[0].error!, /greeter is provided by both hello and bonjour/);
});
