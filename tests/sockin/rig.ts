/** The rig of sockin: one kernel (image SOCK) that is both ends, on the loopback of the host. */
import { readFileSync } from 'node:fs';
import { boot } from '../../host/index';
import { linuxMissing, linuxSys } from '../../components/sockin/linuxSys.user';
import type { SocketRig } from '../net/socketRig';

export const sockImage = process.env.SOCK_IMAGE ?? 'SOCK';

/** Why the epoll backend cannot run here, or false. */
export function noEpoll(): string | false {
  const missing = linuxMissing();
  if (missing !== undefined) return missing;
  try {
    linuxSys();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What Linux lets both ends of a connection buffer at most, or, elsewhere, plenty. */
function kernelBuffers(): number {
  try {
    const limits = ['rmem', 'wmem'].map((which) => readFileSync(`/proc/sys/net/ipv4/tcp_${which}`, 'utf8').trim().split(/\s+/));
    return limits.reduce((sum, words) => sum + Number(words[2]), 0) + (8 << 20);
  } catch {
    return 64 << 20;
  }
}

const buffered = kernelBuffers();

const turn = (): Promise<void> => new Promise((done) => { setImmediate(done); });

/** @param backend 'epoll' or 'node' */
export async function sockinRig(backend: string): Promise<SocketRig> {
  const kernel = await boot(sockImage, { host: { backend } });
  return {
    a: kernel,
    b: kernel,
    address: (of, family) => (family === 'IPv4' ? '127.0.0.1' : '::1'),
    async until(done, what) {
      const end = performance.now() + 20_000;
      while (!done()) {
        if (performance.now() > end) throw new Error(`waited 20 s for ${what}`);
        await turn();
      }
    },
    pause: (ms) => new Promise((done) => { setTimeout(done, ms); }),
    sizes: { paused: 1 << 30, connections: 2000, transfer: 64 << 20 },
    buffered,
    close: () => kernel.close(),
  };
}
