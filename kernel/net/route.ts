/**
 * Routes, the interface only: the types that netinet and a provider of role `route` share.
 *
 * A provider (components/route, and whatever replaces it) is linked at source level: netinet imports
 * these functions from "rump/route".
 *
 *      rtalloc4(dst, src, tos, iif): Rtentry      IPv4 addresses as in the packet (u32); iif 0 = locally
 *                                                 made; null: no route. One route for one flow, always.
 *      rtalloc6(dst, src, tos, iif): Rtentry      the same with addresses of 16 bytes
 *      rtrequest(cmd, info): i32                  add, change, delete (RTM_*); 0 or -errno
 *      rt_first(family): Rtentry, rt_next(rt)     all routes, for netstat -r
 *      rt_gen(): u32                              changes whenever an answer may differ from before
 *
 * Nobody holds references. Whoever caches an Rtentry keeps rt_gen() beside it (Route) and asks again
 * when it differs; entries are only reused after the generation moved on. So the packet path of a
 * connection is one compare.
 */
import { Ifaddr, Ifnet } from "./ifnet";

export const RTF_UP: u32 = 0x0001;
/** Send to rt_gateway, not to the destination itself. */
export const RTF_GATEWAY: u32 = 0x0002;
export const RTF_HOST: u32 = 0x0004;
/** Packets are answered with unreachable; dropped without a word. */
export const RTF_REJECT: u32 = 0x0008;
export const RTF_BLACKHOLE: u32 = 0x1000;
export const RTF_STATIC: u32 = 0x0800;
/** To an address of our own; to a broadcast address. */
export const RTF_LOCAL: u32 = 0x40000;
export const RTF_BROADCAST: u32 = 0x80000;
/** On the link itself: an interface's network. */
export const RTF_CONNECTED: u32 = 0x800000;

export const RTM_ADD: i32 = 1;
export const RTM_DELETE: i32 = 2;
export const RTM_CHANGE: i32 = 3;

/** A route as it is used. */
@unmanaged
export class Rtentry {
  rt_flags: u32;
  rt_ifp: Ifnet;
  /** The address to send from. */
  rt_ifa: Ifaddr;
  rt_family: i32;
  rt_prefixlen: i32;
  /** Path MTU if it is known to be smaller than the interface's, else 0. */
  rt_mtu: i32;
  rt_metric: i32;
  /** IPv4: destination and gateway as in a packet. */
  rt_dst4: u32;
  rt_gateway4: u32;
  /** IPv6: addresses of the 16 bytes each, 0 for IPv4. */
  rt_dst6: usize;
  rt_gateway6: usize;
  /** The link layer's entry for the next hop (ARP), by its own arrangement; 0 = none yet. */
  rt_llinfo: usize;
  /** Gone at, µs of uptime; 0 = never (RTF_STATIC, connected). */
  rt_expire: i64;
  rt_use: u64;
  /** The provider's own. */
  rt_link: usize;
  rt_priv: usize;
}

/** A cached route: embed it in a control block. Valid while ro_gen == rt_gen(). */
@unmanaged
export class Route {
  ro_rt: Rtentry;
  ro_gen: u32;
}

/** Argument of rtrequest: addresses as in Rtentry. */
@unmanaged
export class Rtinfo {
  ri_family: i32;
  ri_prefixlen: i32;
  ri_flags: u32;
  ri_ifindex: i32;
  ri_dst4: u32;
  ri_gateway4: u32;
  ri_src4: u32;
  ri_dst6: usize;
  ri_gateway6: usize;
  ri_src6: usize;
  ri_mtu: i32;
  ri_metric: i32;
  ri_table: i32;
}
