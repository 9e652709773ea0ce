/**
 * httpd against requests that two servers could read in two ways: each must be refused, and the
 * connection closed, so that nothing of what follows is taken for a request.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startWeb, type Web } from './rig';

/** What is smuggled: were it served, a second answer would come. */
const INNER = 'GET /inner HTTP/1.1\r\nHost: h\r\n\r\n';

/** Requests that must end in this status and a close: name, status, octets. */
const refused: Array<[string, number, string]> = [
  ['Content-Length with Transfer-Encoding', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${INNER}`],
  ['Transfer-Encoding with Content-Length', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${INNER}`],
  ['two Content-Lengths', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n${INNER}`],
  ['the same Content-Length twice', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n${INNER}`],
  ['a list of Content-Lengths', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 0\r\n\r\n${INNER}`],
  ['a signed Content-Length', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n${INNER}`],
  ['a negative Content-Length', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n${INNER}`],
  ['a hexadecimal Content-Length', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n${INNER}`],
  ['a Content-Length with a suffix', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5b\r\n\r\n${INNER}`],
  ['an empty Content-Length', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n${INNER}`],
  ['a Content-Length beyond all numbers', 413, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n${INNER}`],
  ['white space before the colon', 400, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\n${INNER}`],
  ['a tab before the colon', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding\t: chunked\r\n\r\n${INNER}`],
  ['a folded line', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n${INNER}`],
  ['white space before the first field', 400, `GET / HTTP/1.1\r\n Host: h\r\n\r\n${INNER}`],
  ['a bare LF after the request line', 400, `GET / HTTP/1.1\nHost: h\r\n\r\n${INNER}`],
  ['a bare LF after a field', 400, `GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n${INNER}`],
  ['a bare LF as the empty line', 400, `GET / HTTP/1.1\r\nHost: h\r\n\n${INNER}`],
  ['a bare CR in a value', 400, `GET / HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 5\r\n\r\n${INNER}`],
  ['a bare CR in the target', 400, `GET /\r HTTP/1.1\r\nHost: h\r\n\r\n${INNER}`],
  ['CR CR LF', 400, `GET / HTTP/1.1\r\nHost: h\r\r\n\r\n${INNER}`],
  ['NUL in a value', 400, `GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n${INNER}`],
  ['NUL in a name', 400, `GET / HTTP/1.1\r\nHost: h\r\nX\0: b\r\n\r\n${INNER}`],
  ['NUL in the target', 400, `GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n${INNER}`],
  ['a vertical tab in Transfer-Encoding', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${INNER}`],
  ['chunked twice', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n${INNER}`],
  ['two Transfer-Encodings', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${INNER}`],
  ['chunked not last', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${INNER}`],
  ['an unknown coding alone', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${INNER}`],
  ['an unknown coding before chunked', 501, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${INNER}`],
  ['Transfer-Encoding in HTTP/1.0', 400, `POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n${INNER}`],
  ['no Host', 400, `GET / HTTP/1.1\r\n\r\n${INNER}`],
  ['two Hosts', 400, `GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n${INNER}`],
  ['a Host that is none', 400, `GET / HTTP/1.1\r\nHost: a b\r\n\r\n${INNER}`],
  ['a Host with a path', 400, `GET / HTTP/1.1\r\nHost: a/b\r\n\r\n${INNER}`],
  ['userinfo in the target', 400, `GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n${INNER}`],
  ['a request line of two words', 400, `GET /\r\nHost: h\r\n\r\n${INNER}`],
  ['two spaces in the request line', 400, `GET  / HTTP/1.1\r\nHost: h\r\n\r\n${INNER}`],
  ['a space behind the version', 400, `GET / HTTP/1.1 \r\nHost: h\r\n\r\n${INNER}`],
  ['a fragment in the target', 400, `GET /#x HTTP/1.1\r\nHost: h\r\n\r\n${INNER}`],
  ['a chunk size with a sign', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n${INNER}`],
  ['a chunk size with a prefix', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${INNER}`],
  ['a chunk size with white space', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n${INNER}`],
  ['a chunk size beyond 32 bits', 413, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n100000000\r\n\r\n${INNER}`],
  ['a chunk ended by a bare LF', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n${INNER}`],
  ['chunk data longer than its size', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n${INNER}`],
  ['a bare LF in a chunk extension', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n${INNER}`],
  ['a folded trailer', 400, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n X: y\r\n\r\n${INNER}`],
  ['the preface of HTTP/2', 505, `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${INNER}`],
];

describe('httpd: request smuggling', () => {
  let web: Web;
  before(async () => { web = await startWeb({ files: { 'index.html': 'index', inner: 'SMUGGLED' } }); });
  after(async () => { await web?.close(); });

  for (const [name, status, octets] of refused) {
    it(`refuses ${name} with ${status} and closes`, async () => {
      const a = await web.raw(octets);
      assert.equal(a.status, status);
      assert.equal(a.headers.get('connection'), 'close');
      assert.equal(await a.wire.closed(), '', 'no second answer');
    });
  }

  it('refuses them as well when they come octet by octet', async () => {
    for (const [name, status, octets] of refused.filter((_, i) => i % 7 === 0)) {
      const wire = await web.connect();
      await wire.drip(octets.slice(0, octets.length - INNER.length));
      wire.send(INNER);
      assert.equal((await wire.answer()).status, status, name);
      assert.equal(await wire.closed(), '', name);
    }
  });

  it('takes the second request where the first one ends, and nowhere else', async () => {
    const bodies = [
      `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${INNER.length}\r\n\r\n${INNER}`,
      `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${INNER.length.toString(16)}\r\n${INNER}\r\n0\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: h\r\nContent-Length: ${INNER.length}\r\n\r\n${INNER}`,
      `GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;x="\\"\r\nG\r\n0\r\nGET: /inner HTTP/1.1\r\n\r\n`,
    ];
    for (const body of bodies) {
      const wire = await web.connect();
      wire.send(`${body}GET /index.html HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
      assert.equal((await wire.answer()).status, body.startsWith('POST') ? 405 : 200);
      assert.equal((await wire.answer()).body.toString(), 'index');
      assert.equal(await wire.closed(), '');
    }
  });

  it('does not let a path into its headers', async () => {
    await web.kernel.fs.mkdir('/www/dir\r\nX-Injected: y', { recursive: true });
    for (const target of ['/dir%0d%0aX-Injected:%20y', '/dir%0d%0aX-Injected:%20y/']) {
      const a = await web.request(target);
      assert.equal(a.status, 400);
      assert.ok(!a.headers.has('x-injected'));
    }
  });
});
