/**
 * gen/rump/: what `rump/<role>` means where there is no image: in specs, to tsc and to an editor.
 *
 * A spec tests one file, but the file may import a role. kernel/conf/SPEC.json says which provider
 * stands in where the tree has several; one that it does not name, or whose folder is gone, gives way
 * to the first by name. Tunables of everything are there, with their defaults or SPEC.json's values.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from '../lib/stamp.mjs';
import { didYouMean, LinkError } from './errors';
import { type Generated, rumpSources } from './generate';
import { aString, int32Map, readShaped, type Shape, stringMap } from './json';
import { roleModules } from './link';
import type { Tree, Unit } from './tree';

/** In SPEC.json: nobody stands in, the role is absent. */
const NONE = 'none';
const SPEC = 'kernel/conf/SPEC.json';
const SHAPE: Shape = {
  description: { check: aString, required: true },
  roles: { check: stringMap },
  tunables: { check: int32Map },
};

interface SpecConf {
  roles?: Record<string, string>;
  tunables?: Record<string, number>;
}

/** Texts of gen/rump/, by path relative to the root. */
export function specSources(tree: Tree): Generated {
  const conf: SpecConf = existsSync(join(tree.root, SPEC)) ? readShaped<SpecConf>(tree.root, SPEC, SHAPE) : {};
  const units = [...tree.parts.values(), ...tree.components.values()];
  const providers = new Map<string, Unit[]>();
  for (const role of tree.capabilities.keys()) {
    // As in an image that does without.
    if (conf.roles?.[role] === NONE) continue;
    const able = units.filter((unit) => unit.provides.includes(role));
    const chosen = able.find((unit) => unit.name === conf.roles?.[role]) ?? able[0];
    if (chosen) providers.set(role, [chosen]);
  }
  const tunables: Record<string, number> = Object.assign({}, ...units.map((unit) => unit.tunables));
  for (const [name, value] of Object.entries(conf.tunables ?? {})) {
    if (!(name in tunables)) throw new LinkError(`${SPEC}: there is no tunable "${name}"${didYouMean(name, Object.keys(tunables))}`);
    tunables[name] = value;
  }
  return rumpSources('gen', 'the specs', roleModules(tree, providers, units), tunables);
}

/** Bring gen/rump/ up to date. */
export function writeSpecSources(tree: Tree): void {
  for (const [file, text] of specSources(tree)) writeAtomic(join(tree.root, file), text);
}
