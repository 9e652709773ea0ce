/**
 * How long things may get: a file 400 lines, a function fewer than 70. A file below 50 is only
 * mentioned, as it may well be one idea too few for a file of its own.
 *
 * The limits hold in both worlds and for tests and tools too. The ratchet (tools/tidy/ratchet.ts)
 * may be stricter.
 */
import { functionsOf } from '../functions';
import type { Finding, Rule } from '../finding';
import type { SourceFile } from '../project';

export const MAX_FILE = 400;
export const MAX_FUNCTION = 69;
const MIN_FILE = 50;
/** Short by their nature: leaf files of constants, entries, tests. */
const MAY_BE_SHORT = /(?:^kernel\/abi\/|\.abi\.ts$|\.hyper\.ts$|\/(?:index|main)\.ts$|\.test\.ts$|\.spec\.ts$|\.d\.ts$|^tests\/)/;

function checkFile(file: SourceFile): Finding[] {
  const found: Finding[] = [];
  const count = file.lines.length;
  if (count > MAX_FILE) found.push({ file: file.path, line: MAX_FILE, rule: 'lengths', message: `${count} lines, at most ${MAX_FILE}` });
  if (count < MIN_FILE && !MAY_BE_SHORT.test(file.path)) {
    found.push({ file: file.path, line: 1, rule: 'lengths', message: `only ${count} lines: does it need a file of its own?`, warning: true });
  }
  for (const { name, line, length } of functionsOf(file)) {
    if (length <= MAX_FUNCTION) continue;
    found.push({ file: file.path, line, rule: 'lengths', message: `${name || 'a function'} takes ${length} lines, at most ${MAX_FUNCTION}` });
  }
  return found;
}

export const lengths: Rule = {
  name: 'lengths',
  about: `files to ${MAX_FILE} lines, functions to ${MAX_FUNCTION}`,
  check: (project) => project.ofKind('as', 'spec', 'ts', 'js').flatMap(checkFile),
};
