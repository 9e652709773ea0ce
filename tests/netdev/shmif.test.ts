/** The bus in shared memory, alone, between threads, and between images (host/netdev/shmBus.ts, shmif.ts). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Frame, VNET_GSO_TCPV4 } from '../../host/netdev/frame';
import { BusPort, busFrames, createBus } from '../../host/netdev/shmBus';
import { shmif } from '../../host/netdev/shmif';
import { waitFor } from '../lib/net';
import { BROADCAST, dissect, ether, MAC_A, MAC_B, MAC_C, pattern, tcpFrame } from './frames';
import { TestPort } from './port';

/** All frames that `port` has not seen, copied. */
function drain(port: BusPort): Frame[] {
  const got: Frame[] = [];
  while (port.read((frame) => got.push(frame.copy()) > 0));
  return got;
}

/** A frame that carries its number. */
const numbered = (i: number, n: number): Frame => Frame.of(Buffer.concat([ether(BROADCAST, MAC_A, Buffer.from([i >> 24, i >> 16, i >> 8, i])), pattern(n, i)]), i, i + 1, i + 2);
const numberOf = (frame: Frame): number => Buffer.from(frame.u8).readInt32BE(14);

describe('bus', () => {
  it('carries frames to all others, in order, whole', () => {
    const bus = createBus(1);
    const [a, b, c] = [new BusPort(bus), new BusPort(bus), new BusPort(bus)];
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 8; i++) (i % 2 === 0 ? a! : b!).write(numbered(i, (round * 997 + i * 5000) % 40_000), 1000 + i);
      const expect = (only: (i: number) => boolean): Frame[] => [0, 1, 2, 3, 4, 5, 6, 7].filter(only).map((i) => numbered(i, (round * 997 + i * 5000) % 40_000));
      for (const [port, only] of [[a!, (i: number) => i % 2 === 1], [b!, (i: number) => i % 2 === 0], [c!, () => true]] as const) {
        const got = drain(port);
        assert.deepEqual(got.map((f) => [f.u8, f.h0, f.h1, f.h2]), expect(only).map((f) => [f.bytes(), f.h0, f.h1, f.h2]));
      }
    }
    assert.equal(a!.overruns + b!.overruns + c!.overruns, 0);
  });

  it('overwrites the oldest, and a reader that was too slow knows', () => {
    const bus = createBus(1);
    const [a, slow] = [new BusPort(bus), new BusPort(bus)];
    for (let i = 0; i < 1000; i++) a!.write(numbered(i, 10_000), 0);
    const got = drain(slow!).map(numberOf);
    assert.equal(slow!.overruns, 1);
    assert.equal(got.at(-1), 999);
    assert.deepEqual(got, got.map((_, k) => got[0]! + k), 'what is left is without a gap');
    assert.ok(got.length > 15 && got.length < 30);
    a!.write(numbered(1000, 10), 0);
    assert.deepEqual(drain(slow!).map(numberOf), [1000]);
  });

  it('leaves a frame that is not taken', () => {
    const bus = createBus();
    const [a, b] = [new BusPort(bus), new BusPort(bus)];
    a!.write(numbered(1, 10), 0);
    assert.equal(b!.read(() => false), false);
    assert.deepEqual(drain(b!).map(numberOf), [1]);
    assert.equal(b!.read(() => true), false);
  });

  it('shows what is still on it, with times', () => {
    const bus = createBus();
    const a = new BusPort(bus);
    for (let i = 0; i < 5; i++) a.write(numbered(i, 100), 1_700_000_000_000_000 + i);
    assert.deepEqual(busFrames(bus).map(({ timeUs, frame }) => [timeUs, numberOf(frame)]), [0, 1, 2, 3, 4].map((i) => [1_700_000_000_000_000 + i, i]));
  });

  it('takes over a lock whose owner has died', () => {
    const bus = createBus();
    const [a, b] = [new BusPort(bus), new BusPort(bus)];
    new Int32Array(bus)[3] = 99;
    const began = performance.now();
    a!.write(numbered(1, 10), 0);
    assert.ok(performance.now() - began >= 900);
    assert.deepEqual(drain(b!).map(numberOf), [1]);
  });

  it('is not any memory', () => {
    assert.throws(() => new BusPort(new SharedArrayBuffer(65536)), TypeError);
  });

  it('survives threads that all write as fast as they can', async () => {
    const bus = createBus(8 << 20);
    const listener = new BusPort(bus);
    const done = new Int32Array(new SharedArrayBuffer(4));
    // The worker repeats the writer's side by itself: it shares no code with what it tests.
    const source = `
      const { workerData: { bus, done, id, count } } = require('node:worker_threads');
      const w = new Int32Array(bus), f = new Float64Array(bus), u = new Uint8Array(bus), size = w[2];
      const me = Atomics.add(w, 6, 1) + 1;
      for (let i = 0; i < count; i++) {
        const len = 60 + (i * 37 + id * 11) % 1400, need = (32 + len + 7) & ~7;
        while (Atomics.compareExchange(w, 3, 0, me) !== 0);
        const at = w[11];
        w[(256 + at) >> 2] = len; w[((256 + at) >> 2) + 1] = me; f[(256 + at + 8) >> 3] = i;
        u.fill(id, 256 + at + 32, 256 + at + 32 + len); w[11] = at + need;
        Atomics.store(w, 3, 0);
        Atomics.add(w, 4, 1);
        Atomics.notify(w, 4);
      }
      Atomics.add(done, 0, 1);`;
    const [count, n] = [1500, 3];
    const workers = Array.from({ length: n }, (_, i) => new Worker(source, { eval: true, workerData: { bus, done, id: i + 1, count } }));
    const seen = [0, 0, 0, 0];
    const read = (): boolean => listener.read((frame, timeUs) => {
      const bytes = frame.bytes();
      assert.ok(bytes.every((b) => b === bytes[0]), 'no frame is torn');
      assert.equal(timeUs, seen[bytes[0]!]!++, 'in the order of its writer');
      assert.equal(bytes.length, 60 + (timeUs * 37 + bytes[0]! * 11) % 1400);
      return true;
    });
    while (Atomics.load(done, 0) < n || read()) if (!read()) await listener.wait(listener.sequence() - 1);
    assert.deepEqual(seen, [0, count, count, count]);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
});

describe('shmif', () => {
  it('wakes who waits, and keeps from it what is for others', async () => {
    const bus = createBus();
    const ports = [new TestPort(), new TestPort(), new TestPort()];
    const [a, b, c] = ports.map((port) => port.plug(shmif(bus)));
    a!.send(Frame.of(ether(BROADCAST, MAC_A, pattern(50))));
    await waitFor(() => ports[1]!.got.length === 1 && ports[2]!.got.length === 1, 'the broadcast');
    b!.send(Frame.of(ether(BROADCAST, MAC_B, pattern(50))));
    await waitFor(() => ports[0]!.got.length === 1 && ports[2]!.got.length === 2, 'the other');
    a!.send(Frame.of(ether(MAC_B, MAC_A, pattern(60))));
    await waitFor(() => ports[1]!.got.length === 2, 'the unicast');
    assert.equal(ports[2]!.got.length, 2, 'c has heard who B is');
    c!.send(Frame.of(ether(BROADCAST, MAC_B, pattern(50))));
    await waitFor(() => ports[0]!.got.length === 2, 'B has moved to c');
    a!.send(Frame.of(ether(MAC_B, MAC_A, pattern(60))));
    await waitFor(() => ports[2]!.got.length === 3, 'c has it now');
    assert.ok(ports[1]!.flushes > 0);
    for (const dev of [a!, b!, c!]) dev.close();
    assert.ok(a!.send(Frame.of(ether(MAC_B, MAC_C, pattern(60)))) < 0);
  });

  it('goes on when there is room, and cuts segments for who cannot', async () => {
    const bus = createBus();
    const [near, far] = [new TestPort(), new TestPort()];
    const a = near.plug(shmif(bus));
    far.free = 2;
    const b = far.plug(shmif(bus, { offload: false }));
    const payload = pattern(5000);
    a.send(tcpFrame({ payload }, VNET_GSO_TCPV4, 1000));
    a.send(Frame.of(ether(BROADCAST, MAC_A, pattern(50))));
    await waitFor(() => far.got.length === 2, 'what there is room for');
    far.free = 100;
    b.room();
    await waitFor(() => far.got.length === 6, 'the rest');
    const frames = far.take();
    assert.deepEqual(Buffer.concat(frames.slice(0, 5).map((f) => dissect(f).payload)), payload);
    a.close();
    b.close();
  });
});
