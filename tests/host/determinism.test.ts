/** Clocks and entropy, injected and real: they move only as told, repeat by seed, and agree with Node's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededEntropy, systemClock, systemEntropy, virtualClock } from '../../host/determinism';

test('the virtual clock moves only when told, and never back', () => {
  const clock = virtualClock('2030-01-01T00:00:00Z');
  const start = Date.UTC(2030, 0, 1) * 1000;
  assert.equal(clock.realtime(), start);
  assert.equal(clock.monotonic(), 0);
  clock.advance(1500);
  clock.advanceTo(2000);
  assert.deepEqual([clock.realtime(), clock.monotonic()], [start + 2000, 2000]);
  assert.throws(() => clock.advance(-1), RangeError);
  assert.throws(() => clock.advance(Number.NaN), RangeError);
  assert.throws(() => clock.advanceTo(1999), RangeError);
  assert.throws(() => virtualClock('yesterday'), RangeError);
});

test('the system clock agrees with Node\'s clocks', () => {
  assert.ok(Math.abs(systemClock.realtime() / 1000 - Date.now()) < 50);
  assert.ok(Math.abs(systemClock.monotonic() - Number(process.hrtime.bigint()) / 1000) < 5000);
  assert.ok(systemClock.monotonic() <= systemClock.monotonic());
});

test('seeded entropy repeats, differs by seed, and does not depend on how it is asked for', () => {
  const take = (seed: number | string, n: number): Buffer => {
    const bytes = Buffer.alloc(n);
    seededEntropy(seed).fill(bytes);
    return bytes;
  };
  assert.deepEqual(take(1, 1000), take(1, 1000));
  assert.notDeepEqual(take(1, 32), take(2, 32));
  assert.deepEqual(take('1', 32), take(1, 32));
  const pieces = seededEntropy(1);
  const joined = Buffer.alloc(64);
  pieces.fill(joined.subarray(0, 4));
  pieces.fill(joined.subarray(4));
  assert.deepEqual(joined, take(1, 64));
});

test('seeded entropy looks even', () => {
  const bytes = new Uint8Array(1 << 20);
  seededEntropy('even').fill(bytes);
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte]!++;
  const expected = bytes.length / 256;
  const chi2 = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  // 255 degrees of freedom: mean 255, deviation 22.6.
  assert.ok(chi2 > 150 && chi2 < 380, `chi² ${chi2}`);
});

test('system entropy fills', () => {
  const bytes = new Uint8Array(64);
  systemEntropy.fill(bytes);
  assert.ok(bytes.some((byte) => byte !== 0));
});
