/** The stream socket link: framing, backpressure, a peer that comes and goes (host/netdev/qemu.ts). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Frame } from '../../host/netdev/frame';
import { qemu, type QemuNetdev } from '../../host/netdev/qemu';
import { EAGAIN } from '../../kernel/abi/errno';
import { waitFor } from '../lib/net';
import { tempDir } from '../lib/tree';
import { ether, MAC_A, MAC_B, pattern } from './frames';
import { TestPort } from './port';

async function listen(path: string): Promise<{ server: Server; next: () => Promise<Socket> }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => { sockets.push(socket.on('error', () => undefined)); }).listen(path);
  await once(server, 'listening');
  return { server, next: () => waitFor(() => sockets.shift(), 'a connection') };
}

const wrapped = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([0, 0, bytes.length >> 8, bytes.length & 255]), bytes]);

describe('qemu stream', () => {
  it('carries frames either way, however the stream is cut', async (t) => {
    const path = join(tempDir(t), 's');
    const { server, next } = await listen(path);
    const port = new TestPort();
    const dev: QemuNetdev = port.plug(qemu(path));
    assert.deepEqual(port.links, [false]);
    assert.ok(dev.send(Frame.of(pattern(60))) < 0, 'the link is down');
    const peer = await next();
    await waitFor(() => port.links.length === 2, 'the link');
    assert.deepEqual(port.links, [false, true]);

    const frames = [60, 1514, 65_549, 14].map((n) => Buffer.concat([ether(MAC_B, MAC_A, pattern(n - 14, n))]));
    const heard: Buffer[] = [];
    peer.on('data', (b) => heard.push(b));
    for (const frame of frames) assert.equal(dev.send(Frame.of(frame)), 0);
    const stream = Buffer.concat(frames.map((f) => Buffer.concat([Buffer.from([0, f.length >> 16, f.length >> 8, f.length]), f])));
    await waitFor(() => Buffer.concat(heard).length >= stream.length, 'all of it');
    assert.deepEqual(Buffer.concat(heard), stream);

    for (const size of [1, 3, 1000, 70_000]) {
      for (let at = 0; at < stream.length && (size > 3 || at < 200); at += size) {
        peer.write(stream.subarray(at, at + size));
        if (size <= 3) await new Promise(setImmediate);
      }
      if (size <= 3) peer.write(stream.subarray(Math.ceil(200 / size) * size));
      await waitFor(() => port.got.length === 4, 'four frames');
      assert.deepEqual(port.take().map((b) => Buffer.from(b)), frames);
    }
    dev.close();
    await once(peer, 'close');
    server.close();
  });

  it('says that it is full, and when no longer', async (t) => {
    const path = join(tempDir(t), 's');
    const { server, next } = await listen(path);
    const port = new TestPort();
    const dev = port.plug(qemu({ address: path }));
    const peer = await next();
    peer.pause();
    await waitFor(() => port.links.at(-1), 'the link');
    let sent = 0;
    while (dev.send(Frame.of(pattern(60_000))) === 0) sent++;
    assert.ok(sent >= 1);
    assert.equal(dev.send(Frame.of(pattern(60))), -EAGAIN);
    peer.resume();
    await waitFor(() => port.writables > 0, 'room');
    assert.equal(dev.send(Frame.of(pattern(60))), 0);
    dev.close();
    server.close();
  });

  it('stops reading when the image has no room', async (t) => {
    const path = join(tempDir(t), 's');
    const { server, next } = await listen(path);
    const port = new TestPort();
    port.free = 10;
    const dev = port.plug(qemu(path));
    const peer = await next();
    for (let i = 0; i < 2000; i++) peer.write(wrapped(pattern(1500, i)));
    await waitFor(() => port.got.length === 10, 'ten');
    await new Promise((done) => { setTimeout(done, 50); });
    for (let n = 0; port.got.length < 2000; n++) {
      assert.ok(n < 5000);
      port.free = 100;
      dev.room();
      await new Promise(setImmediate);
    }
    assert.deepEqual(port.take().map((b) => b[0]), Array.from({ length: 2000 }, (_, i) => pattern(1, i)[0]));
    dev.close();
    server.close();
  });

  it('comes back when the peer does, and drops a peer that speaks nonsense', async (t) => {
    const path = join(tempDir(t), 's');
    const port = new TestPort();
    const dev = port.plug(qemu(path));
    await waitFor(() => port.logged.length === 1, 'a word about it');
    assert.match(port.logged[0]!, /^virt0: no link to .*ENOENT.*; trying again$/);
    const { server, next } = await listen(path);
    const first = await next();
    await waitFor(() => port.links.at(-1), 'the link');
    first.write(Buffer.from([0, 0, 0, 3, 1, 2, 3]));
    await once(first, 'close');
    assert.match(port.logged.at(-1)!, /a frame of 3 bytes; trying again/);
    const second = await next();
    await waitFor(() => port.links.length === 4 && port.links.at(-1), 'the link again');
    second.write(wrapped(pattern(60)));
    await waitFor(() => port.got.length === 1, 'a frame');
    dev.close();
    server.close();
  });
});
