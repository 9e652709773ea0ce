/**
 * host/tar.ts: the three formats, both extension mechanisms, and every way an archive can be broken.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, linkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseTar, TarError } from '../../host/tar';

const enc = new TextEncoder();
const bytes = (s: string) => enc.encode(s);
const str = (b: Uint8Array) => new TextDecoder().decode(b);

interface Spec {
  name?: string;
  type?: string;
  data?: Uint8Array;
  link?: string;
  mode?: number;
  mtime?: string;
  size?: string;
  magic?: string;
  prefix?: string;
}

function header(spec: Spec): Uint8Array {
  const b = new Uint8Array(512);
  const put = (at: number, s: string) => b.set(bytes(s), at);
  put(0, spec.name ?? 'f');
  put(100, `${(spec.mode ?? 0o644).toString(8).padStart(7, '0')}\0`);
  put(108, '0001750\0');
  put(116, '0001750\0');
  put(124, spec.size ?? `${(spec.data?.length ?? 0).toString(8).padStart(11, '0')}\0`);
  put(136, spec.mtime ?? '14000000000\0');
  put(156, spec.type ?? '0');
  put(157, spec.link ?? '');
  put(257, spec.magic ?? 'ustar\x0000');
  put(345, spec.prefix ?? '');
  return seal(b);
}

function seal(b: Uint8Array): Uint8Array {
  b.fill(0x20, 148, 156);
  const sum = b.subarray(0, 512).reduce((a, x) => a + x, 0);
  b.set(bytes(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return b;
}

function archive(...members: Spec[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const m of members) {
    parts.push(header(m));
    const data = m.data ?? new Uint8Array();
    const padded = new Uint8Array(Math.ceil(data.length / 512) * 512);
    padded.set(data);
    parts.push(padded);
  }
  parts.push(new Uint8Array(1024));
  return new Uint8Array(Buffer.concat(parts));
}

function pax(...records: [string, string][]): Uint8Array {
  let out = '';
  for (const [k, v] of records) {
    const rest = enc.encode(` ${k}=${v}\n`).length;
    let len = rest + 1;
    while (String(len).length + rest !== len) len = String(len).length + rest;
    out += `${len} ${k}=${v}\n`;
  }
  return bytes(out);
}

function refused(b: Uint8Array, why: RegExp): void {
  assert.throws(
    () => parseTar(b),
    (e: unknown) => {
      assert.ok(e instanceof TarError, String(e));
      assert.match(e.message, why);
      assert.doesNotMatch(e.message, /\n/);
      return true;
    },
  );
}

test('ustar: files, directories, links, prefix, mode and time', () => {
  const got = parseTar(
    archive(
      { name: './', type: '5', mode: 0o755 },
      { name: 'site/', type: '5', mode: 0o750 },
      { name: 'site/a.txt', data: bytes('hello'), mode: 0o640, mtime: '00000000017\0' },
      { name: 'site/b', type: '1', link: './site/a.txt' },
      { name: 'site/c', type: '2', link: '../x' },
      { name: 'tail', prefix: 'a/long/prefix', data: new Uint8Array(512).fill(7) },
    ),
  );
  assert.deepEqual(
    got.map((e) => [e.path, e.type, e.mode, e.linkname]),
    [
      ['.', 'directory', 0o755, ''],
      ['site', 'directory', 0o750, ''],
      ['site/a.txt', 'file', 0o640, ''],
      ['site/b', 'hardlink', 0o644, 'site/a.txt'],
      ['site/c', 'symlink', 0o644, '../x'],
      ['a/long/prefix/tail', 'file', 0o644, ''],
    ],
  );
  assert.equal(str(got[2]!.data), 'hello');
  assert.equal(got[2]!.mtime, 15);
  assert.equal(got[5]!.data.length, 512);
});

test('the data is a view, not a copy', () => {
  const a = archive({ data: bytes('x') });
  assert.equal(parseTar(a)[0]!.data.buffer, a.buffer);
});

test('an archive of nothing but the end mark is empty', () => {
  assert.deepEqual(parseTar(new Uint8Array(10240)), []);
});

test('pax: path, linkpath, size and fractional mtime override; globals last, empty values cancel', () => {
  const long = `${'d'.repeat(150)}/${'é'.repeat(100)}`;
  const got = parseTar(
    archive(
      { type: 'g', data: pax(['mtime', '99'], ['comment', 'x']) },
      { type: 'x', data: pax(['path', long], ['mtime', '12.5']) },
      { name: 'short', data: bytes('1') },
      { name: 'second' },
      { type: 'x', data: pax(['path', ''], ['linkpath', 'tgt']) },
      { name: 'kept', type: '2', link: 'no' },
    ),
  );
  assert.deepEqual(
    got.map((e) => [e.path, e.mtime, e.linkname]),
    [
      [long, 12.5, ''],
      ['second', 99, ''],
      ['kept', 99, 'tgt'],
    ],
  );
});

test('GNU: long name and link, base 256 numbers', () => {
  const name = `${'n'.repeat(200)}/file`;
  const got = parseTar(
    archive(
      { name: '././@LongLink', type: 'L', magic: 'ustar  \0', data: bytes(`${name}\0`) },
      { name: '././@LongLink', type: 'K', magic: 'ustar  \0', data: bytes(`${'t'.repeat(300)}\0`) },
      { name: 'n', type: '2', magic: 'ustar  \0', link: 't' },
    ),
  );
  assert.equal(got[0]!.path, name);
  assert.equal(got[0]!.linkname.length, 300);

  const b = header({ data: bytes('abc'), magic: 'ustar  \0' });
  b.fill(0, 124, 136);
  b[124] = 0x80;
  b[135] = 3;
  b.fill(0xff, 136, 148);
  const whole = new Uint8Array(2048);
  whole.set(seal(b));
  whole.set(bytes('abc'), 512);
  const e = parseTar(whole)[0]!;
  assert.equal(str(e.data), 'abc');
  assert.equal(e.mtime, -1);
});

test('before ustar: no magic, and a name that ends with a slash is a directory', () => {
  const got = parseTar(archive({ name: 'd/', type: '\0', magic: '' }, { name: 'd/f', type: '\0', magic: '', data: bytes('v7') }));
  assert.deepEqual(
    got.map((e) => [e.path, e.type]),
    [
      ['d', 'directory'],
      ['d/f', 'file'],
    ],
  );
});

test('devices and FIFOs are refused, or skipped when asked', () => {
  const a = archive({ name: 'dev/null', type: '3' }, { name: 'p', type: '6' }, { name: 'f' });
  refused(a, /^unsupported archive: "dev\/null" is a character device$/);
  const skipped: string[] = [];
  const got = parseTar(a, { onSkip: (path, why) => skipped.push(`${path}: ${why}`) });
  assert.deepEqual(skipped, ['dev/null: character device', 'p: FIFO']);
  assert.deepEqual(got.map((e) => e.path), ['f']);
  refused(archive({ name: 's', type: 'S' }), /is of type "S"/);
});

test('foreign files are named', () => {
  const file = (...b: number[]) => new Uint8Array([...b, ...new Array<number>(600).fill(1)]);
  refused(new Uint8Array(), /empty/);
  refused(file(0x1f, 0x8b), /gzip/);
  refused(file(0xfd, 0x37, 0x7a, 0x58, 0x5a), /xz/);
  refused(file(0x42, 0x5a, 0x68), /bzip2/);
  refused(file(0x28, 0xb5, 0x2f, 0xfd), /zstd/);
  refused(file(0x50, 0x4b, 0x03, 0x04), /zip file/);
  refused(bytes('<html>'.repeat(200)), /no valid header at its start/);
  refused(bytes('short'), /shorter than one block/);
});

test('every truncation is refused', () => {
  const a = archive({ name: 'a', data: bytes('x'.repeat(700)) }, { name: 'b', data: bytes('y') });
  for (let n = 1; n < a.length; n++) refused(a.subarray(0, n), /^(torn archive|not a tar archive): /);
  assert.equal(parseTar(a).length, 2);
});

test('damage is refused and located', () => {
  const a = archive({ name: 'a', data: bytes('x') }, { name: 'b' });
  for (const at of [0, 100, 124, 156, 300]) {
    const b = a.slice();
    b[1024 + at]! ^= 0x01;
    refused(b, /^damaged archive: bad header checksum at offset 1024$/);
  }
  const tail = new Uint8Array(a.length + 512);
  tail.set(a);
  tail[a.length + 3] = 1;
  refused(tail, /data after the end mark, at offset/);
  refused(archive({ size: 'zzzzzzzzzzz\0' }), /the size in the header at offset 0 is not a number/);
  refused(archive({ size: '77777777777\0' }), /^torn archive: "f" has 8589934591 bytes/);
  refused(archive({ type: 'x', data: bytes('99 path=short\n') }, {}), /bad extended header/);
  refused(archive({ type: 'x', data: bytes('9 pathabc') }, {}), /bad extended header/);
  refused(archive({ type: 'x', data: pax(['size', '1e3']) }, {}), /bad size/);
  refused(archive({ type: 'x', data: pax(['mtime', 'noon']) }, {}), /bad mtime/);
  refused(archive({ type: 'x', data: pax(['path', 'p']) }), /should follow an extended header/);
  refused(archive({ type: 'x', data: pax(['GNU.sparse.major', '1']) }, {}), /sparse/);
  const latin = header({});
  latin[0] = 0xe9;
  refused(new Uint8Array(Buffer.concat([seal(latin), new Uint8Array(1024)])), /the name .* is not UTF-8/);
});

test('unsafe and impossible names are refused', () => {
  refused(archive({ name: '../etc/passwd' }), /^unsafe archive: "..\/etc\/passwd" leaves its directory$/);
  refused(archive({ name: 'a/../../b' }), /leaves its directory/);
  refused(archive({ name: '/..' , type: '5' }), /leaves its directory/);
  refused(archive({ name: 'a', type: '1', link: 'nowhere' }), /which is not before it/);
  refused(archive({ name: 'a', type: '2', link: '' }), /bad target/);
  refused(archive({ name: './.' }), /a file without a name/);
  refused(archive({ type: 'x', data: pax(['path', 'c'.repeat(256)]) }, {}), /component longer than 255/);
  refused(archive({ type: 'x', data: pax(['path', 'c/'.repeat(600)]) }, {}), /longer than 1023/);
  assert.equal(parseTar(archive({ name: '//a//./b' }))[0]!.path, 'a/b');
});

test('what GNU tar writes, in all its formats', (t) => {
  if (spawnSync('tar', ['--version'], { stdio: 'ignore' }).status !== 0) return t.skip('no tar command');
  const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-tar-'));
  try {
    const deep = join(dir, 'x'.repeat(120), 'y'.repeat(120));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, 'leaf'), 'L'.repeat(1500));
    writeFileSync(join(dir, 'empty'), '');
    linkSync(join(dir, 'empty'), join(dir, 'hard'));
    symlinkSync('empty', join(dir, 'soft'));
    utimesSync(join(dir, 'empty'), 1000, 1000);
    for (const format of ['gnu', 'pax']) {
      const a = execFileSync('tar', [`--format=${format}`, '--sort=name', '-cf', '-', '-C', dir, '.']);
      const got = parseTar(a);
      const kinds = new Map(got.map((e) => [e.path, e]));
      assert.equal(got.length, 7, format);
      const leaf = kinds.get(`${'x'.repeat(120)}/${'y'.repeat(120)}/leaf`);
      assert.equal(str(leaf!.data), 'L'.repeat(1500));
      assert.equal(kinds.get('empty')!.mtime, 1000);
      assert.deepEqual([kinds.get('hard')!.type, kinds.get('hard')!.linkname], ['hardlink', 'empty']);
      assert.deepEqual([kinds.get('soft')!.type, kinds.get('soft')!.linkname], ['symlink', 'empty']);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
