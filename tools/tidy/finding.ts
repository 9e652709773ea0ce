/**
 * What a rule reports, and the one way to answer it other than by a change.
 *
 *     // tidy-allow RULE: reason
 *
 * on the line, or on the line above it, lets a finding of that rule pass. A reason is required, an
 * allowance that allows nothing is a finding itself, and the ratchet counts them: they get fewer.
 */
import type { Project, SourceFile } from './project';

export interface Finding {
  file: string;
  /** From 1. */
  line: number;
  rule: string;
  message: string;
  /** Said, but no reason to fail. */
  warning?: boolean;
}

export interface Rule {
  name: string;
  about: string;
  check(project: Project): Finding[];
}

export interface Allowance {
  file: string;
  line: number;
  rule: string;
  reason: string;
}

const ALLOW = /(?:\/\/|\*|#|<!--)\s*tidy-allow\s+([\w-]+)\s*(?::\s*(.*?))?\s*(?:\*\/|-->)?\s*$/;
const MIN_REASON = 10;

function allowancesIn(file: SourceFile): Allowance[] {
  return file.lines.flatMap((text, index) => {
    const match = ALLOW.exec(text);
    return match ? [{ file: file.path, line: index + 1, rule: match[1], reason: match[2] ?? '' }] : [];
  });
}

export function findAllowances(project: Project): Allowance[] {
  return project.ofKind('as', 'spec', 'ts', 'js', 'other').filter((file) => file.path !== 'tools/tidy/finding.ts').flatMap(allowancesIn);
}

/** Take away the findings that are allowed; add one for each allowance that is idle or gives no reason. */
export function applyAllowances(findings: Finding[], allowances: Allowance[]): Finding[] {
  const idle = new Set(allowances);
  const left = findings.filter((finding) => {
    const match = allowances.find((allow) => allow.file === finding.file && allow.rule === finding.rule
      && (allow.line === finding.line || allow.line === finding.line - 1));
    if (match) idle.delete(match);
    return !match;
  });
  const say = (allow: Allowance, message: string): Finding => ({ file: allow.file, line: allow.line, rule: 'allow', message });
  return [
    ...left,
    ...[...idle].map((allow) => say(allow, `nothing here breaks rule "${allow.rule}": remove the allowance`)),
    ...allowances.filter((allow) => allow.reason.length < MIN_REASON).map((allow) => say(allow, 'an allowance has to give its reason')),
  ];
}
