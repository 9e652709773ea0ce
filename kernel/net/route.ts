/**
 * Routes, the interface only: the types that netinet and a provider of role `route` share.
 *
 * A provider (components/route, and whatever replaces it) is linked at source level: netinet imports
 * these functions from "rump/route".
 *
 *      rtalloc4(dst, src, tos, iif): Rtentry      IPv4 addresses as in the packet (u32); iif 0 = locally
 *                                                 made; null: no route. One way for one flow, always.
 *      rtalloc6(dst, src, tos, iif): Rtentry      the same with addresses of 16 bytes
 *      rtrequest(cmd, info): i32                  add, change, delete (RTM_*); 0 or -errno
 *      rt_gen(): u32                              changes whenever an answer may differ from before
 *
 * An Rtentry is a way to go, not a line of the table: interface, next hop, address to send from and
 * metrics. All prefixes with equal ones share it, which keeps a large table small and its answers in
 * the processor's cache; so it knows no destination, and rt_use counts what went that way.
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
/** Made or changed by a redirect. */
export const RTF_DYNAMIC: u32 = 0x0010;
export const RTF_BLACKHOLE: u32 = 0x1000;
export const RTF_STATIC: u32 = 0x0800;
/** To an address of our own; to a broadcast address. */
export const RTF_LOCAL: u32 = 0x40000;
export const RTF_BROADCAST: u32 = 0x80000;
/** On the link itself: an interface's network. */
export const RTF_CONNECTED: u32 = 0x800000;
/** With RTF_REJECT: answered with "administratively prohibited" (RFC 1812 §5.2.7.1, code 13). Ours. */
export const RTF_PROHIBIT: u32 = 0x2000000;
/** Ways that share the traffic by rtpaths; never handed out by rtalloc4. Ours. */
export const RTF_MULTIPATH: u32 = 0x4000000;

export const RTM_ADD: i32 = 1;
export const RTM_DELETE: i32 = 2;
export const RTM_CHANGE: i32 = 3;

/** Tables that exist from the start, by the numbers that rt_tables(5) has. */
export const RT_TABLE_DEFAULT: i32 = 253;
export const RT_TABLE_MAIN: i32 = 254;
export const RT_TABLE_LOCAL: i32 = 255;

/** Bits of rt_lock: metrics that nothing learned may replace (rt_metrics(8) "lock"). */
export const RTV_MTU: u32 = 0x01;
export const RTV_SSTHRESH: u32 = 0x20;
export const RTV_RTT: u32 = 0x40;
export const RTV_RTTVAR: u32 = 0x80;
export const RTV_CWND: u32 = 0x100;

/** A way to go. */
@unmanaged
export class Rtentry {
  /* What makes two of them equal: from rt_flags up to rt_llinfo. */
  rt_flags: u32;
  rt_ifp: Ifnet;
  /** The address to send from. */
  rt_ifa: Ifaddr;
  /** The next hop, as in a packet. */
  rt_gateway4: u32;
  /** Path MTU if it is known to be smaller than the interface's, else 0. */
  rt_mtu: i32;
  /** RTV_*. */
  rt_lock: u32;
  /** Metrics to begin with, 0 = not known: round trip and its variation in µs, bytes, segments. */
  rt_rtt_us: i32;
  rt_rttvar_us: i32;
  rt_ssthresh: i32;
  rt_cwnd: i32;
  /** The provider's: the ways of a multipath route. */
  rt_paths: usize;
  /** The link layer's entry for the next hop (ARP), by its own arrangement; 0 = none yet. */
  rt_llinfo: usize;
  /** Packets that went this way. */
  rt_use: u64;
  /* The provider's own: prefixes that use it, exceptions to it, links. */
  rt_refs: u32;
  rt_nexceptions: u32;
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
  /** 0: main, or local for RTF_LOCAL and RTF_BROADCAST. */
  ri_table: i32;
  ri_lock: u32;
  ri_rtt_us: i32;
  ri_rttvar_us: i32;
  ri_ssthresh: i32;
  ri_cwnd: i32;
  /** RTF_MULTIPATH: address and number of Rtpath. */
  ri_paths: usize;
  ri_npaths: i32;
}

/** One way of a multipath route, as rtrequest takes it. */
@unmanaged
export class Rtpath {
  rp_gateway4: u32;
  rp_ifindex: i32;
  rp_weight: i32;
}
