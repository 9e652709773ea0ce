/**
 * Every source file opens with a comment that says what problem it solves (and, where there is one,
 * draws the data structure, names the RFC with its section, and gives the cost).
 *
 * What can be checked is that it is there, first, and more than a name.
 */
import type { Finding, Rule } from '../finding';
import type { SourceFile } from '../project';

const MIN_WORDS = 8;

/** @returns the words of the comment that a file opens with */
export function headerWords(text: string): number {
  const body = text.replace(/^#!.*\n/, '').trimStart();
  const block = /^\/\*([\s\S]*?)\*\//.exec(body)?.[1];
  const lines = /^(?:\/\/.*\n?)+/.exec(body)?.[0];
  return (block ?? lines ?? '').split(/[\s*/]+/).filter((word) => /\w/.test(word)).length;
}

function checkFile(file: SourceFile): Finding[] {
  const words = headerWords(file.text);
  if (words >= MIN_WORDS) return [];
  const message = words === 0 ? 'no header comment: what problem does this file solve?' : `a header comment of ${words} words says too little`;
  return [{ file: file.path, line: 1, rule: 'headers', message }];
}

export const headers: Rule = {
  name: 'headers',
  about: 'every source file opens with what problem it solves',
  check: (project) => project.ofKind('as', 'spec', 'ts', 'js').flatMap(checkFile),
};
