/**
 * The socket suite over netinet: two images on a hub, with offloads and as on a wire.
 *
 * @timeout 300
 */
import type { SocketRig } from './socketRig';
import { Lab } from './lab';
import { socketSuite } from './sockets';

/** Socket buffers of both ends, and what the hub and the receive rings may hold. */
const BUFFERED = 8 << 20;

async function hubRig(offload: boolean): Promise<SocketRig> {
  const lab = await Lab.make({ offload });
  const [a, b] = lab.kernels;
  return {
    a: a!,
    b: b!,
    address: (of, family) => (family === 'IPv4' ? lab.address(lab.kernels.indexOf(of)) : undefined),
    until: async (done, what) => lab.until(done, what),
    pause: async (ms) => lab.advance(ms * 1000),
    sizes: { paused: 256 << 20, connections: 2000, transfer: 32 << 20 },
    buffered: BUFFERED,
    close: () => lab.close(),
  };
}

socketSuite('netinet on a hub', () => hubRig(true));
socketSuite('netinet on a hub, frames as on a wire', () => hubRig(false));
