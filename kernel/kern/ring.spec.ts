/**
 * Rings: in order, through the wrap of the indexes, and safe from whatever the other side writes into
 * its index.
 */
import { RING_DATA, RING_ENTRIES, RING_ENTRYSIZE, RING_HEAD, RING_MAX, RING_TAIL } from "../abi/rump";
import { spec_below, spec_kern_boot, spec_srand } from "./kern_spec_boot";
import { rump_ring } from "./exports";
import { ring_consume, ring_count, ring_create, ring_lookup, ring_peek, ring_produce, ring_register,
  ring_reserve } from "./ring";

spec_kern_boot();

const r = ring_create(8, 12, "spec.ring");
const SIZE: usize = RING_DATA + 8 * 12;

function push(v: i32): bool {
  const at = ring_reserve(r);
  if (at == 0) return false;
  store<i32>(at, v);
  store<i32>(at, ~v, 8);
  ring_produce(r);
  return true;
}

/** The oldest value, taken out; -1 if there is none. */
function pop(): i32 {
  const at = ring_peek(r);
  if (at == 0) return -1;
  const v = load<i32>(at);
  assert(load<i32>(at, 8) == ~v, "the end of the entry");
  ring_consume(r);
  return v;
}

function indexes(head: u32, tail: u32): void {
  store<u32>(r, head, RING_HEAD);
  store<u32>(r, tail, RING_TAIL);
}

/** Whether an entry at `at` lies in the ring's entries. */
function within(at: usize): bool {
  return at >= r + RING_DATA && at + 12 <= r + SIZE && (at - r - RING_DATA) % 12 == 0;
}

describe("a ring", () => {
  beforeEach(() => { indexes(0, 0); });

  it("says what it is made of", () => {
    expect(load<u32>(r, RING_ENTRIES)).toBe(8);
    expect(load<u32>(r, RING_ENTRYSIZE)).toBe(12);
    expect(r % 64).toBe(0);
    expect(ring_count(r)).toBe(0);
    expect(ring_peek(r)).toBe(0);
  });

  it("takes as many as it has entries, in order", () => {
    for (let i = 0; i < 8; i++) expect(push(i)).toBe(true);
    expect(push(8)).toBe(false);
    expect(ring_count(r)).toBe(8);
    for (let i = 0; i < 8; i++) expect(pop()).toBe(i);
    expect(pop()).toBe(-1);
  });

  it("shows the oldest entry until it is consumed", () => {
    push(5);
    expect(load<i32>(ring_peek(r))).toBe(5);
    expect(load<i32>(ring_peek(r))).toBe(5);
    expect(pop()).toBe(5);
    expect(ring_peek(r)).toBe(0);
  });

  it("goes on where the indexes wrap around", () => {
    indexes(0xfffffffb, 0xfffffffb);
    for (let i = 0; i < 8; i++) expect(push(100 + i)).toBe(true);
    expect(push(0)).toBe(false);
    expect(ring_count(r)).toBe(8);
    expect(load<u32>(r, RING_HEAD)).toBe(3);
    for (let i = 0; i < 8; i++) expect(pop()).toBe(100 + i);
    expect(ring_count(r)).toBe(0);
  });

  it("agrees with a queue at random, from any index", () => {
    spec_srand(11);
    for (let round = 0; round < 20; round++) {
      const from = <u32>0 - spec_below(64);
      indexes(from, from);
      let next = 0;
      let oldest = 0;
      for (let step = 0; step < 500; step++) {
        if (spec_below(2) == 0) {
          assert(push(next) == (next - oldest < 8), "push");
          if (next - oldest < 8) next++;
        } else {
          assert(pop() == (oldest < next ? oldest : -1), "pop");
          if (oldest < next) oldest++;
        }
        assert(ring_count(r) == next - oldest, "count");
      }
    }
    expect(ring_count(r)).toBeLessThan(9);
  });
});

describe("an index written by the other side", () => {
  it("never leads outside the ring", () => {
    spec_srand(12);
    for (let step = 0; step < 20000; step++) {
      indexes(spec_below(4) == 0 ? 0xffffffff - spec_below(20) : spec_below(2) == 0 ? spec_below(20) : spec_below(0xffffffff),
        spec_below(2) == 0 ? spec_below(20) : spec_below(0xffffffff));
      const n = load<u32>(r, RING_HEAD) - load<u32>(r, RING_TAIL);
      const peek = ring_peek(r);
      const reserve = ring_reserve(r);
      assert(peek == 0 || within(peek), "peek");
      assert(reserve == 0 || within(reserve), "reserve");
      assert((peek != 0) == (n > 0 && n <= 8), "to be consumed");
      assert((reserve != 0) == (n < 8), "room");
      assert(ring_count(r) <= 8, "count");
    }
    indexes(9, 0);
    expect(ring_peek(r)).toBe(0, "more than there can be: nothing");
    expect(ring_reserve(r)).toBe(0, "and no room");
    indexes(0, 1);
    expect(ring_peek(r)).toBe(0, "a head behind the tail: nothing");
  });
});

describe("the rings of an image", () => {
  it("are found by number", () => {
    ring_register(5, r);
    expect(ring_lookup(5)).toBe(r);
    expect(<usize>rump_ring(5)).toBe(r);
    expect(ring_lookup(6)).toBe(0);
    expect(ring_lookup(-1)).toBe(0);
    expect(ring_lookup(RING_MAX)).toBe(0);
    expect(rump_ring(i32.MIN_VALUE)).toBe(0);
    expect(() => { ring_register(5, r); }).toThrow("taken");
    expect(() => { ring_register(RING_MAX, r); }).toThrow("no such number");
  });

  it("have a power of two of entries", () => {
    expect(() => { ring_create(12, 4, "spec.bad"); }).toThrow();
    expect(() => { ring_create(0, 4, "spec.bad"); }).toThrow();
  });
});
