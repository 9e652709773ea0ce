/** Linking: roles, order and the errors of configuration, each one line that names both sides. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { imageSources } from '../../tools/mkimage/generate';
import { LinkError } from '../../tools/mkimage/errors';
import { type Linked, linkComponent, linkImage } from '../../tools/mkimage/link';
import { specSources } from '../../tools/mkimage/spec';
import { loadConf, loadTree } from '../../tools/mkimage/tree';
import { changed, type Files, makeTree } from './fixture';

const link = (root: string, name: string): Linked => linkImage(loadTree(root), loadConf(root, name));

/** Linking `image` of the fixture with `changes` fails with a message of one line that matches all of `patterns`. */
function fails(t: TestContext, changes: Files, image: string, ...patterns: RegExp[]): void {
  const root = makeTree(t, changes);
  assert.throws(() => link(root, image), (error: Error) => {
    assert.ok(error instanceof LinkError, error.stack);
    assert.ok(!error.message.includes('\n'), `one line: ${error.message}`);
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

test('parts are pulled in by needs, providers come first, include is merged', (t) => {
  const linked = link(makeTree(t), 'DEMO');
  assert.deepEqual(linked.units.map((u) => u.name), ['kern', 'net', 'hello', 'app']);
  assert.deepEqual(linked.phases.map(({ phase, calls }) => `${phase} ${calls.map((c) => c.fn)}`), ['KERN hello_init', 'NET net_init', 'POSTINIT app_init']);
  assert.deepEqual(linked.tunables, { HELLO_TIMES: 5, KERN_MAXFILES: 16, NET_NMBUFS: 8 });
  assert.deepEqual([linked.pages, linked.params], [4, { PORT: '80' }]);
});

test('generated sources: one line a role, boot calls in order, only rump_ exports', (t) => {
  const root = makeTree(t);
  const sources = imageSources(root, link(root, 'DEMO'));
  assert.deepEqual([...sources.keys()].sort(), ['gen/DEMO/image.ts', 'gen/DEMO/rump/greeter.ts', 'gen/DEMO/rump/kern_net.ts', 'gen/DEMO/rump/tunables.ts'].filter((f) => sources.has(f)));
  assert.match(sources.get('gen/DEMO/rump/greeter.ts')!, /^export \* from "..\/..\/components\/hello\/hello";$/m);
  assert.match(sources.get('gen/DEMO/rump/tunables.ts')!, /^export const HELLO_TIMES: i32 = 5;$/m);
  const image = sources.get('gen/DEMO/image.ts')!;
  assert.ok(image.indexOf('hello_init()') < image.indexOf('net_init()') && image.indexOf('net_init()') < image.indexOf('app_init()'));
  assert.match(image, /^ {2}init1_net_init\(\);$/m, 'a void init function has no result to look at');
  assert.match(image, /^export \{ rump_abi \} from/m);
});

test('an image without network components has no network part', (t) => {
  const root = makeTree(t, { 'kernel/conf/TINY.json': { description: 'tiny', components: ['bonjour'] } });
  assert.deepEqual(link(root, 'TINY').units.map((u) => u.name), ['kern', 'bonjour']);
});

test('an unmet need names who needs and who would provide', (t) => {
  fails(t, { 'kernel/conf/DEMO.json': { description: 'd', components: ['app'] } }, 'DEMO', /link DEMO: app needs greeter/, /bonjour or hello would/);
  fails(t, {
    'components/app/component.json': changed('components/app/component.json', { needs: ['domain:inet'] }),
  }, 'DEMO', /app needs domain:inet/, /nothing in the tree does/);
});

test('two providers of domain:inet are an error that names both', (t) => {
  const inet = (name: string): Files => ({
    [`components/${name}/component.json`]: { name, description: name, provides: ['domain:inet'], entry: `${name}.ts` },
    [`components/${name}/${name}.ts`]: 'export {};\n',
  });
  fails(t, {
    ...inet('netinet'), ...inet('sockin'),
    'kernel/conf/DEMO.json': { description: 'd', components: ['netinet', 'sockin'] },
  }, 'DEMO', /domain:inet is provided by both netinet and sockin, but an image may have at most 1/);
});

test('a cycle of needs shows the way round', (t) => {
  fails(t, {
    'kernel/conf/capabilities.json': changed('kernel/conf/capabilities.json', { a: {}, b: {} }),
    'components/hello/component.json': changed('components/hello/component.json', { provides: ['greeter', 'a'], needs: ['b'] }),
    'components/app/component.json': changed('components/app/component.json', { provides: ['b'], needs: ['a'] }),
  }, 'DEMO', /cycle: hello needs b of app, app needs a of hello/);
});

test('a minimum is held', (t) => {
  fails(t, { 'kernel/conf/capabilities.json': changed('kernel/conf/capabilities.json', { 'domain:inet': { min: 1, max: 1 } }) }, 'DEMO',
    /domain:inet is provided by 0 component\(s\), but an image must have 1/);
});

test('unknown names come with a guess', (t) => {
  const root = makeTree(t);
  assert.throws(() => link(root, 'DEMOO'), /unknown image "DEMOO" \(did you mean "DEMO"\?\)/);
  fails(t, { 'kernel/conf/DEMO.json': { description: 'd', components: ['helo'] } }, 'DEMO', /unknown component "helo" \(did you mean "hello"\?\)/);
  fails(t, { 'kernel/conf/DEMO.json': { description: 'd', component: [] } }, 'DEMO', /DEMO.json: unknown key "component" \(did you mean "components"\?\)/);
  fails(t, { 'components/app/component.json': changed('components/app/component.json', { needs: ['greter'] }) }, 'DEMO', /unknown role "greter" \(did you mean "greeter"/);
  fails(t, { 'components/app/component.json': changed('components/app/component.json', { init: { POST_INIT: 'app_init' } }) }, 'DEMO', /unknown phase "POST_INIT" \(did you mean "POSTINIT"/);
  fails(t, { 'kernel/conf/DEMO.json': { description: 'd', tunables: { NET_NMBUF: 1 } } }, 'DEMO', /tunable "NET_NMBUF" \(did you mean "NET_NMBUFS"/);
});

test('malformed descriptions say where', (t) => {
  fails(t, { 'components/app/component.json': '{\n  "name": "app",\n  oops\n}' }, 'DEMO', /^components\/app\/component.json(:3:3)?: not valid JSON/);
  fails(t, { 'components/app/component.json': changed('components/app/component.json', { provides: 'app' }) }, 'DEMO', /"provides" must be a list/);
  fails(t, { 'components/app/component.json': changed('components/app/component.json', { name: 'ap' }) }, 'DEMO', /"name" is "ap", but the folder is "app"/);
  fails(t, { 'components/app/component.json': changed('components/app/component.json', { entry: 'ap.ts' }) }, 'DEMO', /components\/app\/ap.ts does not exist/);
  fails(t, { 'components/app/component.json': { name: 'app', entry: 'app.ts' } }, 'DEMO', /key "description" is missing/);
  fails(t, { 'components/app/component.json': changed('components/app/component.json', { init: { KERN: 'no_such' } }) }, 'DEMO', /app.ts has no "export function no_such\(\): i32"/);
  fails(t, { 'kernel/conf/BASE.json': { description: 'd', include: ['DEMO'] } }, 'DEMO', /"include" goes in a circle: DEMO → BASE → DEMO/);
  fails(t, { 'kernel/conf/DEMO.json': { description: 'd', pages: 40000 } }, 'DEMO', /"pages" is 40000; it must be 1 to 32767/);
  fails(t, {}, 'BASE', /BASE.json is a fragment/);
});

test('a broken component is in the way only of who names it', (t) => {
  const root = makeTree(t, { 'components/alone/component.json': '{' });
  assert.deepEqual(link(root, 'DEMO').units.map((u) => u.name), ['kern', 'net', 'hello', 'app']);
  assert.throws(() => linkComponent(loadTree(root), 'alone'), /^LinkError: components\/alone\/component.json.*not valid JSON/);
});

test('a component alone: bare without needs, with a kernel if it boots', (t) => {
  const tree = loadTree(makeTree(t));
  const alone = linkComponent(tree, 'alone');
  assert.deepEqual([alone.bare, alone.units.map((u) => u.name), alone.pages], [true, ['alone'], 2]);
  const hello = linkComponent(tree, 'hello');
  assert.deepEqual([hello.bare, hello.units.map((u) => u.name)], [false, ['kern', 'hello']]);
  assert.throws(() => linkComponent(tree, 'app'), /link --component app: app needs greeter, but no component/);
  assert.throws(() => linkComponent(tree, 'bonjour'), /neither "init" nor "exports"/);
});

test('specs see every role and every tunable, whoever is deleted', (t) => {
  const spec = { description: 'specs', roles: { greeter: 'hello' }, tunables: { HELLO_TIMES: 9 } };
  const sources = specSources(loadTree(makeTree(t, { 'kernel/conf/SPEC.json': spec })));
  assert.match(sources.get('gen/rump/greeter.ts')!, /components\/hello\/hello"/);
  assert.match(sources.get('gen/rump/tunables.ts')!, /HELLO_TIMES: i32 = 9/);
  const without = specSources(loadTree(makeTree(t, { 'kernel/conf/SPEC.json': { ...spec, tunables: {} }, 'components/hello': null })));
  assert.match(without.get('gen/rump/greeter.ts')!, /components\/bonjour\/bonjour"/);
});
