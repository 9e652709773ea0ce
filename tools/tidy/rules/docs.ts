/**
 * Documents that tell the truth: links lead somewhere, headings that are linked to exist, commands
 * that are quoted exist in package.json, documents that sources refer to are there, and so are the
 * files that a reader looks for first.
 */
import { posix } from 'node:path';
import type { Finding, Rule } from '../finding';
import type { Project, SourceFile } from '../project';

const REQUIRED = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'LICENSE', 'package.json', 'package-lock.json', '.ci/run'];
const LINK = /!?\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g;
/** Words that npm understands without a script of that name. */
const NPM_OWN = new Set(['ci', 'install', 'i', 'pack', 'publish', 'exec', 'link', 'init', 'version', 'ls', 'run']);

/** GitHub's name for a heading: lower case, punctuation gone, spaces as hyphens. */
export function slug(heading: string): string {
  return heading.trim().toLowerCase().replace(/[`*]|\[|\]\([^)]*\)/g, '').replace(/[^\p{L}\p{N}_\s-]/gu, '').replace(/\s/g, '-');
}

/** The lines of a document, those inside code fences blanked. */
function prose(file: SourceFile): string[] {
  let fenced = false;
  return file.lines.map((line) => {
    if (/^\s*(?:```|~~~)/.test(line)) {
      fenced = !fenced;
      return '';
    }
    return fenced ? '' : line;
  });
}

function hasAnchor(file: SourceFile, anchor: string): boolean {
  const slugs = prose(file).map((line) => /^#{1,6}\s+(.*)$/.exec(line)?.[1]).filter((heading) => heading !== undefined).map(slug);
  return slugs.includes(anchor) || file.text.includes(`id="${anchor}"`);
}

function checkLink(project: Project, file: SourceFile, line: number, href: string): Finding[] {
  if (/^[a-z][a-z0-9+.-]*:/i.test(href)) return [];
  const say = (message: string): Finding[] => [{ file: file.path, line, rule: 'docs', message }];
  const [path, anchor] = href.split('#');
  const target = path === '' ? file.path : posix.join(posix.dirname(file.path), decodeURI(path));
  const found = project.files.get(target);
  if (!found) return project.hasFolder(target) ? [] : say(`link to ${href}: no such file`);
  return anchor && target.endsWith('.md') && !hasAnchor(found, anchor) ? say(`link to ${href}: no such heading`) : [];
}

function checkDocument(project: Project, file: SourceFile): Finding[] {
  const scripts = project.json<{ scripts?: Record<string, string> }>('package.json')?.scripts ?? {};
  const links = prose(file).flatMap((line, index) => [...line.replace(/`[^`]*`/g, '').matchAll(LINK)]
    .flatMap((match) => checkLink(project, file, index + 1, match[1])));
  const commands = file.lines.flatMap((line, index) => [...line.matchAll(/\bnpm (run )?([a-z][\w:-]*)/g)]
    .filter(([, run, name]) => !(name in scripts) && (run !== undefined || ['start', 'test'].includes(name) || (/`[^`]*npm /.test(line) && !NPM_OWN.has(name))))
    .map(([quoted]) => ({ file: file.path, line: index + 1, rule: 'docs', message: `\`${quoted}\` is not a script of package.json` })));
  return [...links, ...commands];
}

/** Documents that comments of sources refer to. */
function checkMentions(project: Project, file: SourceFile): Finding[] {
  return file.lines.flatMap((line, index) => [...line.matchAll(/(?<![\w/.-])docs\/[\w/-]+\.md\b/g)]
    .filter(([path]) => !project.has(path))
    .map(([path]) => ({ file: file.path, line: index + 1, rule: 'docs', message: `refers to ${path}, which does not exist` })));
}

export const docs: Rule = {
  name: 'docs',
  about: 'links, headings, commands and documents that are named exist',
  check(project) {
    const missing = REQUIRED.filter((path) => !project.has(path)).map((path) => ({ file: path, line: 1, rule: 'docs', message: 'is missing' }));
    const documents = project.ofKind('other').filter((file) => file.path.endsWith('.md'));
    const sources = project.ofKind('as', 'spec', 'ts', 'js').filter((file) => !file.path.startsWith('tests/tidy/'));
    return [...missing, ...documents.flatMap((file) => checkDocument(project, file)), ...[...documents, ...sources].flatMap((file) => checkMentions(project, file))];
  },
};
