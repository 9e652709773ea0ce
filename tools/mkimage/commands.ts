/**
 * The commands of the linker, for the command line of host/cli.ts: build, inspect, ls, check.
 */
import { relative, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { isTerminal } from '../lib/term.mjs';
import { buildComponent, buildImage, type BuildOptions, type BuildResult } from './build';
import { checkSources } from './check';
import { LinkError } from './errors';
import { inspectImage, listComponents, listImages } from './inspect';
import { buildText, inspectionText, listingText } from './print';

interface BuildFlags {
  component?: string[];
  out?: string;
  optimize?: number;
  debug?: boolean;
  force?: boolean;
  json?: boolean;
}

function parseLevel(text: string): number {
  if (!/^[0-3]$/.test(text)) throw new InvalidArgumentError('it is 0, 1, 2 or 3.');
  return Number(text);
}

/** Run `work`; an error of the user's making is printed without a stack, with exit status 1. */
async function tell(work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    console.error(`rumpwasm: ${error.message}`);
    process.exitCode = 1;
  }
}

/** A line on standard error that says what is being done; on a terminal it is written over. */
export function progress(name: string): { stage: (text: string) => void; done: () => void } {
  const tty = isTerminal();
  let shown = false;
  return {
    stage(text) {
      if (!tty && shown) return;
      shown = true;
      process.stderr.write(tty ? `\r\x1b[K… ${name}: ${text}` : `… building ${name}\n`);
    },
    done() {
      if (tty && shown) process.stderr.write('\r\x1b[K');
    },
  };
}

async function buildOne(name: string, make: typeof buildImage, options: BuildOptions): Promise<BuildResult> {
  const shown = progress(name);
  const began = Date.now();
  try {
    const result = await make(name, { ...options, onStage: shown.stage });
    shown.done();
    if (result.warnings) process.stderr.write(`${result.warnings}\n`);
    process.stderr.write(`${buildText({ ...result, wasmFile: relative(process.cwd(), result.wasmFile) }, Date.now() - began)}\n`);
    return result;
  } finally {
    shown.done();
  }
}

async function buildCommand(images: string[], flags: BuildFlags): Promise<void> {
  const options: BuildOptions = {
    ...(flags.out === undefined ? {} : { out: resolve(flags.out) }),
    ...(flags.optimize === undefined ? {} : { optimizeLevel: flags.optimize }),
    ...(flags.debug ? { debug: true } : {}),
    ...(flags.force ? { force: true } : {}),
  };
  const components = flags.component ?? [];
  const all = images.length + components.length === 0;
  const names = all ? listImages().filter((image) => !image.fragment).map((image) => image.name) : images;
  const results: BuildResult[] = [];
  for (const name of names) results.push(await buildOne(name, buildImage, options));
  for (const name of components) results.push(await buildOne(name, buildComponent, options));
  if (flags.json) console.log(JSON.stringify(results.map((result) => result.manifest), null, 1));
}

function lsCommand(flags: { json?: boolean }): void {
  const units = listComponents();
  const images = listImages();
  console.log(flags.json ? JSON.stringify({ ...units, images }, null, 1) : listingText(units, images, process.stdout.columns));
}

async function checkCommand(names: string[]): Promise<void> {
  const began = Date.now();
  const { units, modules, warnings } = await checkSources(names);
  if (warnings) process.stderr.write(`${warnings}\n`);
  console.log(`${modules} modules of ${units.length} units compile, every function (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}

/** Add build, inspect, ls and check to `program`. */
export function registerBuildCommands(program: Command): void {
  program.command('build')
    .description('link images: kernel/conf/IMAGE.json and what it names, into build/IMAGE.wasm and its manifest')
    .argument('[images...]', 'names of images (default: all)')
    .option('--component <names...>', 'build components alone, as build/component-NAME.wasm')
    .option('--out <dir>', 'directory for the results (default: build)')
    .option('-O, --optimize <level>', '0 to 3 (default: 3)', parseLevel)
    .option('--debug', 'unoptimised, with a source map')
    .option('--force', 'build even if nothing has changed')
    .option('--json', 'print the manifests')
    .action((images: string[], flags: BuildFlags) => tell(() => buildCommand(images, flags)));
  program.command('inspect')
    .description('what is in an image: components, boot order, imports, memory, sizes')
    .argument('<image>', 'a file, or the name of an image that was built')
    .option('--json', 'print it as JSON')
    .action((image: string, flags: { json?: boolean }) => tell(() => {
      const found = inspectImage(image);
      console.log(flags.json ? JSON.stringify(found, null, 1) : inspectionText(found));
    }));
  program.command('ls')
    .description('components with their roles, images with their contents')
    .option('--json', 'print it as JSON')
    .action((flags: { json?: boolean }) => tell(() => lsCommand(flags)));
  program.command('check')
    .description('compile every function of kernel and components, whether an image reaches it or not')
    .argument('[units...]', 'components or parts of the kernel (default: all)')
    .action((names: string[]) => tell(() => checkCommand(names)));
}
