/**
 * A captured session of each feature, kept in captures/: made anew and compared, and read by tshark.
 *
 *     npm test -- tests/golden                      compare
 *     GOLDEN_UPDATE=1 npm test -- tests/golden      write captures/ anew
 *
 * The same build must give the same bytes twice. A capture on file must be the same conversation: the
 * same packets at the same moments with the same relative numbers; should only what chance decides
 * (initial numbers, ports, identifications) be another because the kernel draws in another order since,
 * the conversation is compared and the bytes are not.
 *
 * @timeout 300
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { need } from '../lib/need';
import { run } from '../lib/spawn';
import { root, tempDir } from '../lib/tree';
import { writeCapture } from './capture';
import { type Session, sessions } from './sessions';

const captures = join(root, 'tests', 'golden', 'captures');
const update = Boolean(process.env.GOLDEN_UPDATE);
const skip = need('tshark');
/** Ports of scripts mean nothing: what is in the segments is no HTTP. */
const PLAIN = ['--disable-protocol', 'http'];
const CHECKS = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'].flatMap((name) => ['-o', `${name}:TRUE`]);
const BAD = '_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0 || igmp.checksum.status == 0';
/** Expert severities from warning on. */
const WARNINGS = '_ws.expert.severity >= 0x600000';
/** What a conversation is, without what chance decides. */
const FIELDS = [
  'frame.time_relative', 'frame.len', 'eth.type', 'arp.opcode', 'ip.src', 'ip.dst', 'ip.ttl', 'ip.flags', 'ip.frag_offset', 'ip.proto', 'tcp.flags', 'tcp.seq', 'tcp.ack',
  'tcp.len', 'tcp.window_size_value', 'tcp.urgent_pointer', 'tcp.option_kind', 'tcp.options.mss_val', 'tcp.options.wscale.shift', 'icmp.type', 'icmp.code', 'icmp.mtu',
  'igmp.type', 'udp.length', 'dhcp.option.dhcp',
].flatMap((name) => ['-e', name]);

async function tshark(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('tshark', [...PLAIN, ...args], { timeoutMs: 120_000 });
  assert.equal(code, 0, stderr);
  return stdout;
}

const conversation = (path: string): Promise<string> => tshark('-r', path, '-T', 'fields', ...FIELDS);

/** The first packet in which two conversations differ, of both. */
function difference(kept: string, made: string): string {
  const [a, b] = [kept.split('\n'), made.split('\n')];
  const at = a.findIndex((line, i) => line !== b[i]);
  return at < 0 && a.length === b.length ? '' : `packet ${(at < 0 ? a.length : at) + 1}\n  kept ${a[at] ?? 'none'}\n  made ${b[at] ?? 'none'}\n(GOLDEN_UPDATE=1 keeps what is made)`;
}

async function clean(path: string, { expect = [], snaplen }: Session): Promise<void> {
  // Of the head of a segment alone there is no checksum to check.
  const checks = snaplen === undefined ? CHECKS : [];
  assert.equal(await tshark('-r', path, ...checks, '-Y', BAD), '', 'malformed, or a wrong checksum');
  const said = (await tshark('-r', path, ...checks, '-Y', WARNINGS, '-T', 'fields', '-e', 'frame.number', '-e', '_ws.expert.severity', '-e', '_ws.expert.message')).trim();
  const lines = said === '' ? [] : said.split('\n');
  assert.equal(lines.filter((line) => !expect.some((pattern) => pattern.test(line))).join('\n'), '', 'expert warnings that nobody expects');
  for (const pattern of expect) assert.match(said, pattern);
}

describe('captured sessions', { skip }, () => {
  it('are those that are described', () => {
    if (update) mkdirSync(captures, { recursive: true });
    const names = readdirSync(captures).filter((name) => name.endsWith('.pcap')).map((name) => name.slice(0, -5));
    if (!update) assert.deepEqual(names.sort(), sessions.map(({ name }) => name).sort());
  });
  for (const session of sessions) {
    it(`${session.name}: ${session.about}`, async (t) => {
      const dir = tempDir(t);
      const kept = join(captures, `${session.name}.pcap`);
      const [made, again] = [join(dir, 'made.pcap'), join(dir, 'again.pcap')];
      writeCapture(made, await session.make(root), session.snaplen);
      writeCapture(again, await session.make(root), session.snaplen);
      assert.ok(readFileSync(made).equals(readFileSync(again)), 'the same build gave other bytes the second time');
      await clean(made, session);
      if (update) {
        writeCapture(kept, await session.make(root), session.snaplen);
        return;
      }
      if (!readFileSync(kept).equals(readFileSync(made))) assert.equal(difference(await conversation(kept), await conversation(made)), '');
    });
  }
});
