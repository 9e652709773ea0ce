/** kernel.fs over tmpfs: files, directories, links, times, limits, and the loaders. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { LoadError } from '../../host/api/fsLoad';
import { SystemError } from '../../host/errtrans';
import type { Kernel } from '../../host/kernel';
import { O_CREAT, O_RDWR, SEEK_CUR, SEEK_END, SEEK_SET } from '../../kernel/abi/fcntl';
import { bootImage } from './images';

const code = (expected: string) => (error: unknown): boolean => error instanceof SystemError && error.code === expected;

describe('kernel.fs', () => {
  let kernel: Kernel;
  const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-fs-'));
  before(async () => { kernel = await bootImage('FS'); });
  after(async () => {
    await kernel.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test('files: write, read, append, replace, exclusive, large', async () => {
    const { fs } = kernel;
    await fs.writeFile('/a.txt', 'grüße');
    assert.equal(await fs.readFile('/a.txt', 'utf8'), 'grüße');
    await fs.appendFile('/a.txt', '!');
    assert.equal((await fs.readFile('/a.txt')).toString(), 'grüße!');
    await fs.writeFile('/a.txt', 'short');
    assert.equal(await fs.readFile('/a.txt', 'utf8'), 'short');
    await assert.rejects(fs.writeFile('/a.txt', 'x', { flag: 'wx' }), code('EEXIST'));
    const large = Buffer.from(Uint8Array.from({ length: 3_000_001 }, (_, i) => i % 251));
    await fs.writeFile('/large', large);
    assert.ok((await fs.readFile('/large')).equals(large));
    await fs.truncate('/large', 10);
    assert.equal((await fs.stat('/large')).size, 10);
    await fs.rm('/large');
    assert.equal(await fs.exists('/large'), false);
    await fs.writeFile('/empty', '');
    assert.equal((await fs.readFile('/empty')).length, 0);
  });

  test('errors carry code, path and call', async () => {
    await assert.rejects(kernel.fs.readFile('/no/such'), (error: SystemError) => {
      assert.equal(error.message, "ENOENT: no such file or directory, open '/no/such'");
      return error.path === '/no/such' && error.syscall === 'open' && error.errno === 2;
    });
    await assert.rejects(kernel.fs.readFile('/'), code('EISDIR'));
    await assert.rejects(kernel.fs.readdir('/a.txt'), code('ENOTDIR'));
    await assert.rejects(kernel.fs.writeFile(`/${'x'.repeat(256)}`, ''), code('ENAMETOOLONG'));
    await assert.rejects(kernel.fs.stat(`/${'x/'.repeat(2000)}`), code('ENAMETOOLONG'));
    assert.throws(() => kernel.sys.read(999), code('EBADF'));
  });

  test('directories: make, list, remove, rename', async () => {
    const { fs } = kernel;
    await fs.mkdir('/d/e/f', { recursive: true });
    await fs.mkdir('/d/e/f', { recursive: true });
    await assert.rejects(fs.mkdir('/d'), code('EEXIST'));
    await assert.rejects(fs.mkdir('/a.txt/x', { recursive: true }), code('ENOTDIR'));
    await fs.writeFile('/d/e/file', 'x');
    const entries = await fs.readdir('/d/e', { withFileTypes: true });
    assert.deepEqual(entries.map((e) => [e.name, e.isDirectory(), e.isFile(), e.parentPath]).sort(), [['f', true, false, '/d/e'], ['file', false, true, '/d/e']]);
    await fs.rename('/d/e', '/moved');
    assert.deepEqual((await fs.readdir('/moved')).sort(), ['f', 'file']);
    await assert.rejects(fs.rmdir('/moved'), code('ENOTEMPTY'));
    await assert.rejects(fs.rm('/moved'), code('EISDIR'));
    await fs.rm('/moved', { recursive: true });
    await assert.rejects(fs.rm('/moved'), code('ENOENT'));
    await fs.rm('/moved', { force: true });
    for (let i = 0; i < 300; i++) fs.sync.writeFile(`/d/file-${i}-${'y'.repeat(100)}`, '');
    assert.equal((await fs.readdir('/d')).length, 300);
    await fs.rm('/d', { recursive: true });
  });

  test('links, modes and times', async () => {
    const { fs } = kernel;
    await fs.writeFile('/target', 'here', { mode: 0o600 });
    await fs.symlink('target', '/link');
    assert.equal(await fs.readlink('/link'), 'target');
    assert.equal(await fs.readFile('/link', 'utf8'), 'here');
    assert.equal((await fs.lstat('/link')).isSymbolicLink(), true);
    assert.equal((await fs.stat('/link')).isFile(), true);
    await fs.link('/target', '/hard');
    assert.equal((await fs.stat('/hard')).nlink, 2);
    assert.equal((await fs.stat('/hard')).ino, (await fs.stat('/target')).ino);
    await fs.chmod('/target', 0o640);
    assert.equal((await fs.stat('/hard')).mode & 0o7777, 0o640);
    const [atime, mtime] = [new Date('2001-02-03T04:05:06.789Z'), new Date('1969-07-20T20:17:40.5Z')];
    await fs.utimes('/target', atime, mtime);
    const stats = await fs.stat('/target');
    assert.deepEqual([stats.mtime, stats.mtimeMs], [mtime, mtime.getTime()]);
    for (const path of ['/target', '/link', '/hard']) await fs.unlink(path);
  });

  test('kernel.sys: offsets, seeking, a file that is unlinked while open', () => {
    const { sys } = kernel;
    const fd = sys.open('/raw', O_RDWR | O_CREAT);
    assert.equal(sys.write(fd, Buffer.from('0123456789')), 10);
    assert.equal(sys.lseek(fd, 2), 2);
    assert.equal(sys.read(fd, 3).toString(), '234');
    assert.equal(sys.lseek(fd, -1, SEEK_CUR), 4);
    assert.equal(sys.lseek(fd, 5_000_000_000, SEEK_END), 5_000_000_010);
    assert.equal(sys.pwrite(fd, Buffer.from('ab'), 8), 2);
    assert.equal(sys.pread(fd, 10, 6).toString(), '67ab');
    sys.unlink('/raw');
    sys.lseek(fd, 0, SEEK_SET);
    assert.equal(sys.read(fd).toString(), '01234567ab');
    assert.equal(sys.fstat(fd).nlink, 0);
    sys.ftruncate(fd, 4);
    sys.fsync(fd);
    assert.equal(sys.fstat(fd).size, 4);
    sys.close(fd);
    assert.throws(() => sys.close(fd), code('EBADF'));
  });

  test('statfs and a mount with limits: ENOSPC', async () => {
    const { fs, sys } = kernel;
    const root = await fs.statfs('/');
    assert.equal(root.fstypename, 'tmpfs');
    assert.ok(root.bfree > 0 && root.bfree <= root.blocks && root.frsize > 0);
    await fs.mkdir('/small');
    sys.mount('tmpfs', '/small', 0, new Uint8Array(Uint32Array.of(3, 2, 0).buffer));
    assert.equal((await fs.statfs('/small')).mntonname, '/small');
    await assert.rejects(fs.writeFile('/small/big', Buffer.alloc(1 << 20)), (error: SystemError) => error.code === 'ENOSPC' && error.path === '/small/big');
    await fs.rm('/small/big', { force: true });
    sys.unmount('/small');
    await fs.rmdir('/small');
  });

  test('loadDir copies a tree with modes, times and links, and leaves out what has no place', async () => {
    const site = join(dir, 'site');
    mkdirSync(join(site, 'sub/deep'), { recursive: true });
    writeFileSync(join(site, 'index.html'), '<p>hi');
    writeFileSync(join(site, 'sub/deep/data.bin'), Buffer.alloc(100_000, 7));
    chmodSync(join(site, 'index.html'), 0o640);
    utimesSync(join(site, 'index.html'), 1_000_000_000, 1_000_000_000.5);
    symlinkSync('sub/deep/data.bin', join(site, 'link'));
    const hasFifo = spawnSync('mkfifo', [join(site, 'fifo')]).status === 0;
    const skipped: string[] = [];
    const loaded = await kernel.fs.loadDir(site, '/www/site', { onSkip: (path) => skipped.push(path) });
    assert.deepEqual(loaded, { files: 2, directories: 2, links: 1, bytes: 100_005 });
    assert.deepEqual(skipped, hasFifo ? [join(site, 'fifo')] : []);
    const stats = await kernel.fs.stat('/www/site/index.html');
    assert.deepEqual([stats.mode & 0o7777, stats.mtimeMs], [0o640, 1_000_000_000_500]);
    assert.ok((await kernel.fs.readFile('/www/site/link')).equals(readFileSync(join(site, 'link'))));
    await kernel.fs.loadDir(site, '/www/site');
    await assert.rejects(kernel.fs.loadDir(join(dir, 'none')), (e: Error) => e instanceof LoadError && /^cannot read .*none: there is no such file or directory$/.test(e.message));
    await assert.rejects(kernel.fs.loadDir(join(site, 'index.html')), /: it is not a directory$/);
  });

  test('loadTar unpacks what tar(1) packs, compressed or not', { skip: spawnSync('tar', ['--version']).status === 0 ? false : 'tar is not installed' }, async () => {
    const site = join(dir, 'packed');
    mkdirSync(join(site, 'a/b'), { recursive: true });
    writeFileSync(join(site, 'a/b/one'), 'one');
    writeFileSync(join(site, `${'n'.repeat(120)}`), 'long name');
    symlinkSync('a/b/one', join(site, 'link'));
    const archive = join(dir, 'site.tar');
    assert.equal(spawnSync('tar', ['-cf', archive, '-C', site, '.']).status, 0);
    const loaded = await kernel.fs.loadTar(archive, '/tar');
    assert.deepEqual(loaded, { files: 2, directories: 2, links: 1, bytes: 12 });
    assert.equal(await kernel.fs.readFile('/tar/link', 'utf8'), 'one');
    assert.equal(await kernel.fs.readFile(`/tar/${'n'.repeat(120)}`, 'utf8'), 'long name');
    await kernel.fs.loadTar(gzipSync(readFileSync(archive)), '/tar2');
    assert.equal(await kernel.fs.readFile('/tar2/a/b/one', 'utf8'), 'one');
    await kernel.fs.loadTar(archive, '/tar');
    await assert.rejects(kernel.fs.loadTar(Buffer.from('no archive')), (e: Error) => e instanceof LoadError && /cannot load the archive: not a tar archive/.test(e.message));
  });

  test('what does not fit is one error that names the file', async () => {
    const big = join(dir, 'big');
    mkdirSync(big);
    writeFileSync(join(big, 'huge.bin'), Buffer.alloc(64 << 20));
    await assert.rejects(kernel.fs.loadDir(big, '/big'), (e: Error) => {
      assert.match(e.message, /^cannot store .*huge\.bin in the image: ENOSPC \(no space left on device\)$/);
      return e instanceof LoadError;
    });
  });
});

test('volumes are there before anything runs', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-volume-'));
  writeFileSync(join(dir, 'x'), 'volume');
  const told: unknown[] = [];
  const kernel = await bootImage('FS', { volumes: [{ source: dir, mount: '/v' }], onLoaded: (volume, loaded) => told.push([volume.mount, loaded.files]) });
  assert.equal(kernel.pump.runs, 0);
  assert.equal(await kernel.fs.readFile('/v/x', 'utf8'), 'volume');
  assert.deepEqual(told, [['/v', 1]]);
  await kernel.close();
  rmSync(dir, { recursive: true });
  await assert.rejects(bootImage('FS', { volumes: [{ source: dir }] }), /there is no such file or directory/);
});
