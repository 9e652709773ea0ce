/**
 * ICMP redirects (RFC 1122 §3.2.2.2, §3.3.1.2): a better first hop for one destination.
 *
 * Believed if net.inet.icmp.acceptredirects says so (default 0, as NetBSD's hardened set-ups and Linux
 * routers have it), and if the sender is the gateway in use for that destination and the new gateway
 * is on the same network. The route made is a host route that expires.
 */
import { AF_INET } from "../../kernel/abi/socket";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { if_byindex } from "../../kernel/net/ifnet";
import { RTF_GATEWAY, RTF_HOST, RTF_UP, RTM_ADD, Rtinfo } from "../../kernel/net/route";
import { rtalloc4, rtrequest } from "rump/route";
import { in_ifaddr_of, in_localip, in_multicast } from "./in_ifaddr";

@unmanaged
class RedirectState {
  accept: i32;
  ri: Rtinfo;
}

let rd: RedirectState = changetype<RedirectState>(0);

export function in_redirect_boot(): void {
  rd = changetype<RedirectState>(kmem_alloc(offsetof<RedirectState>(), 8, "redirect"));
  rd.ri = changetype<Rtinfo>(kmem_alloc(offsetof<Rtinfo>(), 8, "redirect"));
  sysctl_int("net.inet.icmp.acceptredirects", changetype<usize>(rd), CTLFLAG_RW, 0, 1);
}

/** `from` (received on interface `ifindex`) says: for `dst` use `gw`. True if a route was made. */
export function rtredirect(dst: u32, gw: u32, from: u32, ifindex: i32): bool {
  if (rd.accept == 0 || in_multicast(gw) || in_localip(gw) || in_multicast(dst)) return false;
  const rt = rtalloc4(dst, 0, 0, 0);
  if (!rt || (rt.rt_flags & RTF_GATEWAY) == 0 || rt.rt_gateway4 != from || <i32>rt.rt_ifp.if_index != ifindex) return false;
  const direct = rtalloc4(gw, 0, 0, 0);
  if (!direct || (direct.rt_flags & RTF_GATEWAY) != 0 || <i32>direct.rt_ifp.if_index != ifindex) return false;
  const ri = rd.ri;
  memory.fill(changetype<usize>(ri), 0, offsetof<Rtinfo>());
  ri.ri_family = AF_INET;
  ri.ri_dst4 = dst;
  ri.ri_prefixlen = 32;
  ri.ri_gateway4 = gw;
  ri.ri_flags = RTF_UP | RTF_GATEWAY | RTF_HOST;
  ri.ri_ifindex = ifindex;
  ri.ri_src4 = in_ifaddr_of(if_byindex(ifindex), gw);
  return rtrequest(RTM_ADD, ri) >= 0;
}
