/**
 * Proxy ARP (RFC 1027): for everything behind the router by setting, for one address by a published entry.
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { parseNeighbours } from '../../host/control/tables';
import { stat } from '../net/lab';
import { arpFrame, BROADCAST_MAC, MY_MAC } from '../net/packets';
import { datagram, GATEWAY, LEFT, RIGHT, Router } from './rig';

let router: Router;

before(async () => { router = await Router.make({ routes: [`10.5.0.0/16,${GATEWAY}`] }); });
beforeEach(() => {
  router.pass(2_000_000);
  router.forget();
});
after(() => router.close());

/** Who answers when the left station (or `asker`) asks for `target`: hardware addresses. */
function whoHas(target: string, asker = LEFT): string[] {
  router.left.frames = [];
  router.left.raw(arpFrame(BROADCAST_MAC, 1, asker, target));
  return router.left.frames.map((frame) => Buffer.from(frame.bytes())).filter((b) => b.readUInt16BE(12) === 0x806 && b[21] === 2).map((b) => {
    assert.deepEqual([b.subarray(28, 32).join('.'), b.subarray(38, 42).join('.'), b.toString('hex', 0, 6)], [target, asker, MY_MAC.replaceAll(':', '')]);
    return b.toString('hex', 22, 28).match(/../g)!.join(':');
  });
}

describe('an interface with proxy_arp on', () => {
  test('is not how it begins', () => { assert.deepEqual(whoHas(RIGHT), []); });
  test('answers for what it would forward to by another interface, and for nothing else', () => {
    router.kernel.sysctl('net.inet.ip.interfaces', 'virt0 proxy_arp on');
    for (const target of [RIGHT, '10.0.1.99', '10.5.1.2']) assert.deepEqual(whoHas(target), [router.left.mac], target);
    // Its own address as ever; not its own network, what has no route, broadcasts, martians, nor to a stranger or a prober.
    assert.deepEqual(whoHas('10.0.0.1'), [router.left.mac]);
    for (const target of ['10.0.0.77', '172.16.1.1', '10.0.1.255', '255.255.255.255', '127.0.0.1', '224.0.0.1']) assert.deepEqual(whoHas(target), [], target);
    assert.deepEqual(whoHas(RIGHT, '172.16.9.9'), []);
    assert.deepEqual(whoHas(RIGHT, '0.0.0.0'), []);
    assert.deepEqual(whoHas(RIGHT, RIGHT), []);
    assert.ok(stat(router.kernel, 'net.arp.stats', 'sndproxy') >= 3);
  });
  test('and what is sent to it then is forwarded', () => {
    router.left.send(datagram({}));
    assert.equal(router.right.take().length, 1);
  });
  test('does not answer while the router does not forward, nor when it is off again', () => {
    router.kernel.sysctl('net.inet.ip.forwarding', 0);
    assert.deepEqual(whoHas(RIGHT), []);
    router.kernel.sysctl('net.inet.ip.forwarding', 1);
    assert.deepEqual(whoHas(RIGHT), [router.left.mac]);
    router.kernel.sysctl('net.inet.ip.interfaces', 'virt0 proxy_arp off');
    assert.deepEqual(whoHas(RIGHT), []);
  });
});

describe('a published entry (arp -s ADDRESS ETHER pub)', () => {
  const ETHER = '02:00:00:00:00:42';
  test('is answered for with its hardware address, other entries are not', () => {
    router.kernel.sysctl('net.arp.table', `add 10.0.0.42 ${ETHER} permanent pub`);
    router.kernel.sysctl('net.arp.table', `add 10.0.0.43 ${ETHER} permanent`);
    assert.deepEqual([whoHas('10.0.0.42'), whoHas('10.0.0.43')], [[ETHER], []]);
    const entries = parseNeighbours(String(router.kernel.sysctl('net.arp.table')));
    assert.deepEqual(['10.0.0.42', '10.0.0.43'].map((a) => entries.find((e) => e.address === a)?.published), [true, false]);
  });
  test('until it is deleted', () => {
    router.kernel.sysctl('net.arp.table', 'del 10.0.0.42');
    assert.deepEqual(whoHas('10.0.0.42'), []);
    assert.throws(() => router.kernel.sysctl('net.arp.table', `add 10.0.0.42 ${ETHER} public`), /EINVAL/);
  });
});
