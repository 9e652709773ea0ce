/**
 * The bad-input battery: what badInput.py (scapy) sends, a group at a time, and after each: alive, no
 * trap, every counter that should have moved has, no memory kept.
 *
 * The sender is in a namespace beside the image, with raw frames, so it can say whatever a wire can.
 * BADINPUT_SEED chooses other byte flips.
 *
 * @timeout 400
 * @alone
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { need } from '../lib/need';
import { hostileRig } from './hostileRig';

const skip = need('netns', 'tun', 'ping', 'curl', 'python3', 'scapy');
const seed = process.env.BADINPUT_SEED ?? '1';
const PROTOCOLS = ['ip', 'icmp', 'udp', 'tcp', 'igmp'];
/** Fragments wait for 30 s. */
const SETTLE_MS = 60_000;

const groups: Record<string, string> = {
  ipHeaders: 'IP headers: versions, lengths, protocols, cut off anywhere',
  ipOptions: 'IP options of every kind and length, source routes',
  tcpOptions: 'TCP options of every kind and length, in SYNs and in connections',
  tcpHeaders: 'TCP headers: offsets, cut off anywhere, every set of flags',
  fragments: 'fragments: teardrop, every order of overlaps, tiny ones, beyond 64 KiB',
  icmpForged: 'forged ICMP: errors, tiny MTUs, redirects, quenches, lies in quotations',
  tcpForged: 'forged RST, SYN, ACK, FIN and data against a connection',
  urgent: 'urgent pointers to anywhere',
  martians: 'senders and receivers that cannot be, LAND among them',
  checksums: 'wrong checksums, of every bit',
  udpLengths: 'UDP lengths and ports',
  ethernet: 'Ethernet and ARP: types, runts, senders that cannot be',
  scapyFuzz: "scapy's own fuzz()",
};

describe('bad input', { skip }, () => {
  const rig = hostileRig('badinput');

  /** One group; alive after it; counters tell. */
  async function survive(...words: string[]): Promise<void> {
    const before = await rig().counters(...PROTOCOLS);
    const told = await rig().attack('badInput.py', ...words);
    assert.ok(told.sent > 0);
    await rig().alive();
    const now = await rig().counters(...PROTOCOLS);
    for (const [name, least] of Object.entries(told.counters)) {
      const moved = now.get(name)! - before.get(name)!;
      assert.ok(moved >= least, `${name} has moved by ${moved}, not by ${least} or more`);
    }
  }

  let pools: Awaited<ReturnType<ReturnType<typeof rig>['pools']>>;
  let memory: number;
  it('is preceded by life', async () => {
    await rig().alive();
    // Neighbours are a cache, bounded by its size.
    pools = await rig().pools();
    pools.get('llentry')!.inUse = pools.get('llentry')!.max;
    memory = await rig().linearMemory();
  });
  for (const [group, what] of Object.entries(groups)) it(`survives ${what}`, () => survive(group));
  it(`survives 20,000 valid frames with bytes changed (seed ${seed})`, async () => {
    const packets = await rig().counters('ip');
    await survive('flips', seed, '20000');
    const got = (await rig().counters('ip')).get('ip.total')! - packets.get('ip.total')!;
    // The rest has become something other than IP, or for somebody else.
    assert.ok(got > 12_000, `only ${got} of the frames reached IP`);
  });
  it('has given everything back', async () => {
    await rig().settle(pools, SETTLE_MS);
    assert.equal(await rig().linearMemory(), memory);
    await rig().alive();
  });
});
