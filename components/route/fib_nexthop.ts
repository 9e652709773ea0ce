/**
 * Ways to go, shared: one Rtentry for all prefixes that lead the same way.
 *
 *      template ─▶ hash of what makes a way ─▶ Rtentry ─rt_link─▶ Rtentry …      rt_refs: prefixes
 *
 * A full table has a million prefixes and some dozen ways, so the answer of a look-up is in the cache
 * although the table is not. The hash is multiply and add with a random odd factor over the words that
 * make a way; requests come from an administrator, not from packets.
 *
 * A multipath way has up to ROUTE_MAXPATHS others, each with its share of 2^31:
 *
 *      h = keyed hash(src, dst), 31 bits:   |── path 1 ──|── path 2 ─|─ 3 ─|     the first bound above h
 *
 * (hash threshold, RFC 2992: a change of one share moves few flows). One flow has one path for as long as
 * the paths that can be used stay the same; a path whose interface is down has no share.
 */
import { IFF_UP } from "../../kernel/abi/if";
import { ROUTE_MAXNEXTHOPS, ROUTE_MAXPATHS, ROUTE_MAXROUTES } from "rump/tunables";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_avail, pool_get, pool_getz, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import { RTF_BLACKHOLE, RTF_MULTIPATH, RTF_REJECT, Rtentry } from "../../kernel/net/route";
import { exc_drop } from "./route_exception";

/** One path: its way, its weight, and the end of its share of 2^31. */
@unmanaged
export class Fibpath {
  fp_rt: Rtentry;
  fp_weight: u32;
  fp_bound: u32;
  fp_next: usize;
}

@unmanaged
class NexthopState {
  pool: Pool;
  paths: Pool;
  buckets: usize;
  mask: u32;
  factor: u64;
  flow0: u64;
  flow1: u64;
  /** The way that a request makes. */
  template: Rtentry;
}

let nhs: NexthopState = changetype<NexthopState>(0);

export function fib_nexthop_boot(): void {
  nhs = changetype<NexthopState>(kmem_alloc(offsetof<NexthopState>(), 64, "route"));
  const most = ROUTE_MAXNEXTHOPS > 0 ? ROUTE_MAXNEXTHOPS : ROUTE_MAXROUTES;
  nhs.pool = pool_init("rtentry", <u32>offsetof<Rtentry>(), most, 8);
  nhs.paths = pool_init("rtpath", <u32>offsetof<Fibpath>(), ROUTE_MAXPATHS, 4);
  let n: u32 = 16;
  while (n < <u32>most) n <<= 1;
  nhs.mask = n - 1;
  nhs.buckets = kmem_alloc(<usize>n << 2, 64, "route");
  cprng_strong(changetype<usize>(nhs) + offsetof<NexthopState>("factor"), 24);
  nhs.factor |= 1;
  nhs.template = changetype<Rtentry>(kmem_alloc(offsetof<Rtentry>(), 8, "route"));
}

/** Where the words that make a way end. */
const IDENTITY: usize = offsetof<Rtentry>("rt_llinfo");

function bucket_of(rt: Rtentry): usize {
  let h: u64 = nhs.factor;
  for (let i: usize = 0; i < IDENTITY; i += 4) h = (h + load<u32>(changetype<usize>(rt) + i)) * nhs.factor;
  return nhs.buckets + (<usize>(<u32>(h >> 32) & nhs.mask) << 2);
}

/** The empty way, to be filled in and given to fib_nexthop_get. */
export function fib_nexthop_new(): Rtentry {
  memory.fill(changetype<usize>(nhs.template), 0, offsetof<Rtentry>());
  return nhs.template;
}

/** The way like `want`, one more reference to it; null when there are no more entries. */
export function fib_nexthop_get(want: Rtentry): Rtentry {
  const at = bucket_of(want);
  for (let rt = changetype<Rtentry>(load<usize>(at)); rt; rt = changetype<Rtentry>(rt.rt_link)) {
    if (memory.compare(changetype<usize>(rt), changetype<usize>(want), IDENTITY) != 0) continue;
    rt.rt_refs++;
    return rt;
  }
  const rt = changetype<Rtentry>(pool_getz(nhs.pool));
  if (!rt) return rt;
  memory.copy(changetype<usize>(rt), changetype<usize>(want), IDENTITY);
  rt.rt_refs = 1;
  rt.rt_link = load<usize>(at);
  store<usize>(at, changetype<usize>(rt));
  return rt;
}

/** One reference less. */
export function fib_nexthop_put(rt: Rtentry): void {
  assert(rt.rt_refs > 0, "fib_nexthop_put: references");
  if (--rt.rt_refs > 0) return;
  let at = bucket_of(rt);
  while (load<usize>(at) != changetype<usize>(rt)) {
    assert(load<usize>(at) != 0, "fib_nexthop_put: not in the table");
    at = load<usize>(at) + offsetof<Rtentry>("rt_link");
  }
  store<usize>(at, rt.rt_link);
  if (rt.rt_nexceptions != 0) exc_drop(rt);
  if (rt.rt_paths != 0) fib_paths_put(rt.rt_paths);
  pool_put(nhs.pool, changetype<usize>(rt));
}

/** Can packets take `rt` now? */
export function fib_nexthop_usable(rt: Rtentry): bool {
  if ((rt.rt_flags & (RTF_REJECT | RTF_BLACKHOLE)) != 0) return true;
  if ((rt.rt_flags & RTF_MULTIPATH) == 0) return (rt.rt_ifp.if_flags & IFF_UP) != 0;
  for (let p = changetype<Fibpath>(rt.rt_paths); p; p = changetype<Fibpath>(p.fp_next)) {
    if ((p.fp_rt.rt_ifp.if_flags & IFF_UP) != 0) return true;
  }
  return false;
}

// ── multipath ────────────────────────────────────────────────────────────────────────────────────

/** Put a path by `rt` (whose reference it takes) with `weight` before those at `next`: its address, or 0. */
export function fib_path_add(next: usize, rt: Rtentry, weight: u32): usize {
  const p = changetype<Fibpath>(pool_get(nhs.paths));
  if (!p) return 0;
  p.fp_rt = rt;
  p.fp_weight = weight;
  p.fp_next = next;
  return changetype<usize>(p);
}

/** Give the paths from `at` on back, and their references. */
export function fib_paths_put(at: usize): void {
  while (at != 0) {
    const p = changetype<Fibpath>(at);
    at = p.fp_next;
    fib_nexthop_put(p.fp_rt);
    pool_put(nhs.paths, changetype<usize>(p));
  }
}

/** Share 2^31 out among the paths from `at` on that can be used. */
export function fib_paths_share(at: usize): void {
  let total: u64 = 0;
  for (let p = changetype<Fibpath>(at); p; p = changetype<Fibpath>(p.fp_next)) {
    if (fib_nexthop_usable(p.fp_rt)) total += p.fp_weight;
  }
  let sum: u64 = 0;
  for (let p = changetype<Fibpath>(at); p; p = changetype<Fibpath>(p.fp_next)) {
    const up = fib_nexthop_usable(p.fp_rt);
    if (up) sum += p.fp_weight;
    p.fp_bound = up ? <u32>((sum << 31) / total) : 0;
  }
}

/** Share out anew, for every multipath way: interfaces came or went. */
export function fib_paths_reshare(): void {
  for (let i: u32 = 0; i < nhs.pool.pr_fresh; i++) {
    const rt = changetype<Rtentry>(pool_ptr(nhs.pool, i));
    if (rt.rt_refs > 0 && rt.rt_paths != 0) fib_paths_share(rt.rt_paths);
  }
}

/**
 * The path of multipath way `rt` for the flow from `src` to `dst`; `flow` (0: none) tells flows between the same
 * two apart.
 */
export function fib_path_of(rt: Rtentry, dst: u32, src: u32, flow: u32): Rtentry {
  const a = nhs.flow0 + ((<u64>dst << 32) | src);
  const h = (a ^ (a >> 29)) * (nhs.factor + (<u64>flow << 1));
  const x = <u32>(((h ^ nhs.flow1) * 0x9e3779b97f4a7c15) >> 33);
  let last = changetype<Fibpath>(rt.rt_paths);
  for (let p = last; p; p = changetype<Fibpath>(p.fp_next)) {
    if (x < p.fp_bound) return p.fp_rt;
    if (p.fp_bound != 0) last = p;
  }
  return last.fp_rt;
}

/** How many more ways there may be. */
export function fib_nexthops_left(): u32 {
  return pool_avail(nhs.pool);
}
