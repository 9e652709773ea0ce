/**
 * Real clients of NBD: libnbd's, QEMU's, fio; file systems made outside, copied in and out. Byte for byte.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { need } from '../lib/need';
import { mixed } from '../lzo/samples';
import { type NbdServer, ok, scratch, serveNbd } from './rig';

const MIB = 1 << 20;
const dir = scratch();
const image = join(dir, 'image');
const size = 64 * MIB;

/** Mixed data, a hole in the middle, zeros at the end. */
function makeImage(): void {
  const data = Buffer.alloc(size);
  mixed(9 * MIB + 512).copy(data, 0);
  mixed(3 * MIB).copy(data, 40 * MIB + 1536);
  writeFileSync(image, data);
}

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

let served: Promise<NbdServer> | null = null;
/** One server for this file: rd0 and rd1 in memory, hd0 a file of the host. */
function server(): Promise<NbdServer> {
  if (served === null) {
    makeImage();
    served = serveNbd(['-b', `rd0,size=${size}`, '-b', 'rd1,size=256M', '-b', `hd0,file=${join(dir, 'hd0.img')},size=${size}`, '--unix', `${join(dir, 's')}`]);
  }
  return served;
}

describe('libnbd', { skip: need('nbdinfo', 'nbdcopy') }, () => {
  test('nbdinfo: one export, and the list', async () => {
    const { uri } = await server();
    const info = JSON.parse(await ok('nbdinfo', ['--json', uri('rd0')])) as { protocol: string; structured: boolean; exports: Record<string, unknown>[] };
    assert.deepEqual([info.protocol, info.structured], ['newstyle-fixed', true]);
    const [one] = info.exports;
    const flags = Object.fromEntries(Object.entries(one!).filter(([key]) => /^(is|can)_|size|block/.test(key)));
    assert.deepEqual({ ...flags, 'export-size-str': undefined, export_size_str: undefined }, {
      'export-size': size, 'export-size-str': undefined, export_size_str: undefined, is_rotational: false, is_read_only: false, can_cache: true, can_df: true,
      can_fast_zero: true, can_flush: true, can_fua: true, can_multi_conn: true, can_trim: true, can_zero: true,
      block_size_minimum: 512, block_size_preferred: 4096, block_size_maximum: 32 * MIB,
    });
    assert.deepEqual(one!.contexts, ['base:allocation']);
    const list = await ok('nbdinfo', ['--list', uri()]);
    assert.deepEqual([...list.matchAll(/export="(\w+)"/g)].map((m) => m[1]), ['rd0', 'rd1', 'hd0']);
  });

  for (const disk of ['rd0', 'hd0']) {
    test(`nbdcopy both ways, ${disk}`, async () => {
      const { uri } = await server();
      await ok('nbdcopy', ['--flush', image, uri(disk)]);
      await ok('nbdcopy', [uri(disk), join(dir, 'back')]);
      assert.equal(digest(join(dir, 'back')), digest(image));
    });
  }

  test('what is not there is a hole, and trimming makes one', { skip: need('qemu-io') }, async () => {
    const { uri } = await server();
    const map = (): Promise<string> => ok('nbdinfo', ['--map', '--json', uri('rd0')]);
    const before = JSON.parse(await map()) as { offset: number; length: number; type: number }[];
    assert.deepEqual(before.map(({ offset, type }) => [offset, type]), [[0, 0], [9 * MIB + 4096, 3], [40 * MIB, 0], [43 * MIB + 4096, 3]]);
    await ok('qemu-io', ['-f', 'raw', '-c', 'discard 1M 1M', uri('rd0')]);
    const after = JSON.parse(await map()) as { offset: number; type: number }[];
    assert.deepEqual(after.slice(0, 3).map(({ offset, type }) => [offset, type]), [[0, 0], [MIB, 3], [2 * MIB, 0]]);
  });

  test('over a unix socket', async () => {
    await server();
    const uri = `nbd+unix:///rd1?socket=${join(dir, 's')}`;
    await ok('nbdcopy', [image, uri]);
    await ok('nbdcopy', [uri, join(dir, 'unix')]);
    truncateSync(join(dir, 'unix'), size);
    assert.equal(digest(join(dir, 'unix')), digest(image));
  });
});

describe('QEMU', { skip: need('qemu-img', 'qemu-io') }, () => {
  for (const disk of ['rd0', 'hd0']) {
    test(`qemu-img convert both ways, ${disk}`, async () => {
      const { uri } = await server();
      await ok('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', image, uri(disk)]);
      await ok('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', image, uri(disk)]);
      await ok('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uri(disk), join(dir, 'converted')]);
      assert.equal(digest(join(dir, 'converted')), digest(image));
    });

    test(`qemu-io: patterns, zeros with and without holes, discard, FUA, ${disk}`, async () => {
      const { uri } = await server();
      const commands = [
        'write -f -P 0x5a 1M 4M', 'write -z 2M 1M', 'write -z -u 4M 512k', 'write -P 0x11 4608 512', 'flush', 'discard 3M 512k',
        'read -P 0x5a 1M 1M', 'read -P 0 2M 1M', 'read -P 0 4M 512k', 'read -P 0x11 4608 512', 'aio_write -P 7 8M 16M', 'aio_flush', 'read -P 7 8M 16M',
      ];
      const said = await ok('qemu-io', ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), uri(disk)]);
      assert.doesNotMatch(said, /fail|error|differ/i);
    });
  }
});

describe('fio', { skip: need('fio') }, () => {
  for (const disk of ['rd1', 'hd0']) {
    for (const bs of ['4k', '64k']) {
      test(`verified random reads and writes, four jobs, ${bs}, ${disk}`, async () => {
        const { uri } = await server();
        const said = await ok('fio', [
          '--name=verify', '--ioengine=nbd', `--uri=${uri(disk)}`, '--rw=randrw', `--bs=${bs}`, '--size=8m', '--numjobs=4', '--offset_increment=16m',
          '--iodepth=16', '--verify=crc32c', '--verify_fatal=1', '--do_verify=1', '--verify_state_save=0', '--group_reporting', '--output-format=terse',
        ]);
        assert.doesNotMatch(said, /verify failed|error=[1-9]/);
      });
    }
  }
});

describe('file systems', { skip: need('nbdcopy', 'mkfs.ext4', 'e2fsck', 'mkfs.vfat', 'fsck.vfat') }, () => {
  const kinds: [string, string[], string, string[]][] = [
    ['mkfs.ext4', ['-q', '-F', '-d'], 'e2fsck', ['-fn']],
    ['mkfs.vfat', [], 'fsck.vfat', ['-n']],
  ];
  for (const [make, flags, check, checkFlags] of kinds) {
    test(`${make}, in, out, ${check}`, async () => {
      const { uri } = await server();
      const made = join(dir, make);
      writeFileSync(made, '');
      truncateSync(made, size);
      await ok(make, [...flags, ...(flags.includes('-d') ? [join(import.meta.dirname, '..')] : []), made]);
      await ok('nbdcopy', [made, uri('rd0')]);
      await ok('nbdcopy', [uri('rd0'), `${made}.out`]);
      await ok(check, [...checkFlags, `${made}.out`]);
      assert.equal(digest(`${made}.out`), digest(made));
    });
  }
});
