/**
 * What is in an image, and what there is to make images of: the data behind `inspect` and `ls`.
 *
 * inspectImage() believes the binary: imports, exports, memory, globals and sizes are read from it.
 * What a binary cannot tell (descriptions, boot order, tunables) comes from the manifest beside it,
 * if that is of the same image.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findRoot } from '../lib/root.mjs';
import { LinkError } from './errors';
import { linkImage } from './link';
import { type Identity, type Manifest, type ManifestGlobal, readIdentity } from './manifest';
import { measure, type Sizes, typeText } from './sizes';
import { confNames, loadConf, loadTree, type Tree } from './tree';
import { isWasm, readWasm, type WasmModule } from './wasm';

export interface Inspection {
  file: string;
  identity: Identity;
  imports: { module: string; name: string; type: string }[];
  exports: { name: string; type: string }[];
  memory: { pages: number; maxPages: number | null };
  tableSize: number;
  globals: ManifestGlobal[];
  sizes: Sizes;
  /** From the manifest; null if it is missing or of another build. */
  manifest: Pick<Manifest, 'description' | 'units' | 'roles' | 'phases' | 'tunables' | 'unusedHypercalls' | 'compiler'> | null;
}

/** The manifest beside `file`, if it describes that very file. */
function manifestOf(file: string, m: WasmModule, identity: Identity): Inspection['manifest'] {
  const path = file.replace(/\.wasm$/, '') + '.json';
  if (!existsSync(path)) return null;
  try {
    const found = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
    if (found.abiHash !== identity.abiHash || found.sizes.file !== m.bytes.length) return null;
    const { description, units, roles, phases, tunables, unusedHypercalls, compiler } = found;
    return { description, units, roles, phases, tunables, unusedHypercalls, compiler };
  } catch {
    return null;
  }
}

/** A path, or the name of an image that was built. */
function findImage(nameOrFile: string, root: string): string {
  const built = join(root, 'build', `${nameOrFile}.wasm`);
  if (!nameOrFile.includes('/') && !nameOrFile.endsWith('.wasm') && existsSync(built)) return built;
  const file = resolve(nameOrFile);
  if (existsSync(file) && statSync(file).isFile()) return file;
  const hint = confNames(root).includes(nameOrFile) ? `: image ${nameOrFile} has not been built; rumpwasm build ${nameOrFile} does` : '';
  throw new LinkError(`${nameOrFile}: no such file${hint}`);
}

/** Look into an image, given by file or by the name of an image in build/. LinkError if it is none. */
export function inspectImage(nameOrFile: string, root = findRoot()): Inspection {
  const file = findImage(nameOrFile, root);
  const bytes = readFileSync(file);
  if (!isWasm(bytes)) throw new LinkError(`${nameOrFile}: not a WebAssembly module`);
  let m: WasmModule;
  try {
    m = readWasm(bytes);
  } catch (error) {
    throw new LinkError(`${nameOrFile}: a broken WebAssembly module: ${(error as Error).message}`);
  }
  const identity = readIdentity(m);
  if (!identity) throw new LinkError(`${nameOrFile}: a WebAssembly module, but not an image made by rumpwasm build`);
  return {
    file, identity,
    imports: m.imports.map(({ module, name, type }) => ({ module, name, type: type ? typeText(type) : '' })),
    exports: m.exports.map(({ name, kind, index }) => ({ name, type: kind === 'function' ? typeText(m.functions[index].type) : kind })),
    memory: { pages: m.memories[0]?.min ?? 0, maxPages: m.memories[0]?.max ?? null },
    tableSize: m.tables[0]?.min ?? 0,
    globals: m.globals.map((g, i) => ({ name: g.name ?? `global ${i}`, type: g.type, mutable: g.mutable })),
    sizes: measure(m),
    manifest: manifestOf(file, m, identity),
  };
}

export interface ListedComponent {
  name: string;
  description: string;
  provides: string[];
  needs: string[];
  hypercalls: boolean;
  tunables: Record<string, number>;
}

export interface Listing {
  parts: ListedComponent[];
  components: ListedComponent[];
  /** Components whose description is wrong. */
  broken: { name: string; error: string }[];
}

/** Parts of the kernel and components, as `ls` shows them. */
export function listComponents(root = findRoot()): Listing {
  const tree = loadTree(root);
  const listed = (units: Tree['parts']): ListedComponent[] =>
    [...units.values()].map(({ name, description, provides, needs, hyper, tunables }) =>
      ({ name, description, provides, needs, hypercalls: hyper.length > 0, tunables }));
  const broken = [...tree.broken].map(([name, { message }]) => ({ name, error: message }));
  return { parts: listed(tree.parts), components: listed(tree.components), broken };
}

export interface ListedImage {
  name: string;
  description: string;
  fragment: boolean;
  /** In link order, parts of the kernel first; empty if it does not link. */
  units: string[];
  /** Bytes without custom sections of the binary in build/; null if there is none. */
  size: number | null;
  /** Why it does not link. */
  error: string | null;
}

function listImage(tree: Tree, name: string): ListedImage {
  const listed: ListedImage = { name, description: '', fragment: false, units: [], size: null, error: null };
  try {
    const conf = loadConf(tree.root, name);
    Object.assign(listed, { description: conf.description, fragment: conf.fragment, units: conf.components });
    if (!conf.fragment) listed.units = linkImage(tree, conf).units.map((unit) => unit.name);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    listed.error = error.message;
  }
  const manifest = join(tree.root, 'build', `${name}.json`);
  if (existsSync(manifest)) listed.size = (JSON.parse(readFileSync(manifest, 'utf8')) as Manifest).sizes.stripped;
  return listed;
}

/** Images that kernel/conf describes. One that does not link is listed with the reason. */
export function listImages(root = findRoot()): ListedImage[] {
  const tree = loadTree(root);
  return confNames(root).map((name) => listImage(tree, name));
}
