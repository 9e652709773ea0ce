/**
 * Which sources and destinations a packet may have: martians (RFC 1812 §5.3.7, RFC 6890), and the
 * reverse-path filter (RFC 1812 §5.3.8, RFC 3704).
 *
 *      net.inet.ip.martians  0: only what no host may send     for hosts and routers alike (ip_input.ts)
 *                            1: and for a router 0/8, 127/8, 169.254/16, 224/4, 240/4           default
 *                            2: and all that RFC 6890 says is not forwardable: 192.0.0/24, documentation
 *
 * Documentation prefixes are let through by default because laboratories are numbered with them. What is
 * dropped here is logged, five a second (RFC 1812 §5.3.7: SHOULD log).
 *
 * The filter asks for the way back to the source. Strict: it must leave by the interface that the packet
 * came in by; loose: there must be one. A packet from 0.0.0.0 (a host without an address yet) passes.
 */
import { IFF_LOOPBACK } from "../../kernel/abi/if";
import { CTLFLAG_RW, LOG_INFO } from "../../kernel/abi/rump";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { log_begin, log_bytes, log_end, log_ipv4, log_str } from "../../kernel/kern/log";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { Ifnet } from "../../kernel/net/ifnet";
import { RTF_BLACKHOLE, RTF_REJECT } from "../../kernel/net/route";
import { rtalloc4 } from "rump/route";
import { RPF_OFF, RPF_STRICT, in_iface, in_iface_rpf } from "./in_iface";
import { ipstat } from "./in_stat";

const LOGS_A_SECOND: i32 = 5;

@unmanaged
class FilterState {
  martians: i32;
  log_count: i32;
  log_second: i64;
}

let fi: FilterState = changetype<FilterState>(0);

export function ip_filter_boot(): void {
  fi = changetype<FilterState>(kmem_alloc(offsetof<FilterState>(), 8, "ip_filter"));
  fi.martians = 1;
  sysctl_int("net.inet.ip.martians", changetype<usize>(fi), CTLFLAG_RW, 0, 2);
}

/** Blocks of RFC 6890 that no router forwards and that occur in laboratories nevertheless. */
function special(a: u32): bool {
  const net = bswap<u32>(a) >> 8;
  // 192.0.0/24 but for 192.0.0.0/29 (DS-Lite) and the anycast addresses of RFC 7723 and RFC 8155.
  if (net == 0xc00000) {
    const host = a >> 24;
    return host > 7 && host != 9 && host != 10;
  }
  return net == 0xc00002 || net == 0xc63364 || net == 0xcb0071;
}

/** May a packet from or to `a` be forwarded at all? */
export function ip_forwardable(a: u32): bool {
  if (fi.martians == 0) return (a & 0xf0) != 0xe0 && a != 0xffffffff;
  const first = a & 0xff;
  if (first == 0 || first == 127 || first >= 224 || (a & 0xffff) == 0xfea9) return false;
  return fi.martians == 1 || !special(a);
}

/** Count and log the martian packet from `src` to `dst` that came in by `ifp` (may be null). */
export function ip_logmartian(src: u32, dst: u32, ifp: Ifnet): void {
  const index = changetype<usize>(ifp) != 0 ? <i32>ifp.if_index : 0;
  in_iface(index).ii_martians++;
  const second = getmicrouptime() / 1000000;
  if (second != fi.log_second) fi.log_count = 0;
  fi.log_second = second;
  if (++fi.log_count > LOGS_A_SECOND) return;
  log_begin(LOG_INFO, "ip");
  log_str("martian from ");
  log_ipv4(src);
  log_str(" to ");
  log_ipv4(dst);
  if (index != 0) {
    log_str(" by ");
    log_bytes(ifp.if_xname, ifp.if_namelen);
  }
  log_end();
}

/** Does the reverse-path filter of `ifp` (not null) let a packet from `src` with `tos` in? Counts. */
export function ip_rpfilter(src: u32, tos: i32, ifp: Ifnet): bool {
  const ii = in_iface(ifp.if_index);
  const how = in_iface_rpf(ii);
  if (how == RPF_OFF || src == 0 || (ifp.if_flags & IFF_LOOPBACK) != 0) return true;
  const rt = rtalloc4(src, 0, tos, 0);
  if (rt && (rt.rt_flags & (RTF_REJECT | RTF_BLACKHOLE)) == 0 && (how != RPF_STRICT || rt.rt_ifp == ifp)) return true;
  ii.ii_rpfiltered++;
  ipstat.rpfilter++;
  return false;
}
