/**
 * IP options on the way through, and at the router itself (RFC 791 §3.1, RFC 1812 §5.2.4, RFC 7126).
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { checksum } from '../../host/api/icmp';
import type { Seen } from '../net/packets';
import { datagram, GATEWAY, icmpOf, LEFT, RIGHT, Router, theError } from './rig';

let router: Router;

before(async () => { router = await Router.make({ routes: [`10.5.0.0/16,${GATEWAY}`] }); });
beforeEach(() => {
  router.pass(2_000_000);
  router.forget();
});
after(() => router.close());

const quad = (address: string): number[] => address.split('.').map(Number);
const NOBODY = [0, 0, 0, 0];

function through(options: number[], dst = RIGHT): Seen[] {
  router.left.send(datagram({ options: Uint8Array.from(options), dst }));
  return router.right.take();
}

/** Options of the one packet that came out. */
function after1(options: number[], dst?: string): number[] {
  const [seen, ...more] = through(options, dst);
  assert.ok(seen !== undefined && more.length === 0);
  assert.equal(checksum(seen.frame.subarray(14, 14 + (seen.frame[14]! & 15) * 4)), 0);
  return [...seen.options!];
}

/** Parameter problem, pointing at byte `at` of the header. */
function problem(options: number[], at: number): void {
  assert.deepEqual(through(options), []);
  const { type, code, rest } = theError(router.left);
  assert.deepEqual([type, code, rest[0]], [12, 0, at], options.join(' '));
}

function echo(): Buffer {
  const b = Buffer.from([8, 0, 0, 0, 0, 1, 0, 1, 9, 9, 9, 9]);
  b.writeUInt16BE(checksum(b), 2);
  return b;
}

describe('record route (RFC 791 §3.1, RFC 1812 §5.2.4.1)', () => {
  test('gets the address of the interface that the packet leaves by', () => {
    assert.deepEqual(after1([7, 11, 4, ...NOBODY, ...NOBODY, 0]), [7, 11, 8, ...quad('10.0.1.1'), ...NOBODY, 0]);
    assert.deepEqual(after1([1, 7, 11, 8, ...quad('1.2.3.4'), ...NOBODY]), [1, 7, 11, 12, ...quad('1.2.3.4'), ...quad('10.0.1.1')]);
  });
  test('full: goes on as it is', () => {
    assert.deepEqual(after1([7, 7, 8, 1, 2, 3, 4, 0]), [7, 7, 8, 1, 2, 3, 4, 0]);
  });
  test('room for less than an address, a pointer before the first: parameter problem', () => {
    problem([7, 9, 8, 1, 2, 3, 4, 5, 5, 0, 0, 0], 22);
    problem([7, 7, 3, ...NOBODY, 0], 22);
    problem([7, 2, 0, 0], 21);
  });
  test('an echo reply brings it back, with the router in it (RFC 1122 §3.2.2.6)', () => {
    router.left.send({ src: LEFT, dst: '10.0.1.1', proto: 1, payload: echo(), options: Uint8Array.from([7, 15, 4, ...NOBODY, ...NOBODY, ...NOBODY, 0]) });
    const [reply] = router.left.take();
    assert.deepEqual([...reply!.options!], [7, 15, 8, ...quad('10.0.1.1'), ...NOBODY, ...NOBODY, 0]);
    assert.equal(icmpOf([reply!])[0]!.type, 0);
  });
});

describe('timestamp (RFC 791 §3.1, RFC 1812 §5.2.4.2)', () => {
  const ms = (b: number[], at: number): number => Buffer.from(b).readUInt32BE(at);
  test('times alone, times with addresses, times for whom it names', () => {
    const now = Math.floor(router.clock.realtime() / 1000) % 86_400_000;
    const alone = after1([68, 12, 5, 0, ...NOBODY, ...NOBODY]);
    assert.deepEqual(alone.slice(0, 4), [68, 12, 9, 0]);
    assert.ok(Math.abs(ms(alone, 4) - now) < 1000, `${ms(alone, 4)} ${now}`);
    const both = after1([68, 12, 5, 1, ...NOBODY, ...NOBODY]);
    assert.deepEqual(both.slice(0, 8), [68, 12, 13, 1, ...quad('10.0.1.1')]);
    assert.ok(Math.abs(ms(both, 8) - now) < 1000);
    const ours = after1([68, 12, 5, 3, ...quad('10.0.0.1'), ...NOBODY]);
    assert.deepEqual(ours.slice(0, 8), [68, 12, 13, 3, ...quad('10.0.0.1')]);
    const other = [68, 12, 5, 3, ...quad('10.9.9.9'), ...NOBODY];
    assert.deepEqual(after1(other), other);
  });
  test('full: the overflow is counted, and its own overflow is an error', () => {
    assert.deepEqual(after1([68, 8, 9, 0, 1, 2, 3, 4]), [68, 8, 9, 0x10, 1, 2, 3, 4]);
    problem([68, 8, 9, 0xf0, 1, 2, 3, 4], 23);
    problem([68, 8, 5, 2, ...NOBODY], 23);
    problem([68, 8, 4, 0, ...NOBODY], 22);
  });
});

describe('other options', () => {
  test('RFC 1812 §4.2.2.1: those that nobody knows go on unchanged', () => {
    for (const options of [[0x94, 4, 0, 0], [0x99, 8, 1, 2, 3, 4, 5, 6], [1, 1, 1, 1], [1, 0, 9, 9]]) assert.deepEqual(after1(options), options);
  });
  test('RFC 1812 §4.3.3.5: malformed ones are told of, where the fault is', () => {
    problem([99, 1, 0, 0], 21);
    problem([1, 99, 9, 0], 22);
    problem([1, 1, 1, 99], 24);
  });
});

describe('source routes (RFC 7126 §4.3, RFC 1812 §5.2.4.1)', () => {
  const loose = [131, 7, 4, ...quad('10.5.0.9'), 0];
  const strict = [137, 7, 4, ...quad('10.5.0.9'), 0];
  test('refused where their next stop is this router, and always if they are strict', () => {
    for (const [options, dst] of [[loose, '10.0.0.1'], [strict, '10.0.0.1'], [strict, RIGHT]] as const) {
      assert.deepEqual(through(options, dst), []);
      const { type, code } = theError(router.left);
      assert.deepEqual([type, code], [3, 5]);
    }
  });
  test('a loose one on its way to another stop is none of our business', () => {
    assert.deepEqual(after1(loose), loose);
  });
  test('followed with net.inet.ip.forwsrcrt = 1', () => {
    router.kernel.sysctl('net.inet.ip.forwsrcrt', 1);
    router.left.send(datagram({ options: Uint8Array.from(loose), dst: '10.0.0.1' }));
    const [seen] = router.right.take();
    assert.deepEqual([seen!.dst, ...seen!.options!], ['10.5.0.9', 131, 7, 8, ...quad('10.0.1.1'), 0]);
    // Strict, and the next stop is behind a gateway: source route failed.
    assert.deepEqual(through(strict, '10.0.0.1'), []);
    assert.equal(theError(router.left).code, 5);
    router.left.send(datagram({ options: Uint8Array.from([137, 7, 4, ...quad(RIGHT), 0]), dst: '10.0.0.1' }));
    assert.equal(router.right.take()[0]!.dst, RIGHT);
    router.kernel.sysctl('net.inet.ip.forwsrcrt', 0);
  });
});
