/** Small things around a lab: its kernels as a rig of sockets, the heap as it is without garbage. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Lab } from './lab';
import type { SocketRig } from './socketRig';

const turn = (): Promise<void> => new Promise((done) => { setImmediate(done); });

/** Kernels 0 and 1 as a rig. The virtual network needs no turn of the event loop; the test runner, to report, does. */
export function labRig(lab: Lab): SocketRig {
  return {
    a: lab.kernels[0]!,
    b: lab.kernels[1] ?? lab.kernels[0]!,
    address: (of, family) => (family === 'IPv4' ? lab.address(lab.kernels.indexOf(of)) : undefined),
    async until(done, what) {
      lab.until(done, what);
      await turn();
    },
    pause: async (ms) => lab.advance(ms * 1000),
    sizes: { paused: 256 << 20, connections: 2000, transfer: 32 << 20 },
    // Socket buffers of both ends, and what the hub and the receive rings may hold.
    buffered: 8 << 20,
    close: () => lab.close(),
  };
}

/** Bytes of JavaScript's heap in use after a full collection. */
export function heapAfterGc(): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}
