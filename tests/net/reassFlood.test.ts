/**
 * SegmentSmack (CVE-2018-5390): 4,000 segments of one byte, every second byte of the window, in the worst
 * order. The stack holds a bounded number of them, spends little on each, and delivers when the holes fill.
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksum } from '../../host/api/icmp';
import { parsePools } from '../../host/control/tables';
import type { Kernel } from '../../host/index';
import { AF_INET, SOCK_STREAM } from '../../kernel/abi/socket';
import { Lab, poolsInUse, stat } from './lab';
import { arpAnswer, arpFrame, ipFrame, ipOf, labMac } from './packets';

const PEER = '10.0.0.200';
const OUR = '10.0.0.1';
const PORT = 9000;
const SEGMENTS = 4000;
const SYN = 2;
const ACK = 16;

/** A TCP segment of the stranger's. */
function tcp(seq: number, ack: number, flags: number, data: string, options?: Uint8Array): Buffer {
  const segment = Buffer.alloc(20 + data.length);
  segment.writeUInt16BE(40_000, 0);
  segment.writeUInt16BE(PORT, 2);
  segment.writeUInt32BE(seq >>> 0, 4);
  segment.writeUInt32BE(ack >>> 0, 8);
  segment[12] = 0x50;
  segment[13] = flags;
  segment.writeUInt16BE(65_535, 14);
  segment.write(data, 20, 'latin1');
  const pseudo = Buffer.alloc(12);
  pseudo.set([...PEER.split('.'), ...OUR.split('.')].map(Number));
  pseudo.writeUInt16BE(6, 8);
  pseudo.writeUInt16BE(segment.length, 10);
  segment.writeUInt16BE(checksum(Buffer.concat([pseudo, segment])), 16);
  return ipFrame(labMac(0), { src: PEER, dst: OUR, proto: 6, payload: segment, ...(options === undefined ? {} : { options }) });
}

const queued = (kernel: Kernel): number => Number(kernel.sysctl('net.inet.tcp.reass.total'));
const clusters = (kernel: Kernel): number => parsePools(String(kernel.sysctl('kern.pools'))).find(({ name }) => name === 'mbcl')!.inUse;

test('4,000 one-byte segments out of order are cheap, bounded, and lose nothing that was in order', async (t) => {
  const lab = await Lab.make({ count: 1 });
  try {
    const kernel = lab.kernels[0]!;
    const before = poolsInUse(kernel);
    let iss = 0;
    const stranger = lab.hub.endpoint((frame) => {
      const answer = arpAnswer(frame, PEER);
      if (answer !== null) stranger.send(answer);
      for (const { proto, payload } of ipOf(frame)) if (proto === 6 && (payload[13]! & SYN) !== 0) iss = Buffer.from(payload).readUInt32BE(4);
    });
    const send = (bytes: Uint8Array): void => { stranger.send(bytes); lab.settle(); };
    send(arpFrame(labMac(0), 1, PEER, OUR));
    const listener = kernel.sys.socket(AF_INET, SOCK_STREAM);
    kernel.sys.bind(listener, { family: 'IPv4', address: '0.0.0.0', port: PORT });
    kernel.sys.listen(listener, 1);
    send(tcp(999, 0, SYN, ''));
    // RFC 9293 §3.9.2.1 MUST-50: IP options that mean nothing to TCP (RFC 791: no operation, end) change nothing.
    send(tcp(1000, iss + 1, ACK, '', Uint8Array.of(1, 1, 1, 0)));
    const { fd } = kernel.sys.accept(listener);
    const held = clusters(kernel);
    const frames = Array.from({ length: SEGMENTS }, (_, i) => tcp(1000 + 2 * (SEGMENTS - i), iss + 1, ACK, 'x'));
    const began = performance.now();
    for (const frame of frames) stranger.send(frame);
    lab.settle();
    const us = ((performance.now() - began) * 1000) / SEGMENTS;
    t.diagnostic(`${us.toFixed(1)} µs a segment, ${queued(kernel)} pieces held`);
    assert.equal(queued(kernel), 512, 'net.inet.tcp.reass.maxqueuelen');
    assert.ok(stat(kernel, 'net.inet.tcp.stats', 'rcvoodrop') >= SEGMENTS - 512);
    assert.ok(clusters(kernel) - held < 16, 'one byte does not hold a cluster');
    assert.ok(us < 250, `${us} µs a segment`);
    // All of it in order: what was dropped comes again, what was held is not taken twice.
    for (let at = 0; at < 2 * SEGMENTS; at += 1000) send(tcp(1000 + at, iss + 1, ACK, 'x'.repeat(1000)));
    let got = 0;
    lab.until(() => {
      const n = kernel.sys.tryRecvfrom(fd);
      if (n > 0) got += n;
      return got >= 2 * SEGMENTS;
    }, 'the stream');
    assert.ok(got === 2 * SEGMENTS || got === 2 * SEGMENTS + 1, `${got} bytes`);
    assert.equal(queued(kernel), 0);
    kernel.sys.close(fd);
    kernel.sys.close(listener);
    lab.advance(3_600_000_000);
    assert.deepEqual(poolsInUse(kernel), before);
  } finally {
    await lab.close();
  }
});
