/**
 * The socket suite over netinet on TAP: two images, each on a device of its own, bridged by the kernel.
 *
 *      a (10.0.0.1) ── tap0 ── br0 ── tap1 ── b (10.0.0.2)          in a namespace of their own
 *
 * @timeout 300
 */
import { boot, type Kernel } from '../../host/index';
import { tap } from '../../host/netdev/tap';
import { need } from '../lib/need';
import { insideNetns, ip } from './namespace';
import type { SocketRig } from './socketRig';
import { socketSuite } from './sockets';

const skip = need('netns', 'tun');
const LIMIT_MS = 20_000;

const turn = (): Promise<void> => new Promise((done) => { setImmediate(done); });
const sleep = (ms: number): Promise<void> => new Promise((done) => { setTimeout(done, ms); });

function bootOn(unit: number): Promise<Kernel> {
  return boot('NET', {
    netdevs: { virt0: tap({ name: `tap${unit}` }) }, params: { 'net.virt0': `inet,static,10.0.0.${unit + 1}/24` }, logLevel: 'err',
  });
}

async function tapRig(): Promise<SocketRig> {
  const [a, b] = [await bootOn(0), await bootOn(1)];
  ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0');
  for (const name of ['tap0', 'tap1']) ip('link', 'set', name, 'up', 'master', 'br0');
  ip('link', 'set', 'br0', 'up');
  await sleep(4000);                // the images probe their addresses first (RFC 5227)
  return {
    a,
    b,
    address: (of, family) => (family === 'IPv4' ? (of === a ? '10.0.0.1' : '10.0.0.2') : undefined),
    async until(done, what) {
      const end = performance.now() + LIMIT_MS;
      while (!done()) {
        if (performance.now() > end) throw new Error(`waited ${LIMIT_MS / 1000} s for ${what}`);
        await turn();
      }
    },
    pause: sleep,
    sizes: { paused: 128 << 20, connections: 1000, transfer: 32 << 20 },
    buffered: 8 << 20,
    async close() {
      await a.close();
      await b.close();
    },
  };
}

insideNetns(skip);
socketSuite('netinet on TAP', tapRig, skip, ['IPv4']);
