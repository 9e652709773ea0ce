/**
 * `rumpwasm lzo` beside the real lzop: each reads what the other writes; torn, corrupt and foreign
 * files are refused with one line and a status; nothing half-written is left.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, type TestContext, test } from 'node:test';
import { buildComponent } from '../../tools/mkimage/build';
import { need } from '../lib/need';
import { runNode } from '../lib/spawn';
import { cli, tempDir } from '../lib/tree';
import { mixed, Random } from './samples';

const BLOCK = 256 * 1024;
const skip = need('lzop');

before(async () => { await buildComponent('lzo'); });

interface Ran {
  status: number | null;
  stdout: Buffer;
  stderr: string;
}

/** Run a program with bytes in and bytes out. */
function pipe(command: string, args: string[], input: Uint8Array = Buffer.alloc(0)): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text; });
    child.stdin.on('error', () => undefined).end(input);
    child.once('error', reject).once('close', (status) => resolve({ status, stdout: Buffer.concat(out), stderr }));
  });
}

const lzo = (args: string[], input?: Uint8Array): Promise<Ran> => pipe(process.execPath, [cli, 'lzo', ...args], input);
const lzop = (args: string[], input?: Uint8Array): Promise<Ran> => pipe('lzop', args, input);

/** Refused: a status, one line that says why, no output file. */
async function refused(file: string, why: RegExp, status = 1): Promise<void> {
  const out = `${file}.out`;
  const ran = await lzo(['-d', file, '-o', out]);
  assert.equal(ran.status, status, ran.stderr);
  assert.match(ran.stderr, why);
  assert.equal(ran.stderr.trim().split('\n').length, 1, ran.stderr);
  assert.ok(!existsSync(out));
}

function inputs(t: TestContext): { dir: string; files: Record<string, Buffer> } {
  const dir = tempDir(t);
  const r = new Random(5);
  const files: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    one: Buffer.from('x'),
    text: Buffer.from('to be or not to be, that is to be the question. '.repeat(50)),
    noise: Buffer.from(Array.from({ length: 300_000 }, () => r.below(256))),
    zeros: Buffer.alloc(1_000_000),
    exact: mixed(2 * BLOCK),
    mixed: mixed(3 * BLOCK + 12345),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  return { dir, files };
}

describe('lzop reads ours', { skip }, () => {
  test('files, with their name, mode and time', async (t) => {
    const { dir, files } = inputs(t);
    for (const [name, bytes] of Object.entries(files)) {
      const file = join(dir, name);
      chmodSync(file, 0o640);
      utimesSync(file, 1_600_000_000, 1_600_000_000);
      const ran = await lzo(['-c', file]);
      assert.equal(ran.status, 0, ran.stderr);
      assert.equal(ran.stderr, '');
      mkdirSync(join(dir, `back-${name}`));
      const back = await lzop(['-x', '-N', `-p${join(dir, `back-${name}`)}`, `${file}.lzo`]);
      assert.equal(back.status, 0, back.stderr);
      const restored = join(dir, `back-${name}`, name);
      assert.ok(readFileSync(restored).equals(bytes), name);
      assert.equal(statSync(restored).mode & 0o777, 0o640);
      assert.equal(statSync(restored).mtimeMs, 1_600_000_000_000);
    }
  });

  test('pipes, both checksums, every level', async () => {
    const data = mixed(2 * BLOCK + 1);
    for (const options of [[], ['--crc32'], ['-l', '1'], ['-l', '7'], ['-l', '8'], ['-l', '9', '--crc32']]) {
      for (const bytes of [data, Buffer.alloc(0)]) {
        const packed = await lzo(options, bytes);
        assert.equal(packed.status, 0, packed.stderr);
        const back = await lzop(['-dc'], packed.stdout);
        assert.equal(back.status, 0, back.stderr);
        assert.ok(back.stdout.equals(bytes));
      }
    }
  });

  test('the archive is no larger than lzop’s own by more than 1 %', async () => {
    const data = mixed(8 * BLOCK);
    const [ours, theirs] = await Promise.all([lzo([], data), lzop(['-c'], data)]);
    assert.ok(ours.stdout.length <= theirs.stdout.length * 1.01, `${ours.stdout.length} to ${theirs.stdout.length}`);
  });
});

describe('ours reads lzop’s', { skip }, () => {
  test('every level, several blocks', async () => {
    const data = mixed(2 * BLOCK + 54321);
    for (let level = 1; level <= 9; level++) {
      const packed = await lzop([`-${level}`, '-c'], data);
      const back = await lzo(['-d'], packed.stdout);
      assert.equal(back.status, 0, `level ${level}: ${back.stderr}`);
      assert.ok(back.stdout.equals(data), `level ${level}`);
    }
  });

  test('checksums, none, filters, names, an empty file', async (t) => {
    const { dir, files } = inputs(t);
    for (const options of [['--crc32'], ['-F'], ['--filter=1'], ['--filter=5', '-9'], ['-P']]) {
      for (const [name, bytes] of Object.entries(files)) {
        const file = join(dir, name);
        assert.equal((await lzop(['-f', ...options, file])).status, 0);
        chmodSync(`${file}.lzo`, 0o600);
        const back = await lzo(['-d', '-f', `${file}.lzo`]);
        assert.equal(back.status, 0, `${options} ${name}: ${back.stderr}`);
        assert.ok(readFileSync(file).equals(bytes), `${options} ${name}`);
      }
    }
  });

  test('several members, padding, and what does not belong there', async () => {
    const [one, two] = [await lzop(['-c'], Buffer.from('one ')), await lzop(['-c', '-9'], Buffer.from('two'))];
    const both = Buffer.concat([one.stdout, two.stdout]);
    const padded = await lzo(['-d'], Buffer.concat([both, Buffer.alloc(1000)]));
    assert.deepEqual([padded.status, padded.stdout.toString(), padded.stderr], [0, 'one two', '']);
    const garbage = await lzo(['-d'], Buffer.concat([both, Buffer.from('garbage')]));
    assert.deepEqual([garbage.status, garbage.stdout.toString()], [2, 'one two']);
    assert.match(garbage.stderr, /not \.lzo/);
  });
});

describe('files that are not what they should be', { skip }, () => {
  test('torn anywhere: refused, and nothing is left', async (t) => {
    const dir = tempDir(t);
    const data = mixed(BLOCK + 5000);
    const packed = (await lzop(['-c'], data)).stdout;
    const at = new Random(3);
    const cuts = [0, 1, 8, 9, 20, 40, 50, 54, packed.length - 1, packed.length - 4, ...Array.from({ length: 10 }, () => at.below(packed.length))];
    for (const cut of cuts) {
      const file = join(dir, `cut-${cut}`);
      writeFileSync(file, packed.subarray(0, cut));
      await refused(file, cut < 9 ? /empty|not an \.lzo file/ : /torn/);
    }
    assert.deepEqual(readdirSync(dir).filter((name) => name.includes('.out') || name.includes('.tmp')), []);
  });

  test('changed by one bit: refused with what is wrong', async (t) => {
    const dir = tempDir(t);
    const packed = (await lzop(['-c'], mixed(30_000))).stdout;
    const r = new Random(17);
    for (let i = 0; i < 25; i++) {
      const file = join(dir, `bit-${i}`);
      const bytes = Buffer.from(packed);
      // Not the last word: a length of 0 there is the end, and any other is a block to come.
      bytes[r.below(bytes.length - 4)]! ^= 1 << r.below(8);
      writeFileSync(file, bytes);
      await refused(file, /corrupt|torn|not an \.lzo|unknown|too old|needs lzop/);
    }
  });

  test('foreign, missing, a directory, in the way', async (t) => {
    const dir = tempDir(t);
    writeFileSync(join(dir, 'a.gz'), Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    await refused(join(dir, 'a.gz'), /a\.gz: it is not an \.lzo file/);
    await refused(join(dir, 'none.lzo'), /no such file/);
    await refused(dir, /is a directory/);
    writeFileSync(join(dir, 'f'), 'f');
    assert.equal((await lzo(['-c', join(dir, 'f')])).status, 0);
    const again = await lzo(['-c', join(dir, 'f')]);
    assert.equal(again.status, 1);
    assert.match(again.stderr, /exists; overwrite it with -f/);
    assert.match((await lzo(['-d', join(dir, 'f')])).stderr, /does not end in \.lzo/);
    assert.match((await lzo(['-d', '-c', join(dir, 'f')])).stderr, /only one of/);
  });

  test('-t verifies and writes nothing', async (t) => {
    const dir = tempDir(t);
    const file = join(dir, 'x.lzo');
    const packed = (await lzop(['-c'], mixed(BLOCK))).stdout;
    writeFileSync(file, packed);
    assert.deepEqual(await lzo(['-t', file]), { status: 0, stdout: Buffer.alloc(0), stderr: '' });
    packed[packed.length >> 1]! ^= 1;
    writeFileSync(file, packed);
    assert.equal((await lzo(['-t', file])).status, 1);
    assert.deepEqual(readdirSync(dir), ['x.lzo']);
  });
});

test('progress on a terminal, and nowhere else', { skip: need('script') }, async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'large');
  writeFileSync(file, Buffer.concat(Array.from({ length: 40 }, () => mixed(4 << 20))));
  const command = `${process.execPath} ${cli} lzo -f ${file} -o ${join(dir, 'out')}`;
  const ran = await pipe('env', ['TERM=xterm', 'script', '-qec', command, '/dev/null']);
  assert.equal(ran.status, 0);
  assert.match(ran.stdout.toString(), /\r\x1b\[K.*large +\d+ % {2}\d.* MB → \d.* MB {2}\d+ MB\/s/, 'the line that moves');
  assert.match(ran.stdout.toString(), /large: 168 MB → \d+ MB \(\d+\.\d %\)\r?\n/, 'what is left of it');
  const plain = await lzo(['-f', file, '-o', join(dir, 'out')]);
  assert.deepEqual([plain.status, plain.stderr, plain.stdout.length], [0, '', 0]);
});

test('memory stays the same however long the stream is', { skip: skip || need('linux') }, async () => {
  const script = `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, [${JSON.stringify(cli)}, 'lzo'], { stdio: ['pipe', 'ignore', 'inherit'] });
    const { readFileSync } = require('node:fs');
    const block = Buffer.alloc(1 << 20, 'some text that can be compressed, ');
    let left = 400, peak = 0;
    const push = () => { while (left > 0) { left--; if (!child.stdin.write(block)) return child.stdin.once('drain', push); } child.stdin.end(); };
    const timer = setInterval(() => { try { peak = Math.max(peak, Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/' + child.pid + '/status', 'utf8'))[1])); } catch {} }, 20);
    child.on('close', (status) => { clearInterval(timer); console.log(JSON.stringify({ status, peak })); });
    push();`;
  const ran = await runNode(['-e', script]);
  const { status, peak } = JSON.parse(ran.stdout) as { status: number; peak: number };
  assert.equal(status, 0, ran.stderr);
  assert.ok(peak > 0 && peak < 200_000, `${peak} KiB resident for 400 MiB`);
});
