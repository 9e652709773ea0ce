/**
 * `rumpwasm sim`: run seeded simulations and print what they did, and the hash over every frame.
 */
import type { Command } from 'commander';
import { parseFaults } from '../netdev/spec';
import { runScenario, type ScenarioResult } from './scenario';

interface SimFlags {
  seed: string;
  runs: string;
  images: string;
  flows: string;
  parallel: string;
  bytes: string;
  faults: string;
  image: string;
  json?: boolean;
}

function whole(name: string, text: string, least: number, most: number): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < least || n > most) throw new RangeError(`--${name} ${text}: expected a whole number from ${least} to ${most}`);
  return n;
}

/** One run as a line. */
export function describeRun(r: ScenarioResult): string {
  const size = r.bytes < 1e6 ? `${(r.bytes / 1e3).toFixed(0)} KB` : `${(r.bytes / 1e6).toFixed(1)} MB`;
  return `seed ${r.seed}  ${r.flows} flows, ${size}, ${r.frames} frames, ${r.retransmits} sent again, ${(r.timeUs / 1e6).toFixed(1)} s of its time  ${r.hash}`;
}

/** Add `sim` to `program`. */
export function registerSim(program: Command): void {
  program.command('sim')
    .description('simulate images on bad links: one virtual clock, one seed, a hash over every frame')
    .option('--seed <n>', 'first seed', '1')
    .option('--runs <n>', 'how many seeds, from the first', '1')
    .option('--images <n>', 'images on the hub', '4')
    .option('--flows <n>', 'TCP flows', '100')
    .option('--parallel <n>', 'flows at once', '20')
    .option('--bytes <n>', 'most bytes of a flow, each way', '200000')
    .option('--faults <words>', 'what is wrong with the links', 'loss=3%,dup=1%,reorder=3%,corrupt=0.5%,delay=5ms,jitter=2ms')
    .option('--image <name>', 'image to run', 'NET')
    .option('-j, --json', 'print JSON, a line for each run')
    .action(async (flags: SimFlags) => {
      const faults = parseFaults(flags.faults);
      const first = whole('seed', flags.seed, 0, 2 ** 48);
      const runs = whole('runs', flags.runs, 1, 1e6);
      const tty = process.stderr.isTTY;
      for (let i = 0; i < runs; i++) {
        const flows = whole('flows', flags.flows, 1, 1e6);
        const result = await runScenario({
          seed: first + i, images: whole('images', flags.images, 2, 255), flows,
          parallel: whole('parallel', flags.parallel, 1, 10_000), bytes: whole('bytes', flags.bytes, 0, 1e9), faults, image: flags.image,
          onProgress: (done, world) => {
            if (tty) process.stderr.write(`\r\x1b[Kseed ${first + i}: ${done}/${flows} flows, ${world.frames} frames`);
          },
        });
        if (tty) process.stderr.write('\r\x1b[K');
        process.stdout.write(`${flags.json ? JSON.stringify(result) : describeRun(result)}\n`);
      }
    });
}
