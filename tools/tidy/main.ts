/**
 * `npm run tidy [-- --update] [-- --warnings]`: the project lints itself.
 *
 * Each rule is one check, and one line a finding: `file:line rule message`. The report ends with the
 * sizes by area, the density of assertions, and "N passed, N failed". `--update` tightens the ratchet
 * (it cannot loosen it); `--warnings` shows what is worth a thought but no failure. docs/rfc.md is
 * written anew where it is not up to date; under CI=true that is a failure instead.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ToolContext } from '../lib/context';
import { table } from '../lib/term.mjs';
import { applyAllowances, findAllowances, type Finding, type Rule } from './finding';
import { loadProject, type Project } from './project';
import { assertionDensity, checkRatchet, measure, readRatchet, RATCHET_FILE, tighten, type Metrics } from './ratchet';
import { dead } from './rules/dead';
import { docs } from './rules/docs';
import { headers } from './rules/headers';
import { hyper } from './rules/hyper';
import { layers } from './rules/layers';
import { lengths } from './rules/lengths';
import { naming } from './rules/naming';
import { nogc } from './rules/nogc';
import { refreshDocument, rfc } from './rules/rfc';
import { text } from './rules/text';

export const RULES: Rule[] = [layers, hyper, nogc, lengths, headers, naming, dead, text, docs, rfc];
/** Checks that are not rules over files: idle allowances, and the ratchet. */
const EXTRA = ['allow', 'ratchet'];

/** Everything there is to say about a tree, warnings included. */
export function tidy(project: Project): Finding[] {
  const allowances = findAllowances(project);
  const found = applyAllowances(RULES.flatMap((rule) => rule.check(project)), allowances);
  return [...found, ...checkRatchet(measure(project, allowances), readRatchet(project))];
}

function sizeTable(metrics: Record<string, Metrics>): string {
  const rows = Object.entries(metrics).filter(([, m]) => m.files > 0).map(([area, m]) => [
    area, `${m.files}`, `${m.lines}`, `${m.medianFile}`, `${m.longestFile}`, `${m.longestFunction}`, `${m.allowances}`,
  ]);
  return table(['area', 'files', 'lines', 'median file', 'longest', 'longest function', 'allowances'], rows);
}

function update(project: Project, root: string): string {
  const metrics = measure(project, findAllowances(project));
  const ratchet = readRatchet(project);
  const worse = checkRatchet(metrics, ratchet);
  if (worse.length > 0) return `not updated: the ratchet only ever gets stricter, and ${worse.length} value(s) are worse than it allows`;
  writeFileSync(join(root, RATCHET_FILE), `${JSON.stringify(tighten(metrics, ratchet), null, 2)}\n`);
  return `${RATCHET_FILE} written`;
}

export async function main(args: string[], context: ToolContext): Promise<number> {
  const project = loadProject(context.root);
  const written = process.env.CI !== 'true' && refreshDocument(project, context.root);
  const found = tidy(project);
  const failures = found.filter((finding) => !finding.warning);
  const shown = args.includes('--warnings') ? found : failures;
  const lines = shown.map(({ file, line, rule, message, warning }) => `${file}:${line} ${rule}${warning ? ' (warning)' : ''} ${message}`);
  const out = [...lines.sort(), ...(written ? ['docs/rfc.md written anew: commit it'] : []), ''];
  out.push(sizeTable(measure(project, findAllowances(project))));
  out.push(`\n${assertionDensity(project).toFixed(1)} assertions for each 1000 lines of the image`);
  const mentioned = found.length - failures.length;
  if (mentioned > 0 && !args.includes('--warnings')) out.push(`${mentioned} warning(s): npm run tidy -- --warnings`);
  if (args.includes('--update')) out.push(update(project, context.root));
  const checks = [...RULES.map((rule) => rule.name), ...EXTRA];
  const failed = checks.filter((name) => failures.some((finding) => finding.rule === name)).length;
  out.push(`${checks.length - failed} passed, ${failed} failed`);
  process.stdout.write(`${out.join('\n')}\n`);
  return failed > 0 ? 1 : 0;
}
