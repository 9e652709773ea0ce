/**
 * ping and arp between two instances on a hub: in virtual time with a bad line, and by the command
 * line with instances that live in this process.
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PingReply, PingSummary, PingTrouble } from '../../host/api/ping';
import type { Kernel } from '../../host/kernel';
import { ControlServer } from '../../host/control/server';
import { parseNeighbours } from '../../host/control/tables';
import { hub, Hub } from '../../host/netdev/hub';
import type { Faults } from '../../host/netdev/fault';
import { bootImage } from '../host/images';
import { runNode, type RunResult } from '../lib/spawn';
import { cli, root, tempDir } from '../lib/tree';
import { Lab } from '../net/lab';

/** Ping the second kernel of a lab from the first. */
async function pingThrough(faults: Faults, count: number): Promise<PingSummary> {
  const lab = await Lab.make({ faults });
  const pinger = lab.kernels[0]!.ping(lab.address(1), { count, intervalUs: 100_000, timeoutUs: 1_000_000 });
  lab.until(() => pinger.summary.transmitted === count, 'all are sent', 1e9);
  lab.advance(2_000_000);
  await lab.close();
  return pinger.done;
}

test('a line that loses and doubles: counted as ping counts it', async () => {
  const clean = await pingThrough({}, 50);
  assert.deepEqual([clean.transmitted, clean.received, clean.duplicates, clean.troubles], [50, 50, 0, 0]);
  const lossy = await pingThrough({ seed: 1, loss: 0.1 }, 1000);
  assert.ok(lossy.received > 700 && lossy.received < 900, `${lossy.received} of 1000 with 10 % lost each way`);
  const doubled = await pingThrough({ seed: 1, duplicate: 1 }, 50);
  // Two requests, an answer to each, of which each comes twice; but the very first of the last one ends it.
  assert.deepEqual([doubled.received, doubled.duplicates], [50, 49 * 3]);
});

test('a neighbour that is not there, and a router that complains', async () => {
  const lab = await Lab.make();
  const [first, second] = lab.kernels as [Kernel, Kernel];
  const troubles: PingTrouble[] = [];
  const onTrouble = (trouble: PingTrouble): void => { troubles.push(trouble); };
  const dead = first.ping('10.0.0.77', { count: 10, onTrouble });
  lab.advance(15_000_000);
  const { received, transmitted } = await dead.done;
  assert.deepEqual([received, transmitted], [0, 10]);
  assert.ok(troubles.some(({ text }) => text === 'host is down' || text === 'no route to host'), JSON.stringify(troubles));
  troubles.length = 0;
  second.sysctl('net.inet.ip.forwarding', 1);
  first.sysctlSet('net.route.table', 'add 10.9.0.0/16 10.0.0.2');
  second.sysctlSet('net.route.table', 'add 10.9.0.0/16 10.0.0.1');
  const expired = first.ping('10.9.0.1', { count: 1, ttl: 1, onTrouble });
  lab.advance(5_000_000);
  await expired.done;
  second.sysctlSet('net.route.table', 'del 10.9.0.0/16');
  const nowhere = first.ping('10.9.0.1', { count: 1, onTrouble });
  lab.advance(5_000_000);
  await nowhere.done;
  assert.deepEqual(troubles, [
    { sequence: 0, address: '10.0.0.2', text: 'Time to live exceeded' }, { sequence: 0, address: '10.0.0.2', text: 'Destination Net Unreachable' },
  ]);
  const replies: PingReply[] = [];
  const broadcast = first.ping('10.0.0.255', { count: 1, onReply: (reply) => replies.push(reply) });
  lab.advance(5_000_000);
  assert.deepEqual([(await broadcast.done).received, replies], [0, []], 'broadcasts are not answered (RFC 1122 allows that)');
  await lab.close();
});

test('the commands, asked of instances on a hub', async (t) => {
  const runtime = tempDir(t);
  const wire = new Hub();
  mkdirSync(join(runtime, 'rumpwasm'), { mode: 0o700 });
  const kernels: Kernel[] = [];
  for (const n of [1, 2]) {
    const kernel = await bootImage('NET', {
      netdevs: { virt0: hub(wire, { mac: Uint8Array.of(2, 0, 0, 0, 0, n) }) }, params: { 'net.virt0': `inet,static,10.0.0.${n}/24` },
    });
    const server = await ControlServer.open(kernel, { directory: join(runtime, 'rumpwasm'), name: `host${n}` });
    kernels.push(kernel);
    t.after(async () => {
      await server.close();
      await kernel.close();
    });
  }
  const say = (...args: string[]): Promise<RunResult> => runNode([cli, ...args, '--instance', 'host1'], { cwd: root, env: { XDG_RUNTIME_DIR: runtime } });
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await say(...args);
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  assert.match(await ok('ping', '-c', '3', '-i', '0.05', '10.0.0.2'), /3 packets transmitted, 3 packets received, 0\.0% packet loss/);
  assert.match(await ok('arp', '-a'), /^10\.0\.0\.2 at 02:00:00:00:00:02 on virt0, reachable, \d+ s$/m);
  assert.match(await ok('ifconfig', 'virt0'), /^virt0: flags=<UP,RUNNING> mtu 1500\n\tether 02:00:00:00:00:01\n\tinet 10\.0\.0\.1\/24\n/);
  await ok('arp', '-s', '10.0.0.9', '02:00:00:00:00:09');
  assert.match(await ok('arp', '10.0.0.9'), /^10\.0\.0\.9 at 02:00:00:00:00:09 on virt0, permanent$/m);
  assert.deepEqual(parseNeighbours(String(kernels[0]!.sysctl('net.arp.table'))).map(({ address }) => address).sort(), ['10.0.0.2', '10.0.0.9']);
  await ok('arp', '-s', '10.0.0.9', '02:00:00:00:00:09', 'pub');
  assert.match(await ok('arp', '10.0.0.9'), /^10\.0\.0\.9 at 02:00:00:00:00:09 on virt0, permanent, published$/m);
  await ok('arp', '-d', '10.0.0.9');
  assert.deepEqual(JSON.parse(await ok('arp', '-j')).map((each: { address: string }) => each.address), ['10.0.0.2']);
  for (const [words, says] of [
    [['10.0.0.9'], /^rumpwasm: 10\.0\.0\.9: no entry$/], [['-d', '10.0.0.9'], /there is no such entry$/], [['-d', 'x'], /x is not an IPv4 address$/],
    [['-s', '10.0.0.9', 'ether'], /ether is not an Ethernet address$/], [['-s', '192.0.2.1', '02:00:00:00:00:09'], /there is no way to it$/],
  ] as const) assert.match((await say('arp', ...words)).stderr.trimEnd(), says);
  await ok('arp', '-F');
  assert.equal(await ok('arp', '-a'), '');
  assert.match(await ok('netstat', '-s', '-p', 'arp'), /^arp:$[^]*^\t\d+ reply packets received$/m);
  assert.match(await ok('route', 'get', '10.0.0.2'), /interface: +virt0\n +source: +10\.0\.0\.1/);
});
