/**
 * The SYN cache: connections that have been asked for and not yet made (RFC 4987 §3.3).
 *
 *      bucket[siphash(4-tuple)] ─▶ Syncache ─▶ Syncache            at most syn_bucket_limit in one
 *      asked[n] ⇄ Syncache ⇄ Syncache …                            SYN,ACK sent n + 1 times, the next due first
 *
 * A SYN costs 64 bytes of a table made at boot, not a socket and a control block; those are made when the
 * third segment shows that the peer is there. All entries of a list asked[n] wait equally long, so each list
 * is sorted by when it is due, and one callout serves them all. A full table, or a full bucket, answers with
 * a cookie (tcp_syncookie.ts) or, when those are off, the one that has been asked most often gives way.
 * Look-up, insertion and removal cost a walk of one bucket; its length is bounded and its hash is keyed.
 *
 *      sysctl net.inet.tcp.syn_cache_limit, syn_bucket_limit, syn_cache_interval (µs), syn_cache_count, syncookies
 *      bytes of an entry: addresses 8, ports 4, sequence numbers 8, windows 4, MSS 2, flags 2, scales 2,
 *      times asked 1, challenges 1, timestamps 8, sent 4, due 4, listener 4, links 12 = 64: a cache line
 */
import { NETINET_SYNCACHE } from "rump/tunables";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { CALLOUT_SIZE, Callout, callout_init, callout_pending, callout_schedule, callout_stop } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_getz, pool_init, pool_put } from "../../kernel/kern/pool";
import { SIPHASH_KEYLEN, siphash13_2 } from "../../kernel/kern/siphash";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { tcpstat } from "./tcp_stat";
import { TCP_MAXSYNSHIFT } from "./tcp_timer";
import { Tcpcb } from "./tcp_var";

// sc_flags: what both sides have agreed to; SCF_MSS: sc_peermss was in the SYN.
export const SCF_MSS: u32 = 0x01;
export const SCF_SCALE: u32 = 0x02;
export const SCF_TS: u32 = 0x04;
export const SCF_SACK: u32 = 0x08;
/** The SYN asked for ECN (RFC 3168 §6.1.1: ECE and CWR). */
export const SCF_ECN: u32 = 0x10;
/** The third segment came without data; TCP_DEFER_ACCEPT waits for some. */
export const SCF_ACKED: u32 = 0x20;
/** Sent twice for a SYN that came twice: no sample of the round trip (Karn). */
export const SCF_AGAIN: u32 = 0x40;
/** ICMP has said that the peer cannot be reached. */
export const SCF_UNREACH: u32 = 0x80;
/** Not in the table: the sequence number is a cookie. */
export const SCF_COOKIE: u32 = 0x100;

@unmanaged
export class Syncache {
  /** The peer, and us. */
  sc_faddr: u32;
  sc_laddr: u32;
  sc_fport: u16;
  sc_lport: u16;
  sc_irs: u32;
  sc_iss: u32;
  /** Window of the SYN, and of our SYN,ACK; neither is scaled (RFC 7323 §2.2). */
  sc_peerwnd: u16;
  sc_win: u16;
  sc_peermss: u16;
  sc_flags: u16;
  sc_sndscale: u8;
  sc_rcvscale: u8;
  /** SYN,ACKs sent again by the timer. */
  sc_rxtshift: u8;
  /** Challenge ACKs since the timer ran. */
  sc_challenges: u8;
  sc_tsrecent: u32;
  sc_tsoffset: u32;
  /** When the SYN,ACK was sent, µs; when it is due again, units of 1024 µs: the low 32 bits of each. */
  sc_sent: u32;
  sc_due: u32;
  /** The listener, which is there as long as the entry is. */
  sc_lp: Tcpcb;
  sc_hnext: Syncache;
  sc_tnext: Syncache;
  sc_tprev: Syncache;
}

/** Lists asked[0] … asked[TCP_MAXSYNSHIFT]. */
const SHIFTS: i32 = TCP_MAXSYNSHIFT + 1;
/** RFC 6298 §2.1 for the first, doubled for each; §2.4: a limit of at least 60 s. */
const SYNRTO_US: i64 = 1000000;
const SYNRTO_MAX_US: i64 = 60000000;
/** sc_due counts these: 1024 µs. */
const DUE_SHIFT: i64 = 10;

@unmanaged
export class SyncacheState {
  pool: Pool;
  buckets: usize;
  mask: u32;
  key: usize;
  callout: Callout;
  /** SHIFTS pairs {first, last}. */
  asked: usize;
  /** What a SYN or a cookie says, while it is answered without an entry. */
  scratch: Syncache;
  /** sysctl net.inet.tcp.*. */
  count: i32;
  limit: i32;
  bucket_limit: i32;
  interval_us: i32;
  syncookies: i32;
  /** When a cookie was last sent, µs of uptime; 0 never. */
  cookie_us: i64;
}

export let syncs: SyncacheState = changetype<SyncacheState>(0);
const NONE: Syncache = changetype<Syncache>(0);

/** The table, its timer (`fn`) and sysctls. Boot only. */
export function syn_cache_boot(fn: (arg: usize) => void): void {
  assert(offsetof<Syncache>() == 64, "syncache: an entry is a cache line");
  const s = changetype<SyncacheState>(kmem_alloc(offsetof<SyncacheState>(), 64, "syncache"));
  syncs = s;
  s.pool = pool_init("syncache", <u32>offsetof<Syncache>(), NETINET_SYNCACHE, 64);
  let n: u32 = 16;
  while (n < <u32>NETINET_SYNCACHE >> 2) n <<= 1;
  s.mask = n - 1;
  s.buckets = kmem_alloc(<usize>n << 2, 64, "syncache");
  s.asked = kmem_alloc(<usize>SHIFTS << 3, 64, "syncache");
  s.key = kmem_alloc(SIPHASH_KEYLEN, 16, "syncache");
  cprng_strong(s.key, SIPHASH_KEYLEN);
  s.scratch = changetype<Syncache>(kmem_alloc(offsetof<Syncache>(), 64, "syncache"));
  s.callout = changetype<Callout>(kmem_alloc(CALLOUT_SIZE, 8, "syncache"));
  callout_init(s.callout, fn, 0);
  s.limit = NETINET_SYNCACHE;
  s.bucket_limit = 32;
  s.interval_us = 1000;
  s.syncookies = 1;
  const at = changetype<usize>(s);
  sysctl_int("net.inet.tcp.syn_cache_limit", at + offsetof<SyncacheState>("limit"), CTLFLAG_RW, 1, NETINET_SYNCACHE);
  sysctl_int("net.inet.tcp.syn_bucket_limit", at + offsetof<SyncacheState>("bucket_limit"), CTLFLAG_RW, 1, 1024);
  sysctl_int("net.inet.tcp.syn_cache_interval", at + offsetof<SyncacheState>("interval_us"), CTLFLAG_RW, 0, 1000000);
  sysctl_int("net.inet.tcp.syn_cache_count", at + offsetof<SyncacheState>("count"), 0);
  sysctl_int("net.inet.tcp.syncookies", at + offsetof<SyncacheState>("syncookies"), CTLFLAG_RW, 0, 2);
}

function bucket_at(laddr: u32, lport: u32, faddr: u32, fport: u32): usize {
  const h = siphash13_2(syncs.key, (<u64>faddr << 32) | laddr, (<u64>fport << 16) | lport);
  return syncs.buckets + (<usize>(<u32>h & syncs.mask) << 2);
}

function bucket_of(sc: Syncache): usize {
  return bucket_at(sc.sc_laddr, sc.sc_lport, sc.sc_faddr, sc.sc_fport);
}

/** The entry with exactly these four numbers, or 0. */
export function syn_cache_lookup(laddr: u32, lport: u32, faddr: u32, fport: u32): Syncache {
  if (syncs.count == 0) return NONE;
  let sc = changetype<Syncache>(load<usize>(bucket_at(laddr, lport, faddr, fport)));
  for (; sc; sc = sc.sc_hnext) {
    if (sc.sc_faddr == faddr && sc.sc_laddr == laddr && <u32>sc.sc_fport == fport && <u32>sc.sc_lport == lport) return sc;
  }
  return NONE;
}

// ── the lists by how often an entry has been asked ───────────────────────────────────────────────

function asked_at(shift: u32): usize {
  return syncs.asked + (<usize>shift << 3);
}

/** The timeout after the SYN,ACK has been sent again `shift` times. */
export function syn_cache_rto_us(shift: u32): i64 {
  return min(SYNRTO_US << <i64>shift, SYNRTO_MAX_US);
}

/** TCP_DEFER_ACCEPT: the fewest timeouts that together last `secs`, as Linux counts; all that there are at most. */
export function syn_cache_defer_periods(secs: i32): i32 {
  let n = 0;
  while (n < TCP_MAXSYNSHIFT && syn_cache_defer_seconds(n) < secs) n++;
  return n;
}

/** Seconds that `n` timeouts last, from the first. */
export function syn_cache_defer_seconds(n: i32): i32 {
  let us: i64 = 0;
  for (let i = 0; i < n; i++) us += syn_cache_rto_us(i);
  return <i32>(us / 1000000);
}

/** At the end of the list of its shift, due when that list's timeout has passed. */
export function syn_cache_wait(sc: Syncache): void {
  const due = getmicrouptime() + syn_cache_rto_us(sc.sc_rxtshift) + (1 << DUE_SHIFT) - 1;
  sc.sc_due = <u32>(due >> DUE_SHIFT);
  const head = asked_at(sc.sc_rxtshift);
  const last = changetype<Syncache>(load<usize>(head, 4));
  sc.sc_tnext = NONE;
  sc.sc_tprev = last;
  if (last) last.sc_tnext = sc;
  else store<usize>(head, changetype<usize>(sc));
  store<usize>(head, changetype<usize>(sc), 4);
  const us = due_in_us(sc);
  if (!callout_pending(syncs.callout) || us < syncs.callout.c_time - getmicrouptime()) callout_schedule(syncs.callout, us);
}

/** Off its list. */
export function syn_cache_unwait(sc: Syncache): void {
  const head = asked_at(sc.sc_rxtshift);
  if (sc.sc_tprev) sc.sc_tprev.sc_tnext = sc.sc_tnext;
  else store<usize>(head, changetype<usize>(sc.sc_tnext));
  if (sc.sc_tnext) sc.sc_tnext.sc_tprev = sc.sc_tprev;
  else store<usize>(head, changetype<usize>(sc.sc_tprev), 4);
}

/** µs until `sc` is due; not positive if it is. The clock may have jumped by 25 days at most. */
function due_in_us(sc: Syncache): i64 {
  const now = getmicrouptime();
  return (<i64><i32>(sc.sc_due - <u32>(now >> DUE_SHIFT)) << DUE_SHIFT) - (now & ((1 << DUE_SHIFT) - 1));
}

/** An entry that is due within syn_cache_interval; 0 if there is none, and then the callout is armed for the next. */
export function syn_cache_nextdue(): Syncache {
  let least: i64 = -1;
  for (let n = 0; n < SHIFTS; n++) {
    const sc = changetype<Syncache>(load<usize>(asked_at(n)));
    if (!sc) continue;
    const us = due_in_us(sc);
    if (us <= 0) return sc;
    if (least < 0 || us < least) least = us;
  }
  // Those due within the interval wait for one another: one pass of the timer sends them all.
  if (least >= 0) callout_schedule(syncs.callout, max(least, <i64>syncs.interval_us));
  return NONE;
}

/** The entry after `sc` (0: the first), by how often they were asked and by age. For lists and clean-up. */
export function syn_cache_next(sc: Syncache): Syncache {
  if (sc && sc.sc_tnext) return sc.sc_tnext;
  for (let n = sc ? <i32>sc.sc_rxtshift + 1 : 0; n < SHIFTS; n++) {
    const first = changetype<Syncache>(load<usize>(asked_at(n)));
    if (first) return first;
  }
  return NONE;
}

// ── in and out ───────────────────────────────────────────────────────────────────────────────────

/** Out of the table, and back to the pool. */
export function syn_cache_remove(sc: Syncache): void {
  const b = bucket_of(sc);
  let prev = NONE;
  let at = changetype<Syncache>(load<usize>(b));
  while (at != sc) {
    assert(changetype<usize>(at) != 0, "syncache: not in its bucket");
    prev = at;
    at = at.sc_hnext;
  }
  if (prev) prev.sc_hnext = sc.sc_hnext;
  else store<usize>(b, changetype<usize>(sc.sc_hnext));
  syn_cache_unwait(sc);
  pool_put(syncs.pool, changetype<usize>(sc));
  if (--syncs.count == 0) callout_stop(syncs.callout);
}

/** The one that has been asked most often, of those the oldest. */
function most_asked(): Syncache {
  for (let n = SHIFTS - 1; n >= 0; n--) {
    const sc = changetype<Syncache>(load<usize>(asked_at(n)));
    if (sc) return sc;
  }
  return NONE;
}

/**
 * Keep what `from` says. False when the table or the bucket is full and nobody may be put out (`evict`):
 * the caller answers with a cookie. The new entry is not on a list yet: syn_cache_wait.
 */
export function syn_cache_insert(from: Syncache, evict: bool): Syncache {
  const b = bucket_of(from);
  let n = 0;
  let last = NONE;
  for (let sc = changetype<Syncache>(load<usize>(b)); sc; sc = sc.sc_hnext) {
    last = sc;
    n++;
  }
  if (n >= syncs.bucket_limit) {
    tcpstat.sc_bucketoverflow++;
    if (!evict) return NONE;
    syn_cache_remove(last);
  } else if (syncs.count >= syncs.limit) {
    tcpstat.sc_overflowed++;
    if (!evict) return NONE;
    syn_cache_remove(most_asked());
  }
  const sc = changetype<Syncache>(pool_getz(syncs.pool));
  assert(changetype<usize>(sc) != 0, "syncache: the limit is beyond the pool");
  memory.copy(changetype<usize>(sc), changetype<usize>(from), offsetof<Syncache>());
  sc.sc_hnext = changetype<Syncache>(load<usize>(b));
  store<usize>(b, changetype<usize>(sc));
  syncs.count++;
  tcpstat.sc_added++;
  return sc;
}
