/**
 * The whole image as a function of clock, entropy and inputs: a server that is given the same
 * requests at the same virtual times says the same, logs the same, and ends with the same memory.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededEntropy, virtualClock } from '../../host/determinism';
import type { Kernel } from '../../host/kernel';
import { bootImage } from './images';
import { type Peer, ScriptedPeers } from './scriptedSockin';

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

interface Performance {
  kernel: Kernel;
  peers: Peer[];
  log: string;
  hash: string;
}

/** Boot SOCKIN with everything injected and serve a few clients, good, slow and bad. */
async function perform(variation: { seed?: number; path?: string; pauseUs?: number } = {}): Promise<Performance> {
  const stage = new ScriptedPeers();
  const log: Uint8Array[] = [];
  const kernel = await bootImage('SOCKIN', {
    clock: virtualClock('2026-11-20T19:00:00Z'), random: seededEntropy(variation.seed ?? 1), manual: true,
    components: { sockin: { hypercalls: stage.hypercalls } }, console: (bytes) => log.push(bytes),
  });
  kernel.fs.sync.mkdir('/www');
  kernel.fs.sync.writeFile('/www/index.html', 'hello');
  kernel.fs.sync.writeFile('/www/large', Buffer.alloc(300_000, 'z'));
  kernel.run();
  const peers = [stage.connect(get('/')), stage.connect(get(variation.path ?? '/large')), stage.connect('nonsense\r\n\r\n')];
  kernel.advance(variation.pauseUs ?? 250_000);
  peers.push(stage.connect('GET / HTTP/1.1\r\nHo'));
  kernel.advance(1_000_000);
  stage.send(peers[0]!, get('/index.html', 'Range: bytes=1-3\r\n'));
  kernel.advance(60_000_000);
  return { kernel, peers, log: Buffer.concat(log).toString(), hash: kernel.memoryHash() };
}

test('what is served is right, and slow clients are timed out in virtual time', async () => {
  const { kernel, peers, log } = await perform();
  const [first, large, bad, slow] = peers;
  assert.match(first!.answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhelloHTTP\/1\.1 206 Partial Content\r\n[^]*\r\n\r\nell$/);
  assert.match(first!.answer, /Date: Fri, 20 Nov 2026 19:00:0\d GMT/);
  assert.equal(large!.answer.length - large!.answer.indexOf('\r\n\r\n') - 4, 300_000);
  assert.match(bad!.answer, /^HTTP\/1\.1 400 /);
  assert.match(slow!.answer, /^HTTP\/1\.1 408 /);
  assert.ok(peers.every((peer) => peer.closed), 'idle connections are closed');
  assert.match(log, /^10\.0\.0\.1 - - \[20\/Nov\/2026:19:00:00 \+0000\] "GET \/ HTTP\/1\.1" 200 5\n/);
  await kernel.close();
});

test('the same inputs give the same answers, the same log and the same memory', async () => {
  const [first, second] = [await perform(), await perform()];
  assert.deepEqual(second.peers.map((p) => p.answer), first.peers.map((p) => p.answer));
  assert.equal(second.log, first.log);
  assert.equal(second.hash, first.hash);
  for (const { kernel } of [first, second]) await kernel.close();
});

test('another seed, another request or another moment gives another memory', async () => {
  const hashes: string[] = [];
  for (const variation of [{}, { seed: 2 }, { path: '/other' }, { pauseUs: 250_001 }]) {
    const { kernel, hash } = await perform(variation);
    hashes.push(hash);
    await kernel.close();
  }
  assert.equal(new Set(hashes).size, hashes.length);
});

test('a restored snapshot goes on exactly as the original did', async () => {
  const stage = new ScriptedPeers();
  const kernel = await bootImage('SOCKIN', {
    clock: virtualClock(), random: seededEntropy(5), manual: true, console: () => {}, components: { sockin: { hypercalls: stage.hypercalls } },
  });
  kernel.fs.sync.mkdir('/www');
  kernel.fs.sync.writeFile('/www/a', 'before');
  kernel.run();
  const snapshot = kernel.snapshot();
  const serve = (): string => {
    const peer = stage.connect(get('/a'), true);
    kernel.run();
    return peer.answer.slice(peer.answer.indexOf('\r\n\r\n') + 4);
  };
  assert.equal(serve(), 'before');
  kernel.fs.sync.writeFile('/www/a', 'after');
  assert.equal(serve(), 'after');
  kernel.restore(snapshot);
  assert.equal(serve(), 'before');
  assert.equal(await kernel.shutdown(), 0, 'and it ends orderly, in virtual time');
});
