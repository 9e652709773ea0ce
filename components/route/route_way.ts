/**
 * From a request to a way: which interface, which next hop, which address to send from.
 *
 *      Rtinfo ─▶ one gateway, one link, or nowhere ─▶ Rtentry (shared, fib_nexthop.ts)
 *             └▶ several paths, each found like one ─▶ Rtentry with rt_paths
 *
 * A gateway's interface is that of the route to it, which must be a link (RFC 1812 §5.2.4.2: the next hop
 * is a neighbour). Nothing leaves by a way that refuses; it still names an interface, the loopback.
 */
import { EADDRNOTAVAIL, EINVAL, ENETUNREACH, ENOBUFS, ENXIO } from "../../kernel/abi/errno";
import { IFF_LOOPBACK } from "../../kernel/abi/if";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Ifaddr, Ifnet, if_byindex, if_count } from "../../kernel/net/ifnet";
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_GATEWAY, RTF_HOST, RTF_LOCAL, RTF_MULTIPATH, RTF_REJECT, RTF_UP, Rtentry, Rtinfo,
  Rtpath,
} from "../../kernel/net/route";
import { fib_nexthop_get, fib_nexthop_new, fib_nexthop_put, fib_path_add, fib_paths_put, fib_paths_share } from "./fib_nexthop";
import { rt_lookup } from "./fib_table";
import { rt_ifa_choose, rt_ifa_with } from "./route_ifa";

/** Most paths of a route, and the largest weight (ip-route's). */
export const RT_MAXPATHS: i32 = 16;
const MAXWEIGHT: i32 = 256;

@unmanaged
class WayState {
  error: i32;
}

let ws: WayState = changetype<WayState>(0);

export function rt_way_boot(): void {
  ws = changetype<WayState>(kmem_alloc(offsetof<WayState>(), 8, "route"));
}

/** Why the last rt_way answered null: -errno. */
export function rt_way_error(): i32 {
  return ws.error;
}

function failed(e: i32): Rtentry {
  ws.error = e;
  return changetype<Rtentry>(0);
}

/** The interface that ways which lead nowhere name: the loopback, else the first. */
export function rt_nowhere_ifp(): Ifnet {
  for (let i = 1; i <= if_count(); i++) {
    if ((if_byindex(i).if_flags & IFF_LOOPBACK) != 0) return if_byindex(i);
  }
  return if_byindex(1);
}

/** The interface behind gateway `gw`, 0: none, and number `ifindex`, 0: to be found; null if there is none. */
function way_interface(flags: u32, gw: u32, ifindex: i32): Ifnet {
  if (ifindex != 0) return if_byindex(ifindex);
  if ((flags & RTF_GATEWAY) != 0) {
    const way = rt_lookup(gw);
    return way && (way.rt_flags & (RTF_GATEWAY | RTF_REJECT | RTF_BLACKHOLE)) == 0 ? way.rt_ifp : changetype<Ifnet>(0);
  }
  return (flags & (RTF_REJECT | RTF_BLACKHOLE)) != 0 ? rt_nowhere_ifp() : changetype<Ifnet>(0);
}

/** Is `gw` an address that a gateway can have? */
function way_gateway_ok(gw: u32): bool {
  if (gw == 0 || (gw & 0xe0) == 0xe0) return false;
  const way = rt_lookup(gw);
  return !way || (way.rt_flags & (RTF_LOCAL | RTF_BROADCAST)) == 0;
}

/** The way by `gw` and `ifindex`, all else as `info` says; null and rt_way_error(). */
function way_single(info: Rtinfo, flags: u32, gw: u32, ifindex: i32): Rtentry {
  const gateway = (flags & RTF_GATEWAY) != 0;
  if (gateway && !way_gateway_ok(gw)) return failed(-EINVAL);
  const ifp = way_interface(flags, gw, ifindex);
  if (changetype<usize>(ifp) == 0) return failed(gateway && ifindex == 0 ? -ENETUNREACH : -ENXIO);
  const peer = gateway ? gw : info.ri_dst4;
  const ifa = info.ri_src4 != 0 ? rt_ifa_with(info.ri_src4) : rt_ifa_choose(ifp, peer, changetype<Ifaddr>(0));
  if (info.ri_src4 != 0 && !ifa) return failed(-EADDRNOTAVAIL);
  const rt = way_template(info, flags);
  rt.rt_ifp = ifp;
  rt.rt_ifa = ifa;
  rt.rt_gateway4 = gateway ? gw : 0;
  const got = fib_nexthop_get(rt);
  return got ? got : failed(-ENOBUFS);
}

function way_template(info: Rtinfo, flags: u32): Rtentry {
  const rt = fib_nexthop_new();
  rt.rt_flags = (flags | RTF_UP) & ~RTF_HOST;
  if (info.ri_prefixlen == 32) rt.rt_flags |= RTF_HOST;
  rt.rt_mtu = info.ri_mtu;
  rt.rt_lock = info.ri_lock;
  rt.rt_rtt_us = info.ri_rtt_us;
  rt.rt_rttvar_us = info.ri_rttvar_us;
  rt.rt_ssthresh = info.ri_ssthresh;
  rt.rt_cwnd = info.ri_cwnd;
  return rt;
}

/** The way of a multipath request. */
function way_multiple(info: Rtinfo): Rtentry {
  if (info.ri_npaths < 1 || info.ri_npaths > RT_MAXPATHS) return failed(-EINVAL);
  let list: usize = 0;
  // From the last to the first, because each goes before those that are there.
  for (let i = info.ri_npaths - 1; i >= 0; i--) {
    const rp = changetype<Rtpath>(info.ri_paths + <usize>i * offsetof<Rtpath>());
    const ok = rp.rp_weight >= 1 && rp.rp_weight <= MAXWEIGHT;
    const flags = (info.ri_flags & ~(RTF_MULTIPATH | RTF_GATEWAY)) | (rp.rp_gateway4 != 0 ? RTF_GATEWAY : 0);
    const rt = ok ? way_single(info, flags, rp.rp_gateway4, rp.rp_ifindex) : failed(-EINVAL);
    const next = rt ? fib_path_add(list, rt, rp.rp_weight) : 0;
    if (next == 0) {
      if (rt) {
        fib_nexthop_put(rt);
        ws.error = -ENOBUFS;
      }
      fib_paths_put(list);
      return changetype<Rtentry>(0);
    }
    list = next;
  }
  fib_paths_share(list);
  const rt = way_template(info, info.ri_flags & ~RTF_GATEWAY);
  rt.rt_ifp = load<Rtentry>(list).rt_ifp;
  rt.rt_paths = list;
  const got = fib_nexthop_get(rt);
  if (got) return got;
  fib_paths_put(list);
  return failed(-ENOBUFS);
}

/** The way that `info` asks for, with a reference for the caller; null and rt_way_error(). */
export function rt_way(info: Rtinfo): Rtentry {
  if ((info.ri_flags & RTF_MULTIPATH) != 0) return way_multiple(info);
  return way_single(info, info.ri_flags, info.ri_gateway4, info.ri_ifindex);
}

/** The way like `rt` but sending from `ifa`, with a reference; null without memory. */
export function rt_way_from(rt: Rtentry, ifa: Ifaddr): Rtentry {
  const want = fib_nexthop_new();
  memory.copy(changetype<usize>(want), changetype<usize>(rt), offsetof<Rtentry>());
  want.rt_ifa = ifa;
  return fib_nexthop_get(want);
}
