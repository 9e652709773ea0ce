/** The words of `rumpwasm run`, without running anything. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeParams, parseEnvironArgument } from '../../host/params';
import { parseLogLevel } from '../../host/console';
import { parseBlocks, parseEnviron, parseInterfaces, parseMemory, parsePort, parseRoutes } from '../../host/cli/runArguments';
import { UsageError } from '../../host/cli/errors';
import { tempDir } from '../lib/tree';

test('-b: directories, archives and block devices', (t) => {
  const dir = tempDir(t);
  const [tar, disk] = [join(dir, 'a.tar'), join(dir, 'disk.img')];
  writeFileSync(tar, '');
  writeFileSync(disk, 'x'.repeat(1024));
  const magic = join(dir, 'archive');
  const head = Buffer.alloc(1024);
  head.write('ustar', 257);
  writeFileSync(magic, head);
  assert.deepEqual(parseBlocks([dir, `${dir},mount=/srv`, `${dir},/etc`, tar, magic, `site=${dir},mount=/x`, disk, `d0=${disk},ro`]), {
    volumes: [
      { source: dir, mount: '/www' }, { source: dir, mount: '/srv' }, { source: dir, mount: '/etc' }, { source: tar, mount: '/www' },
      { source: magic, mount: '/www' }, { source: dir, mount: '/x' },
    ],
    blk: { blk0: { path: disk, readOnly: false }, d0: { path: disk, readOnly: true } },
    disks: [],
  });
  assert.deepEqual(parseBlocks([`raw=${tar}`]).blk, { raw: { path: tar, readOnly: false } }, 'an archive with a name is a block device');
  assert.throws(() => parseBlocks([`a=${disk}`, `a=${disk}`]), /two block devices a/);
});

test('-e, -M, --port', () => {
  assert.deepEqual(parseEnviron(['A=b=c', 'EMPTY=', `HOME`]), { A: 'b=c', EMPTY: '', HOME: process.env.HOME });
  assert.throws(() => parseEnviron(['RUMPWASM_NOT_SET_ANYWHERE']), UsageError);
  assert.equal(parseMemory('16'), 16 << 20);
  assert.equal(parseMemory('1.5'), 1.5 * (1 << 20));
  assert.equal(parsePort('0'), 0);
  for (const bad of ['-1', '65536', '1.5', '', 'x']) assert.throws(() => parsePort(bad), UsageError);
});

test('-I and -W become parameters', () => {
  assert.deepEqual(parseInterfaces(['eth,virt0,tap=tap0'], ['eth,inet,static,10.0.0.2/24,10.0.0.1']), {
    'if.eth': 'virt0,tap=tap0', 'net.eth': 'inet,static,10.0.0.2/24,10.0.0.1',
  });
  assert.throws(() => parseInterfaces(['eth,virt0'], ['eth,ipx,static,1']), UsageError);
  assert.throws(() => parseInterfaces([], ['eth,inet,dhcp']), UsageError);
});

test('-W with a static address is looked at', () => {
  for (const bad of ['10.0.0.2', '10.0.0.2/33', '10.0.0/8', '10.0.0.2/', '10.0.0.2/24,gateway']) {
    assert.throws(() => parseInterfaces(['eth,virt0'], [`eth,inet,static,${bad}`]), UsageError, bad);
  }
});

test('-R becomes parameters, numbered as they come', () => {
  assert.deepEqual(parseRoutes(['10.1.0.0/16,10.0.0.2', 'default,10.0.0.1']), { 'route.0': '10.1.0.0/16,10.0.0.2', 'route.1': '0.0.0.0/0,10.0.0.1' });
  assert.deepEqual(parseRoutes([]), {});
  for (const bad of ['', '10.0.0.0/8', '10.0.0.0,10.0.0.1', '10.0.0.0/40,10.0.0.1', '10.0.0.0/8,gw', '10.0.0.0/8,10.0.0.1,x', '/8,10.0.0.1']) {
    assert.throws(() => parseRoutes([bad]), UsageError, bad);
  }
});

test('parameters: later sets win, undefined removes, nonsense is refused', () => {
  assert.deepEqual([...makeParams({ A: 1, B: 'x' }, undefined, { A: true, B: undefined, C: 'ü' })], [['A', '1'], ['C', 'ü']]);
  assert.throws(() => makeParams({ 'A B': 1 }), /not printable ASCII/);
  assert.throws(() => makeParams({ 'A=B': 1 }), /not printable ASCII/);
  assert.throws(() => makeParams({ A: 'x\0y' }), /contains a NUL/);
  assert.throws(() => makeParams({ A: 'x'.repeat(70_000) }), /the limit is/);
  assert.deepEqual(parseEnvironArgument('A=1'), ['A', '1']);
});

test('log levels by name and number', () => {
  assert.deepEqual(['emerg', 'error', 'WARN', 'debug', '5', 3].map(parseLogLevel), [0, 3, 4, 7, 5, 3]);
  for (const bad of ['loud', '8', -1, 1.5]) assert.throws(() => parseLogLevel(bad), RangeError);
});
