/**
 * The first of the two commands, on a fresh clone: a copy of the tree's sources with nothing installed
 * and nothing built. `npm start` has to install, build and serve by itself, and end with status 0 on
 * Ctrl-C. The second command is what runs this.
 *
 * @timeout 420
 * @alone
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { findNpm } from '../../tools/lib/install.mjs';
import { freePort, waitFor } from '../lib/net';
import { start, type Process } from '../lib/spawn';
import { root, tempDir } from '../lib/tree';

/** Copy what a clone would have: the tracked files, and those about to be. */
function copySources(to: string): void {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  for (const path of new Set(listed.split('\0'))) {
    if (path === '' || !existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(root, path), join(to, path));
  }
}

/** What npm tells its children, all but where packages come from. */
const FROM_NPM = /^npm_(?!config_(?:registry|cache|userconfig|globalconfig|proxy|https_proxy|noproxy|cafile|strict_ssl)$)|^NODE_|^INIT_CWD$|^CI$/i;

/** npm in the clone, as from a shell: a job of its own, without what this npm told its children. */
function npm(dir: string, args: string[]): Process {
  const inherited = Object.keys(process.env).filter((name) => FROM_NPM.test(name));
  const env = Object.fromEntries(inherited.map((name) => [name, undefined]));
  const PATH = (process.env.PATH ?? '').split(':').filter((part) => !part.includes('node_modules')).join(':');
  const { command, args: first } = findNpm(root);
  return start(command, [...first, ...args], { cwd: dir, group: true, env: { ...env, PATH } });
}

test('npm start on a fresh clone installs, builds, serves, and ends with status 0 on Ctrl-C', { skip: existsSync(join(root, '.git')) ? false : 'this tree is no git clone' }, async (t) => {
  const dir = tempDir(t);
  copySources(dir);
  assert.equal(existsSync(join(dir, 'node_modules')), false, 'nothing is installed');
  const port = await freePort();
  const server = npm(dir, ['start', '--', '--port', `${port}`]);
  t.after(() => server.stop());

  await server.waitFor(/serving .* on http:\/\//, 360_000);
  assert.match(server.output, /installing dependencies/, 'progress is visible');
  const answer = await waitFor(() => fetch(`http://127.0.0.1:${port}/`), 'an answer');
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), readFileSync(join(root, 'examples', 'site', 'index.html'), 'utf8'));

  server.signal('SIGINT');
  assert.deepEqual(await server.ended, { code: 0, signal: null }, server.output);

  // Again, now with everything there: nothing is installed or built a second time.
  const again = npm(dir, ['start', '--', '--port', `${port}`]);
  t.after(() => again.stop());
  const began = Date.now();
  await again.waitFor(/serving .* on http:\/\//, 60_000);
  assert.doesNotMatch(again.output, /installing|bundling/);
  assert.ok(Date.now() - began < 10_000, 'the second start is quick');
  again.signal('SIGINT');
  assert.deepEqual(await again.ended, { code: 0, signal: null }, again.output);
});
