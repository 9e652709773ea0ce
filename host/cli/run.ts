/**
 * `rumpwasm run [IMAGE|file.wasm]`: build if needed, boot, say so in one line, stay until it ends.
 *
 *      … SOCKIN: compiling                                                    (stderr, while it builds)
 *      serving ./site on http://127.0.0.1:8080 (SOCKIN, 143 KB, booted in 4 ms)              (stdout)
 *
 * SIGINT or SIGTERM begins an orderly end: the image's apps drain, then exit status 0; a second one
 * forces it. Arguments are read before anything is built (runArguments.ts).
 */
import { Command } from 'commander';
import { existsSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { LOG_NOTICE } from '../../kernel/abi/rump';
import { buildImage, progress } from '../../tools/mkimage/index';
import { boot, BootError, type BootOptions } from '../boot';
import { logLevelNames, parseLogLevel } from '../console';
import { isInstanceName } from '../control/directory';
import { ControlServer } from '../control/server';
import type { Kernel } from '../kernel';
import { openDisks } from '../disk/runDisks';
import type { DiskSpec } from '../disk/spec';
import { packageRoot } from '../imageFile';
import { RumpPanic } from '../panic';
import { parseUnixProxy, UnixProxy } from '../unixProxy';
import { type WasiKind, wasiKinds } from '../wasi/wasi';
import { UsageError } from './errors';
import { addCaptures, parseBlocks, parseEnviron, parseInterfaces, parseMemory, parsePort, parseRoutes } from './runArguments';
import { serviceLine } from './service';

interface RunFlags {
  block: string[];
  env: string[];
  interface: string[];
  net: string[];
  route: string[];
  pcap: string[];
  unix: string[];
  name?: string;
  memory?: string;
  port?: string;
  quiet?: boolean;
  wasi: string;
  backend?: string;
  logLevel: string;
}

const defaultImage = 'SOCKIN';
/** How long draining may take before the end is forced. */
const graceMs = 10_000;
const forcedStatus = 130;
/** A second signal sooner than this is the first one again: from the terminal, and forwarded by npm. */
const echoMs = 500;
const keepAliveMs = 2 ** 30;

const collect = (value: string, before: string[]): string[] => [...before, value];

/** Add `run` to `program`. */
export function registerRunCommand(program: Command): void {
  program.command('run')
    .description('boot an image and stay until it ends')
    .argument('[image]', 'name of an image, or a .wasm file', defaultImage)
    .option('-b, --block <spec>', 'directory or tar archive to mount (PATH[,mount=/DIR]), or disk (rd0,size=64M; rd0,file=FILE,writeback=5s; NAME,file=FILE[,ro])', collect, [])
    .option('-e, --env <name=value>', 'parameter of the image', collect, [])
    .option('-I, --interface <tag,device>', 'network interface, such as virt0,virtif,tap=tap0', collect, [])
    .option('-W, --net <tag,inet,…>', 'its address: TAG,inet,static,ADDRESS/LENGTH[,GATEWAY]', collect, [])
    .option('--pcap <file>', 'write what passes an interface to a file for tshark (TAG=FILE if there are several)', collect, [])
    .option('-R, --route <dst/len,gateway>', 'static route', collect, [])
    .option('--unix <file[=path]>', 'unix socket that leads to one in the image, such as /run/nbd.sock=/nbd', collect, [])
    .option('--name <name>', 'name of this instance, for rumpwasm ps, sysctl, netstat … (default: that of the image)')
    .option('-M, --memory <megabytes>', 'linear memory, instead of what the image was linked with')
    .option('-p, --port <number>', 'port to serve on (the same as -e HTTPD_PORT=…)')
    .option('-q, --quiet', 'no access log')
    .option('--wasi <provider>', `who provides WASI: ${wasiKinds.join(', ')}`, 'rumpuser')
    .option('--backend <name>', 'how sockets of the host are used: node, epoll, auto (default)')
    .option('--log-level <level>', `of the kernel's log: ${logLevelNames.join(', ')}`, 'notice')
    .action(async (image: string, flags: RunFlags) => { process.exitCode = await run(image, flags); });
}

/** @returns the exit status */
async function run(image: string, flags: RunFlags): Promise<number> {
  const { disks: specs, ...options } = bootOptions(flags);
  const unix = flags.unix.map((text) => parseUnixProxy(text, basename(image, '.wasm')));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => { if (error.code !== 'EPIPE') throw error; });
  const isFile = extname(image) === '.wasm' || /[\\/]/.test(image) || (existsSync(image) && statSync(image).isFile());
  if (!isFile) await build(image);
  const disks = await openDisks(specs);
  const log = new BootLog(parseLogLevel(flags.logLevel));
  const started = performance.now();
  let kernel: Kernel;
  try {
    const params = { ...disks.params, ...options.params };
    const blk = { ...options.blk, ...disks.blk };
    kernel = await boot(image, { ...options, params, blk, beforeRun: disks.beforeRun, log: (level, line) => log.write(level, line) });
    log.release();
  } catch (error) {
    throw explain(error, flags.memory);
  }
  const bootMs = performance.now() - started;
  kernel.on('panic', () => {});
  const stop = onSignals(kernel);
  // An image may have nothing open at the moment, or at all: it still ends only when it is told to.
  const alive = setInterval(() => {}, keepAliveMs);
  let control: ControlServer | null = null;
  const proxies: UnixProxy[] = [];
  try {
    control = await openControl(kernel, flags.name);
    for (const spec of unix) proxies.push(await UnixProxy.open(kernel, spec));
    const line = await serviceLine(kernel, { bootMs, volumes: options.volumes ?? [] });
    if (line !== null) process.stdout.write(`${line}\n`);
    const status = await kernel.exited;
    return (await disks.finish()) ? status : Math.max(status, 1);
  } finally {
    clearInterval(alive);
    stop();
    await control?.close();
    for (const proxy of proxies) await proxy.close();
    await kernel.close();
  }
}

/** The control socket. An instance whose name the user did not choose can do without one. */
async function openControl(kernel: Kernel, name: string | undefined): Promise<ControlServer | null> {
  try {
    return await ControlServer.open(kernel, name === undefined ? {} : { name });
  } catch (error) {
    if (name !== undefined) throw error;
    process.stderr.write(`rumpwasm: there will be no control socket: ${(error as Error).message}\n`);
    return null;
  }
}

/**
 * The kernel's log on stderr. Records of the boot are held back until it has succeeded: when it has
 * not, the one line of the error says it all, unless more than the default was asked for.
 */
class BootLog {
  private held: string[] | null;

  constructor(level: number) {
    this.held = level > LOG_NOTICE ? null : [];
  }

  write(level: number, line: string): void {
    const text = `${logLevelNames[level]}: ${line}\n`;
    if (this.held) this.held.push(text);
    else process.stderr.write(text);
  }

  release(): void {
    for (const text of this.held ?? []) process.stderr.write(text);
    this.held = null;
  }
}

/** What the flags mean. @throws UsageError, RangeError */
function bootOptions(flags: RunFlags): BootOptions & { disks: DiskSpec[] } {
  if (!(wasiKinds as readonly string[]).includes(flags.wasi)) throw new UsageError(`--wasi ${flags.wasi}: expected ${wasiKinds.join(', ')}`);
  if (flags.backend !== undefined && !['node', 'epoll', 'auto'].includes(flags.backend)) throw new UsageError(`--backend ${flags.backend}: expected node, epoll or auto`);
  if (flags.name !== undefined && !isInstanceName(flags.name)) throw new UsageError(`--name ${flags.name}: letters, digits, and . _ - within`);
  const { volumes, blk, disks } = parseBlocks(flags.block);
  const environ = parseEnviron(flags.env);
  // PORT is what hosting platforms call it.
  const port = flags.port ?? environ.PORT;
  return {
    volumes, blk, disks, logLevel: parseLogLevel(flags.logLevel), wasi: flags.wasi as WasiKind,
    host: flags.backend === undefined ? {} : { backend: flags.backend },
    params: {
      ...parseInterfaces(addCaptures(flags.interface, flags.pcap), flags.net),
      ...parseRoutes(flags.route),
      ...(flags.quiet ? { HTTPD_QUIET: '1' } : {}),
      ...(port === undefined ? {} : { HTTPD_PORT: parsePort(port) }),
      ...environ,
    },
    ...(flags.memory === undefined ? {} : { memory: parseMemory(flags.memory) }),
  };
}

/** Build image `name` if its sources are here and have changed; a package without sources has it built. */
async function build(name: string): Promise<void> {
  if (!existsSync(`${packageRoot()}/kernel/conf`)) return;
  const shown = progress(name);
  try {
    const { warnings } = await buildImage(name, { onStage: shown.stage });
    shown.done();
    if (warnings) process.stderr.write(`${warnings}\n`);
  } finally {
    shown.done();
  }
}

/** Turn what users get wrong most often into their own words. */
function explain(error: unknown, memory: string | undefined): unknown {
  if (error instanceof RumpPanic && memory !== undefined && error.reason.startsWith('kmem:')) {
    return new UsageError(`${memory} MB of memory are not enough for this image; give it more with -M`);
  }
  if (!(error instanceof BootError)) return error;
  const server = error.params.has('NBD_PORT') ? 'NBD' : 'HTTPD';
  const port = `port ${error.params.get(`${server}_PORT`) ?? '80'}`;
  const choose = server === 'NBD' ? '-e NBD_PORT=…' : '--port';
  const address = error.params.get(`${server}_ADDR`) ?? '0.0.0.0';
  if (error.code === 'EADDRINUSE') return new UsageError(`${port} is in use by another program; choose another with ${choose}`);
  if (error.code === 'EACCES') return new UsageError(`${port} needs a privilege that this user does not have; choose one above 1023 with ${choose}`);
  if (error.code === 'EADDRNOTAVAIL') return new UsageError(`this host does not have the address ${address}; choose another with -e ${server}_ADDR=…`);
  return error;
}

/** The first signal drains, the second forces. @returns removes the handlers */
function onSignals(kernel: Kernel): () => void {
  let askedAt: number | null = null;
  const handler = (): void => {
    if (askedAt !== null) {
      if (performance.now() - askedAt > echoMs) process.exit(forcedStatus);
      return;
    }
    askedAt = performance.now();
    kernel.shutdown(graceMs).catch(() => {});
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return () => {
    process.removeListener('SIGINT', handler);
    process.removeListener('SIGTERM', handler);
  };
}
