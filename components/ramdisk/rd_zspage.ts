/**
 * Objects of many sizes in pages: a slab allocator that packs, after zsmalloc's idea.
 *
 * Objects of one size class lie side by side in a *zspage* of 1 to 8 pages which need not be
 * neighbours; an object may straddle two of them. The number of pages of a class is the one that wastes
 * least, so 3616-byte objects lose 0.7 % (9 in 8 pages), not 12 % (1 in 1).
 *
 *      class 113       zspage = page 7 | page 9 | page 2 | … (8)
 *      3616 bytes      |obj 0      |obj 1  ·   |obj 2   ·  |…    each: entry id u32, data …
 *      objs 9          a page is taken from rd_page when its first object is
 *
 * Class 0 holds the entries themselves (24 bytes, never moved: their place is their name). An object's
 * place is zspage id << 10 | slot. Every class lists its zspages by how full they are, in four groups;
 * objects go to the fullest group, so the others run empty, and an empty zspage gives its pages back.
 * Every data object begins with the id of its entry, so compaction (rd_compact.ts) can move it.
 * Alloc and free are O(1).
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_get, pool_getz, pool_index, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import { RD_PAGE_SIZE, rd_page_alloc, rd_page_free, rd_page_ptr, rd_page_total } from "./rd_page";

/** Class 0 is for entries; class k > 0 for objects of k × 32 bytes. */
export const ZS_ENTRY_SIZE: u32 = 24;
const ZS_STEP: u32 = 32;
export const ZS_CLASSES: u32 = 114;
/** Bytes of an object before its data: the id of its entry. */
export const ZS_HEAD: u32 = 4;
/** Longest data of an object. */
export const ZS_MAX_DATA: u32 = (ZS_CLASSES - 1) * ZS_STEP - ZS_HEAD;
const ZS_PAGES_MAX: u32 = 8;
/** Bits of a slot's number: 8 pages of 32-byte objects. */
export const ZS_SLOT_BITS: u32 = 10;
const ZS_SLOT_MASK: u32 = 1023;
/** First word of a data slot that is free: this, and the next free slot + 1. */
const ZS_FREE: u32 = 0x80000000;
/** Groups by fullness: up to 1/4, 1/2, 3/4, less than full; then full, and taken out by compaction. */
export const ZS_GROUPS: u32 = 4;
const ZS_FULL: u8 = 4;
const ZS_ISOLATED: u8 = 5;

@unmanaged
export class Zspage {
  zs_class: u8;
  zs_group: u8;
  zs_inuse: u16;
  /** Slots from this one on were never used. */
  zs_fresh: u16;
  /** First free slot + 1, or 0. */
  zs_free: u16;
  /** Neighbours in the group's list, as ids. */
  zs_next: u32;
  zs_prev: u32;
  /** The pages that are there yet, else 0: eight u32 from here. */
  zs_page0: u32;
}

const ZSPAGE_SIZE: u32 = 16 + 4 * ZS_PAGES_MAX;

@unmanaged
export class ZsClass {
  size: u32;
  npages: u32;
  nslots: u32;
  nobjs: u32;
  nzspages: u32;
  /** Heads of the groups' lists: four u32 from here. */
  group0: u32;
}

const ZSCLASS_SIZE: usize = 40;

let zspages: Pool = changetype<Pool>(0);
let classes: usize = 0;

export function zs_class(k: u32): ZsClass {
  return changetype<ZsClass>(classes + <usize>k * ZSCLASS_SIZE);
}

/** Pages for objects of `size` bytes: the fewest within 1/256 of the least waste. */
function best_pages(size: u32): u32 {
  let best: u32 = 1;
  let least = (RD_PAGE_SIZE % size) << 3;
  for (let n: u32 = 2; n <= ZS_PAGES_MAX; n++) {
    const waste = (((n * RD_PAGE_SIZE) % size) << 3) / n;
    if (waste + (RD_PAGE_SIZE << 3) / 256 < least) {
      least = waste;
      best = n;
    }
  }
  return best;
}

/** Boot, after rd_page_init. */
export function zs_init(): void {
  zspages = pool_init("ramdisk.zspages", ZSPAGE_SIZE, rd_page_total(), 16);
  classes = kmem_alloc(<usize>ZS_CLASSES * ZSCLASS_SIZE, 64, "ramdisk.classes");
  for (let k: u32 = 0; k < ZS_CLASSES; k++) {
    const c = zs_class(k);
    c.size = k == 0 ? ZS_ENTRY_SIZE : k * ZS_STEP;
    c.npages = k == 0 ? 1 : best_pages(c.size);
    c.nslots = (c.npages * RD_PAGE_SIZE) / c.size;
    assert(c.nslots <= ZS_SLOT_MASK + 1, "zs_init: slots");
  }
}

/** Class for `len` bytes of data. */
export function zs_class_of(len: u32): u32 {
  return (len + ZS_HEAD + ZS_STEP - 1) / ZS_STEP;
}

export function zs_zspage(id: u32): Zspage {
  return changetype<Zspage>(pool_ptr(zspages, id - 1));
}

function zs_id(z: Zspage): u32 {
  return pool_index(zspages, changetype<usize>(z)) + 1;
}

function page_at(z: Zspage, i: u32): usize {
  return changetype<usize>(z) + offsetof<Zspage>("zs_page0") + (<usize>i << 2);
}

/** Address of byte `off` of a zspage; its page must be there. */
function zs_byte(z: Zspage, off: u32): usize {
  return rd_page_ptr(load<u32>(page_at(z, off / RD_PAGE_SIZE))) + (off % RD_PAGE_SIZE);
}

/** Address of the first bytes of object `loc`: a class-0 object, or a data object's head. */
export function zs_ptr(loc: u32): usize {
  const z = zs_zspage(loc >> ZS_SLOT_BITS);
  return zs_byte(z, (loc & ZS_SLOT_MASK) * zs_class(z.zs_class).size);
}

export function zs_group_head(c: ZsClass, g: u32): usize {
  return changetype<usize>(c) + offsetof<ZsClass>("group0") + (<usize>g << 2);
}

function group_of(z: Zspage, c: ZsClass): u8 {
  const used: u32 = z.zs_inuse;
  if (used == c.nslots) return ZS_FULL;
  return <u8>((used * ZS_GROUPS) / c.nslots);
}

function list_insert(z: Zspage, c: ZsClass, group: u8): void {
  z.zs_group = group;
  if (group >= <u8>ZS_GROUPS) return;
  const head = zs_group_head(c, group);
  const id = zs_id(z);
  const first = load<u32>(head);
  z.zs_prev = 0;
  z.zs_next = first;
  if (first != 0) zs_zspage(first).zs_prev = id;
  store<u32>(head, id);
}

function list_remove(z: Zspage, c: ZsClass): void {
  if (z.zs_group >= <u8>ZS_GROUPS) return;
  if (z.zs_next != 0) zs_zspage(z.zs_next).zs_prev = z.zs_prev;
  if (z.zs_prev != 0) zs_zspage(z.zs_prev).zs_next = z.zs_next;
  else store<u32>(zs_group_head(c, z.zs_group), z.zs_next);
}

/** Its number of objects changed: move it to the group where it belongs. */
function regroup(z: Zspage, c: ZsClass): void {
  const group = group_of(z, c);
  if (group == z.zs_group || z.zs_group == ZS_ISOLATED) return;
  list_remove(z, c);
  list_insert(z, c, group);
}

/** Give all pages and the zspage itself back. */
function zs_release(z: Zspage, c: ZsClass): void {
  assert(z.zs_inuse == 0, "zs_release: in use");
  list_remove(z, c);
  for (let i: u32 = 0; i < c.npages; i++) {
    const page = load<u32>(page_at(z, i));
    if (page != 0) rd_page_free(page);
  }
  c.nzspages--;
  pool_put(zspages, changetype<usize>(z));
}

/** A zspage of class k with a free slot: the fullest there is, or a new one. 0 = no memory for one. */
function zs_partial(k: u32, c: ZsClass): Zspage {
  for (let g = ZS_GROUPS; g-- > 0;) {
    const id = load<u32>(zs_group_head(c, g));
    if (id != 0) return zs_zspage(id);
  }
  const z = changetype<Zspage>(pool_getz(zspages));
  if (changetype<usize>(z) == 0) return z;
  z.zs_class = <u8>k;
  c.nzspages++;
  list_insert(z, c, 0);
  return z;
}

/** Make the pages under slot `slot` present. */
function zs_populate(z: Zspage, c: ZsClass, slot: u32): bool {
  const last = (slot * c.size + c.size - 1) / RD_PAGE_SIZE;
  for (let i = (slot * c.size) / RD_PAGE_SIZE; i <= last; i++) {
    if (load<u32>(page_at(z, i)) != 0) continue;
    const page = rd_page_alloc();
    if (page == 0) return false;
    store<u32>(page_at(z, i), page);
  }
  return true;
}

/** An object of class k, contents undefined; its place, or 0 when memory is out. */
export function zs_alloc(k: u32): u32 {
  const c = zs_class(k);
  const z = zs_partial(k, c);
  if (changetype<usize>(z) == 0) return 0;
  let slot: u32 = z.zs_free;
  if (slot != 0) {
    slot -= 1;
    z.zs_free = <u16>(load<u32>(zs_byte(z, slot * c.size)) & ~ZS_FREE);
  } else {
    slot = z.zs_fresh;
    assert(slot < c.nslots, "zs_alloc: listed, but full");
    if (!zs_populate(z, c, slot)) {
      if (z.zs_inuse == 0) zs_release(z, c);
      return 0;
    }
    z.zs_fresh = <u16>(slot + 1);
  }
  z.zs_inuse++;
  c.nobjs++;
  regroup(z, c);
  return (zs_id(z) << ZS_SLOT_BITS) | slot;
}

/** Give object `loc` back. */
export function zs_free(loc: u32): void {
  const z = zs_zspage(loc >> ZS_SLOT_BITS);
  const c = zs_class(z.zs_class);
  const slot = loc & ZS_SLOT_MASK;
  assert(slot < z.zs_fresh && z.zs_inuse > 0, "zs_free: not an object");
  store<u32>(zs_byte(z, slot * c.size), ZS_FREE | z.zs_free);
  z.zs_free = <u16>(slot + 1);
  z.zs_inuse--;
  c.nobjs--;
  if (z.zs_inuse == 0 && z.zs_group != ZS_ISOLATED) zs_release(z, c);
  else regroup(z, c);
}

/** Write `len` bytes of data, behind the head of object `loc`. */
export function zs_write(loc: u32, entry: u32, src: usize, len: u32): void {
  const z = zs_zspage(loc >> ZS_SLOT_BITS);
  const off = (loc & ZS_SLOT_MASK) * zs_class(z.zs_class).size;
  assert(len + ZS_HEAD <= zs_class(z.zs_class).size, "zs_write: too long");
  store<u32>(zs_byte(z, off), entry);
  const at = (off + ZS_HEAD) % RD_PAGE_SIZE;
  const here = min<u32>(len, RD_PAGE_SIZE - at);
  memory.copy(zs_byte(z, off) + ZS_HEAD, src, here);
  if (here < len) memory.copy(zs_byte(z, off + ZS_HEAD + here), src + here, len - here);
}

/**
 * Data of object `loc`, `len` bytes in one piece: in place, or put together at `buf` if it straddles.
 * @returns its address
 */
export function zs_read(loc: u32, len: u32, buf: usize): usize {
  const z = zs_zspage(loc >> ZS_SLOT_BITS);
  const off = (loc & ZS_SLOT_MASK) * zs_class(z.zs_class).size;
  const from = zs_byte(z, off) + ZS_HEAD;
  const here = RD_PAGE_SIZE - (off + ZS_HEAD) % RD_PAGE_SIZE;
  if (here >= len) return from;
  memory.copy(buf, from, here);
  memory.copy(buf + here, zs_byte(z, off + ZS_HEAD + here), len - here);
  return buf;
}

/** Entry of the object in `slot`, or 0 if the slot is free. For compaction. */
export function zs_owner(z: Zspage, slot: u32): u32 {
  if (slot >= z.zs_fresh) return 0;
  const head = load<u32>(zs_byte(z, slot * zs_class(z.zs_class).size));
  return (head & ZS_FREE) != 0 ? 0 : head;
}

/** Take a zspage out of its list: nothing is allocated in it until zs_rejoin. */
export function zs_isolate(z: Zspage): void {
  list_remove(z, zs_class(z.zs_class));
  z.zs_group = ZS_ISOLATED;
}

/** Back into its list; or, if it has run empty, its pages back. @returns whether it was released */
export function zs_rejoin(z: Zspage): bool {
  const c = zs_class(z.zs_class);
  assert(z.zs_group == ZS_ISOLATED, "zs_rejoin: not isolated");
  if (z.zs_inuse == 0) {
    zs_release(z, c);
    return true;
  }
  list_insert(z, c, group_of(z, c));
  return false;
}

/** Objects free in class k without taking a page more than its zspages are made for. */
export function zs_room(k: u32): u32 {
  const c = zs_class(k);
  return c.nzspages * c.nslots - c.nobjs;
}
