/**
 * The tree as the linker sees it: parts of the kernel, components, roles, image configurations.
 *
 *     kernel/component.json          → one Unit for each part (kern, net, vfs, dev)
 *     components/<name>/component.json → one Unit
 *     kernel/conf/capabilities.json  → which roles there are, and how many may provide each
 *     kernel/conf/<IMAGE>.json       → Conf; `include` is merged in, so what comes out is flat
 *
 * Nothing here knows what an image needs: that is link.ts. All paths are relative to the root, with
 * forward slashes; module paths have no extension.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { didYouMean, LinkError } from './errors';
import {
  aBoolean, aCount, anObject, aString, checkShape, either, int32Map, type JsonObject, mapOf, readJson, readShaped,
  type Shape, stringMap, strings,
} from './json';

/** The boot phases, in order (design.md §4). */
export const PHASES = ['KERN', 'VFS', 'NET', 'NET_ROUTE', 'NET_IF', 'NET_IFCFG', 'DEV', 'POSTINIT'] as const;
export type Phase = (typeof PHASES)[number];

/** A function to call while booting. */
export interface InitCall {
  module: string;
  fn: string;
}

/** What can be linked: a part of the kernel or a component. */
export interface Unit {
  kind: 'part' | 'component';
  name: string;
  description: string;
  /** The JSON file that describes it, for messages. */
  described: string;
  /** Functions and globals whose names begin with one of these belong to it. */
  prefixes: string[];
  provides: string[];
  needs: string[];
  /** Modules that declare its hypercalls. */
  hyper: string[];
  init: Partial<Record<Phase, InitCall[]>>;
  /** Role → module re-exported as rump/<role>; and what stands for a role in an image where nobody provides it. */
  roleModules: Record<string, string>;
  absent: Record<string, string>;
  /** Full names (HTTPD_MAXCONNS) with defaults. */
  tunables: Record<string, number>;
  sizeBudget: number | null;
  /** Module with what a stand-alone build exports. */
  exports: string | null;
  /** Pages of memory of a stand-alone build. */
  pages: number | null;
  dir: string;
}

/** How many units of an image may provide a role. */
export interface Cardinality {
  min: number;
  max: number;
}

/** An image's configuration, `include` merged in. */
export interface Conf {
  name: string;
  file: string;
  description: string;
  /** Only there to be included by others. */
  fragment: boolean;
  components: string[];
  tunables: Record<string, number>;
  params: Record<string, string>;
  pages: number;
  exports: string[];
  sizeBudget: number | null;
}

export interface Tree {
  root: string;
  parts: Map<string, Unit>;
  components: Map<string, Unit>;
  /** Components whose description is wrong, with what is wrong: in the way only of who names them. */
  broken: Map<string, LinkError>;
  capabilities: Map<string, Cardinality>;
}

/** Pages of 64 KiB that an image has unless its conf says otherwise: 16 MiB. */
const DEFAULT_PAGES = 256;

const CONF_DIR = 'kernel/conf';
const CAPABILITIES = `${CONF_DIR}/capabilities.json`;
const KERNEL = 'kernel/component.json';
/** Files of kernel/conf that are not images. */
const NOT_IMAGES = new Set(['capabilities.json', 'SPEC.json']);

const INIT = { check: mapOf(either(aString, strings)) };
const PART: Shape = {
  description: { check: aString, required: true },
  provides: { check: strings },
  needs: { check: strings },
  hyper: { check: either(aString, strings) },
  entry: { check: aString },
  init: INIT,
  tunables: { check: int32Map },
  sizeBudget: { check: aCount },
};
const COMPONENT: Shape = {
  ...PART,
  name: { check: aString, required: true },
  entry: { check: aString, required: true },
  roles: { check: stringMap }, absent: { check: stringMap },
  exports: { check: aString },
  pages: { check: aCount },
  user: { check: aString },
};
const KERNEL_SHAPE: Shape = {
  name: { check: aString, required: true },
  description: { check: aString, required: true },
  parts: { check: mapOf(anObject), required: true },
};
const CONF: Shape = {
  description: { check: aString, required: true },
  fragment: { check: aBoolean },
  include: { check: strings },
  components: { check: strings },
  tunables: { check: int32Map },
  params: { check: stringMap },
  pages: { check: aCount },
  exports: { check: strings },
  sizeBudget: { check: aCount },
};

/** A part or a component as its JSON has it. */
interface Description {
  description: string;
  provides?: string[];
  needs?: string[];
  hyper?: string | string[];
  entry?: string;
  init?: Record<string, string | string[]>;
  roles?: Record<string, string>; absent?: Record<string, string>;
  tunables?: Record<string, number>;
  sizeBudget?: number;
  exports?: string;
  pages?: number;
}

const noExtension = (file: string): string => file.replace(/\.ts$/, '');
const asList = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());

/** Path of a file named by a description in `dir`, without extension; it must exist. */
function moduleIn(root: string, where: string, dir: string, file: string): string {
  const path = posix.join(dir, file);
  if (!existsSync(join(root, path))) throw new LinkError(`${where}: ${path} does not exist`);
  return noExtension(path);
}

/** `"fn"`, `"file.ts:fn"` or a list of them → calls. */
function initCalls(root: string, where: string, dir: string, d: Description): Unit['init'] {
  const calls: Unit['init'] = {};
  for (const [phase, value] of Object.entries(d.init ?? {})) {
    if (!PHASES.includes(phase as Phase)) {
      throw new LinkError(`${where}: unknown phase "${phase}"${didYouMean(phase, PHASES)}; the phases are ${PHASES.join(' ')}`);
    }
    calls[phase as Phase] = asList(value).map((text) => {
      const [file, fn] = text.includes(':') ? text.split(':', 2) : [d.entry, text];
      if (!file) throw new LinkError(`${where}: init "${text}" has no file, and there is no "entry"`);
      return { module: moduleIn(root, where, dir, file), fn };
    });
  }
  return calls;
}

/** Tunables with their prefix: MAXCONNS of httpd is HTTPD_MAXCONNS. */
function prefixedTunables(where: string, name: string, tunables: Record<string, number> = {}): Record<string, number> {
  const prefix = name.toUpperCase().replace(/[^A-Z0-9]/g, '_');
  return Object.fromEntries(Object.entries(tunables).map(([key, value]) => {
    if (!/^[A-Z][A-Z0-9_]*$/.test(key)) throw new LinkError(`${where}: tunable "${key}" must be in upper snake case`);
    return [`${prefix}_${key}`, value];
  }));
}

function makeUnit(root: string, kind: Unit['kind'], name: string, where: string, d: Description): Unit {
  const dir = kind === 'part' ? 'kernel' : `components/${name}`;
  const provides = d.provides ?? [];
  const roleModules: Record<string, string> = {};
  if (d.entry) {
    const entry = moduleIn(root, where, dir, d.entry);
    for (const role of provides) roleModules[role] = entry;
  }
  for (const [role, file] of Object.entries(d.roles ?? {})) {
    if (!provides.includes(role)) throw new LinkError(`${where}: "roles" names "${role}", which is not in "provides"`);
    roleModules[role] = moduleIn(root, where, dir, file);
  }
  const absent = Object.fromEntries(Object.entries(d.absent ?? {}).map(([role, file]) => [role, moduleIn(root, where, dir, file)]));
  return {
    kind, name, dir, provides, roleModules, absent,
    description: d.description, described: where,
    prefixes: kind === 'component' ? [`${dir}/`] : [`kernel/${name}/`, ...(name === 'kern' ? ['kernel/abi/'] : [])],
    needs: d.needs ?? [],
    hyper: asList(d.hyper).map((file) => moduleIn(root, where, dir, file)),
    init: initCalls(root, where, dir, d),
    tunables: prefixedTunables(where, name, d.tunables),
    sizeBudget: d.sizeBudget ?? null, pages: d.pages ?? null,
    exports: d.exports ? moduleIn(root, where, dir, d.exports) : null,
  };
}

function loadParts(root: string): Map<string, Unit> {
  const kernel = readShaped<{ parts: Record<string, JsonObject> }>(root, KERNEL, KERNEL_SHAPE);
  const parts = new Map<string, Unit>();
  for (const [name, value] of Object.entries(kernel.parts)) {
    const where = `${KERNEL} (part ${name})`;
    checkShape(where, value, PART);
    parts.set(name, makeUnit(root, 'part', name, where, value as unknown as Description));
  }
  if (!parts.has('kern')) throw new LinkError(`${KERNEL}: there is no part "kern"`);
  return parts;
}

function loadComponent(root: string, name: string, file: string): Unit {
  const found = readShaped<Description & { name: string }>(root, file, COMPONENT);
  if (found.name !== name) throw new LinkError(`${file}: "name" is "${found.name}", but the folder is "${name}"`);
  return makeUnit(root, 'component', name, file, found);
}

function loadCapabilities(root: string): Map<string, Cardinality> {
  const shape = { check: mapOf(aCount) };
  const found = readJson(root, CAPABILITIES) as Record<string, Partial<Cardinality>>;
  const roles = new Map<string, Cardinality>();
  for (const [role, limits] of Object.entries(found)) {
    const expected = shape.check(limits as JsonObject);
    const stray = Object.keys(limits).find((key) => key !== 'min' && key !== 'max');
    if (expected !== null || stray) throw new LinkError(`${CAPABILITIES}: "${role}" must be {"min"?: n, "max"?: n}`);
    roles.set(role, { min: limits.min ?? 0, max: limits.max ?? Infinity });
  }
  return roles;
}

/** Every role that `unit` names must be in capabilities.json. */
function checkRoles(unit: Unit, capabilities: Tree['capabilities']): void {
  for (const role of [...unit.provides, ...unit.needs, ...Object.keys(unit.absent)]) {
    if (capabilities.has(role)) continue;
    const hint = didYouMean(role, capabilities.keys());
    throw new LinkError(`${unit.described}: unknown role "${role}"${hint}; roles are listed in ${CAPABILITIES}`);
  }
}

/** Read all that can be linked: the folders of components/ that have a component.json, and the kernel. */
export function loadTree(root: string): Tree {
  const tree: Tree = { root, parts: loadParts(root), components: new Map(), broken: new Map(), capabilities: loadCapabilities(root) };
  for (const part of tree.parts.values()) checkRoles(part, tree.capabilities);
  const dir = join(root, 'components');
  for (const name of existsSync(dir) ? readdirSync(dir).sort() : []) {
    const file = `components/${name}/component.json`;
    if (!existsSync(join(root, file))) continue;
    try {
      const unit = loadComponent(root, name, file);
      checkRoles(unit, tree.capabilities);
      tree.components.set(name, unit);
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      tree.broken.set(name, error);
    }
  }
  return tree;
}

/** Names of all images, sorted; fragments are among them. */
export function confNames(root: string): string[] {
  const dir = join(root, CONF_DIR);
  const files = existsSync(dir) ? readdirSync(dir) : [];
  return files.filter((f) => f.endsWith('.json') && !NOT_IMAGES.has(f)).map((f) => f.slice(0, -5)).sort();
}

interface RawConf extends Partial<Omit<Conf, 'name' | 'file'>> {
  description: string;
  include?: string[];
}

/** The configuration of image `name`; `trail` is how we came here by `include`. */
export function loadConf(root: string, name: string, trail: string[] = []): Conf {
  const file = `${CONF_DIR}/${name}.json`;
  if (trail.includes(name)) throw new LinkError(`kernel/conf: "include" goes in a circle: ${[...trail, name].join(' → ')}`);
  if (!/^[\w-]+$/.test(name) || !existsSync(join(root, file))) {
    const from = trail.length > 0 ? ` (included by ${trail.at(-1)})` : '';
    const hint = didYouMean(name, confNames(root));
    throw new LinkError(`unknown image "${name}"${from}${hint}: there is no ${file}; see rumpwasm ls`);
  }
  const raw = readShaped<RawConf>(root, file, CONF);
  const included = (raw.include ?? []).map((other) => loadConf(root, other, [...trail, name]));
  const all = <T>(pick: (conf: Partial<Conf>) => T | undefined): T[] =>
    [...included, raw].map(pick).filter((value): value is T => value !== undefined);
  return {
    name, file,
    description: raw.description,
    fragment: raw.fragment ?? false,
    components: [...new Set(all((c) => c.components).flat())],
    exports: [...new Set(all((c) => c.exports).flat())],
    tunables: Object.assign({}, ...all((c) => c.tunables)) as Record<string, number>,
    params: Object.assign({}, ...all((c) => c.params)) as Record<string, string>,
    pages: raw.pages ?? included.at(-1)?.pages ?? DEFAULT_PAGES,
    sizeBudget: raw.sizeBudget ?? null,
  };
}

/** Text of a module, for the few things that are looked up in it. */
export function moduleText(root: string, module: string): string {
  return readFileSync(join(root, `${module}.ts`), 'utf8');
}
