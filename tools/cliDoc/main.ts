/**
 * `node tools/run.mjs cliDoc`: the reference part of docs/cli.md, from the commands themselves.
 *
 * What stands above the marker is written by hand; what stands below it is each command's own help, so
 * that the page cannot say anything else. tests/tools/cliDoc.test.ts fails while the two differ.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { makeProgram } from '../../host/cli/main';
import type { ToolContext } from '../lib/context';

export const CLI_DOC = 'docs/cli.md';
const MARKER = '<!-- below: made by node tools/run.mjs cliDoc -->';
const COLUMNS = 110;

/** A command's help as a section; those of its subcommands follow. */
function section(command: Command, path: string, level: number): string[] {
  command.configureHelp({ helpWidth: COLUMNS });
  const help = command.helpInformation().trimEnd().split('\n');
  const about = command.description();
  // The usage line, then all but the description, which stands above it.
  const rest = help.slice(1).join('\n').replace(`\n${about}\n`, '').trim();
  const usage = help[0]!.replace(/^Usage: (?:rumpwasm )?/, 'rumpwasm ');
  const block = ['```text', usage.replace(/^rumpwasm .*?(?= \[| <|$)/, path), '', rest, '```'];
  const own = [`${'#'.repeat(level)} ${path}`, '', `${about[0]!.toUpperCase()}${about.slice(1)}.`, '', ...block, ''];
  const children = command.commands.filter((child) => child.name() !== 'help').flatMap((child) => section(child, `${path} ${child.name()}`, level + 1));
  return [...own, ...children];
}

/** The page with its reference part as it should be. */
export function cliDoc(page: string): string {
  const [head] = page.split(MARKER);
  const sections = makeProgram().commands.filter((command) => command.name() !== 'help').flatMap((command) => section(command, `rumpwasm ${command.name()}`, 3));
  return `${head}${MARKER}\n\n## Reference\n\n${sections.join('\n').trimEnd()}\n`;
}

export function main(_args: string[], context: ToolContext): number {
  const path = join(context.root, CLI_DOC);
  writeFileSync(path, cliDoc(readFileSync(path, 'utf8')));
  process.stdout.write(`${CLI_DOC} written\n`);
  return 0;
}
