/**
 * The control socket of a running instance: how `rumpwasm ps`, `sysctl`, `netstat`, `ping` … reach it.
 *
 *      rumpwasm run ── ControlServer ── NAME.sock (0600, in a directory 0700) ── ControlClient ── rumpwasm sysctl
 *
 * It lives in the event loop of the instance and never waits. Names are claimed under a lock of the
 * directory: look whether somebody answers at NAME.sock, remove what nobody answers at, listen. The
 * socket goes with the server, or with the process if that exits first; one left by a process that was
 * killed is found by the next that looks (cleanSockets).
 */
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { withLock } from '../../tools/lib/lock.mjs';
import type { Kernel } from '../kernel';
import { Connection } from './connection';
import { checkDirectory, controlDirectory, socketNames, socketPath } from './directory';
import { ControlError } from './protocol';

export interface ControlOptions {
  /** Name of the instance; taken is an error. Default: that of the image, or IMAGE-PID if it is taken. */
  name?: string;
  /** Default: controlDirectory(). */
  directory?: string;
}

const connectionsMax = 64;
const probeMs = 2000;

/** Does a process listen at `path`? One that is too busy to say so counts. */
export function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (answered: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answered);
    };
    const timer = setTimeout(done, probeMs, true);
    socket.once('connect', () => done(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => done(code !== 'ECONNREFUSED' && code !== 'ENOENT' && code !== 'ENOTSOCK'));
  });
}

/** Work on the names in `directory`, while nobody else does. */
function withNames<T>(directory: string, work: () => Promise<T>): Promise<T> {
  return withLock(join(directory, '.lock'), work) as Promise<T>;
}

/** Remove the sockets at which nobody answers any more. */
export async function cleanSockets(directory: string): Promise<void> {
  await withNames(directory, async () => {
    for (const name of socketNames(directory)) {
      const path = socketPath(directory, name);
      if (!(await isAnswered(path))) rmSync(path, { force: true });
    }
  });
}

export class ControlServer {
  /** Name of the instance. */
  readonly name: string;
  /** Path of the socket. */
  readonly path: string;
  private readonly server: Server;
  private readonly connections = new Set<Connection>();
  private readonly remove = (): void => rmSync(this.path, { force: true });

  private constructor(kernel: Kernel, name: string, path: string) {
    this.name = name;
    this.path = path;
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      const connection = new Connection(kernel, name, socket);
      if (this.connections.size >= connectionsMax) {
        connection.refuse('EMFILE', `instance ${name} has ${connectionsMax} control connections already`);
        return;
      }
      this.connections.add(connection);
      socket.once('close', () => this.connections.delete(connection));
    });
  }

  /**
   * Open the control socket of `kernel`.
   * @throws ControlError if the directory is not safe, or the name cannot be had
   */
  static async open(kernel: Kernel, options: ControlOptions = {}): Promise<ControlServer> {
    const directory = options.directory ?? controlDirectory();
    if (options.name !== undefined) socketPath(directory, options.name);
    checkDirectory(directory, true);
    return withNames(directory, async () => {
      const names = options.name === undefined ? [kernel.name, `${kernel.name}-${process.pid}`] : [options.name];
      // Several kernels of one process may be of the same image.
      for (let n = 2; options.name === undefined && n <= 100; n++) names.push(`${kernel.name}-${process.pid}-${n}`);
      for (const name of names) {
        const path = socketPath(directory, name);
        if (await isAnswered(path)) continue;
        rmSync(path, { force: true });
        const server = new ControlServer(kernel, name, path);
        await server.listen();
        return server;
      }
      throw new ControlError('EADDRINUSE', `there is an instance ${options.name ?? kernel.name} already; choose another name with --name`);
    });
  }

  /** No further conversation; the name is free. */
  async close(): Promise<void> {
    process.removeListener('exit', this.remove);
    for (const connection of this.connections) connection.close();
    if (!this.server.listening) return;
    await new Promise<void>((resolve) => { this.server.close(() => resolve()); });
  }

  private async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', ({ code }: NodeJS.ErrnoException) => reject(new ControlError(code ?? 'EIO', `cannot listen at ${this.path}: ${code}`)));
      this.server.listen(this.path, resolve);
    });
    // The directory keeps others out; the mode says so once more.
    chmodSync(this.path, 0o600);
    this.server.removeAllListeners('error');
    this.server.on('error', () => {});
    this.server.unref();
    process.once('exit', this.remove);
  }
}
