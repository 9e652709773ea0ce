/**
 * The layers of the tree (design rules 1, 2, 4 and 5): who may import whom.
 *
 *     abi ← kern ← net, vfs, dev ← components          the image, compiled by asc
 *     abi ← host, tools, tests, *.user.ts, *.cli.ts     the host, compiled by tsc
 *
 * A component imports the kernel, itself, and the roles that its component.json names; never another
 * component by path, so that any of them can be deleted or exchanged. The worlds meet in leaf files
 * that both compilers read: kernel/abi, and a component's own *.abi.ts.
 */
import { importsOf, stringsOf, type Import } from '../imports';
import type { Finding, Rule } from '../finding';
import type { Project, SourceFile } from '../project';

/** Part of the tree: a kernel layer, "component:x", "user:x" (its host half), host, tools, tests. */
export function areaOf(path: string): string {
  const [first, second = ''] = path.split('/');
  if (first === 'kernel') return second.endsWith('.ts') || second.endsWith('.json') ? 'kernel' : second;
  if (first !== 'components') return first;
  if (path.endsWith('.abi.ts')) return 'abi';
  return /\.(?:user|cli|test)\.ts$/.test(path) ? `user:${second}` : `component:${second}`;
}

const KERNEL = ['abi', 'kern', 'net', 'vfs', 'dev'];
const ALLOWED: Record<string, string[]> = {
  abi: ['abi'],
  kern: ['kern', 'abi'],
  net: ['net', 'kern', 'abi'],
  vfs: ['vfs', 'kern', 'abi'],
  dev: ['dev', 'kern', 'abi'],
  runtime: ['runtime'],
  host: ['host', 'tools', 'gen', 'abi'],
  tools: ['tools', 'host', 'gen', 'abi'],
  tests: ['tests', 'tools', 'host', 'gen', 'abi'],
};

function mayImport(from: string, to: string, file: SourceFile): boolean {
  if (from === to) return true;
  const [kind, name] = from.split(':');
  if (file.kind === 'spec') return KERNEL.includes(to) || to === 'tests';
  if (kind === 'component') return KERNEL.includes(to);
  if (kind === 'user') return to === 'host' || to === 'abi' || to === `user:${name}`;
  if (kind === 'tests' && to.startsWith('user:')) return true;
  return (ALLOWED[kind] ?? []).includes(to);
}

/** Roles that a component may import: what it needs and what it provides, as file names. */
function rolesOf(project: Project, area: string): Set<string> {
  const info = project.components.get(area.replace(/^component:/, ''));
  return new Set([...(info?.needs ?? []), ...(info?.provides ?? [])].map((role) => role.replaceAll(':', '_')));
}

function checkRole(project: Project, file: SourceFile, area: string, { specifier, line }: Import): Finding[] {
  const role = specifier.replace(/^rump\//, '');
  const say = (message: string): Finding[] => [{ file: file.path, line, rule: 'layers', message }];
  if (role === 'tunables') return [];
  if (!area.startsWith('component:')) return file.kind === 'spec' ? [] : say(`${area} may not use a role (${specifier}): roles are what components offer each other`);
  return rolesOf(project, area).has(role) ? [] : say(`${specifier} is used, but component.json neither needs nor provides that role`);
}

function checkImport(project: Project, file: SourceFile, area: string, one: Import): Finding[] {
  const image = file.kind === 'as' || file.kind === 'spec';
  const say = (message: string): Finding[] => [{ file: file.path, line: one.line, rule: 'layers', message }];
  if (one.specifier.startsWith('rump/')) return checkRole(project, file, area, one);
  if (one.target === null) {
    if (one.specifier.startsWith('.')) return /(?:^|\/)(?:gen|dist|build)\//.test(one.specifier) ? [] : say(`no such file: ${one.specifier}`);
    return image && area !== 'runtime' ? say(`the image has no packages: ${one.specifier}`) : [];
  }
  const target = areaOf(one.target);
  if (mayImport(area, target, file)) return [];
  if (area === 'abi') return say(`a leaf file imports nothing but other leaf files, not ${one.target}`);
  return say(`${area} may not import ${target} (${one.target})`);
}

/** Rule 5: kernel, host and tools must not know that a component exists. */
function checkNames(project: Project, file: SourceFile): Finding[] {
  if (!/^(?:kernel|host|tools)\//.test(file.path)) return [];
  return stringsOf(file).flatMap(({ text, line }) => {
    const name = /(?:^|\/)components\/([\w-]+)/.exec(text)?.[1];
    if (name === undefined || !project.components.has(name)) return [];
    return [{ file: file.path, line, rule: 'layers', message: `names the folder of component ${name}: without it this would break` }];
  });
}

export const layers: Rule = {
  name: 'layers',
  about: 'imports go down the layers; components meet only through roles',
  check(project) {
    return project.ofKind('as', 'spec', 'ts', 'js').flatMap((file) => {
      const area = areaOf(file.path);
      return [...importsOf(project, file).flatMap((one) => checkImport(project, file, area, one)), ...checkNames(project, file)];
    });
  },
};
