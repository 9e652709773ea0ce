/**
 * 255 routers in a row, in one process: from a compiled module to the answer of the last one, and what each
 * costs in memory.
 *
 *      [1] ── hub ── [2] ── hub ── … ── hub ── [255]         10.1.n.0/24 between image n and n + 1
 *
 * All of it is in the time: instances made, booted and configured (two addresses, two routes each), every
 * address resolved by ARP over its hub, and an echo request through 253 routers to the last image and its
 * answer back through as many. An IP packet lives for 255 hops at most, so the request leaves with TTL 255
 * (net.inet.ip.ttl, on every image) and arrives with 2: two images more would be too many.
 *
 * Compiling the module is not in it, as loading the program is not in the peer's; it has a row of its own.
 * The peer is rump kernels' figure for the same, as published; it is not measured here.
 */
import type { Bench } from '../../tools/bench/bench';
import { loadImage } from '../../host/imageFile';
import { cli, root } from '../lib/tree';
import { runNode } from '../lib/spawn';
import { chain, type Chained } from '../router/chainRig';
import { median } from './lib';

const IMAGES = 255;
const PEER = 'rump kernels, published (255 nodes: boot, configure, echo)';
const PUBLISHED_S = 1.2;

const bench: Bench = {
  name: 'chain',
  about: `${IMAGES} images of a router in a row, in one process: booted, configured, pinged end to end`,
  async run(report, { quick, log }) {
    const built = await runNode([cli, 'build', 'HOP'], { cwd: root, timeoutMs: 240_000 });
    if (built.code !== 0) throw new Error(built.stderr);
    const began = performance.now();
    const { module } = loadImage('HOP');
    const compileMs = performance.now() - began;
    const results: Chained[] = [];
    for (let round = 0; round < (quick ? 1 : 7); round++) {
      log(`chain ${round + 1}`);
      results.push(await chain(module, IMAGES));
    }
    const first = results[0]!;
    const totals = results.map((r) => (r.bootMs + r.pingMs) / 1000);
    const total = median(totals);
    report({ metric: 'booted, configured and pinged, median', value: total, unit: 's', peer: PEER, peerValue: PUBLISHED_S, ratio: PUBLISHED_S / total, aim: '< 0.5' });
    report({ metric: 'the first time in this process', value: totals[0] ?? NaN, unit: 's' });
    report({ metric: 'of it: booting and configuring, an image', value: median(results.map((r) => r.bootMs)) / IMAGES, unit: 'ms' });
    report({ metric: 'of it: the ping, with ARP at every hop', value: median(results.map((r) => r.pingMs)), unit: 'ms' });
    report({ metric: 'round trip when all is resolved, a hop', value: median(results.map((r) => r.rttUs)) / (2 * (IMAGES - 1)), unit: 'µs' });
    report({ metric: 'TTL of the answer, of 255', value: first.ttl, unit: 'hops left' });
    report({ metric: 'linear memory touched, an image', value: first.touched / 1024, unit: 'KiB' });
    report({ metric: 'compile the module', value: compileMs, unit: 'ms' });
  },
};

export default bench;
