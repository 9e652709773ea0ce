/**
 * The ratchet: by area, the longest file, the longest function and the number of allowances, as they
 * were when somebody last tightened it (tools/tidy/ratchet.json). Nothing may become worse than that.
 *
 * `npm run tidy -- --update` writes today's values where they are better and refuses when one is
 * worse: the way back is not to be had by a flag. An area that is not in the file yet has the limits
 * of the rules.
 *
 * Assertions are counted here too, for the report: calls of assert() for each 1000 lines of the image.
 */
import ts from 'typescript';
import { functionsOf } from './functions';
import { walk } from './imports';
import type { Allowance, Finding } from './finding';
import type { Project, SourceFile } from './project';
import { MAX_FILE, MAX_FUNCTION } from './rules/lengths';

export const RATCHET_FILE = 'tools/tidy/ratchet.json';

export interface Mark {
  longestFile: number;
  longestFunction: number;
  allowances: number;
}

export interface Metrics extends Mark {
  files: number;
  lines: number;
  /** Median lines of a file. */
  medianFile: number;
  assertions: number;
  /** Where the longest are, for the message. */
  longestFileAt: string;
  longestFunctionAt: string;
}

export const AREAS = ['kernel', 'components', 'host', 'tools', 'tests'] as const;
const KEYS = ['longestFile', 'longestFunction', 'allowances'] as const;

function countAssertions(file: SourceFile): number {
  let count = 0;
  walk(file, (node) => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'assert') count += 1;
  });
  return count;
}

function measureArea(files: SourceFile[], allowances: Allowance[]): Metrics {
  const result: Metrics = {
    files: files.length, lines: 0, medianFile: 0, assertions: 0, allowances: allowances.length,
    longestFile: 0, longestFileAt: '', longestFunction: 0, longestFunctionAt: '',
  };
  for (const file of files) {
    const count = file.lines.length;
    result.lines += count;
    if (file.kind === 'as') result.assertions += countAssertions(file);
    if (count > result.longestFile) Object.assign(result, { longestFile: count, longestFileAt: file.path });
    for (const { length, line, name } of functionsOf(file)) {
      if (length > result.longestFunction) Object.assign(result, { longestFunction: length, longestFunctionAt: `${file.path}:${line} ${name}`.trimEnd() });
    }
  }
  const sorted = files.map((file) => file.lines.length).sort((a, b) => a - b);
  result.medianFile = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return result;
}

export function measure(project: Project, allowances: Allowance[]): Record<string, Metrics> {
  return Object.fromEntries(AREAS.map((area) => {
    const inArea = (path: string): boolean => path.startsWith(`${area}/`);
    const files = project.ofKind('as', 'spec', 'ts', 'js').filter((file) => inArea(file.path));
    return [area, measureArea(files, allowances.filter((allow) => inArea(allow.file)))];
  }));
}

/** @returns assertions for each 1000 lines of the image's sources (specs not counted) */
export function assertionDensity(project: Project): number {
  const files = project.ofKind('as').filter((file) => !file.path.startsWith('kernel/abi/') && !file.path.endsWith('.abi.ts'));
  const lines = files.reduce((n, file) => n + file.lines.length, 0);
  const count = files.reduce((n, file) => n + countAssertions(file), 0);
  return lines > 0 ? (1000 * count) / lines : 0;
}

export function readRatchet(project: Project): Record<string, Mark> {
  return project.json<Record<string, Mark>>(RATCHET_FILE) ?? {};
}

function markOf(ratchet: Record<string, Mark>, area: string): Mark {
  return ratchet[area] ?? { longestFile: MAX_FILE, longestFunction: MAX_FUNCTION, allowances: Infinity };
}

/** What has become worse than the ratchet allows. */
export function checkRatchet(metrics: Record<string, Metrics>, ratchet: Record<string, Mark>): Finding[] {
  return Object.entries(metrics).flatMap(([area, now]) => {
    const mark = markOf(ratchet, area);
    return KEYS.filter((key) => now[key] > mark[key]).map((key) => {
      const at = key === 'longestFile' ? now.longestFileAt : key === 'longestFunction' ? now.longestFunctionAt : '';
      const [file, line] = at.split(/[: ]/);
      const message = `${area}: ${key} is ${now[key]}${at ? ` (${at})` : ''}, the ratchet stands at ${mark[key]}`;
      return { file: file || RATCHET_FILE, line: Number(line) || 1, rule: 'ratchet', message };
    });
  });
}

/** The ratchet tightened to today's values; never loosened. */
export function tighten(metrics: Record<string, Metrics>, ratchet: Record<string, Mark>): Record<string, Mark> {
  return Object.fromEntries(Object.entries(metrics).filter(([, now]) => now.files > 0).map(([area, now]) => {
    const mark = markOf(ratchet, area);
    return [area, {
      longestFile: Math.min(now.longestFile, mark.longestFile),
      longestFunction: Math.min(now.longestFunction, mark.longestFunction),
      allowances: Math.min(now.allowances, mark.allowances),
    }];
  }));
}
