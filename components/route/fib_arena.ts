/**
 * The memory of the tries: arrays of every size in one arena, fixed at boot, by the buddy system.
 *
 *      units of 16 bytes     | 128 | 128 | fresh: never touched …          chunks of 2 KiB
 *                            └─ 64 ─┬─ 32 ─┬ 16 ┬ 16 ┘                     split in halves on demand
 *      map: one byte a unit  order + 1 where a free block begins, else 0
 *
 * Nodes and results of a trie (fib_trie.ts) lie in arrays that grow and shrink by one; an array takes
 * the next power of two. Given back, a block joins its other half while that is free too (Knuth, TAOCP
 * 1 §2.5), so memory that one size has used serves every other again: no history of requests can leave
 * the arena in pieces for ever. A unit is only touched once something near it is in use. Taking and
 * giving are O(orders), eight; when nothing is left the answer is 0 and a count.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";

/** Bytes of a unit, as a shift; the largest order: 128 units, 64 nodes. */
const UNIT_SHIFT: usize = 4;
export const FIB_MAXORDER: i32 = 7;

@unmanaged
class FibArena {
  base: usize;
  map: usize;
  units: u32;
  /** First unit never given out. */
  fresh: u32;
  used: u32;
  hiwat: u32;
  fails: u32;
  /** First free block of each order: {next, previous} in its first 8 bytes. */
  free0: usize;
}

let fa: FibArena = changetype<FibArena>(0);

/** Carve an arena of at least `units` units. */
export function fib_arena_boot(units: u32): void {
  fa = changetype<FibArena>(kmem_alloc(offsetof<FibArena>() + (<usize>FIB_MAXORDER << 2), 64, "route.arena"));
  const chunk = <u32>1 << FIB_MAXORDER;
  fa.units = (units + chunk - 1) & ~(chunk - 1);
  fa.base = kmem_alloc(<usize>fa.units << UNIT_SHIFT, 64, "route.arena");
  fa.map = kmem_alloc(fa.units, 64, "route.arena");
}

function head_of(order: i32): usize {
  return changetype<usize>(fa) + offsetof<FibArena>("free0") + (<usize>order << 2);
}

function block_push(p: usize, order: i32): void {
  const head = head_of(order);
  const next = load<usize>(head);
  store<usize>(p, next);
  store<usize>(p, 0, 4);
  if (next != 0) store<usize>(next, p, 4);
  store<usize>(head, p);
  store<u8>(fa.map + ((p - fa.base) >> UNIT_SHIFT), <u8>(order + 1));
}

function block_pull(p: usize, order: i32): void {
  const next = load<usize>(p);
  const prev = load<usize>(p, 4);
  if (prev != 0) store<usize>(prev, next);
  else store<usize>(head_of(order), next);
  if (next != 0) store<usize>(next, prev, 4);
  store<u8>(fa.map + ((p - fa.base) >> UNIT_SHIFT), 0);
}

/** A block of 2^order units, its contents undefined; 0 when there is none, which is counted. */
export function fib_alloc(order: i32): usize {
  let k = order;
  while (k <= FIB_MAXORDER && load<usize>(head_of(k)) == 0) k++;
  let p: usize = 0;
  if (k <= FIB_MAXORDER) {
    p = load<usize>(head_of(k));
    block_pull(p, k);
  } else {
    k = FIB_MAXORDER;
    if (fa.fresh >= fa.units) {
      fa.fails++;
      return 0;
    }
    p = fa.base + (<usize>fa.fresh << UNIT_SHIFT);
    fa.fresh += <u32>1 << FIB_MAXORDER;
  }
  while (k > order) {
    k--;
    block_push(p + (<usize>1 << (<usize>k + UNIT_SHIFT)), k);
  }
  fa.used += <u32>1 << order;
  if (fa.used > fa.hiwat) fa.hiwat = fa.used;
  return p;
}

/** Give a block of fib_alloc(order) back. */
export function fib_free(p: usize, order: i32): void {
  assert(p >= fa.base && (p - fa.base) >> UNIT_SHIFT < fa.fresh, "fib_free: not of the arena");
  fa.used -= <u32>1 << order;
  while (order < FIB_MAXORDER) {
    const buddy = fa.base + ((p - fa.base) ^ (<usize>1 << (<usize>order + UNIT_SHIFT)));
    if (load<u8>(fa.map + ((buddy - fa.base) >> UNIT_SHIFT)) != <u8>(order + 1)) break;
    block_pull(buddy, order);
    if (buddy < p) p = buddy;
    order++;
  }
  block_push(p, order);
}

/** Bytes in use; most that ever were; that there are; requests that found nothing. */
export function fib_arena_used(): usize {
  return <usize>fa.used << UNIT_SHIFT;
}

export function fib_arena_hiwat(): usize {
  return <usize>fa.hiwat << UNIT_SHIFT;
}

export function fib_arena_size(): usize {
  return <usize>fa.units << UNIT_SHIFT;
}

export function fib_arena_fails(): u32 {
  return fa.fails;
}
