/**
 * Both backends of sockin's host half against one set of expectations, without an image.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { connect as netConnect, createServer, type AddressInfo, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { errnoName } from '../../host/errtrans';
import * as inet from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/socket';
import { linuxMissing, linuxSys } from '../../components/sockin/linuxSys.user';
import {
  SOCKIN_EV_ERROR, SOCKIN_EV_HUP, SOCKIN_EV_RDHUP, SOCKIN_EV_READ, SOCKIN_EV_URGENT, SOCKIN_EV_WRITE,
} from '../../components/sockin/sockin.abi';
import { ADDR, BUF, Driver, IOV, LOOPBACK, TestSocket, errno } from './driver';

const missing = ((): string | undefined => {
  if (linuxMissing() !== undefined) return linuxMissing();
  try { linuxSys(); return undefined; } catch (error) { return (error as Error).message; }
})();

const name = (r: number | Buffer): string => (typeof r === 'number' && r < 0 ? errnoName(-r) : `${typeof r === 'number' ? r : r.length}`);

for (const backend of ['epoll', 'node']) {
  describe(`sockin backend ${backend}`, { skip: backend === 'epoll' && missing !== undefined ? missing : false }, () => {
    let d: Driver;
    before(() => { d = new Driver(backend); });
    after(() => { d.close(); });

    const pair = async (family: number = abi.AF_INET): Promise<[TestSocket, TestSocket, TestSocket]> => {
      const listener = d.socket(family);
      const end = listener.listening();
      const [client, server] = await Promise.all([d.socket(family).connected(end), listener.accept()]);
      return [client, server, listener];
    };
    const closeAll = (...sockets: TestSocket[]): void => { for (const s of sockets) assert.equal(s.close(), 0); };

    for (const family of [abi.AF_INET, abi.AF_INET6]) {
      test(`echo over family ${family}, names of both ends`, async () => {
        const [c, s, l] = await pair(family);
        assert.equal(c.send('hello'), 5);
        assert.equal((await s.read()).toString(), 'hello');
        assert.equal(s.send('world!'), 6);
        assert.equal((await c.read()).toString(), 'world!');
        assert.deepEqual(c.name(1), l.name());
        assert.deepEqual(s.name(1), c.name());
        assert.equal(s.name().port, l.name().port);
        closeAll(c, s, l);
      });
    }

    test('bind and listen answer at once: in use, not ours, port by number', () => {
      const a = d.socket();
      const end = a.listening();
      const b = d.socket();
      const r = b.bind(end);
      assert.equal(name(r === 0 ? b.listen(5) : r), 'EADDRINUSE');
      const c = d.socket();
      assert.equal(name(c.bind({ address: '192.0.2.1', port: 0 })), 'EADDRNOTAVAIL');
      closeAll(a, b, c);
      const again = d.socket();
      again.setopt(abi.SOL_SOCKET, abi.SO_REUSEADDR, 1);
      assert.equal(again.bind(end), 0);
      assert.equal(again.listen(5), 0);
      assert.deepEqual(again.name(), end);
      closeAll(again);
    });

    test('connect to a closed port: EINPROGRESS, then ECONNREFUSED, then it may try again', async () => {
      const l = d.socket();
      const end = l.listening();
      closeAll(l);
      const c = d.socket();
      const r = c.connect(end);
      if (r === 0 || r === -errno('EINPROGRESS')) {
        await c.wait(SOCKIN_EV_ERROR);
        assert.equal(errnoName(c.error!), 'ECONNREFUSED');
      } else assert.equal(name(r), 'ECONNREFUSED');
      const l2 = d.socket();
      assert.equal(l2.setopt(abi.SOL_SOCKET, abi.SO_REUSEADDR, 1), 0);
      assert.equal(l2.bind(end), 0);
      assert.equal(l2.listen(1), 0);
      const [, s] = await Promise.all([c.connected(end), l2.accept()]);
      closeAll(c, s, l2);
    });

    test('half close, first one way, then the other', async () => {
      const [c, s, l] = await pair();
      assert.equal(c.send('request'), 7);
      assert.equal(c.shutdown(abi.SHUT_WR), 0);
      assert.equal((await s.readAll()).toString(), 'request');
      await s.wait(SOCKIN_EV_RDHUP);
      assert.equal(name(c.send('more')), 'EPIPE');
      assert.equal(s.send('response'), 8);
      assert.equal(s.shutdown(abi.SHUT_WR), 0);
      assert.equal((await c.readAll()).toString(), 'response');
      await c.wait(SOCKIN_EV_HUP);
      closeAll(c, s, l);
    });

    test('abort is a reset at the other end', async () => {
      const [c, s, l] = await pair();
      assert.equal(s.abort(), 0);
      await c.wait(SOCKIN_EV_HUP);
      assert.equal(errnoName(c.error ?? 0), 'ECONNRESET');
      assert.equal(name(c.recv()), '0');
      assert.equal(name(c.send('x')), 'EPIPE');
      closeAll(c, l);
    });

    test('an orderly close is delivered after all data', async () => {
      const [c, s, l] = await pair();
      const data = randomBytes(300_000);
      const done = c.readAll();
      await s.write(data);
      closeAll(s);
      assert.ok((await done).equals(data));
      closeAll(c, l);
    });

    test('32 MiB each way at once, checksums equal', async () => {
      const [c, s, l] = await pair();
      const chunk = randomBytes(65536);
      const total = 512;
      const pump = async (from: TestSocket): Promise<void> => {
        for (let i = 0; i < total; i++) await from.write(chunk);
        from.shutdown(abi.SHUT_WR);
      };
      const drain = async (from: TestSocket): Promise<string> => {
        const hash = createHash('sha1');
        for (;;) {
          const part = await from.read();
          if (part.length === 0) return hash.digest('hex');
          hash.update(part);
        }
      };
      const [, , a, b] = await Promise.all([pump(c), pump(s), drain(c), drain(s)]);
      const want = createHash('sha1');
      for (let i = 0; i < total; i++) want.update(chunk);
      const digest = want.digest('hex');
      assert.equal(a, digest);
      assert.equal(b, digest);
      closeAll(c, s, l);
    });

    test('a paused receiver stops the sender, with little memory', async () => {
      const l = d.socket();
      const end = l.listening();
      const peer = netConnect(end.port, end.address);
      const s = await l.accept();
      const before_ = process.memoryUsage().rss;
      let sent = 0;
      const chunk = Buffer.alloc(1 << 20, 7);
      while (sent < 256 << 20 && peer.writableLength < 8 << 20) { peer.write(chunk); sent += chunk.length; }
      await new Promise((done) => setTimeout(done, 300));
      assert.ok(s.avail() > 0 && s.avail() < 8 << 20, `avail ${s.avail()}`);
      assert.ok(peer.writableLength > 0, 'the peer could write everything');
      assert.ok(process.memoryUsage().rss - before_ < 64 << 20);
      let got = 0;
      peer.end();
      for (;;) {
        const part = await s.read();
        if (part.length === 0) break;
        got += part.length;
      }
      assert.equal(got, sent);
      closeAll(s, l);
    });

    test('a peer that does not read: EAGAIN after a bounded amount, then EV_WRITE', async () => {
      let socket: Socket | undefined;
      const server = createServer({ pauseOnConnect: true }, (x) => { socket = x; });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      const c = await d.socket().connected({ address: '127.0.0.1', port: (server.address() as AddressInfo).port });
      let sent = 0;
      const chunk = new Uint8Array(65536);
      for (let idle = 0; idle < 3;) {
        const r = c.send(chunk);
        if (r > 0) { sent += r; idle = 0; } else {
          assert.equal(name(r), 'EAGAIN');
          idle++;
          await new Promise((done) => setTimeout(done, 50));
        }
        assert.ok(sent < 64 << 20, 'no back-pressure');
      }
      d.bits.set(c.cookie, 0);
      let got = 0;
      socket!.on('data', (part) => { got += part.length; });
      socket!.resume();
      await c.wait(SOCKIN_EV_WRITE);
      assert.ok(c.send(chunk) > 0);
      c.shutdown(abi.SHUT_WR);
      await new Promise((done) => socket!.once('end', done));
      assert.ok(got > sent);
      closeAll(c);
      server.close();
    });

    test('500 connections at once, then none left', async () => {
      const open = d.sockin.backend().open;
      const l = d.socket();
      const end = l.listening(1000);
      const clients = Array.from({ length: 500 }, () => d.socket());
      const servers: TestSocket[] = [];
      const accepting = (async () => { while (servers.length < clients.length) servers.push(await l.accept()); })();
      await Promise.all(clients.map((c) => c.connected(end)));
      await accepting;
      for (const [i, c] of clients.entries()) assert.ok(c.send(`client ${i}`) > 0);
      const got = await Promise.all(servers.map((s) => s.read()));
      assert.equal(new Set(got.map(String)).size, clients.length);
      closeAll(...clients, ...servers, l);
      assert.equal(d.sockin.backend().open, open);
    });

    test('UDP: datagrams keep their edges, their sender and their length', async () => {
      const a = d.socket(abi.AF_INET, abi.SOCK_DGRAM);
      const b = d.socket(abi.AF_INET, abi.SOCK_DGRAM);
      assert.equal(a.bind({ address: '127.0.0.1', port: 0 }), 0);
      assert.equal(b.sendTo('one', a.name()), 3);
      assert.equal(b.sendTo('', a.name()), 0);
      assert.equal(b.sendTo('three', a.name()), 5);
      await a.wait(SOCKIN_EV_READ);
      await new Promise((done) => setTimeout(done, 50));
      assert.equal(a.avail(), 3);
      assert.equal(a.recv(100, abi.MSG_PEEK).toString(), 'one');
      d.dv.setUint32(IOV, BUF, true);
      d.dv.setUint32(IOV + 4, 2, true);
      assert.equal(d.call('recvmsg', a.h, IOV, 1, 0, ADDR, 128), 3, 'full length of a cut datagram');
      assert.equal(d.readSockaddr(abi.AF_INET).port, b.name().port);
      assert.equal(name(a.recv()), '0');
      assert.equal(a.recv().toString(), 'three');
      assert.equal(name(a.recv()), 'EAGAIN');
      assert.equal(name(a.sendTo(new Uint8Array(65520), b.name())), 'EMSGSIZE');
      closeAll(a, b);
    });

    test('UDP: connected, refused, and free again', async () => {
      const gone = d.socket(abi.AF_INET, abi.SOCK_DGRAM);
      gone.bind({ address: '127.0.0.1', port: 0 });
      const end = gone.name();
      closeAll(gone);
      const c = d.socket(abi.AF_INET, abi.SOCK_DGRAM);
      assert.equal(name(c.send('x')), 'EDESTADDRREQ');
      assert.equal(c.connect(end), 0);
      assert.deepEqual(c.name(1), end);
      assert.equal(c.send('x'), 1);
      await c.wait(SOCKIN_EV_ERROR);
      assert.equal(errnoName(c.error!), 'ECONNREFUSED');
      assert.equal(d.call('connect', c.h, 0, 0), 0);
      assert.equal(name(d.call('getname', c.h, 1, ADDR, 128)), 'ENOTCONN');
      closeAll(c);
    });

    test('iovecs gather and scatter', async () => {
      const [c, s, l] = await pair();
      d.u8.set(Buffer.from('abcdefgh'), BUF);
      [[BUF + 5, 3], [BUF, 0], [BUF, 2]].forEach(([at, len], i) => {
        d.dv.setUint32(IOV + i * 8, at!, true);
        d.dv.setUint32(IOV + i * 8 + 4, len!, true);
      });
      assert.equal(d.call('sendmsg', c.h, IOV, 3, 0, 0, 0), 5);
      await s.wait(SOCKIN_EV_READ);
      [[BUF + 100, 2], [BUF + 200, 8]].forEach(([at, len], i) => {
        d.dv.setUint32(IOV + i * 8, at!, true);
        d.dv.setUint32(IOV + i * 8 + 4, len!, true);
      });
      assert.equal(d.call('recvmsg', s.h, IOV, 2, 0, 0, 0), 5);
      assert.equal(Buffer.from(d.u8.subarray(BUF + 100, BUF + 102)).toString(), 'fg');
      assert.equal(Buffer.from(d.u8.subarray(BUF + 200, BUF + 203)).toString(), 'hab');
      closeAll(c, s, l);
    });

    test('options are set and read back', async () => {
      const [c, s, l] = await pair();
      for (const [level, opt, value] of [
        [inet.IPPROTO_TCP, inet.TCP_NODELAY, 1], [abi.SOL_SOCKET, abi.SO_KEEPALIVE, 1],
        [inet.IPPROTO_TCP, inet.TCP_KEEPIDLE, 30], [abi.SOL_SOCKET, abi.SO_RCVBUF, 32768],
        [abi.SOL_SOCKET, abi.SO_SNDBUF, 32768], [abi.SOL_SOCKET, abi.SO_REUSEADDR, 1],
      ] as const) {
        assert.equal(c.setopt(level, opt, value), 0);
        assert.equal(c.getopt(level, opt), value, `option ${level}/${opt}`);
      }
      assert.equal(name(c.setopt(abi.SOL_SOCKET, 0x7777, 1)), 'ENOPROTOOPT');
      assert.equal(name(c.setopt(abi.SOL_SOCKET, abi.SO_LINGER, 1)), 'ENOPROTOOPT');
      closeAll(c, s, l);
    });

    test('IPV6_V6ONLY: on by default, off on request', async () => {
      const only = d.socket(abi.AF_INET6);
      assert.equal(only.bind({ address: '::', port: 0 }), 0);
      assert.equal(only.listen(1), 0);
      const four = d.socket();
      assert.equal(four.bind({ address: '0.0.0.0', port: only.name().port }), 0, 'the IPv4 port is free');
      closeAll(only, four);
      const both = d.socket(abi.AF_INET6);
      assert.equal(both.setopt(inet.IPPROTO_IPV6, inet.IPV6_V6ONLY, 0), 0);
      assert.equal(both.bind({ address: '::', port: 0 }), 0);
      assert.equal(both.listen(1), 0);
      const c = await d.socket().connected({ address: '127.0.0.1', port: both.name().port });
      const s = await both.accept();
      assert.match(s.name(1).address, /ffff:7f00:1$/);
      closeAll(both, c, s);
    });

    test('multicast over the loopback', async () => {
      const a = d.socket(abi.AF_INET, abi.SOCK_DGRAM);
      assert.equal(a.bind({ address: '0.0.0.0', port: 0 }), 0);
      const group = Uint8Array.of(239, 255, 77, 1, 127, 0, 0, 1);
      d.u8.set(group, BUF);
      assert.equal(d.call('setopt', a.h, inet.IPPROTO_IP, inet.IP_ADD_MEMBERSHIP, BUF, 8), 0);
      const b = d.socket(abi.AF_INET, abi.SOCK_DGRAM);
      d.u8.set(Uint8Array.of(127, 0, 0, 1), BUF);
      assert.equal(d.call('setopt', b.h, inet.IPPROTO_IP, inet.IP_MULTICAST_IF, BUF, 4), 0);
      assert.equal(b.setopt(inet.IPPROTO_IP, inet.IP_MULTICAST_TTL, 1), 0);
      assert.equal(b.sendTo('to all', { address: '239.255.77.1', port: a.name().port }), 6);
      assert.equal((await a.read()).toString(), 'to all');
      d.u8.set(group, BUF);
      assert.equal(d.call('setopt', a.h, inet.IPPROTO_IP, inet.IP_DROP_MEMBERSHIP, BUF, 8), 0);
      closeAll(a, b);
    });

    test('bad handles, bad pointers, bad addresses', () => {
      const s = d.socket();
      const size = d.u8.length;
      for (const call of [
        ['send', s.h, size - 4, 8, 0], ['recv', s.h, -16, 32, 0], ['bind', s.h, size - 2, 16],
        ['recvmsg', s.h, size - 4, 1, 0, 0, 0], ['getname', s.h, 0, size - 8, 28], ['setopt', s.h, 6, 1, size, 4],
      ] as const) {
        const [call_, ...args] = call;
        assert.equal(name(d.call(call_, ...args)), 'EFAULT', call_);
      }
      d.dv.setUint32(IOV, size - 2, true);
      d.dv.setUint32(IOV + 4, 4, true);
      assert.equal(name(d.call('sendmsg', s.h, IOV, 1, 0, 0, 0)), 'EFAULT');
      assert.equal(name(d.call('sendmsg', s.h, IOV, 1025, 0, 0, 0)), 'EMSGSIZE');
      assert.equal(name(d.call('bind', s.h, ADDR, d.sockaddr(abi.AF_INET6, { address: LOOPBACK[abi.AF_INET6]!, port: 0 }))), 'EAFNOSUPPORT');
      d.sockaddr(abi.AF_INET, { address: '127.0.0.1', port: 0 });
      assert.equal(name(d.call('bind', s.h, ADDR, 8)), 'EINVAL');
      closeAll(s);
      for (const call of ['send', 'recv', 'close', 'abort', 'avail', 'listen', 'shutdown']) {
        assert.equal(name(d.call(call, s.h, 0, 0, 0)), 'EBADF', call);
      }
      const next = d.socket();
      assert.notEqual(next.h, s.h, 'a handle is not used again at once');
      closeAll(next);
    });

    test('more ready sockets than the ring has entries lose no event', async () => {
      const l = d.socket();
      const end = l.listening(400);
      const clients = Array.from({ length: 200 }, () => d.socket());
      await Promise.all(clients.map((c) => c.connected(end)));
      const servers: TestSocket[] = [];
      while (servers.length < clients.length) servers.push(await l.accept());
      for (const c of clients) c.send('x');
      await Promise.all(servers.map((s) => s.wait(SOCKIN_EV_READ)));
      closeAll(...clients, ...servers, l);
    });

    test('urgent data, where the host has it', async () => {
      const [c, s, l] = await pair();
      const r = c.send('!', abi.MSG_OOB);
      if (backend === 'node') assert.equal(name(r), 'EOPNOTSUPP');
      else {
        assert.equal(r, 1);
        await s.wait(SOCKIN_EV_URGENT);
        assert.equal(d.call('atmark', s.h), 1);
        assert.equal(s.recv().toString(), '!', 'in line');
        assert.equal(d.call('atmark', s.h), 0);
      }
      closeAll(c, s, l);
    });
  });
}

test('an unknown backend is refused by name', () => {
  assert.throws(() => new Driver('tcp'), /SOCKIN_BACKEND=tcp/);
});
