/**
 * The tree as tidy sees it: paths, texts, syntax trees, and which world each file belongs to.
 *
 *     as       the image's language: kernel/, components/            compiled by asc
 *     spec     as-pect specs beside those, and their helpers (x_spec.ts, x_spec_y.ts)
 *     ts       the host's: host/, tools/, tests/, *.user.ts, *.cli.ts compiled by tsc, bundled by esbuild
 *     js       plain JavaScript that runs before anything is installed
 *     fixture  inputs of tests, held to nothing
 *     other    documents, JSON, pages
 *
 * TypeScript's parser reads AssemblyScript too (the languages share their syntax), so one parser does
 * for both. A project is a map in memory: the rules' own tests make one of a few strings.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';

export type Kind = 'as' | 'spec' | 'ts' | 'js' | 'fixture' | 'other';

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  path: string;
  text: string;
  kind: Kind;
  lines: string[];
  /** Parsed on first use; only for as, spec, ts and js. */
  readonly ast: ts.SourceFile;
}

/** Folders that hold results, not sources. */
const SKIP_DIRS = new Set(['node_modules', 'dist', 'build', 'gen', '.git']);
const TEXT = /\.(?:ts|mjs|js|json|md|html|css|svg|txt|yml|yaml|sh|pkt|c|h)$|(?:^|\/)(?:LICENSE|\.npmrc|\.gitignore|\.ci\/run)$/;

/** @returns the world a path belongs to */
export function kindOf(path: string): Kind {
  if (path.includes('/fixtures/')) return 'fixture';
  if (path.endsWith('.mjs') || path.endsWith('.js')) return 'js';
  if (!path.endsWith('.ts')) return 'other';
  if (!/^(?:kernel|components)\//.test(path)) return /^(?:host|tools|tests)\//.test(path) ? 'ts' : 'other';
  if (/(?:\.spec|_spec(?:_\w+)?)\.ts$/.test(path)) return 'spec';
  return /\.(?:user|cli|test)\.ts$/.test(path) ? 'ts' : 'as';
}

export function makeFile(path: string, text: string): SourceFile {
  let ast: ts.SourceFile | undefined;
  return {
    path,
    text,
    kind: kindOf(path),
    lines: text.replace(/\n$/, '').split('\n'),
    get ast() {
      ast ??= ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true, path.endsWith('js') ? ts.ScriptKind.JS : ts.ScriptKind.TS);
      return ast;
    },
  };
}

/** A component.json, as far as the rules look at it. */
export interface ComponentInfo {
  name: string;
  path: string;
  provides: string[];
  needs: string[];
  /** Sources that it names, relative to its folder: entry, roles, hypercalls, "net/init.ts:function". */
  files: string[];
}

/** Every string of a JSON value. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

export class Project {
  readonly files = new Map<string, SourceFile>();
  readonly #components = new Map<string, ComponentInfo>();

  constructor(texts: Record<string, string>) {
    for (const path of Object.keys(texts).sort()) this.files.set(path, makeFile(path, texts[path]));
    for (const file of this.files.values()) this.#addComponent(file);
  }

  /** Files of these kinds, in order of their paths. */
  ofKind(...kinds: Kind[]): SourceFile[] {
    return [...this.files.values()].filter((file) => kinds.includes(file.kind));
  }

  has(path: string): boolean {
    return this.files.has(path);
  }

  /** Whether a path is a folder of the tree. */
  hasFolder(path: string): boolean {
    const prefix = path.endsWith('/') ? path : `${path}/`;
    return [...this.files.keys()].some((name) => name.startsWith(prefix));
  }

  /** Components by name, the kernel's own component.json among them as "kernel". */
  get components(): ReadonlyMap<string, ComponentInfo> {
    return this.#components;
  }

  /** The parsed JSON of a file, or null when it is absent or broken (another rule says so). */
  json<T>(path: string): T | null {
    try {
      return JSON.parse(this.files.get(path)?.text ?? 'null') as T;
    } catch {
      return null;
    }
  }

  #addComponent(file: SourceFile): void {
    const match = /^(?:components\/([^/]+)|kernel)\/component\.json$/.exec(file.path);
    if (!match) return;
    const name = match[1] ?? 'kernel';
    const json = this.json<Record<string, unknown>>(file.path) ?? {};
    const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter((x) => typeof x === 'string') : []);
    this.#components.set(name, {
      name,
      path: file.path.replace(/\/component\.json$/, ''),
      provides: strings(json.provides),
      needs: strings(json.needs),
      files: stringsIn(json).map((word) => /^[\w./-]+\.ts(?=:|$)/.exec(word)?.[0]).filter((file) => file !== undefined),
    });
  }
}

/** Read the tree from disk. */
export function loadProject(root: string): Project {
  const texts: Record<string, string> = {};
  const walk = (dir: string): void => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const full = join(dir, entry.name);
      const path = relative(root, full).replaceAll('\\', '/');
      if (entry.isDirectory() && !SKIP_DIRS.has(entry.name)) walk(full);
      else if (entry.isFile() && TEXT.test(path)) texts[path] = readFileSync(full, 'utf8');
    }
  };
  walk(root);
  return new Project(texts);
}
