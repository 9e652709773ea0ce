/** The socket suite: kqueue, options, flags of recv, vectors, exhaustion. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EV_ADD, EV_CLEAR, EV_DELETE, EV_EOF, EVFILT_READ, EVFILT_WRITE, NOTE_LOWAT } from '../../kernel/abi/event';
import * as inet from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';
import { Sock, closeAll, must, told, type SocketRig } from './socketRig';

export function eventTests(get: () => SocketRig): void {
  describe('events, options, flags', () => {
    test('EVFILT_READ: level-triggered, data = bytes; not ready when all is read', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      assert.equal(s.ready(EVFILT_READ), undefined);
      assert.equal(s.recv(), 'EAGAIN');
      c.send('12345678');
      assert.equal((await s.event(EVFILT_READ)).data, 8);
      assert.equal(s.recv(3), '123');
      assert.equal(s.ready(EVFILT_READ)?.data, 5);
      assert.equal(s.available(), 5);
      assert.equal(s.recv(5), '45678');
      assert.equal(s.ready(EVFILT_READ), undefined);
      assert.equal(s.available(), 0);
      assert.equal(s.recv(), 'EAGAIN');
      closeAll(c, s, l);
    });

    test('EV_CLEAR: one event for each arrival', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      const { sys } = s.kernel;
      const kq = sys.kqueue();
      sys.kevent(kq, [{ ident: s.fd, filter: EVFILT_READ, flags: EV_ADD | EV_CLEAR }]);
      const next = async (): Promise<number> => {
        let data = -1;
        await rig.until(() => {
          const [e] = sys.kevent(kq, [], 1);
          if (e) data = e.data;
          return e !== undefined;
        }, 'an event');
        return data;
      };
      c.send('abc');
      assert.equal(await next(), 3);
      await rig.pause(20);
      assert.equal(sys.kevent(kq, [], 1).length, 0);
      c.send('de');
      assert.equal(await next(), 5);
      assert.equal(s.recv(), 'abcde');
      sys.kevent(kq, [{ ident: s.fd, filter: EVFILT_READ, flags: EV_DELETE }]);
      c.send('f');
      await rig.pause(20);
      assert.equal(sys.kevent(kq, [], 1).length, 0);
      sys.close(kq);
      closeAll(c, s, l);
    });

    test('NOTE_LOWAT waits for enough', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      const { sys } = s.kernel;
      const kq = sys.kqueue();
      sys.kevent(kq, [{ ident: s.fd, filter: EVFILT_READ, flags: EV_ADD, fflags: NOTE_LOWAT, data: 6 }]);
      c.send('12345');
      await s.event(EVFILT_READ);
      assert.equal(sys.kevent(kq, [], 1).length, 0);
      c.send('67');
      await rig.until(() => sys.kevent(kq, [], 1).length === 1, 'seven bytes');
      sys.close(kq);
      closeAll(c, s, l);
    });

    test('EVFILT_WRITE: ready when connected, not when full, again when there is room', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      assert.ok(c.ready(EVFILT_WRITE)!.data > 0);
      const chunk = new Uint8Array(65536);
      let sent = 0;
      let idle = 0;
      await rig.until(() => {
        const r = c.send(chunk);
        if (r > 0) { sent += r; idle = 0; } else { assert.equal(told(r), 'EAGAIN'); idle++; }
        return idle > 20;
      }, 'full buffers');
      await rig.pause(100);
      while (c.send(chunk) > 0) sent += chunk.length;
      assert.equal(c.ready(EVFILT_WRITE), undefined);
      assert.ok(sent < rig.buffered, `${sent} bytes are under way`);
      let got = 0;
      await rig.until(() => {
        const n = s.recvRaw(200_000);
        if (n > 0) got += n;
        return c.ready(EVFILT_WRITE) !== undefined;
      }, 'room to write');
      assert.ok(got > 0);
      assert.ok(c.send('x') === 1);
      closeAll(c, s, l);
    });

    test('a listener: data = connections waiting; EAGAIN when there is none', async () => {
      const rig = get();
      const l = Sock.listener(rig, rig.b, 8);
      assert.equal(told(l.accept() as number), 'EAGAIN');
      assert.equal(l.ready(EVFILT_READ), undefined);
      const clients: Sock[] = [];
      for (let i = 0; i < 3; i++) clients.push(await Sock.stream(rig, rig.a).connected(l.name()));
      await l.event(EVFILT_READ, (e) => e.data === 3);
      const servers: Sock[] = [];
      for (let i = 0; i < 3; i++) servers.push(await l.accepted());
      assert.deepEqual(servers.map((s) => s.peer().port).sort(), clients.map((c) => c.name().port).sort());
      assert.equal(l.ready(EVFILT_READ), undefined);
      closeAll(...clients, ...servers, l);
    });

    test('the end wakes a reader and a writer', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      closeAll(s);
      const e = await c.event(EVFILT_READ, (k) => (k.flags & EV_EOF) !== 0);
      assert.equal(e.data, 0);
      assert.equal(c.recv(), '');
      closeAll(c, l);
    });

    test('MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      c.send('abcdef');
      await s.event(EVFILT_READ, (e) => e.data === 6);
      assert.equal(s.recv(4, abi.MSG_PEEK), 'abcd');
      assert.equal(s.recv(4, abi.MSG_PEEK | abi.MSG_DONTWAIT), 'abcd');
      assert.equal(s.recv(8, abi.MSG_WAITALL), 'EAGAIN');
      assert.equal(s.available(), 6);
      c.send('gh');
      await rig.until(() => s.available() === 8, 'all');
      assert.equal(s.recv(8, abi.MSG_WAITALL), 'abcdefgh');
      c.send('ij');
      must(c.shutdown(abi.SHUT_WR));
      await s.event(EVFILT_READ, (k) => (k.flags & EV_EOF) !== 0);
      assert.equal(s.recv(8, abi.MSG_WAITALL), 'ij');
      closeAll(c, s, l);
    });

    test('sendmsg gathers, recvmsg scatters', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      const build = (kernel: SocketRig['a'], spans: readonly (readonly [number, number])[]): number => {
        const { sys } = kernel;
        const hdr = sys.data;
        const iov = hdr + 64;
        spans.forEach(([at, len], i) => {
          sys.dv.setUint32(iov + i * 8, sys.data + at, true);
          sys.dv.setUint32(iov + i * 8 + 4, len, true);
        });
        sys.u8.fill(0, hdr, hdr + abi.MSGHDR_SIZE);
        sys.dv.setUint32(hdr + abi.MSGHDR_IOV, iov, true);
        sys.dv.setUint32(hdr + abi.MSGHDR_IOVLEN, spans.length, true);
        return hdr;
      };
      c.kernel.sys.u8.set(Buffer.from('worldhello '), c.kernel.sys.data + 1000);
      const out = build(c.kernel, [[1005, 6], [1000, 0], [1000, 5]]);
      assert.equal(c.kernel.sys.raw(nr.SYS_sendmsg, c.fd, out, 0), 11);
      await s.event(EVFILT_READ, (e) => e.data === 11);
      const into = build(s.kernel, [[2000, 4], [3000, 100]]);
      assert.equal(s.kernel.sys.raw(nr.SYS_recvmsg, s.fd, into, 0), 11);
      const at = s.kernel.sys.data;
      assert.equal(Buffer.from(s.kernel.sys.u8.subarray(at + 2000, at + 2004)).toString(), 'hell');
      assert.equal(Buffer.from(s.kernel.sys.u8.subarray(at + 3000, at + 3007)).toString(), 'o world');
      assert.equal(told(s.kernel.sys.raw(nr.SYS_recvmsg, s.fd, -100, 0)), 'EFAULT');
      closeAll(c, s, l);
    });

    test('options of a stream', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      for (const [level, opt, value] of [
        [inet.IPPROTO_TCP, inet.TCP_NODELAY, 1], [abi.SOL_SOCKET, abi.SO_KEEPALIVE, 1],
        [inet.IPPROTO_TCP, inet.TCP_KEEPIDLE, 45], [abi.SOL_SOCKET, abi.SO_RCVBUF, 50_000],
        [abi.SOL_SOCKET, abi.SO_SNDBUF, 60_000], [abi.SOL_SOCKET, abi.SO_REUSEADDR, 1],
      ] as const) {
        must(c.setopt(level, opt, value), `set ${level}/${opt}`);
        assert.equal(c.getopt(level, opt), value, `get ${level}/${opt}`);
      }
      assert.equal(c.getopt(abi.SOL_SOCKET, abi.SO_TYPE), abi.SOCK_STREAM);
      assert.equal(l.getopt(abi.SOL_SOCKET, abi.SO_ACCEPTCONN), 1);
      assert.equal(c.getopt(abi.SOL_SOCKET, abi.SO_ACCEPTCONN), 0);
      assert.equal(told(c.setopt(abi.SOL_SOCKET, 0x7ff0, 1)), 'ENOPROTOOPT');
      assert.equal(told(c.setopt(inet.IPPROTO_TCP, 0x7ff0, 1)), 'ENOPROTOOPT');
      assert.equal(told(c.setopt(abi.SOL_SOCKET, abi.SO_RCVBUF, 0)), 'EINVAL');
      closeAll(c, s, l);
    });

    test('socket(2) and socketpair(2) refuse what there is not', () => {
      const { sys } = get().a;
      const socket = (domain: number, type: number, proto: number): string => told(sys.raw(nr.SYS_socket, domain, type, proto));
      assert.equal(socket(99, abi.SOCK_STREAM, 0), 'EAFNOSUPPORT');
      assert.equal(socket(abi.AF_INET, abi.SOCK_STREAM, inet.IPPROTO_UDP), 'EPROTOTYPE');
      assert.equal(socket(abi.AF_INET, abi.SOCK_STREAM, 250), 'EPROTONOSUPPORT');
      assert.equal(told(sys.raw(nr.SYS_socketpair, abi.AF_INET, abi.SOCK_STREAM, 0, sys.data)), 'EOPNOTSUPP');
    });

    test('when sockets run out it says so, and all is well afterwards', async () => {
      const rig = get();
      const socks: Sock[] = [];
      let r = 0;
      for (let i = 0; i < 100_000; i++) {
        r = rig.a.sys.raw(nr.SYS_socket, abi.AF_INET, abi.SOCK_STREAM, 0);
        if (r < 0) break;
        socks.push(new Sock(rig, rig.a, r, 'IPv4'));
      }
      assert.ok(['EMFILE', 'ENFILE', 'ENOBUFS'].includes(told(r)), told(r));
      closeAll(...socks);
      const [c, s, l] = await Sock.pair(rig);
      closeAll(c, s, l);
    });
  });
}
