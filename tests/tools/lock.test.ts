/**
 * The lock between processes: taken by one at a time, waited for, taken over from the dead.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { tryLock, withLock } from '../../tools/lib/lock.mjs';
import { runNode, start } from '../lib/spawn';
import { root, tempDir } from '../lib/tree';
import { waitFor } from '../lib/net';

const LOCK_MODULE = join(root, 'tools', 'lib', 'lock.mjs');

test('holds while the work runs and leaves nothing behind', async (t) => {
  const file = join(tempDir(t), 'sub', 'x.lock');
  const result = await withLock(file, () => {
    assert.equal(readFileSync(file, 'utf8').trim(), String(process.pid));
    assert.equal(tryLock(file), false);
    return 42;
  });
  assert.equal(result, 42);
  assert.deepEqual(readdirSync(dirname(file)), []);
});

test('is released when the work throws', async (t) => {
  const file = join(tempDir(t), 'x.lock');
  await assert.rejects(withLock(file, () => { throw new Error('work failed'); }), /work failed/);
  assert.equal(existsSync(file), false);
});

test('is taken over from a process that is dead', async (t) => {
  const file = join(tempDir(t), 'x.lock');
  mkdirSync(dirname(file), { recursive: true });
  const { stdout } = await runNode(['-e', 'console.log(process.pid)']);
  writeFileSync(file, stdout);
  assert.equal(await withLock(file, () => 'done'), 'done');
});

test('makes a second process wait, and tells who for', async (t) => {
  const file = join(tempDir(t), 'x.lock');
  const holder = start(process.execPath, ['--input-type=module', '-e',
    `import { withLock } from ${JSON.stringify(LOCK_MODULE)}; await withLock(${JSON.stringify(file)}, async () => { console.log('held'); await new Promise((r) => setTimeout(r, 600)); });`]);
  t.after(() => holder.stop());
  await holder.waitFor(/held/);
  const waitedFor: number[] = [];
  const began = Date.now();
  await withLock(file, () => assert.equal(holder.stdout, 'held\n'), (pid: number) => waitedFor.push(pid));
  assert.deepEqual(waitedFor, [holder.pid]);
  assert.ok(Date.now() - began >= 300, 'it did wait');
});

test('lets many processes in one after the other, also over a stale lock', async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'x.lock');
  const { stdout } = await runNode(['-e', 'console.log(process.pid)']);
  writeFileSync(file, stdout);
  const count = join(dir, 'count');
  writeFileSync(count, '0');
  const script = `
    import { readFileSync, writeFileSync } from 'node:fs';
    import { withLock } from ${JSON.stringify(LOCK_MODULE)};
    for (let i = 0; i < 5; i++) await withLock(${JSON.stringify(file)}, async () => {
      const n = Number(readFileSync(${JSON.stringify(count)}, 'utf8'));
      await new Promise((r) => setTimeout(r, 3));
      writeFileSync(${JSON.stringify(count)}, String(n + 1));
    });`;
  const workers = Array.from({ length: 4 }, () => start(process.execPath, ['--input-type=module', '-e', script]));
  const ends = await Promise.all(workers.map((worker) => worker.ended));
  assert.deepEqual(ends.map((end) => end.code), [0, 0, 0, 0]);
  assert.equal(readFileSync(count, 'utf8'), '20', 'no two were inside at once');
});

test('a process that is killed inside does not lock the others out', async (t) => {
  const file = join(tempDir(t), 'x.lock');
  const holder = start(process.execPath, ['--input-type=module', '-e',
    `import { withLock } from ${JSON.stringify(LOCK_MODULE)}; await withLock(${JSON.stringify(file)}, () => { console.log('held'); return new Promise((r) => setTimeout(r, 60000)); });`]);
  await holder.waitFor(/held/);
  holder.signal('SIGKILL');
  await holder.ended;
  assert.equal(await waitFor(() => withLock(file, () => true), 'the lock'), true);
});
