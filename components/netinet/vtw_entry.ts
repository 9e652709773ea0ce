/**
 * One vestige in 32 bytes, its neighbours in age, and the state of the table (vtw_table.ts).
 *
 *         0 faddr   4 snd_nxt   8 rcv_nxt   12 ts_recent   16 fport  18 lport  20 window field
 *        22 local address (1 of 128):7 │ orphaned FIN-WAIT-2:1    23 scale:4 class:2 timestamps:1 REUSEPORT:1
 *        24 expiry, ms: 24 bits │ younger: 20 │ older: 20
 *
 * Times are ms of uptime modulo 2^24 (4.6 hours), compared as differences. Each of the four lists is in
 * order of expiry; nearly all enter at its end, because all that enter one live equally long. Expiry is rounded up to a whole ms: never early, at most 2 ms late.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { Linehash } from "../../kernel/kern/linehash";

export const VTW_ENTRY: usize = 32;
export const VTW_MAXADDRS: u32 = 128;
const LINK_MASK: u64 = 0xfffff;
export const MS_MASK: u32 = 0xffffff;

/** Lists: the three classes of MSLT (tcp_mslt.ts), and FIN-WAIT-2. */
export const VTW_LISTS: i32 = 4;
export const VTW_FINWAIT2: i32 = 3;

// Byte 23.
const F_SCALE: u32 = 0x0f;
export const F_CLASS_SHIFT: u32 = 4;
export const F_TS: u32 = 0x40;
export const F_REUSEPORT: u32 = 0x80;
// Byte 22.
export const A_INDEX: u32 = 0x7f;
export const A_FINWAIT2: u32 = 0x80;

@unmanaged
export class VtwCtl {
  entries: usize;
  hash: Linehash;
  key: usize;
  ports: usize;
  wide: bool;
  /** The one port that has more than 65,535 vestiges, and how many more (not wide). */
  bigport: u32;
  bigextra: u32;
  /** 128 × { address u32, count u32 }. */
  laddrs: usize;
  /** Entries that may be used, those that ever were, those that are free again (a list by `younger`). */
  limit: u32;
  fresh: u32;
  free: u32;
  live: u32;
  hiwat: u32;
  oldest0: u32;
  oldest1: u32;
  oldest2: u32;
  oldest3: u32;
  youngest0: u32;
  youngest1: u32;
  youngest2: u32;
  youngest3: u32;
  /** Lifetime of each list, ms. */
  ttl0: u32;
  ttl1: u32;
  ttl2: u32;
  ttl3: u32;
  /** Bytes of all the tables above. */
  bytes: u32;
  inserted: u64;
  expired: u64;
  killed: u64;
  reused: u64;
  noaddr: u64;
  lookups: u64;
  hits: u64;
  misses: u64;
  probes: u64;
  losing: u64;
  longest: u32;
}

export let vtw: VtwCtl = changetype<VtwCtl>(0);

export function vtw_setctl(t: VtwCtl): void {
  vtw = t;
}

/** The address of vestige `i`. */
export function vtw_at(i: u32): usize {
  return vtw.entries + <usize>i * VTW_ENTRY;
}

export function vtw_now_ms(): u32 {
  return <u32>((getmicrouptime() + 999) / 1000) & MS_MASK;
}

/** a - b of two 24-bit times, -2^23 … 2^23 - 1 ms. */
export function vtw_ms_diff(a: u32, b: u32): i32 {
  return <i32>((a - b) << 8) >> 8;
}

export function vtw_faddr(e: usize): u32 { return load<u32>(e); }
export function vtw_snd_nxt(e: usize): u32 { return load<u32>(e, 4); }
export function vtw_rcv_nxt(e: usize): u32 { return load<u32>(e, 8); }
export function vtw_ts_recent(e: usize): u32 { return load<u32>(e, 12); }
export function vtw_fport(e: usize): u32 { return load<u16>(e, 16); }
export function vtw_lport(e: usize): u32 { return load<u16>(e, 18); }
/** The window field of our last segment, as it was on the wire. */
export function vtw_window(e: usize): u32 { return load<u16>(e, 20); }
export function vtw_scale(e: usize): u32 { return <u32>load<u8>(e, 23) & F_SCALE; }
/** Class of MSLT, 0 … 2. */
export function vtw_class(e: usize): i32 { return <i32>((<u32>load<u8>(e, 23) >> F_CLASS_SHIFT) & 3); }
export function vtw_has_ts(e: usize): bool { return (<u32>load<u8>(e, 23) & F_TS) != 0; }
export function vtw_reuseport(e: usize): bool { return (<u32>load<u8>(e, 23) & F_REUSEPORT) != 0; }
/** Waiting for the peer's FIN, not yet in TIME-WAIT. */
export function vtw_is_finwait2(e: usize): bool { return (<u32>load<u8>(e, 22) & A_FINWAIT2) != 0; }
export function vtw_laddr(e: usize): u32 { return load<u32>(vtw.laddrs + ((<usize>load<u8>(e, 22) & A_INDEX) << 3)); }
export function vtw_set_rcv_nxt(e: usize, seq: u32): void { store<u32>(e, seq, 8); }
export function vtw_set_ts_recent(e: usize, ts: u32): void { store<u32>(e, ts, 12); }

function link_older(e: usize): u32 { return <u32>(load<u64>(e, 24) & LINK_MASK); }
export function vtw_link_younger(e: usize): u32 { return <u32>((load<u64>(e, 24) >> 20) & LINK_MASK); }
export function vtw_expire_ms(e: usize): u32 { return <u32>(load<u64>(e, 24) >> 40); }

function set_older(e: usize, i: u32): void {
  store<u64>(e, (load<u64>(e, 24) & ~LINK_MASK) | i, 24);
}

function set_younger(e: usize, i: u32): void {
  store<u64>(e, (load<u64>(e, 24) & ~(LINK_MASK << 20)) | (<u64>i << 20), 24);
}

/** The list that vestige `e` is on. */
export function vtw_list_of(e: usize): i32 {
  return vtw_is_finwait2(e) ? VTW_FINWAIT2 : vtw_class(e);
}

export function vtw_oldest_at(list: i32): usize {
  return changetype<usize>(vtw) + offsetof<VtwCtl>("oldest0") + (<usize>list << 2);
}

function youngest_at(list: i32): usize {
  return changetype<usize>(vtw) + offsetof<VtwCtl>("youngest0") + (<usize>list << 2);
}

/** Lifetime, ms, of those that enter `list` from now on. */
export function vtw_set_ttl(list: i32, ms: u32): void {
  store<u32>(changetype<usize>(vtw) + offsetof<VtwCtl>("ttl0") + (<usize>list << 2), ms);
}

export function vtw_ttl_of(list: i32): u32 {
  return load<u32>(changetype<usize>(vtw) + offsetof<VtwCtl>("ttl0") + (<usize>list << 2));
}

/** Steps back from the youngest that an entry may take to its place; beyond, it waits a little longer than it must. */
const VTW_WALK: i32 = 1024;

/**
 * Onto its list, to expire in `left_ms`. As a rule that makes it the youngest: O(1). One whose time began
 * earlier (its descriptor was held for a while), or is shorter, steps back to its place.
 */
export function vtw_list_enter(i: u32, left_ms: u32): void {
  const e = vtw_at(i);
  const list = vtw_list_of(e);
  let at = (vtw_now_ms() + left_ms) & MS_MASK;
  let younger: u32 = 0;
  let older = load<u32>(youngest_at(list));
  for (let n = 0; older != 0; n++) {
    const before = vtw_expire_ms(vtw_at(older));
    if (vtw_ms_diff(at, before) >= 0) break;
    if (n == VTW_WALK) {
      at = before;
      break;
    }
    younger = older;
    older = link_older(vtw_at(older));
  }
  store<u64>(e, (<u64>at << 40) | (<u64>younger << 20) | older, 24);
  if (older != 0) set_younger(vtw_at(older), i);
  else store<u32>(vtw_oldest_at(list), i);
  if (younger != 0) set_older(vtw_at(younger), i);
  else store<u32>(youngest_at(list), i);
}

export function vtw_list_leave(i: u32): void {
  const e = vtw_at(i);
  const list = vtw_list_of(e);
  const older = link_older(e);
  const younger = vtw_link_younger(e);
  if (older != 0) set_younger(vtw_at(older), younger);
  else store<u32>(vtw_oldest_at(list), younger);
  if (younger != 0) set_older(vtw_at(younger), older);
  else store<u32>(youngest_at(list), older);
}

/** The entry given back after `i`, and `i` before `next`: the list of free entries. */
export function vtw_free_next(i: u32): u32 {
  return vtw_link_younger(vtw_at(i));
}

export function vtw_free_link(i: u32, next: u32): void {
  store<u64>(vtw_at(i), <u64>next << 20, 24);
}
