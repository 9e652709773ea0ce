/**
 * httpd against noise: requests with octets changed, cut out, doubled, in pieces. Whatever comes, each
 * connection ends in well-formed answers or a close, nothing is kept, and the server goes on.
 *
 * The noise is the same in every run: a linear congruential generator with a fixed seed.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { waitFor } from '../lib/net';
import { get, pattern, startWeb, type Web } from './rig';

const ROUNDS = 1500;
const AT_ONCE = 30;

/** Numbers below `n`, the same sequence each time. */
function generator(seed: number): (n: number) => number {
  let state = BigInt(seed);
  return (n) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((state >> 33n) % BigInt(n));
  };
}

const seeds = [
  get('/a', 'Range: bytes=0-10,20-\r\nIf-None-Match: "x", W/"y"\r\nAccept: text/html\r\n'),
  get('/big', 'Range: bytes=5-9,100-200\r\nIf-Range: "z"\r\n'),
  get('/%61/../a?x=%20', 'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nExpect: 100-continue\r\n'),
  'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\n',
  'GET http://h:80/_status HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello',
  'OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
];
const splinters = ['\r\n', '\n', '\r', '\0', ' ', '\t', ':', '%', '%00', '..', '/', 'bytes=', '-', ',', '"', '0', '\xff', 'HTTP/1.1', 'Content-Length: 3\r\n'];

function noise(random: (n: number) => number): string {
  let text = Array.from({ length: 1 + random(3) }, () => seeds[random(seeds.length)]!).join('');
  for (let i = random(6); i > 0; i--) {
    const at = random(text.length);
    const kind = random(4);
    if (kind === 0) text = text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
    else if (kind === 1) text = text.slice(0, at) + text.slice(at + 1 + random(8));
    else if (kind === 2) text = text.slice(0, at) + splinters[random(splinters.length)]! + text.slice(at);
    else text = text.slice(0, at) + text.slice(Math.max(0, at - random(30)));
  }
  return text;
}

describe('httpd: noise', () => {
  let web: Web;
  before(async () => {
    web = await startWeb({ files: { a: 'A', big: pattern(20_000), 'index.html': 'i' }, params: { HTTPD_LINGER_US: 100_000 } });
  });
  after(async () => { await web?.close(); });

  it(`survives ${ROUNDS} mangled conversations`, async () => {
    const random = generator(20261120);
    const one = async (): Promise<void> => {
      const text = noise(random);
      const cuts = Array.from({ length: random(3) }, () => random(text.length + 1)).sort((a, b) => a - b);
      const wire = await web.connect();
      let from = 0;
      for (const cut of [...cuts, text.length]) {
        wire.send(text.slice(from, cut));
        from = cut;
        if (cut < text.length) await new Promise((done) => { setImmediate(done); });
      }
      wire.end();
      const got = await wire.closed();
      // Every octet that came begins with, or belongs to, an answer.
      assert.ok(got === '' || /^HTTP\/1\.1 [1-5]\d\d /.test(got), `${JSON.stringify(text)} → ${JSON.stringify(got.slice(0, 80))}`);
      assert.equal(wire.error, null, JSON.stringify(text));
      wire.destroy();
    };
    for (let round = 0; round < ROUNDS; round += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, one));
    assert.ok(web.kernel.isAlive);
    assert.equal((await web.request('/a')).body.toString(), 'A');
    await waitFor(async () => {
      const { pools, connections } = await web.status();
      return connections.open === 1 && ['httpd.buf', 'httpd.ranges'].every((name) => pools.find((pool) => pool.name === name)!.inuse === 0);
    }, 'everything given back');
  });
});
