/**
 * Requests of any byte, from clients that have not asked for block sizes: on memory, where the device is
 * done at once, and on a file of the host, where it is done later. Beside a model, byte for byte.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { need } from '../lib/need';
import { Random } from '../lzo/samples';
import { type NbdServer, ok, scratch, serveNbd } from './rig';
import { CMD, Wire } from './wire';

const MIB = 1 << 20;
const SIZE = MIB;
const dir = scratch();
let served: Promise<NbdServer> | null = null;
function server(): Promise<NbdServer> {
  return (served ??= serveNbd(['-b', `rd0,size=${SIZE}`, '-b', `hd0,file=${dir}/hd0,size=${SIZE}`]));
}

/** Read all of it, in structured chunks or a simple reply. */
async function readAll(port: number, disk: string): Promise<Buffer> {
  const wire = await Wire.go(port, disk);
  wire.request(CMD.read, 1, 0, SIZE);
  const { data } = await wire.reply(SIZE);
  wire.close();
  return data;
}

/** The bytes that chunks stand for. */
function assemble(chunks: { type: number; data: Buffer }[], offset: number, length: number): Buffer {
  const out = Buffer.alloc(length, 0xee);
  for (const { type, data } of chunks) {
    const at = Number(data.readBigUInt64BE(0)) - offset;
    if (type === 1) data.copy(out, at, 8);
    else if (type === 2) out.fill(0, at, at + data.readUInt32BE(8));
    else throw new Error(`chunk ${type}`);
  }
  return out;
}

for (const disk of ['rd0', 'hd0']) {
  describe(`any byte, ${disk}`, () => {
    test('reads, writes, zeros and trims at random, as a model has it', async () => {
      const { port } = await server();
      const model = await readAll(port, disk);
      const simple = await Wire.go(port, disk);
      const chunked = await Wire.go(port, disk, true);
      const r = new Random(disk.charCodeAt(0));
      const lengths = [1, 100, 511, 512, 513, 1000, 5000, 140_000, 300_000];
      for (let i = 0; i < 400; i++) {
        const length = 1 + r.below(r.pick(lengths));
        const at = r.below(4) === 0 ? SIZE - length : r.below(SIZE - length + 1);
        const what = r.pick(['read', 'chunks', 'write', 'write', 'zeroes', 'solid', 'trim'] as const);
        const where = `request ${i}: ${what} ${length} at ${at}`;
        if (what === 'read') {
          simple.request(CMD.read, i, at, length);
          assert.ok((await simple.reply(length)).data.equals(model.subarray(at, at + length)), where);
        } else if (what === 'chunks') {
          chunked.request(CMD.read, i, at, length);
          assert.ok(assemble(await chunked.chunks(), at, length).equals(model.subarray(at, at + length)), where);
        } else {
          const data = Buffer.alloc(what === 'write' ? length : 0, `${i} `);
          if (what === 'write') data.copy(model, at);
          else if (what !== 'trim') model.fill(0, at, at + length);
          const flags = what === 'solid' ? 2 : r.below(5) === 0 ? 1 : 0;
          simple.request(what === 'write' ? CMD.write : what === 'trim' ? CMD.trim : CMD.zeroes, i, at, length, data, flags);
          assert.equal((await simple.reply()).error, 0, where);
          // What a trim leaves is the device's to say; outside of it nothing may change.
          if (what === 'trim') (await readAll(port, disk)).copy(model, at, at, at + length);
        }
      }
      assert.ok((await readAll(port, disk)).equals(model));
      simple.close();
      chunked.close();
    });

    test('many at a time into the same sectors: no byte is lost', async () => {
      const { port } = await server();
      const wires = await Promise.all(Array.from({ length: 4 }, () => Wire.go(port, disk)));
      const span = 16 * 1024;
      const expected = Buffer.alloc(span);
      for (let i = 0; i < span; i++) expected[i] = 1 + (Math.imul(i, 2654435761) >>> 24) % 255;
      const r = new Random(5);
      const pieces: [number, number][] = [];
      for (let at = 0; at < span;) {
        const length = Math.min(span - at, 1 + r.below(r.pick([60, 60, 60, 700])));
        pieces.push([at, length]);
        at += length;
      }
      pieces.sort(() => r.below(3) - 1);
      const counts = wires.map(() => 0);
      pieces.forEach(([at, length], i) => {
        wires[i % 4]!.request(CMD.write, i, at, length, expected.subarray(at, at + length));
        counts[i % 4]!++;
      });
      await Promise.all(wires.map(async (wire, w) => { for (let i = 0; i < counts[w]!; i++) assert.equal((await wire.reply()).error, 0); }));
      assert.ok((await readAll(port, disk)).subarray(0, span).equals(expected));
      for (const wire of wires) wire.close();
    });

    test('clients that are gone in the middle leave no lock behind', async () => {
      const { port } = await server();
      for (let i = 0; i < 30; i++) {
        const wire = await Wire.go(port, disk);
        for (let k = 0; k < 16; k++) wire.request(CMD.write, k, 3 * k, 100, Buffer.alloc(100, 1));
        if (i % 2 === 0) await new Promise((resolve) => { setImmediate(resolve); });
        wire.close();
      }
      const wire = await Wire.go(port, disk);
      wire.request(CMD.write, 1, 1, 5, Buffer.from('there'));
      assert.equal((await wire.reply()).error, 0);
      assert.equal((await readAll(port, disk)).subarray(1, 6).toString(), 'there');
      wire.close();
    });
  });
}

/** libnbd's shell, with the Python that it belongs to. */
const nbdsh = (lines: string[]): Promise<string> => ok('env', ['PATH=/usr/bin:/bin', 'nbdsh', ...lines.flatMap((line) => ['-c', line])]);

describe('nbdsh', { skip: need('nbdsh') }, () => {
  test('without the block sizes: bytes in, the same bytes out', async () => {
    const { port } = await server();
    for (const disk of ['rd0', 'hd0']) {
      const script = [
        'h.set_request_block_size(False)', 'h.set_strict_mode(0)', `h.set_export_name("${disk}")`, `h.connect_tcp("127.0.0.1", "${port}")`,
        'h.pwrite(b"across a sector" * 50, 4000)', 'h.zero(7, 4011)', 'assert h.pread(36, 3996)[4:15] == b"across a se"', 'assert h.pread(7, 4011) == bytes(7)',
        'assert h.pread(732, 4018) == (b"across a sector" * 50)[18:]', 'print("good")',
      ];
      assert.match(await nbdsh(script), /good/);
    }
  });

  test('with them it is told that it must not', async () => {
    const { uri } = await server();
    const script = ['h.set_strict_mode(0)', `h.connect_uri("${uri('rd0')}")`, 'h.pwrite(b"x", 1)'];
    await assert.rejects(nbdsh(script), /Invalid argument/);
  });
});
