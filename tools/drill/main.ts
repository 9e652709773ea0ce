/**
 * `npm run drill [-- FILTER …]`: packet scripts against the stack, in this process, on a virtual clock.
 *
 * Every .pkt file below tests/drill whose path contains one of the filters is run; files named with their
 * path may lie anywhere. A failure shows the line of the script, what it expects, and the packets and
 * calls that led there. --verbose lists the scripts; --states first writes those of the table of states.
 * The last line counts; exit status 1 on a failure.
 */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ToolContext } from '../lib/context';
import { duration, green, isTerminal, red } from '../lib/term.mjs';
import { failureText, findScripts, Runner } from './runner';
import { STATES_DIR, writeStateScripts } from './states';

const SCRIPTS = 'tests/drill';

function progress(done: number, total: number, failed: number): void {
  if (isTerminal()) process.stderr.write(`\r\x1b[K${done}/${total}${failed > 0 ? `, ${failed} failed` : ''}`);
}

/** The scripts that the words of the command line mean. */
function chosen(root: string, words: readonly string[]): string[] {
  const isFile = (word: string): boolean => word.endsWith('.pkt') && existsSync(word) && statSync(word).isFile();
  const files = words.filter(isFile).map((word) => resolve(word));
  const filters = words.filter((word) => !isFile(word));
  const found = files.length > 0 && filters.length === 0 ? [] : findScripts(root, join(root, SCRIPTS), filters);
  return [...new Set([...files, ...found])];
}

export async function main(args: string[], context: ToolContext): Promise<number> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => { if (error.code !== 'EPIPE') throw error; });
  const verbose = args.includes('--verbose') || args.includes('-v');
  if (args.includes('--states')) process.stdout.write(`${writeStateScripts(context.root)} scripts written to ${STATES_DIR}\n`);
  const words = args.filter((word) => !word.startsWith('-'));
  const scripts = chosen(context.root, words);
  if (scripts.length === 0) throw new Error(`no script matches ${words.join(', ')}`);
  const runner = new Runner(context.root);
  const began = Date.now();
  let failed = 0;
  let done = 0;
  for (const path of scripts) {
    const failure = await runner.run(path);
    done++;
    if (failure !== null) {
      failed++;
      if (isTerminal()) process.stderr.write('\r\x1b[K');
      process.stdout.write(`${red('✗')} ${failureText(failure)}\n\n`);
    } else if (verbose) process.stdout.write(`${green('✓')} ${path.slice(context.root.length + 1)}\n`);
    progress(done, scripts.length, failed);
  }
  await runner.close();
  if (isTerminal()) process.stderr.write('\r\x1b[K');
  process.stdout.write(`${scripts.length - failed} passed, ${failed} failed (${duration(Date.now() - began)})\n`);
  return failed > 0 ? 1 : 0;
}
