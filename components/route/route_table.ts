/**
 * The table: IPv4 routes by longest prefix.
 *
 *      lengths   bit n set: there are routes of prefix length n       32 ── 24 ── 16 ──────── 0
 *      buckets   hash(destination, length) ─▶ Rtentry ─rt_link─▶ Rtentry …
 *
 * A look-up tries the lengths that occur, longest first: one hash and one compare each, so its cost is
 * that of the lengths in use (on a host four: 32, 24, 8, 0), not of the routes. The hash is multiply and
 * shift with a random odd factor (Dietzfelbinger 1997), which is universal: no choice of destinations
 * is bad for all factors. Routes of one destination and length stand in their chain in the order in
 * which they are tried: those that come with an address first, then by metric, then by age.
 *
 * Routes by an interface that is down are passed over, so that a worse one serves meanwhile. Whatever
 * may change an answer moves rt_gen on. Entries come from a pool (ROUTE_MAXROUTES); its slots in order
 * are the list that rt_first and rt_next walk: rt_family is 0 in those that are free.
 */
import { IFF_UP } from "../../kernel/abi/if";
import { AF_INET } from "../../kernel/abi/socket";
import { ROUTE_MAXROUTES } from "rump/tunables";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_getz, pool_index, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_CONNECTED, RTF_LOCAL, RTF_REJECT, RTF_STATIC, Rtentry,
} from "../../kernel/net/route";

/** Routes that come and go with an address: rtrequest tells them apart by it. */
export const RTF_OFADDR: u32 = RTF_LOCAL | RTF_BROADCAST | RTF_CONNECTED;

@unmanaged
class RouteState {
  pool: Pool;
  buckets: usize;
  /** 64 less the logarithm of the number of buckets. */
  shift: u64;
  factor: u64;
  lengths: u64;
  /** Routes of each prefix length: 33 counts of u32. */
  counts: usize;
  gen: u32;
  nroutes: i32;
}

let rts: RouteState = changetype<RouteState>(0);

/** Carve the table. */
export function rt_table_boot(): void {
  rts = changetype<RouteState>(kmem_alloc(offsetof<RouteState>(), 64, "route"));
  rts.pool = pool_init("rtentry", <u32>offsetof<Rtentry>(), ROUTE_MAXROUTES, 8);
  let n: u32 = 16;
  rts.shift = 60;
  for (; n < <u32>ROUTE_MAXROUTES; n <<= 1) rts.shift--;
  rts.buckets = kmem_alloc(<usize>n << 2, 64, "route");
  rts.counts = kmem_alloc(33 << 2, 4, "route");
  cprng_strong(changetype<usize>(rts) + offsetof<RouteState>("factor"), 8);
  rts.factor |= 1;
  rts.gen = 1;
}

/** The mask of a prefix length, as it lies in memory. */
export function rt_mask(len: i32): u32 {
  return len == 0 ? 0 : bswap<u32>(<u32>0xffffffff << (32 - len));
}

function bucket_of(dst: u32, len: i32): usize {
  const key = (<u64>len << 32) | <u64>dst;
  return rts.buckets + (<usize>((key * rts.factor) >> rts.shift) << 2);
}

/** The first route of exactly this destination and length, or null; the others follow by rt_same. */
export function rt_exact(dst: u32, len: i32): Rtentry {
  const rt = changetype<Rtentry>(load<usize>(bucket_of(dst, len)));
  return rt_match(rt, dst, len);
}

/** The next route of the destination and length of `rt`, or null. */
export function rt_same(rt: Rtentry): Rtentry {
  return rt_match(changetype<Rtentry>(rt.rt_link), rt.rt_dst4, rt.rt_prefixlen);
}

/** `rt` or the first after it in its chain that is of this destination and length. */
function rt_match(rt: Rtentry, dst: u32, len: i32): Rtentry {
  while (rt && (rt.rt_dst4 != dst || rt.rt_prefixlen != len)) rt = changetype<Rtentry>(rt.rt_link);
  return rt;
}

/** Can packets take `rt` now? */
function rt_usable(rt: Rtentry): bool {
  return (rt.rt_ifp.if_flags & IFF_UP) != 0 || (rt.rt_flags & (RTF_REJECT | RTF_BLACKHOLE)) != 0;
}

/** The route that a packet to `dst` takes, or null. */
export function rt_lookup(dst: u32): Rtentry {
  let left = rts.lengths;
  while (left != 0) {
    const len = 63 - <i32>clz<u64>(left);
    left ^= <u64>1 << <u64>len;
    let rt = rt_exact(dst & rt_mask(len), len);
    while (rt && !rt_usable(rt)) rt = rt_same(rt);
    if (rt) return rt;
  }
  return changetype<Rtentry>(0);
}

/** Does `a` stand before `b`, of the same destination and length? */
function rt_before(a: Rtentry, b: Rtentry): bool {
  const own = (a.rt_flags & RTF_OFADDR) != 0;
  if (own != ((b.rt_flags & RTF_OFADDR) != 0)) return own;
  return a.rt_metric < b.rt_metric;
}

/** A zeroed entry that is in no chain yet; null when there is none. */
export function rt_get(): Rtentry {
  return changetype<Rtentry>(pool_getz(rts.pool));
}

/** Give back an entry of rt_get that was not inserted. */
export function rt_put(rt: Rtentry): void {
  assert(rt.rt_link == 0, "rt_put: in the table");
  rt.rt_family = 0;
  pool_put(rts.pool, changetype<usize>(rt));
}

/** Take the filled in `rt` into the table. */
export function rt_insert(rt: Rtentry): void {
  const len = rt.rt_prefixlen;
  assert(rt.rt_family != 0 && (rt.rt_dst4 & ~rt_mask(len)) == 0, "rt_insert: key");
  let at = bucket_of(rt.rt_dst4, len);
  // Behind the last of its kind that it does not precede; others of the chain stay where they are.
  let link = at;
  for (let n = changetype<Rtentry>(load<usize>(at)); n; n = changetype<Rtentry>(n.rt_link)) {
    const next = changetype<usize>(n) + offsetof<Rtentry>("rt_link");
    if (n.rt_dst4 == rt.rt_dst4 && n.rt_prefixlen == len) {
      if (rt_before(rt, n)) break;
      link = next;
    }
    at = next;
  }
  rt.rt_link = load<usize>(link);
  store<usize>(link, changetype<usize>(rt));
  const count = rts.counts + (<usize>len << 2);
  store<u32>(count, load<u32>(count) + 1);
  rts.lengths |= <u64>1 << <u64>len;
  rts.nroutes++;
  rts.gen++;
}

/** Take `rt` out and give it back to the pool. */
export function rt_remove(rt: Rtentry): void {
  let at = bucket_of(rt.rt_dst4, rt.rt_prefixlen);
  while (load<usize>(at) != changetype<usize>(rt)) {
    assert(load<usize>(at) != 0, "rt_remove: not in the table");
    at = load<usize>(at) + offsetof<Rtentry>("rt_link");
  }
  store<usize>(at, rt.rt_link);
  rt.rt_link = 0;
  const count = rts.counts + (<usize>rt.rt_prefixlen << 2);
  store<u32>(count, load<u32>(count) - 1);
  if (load<u32>(count) == 0) rts.lengths &= ~(<u64>1 << <u64>rt.rt_prefixlen);
  rts.nroutes--;
  rts.gen++;
  rt_put(rt);
}

/** The routes changed in a way that only the caller sees. */
export function rt_touch(): void {
  rts.gen++;
}

/** Changes whenever an answer may differ from before. */
export function rt_gen(): u32 {
  return rts.gen;
}

/** Number of routes. */
export function rt_count(): i32 {
  return rts.nroutes;
}

/** Can nobody but an address or an administrator have made `rt`? Others expire. */
export function rt_static(rt: Rtentry): bool {
  return (rt.rt_flags & (RTF_STATIC | RTF_OFADDR)) != 0;
}

/** The first route in slot `index` of the pool or a later one, or null. */
function rt_live(index: u32): Rtentry {
  for (; index < rts.pool.pr_fresh; index++) {
    const rt = changetype<Rtentry>(pool_ptr(rts.pool, index));
    if (rt.rt_family != 0) return rt;
  }
  return changetype<Rtentry>(0);
}

/** The first of all routes of `family`, in no useful order, or null. */
export function rt_first(family: i32): Rtentry {
  return family == AF_INET ? rt_live(0) : changetype<Rtentry>(0);
}

/** The one after `rt`, or null. `rt` itself may have been removed since. */
export function rt_next(rt: Rtentry): Rtentry {
  return rt_live(pool_index(rts.pool, changetype<usize>(rt)) + 1);
}
