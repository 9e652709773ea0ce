/**
 * The interpreter of packet scripts itself: what it understands, what it refuses, and that it finds
 * fault where there is fault. A judge that never convicts is worth nothing.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../../host/imageFile';
import { parseScript } from '../../tools/drill/parse';
import { failureText, findScripts, Runner } from '../../tools/drill/runner';
import { ScriptError } from '../../tools/drill/script';
import { STATES_DIR, stateScripts } from '../../tools/drill/states';
import { buildTcp, checksum, ipNumber, parseDatagram } from '../../tools/drill/wire';

const root = packageRoot();
const runner = new Runner(root);
after(() => runner.close());

const listen = '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n';
const open = `${listen}+0 < S 0:0(0) win 1000 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n+.1 < . 1:1(0) ack 1 win 1000\n+0 accept(3, ..., ...) = 4\n`;

/** What is said of a script that fails, without the trace. */
async function complaint(text: string): Promise<string> {
  const failure = await runner.runText('x.pkt', text);
  assert.ok(failure !== null, 'the script passed');
  return failureText({ ...failure, trace: [] });
}

test('times: absolute, relative, ranges, blocking, any', () => {
  const { events } = parseScript('x', '0.5 close(3) = 0 +.25 close(3) = 0 1~2 > . 1:1(0) +1~+2 > . 1:1(0) 0...0.1 read(3, ..., 1) = 1 * > . 1:1(0)');
  assert.deepEqual(events.map(({ when }) => [when.kind, when.at, when.until, when.blocks]), [
    ['absolute', 500_000, null, false], ['relative', 250_000, null, false], ['absolute', 1e6, 2e6, false],
    ['relative', 1e6, 2e6, false], ['absolute', 0, 100_000, true], ['any', 0, null, false],
  ]);
});

test('packets: flags, numbers, options, envelopes', () => {
  const { events } = parseScript('x', '0 < [ttl 1,ce] 5 > 6 FP.E 1:101(100) ack 7 win 8 urg 9 <mss 10,nop,wscale 7,sackOK,TS val 1 ecr 2,sack 1:2 3:4,eol,raw 0a0b>');
  assert.deepEqual(events[0]!.what, {
    type: 'packet', inbound: true, envelope: { ttl: 1, ecn: 3 }, proto: 'tcp', ports: [5, 6], flags: 'FP.E', seq: 1, length: 100,
    ack: 7, window: 8, urgent: 9, options: [
      { kind: 'mss', value: 10 }, { kind: 'nop' }, { kind: 'wscale', value: 7 }, { kind: 'sackOK' }, { kind: 'TS', value: 1, echo: 2 },
      { kind: 'sack', blocks: [[1, 2], [3, 4]] }, { kind: 'eol' }, { kind: 'raw', bytes: [10, 11] },
    ],
  });
});

test('calls: every form of argument and result', () => {
  const { events } = parseScript('x', '0 f(3, 0x10, O_RDWR|O_NONBLOCK, ..., [1], {onoff=1, linger=0}, "a\\n", htons(80)) = -1 EAGAIN (Try again)');
  const { what } = events[0]!;
  assert.ok(what.type === 'call');
  assert.deepEqual(what.items.map(({ kind }) => kind), ['number', 'number', 'or', 'any', 'list', 'record', 'string', 'apply']);
  assert.deepEqual([what.result, what.errno], [-1, 'EAGAIN']);
});

test('comments and settings', () => {
  const { settings, events } = parseScript('x', '--mtu=900\n--tolerance_usecs=5 --lax // words\n# more\n/* and\nmore */ 0 close(3) = ?\n// sysctl net.a=1\n');
  assert.deepEqual([settings.mtu, settings.toleranceUs, settings.lax, settings.sysctls], [900, 5, true, [['net.a', '1']]]);
  assert.equal(events[0]!.line, 5);
});

test('what is wrong with a script is said with its line', () => {
  const bad: [text: string, line: number, message: RegExp][] = [
    ['0 close(3) = 0\nnonsense', 2, /the time of an event/], ['0 < Q 1:1(0)', 1, /TCP flags/], ['\n0 < S 1:3(1)', 2, /1 \+ 1 is not 3/],
    ['0 < S 1:1(0) <mss 1,what 2>', 1, /what is not a TCP option/], ['--nonsense=1\n0 close(3) = 0', 1, /not understood/],
    ['', 1, /no events/], ['0 close(3)', 1, /result of the call/], ['0 %{ assert 1', 1, /no \}%/],
  ];
  for (const [text, line, message] of bad) {
    assert.throws(() => parseScript('x', text), (error) => error instanceof ScriptError && error.line === line && message.test(error.message), text);
  }
});

test('a packet that differs fails the script: each field', async () => {
  const cases: [line: string, said: RegExp][] = [
    ['+0 > . 1:101(100) ack 1', /flags: expected ., got P\./], ['+0 > P. 2:102(100) ack 1', /sequence number: expected 2, got 1/],
    ['+0 > P. 1:100(99) ack 1', /length: expected 99, got 100/], ['+0 > P. 1:101(100) ack 2', /acknowledgment: expected 2, got 1/],
    ['+0 > P. 1:101(100) ack 1 win 5', /window: expected 5/], ['+0 > P. 1:101(100) ack 1 <nop,nop>', /options: expected <nop,nop>, got <>/],
    ['+0 > [ttl 3] P. 1:101(100) ack 1', /TTL: expected 3/], ['+0 > udp (100)', /not a UDP datagram/],
    ['+.1 > P. 1:101(100) ack 1', /sent at 0\.100000 instead of 0\.200000/], ['+0 > 8080 > 5 P. 1:101(100) ack 1', /destination port: expected 5/],
  ];
  for (const [line, said] of cases) assert.match(await complaint(`${open}+0 write(4, ..., 100) = 100\n${line}\n`), said);
});

test('a packet that does not come, and one that nobody expects', async () => {
  assert.match(await complaint(`${open}+0 > . 1:1(0) ack 1\n`), /^x\.pkt:8: no packet was sent until 0\.104000/);
  assert.match(await complaint(`${open}+0 write(4, ..., 100) = 100\n`), /a packet was sent that no event expects/);
  assert.equal(await runner.runText('x.pkt', `--lax\n${open}+0 write(4, ..., 100) = 100\n`), null);
});

test('calls that answer otherwise, block, or do not return', async () => {
  assert.match(await complaint(`${listen}+0 listen(3, 1) = -1 EINVAL\n`), /the call answered 0/);
  assert.match(await complaint(`${open}+0 read(4, ..., 10) = 10\n`), /the call blocks/);
  assert.match(await complaint(`${open}+0...+1 read(4, ..., 10) = 10\n`), /the call never returned/);
  assert.match(await complaint(`${open}+0...+1 read(4, ..., 10) = 10\n+.5 < P. 1:11(10) ack 1 win 1000\n+.04 > . 1:1(0) ack 11\n`), /returned at 0\.600000 instead of 1\.100000/);
  assert.match(await complaint('0 nonsense(3) = 0'), /nonsense\(\) is not a call/);
  assert.match(await complaint('0 read(7, ..., 1) = 1'), /no descriptor 7/);
});

test('contents are checked: a byte that is not what was sent', async () => {
  assert.match(await complaint(`${open}+0 < [fill 3] P. 1:11(10) ack 1 win 1000\n+0 read(4, ..., 10) = 10\n`), /byte 0 of the stream/);
  assert.match(await complaint(`${open}+0 write(4, "abc", 3) = 3\n+0 > P. 1:4(3) ack 1\n`), /of the payload/);
});

test('code blocks look at the connection', async () => {
  assert.equal(await runner.runText('x.pkt', `${open}+0 %{ assert state == 'ESTABLISHED'; assert cwnd > 0\n assert tcpstat.accepts == 1 }%\n+0 %{ assert tcpi_state == 1 }%\n`), null);
  assert.match(await complaint(`${open}+0 %{ assert state == 'LISTEN' }%\n`), /x\.pkt:8: assert state == 'LISTEN' is false: state = ESTABLISHED/);
  assert.match(await complaint(`${open}+0 %{ assert nothing.at.all }%\n`), /nothing is not defined/);
});

test('scripts do not see each other', async () => {
  const text = `${open}+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+0 %{ assert tcpstat.accepts == 1 && connections == 2 }%\n`;
  assert.equal(await runner.runText('x.pkt', text), null);
  assert.equal(await runner.runText('x.pkt', text), null);
});

test('the scripts of the table of states are those that the table writes', () => {
  const wanted = stateScripts();
  const dir = join(root, STATES_DIR);
  const found = new Map(findScripts(root, dir).map((path) => [relative(dir, path), readFileSync(path, 'utf8')]));
  assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
  for (const [path, text] of wanted) assert.equal(found.get(path), text, `${path} is out of date: npm run drill -- --states`);
});

test('every script names the clause that it is about', () => {
  for (const path of findScripts(root, join(root, 'tests/drill'))) {
    const [first, second] = readFileSync(path, 'utf8').split('\n');
    assert.match(`${first} ${second}`, /RFC \d+|POSIX|CVE-|[a-z]+\(2\)|TCP_|SO_|MSG_|[Cc]onnection|net\.inet/, path);
  }
});

test('datagrams are built and taken apart the same way', () => {
  // RFC 1071 §3, the example: 0001 f203 f4f5 f6f7 sums to ddf2.
  assert.equal(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), ~0xddf2 & 0xffff);
  const ip = { src: ipNumber('10.0.0.1'), dst: ipNumber('10.0.0.2'), ttl: 64, tos: 0, df: true };
  const tcp = { srcPort: 1, dstPort: 2, seq: 0xfffffffe, ack: 5, flags: 0x18, window: 9, urgent: 0, options: Uint8Array.of(2, 4, 5, 180), payload: Uint8Array.of(1, 2, 3) };
  const good = parseDatagram(buildTcp(ip, tcp));
  assert.deepEqual(good.faults, []);
  assert.deepEqual({ ...good.tcp!, options: [...good.tcp!.options], payload: [...good.tcp!.payload] }, { ...tcp, options: [2, 4, 5, 180], payload: [1, 2, 3] });
  assert.deepEqual(parseDatagram(buildTcp(ip, tcp, true)).faults, ['bad TCP checksum']);
});
