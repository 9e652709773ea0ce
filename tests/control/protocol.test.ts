/** Lines of the control socket: cut as they come, bounded, and refused if they are no requests. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineBuffer, parseRequest } from '../../host/control/protocol';
import {
  parseConnections, parseCounters, parseInterfaces, parseNeighbours, parsePools, parseRoutes,
} from '../../host/control/tables';

test('lines come out whole, however the bytes come in', () => {
  const text = ['{"op":"ä€😀"}', '', 'x'.repeat(3000), 'no end'].join('\n');
  const bytes = Buffer.from(text);
  for (const step of [1, 2, 3, 7, 64, 1000, bytes.length]) {
    const lines = new LineBuffer(4096);
    const out: string[] = [];
    for (let at = 0; at < bytes.length; at += step) out.push(...lines.push(bytes.subarray(at, at + step)));
    assert.deepEqual(out, text.split('\n').slice(0, -1), `${step} bytes at a time`);
  }
  assert.deepEqual(new LineBuffer(10).push(Buffer.from('a\r\nb\n')), ['a', 'b']);
});

test('a line has a limit, with and without an end', () => {
  assert.deepEqual(new LineBuffer(4).push(Buffer.from('1234\n1234\n')), ['1234', '1234']);
  assert.throws(() => new LineBuffer(4).push(Buffer.from('12345\n')), { code: 'EMSGSIZE' });
  const lines = new LineBuffer(4);
  assert.deepEqual(lines.push(Buffer.from('123')), []);
  assert.throws(() => lines.push(Buffer.from('45')), { code: 'EMSGSIZE' });
});

test('what is not a request', () => {
  assert.deepEqual(parseRequest('{"op":"status"}'), { id: null, op: 'status' });
  assert.deepEqual(parseRequest('{"id":"a","op":"x","y":1}'), { id: 'a', op: 'x', y: 1 });
  for (const bad of ['', 'hello', '{', '[]', '1', 'null', '"x"', '{}', '{"op":1}', '{"id":{},"op":"x"}', '{"id":true,"op":"x"}']) {
    assert.throws(() => parseRequest(bad), { code: 'EBADMSG' }, bad);
  }
});

test('tables become objects', () => {
  assert.deepEqual(parseConnections('tcp 1 2 10.0.0.1:80 10.0.0.2:5 ESTABLISHED 14600 250 200000 1\nudp 0 0 0.0.0.0:53 0.0.0.0:0 - 7\n'), [
    { proto: 'tcp', recvQ: 1, sendQ: 2, local: '10.0.0.1:80', foreign: '10.0.0.2:5', state: 'ESTABLISHED', cwnd: 14600, srttUs: 250, rtoUs: 200000, backoff: 1 },
    { proto: 'udp', recvQ: 0, sendQ: 0, local: '0.0.0.0:53', foreign: '0.0.0.0:0', state: '-', drops: 7 },
  ]);
  assert.deepEqual(parseInterfaces('lo0 up running mtu 33192 ether - ipackets 3\n  inet 127.0.0.1/8\nvirt0 down stopped mtu 1500 ether 02:00:00:00:00:01 ipackets 0\n'), [
    { name: 'lo0', up: true, running: true, mtu: 33192, ether: null, inet: ['127.0.0.1/8'], counters: { ipackets: 3 } },
    { name: 'virt0', up: false, running: false, mtu: 1500, ether: '02:00:00:00:00:01', inet: [], counters: { ipackets: 0 } },
  ]);
  assert.deepEqual(parseRoutes('0.0.0.0/0 10.0.0.1 UGS virt0 5 1500 - 0 10.0.0.2\n10.9.0.0/16 - UR lo0 0 33192 20 3 -\n'), [
    { destination: '0.0.0.0/0', gateway: '10.0.0.1', flags: 'UGS', interface: 'virt0', use: 5, mtu: 1500, expire: null, metric: 0, source: '10.0.0.2' },
    { destination: '10.9.0.0/16', gateway: null, flags: 'UR', interface: 'lo0', use: 0, mtu: 33192, expire: 20, metric: 3, source: null },
  ]);
  assert.deepEqual(parseNeighbours('10.0.0.1 02:00:00:00:00:02 virt0 reachable 27 0\n10.0.0.9 - virt0 incomplete 1 3\n'), [
    { address: '10.0.0.1', ether: '02:00:00:00:00:02', interface: 'virt0', state: 'reachable', expire: 27, held: 0, published: false },
    { address: '10.0.0.9', ether: null, interface: 'virt0', state: 'incomplete', expire: 1, held: 3, published: false },
  ]);
  assert.deepEqual(parsePools('mbuf 256 10 1 2 3 4 5\n'), [{ name: 'mbuf', size: 256, max: 10, inUse: 1, highWater: 2, failures: 3, gets: 4, puts: 5 }]);
  assert.deepEqual(parseCounters('total 5\nbadsum 0\n'), { total: 5, badsum: 0 });
  for (const parse of [parseConnections, parseInterfaces, parseRoutes, parseNeighbours, parsePools]) assert.deepEqual(parse(''), []);
});
