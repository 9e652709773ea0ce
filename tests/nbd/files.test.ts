/**
 * RAM disks to files and back: both formats, of one moment while it is written, and what is refused with
 * the device as it was.
 */
import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Disks } from '../../components/ramdisk/disks.user';
import { boot } from '../../host/boot';
import { archiveDisk } from '../../host/disk/archive';
import { restoreDisk } from '../../host/disk/restore';
import { parseDiskSpec, paramsOf, storesOf } from '../../host/disk/spec';
import type { Kernel } from '../../host/kernel';
import { buildComponent, buildImage } from '../../tools/mkimage/index';
import { mixed, Random } from '../lzo/samples';
import { scratch } from './rig';

const MIB = 1 << 20;
const dir = scratch();
let booted: Promise<{ kernel: Kernel; disks: Disks }> | null = null;

/** Bytes that cannot be compressed. */
function noise(seed: number, length: number): Buffer {
  const random = new Random(seed);
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += 4) bytes.writeUInt32LE((random.below(65536) * 65536 + random.below(65536)) >>> 0, at);
  return bytes;
}

async function make(): Promise<{ kernel: Kernel; disks: Disks }> {
  const { wasmFile } = await buildImage('NBD');
  await buildComponent('lzo');
  const kernel = await boot(wasmFile, { params: { NBD_PORT: 0, RAMDISK: 'rd0 size=16M; rd1 size=1M', RAMDISK_MEM: '64M' } });
  return { kernel, disks: new Disks(kernel) };
}

after(async () => (await booted)?.kernel.close());

/** One kernel for all tests; rd0 has mixed data with holes, and 16 MiB. */
async function start(): Promise<{ kernel: Kernel; disks: Disks; content: Buffer }> {
  const { kernel, disks } = await (booted ??= make());
  const content = Buffer.alloc(16 * MIB);
  mixed(3 * MIB).copy(content, 512);
  noise(5, MIB).copy(content, 7 * MIB);
  await write(disks, 'rd0', content);
  return { kernel, disks, content };
}

async function write(disks: Disks, name: string, content: Buffer): Promise<void> {
  disks.resize(name, content.length);
  disks.flush(name);
  const disk = disks.open(name);
  for (let at = 0; at < content.length; at += MIB) {
    const part = content.subarray(at, at + MIB);
    if (!part.equals(Buffer.alloc(part.length))) await disk.write(at, part);
  }
  disk.close();
}

async function read(disks: Disks, name: string): Promise<Buffer> {
  const disk = disks.open(name);
  try {
    return await disk.read(0, disks.list().find((each) => each.name === name)!.size);
  } finally {
    disk.close();
  }
}

const leftovers = (): string[] => readdirSync(dir).filter((name) => name.startsWith('.'));

/** The message that `work` fails with. */
async function complaint(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'nothing went wrong', (error: Error) => error.message);
}

describe('archive and restore', () => {
  for (const format of ['sparse', 'raw'] as const) {
    test(`${format}: the same bytes, the same size`, async () => {
      const { kernel, disks, content } = await start();
      const path = join(dir, `a.${format}`);
      const done = await archiveDisk(kernel, 'rd0', path, { format });
      assert.equal(done.size, content.length);
      if (format === 'raw') assert.ok(readFileSync(path).equals(content));
      assert.ok(statSync(path).blocks * 512 < 6 * MIB, 'holes take no room');
      disks.flush('rd1');
      const back = await restoreDisk(kernel, 'rd1', path, { format });
      assert.deepEqual([back.format, back.size], [format, content.length]);
      assert.ok((await read(disks, 'rd1')).equals(content));
      assert.deepEqual([leftovers(), disks.list().map(({ name, open }) => [name, open])], [[], [['rd0', 0], ['rd1', 0]]]);
    });
  }

  test('it is of one moment, whatever is written meanwhile', async () => {
    const { kernel, disks, content } = await start();
    const path = join(dir, 'moment.rda');
    const busy = archiveDisk(kernel, 'rd0', path);
    const disk = disks.open('rd0');
    await disk.write(0, Buffer.alloc(16 * MIB, 'later '));
    disk.close();
    await busy;
    await restoreDisk(kernel, 'rd1', path);
    assert.ok((await read(disks, 'rd1')).equals(content));
    assert.ok((await read(disks, 'rd0')).equals(Buffer.alloc(16 * MIB, 'later ')));
    disks.flush('rd0');
    disks.flush('rd1');
    assert.equal(disks.table('mm_stat').mem_used_total, 0, 'snapshots leave nothing behind');
  });

  test('a link is followed, the mode is kept', async () => {
    const { kernel } = await start();
    const path = join(dir, 'real.rda');
    writeFileSync(path, 'old', { mode: 0o600 });
    symlinkSync(path, join(dir, 'link.rda'));
    await archiveDisk(kernel, 'rd0', join(dir, 'link.rda'));
    assert.ok(statSync(path).size > MIB);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });
});

describe('what is refused', () => {
  test('torn and foreign files: one line, and the device is as it was', async () => {
    const { kernel, disks, content } = await start();
    const path = join(dir, 'good.rda');
    await archiveDisk(kernel, 'rd0', path);
    const good = readFileSync(path);
    await write(disks, 'rd1', content.subarray(0, MIB));
    const before = await read(disks, 'rd1');
    const bad = join(dir, 'bad.rda');
    const random = new Random(1);
    const variants: [RegExp, Buffer][] = [
      [/not an archive/, Buffer.alloc(0)], [/not an archive/, Buffer.alloc(MIB, 'x')], [/not an archive|within its header/, good.subarray(0, 20)],
      [/something behind/, Buffer.concat([good, Buffer.from('x')])], [/header is damaged/, Buffer.concat([good.subarray(0, 16), Buffer.alloc(8, 1), good.subarray(24)])],
    ];
    for (let i = 0; i < 40; i++) variants.push([/torn|ends within|missing/, good.subarray(0, 64 + random.below(good.length - 64))]);
    for (let i = 0; i < 40; i++) {
      const flipped = Buffer.from(good);
      flipped[64 + random.below(good.length - 64)]! ^= 1 << random.below(8);
      variants.push([/is refused/, flipped]);
    }
    const other = join(dir, 'other.rda');
    await archiveDisk(kernel, 'rd0', other);
    variants.push([/different archives/, Buffer.concat([good.subarray(0, good.length - 80), readFileSync(other).subarray(-80)])]);
    for (const [pattern, bytes] of variants) {
      writeFileSync(bad, bytes);
      const said = await complaint(restoreDisk(kernel, 'rd1', bad));
      assert.match(said, pattern);
      assert.doesNotMatch(said, /\n/);
    }
    assert.ok((await read(disks, 'rd1')).equals(before));
    assert.deepEqual(disks.list().map(({ name }) => name), ['rd0', 'rd1']);
  });

  test('a device in use or locked, no memory, no device, no file, no room', async () => {
    const { kernel, disks } = await start();
    const path = join(dir, 'fine.rda');
    await archiveDisk(kernel, 'rd0', path);
    const disk = disks.open('rd1');
    assert.match(await complaint(restoreDisk(kernel, 'rd1', path)), /in use/);
    disk.close();
    disks.lock('rd1');
    assert.match(await complaint(restoreDisk(kernel, 'rd1', path)), /locked/);
    disks.unlock('rd1');
    assert.match(await complaint(restoreDisk(kernel, 'rd9', path)), /no device rd9/);
    assert.match(await complaint(restoreDisk(kernel, 'rd1', join(dir, 'none'))), /cannot read .*no such file/);
    assert.match(await complaint(archiveDisk(kernel, 'rd0', join(dir, 'none', 'x'))), /cannot write .*no such file/);
    mkdirSync(join(dir, 'd'), { recursive: true });
    assert.match(await complaint(archiveDisk(kernel, 'rd0', join(dir, 'd'))), /not a regular file/);
    if (existsSync('/dev/full')) assert.match(await complaint(archiveDisk(kernel, 'rd0', '/dev/full')), /not a regular file/);
    assert.deepEqual(leftovers(), []);
    // Random data of nearly all the memory there is: a second copy of it has no room.
    const random = noise(9, 36 * MIB);
    await write(disks, 'rd0', random);
    const large = join(dir, 'large.rda');
    await archiveDisk(kernel, 'rd0', large);
    const fd = disks.open('rd0');
    await fd.write(0, noise(10, 36 * MIB));
    fd.close();
    const before = await read(disks, 'rd0');
    assert.match(await complaint(restoreDisk(kernel, 'rd0', large)), /not enough memory/);
    assert.ok((await read(disks, 'rd0')).equals(before));
  });
});

describe('-b', () => {
  const spec = (text: string): ReturnType<typeof parseDiskSpec> => parseDiskSpec(text.split(',')[0]!, text.split(',').slice(1));

  test('RAM disks and files become parameters and stores', () => {
    const file = join(dir, 'exists.img');
    closeSync(openSync(file, 'w'));
    const specs = [spec('rd0,size=1G,level=3'), spec(`rd1,file=${file},writeback=500ms`), spec(`hd0,file=${file},ro`)];
    assert.deepEqual(paramsOf(specs, () => 4096), { RAMDISK: 'rd0 size=1073741824 level=3; rd1 size=4096', ETFS: 'hd0 ro' });
    assert.deepEqual(storesOf(specs), { hd0: { path: file, readOnly: true } });
    assert.equal(specs[1]!.writebackMs, 500);
    assert.equal(spec(`rd1,file=${file},writeback=exit`).writebackMs, 0);
  });

  test('what makes no sense is told', () => {
    const wrong: [string, RegExp][] = [
      ['rd0,size=1000', /no size/], ['rd0,size=0', /no size/], ['rd0,level=1', /size= is missing/], ['rd0,file=/none/x', /no file \/none\/x yet/],
      ['rd0,size=1M,writeback=5s', /needs file=/], ['rd0,size=1M,file=x,writeback=never', /no time/], ['hd0,size=1M', /needs file=/],
      ['hd0,file=x,size=1M,writeback=1s', /for RAM disks/], ['rd0,size=1M,colour=red', /none of/], ['rd0,size=1M,file=x,format=tar', /neither raw nor sparse/],
      ['rd0123456789abcdef,size=1M', /at most 15/], ['rd0,size=1M,file=x,writeback=1s,ro', /read-only/],
    ];
    for (const [text, pattern] of wrong) assert.throws(() => spec(text), pattern, text);
  });
});

