/**
 * A unix socket of the host that leads into an image: each of its connections becomes one to a PF_LOCAL
 * socket there (component local), whatever PF_INET the image has.
 *
 *      client ── /run/nbd.sock ── proxy ── kernel.net.connect('/nbd') ── nbd in the image
 *
 * Back-pressure goes through both ways (pipe), half-closes too. The socket's file may be used by this
 * user only (0600), is made when somebody listens, and goes with the proxy; one that a killed process
 * has left is replaced, one that is answered is not.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { UsageError } from './cli/errors';
import { isAnswered } from './control/server';
import type { Kernel } from './kernel';

const closedMode = 0o600;

export interface UnixProxySpec {
  /** The socket's file on the host. */
  file: string;
  /** Path within the image. */
  path: string;
}

/** "FILE[=PATH]"; without a path it is the image's name: "/nbd" for NBD. @throws UsageError */
export function parseUnixProxy(text: string, image: string): UnixProxySpec {
  const [file = '', path = `/${image.toLowerCase()}`, ...rest] = text.split('=');
  if (file === '' || !path.startsWith('/') || rest.length > 0) throw new UsageError(`--unix ${text}: expected FILE[=/PATH-IN-THE-IMAGE]`);
  return { file, path };
}

export class UnixProxy {
  readonly #server: Server;
  readonly #file: string;
  readonly #sockets = new Set<Socket>();

  private constructor(kernel: Kernel, { file, path }: UnixProxySpec) {
    this.#file = file;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#join(kernel, path, socket));
  }

  #join(kernel: Kernel, path: string, socket: Socket): void {
    this.#sockets.add(socket);
    const inside = kernel.net.connect({ path, allowHalfOpen: true });
    const end = (): void => {
      this.#sockets.delete(socket);
      socket.destroy();
      inside.destroy();
    };
    for (const each of [socket, inside]) each.on('error', end).on('close', end);
    socket.pipe(inside);
    inside.pipe(socket);
  }

  /** Listen. @throws UsageError when the file is in use, or is no socket */
  static async open(kernel: Kernel, spec: UnixProxySpec): Promise<UnixProxy> {
    const found = lstatSync(spec.file, { throwIfNoEntry: false });
    if (found !== undefined) {
      if (!found.isSocket()) throw new UsageError(`--unix ${spec.file}: it exists, and is no socket`);
      if (await isAnswered(spec.file)) throw new UsageError(`--unix ${spec.file}: another process listens there`);
      rmSync(spec.file, { force: true });
    }
    const proxy = new UnixProxy(kernel, spec);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', ({ code }: NodeJS.ErrnoException) => reject(new UsageError(`--unix ${spec.file}: cannot listen there (${code})`)));
      proxy.#server.listen(spec.file, resolve);
    });
    chmodSync(spec.file, closedMode);
    return proxy;
  }

  /** No more clients, and an end for those there are. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
    rmSync(this.#file, { force: true });
  }
}
