/**
 * Vestigial TIME-WAIT between two images: what the pools hold, what a client may reuse, what bind(2) meets.
 *
 * @timeout 240
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EADDRINUSE, EADDRNOTAVAIL } from '../../kernel/abi/errno';
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../kernel/abi/socket';
import { SYS_accept, SYS_close, SYS_listen } from '../../kernel/abi/syscall';
import { churn, makePair, type Pair, value } from './churn';

async function withPair(options: Parameters<typeof makePair>[0], body: (two: Pair) => Promise<void>): Promise<void> {
  const two = await makePair(options);
  try {
    await body(two);
  } finally {
    await two.close();
  }
}

/** In use now of pool `name`. */
function inUse(two: Pair, name: string): number {
  const line = String(two.server.sysctl('kern.pools')).split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.split(' ')[3]);
}

test('a server that closes first keeps vestiges, not sockets nor control blocks', async () => {
  await withPair({}, async (two) => {
    const result = await churn(two, 3000);
    assert.equal(result.made, 3000);
    assert.equal(result.lost, 0);
    assert.equal(value(two.server, 'vtw.live'), 3000);
    assert.equal(value(two.server, 'timewait'), 0);
    assert.ok(inUse(two, 'tcpcb') <= 1, `${inUse(two, 'tcpcb')} control blocks are left`);
    assert.equal(value(two.client, 'vtw.live'), 0, 'the passive side has none');
  });
});

test('with vestiges off control blocks wait, and behave the same', async () => {
  await withPair({ sysctl: { 'net.inet.tcp.vtw.enable': 0 } }, async (two) => {
    const result = await churn(two, 2000);
    assert.equal(result.lost, 0);
    assert.equal(value(two.server, 'vtw.live'), 0);
    assert.equal(value(two.server, 'timewait'), 2000);
  });
});


test('TIME-WAIT lasts as long as the class says, vestiges on or off', async () => {
  for (const enable of [1, 0]) {
    await withPair({ sysctl: { 'net.inet.tcp.vtw.enable': enable, 'net.inet.tcp.mslt.local': 1 } }, async (two) => {
      await churn(two, 100);
      const waiting = (): number => value(two.server, 'vtw.live') + value(two.server, 'timewait');
      assert.equal(waiting(), 100);
      await new Promise((done) => { setTimeout(done, 1300); });
      assert.equal(waiting(), 0, 'gone after 2 × 1 slow tick');
    });
  }
});

test('RFC 6191: 200,000 connections back to back to one server, the client closing first', async () => {
  await withPair({}, async (two) => {
    const result = await churn(two, 200_000, { closer: 'client' });
    assert.deepEqual([...result.refused], []);
    assert.equal(result.lost, 0);
    assert.equal(result.made, 200_000);
    assert.ok(value(two.client, 'vtw.reused') > 200_000 - 16_384 - 65_536, 'ports were used again');
    assert.equal(value(two.client, 'vtw.killed'), 0);
    assert.ok(value(two.client, 'vtw.live') <= 16_384);
    const looks = value(two.client, 'vtw.lookups') / 200_000;
    assert.ok(looks < 10, `${looks} look-ups for each connection: free ports are looked for where there are none`);
  });
});

test('without timestamps a 4-tuple in TIME-WAIT is not used again: EADDRNOTAVAIL when all are', async () => {
  const sysctl = { 'net.inet.tcp.rfc1323': 0, 'net.inet.ip.anonportmin': 65_000 };
  for (const enable of [1, 0]) {
    await withPair({ sysctl: { ...sysctl, 'net.inet.tcp.vtw.enable': enable } }, async (two) => {
      const result = await churn(two, 536, { closer: 'client', window: 16 });
      assert.equal(result.lost, 0);
      const fd = two.client.sys.socket(AF_INET, SOCK_STREAM);
      assert.equal(two.client.sys.tryConnect(fd, { family: 'IPv4', address: '10.0.0.2', port: 5001 }), -EADDRNOTAVAIL);
      two.client.sys.raw(SYS_close, fd);
      const other = two.client.sys.socket(AF_INET, SOCK_STREAM);
      assert.notEqual(two.client.sys.tryConnect(other, { family: 'IPv4', address: '10.0.0.3', port: 5001 }), -EADDRNOTAVAIL, 'another peer: the ports are free');
      two.client.sys.raw(SYS_close, other);
    });
  }
});

test('bind meets a connection in TIME-WAIT: EADDRINUSE, unless SO_REUSEADDR, vestiges on or off', async () => {
  for (const enable of [1, 0]) {
    await withPair({ sysctl: { 'net.inet.tcp.vtw.enable': enable } }, async (two) => {
      await churn(two, 10);
      const bind = (reuse: boolean, address: string, port: number): number => {
        const fd = two.server.sys.socket(AF_INET, SOCK_STREAM);
        if (reuse) two.server.sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        try {
          two.server.sys.bind(fd, { family: 'IPv4', address, port });
          return 0;
        } catch (error) {
          return -(error as { errno: number }).errno;
        } finally {
          two.server.sys.raw(SYS_close, fd);
        }
      };
      assert.equal(Math.abs(bind(false, '0.0.0.0', 5001)), EADDRINUSE);
      assert.equal(Math.abs(bind(false, '10.0.0.2', 5001)), EADDRINUSE);
      assert.equal(bind(false, '127.0.0.1', 5001), 0, 'another address');
      assert.equal(bind(true, '0.0.0.0', 5001), 0, 'SO_REUSEADDR: a server starts again');
      assert.equal(bind(false, '0.0.0.0', 5002), 0);
    });
  }
});

test('when all entries are in use the oldest gives way, counted; nothing else is lost', async () => {
  await withPair({ params: { VTW_ENTRIES: 500 } }, async (two) => {
    const result = await churn(two, 2000);
    assert.equal(result.lost, 0);
    assert.equal(value(two.server, 'vtw.entries'), 500);
    assert.equal(value(two.server, 'vtw.live'), 500);
    assert.equal(value(two.server, 'vtw.killed'), 1500);
    assert.equal(value(two.server, 'timewait'), 0);
  });
});

test('a connection with ourselves is of class loopback, whatever the address', async () => {
  await withPair({ sysctl: { 'net.inet.tcp.mslt.loopback': 1 } }, async ({ server }) => {
    const { sys } = server;
    const listener = sys.socket(AF_INET, SOCK_STREAM);
    sys.bind(listener, { family: 'IPv4', address: '0.0.0.0', port: 5001 });
    sys.raw(SYS_listen, listener, 5);
    for (const address of ['127.0.0.1', '10.0.0.2']) {
      const client = sys.socket(AF_INET, SOCK_STREAM);
      sys.tryConnect(client, { family: 'IPv4', address, port: 5001 });
      let accepted = -1;
      for (let i = 0; i < 100 && accepted < 0; i++) {
        await new Promise((done) => { setTimeout(done, 2); });
        accepted = sys.raw(SYS_accept, listener);
      }
      assert.ok(accepted >= 0, `${address} was accepted`);
      sys.raw(SYS_close, client);
      await new Promise((done) => { setTimeout(done, 20); });
      sys.raw(SYS_close, accepted);
      await new Promise((done) => { setTimeout(done, 20); });
      assert.equal(value(server, 'vtw.live'), 1, `${address} is in TIME-WAIT`);
      await new Promise((done) => { setTimeout(done, 1200); });
      assert.equal(value(server, 'vtw.live'), 0, `${address}: over after 2 × 1 slow tick, not after the 10 s of class local`);
    }
  });
});
