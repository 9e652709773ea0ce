/**
 * rtcache: the way that a flow took last, in front of rules, tables and checks. Provider of role `rtcache`.
 *
 *      hash(dst, src, tos, iif), keyed ─▶ a line of 64 bytes: two entries
 *      entry: | dst | src | iif << 8 | tos | generation | Rtentry | use | last used | credit |
 *
 * What made such caches dangerous (facts §6.1: size ruled by the sender, scans to collect garbage, chains
 * without end) is left out:
 *
 * - The pool is the table: RTCACHE_ENTRIES entries, a line each two, never more, never a list. A look-up
 *   reads one line, an insertion changes it.
 * - An entry holds while the generation of the routes does (rt_gen), so all are forgotten by one addition,
 *   and nothing is ever swept: what is stale or weak goes when its place is needed.
 * - Only what was really forwarded, or belongs to a connected socket, is entered.
 * - Who stays is decided by credit, a line at a time (counters that decay the less the larger they are, as
 *   HeavyKeeper's; Yang et al. 2018). A hit earns one, up to CREDIT_MAX; a flow that finds both places taken
 *   is not entered, and takes one from the weaker with a probability that falls with it, until it has none left. So a
 *   flood of flows of one packet each goes by, and flows with packets to come keep their place.
 *
 * The hash multiplies two keyed words (the universal family of Dietzfelbinger; keys from boot entropy),
 * so nobody outside can aim at a line. Counters have the names of /proc/net/stat/rt_cache.
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { RTCACHE_ENTRIES } from "rump/tunables";
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { Rtentry } from "../../kernel/net/route";
import { rt_gen } from "rump/route";
import { rtcache_text_boot } from "./rtcache_text";

/** An entry; rc_gen 0: never used. */
@unmanaged
export class Rtcent {
  rc_dst: u32;
  rc_src: u32;
  rc_key: u32;
  rc_gen: u32;
  rc_rt: Rtentry;
  rc_use: u32;
  /** In units of 2^20 µs of uptime. */
  rc_last: u32;
  rc_credit: u32;
}

/** All u64, in the order of RTCACHE_NAMES (rtcache_text.ts). */
@unmanaged
export class RtcacheStat {
  entries: u64;
  in_hit: u64;
  in_slow_tot: u64;
  in_slow_mc: u64;
  in_no_route: u64;
  in_brd: u64;
  in_martian_dst: u64;
  in_martian_src: u64;
  out_hit: u64;
  out_slow_tot: u64;
  out_slow_mc: u64;
  /** Insertions that found both places of their line taken. */
  gc_total: u64;
  /** … and made their way by giving up nothing: the weaker place lost credit. */
  gc_ignored: u64;
  /** … where the weaker place had more than half of all credit: two busy flows on one line. */
  gc_goal_miss: u64;
  /** Packets that went on without an entry because there was no place. */
  gc_dst_overflow: u64;
  /** Entries of other flows that were looked at. */
  in_hlist_search: u64;
  out_hlist_search: u64;
}

@unmanaged
class RtcacheState {
  lines: usize;
  mask: u32;
  enabled: i32;
  /** State of a small generator (Numerical Recipes' constants): who loses credit need not be secret. */
  dice: u32;
  key0: u64;
  key1: u64;
  key2: u64;
  stat: RtcacheStat;
}

let rcs: RtcacheState = changetype<RtcacheState>(0);

const ENTRY: usize = 32;
/** Most credit that an entry has; a new one has none. */
const CREDIT_MAX: u32 = 64;

/** What rtcache_note counts. */
export const RTC_NO_ROUTE: i32 = 0;
export const RTC_BRD: i32 = 1;
export const RTC_MARTIAN_DST: i32 = 2;
export const RTC_MARTIAN_SRC: i32 = 3;
export const RTC_IN_MC: i32 = 4;
export const RTC_OUT_MC: i32 = 5;

/** NET_ROUTE phase, behind route. 0. */
export function rtcache_init(): i32 {
  rcs = changetype<RtcacheState>(kmem_alloc(offsetof<RtcacheState>(), 64, "rtcache"));
  let lines: u32 = 1;
  while (lines << 1 < <u32>RTCACHE_ENTRIES) lines <<= 1;
  rcs.mask = lines - 1;
  rcs.lines = kmem_alloc(<usize>lines << 6, 64, "rtcache");
  rcs.stat = changetype<RtcacheStat>(kmem_alloc(offsetof<RtcacheStat>(), 64, "rtcache"));
  rcs.enabled = 1;
  cprng_strong(changetype<usize>(rcs) + offsetof<RtcacheState>("key0"), 24);
  rcs.key2 |= 1;
  assert(offsetof<Rtcent>() == ENTRY, "rtcache: entry");
  sysctl_int("net.rtcache.enabled", changetype<usize>(rcs) + offsetof<RtcacheState>("enabled"), CTLFLAG_RW, 0, 1);
  rtcache_text_boot(rcs.stat);
  return 0;
}

function line_of(dst: u32, src: u32, key: u32): usize {
  const a = (<u64>dst | <u64>key << 32) + rcs.key0;
  const b = <u64>src + rcs.key1;
  let h = (a ^ (a >> 31)) * (b | 1);
  h = (h ^ (h >> 32)) * rcs.key2;
  return rcs.lines + (<usize>(<u32>(h >> 32) & rcs.mask) << 6);
}

function now(): u32 {
  return <u32>(getmicrouptime() >> 20);
}

/** Is the entry at `e` that of the flow? */
function same(e: usize, dst: u32, src: u32, key: u32): bool {
  return load<u32>(e) == dst && load<u32>(e, 4) == src && load<u32>(e, 8) == key;
}

function hit(e: usize): Rtentry {
  const rc = changetype<Rtcent>(e);
  rc.rc_use++;
  rc.rc_last = now();
  if (rc.rc_credit < CREDIT_MAX) rc.rc_credit++;
  return rc.rc_rt;
}

/** The valid entry of the flow, or 0; counts others that were looked at in `searched`. */
function find(dst: u32, src: u32, key: u32, searched: usize): usize {
  const line = line_of(dst, src, key);
  const gen = rt_gen();
  if (same(line, dst, src, key) && load<u32>(line, 12) == gen) return line;
  if (load<u32>(line, 12) == 0) return 0;
  store<u64>(searched, load<u64>(searched) + 1);
  const second = line + ENTRY;
  return same(second, dst, src, key) && load<u32>(second, 12) == gen ? second : 0;
}

/** The way that packets like this one, which came by interface `iif` and are to be forwarded, took; or null. */
export function rtcache_in(dst: u32, src: u32, tos: i32, iif: i32): Rtentry {
  let e: usize = 0;
  if (rcs.enabled != 0) e = find(dst, src, <u32>iif << 8 | tos, changetype<usize>(rcs.stat) + offsetof<RtcacheStat>("in_hlist_search"));
  if (e == 0) {
    rcs.stat.in_slow_tot++;
    return changetype<Rtentry>(0);
  }
  rcs.stat.in_hit++;
  const rt = hit(e);
  rt.rt_use++;
  return rt;
}

/** The way that packets from here like this one took, or null. */
export function rtcache_out(dst: u32, src: u32, tos: i32): Rtentry {
  let e: usize = 0;
  if (rcs.enabled != 0) e = find(dst, src, tos, changetype<usize>(rcs.stat) + offsetof<RtcacheStat>("out_hlist_search"));
  if (e == 0) {
    rcs.stat.out_slow_tot++;
    return changetype<Rtentry>(0);
  }
  rcs.stat.out_hit++;
  const rt = hit(e);
  rt.rt_use++;
  return rt;
}

/** A place for a new entry in `line`; 0 when both belong to flows that deserve them. */
function place(line: usize): usize {
  const gen = rt_gen();
  for (let e = line; e < line + 2 * ENTRY; e += ENTRY) {
    if (changetype<Rtcent>(e).rc_gen == 0) rcs.stat.entries++;
    if (changetype<Rtcent>(e).rc_gen != gen) return e;
  }
  rcs.stat.gc_total++;
  const a = changetype<Rtcent>(line);
  const b = changetype<Rtcent>(line + ENTRY);
  rcs.dice = rcs.dice * 1664525 + 1013904223;
  const even = a.rc_credit == b.rc_credit && (rcs.dice & 0x8000) != 0;
  const weak = b.rc_credit < a.rc_credit || even ? b : a;
  // One time in as many as it has, and one: the more a flow deserves its place, the less strangers wear it down.
  if (((rcs.dice >> 16) * (weak.rc_credit + 2)) >> 17 == 0) {
    if (weak.rc_credit == 0) return changetype<usize>(weak);
    weak.rc_credit--;
  }
  if (weak.rc_credit > CREDIT_MAX >> 1) rcs.stat.gc_goal_miss++;
  rcs.stat.gc_ignored++;
  rcs.stat.gc_dst_overflow++;
  return 0;
}

/**
 * Packets like this one took `rt` now: forwarded from interface `iif`, or, with 0, sent by a connected socket. There
 * is no entry for them (rtcache_in or rtcache_out answered null, and no route changed since).
 */
export function rtcache_put(dst: u32, src: u32, tos: i32, iif: i32, rt: Rtentry): void {
  if (rcs.enabled == 0) return;
  const key = <u32>iif << 8 | tos;
  const e = changetype<Rtcent>(place(line_of(dst, src, key)));
  if (!e) return;
  e.rc_dst = dst;
  e.rc_src = src;
  e.rc_key = key;
  e.rc_gen = rt_gen();
  e.rc_rt = rt;
  e.rc_use = 1;
  e.rc_last = now();
  e.rc_credit = 0;
}

/** Count a packet that no cache is for: RTC_*. */
export function rtcache_note(what: i32): void {
  const st = rcs.stat;
  if (what == RTC_NO_ROUTE) st.in_no_route++;
  else if (what == RTC_BRD) st.in_brd++;
  else if (what == RTC_MARTIAN_DST) st.in_martian_dst++;
  else if (what == RTC_MARTIAN_SRC) st.in_martian_src++;
  else if (what == RTC_IN_MC) st.in_slow_mc++;
  else st.out_slow_mc++;
}

/** The entry in slot `i` if it is valid, or null; slots are 0 to rtcache_slots() - 1. */
export function rtcache_at(i: i32): Rtcent {
  const e = changetype<Rtcent>(rcs.lines + <usize>i * ENTRY);
  return e.rc_gen == rt_gen() ? e : changetype<Rtcent>(0);
}

export function rtcache_slots(): i32 {
  return <i32>(rcs.mask + 1) << 1;
}
