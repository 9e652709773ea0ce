/**
 * Where the tree speaks of RFCs: the comments of sources and of tests, read for two forms.
 *
 *     RFC 9293 §3.8.6 MUST-34, MUST-35        a requirement; "MUST-4 to 7" is four of them
 *     RFC 7323 §2.2, §3.2                     a clause
 *
 * A comment is read whole, however its lines are broken, so the requirement may stand on the line after
 * its section. Cost: one pass over the text of components/, kernel/, host/ and tests/; a file's syntax
 * tree is made only where a requirement is named outside its header.
 */
import ts from 'typescript';
import type { Project, SourceFile } from '../project';

export interface Mention {
  file: string;
  /** From 1. */
  line: number;
  /** The function, class or constant; "" in a file's header, in a script and in a test. */
  name: string;
}

export interface Tag extends Mention {
  id: string;
  /** The section that the comment names before it, "" if none. */
  section: string;
}

export interface Clause {
  file: string;
  rfc: number;
  section: string;
}

/** Lines that belong together, and where each begins in the text. */
interface Block {
  text: string;
  starts: number[];
  /** From 1. */
  first: number;
}

const SOURCES = /^(?:components|kernel|host)\//;
const COMMENT_LINE = /^\s*(?:\/\/|\/?\*)/;
const CLAUSE = /RFC (\d{3,5})((?:,?(?: and)? §\d+(?:\.\d+)*)+)/g;
const REQUIREMENT = /\b(MUST|SHLD)-(\d+)(?: to (?:MUST-|SHLD-)?(\d+))?/g;
const DECLARATION = /^\s*(?:export\s+)?(?:abstract\s+)?(?:function|class|const|let|interface)\s+(\w+)/;

export function isTest(file: SourceFile): boolean {
  if (file.path.startsWith('tests/tidy/') || file.kind === 'fixture') return false;
  return file.path.startsWith('tests/') ? /\.(?:pkt|ts)$/.test(file.path) : file.kind === 'spec' || /\.test\.ts$/.test(file.path);
}

export function isSource(file: SourceFile): boolean {
  return SOURCES.test(file.path) && file.path.endsWith('.ts') && !isTest(file);
}

/** Comments, each as one line; in a test every other line too, for titles name requirements as well. */
function blocksOf(file: SourceFile, codeToo: boolean): Block[] {
  const blocks: Block[] = [];
  let open: Block | null = null;
  file.lines.forEach((raw, index) => {
    const comment = COMMENT_LINE.test(raw);
    const text = comment ? raw.replace(/^\s*(?:\/\/|\/?\*+\/?)\s?/, '').trim() : codeToo ? raw : (/\s\/\/\s.*$/.exec(raw)?.[0] ?? '');
    if (comment && open) {
      open.starts.push(open.text.length + 1);
      open.text += ` ${text}`;
      return;
    }
    const block: Block = { text, starts: [0], first: index + 1 };
    blocks.push(block);
    open = comment ? block : null;
  });
  return blocks;
}

function lineOf(block: Block, offset: number): number {
  return block.first + block.starts.filter((start) => start <= offset).length - 1;
}

/** What encloses a line: the innermost function with a name, else the class. */
function enclosing(file: SourceFile, line: number): string {
  let name = '';
  const at = (position: number): number => file.ast.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: ts.Node): void => {
    if (at(node.getStart(file.ast)) > line || at(node.end) < line) return;
    const named = (ts.isFunctionLike(node) || ts.isClassLike(node)) && node.name && 'text' in node.name;
    if (named) name = String((node.name as ts.Identifier).text);
    ts.forEachChild(node, visit);
  };
  visit(file.ast);
  return name;
}

/** The name of what a comment is about: what encloses it, or what is declared right after it. */
function nameAt(file: SourceFile, block: Block, line: number): string {
  if (isTest(file) || block.first === 1) return '';
  const inside = enclosing(file, line);
  if (inside) return inside;
  const after = file.lines.slice(block.first + block.starts.length - 1).find((text) => !/^\s*(?:@|\/\/|$)/.test(text));
  return DECLARATION.exec(after ?? '')?.[1] ?? '';
}

/** The section of RFC 9293 that a text named last, "" if none. */
function sectionAt(text: string): string {
  let rfc = '';
  let section = '';
  for (const [, number, clause] of text.matchAll(/RFC (\d+)|§(\d+(?:\.\d+)*)/g)) {
    if (number) rfc = number;
    else if (rfc === '9293') section = clause;
  }
  return section;
}

function tagsOf(file: SourceFile): Tag[] {
  return blocksOf(file, isTest(file)).flatMap((block) => [...block.text.matchAll(REQUIREMENT)].flatMap((match) => {
    const line = lineOf(block, match.index);
    const name = nameAt(file, block, line);
    const last = Number(match[3] ?? match[2]);
    const count = Math.max(1, last - Number(match[2]) + 1);
    return Array.from({ length: count }, (_, step) => ({
      file: file.path, line, name, id: `${match[1]}-${Number(match[2]) + step}`, section: sectionAt(block.text.slice(0, match.index)),
    }));
  }));
}

/** Every requirement that a comment names, in order of path and line. */
export function findTags(project: Project): Tag[] {
  const files = [...project.files.values()].filter((file) => isSource(file) || isTest(file));
  return files.filter((file) => /\b(?:MUST|SHLD)-\d/.test(file.text)).flatMap(tagsOf);
}

/** Every clause that a file names, once for each file. */
export function findClauses(project: Project): Clause[] {
  const files = [...project.files.values()].filter((file) => (isSource(file) || isTest(file)) && file.text.includes('§'));
  return files.flatMap((file) => {
    const found = new Map<string, Clause>();
    for (const block of blocksOf(file, isTest(file))) {
      for (const [, rfc, list] of block.text.matchAll(CLAUSE)) {
        for (const [, section] of list.matchAll(/§(\d+(?:\.\d+)*)/g)) found.set(`${rfc} ${section}`, { file: file.path, rfc: Number(rfc), section });
      }
    }
    return [...found.values()];
  });
}

/** The comments that name a clause: for requirements without a number of their own. */
export function findMentions(project: Project, clause: string): Mention[] {
  const pattern = new RegExp(`${clause.replaceAll('.', '\\.')}(?![\\d.]*\\d)`);
  const files = [...project.files.values()].filter((file) => (isSource(file) || isTest(file)) && file.text.includes(clause.slice(0, 8)));
  return files.flatMap((file) => blocksOf(file, isTest(file)).flatMap((block) => {
    const at = block.text.search(pattern);
    if (at < 0) return [];
    const line = lineOf(block, at);
    return [{ file: file.path, line, name: nameAt(file, block, line) }];
  }));
}
