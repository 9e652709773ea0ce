/**
 * Requests: add, delete and change routes (rtrequest).
 *
 * Routes are of two kinds. Those of an address (RTF_LOCAL, RTF_CONNECTED, RTF_BROADCAST) come and go
 * with it; several addresses of one network have one each, and the oldest serves. The others are known
 * by table, destination, length and metric; the lower metric is tried first. One that is neither static
 * nor of an address expires after net.route.redirtimeout seconds, and makes way when the pool is empty
 * (RFC 1122 §3.3.1.2: such routes are a cache).
 */
import { EAFNOSUPPORT, EEXIST, EINVAL, ENOBUFS, EPERM, ESRCH } from "../../kernel/abi/errno";
import { AF_INET } from "../../kernel/abi/socket";
import {
  RTF_BROADCAST, RTF_LOCAL, RTM_ADD, RTM_CHANGE, RTM_DELETE, RT_TABLE_LOCAL, RT_TABLE_MAIN, Rtentry, Rtinfo,
} from "../../kernel/net/route";
import { Fibent, Fibtable, RTF_OFADDR, rt_exact, rt_insert, rt_redirect_to, rt_remove, rt_static, table_find, table_make } from "./fib_table";
import { rt_mask } from "./fib_mask";
import { fib_nexthop_put } from "./fib_nexthop";
import { rt_expire_set, rt_expire_soonest } from "./route_expire";
import { rt_ifa_with } from "./route_ifa";
import { rt_way, rt_way_error } from "./route_way";

/** Does `fe` agree with what `info` says of it? What is not said (0) agrees. */
function rt_agrees(fe: Fibent, info: Rtinfo): bool {
  const own = info.ri_flags & RTF_OFADDR;
  if ((fe.fe_rt.rt_flags & RTF_OFADDR) != own) return false;
  if (own != 0) return changetype<usize>(fe.fe_rt.rt_ifa) == changetype<usize>(rt_ifa_with(info.ri_src4));
  return info.ri_metric == 0 || fe.fe_metric == info.ri_metric;
}

/** The route that `info` asks to delete or change, or null. */
function rt_find(tb: Fibtable, info: Rtinfo, cmd: i32): Fibent {
  const len = info.ri_prefixlen;
  for (let fe = rt_exact(tb, info.ri_dst4 & rt_mask(len), len); fe; fe = changetype<Fibent>(fe.fe_next)) {
    if (!rt_agrees(fe, info)) continue;
    if (cmd == RTM_DELETE && (info.ri_flags & RTF_OFADDR) == 0) {
      if (info.ri_gateway4 != 0 && fe.fe_rt.rt_gateway4 != info.ri_gateway4) continue;
      if (info.ri_ifindex != 0 && <i32>fe.fe_rt.rt_ifp.if_index != info.ri_ifindex) continue;
    }
    return fe;
  }
  return changetype<Fibent>(0);
}

/** Number of the table that `info` means. */
function rt_tableid(info: Rtinfo): i32 {
  if (info.ri_table != 0) return info.ri_table;
  return (info.ri_flags & (RTF_LOCAL | RTF_BROADCAST)) != 0 ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
}

/** Insert, if need be in the place of the expiring route which has the least time left; null without memory. */
function rt_insert_or_evict(tb: Fibtable, info: Rtinfo, rt: Rtentry): Fibent {
  const len = info.ri_prefixlen;
  const dst = info.ri_dst4 & rt_mask(len);
  const fe = rt_insert(tb, dst, len, info.ri_metric, rt);
  if (fe) return fe;
  const victim = rt_expire_soonest();
  if (!victim) return fe;
  rt_remove(victim);
  return rt_insert(tb, dst, len, info.ri_metric, rt);
}

function rt_add(info: Rtinfo): i32 {
  const len = info.ri_prefixlen;
  const tb = table_make(rt_tableid(info));
  if (!tb) return -ENOBUFS;
  for (let old = rt_exact(tb, info.ri_dst4 & rt_mask(len), len); old; old = changetype<Fibent>(old.fe_next)) {
    if (!rt_agrees(old, info) || old.fe_metric != info.ri_metric) continue;
    // A newer redirect replaces the one before.
    if (rt_static(old)) return -EEXIST;
    return rt_change_to(old, info);
  }
  const rt = rt_way(info);
  if (!rt) return rt_way_error();
  const fe = rt_insert_or_evict(tb, info, rt);
  if (!fe) {
    fib_nexthop_put(rt);
    return -ENOBUFS;
  }
  rt_expire_set(fe);
  return 0;
}

function rt_change_to(fe: Fibent, info: Rtinfo): i32 {
  const rt = rt_way(info);
  if (!rt) return rt_way_error();
  rt_redirect_to(fe, rt);
  rt_expire_set(fe);
  return 0;
}

/**
 * Add, change or delete (RTM_*) the route that `info` describes. Flags say what it is: RTF_GATEWAY with
 * ri_gateway4, else on the link of ri_ifindex; RTF_MULTIPATH with ri_paths; RTF_REJECT (with RTF_PROHIBIT),
 * RTF_BLACKHOLE; RTF_STATIC, or it expires. A gateway's interface and the address to send from are found
 * if they are 0. 0, -EAFNOSUPPORT, -EINVAL, -EEXIST, -ESRCH, -EPERM (the route belongs to an address),
 * -ENXIO (no such interface), -ENETUNREACH (no way to the gateway), -EADDRNOTAVAIL (ri_src4 is not
 * ours), -ENOBUFS.
 */
export function rtrequest(cmd: i32, info: Rtinfo): i32 {
  if (info.ri_family != AF_INET) return -EAFNOSUPPORT;
  const len = info.ri_prefixlen;
  if (len < 0 || len > 32 || info.ri_metric < 0 || info.ri_mtu < 0 || info.ri_table < 0) return -EINVAL;
  if (cmd == RTM_ADD) return rt_add(info);
  if (cmd != RTM_DELETE && cmd != RTM_CHANGE) return -EINVAL;
  const tb = table_find(rt_tableid(info));
  if (!tb) return -ESRCH;
  const fe = rt_find(tb, info, cmd);
  if (!fe) return rt_ofaddr(info) ? -EPERM : -ESRCH;
  if (cmd == RTM_CHANGE) return rt_change_to(fe, info);
  rt_remove(fe);
  return 0;
}

/** Is what `info`, which is of no address, asks for a route of one? */
function rt_ofaddr(info: Rtinfo): bool {
  if ((info.ri_flags & RTF_OFADDR) != 0) return false;
  const len = info.ri_prefixlen;
  for (let id = RT_TABLE_MAIN; id <= RT_TABLE_LOCAL; id++) {
    if (info.ri_table != 0 && info.ri_table != id) continue;
    const other = rt_exact(table_find(id), info.ri_dst4 & rt_mask(len), len);
    if (other && (other.fe_rt.rt_flags & RTF_OFADDR) != 0) return true;
  }
  return false;
}
