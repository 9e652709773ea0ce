/**
 * `rumpwasm harness` as a process, driven over its socket.
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test, type TestContext } from 'node:test';
import { connect } from 'node:net';
import { buildImage } from '../../tools/mkimage/index';
import { ACK, FIN, PSH, RST, SYN } from '../../tools/drill/wire';
import { type Process, runNode, start } from '../lib/spawn';
import { cli, root, tempDir } from '../lib/tree';
import { Client, int, L, sockaddrIn } from './client';
import { LOCAL, Peer, REMOTE } from './peer';

before(async () => { await buildImage('DRILL'); });

let count = 0;

/** Start it; every client that is opened must be closed, or op 0 called. */
async function run(t: Pick<TestContext, 'after'>, ...args: string[]): Promise<{ path: string; process: Process }> {
  const path = join(tempDir(t), `${count++}.sock`);
  const process = start(globalThis.process.execPath, [cli, 'harness', '--socket', path, ...args], { cwd: root });
  await process.waitFor(/^ready$/m);
  return { path, process };
}

async function listener(client: Client, port = 8080): Promise<number> {
  const fd = await client.socketOf(L.SOCK_STREAM);
  await client.must(15, fd, L.SOL_SOCKET, L.SO_REUSEADDR, 0, int(1));
  await client.must(2, fd, 0, 0, 0, sockaddrIn('0.0.0.0', port));
  await client.must(3, fd, 5);
  return fd;
}

test('three-way handshake, data both ways and the end, on a virtual clock', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const main = await Client.open(path);
  const calls = await Client.open(path);
  const fd = await listener(main);
  const accepted = calls.call(4, fd);
  const peer = new Peer(main, 8080, 40000);
  await peer.open();
  const { ret: conn, payload } = await accepted;
  assert.deepEqual(payload, sockaddrIn(REMOTE, 40000));
  const data = calls.call(6, conn, 100);
  await peer.send(ACK | PSH, 1, 1, Buffer.from('hello'));
  assert.equal((await data).payload.toString(), 'hello');
  const before = await main.time();
  const delayed = await peer.expect(ACK);
  assert.equal(delayed.ack, 6);
  // The delayed ACK is 40 ms after the data, to the tick of the timing wheel, whatever time has really passed.
  assert.ok(delayed.at - before >= 40_000 && delayed.at - before < 40_100, `${delayed.at - before}`);
  assert.equal(await main.time(), delayed.at);
  assert.equal((await calls.must(7, conn, 0, 0, 0, Buffer.from('world'))).ret, 5);
  const sent = await peer.expect(ACK | PSH);
  assert.equal(Buffer.from(sent.tcp.payload).toString(), 'world');
  await peer.send(ACK, 6, 6);
  await calls.must(12, conn);
  assert.equal((await peer.expect(FIN | ACK)).seq, 6);
  assert.deepEqual(await main.call(0), { ret: 0, errno: 0, aux: 0, payload: Buffer.alloc(0) });
  assert.deepEqual(await process.ended, { code: 0, signal: null });
  assert.equal(process.stderr, '');
});

test('retransmissions are exactly as far apart as RFC 6298 says', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const client = await Client.open(path);
  const fd = await client.socketOf(L.SOCK_STREAM | L.SOCK_NONBLOCK);
  assert.equal((await client.call(5, fd, 0, 0, 0, sockaddrIn(REMOTE, 80))).errno, L.EINPROGRESS);
  const peer = new Peer(client, 0, 80);
  const times: number[] = [];
  for (let i = 0; i < 4; i++) times.push((await peer.expect(SYN)).at);
  assert.deepEqual(times.slice(1).map((at, i) => Math.round((at - times[i]!) / 1000)), [1000, 2000, 4000]);
  await client.close();
  assert.deepEqual(await process.ended, { code: 0, signal: null });
});

test('sleeping runs the timers on the way, in order', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const client = await Client.open(path);
  const fd = await client.socketOf(L.SOCK_STREAM | L.SOCK_NONBLOCK);
  await client.call(5, fd, 0, 0, 0, sockaddrIn(REMOTE, 80));
  const began = await client.time();
  await client.sleep(8_000_000);
  assert.equal(await client.time(), began + 8_000_000);
  const peer = new Peer(client, 0, 80);
  const times: number[] = [];
  for (let i = 0; i < 4; i++) times.push(Math.round(((await peer.expect(SYN)).at - began) / 1000));
  assert.deepEqual(times, [0, 1000, 3000, 7000]);
  assert.equal(await client.time(), began + 8_000_000);
  await client.call(0);
  await process.ended;
});

test('no frame within 8 s of virtual time: an empty reply, and the time has passed', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const client = await Client.open(path);
  const began = await client.time();
  assert.deepEqual(await client.call(18, 0, 2000), { ret: 0, errno: 0, aux: 0, payload: Buffer.alloc(0) });
  assert.equal(await client.time(), began + 8_000_000);
  await client.call(0);
  await process.ended;
});

test('a blocking connect on its own connection; refused by a reset', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const main = await Client.open(path);
  const calls = await Client.open(path);
  const fd = await calls.socketOf(L.SOCK_STREAM);
  const connected = calls.call(5, fd, 0, 0, 0, sockaddrIn(REMOTE, 80));
  const peer = new Peer(main, 0, 80);
  await peer.expect(SYN);
  await main.sleep(50_000);
  await peer.send(SYN | ACK, 0, 1);
  assert.equal((await connected).ret, 0);
  assert.equal((await peer.expect(ACK)).ack, 1);
  const other = await calls.socketOf(L.SOCK_STREAM);
  const refused = calls.call(5, other, 0, 0, 0, sockaddrIn(REMOTE, 81));
  const second = new Peer(main, 0, 81);
  await second.expect(SYN);
  await second.send(RST | ACK, 0, 1);
  assert.deepEqual([(await refused).ret, (await refused).errno], [-1, L.ECONNREFUSED]);
  await main.close();
  await calls.close();
  assert.deepEqual(await process.ended, { code: 0, signal: null });
});

test('a client that only waits moves the time itself: connect times out after minutes, at once', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const client = await Client.open(path);
  const fd = await client.socketOf(L.SOCK_STREAM);
  const began = await client.time();
  assert.equal((await client.call(5, fd, 0, 0, 0, sockaddrIn(REMOTE, 80))).errno, L.ETIMEDOUT);
  assert.ok(await client.time() - began >= 180_000_000);
  await client.call(0);
  await process.ended;
});

test('options, descriptors and errors are Linux\'s', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const client = await Client.open(path);
  const fd = await client.socketOf(L.SOCK_STREAM);
  const get = async (level: number, option: number, length = 4): Promise<number> => (await client.must(14, fd, level, option, length)).payload.readInt32LE(0);
  assert.equal(await get(L.SOL_SOCKET, L.SO_TYPE), L.SOCK_STREAM);
  assert.equal(await get(L.SOL_SOCKET, L.SO_DOMAIN), L.AF_INET);
  await client.must(15, fd, L.SOL_TCP, L.TCP_NODELAY, 0, int(1));
  assert.equal(await get(L.SOL_TCP, L.TCP_NODELAY), 1);
  await client.must(15, fd, L.SOL_TCP, L.TCP_KEEPIDLE, 0, int(77));
  assert.equal(await get(L.SOL_TCP, L.TCP_KEEPIDLE), 77);
  await client.must(15, fd, L.SOL_TCP, L.TCP_USER_TIMEOUT, 0, int(5000));
  assert.equal(await get(L.SOL_TCP, L.TCP_USER_TIMEOUT), 5000);
  assert.equal((await client.call(14, fd, L.SOL_TCP, 9999, 4)).errno, L.ENOPROTOOPT);
  assert.equal((await client.must(10, fd, L.F_GETFL)).ret, L.O_RDWR);
  await client.must(10, fd, L.F_SETFL, L.O_RDWR | L.O_NONBLOCK);
  assert.equal((await client.must(10, fd, L.F_GETFL)).ret, L.O_RDWR | L.O_NONBLOCK);
  assert.equal((await client.call(6, fd, 10)).errno, L.ENOTCONN);
  assert.equal((await client.call(12, 999)).errno, L.EBADF);
  assert.equal((await client.call(10, 999, L.F_GETFL)).errno, L.EBADF);
  assert.equal((await client.call(2, fd, 0, 0, 0, Buffer.alloc(3))).errno, L.EINVAL);
  assert.equal((await client.call(77)).errno, L.EINVAL);
  await client.must(12, fd);
  const l = await listener(client);
  const second = await client.socketOf(L.SOCK_STREAM);
  assert.equal((await client.call(2, second, 0, 0, 0, sockaddrIn(LOCAL, 8080))).errno, L.EADDRINUSE);
  await client.must(12, l);
  await client.call(0);
  await process.ended;
});

test('recv flags, timeouts, queues and poll', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const client = await Client.open(path);
  const fd = await listener(client);
  const peer = new Peer(client, 8080, 40000);
  await peer.open();
  const conn = (await client.must(4, fd)).ret;
  const poll = async (events: number, timeoutMs: number): Promise<[number, number]> => {
    const entry = Buffer.alloc(8);
    entry.writeInt32LE(conn, 0);
    entry.writeInt16LE(events, 4);
    const { ret, payload } = await client.must(16, 0, 1, timeoutMs, 0, entry);
    return [ret, payload.readInt16LE(6)];
  };
  assert.deepEqual(await poll(L.POLLIN | L.POLLOUT, 0), [1, L.POLLOUT]);
  // Nobody else is there: the time-out passes by itself.
  const began = await client.time();
  assert.deepEqual(await poll(L.POLLIN, 250), [0, 0]);
  assert.equal(await client.time(), began + 250_000);
  assert.equal((await client.call(6, conn, 10, L.MSG_DONTWAIT)).errno, L.EAGAIN);
  const timeout = Buffer.alloc(16);
  timeout.writeBigInt64LE(500_000n, 8);
  await client.must(15, conn, L.SOL_SOCKET, L.SO_RCVTIMEO, 0, timeout);
  assert.equal((await client.call(6, conn, 10)).errno, L.EAGAIN);
  assert.equal(await client.time(), began + 750_000);
  await peer.send(ACK | PSH, 1, 1, Buffer.from('abcdef'));
  assert.deepEqual(await poll(L.POLLIN | L.POLLOUT, -1), [1, L.POLLIN | L.POLLOUT]);
  assert.equal((await client.must(11, conn, L.SIOCINQ)).payload.readInt32LE(0), 6);
  assert.equal((await client.must(6, conn, 3, L.MSG_PEEK)).payload.toString(), 'abc');
  assert.equal((await client.must(9, conn, 100)).payload.toString(), 'abcdef');
  await peer.expect(ACK);
  await client.must(7, conn, 0, 0, 0, Buffer.from('xyz'));
  assert.equal((await client.must(11, conn, L.SIOCOUTQ)).payload.readInt32LE(0), 3);
  await peer.expect(ACK | PSH);
  await peer.send(RST, 7, 0);
  assert.deepEqual(await poll(L.POLLIN, 0), [1, L.POLLIN | L.POLLERR | L.POLLHUP]);
  assert.equal((await client.must(14, conn, L.SOL_SOCKET, L.SO_ERROR, 4)).payload.readInt32LE(0), L.ECONNRESET);
  assert.equal((await client.call(7, conn, 0, 0, 0, Buffer.from('x'))).errno, L.EPIPE);
  await client.call(0);
  await process.ended;
});

test('a blocking send waits for the window, and a large one is taken whole', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const main = await Client.open(path);
  const calls = await Client.open(path);
  const fd = await listener(main);
  const peer = new Peer(main, 8080, 40000);
  await peer.open();
  const conn = (await main.must(4, fd)).ret;
  const data = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  const sent = calls.call(7, conn, 0, 0, 0, data);
  let received = 0;
  while (received < data.length) {
    const { datagram } = await main.frame();
    const payload = datagram.subarray(40);
    assert.deepEqual(payload, data.subarray(received, received + payload.length));
    received += payload.length;
    await peer.send(ACK, 1, 1 + received);
  }
  assert.equal((await sent).ret, data.length);
  await main.call(0);
  await process.ended;
});

test('datagrams: sendto, recvfrom with the sender\'s address', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const client = await Client.open(path);
  const fd = await client.socketOf(L.SOCK_DGRAM);
  const to = sockaddrIn(REMOTE, 53);
  assert.equal((await client.must(8, fd, 0, to.length, 0, Buffer.concat([to, Buffer.from('query')]))).ret, 5);
  const { datagram } = await client.frame();
  assert.equal(datagram.subarray(28).toString(), 'query');
  const { buildUdp, ipNumber } = await import('../../tools/drill/wire');
  await client.inject(buildUdp({ src: ipNumber(REMOTE), dst: ipNumber(LOCAL), ttl: 9, tos: 0, df: false }, 53, datagram.readUInt16BE(20), Buffer.from('answer')));
  const { ret, aux, payload } = await client.must(9, fd, 100);
  assert.deepEqual([ret, aux], [6, 16]);
  assert.deepEqual(payload, Buffer.concat([to, Buffer.from('answer')]));
  await client.call(0);
  await process.ended;
});

test('on the host\'s clock: a delayed ACK after 40 ms, and frames are waited for', async (t) => {
  const { path, process } = await run(t);
  const client = await Client.open(path);
  const fd = await listener(client);
  const peer = new Peer(client, 8080, 40000);
  await peer.open();
  await client.must(4, fd);
  const before = await client.time();
  assert.ok(Math.abs(before / 1000 - Date.now()) < 5000, 'the wall clock');
  await peer.send(ACK | PSH, 1, 1, Buffer.from('x'));
  const { at } = await peer.expect(ACK);
  assert.ok(at - before >= 39_000 && at - before < 500_000, `${at - before} µs`);
  await client.sleep(20_000);
  assert.ok(await client.time() - at >= 20_000);
  await client.close();
  assert.deepEqual(await process.ended, { code: 0, signal: null });
});

test('an image on Ethernet: ARP stays inside', async (t) => {
  await buildImage('NET');
  const { path, process } = await run(t, '--virtual-clock', '--image', 'NET', '--local', '10.1.2.3/24', '--mtu', '1400');
  const client = await Client.open(path);
  const fd = await client.socketOf(L.SOCK_STREAM | L.SOCK_NONBLOCK);
  await client.call(5, fd, 0, 0, 0, sockaddrIn('198.51.100.5', 80));
  const peer = new Peer(client, 0, 80);
  const { tcp } = await peer.expect(SYN);
  // MSS: the MTU less 40.
  assert.deepEqual([...tcp.options.subarray(0, 4)], [2, 4, 1360 >> 8, 1360 & 255]);
  await client.call(0);
  await process.ended;
});

test('who talks nonsense is cut off, and the others are not', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const good = await Client.open(path);
  const bad = connect(path);
  const gone = new Promise<void>((resolve) => { bad.on('close', () => resolve()); });
  bad.on('error', () => {});
  bad.write(Buffer.from('ffffffffff', 'hex'));
  await gone;
  await good.sleep(1);
  await good.call(0);
  assert.equal((await process.ended).code, 0);
});

test('mistakes on the command line are one line', async () => {
  const cases: [args: string[], said: RegExp][] = [
    [['--socket', '/tmp/x', '--local', 'nonsense'], /--local nonsense: expected/], [['--socket', '/tmp/x', '--mtu', '3'], /--mtu 3: expected/],
    [['--socket', '/tmp/x', '--image', 'NOSUCH'], /NOSUCH/], [['--socket', '/tmp/x', '--image', 'FS'], /FS/], [[], /--socket/],
  ];
  for (const [args, said] of cases) {
    const { code, stdout, stderr } = await runNode([cli, 'harness', ...args], { cwd: root });
    assert.equal(code, 1, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /^ {4}at /m);
  }
});

test('virtual time stands still, unless a client does nothing but look at it', async (t) => {
  const { path, process } = await run(t, '--virtual-clock');
  const client = await Client.open(path);
  const began = await client.time();
  await new Promise((resolve) => { setTimeout(resolve, 50); });
  assert.equal(await client.time(), began);
  for (let i = 0; i < 30; i++) await client.time();
  assert.equal(await client.time() - began, 25);
  await client.sleep(75);
  assert.equal(await client.time() - began, 100);
  await client.call(0);
  await process.ended;
});
