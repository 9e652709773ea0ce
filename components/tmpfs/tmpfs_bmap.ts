/**
 * From a file's offset to its block: the index that each file has, after the classic of UFS.
 *
 *      index (in the node):  [ 0 … 11 ][ 12 ][ 13 ]      block numbers, 0 = hole
 *                              direct    │     └─► block of 1024 ─► blocks of 1024 each ─► data
 *                                        └─► block of 1024 numbers ─► data
 *
 * 12 direct numbers reach 48 KiB, the indirect block 4 MiB more, the doubly indirect one 4 GiB more:
 * BMAP_MAXSIZE. Numbers are 32-bit words. Holes cost nothing; every walk skips what is absent, so
 * work is proportional to what a file holds and not to its size. A look-up reads at most three words.
 * Allocation is all or nothing: it first counts what it will need, index blocks included.
 */
import { BLK_SHIFT, blk_alloc, blk_alloc_zero, blk_free, blk_ptr } from "./tmpfs_block";

/** Direct numbers, and the slots of the two roots of the tree. */
export const NDADDR: u32 = 12;
const IND1: u32 = 12;
const IND2: u32 = 13;
/** Bytes of an index. */
export const BMAP_INDEXSIZE: i32 = 56;
/** Numbers in an index block. */
const NINDIR: u32 = 1024;
const NIND1: u32 = NDADDR + NINDIR;
/** First block that cannot be addressed, and the largest size of a file. */
const NBLOCKS: u32 = NIND1 + NINDIR * NINDIR;
export const BMAP_MAXSIZE: i64 = <i64>NBLOCKS << BLK_SHIFT;

/** Address of the number of data block `lbn`; 0 if the index block that would hold it is absent. */
function bmap_slot(index: usize, lbn: u32): usize {
  if (lbn < NDADDR) return index + (<usize>lbn << 2);
  let root: u32;
  let in_leaf: u32;
  if (lbn < NIND1) {
    root = load<u32>(index + (IND1 << 2));
    in_leaf = lbn - NDADDR;
  } else {
    const ind2 = load<u32>(index + (IND2 << 2));
    if (ind2 == 0) return 0;
    root = load<u32>(blk_ptr(ind2) + (<usize>((lbn - NIND1) / NINDIR) << 2));
    in_leaf = (lbn - NIND1) % NINDIR;
  }
  return root == 0 ? 0 : blk_ptr(root) + (<usize>in_leaf << 2);
}

/** Number of data block `lbn`, 0 if it is a hole. */
export function bmap_lookup(index: usize, lbn: u32): u32 {
  assert(lbn < NBLOCKS, "bmap_lookup: beyond the largest file");
  const slot = bmap_slot(index, lbn);
  return slot == 0 ? 0 : load<u32>(slot);
}

/** Blocks that bmap_alloc would take for `lbn`, which is a hole: 1 to 3. */
export function bmap_need(index: usize, lbn: u32): u32 {
  if (bmap_slot(index, lbn) != 0) return 1;
  return lbn < NIND1 || load<u32>(index + (IND2 << 2)) != 0 ? 2 : 3;
}

/** The index block behind `slot`, made of zeros if it is absent. */
function index_block(slot: usize): usize {
  let b = load<u32>(slot);
  if (b == 0) {
    b = blk_alloc_zero();
    assert(b != 0, "bmap_alloc: counted before");
    store<u32>(slot, b);
  }
  return blk_ptr(b);
}

/**
 * Put a block into hole `lbn`: number `goal` if that is free, else where `want` can follow. The caller
 * has made sure of bmap_need blocks. Its contents are undefined unless blk_wasfresh.
 */
export function bmap_alloc(index: usize, lbn: u32, goal: u32, want: u32): u32 {
  assert(lbn < NBLOCKS, "bmap_alloc: beyond the largest file");
  let slot = bmap_slot(index, lbn);
  if (slot == 0) {
    let root = index + (IND1 << 2);
    let in_leaf = lbn - NDADDR;
    if (lbn >= NIND1) {
      root = index_block(index + (IND2 << 2)) + (<usize>((lbn - NIND1) / NINDIR) << 2);
      in_leaf = (lbn - NIND1) % NINDIR;
    }
    slot = index_block(root) + (<usize>in_leaf << 2);
  }
  assert(load<u32>(slot) == 0, "bmap_alloc: not a hole");
  const b = blk_alloc(goal, want);
  assert(b != 0, "bmap_alloc: counted before");
  store<u32>(slot, b);
  return b;
}

/** Free what the `n` numbers at `at` name; blocks freed. */
function free_run(at: usize, n: u32): u32 {
  let freed: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const b = load<u32>(at + (<usize>i << 2));
    if (b == 0) continue;
    store<u32>(at + (<usize>i << 2), 0);
    blk_free(b);
    freed++;
  }
  return freed;
}

/** Free, behind the index block at `slot`, the data from its entry `first` on; all of it: the block too. */
function free_leaf(slot: usize, first: u32): u32 {
  const b = load<u32>(slot);
  if (b == 0) return 0;
  const freed = free_run(blk_ptr(b) + (<usize>first << 2), NINDIR - first);
  return first == 0 ? freed + free_run(slot, 1) : freed;
}

/** Free all data from block `first` on, and index blocks that hold nothing before it. Blocks freed. */
export function bmap_free(index: usize, first: u32): u32 {
  let freed: u32 = 0;
  if (first < NDADDR) freed += free_run(index + (<usize>first << 2), NDADDR - first);
  if (first < NIND1) freed += free_leaf(index + (IND1 << 2), first > NDADDR ? first - NDADDR : 0);
  const ind2 = load<u32>(index + (IND2 << 2));
  if (ind2 == 0) return freed;
  const from = first > NIND1 ? first - NIND1 : 0;
  const at = blk_ptr(ind2);
  for (let i = from / NINDIR; i < NINDIR; i++) {
    freed += free_leaf(at + (<usize>i << 2), i == from / NINDIR ? from % NINDIR : 0);
  }
  return from == 0 ? freed + free_run(index + (IND2 << 2), 1) : freed;
}
