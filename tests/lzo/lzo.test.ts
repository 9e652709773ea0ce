/**
 * The coder beside liblzo2: streams go both ways, broken ones fail alike, the ratio is as good.
 *
 * Every input comes from a seed, which a failure names.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { need } from '../lib/need';
import { COMPRESSORS, Liblzo2 } from './liblzo2';
import { atTheEnd, type LzoModule, lzoModule } from './module';
import { binariesOfMachine, logs, mixed, Random, sample, textOfMachine } from './samples';

const ROOM = 1 << 20;
const INPUTS = 10_000;
const FLIPS = 100_000;
const TRUNCATED = 20;
const RATIO = 1.01;

const skip = need('lzop');
let ours: LzoModule;
let theirs: Liblzo2;

before(async () => {
  ours = await lzoModule(ROOM);
  if (!skip) theirs = new Liblzo2();
});

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Both decoders on one stream: the same code, the same output, nothing outside. */
function alike(stream: Uint8Array, room: number, what: string): number {
  const reference = theirs.decompress(stream, room);
  const mine = ours.decompress(stream, room);
  const where = `${what}, room ${room}, ${stream.length} bytes ${Buffer.from(stream.subarray(0, 64)).toString('hex')}`;
  assert.equal(mine.code, reference.code, `code: ${where}`);
  assert.equal(mine.output.length, reference.output.length, `length: ${where}`);
  assert.ok(same(mine.output, reference.output), `bytes: ${where}`);
  return mine.code;
}

describe('lzo1x against liblzo2', { skip }, () => {
  test(`${INPUTS} inputs, compressed by ours, decompressed by liblzo2`, () => {
    for (let seed = 1; seed <= INPUTS; seed++) {
      const input = sample(new Random(seed));
      // Every third by the slow compressor, at one of its levels.
      const packed = ours.compress(input, seed % 3 === 0 ? 3 + ((seed / 3) % 7) : 1);
      assert.ok(typeof packed !== 'number', `seed ${seed}: error ${packed}`);
      assert.ok(packed.length <= input.length + (input.length >> 4) + 67, `seed ${seed}: ${packed.length} bytes of ${input.length}`);
      const { code, output } = theirs.decompress(packed, input.length);
      assert.equal(code, 0, `seed ${seed}`);
      assert.ok(same(output, input), `seed ${seed}`);
    }
  });

  test(`${INPUTS} inputs, compressed by each of liblzo2's, decompressed by ours`, () => {
    for (let seed = 1; seed <= INPUTS; seed++) {
      const input = sample(new Random(seed + 1e6));
      const name = COMPRESSORS[seed % COMPRESSORS.length]!;
      const packed = theirs.compress(name, input);
      const { code, output, consumed } = ours.decompress(packed, input.length);
      assert.equal(code, 0, `seed ${seed}, ${name}`);
      assert.equal(consumed, packed.length, `seed ${seed}, ${name}`);
      assert.ok(same(output, input), `seed ${seed}, ${name}`);
    }
  });

  test(`every truncation of ${TRUNCATED} streams is rejected, as liblzo2 does`, () => {
    for (let seed = 1; seed <= TRUNCATED; seed++) {
      const input = sample(new Random(seed + 2e6)).subarray(0, 4000);
      const packed = Buffer.from(theirs.compress(COMPRESSORS[seed % COMPRESSORS.length]!, input));
      for (let n = 0; n < packed.length; n++) assert.ok(alike(packed.subarray(0, n), input.length, `seed ${seed}, cut at ${n}`) < 0);
    }
  });

  test(`${FLIPS} bit flips decode or fail as in liblzo2`, () => {
    const r = new Random(4711);
    const seen = new Map<number, number>();
    for (let done = 0; done < FLIPS;) {
      const input = sample(r).subarray(0, 6000);
      const packed = Buffer.from(r.below(4) === 0 ? ours.compress(input) as Uint8Array : theirs.compress(r.pick(COMPRESSORS), input));
      for (let i = 0; i < 25; i++, done++) {
        const broken = Buffer.from(packed);
        for (let flips = r.pick([1, 1, 1, 3]); flips > 0; flips--) broken[r.below(r.pick([8, broken.length]) % broken.length || 1)]! ^= 1 << r.below(8);
        const code = alike(broken, r.pick([input.length, input.length, input.length + 40, r.below(input.length + 1)]), `flip ${done}`);
        seen.set(code, (seen.get(code) ?? 0) + 1);
      }
    }
    for (const code of [0, -4, -5, -6, -8]) assert.ok((seen.get(code) ?? 0) > 0, `code ${code} never came up`);
  });

  test('the ratio is within 1 % of lzo1x_1 on mixed data, whatever the block', () => {
    const kinds = { mixed: mixed(6 << 20), text: textOfMachine(), programs: binariesOfMachine(), logs: logs(2 << 20) };
    for (const [kind, data] of Object.entries(kinds)) {
      for (const block of [4096, 16384, 65536, 262144]) {
        let mine = 0;
        let reference = 0;
        for (let at = 0; at < data.length; at += block) {
          const part = data.subarray(at, at + block);
          mine += (ours.compress(part) as Uint8Array).length;
          reference += theirs.compress('lzo1x_1', part).length;
        }
        assert.ok(mine <= reference * RATIO, `${kind} in blocks of ${block}: ${mine} bytes, lzo1x_1 ${reference}`);
      }
    }
  });
});

describe('lzo1x alone', () => {
  test('nothing is read or written behind the end of memory', () => {
    const r = new Random(31337);
    for (let i = 0; i < 10_000; i++) {
      const input = sample(r).subarray(0, 3000);
      const how = r.pick([1, 1, 2, 3, 6, 9]);
      const packed = Buffer.from(ours.compress(input, how) as Uint8Array);
      for (const last of [false, true]) {
        assert.equal(atTheEnd(ours, input, packed.length + 64, how, last), packed.length);
        atTheEnd(ours, input, r.below(packed.length), how, last);
        if (how === 2) continue;
        assert.equal(atTheEnd(ours, packed, input.length, 0, last), input.length);
        const broken = Buffer.from(packed);
        broken[r.below(broken.length)]! ^= 1 << r.below(8);
        atTheEnd(ours, broken, input.length, 0, last);
      }
    }
  });

  test('random bytes as a stream do no harm', () => {
    const r = new Random(99);
    for (let i = 0; i < 20_000; i++) {
      const junk = Buffer.from(Array.from({ length: r.below(80) }, () => r.below(r.pick([256, 40, 18]))));
      for (const rle of [false, true]) ours.decompress(junk, r.below(300), rle);
    }
  });

  test('a compressor whose output does not fit says so, and stays within', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const r = new Random(seed);
      const input = sample(r).subarray(0, 3000);
      const full = (ours.compress(input) as Uint8Array).length;
      const room = r.below(full);
      assert.equal(ours.compress(input, 1, room), -5, `seed ${seed}, room ${room} of ${full}`);
    }
  });
});

describe('lzo-rle', () => {
  test('round trips; its reader reads version 0 too', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const input = sample(new Random(seed + 3e6));
      for (const rle of [true, false]) {
        const packed = Buffer.from(ours.compress(input, rle ? 2 : 1) as Uint8Array);
        if (rle) assert.deepEqual([...packed.subarray(0, 2)], [17, 1]);
        const { code, output } = ours.decompress(packed, input.length, true);
        assert.equal(code, 0, `seed ${seed}`);
        assert.ok(same(output, input), `seed ${seed}`);
      }
    }
  });

  test('broken streams fail or decode, within their room', () => {
    const r = new Random(815);
    for (let i = 0; i < 20_000; i++) {
      const input = sample(r).subarray(0, 2000);
      const packed = Buffer.from(ours.compress(input, 2) as Uint8Array);
      packed[2 + r.below(packed.length - 2)]! ^= 1 << r.below(8);
      ours.decompress(packed, r.pick([input.length, r.below(input.length + 1)]), true);
    }
  });
});
