/** The directory of control sockets: what is refused, and where it is. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { checkDirectory, controlDirectory, isInstanceName, socketNames, socketPath } from '../../host/control/directory';
import { tempDir } from '../lib/tree';

const isRoot = process.getuid?.() === 0;

function withRuntimeDir(t: TestContext, value: string | undefined): void {
  const before = process.env.XDG_RUNTIME_DIR;
  if (value === undefined) delete process.env.XDG_RUNTIME_DIR;
  else process.env.XDG_RUNTIME_DIR = value;
  t.after(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = before;
  });
}

test('it is made with mode 0700, and found again', (t) => {
  const path = join(tempDir(t), 'rumpwasm');
  assert.equal(checkDirectory(path, false), false);
  assert.equal(checkDirectory(path, true), true);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(checkDirectory(path, true), true);
  assert.equal(checkDirectory(path, false), true);
});

test('what somebody else could have put there is refused, and not repaired', (t) => {
  const dir = tempDir(t);
  const real = join(dir, 'real');
  mkdirSync(real, { mode: 0o700 });
  symlinkSync(real, join(dir, 'link'));
  symlinkSync(join(dir, 'nowhere'), join(dir, 'dangling'));
  writeFileSync(join(dir, 'file'), '');
  mkdirSync(join(dir, 'open'));
  for (const mode of [0o755, 0o710, 0o701, 0o777]) {
    chmodSync(join(dir, 'open'), mode);
    assert.throws(() => checkDirectory(join(dir, 'open'), true), { code: 'EACCES', message: new RegExp(`its mode is ${mode.toString(8)}, not 700`) });
    assert.equal(statSync(join(dir, 'open')).mode & 0o777, mode);
  }
  for (const name of ['link', 'dangling']) assert.throws(() => checkDirectory(join(dir, name), true), { code: 'EACCES', message: /symbolic link/ });
  assert.throws(() => checkDirectory(join(dir, 'file'), true), { code: 'EACCES', message: /not a directory/ });
  assert.throws(() => checkDirectory(join(dir, 'none', 'deep'), true), { code: 'ENOENT' });
});

test('a directory of another user is refused', { skip: isRoot ? false : 'only root can give a directory away' }, (t) => {
  const path = join(tempDir(t), 'theirs');
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, 12345, 12345);
  assert.throws(() => checkDirectory(path, true), { code: 'EACCES', message: /belongs to user 12345/ });
});

test('a parent in which others may rename is refused, unless it is sticky', (t) => {
  const parent = join(tempDir(t), 'shared');
  mkdirSync(parent);
  for (const mode of [0o777, 0o770]) {
    chmodSync(parent, mode);
    assert.throws(() => checkDirectory(join(parent, 'rumpwasm'), true), { code: 'EACCES', message: /others may rename/ });
  }
  chmodSync(parent, 0o1777);
  assert.equal(checkDirectory(join(parent, 'rumpwasm'), true), true);
});

test('XDG_RUNTIME_DIR is used if it is what it should be', (t) => {
  const dir = tempDir(t);
  withRuntimeDir(t, dir);
  assert.equal(controlDirectory(), join(dir, 'rumpwasm'));
  const fallback = join(tmpdir(), `rumpwasm-${process.getuid?.()}`);
  writeFileSync(join(dir, 'file'), '');
  for (const bad of ['', 'relative', join(dir, 'none'), join(dir, 'file')]) {
    process.env.XDG_RUNTIME_DIR = bad;
    assert.equal(controlDirectory(), fallback, bad);
  }
  delete process.env.XDG_RUNTIME_DIR;
  assert.equal(controlDirectory(), fallback);
  chmodSync(dir, 0o777);
  process.env.XDG_RUNTIME_DIR = dir;
  assert.equal(controlDirectory(), fallback, 'anybody can write there');
});

test('names of instances', (t) => {
  for (const good of ['SOCKIN', 'a', '0', 'web-1', 'a.b_c', 'x'.repeat(64)]) assert.ok(isInstanceName(good), good);
  for (const bad of ['', '.', '..', '.lock', '-x', 'a/b', 'a b', 'ü', 'x'.repeat(65), 'a\n']) {
    assert.ok(!isInstanceName(bad), bad);
    assert.throws(() => socketPath('/d', bad), { code: 'EINVAL' });
  }
  assert.throws(() => socketPath(`/${'d'.repeat(100)}`, 'name'), { code: 'ENAMETOOLONG' });
  const dir = tempDir(t);
  for (const file of ['B.sock', 'A.sock', '.lock', '.hidden.sock', 'other', 'C.sock.old']) writeFileSync(join(dir, file), '');
  assert.deepEqual(socketNames(dir), ['A', 'B']);
});
