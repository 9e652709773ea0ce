/**
 * The simulator: what it finds right, that it repeats itself to the byte, and that it can fail.
 *
 * @timeout 240
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runScenario, SimError, type ScenarioOptions } from '../../host/sim/scenario';
import { World } from '../../host/sim/world';
import { runNode } from '../lib/spawn';
import { cli, root } from '../lib/tree';

const bad = { loss: 0.05, duplicate: 0.02, reorder: 0.05, corrupt: 0.01, delayUs: 2000, jitterUs: 1000 };

const options = (seed: number, more: Partial<ScenarioOptions> = {}): ScenarioOptions =>
  ({ seed, images: 3, flows: 30, parallel: 12, bytes: 100_000, faults: bad, ...more });

describe('the simulator', () => {
  it('carries every byte of random flows over bad links, for several seeds', async () => {
    for (const seed of [1, 2, 3]) {
      const result = await runScenario(options(seed));
      assert.equal(result.flows, 30);
      assert.ok(result.retransmits > 0, 'the links were not bad');
    }
  });

  it('gives the same hash for the same seed, and another for another', async () => {
    const [a, b, c] = [await runScenario(options(7)), await runScenario(options(7)), await runScenario(options(8))];
    assert.deepEqual(a, b);
    assert.notEqual(a.hash, c.hash);
  });

  it('gives the same hash in another process', async () => {
    const run = async (): Promise<string> => {
      const result = await runNode([cli, 'sim', '--seed', '5', '--flows', '10', '--images', '2', '--json'], { cwd: root, timeoutMs: 60_000 });
      assert.equal(result.code, 0, result.stderr);
      return result.stdout;
    };
    assert.equal(await run(), await run());
  });

  it('finds a link that no flow can cross', async () => {
    await assert.rejects(runScenario(options(1, { flows: 2, faults: { loss: 1 } })), SimError);
  });

  it('refuses words that are no faults, in one line', async () => {
    const result = await runNode([cli, 'sim', '--faults', 'loss=many'], { cwd: root, timeoutMs: 60_000 });
    assert.equal(result.code, 1);
    assert.match(result.stderr, /^rumpwasm: loss=many: expected a probability[^\n]*\n$/);
  });
});

describe('a world of images', () => {
  it('stands still until it is stepped, and moves from moment to moment', async () => {
    const world = await World.create({ seed: 1, images: 2 });
    try {
      const start = world.clock.monotonic();
      world.settle();
      assert.equal(world.clock.monotonic(), start);
      world.pass(5_000_000);
      assert.equal(world.clock.monotonic(), start + 5_000_000);
      assert.ok(world.frames > 0, 'gratuitous ARP');
    } finally {
      await world.close();
    }
  });
});
