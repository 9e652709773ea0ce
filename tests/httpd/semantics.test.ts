/**
 * httpd, what a request gets: methods, paths, directories, media types, dates, errors; once over each
 * backend of sockin.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { get, pattern, startWeb, type Web } from './rig';

const small = '<!doctype html><title>small</title>\n';
const big = pattern(1_000_003);

for (const backend of ['epoll', 'node']) {
  describe(`httpd over sockin's ${backend} backend`, () => {
    let web: Web;
    before(async () => {
      web = await startWeb({
        backend,
        files: {
          'index.html': small, 'big.bin': big, 'empty.txt': '', 'dir/index.html': 'in dir', 'dir/a b.txt': 'space', 'bare/x.css': 'p{}',
          'é.txt': 'utf-8', '.secret': 'no', '.git/config': 'no', '.well-known/security.txt': 'yes', 'noext': 'x', 'edge4096': pattern(4096),
          'edge4097': pattern(4097), 'a.tar.gz': 'gz', '100%.txt': 'percent', 'd/e/f/g.json': '{}',
        },
      });
    });
    after(async () => { await web?.close(); });

    it('serves the index with all that a cache wants to know', async () => {
      const before = Math.floor(Date.now() / 1000) * 1000;
      const a = await web.request('/');
      assert.equal(a.status, 200);
      assert.equal(a.version, 'HTTP/1.1');
      assert.equal(a.body.toString(), small);
      assert.equal(a.headers.get('content-type'), 'text/html; charset=utf-8');
      assert.equal(a.headers.get('content-length'), `${small.length}`);
      assert.equal(a.headers.get('accept-ranges'), 'bytes');
      assert.equal(a.headers.get('server'), 'rumpwasm');
      assert.match(a.headers.get('etag') ?? '', /^"[0-9a-f]+-[0-9a-f]+-[0-9a-f]+"$/);
      const date = a.headers.get('date') ?? '';
      assert.equal(new Date(date).toUTCString(), date);
      assert.ok(Date.parse(date) >= before && Date.parse(date) <= Date.now() + 1000, date);
      const modified = a.headers.get('last-modified') ?? '';
      assert.equal(new Date(modified).toUTCString(), modified);
      assert.ok(Date.parse(modified) <= Date.parse(date));
    });

    it('sends every octet of files of all sizes', async () => {
      for (const [path, data] of [['/big.bin', big], ['/empty.txt', Buffer.alloc(0)], ['/edge4096', pattern(4096)], ['/edge4097', pattern(4097)]] as const) {
        const a = await web.request(path);
        assert.equal(a.status, 200, path);
        assert.ok(a.body.equals(data), `${path}: ${a.body.length} octets`);
      }
    });

    it('answers HEAD with the head of the GET and nothing else', async () => {
      for (const path of ['/', '/big.bin', '/empty.txt', '/nothing', '/bare/', '/dir', '/_status']) {
        const get = await web.request(path);
        const head = await web.request(path, { method: 'HEAD' });
        assert.equal(head.status, get.status, path);
        const names = [...get.headers.keys()];
        assert.deepEqual([...head.headers.keys()], names, path);
        for (const name of names.filter((each) => each !== 'date' && path !== '/_status')) assert.equal(head.headers.get(name), get.headers.get(name), `${path} ${name}`);
      }
    });

    it('answers OPTIONS, refuses methods it does not offer, and does not know others', async () => {
      for (const target of ['/', '*', '/nothing']) {
        const a = await web.request(target, { method: 'OPTIONS' });
        assert.equal(a.status, 204);
        assert.equal(a.headers.get('allow'), 'GET, HEAD, OPTIONS');
        assert.equal(a.headers.get('content-length'), undefined);
      }
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE']) {
        const a = await web.request('/', { method });
        assert.equal(a.status, 405, method);
        assert.equal(a.headers.get('allow'), 'GET, HEAD, OPTIONS');
      }
      assert.equal((await web.request('example.com:443', { method: 'CONNECT' })).status, 405);
      for (const method of ['BREW', 'get', 'GETS', 'PROPFIND', 'X']) assert.equal((await web.request('/', { method })).status, 501, method);
    });

    it('knows media types by suffix', async () => {
      const type = async (path: string): Promise<string | undefined> => (await web.request(path)).headers.get('content-type');
      assert.equal(await type('/bare/x.css'), 'text/css; charset=utf-8');
      assert.equal(await type('/d/e/f/g.json'), 'application/json');
      assert.equal(await type('/a.tar.gz'), 'application/gzip');
      assert.equal(await type('/noext'), 'application/octet-stream');
    });

    it('decodes and normalises paths', async () => {
      for (const target of ['/dir/a%20b.txt', '/dir/%61%20b.txt', '/./dir//a%20b.txt', '/bare/../dir/a%20b.txt', '/dir/a%20b.txt?q=/../..', 'http://other:81/dir/a%20b.txt']) {
        const a = await web.request(target);
        assert.equal(`${a.status} ${a.body}`, '200 space', target);
      }
      assert.equal((await web.request('/%C3%A9.txt')).body.toString(), 'utf-8');
      assert.equal((await web.request('/100%25.txt')).body.toString(), 'percent');
      assert.equal((await web.request('http://h')).body.toString(), small);
      assert.equal((await web.request('http://h?x')).body.toString(), small);
    });

    it('lets nothing out of its root', async () => {
      await web.kernel.fs.writeFile('/outside.txt', 'secret');
      const cases: Array<[string, number]> = [
        ['/../outside.txt', 400], ['/dir/../../outside.txt', 400], ['/%2e%2e/outside.txt', 400], ['/.%2e/outside.txt', 400],
        ['/..%2foutside.txt', 404], ['/%2e%2e%2foutside.txt', 404], ['/dir%2f..%2f..%2foutside.txt', 404], ['/..\\outside.txt', 400],
        ['/..%5coutside.txt', 404], ['//../outside.txt', 400], ['/dir/%00/../../outside.txt', 400], ['/index.html%00.txt', 400],
        ['/%', 400], ['/%zz', 400], ['/%c0%ae%c0%ae/outside.txt', 404], ['/\u00e9', 400],
      ];
      for (const [target, status] of cases) {
        const a = await web.request(target);
        assert.equal(a.status, status, target);
        assert.ok(!a.body.toString().includes('secret'), target);
      }
    });

    it('hides dot files but for .well-known', async () => {
      for (const target of ['/.secret', '/%2esecret', '/.git/config', '/dir/.x']) assert.equal((await web.request(target)).status, 404, target);
      assert.equal((await web.request('/.well-known/security.txt')).body.toString(), 'yes');
    });

    it('treats directories as directories', async () => {
      const moved = await web.request('/dir');
      assert.equal(moved.status, 301);
      assert.equal(moved.headers.get('location'), '/dir/');
      assert.equal((await web.request('/dir/')).body.toString(), 'in dir');
      assert.equal((await web.request('/bare/')).status, 403);
      assert.equal((await web.request('/nothing/')).status, 404);
      assert.equal((await web.request('/index.html/')).status, 404);
      assert.equal((await web.request('/index.html/x')).status, 404);
      await web.kernel.fs.mkdir('/www/a "<dir>', { recursive: true });
      assert.equal((await web.request('/a%20%22%3Cdir%3E')).headers.get('location'), '/a%20%22%3Cdir%3E/');
      assert.equal((await web.request('/dir?x=/y%20z')).headers.get('location'), '/dir/?x=/y%20z');
      // Two slashes in front would name another host.
      assert.equal((await web.request('//dir')).headers.get('location'), '/dir/');
    });

    it('refuses what may not be read', async () => {
      await web.write('locked.txt', 'x');
      await web.kernel.fs.chmod('/www/locked.txt', 0);
      assert.equal((await web.request('/locked.txt')).status, 403);
      await web.kernel.fs.chmod('/www/locked.txt', 0o644);
      assert.equal((await web.request('/locked.txt')).status, 200);
      await web.kernel.fs.symlink('loop', '/www/loop');
      assert.equal((await web.request('/loop')).status, 404);
    });

    it('answers limits with their own status', async () => {
      assert.equal((await web.raw(`GET /${'a'.repeat(9000)} HTTP/1.1\r\n`)).status, 414);
      assert.equal((await web.request(`/${'a'.repeat(7900)}`)).status, 404);
      assert.equal((await web.request(`/${'a'.repeat(300)}`)).status, 404);
      assert.equal((await web.request(`/${'a/'.repeat(600)}`)).status, 404);
      assert.equal((await web.raw(`GET / HTTP/1.1\r\nHost: h\r\nX: ${'a'.repeat(9000)}`)).status, 431);
      assert.equal((await web.raw(get('/', 'X: y\r\n'.repeat(101)))).status, 431);
      assert.equal((await web.raw(get('/', 'X: y\r\n'.repeat(99)))).status, 200);
      assert.equal((await web.raw('GET / HTTP/2.0\r\n\r\n')).status, 505);
      assert.equal((await web.raw('GET / HTTP/0.9\r\n\r\n')).status, 505);
    });

    it('speaks HTTP/1.0', async () => {
      const a = await web.raw('GET / HTTP/1.0\r\n\r\n');
      assert.equal(a.status, 200);
      assert.equal(a.version, 'HTTP/1.1');
      assert.equal(a.headers.get('connection'), 'close');
      assert.equal(await a.wire.closed(), '');
      const kept = await web.raw('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      assert.equal(kept.headers.get('connection'), 'keep-alive');
      kept.wire.send('GET /dir/ HTTP/1.0\r\n\r\n');
      assert.equal((await kept.wire.answer()).body.toString(), 'in dir');
      assert.equal(await kept.wire.closed(), '');
    });

    it('keeps a connection open until asked to close it', async () => {
      const wire = await web.connect();
      for (let i = 0; i < 50; i++) {
        wire.send(get(i % 2 === 0 ? '/' : '/big.bin'));
        const a = await wire.answer();
        assert.equal(a.headers.get('connection'), undefined);
        assert.equal(a.body.length, i % 2 === 0 ? small.length : big.length);
      }
      wire.send(get('/', 'Connection: close\r\n'));
      assert.equal((await wire.answer()).headers.get('connection'), 'close');
      assert.equal(await wire.closed(), '');
    });

    it('has error pages of its own, and takes those of the site', async () => {
      const plain = await web.request('/nothing');
      assert.equal(plain.headers.get('content-type'), 'text/html; charset=utf-8');
      assert.match(plain.body.toString(), /<title>404 Not Found<\/title>/);
      await web.write('404.html', '<h1>custom</h1>');
      const custom = await web.request('/nothing');
      assert.equal(custom.status, 404);
      assert.equal(custom.body.toString(), '<h1>custom</h1>');
      assert.equal(custom.headers.get('etag'), undefined);
      await web.write('404.html', pattern(100_000));
      const large = await web.request('/nothing');
      assert.equal(large.status, 404);
      assert.ok(large.body.equals(pattern(100_000)));
      await web.kernel.fs.unlink('/www/404.html');
      assert.match((await web.request('/nothing')).body.toString(), /404 Not Found/);
    });
  });
}
