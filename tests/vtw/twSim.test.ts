/**
 * Sessions with faults against a model of plain TIME-WAIT: no reply differs, every entry that was discarded
 * under pressure is counted. `npm run bench -- vtwsim` does a million.
 *
 * @timeout 240
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runTwSim } from './twSim';

test('20,000 sessions, room for all', async () => {
  const result = await runTwSim({ seed: 1, sessions: 20_000, capacity: 60_000, paceUs: 3000 });
  assert.deepEqual(result.divergences, []);
  assert.equal(result.killed, 0);
  assert.ok(result.expired > 1000 && result.reused > 100, JSON.stringify(result));
});

test('20,000 sessions, room for 1,000: the oldest go, in order and counted', async () => {
  const result = await runTwSim({ seed: 2, sessions: 20_000, capacity: 1000, paceUs: 3000 });
  assert.deepEqual(result.divergences, []);
  assert.ok(result.killed > 1000, JSON.stringify(result));
});

test('the same seed gives the same run', async () => {
  const [a, b] = [await runTwSim({ seed: 3, sessions: 2000, capacity: 500, paceUs: 3000 }), await runTwSim({ seed: 3, sessions: 2000, capacity: 500, paceUs: 3000 })];
  assert.deepEqual(a, b);
});
