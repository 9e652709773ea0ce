/**
 * Random segments at random moments in every state, mixed with random calls: the kernel must not stop,
 * every packet it sends must be well formed, no byte may be read or sent that was not written there, and
 * in the end everything is given back.
 *
 * Each run is a script of its own, printed when it fails: put into a file it can be run again. More of
 * them: DRILL_NOISE=5000.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { seededEntropy } from '../../host/determinism';
import { packageRoot } from '../../host/imageFile';
import { failureText, Runner } from '../../tools/drill/runner';
import {
  IRS, ISS, type StateEntry, synchronized, synReceivedActive, synReceivedPassive, synSent, WINDOW,
} from '../../tools/drill/statesPrologue';

const runner = new Runner(packageRoot());
after(() => runner.close());

const RUNS = Number(process.env.DRILL_NOISE ?? 25);
const EVENTS = 40;
const FLAGS = ['.', '.', '.', 'P.', 'P.', 'F.', 'FP.', 'S', 'S.', 'R', 'R.', 'U.', 'PU.', 'F', 'P', '-', 'SF', 'FSRPU.', '.E', '.W'];
const OPTIONS = ['', '', '', '', ' <nop,nop,TS val 5 ecr 0>', ' <sack 20001:20051>', ' <raw 0501>', ' <mss 1>', ' <nop,wscale 14>', ' <raw ff00>'];

/** Random numbers of one run. */
class Dice {
  private readonly source: { next(): number };

  constructor(seed: string) {
    this.source = seededEntropy(seed);
  }

  below(n: number): number { return this.source.next() % n; }
  pick<T>(list: readonly T[]): T { return list[this.below(list.length)]!; }
}

/** Near `at` mostly, at an edge of the window often, anywhere seldom. */
function sequence(dice: Dice, at: number): number {
  const near = dice.pick([0, 0, 0, 1, -1, 50, -50, 100, -100, 500, 1000, WINDOW - 1, WINDOW, WINDOW + 1, -WINDOW, 0x7fffffff]);
  return (at + near) >>> 0;
}

function segment(dice: Dice, s: StateEntry): string {
  const flags = dice.pick(FLAGS);
  const length = dice.pick([0, 0, 0, 1, 50, 100, 100, 1000]);
  const seq = sequence(dice, s.rcvNxt);
  const ack = flags.includes('.') ? ` ack ${sequence(dice, dice.pick([s.una, s.nxt]))}` : '';
  const urgent = flags.includes('U') ? ` urg ${dice.pick([0, 1, 50, 1000, 65535])}` : '';
  return `< ${flags} ${seq}:${(seq + length) % 2 ** 32}(${length})${ack} win ${dice.pick([0, 1, 100, 1000, WINDOW, 65535])}${urgent}${dice.pick(OPTIONS)}`;
}

function call(dice: Dice, s: StateEntry): string {
  const all = [
    `read(${s.fd}, ..., ${dice.pick([1, 50, 1000, 20000])}) = ?`, `write(${s.fd}, ..., ${dice.pick([1, 100, 1000, 5000])}) = ?`,
    `send(${s.fd}, ..., 10, MSG_OOB) = ?`, `shutdown(${s.fd}, SHUT_WR) = ?`, `setsockopt(${s.fd}, SOL_TCP, TCP_NODELAY, [1], 4) = ?`,
    `setsockopt(${s.fd}, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = ?`, `recv(${s.fd}, ..., 100, MSG_PEEK) = ?`,
    `setsockopt(${s.fd}, SOL_SOCKET, SO_LINGER, {onoff=1, linger=${dice.below(3)}}, 8) = ?`,
  ];
  return dice.pick(all);
}

const ICMP = ['unreachable frag_needed mtu 500', 'unreachable port_unreachable', 'unreachable host_unreachable', 'time_exceeded exceed_ttl'];

function script(seed: string, s: StateEntry): string {
  const dice = new Dice(seed);
  const lines = ['--lax', ...s.lines];
  if (s.fd !== null) lines.push(`+0 fcntl(${s.fd}, F_SETFL, O_RDWR|O_NONBLOCK) = ?`);
  for (let i = 0; i < EVENTS; i++) {
    const at = `+${dice.pick(['0', '0', '0', '.001', '.01', '.05', '.3', '1', '10'])}`;
    const kind = dice.below(12);
    if (kind === 0) lines.push(`${at} < [${ISS + 1}:${ISS + 101}(100)] icmp ${dice.pick(ICMP)}`);
    // In SYN-SENT nobody here sees which SYN the connection begins with, so what is read cannot be judged.
    else if (kind <= 3 && s.fd !== null && s !== synSent) lines.push(`${at} ${call(dice, s)}`);
    else lines.push(`${at} ${segment(dice, s)}`);
  }
  return `${lines.join('\n')}\n`;
}

for (const s of [synSent, synReceivedPassive, synReceivedActive, ...synchronized]) {
  test(`noise in ${s.name}`, async () => {
    assert.equal(s.rcvNxt - IRS > 0, true);
    for (let i = 0; i < RUNS; i++) {
      const text = script(`noise ${s.folder} ${i}`, s);
      const failure = await runner.runText(`noise-${s.folder}-${i}.pkt`, text);
      if (failure !== null) assert.fail(`${text}\n${failureText(failure)}`);
    }
  });
}
