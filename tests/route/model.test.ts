/**
 * Routing tables against a plain model, of moderate size; `npm run bench -- route` does a million of each.
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agree } from './againstModel';
import { bootFib } from './bigTable';

test('100,000 random inserts, deletes and look-ups on tables of 10 to 100,000 prefixes', async (t) => {
  const fib = await bootFib();
  t.after(() => fib.kernel.close());
  for (const [prefixes, operations] of [[10, 20_000], [1000, 30_000], [100_000, 50_000]] as const) {
    const { inserted, deleted, found, lookups, trieBytes, allBytes } = agree(fib, prefixes, operations, 7 * prefixes);
    t.diagnostic(`${prefixes} prefixes: ${inserted} inserts, ${deleted} deletes, ${found} of ${lookups} look-ups found, ${trieBytes.toFixed(1)} bytes a prefix in the trie, ${allBytes.toFixed(1)} with its route`);
    assert.ok(inserted > operations / 20 && deleted > operations / 20 && found > lookups / 4, 'too little happened');
    if (prefixes >= 100_000) assert.ok(allBytes < 100, `${allBytes} bytes a prefix`);
  }
});
