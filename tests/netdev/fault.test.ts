/** The bad link: rates of each fault, time, order, and that a seed says it all (host/netdev/fault.ts). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock, virtualClock } from '../../host/determinism';
import { fault, type Faults, type FaultyNetdev } from '../../host/netdev/fault';
import { Frame, VNET_GSO_TCPV4 } from '../../host/netdev/frame';
import { Hub } from '../../host/netdev/hub';
import { wireFrames } from '../../host/netdev/offload';
import { timersOf } from '../../host/netdev/timers';
import { dissect, ether, folded, MAC_A, MAC_B, pattern, tcpFrame } from './frames';
import { TestPort } from './port';

interface Line { dev: FaultyNetdev; near: TestPort; far: TestPort; back: (frame: Frame) => void; sent: (n: number) => void; arrived: () => number[] }

/** near ── faults ── hub ── far, one virtual clock. */
function line(faults: Faults): Line {
  const clock = virtualClock();
  const hub = new Hub();
  const near = new TestPort(clock);
  const far = new TestPort(clock);
  const dev = near.plug(fault(hub.port(), faults));
  const other = far.plug(hub.port());
  let serial = 0;
  return {
    dev, near, far,
    back: (frame) => { other.send(frame); },
    sent(n) {
      for (let i = 0; i < n; i++, serial++) dev.send(Frame.of(ether(MAC_B, MAC_A, Buffer.from([serial >> 8, serial & 255, ...pattern(98)]))));
    },
    arrived: () => far.take().map((b) => (b[14]! << 8) | b[15]!),
  };
}

const order = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('fault', () => {
  it('does nothing unless told to', () => {
    const { dev, sent, arrived } = line({});
    sent(1000);
    assert.deepEqual(arrived(), order(1000));
    assert.deepEqual(dev.counters.outgoing, { frames: 1000, lost: 0, duplicated: 0, reordered: 0, corrupted: 0, marked: 0, overflowed: 0 });
  });

  it('loses, duplicates and corrupts about as much as asked, in either direction', () => {
    const { dev, near, sent, back, arrived } = line({ loss: 0.1, duplicate: 0.05, corrupt: 0.02 });
    sent(10_000);
    const clean = ether(MAC_A, MAC_B, pattern(100));
    for (let i = 0; i < 10_000; i++) back(Frame.of(clean));
    const { outgoing, incoming } = dev.counters;
    for (const counters of [outgoing, incoming]) {
      assert.ok(Math.abs(counters.lost - 1000) < 120, `lost ${counters.lost}`);
      assert.ok(Math.abs(counters.duplicated - 450) < 90, `duplicated ${counters.duplicated}`);
      assert.ok(Math.abs(counters.corrupted - 180) < 60, `corrupted ${counters.corrupted}`);
    }
    assert.notDeepEqual(outgoing, incoming, 'each direction has chances of its own');
    assert.equal(arrived().length, 10_000 - outgoing.lost + outgoing.duplicated);
    const damaged = near.take().map((b) => b.reduce((bits, byte, i) => bits + ones(byte ^ clean[i]!), 0));
    assert.ok(damaged.every((bits) => bits <= 1), 'one bit of a frame');
  });

  it('marks about as many ECN-capable packets as asked, checksum and all, and no others', () => {
    for (const six of [false, true]) {
      const { dev, far } = line({ ce: 0.1 });
      const wire = (ecn: number): Buffer => {
        const [plain] = wireFrames(tcpFrame({ six, payload: pattern(100) }));
        const bytes = Buffer.from(plain!);
        if (six) bytes[15] = bytes[15]! | ecn << 4;
        else {
          bytes[15] = bytes[15]! | ecn;
          bytes.writeUInt16BE(0, 24);
          bytes.writeUInt16BE(~folded(bytes.subarray(14, 34)) & 0xffff, 24);
        }
        return bytes;
      };
      const ecnOf = (bytes: Uint8Array): number => (six ? bytes[15]! >> 4 : bytes[15]!) & 3;
      for (let i = 0; i < 3000; i++) for (const ecn of [0, 1, 2]) dev.send(Frame.of(wire(ecn)));
      const seen = far.take();
      const counts = [0, 1, 2, 3].map((ecn) => seen.filter((bytes) => ecnOf(bytes) === ecn).length);
      assert.equal(counts[0], 3000);
      assert.equal(counts[3], dev.counters.outgoing.marked);
      assert.ok(Math.abs(counts[3]! - 600) < 90, `marked ${counts[3]}`);
      for (const bytes of seen) dissect(bytes);
    }
  });

  it('is the same again with the same seed, and another with another', () => {
    const run = (seed: number): number[] => {
      const { near, sent, arrived } = line({ loss: 0.2, duplicate: 0.1, reorder: 0.1, corrupt: 0.1, delayUs: 100, jitterUs: 50, seed });
      sent(500);
      near.clock.advance(10_000);
      return arrived();
    };
    assert.deepEqual(run(7), run(7));
    assert.notDeepEqual(run(7), run(8));
  });

  it('draws chances so that one fault does not move another', () => {
    const lost = (faults: Faults): number[] => {
      const { sent, arrived } = line({ loss: 0.3, seed: 3, ...faults });
      sent(300);
      return [...new Set(arrived())];
    };
    assert.deepEqual(lost({}), lost({ duplicate: 0.5 }));
  });

  it('delays on the clock of the kernel, in order', () => {
    const { near, sent, arrived } = line({ delayUs: 1000, jitterUs: 500 });
    sent(100);
    assert.equal(arrived().length, 0);
    near.clock.advance(999);
    assert.equal(arrived().length, 0);
    near.clock.advance(501);
    assert.deepEqual(arrived(), order(100));
  });

  it('holds frames back so that others pass them', () => {
    const { dev, near, sent, arrived } = line({ reorder: 0.2, holdUs: 300 });
    for (let i = 0; i < 500; i++) {
      sent(1);
      near.clock.advance(100);
    }
    near.clock.advance(1000);
    const got = arrived();
    assert.deepEqual([...got].sort((a, b) => a - b), order(500));
    const passed = got.filter((n, i) => got.slice(i + 1).some((later) => later < n)).length;
    assert.ok(dev.counters.outgoing.reordered > 60 && passed > 60, `${passed} passed`);
    assert.ok(got.every((n, i) => Math.abs(n - i) <= 5), 'for a moment only');
  });

  it('carries no more than its rate, and queues no more than its queue', () => {
    const { dev, near, sent, arrived } = line({ rate: 1_000_000, queueBytes: 11_400 });
    sent(200);
    // 114 bytes take 114 µs; 100 of them fit the queue, and the one being sent.
    near.clock.advance(10 * 114);
    assert.deepEqual(arrived(), order(10));
    near.clock.advance(1_000_000);
    assert.equal(arrived().length + 10, 101);
    assert.equal(dev.counters.outgoing.overflowed, 99);
  });

  it('cuts what the image left whole, so that it loses segments as a wire does', () => {
    const { dev, far } = line({ loss: 0.0001 });
    assert.equal(dev.caps & 0x1f, 0, 'no offloads');
    dev.send(tcpFrame({ payload: pattern(10_000) }, VNET_GSO_TCPV4, 1000));
    assert.deepEqual(far.take().map((b) => dissect(b).payload.length), new Array(10).fill(1000));
  });

  it('keeps what there is no room for, and stops when it is closed', () => {
    const { dev, near, back } = line({ delayUs: 10 });
    near.free = 1;
    for (let i = 0; i < 3; i++) back(Frame.of(ether(MAC_A, MAC_B, pattern(100))));
    near.clock.advance(10);
    assert.equal(near.got.length, 1);
    near.free = 10;
    dev.room();
    assert.equal(near.got.length, 3);
    back(Frame.of(ether(MAC_A, MAC_B, pattern(100))));
    void dev.close();
    near.clock.advance(10);
    assert.equal(near.got.length, 3);
  });

  it('refuses what is no probability', () => {
    const dev = new Hub().port();
    assert.throws(() => fault(dev, { loss: 5 }), /loss 5 is not a probability/);
    assert.throws(() => fault(dev, { reorder: NaN }), RangeError);
    assert.throws(() => fault(dev, { rate: 0 }), RangeError);
    assert.throws(() => fault(dev, { delayUs: -1 }), RangeError);
  });

  it('uses timers of the host with a clock of the host', async () => {
    const began = performance.now();
    await new Promise<void>((done) => { timersOf(systemClock).after(5000, done); });
    assert.ok(performance.now() - began >= 4.5);
    timersOf(systemClock).after(1000, () => assert.fail('taken back'))();
    await new Promise((done) => { setTimeout(done, 5); });
  });
});

function ones(byte: number): number {
  return byte.toString(2).replaceAll('0', '').length;
}
