/**
 * httpd and slow peers: heads, bodies, idle connections, readers; and that being slow but alive is no
 * crime. Times to live are short here, and stand in proportion.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../lib/net';
import { get, pattern, startWeb, type Web } from './rig';

/** Milliseconds until the server closes. */
async function life(wire: { closed(): Promise<string> }): Promise<number> {
  const from = performance.now();
  await wire.closed();
  return performance.now() - from;
}

describe('httpd: slow peers', () => {
  let web: Web;
  before(async () => {
    web = await startWeb({
      files: { a: 'A', 'big.bin': pattern(16_000_000) },
      params: { HTTPD_HEADER_US: 400_000, HTTPD_BODY_US: 400_000, HTTPD_KEEPALIVE_US: 600_000, HTTPD_SEND_US: 500_000, HTTPD_LINGER_US: 300_000, HTTPD_CACHE_US: 1_000_000 },
    });
  });
  after(async () => { await web?.close(); });

  it('answers 408 to a head that does not end, from its first octet on', async () => {
    const wire = await web.connect();
    await sleep(200);
    wire.send('GET / HTTP/1.1\r\n');
    const from = performance.now();
    const a = await wire.answer();
    assert.equal(`${a.status} ${a.headers.get('connection')}`, '408 close');
    const ms = performance.now() - from;
    assert.ok(ms > 300 && ms < 1500, `${ms} ms`);
    assert.equal(await wire.closed(), '');
  });

  it('is not put off by octets that drip in (slowloris)', async () => {
    const wire = await web.connect();
    const from = performance.now();
    const dripping = wire.drip(`GET / HTTP/1.1\r\nHost: h\r\n${'X: y\r\n'.repeat(50)}`, 20).catch(() => {});
    assert.equal((await wire.answer()).status, 408);
    const ms = performance.now() - from;
    assert.ok(ms > 300 && ms < 1500, `${ms} ms`);
    wire.destroy();
    await dripping;
  });

  it('answers 408 to a body that does not end', async () => {
    const wire = await web.connect();
    wire.send(get('/a', 'Content-Length: 100\r\n') + 'some');
    assert.equal((await wire.answer()).status, 408);
    assert.equal(await wire.closed(), '');
  });

  it('closes idle connections without a word, fresh or served', async () => {
    const fresh = await web.connect();
    const ms = await life(fresh);
    assert.ok(ms > 300 && ms < 2000, `${ms} ms`);
    assert.equal(fresh.pending.length, 0);
    const served = await web.connect();
    served.send(get('/a'));
    await served.answer();
    const more = await life(served);
    assert.ok(more > 450 && more < 2000, `${more} ms`);
    assert.equal(served.pending.length, 0);
  });

  it('keeps a connection that is used now and then', async () => {
    const wire = await web.connect();
    for (let i = 0; i < 6; i++) {
      wire.send(get('/a'));
      assert.equal((await wire.answer()).status, 200);
      await sleep(250);
    }
  });

  it('gives up on a reader that does not read, but not on a slow one', async () => {
    const before = (await web.status()).connections.timeouts;
    const dead = await web.connect();
    dead.socket.pause();
    dead.send(get('/big.bin'));
    const slow = await web.connect();
    slow.send(get('/big.bin'));
    // Reads in bursts, 200 ms apart: longer in all than a dead one may take.
    for (let i = 0; i < 10; i++) {
      slow.socket.pause();
      await sleep(200);
      slow.socket.resume();
      await sleep(1);
    }
    assert.ok((await slow.answer()).body.equals(pattern(16_000_000)));
    await waitFor(async () => (await web.status()).connections.timeouts > before, 'the dead reader given up');
    await waitFor(async () => (await web.status()).connections.sending === 0, 'nobody is being sent to');
  });

  it('does not wait for ever for a peer to close', async () => {
    const a = await web.raw('GET / HTTP/9.9\r\n\r\n');
    assert.equal(a.status, 505);
    assert.equal(await a.wire.closed(), '');
    await waitFor(async () => (await web.status()).connections.closing === 0, 'the lingering one gone', 3000);
  });

  it('does nothing at all when nothing is left to do', async () => {
    await waitFor(() => Number(web.kernel.sysctl('httpd.connections')) === 0, 'no connections');
    await waitFor(() => web.kernel.pump.deadlineUs === -1, 'no deadline', 30_000, 100);
    await sleep(50);                      // for the run that the last question was followed by
    const runs = web.kernel.pump.runs;
    await sleep(300);
    assert.equal(web.kernel.pump.runs, runs);
  });
});
