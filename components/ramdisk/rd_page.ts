/**
 * The RAM disk's memory: pages of 4 KiB in one region carved at boot, RAMDISK_PAGES of them unless the
 * boot parameter RAMDISK_MEM says otherwise.
 *
 *      page 1   2    3    4           fresh                 total
 *      | used | free | used | free |  never touched yet …        |
 *                └─ list of free pages through their first word
 *
 * A page serves for one thing at a time: a block stored raw, a piece of a zspage (rd_zspage.ts), a node
 * of a block map (rd_map.ts). Pages are numbered from 1; 0 is "none". A page that was never used is
 * zero and costs the host nothing; freed pages are used again first. `limit` is what may be in use,
 * at most all of them. Alloc and free are O(1).
 */
import { kmem_alloc } from "../../kernel/kern/kmem";

export const RD_PAGE_SHIFT: u32 = 12;
export const RD_PAGE_SIZE: u32 = 4096;

@unmanaged
class RdPages {
  /** Address of page 0, which does not exist. */
  base: usize;
  total: u32;
  fresh: u32;
  free: u32;
  nout: u32;
  hiwat: u32;
  limit: u32;
}

let pg: RdPages = changetype<RdPages>(0);

/** Boot, with `total` pages. */
export function rd_page_init(total: u32): void {
  assert(total > 0 && total < 1 << 19, "ramdisk: its memory must be below 2 GiB");
  pg = changetype<RdPages>(kmem_alloc(offsetof<RdPages>(), 64, "ramdisk"));
  pg.base = kmem_alloc(<usize>total << RD_PAGE_SHIFT, RD_PAGE_SIZE, "ramdisk.pages") - RD_PAGE_SIZE;
  pg.total = total;
  pg.limit = total;
}

/** Pages there are. */
export function rd_page_total(): u32 {
  return pg.total;
}

/** Address of page `n`. */
export function rd_page_ptr(n: u32): usize {
  return pg.base + (<usize>n << RD_PAGE_SHIFT);
}

/** A page, contents undefined; 0 when there is none or the limit is reached. */
export function rd_page_alloc(): u32 {
  if (pg.nout >= pg.limit) return 0;
  let n = pg.free;
  if (n != 0) pg.free = load<u32>(rd_page_ptr(n));
  else n = ++pg.fresh;
  assert(n <= pg.total, "rd_page_alloc: more pages out than there are");
  pg.nout++;
  if (pg.nout > pg.hiwat) pg.hiwat = pg.nout;
  return n;
}

/** As rd_page_alloc, but zero. */
export function rd_page_allocz(): u32 {
  const recycled = pg.free != 0;
  const n = rd_page_alloc();
  if (n != 0 && recycled) memory.fill(rd_page_ptr(n), 0, RD_PAGE_SIZE);
  return n;
}

/** Give page `n` back. */
export function rd_page_free(n: u32): void {
  assert(n != 0 && n <= pg.fresh && pg.nout > 0, "rd_page_free: not a page in use");
  store<u32>(rd_page_ptr(n), pg.free);
  pg.free = n;
  pg.nout--;
}

/** Pages in use, and the most there have been. */
export function rd_page_used(): u32 {
  return pg.nout;
}

export function rd_page_hiwat(): u32 {
  return pg.hiwat;
}

/** Begin the high-water mark anew (zram's mem_used_max). */
export function rd_page_reset_hiwat(): void {
  pg.hiwat = pg.nout;
}

export function rd_page_limit(): u32 {
  return pg.limit;
}

/** Allow `pages` in use; fewer than are in use now stops growth, no more. 0 = all there are. */
export function rd_page_set_limit(pages: u32): void {
  pg.limit = pages == 0 || pages > pg.total ? pg.total : pages;
}
