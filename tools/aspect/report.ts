/**
 * What the specs came to, and the lines that a failure is told with.
 */
import type { TestNode } from '@as-pect/core';

export interface SpecResult {
  /** Relative path. */
  spec: string;
  tests: { name: string; pass: boolean; lines: string[] }[];
  /** What the code under test wrote on console and log. */
  log: string[];
  ms: number;
}

const LOG_LINES = 10;
const STACK_LINES = 8;

/** A stack frame of WebAssembly without the URL that says nothing. */
function frame(line: string): string {
  return line.trim().replace(/\s*\(?wasm:\/\/wasm\/[^)]*\)?/, '').replace(/^at /, '  at ');
}

/** Why a test failed. */
export function testLines(node: TestNode): string[] {
  if (node.pass) return [];
  const lines = [node.message ?? 'no message'];
  if (node.actual) lines.push(`actual:   ${node.actual.stringify({ indent: 0 }).trim()}`);
  if (node.expected) lines.push(`expected: ${node.expected.negated ? 'not ' : ''}${node.expected.stringify({ indent: 0 }).trim()}`);
  const stack = (node.stackTrace ?? '').split('\n').filter((line) => line.trim() !== '').slice(0, STACK_LINES);
  return [...lines, ...stack.map(frame), ...node.errors.map((error) => error.message)];
}

/** The failures of a spec, indented under its line. */
export function failureLines({ tests, log }: SpecResult): string[] {
  const failed = tests.filter((test) => !test.pass);
  const lines = failed.flatMap((test) => [`    ✗ ${test.name}`, ...test.lines.map((line) => `        ${line}`)]);
  const last = failed.length > 0 ? log.slice(-LOG_LINES) : [];
  return [...lines, ...last.map((line) => `      log: ${line.trimEnd()}`)];
}
