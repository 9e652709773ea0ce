/**
 * The neighbour table: which hardware address an IPv4 address of a link has.
 *
 *      buckets ─▶ Llentry ─la_next─▶ …         keyed hash (SipHash) of address and interface
 *      live       ⇄ Llentry ⇄ …                those that know an address, or know that there is none
 *      incomplete ⇄ Llentry ⇄ …                those being asked for, oldest first
 *
 *                    ask                  answer
 *      (none) ─▶ INCOMPLETE ─────────────────────────▶ REACHABLE ◀─── answer ─── PROBE
 *                    │ no answer                          │ time, unused            ▲
 *                    ▼                                    ▼                         │ used
 *                  FAILED ──▶ (none)                    STALE ──────────────────────┘
 *
 * All of it is bounded: ETHER_MAXARP entries, ETHER_MAXINCOMPLETE of them unanswered. When there is no
 * entry left, one that nobody used lately makes way (a clock over the live list: la_used is its second
 * chance), so that a scan through us or a flood of requests costs the table its idle entries and no
 * more. Entries come from a pool and their memory is never anything else: a pointer kept in a route
 * (rt_llinfo) is checked by address and interface, and need not be taken back.
 */
import { ETHER_MAXARP, ETHER_MAXHOLD, ETHER_MAXINCOMPLETE } from "rump/tunables";
import { CALLOUT_SIZE, Callout, callout_init, callout_stop } from "../../kernel/kern/callout";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_get, pool_index, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import { SIPHASH_KEYLEN, siphash13_2 } from "../../kernel/kern/siphash";
import { Ifnet } from "../../kernel/net/ifnet";
import { MNULL, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { arpstat } from "./ether_stat";

/** la_state. From LA_STALE on the hardware address is known and used. */
export const LA_FREE: i32 = 0;
export const LA_INCOMPLETE: i32 = 1;
export const LA_FAILED: i32 = 2;
export const LA_STALE: i32 = 3;
export const LA_PROBE: i32 = 4;
export const LA_REACHABLE: i32 = 5;
export const LA_PERMANENT: i32 = 6;

@unmanaged
export class Llentry {
  /** Bucket chain; the pool's own while free. Nothing that la_valid looks at. */
  la_next: Llentry;
  la_state: i32;
  la_addr: u32;
  la_ifp: Ifnet;
  /** The 6 bytes at la_mac. */
  la_mac0: u32;
  la_mac1: u16;
  /** Packets went by this entry since it was last looked at. */
  la_used: u8;
  /** Others who ask for it are answered in its place (RFC 826's "pub"; proxy ARP for one address). */
  la_pub: u8;
  la_tries: i32;
  /** Packets that wait for the answer, by m_nextpkt. */
  la_nhold: i32;
  la_hold: Mbuf;
  la_holdtail: Mbuf;
  /** When the hardware address was last heard, and last asked for, µs of uptime. */
  la_heard_us: i64;
  la_asked_us: i64;
  la_listnext: Llentry;
  la_listprev: Llentry;

  @inline
  get la_mac(): usize {
    return changetype<usize>(this) + offsetof<Llentry>("la_mac0");
  }
  @inline
  get la_timer(): Callout {
    return changetype<Callout>(changetype<usize>(this) + LA_TIMER);
  }
}

/** The entry's callout stands behind it. */
const LA_TIMER: usize = 80;

/** Head of a list of entries. */
@unmanaged
class Lllist {
  first: Llentry;
  last: Llentry;
  count: i32;
}

@unmanaged
class ArpTable {
  pool: Pool;
  buckets: usize;
  mask: u32;
  live: Lllist;
  incomplete: Lllist;
  key: usize;
}

let at: ArpTable = changetype<ArpTable>(0);
const NONE: Llentry = changetype<Llentry>(0);

/** Carve the table. Boot only. */
export function arp_table_boot(): void {
  assert(offsetof<Llentry>() <= LA_TIMER, "arp: LA_TIMER");
  at = changetype<ArpTable>(kmem_alloc(offsetof<ArpTable>(), 64, "arp"));
  at.pool = pool_init("llentry", <u32>(LA_TIMER + CALLOUT_SIZE), ETHER_MAXARP, 8);
  let n: u32 = 16;
  while (n < <u32>ETHER_MAXARP) n <<= 1;
  at.mask = n - 1;
  at.buckets = kmem_alloc(<usize>n << 2, 64, "arp");
  at.live = changetype<Lllist>(kmem_alloc(offsetof<Lllist>(), 8, "arp"));
  at.incomplete = changetype<Lllist>(kmem_alloc(offsetof<Lllist>(), 8, "arp"));
  at.key = kmem_alloc(SIPHASH_KEYLEN, 8, "arp");
  cprng_strong(at.key, SIPHASH_KEYLEN);
}

function bucket_of(ifp: Ifnet, addr: u32): usize {
  return at.buckets + (<usize>(<u32>siphash13_2(at.key, addr, ifp.if_index) & at.mask) << 2);
}

/** Is `la` (from wherever it was kept) the entry of `addr` on `ifp`? */
export function la_valid(la: Llentry, ifp: Ifnet, addr: u32): bool {
  return la.la_addr == addr && la.la_state != LA_FREE && la.la_ifp == ifp;
}

/** The entry of `addr` on `ifp`, or null. */
export function arp_find(ifp: Ifnet, addr: u32): Llentry {
  let la = changetype<Llentry>(load<usize>(bucket_of(ifp, addr)));
  while (la && (la.la_addr != addr || la.la_ifp != ifp)) la = la.la_next;
  return la;
}

function list_of(la: Llentry): Lllist {
  return la.la_state == LA_INCOMPLETE ? at.incomplete : at.live;
}

function list_append(l: Lllist, la: Llentry): void {
  la.la_listnext = NONE;
  la.la_listprev = l.last;
  if (l.last) l.last.la_listnext = la;
  else l.first = la;
  l.last = la;
  l.count++;
}

function list_remove(l: Lllist, la: Llentry): void {
  if (la.la_listprev) la.la_listprev.la_listnext = la.la_listnext;
  else l.first = la.la_listnext;
  if (la.la_listnext) la.la_listnext.la_listprev = la.la_listprev;
  else l.last = la.la_listprev;
  l.count--;
  assert(l.count >= 0, "arp: list");
}

/** Change the state of `la`, which stops its timer. */
export function arp_setstate(la: Llentry, state: i32): void {
  callout_stop(la.la_timer);
  list_remove(list_of(la), la);
  la.la_state = state;
  la.la_tries = 0;
  list_append(list_of(la), la);
}

/** An entry that may make way. */
function la_evictable(la: Llentry, reachable_too: bool): bool {
  if (la.la_state == LA_PERMANENT || la.la_state == LA_PROBE) return false;
  return la.la_state != LA_REACHABLE || reachable_too;
}

/** The live entry that makes way: unused since the last round, or null. */
function arp_victim(reachable_too: bool): Llentry {
  for (let i = at.live.count << 1; i > 0; i--) {
    const la = at.live.first;
    if (la.la_used == 0 && la_evictable(la, reachable_too)) return la;
    la.la_used = 0;
    list_remove(at.live, la);
    list_append(at.live, la);
  }
  return NONE;
}

/** Forget `la`, and the packets that wait for it. */
export function arp_free(la: Llentry): void {
  assert(la.la_state != LA_FREE, "arp_free: free");
  arp_purge(la);
  callout_stop(la.la_timer);
  list_remove(list_of(la), la);
  let slot = bucket_of(la.la_ifp, la.la_addr);
  while (load<usize>(slot) != changetype<usize>(la)) {
    assert(load<usize>(slot) != 0, "arp_free: not in the table");
    slot = load<usize>(slot) + offsetof<Llentry>("la_next");
  }
  store<usize>(slot, changetype<usize>(la.la_next));
  la.la_state = LA_FREE;
  la.la_addr = 0;
  pool_put(at.pool, changetype<usize>(la));
}

function arp_evict(la: Llentry): void {
  arpstat.evicted++;
  arp_free(la);
}

// ── packets that wait ────────────────────────────────────────────────────────────────────────────

/** Let `m` wait for `la`; of more than ETHER_MAXHOLD the oldest is dropped. */
export function la_enqueue(la: Llentry, m: Mbuf): void {
  arpstat.dfrtotal++;
  if (la.la_nhold >= ETHER_MAXHOLD) {
    arpstat.dfrdropped++;
    m_freem(la_dequeue(la));
  }
  m.m_nextpkt = MNULL;
  if (la.la_hold) la.la_holdtail.m_nextpkt = m;
  else la.la_hold = m;
  la.la_holdtail = m;
  la.la_nhold++;
}

/** The packet that waited longest for `la`, or null. */
export function la_dequeue(la: Llentry): Mbuf {
  const m = la.la_hold;
  if (!m) return m;
  la.la_hold = m.m_nextpkt;
  m.m_nextpkt = MNULL;
  la.la_nhold--;
  assert(la.la_nhold >= 0, "arp: held packets");
  return m;
}

/** All that waits for `la`, linked by m_nextpkt, or null. */
export function la_dequeueall(la: Llentry): Mbuf {
  const m = la.la_hold;
  la.la_hold = MNULL;
  la.la_nhold = 0;
  return m;
}

/** Drop what waits for `la`. */
function arp_purge(la: Llentry): void {
  for (let m = la_dequeue(la); m; m = la_dequeue(la)) {
    arpstat.dfrdropped++;
    m_freem(m);
  }
}

// ── all entries ──────────────────────────────────────────────────────────────────────────────────

function la_from(index: u32): Llentry {
  for (; index < at.pool.pr_fresh; index++) {
    const la = changetype<Llentry>(pool_ptr(at.pool, index));
    if (la.la_state != LA_FREE) return la;
  }
  return NONE;
}

/** The first of all entries, or null. */
export function arp_first(): Llentry {
  return la_from(0);
}

/** The one after `la` (which may have been freed since), or null. */
export function arp_next(la: Llentry): Llentry {
  return la_from(pool_index(at.pool, changetype<usize>(la)) + 1);
}

// ── new ones ─────────────────────────────────────────────────────────────────────────────────────

/**
 * A new entry for `addr` on `ifp`, in `state`. `needed`: we have packets for it, so an entry that is
 * reachable but unused, or another unanswered one, may make way; else only idle ones. Null if none did.
 * Its timer calls `timer(entry)`, and is not armed yet.
 */
export function arp_create(ifp: Ifnet, addr: u32, state: i32, needed: bool, timer: (la: usize) => void): Llentry {
  if (state == LA_INCOMPLETE && at.incomplete.count >= ETHER_MAXINCOMPLETE) arp_evict(at.incomplete.first);
  let p = pool_get(at.pool);
  if (p == 0) {
    let victim = arp_victim(needed);
    if (!victim && needed) victim = at.incomplete.first;
    if (victim) {
      arp_evict(victim);
      p = pool_get(at.pool);
    }
  }
  const la = changetype<Llentry>(p);
  if (!la) {
    arpstat.allocfail++;
    return la;
  }
  memory.fill(p, 0, LA_TIMER + CALLOUT_SIZE);
  const bucket = bucket_of(ifp, addr);
  la.la_next = changetype<Llentry>(load<usize>(bucket));
  store<usize>(bucket, p);
  la.la_addr = addr;
  la.la_ifp = ifp;
  la.la_state = state;
  callout_init(la.la_timer, timer, p);
  list_append(list_of(la), la);
  return la;
}
