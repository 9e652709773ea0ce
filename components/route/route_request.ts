/**
 * Requests: add, delete and change routes (rtrequest).
 *
 * Routes are of two kinds. Those of an address (RTF_LOCAL, RTF_CONNECTED, RTF_BROADCAST) come and go
 * with it; several addresses of one network have one each, and the oldest serves. The others are known
 * by destination, length and metric; the lower metric is tried first. One that is neither static nor of
 * an address, such as a redirect's, expires after net.route.redirtimeout seconds, and makes way when
 * the pool is empty (RFC 1122 §3.3.1.2: such routes are a cache).
 */
import { EADDRNOTAVAIL, EAFNOSUPPORT, EEXIST, EINVAL, ENETUNREACH, ENOBUFS, ENXIO, EPERM, ESRCH } from "../../kernel/abi/errno";
import { IFF_LOOPBACK } from "../../kernel/abi/if";
import { AF_INET } from "../../kernel/abi/socket";
import { Ifaddr, Ifnet, if_byindex, if_count } from "../../kernel/net/ifnet";
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_GATEWAY, RTF_HOST, RTF_LOCAL, RTF_REJECT, RTF_UP, RTM_ADD, RTM_CHANGE,
  RTM_DELETE, Rtentry, Rtinfo,
} from "../../kernel/net/route";
import { rt_expire_set, rt_expire_soonest } from "./route_expire";
import { rt_ifa_choose, rt_ifa_with } from "./route_ifa";
import {
  RTF_OFADDR, rt_exact, rt_get, rt_insert, rt_lookup, rt_mask, rt_put, rt_remove, rt_same, rt_static, rt_touch,
} from "./route_table";

/** Does `rt` agree with what `info` says of it? What is not said (0) agrees. */
function rt_agrees(rt: Rtentry, info: Rtinfo): bool {
  const own = info.ri_flags & RTF_OFADDR;
  if ((rt.rt_flags & RTF_OFADDR) != own) return false;
  if (own != 0) return changetype<usize>(rt.rt_ifa) == changetype<usize>(rt_ifa_with(info.ri_src4));
  return info.ri_metric == 0 || rt.rt_metric == info.ri_metric;
}

/** The route that `info` asks to delete or change, or null. */
function rt_find(info: Rtinfo, cmd: i32): Rtentry {
  const len = info.ri_prefixlen;
  for (let rt = rt_exact(info.ri_dst4 & rt_mask(len), len); rt; rt = rt_same(rt)) {
    if (!rt_agrees(rt, info)) continue;
    if (cmd == RTM_DELETE && (info.ri_flags & RTF_OFADDR) == 0) {
      if (info.ri_gateway4 != 0 && rt.rt_gateway4 != info.ri_gateway4) continue;
      if (info.ri_ifindex != 0 && <i32>rt.rt_ifp.if_index != info.ri_ifindex) continue;
    }
    return rt;
  }
  return changetype<Rtentry>(0);
}

/** The interface that packets of a route as in `info` leave by; null if there is none. */
function rt_interface(info: Rtinfo): Ifnet {
  if (info.ri_ifindex != 0) return if_byindex(info.ri_ifindex);
  if ((info.ri_flags & RTF_GATEWAY) != 0) {
    const way = rt_lookup(info.ri_gateway4);
    return way && (way.rt_flags & (RTF_GATEWAY | RTF_REJECT | RTF_BLACKHOLE)) == 0 ? way.rt_ifp : changetype<Ifnet>(0);
  }
  // Nothing leaves by a route that refuses; it still names an interface: the loopback, else the first.
  if ((info.ri_flags & (RTF_REJECT | RTF_BLACKHOLE)) == 0) return changetype<Ifnet>(0);
  for (let i = 1; i <= if_count(); i++) {
    if ((if_byindex(i).if_flags & IFF_LOOPBACK) != 0) return if_byindex(i);
  }
  return if_byindex(1);
}

/** Is `gw` an address that a gateway can have? */
function rt_gateway_ok(gw: u32): bool {
  if (gw == 0 || (gw & 0xe0) == 0xe0) return false;
  const way = rt_lookup(gw);
  return !way || (way.rt_flags & (RTF_LOCAL | RTF_BROADCAST)) == 0;
}

/** Fill in of `rt` what a change may alter, from `info`. 0 or -errno, `rt` then being as before. */
function rt_fill(rt: Rtentry, info: Rtinfo): i32 {
  const gateway = (info.ri_flags & RTF_GATEWAY) != 0;
  if (gateway && !rt_gateway_ok(info.ri_gateway4)) return -EINVAL;
  const ifp = rt_interface(info);
  if (changetype<usize>(ifp) == 0) return gateway && info.ri_ifindex == 0 ? -ENETUNREACH : -ENXIO;
  const peer = gateway ? info.ri_gateway4 : info.ri_dst4;
  const ifa = info.ri_src4 != 0 ? rt_ifa_with(info.ri_src4) : rt_ifa_choose(ifp, peer, changetype<Ifaddr>(0));
  if (info.ri_src4 != 0 && !ifa) return -EADDRNOTAVAIL;
  rt.rt_flags = info.ri_flags | RTF_UP;
  if (info.ri_prefixlen == 32) rt.rt_flags |= RTF_HOST;
  else rt.rt_flags &= ~RTF_HOST;
  rt.rt_ifp = ifp;
  rt.rt_ifa = ifa;
  rt.rt_gateway4 = gateway ? info.ri_gateway4 : 0;
  rt.rt_mtu = info.ri_mtu;
  rt.rt_llinfo = 0;
  return 0;
}

/** An entry, if need be that of the expiring route which has the least time left. */
function rt_get_or_evict(): Rtentry {
  const rt = rt_get();
  if (rt) return rt;
  const victim = rt_expire_soonest();
  if (!victim) return rt;
  rt_remove(victim);
  return rt_get();
}

function rt_add(info: Rtinfo): i32 {
  const len = info.ri_prefixlen;
  for (let old = rt_exact(info.ri_dst4 & rt_mask(len), len); old; old = rt_same(old)) {
    if (!rt_agrees(old, info) || old.rt_metric != info.ri_metric) continue;
    // A newer redirect replaces the one before.
    if (rt_static(old)) return -EEXIST;
    return rt_change_to(old, info);
  }
  const rt = rt_get_or_evict();
  if (!rt) return -ENOBUFS;
  const e = rt_fill(rt, info);
  if (e < 0) {
    rt_put(rt);
    return e;
  }
  rt.rt_family = AF_INET;
  rt.rt_prefixlen = len;
  rt.rt_dst4 = info.ri_dst4 & rt_mask(len);
  rt.rt_metric = info.ri_metric;
  rt_insert(rt);
  rt_expire_set(rt);
  return 0;
}

function rt_change_to(rt: Rtentry, info: Rtinfo): i32 {
  const e = rt_fill(rt, info);
  if (e < 0) return e;
  rt_expire_set(rt);
  rt_touch();
  return 0;
}

/**
 * Add, change or delete (RTM_*) the route that `info` describes. Flags say what it is: RTF_GATEWAY with
 * ri_gateway4, else on the link of ri_ifindex; RTF_REJECT, RTF_BLACKHOLE; RTF_STATIC, or it expires. A
 * gateway's interface and the address to send from are found if they are 0. 0, -EAFNOSUPPORT, -EINVAL,
 * -EEXIST, -ESRCH, -EPERM (the route belongs to an address), -ENXIO (no such interface), -ENETUNREACH
 * (no way to the gateway), -EADDRNOTAVAIL (ri_src4 is not ours), -ENOBUFS.
 */
export function rtrequest(cmd: i32, info: Rtinfo): i32 {
  if (info.ri_family != AF_INET) return -EAFNOSUPPORT;
  const len = info.ri_prefixlen;
  if (len < 0 || len > 32 || info.ri_metric < 0 || info.ri_mtu < 0) return -EINVAL;
  if (cmd == RTM_ADD) return rt_add(info);
  if (cmd != RTM_DELETE && cmd != RTM_CHANGE) return -EINVAL;
  const rt = rt_find(info, cmd);
  if (!rt) {
    const other = rt_exact(info.ri_dst4 & rt_mask(len), len);
    return other && (other.rt_flags & RTF_OFADDR) != 0 && (info.ri_flags & RTF_OFADDR) == 0 ? -EPERM : -ESRCH;
  }
  if (cmd == RTM_CHANGE) return rt_change_to(rt, info);
  rt_remove(rt);
  return 0;
}
