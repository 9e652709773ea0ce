/**
 * kernel.ping and the operation "ping": in real time and in virtual time, answered, unanswered and
 * interrupted.
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksum, echo, parseIcmp } from '../../host/api/icmp';
import type { Pinger, PingReply, PingSummary, PingTrouble } from '../../host/api/ping';
import { ControlClient } from '../../host/control/client';
import { seededEntropy, virtualClock } from '../../host/determinism';
import { bootImage, withImage } from '../host/images';
import { waitFor } from '../lib/net';
import { controlled, RawClient } from './rig';

/** An IP header before `icmp`. */
function datagram(icmp: Uint8Array, source = [10, 0, 0, 1]): Uint8Array {
  return Uint8Array.from([0x45, 0, 0, 0, 0, 0, 0, 0, 63, 1, 0, 0, ...source, 10, 0, 0, 2, ...icmp]);
}

test('echo messages: made with a right checksum, read back, and nonsense is nothing', () => {
  for (const size of [0, 1, 2, 55, 56, 1472, 65507]) {
    const request = echo(0x1234, 0xfffe, new Uint8Array(size).map((_, i) => i * 7));
    assert.equal(checksum(request), 0, `${size}`);
    const reply = request.slice();
    reply[0] = 0;
    const message = parseIcmp(datagram(reply));
    assert.deepEqual(message && { ...message, payload: message.kind === 'reply' && message.payload.length }, {
      kind: 'reply', source: '10.0.0.1', ttl: 63, id: 0x1234, sequence: 0xfffe, payload: size,
    });
    assert.equal(parseIcmp(datagram(request)), null, 'a request is no answer');
  }
  const quoted = datagram(echo(7, 9, new Uint8Array(0)));
  const error = datagram(Uint8Array.from([3, 1, 0, 0, 0, 0, 0, 0, ...quoted]), [10, 0, 0, 9]);
  assert.deepEqual(parseIcmp(error), { kind: 'error', source: '10.0.0.9', id: 7, sequence: 9, text: 'Destination Host Unreachable' });
  for (let n = 0; n < error.length; n++) assert.equal(parseIcmp(error.subarray(0, n)), null, `${n} bytes`);
  for (let i = 0; i < 2000; i++) parseIcmp(Uint8Array.from({ length: i % 80 }, (_, k) => (i * 31 + k * k * 17) & 0xff));
});

test('127.0.0.1 answers, in order, with the payload that was sent', async () => {
  await withImage('LOOP', {}, async (kernel) => {
    for (const size of [0, 56, 8000, 65507]) {
      const replies: PingReply[] = [];
      const summary = await kernel.ping('127.0.0.1', { count: 4, intervalUs: size > 8000 ? 100_000 : 10_000, size, onReply: (reply) => replies.push(reply) }).done;
      assert.deepEqual(replies.map(({ sequence, bytes, ttl, duplicate, wrongAt, address }) => ({ sequence, bytes, ttl, duplicate, wrongAt, address })),
        [0, 1, 2, 3].map((sequence) => ({ sequence, bytes: size + 8, ttl: 64, duplicate: false, wrongAt: -1, address: '127.0.0.1' })));
      assert.deepEqual([summary.transmitted, summary.received, summary.duplicates, summary.troubles], [4, 4, 0, 0]);
      assert.ok(summary.rttUs && summary.rttUs.min <= summary.rttUs.avg && summary.rttUs.avg <= summary.rttUs.max);
    }
  });
});

test('a flood beyond the sequence numbers: all answered, nothing grows', async () => {
  await withImage('LOOP', {}, async (kernel) => {
    const summary = await kernel.ping('localhost', { count: 70_000, flood: true }).done;
    assert.deepEqual([summary.transmitted, summary.received, summary.duplicates], [70_000, 70_000, 0]);
    const inUse = /^mbuf \d+ \d+ (\d+) (\d+)/m.exec(String(kernel.sysctl('kern.pools')))!;
    assert.equal(inUse[1], '0');
    assert.ok(Number(inUse[2]) < 100, `${inUse[2]} mbufs at most`);
  });
});

test('nobody there: the error is told, and the end comes after the timeout', async () => {
  await withImage('LOOP', {}, async (kernel) => {
    const troubles: PingTrouble[] = [];
    const summary = await kernel.ping('192.0.2.1', { count: 2, intervalUs: 1000, timeoutUs: 20_000, onTrouble: (trouble) => troubles.push(trouble) }).done;
    assert.deepEqual(troubles, [0, 1].map((sequence) => ({ sequence, address: null, text: 'network is unreachable' })));
    assert.deepEqual([summary.transmitted, summary.received, summary.troubles, summary.rttUs], [2, 0, 2, null]);
    for (const bad of ['localhost.example', '::1', '1.2.3']) assert.throws(() => kernel.ping(bad), TypeError);
    assert.throws(() => kernel.ping('127.0.0.1', { size: 65508 }), RangeError);
    assert.throws(() => kernel.ping('127.0.0.1', { ttl: 999 }), { code: 'EINVAL' });
  });
});

test('under a virtual clock it takes virtual time, and is the same every time', async () => {
  const once = async (): Promise<[PingSummary, string]> => {
    const kernel = await bootImage('LOOP', { clock: virtualClock('2026-01-01'), random: seededEntropy(1), manual: true });
    const pinger = kernel.ping('127.0.0.1', { count: 100, intervalUs: 1_000_000 });
    let ended = false;
    void pinger.done.then(() => { ended = true; });
    kernel.advance(98_500_000);
    assert.equal(pinger.summary.transmitted, 99);
    kernel.advance(1_000_000);
    await Promise.resolve();
    assert.ok(ended);
    const hash = kernel.memoryHash();
    await kernel.close();
    return [await pinger.done, hash];
  };
  const [first, second] = [await once(), await once()];
  assert.deepEqual(first, second);
  assert.equal(first[0].received, 100);
  assert.ok(first[0].elapsedUs >= 99_000_000 && first[0].elapsedUs < 99_100_000);
});

test('raw sockets run out, and come back', async () => {
  await withImage('LOOP', {}, async (kernel) => {
    const pingers: Pinger[] = [];
    for (let failed = false; !failed;) {
      try {
        pingers.push(kernel.ping('127.0.0.1', { intervalUs: 1000 }));
      } catch (error) {
        assert.equal((error as { code: string }).code, 'ENOBUFS');
        failed = true;
      }
    }
    assert.ok(pingers.length >= 4);
    await waitFor(() => pingers.every(({ summary }) => summary.received > 2), 'all are answered');
    for (const pinger of pingers) pinger.stop();
    for (const pinger of pingers) assert.equal((await pinger.done).duplicates, 0);
    const again = await kernel.ping('127.0.0.1', { count: 1 }).done;
    assert.equal(again.received, 1);
    const late = kernel.ping('127.0.0.1');
    await kernel.close();
    await assert.rejects(late.done, { name: 'KernelGoneError' });
  });
});

test('by the control socket: events, the summary, cancel, and a client that hangs up', async (t) => {
  const { server, kernel } = await controlled(t, 'LOOP');
  const client = await ControlClient.open(server.path);
  const events: any[] = [];
  const summary = await client.start<PingSummary>('ping', { address: '127.0.0.1', count: 3, intervalMs: 1 }, (event) => events.push(event)).done;
  assert.deepEqual(events.map(({ reply }) => reply.sequence), [0, 1, 2]);
  assert.equal(summary.received, 3);
  const endless = client.start<PingSummary>('ping', { address: '127.0.0.1', intervalMs: 1 }, () => undefined);
  const flood = client.start<PingSummary>('ping', { address: '127.0.0.1', flood: true }, (event) => events.push(event));
  await waitFor(() => events.some(({ progress }) => progress?.received > 100), 'progress of the flood');
  flood.cancel();
  assert.ok((await flood.done).received > 100);
  endless.cancel();
  assert.ok((await endless.done).received > 1);
  for (const fields of [{ count: -1 }, { count: 1.5 }, { intervalMs: 0 }, { intervalMs: 'x' }, { size: 65508 }, { timeoutMs: 1e12 }, { address: 'x' }, { address: null }]) {
    await assert.rejects(client.request('ping', { address: '127.0.0.1', ...fields }), { code: 'EINVAL' }, JSON.stringify(fields));
  }
  const many = Array.from({ length: 16 }, () => client.start('ping', { address: '192.0.2.1', intervalMs: 60_000 }, () => undefined));
  await assert.rejects(client.request('ping', { address: '127.0.0.1' }), { code: /^(EBUSY|ENOBUFS)$/ });
  client.close();
  for (const { done } of many) await assert.rejects(done, { code: 'ECONNRESET' });
  const sockets = (): string => /^rip_inpcb \d+ \d+ (\d+)/m.exec(String(kernel.sysctl('kern.pools')))![1]!;
  await waitFor(() => sockets() === '0', 'its raw sockets are closed');
});

test('a client that asks for replies and does not read them', async (t) => {
  const { server, kernel } = await controlled(t, 'LOOP');
  const deaf = new RawClient(server.path);
  deaf.socket.pause();
  await deaf.say('{"id":1,"op":"ping","address":"127.0.0.1","intervalMs":1,"count":3000}\n');
  const other = await ControlClient.open(server.path);
  await waitFor(async () => (await other.request<any>('status')).runs > 3000, 'it goes on', 30_000);
  assert.ok(kernel.isAlive);
  deaf.socket.resume();
  await waitFor(() => deaf.messages.at(-1)?.ok === true, 'the answer is not lost', 20_000);
  assert.equal(deaf.messages.at(-1).result.received, 3000);
  other.close();
  deaf.socket.destroy();
});
