/**
 * `rumpwasm check`: every function of every source compiles, whether an image reaches it or not.
 *
 * asc checks what an entry reaches, so a function that no image calls may be wrong for months. Here
 * all sources of kernel and components are one program in which everything is exported (transform.mjs,
 * `checkAll`); nothing is optimised or written. A second's work for the whole tree.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findRoot } from '../lib/root.mjs';
import { compile } from './compile';
import { didYouMean, LinkError } from './errors';
import { specSources } from './spec';
import { loadTree, type Tree, type Unit } from './tree';

/** Sources that are not of an image: specs and their helpers (x_spec_y.ts) may allocate, host halves are TypeScript. */
const NOT_IMAGE = /(?:\.(?:spec|user|cli|d)|_spec(?:_\w+)?)\.ts$/;

/** Modules below `dir`, relative to the root, sorted. */
function modulesBelow(root: string, dir: string): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory()) return modulesBelow(root, path);
    return path.endsWith('.ts') && !NOT_IMAGE.test(path) ? [path.slice(0, -3)] : [];
  }).sort();
}

function chosenUnits(tree: Tree, names: string[]): Unit[] {
  const all = new Map([...tree.parts, ...tree.components]);
  for (const [name, error] of tree.broken) {
    if (names.length === 0 || names.includes(name)) throw error;
  }
  if (names.length === 0) return [...all.values()];
  return names.map((name) => {
    const unit = all.get(name);
    if (!unit) throw new LinkError(`check: unknown component or part "${name}"${didYouMean(name, all.keys())}`);
    return unit;
  });
}

export interface CheckResult {
  units: string[];
  modules: number;
  warnings: string;
}

/** Compile all of the named units (all that there are, if none is named). LinkError, CompileError. */
export async function checkSources(names: string[] = [], root = findRoot()): Promise<CheckResult> {
  const tree = loadTree(root);
  const units = chosenUnits(tree, names);
  const prefixes = units.flatMap((unit) => unit.prefixes);
  const modules = prefixes.flatMap((prefix) => modulesBelow(root, prefix.slice(0, -1)));
  const entry = ['import "../kernel/kern/panic";', ...modules.map((module) => `import "../${module}";`), ''].join('\n');
  const compiled = await compile({
    root,
    what: 'check',
    entry: 'gen/check.ts',
    virtual: new Map([...specSources(tree), ['gen/check.ts', entry]]),
    gen: 'gen',
    target: 'check',
    checkAll: prefixes,
  });
  return { units: units.map((unit) => unit.name), modules: modules.length, warnings: compiled.warnings };
}
