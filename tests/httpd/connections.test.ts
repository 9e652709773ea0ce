/**
 * httpd and its connections: pipelining, odd arrival, back-pressure, many at a time, none free, aborts.
 * Over each backend of sockin.
 *
 * @timeout 180
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../lib/net';
import { get, pattern, startWeb, type Web } from './rig';

const big = pattern(8_000_004);

for (const backend of ['epoll', 'node']) {
  describe(`httpd: connections over the ${backend} backend`, () => {
    let web: Web;
    before(async () => {
      web = await startWeb({ backend, files: { 'index.html': 'index', 'big.bin': big, 'mid.bin': pattern(5000), a: 'A', b: 'BB' } });
    });
    after(async () => { await web?.close(); });

    it('answers pipelined requests in their order', async () => {
      const wire = await web.connect();
      const targets = Array.from({ length: 300 }, (_, i) => ['/a', '/b', '/mid.bin', '/none', '/', '/_status'][i % 6]!);
      wire.send(targets.map((target) => get(target)).join(''));
      for (const target of targets) {
        const a = await wire.answer();
        if (target === '/a') assert.equal(a.body.toString(), 'A');
        else if (target === '/b') assert.equal(a.body.toString(), 'BB');
        else if (target === '/mid.bin') assert.ok(a.body.equals(pattern(5000)));
        else assert.equal(a.status, target === '/none' ? 404 : 200);
      }
    });

    it('takes requests however they are cut', async () => {
      const wire = await web.connect();
      const text = get('/a', 'X: y\r\n') + get('/b') + get('/');
      for (let cut = 1; cut < text.length; cut += 3) {
        wire.send(text.slice(0, cut));
        await sleep(1);
        wire.send(text.slice(cut));
        assert.equal((await wire.answer()).body.toString(), 'A');
        assert.equal((await wire.answer()).body.toString(), 'BB');
        assert.equal((await wire.answer()).body.toString(), 'index');
      }
      await wire.drip(get('/a'));
      assert.equal((await wire.answer()).body.toString(), 'A');
    });

    it('holds nothing for a reader that pauses, and goes on where it stopped', async () => {
      const wire = await web.connect();
      wire.socket.pause();
      wire.send(get('/big.bin') + get('/a') + get('/big.bin') + get('/b'));
      await sleep(300);
      const status = await web.status();
      assert.ok(status.connections.sending <= 1);
      assert.ok(status.pools.find(({ name }) => name === 'httpd.buf')!.inuse <= 2);
      wire.socket.resume();
      assert.ok((await wire.answer()).body.equals(big));
      assert.equal((await wire.answer()).body.toString(), 'A');
      assert.ok((await wire.answer()).body.equals(big));
      assert.equal((await wire.answer()).body.toString(), 'BB');
    });

    it('bounds what a peer that sends and does not read makes it hold', async () => {
      const wire = await web.connect();
      wire.socket.pause();
      // Far more answers than the sockets between us can hold.
      const block = get('/mid.bin').repeat(200);
      for (let i = 0; i < 60; i++) wire.send(block);
      await sleep(500);
      const status = await web.status();
      assert.ok(status.pools.find(({ name }) => name === 'httpd.buf')!.inuse <= 2);
      wire.socket.resume();
      for (let i = 0; i < 60 * 200; i++) assert.equal((await wire.answer()).status, 200);
    });

    it('answers who has shut its side already', async () => {
      const wire = await web.connect();
      wire.send(get('/big.bin') + get('/a'));
      wire.end();
      assert.ok((await wire.answer()).body.equals(big));
      assert.equal((await wire.answer()).body.toString(), 'A');
      assert.equal(await wire.closed(), '');
    });

    it('gives everything back when peers vanish', async () => {
      const { open } = (await web.status()).connections;
      for (let i = 0; i < 30; i++) {
        const wire = await web.connect();
        wire.send(i % 3 === 0 ? 'GET / HT' : get('/big.bin'));
        if (i % 2 === 0) await sleep(2);
        wire.socket.resetAndDestroy();
      }
      await waitFor(async () => {
        const status = await web.status();
        return status.connections.open <= open && ['httpd.buf', 'httpd.ranges'].every((name) => status.pools.find((pool) => pool.name === name)!.inuse === 0);
      }, 'everything given back');
    });

    it('serves 800 connections at a time', async () => {
      const wires = await Promise.all(Array.from({ length: 800 }, () => web.connect()));
      for (let round = 0; round < 2; round++) {
        for (const wire of wires) wire.send(get('/a'));
        for (const wire of wires) assert.equal((await wire.answer()).body.toString(), 'A');
      }
      assert.ok((await web.status()).connections.open >= 800);
      for (const wire of wires) wire.destroy();
    });
  });

  describe(`httpd: more connections than it can hold, ${backend} backend`, () => {
    let web: Web;
    before(async () => { web = await startWeb({ backend, files: { a: 'A' }, boot: { } }); });
    after(async () => { await web?.close(); });

    it('closes the longest idle one that was served, and refuses with 503 if there is none', async () => {
      const max = (await web.status()).connections.max;
      const wires = [];
      for (let i = 0; i < max; i += 50) wires.push(...await Promise.all(Array.from({ length: Math.min(50, max - i) }, () => web.connect())));
      // Some are busy with part of a request, the others new; one has been served.
      for (const wire of wires.slice(1, 300)) wire.send('GET /a HTTP/1.1\r\n');
      wires[0]!.send(get('/a'));
      assert.equal((await wires[0]!.answer()).status, 200);
      await waitFor(() => Number(web.kernel.sysctl('httpd.connections')) === max, 'all connected');
      await sleep(100);
      const extra = await web.raw(get('/a', 'Connection: close\r\n'));
      assert.equal(extra.status, 200, 'the idle one made room');
      assert.equal(await wires[0]!.closed(), '');
      await extra.wire.closed();
      const last = await web.connect();
      last.send('GET /a HTTP/1.1\r\n');
      await waitFor(() => Number(web.kernel.sysctl('httpd.connections')) === max, 'all connected again');
      await sleep(50);
      const refused = await web.raw(get('/a'));
      assert.equal(refused.status, 503);
      assert.equal(refused.headers.get('retry-after'), '1');
      assert.equal(await refused.wire.closed(), '');
      // The others go on.
      last.send('Host: h\r\n\r\n');
      assert.equal((await last.answer()).status, 200);
      for (const wire of wires) wire.destroy();
      await waitFor(async () => (await web.request('/a')).status === 200, 'room again');
    });
  });
}

describe('httpd: no descriptors left', () => {
  it('stops accepting, and goes on when there are some again', async () => {
    const web = await startWeb({ files: { a: 'A' } });
    const fds: number[] = [];
    try {
      for (;;) fds.push(web.kernel.sys.open('/www/a', 0, 0));
    } catch (error) {
      assert.match((error as { code: string }).code, /^E[MN]FILE$/);
    }
    const wire = await web.connect();
    wire.send(get('/a'));
    await sleep(300);
    assert.equal(wire.pending.length, 0);
    const { runs } = web.kernel.pump;
    await sleep(300);
    assert.ok(web.kernel.pump.runs - runs < 20, 'it does not spin');
    for (const fd of fds.splice(0)) web.kernel.sys.close(fd);
    assert.equal((await wire.answer()).body.toString(), 'A');
    await web.close();
  });

  it('lets go of cached files to open another', async () => {
    const web = await startWeb({ files: { a: 'A', b: 'B' } });
    const wire = await web.connect();
    wire.send(get('/a'));
    await wire.answer();
    const fds: number[] = [];
    try {
      for (;;) fds.push(web.kernel.sys.open('/www/a', 0, 0));
    } catch { /* none left */ }
    wire.send(get('/b') + get('/a') + get('/b'));
    for (const body of ['B', 'A', 'B']) assert.equal((await wire.answer()).body.toString(), body);
    for (const fd of fds) web.kernel.sys.close(fd);
    await web.close();
  });
});
