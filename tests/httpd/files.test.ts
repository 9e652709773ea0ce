/**
 * httpd and files that change: the cache of open files must never answer with what is no longer there.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../lib/net';
import { get as ask, pattern, startWeb, type Web } from './rig';

describe('httpd: files that change', () => {
  let web: Web;
  before(async () => { web = await startWeb({ files: { 'index.html': 'index', a: 'first' } }); });
  after(async () => { await web?.close(); });
  const get = async (path: string): Promise<string> => { const a = await web.request(path); return `${a.status} ${a.body.toString()}`; };

  it('sees a file written anew at once, with another tag', async () => {
    assert.equal(await get('/a'), '200 first');
    const tags = new Set<string>();
    for (let i = 0; i < 20; i++) {
      await web.write('a', `text ${String(i).padStart(2, '0')}`);
      const a = await web.request('/a');
      assert.equal(a.body.toString(), `text ${String(i).padStart(2, '0')}`);
      tags.add(a.headers.get('etag')!);
    }
    assert.equal(tags.size, 20);
  });

  it('sees a file grow, shrink, go and come', async () => {
    await web.kernel.fs.appendFile('/www/a', ' and more');
    assert.equal(await get('/a'), '200 text 19 and more');
    await web.kernel.fs.truncate('/www/a', 4);
    assert.equal(await get('/a'), '200 text');
    await web.kernel.fs.unlink('/www/a');
    assert.match(await get('/a'), /^404/);
    await web.write('a', 'again');
    assert.equal(await get('/a'), '200 again');
    await web.kernel.fs.chmod('/www/a', 0);
    assert.match(await get('/a'), /^403/);
    await web.kernel.fs.chmod('/www/a', 0o644);
    await web.write('new', 'other');
    await web.kernel.fs.rename('/www/new', '/www/a');
    assert.equal(await get('/a'), '200 other');
  });

  it('sees within a second that a directory above was renamed', async () => {
    await web.write('d1/f', 'old');
    await web.write('d2/f', 'new');
    assert.equal(await get('/d1/f'), '200 old');
    await web.kernel.fs.rename('/www/d1', '/www/d3');
    await web.kernel.fs.rename('/www/d2', '/www/d1');
    await waitFor(async () => await get('/d1/f') === '200 new', 'the new file', 2500, 50);
    assert.equal(await get('/d3/f'), '200 old');
  });

  it('follows symbolic links', async () => {
    await web.kernel.fs.symlink('a', '/www/link');
    assert.equal(await get('/link'), await get('/a'));
  });

  it('sends a file to its end that is removed meanwhile', async () => {
    const data = pattern(6_000_000);
    await web.write('big', data);
    const wire = await web.connect();
    wire.socket.pause();
    wire.send(ask('/big'));
    await sleep(100);
    await web.kernel.fs.unlink('/www/big');
    assert.match(await get('/big'), /^404/);
    wire.socket.resume();
    assert.ok((await wire.answer()).body.equals(data));
  });

  it('aborts a transfer whose file has become shorter, and says so by closing', async () => {
    await web.write('big', pattern(12_000_000));
    const before = (await web.status()).connections.aborted;
    const wire = await web.connect();
    wire.socket.pause();
    wire.send(ask('/big') + ask('/a'));
    await sleep(100);
    await web.kernel.fs.truncate('/www/big', 1000);
    wire.socket.resume();
    await assert.rejects(wire.answer(), /before the end/);
    assert.equal((await web.status()).connections.aborted, before + 1);
    assert.equal((await web.request('/big')).body.length, 1000);
  });

  it('serves more files than the cache holds, and paths longer than it keeps', async () => {
    const { max } = (await web.status()).files;
    for (let i = 0; i < max + 50; i++) await web.write(`many/${i}`, `file ${i}`);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < max + 50; i++) {
        const wire = i === 0 ? await web.connect() : last;
        last = wire;
        wire.send(ask(`/many/${i}`));
        assert.equal((await wire.answer()).body.toString(), `file ${i}`);
      }
    }
    const status = await web.status();
    assert.ok(status.files.cached <= max);
    const long = `long/${'x'.repeat(200)}/${'y'.repeat(200)}`;
    await web.write(long, 'long');
    for (let i = 0; i < 3; i++) assert.equal(await get(`/${long}`), '200 long');
  });
  let last: Awaited<ReturnType<Web['connect']>>;

  it('answers 503 when every entry is being sent, and recovers', async () => {
    const { max } = (await web.status()).files;
    const data = pattern(5000);
    for (let i = 0; i < max; i++) await web.write(`busy/${i}`, data);
    // Answers that nobody reads keep their file open.
    const wires = [];
    for (let i = 0; i < max; i++) {
      const wire = await web.connect();
      wire.socket.pause();
      wire.send(ask(`/busy/${i}`).repeat(2000));
      wires.push(wire);
    }
    await waitFor(() => Number(web.kernel.sysctl('httpd.requests')) > 0, 'requests');
    await sleep(200);
    const status = (await web.request('/index.html')).status;
    assert.ok(status === 503 || status === 200);
    for (const wire of wires) wire.destroy();
    await waitFor(async () => (await web.request('/index.html')).status === 200, 'room again');
  });
});
