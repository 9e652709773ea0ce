/** The socket suite, datagrams: edges, senders, truncation, connected and unconnected, refusals, limits. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ECONNREFUSED } from '../../kernel/abi/errno';
import { EVFILT_READ, EVFILT_WRITE } from '../../kernel/abi/event';
import * as inet from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/socket';
import { errnoName } from '../../host/errtrans';
import { Sock, closeAll, must, told, type Family, type SocketRig } from './socketRig';

/** A bound datagram socket of `kernel`. */
function bound(rig: SocketRig, kernel: SocketRig['a'], family: Family = 'IPv4'): Sock {
  const s = Sock.dgram(rig, kernel, family);
  must(s.bind(rig.address(kernel, family)!, 0), 'bind');
  return s;
}

export function dgramTests(get: () => SocketRig, families: readonly Family[]): void {
  describe('datagrams', () => {
    for (const family of families) {
      test(`unconnected echo over ${family}`, async () => {
        const rig = get();
        const server = bound(rig, rig.b, family);
        const client = bound(rig, rig.a, family);
        assert.equal(client.sendTo('ping', server.name()), 4);
        await server.event(EVFILT_READ);
        const got = server.recvFrom();
        assert.equal(got.text, 'ping');
        assert.deepEqual(got.from, client.name());
        assert.equal(server.sendTo('pong', got.from!), 4);
        await client.event(EVFILT_READ);
        assert.equal(client.recv(), 'pong');
        closeAll(server, client);
      });
    }

    test('datagrams keep their edges; an empty one is one, too', async () => {
      const rig = get();
      const server = bound(rig, rig.b);
      const client = bound(rig, rig.a);
      for (const text of ['one', '', 'three']) assert.equal(client.sendTo(text, server.name()), text.length);
      const got: string[] = [];
      await rig.until(() => {
        const { n, text } = server.recvFrom();
        if (n >= 0) got.push(text);
        return got.length === 3;
      }, 'three datagrams');
      assert.deepEqual(got, ['one', '', 'three']);
      assert.equal(server.recv(), 'EAGAIN');
      assert.equal(server.ready(EVFILT_READ), undefined);
      closeAll(server, client);
    });

    test('what does not fit is lost; MSG_TRUNC tells how much there was; MSG_PEEK takes nothing', async () => {
      const rig = get();
      const server = bound(rig, rig.b);
      const client = bound(rig, rig.a);
      for (const text of ['abcdefgh', 'ijklmnop', 'last']) client.sendTo(text, server.name());
      await server.event(EVFILT_READ);
      assert.equal(server.available(), 8);
      assert.equal(server.recv(100, abi.MSG_PEEK), 'abcdefgh');
      assert.deepEqual(server.recvFrom(3, abi.MSG_PEEK).from, client.name());
      assert.equal(server.recv(3), 'abc');
      await rig.until(() => server.ready(EVFILT_READ) !== undefined, 'the second');
      assert.equal(server.recvRaw(3, abi.MSG_TRUNC), 8);
      assert.equal(await server.read(), 'last');
      closeAll(server, client);
    });

    test('connected: only the peer, both ways; and unconnected again', async () => {
      const rig = get();
      const server = bound(rig, rig.b);
      const other = bound(rig, rig.b);
      const client = bound(rig, rig.a);
      assert.equal(client.peerError(), 'ENOTCONN');
      assert.equal(told(client.send('x')), 'EDESTADDRREQ');
      must(client.connect(server.name()));
      assert.deepEqual(client.peer(), server.name());
      assert.equal(client.send('to the peer'), 11);
      await server.event(EVFILT_READ);
      assert.equal(server.recv(), 'to the peer');
      assert.equal(told(client.sendTo('x', other.name())), 'EISCONN');
      other.sendTo('a stranger', client.name());
      server.sendTo('the peer', client.name());
      assert.equal(await client.read(), 'the peer');
      assert.equal(client.recv(), 'EAGAIN');
      must(client.connect(other.name()), 'connect elsewhere');
      assert.deepEqual(client.peer(), other.name());
      assert.equal(client.send('elsewhere'), 9);
      assert.equal(await other.read(), 'elsewhere');
      closeAll(server, other, client);
    });

    test('nobody there: ECONNREFUSED for a connected socket', async () => {
      const rig = get();
      const gone = bound(rig, rig.b);
      const at = gone.name();
      closeAll(gone);
      const client = Sock.dgram(rig, rig.a);
      must(client.connect(at));
      assert.equal(client.send('anybody?'), 8);
      await client.event(EVFILT_READ);
      assert.equal(errnoName(client.soError()), 'ECONNREFUSED');
      client.send('again');
      await rig.until(() => client.recvRaw(10) === -ECONNREFUSED, 'the error by recv');
      assert.ok(client.peer().port === at.port, 'still connected');
      closeAll(client);
    });

    test('limits and states', () => {
      const rig = get();
      const s = Sock.dgram(rig, rig.a);
      assert.equal(told(s.sendTo(new Uint8Array(65508), { address: rig.address(rig.b, 'IPv4')!, port: 9 })), 'EMSGSIZE');
      assert.equal(told(s.listen(1)), 'EOPNOTSUPP');
      assert.equal(s.recv(), 'EAGAIN');
      assert.ok(s.ready(EVFILT_WRITE) !== undefined, 'always writable');
      assert.equal(s.ready(EVFILT_READ), undefined);
      closeAll(s);
    });

    test('the largest datagram', async () => {
      const rig = get();
      const server = bound(rig, rig.b);
      const client = Sock.dgram(rig, rig.a);
      must(server.setopt(abi.SOL_SOCKET, abi.SO_RCVBUF, 200_000));
      const big = Buffer.alloc(65507, 'datagram');
      assert.equal(client.sendTo(big, server.name()), big.length);
      await server.event(EVFILT_READ);
      const n = server.recvRaw(70_000);
      assert.equal(n, big.length);
      assert.ok(server.view(n).equals(big));
      closeAll(server, client);
    });

    test('shutdown: no more sending, the end for the reader', async () => {
      const rig = get();
      const server = bound(rig, rig.b);
      const client = Sock.dgram(rig, rig.a);
      assert.equal(told(client.shutdown(abi.SHUT_WR)), 'ENOTCONN');
      must(client.connect(server.name()));
      must(client.shutdown(abi.SHUT_WR));
      assert.equal(told(client.send('x')), 'EPIPE');
      must(client.shutdown(abi.SHUT_RD));
      assert.equal(client.recv(), '');
      closeAll(server, client);
    });

    test('options: broadcast, TTL, buffer sizes', () => {
      const rig = get();
      const s = Sock.dgram(rig, rig.a);
      for (const [level, opt, value] of [
        [abi.SOL_SOCKET, abi.SO_BROADCAST, 1], [abi.SOL_SOCKET, abi.SO_REUSEADDR, 1],
        [inet.IPPROTO_IP, inet.IP_TTL, 33], [abi.SOL_SOCKET, abi.SO_RCVBUF, 40_000],
      ] as const) {
        must(s.setopt(level, opt, value), `set ${level}/${opt}`);
        assert.equal(s.getopt(level, opt), value);
      }
      closeAll(s);
    });
  });
}
