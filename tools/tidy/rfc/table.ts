/**
 * docs/rfc.md: the requirements of RFC 9293, each with the lines that meet it and the tests that show it,
 * and the clauses of other RFCs that the sources name.
 *
 * What the RFC asks for is data (tools/tidy/rfc/rfc9293.json): number, section, a few words of our own,
 * and where nothing meets or shows it, why. The rest is read from comments (./scan.ts), so the document is
 * never written by hand.
 */
import { posix } from 'node:path';
import type { Project } from '../project';
import { findClauses, findMentions, findTags, isTest, type Clause, type Mention } from './scan';

export const DATA_FILE = 'tools/tidy/rfc/rfc9293.json';
export const DOCUMENT = 'docs/rfc.md';

export interface Requirement {
  /** As Appendix B numbers it; for one without a number: its section and a word. */
  id: string;
  section: string;
  asks: string;
  /** Absent: met. */
  status?: 'not met' | 'not applicable';
  /** Why it is not met, or not applicable. */
  why?: string;
  /** Why no line of the sources is named. */
  noSource?: string;
  /** Why no test is named. */
  noTest?: string;
  /** For one without a number: the clause that comments name, "RFC 5961 §3.2". */
  clause?: string;
}

export interface RfcData {
  requirements: Requirement[];
  /** Titles of RFCs by number. */
  titles: Record<string, string>;
}

export interface Row extends Requirement {
  sources: Mention[];
  tests: Mention[];
}

/** Links shown in a cell; the rest is counted. */
const SHOWN = 6;

function inTest(project: Project, mention: Mention): boolean {
  const file = project.files.get(mention.file);
  return file !== undefined && isTest(file);
}

/** One mention for each function or file: the first; those of headers only where there is nothing better. */
function distinct(mentions: Mention[], test: boolean): Mention[] {
  const better = test ? mentions : mentions.filter((mention) => mention.name !== '');
  const byPlace = new Map<string, Mention>();
  for (const mention of better.length > 0 ? better : mentions) {
    const place = `${mention.file} ${mention.name}`;
    if (!byPlace.has(place)) byPlace.set(place, mention);
  }
  return [...byPlace.values()];
}

export function rowsOf(project: Project, data: RfcData): Row[] {
  const tags = findTags(project);
  return data.requirements.map((requirement) => {
    const mentions = requirement.clause ? findMentions(project, requirement.clause) : tags.filter((tag) => tag.id === requirement.id);
    const tests = mentions.filter((mention) => inTest(project, mention));
    return { ...requirement, sources: distinct(mentions.filter((m) => !tests.includes(m)), false), tests: distinct(tests, true) };
  });
}

function link({ file, line, name }: Mention): string {
  const script = file.endsWith('.pkt');
  const label = script ? file.replace(/^tests\/drill\/(.*)\.pkt$/, '$1') : `${posix.basename(file)}:${line}`;
  return `[${label}](../${file}${script ? '' : `#L${line}`})${name ? ` ${name}` : ''}`;
}

function cell(mentions: Mention[], reason = ''): string {
  const more = mentions.length - SHOWN;
  const shown = mentions.slice(0, SHOWN).map(link).join('<br>');
  return `${shown}${more > 0 ? `<br>and ${more} more` : ''}${mentions.length === 0 ? reason : ''}`.replaceAll('|', '\\|');
}

export function statusOf(row: Requirement): string {
  return row.status ? `**${row.status}**: ${row.why ?? ''}` : 'met';
}

function bySection(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    if ((left[i] ?? -1) !== (right[i] ?? -1)) return (left[i] ?? -1) - (right[i] ?? -1);
  }
  return 0;
}

/** One line for each RFC: the clauses that sources name, marked where a test names them too. */
function clauseTable(project: Project, data: RfcData): string[] {
  const clauses = findClauses(project);
  const tested = (clause: Clause): boolean => inTest(project, { ...clause, line: 0, name: '' });
  const files = (list: Clause[]): number => new Set(list.map((clause) => clause.file)).size;
  const numbers = [...new Set(clauses.filter((clause) => !tested(clause)).map((clause) => clause.rfc))].sort((a, b) => a - b);
  return numbers.map((rfc) => {
    const own = clauses.filter((clause) => clause.rfc === rfc);
    const shown = new Set(own.filter(tested).map((clause) => clause.section));
    const sections = [...new Set(own.filter((clause) => !tested(clause)).map((clause) => clause.section))].sort(bySection);
    const list = sections.map((section) => (shown.has(section) ? `**${section}**` : section)).join(', ');
    const sources = own.filter((clause) => !tested(clause));
    return `| ${rfc} | ${data.titles[rfc] ?? ''} | ${list} | ${files(sources)} | ${files(own.filter(tested))} |`;
  });
}

/** The whole document. */
export function writeDocument(project: Project, data: RfcData): string {
  const rows = rowsOf(project, data);
  const count = (status?: string): number => rows.filter((row) => row.status === status).length;
  return [
    '# RFCs: what is asked, where it is met, what shows it',
    '',
    '<!-- Written by `npm run tidy` from comments and tools/tidy/rfc/rfc9293.json: change those, not this. -->',
    '',
    '`npm run tidy` writes this from comments of the form `RFC 9293 §3.8.6 MUST-34`, and fails where a row has neither a line nor a reason.',
    'Scripts are named by their path below `tests/drill`.',
    '',
    '## RFC 9293',
    '',
    `Every requirement of Appendix B that is a MUST or MUST NOT, and those of the text without a number: ${count()} met, ${count('not met')} not met, ${count('not applicable')} not applicable.`,
    '',
    '| | § | asks | met by | shown by | status |',
    '|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row.id} | ${row.section} | ${row.asks} | ${cell(row.sources, row.noSource)} | ${cell(row.tests, row.noTest)} | ${statusOf(row)} |`),
    '',
    '## Clauses of all RFCs',
    '',
    'The sections that sources name as the reason for what they do; **bold** where a test names the section too. Files are counted.',
    '',
    '| RFC | title | sections in sources | sources | tests |',
    '|---|---|---|---|---|',
    ...clauseTable(project, data),
    '',
  ].join('\n');
}
