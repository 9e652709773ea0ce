/**
 * `rumpwasm harness --socket PATH`: the stack, driven from outside (docs/harness.md).
 *
 * The one line on standard output is "ready", when it listens. Exit status 0 when a client has said that
 * this is the end, or the last one has gone.
 */
import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { LOG_WARNING } from '../../kernel/abi/rump';
import { buildImage } from '../../tools/mkimage/index';
import { boot } from '../boot';
import { UsageError } from '../cli/errors';
import { logLevelNames } from '../console';
import { seededEntropy, systemClock, systemEntropy, virtualClock } from '../determinism';
import { loadImage, packageRoot } from '../imageFile';
import { Harness } from './harness';
import { QueueDevice } from './ipDevice';
import { EtherNeighbours } from './etherNeighbours';
import { HarnessServer } from './server';

interface HarnessFlags {
  socket: string;
  image: string;
  local: string;
  mtu: string;
  virtualClock?: boolean;
}

const defaultImage = 'DRILL';
/** An interface needs this much (RFC 791 §3.2), and can say no more. */
const mtuMin = 68;
const mtuMax = 65_535;

/** Add `harness` to `program`. */
export function registerHarness(program: Command): void {
  program.command('harness')
    .description('drive an image over a unix socket: its sockets, its packets, its clock')
    .requiredOption('--socket <path>', 'where to listen')
    .option('--image <image>', 'name of an image with a TCP/IP stack, or a .wasm file', defaultImage)
    .option('--local <address/length>', 'address of the stack', '192.168.0.1/16')
    .option('--mtu <bytes>', 'largest packet of its interface', '1500')
    .option('--virtual-clock', 'time passes only when it is asked to')
    .action(async (flags: HarnessFlags) => { process.exitCode = await harness(flags); });
}

/** The neighbour that everything else is behind: an address of the network that is not ours. */
export function gatewayOf(local: string): string {
  const m = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(local);
  const parts = m?.slice(1, 5).map(Number) ?? [];
  const length = Number(m?.[5]);
  if (m === null || parts.some((part) => part > 255) || length < 1 || length > 30) {
    throw new UsageError(`--local ${local}: expected an address and a prefix length of 1 to 30, such as 192.168.0.1/16`);
  }
  const address = parts.reduce((n, part) => n * 256 + part, 0);
  const hosts = 2 ** (32 - length);
  const gateway = address % hosts + 2 < hosts ? address + 1 : address - 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(gateway / 2 ** shift) % 256).join('.');
}

function mtuOf(text: string): number {
  const mtu = Number(text);
  if (!/^\d+$/.test(text) || mtu < mtuMin || mtu > mtuMax) throw new UsageError(`--mtu ${text}: expected ${mtuMin} to ${mtuMax}`);
  return mtu;
}

/** Has the image an Ethernet interface, and not one that carries bare IP? */
function isEthernet(image: string): boolean {
  const modules = new Set(WebAssembly.Module.imports(loadImage(image).module).map(({ module }) => module));
  return modules.has('virtif') && !modules.has('ipif');
}

/** Boot the image on an interface whose packets are the clients'. */
export async function startHarness(flags: Omit<HarnessFlags, 'socket'>, onFree: () => void): Promise<Harness> {
  const device = new QueueDevice(mtuOf(flags.mtu));
  const address = `inet,static,${flags.local},${gatewayOf(flags.local)}`;
  if (!flags.image.endsWith('.wasm') && existsSync(`${packageRoot()}/kernel/conf`)) await buildImage(flags.image);
  const clock = flags.virtualClock === true ? virtualClock() : null;
  const ethernet = isEthernet(flags.image);
  const kernel = await boot(flags.image, {
    manual: true, clock: clock ?? systemClock, random: clock === null ? systemEntropy : seededEntropy('harness'),
    ...(ethernet
      ? { netdevs: { virt0: new EtherNeighbours(device, flags.local) }, params: { 'net.virt0': address } }
      : { host: { ipdevs: { ip0: device } }, params: { 'net.ip0': address } }),
    log: (level, line) => { if (level < LOG_WARNING) process.stderr.write(`${logLevelNames[level]}: ${line}\n`); },
  });
  if (device.port === null) {
    await kernel.close();
    throw new UsageError(`${flags.image} has no interface that the harness could be behind`);
  }
  return new Harness({ kernel, device, clock, onFree });
}

/** @returns the exit status */
async function harness(flags: HarnessFlags): Promise<number> {
  let server: HarnessServer | null = null;
  const made = await startHarness(flags, () => server?.end());
  server = new HarnessServer(made);
  const stop = (): void => server!.end();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    await server.listen(flags.socket);
    process.stdout.write('ready\n');
    await Promise.race([server.done, made.kernel.exited]);
    return 0;
  } finally {
    made.close();
    await server.close();
    await made.kernel.close();
  }
}
