/**
 * Sending redirects (RFC 1812 §5.2.7.2, RFC 792): a host has sent us what it could have sent straight to
 * the next hop, or to another gateway of its own network.
 *
 *      slots: {source, destination, last, count} × 64, by keyed hash of the two        later ones replace
 *
 * The first goes at once, the next not before 20 ms, and so on doubled, nine in all; a host that goes on
 * regardless for that long is not told again before it has been silent for 20 s. Redirects are ICMP
 * errors besides, and under their limit (net.inet.icmp.errppslimit). net.inet.ip.redirect = 0 or the
 * interface's setting (in_iface.ts) turns them off.
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { SIPHASH_KEYLEN, siphash13_2 } from "../../kernel/kern/siphash";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { Ifnet } from "../../kernel/net/ifnet";
import { in_ifaddr_of, in_localip, in_samenet } from "./in_ifaddr";
import { in_iface } from "./in_iface";

const SLOTS: u32 = 64;
const FIRST_US: i64 = 20000;
const MOST: i32 = 9;
const SILENCE_US: i64 = 20000000;

@unmanaged
class Redirected {
  src: u32;
  dst: u32;
  last_us: i64;
  count: i32;
}

@unmanaged
class RedirectOut {
  enabled: i32;
  key: usize;
  slots: usize;
}

let ro: RedirectOut = changetype<RedirectOut>(0);

export function ip_redirect_boot(): void {
  ro = changetype<RedirectOut>(kmem_alloc(offsetof<RedirectOut>(), 8, "ip_redirect"));
  ro.enabled = 1;
  ro.key = kmem_alloc(SIPHASH_KEYLEN, 8, "ip_redirect");
  ro.slots = kmem_alloc(<usize>SLOTS * offsetof<Redirected>(), 64, "ip_redirect");
  cprng_strong(ro.key, SIPHASH_KEYLEN);
  sysctl_int("net.inet.ip.redirect", changetype<usize>(ro), CTLFLAG_RW, 0, 1);
}

/** Is it time to tell `src` of `dst`? Counts it as told. */
function due(src: u32, dst: u32): bool {
  const h = <u32>siphash13_2(ro.key, src, dst) & (SLOTS - 1);
  const r = changetype<Redirected>(ro.slots + <usize>h * offsetof<Redirected>());
  const now = getmicrouptime();
  if (r.src != src || r.dst != dst || now - r.last_us > SILENCE_US) {
    r.src = src;
    r.dst = dst;
    r.count = 0;
  } else if (r.count >= MOST) {
    // It does not listen: it is silence that counts from here on.
    r.last_us = now;
    return false;
  } else if (now - r.last_us < FIRST_US << <i64>(r.count - 1)) {
    return false;
  }
  r.count++;
  r.last_us = now;
  return true;
}

/**
 * Is `src`, whose packet to `dst` came in by `ifp` and leaves by it to `hop`, to be told of `hop`? RFC 1812
 * §5.2.7.2: if it is on one network with the next hop (and no source route made the way, which the
 * caller knows).
 */
export function ip_redirect_due(ifp: Ifnet, src: u32, dst: u32, hop: u32): bool {
  if (ro.enabled == 0 || in_iface(ifp.if_index).ii_noredirects != 0) return false;
  const own = in_ifaddr_of(ifp, src);
  if (own == 0 || in_localip(src) || !in_samenet(ifp, src, hop)) return false;
  return due(src, dst);
}
