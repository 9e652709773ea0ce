/**
 * `rumpwasm disk` against a running instance: every verb, text and JSON, and what is said when something
 * cannot be done.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildImage } from '../../tools/mkimage/build';
import { type RunResult, runNode, start } from '../lib/spawn';
import { cli, tempDir } from '../lib/tree';

interface Rig {
  disk(...words: string[]): Promise<RunResult>;
  /** The same, with success demanded and JSON parsed. */
  json(...words: string[]): Promise<unknown>;
}

/** An instance of image DISK whose control socket only this test sees. */
async function rig(t: TestContext, image = 'DISK'): Promise<Rig> {
  await buildImage(image);
  const runtime = join(tempDir(t), 'run');
  mkdirSync(runtime, { mode: 0o700 });
  const env = { XDG_RUNTIME_DIR: runtime };
  const instance = start(process.execPath, [cli, 'run', image], { env });
  t.after(() => instance.stop());
  await instance.waitFor(/running/);
  const disk = (...words: string[]): Promise<RunResult> => runNode([cli, 'disk', ...words], { env });
  return {
    disk,
    async json(...words) {
      const ran = await disk(...words, '-j');
      assert.equal(ran.code, 0, ran.stderr);
      return JSON.parse(ran.stdout);
    },
  };
}

test('the life of a disk', async (t) => {
  const { disk, json } = await rig(t);
  const good = async (...words: string[]): Promise<string> => {
    const ran = await disk(...words);
    assert.deepEqual([ran.code, ran.stderr], [0, ''], words.join(' '));
    return ran.stdout;
  };
  assert.equal(await good('list'), '');
  await good('attach', 'rd0', '64M', '--level', '3', '--dedup', 'scan', '--limit', '8M');
  await good('attach', 'rd1', '1G');
  assert.match(await good('list'), /device +size .*\nrd0 +64\.0 MiB +0 bytes .*\nrd1 +1\.0 GiB/);
  const [first] = await json('list') as { name: string; size: number; locked: boolean; stat: Record<string, unknown> }[];
  assert.deepEqual([first!.name, first!.size, first!.locked], ['rd0', 64 << 20, false]);
  assert.deepEqual([first!.stat.level, first!.stat.dedup, first!.stat.mem_limit], [3, 'scan', 8 << 20]);
  await good('set', 'rd0', '--level', '1');
  await good('resize', 'rd0', '128M');
  await good('lock', 'rd0');
  const ran = await disk('flush', 'rd0');
  assert.deepEqual([ran.code, ran.stderr], [1, 'rumpwasm: disk flush rd0: it is locked\n']);
  await good('unlock', 'rd0');
  await good('flush', 'rd0');
  const stat = await json('stat', 'rd0') as Record<string, unknown>;
  assert.deepEqual([stat.size, stat.level], [128 << 20, 1]);
  assert.match(await good('stat'), /mem_used_total +0\n(.*\n)*pages_shared +0\n/);
  assert.match(await good('compact'), /^0 pages/);
  await good('detach', 'rd0');
  await good('detach', 'rd1');
  assert.equal(await good('list'), '');
});

test('what cannot be done is said in one line', async (t) => {
  const { disk } = await rig(t);
  const wrong: [string[], RegExp][] = [
    [['attach', 'sda', '1M'], /no driver for that name/],
    [['attach', 'rd0', '1000'], /not understood/],
    [['attach', 'rd 0', '1M'], /no name of a device/],
    [['detach', 'rd9'], /no such device/],
    [['attach', 'rd0', '1M', '--dedup', 'no'], /not understood/],
  ];
  for (const [words, why] of wrong) {
    const ran = await disk(...words);
    assert.equal(ran.code, 1, words.join(' '));
    assert.match(ran.stderr, why);
    assert.equal(ran.stderr.trim().split('\n').length, 1, ran.stderr);
  }
});

test('an image without block devices says so', async (t) => {
  const { disk } = await rig(t, 'FS');
  const ran = await disk('list');
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /has no block devices/);
});
