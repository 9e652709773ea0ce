/**
 * `rumpwasm build`: configuration → sources → asc → audit → build/IMAGE.wasm and build/IMAGE.json.
 *
 *     loadTree ─► linkImage ─► imageSources ─► compile ─► audit* ─► withSection, manifest ─► write
 *                                  └── nothing changed since the manifest was written? ──► done
 *
 * Whether there is anything to do is decided by contents: the manifest lists the sources that asc read
 * and the hash of all that went in (sources, generated text, options, versions). Times of files do not
 * matter. Linking itself takes milliseconds and is always done, so link errors never hide.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findRoot } from '../lib/root.mjs';
import { sha256, writeAtomic } from '../lib/stamp.mjs';
import { auditGlobals, auditImports, auditRuntime, auditSizes, auditSources } from './audit';
import { compile, type Compiled, type CompileJob, compilerTexts, compilerVersion, type Stage, startModules } from './compile';
import { LinkError } from './errors';
import { type Generated, imageSources } from './generate';
import { declaredHypercalls, type Hypercall, signature } from './hypercalls';
import { type Linked, linkComponent, linkImage } from './link';
import { type Identity, type Manifest, MKIMAGE_VERSION, SECTION, withSection } from './manifest';
import { measure, typeText } from './sizes';
import { writeSpecSources } from './spec';
import { loadConf, loadTree, type Tree } from './tree';
import { readWasm, type WasmModule } from './wasm';

export interface BuildOptions {
  /** The tree; the repository of this program if not given. */
  root?: string;
  /** Directory of the results, relative to the root or absolute; `build`. */
  out?: string;
  /** 0 to 3; the target's own if not given. */
  optimizeLevel?: number;
  /** Unoptimised, with a source map. */
  debug?: boolean;
  /** Even if nothing has changed. */
  force?: boolean;
  onStage?: (stage: Stage) => void;
}

export interface BuildResult {
  name: string;
  /** Absolute paths. */
  wasmFile: string;
  manifestFile: string;
  manifest: Manifest;
  /** False if there was nothing to do. */
  built: boolean;
  warnings: string;
}

/** One hash of many texts, each with its length, so that no two lists have the same. */
const hashTexts = (...texts: string[]): string => sha256(texts.map((text) => `${text.length}:${text}`).join(''));

/** Hash of all that an image is made of; null if one of `files` is gone. */
function hashInputs(root: string, key: string, generated: Generated, files: string[]): string | null {
  const parts = [key];
  for (const file of files) {
    const text = generated.get(file) ?? (existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : null);
    if (text === null) return null;
    parts.push(file, text);
  }
  return hashTexts(...parts);
}

/** The manifest of an earlier build, if it still describes what a build would make. */
function upToDate(root: string, wasmFile: string, manifestFile: string, key: string, generated: Generated): Manifest | null {
  if (!existsSync(wasmFile) || !existsSync(manifestFile)) return null;
  try {
    const manifest = JSON.parse(readFileSync(manifestFile, 'utf8')) as Manifest;
    if (sha256(readFileSync(wasmFile)) !== manifest.sha256) return null;
    return hashInputs(root, key, generated, manifest.inputs.files) === manifest.inputs.hash ? manifest : null;
  } catch {
    return null;
  }
}

/** What is exported, with types of functions. */
function exportList(m: WasmModule): Manifest['exports'] {
  return m.exports.map(({ name, kind, index }) => {
    return { name, kind, type: kind === 'function' ? typeText(m.functions[index].type) : kind };
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

const abiFiles = (root: string): string[] => {
  const dir = join(root, 'kernel/abi');
  return (existsSync(dir) ? readdirSync(dir) : []).filter((f) => f.endsWith('.ts')).sort().map((f) => `kernel/abi/${f}`);
};

/** What two builds must share for a host to drive both, or for one's memory to serve the other. */
function abiHash(root: string, imports: Hypercall[], exports: Manifest['exports']): string {
  return hashTexts(
    ...imports.map(signature),
    ...exports.map(({ name, type }) => `${name} ${type}`),
    ...abiFiles(root).flatMap((file) => [file, readFileSync(join(root, file), 'utf8')]),
  );
}

/** The manifest, but for what only the finished file has. */
type Audited = Omit<Manifest, 'inputs' | 'sha256'>;

function makeManifest(root: string, linked: Linked, m: WasmModule, used: Hypercall[], declared: Hypercall[], job: CompileJob): Audited {
  const sizes = measure(m);
  const exports = exportList(m);
  return {
    image: linked.name,
    mkimage: MKIMAGE_VERSION,
    components: linked.units.filter((u) => u.kind === 'component').map((u) => u.name),
    params: linked.params,
    abiHash: abiHash(root, used, exports),
    description: linked.description,
    target: job.target,
    optimizeLevel: job.optimizeLevel ?? (job.target === 'debug' ? 0 : 3),
    compiler: `assemblyscript ${compilerVersion()}`,
    units: linked.units.map(({ name, kind, description, provides, needs, sizeBudget }) =>
      ({ name, kind, description, provides, needs, bytes: sizes.byUnit[name] ?? 0, sizeBudget })),
    roles: Object.fromEntries([...linked.roles].map(([role, { unit }]) => [role, unit.name])),
    phases: linked.phases.map(({ phase, calls }) => ({ phase, calls: calls.map((c) => `${c.unit}: ${c.fn}`) })),
    tunables: linked.tunables,
    imports: used,
    unusedHypercalls: declared.filter((call) => !used.includes(call)).map((call) => `${call.module}.${call.name}`).sort(),
    exports,
    memory: { pages: m.memories[0]?.min ?? 0, maxPages: m.memories[0]?.max ?? null },
    tableSize: m.tables[0]?.min ?? 0,
    globals: m.globals.map((g, i) => ({ name: g.name ?? `global ${i}`, type: g.type, mutable: g.mutable })),
    sizes,
  };
}

/** All rules of audit.ts; returns the manifest but for its list of inputs. */
async function auditImage(tree: Tree, linked: Linked, job: CompileJob, compiled: Compiled): Promise<Audited> {
  const where = job.what;
  auditSources(where, tree, linked, compiled.inputs);
  const m = readWasm(compiled.wasm);
  if (m.startFunction !== null) {
    const modules = await startModules(job);
    throw new LinkError(`${where}: code runs at the top level of ${modules.join(', ') || 'a module'}; initialise with constants, or in an init function`);
  }
  const units = linked.bare ? [tree.parts.get('kern')!, ...linked.units] : linked.units;
  const declared = units.flatMap((unit) => declaredHypercalls(tree.root, unit));
  const used = auditImports(where, m, declared, tree.root, compiled.inputs);
  auditRuntime(where, m);
  auditGlobals(where, m, linked.bare);
  const manifest = makeManifest(tree.root, { ...linked, units }, m, used, declared, job);
  if (job.target === 'release' && manifest.optimizeLevel === 3) auditSizes(where, linked, manifest.sizes.byUnit, manifest.sizes.stripped);
  return manifest;
}

/** The compile job of `linked`. */
function jobOf(root: string, linked: Linked, generated: Generated, options: BuildOptions): CompileJob {
  return {
    root,
    what: `link ${linked.name}`,
    entry: `gen/${linked.name}/image.ts`,
    virtual: generated,
    gen: `gen/${linked.name}`,
    target: options.debug ? 'debug' : 'release',
    pages: linked.pages,
    ...(options.optimizeLevel === undefined ? {} : { optimizeLevel: options.optimizeLevel }),
    ...(options.onStage ? { onStage: options.onStage } : {}),
  };
}

async function build(tree: Tree, linked: Linked, options: BuildOptions): Promise<BuildResult> {
  const { root } = tree;
  const generated = imageSources(root, linked);
  const job = jobOf(root, linked, generated, options);
  const base = resolve(root, options.out ?? 'build', linked.name);
  const [wasmFile, manifestFile, mapFile] = [`${base}.wasm`, `${base}.json`, `${base}.wasm.map`];
  const key = JSON.stringify([MKIMAGE_VERSION, compilerTexts(), job.target, job.optimizeLevel, linked]);
  const old = options.force ? null : upToDate(root, wasmFile, manifestFile, key, generated);
  if (old) return { name: linked.name, wasmFile, manifestFile, manifest: old, built: false, warnings: '' };

  for (const [file, text] of generated) writeAtomic(join(root, file), text);
  const compiled = await compile(job);
  const audited = await auditImage(tree, linked, job, compiled);
  const { image, mkimage, components, params, abiHash: abi } = audited;
  const identity: Identity = { image, mkimage, components, params, abiHash: abi };
  const wasm = withSection(compiled.wasm, SECTION, JSON.stringify(identity));
  const files = [...new Set([...compiled.inputs, ...abiFiles(root)])].sort();
  const inputs = { hash: hashInputs(root, key, generated, files) ?? '', files };
  const manifest: Manifest = { ...audited, sizes: { ...audited.sizes, file: wasm.length }, sha256: sha256(wasm), inputs };
  rmSync(manifestFile, { force: true });
  writeAtomic(wasmFile, wasm);
  if (compiled.sourceMap) writeAtomic(mapFile, compiled.sourceMap);
  else rmSync(mapFile, { force: true });
  writeAtomic(manifestFile, `${JSON.stringify(manifest, null, 1)}\n`);
  return { name: linked.name, wasmFile, manifestFile, manifest, built: true, warnings: compiled.warnings };
}

/** Build image `name`, unless it is there and nothing has changed. LinkError, CompileError. */
export async function buildImage(name: string, options: BuildOptions = {}): Promise<BuildResult> {
  const root = options.root ?? findRoot();
  const tree = loadTree(root);
  writeSpecSources(tree);
  return build(tree, linkImage(tree, loadConf(root, name)), options);
}

/** Build image `name` with its components changed, as `as`: for whoever compares two that could stand for each other. */
export async function buildVariant(name: string, as: string, change: (components: string[]) => string[], options: BuildOptions = {}): Promise<BuildResult> {
  const root = options.root ?? findRoot();
  const tree = loadTree(root);
  const conf = loadConf(root, name);
  return build(tree, linkImage(tree, { ...conf, name: as, components: change(conf.components) }), options);
}

/** Build component `name` alone, as component-<name>. */
export async function buildComponent(name: string, options: BuildOptions = {}): Promise<BuildResult> {
  const tree = loadTree(options.root ?? findRoot());
  return build(tree, linkComponent(tree, name), options);
}
