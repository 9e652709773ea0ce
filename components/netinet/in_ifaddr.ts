/**
 * IPv4 addresses of our interfaces: which are ours, which are broadcast, and their coming and going.
 *
 *      ia_tab: {addr, broadcast, network, mask, Ifaddr} × NET_MAXIFADDR, ia_count in use
 *
 * The packet path asks "is this ours?" once a packet; the answer is a scan of a few words, since a
 * host has a few addresses. Adding one makes its routes: the address itself (local, through the
 * loopback if the image has one), the network behind it, its broadcast addresses (RFC 1122 §3.3.6,
 * RFC 3021: none on a /31 or /32).
 */
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENOBUFS } from "../../kernel/abi/errno";
import { IFF_BROADCAST, IFF_LOOPBACK, IFF_UP, SIOCINITIFADDR } from "../../kernel/abi/if";
import { AF_INET } from "../../kernel/abi/socket";
import { SIN_ADDR } from "../../kernel/abi/sockaddr";
import { NET_MAXIFADDR } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import {
  Ifaddr, Ifnet, if_byindex, if_count, if_flags_change, ifa_alloc, ifa_free, ifa_insert, ifa_remove,
} from "../../kernel/net/ifnet";
import {
  RTF_BROADCAST, RTF_CONNECTED, RTF_HOST, RTF_LOCAL, RTF_UP, RTM_ADD, RTM_DELETE, Rtinfo,
} from "../../kernel/net/route";
import { rtrequest } from "rump/route";
import { sin_put } from "./in_pcb_user";

@unmanaged
class InIfaddr {
  ia_addr: u32;
  ia_bcast: u32;
  ia_net: u32;
  ia_mask: u32;
  ia_ifa: Ifaddr;
}

@unmanaged
class InIfState {
  count: i32;
  ri: Rtinfo;
}

let iis: InIfState = changetype<InIfState>(0);
let ia_tab: usize = 0;

export function in_ifaddr_boot(): void {
  iis = changetype<InIfState>(kmem_alloc(offsetof<InIfState>(), 8, "in_ifaddr"));
  iis.ri = changetype<Rtinfo>(kmem_alloc(offsetof<Rtinfo>(), 8, "in_ifaddr"));
  ia_tab = kmem_alloc(<usize>NET_MAXIFADDR * offsetof<InIfaddr>(), 64, "in_ifaddr");
}

function ia_at(i: i32): InIfaddr {
  return changetype<InIfaddr>(ia_tab + <usize>i * offsetof<InIfaddr>());
}

/** Class D: 224.0.0.0/4. Addresses lie in memory order, so the first byte is the lowest. */
export function in_multicast(a: u32): bool {
  return (a & 0xf0) == 0xe0;
}

/** 127.0.0.0/8. */
export function in_loopback(a: u32): bool {
  return (a & 0xff) == 127;
}

/** Is `a` an address of ours (loopback's whole network included if there is a loopback)? */
export function in_localip(a: u32): bool {
  for (let i = 0; i < iis.count; i++) {
    const ia = ia_at(i);
    if (ia.ia_addr == a) return true;
    if (in_loopback(a) && (ia.ia_ifa.ifa_ifp.if_flags & IFF_LOOPBACK) != 0) return true;
  }
  return false;
}

/** Is `a` the limited broadcast address, or the directed one of a network of ours? */
export function in_ifbroadcast(a: u32): bool {
  if (a == 0xffffffff) return true;
  for (let i = 0; i < iis.count; i++) {
    const ia = ia_at(i);
    // All ones, or all zeros (RFC 1122 §3.3.6), in the host part.
    if (ia.ia_bcast != 0 && (a == ia.ia_bcast || a == ia.ia_net)) return true;
  }
  return false;
}

/** Is `a` broadcast on `ifp`? */
export function in_broadcast_on(a: u32, ifp: Ifnet): bool {
  if (a == 0xffffffff) return true;
  for (let i = 0; i < iis.count; i++) {
    const ia = ia_at(i);
    if (ia.ia_ifa.ifa_ifp == ifp && ia.ia_bcast != 0 && (a == ia.ia_bcast || a == ia.ia_net)) return true;
  }
  return false;
}

/** Is `a` on a network that one of our interfaces is on (MSLT's "local")? */
export function in_localaddr(a: u32): bool {
  for (let i = 0; i < iis.count; i++) {
    const ia = ia_at(i);
    if ((a & ia.ia_mask) == ia.ia_net) return true;
  }
  return false;
}

/** Are `a` and `b` on one network of `ifp`? */
export function in_samenet(ifp: Ifnet, a: u32, b: u32): bool {
  for (let i = 0; i < iis.count; i++) {
    const ia = ia_at(i);
    if (ia.ia_ifa.ifa_ifp == ifp && (a & ia.ia_mask) == ia.ia_net && (b & ia.ia_mask) == ia.ia_net) return true;
  }
  return false;
}

/** An address of `ifp` to send from (its first), 0 if it has none; prefers one on `peer`'s network. */
export function in_ifaddr_of(ifp: Ifnet, peer: u32): u32 {
  let first: u32 = 0;
  for (let i = 0; i < iis.count; i++) {
    const ia = ia_at(i);
    if (ia.ia_ifa.ifa_ifp != ifp) continue;
    if ((peer & ia.ia_mask) == ia.ia_net) return ia.ia_addr;
    if (first == 0) first = ia.ia_addr;
  }
  return first;
}

/** The interface that has address `a`, or null. */
export function in_ifwithaddr(a: u32): Ifnet {
  for (let i = 0; i < iis.count; i++) if (ia_at(i).ia_addr == a) return ia_at(i).ia_ifa.ifa_ifp;
  return changetype<Ifnet>(0);
}

/** The mask of a prefix length, as it lies in memory. */
export function in_mask(prefixlen: i32): u32 {
  return prefixlen == 0 ? 0 : bswap<u32>(<u32>0xffffffff << (32 - prefixlen));
}

function route_change(cmd: i32, dst: u32, len: i32, flags: u32, ifp: Ifnet, src: u32): i32 {
  const ri = iis.ri;
  memory.fill(changetype<usize>(ri), 0, offsetof<Rtinfo>());
  ri.ri_family = AF_INET;
  ri.ri_dst4 = dst;
  ri.ri_prefixlen = len;
  ri.ri_flags = flags | RTF_UP;
  ri.ri_ifindex = ifp.if_index;
  ri.ri_src4 = src;
  return rtrequest(cmd, ri);
}

/** The routes that come with an address. */
function ia_routes(cmd: i32, ia: InIfaddr): void {
  const ifp = ia.ia_ifa.ifa_ifp;
  const len = ia.ia_ifa.ifa_prefixlen;
  const lo = if_loopback();
  if (lo) route_change(cmd, ia.ia_addr, 32, RTF_HOST | RTF_LOCAL, lo, ia.ia_addr);
  if (len < 32) route_change(cmd, ia.ia_net, len, RTF_CONNECTED, ifp, ia.ia_addr);
  if (ia.ia_bcast != 0) route_change(cmd, ia.ia_bcast, 32, RTF_HOST | RTF_BROADCAST, ifp, ia.ia_addr);
}

/** The loopback interface, or null. */
export function if_loopback(): Ifnet {
  for (let i = 1; i <= if_count(); i++) {
    const ifp = if_byindex(i);
    if ((ifp.if_flags & IFF_LOOPBACK) != 0) return ifp;
  }
  return changetype<Ifnet>(0);
}

/**
 * Give `ifp` the address `addr`/`prefixlen`, with its routes, and bring it up. 0, -EINVAL (not an
 * address for a host), -EEXIST, -ENOBUFS.
 */
export function in_ifaddr_add(ifp: Ifnet, addr: u32, prefixlen: i32): i32 {
  if (addr == 0 || in_multicast(addr) || addr == 0xffffffff || prefixlen < 1 || prefixlen > 32) return -EINVAL;
  if (in_ifwithaddr(addr)) return -EEXIST;
  if (iis.count >= NET_MAXIFADDR) return -ENOBUFS;
  const ifa = ifa_alloc(AF_INET);
  if (!ifa) return -ENOBUFS;
  const ia = ia_at(iis.count++);
  const mask = in_mask(prefixlen);
  ia.ia_addr = addr;
  ia.ia_mask = mask;
  ia.ia_net = addr & mask;
  ia.ia_bcast = (ifp.if_flags & IFF_BROADCAST) != 0 && prefixlen < 31 ? addr | ~mask : 0;
  ia.ia_ifa = ifa;
  ifa.ifa_prefixlen = prefixlen;
  sin_put(ifa.ifa_addr, addr, 0);
  sin_put(ifa.ifa_netmask, mask, 0);
  sin_put(ifa.ifa_dstaddr, ia.ia_bcast, 0);
  if_flags_change(ifp, IFF_UP, 0);
  ifa_insert(ifp, ifa);
  ifp.if_ioctl(SIOCINITIFADDR, changetype<usize>(ifa));
  ia_routes(RTM_ADD, ia);
  return 0;
}

/** Take address `addr` from `ifp`. 0 or -EADDRNOTAVAIL. */
export function in_ifaddr_del(ifp: Ifnet, addr: u32): i32 {
  for (let i = 0; i < iis.count; i++) {
    const ia = ia_at(i);
    if (ia.ia_addr != addr || ia.ia_ifa.ifa_ifp != ifp) continue;
    const ifa = ia.ia_ifa;
    ia_routes(RTM_DELETE, ia);
    ifa_remove(ifa);
    ifa_free(ifa);
    const last = ia_at(--iis.count);
    if (last != ia) memory.copy(changetype<usize>(ia), changetype<usize>(last), offsetof<InIfaddr>());
    return 0;
  }
  return -EADDRNOTAVAIL;
}

/** The address of an Ifaddr as a number. */
export function ifa_in(ifa: Ifaddr): u32 {
  return load<u32>(ifa.ifa_addr, SIN_ADDR);
}
