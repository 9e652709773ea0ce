/**
 * The socket suite over netinet on TAP: two images, each on a TAP device, and between them a bridge of
 * the Linux kernel in a network namespace. Time is the host's.
 *
 * @timeout 300
 */
import { execFileSync } from 'node:child_process';
import { tap, type TapNetdev } from '../../host/netdev/tap';
import type { Kernel } from '../../host/kernel';
import { bootImage } from '../host/images';
import { need } from '../lib/need';
import { type Netns, waitFor, withNetns } from '../lib/net';
import type { SocketRig } from '../net/socketRig';
import { socketSuite } from '../net/sockets';

/** What a test waits for is there within this, or never. */
const WAIT_MS = 30_000;
/** Socket buffers of both ends, the receive rings, and the queues of two devices and a bridge. */
const BUFFERED = 80 << 20;

const turn = (): Promise<void> => new Promise((done) => { setImmediate(done); });

/** A namespace with a bridge, and what removes it. */
function openNamespace(): Promise<{ ns: Netns; close: () => void }> {
  return new Promise((resolve, reject) => {
    withNetns((ns) => new Promise<void>((close) => {
      ns.ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0');
      ns.ip('link', 'set', 'br0', 'up');
      resolve({ ns, close });
    })).catch(reject);
  });
}

async function plug(ns: Netns, n: number): Promise<Kernel> {
  const dev: TapNetdev = tap({ name: `rw${process.pid % 100000}s${n}` });
  const kernel = await bootImage('NET', { netdevs: { virt0: dev }, params: { 'net.virt0': `inet,static,10.0.0.${n}/24` } });
  execFileSync('ip', ['link', 'set', dev.name, 'netns', ns.name]);
  ns.ip('link', 'set', dev.name, 'master', 'br0', 'up');
  return kernel;
}

async function tapRig(): Promise<SocketRig> {
  const { ns, close } = await openNamespace();
  const kernels = [await plug(ns, 1), await plug(ns, 2)] as const;
  const [a, b] = kernels;
  await waitFor(async () => (await a.ping('10.0.0.2', { count: 1, timeoutUs: 200_000 }).done).received === 1, 'the other image to answer');
  return {
    a, b,
    address: (of, family) => (family === 'IPv4' ? `10.0.0.${kernels.indexOf(of) + 1}` : undefined),
    async until(done, what) {
      const end = performance.now() + WAIT_MS;
      while (!done()) {
        if (performance.now() > end) throw new Error(`waited ${WAIT_MS} ms for ${what}`);
        await turn();
      }
    },
    pause: (ms) => new Promise((done) => { setTimeout(done, ms); }),
    sizes: { paused: 128 << 20, connections: 1000, transfer: 32 << 20 },
    buffered: BUFFERED,
    async close() {
      for (const kernel of kernels) await kernel.close();
      close();
    },
  };
}

socketSuite('netinet on TAP', tapRig, need('linux', 'netns', 'tun'));
