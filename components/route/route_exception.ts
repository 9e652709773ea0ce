/**
 * Exceptions to ways: what was learned about single destinations, apart from the tables.
 *
 *      (destination, way) ─keyed hash─▶ chain of at most 5 ─▶ Fibexc: an Rtentry, and until when
 *
 * A router said that packets to one host must be smaller (RFC 1191), or that another neighbour is the
 * better first hop for it (RFC 1122 §3.3.1.2). That is no route: a peer can cause it, so it is bounded
 * (ROUTE_MAXEXCEPTIONS; a longer chain or an empty pool gives up its oldest), it expires, and no table
 * grows by it. A way with exceptions says so (rt_nexceptions), so the others cost one compare. Only
 * what is sent from here looks at them: what a forged message says never changes what is forwarded.
 *
 * An exception is a copy of its way with one thing changed; it goes when its way does. One callout
 * sweeps those that expired. A look-up is one hash and at most five compares.
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { ROUTE_MAXEXCEPTIONS } from "rump/tunables";
import { CALLOUT_SIZE, Callout, callout_init, callout_pending, callout_schedule } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_avail, pool_get, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import { sysctl_int, sysctl_quad } from "../../kernel/kern/sysctl";
import { RTF_DYNAMIC, RTF_GATEWAY, RTV_MTU, Rtentry } from "../../kernel/net/route";
import { rt_touch } from "./fib_gen";

/** Most exceptions in a chain (facts: Linux reclaims at five). */
const DEPTH: i32 = 5;
const SECOND_US: i64 = 1000000;

/** An exception; ex_base, the way that it is one to, is null when it is free. */
@unmanaged
export class Fibexc extends Rtentry {
  ex_base: Rtentry;
  ex_dst: u32;
  ex_next: usize;
  ex_until_us: i64;
  /** Number of the change that made it what it is: what one run makes has one time. */
  ex_seq: u64;
}

@unmanaged
class ExcState {
  pool: Pool;
  buckets: usize;
  mask: u32;
  count: i32;
  factor: u64;
  sweep: Callout;
  mtu_expires_s: i32;
  min_pmtu: i32;
  redirect_s: i32;
  created: u64;
  changes: u64;
  reclaimed: u64;
  expired: u64;
}

let xs: ExcState = changetype<ExcState>(0);

function field(name: usize): usize {
  return changetype<usize>(xs) + name;
}

export function exc_boot(): void {
  xs = changetype<ExcState>(kmem_alloc(offsetof<ExcState>(), 64, "route"));
  xs.pool = pool_init("fibexc", <u32>offsetof<Fibexc>(), ROUTE_MAXEXCEPTIONS, 8);
  let n: u32 = 8;
  while (n << 1 < <u32>ROUTE_MAXEXCEPTIONS) n <<= 1;
  xs.mask = n - 1;
  xs.buckets = kmem_alloc(<usize>n << 2, 64, "route");
  cprng_strong(field(offsetof<ExcState>("factor")), 8);
  xs.factor |= 1;
  xs.sweep = changetype<Callout>(kmem_alloc(CALLOUT_SIZE, 8, "route"));
  callout_init(xs.sweep, exc_sweep, 0);
  xs.mtu_expires_s = 600;
  xs.min_pmtu = 552;
  xs.redirect_s = 300;
  sysctl_int("net.route.mtu_expires", field(offsetof<ExcState>("mtu_expires_s")), CTLFLAG_RW, 1, 86400);
  sysctl_int("net.route.min_pmtu", field(offsetof<ExcState>("min_pmtu")), CTLFLAG_RW, 68, 65535);
  sysctl_int("net.route.redirect_expires", field(offsetof<ExcState>("redirect_s")), CTLFLAG_RW, 1, 86400);
  sysctl_int("net.route.exceptions", field(offsetof<ExcState>("count")), 0);
  sysctl_quad("net.route.exceptions_created", field(offsetof<ExcState>("created")), 0);
  sysctl_quad("net.route.exceptions_reclaimed", field(offsetof<ExcState>("reclaimed")), 0);
  sysctl_quad("net.route.exceptions_expired", field(offsetof<ExcState>("expired")), 0);
}

function bucket_of(base: Rtentry, dst: u32): usize {
  const h = ((<u64>changetype<usize>(base) << 32 | dst) ^ xs.factor >> 7) * xs.factor;
  return xs.buckets + (<usize>(<u32>(h >> 40) & xs.mask) << 2);
}

/** What is known about `dst` by way `base`, or null. */
export function exc_find(base: Rtentry, dst: u32): Fibexc {
  let x = changetype<Fibexc>(load<usize>(bucket_of(base, dst)));
  while (x && (x.ex_dst != dst || x.ex_base != base)) x = changetype<Fibexc>(x.ex_next);
  return x;
}

function exc_free(x: Fibexc): void {
  let at = bucket_of(x.ex_base, x.ex_dst);
  while (load<usize>(at) != changetype<usize>(x)) at = load<usize>(at) + offsetof<Fibexc>("ex_next");
  store<usize>(at, x.ex_next);
  x.ex_base.rt_nexceptions--;
  x.ex_base = changetype<Rtentry>(0);
  xs.count--;
  rt_touch();
  pool_put(xs.pool, changetype<usize>(x));
}

/** The exception in slot `i` of the pool, or null. */
function exc_at(i: u32): Fibexc {
  const x = changetype<Fibexc>(pool_ptr(xs.pool, i));
  return x.ex_base ? x : changetype<Fibexc>(0);
}

/** The first exception in slot `from` or a later one, or null. To walk: exc_slot. */
export function exc_next(from: u32): Fibexc {
  for (let i = from; i < xs.pool.pr_fresh; i++) if (exc_at(i)) return exc_at(i);
  return changetype<Fibexc>(0);
}

/** The slot of `x`. */
export function exc_slot(x: Fibexc): u32 {
  return (<u32>(changetype<usize>(x) - xs.pool.pr_base)) / xs.pool.pr_size;
}

/** Would `a` expire before `b`? */
function exc_older(a: Fibexc, b: Fibexc): bool {
  if (!b) return true;
  return a.ex_until_us != b.ex_until_us ? a.ex_until_us < b.ex_until_us : a.ex_seq < b.ex_seq;
}

/** Give up the exception that would expire first, of the chain at `at`, or of all if that is 0. */
function exc_reclaim(at: usize): void {
  let oldest = changetype<Fibexc>(0);
  if (at != 0) {
    for (let x = changetype<Fibexc>(load<usize>(at)); x; x = changetype<Fibexc>(x.ex_next)) {
      if (exc_older(x, oldest)) oldest = x;
    }
  } else {
    for (let x = exc_next(0); x; x = exc_next(exc_slot(x) + 1)) {
      if (exc_older(x, oldest)) oldest = x;
    }
  }
  xs.reclaimed++;
  exc_free(oldest);
}

/** A new exception about `dst` to `base`. */
function exc_make(base: Rtentry, dst: u32): Fibexc {
  const at = bucket_of(base, dst);
  let depth = 0;
  for (let x = changetype<Fibexc>(load<usize>(at)); x; x = changetype<Fibexc>(x.ex_next)) depth++;
  if (depth >= DEPTH) exc_reclaim(at);
  else if (pool_avail(xs.pool) == 0) exc_reclaim(0);
  const x = changetype<Fibexc>(pool_get(xs.pool));
  memory.copy(changetype<usize>(x), changetype<usize>(base), offsetof<Rtentry>());
  x.rt_use = 0;
  x.rt_refs = 0;
  x.rt_nexceptions = 0;
  x.ex_base = base;
  x.ex_dst = dst;
  x.ex_next = load<usize>(at);
  store<usize>(at, changetype<usize>(x));
  base.rt_nexceptions++;
  xs.count++;
  xs.created++;
  return x;
}

/** `x` holds for `life_s` seconds from now. */
function exc_live(x: Fibexc, life_s: i32): void {
  const life_us = <i64>life_s * SECOND_US;
  x.ex_until_us = getmicrouptime() + life_us;
  x.ex_seq = xs.changes++;
  if (!callout_pending(xs.sweep) || xs.sweep.c_time > x.ex_until_us) callout_schedule(xs.sweep, life_us);
  rt_touch();
}

/**
 * The path from here to `dst` by way `base` takes packets of at most `mtu` bytes. True if that is news: it is not
 * if the way's MTU is locked or no larger. Below net.route.min_pmtu nobody is believed.
 */
export function exc_pmtu(base: Rtentry, dst: u32, mtu: i32): bool {
  if ((base.rt_lock & RTV_MTU) != 0) return false;
  if (mtu < xs.min_pmtu) mtu = xs.min_pmtu;
  let x = exc_find(base, dst);
  const way: Rtentry = x ? x : base;
  const now = way.rt_mtu != 0 ? min(way.rt_mtu, way.rt_ifp.if_mtu) : way.rt_ifp.if_mtu;
  if (mtu >= now) return false;
  if (!x) x = exc_make(base, dst);
  x.rt_mtu = mtu;
  exc_live(x, xs.mtu_expires_s);
  return true;
}

/** From here `dst` is better reached by neighbour `gw` than as `base` says. */
export function exc_redirect(base: Rtentry, dst: u32, gw: u32): void {
  let x = exc_find(base, dst);
  if (!x) x = exc_make(base, dst);
  x.rt_gateway4 = gw;
  x.rt_flags |= RTF_GATEWAY | RTF_DYNAMIC;
  x.rt_llinfo = 0;
  exc_live(x, xs.redirect_s);
}

/** Way `base` goes, and its exceptions with it. */
export function exc_drop(base: Rtentry): void {
  for (let x = exc_next(0); x && base.rt_nexceptions > 0; x = exc_next(exc_slot(x) + 1)) {
    if (x.ex_base == base) exc_free(x);
  }
}

/** Forget everything. */
export function exc_flush(): void {
  for (let x = exc_next(0); x; x = exc_next(exc_slot(x) + 1)) exc_free(x);
}

function exc_sweep(arg: usize): void {
  const now = getmicrouptime();
  let next: i64 = 0;
  for (let x = exc_next(0); x; x = exc_next(exc_slot(x) + 1)) {
    if (x.ex_until_us <= now) {
      xs.expired++;
      exc_free(x);
    } else if (next == 0 || x.ex_until_us < next) next = x.ex_until_us;
  }
  if (next != 0) callout_schedule(xs.sweep, max<i64>(next - now, SECOND_US));
}
