/**
 * Routes and the addresses they send from.
 *
 * rt_ifa is an address of the interface on the next hop's network, else the interface's first. When an
 * address goes, routes that sent from it take another one on the same network, or go with it; when one
 * comes, routes of its interface that had none take it. An interface going up or down changes no route
 * but which of them can be used.
 */
import { RTM_DELADDR, RTM_NEWADDR } from "../../kernel/abi/route";
import { AF_INET } from "../../kernel/abi/socket";
import { SIN_ADDR } from "../../kernel/abi/sockaddr";
import {
  IFH_ADDR_ADD, IFH_ADDR_DEL, IFH_FLAGS, Ifaddr, Ifnet, if_byindex, if_count, if_hook_add,
} from "../../kernel/net/ifnet";
import { RTF_GATEWAY, Rtentry } from "../../kernel/net/route";
import { Fibpath, fib_nexthop_put } from "./fib_nexthop";
import { Fibent, RTF_OFADDR, fe_first, fe_nextof, rt_redirect_to, rt_remove, rt_resettle } from "./fib_table";
import { rt_mask } from "./fib_mask";
import { rt_touch } from "./fib_gen";
import { rtsock_if, rtsock_ifa } from "./rtsock";
import { rt_way_from } from "./route_way";

export function rt_ifa_boot(): void {
  if_hook_add(rt_ifhook);
}

/** The IPv4 address of `ifa`. */
export function rt_ifa_in(ifa: Ifaddr): u32 {
  return load<u32>(ifa.ifa_addr, SIN_ADDR);
}

/** Our interface address `addr`, or null. */
export function rt_ifa_with(addr: u32): Ifaddr {
  for (let i = 1; i <= if_count(); i++) {
    for (let ifa = if_byindex(i).if_addrlist; ifa; ifa = ifa.ifa_next) {
      if (ifa.ifa_family == AF_INET && rt_ifa_in(ifa) == addr) return ifa;
    }
  }
  return changetype<Ifaddr>(0);
}

/** Is `peer` on the network of `ifa`? */
function rt_ifa_onlink(ifa: Ifaddr, peer: u32): bool {
  return ((rt_ifa_in(ifa) ^ peer) & rt_mask(ifa.ifa_prefixlen)) == 0;
}

/** The address of `ifp` to talk to `peer` from: of its network if there is one, never `but`; may be null. */
export function rt_ifa_choose(ifp: Ifnet, peer: u32, but: Ifaddr): Ifaddr {
  let first = changetype<Ifaddr>(0);
  for (let ifa = ifp.if_addrlist; ifa; ifa = ifa.ifa_next) {
    if (ifa.ifa_family != AF_INET || ifa == but) continue;
    if (rt_ifa_onlink(ifa, peer)) return ifa;
    if (!first) first = ifa;
  }
  return first;
}

/** Another address on the network of the next hop of `rt`, the way to `dst`; null if there is none. */
function rt_ifa_other(rt: Rtentry, dst: u32): Ifaddr {
  if ((rt.rt_flags & RTF_OFADDR) != 0) return changetype<Ifaddr>(0);
  const peer = (rt.rt_flags & RTF_GATEWAY) != 0 ? rt.rt_gateway4 : dst;
  const other = rt_ifa_choose(rt.rt_ifp, peer, rt.rt_ifa);
  return other && rt_ifa_onlink(other, peer) ? other : changetype<Ifaddr>(0);
}

/** Do packets of `fe` leave from `ifa`, by any path? */
function rt_ifa_uses(fe: Fibent, ifa: Ifaddr): bool {
  for (let p = changetype<Fibpath>(fe.fe_rt.rt_paths); p; p = changetype<Fibpath>(p.fp_next)) {
    if (p.fp_rt.rt_ifa == ifa) return true;
  }
  return fe.fe_rt.rt_ifa == ifa;
}

/** `rt` is to send from `ifa`: the way that does, with its reference; null without memory. */
function rt_ifa_replace(rt: Rtentry, ifa: Ifaddr): Rtentry {
  return ifa ? rt_way_from(rt, ifa) : changetype<Rtentry>(0);
}

/** Every path of `fe` that sent from `ifa` finds another address; false if one cannot. */
function rt_ifa_paths(fe: Fibent, ifa: Ifaddr): bool {
  for (let p = changetype<Fibpath>(fe.fe_rt.rt_paths); p; p = changetype<Fibpath>(p.fp_next)) {
    if (p.fp_rt.rt_ifa != ifa) continue;
    const rt = rt_ifa_replace(p.fp_rt, rt_ifa_other(p.fp_rt, fe.fe_dst));
    if (!rt) return false;
    const was = p.fp_rt;
    p.fp_rt = rt;
    fib_nexthop_put(was);
  }
  return true;
}

/** Address `ifa` is going: what sent from it finds another on the network of its next hop, or goes too. */
function rt_ifa_gone(ifa: Ifaddr): void {
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) {
    if (!rt_ifa_uses(fe, ifa)) continue;
    const rt = fe.fe_rt;
    if (rt.rt_paths != 0) {
      if (!rt_ifa_paths(fe, ifa)) rt_remove(fe);
      continue;
    }
    const other = rt_ifa_replace(rt, rt_ifa_other(rt, fe.fe_dst));
    if (other) rt_redirect_to(fe, other);
    else rt_remove(fe);
  }
}

/** Address `ifa` of `ifp` has come. */
function rt_ifa_come(ifp: Ifnet, ifa: Ifaddr): void {
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) {
    if (fe.fe_rt.rt_ifp != ifp || fe.fe_rt.rt_ifa || fe.fe_rt.rt_paths != 0) continue;
    const rt = rt_way_from(fe.fe_rt, ifa);
    if (rt) rt_redirect_to(fe, rt);
  }
}

function rt_ifhook(ifp: Ifnet, what: i32, arg: usize): void {
  const ifa = changetype<Ifaddr>(arg);
  if (what == IFH_ADDR_DEL && ifa.ifa_family == AF_INET) rt_ifa_gone(ifa);
  if (what == IFH_ADDR_ADD && ifa.ifa_family == AF_INET) rt_ifa_come(ifp, ifa);
  if (what == IFH_FLAGS) rt_resettle();
  if (what == IFH_ADDR_ADD) rtsock_ifa(RTM_NEWADDR, ifp, ifa);
  else if (what == IFH_ADDR_DEL) rtsock_ifa(RTM_DELADDR, ifp, ifa);
  else rtsock_if(ifp);
  rt_touch();
}
