/**
 * Routes and the addresses they send from.
 *
 * rt_ifa is an address of the interface on the next hop's network, else the interface's first. When an
 * address goes, routes that sent from it take another one on the same network, or go with it; when one
 * comes, routes of its interface that had none take it. An interface going up or down changes no route
 * but may change answers, so the generation moves on.
 */
import { AF_INET } from "../../kernel/abi/socket";
import { SIN_ADDR } from "../../kernel/abi/sockaddr";
import {
  IFH_ADDR_ADD, IFH_ADDR_DEL, Ifaddr, Ifnet, if_byindex, if_count, if_hook_add,
} from "../../kernel/net/ifnet";
import { RTF_GATEWAY } from "../../kernel/net/route";
import { RTF_OFADDR, rt_first, rt_mask, rt_next, rt_remove, rt_touch } from "./route_table";

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

/** Address `ifa` is going: what sent from it finds another on the network of its next hop, or goes too. */
function rt_ifa_gone(ifa: Ifaddr): void {
  for (let rt = rt_first(AF_INET); rt; rt = rt_next(rt)) {
    if (rt.rt_ifa != ifa) continue;
    const peer = (rt.rt_flags & RTF_GATEWAY) != 0 ? rt.rt_gateway4 : rt.rt_dst4;
    const other = (rt.rt_flags & RTF_OFADDR) != 0 ? changetype<Ifaddr>(0) : rt_ifa_choose(rt.rt_ifp, peer, ifa);
    if (other && rt_ifa_onlink(other, peer)) rt.rt_ifa = other;
    else rt_remove(rt);
  }
}

/** Address `ifa` of `ifp` has come. */
function rt_ifa_come(ifp: Ifnet, ifa: Ifaddr): void {
  for (let rt = rt_first(AF_INET); rt; rt = rt_next(rt)) {
    if (rt.rt_ifp == ifp && !rt.rt_ifa) rt.rt_ifa = ifa;
  }
}

function rt_ifhook(ifp: Ifnet, what: i32, arg: usize): void {
  const ifa = changetype<Ifaddr>(arg);
  if (what == IFH_ADDR_DEL && ifa.ifa_family == AF_INET) rt_ifa_gone(ifa);
  if (what == IFH_ADDR_ADD && ifa.ifa_family == AF_INET) rt_ifa_come(ifp, ifa);
  rt_touch();
}
