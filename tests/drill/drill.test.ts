/**
 * Every packet script below this directory, one test a folder. `npm run drill` runs the same with more
 * words, and single ones.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../../host/imageFile';
import { failureText, findScripts, Runner } from '../../tools/drill/runner';

const root = packageRoot();
const here = join(root, 'tests/drill');
const runner = new Runner(root);
after(() => runner.close());

/** Folders with scripts of their own; those of states one by one. */
function folders(): string[] {
  const below = (dir: string): string[] => readdirSync(join(here, dir), { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => join(dir, e.name));
  return below('.').flatMap((dir) => (below(dir).length > 0 ? below(dir) : [dir]));
}

for (const folder of folders()) {
  test(folder, async () => {
    const scripts = findScripts(root, join(here, folder));
    assert.ok(scripts.length > 0, 'no scripts');
    const failures = [];
    for (const script of scripts) {
      const failure = await runner.run(script);
      if (failure !== null) failures.push(failureText(failure));
    }
    assert.equal(failures.join('\n\n'), '');
  });
}
