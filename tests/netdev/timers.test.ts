/** Timers on a virtual clock: their order, their moments, and that a kernel's advance() stops at them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededEntropy, systemClock, virtualClock } from '../../host/determinism';
import { fault } from '../../host/netdev/fault';
import { Hub } from '../../host/netdev/hub';
import { timersOf } from '../../host/netdev/timers';
import { TimerHeap } from '../../host/timerHeap';
import { bootImage } from '../host/images';

describe('timer heap', () => {
  it('gives events by time, and within one moment in the order of their coming', () => {
    const random = seededEntropy(5);
    const heap = new TimerHeap();
    const expected: { at: number; serial: number }[] = [];
    const taken: { at: number; serial: number }[] = [];
    for (let serial = 0; serial < 2000; serial++) {
      const event = { at: random.next() % 100, serial };
      const back = heap.add(event.at, () => { taken.push(event); });
      if (random.next() % 5 === 0) back();
      else expected.push(event);
    }
    for (let at = heap.next(); at >= 0; at = heap.next()) heap.take()();
    assert.deepEqual(taken, expected.sort((a, b) => a.at - b.at || a.serial - b.serial));
    assert.equal(heap.next(), -1);
  });
});

describe("timers on the host's clock", () => {
  it('calls in the order of the moments, though they are rounded to milliseconds', async () => {
    const timers = timersOf(systemClock);
    const called: number[] = [];
    await new Promise<void>((done) => {
      for (let i = 0; i < 1000; i++) {
        // What a moment less the present comes to, in floating point: a hair above, or not.
        timers.after(3000 + (i % 2 === 0 ? 2e-6 : 0), () => { if (called.push(i) === 1000) done(); });
        for (const until = systemClock.monotonic() + 5; systemClock.monotonic() < until;);
      }
    });
    assert.deepEqual(called, [...called].sort((a, b) => a - b));
  });

  it('calls nothing before its time, and nothing that was taken back', async () => {
    const timers = timersOf(systemClock);
    const start = systemClock.monotonic();
    let early = Infinity;
    const back = timers.after(2000, () => assert.fail('it was taken back'));
    await new Promise<void>((done) => { timers.after(6000, () => { early = systemClock.monotonic() - start; done(); }); back(); });
    assert.ok(early >= 6000, `${early} µs`);
  });
});

describe('virtual clock', () => {
  it('calls what is due at its own moment while it is moved', () => {
    const clock = virtualClock();
    const calls: [string, number][] = [];
    const note = (name: string) => (): void => { calls.push([name, clock.monotonic()]); };
    clock.after(300, note('c'));
    clock.after(100, () => {
      note('a')();
      clock.after(50, note('b'));
      clock.after(0, note('now'));
    });
    clock.after(200, note('never'))();
    assert.equal(clock.nextTimer(), 100);
    clock.advance(99);
    assert.deepEqual(calls, []);
    clock.advanceTo(1000);
    assert.deepEqual(calls, [['a', 100], ['now', 100], ['b', 150], ['c', 300]]);
    assert.equal(clock.monotonic(), 1000);
    assert.equal(clock.nextTimer(), -1);
  });

  it('takes a kernel to frames that are under way', async () => {
    const clock = virtualClock();
    const lan = new Hub();
    const make = async (n: number): Promise<Awaited<ReturnType<typeof bootImage>>> => bootImage('NET', {
      netdevs: { virt0: n === 1 ? fault(lan.port(), { delayUs: 5000 }) : lan.port() }, params: { 'net.virt0': `inet,static,10.0.0.${n}/24` },
      clock, random: seededEntropy(n), manual: true,
    });
    const [a, b] = [await make(1), await make(2)];
    const heard: number[] = [];
    lan.endpoint(() => heard.push(clock.monotonic()));
    a.run();
    const sent = clock.monotonic();
    a.advance(2_000_000);
    assert.ok(heard.length > 0, 'it probes for its address (RFC 5227)');
    assert.ok(heard.every((at) => at >= sent + 5000 && at <= 2_000_000));
    await a.close();
    await b.close();
  });
});
