/**
 * The protocol by hand: haggling, refusals with their errors, replies of both kinds, pipelines, clients
 * that do not read, connections that come and go, the end.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { type NbdServer, serveNbd } from './rig';
import { CMD, OPT, REP, text, u16, u32, u64, Wire } from './wire';

const MIB = 1 << 20;
const E = { perm: 1, inval: 22, nospc: 28, overflow: 75 };
let served: Promise<NbdServer> | null = null;
function server(): Promise<NbdServer> {
  return (served ??= serveNbd(['-b', 'rd0,size=64M', '-b', 'rd1,size=1M', '-e', 'NBD_EXPORTS=disk=rd0; ro=rd0 ro; rd1; gone=rd9']));
}

describe('haggling', () => {
  test('list: names of our own; what has no device is not shown', async () => {
    const wire = await Wire.greet((await server()).port);
    const replies = await wire.option(OPT.list);
    assert.deepEqual(replies.map(({ type, data }) => [type, data.subarray(4).toString()]), [[REP.server, 'disk'], [REP.server, 'ro'], [REP.server, 'rd1'], [REP.ack, '']]);
    assert.equal((await wire.option(OPT.list, Buffer.from('x')))[0]!.type, REP.invalid);
    assert.equal((await wire.option(OPT.startTls))[0]!.type, REP.unsup);
    assert.equal((await wire.option(4711, Buffer.alloc(100)))[0]!.type, REP.unsup);
    assert.equal((await wire.option(OPT.info, Buffer.concat([text('nobody'), u16(0)])))[0]!.type, REP.unknown);
    assert.equal((await wire.option(OPT.info, Buffer.concat([text('gone'), u16(0)])))[0]!.type, REP.unknown);
    assert.equal((await wire.option(OPT.info, Buffer.concat([u32(0xffffffff), u16(0)])))[0]!.type, REP.invalid);
    assert.equal((await wire.option(OPT.info, Buffer.alloc(100_000)))[0]!.type, REP.tooBig);
    assert.equal((await wire.option(OPT.setMeta, Buffer.concat([text('disk'), u32(1), text('base:allocation')])))[0]!.type, REP.invalid, 'before structured replies');
    assert.deepEqual((await wire.option(OPT.abort)).map(({ type }) => type), [REP.ack]);
    await wire.end();
  });

  test('info: size, flags, name, description, block sizes; the empty name is the first export', async () => {
    const wire = await Wire.greet((await server()).port);
    const replies = await wire.option(OPT.info, Buffer.concat([text(''), u16(3), u16(1), u16(2), u16(3)]));
    const infos = new Map(replies.filter(({ type }) => type === REP.info).map(({ data }) => [data.readUInt16BE(0), data.subarray(2)]));
    assert.equal(Number(infos.get(0)!.readBigUInt64BE(0)), 64 * MIB);
    assert.equal(infos.get(1)!.toString(), 'disk');
    assert.equal(infos.get(2)!.toString(), 'block device rd0');
    assert.deepEqual([0, 4, 8].map((at) => infos.get(3)!.readUInt32BE(at)), [512, 4096, 32 * MIB]);
    const ro = await wire.option(OPT.info, Buffer.concat([text('ro'), u16(0)]));
    assert.equal(ro[0]!.data.readUInt16BE(10) & 2, 2);
    wire.close();
  });

  test('EXPORT_NAME, with and without the 124 zeros', async () => {
    const { port } = await server();
    for (const [flags, zeros] of [[3, 0], [1, 124]] as const) {
      const wire = await Wire.greet(port, flags);
      wire.send(Buffer.from('IHAVEOPT'), u32(OPT.exportName), u32(3), Buffer.from('rd1'));
      assert.equal(Number((await wire.take(10 + zeros)).readBigUInt64BE(0)), MIB);
      wire.request(CMD.read, 1, 0, 512);
      assert.equal((await wire.reply(512)).error, 0);
      wire.close();
    }
    const wire = await Wire.greet(port);
    wire.send(Buffer.from('IHAVEOPT'), u32(OPT.exportName), u32(6), Buffer.from('nobody'));
    assert.equal((await wire.end()).length, 0);
  });

  test('flags and magics that nobody knows end the connection', async () => {
    const { port } = await server();
    const flags = await Wire.greet(port, 0x80);
    await flags.end();
    const magic = await Wire.greet(port);
    magic.send(Buffer.from('IHAVENOT'), u32(1), u32(0));
    await magic.end();
    const request = await Wire.go(port, 'rd1');
    request.send(Buffer.alloc(28));
    await request.end();
  });
});

describe('requests', () => {
  test('refusals have their errors, and the next request is found', async () => {
    const wire = await Wire.go((await server()).port, 'rd1', false, false, [3]);
    const end = MIB;
    const cases: [string, number, number, number, number, number][] = [
      ['read beyond the end', CMD.read, end - 512, 1024, 0, E.inval], ['trim beyond the end', CMD.trim, end, 512, 0, E.inval],
      ['zeros beyond the end', CMD.zeroes, end - 512, 1024, 0, E.nospc], ['offset overflow', CMD.read, Number.MAX_SAFE_INTEGER - 511, 512, 0, E.inval],
      ['odd offset', CMD.read, 1, 512, 0, E.inval], ['odd length', CMD.read, 0, 100, 0, E.inval], ['no length', CMD.read, 0, 0, 0, E.inval],
      ['no such command', 99, 0, 512, 0, E.inval], ['no such flag', CMD.read, 0, 512, 0x4000, E.inval], ['DF without structured replies', CMD.read, 0, 512, 4, E.inval],
      ['status without a context', CMD.status, 0, 512, 0, E.inval], ['flush of a range', CMD.flush, 0, 512, 0, E.inval],
      ['too large', CMD.read, 0, 64 * MIB, 0, E.inval], ['fast zeros without holes', CMD.zeroes, 0, 4096, 2 | 16, 95],
    ];
    let cookie = 100;
    for (const [what, type, offset, length, flags, error] of cases) {
      wire.request(type, ++cookie, offset, length, Buffer.alloc(0), flags);
      assert.deepEqual(await wire.reply(), { error, cookie, data: Buffer.alloc(0) }, what);
    }
    wire.request(CMD.write, 1, end - 512, 4096, Buffer.alloc(4096, 1));
    wire.request(CMD.write, 2, 3, 5, Buffer.alloc(5, 1));
    wire.request(CMD.write, 3, 0, 40 * MIB, Buffer.alloc(40 * MIB, 1));
    wire.request(CMD.write, 4, 0, 512, Buffer.alloc(512, 9));
    assert.deepEqual([(await wire.reply()).error, (await wire.reply()).error, (await wire.reply()).error, (await wire.reply()).error], [E.nospc, E.inval, E.inval, 0]);
    wire.request(CMD.read, 5, 0, 512);
    assert.deepEqual((await wire.reply(512)).data, Buffer.alloc(512, 9));
    wire.request(CMD.disc, 0, 0, 0);
    await wire.end();
  });

  test('a read-only export refuses what changes it', async () => {
    const wire = await Wire.go((await server()).port, 'ro');
    wire.request(CMD.write, 1, 0, 512, Buffer.alloc(512, 1));
    wire.request(CMD.trim, 2, 0, 512);
    wire.request(CMD.zeroes, 3, 0, 512);
    wire.request(CMD.flush, 4, 0, 0);
    wire.request(CMD.cache, 5, 0, 512);
    for (const [cookie, error] of [[1, E.perm], [2, E.perm], [3, E.perm], [4, 0], [5, 0]]) assert.deepEqual(await wire.reply(), { error, cookie, data: Buffer.alloc(0) });
    wire.close();
  });

  test('large transfers in pieces, simple and structured; holes are told as holes', async () => {
    const { port } = await server();
    const data = Buffer.alloc(9 * MIB, 'some data of several pieces ');
    const writer = await Wire.go(port, 'disk');
    writer.request(CMD.write, 1, 16 * MIB, data.length, data, 1);
    assert.equal((await writer.reply()).error, 0);
    writer.request(CMD.zeroes, 2, 20 * MIB, 2 * MIB);
    assert.equal((await writer.reply()).error, 0);
    data.fill(0, 4 * MIB, 6 * MIB);
    writer.request(CMD.read, 3, 16 * MIB, data.length);
    assert.ok((await writer.reply(data.length)).data.equals(data));
    writer.close();

    const reader = await Wire.go(port, 'disk', true, true);
    reader.request(CMD.read, 4, 16 * MIB, data.length);
    const got = Buffer.alloc(data.length, 0xff);
    const chunks = await reader.chunks();
    for (const { type, data: chunk } of chunks) {
      const at = Number(chunk.readBigUInt64BE(0)) - 16 * MIB;
      if (type === 1) chunk.copy(got, at, 8);
      else got.fill(0, at, at + chunk.readUInt32BE(8));
    }
    assert.ok(got.equals(data));
    assert.deepEqual(chunks.filter(({ type }) => type === 2).map(({ data: hole }) => hole.readUInt32BE(8)), [2 * MIB]);
    reader.request(CMD.status, 5, 16 * MIB, data.length);
    const [status] = await reader.chunks();
    assert.equal(status!.type, 5);
    const extents = Array.from({ length: (status!.data.length - 4) / 8 }, (_, i) => [status!.data.readUInt32BE(4 + 8 * i), status!.data.readUInt32BE(8 + 8 * i)]);
    assert.deepEqual(extents, [[4 * MIB, 0], [2 * MIB, 3], [3 * MIB, 0]]);
    reader.request(CMD.status, 6, 16 * MIB, data.length, Buffer.alloc(0), 8);
    assert.equal((await reader.chunks())[0]!.data.length, 12, 'REQ_ONE');
    reader.request(CMD.read, 7, 0, 131072, Buffer.alloc(0), 4);
    assert.equal((await reader.chunks()).length, 1, 'DF');
    reader.request(CMD.read, 8, 0, 262144, Buffer.alloc(0), 4);
    assert.equal((await reader.chunks())[0]!.data.readUInt32BE(0), E.overflow);
    reader.request(CMD.zeroes, 9, 16 * MIB, MIB, Buffer.alloc(0), 2);
    assert.equal((await reader.reply()).error, 0);
    reader.request(CMD.status, 10, 16 * MIB, MIB, Buffer.alloc(0), 8);
    assert.equal((await reader.chunks())[0]!.data.readUInt32BE(8), 2, 'NO_HOLE: zeros, and no hole');
    reader.close();
  });

  test('a client that sends a thousand reads and takes no answer holds up nobody', async () => {
    const { port } = await server();
    const greedy = await Wire.go(port, 'disk');
    greedy.socket.pause();
    for (let i = 0; i < 1000; i++) greedy.request(CMD.read, i, 0, MIB);
    await sleep(100);
    const other = await Wire.go(port, 'disk');
    for (let i = 0; i < 50; i++) {
      other.request(CMD.read, i, 0, 65536);
      assert.equal((await other.reply(65536)).cookie, i);
    }
    other.close();
    greedy.socket.resume();
    for (let i = 0; i < 20; i++) assert.equal((await greedy.reply(MIB)).cookie, i);
    greedy.close();
  });

  test('bytes may come one by one', async () => {
    const wire = await Wire.go((await server()).port, 'rd1');
    wire.socket.setNoDelay(true);
    const bytes = Buffer.concat([u32(0x25609513), u16(0), u16(CMD.write), u64(77), u64(512), u32(512), Buffer.alloc(512, 3), u32(0x25609513), u16(0), u16(CMD.read), u64(78), u64(512), u32(512)]);
    for (const byte of bytes) {
      wire.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => { setImmediate(resolve); });
    }
    assert.equal((await wire.reply()).cookie, 77);
    assert.deepEqual((await wire.reply(512)).data, Buffer.alloc(512, 3));
    wire.close();
  });
});

describe('connections', () => {
  test('more than there is room for are closed; those that go make room', async () => {
    const { port } = await server();
    const wires = await Promise.all(Array.from({ length: 64 }, () => Wire.open(port)));
    const greeted = await Promise.all(wires.map((wire) => wire.take(18).then(() => true, () => false)));
    assert.ok(greeted.filter(Boolean).length >= 60, `${greeted.filter(Boolean).length} of 64`);
    const late = await Wire.open(port);
    const more = await Wire.open(port);
    await Promise.any([late.end(), more.end()]);
    for (const wire of [...wires, late, more]) wire.close();
    await sleep(100);
    const wire = await Wire.go(port, 'rd1');
    wire.close();
  });

  test('the end: clients are let go, status 0', async () => {
    const { port, process: server_ } = await serveNbd(['-b', 'rd0,size=1M']);
    const wire = await Wire.go(port, 'rd0');
    const haggling = await Wire.greet(port);
    const ended = server_.stop(10_000);
    await Promise.all([wire.end(), haggling.end()]);
    assert.deepEqual(await ended, { code: 0, signal: null });
  });
});
