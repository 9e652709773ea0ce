/**
 * httpd and request bodies: read to be thrown away, up to a limit; expectations.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startWeb, type Web } from './rig';

const NEXT = 'GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n';

describe('httpd: request bodies', () => {
  let web: Web;
  before(async () => { web = await startWeb({ files: { 'index.html': 'index', next: 'next' }, params: { HTTPD_MAXBODY: 20_000 } }); });
  after(async () => { await web?.close(); });

  it('answers a GET with a body after it, however it arrives', async () => {
    const body = 'x'.repeat(15_000);
    for (const pieces of [1, 3, 50]) {
      const wire = await web.connect();
      const all = `GET / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}${NEXT}`;
      const step = Math.ceil(all.length / pieces);
      for (let at = 0; at < all.length; at += step) {
        wire.send(all.slice(at, at + step));
        await sleep(pieces > 1 ? 2 : 0);
      }
      assert.equal((await wire.answer()).body.toString(), 'index');
      assert.equal((await wire.answer()).body.toString(), 'next');
      assert.equal(await wire.closed(), '');
    }
  });

  it('reads chunked bodies octet by octet', async () => {
    const wire = await web.connect();
    await wire.drip('GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;ext="a b"\r\nhello\r\n0a\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n');
    assert.equal((await wire.answer()).body.toString(), 'index');
    wire.send(NEXT);
    assert.equal((await wire.answer()).body.toString(), 'next');
  });

  it('keeps the connection when a method is refused whose body it has read', async () => {
    const wire = await web.connect();
    wire.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello${NEXT}`);
    assert.equal((await wire.answer()).status, 405);
    assert.equal((await wire.answer()).body.toString(), 'next');
  });

  it('answers 413 to a body beyond the limit, told or not, and closes', async () => {
    const told = await web.raw('GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 20001\r\n\r\n');
    assert.equal(`${told.status} ${told.headers.get('connection')}`, '413 close');
    assert.equal(await told.wire.closed(), '');
    const chunks = '1000\r\n' + 'x'.repeat(0x1000) + '\r\n';
    const untold = await web.raw(`GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.repeat(6)}`);
    assert.equal(`${untold.status} ${untold.headers.get('connection')}`, '413 close');
    const exact = await web.raw(`GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n${'x'.repeat(20_000)}`);
    assert.equal(exact.status, 200);
  });

  it('lets the answer to an oversized body arrive although the peer goes on sending', async () => {
    const wire = await web.connect();
    wire.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n${'x'.repeat(5_000_000)}`);
    const a = await wire.answer();
    assert.equal(a.status, 413);
    assert.equal(await wire.closed(), '');
    assert.equal(wire.error, null, 'no reset');
  });

  it('says 100 Continue to who asks, and waits for the body', async () => {
    const wire = await web.connect();
    wire.send('GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    assert.equal((await wire.answer()).status, 100);
    await sleep(50);
    assert.equal(wire.pending.length, 0, 'nothing before the body');
    wire.send('hello');
    assert.equal((await wire.answer()).body.toString(), 'index');
    // The body is already there: no interim answer is needed.
    wire.send('GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello');
    assert.equal((await wire.answer()).status, 200);
    // No body, nothing to continue with.
    wire.send('GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n');
    assert.equal((await wire.answer()).status, 200);
  });

  it('spares the peer a body that would be refused', async () => {
    const a = await web.raw('POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    assert.equal(`${a.status} ${a.headers.get('connection')}`, '405 close');
    const b = await web.raw('PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n');
    assert.equal(b.status, 413);
  });

  it('fails other expectations with 417, and ignores them in HTTP/1.0', async () => {
    assert.equal((await web.request('/', { headers: { Expect: 'a-miracle' } })).status, 417);
    const wire = await web.connect();
    wire.send(`GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n${NEXT}`);
    assert.equal((await wire.answer()).status, 417);
    assert.equal((await wire.answer()).body.toString(), 'next');
    assert.equal((await web.raw('GET / HTTP/1.0\r\nExpect: a-miracle\r\n\r\n')).status, 200);
  });
});
