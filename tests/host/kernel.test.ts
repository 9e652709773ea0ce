/** The kernel object over real images: sysctl, determinism, snapshots, the clock, the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededEntropy, virtualClock } from '../../host/determinism';
import { SystemError } from '../../host/errtrans';
import type { Kernel } from '../../host/kernel';
import { EV_ADD, EV_ONESHOT, EVFILT_TIMER } from '../../kernel/abi/event';
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from '../../kernel/abi/rump';
import { bootImage, withImage } from './images';

/** Boot with everything injected, and do some work that depends on all of it. */
async function rehearsal(seed: number, file: string): Promise<Kernel> {
  const kernel = await bootImage('FS', {
    clock: virtualClock('2026-03-01T12:00:00Z'), random: seededEntropy(seed), manual: true, params: { A: 'b' },
  });
  kernel.run();
  kernel.fs.sync.mkdir('/d');
  kernel.advance(1_234_567);
  kernel.fs.sync.writeFile(`/d/${file}`, 'contents');
  const kq = kernel.sys.kqueue();
  kernel.sys.kevent(kq, [{ ident: 1, filter: EVFILT_TIMER, flags: EV_ADD, data: 50 }]);
  kernel.advance(500_000);
  assert.ok(kernel.sys.kevent(kq, [], 4)[0]!.data >= 9);
  kernel.sysctl('kern.loglevel', 5);
  return kernel;
}

test('the same clock, entropy and inputs give the same memory; a different one of any does not', async () => {
  const kernels = await Promise.all([rehearsal(1, 'f'), rehearsal(1, 'f'), rehearsal(2, 'f'), rehearsal(1, 'g')]);
  const [first, same, otherSeed, otherFile] = kernels.map((kernel) => kernel.memoryHash());
  assert.match(first!, /^[0-9a-f]{64}$/);
  assert.equal(same, first);
  assert.notEqual(otherSeed, first);
  assert.notEqual(otherFile, first);
  for (const kernel of kernels) await kernel.close();
});

test('a snapshot brings files, descriptors and time back', async () => {
  const kernel = await rehearsal(3, 'kept');
  const snapshot = kernel.snapshot();
  const hash = kernel.memoryHash();
  kernel.fs.sync.rm('/d', { recursive: true });
  kernel.advance(60_000_000);
  kernel.restore(snapshot);
  assert.equal(kernel.memoryHash(), hash);
  assert.equal(kernel.fs.sync.readFile('/d/kept', 'utf8'), 'contents');
  const twin = await bootImage('FS', { clock: virtualClock('2026-03-01T12:00:00Z'), manual: true });
  twin.restore(snapshot);
  assert.equal(twin.fs.sync.readFile('/d/kept', 'utf8'), 'contents', 'also in another instance of the image');
  await kernel.close();
  await twin.close();
});

test('sysctl: read, set, refuse', async () => {
  await withImage('FS', {}, async (kernel) => {
    assert.equal(kernel.sysctl('kern.loglevel', 3), 3);
    assert.equal(kernel.sysctl('kern.loglevel'), 3);
    assert.match(String(kernel.sysctl('kern.kmem')), /^pool \d+\n/);
    const all = kernel.sysctlAll();
    assert.deepEqual(Object.keys(all).sort(), kernel.sysctlList().map(({ name }) => name).sort());
    const code = (expected: string) => (e: unknown): boolean => e instanceof SystemError && e.code === expected;
    assert.throws(() => kernel.sysctl('no.such'), code('ENOENT'));
    assert.throws(() => kernel.sysctl('kern.loglevel', 99), code('ERANGE'));
    assert.throws(() => kernel.sysctl('kern.kmem', 'x'), code('EPERM'));
    assert.throws(() => kernel.sysctl('kern.loglevel', 2 ** 40), RangeError);
    assert.throws(() => kernel.sysctl('kern.loglevel', 'loud'), TypeError);
    assert.ok(kernel.sysctlList().some(({ name, type, writable }) => name === 'kern.loglevel' && type === 'int' && writable));
  });
});

test('the image\'s clocks follow the host\'s, real or virtual', async () => {
  await withImage('FS', { clock: virtualClock('2026-03-01T12:00:00Z'), manual: true }, async (kernel) => {
    kernel.run();
    kernel.advance(2_500_000);
    assert.equal(kernel.sys.clockGettime(CLOCK_MONOTONIC), 2_500_000);
    assert.equal(kernel.sys.clockGettime(CLOCK_REALTIME), Date.UTC(2026, 2, 1, 12) * 1000 + 2_500_000);
  });
  await withImage('FS', {}, async (kernel) => {
    kernel.run();
    assert.ok(Math.abs(kernel.sys.clockGettime(CLOCK_REALTIME) / 1000 - Date.now()) < 1000);
  });
});

test('a timer of the image under wall time: one event, in time, without polling', async () => {
  await withImage('FS', {}, async (kernel) => {
    const kq = kernel.sys.kqueue();
    kernel.sys.kevent(kq, [{ ident: 7, filter: EVFILT_TIMER, flags: EV_ADD | EV_ONESHOT, data: 40, udata: 99 }]);
    const started = performance.now();
    const runs = kernel.pump.runs;
    let events: ReturnType<Kernel['sys']['kevent']> = [];
    while (events.length === 0 && performance.now() - started < 2000) {
      await new Promise((resolve) => { setTimeout(resolve, 10); });
      if (kernel.pump.runs > runs + 1) events = kernel.sys.kevent(kq, [], 8);
    }
    assert.equal(events.length, 1);
    assert.deepEqual([events[0]!.ident, events[0]!.udata, events[0]!.data], [7, 99, 1]);
    assert.ok(performance.now() - started >= 39);
    assert.ok(kernel.pump.runs - runs < 12, `${kernel.pump.runs - runs} runs`);
  });
});

test('--wasi node and wasmer run the same image', async () => {
  for (const wasi of ['node', 'wasmer'] as const) {
    await withImage('FS', { wasi, params: { rootfs: 'tmpfs' } }, async (kernel) => {
      kernel.run();
      kernel.fs.sync.writeFile('/x', wasi);
      assert.equal(kernel.fs.sync.readFile('/x', 'utf8'), wasi);
      const before = kernel.sys.clockGettime(CLOCK_MONOTONIC);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
      kernel.run();
      const passed = kernel.sys.clockGettime(CLOCK_MONOTONIC) - before;
      assert.ok(passed > 10_000 && passed < 5_000_000, `time passes: ${passed} µs`);
      assert.ok(Math.abs(kernel.sys.clockGettime(CLOCK_REALTIME) / 1000 - Date.now()) < 2000);
    });
  }
});

test('shutdown of an image without apps is immediate, status 0; -M gives it more memory', async () => {
  const kernel = await bootImage('FS', { memory: 64 << 20 });
  assert.equal(kernel.memory.buffer.byteLength, 64 << 20);
  assert.deepEqual(kernel.components, ['tmpfs']);
  assert.equal(await kernel.shutdown(), 0);
  assert.equal(kernel.isAlive, false);
});

test('an arena that is too small is a panic that says so', async () => {
  await assert.rejects(bootImage('FS', { memory: 200_000, logLevel: 'emerg', log: () => {} }), /kmem: .*raise `pages`/);
});
