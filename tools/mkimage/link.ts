/**
 * From a configuration to a closed, ordered set of units: the linking proper.
 *
 *     conf.components ──► + parts of the kernel that they need ──► roles: one provider? enough? ──► order
 *
 * A component is in an image because its conf says so; a part of the kernel (kern:net, kern:vfs …) is
 * in it because something needs it. Units are sorted so that whoever provides a role comes before
 * whoever needs it, and otherwise stay as the conf has them; init calls of one phase follow that order.
 * Each failure is one line that names both sides. Cost: O(units × needs).
 */
import { didYouMean, LinkError } from './errors';
import { type Conf, type InitCall, moduleText, type Phase, PHASES, type Tree, type Unit } from './tree';

export interface LinkedCall extends InitCall {
  unit: string;
  /** A function that returns nothing cannot fail. */
  returnsVoid: boolean;
}

export interface Linked {
  name: string;
  description: string;
  /** In dependency order. */
  units: Unit[];
  phases: { phase: Phase; calls: LinkedCall[] }[];
  /** Roles with at most one provider → module that `rump/<role>` re-exports, and whose it is. */
  roles: Map<string, { module: string; unit: Unit }>;
  tunables: Record<string, number>;
  params: Record<string, string>;
  pages: number;
  /** Components whose own exports the image re-exports. */
  exports: Unit[];
  /** A component alone, without a kernel to boot: panic is all that it has below it. */
  bare: boolean;
  sizeBudget: number | null;
}

function findComponent(tree: Tree, name: string, where: string): Unit {
  const unit = tree.components.get(name);
  if (unit) return unit;
  const broken = tree.broken.get(name);
  if (broken) throw broken;
  throw new LinkError(`${where}: unknown component "${name}"${didYouMean(name, tree.components.keys())}; see rumpwasm ls`);
}

/** The chosen components, and before them the parts of the kernel that they need, transitively. */
function withParts(tree: Tree, chosen: Unit[], bare: boolean): Unit[] {
  const wanted = new Set<Unit>(bare ? [] : [tree.parts.get('kern')!]);
  const pending = [...wanted, ...chosen];
  for (let unit = pending.pop(); unit; unit = pending.pop()) {
    for (const part of tree.parts.values()) {
      if (!wanted.has(part) && unit.needs.some((role) => part.provides.includes(role))) {
        wanted.add(part);
        pending.push(part);
      }
    }
  }
  return [...[...tree.parts.values()].filter((part) => wanted.has(part)), ...chosen];
}

const quoted = (units: Unit[]): string => units.map((unit) => unit.name).join(units.length === 2 ? ' and ' : ', ');

/** Role → providers among `units`; too many or too few are errors. */
function provideRoles(tree: Tree, units: Unit[], where: string, alone: boolean): Map<string, Unit[]> {
  const providers = new Map<string, Unit[]>();
  for (const unit of units) {
    for (const role of unit.provides) providers.set(role, [...(providers.get(role) ?? []), unit]);
  }
  for (const [role, { min, max }] of tree.capabilities) {
    const found = providers.get(role) ?? [];
    if (found.length > max) {
      const both = found.length === 2 ? 'both ' : '';
      throw new LinkError(`${where}: ${role} is provided by ${both}${quoted(found)}, but an image may have at most ${max}`);
    }
    if (found.length < min && !alone) {
      throw new LinkError(`${where}: ${role} is provided by ${found.length} component(s), but an image must have ${min}`);
    }
  }
  for (const unit of units) {
    for (const role of unit.needs) {
      if (providers.has(role) || units.some(({ absent }) => role in absent)) continue;
      const able = [...tree.components.values()].filter((c) => c.provides.includes(role));
      const hint = able.length > 0 ? ` (${quoted(able).replace(' and ', ' or ')} would)` : '; nothing in the tree does';
      throw new LinkError(`${where}: ${unit.name} needs ${role}, but no component of the image provides it${hint}`);
    }
  }
  return providers;
}

/** Providers first. A cycle is an error that shows the way round. */
function sortUnits(units: Unit[], providers: Map<string, Unit[]>, where: string): Unit[] {
  const sorted: Unit[] = [];
  const done = new Set<Unit>();
  const visit = (unit: Unit, trail: { unit: Unit; role: string }[]): void => {
    if (done.has(unit)) return;
    const from = trail.findIndex((step) => step.unit === unit);
    if (from >= 0) {
      const steps = trail.slice(from);
      const way = steps.map((step, i) => `${step.unit.name} needs ${step.role} of ${(steps[i + 1]?.unit ?? unit).name}`);
      throw new LinkError(`${where}: cycle: ${way.join(', ')}`);
    }
    for (const role of unit.needs) {
      for (const provider of providers.get(role) ?? []) {
        if (provider !== unit) visit(provider, [...trail, { unit, role }]);
      }
    }
    done.add(unit);
    sorted.push(unit);
  };
  for (const unit of units) visit(unit, []);
  return sorted;
}

/** Whether the module's function returns nothing; a function it does not declare is an error. */
function returnsVoid(tree: Tree, unit: Unit, call: InitCall): boolean {
  const text = moduleText(tree.root, call.module);
  const found = new RegExp(`^export function ${call.fn}\\(\\)\\s*:\\s*(\\w+)`, 'm').exec(text);
  if (!found) {
    throw new LinkError(`${unit.described}: ${call.module}.ts has no "export function ${call.fn}(): i32" (or void) to call at boot`);
  }
  return found[1] === 'void';
}

function orderCalls(tree: Tree, units: Unit[]): Linked['phases'] {
  return PHASES.map((phase) => ({
    phase,
    calls: units.flatMap((unit) => (unit.init[phase] ?? []).map((call) => ({
      ...call,
      unit: unit.name,
      returnsVoid: returnsVoid(tree, unit, call),
    }))),
  })).filter(({ calls }) => calls.length > 0);
}

/**
 * Roles that stand for one module: those of which an image has at most one provider. A role without one is
 * what a unit of the image says it is when it is absent.
 */
export function roleModules(tree: Tree, providers: Map<string, Unit[]>, units: readonly Unit[]): Linked['roles'] {
  const roles: Linked['roles'] = new Map();
  for (const [role, [unit]] of [...providers].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const module = unit.roleModules[role];
    if (tree.capabilities.get(role)?.max === 1 && module) roles.set(role, { module, unit });
  }
  for (const unit of units) {
    for (const [role, module] of Object.entries(unit.absent)) if (!roles.has(role)) roles.set(role, { module, unit });
  }
  return roles;
}

/** Defaults of all units, overridden by the conf; a tunable that nothing declares is an error. */
function mergeTunables(tree: Tree, units: Unit[], own: Record<string, number>, where: string): Record<string, number> {
  const merged: Record<string, number> = {};
  for (const unit of [...tree.parts.values(), ...units]) Object.assign(merged, unit.tunables);
  for (const [name, value] of Object.entries(own)) {
    if (!(name in merged)) throw new LinkError(`${where}: no unit of the image has a tunable "${name}"${didYouMean(name, Object.keys(merged))}`);
    merged[name] = value;
  }
  return merged;
}

/** Pages that an image may have: addresses travel as i32, so its memory ends below 2 GiB. */
const MOST_PAGES = 32767;

/** Link the image that `conf` describes. */
export function linkImage(tree: Tree, conf: Conf): Linked {
  const where = `link ${conf.name}`;
  if (conf.pages < 1 || conf.pages > MOST_PAGES) throw new LinkError(`${where}: ${conf.file}: "pages" is ${conf.pages}; it must be 1 to ${MOST_PAGES}`);
  if (conf.fragment) throw new LinkError(`${where}: ${conf.file} is a fragment, made to be included by images`);
  const chosen = conf.components.map((name) => findComponent(tree, name, where));
  const exported = conf.exports.map((name) => {
    const unit = chosen.find((c) => c.name === name);
    if (!unit) throw new LinkError(`${where}: "exports" names "${name}", which is not among the image's components`);
    if (!unit.exports) throw new LinkError(`${where}: "exports" names ${name}, but ${unit.described} has no "exports"`);
    return unit;
  });
  const all = withParts(tree, chosen, false);
  const providers = provideRoles(tree, all, where, false);
  const units = sortUnits(all, providers, where);
  return {
    name: conf.name,
    description: conf.description,
    units,
    phases: orderCalls(tree, units),
    roles: roleModules(tree, providers, units),
    tunables: mergeTunables(tree, units, conf.tunables, where),
    params: conf.params,
    pages: conf.pages,
    exports: exported,
    bare: false,
    sizeBudget: conf.sizeBudget,
  };
}

/** Pages of a component that stands alone: 1 MiB, unless it says otherwise. */
const ALONE_PAGES = 16;

/** Link one component alone, for embedding and fuzzing; it gets a kernel only if it boots or needs one. */
export function linkComponent(tree: Tree, name: string): Linked {
  const where = `link --component ${name}`;
  const unit = findComponent(tree, name, where);
  const bare = unit.needs.length === 0 && Object.keys(unit.init).length === 0;
  if (bare && !unit.exports) throw new LinkError(`${where}: ${unit.described} has neither "init" nor "exports", so there is nothing to call`);
  const all = withParts(tree, [unit], bare);
  const providers = provideRoles(tree, all, where, true);
  const units = sortUnits(all, providers, where);
  return {
    name: `component-${name}`,
    description: unit.description,
    units,
    phases: orderCalls(tree, units),
    roles: roleModules(tree, providers, units),
    tunables: mergeTunables(tree, units, {}, where),
    params: {},
    pages: unit.pages ?? ALONE_PAGES,
    exports: unit.exports ? [unit] : [],
    bare,
    sizeBudget: null,
  };
}
