/**
 * Tables, rules, paths and the cache under real packets: a router between two stations (tests/router/rig.ts).
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { RouteEvent } from '../../host/api/routeEvents';
import { parseRouteAnswer } from '../../host/control/tables';
import { parseCache } from '../../host/cli/routeCache';
import type { Packet, Seen } from '../net/packets';
import { stat } from '../net/lab';
import { datagram, GATEWAY, LEFT, LEFT_GATEWAY, RIGHT, Router, theError } from '../router/rig';

let router: Router;

before(async () => { router = await Router.make({ routes: [`10.5.0.0/16,${GATEWAY}`] }); });
beforeEach(() => {
  router.kernel.sysctlSet('net.route.rules', 'flush');
  for (const rule of ['priority 32766 lookup main', 'priority 32767 lookup default']) router.kernel.sysctlSet('net.route.rules', `add ${rule}`);
  router.pass(2_000_000);
  router.forget();
});
after(() => router.close());

const route = (command: string): void => router.kernel.sysctlSet('net.route.table', command);
const rule = (command: string): void => router.kernel.sysctlSet('net.route.rules', command);
const cacheStat = (name: string): number => stat(router.kernel, 'net.rtcache.stats', name);
const cached = (): ReturnType<typeof parseCache> => parseCache(String(router.kernel.sysctl('net.rtcache.table')));

/** Send from the left; what came out on the right, or went back. */
function through(packet: Partial<Packet>): { right: Seen[]; left: Seen[] } {
  router.left.send(datagram(packet));
  return { right: router.right.take(), left: router.left.take() };
}

describe('policy rules', () => {
  test('a source takes another table, a TOS is prohibited (RFC 1812 §5.2.7.1: code 13), the rest goes as before', () => {
    route(`add 10.5.0.0/16 ${LEFT_GATEWAY} table 100`);
    rule('add from 10.0.0.77 lookup 100');
    rule('add priority 10 iif virt0 tos 0x20 prohibit');
    assert.equal(through({ dst: '10.5.1.1' }).right.length, 1);
    const other = through({ src: '10.0.0.77', dst: '10.5.1.1' });
    assert.deepEqual([other.right.length, other.left.filter(({ dst }) => dst === '10.5.1.1').length], [0, 1], 'back by the left');
    router.forget();
    router.left.send(datagram({ dst: '10.5.1.1', tos: 0x20 }));
    const { type, code } = theError(router.left);
    assert.deepEqual([type, code], [3, 13]);
    rule('del priority 10');
    assert.equal(through({ dst: '10.5.1.1', tos: 0x20 }).right.length, 1);
    route('del 10.5.0.0/16 table 100');
  });

  test('blackhole is silent, unreachable is host unreachable', () => {
    rule('add priority 11 to 10.5.2.0/24 blackhole');
    rule('add priority 12 to 10.5.3.0/24 unreachable');
    assert.deepEqual(through({ dst: '10.5.2.2' }), { right: [], left: [] });
    router.left.send(datagram({ dst: '10.5.3.3' }));
    assert.deepEqual([theError(router.left)].map(({ type, code }) => [type, code]), [[3, 1]]);
  });
});

describe('paths', () => {
  test('share flows by weight, and one flow keeps its own', () => {
    route(`add 10.7.0.0/16 nexthop via ${RIGHT} weight 1 nexthop via ${GATEWAY} weight 3`);
    const gatewayOf = (n: number): string | null => {
      const answer = router.kernel.sysctlAsk('net.route.table', `get 10.7.${n >> 8}.${n & 255} from ${LEFT} iif virt0`);
      return parseRouteAnswer(String(answer)).way.gateway;
    };
    const chosen = Array.from({ length: 800 }, (_, n) => gatewayOf(n));
    const first = chosen.filter((gateway) => gateway === RIGHT).length;
    assert.ok(first > 140 && first < 260, `${first} of 800 by the path of a quarter`);
    assert.equal(chosen.filter((gateway) => gateway === GATEWAY).length, 800 - first);
    assert.deepEqual(Array.from({ length: 800 }, (_, n) => gatewayOf(n)), chosen, 'the same again');
    for (let n = 0; n < 50; n++) assert.equal(through({ dst: `10.7.0.${n}` }).right.length, 1);
    for (const { destination, gateway } of cached()) {
      if (destination.startsWith('10.7.0.')) assert.equal(gateway, chosen[Number(destination.slice(7))], 'packets go where route get says');
    }
    route('del 10.7.0.0/16');
  });
});

describe('the cache', () => {
  test('knows a flow after its first packet, and forgets it when a route changes', () => {
    route('change 10.5.0.0/16 ' + GATEWAY);
    const [hits, slow] = [cacheStat('in_hit'), cacheStat('in_slow_tot')];
    for (let i = 0; i < 5; i++) assert.equal(through({ dst: '10.5.9.9' }).right.length, 1);
    assert.deepEqual([cacheStat('in_hit') - hits, cacheStat('in_slow_tot') - slow], [4, 1]);
    const entry = cached().find(({ destination }) => destination === '10.5.9.9');
    assert.deepEqual([entry?.source, entry?.iif, entry?.gateway, entry?.interface, entry?.used], [LEFT, 'virt0', GATEWAY, 'virt1', 5]);
    route('add 10.5.9.0/24 blackhole');
    assert.deepEqual(cached(), []);
    assert.deepEqual(through({ dst: '10.5.9.9' }), { right: [], left: [] });
    route('del 10.5.9.0/24');
    assert.equal(through({ dst: '10.5.9.9' }).right.length, 1);
  });

  test('has nothing of what was not forwarded, and counts why', () => {
    const before = ['in_no_route', 'in_brd', 'in_martian_src', 'in_martian_dst'].map(cacheStat);
    const entries = cached().length;
    through({ dst: '172.20.0.1' });
    through({ dst: '10.0.1.255' });
    through({ src: '240.0.0.1' });
    through({ dst: '250.0.0.1' });
    const now = ['in_no_route', 'in_brd', 'in_martian_src', 'in_martian_dst'].map(cacheStat);
    assert.deepEqual(now.map((value, i) => value - before[i]!), [1, 1, 1, 1]);
    assert.equal(cached().length, entries);
  });
});

test('a listener of the host is told of changes', () => {
  const events: RouteEvent[] = [];
  const listener = router.kernel.routeEvents((event) => events.push(event));
  route(`add 10.9.0.0/16 ${GATEWAY} mtu 1400`);
  router.kernel.sysctlSet('net.interfaces', 'virt1 add 10.0.2.1/24');
  route('del 10.9.0.0/16');
  router.settle();
  const short = events.map(({ type, destination, gateway, address }) => [type, destination, gateway, address].filter((word) => word !== undefined).join(' '));
  assert.deepEqual(short, [
    `add 10.9.0.0/16 ${GATEWAY} 10.0.1.1`, 'address 10.0.2.1/24', 'add 10.0.2.1/32 10.0.2.1', 'add 10.0.2.0/24 10.0.2.1', 'add 10.0.2.255/32 10.0.2.1',
    'delete 10.9.0.0/16 10.0.1.201 10.0.1.1',
  ]);
  listener.stop();
  route(`add 10.9.0.0/16 ${RIGHT}`);
  router.settle();
  assert.equal(events.length, 6);
  route('del 10.9.0.0/16');
});
