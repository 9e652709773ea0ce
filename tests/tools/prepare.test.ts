/**
 * What `npm start` and `npm test` stand on: the check of Node's version, stamps, the list of host
 * halves, the arguments of start, and the bundler's answers.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { bundle } from '../../tools/lib/bundle.mjs';
import { checkNode } from '../../tools/lib/checkNode.mjs';
import { findNpm } from '../../tools/lib/install.mjs';
import { isFresh, writeAtomic, writeStamp } from '../../tools/lib/stamp.mjs';
import { bar, duration, table } from '../../tools/lib/term.mjs';
import { findUsers, usersSource } from '../../tools/lib/users.mjs';
import { run, runNode } from '../lib/spawn';
import { root, tempDir } from '../lib/tree';

/** Make files in a directory; in the past, so that a stamp accepts them. */
function fill(dir: string, texts: Record<string, string>): void {
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
    utimesSync(join(dir, name), 1e9, 1e9);
  }
}

describe('the version of Node', () => {
  it('is asked for in words', () => {
    assert.equal(checkNode('20.0.0'), '');
    assert.equal(checkNode('24.1.0'), '');
    assert.match(checkNode('18.19.0'), /needs Node 20 or newer; this is Node 18\.19\.0/);
  });

  it('is refused by every command before anything else happens', async (t) => {
    const fake = join(tempDir(t), 'old.mjs');
    writeFileSync(fake, "Object.defineProperty(process.versions, 'node', { value: '16.20.2' });");
    for (const command of ['tools/prepare.mjs', 'tools/start.mjs', 'tools/test.mjs', 'tools/run.mjs']) {
      const result = await runNode(['--import', pathToFileURL(fake).href, join(root, command)]);
      assert.equal(result.code, 1, command);
      assert.match(result.stderr, /^rumpwasm needs Node 20 or newer; this is Node 16\.20\.2\. .*\n$/, command);
    }
  });
});

describe('a stamp', () => {
  it('is fresh until an input, the key or an output changes', (t) => {
    const dir = tempDir(t);
    fill(dir, { 'a.ts': 'one', 'out.mjs': '' });
    const stamp = join(dir, 'stamp.json');
    const write = (): void => writeStamp(dir, stamp, { key: 'k', inputs: ['a.ts'], outputs: ['out.mjs'], began: Date.now() });
    assert.equal(isFresh(dir, stamp, 'k'), false);
    write();
    assert.equal(isFresh(dir, stamp, 'k'), true);
    assert.equal(isFresh(dir, stamp, 'other'), false);
    fill(dir, { 'a.ts': 'two' });
    assert.equal(isFresh(dir, stamp, 'k'), false);
    write();
    assert.equal(isFresh(dir, stamp, 'k'), true);
    writeFileSync(stamp, 'not JSON');
    assert.equal(isFresh(dir, stamp, 'k'), false);
  });

  it('is not written when an input was edited meanwhile', (t) => {
    const dir = tempDir(t);
    const began = Date.now() - 1000;
    writeFileSync(join(dir, 'a.ts'), 'edited just now');
    writeStamp(dir, join(dir, 'stamp.json'), { key: 'k', inputs: ['a.ts'], outputs: [], began });
    assert.equal(existsSync(join(dir, 'stamp.json')), false);
  });

  it('has files written whole, and not at all when nothing changes', (t) => {
    const file = join(tempDir(t), 'deep', 'x');
    assert.equal(writeAtomic(file, 'text', 0o755), true);
    assert.equal(statSync(file).mode & 0o777, 0o755);
    assert.equal(writeAtomic(file, 'text'), false);
    assert.equal(writeAtomic(file, 'more'), true);
  });
});

describe('the host halves', () => {
  it('are those whose folders are there', (t) => {
    const dir = tempDir(t);
    assert.deepEqual(findUsers(dir), []);
    const half = 'export function hypercalls() {}';
    fill(dir, {
      'components/b/b.user.ts': half, 'components/a/a.cli.ts': 'export const registerCommands = 1;', 'components/a/a.user.ts': `const f = 1;\n${half}`,
      'components/c/c.ts': '', 'components/d/d.user.ts': 'export class Library {} // hypercalls are not its business',
    });
    const parts = findUsers(dir);
    assert.deepEqual(parts.map((part) => part.name), ['a', 'b']);
    const text = usersSource(parts);
    assert.match(text, /"a": \{ hypercalls: user0\.hypercalls, registerCommands: cli0\.registerCommands \}/);
    assert.match(text, /"b": \{ hypercalls: user1\.hypercalls \}/);
  });
});

describe('npm start', () => {
  const start = async (...words: string[]): Promise<string> => {
    const { startArguments } = await import(pathToFileURL(join(root, 'tools', 'start.mjs')).href);
    return startArguments(words, 'SITE').join(' ');
  };

  it('serves the example unless told otherwise', async () => {
    assert.equal(await start(), 'run SOCKIN -b SITE,mount=/www');
    assert.equal(await start('-e', 'PORT=9'), 'run SOCKIN -b SITE,mount=/www -e PORT=9');
    assert.equal(await start('SOCKIN', '-b', './x'), 'run SOCKIN -b ./x');
    assert.equal(await start('NBD', '-q'), 'run NBD -q');
    assert.equal(await start('--help'), 'run SOCKIN --help');
  });
});

describe('bundling', () => {
  it('makes what runs, once, and says where an error is', async (t) => {
    const dir = tempDir(t);
    fill(dir, { 'src/cli.ts': "import { f } from './f';\nconsole.log(f(2 as number));", 'src/f.ts': 'export const f = (n: number): number => {\n  if (n > 2) throw new Error("big");\n  return n + 1;\n};' });
    const spec = { name: 'x', entries: { 'out/cli': 'src/cli.ts' }, executable: ['out/cli'] };
    assert.equal(await bundle(dir, spec), true);
    assert.equal(await bundle(dir, spec), false);
    assert.equal((await run(join(dir, 'out', 'cli.mjs'), [])).stdout, '3\n');
    fill(dir, { 'src/cli.ts': "import { f } from './f';\nf(3);" });
    assert.equal(await bundle(dir, spec), true);
    const { stderr } = await runNode(['--enable-source-maps', join(dir, 'out', 'cli.mjs')]);
    assert.match(stderr, /src\/f\.ts:2:/, 'the shebang line is accounted for');
    fill(dir, { 'src/f.ts': 'export const f = ;' });
    await assert.rejects(bundle(dir, spec), /esbuild found 1 error\(s\):\nsrc\/f\.ts:1:\d+ /);
  });

  it('never takes the npm that a dependency left in node_modules/.bin', () => {
    const npm = findNpm(root);
    for (const word of [npm.command, ...npm.args]) assert.ok(!word.startsWith(join(root, 'node_modules')), word);
  });
});

describe('the terminal', () => {
  it('shows times, tables and bars', () => {
    assert.deepEqual([duration(12), duration(3210), duration(125_000)], ['12 ms', '3.2 s', '2 min 05 s']);
    assert.match(table(['name', 'n'], [['a', '1'], ['bb', '22']]), /^name {3}n\n─+ {2}─+\na {6}1\nbb {4}22$/);
    assert.deepEqual([bar(1, 2, 4), bar(5, 2, 4), bar(0, 2, 4), bar(0.3, 1, 1)], ['██', '████', '', '▎']);
    assert.equal(readFileSync(join(root, '.ci', 'run'), 'utf8').startsWith('#!'), true);
  });
});
