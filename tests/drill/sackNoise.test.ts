/**
 * Random acknowledgments with random SACK blocks, at random moments, to a sender with data in flight: blocks
 * on and between segments, of what was never sent, taken back, repeated; windows that open, shrink and close;
 * path MTU messages; a close in the middle. The kernel's own assertions hold (the sums of the scoreboard
 * among them), every packet is well formed, and in the end everything is given back.
 *
 * Each run is a script of its own, printed when it fails. More of them: DRILL_NOISE=5000.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { seededEntropy } from '../../host/determinism';
import { packageRoot } from '../../host/imageFile';
import { failureText, Runner } from '../../tools/drill/runner';

const runner = new Runner(packageRoot());
after(() => runner.close());

const RUNS = Number(process.env.DRILL_NOISE ?? 40);
const EVENTS = 80;
const MSS = 500;

/** A peer that acknowledges what it likes. */
class Liar {
  private readonly source: { next(): number };
  private una = 1;
  private written = 0;
  private closed = false;

  constructor(seed: string, private readonly ts: boolean) {
    this.source = seededEntropy(seed);
  }

  private below(n: number): number { return this.source.next() % n; }
  private pick<T>(list: readonly T[]): T { return list[this.below(list.length)]!; }

  private block(): string {
    const span = Math.min(this.written - this.una, 8000);
    let left = this.una + this.below(Math.max(span, 1)) - this.pick([0, 0, 0, 0, 3000]);
    let length = this.pick([MSS, MSS, MSS, 3 * MSS, 3 * MSS, 1, 7, 700, 8 * MSS, 0, 40_000]);
    if (this.below(4) > 0) {
      left = Math.max(1, left - (left - 1) % MSS);
      length = Math.max(MSS, length - length % MSS);
    }
    return `${Math.max(left, 0)}:${Math.max(left, 0) + length}`;
  }

  private options(): string {
    const words = this.ts ? [`nop,nop,TS val ${1000 + this.below(3)} ecr ${this.pick([1000, 1100, 2000, 0])}`] : [];
    const n = this.below(this.ts ? 4 : 5);
    if (n > 0) words.push(`nop,nop,sack ${Array.from({ length: n }, () => this.block()).join(' ')}`);
    return words.length > 0 ? ` <${words.join(',')}>` : '';
  }

  private ack(): string {
    const before = this.una;
    if (this.below(5) === 0) this.una = Math.min(this.una + this.pick([MSS, MSS, 2 * MSS, 6 * MSS, 1, 333]), 1 + this.written);
    const ack = this.below(12) === 0 ? before : this.una;
    const length = this.pick([0, 0, 0, 0, 0, 10]);
    return `< . 1:${1 + length}(${length}) ack ${ack} win ${this.below(8) > 0 ? 65535 : this.pick([30_000, 5000, 700, 100, 0])}${this.options()}`;
  }

  private event(): string {
    switch (this.below(14)) {
      case 0: case 1: {
        if (this.closed || this.written - this.una > 30_000) return this.ack();
        const length = this.pick([20_000, 20_000, 5000, 100, 1]);
        this.written += length;
        return `write(4, ..., ${length}) = ?`;
      }
      case 2: return this.below(8) === 0 ? `< [${this.una}:${this.una + 1}(1)] icmp unreachable frag_needed mtu ${this.pick([300, 400, 520])}` : this.ack();
      default: return this.ack();
    }
  }

  script(): string {
    const lines = [
      '--lax', '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3', '+0 bind(3, ..., ...) = 0', '+0 listen(3, 1) = 0',
      `+0 < S 0:0(0) win 65535 <mss ${this.ts ? MSS + 12 : MSS},sackOK${this.ts ? ',TS val 1000 ecr 0' : ''}>`, '+0 > S. 0:0(0) ack 1 <...>',
      `+.1 < . 1:1(0) ack 1 win 65535${this.ts ? ' <nop,nop,TS val 1000 ecr 1000>' : ''}`, '+0 accept(3, ..., ...) = 4',
      '+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = ?', '+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = ?', '+0 write(4, ..., 20000) = ?',
    ];
    this.written = 20_000;
    for (let i = 0; i < EVENTS; i++) {
      lines.push(`+${this.pick(['0', '0', '0', '.001', '.01', '.05', '.3', '2'])} ${this.event()}`);
      if (i !== EVENTS - 20 || this.below(3) > 0) continue;
      lines.push('+0 close(4) = ?');
      this.closed = true;
    }
    return `${lines.join('\n')}\n`;
  }
}

for (const ts of [false, true]) {
  test(`lies in SACK blocks${ts ? ', with timestamps' : ''}`, async () => {
    for (let i = 0; i < RUNS; i++) {
      const text = new Liar(`sack noise ${ts} ${i}`, ts).script();
      const failure = await runner.runText(`sack-noise-${ts}-${i}.pkt`, text);
      if (failure !== null) assert.fail(`${text}\n${failureText(failure)}`);
    }
  });
}
