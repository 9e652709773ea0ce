/**
 * The map of a disk: block number → what is stored there. A radix tree of pages, as high as the disk
 * is large, with nodes only where something is.
 *
 *      root word ─► node: 1024 words ─► node ─► leaf: 512 slots of 8 bytes
 *      word = page << 11 | children in use        slot = value u32 | kind | young
 *
 *      height   1           2           3
 *      blocks   512 (2 MiB) 2^19 (2 GiB) 2^29 (2 TiB)
 *
 * A word counts what is in use in the page it names, so a node whose last slot goes is freed with it.
 * A slot is 0 for a hole. Lookups read one word a level.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { rd_page_allocz, rd_page_free, rd_page_ptr } from "./rd_page";

export const RDM_BLOCKS_MAX: u64 = 1 << 29;
const LEAF_BITS: u32 = 9;
const NODE_BITS: u32 = 10;
const COUNT_BITS: u32 = 11;
const COUNT_MASK: u32 = 0x7ff;

/** What a slot holds: the low word is a fill word, or an entry's id. */
export const RDS_KIND: u64 = 0xf << 32;
export const RDS_SAME: u64 = 1 << 32;
export const RDS_ENTRY: u64 = 2 << 32;
/** Written since the scanner last came by. */
export const RDS_YOUNG: u64 = 1 << 40;

@unmanaged
export class RdMap {
  m_root: u32;
  m_height: u32;
  m_nblocks: u32;
  /** Slots in use, and pages of the tree. */
  m_used: u32;
  m_pages: u32;
}

/** Scratch: addresses of the words on the way down, root first. */
let path: usize = 0;

/** Boot. */
export function rdm_init(): void {
  path = kmem_alloc(16, 16, "ramdisk");
}

function height_for(nblocks: u32): u32 {
  if (nblocks <= 1 << LEAF_BITS) return 1;
  return nblocks <= 1 << (LEAF_BITS + NODE_BITS) ? 2 : 3;
}

/** Index of block `b` in a node at `level` above the leaves (1, 2). */
function node_index(b: u32, level: u32): u32 {
  return (b >> (LEAF_BITS + (level - 1) * NODE_BITS)) & ((1 << NODE_BITS) - 1);
}

function leaf_slot(word: u32, b: u32): usize {
  return rd_page_ptr(word >> COUNT_BITS) + (<usize>(b & ((1 << LEAF_BITS) - 1)) << 3);
}

/** Begin an empty map for `nblocks` blocks. */
export function rdm_create(m: RdMap, nblocks: u32): void {
  assert(nblocks <= <u32>RDM_BLOCKS_MAX, "rdm_create: too large");
  m.m_root = 0;
  m.m_used = 0;
  m.m_pages = 0;
  m.m_nblocks = nblocks;
  m.m_height = height_for(nblocks);
}

/** The slot of block `b`; 0 for a hole. */
export function rdm_get(m: RdMap, b: u32): u64 {
  assert(b < m.m_nblocks, "rdm_get: beyond the end");
  let word = m.m_root;
  for (let level = m.m_height - 1; level > 0 && word != 0; level--) {
    word = load<u32>(rd_page_ptr(word >> COUNT_BITS) + (<usize>node_index(b, level) << 2));
  }
  return word == 0 ? 0 : load<u64>(leaf_slot(word, b));
}

/** Remember the words that lead to the leaf of `b`; how many of them name a page. */
function walk(m: RdMap, b: u32): u32 {
  let at = changetype<usize>(m) + offsetof<RdMap>("m_root");
  store<usize>(path, at);
  let n: u32 = 0;
  while (load<u32>(at) != 0) {
    n++;
    if (n == m.m_height) break;
    at = rd_page_ptr(load<u32>(at) >> COUNT_BITS) + (<usize>node_index(b, m.m_height - n) << 2);
    store<usize>(path + (<usize>n << 2), at);
  }
  return n;
}

function path_at(i: u32): usize {
  return load<usize>(path + (<usize>i << 2));
}

/** Free the empty nodes at the lower end of the path, which has n pages. */
function prune(m: RdMap, n: u32): void {
  while (n > 0) {
    const at = path_at(n - 1);
    const word = load<u32>(at);
    if ((word & COUNT_MASK) != 0) return;
    rd_page_free(word >> COUNT_BITS);
    store<u32>(at, 0);
    m.m_pages--;
    n--;
    if (n > 0) store<u32>(path_at(n - 1), load<u32>(path_at(n - 1)) - 1);
  }
}

/** Make the nodes that are missing on the path, of which n are there. */
function extend(m: RdMap, b: u32, n: u32): bool {
  const had = n;
  while (n < m.m_height) {
    const page = rd_page_allocz();
    if (page == 0) {
      if (n > had) prune(m, n);
      return false;
    }
    store<u32>(path_at(n), page << COUNT_BITS);
    m.m_pages++;
    if (n > 0) store<u32>(path_at(n - 1), load<u32>(path_at(n - 1)) + 1);
    n++;
    if (n < m.m_height) {
      const at = rd_page_ptr(page) + (<usize>node_index(b, m.m_height - n) << 2);
      store<usize>(path + (<usize>n << 2), at);
    }
  }
  return true;
}

/**
 * Set the slot of block `b`; 0 makes a hole.
 * @returns false when a node is needed and there is no memory; nothing has changed then
 */
export function rdm_set(m: RdMap, b: u32, value: u64): bool {
  assert(b < m.m_nblocks, "rdm_set: beyond the end");
  const n = walk(m, b);
  if (n < m.m_height) {
    if (value == 0) return true;
    if (!extend(m, b, n)) return false;
  }
  const leaf = path_at(m.m_height - 1);
  const slot = leaf_slot(load<u32>(leaf), b);
  const old = load<u64>(slot);
  store<u64>(slot, value);
  if (old == 0 && value != 0) {
    m.m_used++;
    store<u32>(leaf, load<u32>(leaf) + 1);
  } else if (old != 0 && value == 0) {
    m.m_used--;
    store<u32>(leaf, load<u32>(leaf) - 1);
    prune(m, m.m_height);
  }
  return true;
}

/** The first block from `b` on that is no hole; m_nblocks if there is none. */
export function rdm_next_used(m: RdMap, b: u32): u32 {
  while (b < m.m_nblocks) {
    const n = walk(m, b);
    if (n < m.m_height) {
      // Nothing below here: on to the next subtree of this level.
      const shift = n == 0 ? 32 : LEAF_BITS + (m.m_height - n - 1) * NODE_BITS;
      const next = shift >= 32 ? <u64>m.m_nblocks : ((<u64>b >> shift) + 1) << shift;
      if (next >= m.m_nblocks) return m.m_nblocks;
      b = <u32>next;
      continue;
    }
    const word = load<u32>(path_at(m.m_height - 1));
    do {
      if (load<u64>(leaf_slot(word, b)) != 0) return b;
      b++;
    } while (b < m.m_nblocks && (b & ((1 << LEAF_BITS) - 1)) != 0);
  }
  return m.m_nblocks;
}

/** The first hole from `b` on; m_nblocks if there is none. */
export function rdm_next_hole(m: RdMap, b: u32): u32 {
  while (b < m.m_nblocks) {
    if (walk(m, b) < m.m_height) return b;
    const word = load<u32>(path_at(m.m_height - 1));
    do {
      if (load<u64>(leaf_slot(word, b)) == 0) return b;
      b++;
    } while (b < m.m_nblocks && (b & ((1 << LEAF_BITS) - 1)) != 0);
  }
  return m.m_nblocks;
}

/** Bring the height to that of the size: nodes above what is needed go, or come. */
function set_height(m: RdMap, height: u32): bool {
  while (m.m_root != 0 && m.m_height < height) {
    const page = rd_page_allocz();
    if (page == 0) return false;
    store<u32>(rd_page_ptr(page), m.m_root);
    m.m_root = (page << COUNT_BITS) | 1;
    m.m_pages++;
    m.m_height++;
  }
  while (m.m_root != 0 && m.m_height > height) {
    const page = m.m_root >> COUNT_BITS;
    assert((m.m_root & COUNT_MASK) == 1, "rdm_resize: blocks beyond the end");
    m.m_root = load<u32>(rd_page_ptr(page));
    assert(m.m_root != 0, "rdm_resize: first subtree is empty");
    rd_page_free(page);
    m.m_pages--;
    m.m_height--;
  }
  m.m_height = height;
  return true;
}

/**
 * Change the size. Blocks beyond a smaller one must be holes already.
 * @returns false when a node is needed and there is no memory; nothing has changed then
 */
export function rdm_resize(m: RdMap, nblocks: u32): bool {
  assert(nblocks <= <u32>RDM_BLOCKS_MAX, "rdm_resize: too large");
  assert(nblocks >= m.m_nblocks || rdm_next_used(m, nblocks) == m.m_nblocks, "rdm_resize: blocks beyond the end");
  const height = m.m_height;
  if (!set_height(m, height_for(nblocks))) {
    set_height(m, height);
    return false;
  }
  m.m_nblocks = nblocks;
  return true;
}
