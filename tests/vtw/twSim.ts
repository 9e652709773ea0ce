/**
 * Sessions by the hundred thousand against one image on a virtual clock, and TwModel beside it: every
 * reply of the image must be the one that the model gives.
 *
 *      peers (this file) ── datagrams ──▶ DRILL image: listener, close() first, vestiges
 *                        ◀── replies ──   compared with TwModel; counters compared at the end
 *
 * Faults are what the peer does: it sends its FIN again, loses ours, sends segments of long ago and of
 * nowhere, begins new connections on old 4-tuples, damages a datagram, waits with its FIN. All from one
 * seed. Limits of replies (RFC 5961 §7, resets a second) are off: they are tested elsewhere.
 */
import { boot, virtualClock } from '../../host/index';
import { seededEntropy } from '../../host/determinism';
import { QueueDevice } from '../../host/harness/ipDevice';
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../kernel/abi/socket';
import { SYS_accept, SYS_close, SYS_listen } from '../../kernel/abi/syscall';
import { imagePath } from '../lib/tree';
import { ACK, type Answer, FIN, PSH, RST, type Segment, SYN, TwModel } from './twModel';
import { Wire } from './twWire';

export interface SimOptions {
  seed: number;
  sessions: number;
  /** VTW_ENTRIES. */
  capacity: number;
  /** Mean time from one session to the next, µs. */
  paceUs: number;
  progress?: (done: number) => void;
}

export interface SimResult {
  probes: number;
  killed: number;
  expired: number;
  reused: number;
  most: number;
  /** The first few, in words. */
  divergences: string[];
}

const PORT = 80;
const SERVER = 0xc0a80001;
const WINDOW_MASK = 0xffff;

/** mulberry32. */
function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Peer { address: number; port: number; local: boolean; ts: boolean }

class Sim {
  readonly result: SimResult = { probes: 0, killed: 0, expired: 0, reused: 0, most: 0, divergences: [] };
  private readonly rnd: () => number;
  private readonly model: TwModel;
  private readonly clock = virtualClock();
  private readonly device = new QueueDevice(1500);
  private readonly wire = new Wire(SERVER, PORT);
  private readonly recent: Peer[] = [];
  private kernel!: Awaited<ReturnType<typeof boot>>;
  private listener = -1;
  private tsClock = 1;

  constructor(private readonly options: SimOptions) {
    this.rnd = random(options.seed);
    this.model = new TwModel(options.capacity);
  }

  async start(): Promise<void> {
    this.kernel = await boot(imagePath('DRILL'), {
      manual: true, clock: this.clock, random: seededEntropy(`vtw ${this.options.seed}`), logLevel: 'err', host: { ipdevs: { ip0: this.device } },
      params: { 'net.ip0': 'inet,static,192.168.0.1/16,192.168.255.254', VTW_ENTRIES: this.options.capacity },
    });
    for (const [name, value] of Object.entries({ challengeack_limit: -1, invalid_ratelimit: 0, rstppslim: -1, finwait2_us: 60_000_000 })) {
      this.kernel.sysctl(`net.inet.tcp.${name}`, value);
    }
    const { sys } = this.kernel;
    this.listener = sys.socket(AF_INET, SOCK_STREAM);
    sys.setsockopt(this.listener, SOL_SOCKET, SO_REUSEADDR, 1);
    sys.bind(this.listener, { family: 'IPv4', address: '0.0.0.0', port: PORT });
    sys.raw(SYS_listen, this.listener, 128);
    this.pass(1_000_000);
  }

  private now(): number { return this.clock.monotonic(); }
  private key(peer: Peer): string { return `${peer.address}:${peer.port}`; }
  private below(n: number): number { return Math.floor(this.rnd() * n); }

  /** Let about `us` pass, to the middle of a millisecond, the image's timers running as they come due. */
  private pass(us: number): void {
    const target = (Math.floor((this.now() + us) / 1000) + 1) * 1000 + 500;
    for (;;) {
      this.kernel.run();
      const next = this.kernel.pump.deadlineUs;
      if (next < 0 || next > target) break;
      this.clock.advanceTo(Math.max(next, this.now()));
    }
    this.clock.advanceTo(target);
    this.kernel.run();
    this.model.expire(target);
  }

  private send(peer: Peer, segment: Segment, damage = false): void {
    this.device.inject(this.wire.build(peer.address, peer.port, segment, damage));
    this.kernel.run();
  }

  private diverged(what: string): void {
    if (this.result.divergences.length < 10) this.result.divergences.push(`${(this.now() / 1e6).toFixed(3)} s: ${what}`);
  }

  /** Replies that are waiting, parsed. */
  private replies(): ReturnType<Wire['parse']>[] {
    const all: ReturnType<Wire['parse']>[] = [];
    for (let sent = this.device.take(); sent; sent = this.device.take()) all.push(this.wire.parse(sent.bytes));
    return all;
  }

  /** A timestamp for `peer`, newer than all before. */
  private ts(peer: Peer): number | null { return peer.ts ? ++this.tsClock : null; }

  /** One session from SYN to TIME-WAIT, or to FIN-WAIT-2 if the FIN is to come later. */
  session(): void {
    const peer: Peer = {
      local: this.rnd() < 0.6, address: 0, port: 1024 + this.below(64_000), ts: this.rnd() < 0.7,
    };
    peer.address = peer.local ? 0xc0a80100 + this.below(60_000) : 0xcb007100 + this.below(200);
    if (this.model.all.has(this.key(peer))) return;
    const irs = this.below(2 ** 32);
    const iss = this.handshake(peer, irs);
    if (iss === null) return;
    const { sys } = this.kernel;
    const fd = sys.raw(SYS_accept, this.listener);
    if (fd < 0) {
      this.diverged(`accept answered ${fd}`);
      return;
    }
    sys.raw(SYS_close, fd);
    this.kernel.run();
    const fin = this.replies().find(({ flags }) => (flags & FIN) !== 0);
    if (fin === undefined) {
      this.diverged('close sent no FIN');
      return;
    }
    this.end(peer, (irs + 1) | 0, (iss + 2) | 0, fin.window);
  }

  private handshake(peer: Peer, irs: number): number | null {
    this.send(peer, { flags: SYN, seq: irs, ack: 0, length: 0, ts: this.ts(peer) });
    const [synAck] = this.replies();
    if (synAck === undefined || synAck.flags !== (SYN | ACK)) {
      this.diverged(`a SYN was answered by ${synAck ? synAck.flags : 'nothing'}`);
      return null;
    }
    this.send(peer, { flags: ACK, seq: (irs + 1) | 0, ack: (synAck.seq + 1) | 0, length: 0, ts: this.ts(peer) });
    return synAck.seq;
  }

  /** The peer acknowledges our FIN and sends its own, in one of the ways there are. */
  private end(peer: Peer, rcvNxt: number, sndNxt: number, window: number): void {
    const key = this.key(peer);
    const base = { key, sndNxt, window: window & WINDOW_MASK, cls: peer.local ? 'local' as const : 'remote' as const };
    const how = this.rnd();
    const ts = this.ts(peer);
    if (how < 0.1) {
      // Only the ACK: an orphan in FIN-WAIT-2.
      this.send(peer, { flags: ACK, seq: rcvNxt, ack: sndNxt, length: 0, ts });
      this.model.enter({ ...base, rcvNxt, tsRecent: ts, kind: 'fw2' }, this.now());
    } else if (how < 0.2) {
      // Both close at once: CLOSING.
      this.send(peer, { flags: FIN | ACK, seq: rcvNxt, ack: (sndNxt - 1) | 0, length: 0, ts });
      const later = this.ts(peer);
      this.send(peer, { flags: ACK, seq: (rcvNxt + 1) | 0, ack: sndNxt, length: 0, ts: later });
      this.model.enter({ ...base, rcvNxt: (rcvNxt + 1) | 0, tsRecent: later, kind: base.cls }, this.now());
    } else {
      this.send(peer, { flags: FIN | ACK, seq: rcvNxt, ack: sndNxt, length: 0, ts });
      this.model.enter({ ...base, rcvNxt: (rcvNxt + 1) | 0, tsRecent: ts, kind: base.cls }, this.now());
    }
    this.replies();
    this.recent.push(peer);
    if (this.recent.length > 40_000) this.recent.splice(0, 20_000);
    this.result.most = Math.max(this.result.most, this.model.all.size);
  }

  /** A segment that some peer, of now or of once, sends; the reply must be the model's. */
  probe(): void {
    const peer = this.recent[this.below(this.recent.length)];
    if (peer === undefined) return;
    const key = this.key(peer);
    const each = this.model.all.get(key);
    const segment = this.invent(peer, each?.rcvNxt ?? this.below(2 ** 32) | 0, each?.sndNxt ?? this.below(2 ** 32) | 0, each?.tsRecent ?? null);
    this.result.probes++;
    const damage = this.rnd() < 0.03;
    const expected: Answer = damage ? 'none' : this.model.arrives(key, segment, this.now());
    this.send(peer, segment, damage);
    const answers = this.replies();
    const [first] = answers;
    const got: Answer = first === undefined ? 'none' : (first.flags & RST) !== 0 ? 'reset' : (first.flags & SYN) !== 0 ? 'open' : 'ack';
    if (got !== expected || answers.length > 1) {
      this.diverged(`${key} ${each ? each.kind : 'absent'} ${JSON.stringify(segment)}: ${got}, the model says ${expected} (${JSON.stringify(each ?? null)})`);
    }
    if (got === 'ack' && each !== undefined && first !== undefined && (first.seq !== each.sndNxt || first.ack !== each.rcvNxt)) {
      this.diverged(`${key}: the ACK has seq ${first.seq} ack ${first.ack}, the model ${each.sndNxt} and ${each.rcvNxt}`);
    }
    if (got === 'open' && first !== undefined) {
      if (each !== undefined && ((first.seq - each.sndNxt) | 0) <= 0) this.diverged(`${key}: the ISS ${first.seq} is not above ${each.sndNxt}`);
      // The peer thinks better of it: nothing is left of this one.
      this.send(peer, { flags: RST, seq: (segment.seq + 1) | 0, ack: 0, length: 0, ts: null });
      this.replies();
    }
  }

  private invent(peer: Peer, rcvNxt: number, sndNxt: number, tsRecent: number | null): Segment {
    const newer = this.ts(peer);
    const old = tsRecent !== null && this.rnd() < 0.15 ? (tsRecent - 1 - this.below(1000)) | 0 : tsRecent !== null && this.rnd() < 0.2 ? tsRecent : newer;
    const ts = this.rnd() < 0.03 ? null : old;
    const at = [-1, -1, 0, 0, -1000, 5, 3000, 70_000, -70_000][this.below(9)]!;
    const kinds: [number, number][] = [
      [FIN | ACK, 0], [FIN | ACK, 0], [ACK, 0], [PSH | ACK, 20], [RST, 0], [RST | ACK, 0], [SYN, 0], [SYN, 0], [SYN | ACK, 0], [SYN | FIN, 0], [FIN, 0], [PSH, 10], [FIN | ACK, 30],
    ];
    const [flags, length] = kinds[this.below(kinds.length)]!;
    return { flags, seq: (rcvNxt + at) | 0, ack: sndNxt, length, ts };
  }

  async run(): Promise<SimResult> {
    await this.start();
    const { sessions, paceUs, progress } = this.options;
    for (let i = 0; i < sessions && this.result.divergences.length === 0; i++) {
      // Seasons of more and of less, so that the table is full for a while and not full for a while.
      const season = i % 20_000 < 10_000 ? 1 : 8;
      this.pass(this.rnd() * 2 * paceUs * season);
      this.session();
      for (let n = this.below(3); n > 0; n--) {
        this.pass(0);
        this.probe();
      }
      if (i % 5000 === 0) progress?.(i);
    }
    this.counters();
    await this.kernel.close();
    return this.result;
  }

  private counters(): void {
    const { model } = this;
    Object.assign(this.result, { killed: model.killed, expired: model.expired, reused: model.reused });
    for (const [name, expected] of Object.entries({ live: model.all.size, inserted: model.inserted, expired: model.expired, killed: model.killed, reused: model.reused })) {
      const got = Number(this.kernel.sysctl(`net.inet.tcp.vtw.${name}`));
      if (got !== expected) this.diverged(`vtw.${name} is ${got}, the model has ${expected}`);
    }
  }
}

export function runTwSim(options: SimOptions): Promise<SimResult> {
  return new Sim(options).run();
}
