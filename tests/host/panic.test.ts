/** The ends of an image: panic, trap, exit, exceptions of hypercalls, and what comes after. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot } from '../../host/boot';
import type { Kernel } from '../../host/kernel';
import { KernelGoneError, ReentryError, RumpPanic, wasmFrames } from '../../host/panic';
import { call, fixture } from './fixture';

/** A fixture kernel that keeps its log. */
async function bootQuietly(options: Parameters<typeof boot>[1] = {}): Promise<{ kernel: Kernel; log: string[] }> {
  const log: string[] = [];
  const kernel = await boot(await fixture(), { log: (_level, line) => log.push(line), console: () => {}, ...options });
  return { kernel, log };
}

test('a trap in a system call becomes a RumpPanic with frames by name', async () => {
  const { kernel, log } = await bootQuietly();
  const error = catchPanic(() => kernel.sys.raw(call.deepTrap, 3));
  assert.match(error.message, /^trap: unreachable in dig \(fixture\), during syscall #916\(3, 0, 0, 0, 0, 0\)$/);
  assert.deepEqual(error.frames.slice(0, 4).map((f) => f.fn), ['dig', 'dig', 'dig', 'dig']);
  assert.ok(error.frames.some((f) => f.fn === 'rump_syscall' && f.component === 'fixture' && f.offset > 0));
  assert.match(error.report(), /#0 components\/fixture\/main\/dig \+0x[0-9a-f]+\n/);
  await assert.rejects(kernel.exited, (e) => e === error);
  assert.deepEqual(log, [error.message]);
});

test('afterwards every call fails with one clear error', async () => {
  const { kernel } = await bootQuietly();
  catchPanic(() => kernel.sys.raw(call.trap));
  for (const attempt of [() => kernel.sys.raw(call.echo, 1), () => kernel.sysctl('kern.x'), () => kernel.sys.close(1)]) {
    assert.throws(attempt, (e) => e instanceof KernelGoneError && /^the kernel is gone: trap: unreachable/.test(e.message) && e.cause instanceof RumpPanic);
  }
  assert.equal(kernel.isAlive, false);
  kernel.run();
  await kernel.close();
  await assert.rejects(kernel.shutdown(), RumpPanic);
});

test('hyp_panic carries the kernel\'s own words', async () => {
  const { kernel } = await bootQuietly();
  const at = kernel.sys.data;
  kernel.image.u8.set(Buffer.from('pool_put: twice'), at);
  const error = catchPanic(() => kernel.sys.raw(call.panic, at, 15));
  assert.equal(error.reason, 'pool_put: twice');
  assert.match(error.message, /^panic: pool_put: twice in rump_syscall/);
});

test('a panic in a run is reported without anybody calling', async () => {
  for (const [which, words] of [[call.trapInRun, /^trap: unreachable in rump_run/], [call.panicInRun, /^panic: o in rump_run/]] as const) {
    const { kernel } = await bootQuietly();
    const heard: RumpPanic[] = [];
    kernel.on('panic', (error: RumpPanic) => heard.push(error));
    kernel.sys.raw(which);
    await assert.rejects(kernel.exited, (e: Error) => words.test(e.message) && /during rump_run$/.test(e.message));
    assert.equal(heard.length, 1);
  }
});

test('an exception out of a hypercall ends the image, with the exception as cause', async () => {
  const bug = new TypeError('a bug of the host half');
  const { kernel } = await bootQuietly({ logLevel: 'debug', log: (_l, line) => { if (line === 'boom') throw bug; } });
  kernel.image.u8.set(Buffer.from('boom'), kernel.sys.data);
  const error = catchPanic(() => kernel.sys.raw(call.log, 6, kernel.sys.data, 4));
  assert.match(error.message, /^hypercall: a bug of the host half/);
  assert.equal(error.cause, bug);
});

test('calling the image from a hypercall is refused, and names both calls', async () => {
  let kernel: Kernel | undefined;
  let refused: unknown;
  ({ kernel } = await bootQuietly({ logLevel: 'debug', log: (_l, line) => {
    if (line !== 'again') return;
    try {
      kernel!.sys.raw(call.echo, 1);
    } catch (error) {
      refused = error;
    }
  } }));
  kernel.image.u8.set(Buffer.from('again'), kernel.sys.data);
  assert.equal(kernel.sys.raw(call.log, 6, kernel.sys.data, 5), 0);
  assert.ok(refused instanceof ReentryError);
  assert.match(refused.message, /syscall called from within syscall/);
  assert.equal(kernel.sys.raw(call.echo, 5), 5, 'the image lives on');
  await kernel.close();
});

test('exit: the call that asked returns, then the kernel is gone', async () => {
  const { kernel } = await bootQuietly();
  assert.equal(kernel.sys.raw(call.exit, 3), 7);
  assert.equal(await kernel.exited, 3);
  assert.throws(() => kernel.sys.raw(call.echo), /the kernel has exited with status 3/);
  assert.equal(await kernel.shutdown(), 3);
});

test('shutdown() asks the image and returns its status; close() needs nobody', async () => {
  const first = await bootQuietly();
  assert.equal(await first.kernel.shutdown(), 0);
  const second = await bootQuietly();
  await second.kernel.close();
  await second.kernel.close();
  assert.equal(await second.kernel.exited, 0);
  assert.throws(() => second.kernel.sys.raw(call.echo), /the kernel is closed/);
});

test('frames of stacks in every form V8 writes', () => {
  const stack = [
    'Error: x', '    at kernel/kern/pool/pool_get (wasm://wasm/0a1b2c3d:wasm-function[12]:0x1f)',
    '    at wasm://wasm/0a1b2c3d:wasm-function[7]:0x20', '    at SOCKIN.components/httpd/httpd/accept_all (wasm://wasm/SOCKIN-0a1b2c3d:wasm-function[8]:0x3)',
    '    at boot (file:///x.mjs:1:2)', '    at async Promise.all (index 0)',
  ].join('\n');
  assert.deepEqual(wasmFrames(stack), [
    { fn: 'pool_get', module: 'kernel/kern/pool', component: 'kern', offset: 0x1f },
    { fn: 'wasm-function[7]', module: '', component: '', offset: 0x20 },
    { fn: 'accept_all', module: 'components/httpd/httpd', component: 'httpd', offset: 3 },
  ]);
  assert.deepEqual(wasmFrames(undefined), []);
});

function catchPanic(act: () => unknown): RumpPanic {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof RumpPanic, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'no panic' });
}
