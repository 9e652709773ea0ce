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
import { Ifaddr, if_byindex, if_count } from "../../kernel/net/ifnet";
import { RTF_BROADCAST, Rtentry } from "../../kernel/net/route";
import { fib_path_of } from "./fib_nexthop";
import { rt_lookup, rt_mask, rt_table_boot, table_at, table_lookup } from "./fib_table";
import { rt_expire_boot } from "./route_expire";
import { rt_ifa_boot, rt_ifa_in, rt_ifa_with } from "./route_ifa";
import { rt_control_boot } from "./route_sysctl";
import { rt_way_boot } from "./route_way";

export { rtrequest } from "./route_request";
export { rt_gen } from "./fib_table";

/** NET_ROUTE phase. 0. */
export function route_init(): i32 {
  rt_table_boot();
  rt_way_boot();
  rt_expire_boot();
  rt_ifa_boot();
  rt_control_boot();
  return 0;
}

/**
 * The way from `src` (0: not chosen yet) to `dst`, addresses as in the packet; null if there is none.
 */
export function rtalloc4(dst: u32, src: u32, tos: i32, iif: i32): Rtentry {
  let rt = dst == 0xffffffff ? rt_limited(src) : changetype<Rtentry>(0);
  if (!rt) rt = rt_lookup(dst);
  if (!rt) return rt;
  if (rt.rt_paths != 0) rt = fib_path_of(rt, dst, src, 0);
  rt.rt_use++;
  return rt;
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
