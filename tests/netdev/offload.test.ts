/**
 * Frames and what is left undone in them: gathering, checksums, segmentation (host/netdev/frame.ts,
 * offload.ts). Results are judged by an independent reading of every header (frames.ts).
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { copyBytes, Frame, macNumber, VNET_F_DATA_VALID, VNET_GSO_ECN, VNET_GSO_TCPV4, VNET_GSO_TCPV6 } from '../../host/netdev/frame';
import { fits, foldSum, sumWords, wireFrames } from '../../host/netdev/offload';
import { IFCAP_CSUM_RX, IFCAP_LRO } from '../../kernel/abi/if';
import { dissect, folded, pattern, tcpFrame, udpFrame } from './frames';

/** The same frame in many pieces, scattered over a memory. */
function scattered(frame: Frame, cuts: number[]): Frame {
  const whole = frame.bytes();
  const out = Frame.of(whole, frame.h0, frame.h1, frame.h2);
  const memory = new Uint8Array(whole.length * 4 + 64);
  const words: number[] = [0, 0];
  let at = 0;
  for (const [i, len] of [...cuts, whole.length - cuts.reduce((a, b) => a + b, 0)].entries()) {
    const to = (cuts.length - i) * (whole.length + 8) % (memory.length - whole.length);
    memory.set(whole.subarray(at, at + len), to);
    words.push(to, len);
    at += len;
  }
  out.u8 = memory;
  out.words = Int32Array.from(words);
  out.at = 2;
  out.n = cuts.length + 1;
  return out;
}

describe('frame', () => {
  it('is gathered from pieces, whole and in part', () => {
    const frame = Frame.of(pattern(100));
    const pieces = scattered(frame, [14, 1, 30]);
    assert.deepEqual(pieces.bytes(), frame.bytes());
    const to = new Uint8Array(40);
    pieces.copyTo(to, 5, 20);
    assert.deepEqual([...to], [0, 0, 0, 0, 0, ...pattern(20), ...new Array(15).fill(0)]);
    const copy = pieces.copy();
    pieces.u8.fill(0);
    assert.deepEqual(copy.bytes(), frame.bytes());
  });

  it('copies any length between any alignments', () => {
    const from = new Uint8Array(pattern(256));
    const fromWords = new Int32Array(from.buffer);
    for (let a = 0; a < 8; a++) for (let b = 0; b < 8; b++) for (const len of [0, 1, 3, 4, 5, 13, 64, 79, 80, 81, 150]) {
      const to = new Uint8Array(256);
      copyBytes(from, fromWords, a, to, new Int32Array(to.buffer), b, len);
      assert.deepEqual(to.subarray(b, b + len), from.subarray(a, a + len), `${a} ${b} ${len}`);
      assert.ok(to.subarray(0, b).every((x) => x === 0) && to.subarray(b + len).every((x) => x === 0), `${a} ${b} ${len}: outside`);
    }
  });

  it('has addresses as numbers', () => {
    assert.equal(macNumber(Uint8Array.of(1, 0xb2, 0x0a, 0x80, 1, 0xff, 0xfe), 1), 0xb20a8001fffe);
  });
});

describe('checksum', () => {
  it('sums as RFC 1071 does', () => {
    assert.equal(foldSum(sumWords(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8)), ~0xddf2 & 0xffff);
    for (const n of [0, 1, 2, 3, 1459, 1460, 65535]) {
      const b = pattern(n);
      assert.equal(foldSum(sumWords(b, 0, n)), ~folded(b) & 0xffff, `${n} bytes`);
    }
  });

  for (const six of [false, true]) for (const n of [0, 1, 100, 1460]) {
    it(`is completed: IPv${six ? 6 : 4}, ${n} bytes`, () => {
      const shape = { six, payload: pattern(n) };
      assert.deepEqual(dissect(wireFrames(tcpFrame(shape))[0]!).payload, shape.payload);
      assert.deepEqual(dissect(wireFrames(udpFrame(shape))[0]!).payload, shape.payload);
    });
  }

  it('of a UDP datagram that comes out as zero is sent as all ones (RFC 768)', () => {
    const payload = Buffer.alloc(2);
    const sum = dissectSum(wireFrames(udpFrame({ payload }))[0]!);
    payload.writeUInt16BE(sum);
    const wire = wireFrames(udpFrame({ payload }))[0]!;
    assert.equal(dissectSum(wire), 0xffff);
    assert.deepEqual(dissect(wire).payload, payload);
  });

  it('is left alone where it is finished, and where the header points outside', () => {
    const done = wireFrames(tcpFrame({ payload: pattern(10) }))[0]!;
    assert.deepEqual(wireFrames(Frame.of(done))[0], done);
    assert.deepEqual(wireFrames(Frame.of(done, VNET_F_DATA_VALID))[0], done);
    const wild = Frame.of(done, 1, 0xffff << 16, 0xffff);
    assert.deepEqual(wireFrames(wild)[0], done);
  });
});

/** The UDP checksum of an IPv4 frame. */
function dissectSum(b: Uint8Array): number {
  return (b[40]! << 8) | b[41]!;
}

describe('segmentation', () => {
  for (const six of [false, true]) for (const tag of [undefined, 5]) {
    it(`cuts IPv${six ? 6 : 4}${tag ? ' with a VLAN tag' : ''} into segments that are whole, in order, with right headers`, () => {
      const payload = pattern(10_000);
      const shape = { six, payload, seq: 0xfffff000, id: 0xffff, flags: 0x19, options: Buffer.from('0101080a0000000100000002', 'hex'), ...(tag ? { tag } : {}) };
      const frame = scattered(tcpFrame(shape, six ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4, 1448), [60, 3000]);
      const parts = wireFrames(frame).map((b) => dissect(b, tag !== undefined));
      assert.equal(parts.length, 7);
      assert.deepEqual(Buffer.concat(parts.map((p) => p.payload)), payload);
      parts.forEach((part, i) => {
        assert.equal(part.seq, (0xfffff000 + i * 1448) % 2 ** 32);
        assert.equal(part.payload.length, i < 6 ? 1448 : 10_000 - 6 * 1448);
        assert.equal(part.flags, i < 6 ? 0x10 : 0x19, 'FIN and PSH with the last only');
        if (!six) assert.equal(part.id, (0xffff + i) & 0xffff);
      });
    });
  }

  it('gives CWR to the first segment alone when asked to (RFC 3168)', () => {
    const shape = { payload: pattern(3000), flags: 0x90 };
    const flags = (type: number): number[] => wireFrames(tcpFrame(shape, type, 1000)).map((b) => dissect(b).flags);
    assert.deepEqual(flags(VNET_GSO_TCPV4 | VNET_GSO_ECN), [0x90, 0x10, 0x10]);
    assert.deepEqual(flags(VNET_GSO_TCPV4), [0x90, 0x90, 0x90]);
  });

  it('leaves what fits one segment in one', () => {
    const parts = wireFrames(tcpFrame({ payload: pattern(1448) }, VNET_GSO_TCPV4, 1448));
    assert.equal(parts.length, 1);
    assert.equal(dissect(parts[0]!).payload.length, 1448);
  });

  it('does not believe a header that does not fit', () => {
    const good = tcpFrame({ payload: pattern(3000) }, VNET_GSO_TCPV4, 1000);
    const bytes = good.bytes();
    for (const [h0, h1] of [[good.h0, good.h1 & 0xffff | (3 << 16)], [good.h0, 1000 | (5000 << 16)], [0x0401, good.h1], [good.h0, good.h1 & ~0xffff]]) {
      assert.equal(wireFrames(Frame.of(bytes, h0!, h1!, 16)).length, 1);
    }
  });
});

describe('what a port accepts', () => {
  it('decides whether a frame is given to it as it is', () => {
    const plain = Frame.of(pattern(60));
    const csum = tcpFrame({ payload: pattern(1) });
    const gso = tcpFrame({ payload: pattern(3000) }, VNET_GSO_TCPV4, 1000);
    const table = [0, IFCAP_CSUM_RX, IFCAP_LRO, IFCAP_CSUM_RX | IFCAP_LRO].map((accepts) => [plain, csum, gso].map((f) => fits(f, accepts)));
    assert.deepEqual(table, [[true, false, false], [true, true, false], [true, false, false], [true, true, true]]);
  });
});
