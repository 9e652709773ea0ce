/**
 * Echo requests inside this process: an image to itself, and one to another over a hub. Every round
 * trip goes through the event loop of Node on both ways; a flood shows what the stacks themselves take.
 */
import type { Bench } from '../../tools/bench/bench';
import { boot, type Kernel } from '../../host/index';
import { hub, Hub } from '../../host/netdev/hub';
import { runNode } from '../lib/spawn';
import { cli, imagePath, root } from '../lib/tree';
import { median } from './lib';

const ADDRESS_MS = 10_000;

/** Median round trip of so many requests, one at a time, µs. */
async function roundTrip(kernel: Kernel, address: string, count: number): Promise<number> {
  const times: number[] = [];
  await kernel.ping(address, { count, intervalUs: 1000, onReply: ({ rttUs }) => times.push(rttUs) }).done;
  if (times.length < count) throw new Error(`${count - times.length} of ${count} were not answered by ${address}`);
  return median(times);
}

/** Answers a second of a flood. */
async function flood(kernel: Kernel, address: string, count: number, size: number): Promise<number> {
  const { received, transmitted, elapsedUs } = await kernel.ping(address, { count, flood: true, size }).done;
  if (received < transmitted) throw new Error(`${transmitted - received} of ${transmitted} were not answered by ${address}`);
  return received / elapsedUs * 1e6;
}

/** Wait until `address` answers: addresses are probed for before they are used (RFC 5227). */
async function answers(kernel: Kernel, address: string): Promise<void> {
  for (const end = Date.now() + ADDRESS_MS; Date.now() < end;) {
    const { received } = await kernel.ping(address, { count: 1, timeoutUs: 200_000 }).done;
    if (received > 0) return;
  }
  throw new Error(`${address} does not answer`);
}

const bench: Bench = {
  name: 'ping',
  about: 'echo requests: an image to its own loopback, and to another image on a hub',
  async run(report, { quick, log }) {
    for (const image of ['LOOP', 'NET']) {
      const built = await runNode([cli, 'build', image], { cwd: root, timeoutMs: 120_000 });
      if (built.code !== 0) throw new Error(built.stderr);
    }
    const [single, many] = quick ? [100, 10_000] : [1000, 100_000];
    const boots: number[] = [];
    for (let i = 0; i < (quick ? 3 : 10); i++) {
      const began = performance.now();
      const kernel = await boot(imagePath('LOOP'), { console: () => undefined });
      await kernel.ping('127.0.0.1', { count: 1 }).done;
      boots.push(performance.now() - began);
      await kernel.close();
    }
    report({ metric: 'boot image LOOP (from its file) to the first echo reply, median', value: median(boots), unit: 'ms' });

    log('loopback');
    const loop = await boot(imagePath('LOOP'), { console: () => undefined });
    report({ metric: 'round trip over the loopback, median', value: await roundTrip(loop, '127.0.0.1', single), unit: 'µs' });
    report({ metric: 'flood over the loopback, 56 bytes', value: await flood(loop, '127.0.0.1', many, 56), unit: 'replies/s' });
    report({ metric: 'flood over the loopback, 8000 bytes', value: await flood(loop, '127.0.0.1', many / 2, 8000), unit: 'replies/s' });
    await loop.close();

    log('hub');
    const wire = new Hub();
    const kernels: Kernel[] = [];
    for (const n of [1, 2]) {
      kernels.push(await boot(imagePath('NET'), { netdevs: { virt0: hub(wire) }, params: { 'net.virt0': `inet,static,10.0.0.${n}/24` } }));
    }
    await answers(kernels[0]!, '10.0.0.2');
    report({ metric: 'round trip between two images on a hub, median', value: await roundTrip(kernels[0]!, '10.0.0.2', single), unit: 'µs' });
    report({ metric: 'flood between two images on a hub, 56 bytes', value: await flood(kernels[0]!, '10.0.0.2', many, 56), unit: 'replies/s' });
    report({ metric: 'flood between two images on a hub, 8000 bytes in fragments', value: await flood(kernels[0]!, '10.0.0.2', many / 10, 8000), unit: 'replies/s' });
    for (const kernel of kernels) await kernel.close();
  },
};

export default bench;
