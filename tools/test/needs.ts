/**
 * What the chosen test files say they need, asked for before the first of them runs.
 *
 * Installing a package can take a minute on a new machine. Done here it is seen, happens once, and is
 * not taken from the time of a test. The names are read from the sources: need('wrk', 'ab').
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { need } from '../lib/need';
import { step } from '../lib/term.mjs';
import type { TestFile } from './nodeTest';

/** @returns the names in all calls of need() with literal arguments */
export function needsOf(text: string): string[] {
  return [...text.matchAll(/\bneed\(([^()]*)\)/g)].flatMap(([, list]) => [...list.matchAll(/['"]([\w.+-]+)['"]/g)].map(([, name]) => name));
}

export async function installNeeds(root: string, tests: TestFile[]): Promise<void> {
  const names = new Set(tests.flatMap(({ source }) => needsOf(readFileSync(join(root, source), 'utf8'))));
  if (names.size === 0) return;
  await step('tools that tests need', async (note) => {
    const absent = [...names].filter((name) => need(name) !== false);
    note(absent.length > 0 ? `not to be had: ${absent.join(', ')}` : `${[...names].sort().join(', ')}`);
  });
}
