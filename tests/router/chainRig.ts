/**
 * Images of a router in a row, in one process, on the host's clock; what the benchmark of 255 and its test share.
 *
 *      [1] ── hub ── [2] ── hub ── … ── hub ── [n]         10.1.i.0/24 between image i and i + 1
 *
 * Every image has a route to the first network and a default towards the last.
 */
import { boot, type Kernel } from '../../host/index';
import { Hub, hub } from '../../host/netdev/hub';
import { seededEntropy } from '../../host/determinism';

/** Address of image `n` (1 to IMAGES) on the side of its neighbour `to`. */
const address = (n: number, to: number): string => `10.1.${Math.min(n, to)}.${n < to ? 1 : 2}`;

export interface Chained {
  bootMs: number;
  pingMs: number;
  /** Round trip of a second ping, everything resolved. */
  rttUs: number;
  ttl: number;
  touched: number;
}

/** What image `n` of `count` is booted with. */
function configuration(n: number, count: number): Record<string, string> {
  const params: Record<string, string> = { 'sysctl.net.inet.ip.ttl': '255' };
  if (n > 1) {
    params['net.virt0'] = `inet,static,${address(n, n - 1)}/24`;
    if (n > 2) params['route.0'] = `10.1.1.0/24,${address(n - 1, n)}`;
  }
  if (n < count) {
    params['net.virt1'] = `inet,static,${address(n, n + 1)}/24`;
    if (n < count - 1) params['route.1'] = `0.0.0.0/0,${address(n + 1, n)}`;
  }
  return params;
}

/** Boot `count` images of `module` in a row, and ping the last from the first. */
export async function chain(module: WebAssembly.Module, count: number): Promise<Chained> {
  const began = performance.now();
  const hubs = Array.from({ length: count - 1 }, (_, i) => new Hub(`link ${i + 1}`));
  const kernels: Kernel[] = [];
  const random = seededEntropy('chain');
  try {
    for (let n = 1; n <= count; n++) {
      kernels.push(await boot(module, {
        params: configuration(n, count), logLevel: 'err', random,
        netdevs: { ...(n > 1 ? { virt0: hub(hubs[n - 2]!) } : {}), ...(n < count ? { virt1: hub(hubs[n - 1]!) } : {}) },
      }));
    }
    const booted = performance.now();
    const last = address(count, count - 1);
    const ping = async (): Promise<{ rttUs: number; ttl: number }> => {
      let reply = { rttUs: NaN, ttl: 0 };
      const { received } = await kernels[0]!.ping(last, { count: 1, ttl: 255, timeoutUs: 10_000_000, onReply: (got) => { reply = got; } }).done;
      if (received !== 1) throw new Error(`no answer from ${last}`);
      return reply;
    };
    await ping();
    const pinged = performance.now();
    const { rttUs, ttl } = await ping();
    return {
      bootMs: booted - began, pingMs: pinged - booted, rttUs, ttl,
      touched: kernels.reduce((sum, kernel) => sum + kernel.touchedMemory().bytes, 0) / count,
    };
  } finally {
    for (const kernel of kernels) await kernel.close();
  }
}
