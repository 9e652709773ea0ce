/**
 * Blocks: TMPFS_BLOCKS pieces of 4 KiB, and which of them are free.
 *
 *      bitmap   1 1 1 1 0 1 1 1 0 0 0 0 0 … 0 0 1 1     1 = in use: all-zero memory is an empty map
 *      memory   [ data ─►      ][ never touched ][ ◄─ index ]
 *                               ▲ fresh           ▲ fresh_end
 *
 * A block number counts from 1; 0 stands for "no block" (a hole). A caller that extends a file names
 * the block that it would like, the one after its last; if that is taken, blk_alloc looks for the
 * first free run as long as is still needed, or else for the longest there is. So files written one
 * after the other lie in one piece each, which is what lets vop_bmap hand out long runs; blocks of
 * indexes come from the other end, so as not to lie between. Both ends take freed blocks before
 * untouched ones: what the image has touched stays as small as what it has held. A search reads one
 * word for 64 blocks.
 */
import { TMPFS_BLOCKS } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";

export const BLK_SHIFT: i32 = 12;
export const BLK_SIZE: i32 = 1 << BLK_SHIFT;
export const BLK_MASK: i32 = BLK_SIZE - 1;

@unmanaged
class BlkState {
  /** Memory of block 1. */
  base: usize;
  bitmap: usize;
  nfree: u32;
  /** Blocks from index fresh (counted from 0) to before fresh_end were never used, and so are zero. */
  fresh: u32;
  fresh_end: u32;
  /** No block below index `hint` is free, and none from `top` on. */
  hint: u32;
  top: u32;
  /** Was the block of the last blk_alloc never used before? */
  was_fresh: bool;
  /** What a hole looks like: one block of zeros, never written. */
  zeros: usize;
}

let bk: BlkState = changetype<BlkState>(0);

/** Boot. */
export function blk_init(): void {
  bk = changetype<BlkState>(kmem_alloc(offsetof<BlkState>(), 64, "tmpfs.blocks"));
  bk.bitmap = kmem_alloc(<usize>((TMPFS_BLOCKS + 63) >> 6) << 3, 64, "tmpfs.blocks");
  bk.zeros = kmem_alloc(BLK_SIZE, BLK_SIZE, "tmpfs.blocks");
  bk.base = kmem_alloc(<usize>TMPFS_BLOCKS << BLK_SHIFT, BLK_SIZE, "tmpfs.blocks");
  bk.nfree = TMPFS_BLOCKS;
  bk.fresh_end = TMPFS_BLOCKS;
  bk.top = TMPFS_BLOCKS;
}

/** Memory of block `b`. */
export function blk_ptr(b: u32): usize {
  assert(b != 0 && b <= <u32>TMPFS_BLOCKS, "blk_ptr: number");
  return bk.base + (<usize>(b - 1) << BLK_SHIFT);
}

/** BLK_SIZE zeros, to read in place of a hole. */
export function blk_zeros(): usize {
  return bk.zeros;
}

export function blk_nfree(): u32 {
  return bk.nfree;
}

/** After blk_alloc: is all of the block still zero, because it was never used? */
export function blk_wasfresh(): bool {
  return bk.was_fresh;
}

function isfree(i: u32): bool {
  return i < <u32>TMPFS_BLOCKS && ((load<u64>(bk.bitmap + (<usize>(i >> 6) << 3)) >> <u64>(i & 63)) & 1) == 0;
}

/** The first index from `i` on whose bit is `bit` (all ones or zero in `flip`), at most `end`. */
function nextbit(i: u32, end: u32, flip: u64): u32 {
  while (i < end) {
    const word = (load<u64>(bk.bitmap + (<usize>(i >> 6) << 3)) ^ flip) >> <u64>(i & 63);
    if (word != 0) return min<u32>(i + <u32>ctz<u64>(word), end);
    i = (i | 63) + 1;
  }
  return end;
}

/** Index of the first free run of `want`, or of the longest one. There must be a free block. */
function findrun(want: u32): u32 {
  const n = <u32>TMPFS_BLOCKS;
  let best: u32 = n;
  let bestlen: u32 = 0;
  let i = nextbit(bk.hint, n, ~(<u64>0));
  bk.hint = i;
  while (i < n) {
    const end = nextbit(i, min<u32>(n, i + want), 0);
    if (end - i > bestlen) {
      best = i;
      bestlen = end - i;
      if (bestlen >= want) break;
    }
    i = nextbit(end, n, ~(<u64>0));
  }
  assert(best < n, "blk_alloc: the map has no free block, the count has");
  return best;
}

/**
 * A block: number `goal` if that is free (0: no wish), else where `want` more can follow. 0 if none is
 * left. Contents as the last user left them; see blk_wasfresh.
 */
export function blk_alloc(goal: u32, want: u32): u32 {
  assert(want > 0, "blk_alloc: want");
  if (bk.nfree == 0) return 0;
  const i = goal != 0 && isfree(goal - 1) ? goal - 1 : findrun(want);
  take(i);
  bk.was_fresh = i >= bk.fresh && i < bk.fresh_end;
  if (i >= bk.fresh) bk.fresh = i + 1;
  return i + 1;
}

/** A block from the far end, all zeros; 0 if none is left. */
export function blk_alloc_zero(): u32 {
  if (bk.nfree == 0) return 0;
  let i = bk.top;
  while (true) {
    assert(i > 0, "blk_alloc_zero: the map has no free block, the count has");
    const word = ~load<u64>(bk.bitmap + (<usize>((i - 1) >> 6) << 3)) & (~(<u64>0) >> <u64>(63 - ((i - 1) & 63)));
    i = (i - 1) & ~63;
    if (word == 0) continue;
    i += 63 - <u32>clz<u64>(word);
    break;
  }
  take(i);
  bk.top = i;
  if (i < bk.fresh || i >= bk.fresh_end) memory.fill(blk_ptr(i + 1), 0, BLK_SIZE);
  if (i < bk.fresh_end) bk.fresh_end = i;
  return i + 1;
}

/** Mark index `i`, which is free, as taken. */
function take(i: u32): void {
  const at = bk.bitmap + (<usize>(i >> 6) << 3);
  const bit = <u64>1 << <u64>(i & 63);
  assert((load<u64>(at) & bit) == 0, "tmpfs: block taken twice");
  store<u64>(at, load<u64>(at) | bit);
  bk.nfree--;
  if (i == bk.hint) bk.hint = i + 1;
}

/** Give block `b` back. */
export function blk_free(b: u32): void {
  assert(b != 0 && b <= <u32>TMPFS_BLOCKS, "blk_free: number");
  const i = b - 1;
  const at = bk.bitmap + (<usize>(i >> 6) << 3);
  const bit = <u64>1 << <u64>(i & 63);
  assert((load<u64>(at) & bit) != 0, "blk_free: free already");
  store<u64>(at, load<u64>(at) & ~bit);
  bk.nfree++;
  if (i < bk.hint) bk.hint = i;
  if (i >= bk.top) bk.top = i + 1;
}
