/**
 * gen/host/users.ts: the host halves of the components whose folders exist.
 *
 * The host must not name a component, or deleting a folder would break it. So this list is made from
 * the tree: components/X/X.user.ts exports `hypercalls`, components/X/X.cli.ts `registerCommands`.
 * Either file may be absent, or be there for another purpose (a component without hypercalls may offer
 * a library to Node). The list is sorted, so that the same tree gives the same bytes.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from './stamp.mjs';

/**
 * @param {string} file
 * @param {string} name
 * @returns {boolean} whether the file is there and exports something of that name
 */
function exportsName(file, name) {
  if (!existsSync(file)) return false;
  const text = readFileSync(file, 'utf8');
  return new RegExp(`^export (?:async )?(?:function|const) ${name}\\b|^export \\{[^}]*\\b${name}\\b`, 'm').test(text);
}

/**
 * @param {string} root
 * @returns {{name: string, user: boolean, cli: boolean}[]} components with a host half
 */
export function findUsers(root) {
  const dir = join(root, 'components');
  const names = existsSync(dir) ? readdirSync(dir).sort() : [];
  return names.map((name) => ({
    name,
    user: exportsName(join(dir, name, `${name}.user.ts`), 'hypercalls'),
    cli: exportsName(join(dir, name, `${name}.cli.ts`), 'registerCommands'),
  })).filter((part) => part.user || part.cli);
}

/**
 * @param {{name: string, user: boolean, cli: boolean}[]} parts
 * @returns {string} the text of gen/host/users.ts
 */
export function usersSource(parts) {
  const lines = [
    '/** Made by tools/lib/users.mjs from the folders of components/. Do not edit. */',
    "import type { ComponentUser } from '../../host/hyperHost';",
  ];
  const entries = parts.map(({ name, user, cli }, i) => {
    const fields = [];
    if (user) {
      lines.push(`import * as user${i} from '../../components/${name}/${name}.user';`);
      fields.push(`hypercalls: user${i}.hypercalls`);
    }
    if (cli) {
      lines.push(`import * as cli${i} from '../../components/${name}/${name}.cli';`);
      fields.push(`registerCommands: cli${i}.registerCommands`);
    }
    return `  ${JSON.stringify(name)}: { ${fields.join(', ')} },`;
  });
  lines.push(
    '',
    'export const users: Record<string, ComponentUser> = {',
    ...entries,
    '};',
    '',
  );
  return lines.join('\n');
}

/**
 * @param {string} root
 * @returns {boolean} whether the file changed
 */
export function generateUsers(root) {
  return writeAtomic(join(root, 'gen', 'host', 'users.ts'), usersSource(findUsers(root)));
}
