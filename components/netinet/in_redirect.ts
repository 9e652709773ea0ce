/**
 * ICMP redirects (RFC 1122 §3.2.2.2, §3.3.1.2): a better first hop for one destination.
 *
 * Believed if net.inet.icmp.acceptredirects says so (default 0, as NetBSD's hardened set-ups and Linux
 * routers have it), if the sender is the gateway in use for that destination and the new gateway is a
 * neighbour by the same interface. What is learned is an exception to the route, not a route: it is
 * bounded and expires (components/route, route_exception.ts). A router does not listen (RFC 1812
 * §5.2.7.2): packets that are forwarded do not look at exceptions.
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { rt_redirected } from "rump/route";
import { in_localip, in_multicast } from "./in_ifaddr";

@unmanaged
class RedirectState {
  accept: i32;
}

let rd: RedirectState = changetype<RedirectState>(0);

export function in_redirect_boot(): void {
  rd = changetype<RedirectState>(kmem_alloc(offsetof<RedirectState>(), 8, "redirect"));
  sysctl_int("net.inet.icmp.acceptredirects", changetype<usize>(rd), CTLFLAG_RW, 0, 1);
}

/** `from` (received on interface `ifindex`) says: for `dst` use `gw`. True if it is believed. */
export function rtredirect(dst: u32, gw: u32, from: u32, ifindex: i32): bool {
  if (rd.accept == 0 || in_multicast(gw) || in_localip(gw) || in_multicast(dst)) return false;
  return rt_redirected(dst, gw, from, ifindex);
}
