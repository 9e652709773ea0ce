/**
 * A TCP peer by hand: segments built and read with the drill's wire functions, numbers relative to the
 * two initial sequence numbers.
 */
import assert from 'node:assert/strict';
import * as wire from '../../tools/drill/wire';
import type { Client } from './client';

export const LOCAL = '192.168.0.1';
export const REMOTE = '192.0.2.1';
const ISN = 1000;

export interface Seen {
  tcp: wire.TcpFields;
  flags: number;
  seq: number;
  ack: number;
  at: number;
}

export class Peer {
  /** The stack's initial sequence number. */
  iss = 0;
  /** Its port. */
  port: number;

  constructor(private readonly client: Client, localPort: number, readonly remotePort: number) {
    this.port = localPort;
  }

  /** Send a segment to the stack. */
  async send(flags: number, seq: number, ack: number, payload: Uint8Array = new Uint8Array(0), options: Uint8Array = new Uint8Array(0)): Promise<void> {
    await this.client.inject(wire.buildTcp({ src: wire.ipNumber(REMOTE), dst: wire.ipNumber(LOCAL), ttl: 64, tos: 0, df: true }, {
      srcPort: this.remotePort, dstPort: this.port, seq: (ISN + seq) >>> 0, ack: (flags & wire.ACK) === 0 ? 0 : (this.iss + ack) >>> 0,
      flags, window: 65535, urgent: 0, options, payload,
    }));
  }

  /** The stack's next segment. */
  async expect(flags: number): Promise<Seen> {
    const { datagram, at } = await this.client.frame();
    const { tcp, faults } = wire.parseDatagram(datagram);
    assert.deepEqual(faults, []);
    assert.ok(tcp !== undefined, 'a TCP segment');
    if ((tcp.flags & wire.SYN) !== 0) {
      this.iss = tcp.seq;
      this.port = tcp.srcPort;
    }
    assert.equal(tcp.flags, flags);
    return { tcp, flags: tcp.flags, seq: (tcp.seq - this.iss) >>> 0, ack: (tcp.ack - ISN) >>> 0, at };
  }

  /** The handshake with a listener of the stack. */
  async open(): Promise<void> {
    await this.send(wire.SYN, 0, 0, undefined, Uint8Array.of(2, 4, 5, 180));
    const { ack } = await this.expect(wire.SYN | wire.ACK);
    assert.equal(ack, 1);
    await this.send(wire.ACK, 1, 1);
  }
}
