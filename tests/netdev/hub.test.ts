/** The hub: learning, flooding, queues, offloads between ports that differ (host/netdev/hub.ts). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Frame, VNET_GSO_TCPV4 } from '../../host/netdev/frame';
import { Hub, hub, hubNamed } from '../../host/netdev/hub';
import { BROADCAST, dissect, ether, MAC_A, MAC_B, MAC_C, pattern, tcpFrame } from './frames';
import { TestPort } from './port';

function lan(n: number): { it: Hub; ports: TestPort[]; devs: ReturnType<Hub['port']>[] } {
  const h = new Hub();
  const ports = Array.from({ length: n }, () => new TestPort());
  return { it: h, ports, devs: ports.map((port) => port.plug(h.port())) };
}

const counts = (ports: TestPort[]): number[] => ports.map((port) => port.take().length);

describe('hub', () => {
  it('floods what it does not know, learns, and then carries to one port', () => {
    const { ports, devs } = lan(3);
    devs[0]!.send(Frame.of(ether(MAC_B, MAC_A, pattern(50))));
    assert.deepEqual(counts(ports), [0, 1, 1]);
    devs[1]!.send(Frame.of(ether(MAC_A, MAC_B, pattern(50))));
    assert.deepEqual(counts(ports), [1, 0, 0]);
    devs[0]!.send(Frame.of(ether(MAC_B, MAC_A, pattern(50))));
    assert.deepEqual(counts(ports), [0, 1, 0]);
    devs[0]!.send(Frame.of(ether(BROADCAST, MAC_A, pattern(50))));
    assert.deepEqual(counts(ports), [0, 1, 1]);
  });

  it('follows an address that moves, and forgets a port that is closed', () => {
    const { ports, devs } = lan(3);
    devs[1]!.send(Frame.of(ether(BROADCAST, MAC_B, pattern(50))));
    devs[2]!.send(Frame.of(ether(BROADCAST, MAC_B, pattern(50))));
    counts(ports);
    devs[0]!.send(Frame.of(ether(MAC_B, MAC_A, pattern(50))));
    assert.deepEqual(counts(ports), [0, 0, 1]);
    devs[1]!.send(Frame.of(ether(BROADCAST, MAC_B, pattern(50))));
    counts(ports);
    devs[0]!.send(Frame.of(ether(MAC_B, MAC_A, pattern(50))));
    assert.deepEqual(counts(ports), [0, 1, 0]);
    devs[1]!.close();
    devs[0]!.send(Frame.of(ether(MAC_B, MAC_A, pattern(50))));
    assert.deepEqual(counts(ports), [0, 0, 1], 'flooded again');
  });

  it('does not send back what belongs to the port it came from', () => {
    const { ports, devs } = lan(2);
    devs[0]!.send(Frame.of(ether(BROADCAST, MAC_A, pattern(50))));
    devs[0]!.send(Frame.of(ether(BROADCAST, MAC_C, pattern(50))));
    counts(ports);
    devs[0]!.send(Frame.of(ether(MAC_C, MAC_A, pattern(50))));
    assert.deepEqual(counts(ports), [0, 0]);
  });

  it('reads addresses from a frame in tiny pieces, and refuses one without them', () => {
    const { ports, devs } = lan(3);
    devs[2]!.send(Frame.of(ether(BROADCAST, MAC_C, pattern(5))));
    counts(ports);
    const frame = Frame.of(ether(MAC_C, MAC_A, pattern(50)));
    frame.words = Int32Array.of(0, 3, 3, 7, 10, 54);
    frame.n = 3;
    devs[0]!.send(frame);
    assert.deepEqual(ports.map((p) => p.take().map((b) => b.length)), [[], [], [64]]);
    assert.ok(devs[0]!.send(Frame.of(pattern(13))) < 0);
  });

  it('queues for a port without room, in order, and drops beyond the queue', () => {
    const { ports, devs } = lan(2);
    ports[1]!.free = 2;
    for (let i = 0; i < 5000; i++) devs[0]!.send(Frame.of(ether(MAC_B, MAC_A, Buffer.from([i >> 8, i & 255]))));
    assert.equal(ports[1]!.got.length, 2);
    ports[1]!.free = Infinity;
    devs[1]!.room();
    devs[0]!.send(Frame.of(ether(MAC_B, MAC_A, Buffer.from([0xff, 0xff]))));
    const numbers = ports[1]!.take().map((b) => (b[14]! << 8) | b[15]!);
    assert.deepEqual(numbers, [...Array.from({ length: 2 + 4096 }, (_, i) => i), 0xffff]);
    assert.deepEqual({ ...devs[1]!.counters }, { sent: 0, delivered: 4099, dropped: 902 });
  });

  it('passes unfinished frames to ports that take them, and finishes them for others', () => {
    const h = new Hub();
    const [able, plain, endpoint] = [new TestPort(), new TestPort(), [] as Uint8Array[]];
    const from = new TestPort().plug(h.port());
    able.plug(h.port());
    plain.plug(h.port({ offload: false }));
    h.endpoint((frame) => endpoint.push(frame.bytes()));
    const payload = pattern(5000);
    from.send(tcpFrame({ payload }, VNET_GSO_TCPV4, 1460));
    assert.equal(able.got.length, 1);
    assert.equal(able.got[0]!.gsoSize, 1460);
    for (const list of [plain.take(), endpoint]) {
      assert.equal(list.length, 4);
      assert.deepEqual(Buffer.concat(list.map((b) => dissect(b).payload)), payload);
    }
  });

  it('serves JavaScript as an endpoint, and is found by its name', () => {
    assert.equal(hubNamed('x'), hubNamed('x'));
    const port = new TestPort();
    port.plug(hub('endpoint test'));
    const heard: Uint8Array[] = [];
    const end = hubNamed('endpoint test').endpoint((frame) => heard.push(frame.bytes()));
    end.send(ether(MAC_B, MAC_A, pattern(20)));
    end.send(Frame.of(ether(MAC_B, MAC_A, pattern(30))));
    assert.deepEqual(port.take().map((b) => b.length), [34, 44]);
    end.close();
    end.send(ether(MAC_B, MAC_A, pattern(20)));
    assert.equal(port.take().length, 0);
  });

  it('remembers a bounded number of addresses', () => {
    const { devs } = lan(2);
    for (let i = 0; i < 10_000; i++) devs[0]!.send(Frame.of(ether(BROADCAST, Buffer.from([2, 0, 0, 0, i >> 8, i & 255]), pattern(4))));
    assert.equal((devs[0]!.hub as unknown as { table: Map<number, unknown> }).table.size, 4096);
  });
});
