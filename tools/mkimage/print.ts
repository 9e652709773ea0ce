/**
 * `inspect` and `ls` as text, for a terminal or a pipe.
 */
import { bar, bold, dim, table } from '../lib/term.mjs';
import type { BuildResult } from './build';
import type { Inspection, ListedComponent, ListedImage, Listing } from './inspect';

const BAR_COLUMNS = 24;
const PAGE_KIB = 64;

/** 512 → "512 B", 34567 → "33.8 KB". */
export function bytesText(n: number): string {
  if (n < 1024) return `${n} B`;
  if (n < 1024 * 1024) return `${(n / 1024).toFixed(1)} KB`;
  return `${(n / 1024 / 1024).toFixed(1)} MB`;
}

const heading = (text: string, note = ''): string => `\n${bold(text)}${note ? `  ${dim(note)}` : ''}`;

/** Lines of `names` joined by two spaces, at most `columns` wide, indented. */
function columnsOf(names: string[], columns = 100): string[] {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + name.length + 2 <= columns) lines[lines.length - 1] = `${last}  ${name}`;
    else lines.push(`  ${name}`);
  }
  return lines;
}

function sizeLines({ sizes, manifest }: Inspection): string[] {
  const order = manifest?.units.map((unit) => unit.name) ?? [];
  const rank = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  const rows = Object.entries(sizes.byUnit).sort(([a], [b]) => rank(a) - rank(b));
  const rest = sizes.stripped - sizes.code - sizes.data;
  const all = [...rows, ['static data', sizes.data] as const, ['tables and types', rest] as const];
  const full = Math.max(...all.map(([, bytes]) => bytes));
  const wide = Math.max(...all.map(([name]) => name.length));
  return all.map(([name, bytes]) => {
    const share = `${((100 * bytes) / sizes.stripped).toFixed(1)} %`;
    const drawn = bar(bytes, full, BAR_COLUMNS);
    return `  ${name.padEnd(wide)}  ${bytesText(bytes).padStart(9)}  ${share.padStart(7)}  ${drawn}`;
  });
}

function unitLines({ manifest, identity }: Inspection): string[] {
  if (!manifest) return columnsOf(identity.components);
  const wide = Math.max(...manifest.units.map((unit) => unit.name.length));
  return manifest.units.map((unit) => {
    const roles = unit.provides.length > 0 ? dim(`  [${unit.provides.join(' ')}]`) : '';
    return `  ${unit.name.padEnd(wide)}  ${unit.description}${roles}`;
  });
}

function importLines(imports: Inspection['imports']): string[] {
  const modules = [...new Set(imports.map(({ module }) => module))];
  return modules.flatMap((module) => {
    const calls = imports.filter((call) => call.module === module);
    return [`  ${module} ${dim(`(${calls.length})`)}`, ...columnsOf(calls.map(({ name }) => name), 96).map((line) => `  ${line}`)];
  });
}

/** `rumpwasm inspect`. */
export function inspectionText(found: Inspection): string {
  const { identity, manifest, memory, sizes } = found;
  const mib = (memory.pages * PAGE_KIB) / 1024;
  const fixed = memory.pages === memory.maxPages ? 'fixed' : `up to ${memory.maxPages ?? 'any number of'} pages`;
  const mutable = found.globals.filter((g) => g.mutable);
  const params = Object.entries(identity.params).map(([name, value]) => `${name}=${value}`);
  const lines = [
    `${bold(identity.image)}  ${manifest?.description ?? ''}`,
    `  ${bytesText(sizes.stripped)} of image, ${bytesText(sizes.file)} with names; ABI ${identity.abiHash.slice(0, 12)}`,
    `  memory ${mib} MiB, ${fixed}; ${found.tableSize} functions in the table${manifest ? `; ${manifest.compiler}` : ''}`,
    heading('components'),
    ...unitLines(found),
    ...(manifest && manifest.phases.length > 0 ? [heading('boot order'), ...manifest.phases.map(({ phase, calls }) => `  ${phase.padEnd(9)}  ${calls.join(' → ')}`)] : []),
    heading('imports', 'the privileges of the image'),
    ...importLines(found.imports),
    heading('exports'),
    ...columnsOf(found.exports.map(({ name }) => name)),
    heading('code by component'),
    ...sizeLines(found),
    ...(mutable.length > 0 ? [heading('module variables', 'pointers, set at boot'), ...columnsOf(mutable.map(({ name }) => name))] : []),
    ...(params.length > 0 ? [heading('parameters'), ...columnsOf(params)] : []),
  ];
  return lines.join('\n');
}

const listText = (names: string[]): string => (names.length > 0 ? names.join(' ') : '–');

/** A table whose last column is cut to what is left of `columns`; nothing is cut in a pipe. */
function fitted(head: string[], rows: string[][], align: string, columns: number | undefined): string {
  if (columns === undefined) return table(head, rows, align);
  const others = head.slice(0, -1).map((_, i) => Math.max(...[head, ...rows].map((row) => row[i].length)) + 2);
  const room = Math.max(20, columns - others.reduce((sum, width) => sum + width, 0));
  const cut = (text: string): string => (text.length <= room ? text : `${text.slice(0, room - 1)}…`);
  return table(head, rows.map((row) => [...row.slice(0, -1), cut(row.at(-1) ?? '')]), align);
}

/** `rumpwasm ls`, for a terminal of `columns` (none: a pipe). */
export function listingText(units: Listing, images: ListedImage[], columns?: number): string {
  const rows = (list: ListedComponent[]): string[][] =>
    list.map((c) => [c.name, listText(c.provides), listText(c.needs), c.description]);
  const head = ['component', 'provides', 'needs', ''];
  const broken = units.broken.map(({ name, error }) => [name, '–', '–', error]);
  const imageRows = images.filter((i) => !i.fragment).map((i) => [
    i.name, i.size === null ? 'not built' : bytesText(i.size), i.error === null ? i.units.join(' ') : '–', i.error ?? i.description,
  ]);
  return [
    fitted(['part of the kernel', ...head.slice(1)], rows(units.parts), '<<<<', columns), '',
    fitted(head, [...rows(units.components), ...broken], '<<<<', columns), '',
    fitted(['image', 'size', 'contents', ''], imageRows, '<><<', columns),
  ].join('\n');
}

/** One line on what was built. */
export function buildText({ name, manifest, built, wasmFile }: BuildResult, ms: number): string {
  const { sizes } = manifest;
  const what = `${name}: ${bytesText(sizes.stripped)} (${bytesText(sizes.file)} with names), ${manifest.components.length} component(s)`;
  return built ? `${what} in ${(ms / 1000).toFixed(1)} s → ${wasmFile}` : `${what}, up to date → ${wasmFile}`;
}
