/** What is an image of ours and what is not, and how the refusal reads. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { boot } from '../../host/boot';
import { ImageError, loadImage, packageRoot, withMemory } from '../../host/imageFile';
import { withSection } from '../../tools/mkimage/manifest';
import { fixture, fixtureWith } from './fixture';

const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-image-'));
after(() => rmSync(dir, { recursive: true, force: true }));

/** (module) with nothing in it. */
const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

function file(name: string, contents: string | Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, contents);
  return path;
}

function refusal(image: string | Uint8Array): string {
  let message = '';
  assert.throws(() => loadImage(image), (error) => {
    assert.ok(error instanceof ImageError, String(error));
    message = error.message;
    return true;
  });
  assert.doesNotMatch(message, /\n/);
  return message;
}

test('each thing that is not an image is refused in one line that says why', async () => {
  assert.match(refusal('NOSUCHIMAGE'), /^there is no image NOSUCHIMAGE .*; build it with: rumpwasm build NOSUCHIMAGE$/);
  assert.match(refusal(join(dir, 'no.wasm')), /^there is no file .*no\.wasm$/);
  assert.match(refusal(file('text.wasm', 'hello, world')), /text\.wasm is not a WebAssembly module$/);
  assert.match(refusal(file('empty.wasm', '')), /is not a WebAssembly module$/);
  assert.match(refusal(file('foreign.wasm', empty)), /is a WebAssembly module, but not an image of rumpwasm: it exports no rump_abi$/);
  assert.match(refusal(file('torn.wasm', (await fixture()).subarray(0, 400))), /is not a valid WebAssembly module: /);
  assert.match(refusal(dir + '/'), /cannot read image .*EISDIR/);
  const broken = withSection(await fixture(), 'rumpwasm', '{');
  assert.match(refusal(broken), /^the image is damaged: its section "rumpwasm" is not JSON$/);
});

test('an image with hypercalls that nobody has is refused by the component\'s name', async () => {
  const bytes = Buffer.from(await fixture());
  const renamed = Buffer.from(bytes.toString('latin1').replaceAll('rumpuser', 'warpcore'), 'latin1');
  await assert.rejects(boot(renamed), /needs the hypercalls of component "warpcore", which this host does not have/);
});

test('name, components and default parameters come from the image itself', async () => {
  const identity = { image: 'GOOD', components: ['httpd'], params: { A: '1', B: '2' } };
  const bytes = withSection(await fixture(), 'rumpwasm', JSON.stringify(identity));
  const kernel = await boot(file('other.wasm', bytes), { params: { B: 3, C: '4' } });
  assert.equal(kernel.name, 'GOOD');
  assert.deepEqual(kernel.components, ['httpd']);
  assert.equal(kernel.imageSize, bytes.length);
  assert.deepEqual(Object.fromEntries(kernel.params), { A: '1', B: '3', C: '4' });
  assert.ok(kernel.bootTimes.compileMs >= 0 && kernel.bootTimes.initMs >= 0);
  await kernel.close();
});

test('-M: the memory section is rewritten', async () => {
  const kernel = await boot(await fixture(), { memory: 3 << 20 });
  assert.equal(kernel.memory.buffer.byteLength, 3 << 20);
  assert.throws(() => kernel.memory.grow(1), RangeError);
  await kernel.close();
  const module = await WebAssembly.compile(Uint8Array.from(withMemory(await fixture(), 100 * 65536 - 1)));
  assert.equal(WebAssembly.Module.exports(module).length > 0, true);
  assert.throws(() => withMemory(empty, 65536), /has no memory of its own/);
  for (const size of [0, -5, 2 ** 31, Number.NaN]) assert.throws(() => withMemory(empty, size), /64 KiB to just under 2 GiB/);
});

test('an image of another ABI or rumpuser version is refused', async () => {
  await assert.rejects(boot(await fixtureWith('export function rump_abi(): i32 { return 1; }', 'export function rump_abi(): i32 { return 99; }')), /ABI version 99, this host speaks 1/);
  await assert.rejects(boot(await fixtureWith('return hyp_init(1);', 'return hyp_init(42);')), /image did not boot: protocol not supported \(EPROTONOSUPPORT\)/);
});

test('the package knows where it is', () => {
  assert.match(packageRoot(), /\S/);
});
