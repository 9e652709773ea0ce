/**
 * IPv4 between three instances on a hub, and a stranger on the same wire who sends what no good host would.
 *
 *      10.0.0.1    10.0.0.2    10.0.0.3       10.0.0.200 (the test itself: frames made by hand)
 *          └───────────┴── hub ────┴───────────────┘
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { checksum } from '../../host/api/icmp';
import type { PingReply } from '../../host/api/ping';
import * as inet from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';
import { Lab, stat } from './lab';
import { labRig } from './labTools';
import { arpAnswer, arpFrame, ipFrame, ipOf, labMac, udp, type Packet, type Seen } from './packets';
import { Sock, must, told, type SocketRig } from './socketRig';

const STRANGER = '10.0.0.200';
const PORT = 7000;

let lab: Lab;
let rig: SocketRig;
/** What passed by the stranger. */
let seen: Seen[] = [];
/** Sockets of the test that runs. */
const open: Sock[] = [];
let send: (bytes: Uint8Array) => void;

before(async () => {
  lab = await Lab.make({ count: 3 });
  rig = labRig(lab);
  const stranger = lab.hub.endpoint((frame) => {
    const answer = arpAnswer(frame, STRANGER);
    if (answer !== null) stranger.send(answer);
    seen.push(...ipOf(frame));
  });
  send = (bytes) => { stranger.send(bytes); lab.settle(); };
});
beforeEach(() => { seen = []; });
afterEach(() => { for (const s of open.splice(0)) s.close(); });
after(async () => { await lab.close(); });

/** A datagram socket of kernel `i`. */
function sender(i: number): Sock {
  const s = Sock.dgram(rig, lab.kernels[i]!);
  open.push(s);
  return s;
}

/** One at PORT of every address. */
function bound(i: number, reuse = false): Sock {
  const s = sender(i);
  if (reuse) must(s.setopt(abi.SOL_SOCKET, abi.SO_REUSEPORT, 1));
  must(s.bind('0.0.0.0', PORT), 'bind');
  return s;
}

const quad = (address: string): Uint8Array => Uint8Array.from(address.split('.'), Number);
const mreq = (group: string): Uint8Array => Buffer.concat([quad(group), quad('0.0.0.0')]);

describe('ping, out of an image', () => {
  test('its neighbour, itself, large packets: every byte comes back', async () => {
    for (const [address, size] of [[lab.address(1), 56], ['127.0.0.1', 56], [lab.address(0), 56], [lab.address(2), 8000], [lab.address(1), 65000]] as const) {
      const replies: PingReply[] = [];
      const pinger = lab.kernels[0]!.ping(address, { count: 5, size, intervalUs: 100_000, onReply: (reply) => { replies.push(reply); } });
      lab.advance(3_000_000);
      const { received, transmitted, troubles } = await pinger.done;
      assert.deepEqual([transmitted, received, troubles], [5, 5, 0], address);
      assert.ok(replies.every((reply) => reply.wrongAt === -1 && reply.address === address && reply.bytes === size + 8));
    }
  });

  test('a dead host does not answer; a broadcast is nobody to answer', async () => {
    for (const address of ['10.0.0.99', '10.0.0.255']) {
      const pinger = lab.kernels[0]!.ping(address, { count: 2, intervalUs: 100_000 });
      lab.advance(10_000_000);
      assert.equal((await pinger.done).received, 0, address);
    }
  });

  test('a raw socket gets whole packets, and sees only its protocol', () => {
    const { sys } = lab.kernels[1]!;
    const fd = sys.socket(abi.AF_INET, abi.SOCK_RAW, 99);
    send(ipFrame(labMac(1), { src: STRANGER, dst: lab.address(1), proto: 98, payload: Buffer.from('not this') }));
    send(ipFrame(labMac(1), { src: STRANGER, dst: lab.address(1), proto: 99, payload: Buffer.from('raw bytes') }));
    const { data, address } = sys.recvfrom(fd);
    assert.equal(data.subarray(20).toString(), 'raw bytes');
    assert.equal(data[9], 99);
    assert.equal((address as { address: string }).address, STRANGER);
    assert.equal(told(sys.raw(nr.SYS_recvfrom, fd, sys.data, 100)), 'EAGAIN');
    sys.close(fd);
    // Protocol unreachable (RFC 1122 §3.2.2.1) for the one that nobody has.
    assert.ok(seen.some((p) => p.proto === 1 && p.payload[0] === 3 && p.payload[1] === 2 && p.dst === STRANGER));
  });
});

describe('broadcast and multicast between three instances', () => {
  for (const address of ['10.0.0.255', '255.255.255.255']) {
    test(`a broadcast to ${address} reaches both others, once`, () => {
      const [a, b, c] = [bound(0), bound(1), bound(2)];
      must(a.setopt(abi.SOL_SOCKET, abi.SO_BROADCAST, 1));
      assert.equal(a.sendTo('to all', { address, port: PORT }), 6);
      lab.settle();
      for (const s of [b, c]) {
        const got = s.recvFrom();
        assert.equal(got.text, 'to all');
        assert.equal(got.from!.address, lab.address(0));
        assert.equal(s.recv(), 'EAGAIN');
      }
    });
  }

  test('multicast reaches who has joined, all sockets of it, and not who has left', () => {
    const group = '239.1.2.3';
    const [a, b, b2, c] = [bound(0), bound(1, true), bound(1, true), bound(2)];
    for (const s of [b, b2]) must(s.setopt(inet.IPPROTO_IP, inet.IP_ADD_MEMBERSHIP, mreq(group)), 'join');
    lab.advance(1_000_000);
    assert.ok(seen.some((p) => p.proto === inet.IPPROTO_IGMP), 'the group was reported');
    a.sendTo('to some', { address: group, port: PORT });
    lab.settle();
    assert.deepEqual([b, b2, c].map((s) => s.recv()), ['to some', 'to some', 'EAGAIN']);
    assert.equal(a.recv(), 'EAGAIN');
    assert.equal(seen.find((p) => p.dst === group && p.proto === 17)?.ttl, 1);
    must(b.setopt(inet.IPPROTO_IP, inet.IP_DROP_MEMBERSHIP, mreq(group)), 'leave');
    a.sendTo('again', { address: group, port: PORT });
    lab.settle();
    assert.deepEqual([b, b2].map((s) => s.recv()), ['EAGAIN', 'again']);
    assert.equal(told(b.setopt(inet.IPPROTO_IP, inet.IP_DROP_MEMBERSHIP, mreq(group))), 'EADDRNOTAVAIL');
  });

  test('a sender that is a member hears itself, unless it does not want to', () => {
    const group = '239.1.2.4';
    const a = bound(0);
    must(a.setopt(inet.IPPROTO_IP, inet.IP_ADD_MEMBERSHIP, mreq(group)));
    a.sendTo('heard', { address: group, port: PORT });
    lab.settle();
    assert.equal(a.recv(), 'heard');
    must(a.setopt(inet.IPPROTO_IP, inet.IP_MULTICAST_LOOP, 0));
    a.sendTo('not heard', { address: group, port: PORT });
    lab.settle();
    assert.equal(a.recv(), 'EAGAIN');
  });

  test('nobody answers a broadcast with an error', () => {
    send(ipFrame('ff:ff:ff:ff:ff:ff', { src: STRANGER, dst: '10.0.0.255', proto: 17, payload: udp(1, 9, 'x') }));
    send(ipFrame('ff:ff:ff:ff:ff:ff', { src: STRANGER, dst: '10.0.0.255', proto: 77, payload: Buffer.from('x') }));
    assert.deepEqual(seen, []);
  });
});

/** A datagram from the stranger to kernel 1, and the parts of it by offset. */
function packet(overrides: Partial<Packet> = {}, data: Uint8Array | string = 'data'): Packet {
  return { src: STRANGER, dst: lab.address(1), proto: 17, payload: udp(5000, PORT, data), ...overrides };
}

function fragments(whole: Uint8Array, size: number, id: number): Packet[] {
  const parts: Packet[] = [];
  for (let at = 0; at < whole.length; at += size) {
    parts.push(packet({ id, offset: at, more: at + size < whole.length, payload: whole.subarray(at, at + size) }));
  }
  return parts;
}

describe('fragments', () => {
  const text = 'fragmented '.repeat(300);

  test('in any order become one datagram', () => {
    const s = bound(1);
    const orders = [(p: Packet[]): Packet[] => p, (p: Packet[]): Packet[] => [...p].reverse(), (p: Packet[]): Packet[] => [...p.slice(2), ...p.slice(0, 2)]];
    orders.forEach((order, i) => {
      for (const part of order(fragments(udp(5000, PORT, text), 496, 100 + i))) send(ipFrame(labMac(1), part));
      assert.equal(s.recv(), text);
    });
    // A repeated fragment is no overlap.
    const parts = fragments(udp(5000, PORT, text), 496, 110);
    for (const part of [parts[0]!, ...parts]) send(ipFrame(labMac(1), part));
    assert.equal(s.recv(), text);
  });

  test('that overlap are dropped, as are those whose end does not come', () => {
    const s = bound(1);
    const overlap = stat(s.kernel, 'net.inet.ip.stats', 'fragoverlap');
    const parts = fragments(udp(5000, PORT, text), 496, 120);
    parts.splice(1, 0, packet({ id: 120, offset: 488, more: true, payload: Buffer.alloc(496, 'evil') }));
    for (const part of parts) send(ipFrame(labMac(1), part));
    assert.equal(s.recv(), 'EAGAIN');
    assert.ok(stat(s.kernel, 'net.inet.ip.stats', 'fragoverlap') > overlap);
    const timeouts = stat(s.kernel, 'net.inet.ip.stats', 'fragtimeout');
    seen = [];
    for (const part of fragments(udp(5000, PORT, text), 496, 121).slice(0, -1)) send(ipFrame(labMac(1), part));
    lab.advance(70_000_000);
    assert.equal(s.recv(), 'EAGAIN');
    assert.ok(stat(s.kernel, 'net.inet.ip.stats', 'fragtimeout') > timeouts);
    assert.ok(seen.some((p) => p.proto === 1 && p.payload[0] === 11 && p.payload[1] === 1), 'time exceeded (RFC 1122 §3.3.2)');
  });

  test('a flood of them is bounded, and does not keep others out for long', () => {
    const s = bound(1);
    for (let id = 0; id < 5000; id++) send(ipFrame(labMac(1), packet({ id, offset: 8, more: true, payload: Buffer.alloc(1200) })));
    lab.advance(70_000_000);
    for (const part of fragments(udp(5000, PORT, text), 496, 6000)) send(ipFrame(labMac(1), part));
    assert.equal(s.recv(), text);
  });

  test('go out with one identification and the right offsets', () => {
    const s = sender(0);
    assert.equal(s.sendTo(Buffer.alloc(5000, 'abcdefgh'), { address: STRANGER, port: 9 }), 5000);
    lab.settle();
    const parts = seen.filter((p) => p.dst === STRANGER && p.proto === 17);
    assert.deepEqual(parts.map((p) => p.offset), [0, 1480, 2960, 4440]);
    assert.deepEqual(parts.map((p) => p.more), [true, true, true, false]);
    assert.equal(new Set(parts.map((p) => p.id)).size, 1);
    assert.equal(parts.reduce((n, p) => n + p.payload.length, 0), 5008);
  });
});

describe('what is not believed', () => {
  /** Does kernel 1 take it? */
  function taken(frame: Uint8Array): boolean {
    const s = bound(1);
    send(frame);
    const got = s.recv();
    must(open.pop()!.close());
    return got === 'data';
  }

  test('a good packet is', () => assert.ok(taken(ipFrame(labMac(1), packet()))));

  for (const [src, who] of [
    ['127.0.0.1', 'loopback'], ['10.0.0.2', 'its own address'], ['255.255.255.255', 'everybody'], ['10.0.0.255', 'the broadcast address'],
    ['224.0.0.1', 'a group'], ['240.0.0.1', 'class E'],
  ] as const) {
    test(`a source that is ${who}`, () => {
      const bad = stat(lab.kernels[1]!, 'net.inet.ip.stats', 'badaddr');
      assert.ok(!taken(ipFrame(labMac(1), packet({ src }))));
      assert.equal(stat(lab.kernels[1]!, 'net.inet.ip.stats', 'badaddr'), bad + 1);
    });
  }

  test('a destination that is somebody else, or loopback', () => {
    for (const dst of ['10.0.0.77', '127.0.0.1', '8.8.8.8']) assert.ok(!taken(ipFrame(labMac(1), packet({ dst }))), dst);
    // It is no router: nothing is passed on.
    assert.deepEqual(seen.filter((p) => p.src === STRANGER), []);
  });

  test('a damaged header', () => {
    const damage: ((frame: Buffer) => void)[] = [
      (f) => { f[24]! ^= 1; },                        // checksum
      (f) => { f[14] = 0x65; },                       // version 6
      (f) => { f[14] = 0x44; },                       // a header of 16 bytes
      (f) => { f.writeUInt16BE(2000, 16); },          // longer than it is
      (f) => { f.writeUInt16BE(12, 16); },            // shorter than its header
      (f) => { f[14] = 0x4f; },                       // a header beyond the end
    ];
    for (const [i, hurt] of damage.entries()) {
      const frame = ipFrame(labMac(1), packet());
      hurt(frame);
      assert.ok(!taken(frame), `damage ${i}`);
    }
    assert.deepEqual(seen, [], 'and it is not answered');
  });

  test('options are skipped, source routes and broken ones refused', () => {
    for (const [options, good] of [
      [[1, 1, 1, 0], true],                                  // no-operation
      [[7, 7, 4, 0, 0, 0, 0, 0], true],                      // record route
      [[68, 8, 5, 0, 0, 0, 0, 0], true],                     // timestamp
      [[148, 4, 0, 0], true],                                // router alert
      [[131, 7, 4, 10, 0, 0, 3, 0], false],                  // loose source route
      [[137, 7, 4, 10, 0, 0, 3, 0], false],                  // strict source route
      [[7, 1, 0, 0], false],                                 // a length of 1
      [[7, 40, 4, 0], false],                                // beyond the header
      [[7, 0, 0, 0], false],                                 // a length of 0: a loop for whoever does not look
    ] as const) {
      assert.equal(taken(ipFrame(labMac(1), packet({ options: Uint8Array.from(options) }))), good, options.join(' '));
    }
  });

  test('TCP behind IP options that it does not understand (RFC 9293 §3.9.2 MUST-50): the answer fits the segment', () => {
    const syn = Buffer.alloc(20);
    syn.writeUInt16BE(5000, 0);
    syn.writeUInt16BE(9, 2);
    syn.writeUInt32BE(1000, 4);
    syn[12] = 0x50;
    syn[13] = 2;
    const pseudo = Buffer.concat([quad(STRANGER), quad(lab.address(1)), Buffer.from([0, 6, 0, syn.length])]);
    syn.writeUInt16BE(checksum(Buffer.concat([pseudo, syn])), 16);
    send(ipFrame(labMac(1), { src: STRANGER, dst: lab.address(1), proto: 6, payload: syn, options: Uint8Array.from([7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0]) }));
    const reset = seen.find((p) => p.proto === 6 && p.dst === STRANGER);
    assert.ok(reset, 'the port is closed, so a reset');
    assert.deepEqual([reset.payload[13], Buffer.from(reset.payload).readUInt32BE(8)], [0x14, 1001]);
  });

  test('a frame for another station, though the address in it is right', () => {
    assert.ok(!taken(ipFrame('b2:00:00:00:00:77', packet())));
  });

  test('unsolicited ARP replies for hosts that nobody asked for', () => {
    send(arpFrame(labMac(1), 2, '10.0.0.150', lab.address(1)));
    const s = sender(1);
    s.sendTo('secret', { address: '10.0.0.150', port: 9 });
    lab.advance(1_000_000);
    assert.deepEqual(seen.filter((p) => p.dst === '10.0.0.150'), []);
  });
});
