/**
 * The sessions under captures/: one for each feature, how it is made, and what tshark may say of it.
 *
 * `expect` are expert messages (severity warning or error) that belong to the scenario: a capture of a
 * zero window has "TCP window full". A message that is not listed fails the test, and so does a listed
 * one that does not come.
 */
import { join } from 'node:path';
import { AF_INET, SOCK_DGRAM } from '../../kernel/abi/socket';
import { IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IPPROTO_IP } from '../../kernel/abi/inet';
import { Flow } from '../../host/sim/flow';
import { World } from '../../host/sim/world';
import { checksum } from '../../tools/drill/wire';
import { type Captured, framed, ofScript, ofWorld } from './capture';
import { dhcpSession } from './dhcpServer';

export interface Session {
  name: string;
  about: string;
  make: (root: string) => Promise<Captured[]>;
  /** Expert messages of severity warning and error, as regular expressions. */
  expect?: readonly RegExp[];
  /** Bytes kept of each frame; all without. */
  snaplen?: number;
}

/** A packet script as a session. */
function script(name: string, about: string, path: string, ...expect: RegExp[]): Session {
  return { name, about, make: (root) => ofScript(root, join(root, 'tests', 'drill', path)), expect };
}

/** Nobody's: tshark takes 7000 for something else's. */
const PORT = 40000;

/** `bytes` from kernel 0 to kernel 1, over TCP, to the end. */
function transfer(world: World, bytes: number): void {
  const server = world.kernels[1]!.sys;
  const listener = server.socket(AF_INET, 1);
  server.bind(listener, { family: 'IPv4', address: '0.0.0.0', port: PORT });
  server.listen(listener, 8);
  let chance = 1;
  const flow = new Flow({ id: 0, from: 0, to: 1, port: PORT, up: bytes, down: 0, lazy: 0 }, world.kernels, () => (chance = (Math.imul(chance, 1664525) + 1013904223) >>> 0));
  flow.start(World.address(1));
  world.until(() => {
    if (flow.server.fd < 0) flow.server.fd = server.tryAccept(listener);
    flow.turn();
    if (flow.error !== '') throw new Error(flow.error);
    return flow.done;
  });
  flow.close();
  world.pass(1_000_000);
}

/** A datagram of 4000 bytes there and back: ARP first, then fragments. */
function fragments(world: World): void {
  const [a, b] = world.kernels.map(({ sys }) => {
    const fd = sys.socket(AF_INET, SOCK_DGRAM);
    sys.bind(fd, { family: 'IPv4', address: '0.0.0.0', port: PORT });
    return { sys, fd };
  }) as [{ sys: (typeof world.kernels)[0]['sys']; fd: number }, { sys: (typeof world.kernels)[0]['sys']; fd: number }];
  a.sys.sendto(a.fd, Uint8Array.from({ length: 4000 }, (_, i) => i), { family: 'IPv4', address: World.address(1), port: PORT });
  world.pass(10_000);
  const { data, address } = b.sys.recvfrom(b.fd);
  b.sys.sendto(b.fd, data, address!);
  world.pass(10_000);
  if (a.sys.recvfrom(a.fd).data.length !== 4000) throw new Error('the datagram is not whole');
}

/** A neighbour that is there, and one that is not. */
function arp(world: World): void {
  const { sys } = world.kernels[0]!;
  const fd = sys.socket(AF_INET, SOCK_DGRAM);
  for (const address of [World.address(1), '10.0.0.99']) {
    sys.sendto(fd, Uint8Array.of(1, 2, 3), { family: 'IPv4', address, port: 9 });
    world.pass(10_000_000);
  }
}

/** Join a group, answer a general query, leave. */
function igmp(world: World): void {
  const { sys } = world.kernels[0]!;
  const fd = sys.socket(AF_INET, SOCK_DGRAM);
  const group = Uint8Array.from([239, 1, 2, 3, 0, 0, 0, 0]);
  sys.setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, group);
  world.pass(15_000_000);
  const query = [0x11, 100, 0, 0, 0, 0, 0, 0];
  const sum = checksum(Uint8Array.from(query));
  query.splice(2, 2, sum >> 8, sum & 255);
  const head = [0x46, 0xc0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, 200, 224, 0, 0, 1, 0x94, 4, 0, 0];
  const headSum = checksum(Uint8Array.from(head));
  head.splice(10, 2, headSum >> 8, headSum & 255);
  const router = world.hub.endpoint(() => undefined);
  router.send(framed(Uint8Array.from([...head, ...query]), [1, 0, 0x5e, 0, 0, 1], [2, 0, 0, 0, 0, 200]));
  world.pass(15_000_000);
  sys.setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, group);
  world.pass(1_000_000);
  router.close();
}

const RESET = /Connection reset \(RST\)/;
const LOST = /Previous segment\(s\) not captured/;
const DSACK = /D-SACK Sequence/;
const OUT_OF_ORDER = /out-of-order segment/;

export const sessions: readonly Session[] = [
  script('handshake-options', 'three-way handshake with MSS, window scale, SACK and timestamps; data', 'ts/active.pkt'),
  script('simultaneous-open', 'two SYNs that cross (RFC 9293 §3.5)', 'handshake/simultaneous-open.pkt'),
  script('simultaneous-close', 'two FINs that cross (RFC 9293 §3.6)', 'close/simultaneous.pkt'),
  script('time-wait-reuse', 'a SYN that reopens a connection in TIME-WAIT (RFC 6191)', 'close/time-wait-new-timestamp.pkt', RESET),
  script('reset', 'a reset at the exact sequence number (RFC 5961 §3.2)', 'rfc5961/rst-exact.pkt', RESET),
  script('challenge-ack', 'a reset inside the window is challenged, the true one believed (RFC 5961 §3.2)', 'rfc5961/rst-challenge-then-true.pkt', RESET),
  script('syn-cookie', 'a connection that nothing was kept of before its ACK (RFC 4987)', 'syncookie/options.pkt', LOST),
  script('sack-receiver', 'three blocks, the newest first (RFC 2018 §4)', 'sack/three-blocks.pkt', LOST),
  script('dsack', 'a duplicate is told, beside other blocks (RFC 2883)', 'dsack/with-other-blocks.pkt', LOST, DSACK, RESET),
  script('fast-retransmit', 'three duplicate ACKs (RFC 5681 §3.2)', 'recovery/fast-retransmit.pkt'),
  script('rack-reordering', 'a segment overtaken is waited for, and not sent again (RFC 8985 §6.2)', 'rack/reordered-in-time.pkt'),
  script('rack-timer', 'a loss found by time alone (RFC 8985 §6.3)', 'rack/reorder-timer.pkt'),
  script('tail-loss-probe', 'the last segment again, in place of a timeout (RFC 8985 §7)', 'tlp/repaired-by-probe.pkt'),
  script('rate-reduction', 'one segment out for some that arrive (RFC 9937)', 'prr/proportional.pkt'),
  script('spurious-timeout', 'a timeout that was none is found out and undone (RFC 5682)', 'frto/spurious.pkt'),
  script('dsack-undo', 'a retransmission that was needless is told, and undone', 'frto/dsack-undo.pkt', DSACK),
  script('ecn', 'negotiated; a mark told, the window reduced, and that told (RFC 3168 §6.1)', 'ecn/reduce.pkt'),
  script('ecn-receiver', 'a mark received is echoed until the sender has heard (RFC 3168 §6.1.3)', 'ecn/echo.pkt', RESET),
  script('idle-restart', 'the initial window again after an idle RTO (RFC 5681 §4.1)', 'idle/restart.pkt'),
  script('retransmission-timeout', 'the timeout and its backoff (RFC 6298)', 'rto/data-backoff.pkt'),
  script('delayed-ack', 'every second segment at once, one alone after a while (RFC 9293 §3.8.6.3)', 'delack/every-second.pkt', RESET),
  script('window-scaling', 'a receive window beyond 64 KiB (RFC 7323 §2)', 'window/scaled-receiver.pkt'),
  script('zero-window-probe', 'a closed window is probed (RFC 9293 §3.8.6.1)', 'window/zero-probe.pkt', /Zero Window segment/),
  script('keepalive', 'a dead peer is found out (RFC 9293 §3.8.4)', 'keepalive/dead-peer.pkt', RESET),
  script('urgent', 'urgent data out (RFC 9293 §3.8.5)', 'urgent/send.pkt'),
  script('urgent-receiver', 'urgent data in, in line', 'urgent/receive-inline.pkt'),
  script('path-mtu', 'fragmentation needed (RFC 1191)', 'mtu/needfrag.pkt', OUT_OF_ORDER),
  script('path-mtu-black-hole', 'large segments vanish without a word (RFC 4821)', 'plpmtud/blackhole-found.pkt'),
  script('icmp-echo', 'echo request and reply', 'icmp/echo.pkt'),
  script('icmp-port-unreachable', 'a datagram to no one', 'udp/no-listener.pkt'),
  {
    name: 'loss', about: '300 KB over a line that loses 3 % each way: SACK, fast retransmit, RACK-TLP, from the sender\'s side',
    expect: [OUT_OF_ORDER],
    make: () => ofWorld({ seed: 11, images: 2, faults: { loss: 0.03, delayUs: 5000 } }, (world) => transfer(world, 300_000)),
  },
  {
    name: 'autotune', about: '3 MB over a long line: windows grow with what is under way (heads of frames only)', snaplen: 100,
    make: () => ofWorld({ seed: 12, images: 2, faults: { delayUs: 20_000 } }, (world) => transfer(world, 3_000_000)),
  },
  { name: 'fragmentation', about: 'a datagram of 4000 bytes there and back', make: () => ofWorld({ seed: 13, images: 2 }, fragments) },
  { name: 'arp', about: 'a neighbour that is there, and one that is not', make: () => ofWorld({ seed: 14, images: 2 }, arp) },
  { name: 'igmp', about: 'a group is joined, asked for and left (RFC 2236)', make: () => ofWorld({ seed: 15, images: 1 }, igmp) },
  { name: 'dhcp', about: 'discover, offer, request, acknowledge, the address is probed, renewed (RFC 2131, 5227)', make: () => dhcpSession() },
];
