/**
 * Booting image SOCKIN: from instantiation to a server that listens, and what memory it has touched
 * then. The module is compiled once, as a program that boots many images does; compiling has a row of
 * its own. Every boot listens on a port that the host chooses, and is closed again.
 */
import { connect } from 'node:net';
import { readFileSync } from 'node:fs';
import type { Bench } from '../../tools/bench/bench';
import { boot, type Kernel } from '../../host/index';
import { freePort } from '../lib/net';
import { runNode } from '../lib/spawn';
import { cli, imagePath, root, site } from '../lib/tree';
import { median } from './lib';

const MIB = 2 ** 20;

/** Resolves when somebody accepts a connection on the port. */
function canConnect(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

/** The module with a custom section of its own: V8 gives the same bytes the same compiled code. */
function variant(bytes: Uint8Array, serial: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...bytes, 0, 3, 1, 0x78, serial]);
}

interface Boot {
  /** Instantiate, initialise, load the site, first run: until it listens. */
  listeningMs: number;
  /** rump_init alone. */
  initMs: number;
  touched: number;
}

async function bootOnce(module: WebAssembly.Module): Promise<Boot> {
  const port = await freePort();
  const began = performance.now();
  const kernel: Kernel = await boot(module, { params: { HTTPD_PORT: port }, volumes: [{ source: site, mount: '/www' }], console: () => undefined });
  kernel.run();
  const listeningMs = performance.now() - began;
  const touched = kernel.touchedMemory().bytes;
  await canConnect(port);                 // it does listen; not part of the time
  await kernel.close();
  return { listeningMs, initMs: kernel.bootTimes.instantiateMs + kernel.bootTimes.initMs, touched };
}

const bench: Bench = {
  name: 'boot',
  about: 'image SOCKIN: instantiate to listening with the example site loaded, memory touched',
  async run(report, { quick, log }) {
    const built = await runNode([cli, 'build', 'SOCKIN'], { cwd: root, timeoutMs: 120_000 });
    if (built.code !== 0) throw new Error(built.stderr);
    const bytes = readFileSync(imagePath('SOCKIN'));
    const compiles: number[] = [];
    for (let i = 0; i < (quick ? 2 : 7); i++) {
      const copy = variant(bytes, i);
      const began = performance.now();
      await WebAssembly.compile(copy);
      compiles.push(performance.now() - began);
    }
    const module = await WebAssembly.compile(bytes);
    const rounds = quick ? 5 : 20;
    const boots: Boot[] = [];
    for (let i = 0; i < rounds; i++) {
      log(`boot ${i + 1} of ${rounds}`);
      boots.push(await bootOnce(module));
    }
    report({ metric: 'instantiate to listening, median', value: median(boots.map((b) => b.listeningMs)), unit: 'ms', aim: '< 10' });
    report({ metric: 'instantiate to listening, the first', value: boots[0]?.listeningMs ?? NaN, unit: 'ms' });
    report({ metric: 'instantiate and initialise only', value: median(boots.map((b) => b.initMs)), unit: 'ms' });
    report({ metric: 'compile the module', value: median(compiles), unit: 'ms' });
    report({ metric: 'linear memory touched when idle', value: median(boots.map((b) => b.touched)) / MIB, unit: 'MiB', aim: '< 2' });
    report({ metric: 'image file', value: bytes.length / 1024, unit: 'KiB' });
  },
};

export default bench;
