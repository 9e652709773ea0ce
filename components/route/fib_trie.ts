/**
 * The trie of a routing table: longest prefix match in a few dependent loads.
 *
 *      bit 0   1      7      13      19      25      31         a node looks at six bits, from bit
 *          │   ├──────┼──────┼───────┼───────┼───────┼─         1, 7, 13 … of the address; /24 ends
 *      zero  root[2]  a level that decides nothing is left out  just before a level, as most do
 *
 *      node, 32 bytes:  in   u64   prefixes that end here: bit 2^l + v, l = 0…5 bits long, value v
 *                       ext  u64   children, by the six bits
 *                       kids, res  arrays, packed: the n-th bit set has the n-th entry
 *                       key, pos   what the bits before pos must be
 *
 * Level compression is the node of 64 ways whose arrays hold only what exists, found by counting bits
 * (tree bitmap: Eatherton, Varghese, Dittia 2004; the use of popcount: Asai, Ohara, "Poptrie" 2015).
 * Path compression is that a node names its position and key, so that a chain of only children is not
 * stored (Nilsson, Karlsson 1999, and Morrison's Patricia). Each node has its own prefixes, nothing is
 * pushed down, so a request changes one node and the arrays of its parent: updates are as incremental
 * as look-ups are short. A look-up reads one half line a level, at most six; for a /24 among a million
 * it is root, 7, 13, 19 and the result. On the way it remembers the last node with a fitting prefix.
 *
 * A result is {Fibent, Rtentry}: the routes of the prefix, and the way of the first that can be used, 0
 * when none can (its interface is down) and a shorter prefix must serve. Addresses here are in host
 * order.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { fib_alloc, fib_free } from "./fib_arena";

@unmanaged
export class Fibnode {
  fn_in: u64;
  fn_ext: u64;
  fn_kids: usize;
  fn_res: usize;
  fn_key: u32;
  fn_pos: u32;
}

/** Bytes of a node and of a result, as shifts; where a result has its Rtentry. */
const NODE_SHIFT: usize = 5;
const RES_SHIFT: usize = 3;
export const FR_RT: usize = 4;

/** A trie: the result of the prefix of no length, and the two roots behind it. */
@unmanaged
export class Fibtrie {
  ft_zero: u64;
  ft_pad: u64;
}

/** Bytes of a trie. */
export const FIBTRIE_SIZE: usize = 96;
const ROOTS: usize = 32;

@unmanaged
class TrieState {
  /** For each six bits, the bits of fn_in that are prefixes of them. */
  masks: usize;
  /** Nodes from the root down, of the request under way. */
  path: usize;
  depth: i32;
  nodes: i32;
}

let ts: TrieState = changetype<TrieState>(0);

export function fib_trie_boot(): void {
  assert(offsetof<Fibnode>() == 1 << NODE_SHIFT, "fib: node");
  ts = changetype<TrieState>(kmem_alloc(offsetof<TrieState>(), 64, "route"));
  ts.masks = kmem_alloc(64 << 3, 64, "route");
  ts.path = kmem_alloc(8 << 2, 4, "route");
  for (let i = 0; i < 64; i++) {
    let m: u64 = 0;
    for (let l = 0; l < 6; l++) m |= <u64>1 << <u64>((1 << l) + (i >> (6 - l)));
    store<u64>(ts.masks + (<usize>i << 3), m);
  }
}

/** Make the empty trie in the FIBTRIE_SIZE zero bytes at `t`. */
export function fib_trie_init(t: Fibtrie): void {
  root_of(t, 0).fn_pos = 1;
  root_of(t, 0x80000000).fn_pos = 1;
  root_of(t, 0x80000000).fn_key = 0x80000000;
}

function root_of(t: Fibtrie, h: u32): Fibnode {
  return changetype<Fibnode>(changetype<usize>(t) + ROOTS + (<usize>(h >>> 31) << NODE_SHIFT));
}

/** How many bits of `set` are below `bit`, a single one. */
function rank(set: u64, bit: u64): usize {
  return <usize>popcnt<u64>(set & (bit - 1));
}

function kid_at(n: Fibnode, bit: u64): Fibnode {
  return changetype<Fibnode>(n.fn_kids + (rank(n.fn_ext, bit) << NODE_SHIFT));
}

function res_at(n: Fibnode, bit: u64): usize {
  return n.fn_res + (rank(n.fn_in, bit) << RES_SHIFT);
}

/** The six bits of `h` that a node at `pos` looks at. */
function six(h: u32, pos: u32): u32 {
  return (h << pos) >>> 26;
}

/** Are bits 0 to pos - 1 of `h` the key of `n`? */
function keyed(n: Fibnode, h: u32): bool {
  return ((h ^ n.fn_key) >>> (32 - n.fn_pos)) == 0;
}

/** The result of the longest prefix of `h`; 0 when there is none. */
export function fib_match(t: Fibtrie, h: u32): usize {
  const masks = ts.masks;
  let n = root_of(t, h);
  let best = changetype<Fibnode>(0);
  let fit: u64 = 0;
  while (true) {
    const i = six(h, n.fn_pos);
    const m = n.fn_in & load<u64>(masks + (<usize>i << 3));
    if (m != 0) {
      best = n;
      fit = m;
    }
    const bit = <u64>1 << <u64>i;
    if ((n.fn_ext & bit) == 0) break;
    n = kid_at(n, bit);
    if (!keyed(n, h)) break;
  }
  if (best) return res_at(best, <u64>1 << (63 - clz<u64>(fit)));
  return t.ft_zero != 0 ? changetype<usize>(t) : 0;
}

/** Nodes that fib_match reads for `h`. */
export function fib_depth(t: Fibtrie, h: u32): i32 {
  let n = root_of(t, h);
  let depth = 1;
  let bit = <u64>1 << <u64>six(h, n.fn_pos);
  while ((n.fn_ext & bit) != 0) {
    n = kid_at(n, bit);
    depth++;
    if (!keyed(n, h)) break;
    bit = <u64>1 << <u64>six(h, n.fn_pos);
  }
  return depth;
}

/** The Rtentry of the longest prefix of `h` that can be used, and its result through fib_found(); 0 if there is none. */
export function fib_usable(t: Fibtrie, h: u32): usize {
  let n = root_of(t, h);
  let best: usize = load<usize>(changetype<usize>(t), FR_RT) != 0 ? changetype<usize>(t) : 0;
  while (true) {
    const i = six(h, n.fn_pos);
    let m = n.fn_in & load<u64>(ts.masks + (<usize>i << 3));
    for (; m != 0; m &= m - 1) {
      const res = res_at(n, m & -m);
      if (load<usize>(res, FR_RT) != 0) best = res;
    }
    const bit = <u64>1 << <u64>i;
    if ((n.fn_ext & bit) == 0) break;
    n = kid_at(n, bit);
    if (!keyed(n, h)) break;
  }
  return best;
}

/** The level that prefixes of length `len` (1 to 32) end in; the bit of fn_in that stands for `h`/`len`. */
function level_of(len: i32): u32 {
  return <u32>(1 + (len - 1) / 6 * 6);
}

function in_bit(h: u32, len: i32): u64 {
  const pos = level_of(len);
  const l = <u32>len - pos;
  return <u64>1 << <u64>((1 << l) + (six(h, pos) >>> (6 - l)));
}

function upto(pos: u32): u32 {
  return <u32>0xffffffff << (32 - pos);
}

/** The node of level `pos` for `h`, or null; the nodes above it are in ts.path. */
function node_find(t: Fibtrie, h: u32, pos: u32): Fibnode {
  let n = root_of(t, h);
  ts.depth = 0;
  while (n.fn_pos < pos) {
    const bit = <u64>1 << <u64>six(h, n.fn_pos);
    if ((n.fn_ext & bit) == 0) return changetype<Fibnode>(0);
    store<usize>(ts.path + (<usize>ts.depth << 2), changetype<usize>(n));
    ts.depth++;
    n = kid_at(n, bit);
    if (n.fn_pos > pos || !keyed(n, h)) return changetype<Fibnode>(0);
  }
  return n;
}

/** The result of exactly `h`/`len`, or 0. */
export function fib_exact(t: Fibtrie, h: u32, len: i32): usize {
  if (len == 0) return t.ft_zero != 0 ? changetype<usize>(t) : 0;
  const n = node_find(t, h, level_of(len));
  const bit = in_bit(h, len);
  return n && (n.fn_in & bit) != 0 ? res_at(n, bit) : 0;
}

// ── arrays that grow and shrink ──────────────────────────────────────────────────────────────────

/** The order of arena block that `n` (at least 1) entries of 2^`shift` bytes take. */
function order_of(n: u32, shift: usize): i32 {
  const units = ((n << <u32>shift) + 15) >>> 4;
  return units <= 1 ? 0 : 32 - <i32>clz<u32>(units - 1);
}

/** Make room for an entry at place `at` of the array of `n` at `p`: its new address, or 0. */
function array_open(p: usize, n: u32, at: usize, shift: usize): usize {
  const order = order_of(n + 1, shift);
  let q = p;
  if (n == 0 || order != order_of(n, shift)) {
    q = fib_alloc(order);
    if (q == 0) return 0;
    if (n != 0) memory.copy(q, p, at << shift);
  }
  if (n != 0) memory.copy(q + ((at + 1) << shift), p + (at << shift), (<usize>n - at) << shift);
  if (n != 0 && q != p) fib_free(p, order_of(n, shift));
  return q;
}

/** Take entry `at` out of the array of `n` at `p`: its new address, 0 when it is empty. Cannot fail. */
function array_close(p: usize, n: u32, at: usize, shift: usize): usize {
  memory.copy(p + (at << shift), p + ((at + 1) << shift), (<usize>n - at - 1) << shift);
  const was = order_of(n, shift);
  if (n == 1) {
    fib_free(p, was);
    return 0;
  }
  const order = order_of(n - 1, shift);
  if (order == was) return p;
  // A smaller block, if there is one; a larger one serves too, but its order must follow from n: the
  // upper half is given back where it lies.
  const keep = p;
  for (let k = was - 1; k >= order; k--) fib_free(keep + (<usize>16 << <usize>k), k);
  return keep;
}

/** A child of `n` for the six bits of `bit`, at `pos` with the key of `h`; null without memory. */
function kid_open(n: Fibnode, bit: u64, h: u32, pos: u32): Fibnode {
  const kids = array_open(n.fn_kids, <u32>popcnt<u64>(n.fn_ext), rank(n.fn_ext, bit), NODE_SHIFT);
  if (kids == 0) return changetype<Fibnode>(0);
  n.fn_kids = kids;
  n.fn_ext |= bit;
  const kid = kid_at(n, bit);
  memory.fill(changetype<usize>(kid), 0, offsetof<Fibnode>());
  kid.fn_key = h & upto(pos);
  kid.fn_pos = pos;
  ts.nodes++;
  return kid;
}

/** Put a node at `pos` in the place of `kid`, which becomes its only child; false without memory. */
function kid_split(kid: Fibnode, pos: u32): bool {
  const one = fib_alloc(order_of(1, NODE_SHIFT));
  if (one == 0) return false;
  memory.copy(one, changetype<usize>(kid), offsetof<Fibnode>());
  const key = kid.fn_key;
  memory.fill(changetype<usize>(kid), 0, offsetof<Fibnode>());
  kid.fn_key = key & upto(pos);
  kid.fn_pos = pos;
  kid.fn_ext = <u64>1 << <u64>six(key, pos);
  kid.fn_kids = one;
  ts.nodes++;
  return true;
}

/** The node of level `pos` for `h`, made if it is not there; null without memory. The path is in ts.path. */
function node_make(t: Fibtrie, h: u32, pos: u32): Fibnode {
  let n = root_of(t, h);
  ts.depth = 0;
  while (n.fn_pos < pos) {
    store<usize>(ts.path + (<usize>ts.depth << 2), changetype<usize>(n));
    ts.depth++;
    const bit = <u64>1 << <u64>six(h, n.fn_pos);
    if ((n.fn_ext & bit) == 0) return kid_open(n, bit, h, pos);
    const kid = kid_at(n, bit);
    // Where the two part: the level with the first bit that differs, or ours if it comes before.
    const common = min<u32>(kid.fn_pos, pos);
    const differ = (h ^ kid.fn_key) & upto(common);
    const at = differ != 0 ? level_of(<i32>clz<u32>(differ)) : common;
    if (at < kid.fn_pos && !kid_split(kid, at)) return changetype<Fibnode>(0);
    n = kid;
  }
  return n;
}

/** Take away nodes at the end of the path from `n` up that decide nothing any more. */
function node_prune(n: Fibnode, h: u32): void {
  while (ts.depth > 0 && n.fn_in == 0) {
    const many = <u32>popcnt<u64>(n.fn_ext);
    if (many > 1) return;
    ts.nodes--;
    if (many == 1) {
      const kids = n.fn_kids;
      memory.copy(changetype<usize>(n), kids, offsetof<Fibnode>());
      fib_free(kids, order_of(1, NODE_SHIFT));
      return;
    }
    ts.depth--;
    const up = changetype<Fibnode>(load<usize>(ts.path + (<usize>ts.depth << 2)));
    const bit = <u64>1 << <u64>six(h, up.fn_pos);
    up.fn_kids = array_close(up.fn_kids, <u32>popcnt<u64>(up.fn_ext), rank(up.fn_ext, bit), NODE_SHIFT);
    up.fn_ext &= ~bit;
    n = up;
  }
}

/** The result of `h`/`len`, which is zero if it was not there before; 0 without memory. */
export function fib_insert(t: Fibtrie, h: u32, len: i32): usize {
  if (len == 0) return changetype<usize>(t);
  const n = node_make(t, h, level_of(len));
  const bit = in_bit(h, len);
  if (n && (n.fn_in & bit) != 0) return res_at(n, bit);
  const res = n ? array_open(n.fn_res, <u32>popcnt<u64>(n.fn_in), rank(n.fn_in, bit), RES_SHIFT) : 0;
  if (res == 0) {
    // What was made on the way goes again.
    ts.depth -= n ? 0 : 1;
    node_prune(n ? n : changetype<Fibnode>(load<usize>(ts.path + (<usize>ts.depth << 2))), h);
    return 0;
  }
  n.fn_res = res;
  n.fn_in |= bit;
  const at = res_at(n, bit);
  store<u64>(at, 0);
  return at;
}

/** Take the prefix `h`/`len`, which is there, out. */
export function fib_delete(t: Fibtrie, h: u32, len: i32): void {
  if (len == 0) {
    t.ft_zero = 0;
    return;
  }
  const n = node_find(t, h, level_of(len));
  const bit = in_bit(h, len);
  assert(n && (n.fn_in & bit) != 0, "fib_delete: not there");
  n.fn_res = array_close(n.fn_res, <u32>popcnt<u64>(n.fn_in), rank(n.fn_in, bit), RES_SHIFT);
  n.fn_in &= ~bit;
  node_prune(n, h);
}

/** Nodes of all tries, without the roots. */
export function fib_nodes(): i32 {
  return ts.nodes;
}
