/**
 * The linker's second half: look at the binary, and refuse an image that breaks the rules.
 *
 *     imports     only hypercalls that a unit of the image declares, with the declared signature
 *     start       none: instantiating an image runs no code
 *     allocation  no function of a managed runtime
 *     globals     mutable ones are pointers that start as 0 and are written by boot code alone; so
 *                 the state of a running image is its memory, and a snapshot is a copy of that
 *     sources     nothing of a part or component that the image does not include
 *     sizes       budgets of units and image
 *
 * Each broken rule is a LinkError of one line. Cost: one pass over the code.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { readBodies, reachable } from './code';
import { LinkError } from './errors';
import { roleFile } from './generate';
import { type Hypercall, signature } from './hypercalls';
import type { Linked } from './link';
import type { Tree, Unit } from './tree';
import type { WasmGlobal, WasmModule } from './wasm';

/** Exports that may run boot code; in a component alone, whatever is called …_init. */
const BOOT_EXPORTS = /^(rump_init|_start)$/;
const BARE_BOOT_EXPORTS = /_init$/;
/** Functions of a managed runtime. */
const RUNTIME = /(^|\/)__(new|renew|alloc|realloc|free|collect|pin|unpin|newBuffer|newArray)$/;
/** asc's own scratch for functions with optional parameters: written before each read. */
const SCRATCH = '~argumentsLength';

/** Names of all functions of one kind, shortened when there are many. */
function some(names: string[], most = 4): string {
  return names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

/** The source among `inputs` that declares function `name`, as " (declared in x.ts)"; '' if none is found. */
function declaredIn(root: string, inputs: string[], name: string): string {
  const declaration = new RegExp(`\\bdeclare\\s+function\\s+${name}\\b`);
  const file = inputs.find((f) => existsSync(join(root, f)) && declaration.test(readFileSync(join(root, f), 'utf8')));
  return file ? ` (declared in ${file})` : '';
}

/** The image imports what its units declare and nothing else. Returns those it uses. */
export function auditImports(where: string, m: WasmModule, declared: Hypercall[], root: string, inputs: string[]): Hypercall[] {
  const known = new Map(declared.map((call) => [`${call.module}.${call.name}`, call]));
  return m.imports.map(({ module, name, kind, type }) => {
    if (kind !== 'function' || !type) throw new LinkError(`${where}: the image imports ${kind} ${module}.${name}; only functions may be imported`);
    const call = known.get(`${module}.${name}`);
    if (!call) {
      const at = declaredIn(root, inputs, name);
      throw new LinkError(`${where}: the image imports ${module}.${name}${at}, which is in no hyper file that a unit of the image names`);
    }
    const found = signature({ module, name, params: type.params, results: type.results });
    if (found !== signature(call)) {
      throw new LinkError(`${where}: the image imports ${found}, but ${call.unit} declares ${signature(call)}`);
    }
    return call;
  }).sort((a, b) => (signature(a) < signature(b) ? -1 : 1));
}

export function auditRuntime(where: string, m: WasmModule): void {
  const found = m.functions.map((f) => f.name ?? '').filter((name) => RUNTIME.test(name));
  if (found.length > 0) throw new LinkError(`${where}: __new is reachable: the image has ${some(found)}`);
}

/** A global that state may not hide in. */
function auditGlobal(where: string, g: WasmGlobal, name: string): void {
  if (g.type !== 'i32' && g.type !== 'i64') {
    throw new LinkError(`${where}: mutable global ${name} is ${g.type}; only pointers and handles may be module variables`);
  }
  if (Number(g.init) !== 0) {
    throw new LinkError(`${where}: mutable global ${name} starts as ${g.init}; it must start as 0 and be set at boot`);
  }
}

/** Mutable globals are pointers that only boot code writes. */
export function auditGlobals(where: string, m: WasmModule, bare: boolean): void {
  const boot = bare ? BARE_BOOT_EXPORTS : BOOT_EXPORTS;
  const uses = readBodies(m);
  const roots = m.exports.filter((e) => e.kind === 'function' && !boot.test(e.name)).map((e) => e.index);
  const later = reachable(m, uses, [...roots, ...m.elements]);
  m.globals.forEach((g, index) => {
    const name = g.name ?? `global ${index}`;
    if (!g.mutable || name === SCRATCH) return;
    auditGlobal(where, g, name);
    const writer = uses.findIndex((use, f) => use.sets.has(index) && later.has(f));
    if (writer >= 0) {
      const by = m.functions[writer].name ?? `function ${writer}`;
      throw new LinkError(`${where}: module variable ${name} is written after boot, by ${by}; keep it in the component's state`);
    }
  });
}

/** Modules that `text` imports, as written. */
const importsOf = (text: string): string[] =>
  [...text.matchAll(/^\s*(?:import|export)\b[^;'"]*?(?:from\s*)?["']([^"']+)["']/gm)].map((match) => match[1]);

function ownerOf(units: Iterable<Unit>, file: string): Unit | undefined {
  return [...units].find((unit) => unit.prefixes.some((prefix) => file.startsWith(prefix)));
}

/**
 * Every source that asc read belongs to the image, and a role is imported only by who needs it: what
 * builds by luck today would break when another image leaves something out.
 */
export function auditSources(where: string, tree: Tree, linked: Linked, inputs: string[]): void {
  const everything = [...tree.parts.values(), ...tree.components.values()];
  const roleOf = new Map([...tree.capabilities.keys()].map((role) => [`rump/${roleFile(role)}`, role]));
  const included = new Set([...linked.units, ...(linked.bare ? [tree.parts.get('kern')!] : [])]);
  for (const file of inputs) {
    const unit = ownerOf(everything, file);
    const path = join(tree.root, file);
    if (!unit || !existsSync(path)) continue;
    for (const target of importsOf(readFileSync(path, 'utf8'))) {
      const role = roleOf.get(target);
      if (role && !unit.needs.includes(role) && !unit.provides.includes(role)) {
        throw new LinkError(`${where}: ${file} imports ${target}, but ${unit.described} does not list "${role}" in "needs"`);
      }
      if (!target.startsWith('.')) continue;
      const other = ownerOf(everything, posix.join(posix.dirname(file), target));
      if (!other || other === unit) continue;
      if (other.kind === 'component') throw new LinkError(`${where}: ${file} imports ${target}: a component is reached by its role, not by path`);
      if (!included.has(other)) throw new LinkError(`${where}: ${file} imports ${target}, but ${unit.described} does not need kern:${other.name}`);
    }
  }
}

/** Units and image stay within their budgets. */
export function auditSizes(where: string, linked: Linked, byUnit: Record<string, number>, stripped: number): void {
  for (const unit of linked.units) {
    const bytes = byUnit[unit.name] ?? 0;
    if (unit.sizeBudget !== null && bytes > unit.sizeBudget) {
      throw new LinkError(`${where}: ${unit.name} has ${bytes} bytes of code, over the sizeBudget of ${unit.sizeBudget} in ${unit.described}`);
    }
  }
  if (linked.sizeBudget !== null && stripped > linked.sizeBudget) {
    throw new LinkError(`${where}: the image has ${stripped} bytes, over its sizeBudget of ${linked.sizeBudget}`);
  }
}
