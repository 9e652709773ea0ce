/**
 * The commands against running instances, as processes: which instance, what is printed, exit statuses.
 *
 * @timeout 180
 */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { get } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { buildImage } from '../../tools/mkimage/index';
import { freePort, waitFor } from '../lib/net';
import { start } from '../lib/spawn';
import { cli, root, site, tempDir } from '../lib/tree';
import { User } from '../lib/user';

async function sockinArguments(): Promise<string[]> {
  return ['SOCKIN', '-q', '-b', site, '-p', String(await freePort())];
}

describe('instances', () => {
  before(async () => { for (const image of ['SOCKIN', 'FS', 'LOOP', 'NET']) await buildImage(image); });

  test('none, one, several', async (t) => {
    const user = new User(t);
    assert.equal(await user.ok('ps'), '');
    assert.equal(await user.ok('ps', '-j'), '[]\n');
    for (const command of [['sysctl', '-a'], ['status'], ['netstat'], ['ifconfig'], ['route'], ['arp'], ['ping', '127.0.0.1'], ['trace', 'on']]) {
      assert.equal(await user.complaint(...command), 'no instance is running; start one with: rumpwasm run');
    }
    assert.match(await user.complaint('status', '--instance', 'x'), /^there is no instance x; none is running$/);
    const first = await user.run(...await sockinArguments());
    assert.deepEqual(user.sockets, ['SOCKIN.sock']);
    assert.equal(statSync(user.directory).mode & 0o777, 0o700);
    assert.equal(statSync(join(user.directory, 'SOCKIN.sock')).mode & 0o777, 0o600);
    assert.match(await user.ok('status'), /^name +SOCKIN\nimage +SOCKIN \(\d+ KB\)\npid +\d+\n/);
    const second = await user.run(...await sockinArguments());
    await user.run('FS', '--name', 'files');
    const names = ['SOCKIN', `SOCKIN-${second.pid}`, 'files'];
    const listed = JSON.parse(await user.ok('ps', '--json')) as { name: string; pid: number }[];
    assert.deepEqual(listed.map(({ name }) => name), names);
    assert.equal(listed[0]!.pid, first.pid);
    assert.deepEqual((await user.ok('ps')).trimEnd().split('\n').slice(1).map((line) => line.split(/ +/)[0]), names);
    assert.equal(await user.complaint('status'), `several instances are running: ${names.join(', ')}; choose one with --instance NAME`);
    assert.equal(await user.complaint('status', '--instance', 'web'), `there is no instance web; running: ${names.join(', ')}`);
    assert.equal(JSON.parse(await user.ok('status', '--instance', names[1]!, '-j')).pid, second.pid);
    assert.equal(await user.complaint('run', 'FS', '--name', 'files'), 'there is an instance files already; choose another name with --name');
    assert.match(await user.complaint('run', 'FS', '--name', 'no/name'), /^--name no\/name: /);
  });

  test('sockets go with their process; those of a killed one are found out', async (t) => {
    const user = new User(t);
    const killed = await user.run('FS');
    killed.signal('SIGKILL');
    await killed.ended;
    assert.deepEqual(user.sockets, ['FS.sock']);
    assert.equal(await user.ok('ps'), '');
    assert.deepEqual(user.sockets, [], 'ps has removed it');
    const again = await user.run('FS');
    again.signal('SIGKILL');
    await again.ended;
    const third = await user.run('FS');
    assert.deepEqual(user.sockets, ['FS.sock'], 'its name is free again');
    assert.match(await user.ok('ps'), new RegExp(`^FS +FS +${third.pid} `, 'm'));
    third.signal('SIGTERM');
    assert.deepEqual(await third.ended, { code: 0, signal: null });
    assert.deepEqual(user.sockets, []);
  });

  test('a directory that is not ours alone: the image runs without a control socket, and nobody asks there', async (t) => {
    const user = new User(t);
    const elsewhere = tempDir(t);
    symlinkSync(elsewhere, user.directory);
    const child = await user.run('FS');
    assert.match(child.stderr, /^rumpwasm: there will be no control socket: .* is not safe for control sockets: it is a symbolic link\n$/);
    assert.deepEqual(readdirSync(elsewhere), []);
    assert.match(await user.complaint('ps'), /it is a symbolic link$/);
    assert.match(await user.complaint('run', 'FS', '--name', 'x'), /it is a symbolic link$/);
    const other = new User(t);
    mkdirSync(other.directory);
    chmodSync(other.directory, 0o755);
    assert.match(await other.complaint('status'), /its mode is 755, not 700$/);
  });

  test('a stopped instance is told of, and does not hold up the others', async (t) => {
    const user = new User(t);
    const stopped = await user.run('FS', '--name', 'stopped');
    await user.run('FS', '--name', 'well');
    stopped.signal('SIGSTOP');
    t.after(() => stopped.signal('SIGCONT'));
    const { code, stdout, stderr } = await user.say('ps');
    assert.equal(code, 0);
    assert.match(stdout, /^well /m);
    assert.equal(stderr, 'rumpwasm: instance stopped does not answer\n');
    assert.ok(existsSync(join(user.directory, 'stopped.sock')));
    stopped.signal('SIGCONT');
  });
});

describe('sysctl, trace, and an image without a network of its own', () => {
  test('SOCKIN', async (t) => {
    const user = new User(t);
    const child = await user.run(...await sockinArguments());
    assert.equal(await user.ok('sysctl', 'kern.loglevel'), 'kern.loglevel = 6\n');
    assert.equal(await user.ok('sysctl', '-n', 'kern.loglevel'), '6\n');
    assert.equal(await user.ok('sysctl', 'kern.loglevel=5'), 'kern.loglevel: 6 -> 5\n');
    assert.deepEqual(JSON.parse(await user.ok('sysctl', '-j', 'kern.loglevel', 'kern.trace')), { 'kern.loglevel': 5, 'kern.trace': 0 });
    assert.match(await user.ok('sysctl', 'httpd'), /^httpd\.address = 127\.0\.0\.1$[^]*^httpd\.requests = 0$/m);
    assert.match(await user.ok('sysctl', 'kern.pools'), /^kern\.pools:\n {2}\w+ \d+/);
    assert.match(await user.ok('sysctl', '-a'), /^kern\.stat:\n {2}uptime_us \d+$[^]*^httpd\.port = \d+$/m);
    assert.match(await user.ok('sysctl', '-N'), /^kern\.trace$/m);
    for (const [words, says] of [
      [['no.such'], 'there is no sysctl no.such in instance SOCKIN'], [['kern.stat=1'], 'kern.stat cannot be set'],
      [['kern.loglevel=8'], 'kern.loglevel: 8 is out of range'], [['kern.loglevel=x'], 'kern.loglevel is a whole number, not "x"'],
      [['no.such=1'], 'there is no no.such'], [[], 'sysctl: name something, or say -a for everything'],
    ] as const) assert.equal(await user.complaint('sysctl', ...words), says);
    for (const [words, says] of [
      [['netstat', '-a'], /no connections of its own/], [['netstat', '-r'], /no routing table of its own/], [['netstat', '-s'], /no counters/],
      [['ifconfig'], /no interfaces of its own/], [['arp'], /no ARP/], [['ping', '127.0.0.1'], /image SOCKIN has no raw sockets, so it cannot ping/],
    ] as const) assert.match(await user.complaint(...words), says);
    assert.match(await user.ok('netstat', '-m'), /^0\/\d+\/1024 mbufs in use/);
    assert.equal(await user.ok('trace', 'on'), '');
    const port = JSON.parse(await user.ok('sysctl', '-j', 'httpd.port'))['httpd.port'];
    const [response] = await once(get({ port, agent: false }), 'response');
    response.resume();
    await child.waitFor(/^debug: syscall: 30\(.* = \d+$/m);
    assert.equal(await user.ok('trace', 'off'), '');
    const length = child.stderr.length;
    await user.ok('status');
    assert.equal(child.stderr.length, length);
    assert.equal(await user.ok('sysctl', '-n', 'kern.loglevel'), '5\n');
    assert.equal(await user.complaint('trace', 'maybe'), 'trace maybe: expected on or off');
  });
});

describe('an image with a TCP/IP stack', () => {
  test('netstat, ifconfig, route', async (t) => {
    const user = new User(t);
    await user.run('LOOP', '-q');
    assert.match(await user.ok('netstat', '-a'), /^tcp +0 +1024 +\*:80 +\*:\* +LISTEN$/m);
    assert.doesNotMatch(await user.ok('netstat'), /LISTEN/);
    assert.match(await user.ok('ping', '-c', '2', '-i', '0.01', '127.0.0.1'), /2 packets received, 0\.0% packet loss/);
    assert.match(await user.ok('netstat', '-s'), /^icmp:$[^]*^\t2 echo requests received$/m);
    assert.match(await user.ok('netstat', '-ss', '-p', 'ip'), /^ip:\n\t4 packets received\n/);
    assert.equal(JSON.parse(await user.ok('netstat', '-s', '-j')).icmp.inecho, 2);
    assert.match(await user.ok('netstat', '-i'), /^lo0 +33192 +127\.0\.0\.1\/8 +4 +0 +4 +0 +0$/m);
    assert.match(await user.ok('netstat', '-m'), /^mbuf +256 +4096 +0 /m);
    assert.match(await user.ok('ifconfig', 'lo0'), /^lo0: flags=<UP,RUNNING> mtu 33192\n\tinet 127\.0\.0\.1\/8\n\tinput: 4 packets/);
    await user.ok('ifconfig', 'lo0', 'add', '127.9.0.1/16');
    assert.deepEqual(JSON.parse(await user.ok('ifconfig', '-j'))[0].inet, ['127.0.0.1/8', '127.9.0.1/16']);
    await user.ok('ping', '-c', '1', '127.9.0.1');
    await user.ok('ifconfig', 'lo0', 'del', '127.9.0.1/16');
    await user.ok('ifconfig', 'lo0', 'down');
    assert.match(await user.ok('ifconfig'), /flags=<RUNNING>/);
    await user.ok('ifconfig', 'lo0', 'up');
    assert.match(await user.complaint('ifconfig', 'lo7', 'up'), /there is no such interface$/);
    assert.match(await user.complaint('ifconfig', 'lo0', 'sideways'), /expected up, down/);
    assert.match(await user.complaint('ifconfig', 'lo0', 'add', '1.2.3.4'), /expected up, down/);
    await user.ok('route', 'add', '10.0.0.0/8', '127.0.0.2', 'metric', '5');
    await user.ok('route', 'add', 'default', 'blackhole');
    assert.match(await user.ok('route'), /^default +link +UBS .*\n10\.0\.0\.0\/8 +127\.0\.0\.2 +UGS /m);
    assert.match(await user.ok('netstat', '-r', '-n'), /^127\.0\.0\.0\/8 +link +UC /m);
    assert.equal(JSON.parse(await user.ok('route', 'get', '10.1.2.3', '-j')).destination, '10.0.0.0/8');
    assert.match(await user.complaint('route', 'add', '10.0.0.0/8', '127.0.0.2', 'metric', '5'), /it is there already$/);
    await user.ok('route', 'delete', 'default');
    assert.equal(await user.complaint('route', 'get', '192.0.2.1'), 'route: there is no route to 192.0.2.1');
    assert.match(await user.complaint('route', 'del', 'default'), /there is no such entry$/);
    assert.match(await user.complaint('route', 'add', 'nonsense'), /it is not understood$/);
    assert.match(await user.complaint('arp', '-a'), /no ARP/);
  });

  test('-I, -W and -R are in force from the beginning', async (t) => {
    const user = new User(t);
    await user.run('NET', '--name', 'lab', '-I', 'virt0,virtif,hub=lan', '-W', 'virt0,inet,static,10.0.0.2/24,10.0.0.1', '-R', '10.9.0.0/16,10.0.0.3', '-R', '10.8.0.0/16,10.0.0.4');
    assert.match(await user.ok('ifconfig', 'virt0'), /^\tinet 10\.0\.0\.2\/24$/m);
    const routes = JSON.parse(await user.ok('route', '-j')) as { destination: string; gateway: string | null; interface: string }[];
    assert.deepEqual(routes.filter(({ gateway }) => gateway !== null).map((route) => `${route.destination} ${route.gateway} ${route.interface}`),
      ['0.0.0.0/0 10.0.0.1 virt0', '10.8.0.0/16 10.0.0.4 virt0', '10.9.0.0/16 10.0.0.3 virt0']);
    assert.match(await user.complaint('run', 'NET', '-R', '10.9.0.0,10.0.0.3'), /^-R 10\.9\.0\.0,10\.0\.0\.3: expected ADDRESS\/LENGTH,GATEWAY/);
  });

  test('ping: output, exit statuses, and an end by SIGINT', async (t) => {
    const user = new User(t);
    const child = await user.run('LOOP', '-q');
    const text = await user.ok('ping', '-c', '3', '-i', '0.01', '-s', '100', 'localhost');
    assert.match(text, new RegExp(['^PING 127\\.0\\.0\\.1 \\(127\\.0\\.0\\.1\\): 100 data bytes', ...[0, 1, 2].map((n) => `108 bytes from 127\\.0\\.0\\.1: icmp_seq=${n} ttl=64 time=[\\d.]+ ms`),
      '', '----127\\.0\\.0\\.1 PING Statistics----', '3 packets transmitted, 3 packets received, 0\\.0% packet loss', 'round-trip min/avg/max/stddev = [\\d.]+/[\\d.]+/[\\d.]+/[\\d.]+ ms\\n$'].join('\\n')));
    assert.match(await user.ok('ping', '-f', '-c', '10000', '127.0.0.1'), /^PING .*\n\n.*\n10000 packets transmitted, 10000 packets received, 0\.0% packet loss\n/);
    const json = JSON.parse(await user.ok('ping', '-j', '-c', '2', '-i', '0.01', '127.0.0.1'));
    assert.deepEqual([json.received, json.replies.length], [2, 2]);
    const lost = await user.say('ping', '-c', '1', '-W', '0.1', '192.0.2.1');
    assert.deepEqual([lost.code, lost.stderr], [1, '']);
    assert.match(lost.stdout, /icmp_seq=0: network is unreachable\n[^]*1 packets transmitted, 0 packets received, \+1 errors, 100\.0% packet loss\n$/);
    for (const words of [['-c', '0', '127.0.0.1'], ['-i', '0', '127.0.0.1'], ['-s', '65508', '127.0.0.1'], ['name.example'], []]) await user.complaint('ping', ...words);
    const endless = start(process.execPath, [cli, 'ping', '-i', '0.02', '127.0.0.1'], { cwd: root, env: { XDG_RUNTIME_DIR: user.runtime } });
    await endless.waitFor(/icmp_seq=3 /);
    endless.signal('SIGINT');
    assert.deepEqual(await endless.ended, { code: 0, signal: null });
    assert.match(endless.stdout, /packets transmitted, \d+ packets received, 0\.0% packet loss\n.*\n$/);
    const orphaned = start(process.execPath, [cli, 'ping', '-i', '0.02', '127.0.0.1'], { cwd: root, env: { XDG_RUNTIME_DIR: user.runtime } });
    await orphaned.waitFor(/icmp_seq=1 /);
    child.signal('SIGTERM');
    assert.deepEqual(await orphaned.ended, { code: 1, signal: null });
    assert.equal(orphaned.stderr, 'rumpwasm: the instance has gone away\n');
    assert.equal((await child.ended).code, 0);
    await waitFor(() => user.sockets.length === 0, 'the socket is gone');
  });
});
