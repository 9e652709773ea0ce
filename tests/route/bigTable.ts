/**
 * For tests and benchmarks of routes: tables like that of a border router, a plain model of one, and image ROUTEBIG.
 *
 * The lengths are those of a full IPv4 table (CIDR report, 2024: three prefixes of five are /24). Half of the
 * prefixes follow the one before, as de-aggregated blocks do. Everything comes from a seed.
 */
import { boot, type Kernel } from '../../host/index';
import { imagePath } from '../lib/tree';
import { buildImage } from '../../tools/mkimage/index';

/** Of a thousand prefixes, how many have a length. */
const LENGTHS: Readonly<Record<number, number>> = {
  8: 0.02, 9: 0.02, 10: 0.05, 11: 0.1, 12: 0.3, 13: 0.6, 14: 1.2, 15: 2.1, 16: 13.5, 17: 8.5, 18: 14, 19: 25, 20: 45, 21: 52, 22: 110, 23: 105,
  24: 617, 25: 1, 26: 1, 27: 0.8, 28: 0.7, 29: 0.8, 30: 0.5, 31: 0.1, 32: 0.7,
};

/** A generator of 32-bit numbers (xorshift32). */
export function random(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

export const maskOf = (length: number): number => (length === 0 ? 0 : (-1 << (32 - length)) >>> 0);

/** Draws a length. */
function lengthDrawer(next: () => number): () => number {
  const total = Object.values(LENGTHS).reduce((sum, share) => sum + share, 0);
  const table = new Uint8Array(65_536);
  let at = 0;
  for (const [length, share] of Object.entries(LENGTHS)) {
    const to = at + share / total * 65_536;
    table.fill(Number(length), Math.round(at), Math.max(Math.round(to), Math.round(at) + 1));
    at = to;
  }
  return () => table[next() >>> 16] || 24;
}

/** Draws prefixes, {destination, length}, as one number: destination × 64 + length. */
export function prefixDrawer(next: () => number): () => number {
  const length = lengthDrawer(next);
  let last = 0x14000000;
  let lastLength = 24;
  return () => {
    const follow = (next() & 1) === 0;
    const len = follow ? lastLength : length();
    let dst = follow ? last + 2 ** (32 - len) : 0x10000000 + next() % 0xc0000000;
    if (dst >= 0xdf000000) dst = 0x14000000;
    dst = (dst & maskOf(len)) >>> 0;
    last = dst;
    lastLength = len;
    return dst * 64 + len;
  };
}

/** `count` different prefixes. */
export function drawTable(count: number, seed: number): Float64Array {
  const draw = prefixDrawer(random(seed));
  const seen = new Set<number>();
  while (seen.size < count) seen.add(draw());
  return Float64Array.from(seen);
}

/** Routes in one map for each length: longest prefix match as its definition has it. */
export class Model {
  readonly maps: Map<number, number>[] = Array.from({ length: 33 }, () => new Map<number, number>());
  size = 0;

  get(prefix: number): number | undefined {
    return this.maps[prefix % 64]!.get(Math.floor(prefix / 64));
  }

  set(prefix: number, gateway: number): void {
    if (this.get(prefix) === undefined) this.size++;
    this.maps[prefix % 64]!.set(Math.floor(prefix / 64), gateway);
  }

  delete(prefix: number): boolean {
    const gone = this.maps[prefix % 64]!.delete(Math.floor(prefix / 64));
    if (gone) this.size--;
    return gone;
  }

  /** The gateway of the longest prefix, 0 for none. */
  lookup(address: number): number {
    for (let length = 32; length >= 0; length--) {
      const map = this.maps[length]!;
      if (map.size === 0) continue;
      const gateway = map.get((address & maskOf(length)) >>> 0);
      if (gateway !== undefined) return gateway;
    }
    return 0;
  }
}

/** What image ROUTEBIG exports for tests (components/fibtest). */
export interface FibExports {
  fibtest_addresses(): number;
  fibtest_request(command: number, destination: number, length: number, gateway: number): number;
  fibtest_lookup(address: number): number;
  fibtest_depth(address: number): number;
  fibtest_trie(count: number, rounds: number): number;
  fibtest_cache(count: number, rounds: number): number;
  fibtest_nothing(count: number, rounds: number): number;
  fibtest_packet(destination: number, source: number): void;
  fibtest_flood(count: number, seed: number, every: number, flows: number): number;
  fibtest_flow(flow: number): void;
  fibtest_sent(): number;
}

export interface Fib {
  kernel: Kernel;
  call: FibExports;
  /** "name value" lines of a sysctl. */
  counters(name: string): Record<string, number>;
  /** Put addresses (host order) where the loops look. */
  addresses(list: ArrayLike<number>): void;
}

export async function bootFib(): Promise<Fib> {
  await buildImage('ROUTEBIG');
  const kernel = await boot(imagePath('ROUTEBIG'), { console: () => undefined });
  const call = kernel.image.exports as unknown as FibExports;
  return {
    kernel, call,
    counters: (name) => Object.fromEntries(String(kernel.sysctl(name)).trimEnd().split('\n').map((line) => line.split(' ')).map(([key, value]) => [key!, Number(value)])),
    addresses(list) {
      const view = new DataView(kernel.memory.buffer, call.fibtest_addresses());
      for (let i = 0; i < list.length; i++) view.setUint32(i * 4, list[i]!, false);
    },
  };
}

export const RTM = { add: 1, delete: 2, change: 3 } as const;

/** Gateway number `n` of 4000, on the network of sink1 (10.8.0.0/16). */
export const gatewayOf = (n: number): number => 0x0a080100 + n % 4000;

/** Put `table` into the image, gateways by turns. @throws Error when the image refuses one */
export function fill({ call }: Fib, table: Float64Array): void {
  table.forEach((prefix, i) => {
    const error = call.fibtest_request(RTM.add, Math.floor(prefix / 64), prefix % 64, gatewayOf(i));
    if (error < 0) throw new Error(`route ${i} of ${table.length}: errno ${-error}`);
  });
}
