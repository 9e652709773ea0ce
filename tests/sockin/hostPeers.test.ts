/**
 * sockin against sockets that are the host's own: back-pressure over 1 GiB, limits, unreachable peers,
 * and that nothing is left behind, in either backend.
 *
 * @timeout 300
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { connect as netConnect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EAGAIN, EINPROGRESS } from '../../kernel/abi/errno';
import { EVFILT_READ, EVFILT_WRITE } from '../../kernel/abi/event';
import { IPPROTO_TCP, TCP_USER_TIMEOUT } from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/socket';
import { errnoName } from '../../host/errtrans';
import { boot } from '../../host/index';
import type { Kernel } from '../../host/kernel';
import { need } from '../lib/need';
import { Sock, must, told, type SocketRig } from '../net/socketRig';
import { noEpoll, sockImage, sockinRig } from './rig';

const GIB = 1 << 30;
const child = process.env.RUMPWASM_SOCKIN_CHILD;
const self = fileURLToPath(import.meta.url);

/** Run a mode of children() in a process of its own; what it printed. */
async function inChild(mode: string, command = process.execPath, args: string[] = [self], ms = 20_000): Promise<{ out: string; code: number | null }> {
  const process_ = spawn(command, args, { env: { ...process.env, RUMPWASM_SOCKIN_CHILD: mode, NODE_TEST_CONTEXT: undefined }, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  process_.stdout.on('data', (part: Buffer) => { out += part.toString(); });
  const timer = setTimeout(() => process_.kill('SIGKILL'), ms);
  const [code] = await once(process_, 'close') as [number | null];
  clearTimeout(timer);
  return { out, code };
}

/** Do `work` on a rig of its own. */
async function onRig(backend: string, work: (rig: SocketRig) => Promise<void>): Promise<void> {
  const rig = await sockinRig(backend);
  try {
    await work(rig);
  } finally {
    await rig.close();
  }
}

function suite(backend: string): void {
  const withRig = (work: (rig: SocketRig) => Promise<void>): Promise<void> => onRig(backend, work);

  test('1 GiB from a peer, while the image pauses and reads in turns', (t) => withRig(async (rig) => {
    const l = Sock.listener(rig, rig.b);
    const peer = netConnect(l.name().port, '127.0.0.1');
    const s = await l.accepted();
    const chunk = Buffer.alloc(1 << 20, 'peer');
    let written = 0;
    const write = (): void => {
      while (written < GIB && peer.writableLength < 4 << 20) { peer.write(chunk); written += chunk.length; }
    };
    peer.on('drain', write);
    const resident = process.memoryUsage.rss();
    const began = performance.now();
    write();
    await rig.pause(300);
    const handed = written - peer.writableLength;
    assert.ok(handed < rig.buffered, `${handed >> 20} MiB went to a reader that never read`);
    let got = 0;
    let most = 0;
    for (let goal = GIB / 4; got < GIB; goal += GIB / 4) {
      await rig.until(() => {
        for (let n = 1; n > 0;) {
          n = s.recvRaw(200_000);
          if (n > 0) got += n;
          else assert.equal(told(n), 'EAGAIN');
        }
        most = Math.max(most, process.memoryUsage.rss());
        return got >= Math.min(goal, GIB);
      }, `${goal >> 20} MiB`);
      await rig.pause(30);
    }
    assert.equal(got, GIB);
    assert.ok(most - resident < 160 << 20, `resident memory grew by ${(most - resident) >> 20} MiB`);
    t.diagnostic(`${((performance.now() - began) / 1000).toFixed(1)} s, resident +${Math.max(0, most - resident) >> 20} MiB`);
    peer.destroy();
  }));

  test('1 GiB to a peer that pauses and reads in turns', (t) => withRig(async (rig) => {
    let peer: Socket | undefined;
    const server = createServer({ pauseOnConnect: true }, (socket) => { peer = socket; });
    await new Promise<void>((done) => { server.listen(0, '127.0.0.1', done); });
    const c = await Sock.stream(rig, rig.a).connected({ address: '127.0.0.1', port: (server.address() as AddressInfo).port });
    await rig.until(() => peer !== undefined, 'the connection');
    let got = 0;
    peer!.on('data', (part) => { got += part.length; });
    peer!.pause();
    const chunk = Buffer.alloc(128 << 10, 'image');
    let sent = 0;
    const send = (): void => {
      while (sent < GIB) {
        const n = c.send(chunk.subarray(0, Math.min(chunk.length, GIB - sent)));
        if (n === -EAGAIN) return;
        sent += must(n);
      }
    };
    const resident = process.memoryUsage.rss();
    const began = performance.now();
    for (let idle = 0, last = -1; idle < 5; idle++) {
      send();
      if (sent !== last) idle = 0;
      last = sent;
      await rig.pause(10);
    }
    assert.ok(sent < rig.buffered, `${sent >> 20} MiB went to a reader that never read`);
    assert.equal(c.ready(EVFILT_WRITE), undefined);
    let most = 0;
    for (let goal = GIB / 4; got < GIB; goal += GIB / 4) {
      peer!.resume();
      await rig.until(() => {
        send();
        most = Math.max(most, process.memoryUsage.rss());
        return got >= Math.min(goal, GIB);
      }, `${goal >> 20} MiB`);
      peer!.pause();
      await rig.pause(30);
    }
    assert.equal(got, GIB);
    assert.ok(most - resident < 160 << 20, `resident memory grew by ${(most - resident) >> 20} MiB`);
    t.diagnostic(`${((performance.now() - began) / 1000).toFixed(1)} s, resident +${Math.max(0, most - resident) >> 20} MiB`);
    peer!.destroy();
    server.close();
  }));

  test('datagrams to a reader that pauses are dropped, not kept', () => withRig(async (rig) => {
    const s = Sock.dgram(rig, rig.b);
    must(s.bind('127.0.0.1', 0));
    const sender = createSocket('udp4');
    const { port } = s.name();
    const data = Buffer.alloc(1000, 1);
    for (let i = 0; i < 5000; i++) {
      sender.send(data, port, '127.0.0.1');
      if (i % 100 === 99) await rig.pause(0);
    }
    await rig.pause(50);
    let got = 0;
    while (s.recvRaw(2000) > 0) got++;
    assert.ok(got > 0 && got < 5000, `${got} of 5000 were kept`);
    sender.close();
    s.close();
  }));

  test('when the image has no socket left, connections wait in the host until there is one', () => withRig(async (rig) => {
    const { sys } = rig.b;
    const l = Sock.listener(rig, rig.b, 64);
    l.ready(EVFILT_READ);
    const held: number[] = [];
    for (let fd = 0; fd >= 0;) {
      try { fd = sys.socket(abi.AF_INET, abi.SOCK_DGRAM); held.push(fd); } catch { fd = -1; }
    }
    const peers = Array.from({ length: 5 }, () => netConnect(l.name().port, '127.0.0.1'));
    for (const peer of peers) peer.on('error', () => {});
    await Promise.all(peers.map((peer) => once(peer, 'connect')));
    await rig.pause(50);
    assert.equal(told(l.accept() as number), 'EAGAIN');
    for (const fd of held.splice(0, 10)) sys.close(fd);
    const served: Sock[] = [];
    await rig.until(() => {
      const s = l.accept();
      if (typeof s !== 'number') served.push(s);
      return served.length === peers.length;
    }, 'all five');
    for (const fd of held) sys.close(fd);
    for (const peer of peers) peer.destroy();
  }));

  test('closing the kernel lets go of every descriptor', { skip: existsSync('/proc/self/fd') ? false : 'no /proc' }, async () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    const once_ = async (): Promise<void> => {
      const rig = await sockinRig(backend);
      const l = Sock.listener(rig, rig.b);
      for (let i = 0; i < 20; i++) {
        await Sock.stream(rig, rig.a).connected(l.name());
        if (i % 2 === 0) await l.accepted();
        Sock.dgram(rig, rig.a).bind('127.0.0.1', 0);
      }
      await rig.close();
      await rig.pause(50);
    };
    await once_();
    const before = count();
    for (let i = 0; i < 5; i++) await once_();
    assert.ok(count() <= before, `${before} descriptors before, ${count()} after`);
  });

  test('the process ends by itself when every socket is closed, and lives while one is open', async () => {
    const { out, code } = await inChild(`idle ${backend}`);
    assert.equal(code, 0);
    assert.equal(out, 'echoed\nended\n');
  });

  test('EHOSTUNREACH, ENETUNREACH and ETIMEDOUT', { skip: need('unshare') || need('ip') }, async (t) => {
    const setup = 'ip link set lo up && ip link add v0 type veth peer name v1 && ip addr add 10.99.0.1/24 dev v0 && '
      + 'ip link set v0 up && ip link set v1 up && ip neigh add 10.99.0.78 lladdr 02:00:00:00:00:78 dev v0';
    const { out } = await inChild(`unreachable ${backend}`, 'unshare', ['-Urn', 'sh', '-c', `${setup} && exec "${process.execPath}" "${self}"`]);
    if (out === '') return t.skip('no network namespace may be made here');
    const got = JSON.parse(out) as Record<string, string>;
    assert.equal(got.none, 'ENETUNREACH');
    assert.equal(got.host, 'EHOSTUNREACH');
    if (backend === 'epoll') assert.equal(got.silent, 'ETIMEDOUT');
  });
}

/** What only the epoll backend can do: node:net accepts by itself, and drops what it has no descriptor for. */
function epollSuite(): void {
  test('a connection beyond the backlog waits in the kernel', () => onRig('epoll', async (rig) => {
    const l = Sock.listener(rig, rig.b, 4);
    const peers = Array.from({ length: 8 }, () => netConnect(l.name().port, '127.0.0.1'));
    await Promise.all(peers.map((peer) => once(peer, 'connect')));
    await l.event(EVFILT_READ, (e) => e.data === 4);
    await rig.pause(30);
    assert.equal(l.ready(EVFILT_READ)!.data, 4, 'no more than the backlog');
    let n = 0;
    await rig.until(() => {
      while (typeof l.accept() !== 'number') n++;
      return n === 8;
    }, 'all eight');
    for (const peer of peers) peer.destroy();
  }));

  test('out of descriptors on the host: accept goes on when there are some', async () => {
    const { out, code } = await inChild(`starved epoll`, 'sh', ['-c', `ulimit -n 90; exec "${process.execPath}" "${self}"`]);
    assert.equal(code, 0);
    assert.match(out, /^refused, then all [0-9]+\n$/);
  });
}

/** What the children do. */
async function children(mode: string, backend: string): Promise<void> {
  if (mode === 'idle') await childIdle(backend);
  else if (mode === 'starved') await childStarved(backend);
  else await childUnreachable(backend);
}

async function childIdle(backend: string): Promise<void> {
  const rig = await sockinRig(backend);
  const [c, s, l] = await Sock.pair(rig);
  c.send('x');
  await s.read();
  console.log('echoed');
  process.on('exit', () => console.log('ended'));
  s.close();
  c.close();
  l.close();
}

async function childStarved(backend: string): Promise<void> {
  const rig = await sockinRig(backend);
  const l = Sock.listener(rig, rig.b, 128);
  l.ready(EVFILT_READ);
  const clients = Array.from({ length: 20 }, () => Sock.stream(rig, rig.a));
  const hog: Sock[] = [];
  for (let full = false; !full;) {
    const fd = rig.a.sys.raw(97, abi.AF_INET, abi.SOCK_DGRAM, 0);
    full = fd < 0;
    if (!full) hog.push(new Sock(rig, rig.a, fd, 'IPv4'));
  }
  for (const c of clients) c.connect(l.name());
  await rig.pause(250);
  const early = l.accept();
  for (const s of hog) s.close();
  let n = 0;
  await rig.until(() => {
    while (typeof l.accept() !== 'number') n++;
    return n === clients.length;
  }, 'all clients');
  console.log(`${early === -EAGAIN ? 'refused' : 'accepted'}, then all ${n}`);
  await rig.close();
}

async function childUnreachable(backend: string): Promise<void> {
  const rig = await sockinRig(backend);
  const attempt = async (address: string, wanted: number): Promise<string> => {
    const s = Sock.stream(rig, rig.a);
    if (wanted > 0) s.setopt(IPPROTO_TCP, TCP_USER_TIMEOUT, wanted);
    const r = s.connect({ address, port: 9 });
    if (r !== -EINPROGRESS) return told(r);
    await s.event(EVFILT_WRITE);
    return errnoName(s.soError());
  };
  const [none, host, silent] = await Promise.all([
    attempt('203.0.113.1', 0), attempt('10.99.0.77', 0), backend === 'epoll' ? attempt('10.99.0.78', 700) : 'ETIMEDOUT',
  ]);
  console.log(JSON.stringify({ none, host, silent }));
  await rig.close();
}

if (child !== undefined) {
  const [mode, backend] = child.split(' ') as [string, string];
  await children(mode, backend);
} else {
  describe('sockin and the host, epoll backend', { skip: noEpoll() }, () => {
    suite('epoll');
    epollSuite();
  });
  describe('sockin and the host, node backend', () => suite('node'));
  test('the image says which backend it got', async () => {
    const kernel: Kernel = await boot(sockImage, { host: { backend: 'node' } });
    assert.equal(kernel.sysctl('net.sockin.open'), 0);
    await kernel.close();
  });
}
