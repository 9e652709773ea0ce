/**
 * The scanner: KSM's idea for blocks. It goes over all volumes, slowly, and shares equal blocks that
 * were written while the volume did not look for equals.
 *
 *      block ─► young (written since last time)? ─► mark it old, leave it: it may change again
 *            └► in the index already?            ─► nothing to do
 *            └► an equal one in the index?       ─► refer to that, free this
 *            └► else                             ─► index it
 *
 * So a block is looked at when it has stayed the same for a whole scan, as in KSM, where that is what
 * the checksum in a rmap_item is for. Some rounds after the last write there is nothing left to do.
 * Pacing (blocks a step, steps a second) is the caller's; a step's work is bounded by its blocks.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { RDE_INDEXED, rd_entry, rd_index_insert } from "./rd_entry";
import { RDS_ENTRY, RDS_KIND, RDS_YOUNG, rdm_get, rdm_next_used, rdm_set } from "./rd_map";
import { RD_DEDUP_OFF, RdVolume, rd_expand, rd_find_equal, rd_scan_round, rd_scan_rounds, rdv_map, rdv_merge } from "./rd_store";
import { RD_PAGE_SIZE } from "./rd_page";

@unmanaged
class RdScan {
  /** Volumes that are scanned: an array of pointers, with holes. */
  volumes: usize;
  max: u32;
  /** Where the scan stands. */
  at: u32;
  block: u32;
  full_scans: u64;
  /** A block put together for comparison. */
  buf: usize;
}

let sc: RdScan = changetype<RdScan>(0);

/** Boot; for up to `max` volumes. */
export function rd_scan_init(max: u32): void {
  sc = changetype<RdScan>(kmem_alloc(offsetof<RdScan>(), 8, "ramdisk"));
  sc.volumes = kmem_alloc(<usize>max << 2, 8, "ramdisk");
  sc.max = max;
  sc.buf = kmem_alloc(RD_PAGE_SIZE, 64, "ramdisk");
}

/** Scan volume number `i`, or (v = 0) no longer. */
export function rd_scan_set(i: u32, v: RdVolume): void {
  assert(i < sc.max, "rd_scan_set: number");
  store<usize>(sc.volumes + (<usize>i << 2), changetype<usize>(v));
  if (i == sc.at) sc.block = 0;
  rd_scan_round(true);
}

export function ksm_full_scans(): u64 {
  return sc.full_scans;
}

/** Look at one block that is in use. */
function scan_block(v: RdVolume, b: u32): void {
  const m = rdv_map(v);
  const slot = rdm_get(m, b);
  if ((slot & RDS_YOUNG) != 0) {
    rdm_set(m, b, slot & ~RDS_YOUNG);
    return;
  }
  if ((slot & RDS_KIND) != RDS_ENTRY) return;
  const id = <u32>slot;
  const e = rd_entry(id);
  if ((e.e_flags & RDE_INDEXED) != 0) return;
  const data = rd_expand(id, sc.buf);
  if (data == 0) return;
  const other = rd_find_equal(data, e.e_hash);
  if (other != 0) rdv_merge(v, b, id, other);
  else rd_index_insert(id);
}

/** On to the next volume; counts the round when it was the last. */
function next_volume(): void {
  sc.block = 0;
  sc.at++;
  if (sc.at >= sc.max) {
    sc.at = 0;
    sc.full_scans++;
    rd_scan_round(false);
  }
}

/**
 * Look at up to `pages` blocks.
 * @returns whether there is anything left that a later step could find
 */
export function rd_scan_step(pages: u32): bool {
  if (rd_scan_rounds() == 0) return false;
  // One round at most: with nothing but holes a step must end too.
  for (let rounds = sc.max + 1; pages > 0 && rounds > 0;) {
    const v = changetype<RdVolume>(load<usize>(sc.volumes + (<usize>sc.at << 2)));
    if (changetype<usize>(v) == 0 || v.v_dedup == RD_DEDUP_OFF) {
      next_volume();
      rounds--;
      continue;
    }
    const b = rdm_next_used(rdv_map(v), sc.block);
    if (b >= v.m_nblocks) {
      next_volume();
      rounds--;
      continue;
    }
    scan_block(v, b);
    sc.block = b + 1;
    pages--;
  }
  return rd_scan_rounds() != 0;
}
