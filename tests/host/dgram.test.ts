/** kernel.dgram against the UDP sockets of this machine. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { describe, test, before, after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DgramSocket, RemoteInfo } from '../../host/api/dgram';
import { SystemError } from '../../host/errtrans';
import type { Kernel } from '../../host/kernel';
import { bootImage } from './images';

const local = '127.0.0.1';

async function bound<T extends DgramSocket | dgram.Socket>(socket: T): Promise<T> {
  const listening = once(socket, 'listening');
  (socket as DgramSocket).bind(0, local);
  await listening;
  return socket;
}

for (const backend of ['node', 'epoll']) {
  const skip = backend === 'epoll' && process.platform !== 'linux' ? 'epoll is Linux\'s' : false;
  describe(`kernel.dgram, backend ${backend}`, { skip }, () => {
    let kernel: Kernel;
    before(async () => { kernel = await bootImage('SOCK', { host: { backend } }); });
    after(async () => {
      const left = kernel.sysctl('kern.ipc.numopensockets');
      await kernel.close();
      assert.equal(left, 0);
    });

    test('there and back, with who sent it', async () => {
      const ours = await bound(kernel.dgram.createSocket('udp4'));
      const peer = await bound(dgram.createSocket('udp4'));
      peer.send('ping', ours.address().port, local);
      const [data, rinfo] = await once(ours, 'message') as [Buffer, RemoteInfo];
      assert.equal(data.toString(), 'ping');
      assert.deepEqual(rinfo, { address: local, family: 'IPv4', port: peer.address().port, size: 4 });
      ours.send(Buffer.from('.pong.'), 1, 4, rinfo.port, rinfo.address);
      const [back, from] = await once(peer, 'message') as [Buffer, dgram.RemoteInfo];
      assert.deepEqual([back.toString(), from.port], ['pong', ours.address().port]);
      ours.close();
      peer.close();
    });

    test('sending binds; arrays are one datagram; the callback tells how much', async () => {
      const peer = await bound(dgram.createSocket('udp4'));
      const ours = kernel.dgram.createSocket('udp4');
      const sent = new Promise((resolve, reject) => {
        ours.send(['a', Buffer.from('bc')], peer.address().port, local, (error: Error | null, n: number) => (error ? reject(error) : resolve(n)));
      });
      const [data] = await once(peer, 'message') as [Buffer];
      assert.equal(data.toString(), 'abc');
      assert.equal(await sent, 3);
      ours.close();
      peer.close();
    });

    test('connect: only the peer is heard', async () => {
      const peer = await bound(dgram.createSocket('udp4'));
      const stranger = await bound(dgram.createSocket('udp4'));
      const ours = kernel.dgram.createSocket('udp4');
      ours.connect(peer.address().port, local);
      await once(ours, 'connect');
      assert.equal(ours.remoteAddress().port, peer.address().port);
      ours.send('to the peer');
      const [, { port }] = await once(peer, 'message') as [Buffer, dgram.RemoteInfo];
      const heard: string[] = [];
      ours.on('message', (data: Buffer) => heard.push(data.toString()));
      stranger.send('unheard', port, local);
      peer.send('heard', port, local);
      while (heard.length === 0) await sleep(2);
      await sleep(20);
      assert.deepEqual(heard, ['heard']);
      ours.close();
      peer.close();
      stranger.close();
    });

    test('many datagrams arrive in order and whole', async () => {
      const ours = await bound(kernel.dgram.createSocket({ type: 'udp4', recvBufferSize: 262144 }));
      const peer = kernel.dgram.createSocket('udp4');
      const heard: string[] = [];
      ours.on('message', (data: Buffer) => heard.push(data.toString()));
      for (let i = 0; i < 200; i++) peer.send(`number ${i}`, ours.address().port, local);
      for (let i = 0; i < 100 && heard.length < 200; i++) await sleep(10);
      assert.deepEqual(heard, Array.from({ length: heard.length }, (_, i) => `number ${i}`).slice(0, heard.length));
      assert.ok(heard.length >= 100, `${heard.length} of 200`);
      ours.close();
      peer.close();
    });

    test('errors: too long, port in use, closed, names', async () => {
      const ours = await bound(kernel.dgram.createSocket('udp4'));
      const error = await new Promise<SystemError>((resolve) => { ours.send(Buffer.alloc(66000), 9, local, (e: SystemError) => resolve(e)); });
      assert.equal(error.code, 'EMSGSIZE');
      const second = kernel.dgram.createSocket('udp4');
      second.bind(ours.address().port, local);
      const [inUse] = await once(second, 'error') as [SystemError];
      assert.equal(inUse.code, 'EADDRINUSE');
      second.send('x', 9, 'example.invalid');
      const [unknown] = await once(second, 'error') as [NodeJS.ErrnoException];
      assert.equal(unknown.code, 'ENOTFOUND');
      second.close();
      const done = once(ours, 'close');
      ours.close();
      await done;
      assert.throws(() => ours.send('x', 9, local), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
      assert.throws(() => kernel.dgram.createSocket('tcp' as 'udp4'), { code: 'ERR_SOCKET_BAD_TYPE' });
    });

    test('buffer sizes and other options', async () => {
      const ours = await bound(kernel.dgram.createSocket({ type: 'udp4', reuseAddr: true }));
      ours.setRecvBufferSize(40_000);
      assert.ok(ours.getRecvBufferSize() >= 40_000);
      ours.setSendBufferSize(40_000);
      assert.ok(ours.getSendBufferSize() >= 40_000);
      ours.setBroadcast(true);
      assert.equal(ours.setTTL(5), 5);
      assert.deepEqual([ours.getSendQueueCount(), ours.getSendQueueSize()], [0, 0]);
      ours.close();
    });
  });
}
