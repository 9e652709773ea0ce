/**
 * kill -9 at random moments, 200 times: while a disk is written back all the time, and while archives are
 * made of it. Whatever the file holds afterwards is one moment of the disk, whole.
 *
 *     @timeout 400
 *
 *      writer: block 0 … 255 get version 1, then 2, …      a moment: | n n n n | n-1 n-1 n-1 |
 *
 * Every round starts from the file of the last: an instance that finds it torn would not start.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openInstance } from '../../host/control/instances';
import { Random } from '../lzo/samples';
import { scratch, serveNbd } from './rig';
import { CMD, Wire } from './wire';

const ROUNDS = 100;
const BLOCKS = 256;
const BLOCK = 4096;
const dir = scratch();

/** Block `i` of version `n`: it says so all over, and does not compress to nothing. */
function block(i: number, n: number): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  for (let at = 0; at < BLOCK; at += 8) {
    bytes.writeUInt32LE(n, at);
    bytes.writeUInt32LE(Math.imul(i + at, 2654435761) >>> 0, at + 4);
  }
  return bytes;
}

/** The versions in a disk's bytes: the newest and the oldest. @throws unless it is one moment */
function versions(disk: Buffer): { newest: number; oldest: number } {
  const newest = disk.readUInt32LE(0);
  let before = newest;
  for (let i = 0; i < BLOCKS; i++) {
    const n = disk.readUInt32LE(i * BLOCK);
    assert.ok(n === before || (n === newest - 1 && before === newest), `block ${i} has version ${n} after ${before}`);
    if (n > 0) assert.ok(disk.subarray(i * BLOCK, (i + 1) * BLOCK).equals(block(i, n)), `block ${i} is torn`);
    before = n;
  }
  return { newest, oldest: before };
}

async function readDisk(wire: Wire): Promise<Buffer> {
  wire.request(CMD.read, 1, 0, BLOCKS * BLOCK);
  return (await wire.reply(BLOCKS * BLOCK)).data;
}

/** Write version after version until the connection ends. */
async function writeVersions(wire: Wire, from: number, i0: number): Promise<void> {
  try {
    for (let n = from, i = i0; ; n++, i = 0) {
      for (; i < BLOCKS; i++) {
        wire.request(CMD.write, 2, i * BLOCK, BLOCK, block(i, n));
        if (i % 16 === 15) for (let k = 0; k < 16; k++) await wire.reply();
      }
    }
  } catch { /* killed */ }
}

/** The archive made by the round that was killed, if there is one: the next round starts from it. */
async function archiveForever(name: string, path: string): Promise<void> {
  try {
    const { client } = await openInstance(name);
    for (;;) await client.start('disk.archive', { name: 'rd0', path }, () => {}).done;
  } catch { /* killed */ }
}

async function round(file: string, mode: 'writeback' | 'archive', random: Random, last: number): Promise<number> {
  const name = `nbd-kill-${process.pid}`;
  const spec = `rd0,size=${BLOCKS * BLOCK},file=${file}${mode === 'writeback' ? ',writeback=2ms' : ''}`;
  const { port, process: server } = await serveNbd(['--name', name, '-b', spec]);
  const wire = await Wire.go(port, 'rd0');
  const { newest, oldest } = versions(await readDisk(wire));
  assert.ok(newest >= last, `the file went back from version ${last} to ${newest}`);
  const begin = oldest === newest ? newest + 1 : newest;
  const first = oldest === newest ? 0 : versionsEnd(await readDisk(wire), newest);
  const busy = [writeVersions(wire, begin, first - (first % 16)), ...(mode === 'archive' ? [archiveForever(name, file)] : [])];
  await sleep(random.below(60));
  server.signal('SIGKILL');
  await server.ended;
  wire.close();
  await Promise.all(busy);
  return newest;
}

/** The first block that is not of the newest version. */
function versionsEnd(disk: Buffer, newest: number): number {
  let i = 0;
  while (i < BLOCKS && disk.readUInt32LE(i * BLOCK) === newest) i++;
  return i;
}

describe('kill -9', () => {
  for (const [mode, extension] of [['writeback', 'img'], ['archive', 'rda']] as const) {
    test(`${ROUNDS} times during ${mode}`, { timeout: 300_000 }, async () => {
      const file = join(dir, `disk.${extension}`);
      const random = new Random(mode.length);
      let newest = 0;
      let moved = 0;
      let torn = 0;
      for (let i = 0; i < ROUNDS; i++) {
        const now = await round(file, mode, random, newest);
        if (now > newest) moved++;
        newest = now;
        const temporary = readdirSync(dirname(file)).filter((each) => each.startsWith(`.${basename(file)}.`));
        if (temporary.length > 0) torn++;
        assert.ok(temporary.length <= 1, 'what killed instances leave is cleaned up');
      }
      assert.ok(existsSync(file) && readFileSync(file).length > 0);
      assert.ok(moved > ROUNDS / 20, `only ${moved} rounds got anywhere`);
      assert.ok(torn > 0, 'no round was killed in the middle of a file');
      rmSync(file);
    });
  }
});
