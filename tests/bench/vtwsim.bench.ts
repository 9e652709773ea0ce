/**
 * A million sessions with faults against a model of plain TIME-WAIT (tests/vtw/twSim.ts): how many replies
 * differ, and what was discarded by age under pressure. A figure of correctness, with its speed beside it.
 */
import type { Bench } from '../../tools/bench/bench';
import { runNode } from '../lib/spawn';
import { cli, root } from '../lib/tree';
import { runTwSim } from '../vtw/twSim';

const SEED = 20_261_120;

const bench: Bench = {
  name: 'vtwsim',
  about: '1,000,000 sessions with faults on a virtual clock against a model of plain TIME-WAIT',
  async run(report, { quick, log }) {
    const built = await runNode([cli, 'build', 'DRILL'], { cwd: root, timeoutMs: 120_000 });
    if (built.code !== 0) throw new Error(built.stderr);
    const total = quick ? 40_000 : 1_000_000;
    // Room for all; and a table that is full for half of the time.
    for (const [capacity, how] of [[60_000, 'room for all'], [4_000, '4,000 entries']] as const) {
      const began = performance.now();
      const sessions = total / 2;
      const result = await runTwSim({ seed: SEED, sessions, capacity, paceUs: 3000, progress: (done) => log(`${how}: ${done.toLocaleString('en')} of ${sessions.toLocaleString('en')} sessions`) });
      for (const line of result.divergences) log(line);
      report({ metric: `${how}: sessions`, value: sessions, unit: `seed ${SEED}` });
      report({ metric: `${how}: replies that differ from the model's`, value: result.divergences.length, unit: `of ${result.probes} probes`, aim: '≤ 0' });
      report({ metric: `${how}: discarded by age, as the model counts`, value: result.killed, unit: 'entries' });
      report({ metric: `${how}: expired, gave way to a new connection`, value: result.expired, unit: `and ${result.reused}` });
      report({ metric: `${how}: in TIME-WAIT at most`, value: result.most, unit: 'entries' });
      report({ metric: `${how}: sessions a second of this machine`, value: sessions / (performance.now() - began) * 1e3, unit: '/s' });
      if (result.divergences.length > 0) throw new Error(result.divergences.join('\n'));
    }
  },
};

export default bench;
