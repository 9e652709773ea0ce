/**
 * The tables of an image against the model: random inserts, deletes and look-ups; the first divergence throws.
 */
import { drawTable, type Fib, fill, gatewayOf, Model, prefixDrawer, random, RTM } from './bigTable';

export interface Agreement {
  prefixes: number;
  operations: number;
  inserted: number;
  deleted: number;
  lookups: number;
  /** Look-ups that found a route. */
  found: number;
  /** Most prefixes that there were. */
  most: number;
  /** Bytes a prefix when the table was full: its tries, and with the routes themselves. */
  trieBytes: number;
  allBytes: number;
}

/** Addresses that matter: inside, at the ends of, and beside a prefix of the table, or anywhere. */
function addressDrawer(table: Float64Array, next: () => number): () => number {
  return () => {
    const kind = next() % 8;
    if (kind === 0) return next();
    const prefix = table[next() % table.length]!;
    const dst = Math.floor(prefix / 64);
    const size = 2 ** (32 - prefix % 64);
    if (kind === 1) return dst;
    if (kind === 2) return dst + size - 1;
    if (kind === 3) return (dst + size) >>> 0;
    return (dst + next() % size) >>> 0;
  };
}

const EEXIST = 17;
const ESRCH = 3;

function mustBe(what: string, got: number, want: number): void {
  if (got !== want) throw new Error(`${what}: the image says ${got}, the model ${want}`);
}

/** Fill a table of `prefixes`, change it by `operations` random steps, empty it. @throws Error at the first divergence */
export function agree(fib: Fib, prefixes: number, operations: number, seed: number): Agreement {
  const { call } = fib;
  const next = random(seed);
  const table = drawTable(prefixes, seed);
  const model = new Model();
  const before = fib.counters('net.route.memory');
  fill(fib, table);
  table.forEach((prefix, i) => model.set(prefix, gatewayOf(i)));
  const full = fib.counters('net.route.memory');
  const [fresh, address] = [prefixDrawer(next), addressDrawer(table, next)];
  const result = {
    prefixes, operations, inserted: 0, deleted: 0, lookups: 0, found: 0, most: model.size,
    trieBytes: (full.trie_bytes! - before.trie_bytes!) / prefixes, allBytes: (full.trie_bytes! + full.route_bytes! - before.trie_bytes! - before.route_bytes!) / prefixes,
  };
  for (let i = 0; i < operations; i++) {
    const kind = next() % 4;
    if (kind >= 2) {
      const to = address();
      const want = model.lookup(to);
      mustBe(`step ${i}: look-up of ${to >>> 0}`, call.fibtest_lookup(to) >>> 0, want);
      result.lookups++;
      if (want !== 0) result.found++;
      continue;
    }
    // A few places again and again, so that as much is inserted as deleted.
    const at = next() % ((next() & 3) === 0 ? table.length : Math.min(table.length, 4096));
    const known = model.get(table[at]!) !== undefined;
    // Half of what is inserted was never there.
    if (!known && (next() & 1) === 0) table[at] = fresh();
    const prefix = table[at]!;
    const there = model.get(prefix) !== undefined;
    const [dst, length, wrong] = [Math.floor(prefix / 64), prefix % 64, next() % 8 === 0];
    if (there !== wrong) {
      mustBe(`step ${i}: delete`, call.fibtest_request(RTM.delete, dst, length, 0), there ? 0 : -ESRCH);
      if (model.delete(prefix)) result.deleted++;
    } else {
      mustBe(`step ${i}: insert`, call.fibtest_request(RTM.add, dst, length, gatewayOf(i)), there ? -EEXIST : 0);
      if (there) continue;
      model.set(prefix, gatewayOf(i));
      result.inserted++;
    }
    result.most = Math.max(result.most, model.size);
  }
  model.maps.forEach((map, length) => map.forEach((_, dst) => mustBe('the end', call.fibtest_request(RTM.delete, dst, length, 0), 0)));
  const after = fib.counters('net.route.memory');
  mustBe('nodes left', after.nodes!, before.nodes!);
  mustBe('bytes left', after.trie_bytes!, before.trie_bytes!);
  return result;
}
