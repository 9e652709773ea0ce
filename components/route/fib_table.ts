/**
 * Routing tables by number, and the routes in them.
 *
 *      tables   local 255   main 254   default 253   user …        each a trie (fib_trie.ts)
 *      trie ─▶ result {Fibent, Rtentry}
 *                        │        └ the way of the first route below that can be used
 *                        └ Fibent ─fe_next─▶ Fibent …               routes of one prefix
 *
 * Routes of one prefix stand in the order in which they are tried: those that come with an address
 * first, then by metric, then by age. One by an interface that is down is passed over, so that a worse
 * one serves meanwhile; which one that is, is worked out when interfaces change, not when packets come.
 * Whatever may change an answer moves rt_gen on. Routes come from a pool (ROUTE_MAXROUTES); its slots
 * in order are the list that fe_first and fe_nextof walk: fe_live is 0 in those that are free.
 *
 * Addresses are as in a packet everywhere but in the trie.
 */
import { ROUTE_MAXROUTES, ROUTE_MAXTABLES, ROUTE_UNITS } from "rump/tunables";
import { kput_char, kput_str, kput_u32 } from "../../kernel/kern/kstring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { ERANGE } from "../../kernel/abi/errno";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_getz, pool_index, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import {
  RTF_BROADCAST, RTF_CONNECTED, RTF_LOCAL, RTF_STATIC, RTM_ADD, RTM_CHANGE, RTM_DELETE, RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, Rtentry,
} from "../../kernel/net/route";
import { fib_arena_boot, fib_arena_fails, fib_arena_hiwat, fib_arena_size, fib_arena_used } from "./fib_arena";
import { rt_mask } from "./fib_mask";
import { rt_gen_boot, rt_touch } from "./fib_gen";
import { fib_nexthop_boot, fib_nexthop_put, fib_nexthop_usable, fib_paths_reshare } from "./fib_nexthop";
import { rtsock_route } from "./rtsock";
import {
  FIBTRIE_SIZE, FR_RT, Fibtrie, fib_delete, fib_depth, fib_exact, fib_insert, fib_match, fib_nodes, fib_trie_boot, fib_trie_init, fib_usable,
} from "./fib_trie";

/** Routes of an address: rtrequest tells them apart by it. */
export const RTF_OFADDR: u32 = RTF_LOCAL | RTF_BROADCAST | RTF_CONNECTED;

/** A route: a prefix in a table, and where it leads. */
@unmanaged
export class Fibent {
  fe_dst: u32;
  fe_rt: Rtentry;
  /** The next route of the same prefix. */
  fe_next: usize;
  fe_metric: i32;
  /** Gone at, seconds of uptime; 0 = never. */
  fe_expire: u32;
  fe_table: u16;
  fe_len: u8;
  fe_live: u8;
}

/** A table: its number, routes in it, rules that name it, and the trie behind. */
@unmanaged
export class Fibtable {
  tb_id: i32;
  tb_routes: i32;
  tb_rules: i32;
  tb_pad: i32;
  tb_pad2: u64;
  tb_pad3: u64;
}

@unmanaged
class TableState {
  pool: Pool;
  tables: usize;
  nroutes: i32;
}

let tbs: TableState = changetype<TableState>(0);
const TABLE_SIZE: usize = 32 + FIBTRIE_SIZE;

/** Carve tables, ways and the arena. */
export function rt_table_boot(): void {
  tbs = changetype<TableState>(kmem_alloc(offsetof<TableState>(), 64, "route"));
  tbs.pool = pool_init("fibent", <u32>offsetof<Fibent>(), ROUTE_MAXROUTES, 8);
  // A route takes its result and at times a node: eight units do in the worst case, five in practice.
  fib_arena_boot(ROUTE_UNITS > 0 ? ROUTE_UNITS : <u32>ROUTE_MAXROUTES * 6 + 256);
  rt_gen_boot();
  fib_trie_boot();
  fib_nexthop_boot();
  sysctl_fn("net.route.memory", table_memory, 0);
  tbs.tables = kmem_alloc(<usize>ROUTE_MAXTABLES * TABLE_SIZE, 64, "route");
  for (let i = 0; i < ROUTE_MAXTABLES; i++) fib_trie_init(trie_of(table_at(i)));
  table_at(0).tb_id = RT_TABLE_LOCAL;
  table_at(1).tb_id = RT_TABLE_MAIN;
  table_at(2).tb_id = RT_TABLE_DEFAULT;
}

/** sysctl net.route.memory: "name value" lines. */
function table_memory(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  let at = kput_char(kput_u32(kput_str(buf, end, "routes "), end, tbs.nroutes), end, 10);
  at = kput_char(kput_u32(kput_str(at, end, "nodes "), end, fib_nodes()), end, 10);
  at = kput_char(kput_u32(kput_str(at, end, "trie_bytes "), end, <u32>fib_arena_used()), end, 10);
  at = kput_char(kput_u32(kput_str(at, end, "trie_most "), end, <u32>fib_arena_hiwat()), end, 10);
  at = kput_char(kput_u32(kput_str(at, end, "trie_size "), end, <u32>fib_arena_size()), end, 10);
  at = kput_char(kput_u32(kput_str(at, end, "trie_fails "), end, fib_arena_fails()), end, 10);
  at = kput_char(kput_u32(kput_str(at, end, "route_bytes "), end, tbs.pool.pr_size * <u32>tbs.nroutes), end, 10);
  return at == end ? -ERANGE : <i32>(at - buf);
}

// ── tables ───────────────────────────────────────────────────────────────────────────────────────

/** The table in slot `i`; 0, 1, 2 are local, main, default. */
export function table_at(i: i32): Fibtable {
  return changetype<Fibtable>(tbs.tables + <usize>i * TABLE_SIZE);
}

function trie_of(tb: Fibtable): Fibtrie {
  return changetype<Fibtrie>(changetype<usize>(tb) + 32);
}

/** The table numbered `id`, or null. */
export function table_find(id: i32): Fibtable {
  for (let i = 0; i < ROUTE_MAXTABLES; i++) if (table_at(i).tb_id == id) return table_at(i);
  return changetype<Fibtable>(0);
}

/** The table numbered `id`, made if need be in the slot of an empty one that no rule names; null if there is none. */
export function table_make(id: i32): Fibtable {
  const tb = table_find(id);
  if (tb) return tb;
  for (let i = 3; i < ROUTE_MAXTABLES; i++) {
    const free = table_at(i);
    if (free.tb_routes != 0 || free.tb_rules != 0) continue;
    free.tb_id = id;
    return free;
  }
  return changetype<Fibtable>(0);
}

function table_of(fe: Fibent): Fibtable {
  return table_at(fe.fe_table);
}

/** Number of the table that `fe` is in. */
export function fe_tableid(fe: Fibent): i32 {
  return table_of(fe).tb_id;
}

// ── look-up ──────────────────────────────────────────────────────────────────────────────────────

/** The result in `tb` for `dst` that can be used, or 0. */
function table_match(tb: Fibtable, dst: u32): usize {
  const h = bswap<u32>(dst);
  const res = fib_match(trie_of(tb), h);
  if (res == 0 || load<usize>(res, FR_RT) != 0) return res;
  return fib_usable(trie_of(tb), h);
}

/** The way that packets to `dst` take by table `tb`, or null. */
export function table_lookup(tb: Fibtable, dst: u32): Rtentry {
  if (tb.tb_routes == 0) return changetype<Rtentry>(0);
  const res = table_match(tb, dst);
  return changetype<Rtentry>(res != 0 ? load<usize>(res, FR_RT) : 0);
}

/** Nodes that table_lookup reads. */
export function table_depth(tb: Fibtable, dst: u32): i32 {
  return fib_depth(trie_of(tb), bswap<u32>(dst));
}

/** The route whose way table_lookup answers, or null. */
export function table_route(tb: Fibtable, dst: u32): Fibent {
  const res = table_match(tb, dst);
  let fe = changetype<Fibent>(res != 0 ? load<usize>(res) : 0);
  while (fe && fe.fe_rt != changetype<Rtentry>(load<usize>(res, FR_RT))) fe = changetype<Fibent>(fe.fe_next);
  return fe;
}

/** The way to `dst` by the tables that every host has, without rules; or null. */
export function rt_lookup(dst: u32): Rtentry {
  let rt = table_lookup(table_at(0), dst);
  if (!rt) rt = table_lookup(table_at(1), dst);
  if (!rt) rt = table_lookup(table_at(2), dst);
  return rt;
}

// ── routes ───────────────────────────────────────────────────────────────────────────────────────

/** The first route of exactly this prefix, or null; the others follow by fe_next. */
export function rt_exact(tb: Fibtable, dst: u32, len: i32): Fibent {
  const res = fib_exact(trie_of(tb), bswap<u32>(dst), len);
  return changetype<Fibent>(res != 0 ? load<usize>(res) : 0);
}

/** The result at `res` leads where the first route that can be used does. */
function result_settle(res: usize): void {
  let fe = changetype<Fibent>(load<usize>(res));
  while (fe && !fib_nexthop_usable(fe.fe_rt)) fe = changetype<Fibent>(fe.fe_next);
  store<usize>(res, fe ? changetype<usize>(fe.fe_rt) : 0, FR_RT);
}

/** Does `a` stand before `b`, of the same prefix? */
function fe_before(a: Fibent, b: Fibent): bool {
  const own = (a.fe_rt.rt_flags & RTF_OFADDR) != 0;
  if (own != ((b.fe_rt.rt_flags & RTF_OFADDR) != 0)) return own;
  return a.fe_metric < b.fe_metric;
}

/**
 * A route to `dst`/`len` by `rt`, whose reference it takes, in table `tb`; null when there is no memory for
 * it (the reference is still the caller's).
 */
export function rt_insert(tb: Fibtable, dst: u32, len: i32, metric: i32, rt: Rtentry): Fibent {
  assert((dst & ~rt_mask(len)) == 0, "rt_insert: key");
  const fe = changetype<Fibent>(pool_getz(tbs.pool));
  if (!fe) return fe;
  const res = fib_insert(trie_of(tb), bswap<u32>(dst), len);
  if (res == 0) {
    pool_put(tbs.pool, changetype<usize>(fe));
    return changetype<Fibent>(0);
  }
  fe.fe_dst = dst;
  fe.fe_len = <u8>len;
  fe.fe_metric = metric;
  fe.fe_rt = rt;
  fe.fe_table = <u16>((changetype<usize>(tb) - tbs.tables) / TABLE_SIZE);
  fe.fe_live = 1;
  let link = res;
  for (let n = changetype<Fibent>(load<usize>(link)); n && !fe_before(fe, n); n = changetype<Fibent>(n.fe_next)) {
    link = changetype<usize>(n) + offsetof<Fibent>("fe_next");
  }
  fe.fe_next = load<usize>(link);
  store<usize>(link, changetype<usize>(fe));
  result_settle(res);
  tb.tb_routes++;
  tbs.nroutes++;
  rt_touch();
  rtsock_route(RTM_ADD, dst, len, rt);
  return fe;
}

/** Take `fe` out of its table, and its reference from its way. */
export function rt_remove(fe: Fibent): void {
  const tb = table_of(fe);
  const h = bswap<u32>(fe.fe_dst);
  const res = fib_exact(trie_of(tb), h, fe.fe_len);
  assert(res != 0, "rt_remove: not in the table");
  let link = res;
  while (load<usize>(link) != changetype<usize>(fe)) {
    assert(load<usize>(link) != 0, "rt_remove: not of the prefix");
    link = load<usize>(link) + offsetof<Fibent>("fe_next");
  }
  store<usize>(link, fe.fe_next);
  if (load<usize>(res) == 0) fib_delete(trie_of(tb), h, fe.fe_len);
  else result_settle(res);
  tb.tb_routes--;
  tbs.nroutes--;
  rt_touch();
  rtsock_route(RTM_DELETE, fe.fe_dst, fe.fe_len, fe.fe_rt);
  fib_nexthop_put(fe.fe_rt);
  fe.fe_live = 0;
  pool_put(tbs.pool, changetype<usize>(fe));
}

/** Lead `fe` by `rt`, whose reference it takes, from now on. */
export function rt_redirect_to(fe: Fibent, rt: Rtentry): void {
  const was = fe.fe_rt;
  fe.fe_rt = rt;
  result_settle(fib_exact(trie_of(table_of(fe)), bswap<u32>(fe.fe_dst), fe.fe_len));
  fib_nexthop_put(was);
  rt_touch();
  rtsock_route(RTM_CHANGE, fe.fe_dst, fe.fe_len, rt);
}

/** Interfaces came or went: work out again which routes can be used. O(routes). */
export function rt_resettle(): void {
  fib_paths_reshare();
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) {
    result_settle(fib_exact(trie_of(table_of(fe)), bswap<u32>(fe.fe_dst), fe.fe_len));
  }
  rt_touch();
}

/** Number of routes. */
export function rt_count(): i32 {
  return tbs.nroutes;
}

/** Can nobody but an address or an administrator have made `fe`? Others expire. */
export function rt_static(fe: Fibent): bool {
  return (fe.fe_rt.rt_flags & (RTF_STATIC | RTF_OFADDR)) != 0;
}

/** The first route in slot `index` of the pool or a later one, or null. */
function fe_live(index: u32): Fibent {
  for (; index < tbs.pool.pr_fresh; index++) {
    const fe = changetype<Fibent>(pool_ptr(tbs.pool, index));
    if (fe.fe_live != 0) return fe;
  }
  return changetype<Fibent>(0);
}

/** The first of all routes, in no useful order, or null. */
export function fe_first(): Fibent {
  return fe_live(0);
}

/** The one after `fe`, or null. `fe` itself may have been removed since. */
export function fe_nextof(fe: Fibent): Fibent {
  return fe_live(pool_index(tbs.pool, changetype<usize>(fe)) + 1);
}
