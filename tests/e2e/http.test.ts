/**
 * `rumpwasm run SOCKIN` under the tools that people judge servers by: curl, wrk and ab, over the
 * host's sockets. Not how fast, but that nothing is lost: no socket error, no failed request.
 *
 * @timeout 180
 * @alone
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseWrk } from '../bench/lib';
import { need } from '../lib/need';
import { serve, type Served } from '../lib/serve';
import { run } from '../lib/spawn';
import { site } from '../lib/tree';

describe('image SOCKIN on the host\'s sockets', () => {
  let server: Served;
  before(async () => { server = await serve({ args: ['-q'] }); });
  after(async () => { await server?.process.stop(); });

  it('answers curl with the page', { skip: need('curl') }, async () => {
    const { stdout, code } = await run('curl', ['-sS', '-i', '--max-time', '10', `${server.url}/`]);
    assert.equal(code, 0);
    const [head = '', body = ''] = stdout.split('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(head, /^content-type: text\/html/im);
    assert.equal(body, readFileSync(join(site, 'index.html'), 'utf8'));
  });

  it('gives curl a part of a file, and goes on where a download stopped', { skip: need('curl') }, async () => {
    const whole = readFileSync(join(site, 'primes.txt'));
    const part = await run('curl', ['-sS', '-i', '--max-time', '10', '-r', '-81', `${server.url}/primes.txt`]);
    assert.match(part.stdout, /^HTTP\/1\.1 206 /);
    assert.ok(part.stdout.endsWith(whole.subarray(-81).toString()));
    const rest = await run('curl', ['-sS', '--max-time', '10', '-r', '1000-', `${server.url}/primes.txt`]);
    assert.equal(rest.stdout, whole.subarray(1000).toString());
  });

  it('serves wrk on 64 connections without a socket error', { skip: need('wrk') }, async () => {
    const { stdout, code } = await run('wrk', ['-t2', '-c64', '-d3s', '--latency', `${server.url}/`]);
    assert.equal(code, 0);
    const result = parseWrk(stdout);
    assert.equal(result.socketErrors, 0, stdout);
    assert.equal(result.badAnswers, 0, stdout);
    assert.ok(result.requestsPerSecond > 100, stdout);
  });

  it('serves ab 20000 requests, a connection for each, with none failed', { skip: need('ab') }, async () => {
    const { stdout, stderr } = await run('ab', ['-q', '-n', '20000', '-c', '32', `${server.url}/`], { timeoutMs: 100_000 });
    assert.match(stdout, /Complete requests:\s+20000\b/, stdout + stderr);
    assert.match(stdout, /Failed requests:\s+0\b/, stdout);
    assert.doesNotMatch(stdout, /Non-2xx responses/, stdout);
  });

  it('serves ab with keep-alive', { skip: need('ab') }, async () => {
    const { stdout, stderr } = await run('ab', ['-q', '-k', '-n', '20000', '-c', '32', `${server.url}/primes.txt`], { timeoutMs: 100_000 });
    assert.match(stdout, /Complete requests:\s+20000\b/, stdout + stderr);
    assert.match(stdout, /Failed requests:\s+0\b/, stdout);
  });

  it('ends with status 0 when it is told to', async () => {
    server.process.signal('SIGTERM');
    assert.deepEqual(await server.process.ended, { code: 0, signal: null }, server.process.output);
  });
});
