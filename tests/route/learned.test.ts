/**
 * What routers tell a host of one destination: path MTU (RFC 1191) and redirects (RFC 1122 §3.2.2.2), by packets.
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checksum } from '../../host/api/icmp';
import { parseRouteAnswer, type RouteWay } from '../../host/control/tables';
import { AF_INET, SOCK_DGRAM } from '../../kernel/abi/socket';
import { GATEWAY, RIGHT, Router } from '../router/rig';

let router: Router;

before(async () => { router = await Router.make({ routes: [`10.5.0.0/16,${GATEWAY}`] }); });
after(() => router.close());

const OURS = '10.0.1.1';

function way(question: string): RouteWay {
  return parseRouteAnswer(String(router.kernel.sysctlAsk('net.route.table', `get ${question}`))).way;
}

/** An ICMP error from `from` about `quoted`, an IP packet of ours; `rest` is the second word of its header. */
function told(from: string, type: number, code: number, rest: Buffer, quoted: Buffer): void {
  const payload = Buffer.concat([Buffer.from([type, code, 0, 0]), rest, quoted.subarray(0, 28)]);
  payload.writeUInt16BE(checksum(payload), 2);
  router.right.send({ src: from, dst: OURS, proto: 1, payload });
}

const quad = (address: string): Buffer => Buffer.from(address.split('.').map(Number));

test('a redirect is believed if that is wanted, from the gateway in use, for what is sent from here', () => {
  const socket = router.kernel.sys.socket(AF_INET, SOCK_DGRAM, 0);
  router.kernel.sys.sendto(socket, Buffer.from('x'), { family: 'IPv4', address: '10.5.9.9', port: 99 });
  router.settle();
  const sent = router.right.take().find(({ dst }) => dst === '10.5.9.9')!.frame.subarray(14);
  told(GATEWAY, 5, 1, quad(RIGHT), sent);
  assert.equal(way('10.5.9.9').gateway, GATEWAY, 'net.inet.icmp.acceptredirects is 0');
  router.kernel.sysctlSet('net.inet.icmp.acceptredirects', 1);
  told(RIGHT, 5, 1, quad(RIGHT), sent);
  assert.equal(way('10.5.9.9').gateway, GATEWAY, 'from another than the gateway');
  told(GATEWAY, 5, 1, quad('10.0.0.200'), sent);
  assert.equal(way('10.5.9.9').gateway, GATEWAY, 'to a neighbour by another interface');
  told(GATEWAY, 5, 1, quad(RIGHT), sent);
  assert.deepEqual([way('10.5.9.9').gateway, way('10.5.9.9').expire], [RIGHT, 300]);
  assert.equal(way('10.5.9.8').gateway, GATEWAY, 'of one destination');
  assert.equal(way('10.5.9.9 from 10.0.0.200 iif virt0').gateway, GATEWAY, 'not for what is forwarded');
  router.pass(301_000_000);
  assert.equal(way('10.5.9.9').gateway, GATEWAY, 'for five minutes');
  router.kernel.sys.close(socket);
});

test('"fragmentation needed" about a connected datagram socket makes smaller packets, for that destination', () => {
  const { sys } = router.kernel;
  const socket = sys.socket(AF_INET, SOCK_DGRAM, 0);
  const peer = { family: 'IPv4', address: '10.5.9.10', port: 99 } as const;
  sys.connect(socket, peer);
  const send = (): number[] => {
    router.right.take();
    sys.send(socket, Buffer.alloc(1400));
    router.settle();
    return router.right.take().filter(({ dst }) => dst === peer.address).map(({ frame }) => frame.readUInt16BE(16));
  };
  assert.deepEqual(send(), [1428]);
  sys.send(socket, Buffer.from('x'));
  router.settle();
  const quoted = Buffer.from(router.right.take().find(({ dst }) => dst === peer.address)!.frame.subarray(14));
  const forged = Buffer.from(quoted);
  forged.writeUInt16BE(1, 20);
  told(GATEWAY, 3, 4, Buffer.from([0, 0, 1280 >> 8, 1280 & 255]), forged);
  assert.deepEqual(send(), [1428], 'about a socket that we have not');
  told(GATEWAY, 3, 4, Buffer.from([0, 0, 1280 >> 8, 1280 & 255]), quoted);
  assert.deepEqual([way(peer.address).mtu, way(peer.address).expire, way('10.5.9.11').mtu], [1280, 600, 1500]);
  const pieces = send();
  assert.equal(pieces.length, 2);
  assert.ok(Math.max(...pieces) <= 1280);
  assert.equal(way(`${peer.address} from 10.0.0.200 iif virt0`).mtu, 1500, 'not for what is forwarded');
  router.pass(601_000_000);
  assert.deepEqual(send(), [1428]);
  sys.close(socket);
});
