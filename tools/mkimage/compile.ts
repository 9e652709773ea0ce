/**
 * asc, driven: sources in, a binary in memory out.
 *
 * The options are those of asconfig.json (targets release, debug, check), which `asc` on the command
 * line reads too; what differs from image to image (memory, the directory of rump/…) is added here.
 * File access goes through hooks, so that the result knows which sources it was made of: that list
 * is what decides whether a later build has anything to do.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import type * as Asc from 'assemblyscript/asc';
import { findRoot } from '../lib/root.mjs';
import { readBodies } from './code';
import { CompileError, LinkError } from './errors';
import { rumpTransform } from './transform.mjs';
import { readWasm, type WasmModule } from './wasm';

export type Target = 'release' | 'debug' | 'check';
export type Stage = 'reading' | 'compiling' | 'optimising' | 'checking';

export interface CompileJob {
  /** Root of the tree that is compiled. */
  root: string;
  /** What is compiled, for messages. */
  what: string;
  /** Relative path of the entry, and texts that need not be on disk. */
  entry: string;
  virtual: Map<string, string>;
  /** Directory that holds rump/, relative to the root. */
  gen: string;
  target: Target;
  pages?: number;
  optimizeLevel?: number;
  /** Path prefixes of sources to compile whole, reachable or not. */
  checkAll?: string[];
  onStage?: (stage: Stage) => void;
}

export interface Compiled {
  wasm: Uint8Array;
  sourceMap: string | null;
  /** Files read, relative to the root, sorted; those of packages and of the tool are left out. */
  inputs: string[];
  warnings: string;
}

const CONFIG = 'asconfig.json';
const ALLOCATES = /is reached: an image has no/;

/** asconfig.json without the transform, which is handed over with its options. */
function configText(): string {
  const config = JSON.parse(readFileSync(join(findRoot(), CONFIG), 'utf8')) as { options: Record<string, unknown> };
  delete config.options.transform;
  return JSON.stringify(config);
}

const nogcText = (): string => readFileSync(join(findRoot(), 'kernel/runtime/nogc.ts'), 'utf8');

/** The version of asc, without loading it. */
export function compilerVersion(): string {
  const file = createRequire(import.meta.url).resolve('assemblyscript/package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** What decides, beside the sources, what comes out. */
export const compilerTexts = (): string[] => [compilerVersion(), configText(), nogcText()];

/** The files of `job` as asc sees them; `seen` collects what it read. */
function fileAccess(job: CompileJob, seen: Set<string>): Pick<Asc.APIOptions, 'readFile' | 'listFiles'> {
  const nameOf = (path: string, base: string): string => relative(job.root, resolve(base, path)).split(sep).join('/');
  return {
    readFile(path, base) {
      const name = nameOf(path, base);
      if (name === CONFIG) return configText();
      const text = job.virtual.get(name) ?? readIfThere(resolve(base, path));
      if (text !== null && !name.startsWith('..') && !isAbsolute(name) && !name.startsWith('node_modules/')) seen.add(name);
      return text;
    },
    listFiles(path, base) {
      const dir = resolve(base, path);
      return existsSync(dir) ? readdirSync(dir).filter((file) => /(?<!\.d)\.ts$/.test(file)) : null;
    },
  };
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function argumentsOf(job: CompileJob): string[] {
  const args = [job.entry, '--baseDir', job.root, '--target', job.target, '--path', join(job.root, job.gen)];
  if (job.pages) args.push('--initialMemory', String(job.pages), '--maximumMemory', String(job.pages));
  if (job.optimizeLevel !== undefined) args.push('--optimizeLevel', String(job.optimizeLevel));
  if (job.target !== 'check') args.push('--outFile', 'image.wasm');
  return args;
}

/** One run of asc. `withHeap` leaves its stub runtime in place. */
async function runAsc(job: CompileJob, withHeap: boolean): Promise<{ error: Error | null; text: string; compiled: Compiled }> {
  const asc = await import('assemblyscript/asc');
  const inputs = new Set<string>();
  const files = new Map<string, Uint8Array | string>();
  const stderr = Object.assign(asc.createMemoryStream(), { isTTY: process.stderr.isTTY && !process.env.NO_COLOR });
  const stages = {
    afterParse: () => job.onStage?.('compiling'),
    afterCompile: () => job.onStage?.('optimising'),
  };
  job.onStage?.('reading');
  const options = { libraryFiles: asc.libraryFiles, runtime: nogcText(), withHeap, ...(job.checkAll ? { checkAll: job.checkAll } : {}) };
  const result = await asc.main(argumentsOf(job), {
    ...fileAccess(job, inputs),
    writeFile: (name: string, contents: Uint8Array | string) => { files.set(name, contents); },
    stdout: asc.createMemoryStream(),
    stderr: stderr as unknown as Asc.MemoryStream,
    transforms: [rumpTransform(options), stages] as unknown as Asc.Transform[],
  });
  job.onStage?.('checking');
  return {
    error: result.error,
    text: stderr.toString(),
    compiled: {
      wasm: (files.get('image.wasm') as Uint8Array | undefined) ?? new Uint8Array(),
      sourceMap: (files.get('image.wasm.map') as string | undefined) ?? null,
      inputs: [...inputs].sort(),
      warnings: stderr.toString().trim(),
    },
  };
}

/** The library functions that asc's own runtime would have, were it linked. */
const HEAP = /^~lib\/rt\/stub\/__(new|renew|alloc|realloc|free)$/;

/**
 * Who allocates: functions of ours from which a chain of library functions leads to the heap, each
 * with that chain. Works on an unoptimised module that has asc's own runtime.
 */
export function allocators(m: WasmModule): string[] {
  const uses = readBodies(m);
  const callers = m.functions.map(() => [] as number[]);
  uses.forEach((use, index) => use.calls.forEach((callee) => callers[callee].push(index)));
  const found = new Map<string, string>();
  const seen = new Set<number>();
  const pending = m.functions.filter((f) => HEAP.test(f.name ?? '')).map((f) => ({ index: f.index, way: f.name!.replace(/.*\//, '') }));
  for (let step = pending.shift(); step; step = pending.shift()) {
    if (seen.has(step.index)) continue;
    seen.add(step.index);
    for (const caller of callers[step.index]) {
      const name = m.functions[caller].name ?? `function ${caller}`;
      if (name.startsWith('~lib/')) pending.push({ index: caller, way: `${name.slice(5)} → ${step.way}` });
      else found.set(name, found.get(name) ?? step.way);
    }
  }
  return [...found].map(([name, way]) => `${name} (${way})`).sort();
}

/** The error for a program that allocates: compile it again with a heap, and look who calls. */
async function explainAllocation(job: CompileJob): Promise<LinkError | null> {
  const again: CompileJob = { ...job, target: 'release', optimizeLevel: 0 };
  delete again.onStage;
  const { error, compiled } = await runAsc(again, true);
  if (error) return null;
  const names = allocators(readWasm(compiled.wasm));
  return new LinkError(`${job.what}: __new is reachable, but an image has no garbage collector; it is called by ${names.join(', ')}`);
}

/** Modules whose top level runs code: asc makes a function start:<module> of it, which -O3 inlines. */
export async function startModules(job: CompileJob): Promise<string[]> {
  const again: CompileJob = { ...job, target: 'release', optimizeLevel: 0 };
  delete again.onStage;
  const { error, compiled } = await runAsc(again, false);
  if (error) return [];
  const names = readWasm(compiled.wasm).functions.map((f) => f.name ?? '');
  return names.filter((name) => name.startsWith('start:')).map((name) => name.slice('start:'.length)).sort();
}

/** Compile; what asc says is in the CompileError, and allocation is a LinkError that names the callers. */
export async function compile(job: CompileJob): Promise<Compiled> {
  const { error, text, compiled } = await runAsc(job, false);
  if (!error) return compiled;
  if (ALLOCATES.test(text)) {
    const explained = await explainAllocation(job);
    if (explained) throw explained;
  }
  throw new CompileError(`${job.what} does not compile`, text);
}
