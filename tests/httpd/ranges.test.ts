/**
 * httpd, parts of files and conditional requests, held against the file's own octets.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pattern, startWeb, type Answer, type Web } from './rig';

const sizes = { '/small.txt': 1000, '/large.bin': 300_007 };

/** The parts of a multipart/byteranges body. */
function parts(a: Answer): Array<{ type: string; range: string; body: Buffer }> {
  const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{16})$/.exec(a.headers.get('content-type') ?? '')?.[1];
  assert.ok(boundary, a.head);
  const text = a.body.toString('latin1');
  const pieces = text.split(`\r\n--${boundary}`);
  assert.equal(pieces.shift(), '');
  assert.equal(pieces.pop(), '--\r\n');
  return pieces.map((piece) => {
    const match = /^\r\nContent-Type: (.*)\r\nContent-Range: bytes (.*)\r\n\r\n/.exec(piece);
    assert.ok(match, JSON.stringify(piece.slice(0, 200)));
    return { type: match[1]!, range: match[2]!, body: Buffer.from(piece.slice(match[0].length), 'latin1') };
  });
}

describe('httpd: ranges and conditions', () => {
  let web: Web;
  const data = new Map<string, Buffer>();
  before(async () => {
    for (const [path, size] of Object.entries(sizes)) data.set(path, pattern(size));
    web = await startWeb({ files: Object.fromEntries([...data].map(([path, octets]) => [path.slice(1), octets])) });
  });
  after(async () => { await web?.close(); });

  for (const [path, size] of Object.entries(sizes)) {
    it(`answers single ranges of ${path} with exactly those octets`, async () => {
      const cases: Array<[string, number, number]> = [
        ['0-0', 0, 0], ['0-499', 0, 499], ['500-', 500, size - 1], ['-1', size - 1, size - 1], ['-500', size - 500, size - 1],
        [`${size - 1}-`, size - 1, size - 1], [`0-${size}`, 0, size - 1], [`-${size + 5}`, 0, size - 1], ['0-', 0, size - 1],
        ['10-19,20-29', 10, 29], ['5-9,0-6', 0, 9], [`0-1,${size}-`, 0, 1],
      ];
      for (const [spec, first, last] of cases) {
        const a = await web.request(path, { headers: { Range: `bytes=${spec}` } });
        assert.equal(a.status, 206, spec);
        assert.equal(a.headers.get('content-range'), `bytes ${first}-${last}/${size}`, spec);
        assert.equal(a.headers.get('content-length'), `${last - first + 1}`, spec);
        assert.ok(a.body.equals(data.get(path)!.subarray(first, last + 1)), spec);
        assert.ok(a.headers.has('etag') && a.headers.has('last-modified'));
      }
    });

    it(`answers several ranges of ${path} as multipart/byteranges`, async () => {
      const a = await web.request(path, { headers: { Range: `bytes=900-909, 0-9,500-599,-5,${size}-` } });
      assert.equal(a.status, 206);
      const expected = [[900, 909], [0, 9], [500, 599], [size - 5, size - 1]] as const;
      const got = parts(a);
      assert.deepEqual(got.map(({ range }) => range), expected.map(([f, l]) => `${f}-${l}/${size}`));
      got.forEach(({ body }, i) => assert.ok(body.equals(data.get(path)!.subarray(expected[i]![0], expected[i]![1] + 1))));
    });
  }

  it('sends large parts of several ranges whole, and keeps the connection', async () => {
    const wire = await web.connect();
    for (let i = 0; i < 3; i++) {
      wire.send('GET /large.bin HTTP/1.1\r\nHost: h\r\nRange: bytes=0-99999,150000-299999\r\n\r\n');
      const got = parts(await wire.answer());
      assert.ok(got[0]!.body.equals(data.get('/large.bin')!.subarray(0, 100_000)));
      assert.ok(got[1]!.body.equals(data.get('/large.bin')!.subarray(150_000, 300_000)));
    }
  });

  it('answers 416 when no range can be satisfied, with the size', async () => {
    for (const spec of ['1000-', '1000-2000', '-0', '99999999999999999999-']) {
      const a = await web.request('/small.txt', { headers: { Range: `bytes=${spec}` } });
      assert.equal(a.status, 416, spec);
      assert.equal(a.headers.get('content-range'), 'bytes */1000');
    }
  });

  it('ignores what is no range of its own, and ranges of a HEAD', async () => {
    for (const range of ['bytes=', 'bytes=5-2', 'lines=1-2', 'bytes=x', 'bytes=0-1;2', `bytes=${'0-0,'.repeat(17)}`]) {
      const a = await web.request('/small.txt', { headers: { Range: range } });
      assert.equal(a.status, 200, range);
      assert.equal(a.body.length, 1000, range);
    }
    const head = await web.request('/small.txt', { method: 'HEAD', headers: { Range: 'bytes=0-0' } });
    assert.equal(`${head.status} ${head.headers.get('content-length')}`, '200 1000');
    const twice = await web.raw('GET /small.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=0-0\r\nRange: bytes=1-1\r\nConnection: close\r\n\r\n');
    assert.equal(twice.status, 200);
  });

  it('answers 304 to who has it already', async () => {
    const first = await web.request('/small.txt');
    const etag = first.headers.get('etag')!;
    const modified = first.headers.get('last-modified')!;
    const later = new Date(Date.parse(modified) + 1000).toUTCString();
    const earlier = new Date(Date.parse(modified) - 1000).toUTCString();
    const fresh: Array<Record<string, string>> = [
      { 'If-None-Match': etag }, { 'If-None-Match': `W/${etag}` }, { 'If-None-Match': `"x", ${etag}` }, { 'If-None-Match': '*' },
      { 'If-Modified-Since': modified }, { 'If-Modified-Since': later }, { 'If-None-Match': etag, 'If-Modified-Since': earlier },
    ];
    for (const headers of fresh) {
      for (const method of ['GET', 'HEAD']) {
        const a = await web.request('/small.txt', { method, headers });
        assert.equal(a.status, 304, JSON.stringify(headers));
        assert.equal(a.headers.get('etag'), etag);
        assert.equal(a.headers.get('content-length'), undefined);
      }
    }
    const stale: Array<Record<string, string>> = [
      { 'If-None-Match': '"x"' }, { 'If-Modified-Since': earlier }, { 'If-Modified-Since': 'yesterday' },
      { 'If-None-Match': '"x"', 'If-Modified-Since': later },
    ];
    for (const headers of stale) assert.equal((await web.request('/small.txt', { headers })).status, 200, JSON.stringify(headers));
  });

  it('answers 412 to who is mistaken about the state', async () => {
    const first = await web.request('/small.txt');
    const etag = first.headers.get('etag')!;
    const modified = first.headers.get('last-modified')!;
    const earlier = new Date(Date.parse(modified) - 1000).toUTCString();
    const status = async (headers: Record<string, string>): Promise<number> => (await web.request('/small.txt', { headers })).status;
    assert.equal(await status({ 'If-Match': '"x"' }), 412);
    assert.equal(await status({ 'If-Match': `W/${etag}` }), 412);
    assert.equal(await status({ 'If-Match': etag }), 200);
    assert.equal(await status({ 'If-Match': '*' }), 200);
    assert.equal(await status({ 'If-Unmodified-Since': earlier }), 412);
    assert.equal(await status({ 'If-Unmodified-Since': modified }), 200);
    assert.equal(await status({ 'If-Match': '"x"', 'If-None-Match': etag }), 412);
  });

  it('honours If-Range', async () => {
    await web.kernel.fs.utimes('/www/small.txt', new Date('2020-01-01T00:00:00Z'), new Date('2020-01-01T00:00:00Z'));
    const first = await web.request('/small.txt');
    assert.equal(first.headers.get('last-modified'), 'Wed, 01 Jan 2020 00:00:00 GMT');
    const status = async (value: string): Promise<number> => (await web.request('/small.txt', { headers: { Range: 'bytes=0-0', 'If-Range': value } })).status;
    assert.equal(await status(first.headers.get('etag')!), 206);
    assert.equal(await status('"x"'), 200);
    assert.equal(await status(`W/${first.headers.get('etag')!}`), 200);
    assert.equal(await status('Wed, 01 Jan 2020 00:00:00 GMT'), 206);
    assert.equal(await status('Wed, 01 Jan 2020 00:00:01 GMT'), 200);
    assert.equal(await status('Wednesday, 01-Jan-20 00:00:00 GMT'), 206);
  });
});
