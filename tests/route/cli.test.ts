/**
 * `rumpwasm route` as a process: tables, rules, batches, JSON, and why a route answered.
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { Route } from '../../host/control/tables';
import { buildImage } from '../../tools/mkimage/index';
import { start } from '../lib/spawn';
import { cli, root } from '../lib/tree';
import { User } from '../lib/user';

const lan = ['NET', '-q', '-I', 'virt0,virtif,hub=lan', '-W', 'virt0,inet,static,10.0.0.2/24,10.0.0.1', '-R', '10.9.0.0/16,10.0.0.3'];

describe('route', () => {
  before(async () => { for (const image of ['NET', 'ROUTER']) await buildImage(image); });

  test('tables, and which rule, table and prefix answered', async (t) => {
    const user = new User(t);
    await user.run(...lan);
    await user.ok('route', 'add', '20.0.0.0/8', 'via', '10.0.0.7', 'table', '100', 'mtu', 'lock', '1400');
    await user.ok('route', 'rule', 'add', 'from', '10.0.0.2', 'lookup', '100');
    assert.equal(await user.ok('route', 'rule'),
      '0:\tfrom all lookup local\n32765:\tfrom 10.0.0.2/32 lookup 100\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n');
    assert.deepEqual(JSON.parse(await user.ok('route', 'rule', '-j'))[1], { priority: 32765, rule: 'from 10.0.0.2/32 lookup 100' });
    assert.doesNotMatch(await user.ok('route'), /^20\.0\.0\.0/m);
    assert.match(await user.ok('route', 'show', 'table', '100'), /^20\.0\.0\.0\/8 +10\.0\.0\.7 +UGS +0 +1400 +virt0 +100$/m);
    const policy = JSON.parse(await user.ok('route', 'get', '20.1.2.3', 'from', '10.0.0.2', '-j'));
    assert.deepEqual([policy.destination, policy.table, policy.rule, policy.way.gateway, policy.way.metrics],
      ['20.0.0.0/8', '100', '32765: from 10.0.0.2/32 lookup 100', '10.0.0.7', { mtu: '1400!' }]);
    const text = await user.ok('route', 'get', '20.1.2.3');
    assert.match(text, /^destination: +0\.0\.0\.0\/0$/m);
    assert.match(text, /^ +gateway: +10\.0\.0\.1$/m);
    assert.match(text, /^ +rule: +32766: from all lookup main$/m);
    assert.match(text, /^ +table: +main$/m);
    assert.match(await user.ok('route', 'get', '10.0.0.2'), /^ +rule: +0: from all lookup local$/m);
    await user.ok('route', 'rule', 'add', 'priority', '5', 'tos', '8', 'prohibit');
    assert.match(await user.ok('route', 'get', '20.1.2.3', 'tos', '8'), /^ +gateway: +refused\n[^]*^ +rule: +5: from all tos 0x8 prohibit$/m);
    await user.ok('route', 'rule', 'del', 'priority', '5');
    await user.ok('route', 'flush', 'table', '100');
    assert.equal(await user.ok('route', 'show', 'table', '100', '-j'), '[]\n');
  });

  test('several paths, routes that refuse, and one line for every mistake', async (t) => {
    const user = new User(t);
    await user.run(...lan);
    await user.ok('route', 'add', '30.0.0.0/8', 'nexthop', 'via', '10.0.0.3', 'weight', '3', 'nexthop', 'via', '10.0.0.4');
    await user.ok('route', 'add', '31.0.0.0/8', 'prohibit');
    assert.match(await user.ok('route'), /^30\.0\.0\.0\/8 +10\.0\.0\.3 \(3\) 10\.0\.0\.4 \(1\) +UMS /m);
    assert.match(await user.ok('route'), /^31\.0\.0\.0\/8 +link +URPS /m);
    const routes = JSON.parse(await user.ok('route', '-j')) as Route[];
    assert.deepEqual(routes.find(({ destination }) => destination === '30.0.0.0/8')?.paths,
      [{ gateway: '10.0.0.3', interface: 'virt0', weight: 3 }, { gateway: '10.0.0.4', interface: 'virt0', weight: 1 }]);
    for (const [complaint, ...words] of [
      ['it is there already', 'add', '31.0.0.0/8', 'prohibit'], ['it is not understood', 'add', '31.0.0.0/8'],
      ['it is not understood', 'add', '32.0.0.0/8', '10.0.0.3', 'speed', '5'], ['there is no way to it', 'add', '32.0.0.0/8', '172.16.0.1', 'src', '10.0.0.2', 'table', '7'],
      ['there is no such entry', 'del', '33.0.0.0/8'], ['there is no such interface', 'add', '33.0.0.0/8', 'dev', 'virt9'],
      ['it belongs to an address of an interface', 'del', '10.0.0.0/24'], ['it is not understood', 'rule', 'add', 'from', '10.0.0.0/8'],
      ['there is no such entry', 'rule', 'del', 'priority', '77'], ['it is there already', 'rule', 'add', 'priority', '0', 'lookup', 'local'],
    ] as const) {
      if (complaint === 'there is no way to it') await user.ok('route', 'del', 'default');
      assert.match(await user.complaint('route', ...words), new RegExp(`${complaint}$`), words.join(' '));
    }
    assert.match(await user.complaint('route', 'frob'), /^route frob: expected show, get, .* or batch$/);
    assert.match(await user.complaint('route', 'rule', 'frob'), /^route rule frob: expected show, add, del or flush$/);
    assert.match(await user.complaint('route', 'show', 'main'), /^route show main: expected table NAME, cache or all$/);
    assert.match(await user.complaint('route', 'get', '10.1.1.1', 'iif', 'virt9'), /there is no such interface$/);
  });

  test('the cache, where an image has one', async (t) => {
    const user = new User(t);
    await user.run(...lan);
    assert.match(await user.complaint('route', 'show', 'cache'), /^instance NET has no route cache: its image was linked without it$/);
    const router = await user.run('ROUTER', '-q', '--name', 'router', '-I', 'virt0,virtif,hub=a', '-I', 'virt1,virtif,hub=b', '-W', 'virt0,inet,static,10.1.0.1/24', '-W', 'virt1,inet,static,10.2.0.1/24');
    assert.equal(await user.ok('route', '--instance', 'router', 'show', 'cache', '-j'), '[]\n');
    assert.match(await user.ok('route', '--instance', 'router', 'show', 'cache', 'stats'), /^in_hit +0\nin_slow_tot +0\n[^]*^gc_dst_overflow +0\n/m);
    assert.match(await user.complaint('route', '--instance', 'router', 'show', 'cache', 'now'), /^route show cache now: expected stats, or nothing$/);
    await router.stop();
  });

  test('changes are told as they happen', async (t) => {
    const user = new User(t);
    await user.run(...lan);
    const monitor = start(process.execPath, [cli, 'route', 'monitor'], { cwd: root, env: { XDG_RUNTIME_DIR: user.runtime } });
    t.after(() => monitor.stop());
    // Until it listens nothing is told.
    for (let i = 0; i < 100 && !/^add 40/m.test(monitor.stdout); i++) {
      await user.ok('route', 'add', `40.${i}.0.0/16`, '10.0.0.3');
    }
    await user.ok('route', 'change', '40.0.0.0/16', 'blackhole');
    await user.ok('route', 'del', '40.0.0.0/16');
    await user.ok('ifconfig', 'virt0', 'add', '10.7.0.1/24');
    await user.ok('ifconfig', 'virt0', 'down');
    await monitor.waitFor(/^interface dev virt0 mtu 1500 down$/m);
    assert.match(monitor.stdout, /^add 40\.\d+\.0\.0\/16 via 10\.0\.0\.3 dev virt0 src 10\.0\.0\.2$/m);
    assert.match(monitor.stdout, /^change 40\.0\.0\.0\/16 blackhole\ndelete 40\.0\.0\.0\/16 blackhole\n[^]*^address 10\.7\.0\.1\/24 brd 10\.7\.0\.255 dev virt0$/m);
    monitor.signal('SIGINT');
    assert.deepEqual(await monitor.ended, { code: 0, signal: null });
  });

  test('a file of commands, up to the line that is wrong', async (t) => {
    const user = new User(t);
    await user.run(...lan);
    const good = join(user.runtime, 'good');
    const lines = Array.from({ length: 900 }, (_, i) => `add 20.${i >> 8}.${i & 255}.0/24 10.0.0.3`);
    writeFileSync(good, ['# nine hundred', '', ...lines, 'route add 21.0.0.0/8 blackhole', 'rule add from 10.0.0.2 lookup 100'].join('\n'));
    assert.equal(JSON.parse(await user.ok('route', '-b', good, '-j')).commands, 902);
    const routes = JSON.parse(await user.ok('route', '-j')) as Route[];
    assert.equal(routes.filter(({ destination }) => destination.startsWith('20.')).length, 900);
    assert.match(await user.ok('route', 'rule'), /^32765:\tfrom 10\.0\.0\.2\/32 lookup 100$/m);
    const bad = join(user.runtime, 'bad');
    writeFileSync(bad, ['del 20.0.0.0/24', 'add 20.0.1.0/24 10.0.0.3', 'del 20.0.2.0/24'].join('\n'));
    assert.equal(await user.complaint('route', 'batch', bad), `${bad}:2: add 20.0.1.0/24 10.0.0.3: it is there already`);
    const after = JSON.parse(await user.ok('route', '-j')) as Route[];
    assert.deepEqual(['20.0.0.0/24', '20.0.2.0/24'].map((prefix) => after.some(({ destination }) => destination === prefix)), [false, true]);
    assert.match(await user.complaint('route', '-b', join(user.runtime, 'none')), /^route -b .*none: ENOENT/);
  });
});
