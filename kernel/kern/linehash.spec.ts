/**
 * Linehash against a table of pairs: insert, remove, look up, at the planned load, far above it, with
 * every entry in one line, and with the overflow counts back at zero in the end.
 */
import { spec_below, spec_kern_boot, spec_rand, spec_srand } from "./kern_spec_boot";
import { Linehash, linehash_create, linehash_first, linehash_insert, linehash_next, linehash_remove } from "./linehash";

spec_kern_boot();

function hash64(): u64 {
  return ((<u64>spec_rand()) << 32) | spec_rand();
}

/** Whether `index` comes up under `hash`; how many candidates came before it goes to `probes`. */
let probes: i32 = 0;
function has(t: Linehash, hash: u64, index: i32): bool {
  for (let i = linehash_first(t, hash); i >= 0; i = linehash_next(t)) {
    if (i == index) return true;
    probes++;
    assert(probes < 1000000, "endless");
  }
  return false;
}

/** How often `index` comes up under `hash`. */
function times(t: Linehash, hash: u64, index: i32): i32 {
  let n = 0;
  for (let i = linehash_first(t, hash); i >= 0; i = linehash_next(t)) if (i == index) n++;
  return n;
}

/** All lines, entries and overflow counts, are zero. */
function clean(t: Linehash): bool {
  for (let at: usize = 0; at < <usize>t.nlines << 6; at += 4) if (load<u32>(t.lines + at) != 0) return false;
  return t.count == 0;
}

const N: i32 = 1000;
const table = linehash_create(N, "spec.hash");
const hashes = new StaticArray<u64>(N);
const there = new StaticArray<bool>(N);

describe("linehash", () => {
  it("has eight entries planned for each line of 64 bytes", () => {
    expect(table.nlines).toBe(125);
    expect(table.lines % 64).toBe(0);
    expect(linehash_create(1, "spec.one").nlines).toBe(1);
    expect(linehash_create(8, "spec.eight").nlines).toBe(1);
    expect(linehash_create(9, "spec.nine").nlines).toBe(2);
    expect(() => { linehash_create(0xfffff, "spec.much"); }).toThrow();
    expect(() => { linehash_insert(table, 1, 0xfffff); }).toThrow("an index of more than 20 bits");
  });

  it("finds what was inserted and nothing that was removed", () => {
    spec_srand(21);
    for (let step = 0; step < 30000; step++) {
      const i = spec_below(N);
      if (there[i]) {
        assert(has(table, hashes[i], i), "lost");
        linehash_remove(table, hashes[i], i);
        assert(!has(table, hashes[i], i), "still there");
      } else {
        hashes[i] = hash64();
        assert(linehash_insert(table, hashes[i], i), "full");
      }
      there[i] = !there[i];
    }
    let n = 0;
    for (let i = 0; i < N; i++) {
      assert(times(table, hashes[i], i) == (there[i] ? 1 : 0), "once each");
      if (there[i]) n++;
    }
    expect(table.count).toBe(n);
  });

  it("shows a wrong candidate rarely", () => {
    for (let i = 0; i < N; i++) {
      if (there[i]) continue;
      hashes[i] = hash64();
      linehash_insert(table, hashes[i], i);
      there[i] = true;
    }
    probes = 0;
    for (let i = 0; i < 20000; i++) has(table, hash64(), -1);
    expect(probes).toBeLessThan(100, "8 tags of 12 bits: one in 500");
    expect(probes).toBeGreaterThan(5);
    for (let i = 0; i < N; i++) linehash_remove(table, hashes[i], i);
    expect(clean(table)).toBe(true);
  });

  it("holds 15 of each line, and says so when all are full", () => {
    const t = linehash_create(64, "spec.small");
    spec_srand(22);
    const hs: u64[] = [];
    for (let i = 0; i < 8 * 15; i++) {
      hs.push(hash64());
      assert(linehash_insert(t, hs[i], i), "not yet full");
    }
    expect(linehash_insert(t, 5, 500)).toBe(false);
    expect(t.count).toBe(120);
    for (let i = 0; i < 120; i++) expect(has(t, hs[i], i)).toBe(true);
    expect(has(t, hash64(), 1000)).toBe(false, "a miss in a full table ends too");
    linehash_remove(t, hs[50], 50);
    expect(linehash_insert(t, 5, 500)).toBe(true);
    expect(has(t, 5, 500)).toBe(true);
    linehash_remove(t, 5, 500);
    for (let i = 119; i >= 0; i--) if (i != 50) linehash_remove(t, hs[i], i);
    expect(clean(t)).toBe(true, "no overflow count is left");
  });

  it("spills what has one line over its neighbours and finds it all", () => {
    const t = linehash_create(128, "spec.spill");
    // All of the last line: the next is line 0.
    for (let i = 0; i < 100; i++) assert(linehash_insert(t, 0xffffffff | (<u64>i << 52), i), "full");
    expect(t.spilled).toBe(85);
    for (let i = 0; i < 100; i++) expect(times(t, 0xffffffff | (<u64>i << 52), i)).toBe(1);
    // Holes before an entry do not hide it.
    for (let i = 0; i < 100; i += 2) linehash_remove(t, 0xffffffff | (<u64>i << 52), i);
    for (let i = 0; i < 100; i++) expect(times(t, 0xffffffff | (<u64>i << 52), i)).toBe(i & 1);
    for (let i = 1; i < 100; i += 2) linehash_remove(t, 0xffffffff | (<u64>i << 52), i);
    expect(clean(t)).toBe(true);
  });

  it("keeps entries of equal hash apart by index", () => {
    const t = linehash_create(64, "spec.equal");
    for (let i = 0; i < 40; i++) linehash_insert(t, 0xabc0000000000003, i);
    let seen: u64 = 0;
    for (let i = linehash_first(t, 0xabc0000000000003); i >= 0; i = linehash_next(t)) seen |= <u64>1 << <u64>i;
    expect(seen).toBe(0xffffffffff);
    linehash_remove(t, 0xabc0000000000003, 17);
    expect(has(t, 0xabc0000000000003, 17)).toBe(false);
    expect(has(t, 0xabc0000000000003, 39)).toBe(true);
  });

  it("knows what is not there", () => {
    expect(linehash_first(table, 77)).toBe(-1);
    expect(() => { linehash_remove(table, 77, 3); }).toThrow();
  });
});
