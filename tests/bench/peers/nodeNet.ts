/** The peer of the network benchmarks: node:net over the loopback of the kernel, both ends in this process. */
import { connect, createServer, type AddressInfo, type Server } from 'node:net';

const CHUNK = Buffer.alloc(128 << 10, 'x');

async function listen(server: Server): Promise<number> {
  await new Promise<void>((ready) => { server.listen(0, '127.0.0.1', 511, ready); });
  return (server.address() as AddressInfo).port;
}

/** One stream of `total` bytes. @returns MB/s */
export async function nodeBulk(total: number): Promise<number> {
  let got = 0;
  let done = (): void => undefined;
  const server = createServer((socket) => {
    socket.on('data', (data) => { got += data.length; });
    socket.on('end', () => { socket.end(); done(); });
  });
  const port = await listen(server);
  const began = performance.now();
  const arrived = new Promise<void>((resolve) => { done = resolve; });
  const client = connect(port, '127.0.0.1');
  let sent = 0;
  const pump = (): void => {
    while (sent < total) {
      sent += CHUNK.length;
      if (!client.write(CHUNK)) return;
    }
    client.end();
  };
  client.on('drain', pump).on('connect', pump);
  await arrived;
  const ms = performance.now() - began;
  await new Promise((closed) => { server.close(closed); });
  return got / 1e3 / ms;
}

/** Connect and close, `count` times, `window` at once. @returns connections a second */
export async function nodeConnections(count: number, window: number): Promise<number> {
  const server = createServer((socket) => { socket.on('error', () => undefined).end(); });
  const port = await listen(server);
  const began = performance.now();
  let started = 0;
  const worker = async (): Promise<void> => {
    while (started++ < count) {
      await new Promise<void>((closed) => {
        const socket = connect(port, '127.0.0.1');
        socket.on('connect', () => { socket.end(); }).on('close', () => { closed(); }).on('error', () => undefined).resume();
      });
    }
  };
  await Promise.all(Array.from({ length: window }, worker));
  const ms = performance.now() - began;
  await new Promise((closed) => { server.close(closed); });
  return count / ms * 1e3;
}
