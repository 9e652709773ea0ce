/**
 * Dead files: sources that nothing leads to.
 *
 * The search starts where execution does, and follows imports, roles, and string literals that name a
 * file (a tool that starts tools/aspect.mjs says so in a string). Starts are: the host's two entries,
 * every command of package.json, main.ts of every tool, every test, benchmark and spec, and what each
 * component.json names. A component file that only its spec imports is alive: it is unit-tested.
 */
import { importsOf, resolvePath, stringsOf } from '../imports';
import type { Rule } from '../finding';
import type { Project, SourceFile } from '../project';

const ENTRY = /^(?:host\/(?:index|cli)\.ts|tools\/[\w-]+\/main\.ts|tests\/.*\.(?:test|bench)\.ts|(?:kernel|components)\/.*\.spec\.ts|components\/[^/]+\/[^/]+\.(?:user|cli|test)\.ts)$/;

function starts(project: Project): string[] {
  const scripts = Object.values(project.json<{ scripts?: Record<string, string> }>('package.json')?.scripts ?? {});
  const commands = scripts.flatMap((script) => script.split(/\s+/)).filter((word) => project.has(word));
  const named = [...project.components.values()].flatMap(({ path, files }) => files.map((file) => resolvePath(project, `${path}/x`, `./${file}`)));
  const entries = [...project.files.values()].filter((file) => ENTRY.test(file.path)).map((file) => file.path);
  return [...commands, ...named.filter((path) => path !== null), ...entries];
}

/** Files that a file leads to. */
function edges(project: Project, file: SourceFile): string[] {
  const imported = importsOf(project, file).map((one) => one.target);
  const spoken = file.kind === 'as' ? [] : stringsOf(file).flatMap(({ text }) => {
    if (!/^[\w./-]+$/.test(text) || !text.includes('/')) return [];
    return [resolvePath(project, file.path, text.startsWith('.') ? text : `./${text}`), resolvePath(project, file.path, text)];
  });
  return [...imported, ...spoken].filter((path) => path !== null);
}

export function reachable(project: Project): Set<string> {
  const seen = new Set<string>();
  const queue = starts(project);
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = project.files.get(path);
    if (seen.has(path) || !file || file.kind === 'other' || file.kind === 'fixture') continue;
    seen.add(path);
    queue.push(...edges(project, file));
  }
  return seen;
}

export const dead: Rule = {
  name: 'dead',
  about: 'every source file is reachable from an entry, a test or a command',
  check(project) {
    const alive = reachable(project);
    return project.ofKind('as', 'spec', 'ts', 'js').filter((file) => !alive.has(file.path) && !file.path.endsWith('.d.ts'))
      .map((file) => ({ file: file.path, line: 1, rule: 'dead', message: 'nothing leads to this file: no entry, test, spec or command' }));
  },
};
