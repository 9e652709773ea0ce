/**
 * docs/cli.md says of each command what the command says of itself.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLI_DOC, cliDoc } from '../../tools/cliDoc/main';
import { root } from '../lib/tree';

test('docs/cli.md is up to date', () => {
  const page = readFileSync(join(root, CLI_DOC), 'utf8');
  assert.equal(page, cliDoc(page), `${CLI_DOC} differs from the commands: run "node tools/run.mjs cliDoc"`);
});
