/**
 * An image that serves, as its users start it: `rumpwasm run` in a process of its own, on a free port.
 */
import { freePort } from './net';
import { start, type Process } from './spawn';
import { cli, root, site } from './tree';

export interface ServeOptions {
  /** Name of an image or a file; SOCKIN. */
  image?: string;
  /** Directory to serve, the example site; null for none. */
  dir?: string | null;
  /** More arguments of `rumpwasm run`. */
  args?: string[];
  /** How long it may take to serve, building included. */
  timeoutMs?: number;
}

export interface Served {
  /** http://127.0.0.1:PORT, without a slash at the end. */
  url: string;
  port: number;
  process: Process;
}

/** Start a server and wait until it says that it serves. The caller stops `process`. */
export async function serve({ image = 'SOCKIN', dir = site, args = [], timeoutMs = 120_000 }: ServeOptions = {}): Promise<Served> {
  const port = await freePort();
  const mount = dir === null ? [] : ['-b', `${dir},mount=/www`];
  const child = start(process.execPath, [cli, 'run', image, ...mount, '--port', `${port}`, ...args], { cwd: root });
  try {
    await child.waitFor(/serving .* on http:\/\//, timeoutMs);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, port, process: child };
}
