/**
 * The block map against an array: every height, holes, ranges, resizing, and no page left behind.
 */
import { RdMap, rdm_create, rdm_get, rdm_init, rdm_next_hole, rdm_next_used, rdm_resize, rdm_set } from "./rd_map";
import { rd_page_init, rd_page_set_limit, rd_page_used } from "./rd_page";
import { SPEC_PAGES, rnd, spec_memory, spec_seed } from "./rd_spec";

const M: usize = memory.data(20, 4);
const N: u32 = 4096;
/** What the map should hold at its N places. */
const WANT: usize = memory.data(4096 * 8, 8);

function map(): RdMap {
  return changetype<RdMap>(M);
}

beforeAll(() => {
  spec_memory();
  rd_page_init(SPEC_PAGES);
  rdm_init();
});

/** Place i of the model as a block number: `spread` apart. */
function place(i: u32, spread: u32): u32 {
  return i * spread + i % spread;
}

function random_walk(spread: u32, rounds: u32): void {
  memory.fill(WANT, 0, N * 8);
  rdm_create(map(), N * spread);
  for (let r: u32 = 0; r < rounds; r++) {
    const i = rnd(N);
    const value: u64 = rnd(3) == 0 ? 0 : <u64>rnd(1000) + 1;
    assert(rdm_set(map(), place(i, spread), value), "spec: memory");
    store<u64>(WANT + (<usize>i << 3), value);
  }
  let used: u32 = 0;
  let next = rdm_next_used(map(), 0);
  for (let i: u32 = 0; i < N; i++) {
    const want = load<u64>(WANT + (<usize>i << 3));
    assert(rdm_get(map(), place(i, spread)) == want, "spec: value");
    if (want == 0) continue;
    used++;
    assert(next == place(i, spread), "spec: next used");
    next = rdm_next_used(map(), next + 1);
  }
  assert(next == N * spread && map().m_used == used, "spec: end");
  for (let i: u32 = 0; i < N; i++) assert(rdm_set(map(), place(i, spread), 0), "spec: clear");
  assert(map().m_pages == 0 && map().m_root == 0 && rd_page_used() == 0, "spec: pages left");
}

describe("the map", () => {
  it("holds what was put, at every height", () => {
    spec_seed(3);
    random_walk(1, 20000);
    random_walk(100, 5000);
    random_walk(10007, 1500);
  });
  it("finds holes and what is used", () => {
    rdm_create(map(), 2000000);
    expect(rdm_next_used(map(), 0)).toBe(2000000);
    expect(rdm_next_hole(map(), 17)).toBe(17);
    for (let b: u32 = 1000; b < 3000; b++) rdm_set(map(), b, 1);
    rdm_set(map(), 1999999, 1);
    expect(rdm_next_used(map(), 0)).toBe(1000);
    expect(rdm_next_hole(map(), 1000)).toBe(3000);
    expect(rdm_next_used(map(), 3000)).toBe(1999999);
    expect(rdm_next_hole(map(), 1999999)).toBe(2000000);
    for (let b: u32 = 1000; b < 3000; b++) rdm_set(map(), b, 0);
    rdm_set(map(), 1999999, 0);
    expect(rd_page_used()).toBe(0);
  });
  it("grows and shrinks with its contents", () => {
    rdm_create(map(), 300);
    rdm_set(map(), 7, 77);
    const sizes: u32[] = [600000, 500, 100000, 1 << 29, 8];
    for (let i = 0; i < sizes.length; i++) {
      expect(rdm_resize(map(), sizes[i])).toBe(true);
      expect(rdm_get(map(), 7)).toBe(77);
      if (sizes[i] > 10) expect(rdm_get(map(), sizes[i] - 1)).toBe(0);
    }
    expect(map().m_pages).toBe(1);
    rdm_set(map(), 7, 0);
    expect(rd_page_used()).toBe(0);
  });
  it("changes nothing when memory is out", () => {
    rdm_create(map(), 1 << 29);
    rdm_set(map(), 0, 5);
    for (let limit: u32 = 3; limit < 5; limit++) {
      rd_page_set_limit(limit);
      expect(rdm_set(map(), 1 << 28, 6)).toBe(false);
      expect(rdm_get(map(), 1 << 28)).toBe(0);
      expect(rd_page_used()).toBe(3);
    }
    rd_page_set_limit(3);
    rdm_set(map(), 0, 0);
    rdm_resize(map(), 100);
    rdm_set(map(), 0, 5);
    rd_page_set_limit(2);
    expect(rdm_resize(map(), 1 << 29)).toBe(false);
    expect(rdm_get(map(), 0)).toBe(5);
    expect(map().m_height).toBe(1);
    rd_page_set_limit(0);
    rdm_set(map(), 0, 0);
    expect(rd_page_used()).toBe(0);
  });
});
