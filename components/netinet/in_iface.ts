/**
 * What IPv4 keeps for each interface: settings of a router, and counters of the network layer.
 *
 *      ii_tab: InIface × (NET_MAXIF + 1), by interface index; entry 0 is for packets without one
 *
 * sysctl net.inet.ip.interfaces has a line for each: "virt0 rp_filter off proxy_arp off redirects on
 * received 5 forwarded 3 sent 0 martians 0 rpfiltered 0". Written to it: "virt0 rp_filter strict" (or loose,
 * off), "virt0 proxy_arp on", "virt0 redirects off". For the reverse-path filter the stricter of the
 * interface's setting and net.inet.ip.rp_filter (0 off, 1 strict, 2 loose) holds; off is what RFC 1812
 * §5.3.8 has as the default.
 */
import { EINVAL, ENXIO, ERANGE } from "../../kernel/abi/errno";
import { IFF_LOOPBACK } from "../../kernel/abi/if";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { NET_MAXIF } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_bytes, kput_char, kput_str, kput_u64, kstr_eq } from "../../kernel/kern/kstring";
import { sysctl_fn, sysctl_int } from "../../kernel/kern/sysctl";
import { Ifnet, if_byindex, if_count, if_find } from "../../kernel/net/ifnet";
import { ktext_next, ktext_trim, ktext_word } from "../../kernel/net/in_text";

export const RPF_OFF: i32 = 0;
export const RPF_STRICT: i32 = 1;
export const RPF_LOOSE: i32 = 2;

@unmanaged
export class InIface {
  ii_rpfilter: i32;
  ii_proxyarp: i32;
  ii_noredirects: i32;
  ii_pad: i32;
  /** Datagrams that came in by it; of them those that went on; those of others that left by it. */
  ii_received: u64;
  ii_forwarded: u64;
  ii_sent: u64;
  ii_martians: u64;
  ii_rpfiltered: u64;
}

@unmanaged
class IifState {
  rpfilter: i32;
}

let iif: IifState = changetype<IifState>(0);
let ii_tab: usize = 0;

export function in_iface_boot(): void {
  iif = changetype<IifState>(kmem_alloc(offsetof<IifState>(), 8, "in_iface"));
  ii_tab = kmem_alloc((<usize>NET_MAXIF + 1) * offsetof<InIface>(), 64, "in_iface");
  sysctl_int("net.inet.ip.rp_filter", changetype<usize>(iif), CTLFLAG_RW, RPF_OFF, RPF_LOOSE);
  sysctl_fn("net.inet.ip.interfaces", in_iface_sysctl, CTLFLAG_RW);
}

/** That of interface `index`, which may be 0. */
export function in_iface(index: i32): InIface {
  assert(<u32>index <= <u32>NET_MAXIF, "in_iface: index");
  return changetype<InIface>(ii_tab + <usize>index * offsetof<InIface>());
}

/** RPF_*: how sources of what comes in by interface `index` are checked. Strict goes before loose. */
export function in_iface_rpf(ii: InIface): i32 {
  if (ii.ii_rpfilter == RPF_STRICT || iif.rpfilter == RPF_STRICT) return RPF_STRICT;
  return ii.ii_rpfilter | iif.rpfilter;
}

function put_switch(at: usize, end: usize, name: string, on: bool): usize {
  return kput_str(kput_str(at, end, name), end, on ? "on" : "off");
}

function put_number(at: usize, end: usize, name: string, v: u64): usize {
  return kput_u64(kput_str(at, end, name), end, v);
}

function put_iface(at: usize, end: usize, ifp: Ifnet): usize {
  const ii = in_iface(ifp.if_index);
  at = kput_bytes(at, end, ifp.if_xname, ifp.if_namelen);
  at = kput_str(at, end, " rp_filter ");
  at = kput_str(at, end, ii.ii_rpfilter == RPF_STRICT ? "strict" : ii.ii_rpfilter == RPF_LOOSE ? "loose" : "off");
  at = put_switch(at, end, " proxy_arp ", ii.ii_proxyarp != 0);
  at = put_switch(at, end, " redirects ", ii.ii_noredirects == 0);
  at = put_number(at, end, " received ", ii.ii_received);
  at = put_number(at, end, " forwarded ", ii.ii_forwarded);
  at = put_number(at, end, " sent ", ii.ii_sent);
  at = put_number(at, end, " martians ", ii.ii_martians);
  at = put_number(at, end, " rpfiltered ", ii.ii_rpfiltered);
  return kput_char(at, end, 10);
}

/** 1 for "on", 0 for "off", -EINVAL. */
function parse_switch(p: usize, n: i32): i32 {
  return kstr_eq(p, n, "on") ? 1 : kstr_eq(p, n, "off") ? 0 : -EINVAL;
}

/** Setting `k` bytes at `p` of `ii` becomes the `n` bytes at `v`. 0 or -EINVAL. */
function iface_set(ii: InIface, p: usize, k: i32, v: usize, n: i32): i32 {
  if (kstr_eq(p, k, "rp_filter")) {
    const how = kstr_eq(v, n, "strict") ? RPF_STRICT : kstr_eq(v, n, "loose") ? RPF_LOOSE : kstr_eq(v, n, "off") ? RPF_OFF : -EINVAL;
    if (how >= 0) ii.ii_rpfilter = how;
    return min(how, 0);
  }
  const on = parse_switch(v, n);
  if (on < 0) return on;
  if (kstr_eq(p, k, "proxy_arp")) ii.ii_proxyarp = on;
  else if (kstr_eq(p, k, "redirects")) ii.ii_noredirects = on ^ 1;
  else return -EINVAL;
  return 0;
}

/** "INTERFACE SETTING VALUE". 0, -ENXIO, -EINVAL. */
function iface_command(p: usize, n: i32): i32 {
  n = ktext_trim(p, n);
  let k = ktext_word(p, n);
  const ifp = if_find(p, k);
  if (changetype<usize>(ifp) == 0) return -ENXIO;
  let skip = ktext_next(p, n, k);
  p += skip;
  n -= skip;
  k = ktext_word(p, n);
  skip = ktext_next(p, n, k);
  return iface_set(in_iface(ifp.if_index), p, k, p + skip, n - skip);
}

/** sysctl net.inet.ip.interfaces. */
function in_iface_sysctl(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen > 0) return iface_command(newp, newlen);
  const end = buf + <usize>len;
  let at = buf;
  for (let i = 1; i <= if_count(); i++) {
    const ifp = if_byindex(i);
    if ((ifp.if_flags & IFF_LOOPBACK) == 0) at = put_iface(at, end, ifp);
  }
  return at == end ? -ERANGE : <i32>(at - buf);
}
