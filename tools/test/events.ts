/**
 * From the stream of test events of one file to its outcomes.
 *
 * Only leaves are counted: a suite is a heading, and a test that merely holds subtests is one too.
 * Events come children first:
 *
 *     start A(0)  start a(1)  pass a(1)  start b(1)  fail b(1)  fail A(0)   → a passed, b failed
 *
 * so an event at depth n closes the children seen at depth n + 1. A heading is counted only if it
 * failed for a reason of its own (a hook that threw, an assertion after its subtests).
 */
import type { TestLine } from '../testReporter/main';
import type { Failure, Skip } from './outcome';

export interface FileOutcome {
  passed: number;
  failures: Failure[];
  skips: Skip[];
  /** Tests that began and never ended, outermost first: where a crash or a hang was. */
  unfinished: string[];
}

/** @param file its path, which becomes part of every name */
export function foldEvents(file: string, lines: TestLine[]): FileOutcome {
  const result: FileOutcome = { passed: 0, failures: [], skips: [], unfinished: [] };
  const open: string[] = [];            // names of the headings we are in, by depth
  const running: TestLine[] = [];
  const children: number[] = [];        // children seen, by depth of the parent
  for (const line of lines) {
    if (line.status === 'begin') {
      running.push(line);
      continue;
    }
    if (line.status === 'start') {
      open.length = line.nesting;
      open.push(line.name);
      continue;
    }
    const name = [file, ...open.slice(0, line.nesting), line.name].join(' > ');
    const isHeading = line.suite || (children[line.nesting] ?? 0) > 0;
    children.length = line.nesting;
    if (line.nesting > 0) children[line.nesting - 1] = (children[line.nesting - 1] ?? 0) + 1;
    open.length = line.nesting;
    const begun = running.findIndex((other) => other.name === line.name && other.nesting === line.nesting);
    if (begun >= 0) running.splice(begun, 1);
    if (line.skip !== undefined) result.skips.push({ name, reason: line.skip || 'no reason given' });
    else if (line.status === 'fail' && line.failureType !== 'subtestsFailed') result.failures.push({ name, detail: line.error ?? '' });
    else if (!isHeading && line.status === 'pass') result.passed += 1;
  }
  result.unfinished = running.map((line) => line.name);
  return result;
}
