/**
 * Our own IPv4 addresses on a link, as ARP needs them: Ifnet.if_addrlist is all that it knows of IP.
 *
 * Lists are short, so each question is a scan.
 */
import { AF_INET } from "../../kernel/abi/socket";
import { SIN_ADDR } from "../../kernel/abi/sockaddr";
import { Ifaddr, Ifnet } from "../../kernel/net/ifnet";
import { acd_tentative } from "./arp_acd";

/** The address of `ifa`, as in a packet. */
export function ifa_in4(ifa: Ifaddr): u32 {
  return load<u32>(ifa.ifa_addr, SIN_ADDR);
}

/** Is `addr` an address of `ifp`? */
export function arp_islocal(ifp: Ifnet, addr: u32): bool {
  for (let ifa = ifp.if_addrlist; ifa; ifa = ifa.ifa_next) {
    if (ifa.ifa_family == AF_INET && ifa_in4(ifa) == addr) return true;
  }
  return false;
}

/** Are `addr` and address `ifa` on one network? */
function ifa_sees(ifa: Ifaddr, addr: u32): bool {
  const len = ifa.ifa_prefixlen;
  const mask = len == 0 ? 0 : bswap<u32>(<u32>0xffffffff << (32 - len));
  return ((ifa_in4(ifa) ^ addr) & mask) == 0;
}

/** Is `addr` on a network of `ifp`, that of address `but` (which may be null) not counted? */
export function arp_onlink(ifp: Ifnet, addr: u32, but: Ifaddr): bool {
  for (let ifa = ifp.if_addrlist; ifa; ifa = ifa.ifa_next) {
    if (ifa.ifa_family == AF_INET && ifa != but && ifa_sees(ifa, addr)) return true;
  }
  return false;
}

/**
 * The address of `ifp` to ask for `addr` from: one of its network, else the first. None that is being
 * probed (RFC 5227 §2.1.1: it is not ours yet). 0 if there is none.
 */
export function arp_source(ifp: Ifnet, addr: u32): u32 {
  let first: u32 = 0;
  for (let ifa = ifp.if_addrlist; ifa; ifa = ifa.ifa_next) {
    if (ifa.ifa_family != AF_INET || acd_tentative(ifp, ifa_in4(ifa))) continue;
    if (ifa_sees(ifa, addr)) return ifa_in4(ifa);
    if (first == 0) first = ifa_in4(ifa);
  }
  return first;
}

/** Has `ifp` any IPv4 address? */
export function arp_hasaddr(ifp: Ifnet): bool {
  for (let ifa = ifp.if_addrlist; ifa; ifa = ifa.ifa_next) if (ifa.ifa_family == AF_INET) return true;
  return false;
}
