/**
 * httpd in operation: status page, access log, parameters, failing to start, and the orderly end.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../lib/net';
import { need } from '../lib/need';
import { run } from '../lib/spawn';
import { root } from '../lib/tree';
import { get, pattern, startWeb, type Web } from './rig';

describe('httpd: status page', () => {
  let web: Web;
  before(async () => { web = await startWeb({ files: { 'index.html': 'index', '_statusx': 'file' } }); });
  after(async () => { await web?.close(); });

  it('tells as JSON what the server and the kernel do', async () => {
    for (let i = 0; i < 3; i++) await web.request('/');
    await web.request('/none');
    const s = await web.status();
    assert.equal(s.server, 'rumpwasm');
    assert.equal(s.version, (JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string }).version);
    assert.equal(new Date(s.date).toUTCString(), s.date);
    assert.equal(s.requests.by_status['200'], 3);
    assert.equal(s.requests.by_status['404'], 1);
    assert.equal(s.requests.total, 4);
    assert.equal(s.connections.accepted, 5);
    assert.equal(s.connections.open, 1);
    assert.ok(s.uptime_us > 0 && s.bytes_sent > 500);
    assert.ok(s.sockets.open >= 2 && s.descriptors.open >= 3 && s.memory.used < s.memory.total);
    const names = s.pools.map(({ name }) => name);
    for (const name of ['socket', 'knote', 'httpd.conn', 'httpd.buf', 'tmpfs.node']) assert.ok(names.includes(name), name);
    assert.deepEqual(s.pools.filter(({ inuse, max, hiwat }) => inuse > max || hiwat < inuse), []);
  });

  it('is a page for who prefers one', async () => {
    const html = 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8';
    const type = async (target: string, accept?: string): Promise<string | undefined> =>
      (await web.request(target, { headers: accept === undefined ? {} : { Accept: accept } })).headers.get('content-type');
    assert.equal(await type('/_status'), 'application/json');
    assert.equal(await type('/_status', '*/*'), 'application/json');
    assert.equal(await type('/_status', 'application/json'), 'application/json');
    assert.equal(await type('/_status', 'application/json, text/html;q=0'), 'application/json');
    assert.equal(await type('/_status', html), 'text/html; charset=utf-8');
    assert.equal(await type('/_status.json', html), 'application/json');
    assert.equal(await type('/_status.html'), 'text/html; charset=utf-8');
    const page = await web.request('/_status.html');
    assert.equal(page.headers.get('cache-control'), 'no-store');
    assert.match(page.body.toString(), /<h1>rumpwasm \d/);
    assert.match(page.body.toString(), /<td>httpd\.conn/);
    assert.equal((await web.request('/_statusx')).body.toString(), 'file');
  });

  it('can be read by many at a time, slowly', async () => {
    const wires = await Promise.all(Array.from({ length: 20 }, () => web.connect()));
    for (const wire of wires) {
      wire.socket.pause();
      wire.send(get('/_status.json').repeat(500));
    }
    await sleep(200);
    for (const wire of wires) wire.socket.resume();
    for (const wire of wires) {
      for (let i = 0; i < 500; i++) JSON.parse((await wire.answer()).body.toString());
    }
  });

  it('is off if it is not wanted', async () => {
    const other = await startWeb({ files: { a: 'A' }, params: { HTTPD_STATUS: 0 } });
    try {
      assert.equal((await other.request('/_status')).status, 404);
      assert.equal((await other.request('/a')).status, 200);
    } finally {
      await other.close();
    }
  });
});

describe('httpd: access log', () => {
  it('writes the common log format, and lets nobody forge a line', async () => {
    const web = await startWeb({ files: { 'index.html': 'index', big: pattern(100_000) } });
    try {
      await web.request('/');
      await web.request('/', { method: 'HEAD' });
      await web.request('/big', { headers: { Range: 'bytes=0-99' } });
      await web.raw('GET /"\\x HTTP/1.1\r\n');
      await web.raw('nonsense\r\n');
      await web.request(`/?${'q'.repeat(1000)}`);
      await waitFor(() => web.lines().length >= 6, 'six lines');
      const lines = web.lines();
      const date = '\\[\\d\\d/[A-Z][a-z]{2}/\\d{4}:\\d\\d:\\d\\d:\\d\\d \\+0000\\]';
      const like = (line: string | undefined, rest: string): void => assert.match(line ?? '', new RegExp(`^127\\.0\\.0\\.1 - - ${date} ${rest}$`));
      like(lines[0], '"GET / HTTP/1\\.1" 200 5');
      like(lines[1], '"HEAD / HTTP/1\\.1" 200 0');
      like(lines[2], '"GET /big HTTP/1\\.1" 206 100');
      like(lines[3], '"GET /\\\\x22\\\\x5cx HTTP/1\\.1" 400 \\d+');
      like(lines[4], '"-" 400 \\d+');
      like(lines[5], '"GET /\\?q{200,260}" 200 5');
    } finally {
      await web.close();
    }
  });

  it('is silent when told to be', async () => {
    const web = await startWeb({ files: { a: 'A' }, params: { HTTPD_QUIET: 1 } });
    try {
      await web.request('/a');
      await sleep(50);
      assert.deepEqual(web.lines(), []);
    } finally {
      await web.close();
    }
  });
});

describe('httpd: start and end', () => {
  it('says where it listens', async () => {
    const web = await startWeb();
    assert.equal(web.kernel.sysctl('httpd.address'), '127.0.0.1');
    assert.ok(web.port > 1023);
    await web.close();
  });

  it('serves IPv6 too, and several addresses', async () => {
    const web = await startWeb({ files: { a: 'A' }, params: { HTTPD_ADDR: '127.0.0.1,::1', HTTPD_ROOT: '/www/' } });
    try {
      assert.equal(await (await fetch(`http://[::1]:${web.port}/a`)).text(), 'A');
      assert.equal(await (await fetch(`http://127.0.0.1:${web.port}/a`)).text(), 'A');
      await waitFor(() => web.lines().some((line) => line.startsWith('::1 - - ')), 'a line with ::1');
    } finally {
      await web.close();
    }
  });

  it('does not boot where it cannot listen, and says why', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => { holder.once('listening', done); });
    const { port } = holder.address() as { port: number };
    for (const backend of ['epoll', 'node']) {
      await assert.rejects(startWeb({ backend, params: { HTTPD_PORT: port } }), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'EADDRINUSE');
        assert.match(error.message, new RegExp(`httpd: cannot listen on 127\\.0\\.0\\.1:${port}: EADDRINUSE`));
        return true;
      });
      await assert.rejects(startWeb({ backend, params: { HTTPD_ADDR: '192.0.2.1' } }), { code: 'EADDRNOTAVAIL' });
    }
    holder.close();
    for (const params of [{ HTTPD_ADDR: 'localhost' }, { HTTPD_ADDR: '1.2.3' }, { HTTPD_PORT: 'http' }, { HTTPD_PORT: 65536 }, { HTTPD_HEADER_US: '1s' }]) {
      await assert.rejects(startWeb({ params }), { code: 'EINVAL' }, JSON.stringify(params));
    }
  });

  it('finishes what is under way, closes what is idle, takes no more, and ends with status 0', async () => {
    const data = pattern(9_000_000);
    const web = await startWeb({ files: { big: data, a: 'A' } });
    const idle = await web.connect();
    idle.send(get('/a'));
    await idle.answer();
    const busy = await web.connect();
    busy.socket.pause();
    busy.send(get('/big') + get('/a'));
    const half = await web.connect();
    half.send('GET /a HTTP/1.1\r\nHo');
    await sleep(100);
    web.kernel.shutdown().catch(() => {});
    assert.equal(await idle.closed(), '');
    await assert.rejects(web.connect(), { code: 'ECONNREFUSED' });
    half.send('st: h\r\n\r\n');
    const late = await half.answer();
    assert.equal(`${late.body} ${late.headers.get('connection')}`, 'A close');
    busy.socket.resume();
    assert.ok((await busy.answer()).body.equals(data));
    const last = await busy.answer();
    assert.equal(`${last.body} ${last.headers.get('connection')}`, 'A close');
    assert.equal(await web.kernel.exited, 0);
    await web.close();
  });

  it('closes a connection as soon as its answer is out', async () => {
    const data = pattern(9_000_000);
    const web = await startWeb({ files: { big: data } });
    const wire = await web.connect();
    wire.socket.pause();
    wire.send(get('/big'));
    await sleep(100);
    web.kernel.shutdown().catch(() => {});
    await sleep(50);
    const from = performance.now();
    wire.socket.resume();
    assert.ok((await wire.answer()).body.equals(data));
    assert.equal(await wire.closed(), '');
    assert.equal(await web.kernel.exited, 0);
    assert.ok(performance.now() - from < 2000);
    await web.close();
  });

  it('does not wait for ever when it is to end', async () => {
    const web = await startWeb({ files: { a: 'A' }, params: { HTTPD_DRAIN_US: 300_000 } });
    const half = await web.connect();
    half.send('GET /a HTTP/1.1\r\nHo');
    await sleep(50);
    const from = performance.now();
    web.kernel.shutdown().catch(() => {});
    assert.equal(await web.kernel.exited, 0);
    const ms = performance.now() - from;
    assert.ok(ms > 200 && ms < 3000, `${ms} ms`);
    await web.close();
  });

  it('ends at once when nobody is connected', async () => {
    const web = await startWeb();
    await web.kernel.shutdown();
    assert.equal(await web.kernel.exited, 0);
    await web.close();
  });
});

describe('httpd and curl', { skip: need('curl') }, () => {
  let web: Web;
  before(async () => { web = await startWeb({ files: { 'index.html': 'index', big: pattern(3_000_000), 'd/index.html': 'dir' } }); });
  after(async () => { await web?.close(); });
  const curl = async (...args: string[]): Promise<string> => {
    const { stdout, code, stderr } = await run('curl', ['-sS', '--max-time', '20', ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const url = (path: string): string => `http://127.0.0.1:${web.port}${path}`;

  it('agrees with curl about everything that curl does', async () => {
    assert.equal(await curl(url('/')), 'index');
    assert.equal(await curl('-0', url('/')), 'index');
    assert.match(await curl('-I', url('/big')), /Content-Length: 3000000/);
    assert.equal(await curl('-L', url('/d')), 'dir');
    assert.equal(await curl('--path-as-is', '-o', '/dev/null', '-w', '%{http_code}', url('/../etc/passwd')), '400');
    assert.equal(await curl('-o', '/dev/null', '-w', '%{http_code} %{num_connects} %{size_download}', url('/big')), '200 1 3000000');
    assert.equal(await curl('-d', 'x=y', '-o', '/dev/null', '-w', '%{http_code}', url('/')), '405');
    assert.equal(await curl('-T', `${root}/package-lock.json`, '-o', '/dev/null', '-w', '%{http_code}', url('/')), '413');
    assert.equal(await curl('-X', 'GET', '-d', 'z'.repeat(5000), '-H', 'Expect: 100-continue', url('/')), 'index');
    assert.equal(await curl('-X', 'GET', '-d', 'z'.repeat(5000), '-H', 'Transfer-Encoding: chunked', url('/')), 'index');
    assert.equal(await curl('-r', '0-9,20-29', '-o', '/dev/null', '-w', '%{http_code}', url('/big')), '206');
    const codes = await curl('-w', '%{num_connects}', url('/'), url('/d/'), url('/'));
    assert.equal(codes, 'index1dir0index0');
  });
});
