/** Error numbers: NetBSD ↔ names ↔ Linux ↔ Node, and the error that users see. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import {
  errnoFromCode, errnoFromLinux, errnoFromNode, errnoName, errnoText, linuxFromErrno, SystemError,
} from '../../host/errtrans';
import * as abi from '../../kernel/abi/errno';

test('every NetBSD number has a name and a text', () => {
  for (const [name, value] of Object.entries(abi)) {
    if (name === 'ELAST' || name === 'EWOULDBLOCK') continue;
    assert.equal(errnoName(value), name);
    assert.doesNotMatch(errnoText(value), /unknown/, name);
  }
  assert.equal(errnoName(12345), 'E#12345');
});

test('Linux numbers agree with those of this machine', { skip: process.platform !== 'linux' }, () => {
  for (const [name, linux] of Object.entries(constants.errno)) {
    if (!(name in abi) || name === 'EWOULDBLOCK' || name === 'ENOTSUP') continue;
    assert.equal(errnoName(errnoFromLinux(linux)), name);
    assert.equal(linuxFromErrno(errnoFromLinux(linux)), linux, name);
    assert.equal(errnoFromLinux(-linux), errnoFromLinux(linux));
  }
  assert.equal(errnoFromLinux(111), 61, 'ECONNREFUSED');
  assert.equal(errnoFromLinux(98), 48, 'EADDRINUSE');
});

test('there and back through Linux loses nothing that Linux has', () => {
  for (const [name, value] of Object.entries(abi)) {
    if (['ELAST', 'EWOULDBLOCK', 'EPROCLIM', 'EFTYPE', 'ENOTSUP'].includes(name)) continue;
    assert.equal(errnoFromLinux(linuxFromErrno(value)), value, name);
  }
});

test('what Node reports becomes an errno', () => {
  assert.equal(errnoFromNode(Object.assign(new Error(), { code: 'ECONNREFUSED' })), abi.ECONNREFUSED);
  assert.equal(errnoFromNode('EADDRINUSE'), abi.EADDRINUSE);
  assert.equal(errnoFromNode(-104), abi.ECONNRESET);
  assert.equal(errnoFromNode(new SystemError(-abi.EAGAIN, 'read')), abi.EAGAIN);
  assert.equal(errnoFromCode('ENOTFOUND'), abi.EHOSTUNREACH);
  assert.equal(errnoFromCode('EWOULDBLOCK'), abi.EAGAIN);
  assert.equal(errnoFromNode(new TypeError('a bug')), abi.EIO);
  assert.equal(errnoFromNode(undefined), abi.EIO);
});

test('SystemError reads like Node\'s', () => {
  const refused = new SystemError(-abi.ECONNREFUSED, 'connect', { address: '127.0.0.1', port: 1 });
  assert.equal(refused.message, 'connect ECONNREFUSED 127.0.0.1:1');
  assert.deepEqual(
    [refused.errno, refused.code, refused.syscall, refused.address, refused.port],
    [61, 'ECONNREFUSED', 'connect', '127.0.0.1', 1],
  );
  assert.equal(new SystemError(48, 'listen', { address: '::1', port: 80 }).message, 'listen EADDRINUSE [::1]:80');
  assert.equal(new SystemError(2, 'open', { path: '/x' }).message, "ENOENT: no such file or directory, open '/x'");
  assert.equal(new SystemError(18, 'rename', { path: '/a', dest: '/b' }).message, "EXDEV: cross-device link, rename '/a' -> '/b'");
  assert.equal(new SystemError(9, 'close').message, 'close EBADF: bad file descriptor');
});
