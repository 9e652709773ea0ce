/**
 * Ports, waiting and network namespaces for tests.
 *
 * A namespace is a network of its own: its loopback, its interfaces, its port numbers. Tests that need
 * TAP devices or privileged ports run in one, so that nothing of the machine is touched and two tests
 * never meet. It needs root: `test('…', { skip: need('netns') }, …)`.
 */
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, start, type Process, type RunResult, type StartOptions } from './spawn';

/** @returns a TCP port that nobody listens on at this moment */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().unref().once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

/** Wait until `ready` gives something other than false, null or undefined; an exception counts as "not yet". */
export async function waitFor<T>(ready: () => T | Promise<T>, what: string, timeoutMs = 10_000, everyMs = 10): Promise<NonNullable<T>> {
  let last: unknown;
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(everyMs)) {
    try {
      const result = await ready();
      if (result !== false && result !== null && result !== undefined) return result;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`${what}: not within ${timeoutMs} ms${last ? ` (${(last as Error).message})` : ''}`);
}

/** A network namespace. */
export interface Netns {
  name: string;
  /** Run a command inside it to its end. */
  run(command: string, args: string[], options?: StartOptions & { timeoutMs?: number }): Promise<RunResult>;
  /** Start a process inside it. */
  start(command: string, args: string[], options?: StartOptions): Process;
  /** Configure: `ip` with these words inside it; an error of ip's is an exception. */
  ip(...words: string[]): void;
}

let serial = 0;

/** Make a namespace with its loopback up, hand it to `body`, and remove it with all that is in it. */
export async function withNetns<T>(body: (ns: Netns) => Promise<T>): Promise<T> {
  const name = `rumpwasm-${process.pid}-${serial++}`;
  const inside = (command: string, args: string[]): string[] => ['netns', 'exec', name, command, ...args];
  const remove = (): void => {
    try {
      execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
    } catch { /* it is gone */ }
  };
  execFileSync('ip', ['netns', 'add', name]);
  process.once('exit', remove);
  const children: Process[] = [];
  try {
    const ns: Netns = {
      name,
      run: (command, args, options) => run('ip', inside(command, args), options),
      start: (command, args, options) => {
        const child = start('ip', inside(command, args), options);
        children.push(child);
        return child;
      },
      ip: (...words) => { execFileSync('ip', ['-n', name, ...words], { stdio: ['ignore', 'ignore', 'pipe'] }); },
    };
    ns.ip('link', 'set', 'lo', 'up');
    return await body(ns);
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    process.removeListener('exit', remove);
    remove();
  }
}
