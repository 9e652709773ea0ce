/**
 * Forwarding of packets that are still to be segmented: sizes, software segmentation, fragments of segments.
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Frame, VNET_F_NEEDS_CSUM, VNET_GSO_ECN, VNET_GSO_TCPV4 } from '../../host/netdev/frame';
import { dissect, folded, pattern } from '../netdev/frames';
import { ipFrame } from '../net/packets';
import { LEFT, RIGHT, Router, theError, type RouterOptions } from './rig';

const [FIN, PSH, ACK, CWR] = [0x01, 0x08, 0x10, 0x80];
const DATA = pattern(10_000);
const SEQ = 0xffff_f000;

interface Shape { size: number; flags?: number; df?: boolean; id?: number; data?: Uint8Array; options?: Uint8Array; tcpOptions?: number }

/** A frame from the left with `data` in one packet, for segments of `size`. */
function large(router: Router, shape: Shape): Frame {
  const tcp = Buffer.alloc(20 + (shape.tcpOptions ?? 0), 1);
  tcp.fill(0, 0, 20);
  tcp.writeUInt16BE(1234, 0);
  tcp.writeUInt16BE(80, 2);
  tcp.writeUInt32BE(SEQ, 4);
  tcp[12] = tcp.length << 2;
  tcp[13] = shape.flags ?? ACK;
  const segment = Buffer.concat([tcp, shape.data ?? DATA]);
  const addresses = Buffer.from([...LEFT.split('.'), ...RIGHT.split('.')].map(Number));
  segment.writeUInt16BE(folded(addresses, 6 + segment.length), 16);
  const bytes = ipFrame(router.left.mac, {
    src: LEFT, dst: RIGHT, proto: 6, payload: segment, id: shape.id ?? 100, ttl: 9, df: shape.df ?? true, ...(shape.options ? { options: shape.options } : {}),
  });
  const at = 34 + (shape.options?.length ?? 0);
  const type = VNET_GSO_TCPV4 | ((shape.flags ?? 0) & CWR ? VNET_GSO_ECN : 0);
  return Frame.of(bytes, VNET_F_NEEDS_CSUM | (type << 8) | ((at + tcp.length) << 16), shape.size | (at << 16), 16);
}

async function withRouter(options: RouterOptions, body: (router: Router) => void): Promise<void> {
  const router = await Router.make(options);
  try {
    body(router);
  } finally {
    await router.close();
  }
}

describe('a large TCP packet through a router', () => {
  test('stays one where the next interface segments (TSO), however long it is beside the MTU', async () => {
    await withRouter({ offload: [true, true] }, (router) => {
      router.left.raw(large(router, { size: 1448 }));
      const [frame, ...more] = router.right.frames;
      assert.equal(more.length, 0);
      assert.deepEqual([frame!.gsoSize, frame!.gsoType, frame!.csumStart, frame!.length], [1448, VNET_GSO_TCPV4, 34, 54 + DATA.length]);
      assert.equal(router.right.seen.length, 7);
      for (const { frame: bytes, ttl } of router.right.seen) {
        dissect(bytes);
        assert.equal(ttl, 8);
      }
    });
  });

  test('is segmented by the router where it does not: numbers, flags, identification, checksums', async () => {
    await withRouter({ offload: [true, false] }, (router) => {
      router.left.raw(large(router, { size: 1448, flags: ACK | PSH | FIN | CWR, id: 0xfffe }));
      const seen = router.right.take();
      const parts = seen.map(({ frame }) => dissect(frame));
      assert.deepEqual(parts.map((p) => p.id), [0xfffe, 0xffff, 0, 1, 2, 3, 4]);
      assert.deepEqual(parts.map((p) => p.seq), parts.map((p, i) => (SEQ + i * 1448) % 2 ** 32));
      // RFC 3168 §6.1.2: CWR once; PSH and FIN with the last byte.
      assert.deepEqual(parts.map((p) => p.flags), [ACK | CWR, ACK, ACK, ACK, ACK, ACK, ACK | PSH | FIN]);
      assert.deepEqual(Buffer.concat(parts.map((p) => p.payload)), DATA);
      assert.deepEqual(new Set(seen.map((p) => p.ttl)), new Set([8]));
      assert.deepEqual([router.ip('gsosegmented'), router.ip('gsosegments')], [1, 7]);
      // A payload of whole segments, one of one, headers with options up to the longest.
      for (const [data, tcpOptions, options] of [[2896, 12, 0], [1, 0, 0], [1448, 40, 0], [5000, 40, 40]] as const) {
        const bytes = pattern(data, 7);
        router.left.raw(large(router, { size: 1380, data: bytes, tcpOptions, ...(options ? { options: new Uint8Array(40).fill(1) } : {}) }));
        const some = router.right.take();
        assert.deepEqual(Buffer.concat(some.map((p) => p.payload.subarray(20 + tcpOptions))), bytes);
        for (const { payload, src, dst } of some) {
          assert.equal(folded(payload, folded(Buffer.from([...src.split('.'), ...dst.split('.')].map(Number)), 6 + payload.length)), 0xffff);
        }
      }
    });
  });

  test('whose segments are too large: "needed" with the first segment quoted (RFC 1191)', async () => {
    for (const offload of [[true, true], [true, false]] as [boolean, boolean][]) {
      await withRouter({ offload, mtu: 1280 }, (router) => {
        router.left.raw(large(router, { size: 1448 }));
        assert.deepEqual(router.right.take(), []);
        const { type, code, rest, quote } = theError(router.left);
        assert.deepEqual([type, code, rest.readUInt16BE(2)], [3, 4, 1280]);
        assert.equal(quote.readUInt16BE(2), 1488);
        assert.equal(folded(quote.subarray(0, 20)), 0xffff);
        router.left.raw(large(router, { size: 1240 }));
        assert.equal(router.right.take().length, 9);
      });
    }
  });

  test('without DF: segments, each in fragments', async () => {
    await withRouter({ offload: [true, true], mtu: 1280 }, (router) => {
      router.left.raw(large(router, { size: 1448, df: false }));
      const seen = router.right.take();
      assert.equal(seen.length, 14);
      const whole = new Map<number, Buffer>();
      for (const { id, payload, frame } of seen) {
        assert.ok(frame.length <= 1294);
        whole.set(id!, Buffer.concat([whole.get(id!) ?? Buffer.alloc(0), payload]));
      }
      assert.equal(whole.size, 7);
      assert.deepEqual(Buffer.concat([...whole.values()].map((tcp) => tcp.subarray(20))), DATA);
    });
  });
});
