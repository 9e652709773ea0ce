/**
 * Compaction: empty the emptiest zspages into the fullest, so that their pages can be used for
 * something else.
 *
 * Objects are moved one by one: each begins with the id of its entry, whose place is corrected. A class
 * is worth the work when its free slots outnumber those of its emptiest zspage, so that this one can
 * be emptied without taking new pages. It runs when memory is out, before a write is refused, and on
 * request. Cost: a copy of each moved object, at most once per run.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { rd_entry } from "./rd_entry";
import { RD_PAGE_SIZE, rd_page_used } from "./rd_page";
import {
  ZS_CLASSES, ZS_GROUPS, ZS_SLOT_BITS, Zspage, zs_alloc, zs_class, zs_free, zs_group_head, zs_isolate, zs_owner, zs_read,
  zs_rejoin, zs_room, zs_write, zs_zspage,
} from "./rd_zspage";

@unmanaged
class RdCompact {
  /** Pages given back by compaction since boot. */
  pages: u64;
  /** Where a straddling object is put together. */
  piece: usize;
}

let cp: RdCompact = changetype<RdCompact>(0);

/** Boot. */
export function rd_compact_init(): void {
  cp = changetype<RdCompact>(kmem_alloc(offsetof<RdCompact>(), 8, "ramdisk"));
  cp.piece = kmem_alloc(RD_PAGE_SIZE, 64, "ramdisk");
}

export function rd_pages_compacted(): u64 {
  return cp.pages;
}

/** Id of the emptiest zspage of class k that is not full; 0 = none. */
function emptiest(k: u32): u32 {
  const c = zs_class(k);
  for (let g: u32 = 0; g < ZS_GROUPS; g++) {
    const id = load<u32>(zs_group_head(c, g));
    if (id != 0) return id;
  }
  return 0;
}

/** Move every object of `z` elsewhere. False if a slot could not be had. */
function evacuate(id: u32, z: Zspage, k: u32): bool {
  const nslots = zs_class(k).nslots;
  for (let slot: u32 = 0; slot < nslots && z.zs_inuse > 0; slot++) {
    const owner = zs_owner(z, slot);
    if (owner == 0) continue;
    const to = zs_alloc(k);
    if (to == 0) return false;
    const e = rd_entry(owner);
    const from = (id << ZS_SLOT_BITS) | slot;
    assert(e.e_loc == from, "rd_compact: an object and its entry disagree");
    zs_write(to, owner, zs_read(from, e.e_len, cp.piece), e.e_len);
    e.e_loc = to;
    zs_free(from);
  }
  return true;
}

/** Compact class k. */
function compact_class(k: u32): void {
  const c = zs_class(k);
  // Each round empties one zspage, so there are at most as many as there are zspages.
  for (let left = c.nzspages; left > 0; left--) {
    const id = emptiest(k);
    if (id == 0) return;
    const z = zs_zspage(id);
    const inuse: u32 = z.zs_inuse;
    if (zs_room(k) - (c.nslots - inuse) < inuse) return;
    zs_isolate(z);
    const done = evacuate(id, z, k);
    zs_rejoin(z);
    if (!done) return;
  }
}

/** Compact everything. @returns pages that are free now and were not before */
export function rd_compact_all(): u32 {
  const before = rd_page_used();
  for (let k: u32 = 1; k < ZS_CLASSES; k++) {
    if (zs_class(k).nzspages > 1) compact_class(k);
  }
  const after = rd_page_used();
  if (after >= before) return 0;
  cp.pages += before - after;
  return before - after;
}
