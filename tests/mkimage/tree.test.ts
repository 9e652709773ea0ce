/** The deletion test, on this repository: a component's folder can go, and only who names it notices. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findRoot } from '../../tools/lib/root.mjs';
import { linkImage } from '../../tools/mkimage/link';
import { buildImage } from '../../tools/mkimage/index';
import { confNames, loadConf, loadTree } from '../../tools/mkimage/tree';

const ROOT = findRoot();
/** An image without sockets. */
const PLAIN = 'FS';

test('every image links, and links without each component that it does not name', () => {
  const tree = loadTree(ROOT);
  assert.deepEqual([...tree.broken.values()].map((error) => error.message), []);
  const confs = confNames(ROOT).map((name) => loadConf(ROOT, name)).filter((conf) => !conf.fragment);
  assert.ok(confs.length > 0);
  for (const conf of confs) {
    linkImage(tree, conf);
    for (const name of tree.components.keys()) {
      const without = { ...tree, components: new Map([...tree.components].filter(([other]) => other !== name)) };
      if (!conf.components.includes(name)) linkImage(without, conf);
      else assert.throws(() => linkImage(without, conf), new RegExp(`link ${conf.name}: unknown component "${name}"`));
    }
  }
});

test('with components/sockin deleted an image without sockets is built, byte for byte the same', async (t) => {
  const copy = mkdtempSync(join(tmpdir(), 'mkimage-'));
  t.after(() => rmSync(copy, { recursive: true, force: true }));
  for (const dir of ['kernel', 'components']) cpSync(join(ROOT, dir), join(copy, dir), { recursive: true });
  assert.ok(existsSync(join(copy, 'components/sockin')));
  rmSync(join(copy, 'components/sockin'), { recursive: true });
  const there = await buildImage(PLAIN, { root: copy });
  const here = await buildImage(PLAIN, { root: ROOT, out: join(copy, 'here'), force: true });
  assert.deepEqual(readFileSync(there.wasmFile), readFileSync(here.wasmFile));
  assert.deepEqual(readFileSync(there.manifestFile), readFileSync(here.manifestFile));
  await assert.rejects(buildImage('SOCKIN', { root: copy }), /link SOCKIN: unknown component "sockin"/);
});
