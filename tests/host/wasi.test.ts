/** The three providers of WASI serve the same image alike. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { boot, type BootOptions } from '../../host/boot';
import { seededEntropy, virtualClock } from '../../host/determinism';
import type { Kernel } from '../../host/kernel';
import { type WasiKind, wasiKinds } from '../../host/wasi/wasi';
import { call, fixture } from './fixture';

async function bootWith(wasi: WasiKind, options: BootOptions = {}): Promise<{ kernel: Kernel; output: () => string }> {
  const pieces: Uint8Array[] = [];
  const kernel = await boot(await fixture(), { wasi, console: (bytes) => pieces.push(bytes), ...options });
  return { kernel, output: () => Buffer.concat(pieces).toString() };
}

function put(kernel: Kernel, text: string): [at: number, length: number] {
  const bytes = Buffer.from(text);
  kernel.image.u8.set(bytes, kernel.sys.data);
  return [kernel.sys.data, bytes.length];
}

// The other end of the last test: a process of its own, which runs no test.
if (process.env.RUMPWASM_WASI_CHILD) {
  const kernel = await boot(process.env.RUMPWASM_WASI_CHILD, { wasi: 'node' });
  kernel.sys.raw(call.console, ...put(kernel, 'straight out\n'));
  process.exit(0);
}

for (const wasi of wasiKinds) {
  test(`${wasi}: parameters arrive as the environment`, async () => {
    const { kernel } = await bootWith(wasi, { params: { HTTPD_PORT: 8080, Q: true, GREETING: 'grüß dich' } });
    const at = kernel.sys.data;
    assert.equal(kernel.sys.raw(call.environ, at), 3);
    const values = [0, 1, 2].map((i) => {
      const from = kernel.image.dv.getUint32(at + i * 4, true);
      return Buffer.from(kernel.image.u8.subarray(from, kernel.image.u8.indexOf(0, from))).toString();
    });
    assert.deepEqual(values.sort(), ['GREETING=grüß dich', 'HTTPD_PORT=8080', 'Q=1']);
    await kernel.close();
  });

  test(`${wasi}: console bytes reach the sink, at the latest after the next run`, async () => {
    const { kernel, output } = await bootWith(wasi);
    assert.equal(kernel.sys.raw(call.console, ...put(kernel, 'GET / 200\n')), 10);
    assert.equal(kernel.sys.raw(call.console, ...put(kernel, 'again\n')), 6);
    kernel.run();
    assert.equal(output(), 'GET / 200\nagain\n');
    await kernel.close();
  });

  test(`${wasi}: clocks and entropy`, async () => {
    const { kernel } = await bootWith(wasi);
    const read = (id: number): number => Number(kernel.image.dv.getBigUint64(kernel.sys.raw(call.clock, id), true));
    assert.ok(Math.abs(read(0) / 1e6 - Date.now()) < 2000);
    kernel.run();
    const now = kernel.image.dv.getFloat64(kernel.sys.raw(call.lastNow), true);
    assert.ok(Math.abs(read(1) / 1000 - now) < 100_000, 'the pump counts on the same clock as the image');
    const at = kernel.sys.data;
    kernel.image.u8.fill(0, at, at + 32);
    assert.equal(kernel.sys.raw(call.random, at, 32), 0);
    assert.ok(kernel.image.u8.subarray(at, at + 32).some((byte) => byte !== 0));
    await kernel.close();
  });

  test(`${wasi}: proc_exit ends the image with its status`, async () => {
    const { kernel } = await bootWith(wasi);
    kernel.sys.raw(call.procExit, 5);
    assert.equal(await kernel.exited, 5);
  });

  test(`${wasi}: the clock can be injected only with our own`, async () => {
    const options = { clock: virtualClock() };
    if (wasi === 'rumpuser') await (await bootWith(wasi, options)).kernel.close();
    else await assert.rejects(bootWith(wasi, options), /needs wasi 'rumpuser', not/);
  });
}

test('rumpuser: injected clock and entropy are what the image sees', async () => {
  const clock = virtualClock('2025-06-01T00:00:00Z');
  const { kernel } = await bootWith('rumpuser', { clock, random: seededEntropy(7) });
  clock.advance(1_500_000);
  const at = kernel.sys.raw(call.clock, 0);
  assert.equal(kernel.image.dv.getBigUint64(at, true), BigInt(Date.UTC(2025, 5, 1) + 1500) * 1_000_000n);
  assert.equal(kernel.image.dv.getBigUint64(kernel.sys.raw(call.clock, 1), true), 1_500_000_000n);
  const expected = Buffer.alloc(16);
  seededEntropy(7).fill(expected);
  kernel.sys.raw(call.random, kernel.sys.data, 16);
  assert.deepEqual(kernel.sys.takeData(16), expected);
  await kernel.close();
});

test('rumpuser: addresses outside of memory are errors, not crashes', async () => {
  const { kernel } = await bootWith('rumpuser');
  const size = kernel.image.u8.length;
  assert.equal(kernel.sys.raw(call.random, size - 4, 8), 21);
  assert.equal(kernel.sys.raw(call.random, -8, 8), 21);
  kernel.sys.raw(call.console, size - 1, 2);
  assert.equal(kernel.sys.raw(call.clock, 9), -28, 'no such clock');
  await kernel.close();
});

test('node: without a sink of the caller, console bytes go to stdout by node:wasi itself', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-wasi-'));
  const image = join(dir, 'fixture.wasm');
  writeFileSync(image, await fixture());
  const entry = process.argv[1]!;
  const script = 'const [, entry, image] = process.argv; process.env.RUMPWASM_WASI_CHILD = image; await import(entry);';
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, '--', entry, image], {
    encoding: 'utf8', env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  rmSync(dir, { recursive: true });
  assert.match(child.stdout, /^straight out\n$/);
  assert.doesNotMatch(child.stderr, /ExperimentalWarning/);
});
