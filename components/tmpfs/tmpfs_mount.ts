/**
 * Mounts of tmpfs, and the nodes that belong to each.
 *
 *      Mount ─ mnt_data ─► TmpfsMount ─ nodes ─► TmpfsNode ⇄ TmpfsNode …   for unmount
 *
 * Nodes and blocks come from pools that all mounts share; a mount counts its own, and may be limited
 * to less than there is. Every taking and giving back of a node or a block passes here, so the counts
 * cannot drift: unmount asserts that they end at zero.
 */
import { TMPFS_BLOCKS, TMPFS_MAXNODES } from "rump/tunables";
import { VFS_MAXMOUNTS } from "../../kernel/vfs/mount";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_avail, pool_getz, pool_index, pool_init, pool_init_obj, pool_put } from "../../kernel/kern/pool";
import { getmicrotime } from "../../kernel/kern/clock";
import { Mount } from "../../kernel/vfs/mount";
import { VDIR, vref } from "../../kernel/vfs/vnode";
import { blk_nfree } from "./tmpfs_block";
import { TmpfsNode } from "./tmpfs_node";

@unmanaged
export class TmpfsMount {
  root: TmpfsNode;
  /** First of all nodes, linked by n_mnext. */
  nodes: TmpfsNode;
  nnodes: u32;
  maxnodes: u32;
  nblocks: u32;
  maxblocks: u32;
}

@unmanaged
class TmpfsState {
  nodepool: Pool;
  mountpool: Pool;
  /** Generation of the node made last. */
  gen: u32;
}

let ts: TmpfsState = changetype<TmpfsState>(0);

/** Boot. */
export function tmpfs_mount_init(): void {
  ts = changetype<TmpfsState>(kmem_alloc(offsetof<TmpfsState>(), 8, "tmpfs"));
  ts.nodepool = pool_init_obj<TmpfsNode>("tmpfs.node", TMPFS_MAXNODES);
  ts.mountpool = pool_init("tmpfs.mount", <u32>offsetof<TmpfsMount>(), VFS_MAXMOUNTS);
}

/** The tmpfs part of `mp`. */
export function tmpfs_mount_of(mp: Mount): TmpfsMount {
  return changetype<TmpfsMount>(mp.mnt_data);
}

/** A TmpfsMount with limits, 0 = what the pools have; 0 if there are too many. */
export function tmpfs_mount_alloc(maxnodes: u32, maxblocks: u32): TmpfsMount {
  const tm = changetype<TmpfsMount>(pool_getz(ts.mountpool));
  if (changetype<usize>(tm) == 0) return tm;
  tm.maxnodes = maxnodes == 0 ? TMPFS_MAXNODES : min<u32>(maxnodes, TMPFS_MAXNODES);
  tm.maxblocks = maxblocks == 0 ? TMPFS_BLOCKS : min<u32>(maxblocks, TMPFS_BLOCKS);
  return tm;
}

export function tmpfs_mount_free(tm: TmpfsMount): void {
  assert(tm.nnodes == 0 && tm.nblocks == 0 && changetype<usize>(tm.nodes) == 0, "tmpfs: unmounted with files");
  pool_put(ts.mountpool, changetype<usize>(tm));
}

/** Nodes that can still be made on `tm`, and blocks. */
export function tmpfs_nodes_avail(tm: TmpfsMount): u32 {
  return min<u32>(tm.maxnodes - tm.nnodes, pool_avail(ts.nodepool));
}

export function tmpfs_blocks_avail(tm: TmpfsMount): u32 {
  return min<u32>(tm.maxblocks - tm.nblocks, blk_nfree());
}

/** A new node of type `type` on `mp`, with one reference and no name yet; 0 if there is none left. */
export function tmpfs_node_alloc(mp: Mount, type: i32, mode: i32): TmpfsNode {
  const tm = tmpfs_mount_of(mp);
  if (tm.nnodes >= tm.maxnodes) return changetype<TmpfsNode>(0);
  const at = pool_getz(ts.nodepool);
  const np = changetype<TmpfsNode>(at);
  if (at == 0) return np;
  const now = getmicrotime();
  np.v_type = type;
  np.v_mount = mp;
  np.n_mode = mode;
  // 2 is the customary number of a root, and the first node made is the root's.
  np.n_ino = pool_index(ts.nodepool, at) + 2;
  np.n_gen = ++ts.gen;
  np.n_atime_us = now;
  np.n_mtime_us = now;
  np.n_ctime_us = now;
  np.n_birthtime_us = now;
  if (type == VDIR) np.dir().cookie = 2;
  np.n_mnext = tm.nodes;
  if (changetype<usize>(tm.nodes) != 0) tm.nodes.n_mprev = np;
  tm.nodes = np;
  tm.nnodes++;
  vref(np);
  return np;
}

/** Free a node that has no name, no reference and no contents. */
export function tmpfs_node_free(np: TmpfsNode): void {
  const tm = tmpfs_mount_of(np.v_mount);
  assert(np.v_usecount == 0 && np.n_nlink == 0 && np.n_nblocks == 0, "tmpfs: node freed in use");
  assert(np.v_klist == 0 && changetype<usize>(np.v_mountedhere) == 0, "tmpfs: node freed in use");
  if (changetype<usize>(np.n_mnext) != 0) np.n_mnext.n_mprev = np.n_mprev;
  if (changetype<usize>(np.n_mprev) != 0) np.n_mprev.n_mnext = np.n_mnext;
  else tm.nodes = np.n_mnext;
  assert(tm.nnodes > 0, "tmpfs: node count");
  tm.nnodes--;
  pool_put(ts.nodepool, changetype<usize>(np));
}

/** `np` took `n` blocks (or gave them back, n < 0). */
export function tmpfs_count_blocks(np: TmpfsNode, n: i32): void {
  const tm = tmpfs_mount_of(np.v_mount);
  np.n_nblocks += n;
  tm.nblocks += n;
  assert(tm.nblocks <= tm.maxblocks && np.n_nblocks <= tm.nblocks, "tmpfs: block count");
}
