/** Block I/O of the image on files of the host. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { boot, type BootOptions } from '../../host/boot';
import type { Kernel } from '../../host/kernel';
import { EBADF, EINVAL, EIO, EISDIR, ENOENT, ENXIO, EROFS } from '../../kernel/abi/errno';
import {
  BIO_DISCARD, BIO_FLUSH, BIO_FUA, BIO_OPEN_CREATE, BIO_OPEN_RDONLY, BIO_READ, BIO_WRITE,
} from '../../kernel/abi/rump';
import { call, fixture } from './fixture';

const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-bio-'));
after(() => rmSync(dir, { recursive: true, force: true }));

class Disk {
  readonly info: number;
  constructor(readonly kernel: Kernel) { this.info = kernel.sys.base; }

  open(name: string, flags = 0): number {
    const bytes = Buffer.from(name);
    this.kernel.image.u8.set(bytes, this.kernel.sys.data);
    return this.kernel.sys.raw(call.bioOpen, this.kernel.sys.data, bytes.length, flags, this.info);
  }

  /** What the open told: [size, sector, type, read-only]. */
  told(): number[] {
    const { dv } = this.kernel.image;
    return [dv.getFloat64(this.info, true), ...[8, 12, 16].map((at) => dv.getInt32(this.info + at, true))];
  }

  submit(handle: number, op: number, length: number, offset: number, cookie: number, at = this.kernel.sys.data): number {
    return this.kernel.sys.raw(call.bio, handle, op, at, length, offset, cookie);
  }

  /** Completions so far, once there are `n` of them. */
  async completions(n: number): Promise<Map<number, number>> {
    const { kernel } = this;
    for (let i = 0; i < 500 && kernel.sys.raw(call.completions) < n; i++) await sleep(2);
    const count = kernel.sys.raw(call.completions);
    return new Map(Array.from({ length: count }, (_, i) => [
      kernel.image.dv.getInt32(1024 + i * 8, true), kernel.image.dv.getInt32(1028 + i * 8, true),
    ]));
  }
}

async function withDisk(blk: NonNullable<BootOptions['blk']>, run: (disk: Disk) => Promise<void>): Promise<void> {
  const kernel = await boot(await fixture(), { blk });
  try {
    await run(new Disk(kernel));
  } finally {
    await kernel.close();
  }
}

function makeFile(name: string, size: number): string {
  const path = join(dir, name);
  writeFileSync(path, Buffer.alloc(size, 'x'));
  return path;
}

test('small transfers: write, read back, flush', async () => {
  const path = makeFile('small.img', 8192);
  await withDisk({ disk0: path }, async (disk) => {
    const h = disk.open('disk0');
    assert.ok(h >= 0);
    assert.deepEqual(disk.told(), [8192, 512, 0, 0]);
    const { u8 } = disk.kernel.image;
    u8.fill(65, disk.kernel.sys.data, disk.kernel.sys.data + 512);
    assert.equal(disk.submit(h, BIO_WRITE, 512, 512, 1), 0);
    u8.fill(0, disk.kernel.sys.data, disk.kernel.sys.data + 1024);
    assert.equal(disk.submit(h, BIO_READ, 1024, 256, 2), 0);
    assert.equal(disk.submit(h, BIO_FLUSH, 0, 0, 3), 0);
    assert.deepEqual(await disk.completions(3), new Map([[1, 512], [2, 1024], [3, 0]]));
    const got = Buffer.from(u8.subarray(disk.kernel.sys.data, disk.kernel.sys.data + 1024)).toString();
    assert.equal(got, 'x'.repeat(256) + 'A'.repeat(512) + 'x'.repeat(256));
    assert.equal(readFileSync(path, 'utf8').slice(512, 1024), 'A'.repeat(512));
  });
});

test('large transfers go through the thread pool; FUA and more requests than the ring holds', async () => {
  const path = makeFile('large.img', 4 << 20);
  await withDisk({ disk0: path }, async (disk) => {
    const h = disk.open('disk0');
    const at = disk.kernel.sys.data;
    disk.kernel.image.u8.fill(66, at, at + 200_000);
    for (let i = 0; i < 12; i++) assert.equal(disk.submit(h, i % 2 ? BIO_WRITE | BIO_FUA : BIO_WRITE, 200_000, i * 200_000, i), 0);
    const done = await disk.completions(12);
    assert.deepEqual([...done.keys()].sort((a, b) => a - b), Array.from({ length: 12 }, (_, i) => i));
    assert.ok([...done.values()].every((result) => result === 200_000));
    disk.kernel.image.u8.fill(0, at, at + 200_000);
    assert.equal(disk.submit(h, BIO_READ, 200_000, 100_000, 99), 0);
    assert.equal((await disk.completions(13)).get(99), 200_000);
    assert.ok(disk.kernel.image.u8.subarray(at, at + 200_000).every((byte) => byte === 66));
  });
});

test('the end of the file is EIO, whichever way the transfer goes', async () => {
  const path = makeFile('short.img', 1 << 20);
  await withDisk({ disk0: path }, async (disk) => {
    const h = disk.open('disk0');
    truncateSync(path, 1000);
    assert.equal(disk.submit(h, BIO_READ, 512, 512, 1), 0);
    assert.equal(disk.submit(h, BIO_READ, 200_000, 0, 2), 0);
    assert.deepEqual(await disk.completions(2), new Map([[1, -EIO], [2, -EIO]]));
  });
});

test('what is not there, not allowed or not sensible is an errno at once', async () => {
  const path = makeFile('strict.img', 4096);
  await withDisk({ disk0: path, ro: { path, readOnly: true, sector: 4096 }, gone: join(dir, 'no'), dir }, async (disk) => {
    assert.equal(disk.open('other'), -ENOENT, 'only what was given by name');
    assert.equal(disk.open(path), -ENOENT, 'never a path of the host');
    assert.equal(disk.open('gone'), -ENOENT);
    assert.ok([-EISDIR, -ENXIO].includes(disk.open('dir')));
    const ro = disk.open('ro');
    assert.deepEqual(disk.told(), [4096, 4096, 0, 1]);
    assert.equal(disk.submit(ro, BIO_WRITE, 512, 0, 1), -EROFS);
    const viaFlag = disk.open('disk0', BIO_OPEN_RDONLY);
    assert.equal(disk.submit(viaFlag, BIO_WRITE, 512, 0, 1), -EROFS);
    const h = disk.open('disk0');
    assert.equal(disk.submit(h, BIO_READ, 512, 4096, 1), -EINVAL, 'beyond the end');
    assert.equal(disk.submit(h, BIO_READ, -1, 0, 1), -EINVAL);
    assert.equal(disk.submit(h, 9, 512, 0, 1), -EINVAL);
    assert.equal(disk.submit(h, BIO_READ, 4096, 0, 1, disk.kernel.image.u8.length - 10), -EINVAL, 'outside of memory');
    assert.equal(disk.submit(h, BIO_DISCARD, 512, 0, 7), 0);
    assert.equal((await disk.completions(1)).get(7), 0);
    assert.equal(disk.kernel.sys.raw(call.bioClose, h), 0);
    assert.equal(disk.kernel.sys.raw(call.bioClose, h), -EBADF);
    assert.equal(disk.submit(h, BIO_READ, 512, 0, 1), -EBADF);
    assert.equal(disk.open('disk0'), h, 'the handle is free again');
  });
});

test('a file is made with its size, if it was asked for', async () => {
  const path = join(dir, 'new.img');
  await withDisk({ new: { path, size: 65536 } }, async (disk) => {
    assert.equal(disk.open('new'), -ENOENT);
    assert.ok(disk.open('new', BIO_OPEN_CREATE) >= 0);
    assert.deepEqual(disk.told(), [65536, 512, 0, 0]);
  });
  assert.equal(statSync(path).size, 65536);
});

test('a kernel closed with transfers under way comes down cleanly', async () => {
  const path = makeFile('busy.img', 4 << 20);
  await withDisk({ disk0: path }, async (disk) => {
    const h = disk.open('disk0');
    for (let i = 0; i < 8; i++) disk.submit(h, BIO_READ, 200_000, i * 200_000, i);
    disk.kernel.sys.raw(call.bioClose, h);
  });
  await sleep(20);
});
