/**
 * The harness's unix socket: clients in, requests and answers across.
 *
 * It is over when a client says so, when every client has gone, or when the image has.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Harness, Lane } from './harness';
import { type Answer, encodeAnswer, ProtocolError, RequestReader } from './protocol';

export class HarnessServer {
  /** Resolves when the harness is over. */
  readonly done: Promise<void>;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private finish!: () => void;

  constructor(private readonly harness: Harness) {
    this.server = createServer((socket) => this.accept(socket));
    this.done = new Promise((resolve) => { this.finish = resolve; });
  }

  /** Listen at `path`; a socket that a former run left behind is removed. */
  async listen(path: string): Promise<void> {
    removeStale(path);
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(path, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
  }

  /** Let what has been answered reach its reader, then end. */
  end(): void {
    const open = [...this.sockets];
    for (const socket of open) socket.end();
    this.finish();
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) if (!socket.writableEnded) socket.destroy();
    await new Promise<void>((resolve) => { this.server.close(() => resolve()); });
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    const reader = new RequestReader();
    const lane: Lane = this.harness.open((answer: Answer) => {
      if (socket.writable) socket.write(encodeAnswer(answer));
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const request of reader.push(chunk)) lane.push(request);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        process.stderr.write(`rumpwasm: harness: ${error.message}\n`);
        socket.destroy();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.harness.leave(lane);
      if (this.sockets.size === 0) this.finish();
    });
  }
}

function removeStale(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
