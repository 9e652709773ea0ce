/** When the image runs: batches, deadlines, rest, virtual time, and whether the process stays alive. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { EVFILT_TIMER } from '../../kernel/abi/event';
import { boot, type BootOptions } from '../../host/boot';
import { virtualClock } from '../../host/determinism';
import type { Kernel } from '../../host/kernel';
import { buildImage } from '../../tools/mkimage/index';
import { call, fixture } from './fixture';

async function bootFixture(options: BootOptions = {}): Promise<Kernel> {
  const kernel = await boot(await fixture(), options);
  await turn();
  await turn();
  return kernel;
}

test('kicks of one turn are one run; an idle image does not run', async () => {
  const kernel = await bootFixture();
  const before = kernel.pump.runs;
  for (let i = 0; i < 100; i++) kernel.pump.kick(i % 5);
  assert.equal(kernel.pump.runs, before);
  await turn();
  await turn();
  assert.equal(kernel.pump.runs, before + 1);
  assert.equal(kernel.sys.raw(call.interrupts), 0b11111);
  await sleep(50);
  assert.equal(kernel.pump.runs, before + 2, 'only the kick of that system call');
  await kernel.close();
});

test('flush() runs at once, once, and only if there is something', async () => {
  const kernel = await bootFixture();
  const before = kernel.pump.runs;
  kernel.pump.flush();
  assert.equal(kernel.pump.runs, before);
  kernel.pump.kick(2);
  kernel.pump.flush();
  assert.equal(kernel.pump.runs, before + 1);
  await turn();
  await turn();
  assert.equal(kernel.pump.runs, before + 1, 'the pending turn has nothing left to do');
  await kernel.close();
});

test('work left over is done in further turns, with the event loop in between', async () => {
  const kernel = await bootFixture();
  kernel.sys.raw(call.busy, 20);
  const before = kernel.pump.runs;
  let turns = 0;
  while (kernel.pump.runs < before + 21 && turns < 200) {
    await turn();
    turns++;
  }
  assert.equal(kernel.pump.runs, before + 21);
  assert.ok(turns >= 10, `the event loop had ${turns} turns`);
  await kernel.close();
});

test('a deadline is kept, about once', async () => {
  const kernel = await bootFixture();
  kernel.sys.raw(call.deadline, 30_000);
  await turn();
  await turn();
  const before = kernel.pump.runs;
  assert.ok(kernel.pump.deadlineUs > 0);
  await sleep(15);
  assert.equal(kernel.pump.runs, before);
  await sleep(40);
  assert.ok(kernel.pump.runs >= before + 1 && kernel.pump.runs <= before + 3, `${kernel.pump.runs - before} runs`);
  assert.equal(kernel.pump.deadlineUs, -1);
  await kernel.close();
});

test('a deadline that comes closer replaces the timer', async () => {
  const kernel = await bootFixture();
  kernel.sys.raw(call.deadline, 10_000_000);
  await turn();
  await turn();
  kernel.sys.raw(call.deadline, 10_000);
  await turn();
  await turn();
  const before = kernel.pump.runs;
  await sleep(40);
  assert.ok(kernel.pump.runs > before);
  await kernel.close();
});

test('virtual time: advance() runs the image at each deadline and not otherwise', async () => {
  const clock = virtualClock();
  const kernel = await bootFixture({ clock });
  kernel.sys.raw(call.deadline, 5_000_000);
  kernel.run();
  const before = kernel.pump.runs;
  kernel.advance(4_999_999);
  assert.ok(kernel.pump.deadlineUs > 0, 'not yet');
  kernel.advance(1);
  assert.equal(kernel.pump.deadlineUs, -1);
  assert.ok(kernel.pump.runs > before);
  assert.equal(clock.monotonic(), 5_000_000);
  await sleep(20);
  assert.equal(clock.monotonic(), 5_000_000, 'no wall time leaks in');
  await kernel.close();
});

test('virtual time: runUntil() goes from deadline to deadline, and knows when to give up', async () => {
  const clock = virtualClock();
  const kernel = await bootFixture({ clock, manual: true });
  assert.equal(kernel.runUntil(() => false), false, 'nothing to wait for');
  kernel.sys.raw(call.deadline, 9_000_000);
  assert.equal(kernel.runUntil(() => false, 1_000_000), false, 'beyond the limit');
  assert.equal(kernel.runUntil(() => kernel.pump.deadlineUs < 0), true);
  assert.equal(clock.monotonic(), 9_000_000);
  await kernel.close();
});

test('manual: the image runs only when told', async () => {
  const kernel = await bootFixture({ manual: true });
  const before = kernel.pump.runs;
  kernel.pump.kick(3);
  await sleep(10);
  assert.equal(kernel.pump.runs, before);
  kernel.run();
  assert.equal(kernel.pump.runs, before + 1);
  await kernel.close();
});

test('advance() without a virtual clock says what is missing', async () => {
  const kernel = await bootFixture();
  assert.throws(() => kernel.advance(1), /need a virtual clock/);
  await kernel.close();
});

test('an image that never comes to rest does not hang the caller', async () => {
  const kernel = await bootFixture({ clock: virtualClock(), manual: true });
  kernel.sys.raw(call.busy, 2 ** 31 - 1);
  assert.throws(() => kernel.run(), /does not come to rest/);
  await kernel.close();
});

test('a deadline keeps the process alive unless the kernel is unref()ed', async () => {
  const kernel = await bootFixture();
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  kernel.sys.raw(call.deadline, 60_000_000);
  await turn();
  await turn();
  const held = timers();
  kernel.unref();
  assert.equal(timers(), held - 1);
  kernel.ref();
  assert.equal(timers(), held);
  await kernel.close();
  assert.equal(timers(), held - 1);
});

test('snapshot and restore bring the memory back; the hash tells', async () => {
  const kernel = await bootFixture({ clock: virtualClock(), manual: true });
  const hash = kernel.memoryHash();
  const snapshot = kernel.snapshot();
  kernel.sys.raw(call.store, 500_000, 12345);
  assert.notEqual(kernel.memoryHash(), hash);
  const { pages, bytes } = kernel.touchedMemory();
  assert.ok(pages > 0 && bytes === pages * 4096 && bytes < kernel.memory.buffer.byteLength);
  kernel.restore(snapshot);
  assert.equal(kernel.memoryHash(), hash);
  assert.throws(() => kernel.restore({ memory: new Uint8Array(65536), globals: new Map() }), RangeError);
  await kernel.close();
});

test('timers set after a rest count from now, not from the last run', async () => {
  const { wasmFile } = await buildImage('FS');
  const kernel = await boot(wasmFile);
  await sleep(300);
  const kq = kernel.sys.kqueue();
  const began = performance.now();
  kernel.sys.kevent(kq, [{ ident: 1, filter: EVFILT_TIMER, data: 200 }]);
  while (kernel.sys.kevent(kq, [], 1).length === 0) await sleep(2);
  assert.ok(performance.now() - began >= 199, `${performance.now() - began} ms`);
  await kernel.close();

  const clock = virtualClock();
  const manual = await boot(wasmFile, { clock, manual: true });
  manual.advance(10_000_000);
  clock.advanceTo(clock.monotonic() + 5_000_000);
  const queue = manual.sys.kqueue();
  manual.sys.kevent(queue, [{ ident: 1, filter: EVFILT_TIMER, data: 200 }]);
  manual.advance(199_000);
  assert.equal(manual.sys.kevent(queue, [], 1).length, 0);
  manual.advance(2000);
  assert.equal(manual.sys.kevent(queue, [], 1).length, 1);
  await manual.close();
});
