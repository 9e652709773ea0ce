/**
 * Linehash: a hash table whose look-ups touch one cache line.
 *
 *      bucket = one 64-byte line:  15 slots {tag:12 | index+1:20}   │ overflow count
 *
 * The table maps a 64-bit keyed hash to small numbers (indexes into a pool), and leaves the comparison
 * of keys to its caller: linehash_first/next give the indexes whose tag agrees, 12 bits of hash beside
 * the bucket number, so a wrong candidate comes up once in about 500 probes of a half-full line. An
 * entry that finds its line full goes to the next line with room, and each line that it passed counts
 * it; a look-up goes on to the next line only while that count is not zero (the scheme of F14 and of
 * NetBSD's fat pointers, without their chains). At the load that linehash_create plans for, 8 of 15,
 * one line in a hundred overflows; linehash_create_dense lets the caller trade memory for that.
 *
 * Insert and remove are O(1), a miss reads one line, a hit that line and the entry itself. Memory: 8
 * bytes an entry (64 / per_line when dense). The line is the hash scaled to the number of lines, which
 * need not be a power of two. Entries with equal hashes share lines: do not insert many of them.
 */
import { kmem_alloc } from "./kmem";

const SLOTS: u32 = 15;
const OVERFLOW: usize = 60;
const INDEX_BITS: u32 = 20;
const INDEX_MASK: u32 = 0xfffff;

@unmanaged
export class Linehash {
  lines: usize;
  nlines: u32;
  count: u32;
  /** Entries that did not fit their own line. */
  spilled: u32;
  /** Cursor of linehash_first/next: line, next slot, tag, lines left. */
  at_line: u32;
  at_slot: u32;
  at_tag: u32;
  at_left: u32;
}

/** A table for up to `n` entries (indexes below 2^20 - 1). Boot only. */
export function linehash_create(n: u32, name: string): Linehash {
  return linehash_create_dense(n, 8, name);
}

/** The same with `per_line` entries for each line when it is full: 1 (sparse) to 15 (no room to spare). */
export function linehash_create_dense(n: u32, per_line: u32, name: string): Linehash {
  assert(n < INDEX_MASK, "linehash_create: too many");
  assert(per_line > 0 && per_line <= SLOTS, "linehash_create: load");
  const t = changetype<Linehash>(kmem_alloc(offsetof<Linehash>(), 64, name));
  t.nlines = n == 0 ? 1 : (n + per_line - 1) / per_line;
  t.lines = kmem_alloc(<usize>t.nlines << 6, 64, name);
  return t;
}

function tag_of(hash: u64): u32 {
  return <u32>(hash >> 52) << INDEX_BITS;
}

/** Where `hash` belongs: its low half as a fraction of all lines. */
function home_of(t: Linehash, hash: u64): u32 {
  return <u32>((<u64><u32>hash * <u64>t.nlines) >> 32);
}

/** Line `i` of a round table; `i` is less than twice their number. */
function line_at(t: Linehash, i: u32): usize {
  return t.lines + (<usize>(i < t.nlines ? i : i - t.nlines) << 6);
}

/** Add `index` under `hash`. False only if every line is full: more entries than planned for. */
export function linehash_insert(t: Linehash, hash: u64, index: u32): bool {
  assert(index < INDEX_MASK, "linehash_insert: index");
  const home = home_of(t, hash);
  for (let i: u32 = 0; i < t.nlines; i++) {
    const line = line_at(t, home + i);
    for (let s: u32 = 0; s < SLOTS; s++) {
      const at = line + (<usize>s << 2);
      if (load<u32>(at) != 0) continue;
      store<u32>(at, tag_of(hash) | (index + 1));
      t.count++;
      if (i > 0) {
        t.spilled++;
        for (let j: u32 = 0; j < i; j++) line_overflow(line_at(t, home + j), 1);
      }
      return true;
    }
  }
  return false;
}

function line_overflow(line: usize, by: i32): void {
  const n = load<i32>(line, OVERFLOW) + by;
  assert(n >= 0, "linehash: overflow count");
  store<i32>(line, n, OVERFLOW);
}

/** Take `index`, inserted under `hash`, out again; it must be there. */
export function linehash_remove(t: Linehash, hash: u64, index: u32): void {
  const home = home_of(t, hash);
  const want = tag_of(hash) | (index + 1);
  for (let i: u32 = 0; i < t.nlines; i++) {
    const line = line_at(t, home + i);
    for (let s: u32 = 0; s < SLOTS; s++) {
      const at = line + (<usize>s << 2);
      if (load<u32>(at) != want) continue;
      store<u32>(at, 0);
      t.count--;
      for (let j: u32 = 0; j < i; j++) line_overflow(line_at(t, home + j), -1);
      return;
    }
    if (load<u32>(line, OVERFLOW) == 0) break;
  }
  assert(false, "linehash_remove: not there");
}

/** The first candidate under `hash`, or -1. Its key must be compared by the caller. */
export function linehash_first(t: Linehash, hash: u64): i32 {
  t.at_line = home_of(t, hash);
  t.at_slot = 0;
  t.at_tag = tag_of(hash);
  t.at_left = t.nlines - 1;
  return linehash_next(t);
}

/** The next candidate of the look-up under way, or -1. */
export function linehash_next(t: Linehash): i32 {
  let slot = t.at_slot;
  while (true) {
    const line = line_at(t, t.at_line);
    for (; slot < SLOTS; slot++) {
      const v = load<u32>(line + (<usize>slot << 2));
      if (((v ^ t.at_tag) & ~INDEX_MASK) != 0 || (v & INDEX_MASK) == 0) continue;
      t.at_slot = slot + 1;
      return <i32>(v & INDEX_MASK) - 1;
    }
    if (load<u32>(line, OVERFLOW) == 0 || t.at_left == 0) return -1;
    t.at_left--;
    t.at_line++;
    slot = 0;
  }
}
