/**
 * Disks that change their size while clients use them: by the command of the protocol's resize extension,
 * and by `rumpwasm disk resize`. The new size counts at once, for every connection; what is cut off in the
 * middle of a request is an error of that request and of no other.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cli } from '../lib/tree';
import { type NbdServer, ok, serveNbd, scratch } from './rig';
import { CMD, OPT, text, u16, Wire } from './wire';

const MIB = 1 << 20;
const SEND_RESIZE = 1 << 9;
const E = { perm: 1, inval: 22, nospc: 28 };
const name = `nbd-resize-${process.pid}`;
const dir = scratch();
let served: Promise<NbdServer> | null = null;
function server(): Promise<NbdServer> {
  return (served ??= serveNbd(['-b', 'rd0,size=1M', '-b', `hd0,file=${dir}/hd0,size=1M`, '--name', name, '-e', 'NBD_EXPORTS=rd0; ro=rd0 ro; hd0']));
}

/** Size and flags of an export, as the next client is told. */
async function info(port: number, which = 'rd0'): Promise<{ size: number; flags: number }> {
  const wire = await Wire.greet(port);
  const [first] = await wire.option(OPT.info, Buffer.concat([text(which), u16(0)]));
  wire.close();
  return { size: Number(first!.data.readBigUInt64BE(2)), flags: first!.data.readUInt16BE(10) };
}

async function ask(wire: Wire, type: number, offset: number, length: number, data?: Buffer): Promise<number> {
  wire.request(type, 7, offset, length, data);
  return (await wire.reply(type === CMD.read ? length : 0)).error;
}

const command = (...args: string[]): Promise<string> => ok(process.execPath, [cli, 'disk', ...args, '--instance', name]);

describe('NBD_CMD_RESIZE', () => {
  test('is offered where it can be done', async () => {
    const { port } = await server();
    const flags = await Promise.all(['rd0', 'ro', 'hd0'].map(async (which) => (await info(port, which)).flags & SEND_RESIZE));
    assert.deepEqual(flags, [SEND_RESIZE, 0, 0]);
  });

  test('larger and smaller: for the one that asks, for the others, and for those who come', async () => {
    const { port } = await server();
    const wire = await Wire.go(port, 'rd0');
    const other = await Wire.go(port, 'rd0');
    assert.equal(await ask(other, CMD.write, 2 * MIB, 512, Buffer.alloc(512, 1)), E.nospc);
    assert.equal(await ask(wire, CMD.resize, 4 * MIB, 0), 0);
    assert.equal((await info(port)).size, 4 * MIB);
    assert.equal(await ask(other, CMD.write, 2 * MIB, 512, Buffer.alloc(512, 1)), 0);
    assert.equal(await ask(other, CMD.write, 512, 512, Buffer.alloc(512, 2)), 0);
    assert.equal(await ask(wire, CMD.resize, MIB + 512, 0), 0);
    for (const each of [wire, other]) {
      assert.equal(await ask(each, CMD.read, 2 * MIB, 512), E.inval);
      assert.equal(await ask(each, CMD.write, 2 * MIB, 512, Buffer.alloc(512)), E.nospc);
      assert.equal(await ask(each, CMD.read, MIB, 512), 0);
    }
    assert.equal(await ask(wire, CMD.resize, 4 * MIB, 0), 0);
    other.request(CMD.read, 1, 2 * MIB, 512);
    assert.deepEqual((await other.reply(512)).data, Buffer.alloc(512), 'what was cut off does not come back');
    other.request(CMD.read, 2, 512, 512);
    assert.deepEqual((await other.reply(512)).data, Buffer.alloc(512, 2), 'what was kept is there');
    wire.close();
    other.close();
  });

  test('refusals', async () => {
    const { port } = await server();
    const before = (await info(port)).size;
    const wire = await Wire.go(port, 'rd0');
    assert.equal(await ask(wire, CMD.resize, 0, 0), E.inval);
    assert.equal(await ask(wire, CMD.resize, 1000, 0), E.inval);
    assert.equal(await ask(wire, CMD.resize, MIB, 512), E.inval);
    assert.equal(await ask(wire, CMD.resize, 2 ** 52, 0), E.nospc);
    assert.equal(await ask(await Wire.go(port, 'ro'), CMD.resize, MIB, 0), E.perm);
    assert.equal(await ask(await Wire.go(port, 'hd0'), CMD.resize, 2 * MIB, 0), E.inval, 'not offered');
    await command('lock', 'rd0');
    assert.equal(await ask(wire, CMD.resize, MIB, 0), E.perm);
    await command('unlock', 'rd0');
    assert.equal((await info(port)).size, before);
    wire.close();
  });
});

describe('a resize beside requests', () => {
  test('rumpwasm disk resize: open connections obey it', async () => {
    const { port } = await server();
    const wire = await Wire.go(port, 'rd0');
    await command('resize', 'rd0', '2M');
    assert.equal(await ask(wire, CMD.read, 2 * MIB - 512, 512), 0);
    assert.equal(await ask(wire, CMD.read, 2 * MIB - 512, 1024), E.inval);
    assert.equal(await ask(wire, CMD.write, 2 * MIB, 512, Buffer.alloc(512)), E.nospc);
    assert.equal(await ask(wire, CMD.zeroes, 2 * MIB, 512), E.nospc);
    assert.equal(await ask(wire, CMD.trim, 2 * MIB, 512), E.inval);
    assert.equal((await info(port)).size, 2 * MIB);
    wire.close();
  });

  for (const structured of [true, false]) {
    test(`a read under way that is cut off fails, ${structured ? 'with an error chunk' : 'by the end of its connection'}`, async () => {
      const { port } = await server();
      const wire = await Wire.go(port, 'rd0');
      assert.equal(await ask(wire, CMD.resize, 32 * MIB, 0), 0);
      for (let at = 0; at < 32 * MIB; at += 8 * MIB) assert.equal(await ask(wire, CMD.write, at, 8 * MIB, Buffer.alloc(8 * MIB, 'something ')), 0);
      const slow = await Wire.go(port, 'rd0', structured);
      slow.socket.pause();
      slow.request(CMD.read, 9, 0, 32 * MIB);
      // A round trip: the first pieces of that read are on their way, and the client takes none.
      for (let i = 0; i < 20; i++) assert.equal(await ask(wire, CMD.read, 0, 512), 0);
      assert.equal(await ask(wire, CMD.resize, MIB, 0), 0);
      slow.socket.resume();
      if (structured) {
        const last = (await slow.chunks()).at(-1)!;
        assert.deepEqual([last.type, last.data.readUInt32BE(0), last.cookie], [0x8001, E.inval, 9]);
        slow.request(CMD.read, 10, 0, 512);
        assert.equal((await slow.chunks()).at(-1)!.cookie, 10);
      } else {
        const rest = await slow.end();
        assert.ok(rest.length < 32 * MIB && rest.readUInt32BE(4) === 0);
      }
      assert.equal(await ask(wire, CMD.read, 0, 512), 0, 'the others go on');
      wire.close();
      slow.close();
    });
  }

  test('a write under way that is cut off fails, and the next request is found', async () => {
    const { port } = await server();
    const wire = await Wire.go(port, 'rd0');
    const writer = await Wire.go(port, 'rd0');
    assert.equal(await ask(wire, CMD.resize, 8 * MIB, 0), 0);
    const data = Buffer.alloc(8 * MIB, 'something else ');
    writer.request(CMD.write, 1, 0, data.length, data.subarray(0, MIB));
    for (let i = 0; i < 20; i++) assert.equal(await ask(wire, CMD.read, 0, 512), 0);
    assert.equal(await ask(wire, CMD.resize, 2 * MIB, 0), 0);
    writer.send(data.subarray(MIB));
    assert.deepEqual(await writer.reply(), { error: E.nospc, cookie: 1, data: Buffer.alloc(0) });
    writer.request(CMD.read, 2, 0, 2 * MIB);
    assert.ok((await writer.reply(2 * MIB)).data.equals(data.subarray(0, 2 * MIB)));
    wire.close();
    writer.close();
  });
});
