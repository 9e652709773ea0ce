/**
 * Contents of tmpfs files: reading, writing, cutting, holes.
 *
 * Two invariants carry all of it: every byte of a block that lies beyond the end of its file is zero,
 * and a block that is absent reads as zeros. So extending a file is only a new size, a write into a
 * fresh place fills with zeros just what it does not cover itself, and cutting a file clears the tail of
 * its last block. Blocks that follow one another in the file mostly do so in memory too; bmap finds how
 * far. A write that space runs out under is short, and says -ENOSPC only if nothing was written.
 */
import { EFBIG, ENOSPC } from "../../kernel/abi/errno";
import { VDIR, VLNK, VREG } from "../../kernel/vfs/vnode";
import { BLK_MASK, BLK_SHIFT, BLK_SIZE, blk_ptr, blk_wasfresh, blk_zeros } from "./tmpfs_block";
import { BMAP_INDEXSIZE, BMAP_MAXSIZE, bmap_alloc, bmap_free, bmap_lookup, bmap_need } from "./tmpfs_bmap";
import { tmpfs_blocks_avail, tmpfs_count_blocks, tmpfs_mount_of } from "./tmpfs_mount";
import { TmpfsNode } from "./tmpfs_node";

/** A file that grows asks for room for this many blocks in a row, once it has as many. */
const RUN_MAX: u32 = 16;

/** Bytes of `np` from `off` to `buf`. */
export function tmpfs_read(np: TmpfsNode, off: i64, buf: usize, len: i32): i32 {
  if (off >= np.v_size) return 0;
  const n = <i32>min<i64>(len, np.v_size - off);
  let done = 0;
  while (done < n) {
    const at = off + done;
    const within = <i32>at & BLK_MASK;
    const piece = min(BLK_SIZE - within, n - done);
    const b = bmap_lookup(np.area(), <u32>(at >> BLK_SHIFT));
    if (b == 0) memory.fill(buf + done, 0, piece);
    else memory.copy(buf + done, blk_ptr(b) + within, piece);
    done += piece;
  }
  np.accessed();
  return n;
}

/**
 * A block for hole `lbn`, after block `prev` if that place is free, with zeros outside [from, to).
 * `more` further blocks will be wanted. 0 if there is no room.
 */
function fill_hole(np: TmpfsNode, lbn: u32, prev: u32, more: u32, from: i32, to: i32): u32 {
  const need = bmap_need(np.area(), lbn);
  if (need > tmpfs_blocks_avail(tmpfs_mount_of(np.v_mount))) return 0;
  const want = max<u32>(1 + more, min<u32>(np.n_nblocks, RUN_MAX));
  const b = bmap_alloc(np.area(), lbn, prev == 0 ? 0 : prev + 1, want);
  const fresh = blk_wasfresh();
  tmpfs_count_blocks(np, need);
  if (!fresh) {
    memory.fill(blk_ptr(b), 0, from);
    memory.fill(blk_ptr(b) + to, 0, BLK_SIZE - to);
  }
  return b;
}

/** Bytes from `buf` to `np` at `off`. */
export function tmpfs_write(np: TmpfsNode, off: i64, buf: usize, len: i32): i32 {
  if (off >= BMAP_MAXSIZE) return -EFBIG;
  const n = <i32>min<i64>(len, BMAP_MAXSIZE - off);
  const first = <u32>(off >> BLK_SHIFT);
  let prev = first > 0 ? bmap_lookup(np.area(), first - 1) : 0;
  let done = 0;
  while (done < n) {
    const at = off + done;
    const within = <i32>at & BLK_MASK;
    const piece = min(BLK_SIZE - within, n - done);
    const lbn = <u32>(at >> BLK_SHIFT);
    let b = bmap_lookup(np.area(), lbn);
    if (b == 0) {
      b = fill_hole(np, lbn, prev, (n - done) >> BLK_SHIFT, within, within + piece);
      if (b == 0) break;
    }
    memory.copy(blk_ptr(b) + within, buf + done, piece);
    prev = b;
    done += piece;
  }
  if (done == 0) return -ENOSPC;
  if (off + done > np.v_size) np.v_size = off + done;
  np.modified();
  return done;
}

/** Cut or extend `np` to `size` bytes. */
export function tmpfs_truncate(np: TmpfsNode, size: i64): i32 {
  assert(np.v_type == VREG && size >= 0, "tmpfs_truncate");
  if (size > BMAP_MAXSIZE) return -EFBIG;
  if (size < np.v_size) {
    const keep = <u32>((size + BLK_MASK) >> BLK_SHIFT);
    tmpfs_count_blocks(np, -<i32>bmap_free(np.area(), keep));
    const within = <i32>size & BLK_MASK;
    const b = within == 0 ? 0 : bmap_lookup(np.area(), keep - 1);
    if (b != 0) memory.fill(blk_ptr(b) + within, 0, BLK_SIZE - within);
  }
  np.v_size = size;
  np.modified();
  return 0;
}

/** As Vnode.vop_bmap. */
export function tmpfs_bmap(np: TmpfsNode, off: i64, lenp: usize): i32 {
  const want = load<i32>(lenp);
  if (off >= np.v_size || want == 0) {
    store<i32>(lenp, 0);
    return 0;
  }
  const most = <i32>min<i64>(want, np.v_size - off);
  const within = <i32>off & BLK_MASK;
  let lbn = <u32>(off >> BLK_SHIFT);
  let run = BLK_SIZE - within;
  let b = bmap_lookup(np.area(), lbn);
  const at = b == 0 ? blk_zeros() : blk_ptr(b);
  while (b != 0 && run < most && bmap_lookup(np.area(), ++lbn) == ++b) run += BLK_SIZE;
  store<i32>(lenp, min(run, most));
  np.accessed();
  return <i32>(at + within);
}

/** The target of a new symlink, `np`: in the node if it fits, else in a block. False without room. */
export function tmpfs_setlink(np: TmpfsNode, target: usize, len: i32): bool {
  assert(np.v_type == VLNK && len > 0 && len <= BLK_SIZE, "tmpfs_setlink");
  let at = np.area();
  if (len > BMAP_INDEXSIZE) {
    const b = fill_hole(np, 0, 0, 0, 0, len);
    if (b == 0) return false;
    at = blk_ptr(b);
  }
  memory.copy(at, target, len);
  np.v_size = len;
  return true;
}

/** Target of `np` to `buf`, cut at `len`. */
export function tmpfs_readlink(np: TmpfsNode, buf: usize, len: i32): i32 {
  const n = min(len, <i32>np.v_size);
  memory.copy(buf, np.n_nblocks == 0 ? np.area() : blk_ptr(bmap_lookup(np.area(), 0)), n);
  np.accessed();
  return n;
}

/** The node is about to be freed: give its blocks back. */
export function tmpfs_release(np: TmpfsNode): void {
  if (np.v_type == VDIR || np.n_nblocks == 0) return;
  tmpfs_count_blocks(np, -<i32>bmap_free(np.area(), 0));
  assert(np.n_nblocks == 0, "tmpfs: a file held more blocks than its index");
}
