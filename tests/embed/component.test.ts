/**
 * docs/components.md: the component that it prints links, runs, and does what the page says; and its list
 * is complete.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { boot } from '../../host/boot';
import { virtualClock } from '../../host/determinism';
import { buildImage } from '../../tools/mkimage/index';
import { root, tempDir } from '../lib/tree';

/** The files that a document prints: fences whose first line names a path. */
function printedFiles(markdown: string): Map<string, string> {
  return new Map([...markdown.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].map(([, path, text]) => [path!, text!]));
}

test('docs/components.md lists every component', () => {
  const page = readFileSync(join(root, 'docs/components.md'), 'utf8');
  const components = readdirSync(join(root, 'components')).filter((name) => existsSync(join(root, 'components', name, 'component.json')));
  assert.deepEqual(components.filter((name) => !page.includes(`[${name}](../components/${name}/`)), []);
});

test('the example of docs/components.md', async (t) => {
  const files = printedFiles(readFileSync(join(root, 'docs/components.md'), 'utf8'));
  assert.deepEqual([...files.keys()], ['components/beat/component.json', 'components/beat/beat.ts', 'kernel/conf/BEAT.json', 'components/beat/beat.spec.ts']);
  const tree = tempDir(t);
  cpSync(join(root, 'kernel'), join(tree, 'kernel'), {
    recursive: true, filter: (path) => !/\.spec\.ts$|conf\/[A-Z]\w*\.json$/.test(path),
  });
  for (const [path, text] of files) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  const { wasmFile } = await buildImage('BEAT', { root: tree });
  const records: string[] = [];
  const kernel = await boot(wasmFile, { clock: virtualClock(), logLevel: 'info', log: (_level: number, message: string) => { records.push(message); } });
  kernel.advance(125_000_000);
  assert.equal(kernel.sysctl('beat.seconds'), 125);
  assert.deepEqual(records.filter((record) => record.startsWith('beat')), ['beat: 60 s', 'beat: 120 s']);
  assert.equal(await kernel.shutdown(), 0);
});
