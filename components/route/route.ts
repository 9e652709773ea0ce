/**
 * route: provider of role `route`, the tables that the image's IPv4 packets find their way by
 * (kernel/net/route.ts describes the role).
 *
 *      rtalloc4 ─▶ table: longest prefix ─▶ way ─▶ one of its paths      fib_table.ts, fib_trie.ts, fib_nexthop.ts
 *      rtrequest ─▶ add, delete, change                                  route_request.ts, route_way.ts
 *      if_hook ─▶ routes of an address go with it                        route_ifa.ts
 *
 * Whoever changes the tables moves rt_gen() on, and nobody keeps an entry for longer than a generation.
 * Cost of a look-up: a node a level, at most six, and the result; README.md has measured figures.
 */
import { IFF_BROADCAST } from "../../kernel/abi/if";
import { AF_INET } from "../../kernel/abi/socket";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Ifaddr, if_byindex, if_count } from "../../kernel/net/ifnet";
import { RTF_BLACKHOLE, RTF_BROADCAST, RTF_GATEWAY, RTF_LOCAL, RTF_REJECT, Rtentry } from "../../kernel/net/route";
import { fib_path_of } from "./fib_nexthop";
import { rt_lookup, rt_table_boot, table_at, table_depth, table_lookup } from "./fib_table";
import { rt_mask } from "./fib_mask";
import { rt_expire_boot } from "./route_expire";
import { rt_ifa_boot, rt_ifa_in, rt_ifa_with } from "./route_ifa";
import { exc_boot, exc_find, exc_pmtu, exc_redirect } from "./route_exception";
import { rt_get_boot } from "./route_get";
import { Rtkey, rule_boot, rule_lookup, rule_plain } from "./route_rule";
import { rule_text_boot } from "./route_rule_text";
import { rt_control_boot } from "./route_sysctl";
import { rtsock_boot, rtsock_miss, rtsock_redirect } from "./rtsock";
import { text_boot } from "./route_text";
import { rt_way_boot } from "./route_way";

export { rtrequest } from "./route_request";
export { rt_gen, rt_touch } from "./fib_gen";
export { kput_metrics } from "./route_show";

/** The key of the look-up under way. */
let rkey: Rtkey = changetype<Rtkey>(0);

/** NET_ROUTE phase. 0. */
export function route_init(): i32 {
  rtsock_boot();
  rt_table_boot();
  rt_way_boot();
  exc_boot();
  rule_boot();
  rt_expire_boot();
  rt_ifa_boot();
  text_boot();
  rule_text_boot();
  rt_get_boot();
  rt_control_boot();
  rkey = changetype<Rtkey>(kmem_alloc(offsetof<Rtkey>(), 8, "route"));
  return 0;
}

/** The way that the rules have for a packet, before its path is chosen and exceptions are looked at; or null. */
function rt_byrules(dst: u32, src: u32, tos: i32, iif: i32, oif: i32, mark: u32): Rtentry {
  if (rule_plain()) return rt_lookup(dst);
  const k = rkey;
  k.rk_dst = dst;
  k.rk_src = src;
  k.rk_tos = tos;
  k.rk_iif = iif;
  k.rk_oif = oif;
  k.rk_mark = mark;
  return rule_lookup(k);
}

/**
 * The way from `src` (0: not chosen yet) to `dst`, addresses as in the packet, for a packet with type of service
 * `tos` that came by interface `iif` (0: made here); null if there is none.
 */
export function rtalloc4(dst: u32, src: u32, tos: i32, iif: i32): Rtentry {
  return rtalloc4_flow(dst, src, tos, iif, 0, 0, 0);
}

/**
 * As rtalloc4, for a packet marked `mark` that is to leave by interface `oif` (0: any). `flow`, a number made of
 * what tells flows between the same two hosts apart (ports), chooses among paths.
 */
export function rtalloc4_flow(dst: u32, src: u32, tos: i32, iif: i32, oif: i32, mark: u32, flow: u32): Rtentry {
  let rt = dst == 0xffffffff ? rt_limited(src) : changetype<Rtentry>(0);
  if (!rt) rt = rt_byrules(dst, src, tos, iif, oif, mark);
  if (!rt) {
    rtsock_miss(dst);
    return rt;
  }
  if (rt.rt_paths != 0) rt = fib_path_of(rt, dst, src, flow);
  if (rt.rt_nexceptions != 0 && iif == 0) {
    const x = exc_find(rt, dst);
    if (x) rt = x;
  }
  rt.rt_use++;
  return rt;
}

/** The way from here to `dst` without exceptions, and not counted; null if there is none to a single neighbour. */
function rt_base(dst: u32, src: u32, tos: i32): Rtentry {
  const rt = rt_byrules(dst, src, tos, 0, 0, 0);
  return rt && rt.rt_paths != 0 ? fib_path_of(rt, dst, src, 0) : rt;
}

/**
 * A router on the path from `src` to `dst` took no more than `mtu` bytes (RFC 1191), and the transport found the
 * message plausible. True if it is news; then packets to `dst` are smaller for net.route.mtu_expires seconds.
 */
export function rt_pmtu(dst: u32, src: u32, tos: i32, mtu: i32): bool {
  const rt = rt_base(dst, src, tos);
  if (!rt || (rt.rt_flags & (RTF_LOCAL | RTF_BROADCAST | RTF_REJECT | RTF_BLACKHOLE)) != 0) return false;
  return exc_pmtu(rt, dst, mtu);
}

/**
 * Gateway `from` says by interface `iif` that `gw` is the better first hop from here to `dst`. Believed (true) if
 * `from` is the first hop now, and `gw` a neighbour by the same interface (RFC 1122 §3.2.2.2).
 */
export function rt_redirected(dst: u32, gw: u32, from: u32, iif: i32): bool {
  const rt = rt_base(dst, 0, 0);
  if (!rt || (rt.rt_flags & RTF_GATEWAY) == 0 || <i32>rt.rt_ifp.if_index != iif) return false;
  const x = exc_find(rt, dst);
  if ((x ? x.rt_gateway4 : rt.rt_gateway4) != from) return false;
  const direct = rt_lookup(gw);
  if (!direct || (direct.rt_flags & (RTF_GATEWAY | RTF_LOCAL | RTF_BROADCAST)) != 0) return false;
  if (<i32>direct.rt_ifp.if_index != iif) return false;
  exc_redirect(rt, dst, gw);
  rtsock_redirect(dst, gw, from, iif);
  return true;
}

/** Nodes that a look-up of `dst` in the main table reads: for tests. */
export function rtdepth4(dst: u32): i32 {
  return table_depth(table_at(1), dst);
}

/** IPv6: addresses of 16 bytes at `dst` and `src`. These tables hold none: null. */
export function rtalloc6(dst: usize, src: usize, tos: i32, iif: i32): Rtentry {
  return changetype<Rtentry>(0);
}

/**
 * The limited broadcast address has no network: it goes out where `src` belongs (RFC 1122 §3.3.6 leaves
 * it to the host), else by the first interface that broadcasts.
 */
function rt_limited(src: u32): Rtentry {
  const from = src != 0 ? rt_ifa_with(src) : changetype<Ifaddr>(0);
  for (let i = 1; i <= if_count(); i++) {
    if ((if_byindex(i).if_flags & IFF_BROADCAST) == 0) continue;
    for (let ifa = if_byindex(i).if_addrlist; ifa; ifa = ifa.ifa_next) {
      if (ifa.ifa_family != AF_INET || (from && ifa != from)) continue;
      const rt = table_lookup(table_at(0), rt_ifa_in(ifa) | ~rt_mask(ifa.ifa_prefixlen));
      if (rt && (rt.rt_flags & RTF_BROADCAST) != 0) return rt;
    }
  }
  return changetype<Rtentry>(0);
}
