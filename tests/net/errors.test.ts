/**
 * What programs are told when something cannot be: nobody listens, nobody answers, no way there, no memory.
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Kernel } from '../../host/index';
import { errnoName } from '../../host/errtrans';
import { EV_EOF, EVFILT_WRITE } from '../../kernel/abi/event';
import * as abi from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';
import { Lab, poolsInUse } from './lab';
import { labRig } from './labTools';
import { Sock, closeAll, must, told, type SocketRig } from './socketRig';

const DEAD = '10.0.0.99';
const NOWHERE = '192.0.2.1';

describe('connections that cannot be', () => {
  let lab: Lab;
  let rig: SocketRig;
  before(async () => { rig = labRig(lab = await Lab.make()); });
  after(async () => { await lab.close(); });

  /** Connect, wait for the end of it: the error, and how long it took in µs. */
  async function refused(to: { address: string; port: number }): Promise<[string, number]> {
    const began = lab.nowUs;
    const c = Sock.stream(rig, rig.a);
    const r = c.connect(to);
    let error = told(r);
    if (error === 'EINPROGRESS') {
      lab.until(() => ((c.ready(EVFILT_WRITE)?.flags ?? 0) & EV_EOF) !== 0, 'an error', 300_000_000);
      error = errnoName(c.soError());
    }
    closeAll(c);
    return [error, lab.nowUs - began];
  }

  test('a closed port: ECONNREFUSED, at once', async () => {
    const [error, us] = await refused({ address: rig.address(rig.b, 'IPv4')!, port: 81 });
    assert.equal(error, 'ECONNREFUSED');
    assert.ok(us < 10_000, `after ${us} µs`);
  });

  test('a closed port of its own, by loopback and by its address', async () => {
    for (const address of ['127.0.0.1', rig.address(rig.a, 'IPv4')!]) {
      const [error, us] = await refused({ address, port: 81 });
      assert.equal(error, 'ECONNREFUSED');
      assert.ok(us < 10_000, `after ${us} µs`);
    }
  });

  test('a dead host: EHOSTUNREACH or ETIMEDOUT', async (t) => {
    const [error, us] = await refused({ address: DEAD, port: 80 });
    assert.ok(['EHOSTUNREACH', 'ETIMEDOUT'].includes(error), error);
    t.diagnostic(`${error} after ${(us / 1e6).toFixed(1)} s`);
    assert.ok(us <= 80_000_000, `after ${us} µs`);
  });

  test('no route: ENETUNREACH, at once', async () => {
    const [error, us] = await refused({ address: NOWHERE, port: 80 });
    assert.equal(error, 'ENETUNREACH');
    assert.equal(us, 0);
    const s = Sock.dgram(rig, rig.a);
    assert.equal(told(s.sendTo('x', { address: NOWHERE, port: 9 })), 'ENETUNREACH');
    closeAll(s);
  });

  test('a host that dies: ETIMEDOUT for what was sent to it', async () => {
    const [c, s, l] = await Sock.pair(rig);
    rig.b.sysctlSet('net.interfaces', 'virt0 down');
    assert.equal(c.send('anybody there?'), 14);
    lab.until(() => ((c.ready(EVFILT_WRITE)?.flags ?? 0) & EV_EOF) !== 0, 'an error', 3600_000_000);
    assert.match(c.recv(), /^(ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN)$/);
    rig.b.sysctlSet('net.interfaces', 'virt0 up');
    closeAll(c, s, l);
    lab.advance(600_000_000);
  });

  test('broadcast and multicast are nobody to connect to', () => {
    for (const address of ['255.255.255.255', '10.0.0.255', '224.0.0.5']) {
      const c = Sock.stream(rig, rig.a);
      assert.match(told(c.connect({ address, port: 80 })), /^(EAFNOSUPPORT|EADDRNOTAVAIL|EACCES|ENETUNREACH)$/);
      closeAll(c);
    }
    const s = Sock.dgram(rig, rig.a);
    assert.equal(told(s.sendTo('x', { address: '10.0.0.255', port: 9 })), 'EACCES', 'without SO_BROADCAST');
    closeAll(s);
  });
});

describe('full pools', () => {
  let lab: Lab;
  let rig: SocketRig;
  let used: Record<string, number>[];
  before(async () => {
    rig = labRig(lab = await Lab.make());
    used = lab.kernels.map(poolsInUse);
  });
  after(async () => { await lab.close(); });

  /** Make sockets until there are no more; how many, and the error. */
  function exhaust(kernel: Kernel, type: number): [number[], string] {
    const fds: number[] = [];
    for (;;) {
      const fd = kernel.sys.raw(nr.SYS_socket, abi.AF_INET, type, 0);
      if (fd < 0) return [fds, told(fd)];
      fds.push(fd);
    }
  }

  test('control blocks: ENOBUFS, and the others are not affected', async () => {
    const [fds, error] = exhaust(rig.a, abi.SOCK_DGRAM);
    assert.equal(error, 'ENOBUFS');
    const [c, s, l] = await Sock.pair(rig);
    assert.equal(c.send('alive'), 5);
    assert.equal(await s.read(), 'alive');
    closeAll(c, s, l);
    for (const fd of fds) rig.a.sys.close(fd);
  });

  test('sockets: ENOBUFS', () => {
    const [fds, error] = exhaust(rig.a, abi.SOCK_STREAM);
    assert.equal(error, 'ENOBUFS');
    for (const fd of fds) rig.a.sys.close(fd);
  });

  test('mbufs: ENOBUFS for data that nobody reads, while acknowledgements still pass', async () => {
    const l = Sock.listener(rig, rig.b, 1024);
    const socks: Sock[] = [];
    const piece = new Uint8Array(60_000);
    let error = '';
    for (let i = 0; i < 1000 && error !== 'ENOBUFS'; i++) {
      const c = Sock.stream(rig, rig.a);
      assert.equal(told(c.connect(l.name())), 'EINPROGRESS');
      lab.settle();
      socks.push(c, l.accept() as Sock);
      for (let r = c.send(piece); ; r = c.send(piece)) {
        lab.settle();
        if (r < 0) { error = told(r); break; }
      }
    }
    assert.equal(error, 'ENOBUFS');
    // One reader empties its socket: what waits in the send buffer comes after it.
    let got = 0;
    for (let n = socks[1]!.recvRaw(65536); n > 0; n = socks[1]!.recvRaw(65536)) {
      got += n;
      lab.settle();
    }
    assert.ok(got > 65536, `${got} bytes arrived`);
    for (const each of socks) must(each.abort());
    closeAll(l);
  });

  test('and all of it is given back', () => {
    lab.advance(3600_000_000);
    assert.deepEqual(lab.kernels.map(poolsInUse), used);
  });
});
