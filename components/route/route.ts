/**
 * route: provider of role `route`, the table that the image's IPv4 packets find their way by
 * (kernel/net/route.ts describes the role; the structure is in route_table.ts).
 *
 *      rtalloc4 ─▶ longest prefix ─▶ Rtentry          rtrequest ─▶ add, delete, change
 *                                                     if_hook   ─▶ routes of an address go with it
 *
 * Whoever changes the table moves rt_gen() on, and nobody keeps an entry for longer than a generation.
 * Cost of a look-up: one hash and compare for each prefix length that occurs (about 3 ns each).
 */
import { AF_INET } from "../../kernel/abi/socket";
import { Ifaddr } from "../../kernel/net/ifnet";
import { RTF_BROADCAST, Rtentry } from "../../kernel/net/route";
import { rt_expire_boot } from "./route_expire";
import { rt_ifa_boot, rt_ifa_with } from "./route_ifa";
import { rt_control_boot } from "./route_sysctl";
import { rt_first, rt_lookup, rt_next, rt_table_boot } from "./route_table";

export { rtrequest } from "./route_request";
export { rt_first, rt_gen, rt_next } from "./route_table";

/** NET_ROUTE phase. 0. */
export function route_init(): i32 {
  rt_table_boot();
  rt_expire_boot();
  rt_ifa_boot();
  rt_control_boot();
  return 0;
}

/**
 * The route from `src` (0: not chosen yet) to `dst`, addresses as in the packet; null if there is none.
 * This table looks at neither `tos` nor the incoming interface `iif`.
 */
export function rtalloc4(dst: u32, src: u32, tos: i32, iif: i32): Rtentry {
  let rt = dst == 0xffffffff ? rt_limited(src) : changetype<Rtentry>(0);
  if (!rt) rt = rt_lookup(dst);
  if (rt) rt.rt_use++;
  return rt;
}

/** IPv6: addresses of 16 bytes at `dst` and `src`. This table holds none: null. */
export function rtalloc6(dst: usize, src: usize, tos: i32, iif: i32): Rtentry {
  return changetype<Rtentry>(0);
}

/**
 * The limited broadcast address has no network: it goes out where `src` belongs (RFC 1122 §3.3.6 leaves
 * it to the host), else by the first interface that broadcasts.
 */
function rt_limited(src: u32): Rtentry {
  let best = changetype<Rtentry>(0);
  const from = src != 0 ? rt_ifa_with(src) : changetype<Ifaddr>(0);
  for (let rt = rt_first(AF_INET); rt; rt = rt_next(rt)) {
    if ((rt.rt_flags & RTF_BROADCAST) == 0) continue;
    if (from && rt.rt_ifa == from) return rt;
    if (!best || rt.rt_ifp.if_index < best.rt_ifp.if_index) best = rt;
  }
  return from ? changetype<Rtentry>(0) : best;
}
