/**
 * For the specs of this folder: memory for the store beside the spec's heap, blocks of known content,
 * and the checks that must hold after any sequence of operations.
 */
import { kmem_boot } from "../../kernel/kern/kmem";
import { pool_boot } from "../../kernel/kern/pool";
import { rd_entries, rd_entry, RDE_RAW, rd_entries_bytes, rd_entry_size } from "./rd_entry";
import { RDS_ENTRY, RDS_KIND, RdMap, rdm_get, rdm_next_used } from "./rd_map";
import { rd_page_used } from "./rd_page";
import { RdVolume, rd_store_init, rdv_map } from "./rd_store";
import { ZS_CLASSES, zs_class } from "./rd_zspage";

/** Memory of the kernel under test: 16 MiB of pages, and what belongs to them. */
const PAGES: i32 = 384;
export const SPEC_PAGES: u32 = 4096;
/** A block to write, and one to read to. */
export const SRC: usize = memory.data(4096, 16);
export const DST: usize = memory.data(4096, 16);

/** Once in a spec file. */
export function spec_memory(): void {
  // The spec's own heap takes all memory there is when it is first used: that must be before.
  heap.free(heap.alloc(16));
  const page = memory.grow(PAGES);
  assert(page > 0, "spec: no memory");
  kmem_boot(<usize>page << 16, <usize>(page + PAGES) << 16);
  pool_boot();
}

export function spec_store(): void {
  spec_memory();
  rd_store_init(0x0123456789abcdef, SPEC_PAGES);
}

let seed: u32 = 1;
export function spec_seed(s: u32): void {
  seed = s;
}

/** 0 … n-1. */
export function rnd(n: u32): u32 {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return <u32>((<u64>seed * n) >> 32);
}

/**
 * Fill SRC with the content that `tag` names; the same tag always names the same content.
 * tag mod 8: 0, 1 one word; 2, 3 noise; others compress, to different lengths.
 */
export function content(tag: u32): void {
  const kind = tag & 7;
  let x: u32 = tag * 2654435761 + 1;
  for (let i: usize = 0; i < 4096; i += 4) {
    if (kind < 2) {
      store<u32>(SRC + i, tag);
      continue;
    }
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    const noisy = kind < 4 || <u32>(i >> 7) % (kind * 2) == 0;
    store<u32>(SRC + i, noisy ? x : tag + (<u32>i & 12));
  }
}

/** Whether DST is the content that `tag` names; uses SRC. */
export function is_content(tag: u32): bool {
  content(tag);
  return memory.compare(SRC, DST, 4096) == 0;
}

/** Pages in zspages: at most what the classes' counts allow, at least what the objects need. */
function zs_pages_bounds(least: bool): u32 {
  let pages: u32 = 0;
  for (let k: u32 = 0; k < ZS_CLASSES; k++) {
    const c = zs_class(k);
    pages += least ? (c.nobjs * c.size + 4095) / 4096 : c.nzspages * c.npages;
  }
  return pages;
}

/** What must hold whatever was done, for one or two volumes that are all there are. */
export function check_store(a: RdVolume, b: RdVolume): void {
  let refs: u32 = 0;
  let maps: u32 = 0;
  for (let i = 0; i < 2; i++) {
    const v = i == 0 ? a : b;
    if (changetype<usize>(v) == 0) continue;
    let used: u32 = 0;
    let bytes: u64 = 0;
    let charged: u64 = 0;
    const m = rdv_map(v);
    for (let at = rdm_next_used(m, 0); at < m.m_nblocks; at = rdm_next_used(m, at + 1)) {
      used++;
      const slot = rdm_get(m, at);
      if ((slot & RDS_KIND) != RDS_ENTRY) continue;
      refs++;
      const e = rd_entry(<u32>slot);
      assert(e.e_refs > 0, "spec: a map holds a free entry");
      bytes += e.e_len;
      charged += rd_entry_size(e);
    }
    assert(used == m.m_used, "spec: m_used");
    assert(bytes == v.v_bytes, "spec: v_bytes");
    assert(charged == v.v_charged, "spec: v_charged");
    maps += m.m_pages;
  }
  assert(rd_entries() <= refs, "spec: more entries than references");
  assert(rd_page_used() >= maps + zs_pages_bounds(true), "spec: fewer pages than are needed");
  if (refs == 0) assert(rd_entries_bytes() == 0 && rd_page_used() == maps, "spec: memory left over");
}
