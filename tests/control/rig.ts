/**
 * A control server in this process, and a socket to it without a client's manners.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { Kernel } from '../../host/kernel';
import { ControlServer } from '../../host/control/server';
import { bootImage } from '../host/images';
import { waitFor } from '../lib/net';
import { tempDir } from '../lib/tree';

export interface Rig {
  kernel: Kernel;
  server: ControlServer;
  directory: string;
}

/** Boot `image` and open its control socket; both are closed when the test ends. */
export async function controlled(t: TestContext, image: string): Promise<Rig> {
  const directory = tempDir(t);
  const kernel = await bootImage(image, { console: () => undefined });
  const server = await ControlServer.open(kernel, { directory });
  t.after(async () => {
    await server.close();
    await kernel.close();
  });
  return { kernel, server, directory };
}

/** A connection on which any bytes can be said. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  /** The other side has hung up. */
  closed = false;

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.setEncoding('utf8').on('data', (text: string) => { this.received += text; });
    this.socket.on('error', () => undefined).on('end', () => { this.closed = true; }).on('close', () => { this.closed = true; });
  }

  async say(bytes: string | Uint8Array): Promise<void> {
    if (this.socket.connecting) await once(this.socket, 'connect');
    this.socket.write(bytes);
  }

  get messages(): any[] {
    return this.received.split('\n').slice(0, -1).map((line) => JSON.parse(line));
  }

  /** Wait for so many lines. */
  async lines(count: number): Promise<any[]> {
    await waitFor(() => this.received.split('\n').length > count, `${count} lines`);
    return this.messages;
  }
}
