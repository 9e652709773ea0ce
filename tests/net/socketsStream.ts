/** The socket suite, streams: connections, their ends, their errors. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ECONNRESET } from '../../kernel/abi/errno';
import { EV_EOF, EVFILT_READ, EVFILT_WRITE } from '../../kernel/abi/event';
import * as abi from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';
import { errnoName } from '../../host/errtrans';
import { Sock, closeAll, must, told, type Family, type SocketRig } from './socketRig';

export function streamTests(get: () => SocketRig, families: readonly Family[]): void {
  describe('streams', () => {
    for (const family of families) {
      test(`echo over ${family}; both ends know each other's names`, async () => {
        const rig = get();
        const [c, s, l] = await Sock.pair(rig, family);
        assert.equal(c.send('hello'), 5);
        assert.equal(await s.read(), 'hello');
        assert.equal(s.send('hello yourself'), 14);
        assert.equal(await c.read(), 'hello yourself');
        assert.deepEqual(c.peer(), l.name());
        assert.deepEqual(s.peer(), c.name());
        assert.deepEqual(s.name(), l.name());
        closeAll(c, s, l);
      });
    }

    test('a closed port refuses', async () => {
      const rig = get();
      const l = Sock.listener(rig, rig.b);
      const at = l.name();
      closeAll(l);
      const c = Sock.stream(rig, rig.a);
      assert.ok(['EINPROGRESS', 'ECONNREFUSED'].includes(told(c.connect(at))));
      const e = await c.event(EVFILT_WRITE);
      assert.ok((e.flags & EV_EOF) !== 0);
      assert.equal(errnoName(c.soError()), 'ECONNREFUSED');
      assert.equal(c.soError(), 0, 'SO_ERROR tells once');
      closeAll(c);
    });

    test('a port in use, an address of others, a bad address', () => {
      const rig = get();
      const l = Sock.listener(rig, rig.b);
      const second = Sock.stream(rig, rig.b);
      assert.equal(told(second.bind(l.name().address, l.name().port) || second.listen(1)), 'EADDRINUSE');
      const foreign = Sock.stream(rig, rig.b);
      assert.equal(told(foreign.bind('192.0.2.77', 0)), 'EADDRNOTAVAIL');
      const sys = rig.b.sys;
      const four = Sock.stream(rig, rig.b);
      assert.equal(told(sys.raw(nr.SYS_bind, four.fd, -64, 16)), 'EFAULT');
      assert.equal(told(sys.raw(nr.SYS_bind, four.fd, sys.data, 1)), 'EINVAL');
      sys.u8.fill(0, sys.data, sys.data + 28);
      sys.u8[sys.data + 1] = abi.AF_INET6;
      assert.equal(told(sys.raw(nr.SYS_bind, four.fd, sys.data, 28)), 'EAFNOSUPPORT');
      closeAll(l, second, foreign, four);
    });

    test('what cannot be said of an unconnected socket', () => {
      const rig = get();
      const s = Sock.stream(rig, rig.a);
      assert.equal(s.peerError(), 'ENOTCONN');
      assert.equal(told(s.send('x')), 'ENOTCONN');
      assert.equal(s.recv(), 'ENOTCONN');
      assert.equal(told(s.shutdown(abi.SHUT_WR)), 'ENOTCONN');
      const r = s.accept();
      assert.equal(told(r as number), 'EINVAL');
      closeAll(s);
      assert.equal(told(s.close()), 'EBADF');
    });

    test('connecting twice, listening when connected, connecting a listener', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      assert.equal(told(c.connect(l.name())), 'EISCONN');
      assert.equal(told(c.listen(1)), 'EINVAL');
      assert.equal(told(l.connect(l.name())), 'EOPNOTSUPP');
      assert.equal(told(l.send('x')), 'ENOTCONN');
      assert.equal(l.recv(), 'ENOTCONN');
      closeAll(c, s, l);
    });

    test('half close one way: the other goes on', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      assert.equal(c.send('the request'), 11);
      must(c.shutdown(abi.SHUT_WR));
      assert.equal(told(c.send('more')), 'EPIPE');
      const e = await s.event(EVFILT_READ, (k) => (k.flags & EV_EOF) !== 0, 'EV_EOF with data');
      assert.equal(e.data, 11);
      assert.equal(e.fflags, 0);
      assert.equal(await s.readAll(), 'the request');
      assert.equal(s.recv(), '', 'the end stays the end');
      assert.equal(s.send('the response'), 12);
      assert.equal(await c.read(), 'the response');
      assert.equal(c.recv(), 'EAGAIN');
      closeAll(s);
      assert.equal(await c.readAll(), '');
      closeAll(c, l);
    });

    test('half close the other way: the server ends first', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      must(s.shutdown(abi.SHUT_WR));
      assert.equal(await c.readAll(), '');
      assert.equal(c.send('still here'), 10);
      assert.equal(await s.read(), 'still here');
      must(c.shutdown(abi.SHUT_WR));
      assert.equal(await s.readAll(), '');
      closeAll(c, s, l);
    });

    test('SHUT_RD: the end for the reader, and the writer can go on', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      assert.equal(c.send('unread'), 6);
      await s.event(EVFILT_READ);
      must(s.shutdown(abi.SHUT_RD));
      assert.equal(s.recv(), '');
      const chunk = new Uint8Array(65536);
      let sent = 0;
      await rig.until(() => {
        const r = c.send(chunk);
        if (r > 0) sent += r;
        else assert.equal(told(r), 'EAGAIN');
        return sent > 2 * rig.buffered;
      }, 'what nobody reads is discarded');
      assert.equal(s.recv(), '');
      assert.equal(s.send('and back'), 8);
      assert.equal(await c.read(), 'and back');
      closeAll(c, s, l);
    });

    test('a reset is ECONNRESET, once, and then the end', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      must(s.abort());
      const e = await c.event(EVFILT_READ, (k) => (k.flags & EV_EOF) !== 0);
      assert.equal(e.fflags, ECONNRESET);
      assert.equal(c.recv(), 'ECONNRESET');
      assert.equal(c.recv(), '');
      assert.equal(told(c.send('x')), 'EPIPE');
      assert.equal(c.peerError(), 'ENOTCONN');
      closeAll(c, l);
    });

    test('a reset as a writer sees it', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      must(s.abort());
      await c.event(EVFILT_WRITE, (k) => (k.flags & EV_EOF) !== 0);
      assert.equal(told(c.send('x')), 'ECONNRESET');
      assert.equal(told(c.send('x')), 'EPIPE');
      assert.equal(c.soError(), 0);
      closeAll(c, l);
    });

    test('a listener that is closed lets go of its port; its queue is reset', async () => {
      const rig = get();
      const l = Sock.listener(rig, rig.b);
      const at = l.name();
      const c = Sock.stream(rig, rig.a);
      await c.connected(at);
      await l.event(EVFILT_READ);
      closeAll(l);
      await c.event(EVFILT_READ, (k) => (k.flags & EV_EOF) !== 0);
      assert.match(c.recv(), /^(ECONNRESET)?$/);
      closeAll(c);
      const again = Sock.stream(rig, rig.b);
      must(again.setopt(abi.SOL_SOCKET, abi.SO_REUSEADDR, 1));
      must(again.bind(at.address, at.port), 'bind again');
      must(again.listen(1));
      const d = await Sock.stream(rig, rig.a).connected(at);
      const s = await again.accepted();
      closeAll(again, d, s);
    });

    test('closing while connecting leaves nothing behind', async () => {
      const rig = get();
      const l = Sock.listener(rig, rig.b);
      for (let i = 0; i < 20; i++) {
        const c = Sock.stream(rig, rig.a);
        c.connect(l.name());
        if (i % 2 === 0) must(c.abort());
        else closeAll(c);
      }
      await rig.pause(50);
      const c = await Sock.stream(rig, rig.a).connected(l.name());
      assert.equal(c.send('alive'), 5);
      let served = '';
      await rig.until(() => {
        const s = l.accept();
        if (typeof s === 'number') return served === 'alive';
        const got = s.recv();
        served = got === 'alive' ? got : served;
        if (got === 'EAGAIN') served = 'alive'; // accepted before its data came: it is the living one
        closeAll(s);
        return served === 'alive';
      }, 'the connection that was not closed');
      closeAll(c, l);
    });

    test('everything that was sent arrives before the end', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      const line = 'x'.repeat(1000);
      let sent = 0;
      await rig.until(() => {
        const r = s.send(line);
        if (r > 0) sent += r;
        return sent >= 100_000;
      }, 'sent');
      closeAll(s);
      assert.equal((await c.readAll()).length, sent);
      closeAll(c, l);
    });
  });
}
