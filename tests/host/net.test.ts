/**
 * kernel.net against the sockets of this machine: streams both ways, ends in every order, errors,
 * back-pressure, numbers.
 *
 * @timeout 180
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kernel } from '../../host/kernel';
import type { NetServer } from '../../host/api/netServer';
import type { NetSocket } from '../../host/api/netSocket';
import { SystemError } from '../../host/errtrans';
import { KernelGoneError } from '../../host/panic';
import { bootImage } from './images';

const local = '127.0.0.1';
const portOf = (server: NetServer | net.Server): number => (server.address() as { port: number }).port;

for (const backend of ['node', 'epoll']) {
  const skip = backend === 'epoll' && process.platform !== 'linux' ? 'epoll is Linux\'s' : false;
  describe(`kernel.net, backend ${backend}`, { skip }, () => {
    let kernel: Kernel;
    before(async () => { kernel = await bootImage('SOCK', { host: { backend } }); });
    after(async () => {
      for (let i = 0; i < 50 && kernel.sysctl('kern.ipc.numopensockets') !== 0; i++) await sleep(10);
      const left = kernel.sysctl('kern.ipc.numopensockets');
      await kernel.close();
      assert.equal(left, 0, 'no socket of the image is left behind');
    });

    /** A connected pair: the image's end from the server's side, and the peer's. */
    async function pairFromServer(options: Parameters<Kernel['net']['createServer']>[0] = {}): Promise<[NetSocket, net.Socket]> {
      const server = kernel.net.createServer(options);
      server.listen(0, local);
      await once(server, 'listening');
      const peer = net.connect({ port: portOf(server), host: local, allowHalfOpen: true });
      const [socket] = await once(server, 'connection') as [NetSocket];
      server.close();
      await (peer.connecting ? once(peer, 'connect') : null);
      return [socket, peer];
    }

    /** The same with the image connecting. */
    async function pairFromClient(options: object = {}): Promise<[NetSocket, net.Socket]> {
      const server = net.createServer({ allowHalfOpen: true }).listen(0, local);
      await once(server, 'listening');
      const socket = kernel.net.connect({ port: portOf(server), host: local, ...options });
      const [peer] = await once(server, 'connection') as [net.Socket];
      server.close();
      if (socket.connecting) await once(socket, 'connect');
      return [socket, peer];
    }

    const closed = (socket: NetSocket | net.Socket): Promise<unknown> => (socket.closed ? Promise.resolve() : once(socket, 'close'));

    test('names of both ends', async () => {
      const [socket, peer] = await pairFromServer();
      assert.deepEqual([socket.localAddress, socket.localPort, socket.localFamily], [peer.remoteAddress, peer.remotePort, peer.remoteFamily]);
      assert.deepEqual([socket.remoteAddress, socket.remotePort, socket.remoteFamily], [peer.localAddress, peer.localPort, peer.localFamily]);
      assert.deepEqual(socket.address(), { address: local, family: 'IPv4', port: peer.remotePort });
      assert.equal(socket.readyState, 'open');
      peer.destroy();
      socket.resume();
      await closed(socket);
      assert.equal(socket.readyState, 'closed');
    });

    test('a connecting socket queues what is written, and says what it is doing', async () => {
      const server = net.createServer((peer) => peer.pipe(peer)).listen(0, local);
      await once(server, 'listening');
      const events: string[] = [];
      const socket = kernel.net.connect(portOf(server), local, () => events.push('listener'));
      for (const event of ['connect', 'ready', 'end', 'close']) socket.on(event, () => events.push(event));
      assert.deepEqual([socket.connecting, socket.pending, socket.readyState], [true, true, 'opening']);
      socket.write('ab');
      socket.end('cd');
      socket.setEncoding('utf8');
      let text = '';
      socket.on('data', (piece: string) => { text += piece; });
      await closed(socket);
      assert.equal(text, 'abcd');
      assert.deepEqual([socket.bytesWritten, socket.bytesRead], [4, 4]);
      assert.deepEqual(events, ['listener', 'connect', 'ready', 'end', 'close']);
      server.close();
    });

    test('half-close: the image ends first and still hears the rest', async () => {
      const [socket, peer] = await pairFromClient();
      const heard: Buffer[] = [];
      socket.on('data', (piece: Buffer) => heard.push(piece));
      socket.end('question');
      let question = '';
      peer.setEncoding('utf8').on('data', (piece: string) => { question += piece; });
      await once(peer, 'end');
      assert.equal(question, 'question', 'the peer sees the end');
      peer.write('long ');
      await sleep(20);
      peer.end('answer');
      await closed(socket);
      assert.equal(Buffer.concat(heard).toString(), 'long answer');
    });

    test('half-close: the peer ends first; with allowHalfOpen the image may go on', async () => {
      const [socket, peer] = await pairFromServer({ allowHalfOpen: true });
      peer.end('over');
      let heard = '';
      socket.setEncoding('utf8').on('data', (piece: string) => { heard += piece; });
      await once(socket, 'end');
      assert.equal(heard, 'over');
      assert.equal(socket.writable, true);
      socket.write('still ');
      await sleep(20);
      socket.end('here');
      assert.equal((await peer.toArray() as Buffer[]).map(String).join(''), 'still here');
      await closed(socket);
    });

    test('without allowHalfOpen the image ends when the peer does', async () => {
      const [socket, peer] = await pairFromServer();
      socket.resume();
      peer.end();
      await closed(socket);
      peer.resume();
      await closed(peer);
    });

    test('a refused connection', async () => {
      const probe = net.createServer().listen(0, local);
      await once(probe, 'listening');
      const port = portOf(probe);
      probe.close();
      await once(probe, 'close');
      const socket = kernel.net.connect(port, local);
      const [error] = await once(socket, 'error') as [SystemError];
      assert.ok(error instanceof SystemError);
      assert.equal(error.message, `connect ECONNREFUSED 127.0.0.1:${port}`);
      assert.deepEqual([error.code, error.errno, error.syscall, error.address, error.port], ['ECONNREFUSED', 61, 'connect', local, port]);
      await closed(socket);
    });

    test('a name that cannot be resolved, one that can with lookup, a bad port', async () => {
      const [error] = await once(kernel.net.connect(80, 'example.invalid'), 'error') as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ENOTFOUND');
      assert.throws(() => kernel.net.connect(70000), { code: 'ERR_SOCKET_BAD_PORT' });
      const server = net.createServer((peer) => peer.end('hi')).listen(0, local);
      await once(server, 'listening');
      const socket = kernel.net.connect({
        port: portOf(server), host: 'somewhere', lookup: (_host: string, _options: object, done: (e: null, a: string) => void) => done(null, local),
      });
      assert.equal((await socket.toArray() as Buffer[]).map(String).join(''), 'hi');
      server.close();
    });

    test('a port in use', async () => {
      const first = kernel.net.createServer().listen(0, local);
      await once(first, 'listening');
      const second = kernel.net.createServer().listen(portOf(first), local);
      const [error] = await once(second, 'error') as [SystemError];
      assert.equal(error.code, 'EADDRINUSE');
      assert.equal(error.message, `listen EADDRINUSE 127.0.0.1:${portOf(first)}`);
      assert.equal(second.address(), null);
      first.close();
      await once(first, 'close');
      second.listen(0, local);
      await once(second, 'listening');
      second.close();
      await once(second, 'close');
    });

    test('a reset by the peer is ECONNRESET; resetAndDestroy() resets the peer', async () => {
      const [socket, peer] = await pairFromServer();
      socket.resume();
      peer.resetAndDestroy();
      const [error] = await once(socket, 'error') as [SystemError];
      assert.equal(error.code, 'ECONNRESET');
      const [socket2, peer2] = await pairFromClient();
      socket2.resetAndDestroy();
      const [error2] = await once(peer2, 'error') as [NodeJS.ErrnoException];
      assert.equal(error2.code, 'ECONNRESET');
    });

    test('back-pressure out: a peer that does not read stops the writer, and loses nothing', async () => {
      const [socket, peer] = await pairFromClient();
      peer.pause();
      const total = 48 << 20;
      const piece = Buffer.alloc(1 << 20);
      const sent = createHash('sha256');
      let written = 0;
      let stalled = 0;
      const before = kernel.touchedMemory().bytes;
      const writing = (async () => {
        while (written < total) {
          piece.fill(written >> 20);
          sent.update(piece);
          written += piece.length;
          if (!socket.write(Buffer.from(piece))) {
            stalled++;
            await once(socket, 'drain');
          }
        }
        socket.end();
      })();
      await sleep(300);
      assert.ok(written < total / 2, `the writer was stopped after ${written} bytes`);
      assert.ok(socket.writableLength <= 2 << 20);
      assert.ok(kernel.touchedMemory().bytes - before < 4 << 20, 'the image does not grow');
      const got = createHash('sha256');
      let bytes = 0;
      peer.on('data', (data: Buffer) => {
        got.update(data);
        bytes += data.length;
      });
      peer.resume();
      await Promise.all([writing, once(peer, 'end')]);
      assert.equal(bytes, total);
      assert.equal(got.digest('hex'), sent.digest('hex'));
      assert.ok(stalled > 0);
      peer.end();
      socket.resume();
      await closed(socket);
    });

    test('back-pressure in: a reader that does not read stops the peer, and loses nothing', async () => {
      const [socket, peer] = await pairFromServer();
      socket.pause();
      const total = 48 << 20;
      const piece = Buffer.alloc(1 << 20, 'y');
      let accepted = 0;
      const writing = (async () => {
        for (let i = 0; i < total >> 20; i++) {
          if (!peer.write(piece)) await once(peer, 'drain');
          accepted += piece.length;
        }
        peer.end();
      })();
      await sleep(300);
      assert.ok(accepted < total / 2, `the peer was stopped after ${accepted} bytes`);
      assert.ok(socket.readableLength < 1 << 20);
      let bytes = 0;
      socket.on('data', (data: Buffer) => { bytes += data.length; });
      socket.resume();
      await Promise.all([writing, once(socket, 'end')]);
      assert.equal(bytes, total);
      peer.resume();
      await closed(socket);
    });

    test('many connections at once, each with its own echo', async () => {
      const count = 400;
      const server = kernel.net.createServer((socket) => socket.pipe(socket));
      server.listen(0, local);
      await once(server, 'listening');
      const answers = await Promise.all(Array.from({ length: count }, async (_, i) => {
        const peer = net.connect(portOf(server), local);
        peer.end(`number ${i}`);
        return (await peer.toArray() as Buffer[]).map(String).join('');
      }));
      assert.deepEqual(answers, Array.from({ length: count }, (_, i) => `number ${i}`));
      server.close();
      await once(server, 'close');
    });

    test('maxConnections drops what is too much; getConnections counts', async () => {
      const server = kernel.net.createServer((socket) => socket.resume());
      server.maxConnections = 2;
      server.listen(0, local);
      await once(server, 'listening');
      const drops: unknown[] = [];
      server.on('drop', (peer) => drops.push(peer));
      const peers = Array.from({ length: 3 }, () => net.connect(portOf(server), local).on('error', () => {}).resume());
      while (drops.length === 0) await sleep(5);
      const count = await new Promise((resolve) => { server.getConnections((_e, n) => resolve(n)); });
      assert.equal(count, 2);
      for (const peer of peers) peer.destroy();
      server.close();
      await once(server, 'close');
    });

    test('idle timeout, and traffic that puts it off', async () => {
      const [socket, peer] = await pairFromServer();
      socket.resume();
      let timeouts = 0;
      // Far apart, so that a busy machine does not make one of the pauses too long.
      socket.setTimeout(1000, () => timeouts++);
      for (let i = 0; i < 6; i++) {
        await sleep(200);
        peer.write('x');
      }
      assert.equal(timeouts, 0);
      for (let i = 0; timeouts === 0 && i < 200; i++) await sleep(50);
      assert.equal(timeouts, 1);
      socket.destroy();
      peer.destroy();
    });

    test('options are accepted before and after connecting', async () => {
      const [socket, peer] = await pairFromClient({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
      socket.setNoDelay(false).setKeepAlive(false).setNoDelay().setKeepAlive(true, 1000).ref().unref();
      socket.destroy();
      peer.destroy();
      await closed(socket);
    });

    test('pauseOnConnect leaves the data where it is', async () => {
      const [socket, peer] = await pairFromServer({ pauseOnConnect: true });
      peer.end('later');
      await sleep(30);
      assert.equal(socket.readableLength, 0);
      assert.equal((await socket.toArray() as Buffer[]).map(String).join(''), 'later');
    });

    test('IPv6', { skip: hasIPv6() ? false : 'this machine has no ::1' }, async () => {
      const server = kernel.net.createServer((socket) => socket.end(`${socket.remoteFamily} ${socket.remoteAddress}`));
      server.listen({ port: 0, host: '::1' });
      await once(server, 'listening');
      const own = kernel.net.connect(portOf(server), '::1');
      assert.equal((await own.toArray() as Buffer[]).map(String).join(''), 'IPv6 ::1');
      server.close();
      await once(server, 'close');
    });

    test('an error thrown by a listener surfaces, and the others get their events', async () => {
      const [first, firstPeer] = await pairFromServer();
      const [second, secondPeer] = await pairFromServer();
      const caught = new Promise<Error>((resolve) => { process.setUncaughtExceptionCaptureCallback(resolve); });
      first.on('data', () => { throw new Error('listener at fault'); });
      const heard = once(second, 'data');
      firstPeer.write('a');
      secondPeer.write('b');
      assert.equal((await caught).message, 'listener at fault');
      assert.equal(String((await heard)[0]), 'b');
      process.setUncaughtExceptionCaptureCallback(null);
      for (const socket of [first, second, firstPeer, secondPeer]) socket.destroy();
    });
  });
}

test('when the kernel is closed, its sockets and servers close; later calls have one clear error', async () => {
  const { kernel, server, socket, peer } = await openPair();
  const ends = [once(socket, 'close'), once(server, 'close'), once(peer, 'close')] as const;
  await kernel.close();
  const [[hadError]] = await Promise.all(ends);
  assert.equal(hadError, false);
  const [late] = await once(kernel.net.connect(1, local), 'error');
  assert.ok(late instanceof KernelGoneError);
});

test('when the kernel panics, its sockets end with an error and nothing else falls', async () => {
  const { kernel, server, socket, peer } = await openPair();
  const ends = [once(socket, 'error'), once(server, 'close'), once(peer, 'close')] as const;
  kernel.on('panic', () => {});
  kernel.image.fail(new Error('the host half is broken'));
  const [[error]] = await Promise.all(ends);
  assert.ok(error instanceof KernelGoneError);
  assert.match(error.message, /^the kernel is gone: hypercall: the host half is broken, during the host half$/);
  assert.throws(() => kernel.sys.socket(2, 1), KernelGoneError);
});

async function openPair(): Promise<{ kernel: Kernel; server: NetServer; socket: NetSocket; peer: net.Socket }> {
  const kernel = await bootImage('SOCK');
  const server = kernel.net.createServer();
  server.listen(0, local);
  await once(server, 'listening');
  const peer = net.connect(portOf(server), local).on('error', () => {});
  const [socket] = await once(server, 'connection') as [NetSocket];
  return { kernel, server, socket, peer };
}

function hasIPv6(): boolean {
  return Object.values(networkInterfaces()).flat().some((address) => address?.address === '::1');
}
