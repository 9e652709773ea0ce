/**
 * Node's own http server and client over the sockets of an image, unchanged, whoever provides WASI
 * and whichever way sockin reaches the host.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Kernel } from '../../host/kernel';
import type { NetServer } from '../../host/api/netServer';
import { wasiKinds } from '../../host/wasi/wasi';
import { withImage } from './images';

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

async function fetchOver(options: http.RequestOptions, body?: Buffer): Promise<Answer> {
  const request = http.request(options);
  request.end(body);
  const [response] = await once(request, 'response') as [http.IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return { status: response.statusCode!, headers: response.headers, body: Buffer.concat(pieces) };
}

/** An http server on the image; it echoes bodies. */
async function serve(kernel: Kernel): Promise<{ port: number; server: http.Server; listener: NetServer }> {
  const server = http.createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    response.setHeader('x-peer', `${request.socket.remoteAddress}`);
    response.setHeader('x-url', request.url!);
    response.end(pieces.length > 0 ? Buffer.concat(pieces) : `hello ${request.url}`);
  });
  const listener = kernel.net.createServer((socket) => server.emit('connection', socket));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return { port: (listener.address() as { port: number }).port, server, listener };
}

const pattern = (size: number): Buffer => Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255));

const variants = [...wasiKinds.map((wasi) => ({ wasi, backend: 'node' })), { wasi: 'rumpuser', backend: 'epoll' }, { wasi: 'node', backend: 'epoll' }] as const;

for (const { wasi, backend } of variants) {
  const skip = backend === 'epoll' && process.platform !== 'linux' ? 'epoll is Linux\'s' : false;
  test(`--wasi ${wasi}, --backend ${backend}: server and client`, { skip }, async () => {
    await withImage('SOCK', { wasi, host: { backend } }, async (kernel) => {
      const { port, server, listener } = await serve(kernel);
      const base = { port, host: '127.0.0.1' };

      const fromHost = await fetchOver({ ...base, path: '/from/host', agent: false });
      assert.deepEqual([fromHost.status, fromHost.body.toString(), fromHost.headers['x-peer']], [200, 'hello /from/host', '127.0.0.1']);

      const createConnection = kernel.net.connect as unknown as http.RequestOptions['createConnection'];
      const overImage = await fetchOver({ ...base, path: '/over', createConnection, agent: false } as http.RequestOptions);
      assert.equal(overImage.body.toString(), 'hello /over');

      const body = pattern(3_000_000);
      const large = await fetchOver({ ...base, path: '/large', method: 'POST', createConnection } as http.RequestOptions, body);
      assert.ok(large.body.equals(body), 'three megabytes there and back');

      listener.close();
      server.closeAllConnections();
      if (listener.listening) assert.fail('still listening');
    });
  });
}

test('a keep-alive agent uses one connection of the image again and again', async () => {
  await withImage('SOCK', {}, async (kernel) => {
    const { port, server, listener } = await serve(kernel);
    let connections = 0;
    listener.on('connection', () => connections++);
    const agent = Object.assign(new http.Agent({ keepAlive: true, maxSockets: 1 }), { createConnection: kernel.net.connect });
    for (let i = 0; i < 50; i++) {
      const answer = await fetchOver({ port, host: '127.0.0.1', path: `/${i}`, agent });
      assert.equal(answer.headers['x-url'], `/${i}`);
    }
    assert.equal(connections, 1);
    agent.destroy();
    server.closeAllConnections();
    listener.close();
    await once(listener, 'close');
  });
});

test('a client that goes away in the middle of an answer does no harm', async () => {
  await withImage('SOCK', {}, async (kernel) => {
    const server = http.createServer((_request, response) => {
      response.writeHead(200);
      const more = (): void => { while (!response.destroyed && response.write(Buffer.alloc(65536))); };
      response.on('drain', more);
      more();
    });
    const aborted = once(server, 'request').then(async ([, response]) => once(response as http.ServerResponse, 'close'));
    const listener = kernel.net.createServer((socket) => server.emit('connection', socket));
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const request = http.get({ port: (listener.address() as { port: number }).port, host: '127.0.0.1', agent: false });
    request.on('error', () => {});
    const [response] = await once(request, 'response') as [http.IncomingMessage];
    response.on('error', () => {});
    await once(response, 'data');
    request.destroy();
    await aborted;
    listener.close();
    await once(listener, 'close');
    assert.equal(kernel.sysctl('kern.ipc.numopensockets'), 0);
  });
});
