/**
 * Words that have no place in a tree that is done, and paths of the machine it was written on.
 *
 * A note to oneself is work that nobody sees any more: finish it, or write an issue. The patterns are
 * put together from parts, so that this file does not find itself.
 */
import type { Finding, Rule } from '../finding';
import type { SourceFile } from '../project';

const NOTES = new RegExp(`\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`);
/** Directories that exist on somebody's machine only. */
const MACHINE = new RegExp(`(?:^|[\\s"'\`(=:,])(/(?:${['wo' + 'rk', 'ro' + 'ot', 'ho' + 'me/[a-z]\\w*', 'Us' + 'ers/\\w+', 'tmp/ba' + 'sh_jobs'].join('|')})/[\\w.-]*)`);
const SKIP = new Set(['package-lock.json', 'LICENSE']);

function checkFile(file: SourceFile): Finding[] {
  return file.lines.flatMap((line, index) => {
    const found: Finding[] = [];
    const note = NOTES.exec(line);
    const say = (message: string): void => { found.push({ file: file.path, line: index + 1, rule: 'text', message }); };
    if (note) say(`"${note[0]}" is a note to oneself: finish it or open an issue`);
    const path = MACHINE.exec(line);
    if (path) say(`${path[1]} is a path of one machine`);
    return found;
  });
}

export const text: Rule = {
  name: 'text',
  about: 'no notes to oneself, no paths of one machine',
  check: (project) => [...project.files.values()].filter((file) => !SKIP.has(file.path)).flatMap(checkFile),
};
