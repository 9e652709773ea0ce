/** The host's end of a shared ring: order, wrap-around, overflow, a hostile consumer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostRing } from '../../host/hostRing';

const at = 1024;

function makeRing(entries: number, entrySize: number): { words: Int32Array; ring: HostRing; take: () => number[] | null } {
  const buffer = new ArrayBuffer(65536);
  const words = new Int32Array(buffer);
  words[(at + 128) >> 2] = entries;
  words[(at + 132) >> 2] = entrySize;
  const n = entrySize >> 2;
  function take(): number[] | null {
    const tail = words[(at + 64) >> 2]!;
    if (tail === words[at >> 2]) return null;
    const from = ((at + 192) >> 2) + (tail & (entries - 1)) * n;
    words[(at + 64) >> 2] = tail + 1;
    return [...words.subarray(from, from + n)];
  }
  return { words, ring: new HostRing(buffer, at), take };
}

test('entries come out in order, across the wrap and the overflow', () => {
  const { ring, take } = makeRing(4, 8);
  const seen: number[] = [];
  let pushed = 0;
  for (let round = 0; round < 100; round++) {
    for (let i = 0; i < (round * 7) % 11; i++) ring.push(pushed, -pushed++);
    for (let i = 0; i < 5; i++) {
      const entry = take();
      if (entry === null) break;
      assert.equal(entry[1], -entry[0]! | 0);
      seen.push(entry[0]!);
    }
    ring.flush();
  }
  for (let entry = take(); entry !== null || ring.flush() > 0; entry = take()) if (entry) seen.push(entry[0]!);
  assert.deepEqual(seen, Array.from({ length: pushed }, (_, i) => i));
  assert.ok(ring.overflowed > 0);
  assert.equal(ring.waiting, 0);
  assert.equal(ring.pushed, pushed);
});

test('indexes wrap at 2^32', () => {
  const { ring, words, take } = makeRing(8, 4);
  words[at >> 2] = -3;
  words[(at + 64) >> 2] = -3;
  for (let i = 0; i < 6; i++) ring.push(i);
  assert.equal(ring.used, 6);
  assert.deepEqual(Array.from({ length: 6 }, () => take()![0]), [0, 1, 2, 3, 4, 5]);
});

test('entries of more than four words, and short pushes', () => {
  const { ring, take } = makeRing(2, 24);
  ring.push(1, 2, 3, 4, 5, 6);
  ring.push(7);
  ring.push(8, 0, 0, 0, 0, 9);
  assert.deepEqual(take(), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(take(), [7, 0, 0, 0, 0, 0]);
  assert.equal(ring.flush(), 1);
  assert.deepEqual(take(), [8, 0, 0, 0, 0, 9]);
});

test('a tail that cannot be is refused, and so is a malformed ring', () => {
  const { ring, words } = makeRing(4, 8);
  words[(at + 64) >> 2] = 17;
  assert.throws(() => ring.push(1), /moved its tail past the head/);
  assert.throws(() => makeRing(3, 8), /malformed/);
  assert.throws(() => makeRing(4, 6), /malformed/);
  assert.throws(() => makeRing(65536, 64), /malformed/);
  assert.throws(() => new HostRing(new ArrayBuffer(1024), 0), /no ring at address 0/);
});
