/**
 * From the numbers of a script to those of the wire, for one pair of ports.
 *
 *      script  8080 ▸ 40000   S. 0:0(0) ack 1    TS val 100
 *      wire    8080 ▸ 40000   S. 305419896…      TS val 2882400101       = script + shift
 *
 * The peer's sequence numbers are ours to choose (remoteIsn); the image's are learned from its SYN, the
 * offset of its timestamps from the first one that a script gives a number for. A script that begins
 * a new connection on the same ports sends a SYN with another sequence number; the image's next SYN may
 * then have a new shift.
 */

export class Flow {
  /** Wire = script + shift, modulo 2^32; null: not known yet. */
  localShift: number | null = null;
  localTsShift: number | null = null;
  remoteShift: number;
  /** Sequence numbers of the SYNs in the script: byte 0 of a stream is the one after it. */
  localSyn = 0;
  remoteSyn = 0;
  /** The image's highest sequence number so far, on the wire. */
  private localMax: number | null = null;
  /** How far the last SYN of the image is beyond everything that it had sent before on these ports. */
  issAhead = 0;
  /** The image's SYN may have another initial sequence number than before. */
  private reopened = false;
  private remoteSeen = false;

  /** @param localPort null until the image has chosen one */
  constructor(public localPort: number | null, readonly remotePort: number, remoteIsn: number) {
    this.remoteShift = remoteIsn;
  }

  /** The script sends a SYN of the peer. */
  remoteSynSent(seq: number): void {
    if (!this.remoteSeen) this.remoteSyn = seq;
    else if (seq !== this.remoteSyn && this.localShift !== null) this.reopened = true;
    this.remoteSeen = true;
  }

  /** The script connects again on the same ports. */
  reopen(): void {
    if (this.localShift !== null) this.reopened = true;
    this.remoteSeen = false;
  }

  /** The image has sent sequence numbers up to `end`, exclusive. */
  localSent(end: number): void {
    if (this.localMax === null || ((end - this.localMax) | 0) > 0) this.localMax = end;
  }

  /** The image has sent a SYN that the script calls `seq`. @param ack of the peer's SYN, on the wire; null without */
  localSynSeen(seq: number, wire: number, ack: number | null): void {
    // Of several SYNs of the peer this is the one that the connection began with.
    if (ack !== null) this.remoteSyn = (this.remoteToScript(ack) - 1) >>> 0;
    if (this.localMax !== null && this.reopened) {
      this.issAhead = (wire - this.localMax) | 0;
      this.localMax = wire;
    }
    const shift = (wire - seq) >>> 0;
    if (this.localShift === null || (this.reopened && shift !== this.localShift)) {
      this.localShift = shift;
      this.localSyn = seq;
      this.localTsShift = null;
      this.reopened = false;
    }
  }

  localToWire(seq: number): number { return (seq + (this.localShift ?? 0)) >>> 0; }
  localToScript(wire: number): number { return (wire - (this.localShift ?? 0)) >>> 0; }
  remoteToWire(seq: number): number { return (seq + this.remoteShift) >>> 0; }
  remoteToScript(wire: number): number { return (wire - this.remoteShift) >>> 0; }

  /** Position in the image's stream of the byte with sequence number `wire`. */
  localOffset(wire: number): number { return (this.localToScript(wire) - this.localSyn - 1) >>> 0; }
  /** Position in the peer's stream of the byte that the script calls `seq`. */
  remoteOffset(seq: number): number { return (seq - this.remoteSyn - 1) >>> 0; }
}

/** Ports as packetdrill has them: services on 8080, peers that come in from 40000. */
export const servicePort = 8080;
export const peerPort = 40000;

/** The flows of one protocol. */
export class Flows {
  private readonly all: Flow[] = [];
  /** The one that packets without ports belong to. */
  current: Flow | null = null;

  constructor(private readonly remoteIsn: number) {}

  /** The flow of these ports, made if there is none. */
  at(localPort: number | null, remotePort: number): Flow {
    let flow = localPort === null ? undefined : this.all.find((one) => one.localPort === localPort && one.remotePort === remotePort);
    if (flow === undefined) {
      flow = new Flow(localPort, remotePort, this.remoteIsn);
      this.all.push(flow);
    }
    return flow;
  }

  /** The flow of a packet of the script: its ports, or the current one. */
  ofScript(ports: readonly [src: number, dst: number] | null, inbound: boolean): Flow {
    if (ports !== null) return inbound ? this.at(ports[1], ports[0]) : this.at(ports[0], ports[1]);
    this.current ??= this.at(servicePort, peerPort);
    return this.current;
  }

  /** The flow that a segment of the wire belongs to, if there is one; for traces. */
  ofWire(localPort: number, remotePort: number): Flow | null {
    return this.all.find((one) => one.localPort === localPort && one.remotePort === remotePort)
      ?? (this.current?.localPort === null && this.current.remotePort === remotePort ? this.current : null);
  }
}
