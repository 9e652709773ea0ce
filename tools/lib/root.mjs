/**
 * Where the repository is.
 *
 * Sources run from tools/, bundles from build/ or dist/, so a path relative to `import.meta.url` means
 * different things to each. Walking up to the package.json that is ours gives one answer to all.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @param {string} [from] a directory inside the tree
 * @returns {string} absolute path of the repository
 */
export function findRoot(from = dirname(fileURLToPath(import.meta.url))) {
  for (let dir = from; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'rumpwasm') return dir;
    if (dirname(dir) === dir) throw new Error(`no rumpwasm package.json above ${from}`);
  }
}
