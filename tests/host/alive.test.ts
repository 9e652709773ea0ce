/**
 * The package as programs use it (dist/index.mjs), and when such a program ends by itself: when the
 * image has no open work, or when it was told not to count.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { buildImage } from '../../tools/mkimage/index';
import { start } from '../lib/spawn';
import { root } from '../lib/tree';

const entry = pathToFileURL(join(root, 'dist', 'index.mjs')).href;

/** Run a program that has `boot` in scope; whether it ends within `ms`. */
async function endsBy(program: string, ms: number): Promise<boolean> {
  const source = `import { boot } from ${JSON.stringify(entry)};\n${program}\nconsole.log('reached the end');`;
  const child = start(process.execPath, ['--input-type=module', '-e', source], { cwd: root });
  await child.waitFor(/reached the end/);
  const ended = await Promise.race([child.ended.then(({ code }) => code === 0), new Promise<boolean>((resolve) => { setTimeout(resolve, ms, false); })]);
  if (!ended) await child.stop();
  return ended;
}

const listen = `
  const kernel = await boot('SOCK');
  const server = kernel.net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));`;

before(async () => {
  await buildImage('SOCK');
  await buildImage('SOCKIN');
});

test('an image with nothing open does not hold the process', async () => {
  assert.equal(await endsBy(`const kernel = await boot('SOCK'); kernel.sysctl('kern.loglevel');`, 3000), true);
});

test('a listening socket holds it, until it is closed or the kernel is unref()ed', async () => {
  assert.equal(await endsBy(listen, 500), false);
  assert.equal(await endsBy(`${listen} server.close();`, 3000), true);
  assert.equal(await endsBy(`${listen} kernel.unref();`, 3000), true);
  assert.equal(await endsBy(`${listen} await kernel.close();`, 3000), true);
});

test('a server in the image holds it, until it is shut down', async () => {
  const serve = `const kernel = await boot('SOCKIN', { params: { HTTPD_PORT: 0, HTTPD_QUIET: 1 } });`;
  assert.equal(await endsBy(serve, 500), false);
  assert.equal(await endsBy(`${serve} if (await kernel.shutdown() !== 0) process.exit(1);`, 3000), true);
});
