/**
 * `rumpwasm run` as a process: the line that says it serves, signals, and errors in one line.
 *
 * @timeout 180
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync, chmodSync } from 'node:fs';
import { get } from 'node:http';
import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { buildImage } from '../../tools/mkimage/index';
import { freePort } from '../lib/net';
import { runNode, start } from '../lib/spawn';
import { cli, imagePath, root, site, tempDir } from '../lib/tree';
import { fixture } from './fixture';

async function fetchText(url: string): Promise<string> {
  const request = get(url, { agent: false });
  const [response] = await once(request, 'response');
  return (await response.toArray() as Buffer[]).map(String).join('');
}

/** Run to the end; the complaint, without our name before it. */
async function complaint(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runNode([cli, 'run', ...args], { cwd: root });
  assert.equal(code, 1, stdout + stderr);
  assert.equal(stdout, '');
  const lines = stderr.trimEnd().split('\n').filter((line) => !line.startsWith('… building'));
  assert.equal(lines.length, 1, stderr);
  return lines[0]!.replace(/^(rumpwasm|error): /, '');
}

describe('rumpwasm run', () => {
  before(async () => { await buildImage('SOCKIN'); });

  for (const [signal, wasi] of [['SIGINT', 'rumpuser'], ['SIGTERM', 'node'], ['SIGTERM', 'wasmer']] as const) {
    test(`serves, logs, and drains on ${signal} (--wasi ${wasi})`, async () => {
      const port = await freePort();
      const server = start(process.execPath, [cli, 'run', 'SOCKIN', '-b', site, '--port', String(port), '--wasi', wasi], { cwd: root });
      const [line] = await server.waitFor(/^serving .*$/m);
      assert.match(line, new RegExp(`^serving .*examples/site on http://127\\.0\\.0\\.1:${port} \\(SOCKIN, \\d+ KB, booted in [\\d.]+ ms\\)$`));
      assert.match(await fetchText(`http://127.0.0.1:${port}/`), /<html/);
      await server.waitFor(/"GET \/ HTTP\/1\.1" 200 /);
      server.signal(signal);
      assert.deepEqual(await server.ended, { code: 0, signal: null }, server.output);
      assert.equal(server.stderr, '');
    });
  }

  test('an image file runs by its path, quietly, with its parameters', async (t) => {
    const port = await freePort();
    const dir = tempDir(t);
    mkdirSync(join(dir, 'www'));
    writeFileSync(join(dir, 'www', 'index.html'), 'by path');
    const args = [cli, 'run', imagePath('SOCKIN'), '-q', '-e', `PORT=${port}`, '-e', 'HTTPD_ROOT=/srv', '-b', `${join(dir, 'www')},/srv`, '--backend', 'node'];
    const server = start(process.execPath, args, { cwd: root });
    await server.waitFor(/^serving /m);
    assert.equal(await fetchText(`http://127.0.0.1:${port}/`), 'by path');
    await server.stop();
    assert.doesNotMatch(server.stdout, /GET/);
  });

  test('a second signal does not wait for what drains', async () => {
    const port = await freePort();
    const server = start(process.execPath, [cli, 'run', 'SOCKIN', '-b', site, '-p', String(port), '-e', 'HTTPD_DRAIN_US=60000000', '-e', 'HTTPD_HEADER_US=60000000'], { cwd: root });
    await server.waitFor(/^serving /m);
    const peer = connect(port, '127.0.0.1').on('error', () => {});
    await once(peer, 'connect');
    peer.write('GET / HTTP/1.1\r\nHost: x\r\n');
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    server.signal('SIGINT');
    await new Promise((resolve) => { setTimeout(resolve, 200); });
    assert.ok(server.running, 'a request is half sent: it is waited for');
    // Again until it is heard: two signals at the same moment are one.
    const again = setInterval(() => server.signal('SIGINT'), 100);
    assert.deepEqual(await server.ended, { code: 130, signal: null });
    clearInterval(again);
    peer.destroy();
  });

  test('an image without an app runs until it is told to end', async () => {
    const server = start(process.execPath, [cli, 'run', 'FS'], { cwd: root });
    await server.waitFor(/^running FS \(\d+ KB, booted in [\d.]+ ms\)$/m);
    await new Promise((resolve) => { setTimeout(resolve, 200); });
    assert.ok(server.running);
    server.signal('SIGTERM');
    assert.deepEqual(await server.ended, { code: 0, signal: null });
  });

  test('a port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    assert.equal(await complaint('SOCKIN', '-b', site, '-p', String(port)), `port ${port} is in use by another program; choose another with --port`);
    other.close();
  });

  test('an address that is not ours, a parameter that is no number, too little memory', async () => {
    assert.match(await complaint('SOCKIN', '-e', 'HTTPD_ADDR=192.0.2.1'), /^this host does not have the address 192\.0\.2\.1; /);
    assert.equal(await complaint('SOCKIN', '-e', 'HTTPD_PORT=http'), 'SOCKIN did not boot: httpd: HTTPD_PORT: not a number in range (EINVAL)');
    assert.equal(await complaint('SOCKIN', '-M', '1'), '1 MB of memory are not enough for this image; give it more with -M');
  });

  test('what is not an image of ours', async (t) => {
    const dir = tempDir(t);
    const put = (name: string, contents: string | Uint8Array): string => {
      writeFileSync(join(dir, name), contents);
      return join(dir, name);
    };
    assert.match(await complaint('NOSUCH'), /^unknown image "NOSUCH"/);
    assert.match(await complaint(join(dir, 'no.wasm')), /^there is no file /);
    assert.match(await complaint(put('text.wasm', 'hello')), /text\.wasm is not a WebAssembly module$/);
    assert.match(await complaint(put('other.wasm', Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))), /is a WebAssembly module, but not an image of rumpwasm/);
    const foreign = Buffer.from(Buffer.from(await fixture()).toString('latin1').replaceAll('rumpuser', 'warpcore'), 'latin1');
    assert.match(await complaint(put('foreign.wasm', foreign)), /needs the hypercalls of component "warpcore"/);
  });

  test('directories and archives that cannot be read', async (t) => {
    const dir = tempDir(t);
    assert.match(await complaint('SOCKIN', '-b', join(dir, 'none')), /^cannot read .*none: there is no such file or directory$/);
    writeFileSync(join(dir, 'torn.tar'), 'no archive at all');
    assert.match(await complaint('SOCKIN', '-b', join(dir, 'torn.tar')), /^cannot load .*torn\.tar: not a tar archive/);
    writeFileSync(join(dir, 'plain'), 'x');
    assert.match(await complaint('SOCKIN', '-b', `${join(dir, 'plain')},mount=/x`), /is neither a directory nor a tar archive/);
    mkdirSync(join(dir, 'closed'));
    chmodSync(join(dir, 'closed'), 0);
    if (process.getuid?.() !== 0) assert.match(await complaint('SOCKIN', '-b', join(dir, 'closed')), /permission denied$/);
  });

  test('slips on the command line', async () => {
    for (const [words, says] of [
      [['SOCKIN', '--wasi', 'wasi'], /^--wasi wasi: expected rumpuser, node, wasmer$/],
      [['SOCKIN', '--backend', 'x'], /^--backend x: expected/], [['SOCKIN', '-p', '65536'], /^--port 65536: /],
      [['SOCKIN', '-M', 'lots'], /^-M lots: /], [['SOCKIN', '-e', '=x'], /^-e =x: /], [['SOCKIN', '-b', 'x=,ro'], /^cannot read/],
      [['SOCKIN', '-b', `${site},nosuch=1`], /"nosuch=1" is not mount=\/DIR or ro$/], [['SOCKIN', '-I', 'virt0'], /^-I virt0: /],
      [['SOCKIN', '-W', 'virt0,inet,dhcp'], /there is no -I virt0/], [['SOCKIN', '--log-level', 'loud'], /^no such log level: loud/],
      [['SOCKIN', '--nonsense'], /^unknown option '--nonsense'$/],
    ] as const) assert.match(await complaint(...words), says);
  });
});
