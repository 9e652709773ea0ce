/**
 * The store: blocks of 4 KiB by number, per volume, each kept in the cheapest form that holds it.
 *
 *      write ─► one word over and over?  ─► the word, in the map        (no memory)
 *           ─► hash ─► equal block there? ─► one more reference          (no memory)
 *           ─► compress ─► fits an object? ─► object                     (32-byte steps)
 *           ─► else                        ─► page, raw                  (4 KiB)
 *
 *      read ─► map ─► copy or decompress ─► hash again, compare ─► EIO if it is not what was written
 *
 * A write that finds no memory changes nothing: the new content is stored before the old is let go,
 * unless it fits exactly where the old one lies. A shared block is never changed: the writer gets one
 * of its own (copy on write). Memory is taken as blocks are written and given back on discard.
 * Cost of a write: hash 0.3 µs, compression 7 µs, a few lines of tables; of a read: decompression 2 µs,
 * hash 0.3 µs.
 */
import {
  LZO1X_HC_LEVEL_MAX, LZO1X_HC_MEM_COMPRESS, lzo1x_1_compress, lzo1x_hc_compress, lzorle_1_compress, lzorle_decompress_safe,
} from "rump/lzo";
import { EIO, ENOSPC } from "../../kernel/abi/errno";
import { kmem_alloc } from "../../kernel/kern/kmem";
import {
  RDE_INDEXED, RDE_RAW, RdEntry, rd_entry, rd_entry_alloc, rd_entry_fits, rd_entry_init, rd_entry_ref, rd_entry_relen,
  rd_entry_size, rd_entry_unref, rd_entry_volatile, rd_index_find, rd_index_insert, rd_index_remove,
} from "./rd_entry";
import { rd_equal, rd_fill_word, rd_hash, rd_same_word } from "./rd_hash";
import { RDS_ENTRY, RDS_KIND, RDS_SAME, RDS_YOUNG, RdMap, rdm_create, rdm_get, rdm_init, rdm_next_used, rdm_resize, rdm_set } from "./rd_map";
import { RD_PAGE_SIZE, rd_page_init, rd_page_ptr } from "./rd_page";
import { ZS_MAX_DATA, zs_init, zs_read, zs_write } from "./rd_zspage";
import { rd_compact_all, rd_compact_init } from "./rd_compact";

export const RD_BLOCK: u32 = RD_PAGE_SIZE;
/** Levels of compression: none, LZO1X-1, lzo-rle; and from 3 to 9 LZO1X taking ever more time. */
export const RD_LEVEL_NONE: i32 = 0;
export const RD_LEVEL_LZO: i32 = 1;
export const RD_LEVEL_RLE: i32 = 2;
export const RD_LEVEL_MAX: i32 = LZO1X_HC_LEVEL_MAX;
/** Deduplication: off, by the scanner only, at write time too. */
export const RD_DEDUP_OFF: i32 = 0;
export const RD_DEDUP_SCAN: i32 = 1;
export const RD_DEDUP_WRITE: i32 = 2;

/** A volume: the blocks of one disk. */
@unmanaged
export class RdVolume {
  /** The map's five words come first: rdv_map. */
  m_root: u32;
  m_height: u32;
  m_nblocks: u32;
  m_used: u32;
  m_pages: u32;
  v_level: i32;
  v_dedup: i32;
  /** Most bytes of memory that its blocks may take, as if none were shared; 0 = no limit. */
  v_limit: u64;
  /** Those that they take, and the bytes of data in them. */
  v_charged: u64;
  v_bytes: u64;
  v_same: u32;
  v_huge: u32;
  v_huge_since: u32;
  v_failed_reads: u32;
  v_failed_writes: u32;
  /** Found equal at write time, by the scanner; blocks copied because they were shared. */
  v_dedup_writes: u32;
  v_dedup_scans: u32;
  v_cow: u32;
  /** The most that rdv_mem_used has been. */
  v_mem_max: u64;
}

@unmanaged
class RdStore {
  key: u64;
  /** Compressed block; block being compared; pieces put together; work memory. */
  packed: usize;
  block: usize;
  piece: usize;
  wrkmem: usize;
  /** Rounds that the scanner still has to make until all that is stored has been looked at. */
  scan_rounds: u32;
}

/** A block is marked old in one round and looked at in the next; and the first may have begun. */
const SCAN_ROUNDS: u32 = 3;

let st: RdStore = changetype<RdStore>(0);

/** Boot, with `pages` pages. `key` is random. */
export function rd_store_init(key: u64, pages: u32): void {
  rd_page_init(pages);
  zs_init();
  rd_entry_init();
  rdm_init();
  rd_compact_init();
  st = changetype<RdStore>(kmem_alloc(offsetof<RdStore>(), 64, "ramdisk"));
  st.key = key;
  st.packed = kmem_alloc(RD_BLOCK, 64, "ramdisk");
  st.block = kmem_alloc(RD_BLOCK, 64, "ramdisk");
  st.piece = kmem_alloc(RD_BLOCK, 64, "ramdisk");
  st.wrkmem = kmem_alloc(LZO1X_HC_MEM_COMPRESS, 64, "ramdisk");
}

export function rdv_map(v: RdVolume): RdMap {
  return changetype<RdMap>(changetype<usize>(v));
}

/** Begin an empty volume in zeroed memory. */
export function rdv_create(v: RdVolume, nblocks: u32, level: i32, dedup: i32): void {
  assert(offsetof<RdVolume>("v_level") == offsetof<RdMap>(), "rdv_create: layout");
  rdm_create(rdv_map(v), nblocks);
  v.v_level = level;
  v.v_dedup = dedup;
}

/**
 * Compress the block at `src` to st.packed.
 * @returns its length, or 0 when it is to be kept raw
 */
function compress(level: i32, src: usize): u32 {
  let n: i32 = 0;
  if (level == RD_LEVEL_LZO) n = lzo1x_1_compress(src, RD_BLOCK, st.packed, ZS_MAX_DATA, st.wrkmem);
  else if (level == RD_LEVEL_RLE) n = lzorle_1_compress(src, RD_BLOCK, st.packed, ZS_MAX_DATA, st.wrkmem);
  else if (level > RD_LEVEL_RLE) n = lzo1x_hc_compress(src, RD_BLOCK, st.packed, ZS_MAX_DATA, st.wrkmem, level);
  return n > 0 ? n : 0;
}

/** The data of `e` as a block: where it lies if raw, else at `buf`. 0 = it cannot be decompressed. */
function expand(e: RdEntry, buf: usize): usize {
  if ((e.e_flags & RDE_RAW) != 0) return rd_page_ptr(e.e_loc);
  const data = zs_read(e.e_loc, e.e_len, st.piece);
  return lzorle_decompress_safe(data, e.e_len, buf, RD_BLOCK, 0) == RD_BLOCK ? buf : 0;
}

/** An indexed entry with the content of `src`, whose hash is `hash`; 0 = none. */
export function rd_find_equal(src: usize, hash: u64): u32 {
  let id = rd_index_find(hash, 0);
  while (id != 0) {
    const have = expand(rd_entry(id), st.block);
    if (have != 0 && rd_equal(have, src)) return id;
    id = rd_index_find(hash, id);
  }
  return 0;
}

/** Put data into a fresh entry, or one that fits; it is not indexed. */
function fill(id: u32, src: usize, len: u32, hash: u64, level: i32): void {
  const e = rd_entry(id);
  assert((e.e_flags & RDE_INDEXED) == 0 && e.e_refs == 1, "rd fill: in use");
  e.e_hash = hash;
  e.e_level = <u8>level;
  if ((e.e_flags & RDE_RAW) != 0) memory.copy(rd_page_ptr(e.e_loc), src, RD_BLOCK);
  else zs_write(e.e_loc, id, st.packed, len);
}

/** Kept raw because it could not be made smaller? */
function is_huge(e: RdEntry): bool {
  return (e.e_flags & RDE_RAW) != 0 && e.e_level != RD_LEVEL_NONE;
}

/** Count what slot `value` holds into (sign 1) or out of (-1) the volume. */
function account(v: RdVolume, value: u64, sign: i64): void {
  const kind = value & RDS_KIND;
  if (kind == RDS_SAME) {
    v.v_same += <u32>sign;
  } else if (kind == RDS_ENTRY) {
    const e = rd_entry(<u32>value);
    v.v_charged += sign * rd_entry_size(e);
    v.v_bytes += sign * e.e_len;
    if (is_huge(e)) v.v_huge += <u32>sign;
  }
}

/** Let go of what a slot held. */
function release(v: RdVolume, value: u64): void {
  account(v, value, -1);
  if ((value & RDS_KIND) == RDS_ENTRY) rd_entry_unref(<u32>value);
}

/** Set block b to `value`, whose reference is taken over. 0, or -ENOSPC with nothing changed. */
function replace(v: RdVolume, b: u32, old: u64, value: u64): i32 {
  if (!rdm_set(rdv_map(v), b, value | RDS_YOUNG)) {
    rd_compact_all();
    if (!rdm_set(rdv_map(v), b, value | RDS_YOUNG)) {
      if ((value & RDS_KIND) == RDS_ENTRY) rd_entry_unref(<u32>value);
      return -ENOSPC;
    }
  }
  account(v, value, 1);
  release(v, old);
  return 0;
}

/** Bytes of memory that the volume takes: its blocks, as if none were shared, and its map. */
export function rdv_mem_used(v: RdVolume): u64 {
  return v.v_charged + ((<u64>v.m_pages) << 12);
}

/** Would the volume take more than its limit if slot `old` became `size` bytes? */
function over_limit(v: RdVolume, old: u64, size: u32): bool {
  if (v.v_limit == 0) return false;
  let have: u32 = 0;
  if ((old & RDS_KIND) == RDS_ENTRY) have = rd_entry_size(rd_entry(<u32>old));
  return size > have && v.v_charged + size - have > v.v_limit;
}

/** Make entry `id` findable now or, by the scanner, later, as the volume wants it. */
function index_new(v: RdVolume, id: u32): void {
  if (v.v_dedup == RD_DEDUP_WRITE) rd_index_insert(id);
  if (v.v_dedup != RD_DEDUP_SCAN) return;
  rd_entry_volatile(id);
  st.scan_rounds = SCAN_ROUNDS;
}

/** Something that the scanner may not have seen: `rounds` to go. */
export function rd_scan_rounds(): u32 {
  return st.scan_rounds;
}

/** The scanner has been everywhere once more; or (restart) has to begin anew. */
export function rd_scan_round(restart: bool): void {
  if (restart) st.scan_rounds = SCAN_ROUNDS;
  else if (st.scan_rounds > 0) st.scan_rounds--;
}

/** Store a block of which there is no equal. */
function write_new(v: RdVolume, b: u32, old: u64, src: usize, hash: u64): i32 {
  const packed = compress(v.v_level, src);
  const raw = packed == 0;
  const len = raw ? RD_BLOCK : packed;
  if (raw && v.v_level != RD_LEVEL_NONE) v.v_huge_since++;
  const held = <u32>old;
  if ((old & RDS_KIND) == RDS_ENTRY && rd_entry_fits(held, len, raw)) {
    rd_index_remove(held);
    account(v, old, -1);
    rd_entry_relen(held, len);
    fill(held, src, len, hash, v.v_level);
    account(v, old, 1);
    index_new(v, held);
    rdm_set(rdv_map(v), b, old | RDS_YOUNG);
    return 0;
  }
  let id = rd_entry_alloc(len, raw);
  if (id == 0 && rd_compact_all() > 0) id = rd_entry_alloc(len, raw);
  if (id == 0) return -ENOSPC;
  fill(id, src, len, hash, v.v_level);
  if (over_limit(v, old, rd_entry_size(rd_entry(id)))) {
    rd_entry_unref(id);
    return -ENOSPC;
  }
  if ((old & RDS_KIND) == RDS_ENTRY && rd_entry(held).e_refs > 1) v.v_cow++;
  const e = replace(v, b, old, RDS_ENTRY | id);
  if (e == 0) index_new(v, id);
  return e;
}

/**
 * Write block `b` from the RD_BLOCK bytes at `src`.
 * @returns 0, or -ENOSPC: then the block is what it was
 */
export function rdv_write(v: RdVolume, b: u32, src: usize): i32 {
  const old = rdm_get(rdv_map(v), b);
  const word = rd_same_word(src);
  let e = 0;
  if (word >= 0) {
    e = replace(v, b, old, RDS_SAME | <u64>word);
  } else {
    const hash = rd_hash(src, st.key);
    const found = v.v_dedup == RD_DEDUP_WRITE ? rd_find_equal(src, hash) : 0;
    if (found == 0) {
      e = write_new(v, b, old, src, hash);
    } else if ((old & RDS_KIND) != RDS_ENTRY || <u32>old != found) {
      if (over_limit(v, old, rd_entry_size(rd_entry(found)))) {
        e = -ENOSPC;
      } else {
        rd_entry_ref(found);
        e = replace(v, b, old, RDS_ENTRY | found);
        if (e == 0) v.v_dedup_writes++;
      }
    }
  }
  if (e < 0) v.v_failed_writes++;
  else v.v_mem_max = max<u64>(v.v_mem_max, rdv_mem_used(v));
  return e;
}

/**
 * Read block `b` to the RD_BLOCK bytes at `dst`; holes are zeros.
 * @returns 0, or -EIO when what is stored is not what was written
 */
export function rdv_read(v: RdVolume, b: u32, dst: usize): i32 {
  const slot = rdm_get(rdv_map(v), b);
  if ((slot & RDS_KIND) != RDS_ENTRY) {
    rd_fill_word(dst, <u32>slot);
    return 0;
  }
  const e = rd_entry(<u32>slot);
  const data = expand(e, dst);
  if (data != 0 && data != dst) memory.copy(dst, data, RD_BLOCK);
  if (data == 0 || rd_hash(dst, st.key) != e.e_hash) {
    v.v_failed_reads++;
    return -EIO;
  }
  return 0;
}

/** Discard the blocks from `b` up to `end`: they are holes then. @returns how many were in use */
export function rdv_discard(v: RdVolume, b: u32, end: u32): u32 {
  const m = rdv_map(v);
  let n: u32 = 0;
  for (b = rdm_next_used(m, b); b < end; b = rdm_next_used(m, b)) {
    const old = rdm_get(m, b);
    rdm_set(m, b, 0);
    release(v, old);
    n++;
  }
  return n;
}

/** Change the size; what lies beyond a smaller one is discarded. 0 or -ENOSPC. */
export function rdv_resize(v: RdVolume, nblocks: u32): i32 {
  if (nblocks < v.m_nblocks) rdv_discard(v, nblocks, v.m_nblocks);
  return rdm_resize(rdv_map(v), nblocks) ? 0 : -ENOSPC;
}

/**
 * Make empty volume `v` what `from` is now: every block is shared until one of the two writes it.
 * 0, or -ENOSPC when there is no memory for the map; `v` is empty then. About 50 ns a block in use.
 */
export function rdv_clone(v: RdVolume, from: RdVolume): i32 {
  const m = rdv_map(from);
  let e = rdv_resize(v, m.m_nblocks);
  for (let b = rdm_next_used(m, 0); b < m.m_nblocks && e == 0; b = rdm_next_used(m, b + 1)) {
    const slot = rdm_get(m, b);
    if ((slot & RDS_KIND) == RDS_ENTRY) rd_entry_ref(<u32>slot);
    e = replace(v, b, 0, slot & ~RDS_YOUNG);
  }
  if (e < 0) rdv_discard(v, 0, v.m_nblocks);
  return e;
}

/** Let `v` have what `from` has, which is empty afterwards, instead of its own. Settings stay. */
export function rdv_take(v: RdVolume, from: RdVolume): void {
  rdv_discard(v, 0, v.m_nblocks);
  assert(v.m_used == 0 && v.m_pages == 0 && v.v_charged == 0, "rdv_take: not empty");
  memory.copy(changetype<usize>(v), changetype<usize>(from), offsetof<RdMap>());
  v.v_charged = from.v_charged;
  v.v_bytes = from.v_bytes;
  v.v_same = from.v_same;
  v.v_huge = from.v_huge;
  v.v_mem_max = max<u64>(v.v_mem_max, rdv_mem_used(v));
  rdm_create(rdv_map(from), 0);
}

/**
 * Let block `b`, which holds entry `mine`, hold entry `other` of equal content instead.
 * For the scanner; cannot fail, because the slot exists.
 */
export function rdv_merge(v: RdVolume, b: u32, mine: u32, other: u32): void {
  rd_entry_ref(other);
  account(v, RDS_ENTRY | mine, -1);
  const done = rdm_set(rdv_map(v), b, RDS_ENTRY | other);
  assert(done, "rdv_merge: no slot");
  account(v, RDS_ENTRY | other, 1);
  rd_entry_unref(mine);
  v.v_dedup_scans++;
}

/** The block of entry `id` at an address that is good until the next call here; 0 if it is broken. */
export function rd_expand(id: u32, buf: usize): usize {
  return expand(rd_entry(id), buf);
}
