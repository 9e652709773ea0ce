/**
 * Requirements of RFC 9293: each has a line that meets it and a test that shows it, or a reason; no
 * comment names a number that does not exist, or one of another section; docs/rfc.md is up to date.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding, Rule } from '../finding';
import { makeFile, type Project } from '../project';
import { findTags, type Tag } from '../rfc/scan';
import { DATA_FILE, DOCUMENT, rowsOf, writeDocument, type RfcData, type Row } from '../rfc/table';

function finding(file: string, line: number, message: string): Finding {
  return { file, line, rule: 'rfc', message };
}

/** Whether two sections are one, or one is within the other. */
function related(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
}

function checkTag(data: RfcData, tag: Tag): Finding[] {
  const known = data.requirements.find((requirement) => requirement.id === tag.id);
  const say = (message: string): Finding[] => [finding(tag.file, tag.line, message)];
  if (!known) return tag.id.startsWith('MUST') ? say(`RFC 9293 has no ${tag.id}`) : [];
  if (tag.section === '') return say(`${tag.id}: name the section before it, "RFC 9293 §${known.section} ${tag.id}"`);
  return related(tag.section, known.section) ? [] : say(`${tag.id} is in §${known.section}, not §${tag.section}: "${known.asks}"`);
}

function checkRow(project: Project, row: Row): Finding[] {
  const line = (project.files.get(DATA_FILE)?.lines.findIndex((text) => text.includes(`"${row.id}"`)) ?? 0) + 1;
  const say = (wrong: boolean, message: string): Finding[] => (wrong ? [finding(DATA_FILE, line, `${row.id} ${message}`)] : []);
  if (row.status) return say(!row.why, `is ${row.status}: say why`);
  return [
    ...say(row.sources.length === 0 && !row.noSource, 'is named by no source: write the comment where it is met, or the reason (noSource) or a status here'),
    ...say(row.tests.length === 0 && !row.noTest, 'is named by no test: write one, or the reason (noTest) or a status here'),
    ...say(row.sources.length > 0 && row.noSource !== undefined, 'has a source now: remove noSource'),
    ...say(row.tests.length > 0 && row.noTest !== undefined, 'has a test now: remove noTest'),
  ];
}

/** Write docs/rfc.md if it is not what it should be. @returns whether it was written */
export function refreshDocument(project: Project, root: string): boolean {
  const data = project.json<RfcData>(DATA_FILE);
  const text = data ? writeDocument(project, data) : null;
  if (text === null || project.files.get(DOCUMENT)?.text === text) return false;
  writeFileSync(join(root, DOCUMENT), text);
  project.files.set(DOCUMENT, makeFile(DOCUMENT, text));
  return true;
}

export const rfc: Rule = {
  name: 'rfc',
  about: 'every MUST of RFC 9293 has a line and a test, or a reason; docs/rfc.md says so',
  check(project) {
    const data = project.json<RfcData>(DATA_FILE);
    if (!data) return [];
    const stale = project.files.get(DOCUMENT)?.text !== writeDocument(project, data);
    return [
      ...findTags(project).flatMap((tag) => checkTag(data, tag)),
      ...rowsOf(project, data).flatMap((row) => checkRow(project, row)),
      ...(stale ? [finding(DOCUMENT, 1, 'is not what the comments say: `npm run tidy` writes it, commit it')] : []),
    ];
  },
};
