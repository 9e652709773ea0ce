/**
 * Floods of what cannot be used: one-byte segments out of order, fragments that stay alone. The image
 * answers ping in under 50 ms while they last and after them, keeps only so much, and gives it back.
 * (Floods of SYNs have a test of their own.)
 *
 * @timeout 180
 * @alone
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { need } from '../lib/need';
import { hostileRig, type Told } from './hostileRig';
import { IMAGE } from './tapRig';

const skip = need('netns', 'tun', 'ping', 'curl', 'python3', 'scapy');
const MOST_MS = 50;

describe('floods', { skip }, () => {
  const rig = hostileRig('floods');

  /** The longest round trip of pings, ms; all of them are answered. */
  async function slowest(count: number): Promise<number> {
    const { stdout } = await rig().ns.run('ping', ['-q', '-c', `${count}`, '-i', '0.02', '-W', '2', IMAGE]);
    const [, sent, received, most] = /(\d+) packets transmitted, (\d+) received[^]*= [\d.]+\/[\d.]+\/([\d.]+)\//.exec(stdout) ?? [];
    assert.equal(received, sent, stdout);
    return Number(most);
  }

  /** A flood with pings beside it. @param bounds the most of a pool that may be in use, beyond what was */
  async function withstand(group: string, count: number, bounds: Record<string, number>, settleMs: number): Promise<Told> {
    await rig().alive();
    const before = await rig().pools();
    const counted = await rig().counters('ip', 'tcp');
    let over = false;
    const most = new Map<string, number>();
    const watch = (async (): Promise<number> => {
      let ms = 0;
      while (!over) {
        ms = Math.max(ms, await slowest(10));
        for (const [name, { inUse }] of await rig().pools()) most.set(name, Math.max(most.get(name) ?? 0, inUse - before.get(name)!.inUse));
      }
      return ms;
    })();
    const told = await rig().attack('floods.py', group, `${count}`).finally(() => { over = true; });
    const during = await watch;
    assert.ok(during < MOST_MS, `a ping took ${during} ms during the flood`);
    const afterwards = await slowest(20);
    assert.ok(afterwards < MOST_MS, `a ping took ${afterwards} ms after the flood`);
    for (const [name, bound] of Object.entries(bounds)) assert.ok(most.get(name)! <= bound, `${most.get(name)} of ${name} were in use, over ${bound}`);
    const now = await rig().counters('ip', 'tcp');
    for (const [name, least] of Object.entries(told.counters)) {
      assert.ok(now.get(name)! - counted.get(name)! >= least, `${name} has moved by ${now.get(name)! - counted.get(name)!}, not by ${least}`);
    }
    await rig().alive();
    await rig().settle(new Map([...before].map(([name, pool]) => [name, name === 'llentry' ? { inUse: pool.max } : pool])), settleMs);
    return told;
  }

  /** The same, again when a ping was late: whatever else the machine does can only make it later. */
  async function patiently(...what: Parameters<typeof withstand>): Promise<Told> {
    for (let left = 2; ; left--) {
      try {
        return await withstand(...what);
      } catch (error) {
        if (left === 0 || !/^a ping took/.test((error as Error).message)) throw error;
      }
    }
  }

  it('answers ping in 50 ms under 4,000 one-byte segments out of order, and goes on with the connection', async () => {
    const told = await patiently('outOfOrder', 4000, { mbuf: 1100, mbcl: 1100 }, 20_000);
    assert.ok(told.sent >= 4000);
  });

  it('answers ping in 50 ms under 20,000 orphan fragments, and forgets them within a minute', async () => {
    await patiently('orphans', 20_000, { mbuf: 200, mbcl: 200 }, 60_000);
  });
});
