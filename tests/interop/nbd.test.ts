/**
 * NBD over netinet: libnbd's and QEMU's clients copy a disk into and out of image NBDTAP on TAP.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from '../lib/need';
import { withNetns } from '../lib/net';
import { IMAGE, startTap } from './tapRig';

const skip = need('netns', 'tun', 'nbdinfo', 'nbdcopy', 'qemu-img');
const SIZE = 64 << 20;

test('nbdinfo, nbdcopy both ways and qemu-img over a TCP/IP stack of our own', { skip }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-nbd-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const [source, back, again] = ['in.raw', 'out.raw', 'qemu.raw'].map((name) => join(dir, name)) as [string, string, string];
  // Data that does not compress, text that does, and holes.
  const disk = Buffer.alloc(SIZE);
  randomBytes(8 << 20).copy(disk, 0);
  disk.fill('all work and no play makes a dull disk\n', 16 << 20, 40 << 20);
  writeFileSync(source, disk);
  await withNetns(async (ns) => {
    const image = await startTap(ns, dir, { name: 'NBDTAP', site: false });
    const uri = `nbd://${IMAGE}:10809/rd0`;
    const tool = async (command: string, args: string[]): Promise<string> => {
      const result = await ns.run(command, args, { timeoutMs: 60_000 });
      assert.equal(result.code, 0, `${command}: ${result.stderr}`);
      return result.stdout;
    };
    assert.match(await tool('nbdinfo', [uri]), new RegExp(`export-size: ${SIZE}\\b`));
    await tool('nbdcopy', [source, uri]);
    await tool('nbdcopy', [uri, back]);
    assert.ok(readFileSync(back).equals(disk), 'nbdcopy brought back something else');
    await tool('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uri, again]);
    assert.ok(readFileSync(again).equals(disk), 'qemu-img brought back something else');
    image.process.signal('SIGINT');
    assert.equal((await image.process.ended).code, 0);
  });
});
