/**
 * The helpers that other tests stand on: processes that do not survive, waiting, ports, namespaces,
 * and the answers of need().
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { bundle } from '../../tools/lib/bundle.mjs';
import { freePort, waitFor, withNetns } from '../lib/net';
import { need, which } from '../lib/need';
import { run, runNode, start } from '../lib/spawn';
import { root } from '../lib/tree';

/** A program that no Debian has. */
const NOWHERE = 'no-such-program-anywhere';

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('processes', () => {
  it('are waited for by what they print, and stopped', async () => {
    const child = start(process.execPath, ['-e', "console.log('port 81'); setInterval(() => {}, 1000)"]);
    assert.equal((await child.waitFor(/port (\d+)/))[1], '81');
    assert.deepEqual(await child.stop(), { code: null, signal: 'SIGTERM' });
    assert.equal(exists(child.pid), false);
  });

  it('that are deaf to SIGTERM are killed', async () => {
    const child = start(process.execPath, ['-e', "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)"]);
    await child.waitFor(/up/);
    assert.deepEqual(await child.stop(200), { code: null, signal: 'SIGKILL' });
  });

  it('that end without the words waited for say what they did say', async () => {
    const child = start(process.execPath, ['-e', "console.error('no such image'); process.exit(3)"]);
    await assert.rejects(child.waitFor(/serving/), /ended \(status 3\)[\s\S]*no such image/);
  });

  it('of a group get its signals together', async () => {
    const child = start('sh', ['-c', `${process.execPath} -e "process.on('SIGINT', () => process.exit(0)); console.log('up ' + process.pid); setInterval(() => {}, 1000)"; exit 7`], { group: true });
    const [, inner] = await child.waitFor(/up (\d+)/);
    child.signal('SIGINT');
    await child.ended;
    assert.equal(exists(Number(inner)), false);
  });

  it('do not survive the process that started them', async () => {
    await bundle(root, { name: 'test-spawn', entries: { 'build/tests/lib/spawn': 'tests/lib/spawn.ts' } });
    const helper = JSON.stringify(join(root, 'build', 'tests', 'lib', 'spawn.mjs'));
    const idle = "['-e', \"process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)\"]";
    const script = `import { start } from ${helper}; console.log('child ' + start(process.execPath, ${idle}).pid); setInterval(() => {}, 1000);`;
    const outer = start(process.execPath, ['--input-type=module', '-e', script]);
    const [, inner] = await outer.waitFor(/child (\d+)/);
    assert.equal((await outer.stop()).code, 143);
    await waitFor(() => !exists(Number(inner)), 'the end of the grandchild');
  });

  it('that overrun their time are an error with what they printed', async () => {
    await assert.rejects(runNode(['-e', "console.log('half'); setInterval(() => {}, 1000)"], { timeoutMs: 700 }), /took more than 700 ms:\nhalf/);
  });

  it('get input and environment', async () => {
    const script = "process.stdin.on('data', (d) => console.log(String(d).toUpperCase() + process.env.A_WORD + process.env.HOME))";
    const { stdout } = await runNode(['-e', script], { input: 'in ', env: { A_WORD: 'set ', HOME: undefined } });
    assert.equal(stdout, 'IN set undefined\n');
  });
});

describe('the network', () => {
  it('has a free port', async () => {
    const port = await freePort();
    await new Promise<void>((resolve, reject) => {
      const server = createServer().once('error', reject).listen(port, '127.0.0.1', () => server.close(() => resolve()));
    });
  });

  it('is waited for, with the last error as the reason', async () => {
    let calls = 0;
    assert.equal(await waitFor(() => (++calls > 3 ? 'there' : false), 'it'), 'there');
    await assert.rejects(waitFor(() => { throw new Error('refused'); }, 'the server', 100), /the server: not within 100 ms \(refused\)/);
  });

  it('has namespaces that are gone afterwards', { skip: need('netns') }, async () => {
    const name = await withNetns(async (ns) => {
      const { stdout } = await ns.run('ip', ['-o', 'link', 'show', 'up']);
      assert.match(stdout, /^1: lo: /);
      assert.equal(stdout.trim().split('\n').length, 1, 'nothing but the loopback');
      return ns.name;
    });
    assert.doesNotMatch((await run('ip', ['netns', 'list'])).stdout, new RegExp(name));
  });
});

describe('need', () => {
  it('finds programs', () => {
    assert.equal(need('sh', 'linux'), false);
    assert.match(which('sh') ?? '', /\/sh$/);
    assert.equal(which(NOWHERE), null);
  });

  it('says why something is not to be had', { skip: process.getuid?.() === 0 ? false : need('root') }, () => {
    assert.match(String(need(NOWHERE)), new RegExp(`^${NOWHERE} is not installed, and apt-get install ${NOWHERE} failed: .`));
  });
});
