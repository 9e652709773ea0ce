/**
 * Files of the host as block devices: contents, errors as errno, read-only, merging as the statistics
 * tell it, flush and FUA in the host's order, holes, many requests at once. Through SYS_diskctl, and
 * through NBD where there must be more than one request under way.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Disks } from '../../components/ramdisk/disks.user';
import { boot, type BootOptions } from '../../host/boot';
import { nativeMissing } from '../../host/native/koffi';
import { buildImage } from '../../tools/mkimage/index';
import { freePort } from '../lib/net';
import { CMD, Wire } from '../nbd/wire';

const KIB = 1024;
const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-etfs-'));
const opened: { close(): Promise<void> }[] = [];
after(async () => {
  for (const kernel of opened) await kernel.close();
  rmSync(dir, { recursive: true, force: true });
});

async function start(blk: NonNullable<BootOptions['blk']>, etfs: string): Promise<{ disks: Disks; port: number }> {
  const port = await freePort();
  const kernel = await boot((await buildImage('NBD')).wasmFile, { blk, params: { NBD_PORT: port, RAMDISK: '', ETFS: etfs } });
  opened.push(kernel);
  return { disks: new Disks(kernel), port };
}

function file(name: string, size: number): string {
  const path = join(dir, name);
  writeFileSync(path, Buffer.alloc(size, name));
  return path;
}

async function code(work: () => unknown): Promise<string> {
  try {
    await work();
    return '';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

describe('etfs', () => {
  test('reads and writes the file, by sectors; flush', async () => {
    const path = file('plain', 64 * KIB);
    const { disks } = await start({ hd0: path }, 'hd0');
    const [info] = disks.list();
    assert.deepEqual([info!.name, info!.size, info!.locked], ['hd0', 64 * KIB, false]);
    const disk = disks.open('hd0');
    assert.ok((await disk.read(512, 8192)).equals(readFileSync(path).subarray(512, 8704)));
    await disk.write(4608, Buffer.alloc(1024, 7));
    await disk.sync();
    assert.ok(readFileSync(path).subarray(4608, 5632).equals(Buffer.alloc(1024, 7)));
    await disk.zero(8192, 16384);
    await disk.discard(32768, 4096);
    const now = readFileSync(path);
    assert.ok(now.subarray(8192, 24576).equals(Buffer.alloc(16384)));
    if (nativeMissing() === undefined) assert.ok(now.subarray(32768, 36864).equals(Buffer.alloc(4096)));
    assert.ok(statSync(path).size === 64 * KIB, 'it keeps its size');
    assert.equal(await code(() => disk.read(64 * KIB, 512)), 'EINVAL');
    assert.equal(await code(() => disks.detach('hd0')), 'EBUSY');
    disk.close();
    disks.detach('hd0');
    assert.equal(disks.list().length, 0);
    disks.command('attach hd0');
    assert.equal(disks.list()[0]!.name, 'hd0');
  });

  test('several transfers at a time, and other calls beside them: nobody sees what belongs to another', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const contents = names.map((_, i) => Buffer.alloc(512 * KIB, `contents of file ${i} `));
    const paths = names.map((name, i) => { const path = file(name, 512 * KIB); writeFileSync(path, contents[i]!); return path; });
    const { disks } = await start(Object.fromEntries(names.map((name, i) => [name, paths[i]!])), names.join('; '));
    const all = names.map((name) => disks.open(name));
    const noise = setInterval(() => { for (let i = 0; i < 50; i++) disks.list(); }, 0).unref();
    const got = await Promise.all(all.map((disk) => disk.read(0, 512 * KIB)));
    got.forEach((bytes, i) => assert.ok(bytes.equals(contents[i]!), `read of ${names[i]}`));
    const written = names.map((_, i) => Buffer.alloc(512 * KIB, `what is written to ${i} `));
    const work = all.map((disk, i) => disk.write(0, written[i]!));
    disks.list();
    await Promise.all(work);
    paths.forEach((path, i) => assert.ok(readFileSync(path).equals(written[i]!), `write to ${names[i]}`));
    // Two users of one device wait for each other.
    const [first] = all;
    const both = await Promise.all([first!.read(0, 256 * KIB), first!.read(256 * KIB, 256 * KIB), first!.sync()]);
    assert.ok(Buffer.concat([both[0], both[1]]).equals(written[0]!));
    clearInterval(noise);
    for (const disk of all) disk.close();
  });

  test('errors of the host are errors of the device', async () => {
    const path = file('short', 64 * KIB);
    const { disks } = await start({ hd0: path, ro: { path, readOnly: true } }, 'hd0; ro');
    const disk = disks.open('hd0');
    truncateSync(path, 10_000);
    assert.equal(await code(() => disk.read(0, 16384)), 'EIO', 'the end of the file');
    assert.ok((await disk.read(0, 8192)).length === 8192, 'what is there can still be read');
    const ro = disks.open('ro');
    assert.equal(await code(() => ro.write(0, Buffer.alloc(512))), 'EROFS');
    assert.equal(await code(() => ro.discard(0, 4096)), 'EROFS');
    assert.equal(await code(() => disks.command('attach none')), 'ENOENT', 'only what the host has registered');
    assert.equal(await code(() => disks.resize('hd0', '1M')), 'EOPNOTSUPP');
    assert.equal(disks.stat('hd0').errors, 1);
  });

  test('an image whose file cannot be had does not boot', async () => {
    assert.equal(await code(() => start({ hd0: join(dir, 'nowhere') }, 'hd0')), 'ENOENT');
  });

  test('a file is made where there is a size', async () => {
    const { disks } = await start({ hd0: { path: join(dir, 'made'), size: 1 << 20 } }, 'hd0');
    assert.equal(disks.list()[0]!.size, 1 << 20);
  });
});

describe('the queue', () => {
  test('neighbours that wait become one transfer; each is answered for itself', async () => {
    const path = file('merge', 4 << 20);
    const { disks, port } = await start({ hd0: path }, 'hd0');
    const wire = await Wire.go(port, 'hd0');
    // One segment, so that all are there at once.
    wire.socket.cork();
    for (let i = 0; i < 64; i++) wire.request(CMD.write, i, i * 4096, 4096, Buffer.alloc(4096, i + 1));
    wire.socket.uncork();
    const cookies = new Set<number>();
    for (let i = 0; i < 64; i++) {
      const { error, cookie } = await wire.reply();
      assert.equal(error, 0);
      cookies.add(cookie);
    }
    assert.equal(cookies.size, 64);
    const written = readFileSync(path);
    for (let i = 0; i < 64; i++) assert.ok(written.subarray(i * 4096, (i + 1) * 4096).equals(Buffer.alloc(4096, i + 1)), `block ${i}`);
    const { requests, transfers, merged_back: back, in_flight: inFlight } = disks.stat('hd0');
    assert.deepEqual([requests, Number(transfers) + Number(back), inFlight], [64, 64, 0]);
    assert.ok(Number(back) > 0, 'nothing was merged');
    wire.close();
  });

  test('of merged requests only those fail that must', async () => {
    const path = file('half', 1 << 20);
    const { disks, port } = await start({ hd0: path }, 'hd0');
    truncateSync(path, 512 * KIB);
    const wire = await Wire.go(port, 'hd0');
    wire.socket.cork();
    // 8 fill the device's hands; the 8 behind them are merged into one transfer, half of it beyond the end.
    for (let i = 0; i < 16; i++) wire.request(CMD.read, i, i < 8 ? i * 8192 : 512 * KIB + (i - 12) * 4096, 4096);
    wire.socket.uncork();
    const errors = new Map<number, number>();
    for (let i = 0; i < 16; i++) {
      const head = await wire.take(16);
      const error = head.readUInt32BE(4);
      errors.set(Number(head.readBigUInt64BE(8)), error);
      if (error === 0) await wire.take(4096);
    }
    for (let i = 0; i < 16; i++) assert.equal(errors.get(i), i < 12 ? 0 : 5, `request ${i}`);
    assert.ok(Number(disks.stat('hd0').merged_back) > 0);
    wire.close();
  });

  test('a flush, and a write with FUA, under load', async () => {
    const path = file('flush', 4 << 20);
    const { port } = await start({ hd0: path }, 'hd0');
    const wire = await Wire.go(port, 'hd0');
    for (let i = 0; i < 40; i++) {
      if (i % 10 === 9) wire.request(CMD.flush, i, 0, 0);
      else wire.request(CMD.write, i, ((i * 7) % 40) * 65536, 65536, Buffer.alloc(65536, i), i % 5 === 0 ? 1 : 0);
    }
    const done = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const { error, cookie } = await wire.reply();
      assert.equal(error, 0);
      done.add(cookie);
    }
    assert.equal(done.size, 40);
    for (let i = 0; i < 40; i++) if (i % 10 !== 9) assert.equal(readFileSync(path)[((i * 7) % 40) * 65536], i);
    wire.close();
  });
});
