/**
 * Where things are, for tests: they run as bundles from build/tests/, so nothing may be found relative
 * to a source file. And directories that are gone when the test is.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { findRoot } from '../../tools/lib/root.mjs';

/** Absolute path of the repository. */
export const root: string = findRoot();
/** The command line, as bundled. */
export const cli: string = join(root, 'dist', 'cli.mjs');
/** The site that `npm start` serves. */
export const site: string = join(root, 'examples', 'site');

/** @returns absolute path of a built image, such as imagePath('SOCKIN') */
export function imagePath(name: string): string {
  return join(root, 'build', `${name}.wasm`);
}

/** @returns an empty directory, removed when the test ends */
export function tempDir(t: Pick<TestContext, 'after'>): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'rumpwasm-')));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
