/**
 * The rules of forwarding, each by its clause in RFC 1812, 1122 or 791, with packets made by hand.
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { checksum } from '../../host/api/icmp';
import { BROADCAST_MAC, type Packet, type Seen } from '../net/packets';
import { datagram, GATEWAY, icmpOf, LEFT, LEFT_GATEWAY, RIGHT, Router, theError } from './rig';

let router: Router;
const ROUTES = [`10.5.0.0/16,${GATEWAY}`, `10.6.0.0/16,${LEFT_GATEWAY}`];

before(async () => { router = await Router.make({ routes: ROUTES, mtu: 1280 }); });
beforeEach(() => {
  router.pass(2_000_000);
  router.forget();
});
after(() => router.close());

/** Send from the left; what came out on the right. */
function through(packet: Partial<Packet> & { size?: number } = {}, to?: string): Seen[] {
  router.left.send(datagram(packet), to);
  return router.right.take();
}

function goes(packet: Partial<Packet> & { size?: number }): Seen {
  const [seen, ...more] = through(packet);
  assert.ok(seen !== undefined && more.length === 0, 'forwarded once');
  return seen;
}

/** It goes nowhere, and nobody is told. */
function silent(packet: Partial<Packet>, to?: string): void {
  assert.deepEqual([through(packet, to), router.left.take()], [[], []]);
}

const header = (seen: Seen): Buffer => seen.frame.subarray(14, 14 + (seen.frame[14]! & 15) * 4);

describe('a packet on its way (RFC 1812 §5.2, §5.3)', () => {
  test('§5.3.1: TTL is less by one, the header checksum follows, nothing else changes', () => {
    for (let id = 1; id < 2000; id += 37) {
      const sent = datagram({ ttl: 2 + id % 250, id, tos: id & 0xff, df: id % 2 === 0 });
      const seen = goes(sent);
      assert.equal(checksum(header(seen)), 0);
      assert.deepEqual([seen.ttl, seen.id, seen.tos, seen.df, seen.src, seen.dst], [sent.ttl! - 1, id, sent.tos, sent.df, LEFT, RIGHT]);
      assert.deepEqual(Buffer.from(seen.payload), Buffer.from(sent.payload));
      router.pass(1000);
    }
  });

  test('§5.3.1: the header checksum is updated, not made anew: damage within the router stays visible (RFC 1624)', () => {
    const sent = datagram({ ttl: 9, id: 0xffff });
    const seen = goes(sent);
    assert.equal(checksum(header(seen)), 0);
    assert.notEqual(header(seen).readUInt16BE(10), 0xffff);
  });

  test('§5.2.4.3: through a gateway it goes to the gateway, addressed as before', () => {
    assert.equal(goes({ dst: '10.5.1.2' }).dst, '10.5.1.2');
  });

  test('§5.3.1: TTL 1 and 0 end here: time exceeded in transit, with the packet as it came', () => {
    for (const ttl of [1, 0]) {
      assert.deepEqual(through({ ttl, tos: 0x10 }), []);
      const { type, code, src, dst, quote, tos } = theError(router.left);
      assert.deepEqual([type, code, src, dst], [11, 0, '10.0.0.1', LEFT]);
      assert.equal(quote[8], ttl);
      // §4.3.2.3: as much of it as fits 576 bytes; §4.3.2.5: its TOS, precedence 6.
      assert.equal(quote.length, 20 + 8 + 32);
      assert.equal(tos, 0xd0);
    }
  });

  test('§5.3.1: what is for the router itself is taken whatever its TTL', () => {
    const echo = Buffer.from([8, 0, 0, 0, 0, 1, 0, 1]);
    echo.writeUInt16BE(checksum(echo), 2);
    router.left.send({ src: LEFT, dst: '10.0.1.1', proto: 1, payload: echo, ttl: 1 });
    const { type, src } = theError(router.left);
    assert.deepEqual([type, src], [0, '10.0.1.1']);
  });

  test('§4.3.2.7: no error about an ICMP error, a later fragment, a source that is no host', () => {
    const unreach = Buffer.alloc(36);
    unreach[0] = 3;
    unreach.writeUInt16BE(checksum(unreach), 2);
    silent({ ttl: 1, proto: 1, payload: unreach });
    silent({ ttl: 1, offset: 800 });
    silent({ ttl: 1, src: '0.1.2.3' });
  });

  test('RFC 1122 §3.3.1: without forwarding it is dropped without a word', () => {
    router.kernel.sysctl('net.inet.ip.forwarding', 0);
    silent({});
    silent({ ttl: 1 });
    router.kernel.sysctl('net.inet.ip.forwarding', 1);
    goes({});
  });
});

describe('no way to go (RFC 1812 §5.2.7.1)', () => {
  test('no route: network unreachable, before TTL is looked at (§5.2.1.2)', () => {
    for (const ttl of [64, 1]) {
      assert.deepEqual(through({ dst: '172.16.1.1', ttl }), []);
      const { type, code, src } = theError(router.left);
      assert.deepEqual([type, code, src], [3, 0, '10.0.0.1']);
    }
  });

  test('routes that answer for themselves: reject says host unreachable, prohibit administratively prohibited, blackhole nothing', () => {
    router.kernel.sysctl('net.route.table', 'add 10.7.0.0/16 reject');
    router.kernel.sysctl('net.route.table', 'add 10.8.0.0/16 blackhole');
    router.kernel.sysctl('net.route.table', 'add 10.9.0.0/16 prohibit');
    assert.deepEqual(through({ dst: '10.7.1.1' }), []);
    const { type, code } = theError(router.left);
    assert.deepEqual([type, code], [3, 1]);
    assert.deepEqual(through({ dst: '10.9.1.1' }), []);
    assert.equal(theError(router.left).code, 13);
    silent({ dst: '10.8.1.1' });
  });

  test('nobody answers at the next hop: host unreachable for each that waited; then at once', () => {
    router.left.send(datagram({ dst: '10.0.1.77' }));
    router.pass(7_000_000);
    const first = theError(router.left);
    assert.deepEqual([first.type, first.code, first.src], [3, 1, '10.0.0.1']);
    router.left.send(datagram({ dst: '10.0.1.77' }));
    const again = theError(router.left);
    assert.deepEqual([again.type, again.code], [3, 1]);
    assert.equal(again.quote[8], 64, 'as it came');
  });

  test('§4.3.2.8: no more errors than net.inet.icmp.errppslimit a second', () => {
    for (let i = 0; i < 500; i++) router.left.send(datagram({ dst: '172.16.1.1', id: i }));
    const told = icmpOf(router.left.take()).length;
    assert.ok(told >= 40 && told <= 100, `${told}`);
    assert.ok(router.icmp('outlimited') >= 400);
  });
});

describe('broadcast and multicast', () => {
  test('§5.3.4: what was broadcast or multicast on the link', () => {
    silent({}, BROADCAST_MAC);
    silent({}, '01:00:5e:00:00:01');
  });
  test('§5.3.5, RFC 2644: directed broadcasts, ones and zeroes', () => {
    silent({ dst: '10.0.1.255' });
    silent({ dst: '10.0.1.0' });
    silent({ dst: '255.255.255.255' });
  });
  test('multicast: this is no multicast router', () => {
    silent({ dst: '239.1.1.1' }, '01:00:5e:01:01:01');
    silent({ dst: '239.1.1.1' });
  });
});

describe('martians (RFC 1812 §5.3.7, RFC 6890)', () => {
  test('sources that nobody can have', () => {
    for (const src of ['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.9.9.9', '169.254.3.4', '224.0.0.1', '240.0.0.1', '255.255.255.255', '10.0.0.255', '10.0.0.1', '10.0.1.1']) silent({ src });
  });
  test('destinations that nobody can reach', () => {
    for (const dst of ['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.1.2.3', '169.254.3.4', '240.0.0.1', '250.1.1.1']) silent({ dst });
  });
  test('blocks that RFC 6890 does not forward, when net.inet.ip.martians = 2', () => {
    const blocks = ['192.0.0.8', '192.0.2.1', '198.51.100.1', '203.0.113.9'];
    for (const src of blocks) goes({ src });
    router.kernel.sysctl('net.inet.ip.martians', 2);
    for (const src of blocks) silent({ src });
    for (const src of ['192.0.0.1', '198.18.0.1', '100.64.1.1', '192.168.1.1', '172.16.0.1']) goes({ src });
    router.kernel.sysctl('net.inet.ip.martians', 1);
  });
});

describe('the reverse-path filter (RFC 1812 §5.3.8, RFC 3704)', () => {
  const set = (how: string, value: number): void => {
    router.kernel.sysctl('net.inet.ip.interfaces', `virt0 rp_filter ${how}`);
    router.kernel.sysctl('net.inet.ip.rp_filter', value);
  };
  test('off by default: any source goes', () => { goes({ src: '10.5.9.9' }); goes({ src: '172.16.9.9' }); });
  for (const [what, how, value] of [['the interface', 'strict', 0], ['all', 'off', 1]] as const) {
    test(`strict, for ${what}: only from where the way back leads`, () => {
      set(how, value);
      silent({ src: '10.5.9.9' });
      silent({ src: '172.16.9.9' });
      silent({ src: RIGHT });
      goes({ src: '10.6.9.9' });
      goes({});
      set('off', 0);
      goes({ src: '10.5.9.9' });
    });
  }
  test('loose: from anywhere that there is a way to', () => {
    set('loose', 0);
    goes({ src: '10.5.9.9' });
    silent({ src: '172.16.9.9' });
    set('off', 0);
  });
});

describe('redirects (RFC 1812 §5.2.7.2)', () => {
  test('to a host that could have gone straight to the gateway; the packet goes on', () => {
    router.left.send(datagram({ dst: '10.6.0.1', ttl: 9 }));
    const seen = router.left.take();
    assert.equal(seen.filter((p) => p.dst === '10.6.0.1' && p.ttl === 8).length, 1, 'forwarded');
    const { type, code, src, rest, quote } = icmpOf(seen)[0]!;
    assert.deepEqual([type, code, src, [...rest].join('.'), quote[8]], [5, 1, '10.0.0.1', LEFT_GATEWAY, 9]);
  });

  test('20 ms, then twice that and so on, nine in all; anew after 20 s of silence', () => {
    const told = (us: number): number => {
      router.pass(us);
      router.left.send(datagram({ dst: '10.6.0.2' }));
      return icmpOf(router.left.take()).length;
    };
    assert.deepEqual([told(0), told(1000), told(18_000), told(2000), told(20_000), told(21_000)], [1, 0, 0, 1, 0, 1]);
    let more = 0;
    for (let i = 0; i < 200; i++) more += told(100_000);
    assert.equal(more, 6);
    assert.deepEqual([told(10_000_000), told(21_000_000)], [0, 1]);
  });

  test('not to a host of another network, nor with net.inet.ip.redirect = 0, nor if the interface is set so', () => {
    const told = (src: string): number => {
      router.left.send(datagram({ src, dst: '10.6.0.3' }));
      return icmpOf(router.left.take()).length;
    };
    assert.equal(told('10.5.1.1'), 0);
    router.kernel.sysctl('net.inet.ip.redirect', 0);
    assert.equal(told(LEFT), 0);
    router.kernel.sysctl('net.inet.ip.redirect', 1);
    router.kernel.sysctl('net.inet.ip.interfaces', 'virt0 redirects off');
    assert.equal(told(LEFT), 0);
    router.kernel.sysctl('net.inet.ip.interfaces', 'virt0 redirects on');
    assert.equal(told(LEFT), 1);
  });
});

describe('size (RFC 1812 §5.2.6, RFC 1191)', () => {
  test('larger than the next link takes: fragments, each with its own checksum', () => {
    const fragments = through({ size: 1400, id: 77 });
    assert.deepEqual(fragments.map((f) => [f.offset, f.payload.length, f.more, f.id]), [[0, 1256, true, 77], [1256, 152, false, 77]]);
    for (const f of fragments) assert.equal(checksum(header(f)), 0);
    assert.deepEqual(Buffer.concat(fragments.map((f) => f.payload)), datagram({ size: 1400 }).payload);
  });

  test('RFC 791 §3.2: a fragment is cut further, and the last keeps saying that more follow', () => {
    const fragments = through({ size: 1392, offset: 8000, more: true });
    assert.deepEqual(fragments.map((f) => [f.offset, f.payload.length, f.more]), [[8000, 1256, true], [9256, 144, true]]);
  });

  test('RFC 1191 §4: with DF, "fragmentation needed" and the MTU of the next hop', () => {
    assert.deepEqual(through({ size: 1400, df: true }), []);
    const { type, code, rest } = theError(router.left);
    assert.deepEqual([type, code, rest.readUInt16BE(2)], [3, 4, 1280]);
    goes({ size: 1252, df: true });
    assert.deepEqual(through({ size: 1253, df: true }), []);
  });

  test('RFC 791 §3.1: options without the copied flag are in the first fragment only', () => {
    const options = Uint8Array.from([7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0]);
    const [a, b] = through({ size: 1400, options });
    assert.deepEqual([a!.options!.length, [...b!.options!]], [12, [0x94, 4, 0, 0]]);
  });
});

test('counters: by interface and by protocol', () => {
  const line = (name: string): Record<string, string> => {
    const words = String(router.kernel.sysctl('net.inet.ip.interfaces')).split('\n').find((l) => l.startsWith(name))!.split(' ');
    return Object.fromEntries(words.slice(1).flatMap((word, i, all) => (i % 2 === 0 ? [[word, all[i + 1]!]] : [])));
  };
  const [before0, before1, forward] = [line('virt0'), line('virt1'), router.ip('forward')];
  for (let i = 0; i < 5; i++) goes({});
  silent({ src: '127.0.0.1' });
  const [after0, after1] = [line('virt0'), line('virt1')];
  const grew = (a: Record<string, string>, b: Record<string, string>, key: string): number => Number(b[key]) - Number(a[key]);
  assert.deepEqual([grew(before0, after0, 'received'), grew(before0, after0, 'forwarded'), grew(before1, after1, 'sent'), grew(before0, after0, 'martians')], [6, 5, 5, 1]);
  assert.equal(router.ip('forward') - forward, 5);
});
