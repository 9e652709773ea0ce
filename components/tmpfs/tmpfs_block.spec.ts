/**
 * Where blocks come from: wishes, runs, reuse; and the index of a file over all its levels.
 */
import { TMPFS_BLOCKS } from "rump/tunables";
import { kmem_boot } from "../../kernel/kern/kmem";
import { blk_alloc, blk_alloc_zero, blk_free, blk_init, blk_nfree, blk_ptr, blk_wasfresh } from "./tmpfs_block";
import { BMAP_MAXSIZE, bmap_alloc, bmap_free, bmap_lookup, bmap_need } from "./tmpfs_bmap";

const INDEX: usize = memory.data(56, 8);
const PAGES: i32 = 320;

beforeAll(() => {
  heap.free(heap.alloc(16));
  const page = memory.grow(PAGES);
  kmem_boot(<usize>page << 16, <usize>(page + PAGES) << 16);
  blk_init();
});

describe("blocks", () => {
  it("follow one another", () => {
    let last: u32 = 0;
    for (let i: u32 = 1; i <= 200; i++) {
      last = blk_alloc(last == 0 ? 0 : last + 1, 1);
      expect(last).toBe(i);
      expect(blk_wasfresh()).toBe(true);
    }
    expect(blk_ptr(200) - blk_ptr(1)).toBe(199 * 4096);
    expect(blk_nfree()).toBe(TMPFS_BLOCKS - 200);
  });
  it("come from the first run that is long enough", () => {
    // Free: 10-11, 20-24, 63-66 (over a word's end), then 201 on.
    for (let b: u32 = 10; b <= 11; b++) blk_free(b);
    for (let b: u32 = 20; b <= 24; b++) blk_free(b);
    for (let b: u32 = 63; b <= 66; b++) blk_free(b);
    expect(blk_alloc(0, 5)).toBe(20);
    expect(blk_wasfresh()).toBe(false);
    expect(blk_alloc(0, 4)).toBe(21);
    expect(blk_alloc(0, 4)).toBe(63);
    expect(blk_alloc(64, 1)).toBe(64, "the wish comes first");
    expect(blk_alloc(64, 1)).toBe(10, "unless it is taken");
    expect(blk_alloc(0, 100)).toBe(201);
    expect(blk_wasfresh()).toBe(true);
  });
  it("come from the longest run when none is long enough, to the last one", () => {
    const from = blk_alloc(0, 300);
    let b = from;
    for (let i = 1; i < 300; i++) b = blk_alloc(b + 1, 1);
    expect(b).toBe(from + 299);
    const longest = blk_alloc(0, 1000000);
    expect(longest).toBe(from + 300);
    while (blk_nfree() > 0) expect(blk_alloc(0, 1) != 0).toBe(true);
    expect(blk_alloc(0, 1)).toBe(0);
    expect(blk_alloc(5, 1)).toBe(0);
    for (b = 1; b <= <u32>TMPFS_BLOCKS; b++) blk_free(b);
    expect(blk_nfree()).toBe(TMPFS_BLOCKS);
    expect(blk_alloc(0, 1)).toBe(1);
    blk_free(1);
  });
  it("of indexes come from the other end, zeroed", () => {
    const n = <u32>TMPFS_BLOCKS;
    memory.fill(blk_ptr(n), 0xff, 4096);
    for (let i: u32 = 0; i < 130; i++) expect(blk_alloc_zero()).toBe(n - i);
    expect(load<u64>(blk_ptr(n), 4088)).toBe(0);
    blk_free(n - 7);
    blk_free(n - 100);
    expect(blk_alloc_zero()).toBe(n - 7);
    expect(blk_alloc_zero()).toBe(n - 100);
    expect(blk_alloc_zero()).toBe(n - 130);
    while (blk_nfree() > 1) blk_alloc(0, 1);
    expect(blk_alloc_zero()).toBe(n - 131, "the ends meet");
    expect(blk_alloc_zero()).toBe(0);
    for (let b: u32 = 1; b <= n; b++) blk_free(b);
    expect(blk_nfree()).toBe(n);
  });
});

describe("the index", () => {
  it("has three levels, each made when it is needed", () => {
    memory.fill(INDEX, 0, 56);
    const last = <u32>(BMAP_MAXSIZE >> 12) - 1;
    const lbns: u32[] = [0, 11, 12, 1035, 1036, 2059, 2060, last];
    const need: u32[] = [1, 1, 2, 1, 3, 1, 2, 2];
    for (let i = 0; i < lbns.length; i++) {
      expect(bmap_lookup(INDEX, lbns[i])).toBe(0);
      expect(bmap_need(INDEX, lbns[i])).toBe(need[i], lbns[i].toString());
      const free = blk_nfree();
      const b = bmap_alloc(INDEX, lbns[i], 0, 1);
      expect(bmap_lookup(INDEX, lbns[i])).toBe(b);
      expect(blk_nfree()).toBe(free - need[i]);
    }
    for (let i = 0; i < lbns.length; i++) expect(bmap_lookup(INDEX, lbns[i]) != 0).toBe(true);
    expect(bmap_lookup(INDEX, 1)).toBe(0);
    expect(bmap_lookup(INDEX, 5000)).toBe(0);
  });
  it("gives back from any place on, with the index blocks that are empty", () => {
    const last = <u32>(BMAP_MAXSIZE >> 12) - 1;
    expect(bmap_free(INDEX, last)).toBe(1, "its leaf is kept: the cut is not at its start");
    expect(bmap_free(INDEX, 2060)).toBe(3, "a block and two leaves");
    expect(bmap_free(INDEX, 2059)).toBe(1);
    expect(bmap_lookup(INDEX, 1036) != 0).toBe(true);
    expect(bmap_free(INDEX, 1036)).toBe(3, "a block, its leaf, the double root");
    expect(bmap_free(INDEX, 13)).toBe(1);
    expect(bmap_free(INDEX, 12)).toBe(2);
    expect(bmap_free(INDEX, 1)).toBe(1);
    expect(bmap_free(INDEX, 0)).toBe(1);
    expect(blk_nfree()).toBe(TMPFS_BLOCKS);
    for (let i: usize = 0; i < 56; i += 4) expect(load<u32>(INDEX + i)).toBe(0);
  });
});
