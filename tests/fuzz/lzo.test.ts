/**
 * The LZO decoders on hostile streams, by the hundred thousand: the component alone, without an image.
 *
 *      seeds: streams of every compressor, and by hand one of each kind of instruction
 *        └─► mutate: bits, opcodes, lengths, splices, cuts ─► decode ─► new behaviour? ─► one more seed
 *
 * Whatever comes in: no trap, no panic, no byte written but the output's, an answer that is one, nothing
 * reported that does not add up, the same once more; and where liblzo2 is there, what its safe
 * decompressor says of the stream. FUZZ_ITERATIONS and FUZZ_SEED choose other runs; a failure says the
 * stream, and FUZZ_STREAM=HEX with FUZZ_ROOM=N tries that one alone.
 *
 * @timeout 300
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { need } from '../lib/need';
import { COMPRESSORS, Liblzo2 } from '../lzo/liblzo2';
import { type LzoModule, lzoModule, type Outcome } from '../lzo/module';
import { Random, sample } from '../lzo/samples';

const iterations = Number(process.env.FUZZ_ITERATIONS ?? 200_000);
const seed = Number(process.env.FUZZ_SEED ?? '1');
const ROOM = 1 << 17;
/** Seeds kept at most, and bytes of one. */
const CORPUS = 4000;
const LONGEST = 3000;
/** 0, and the errors: input overrun, output overrun, look-behind overrun, end not found, input not consumed. */
const CODES = new Set([0, -4, -5, -6, -7, -8]);
/** First bytes of instructions, at the edges of their kinds; and what lengths are written with. */
const OPCODES = [0, 1, 2, 3, 4, 15, 16, 17, 18, 21, 22, 23, 24, 31, 32, 33, 34, 63, 64, 65, 95, 96, 128, 255];

/** One of each kind of instruction, from the description of the format. */
const BY_HAND = [
  '110000', '12 41 110000', '15 41424344 110000', '00 02 0102030405060708090a0b0c0d0e0f1011121314 110000', '12 41 40 00 110000', '12 41 20 00 00 110000',
  '12 41 20 0100 0000 110000', '15 41424344 0c 00 110000', '15 41424344 10 0000 110000', '15 41424344 18 0000 110000', '15 41424344 1f ff 0000 110000',
  '15 41424344 6c 00 110000', '15 41424344 2d 0400 110000', '16 4142434445 01 00 110000', '00 0000000000000000', '20 00 00 00 00 00', 'ff 110000', '10 00 00', '11 00 00', '19 00 00',
  '1101 12 41 110000', '1101 15 41424344 fcff 110000', '1101 18 fc ff 110000', '1101 1f 00 fcff 110000',
];

interface Seed {
  bytes: Buffer;
  room: number;
}

/** What `stream` does, in few words: two streams that do the same need not both be kept. */
const behaviour = ({ code, consumed, output }: Outcome, rle: boolean): string => `${rle} ${code} ${Math.min(consumed, 400)} ${Math.min(output.length, 400)}`;

class Fuzzer {
  readonly #ours: LzoModule;
  readonly #theirs: Liblzo2 | null;
  readonly #random = new Random(seed);
  readonly #seeds: Seed[] = [];
  readonly #seen = new Set<string>();
  readonly codes = new Map<number, number>();

  constructor(ours: LzoModule, theirs: Liblzo2 | null) {
    this.#ours = ours;
    this.#theirs = theirs;
  }

  plant(): void {
    for (const hex of BY_HAND) this.#seeds.push({ bytes: Buffer.from(hex.replaceAll(' ', ''), 'hex'), room: 400 });
    for (let i = 0; i < 120; i++) {
      const input = sample(this.#random).subarray(0, LONGEST);
      const packed = this.#theirs && i % 2 === 0 ? this.#theirs.compress(COMPRESSORS[(i / 2) % COMPRESSORS.length]!, input) : this.#ours.compress(input, 1 + (i % 9)) as Uint8Array;
      this.#seeds.push({ bytes: Buffer.from(packed), room: input.length });
    }
  }

  /** A byte that is likely to mean something. */
  #byte(): number {
    return this.#random.below(2) === 0 ? this.#random.pick(OPCODES) : this.#random.below(256);
  }

  #mutateOnce(bytes: Buffer): Buffer {
    const r = this.#random;
    const at = r.below(bytes.length + 1);
    switch (r.below(8)) {
      case 0: case 1: if (at < bytes.length) bytes[at]! ^= 1 << r.below(8); return bytes;
      case 2: if (at < bytes.length) bytes[at] = this.#byte(); return bytes;
      case 3: return Buffer.concat([bytes.subarray(0, at), Buffer.from(Array.from({ length: 1 + r.below(4) }, () => this.#byte())), bytes.subarray(at)]);
      case 4: return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + r.below(6))]);
      case 5: return bytes.subarray(0, at);
      case 6: return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(1 + r.below(20)), bytes.subarray(at)]);
      default: {
        const other = r.pick(this.#seeds).bytes;
        return Buffer.concat([bytes.subarray(0, at), other.subarray(r.below(other.length + 1))]).subarray(0, LONGEST);
      }
    }
  }

  /** Decode; everything that must hold of the answer. */
  check(stream: Buffer, room: number, rle: boolean): Outcome {
    const first = this.#ours.decompress(stream, room, rle);
    const outcome = { ...first, output: Buffer.from(first.output) };
    // A stream of lzo-rle names its version, and there are only 0 and 1.
    const version = rle && stream.length > 1 && stream[0] === 17 ? stream[1]! : 0;
    assert.ok(CODES.has(outcome.code) || (outcome.code === -1 && version > 1), `answer ${outcome.code}`);
    assert.ok(outcome.output.length <= room && outcome.consumed <= stream.length, `${outcome.output.length} bytes of ${outcome.consumed}`);
    if (outcome.code === 0) assert.equal(outcome.consumed, stream.length, 'the end is not the end');
    if (outcome.code === -8) assert.ok(outcome.consumed < stream.length, 'all was consumed');
    const { u8, src } = this.#ours;
    assert.equal(Buffer.compare(u8.subarray(src, src + stream.length), stream), 0, 'the input was changed');
    const again = this.#ours.decompress(stream, room, rle);
    assert.deepEqual([again.code, again.consumed, Buffer.compare(again.output, outcome.output)], [outcome.code, outcome.consumed, 0], 'another answer the second time');
    if (this.#theirs && !rle) {
      const reference = this.#theirs.decompress(stream, room);
      assert.equal(outcome.code, reference.code, 'another code than liblzo2');
      assert.equal(Buffer.compare(outcome.output, reference.output), 0, 'other bytes than liblzo2');
    }
    return outcome;
  }

  step(): void {
    const r = this.#random;
    const from = r.pick(this.#seeds);
    let bytes = Buffer.from(from.bytes);
    for (let n = r.pick([1, 1, 1, 2, 4, 12]); n > 0; n--) bytes = Buffer.from(this.#mutateOnce(bytes));
    const room = r.pick([from.room, from.room, from.room + 40, r.below(from.room + 1), 2 * from.room]);
    const rle = r.below(4) === 0;
    let outcome: Outcome;
    try {
      outcome = this.check(bytes, room, rle);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`FUZZ_STREAM=${bytes.toString('hex')} FUZZ_ROOM=${room}${rle ? ' (lzo-rle)' : ''}, FUZZ_SEED=${seed}: ${message}`, { cause: error });
    }
    this.codes.set(outcome.code, (this.codes.get(outcome.code) ?? 0) + 1);
    const what = behaviour(outcome, rle);
    if (this.#seeds.length >= CORPUS || this.#seen.has(what)) return;
    this.#seen.add(what);
    this.#seeds.push({ bytes, room });
  }
}

describe(`LZO decoders with hostile streams (FUZZ_SEED=${seed}, ${iterations} streams)`, () => {
  let fuzzer: Fuzzer;
  before(async () => { fuzzer = new Fuzzer(await lzoModule(ROOM), need('lzop') ? null : new Liblzo2()); });

  test('no trap, no stray write, no false answer', () => {
    const one = process.env.FUZZ_STREAM;
    if (one !== undefined) {
      for (const rle of [false, true]) fuzzer.check(Buffer.from(one, 'hex'), Number(process.env.FUZZ_ROOM ?? 400), rle);
      return;
    }
    fuzzer.plant();
    for (let i = 0; i < iterations; i++) fuzzer.step();
    // If it found less, it was not fuzzing.
    for (const code of [0, -4, -5, -6, -8]) assert.ok((fuzzer.codes.get(code) ?? 0) > iterations / 5000, `code ${code}: ${fuzzer.codes.get(code)} times`);
  });
});
