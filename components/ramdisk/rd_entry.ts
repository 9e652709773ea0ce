/**
 * Entries: one for each distinct block that is stored, and the index that finds them by content.
 *
 *      block map ──► entry { hash, place, next in bucket, references, length, how } ──► page or object
 *                      ▲
 *      index: bucket = hash mod buckets ──► entry ──► entry …
 *
 * An entry is shared by every place of every disk that holds its content: `refs` counts them. Entries
 * that a lookup may find are *indexed*; one written while deduplication was off waits for the scanner.
 * The counters are KSM's: shared = indexed entries with two or more references, sharing = the
 * references beyond the first, unshared = indexed entries with one, volatile = those that the scanner
 * has not indexed yet. Entries of disks that are not deduplicated are none of these.
 *
 * Entries are class-0 objects of rd_zspage.ts (24 bytes): they never move, so a map holds their place.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { rd_page_alloc, rd_page_free, rd_page_total, RD_PAGE_SIZE } from "./rd_page";
import { zs_alloc, zs_class, zs_class_of, zs_free, zs_ptr } from "./rd_zspage";

@unmanaged
export class RdEntry {
  e_hash: u64;
  /** Place of the data: a page (RDE_RAW), or an object of rd_zspage.ts. */
  e_loc: u32;
  /** Next in the bucket. */
  e_hnext: u32;
  e_refs: u32;
  /** Bytes of data. */
  e_len: u16;
  e_flags: u8;
  /** Level it was compressed with. */
  e_level: u8;
}

/** Data is the block itself, in a page. */
export const RDE_RAW: u8 = 1;
/** In the index. */
export const RDE_INDEXED: u8 = 2;
/** Waits for the scanner. */
export const RDE_VOLATILE: u8 = 4;

@unmanaged
class RdIndex {
  buckets: usize;
  mask: u32;
  nentries: u32;
  nindexed: u32;
  nvolatile: u32;
  /** Indexed entries with more than one reference, and the references beyond the first. */
  shared: u32;
  sharing: u32;
  /** Bytes of data stored, and entries stored raw. */
  bytes: u64;
  nraw: u32;
}

let ix: RdIndex = changetype<RdIndex>(0);

/** Boot. */
export function rd_entry_init(): void {
  ix = changetype<RdIndex>(kmem_alloc(offsetof<RdIndex>(), 64, "ramdisk"));
  let n: u32 = 1024;
  while (n < rd_page_total()) n <<= 1;
  ix.mask = n - 1;
  ix.buckets = kmem_alloc(<usize>n << 2, 64, "ramdisk.index");
}

export function rd_entry(id: u32): RdEntry {
  return changetype<RdEntry>(zs_ptr(id));
}

function bucket_of(hash: u64): usize {
  return ix.buckets + (<usize>(<u32>hash & ix.mask) << 2);
}

/** First candidate for `hash`, or the next one after entry `after`; 0 = there is none. */
export function rd_index_find(hash: u64, after: u32): u32 {
  let id = after == 0 ? load<u32>(bucket_of(hash)) : rd_entry(after).e_hnext;
  while (id != 0) {
    const e = rd_entry(id);
    if (e.e_hash == hash) return id;
    id = e.e_hnext;
  }
  return 0;
}

/** Make entry `id` one that is found. */
export function rd_index_insert(id: u32): void {
  const e = rd_entry(id);
  assert((e.e_flags & RDE_INDEXED) == 0, "rd_index_insert: twice");
  const head = bucket_of(e.e_hash);
  e.e_hnext = load<u32>(head);
  store<u32>(head, id);
  rd_entry_settle(id);
  e.e_flags |= RDE_INDEXED;
  ix.nindexed++;
  // A snapshot may hold it, too.
  ix.shared += u32(e.e_refs > 1);
  ix.sharing += e.e_refs - 1;
}

/** Entry `id` is for the scanner to look at. */
export function rd_entry_volatile(id: u32): void {
  const e = rd_entry(id);
  if ((e.e_flags & (RDE_INDEXED | RDE_VOLATILE)) != 0) return;
  e.e_flags |= RDE_VOLATILE;
  ix.nvolatile++;
}

/** Entry `id` no longer waits for the scanner. */
function rd_entry_settle(id: u32): void {
  const e = rd_entry(id);
  if ((e.e_flags & RDE_VOLATILE) == 0) return;
  e.e_flags &= ~RDE_VOLATILE;
  ix.nvolatile--;
}

/** No longer to be found: it is about to go, or its content to change. */
export function rd_index_remove(id: u32): void {
  const e = rd_entry(id);
  if ((e.e_flags & RDE_INDEXED) == 0) return;
  let at = bucket_of(e.e_hash);
  while (load<u32>(at) != id) {
    assert(load<u32>(at) != 0, "rd_index_remove: not in its bucket");
    at = changetype<usize>(rd_entry(load<u32>(at))) + offsetof<RdEntry>("e_hnext");
  }
  store<u32>(at, e.e_hnext);
  e.e_flags &= ~RDE_INDEXED;
  ix.nindexed--;
  ix.shared -= u32(e.e_refs > 1);
  ix.sharing -= e.e_refs - 1;
}

/** One more place holds entry `id`. */
export function rd_entry_ref(id: u32): void {
  const e = rd_entry(id);
  assert(e.e_refs > 0, "rd_entry_ref: no reference");
  e.e_refs++;
  if ((e.e_flags & RDE_INDEXED) == 0) return;
  if (e.e_refs == 2) ix.shared++;
  ix.sharing++;
}

/**
 * Room for `len` bytes of data, raw (a page) or as an object, and an entry for it with one reference.
 * The caller fills the data in (zs_write, or the page e_loc) before anything else happens.
 * @returns the entry's id, or 0 when memory is out; nothing has changed then
 */
export function rd_entry_alloc(len: u32, raw: bool): u32 {
  const id = zs_alloc(0);
  if (id == 0) return 0;
  const loc = raw ? rd_page_alloc() : zs_alloc(zs_class_of(len));
  if (loc == 0) {
    zs_free(id);
    return 0;
  }
  const e = rd_entry(id);
  e.e_loc = loc;
  e.e_hnext = 0;
  e.e_refs = 1;
  e.e_len = <u16>len;
  e.e_flags = raw ? RDE_RAW : 0;
  ix.nentries++;
  ix.nraw += u32(raw);
  ix.bytes += len;
  return id;
}

/** One place less holds entry `id`; the last one frees it. */
export function rd_entry_unref(id: u32): void {
  const e = rd_entry(id);
  assert(e.e_refs > 0, "rd_entry_unref: no reference");
  if (e.e_refs > 1) {
    e.e_refs--;
    if ((e.e_flags & RDE_INDEXED) == 0) return;
    ix.sharing--;
    if (e.e_refs == 1) ix.shared--;
    return;
  }
  rd_index_remove(id);
  rd_entry_settle(id);
  ix.nentries--;
  ix.bytes -= e.e_len;
  if ((e.e_flags & RDE_RAW) != 0) {
    ix.nraw--;
    rd_page_free(e.e_loc);
  } else {
    zs_free(e.e_loc);
  }
  zs_free(id);
}

/** Bytes of memory that the data of `e` takes. */
export function rd_entry_size(e: RdEntry): u32 {
  return (e.e_flags & RDE_RAW) != 0 ? RD_PAGE_SIZE : zs_class(zs_class_of(e.e_len)).size;
}

/**
 * Whether the data of entry `id` may be replaced by `len` bytes (`raw`: a block) where it lies.
 * Only if nobody else sees it and it would take the same room.
 */
export function rd_entry_fits(id: u32, len: u32, raw: bool): bool {
  const e = rd_entry(id);
  if (e.e_refs != 1 || ((e.e_flags & RDE_RAW) != 0) != raw) return false;
  return raw || zs_class_of(e.e_len) == zs_class_of(len);
}

/** Entry `id`, which is not indexed, has `len` bytes of data now. */
export function rd_entry_relen(id: u32, len: u32): void {
  const e = rd_entry(id);
  ix.bytes += <u64>len - e.e_len;
  e.e_len = <u16>len;
}

export function rd_entries(): u32 {
  return ix.nentries;
}

export function rd_entries_raw(): u32 {
  return ix.nraw;
}

export function rd_entries_bytes(): u64 {
  return ix.bytes;
}

export function ksm_pages_shared(): u32 {
  return ix.shared;
}

export function ksm_pages_sharing(): u32 {
  return ix.sharing;
}

export function ksm_pages_unshared(): u32 {
  return ix.nindexed - ix.shared;
}

export function ksm_pages_volatile(): u32 {
  return ix.nvolatile;
}
