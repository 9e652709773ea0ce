/**
 * Images in threads of their own on a bus in shared memory: this file is both sides. The worker serves,
 * the main thread is the client, and every byte is looked at.
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { NetSocket } from '../../host/api/netSocket';
import { createBus } from '../../host/netdev/shmBus';
import { registerBus, shmif } from '../../host/netdev/shmif';
import type { Kernel } from '../../host/kernel';
import { bootImage } from '../host/images';
import { pattern } from './frames';

const params = (n: number): Record<string, string> => ({ 'net.virt0': `inet,static,10.0.0.${n}/24` });

/** In the worker: an image that sends back what it is sent. */
async function serve(): Promise<void> {
  registerBus('bus', (workerData as { bus: SharedArrayBuffer }).bus);
  const kernel = await bootImage('NET', { netdevs: { virt0: 'shm=bus' }, params: params((workerData as { n: number }).n) });
  const server = kernel.net.createServer((socket) => { socket.pipe(socket); });
  server.listen(7, () => parentPort!.postMessage('listening'));
  parentPort!.once('message', () => { void kernel.close().then(() => process.exit(0)); });
}

/** A worker that listens. */
async function startWorker(bus: SharedArrayBuffer, n: number): Promise<Worker> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { bus, n } });
  await once(worker, 'message');
  return worker;
}

/** Send `total` bytes to `host` and compare what comes back. @returns how long it took, ms */
async function echo(kernel: Kernel, host: string, total: number): Promise<number> {
  const began = performance.now();
  const socket: NetSocket = kernel.net.connect(7, host);
  await once(socket, 'connect');
  const piece = pattern(1 << 16);
  let sent = 0;
  const write = (): void => {
    while (sent < total) {
      sent += piece.length;
      if (!socket.write(piece)) {
        socket.once('drain', write);
        return;
      }
    }
    socket.end();
  };
  write();
  let got = 0;
  for await (const data of socket as AsyncIterable<Buffer>) {
    for (let at = 0; at < data.length;) {
      const from = (got + at) % piece.length;
      const n = Math.min(data.length - at, piece.length - from);
      assert.equal(data.compare(piece, from, from + n, at, at + n), 0, `bytes from ${got + at}`);
      at += n;
    }
    got += data.length;
  }
  assert.equal(got, total);
  return performance.now() - began;
}

if (!isMainThread) {
  await serve();
} else {
  describe('shmif between threads', () => {
    it('carries a stream both ways, to two workers at once', async (t) => {
      const bus = createBus();
      const workers = await Promise.all([startWorker(bus, 1), startWorker(bus, 2)]);
      const kernel = await bootImage('NET', { netdevs: { virt0: shmif(bus) }, params: params(3) });
      try {
        const ms = await Promise.all([echo(kernel, '10.0.0.1', 32 << 20), echo(kernel, '10.0.0.2', 32 << 20)]);
        t.diagnostic(`${(2 * 2 * (32 << 20) / 1e3 / Math.max(...ms)).toFixed(0)} MB/s in all`);
      } finally {
        await kernel.close();
        for (const worker of workers) {
          worker.postMessage('end');
          await once(worker, 'exit');
        }
      }
    });
  });
}
