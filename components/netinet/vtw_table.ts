/**
 * The table of vestiges: what is left of a connection in TIME-WAIT when nobody holds it any more.
 *
 *      Linehash (11 a line)  4-tuple ─▶ index          one line for a miss, one more for a hit
 *      entries, 32 bytes     two in a cache line (vtw_entry.ts), touched as they are first needed
 *      lists by class        oldest ⇄ … ⇄ youngest     one class has one lifetime: sorted by expiry
 *      ports                 how many vestiges have each local port (u16; u32 from 131,072 entries on)
 *      laddrs                128 local addresses, with the number of vestiges of each
 *
 * NetBSD's vestigial entry is 64 bytes and its tables 11 (facts.md §2.3); here it is 32, and with hash
 * and ports below 40. Three things make that possible: neighbours are 20-bit indexes, the local address
 * is the number of one of ours, and nothing is kept that a keyed hash gives again (the timestamp offset).
 * Classes share the entries as the load needs. Enter, leave, restart and expire are O(1).
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import {
  linehash_create_dense, linehash_first, linehash_insert, linehash_next, linehash_remove,
} from "../../kernel/kern/linehash";
import { SIPHASH_KEYLEN, siphash13_2 } from "../../kernel/kern/siphash";
import {
  A_FINWAIT2, A_INDEX, F_CLASS_SHIFT, F_REUSEPORT, F_TS, MS_MASK, VTW_ENTRY, VTW_LISTS, VTW_MAXADDRS,
  VtwCtl, vtw, vtw_at, vtw_expire_ms, vtw_faddr, vtw_fport, vtw_free_link, vtw_free_next, vtw_laddr,
  vtw_link_younger, vtw_list_enter, vtw_list_leave, vtw_list_of, vtw_lport, vtw_ms_diff, vtw_now_ms,
  vtw_oldest_at, vtw_reuseport, vtw_setctl, vtw_ttl_of,
} from "./vtw_entry";

/** Entries for each line of the hash: of 15, so that one line in ten of a full table overflows. */
const VTW_PERLINE: u32 = 11;

/** 20-bit neighbours, 0 none. */
export const VTW_MAXENTRIES: u32 = 1048574;

/** From here on more than one port can have 65,536 vestiges. */
const VTW_WIDE: u32 = 131072;

/** Tables for up to `n` vestiges. Boot only. */
export function vtw_table_boot(n: u32): void {
  assert(n <= VTW_MAXENTRIES, "vtw: too many entries");
  const t = changetype<VtwCtl>(kmem_alloc(offsetof<VtwCtl>(), 64, "vtw"));
  vtw_setctl(t);
  t.limit = n;
  t.wide = n >= VTW_WIDE;
  const portbytes: u32 = t.wide ? 262144 : 131072;
  // One more: index 0 is "none" in the lists, so entries count from 1.
  t.entries = kmem_alloc(<usize>(n + 1) * VTW_ENTRY, 64, "vtw.entries");
  t.hash = linehash_create_dense(n, VTW_PERLINE, "vtw.hash");
  t.ports = kmem_alloc(portbytes, 64, "vtw.ports");
  t.laddrs = kmem_alloc(<usize>VTW_MAXADDRS << 3, 64, "vtw.laddrs");
  t.key = kmem_alloc(SIPHASH_KEYLEN, 16, "vtw");
  cprng_strong(t.key, SIPHASH_KEYLEN);
  t.bytes = <u32>offsetof<VtwCtl>() + (n + 1) * <u32>VTW_ENTRY + (t.hash.nlines << 6) + portbytes + (VTW_MAXADDRS << 3) + SIPHASH_KEYLEN;
}

function hash_of(laddr: u32, lport: u32, faddr: u32, fport: u32): u64 {
  return siphash13_2(vtw.key, (<u64>faddr << 32) | laddr, (<u64>fport << 16) | lport);
}

function ports_add(port: u32): void {
  const t = vtw;
  if (t.wide) {
    const at = t.ports + (<usize>port << 2);
    store<u32>(at, load<u32>(at) + 1);
    return;
  }
  const at = t.ports + (<usize>port << 1);
  const n = <u32>load<u16>(at);
  if (n < 0xffff) {
    store<u16>(at, <u16>(n + 1));
    return;
  }
  // Fewer than 131,072 entries: only one port can come here.
  t.bigport = port;
  t.bigextra++;
}

function ports_sub(port: u32): void {
  const t = vtw;
  if (t.wide) {
    const at = t.ports + (<usize>port << 2);
    store<u32>(at, load<u32>(at) - 1);
  } else if (t.bigextra > 0 && t.bigport == port) {
    t.bigextra--;
  } else {
    const at = t.ports + (<usize>port << 1);
    store<u16>(at, <u16>(load<u16>(at) - 1));
  }
}

/** How many vestiges have local `port`. */
export function vtw_portcount(port: u32): u32 {
  const t = vtw;
  if (t.wide) return load<u32>(t.ports + (<usize>port << 2));
  return <u32>load<u16>(t.ports + (<usize>port << 1)) + (t.bigport == port ? t.bigextra : 0);
}

/** The number of local address `laddr`, one more vestige of it; -1 when 128 others are in use. */
function laddr_hold(laddr: u32): i32 {
  let spare: i32 = -1;
  for (let i: u32 = 0; i < VTW_MAXADDRS; i++) {
    const at = vtw.laddrs + (<usize>i << 3);
    const n = load<u32>(at, 4);
    if (n > 0 && load<u32>(at) == laddr) {
      store<u32>(at, n + 1, 4);
      return i;
    }
    if (n == 0) {
      if (spare < 0) spare = i;
      // Places are taken from the front: after one that never was used there is none in use.
      if (load<u32>(at) == 0) break;
    }
  }
  if (spare < 0) return -1;
  const at = vtw.laddrs + (<usize>spare << 3);
  store<u32>(at, laddr);
  store<u32>(at, 1, 4);
  return spare;
}

/** A free entry: one given back, one never used, or the oldest of all, whose time is cut short. 0: none. */
function entry_take(): u32 {
  const t = vtw;
  if (t.free == 0 && t.fresh >= t.limit) {
    const i = vtw_oldest();
    if (i == 0) return 0;
    t.killed++;
    vtw_remove(i);
  }
  const i = t.free;
  if (i != 0) {
    t.free = vtw_free_next(i);
    return i;
  }
  return ++t.fresh;
}

/**
 * A new vestige, to live for `left_ms`. `cls` is the class of MSLT; `ts` whether ts_recent counts.
 * Its index, or 0: no entries at all, or 128 other local addresses are in use.
 */
export function vtw_insert(
  laddr: u32, lport: u32, faddr: u32, fport: u32, snd_nxt: u32, rcv_nxt: u32, ts: bool, ts_recent: u32,
  window: u32, scale: u32, cls: i32, reuseport: bool, finwait2: bool, left_ms: u32,
): u32 {
  const a = laddr_hold(laddr);
  if (a < 0) {
    vtw.noaddr++;
    return 0;
  }
  const i = entry_take();
  if (i == 0) {
    laddr_release(<u32>a);
    return 0;
  }
  const e = vtw_at(i);
  store<u32>(e, faddr);
  store<u32>(e, snd_nxt, 4);
  store<u32>(e, rcv_nxt, 8);
  store<u32>(e, ts_recent, 12);
  store<u16>(e, <u16>fport, 16);
  store<u16>(e, <u16>lport, 18);
  store<u16>(e, <u16>window, 20);
  store<u8>(e, <u8>(<u32>a | (finwait2 ? A_FINWAIT2 : 0)), 22);
  store<u8>(e, <u8>(scale | (<u32>cls << F_CLASS_SHIFT) | (ts ? F_TS : 0) | (reuseport ? F_REUSEPORT : 0)), 23);
  assert(linehash_insert(vtw.hash, hash_of(laddr, lport, faddr, fport), i), "vtw: hash");
  vtw_list_enter(i, left_ms);
  ports_add(lport);
  vtw.live++;
  if (vtw.live > vtw.hiwat) vtw.hiwat = vtw.live;
  vtw.inserted++;
  return i;
}

function laddr_release(a: u32): void {
  const at = vtw.laddrs + (<usize>a << 3);
  store<u32>(at, load<u32>(at, 4) - 1, 4);
}

/** Vestige `i` is no more. */
export function vtw_remove(i: u32): void {
  const e = vtw_at(i);
  const lport = vtw_lport(e);
  linehash_remove(vtw.hash, hash_of(vtw_laddr(e), lport, vtw_faddr(e), vtw_fport(e)), i);
  vtw_list_leave(i);
  ports_sub(lport);
  laddr_release(<u32>load<u8>(e, 22) & A_INDEX);
  vtw_free_link(i, vtw.free);
  vtw.free = i;
  vtw.live--;
}

/** Live for `left_ms` from now: the FIN came once more, or FIN-WAIT-2 has become TIME-WAIT. */
export function vtw_restart(i: u32, left_ms: u32): void {
  vtw_list_leave(i);
  const e = vtw_at(i);
  store<u8>(e, <u8>(<u32>load<u8>(e, 22) & ~A_FINWAIT2), 22);
  vtw_list_enter(i, left_ms);
}

/** The vestige of exactly this 4-tuple, or 0. */
export function vtw_lookup(laddr: u32, lport: u32, faddr: u32, fport: u32): u32 {
  const t = vtw;
  if (t.live == 0) return 0;
  t.lookups++;
  const h = t.hash;
  let found: u32 = 0;
  for (let i = linehash_first(h, hash_of(laddr, lport, faddr, fport)); i >= 0; i = linehash_next(h)) {
    const e = vtw_at(i);
    if (vtw_faddr(e) == faddr && vtw_fport(e) == fport && vtw_lport(e) == lport && vtw_laddr(e) == laddr) {
      found = i;
      break;
    }
    t.losing++;
  }
  const lines = h.nlines - h.at_left;
  t.probes += lines;
  if (lines > t.longest) t.longest = lines;
  if (found != 0) t.hits++;
  else t.misses++;
  return found;
}

/** Milliseconds since `i` entered its list. */
export function vtw_age_ms(i: u32): i32 {
  const e = vtw_at(i);
  return vtw_ms_diff(vtw_now_ms(), (vtw_expire_ms(e) - vtw_ttl_of(vtw_list_of(e))) & MS_MASK);
}

/** The oldest of all, by the time since it entered; 0 when there is none. */
export function vtw_oldest(): u32 {
  let best: u32 = 0;
  let most: i32 = i32.MIN_VALUE;
  for (let l = 0; l < VTW_LISTS; l++) {
    const i = load<u32>(vtw_oldest_at(l));
    if (i == 0) continue;
    const age = vtw_age_ms(i);
    if (age > most) {
      most = age;
      best = i;
    }
  }
  return best;
}

/** Discard up to `most` whose time has come. Microseconds until the next is due, -1: none is left, 0: more are due. */
export function vtw_expire(most: i32): i64 {
  const now = <u32>(getmicrouptime() / 1000) & MS_MASK;
  let next: i64 = -1;
  for (let l = 0; l < VTW_LISTS; l++) {
    let i = load<u32>(vtw_oldest_at(l));
    while (i != 0) {
      const left = vtw_ms_diff(vtw_expire_ms(vtw_at(i)), now);
      if (left > 0) {
        const us = <i64>left * 1000 - getmicrouptime() % 1000;
        if (next < 0 || us < next) next = us;
        break;
      }
      if (most-- == 0) return 0;
      vtw.expired++;
      vtw_remove(i);
      i = load<u32>(vtw_oldest_at(l));
    }
  }
  return next;
}

/**
 * May a socket bind `laddr` (0: any):`lport`, as far as vestiges go? They are connections: with
 * SO_REUSEADDR they never stand in the way, nor with SO_REUSEPORT those that had it too. Constant time
 * when no vestige has the port; else a walk along the lists, for bind(2) only.
 */
export function vtw_conflict(laddr: u32, lport: u32, reuseport: bool): bool {
  if (vtw.live == 0 || vtw_portcount(lport) == 0) return false;
  for (let l = 0; l < VTW_LISTS; l++) {
    for (let i = load<u32>(vtw_oldest_at(l)); i != 0; i = vtw_link_younger(vtw_at(i))) {
      const e = vtw_at(i);
      if (vtw_lport(e) != lport || (laddr != 0 && vtw_laddr(e) != laddr)) continue;
      if (!reuseport || !vtw_reuseport(e)) return true;
    }
  }
  return false;
}
