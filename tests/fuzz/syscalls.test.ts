/**
 * System calls with hostile arguments, at random, by the tens of thousands, on images FS (files), NET
 * (sockets of netinet) and SOCK (sockets of the host).
 *
 * Nothing that comes from outside may stop the image: no trap, no panic, no byte written that was not
 * asked for, no answer that is not one; afterwards, with every descriptor closed, nothing is left in
 * use, and the kernel answers as before. FUZZ_ITERATIONS and FUZZ_SEED choose other runs; a failure
 * says which seed, and the calls that led to it.
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { seededEntropy, virtualClock } from '../../host/determinism';
import type { Kernel } from '../../host/kernel';
import * as numbers from '../../kernel/abi/syscall';
import { bootImage } from '../host/images';
import { type Call, fileCalls, socketCalls } from './calls';
import { Hostile, type Kind } from './hostile';

const iterations = Number(process.env.FUZZ_ITERATIONS ?? 20_000);
const seed = process.env.FUZZ_SEED ?? '1';
const errnoMax = 100;
const openMin = 20;
const openMax = 150;
/** Calls that a failure shows. */
const shown = 12;
const known = new Set<number>(Object.values(numbers));

/** In use, by pool: what must come back when everything is closed. */
function inUse(kernel: Kernel): Map<string, number> {
  const lines = String(kernel.sysctl('kern.pools')).trim().split('\n');
  return new Map(lines.map((line) => line.split(' ')).map(([name, , , used]) => [name!, Number(used)]));
}

class Fuzzer {
  private readonly kernel: Kernel;
  private readonly hostile: Hostile;
  private readonly calls: readonly Call[];
  private readonly total: number;
  private readonly last: string[] = [];

  constructor(kernel: Kernel, calls: readonly Call[], kinds: readonly Kind[]) {
    this.kernel = kernel;
    this.hostile = new Hostile(kernel.image, `${kernel.name}:${seed}`, kinds);
    this.calls = calls;
    this.total = calls.reduce((sum, call) => sum + call.weight, 0);
  }

  async run(): Promise<void> {
    for (let i = 0; i < iterations; i++) {
      try {
        this.step();
        if (i % 64 === 63) await this.rest();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new Error(`FUZZ_SEED=${seed} image ${this.kernel.name}, call ${i}: ${message}\nlast calls:\n  ${this.last.join('\n  ')}`, { cause: error });
      }
    }
  }

  private choose(): Call {
    let at = this.hostile.below(this.total);
    for (const call of this.calls) {
      at -= call.weight;
      if (at < 0) return call;
    }
    throw new Error('unreachable');
  }

  private step(): void {
    const { hostile } = this;
    let call = this.choose();
    // Enough open to do something with, and not so many that everything is.
    if (hostile.openCount >= openMax) call = this.calls.find(({ name }) => name === 'close')!;
    else while (call.name === 'close' && hostile.openCount < openMin && hostile.chance(95)) call = this.choose();
    const args = call.args(hostile);
    let { nr } = call;
    // A number that nobody has may be called with anything.
    if (call.name === 'unknown') do nr = hostile.word(); while (known.has(nr));
    hostile.seal();
    this.last.push(`${call.name === 'unknown' ? nr : call.name}(${args.join(', ')})`);
    if (this.last.length > shown) this.last.shift();
    const result = this.kernel.sys.raw(nr, ...args);
    this.last[this.last.length - 1] += ` = ${result}`;
    assert.ok(Number.isInteger(result) && result >= -errnoMax, `an answer that is none: ${result}`);
    const stray = hostile.stray();
    assert.equal(stray, -1, `wrote byte ${stray} of the area, which it had no business with`);
    call.after?.(hostile, result, args);
  }

  /** Let what the calls left be done; time passes. */
  private async rest(): Promise<void> {
    const { kernel, hostile } = this;
    if (kernel.pump.isVirtual) kernel.advance(hostile.below(50_000));
    else await turn();
    assert.equal(kernel.isAlive, true, 'the kernel has ended');
    assert.equal(kernel.memory.buffer.byteLength, hostile.memorySize, 'the memory has another size');
  }
}

/** Close every descriptor there may be, and let the image come to rest. */
async function closeAll(kernel: Kernel): Promise<void> {
  for (let fd = 0; fd < 6000; fd++) kernel.sys.raw(numbers.SYS_close, fd);
  // TCP may have to give a peer up that has gone without a word.
  if (kernel.pump.isVirtual) kernel.advance(3_600_000_000);
  else for (let i = 0; i < 20; i++) await turn();
}

/** Pools whose objects live by descriptors. */
const transient = /^(?:knote|kqueue|vnfile|socketfile|socket|mbuf|mcl.*|sockin.*)$/;

async function fuzz(kernel: Kernel, calls: readonly Call[], kinds: readonly Kind[]): Promise<void> {
  const atFirst = inUse(kernel);
  await new Fuzzer(kernel, calls, kinds).run();
  await closeAll(kernel);
  kernel.sysctl('kern.trace', 0);
  for (const [name, used] of inUse(kernel)) {
    if (transient.test(name)) assert.equal(used, atFirst.get(name), `FUZZ_SEED=${seed}: pool ${name} has ${used} in use, had ${atFirst.get(name)}`);
  }
}

describe(`system calls with hostile arguments (FUZZ_SEED=${seed}, ${iterations} calls)`, () => {
  let kernel: Kernel;

  describe('image FS', () => {
    before(async () => {
      kernel = await bootImage('FS', { clock: virtualClock(), random: seededEntropy(seed), params: { FUZZ: 'y' }, logLevel: 'emerg' });
    });
    after(() => kernel.close());

    test('no trap, no stray write, nothing left behind', () => fuzz(kernel, fileCalls, ['file', 'kqueue']));

    test('the file system works as before', async () => {
      await kernel.fs.mkdir('/afterwards', { recursive: true });
      await kernel.fs.writeFile('/afterwards/file', 'still here');
      assert.equal(await kernel.fs.readFile('/afterwards/file', 'utf8'), 'still here');
    });
  });

  describe('image NET', () => {
    before(async () => {
      kernel = await bootImage('NET', { clock: virtualClock(), random: seededEntropy(seed), logLevel: 'emerg' });
    });
    after(() => kernel.close());

    test('no trap, no stray write, nothing left behind', () => fuzz(kernel, socketCalls, ['socket', 'kqueue']));
  });

  describe('image SOCK', () => {
    before(async () => { kernel = await bootImage('SOCK', { logLevel: 'emerg' }); });
    after(() => kernel.close());

    test('no trap, no stray write, nothing left behind', () => fuzz(kernel, socketCalls, ['socket', 'kqueue']));

    test('sockets work as before', async () => {
      const server = kernel.net.createServer((socket) => { socket.end('still here'); });
      await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
      const { port } = server.address() as { port: number };
      const client = kernel.net.connect(port, '127.0.0.1');
      let text = '';
      for await (const chunk of client) text += String(chunk);
      assert.equal(text, 'still here');
      await new Promise((resolve) => { server.close(resolve); });
    });
  });
});
