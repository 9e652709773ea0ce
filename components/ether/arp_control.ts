/**
 * ARP under control: what interfaces tell it, and sysctl net.arp.table.
 *
 *      read:   address hardware-address interface state seconds-left held-packets [pub]  one line each
 *      write:  add IP MAC [permanent] [pub] · del IP · flush
 *
 * States are incomplete, failed, stale, probe, reachable, permanent; `-` is no hardware address, or no
 * end. An entry added is for the interface whose network the address is on; without "permanent" it is
 * like one that has just answered. With "pub" others are told of it who ask (MAC may be our own then). flush forgets all but permanent ones.
 */
import { EINVAL, ENOBUFS, ERANGE, ESRCH, ENETUNREACH } from "../../kernel/abi/errno";
import { IFF_UP, IFT_ETHER, LINK_STATE_UP } from "../../kernel/abi/if";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { AF_INET } from "../../kernel/abi/socket";
import { callout_pending, callout_stop } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_bytes, kput_char, kput_str, kput_u32, kput_u64, kstr_eq } from "../../kernel/kern/kstring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import {
  IFH_ADDR_ADD, IFH_ADDR_DEL, IFH_FLAGS, IFH_LINK, Ifaddr, Ifnet, if_byindex, if_count, if_hook_add,
} from "../../kernel/net/ifnet";
import { kparse_ether, kparse_ipv4, kput_ether, kput_ipv4, ktext_next, ktext_trim, ktext_word } from "../../kernel/net/in_text";
import { acd_added, acd_removed } from "./arp_acd";
import { arp_onlink, ifa_in4 } from "./arp_addr";
import { arp_flush, arp_new, arp_reachable, arp_stale } from "./arp_resolve";
import {
  LA_FAILED, LA_INCOMPLETE, LA_PERMANENT, LA_PROBE, LA_REACHABLE, LA_STALE, Llentry, arp_find, arp_first, arp_free,
  arp_next, arp_setstate,
} from "./arp_table";
import { ether_copy, ether_group } from "./ether_frame";

/** 8 bytes: a hardware address that is being parsed. */
let scratch: usize = 0;

export function arp_control_boot(): void {
  scratch = kmem_alloc(8, 8, "arp");
  if_hook_add(arp_ifhook);
  sysctl_fn("net.arp.table", arp_sysctl, CTLFLAG_RW);
}

// ── interfaces ───────────────────────────────────────────────────────────────────────────────────

/** Forget the neighbours of `ifp` that only address `ifa` (null: any) made neighbours. */
function arp_forget(ifp: Ifnet, ifa: Ifaddr): void {
  for (let la = arp_first(); la; la = arp_next(la)) {
    if (la.la_ifp != ifp) continue;
    if (ifa ? !arp_onlink(ifp, la.la_addr, ifa) : la.la_state != LA_PERMANENT) arp_free(la);
  }
}

/** The cable of `ifp` is back, perhaps in another switch: nothing is certain, and we say who we are. */
function arp_linkup(ifp: Ifnet): void {
  for (let la = arp_first(); la; la = arp_next(la)) {
    if (la.la_ifp == ifp && la.la_state == LA_REACHABLE) arp_stale(la);
  }
  for (let ifa = ifp.if_addrlist; ifa; ifa = ifa.ifa_next) {
    if (ifa.ifa_family == AF_INET) acd_added(ifp, ifa_in4(ifa));
  }
}

function arp_ifhook(ifp: Ifnet, what: i32, arg: usize): void {
  if (ifp.if_type != IFT_ETHER) return;
  const ifa = changetype<Ifaddr>(arg);
  if (what == IFH_LINK && ifp.if_link_state == LINK_STATE_UP) arp_linkup(ifp);
  if (what == IFH_FLAGS && (ifp.if_flags & IFF_UP) == 0) arp_forget(ifp, changetype<Ifaddr>(0));
  if ((what == IFH_ADDR_ADD || what == IFH_ADDR_DEL) && ifa.ifa_family != AF_INET) return;
  if (what == IFH_ADDR_ADD) acd_added(ifp, ifa_in4(ifa));
  if (what == IFH_ADDR_DEL) {
    acd_removed(ifp, ifa_in4(ifa));
    arp_forget(ifp, ifa);
  }
}

// ── sysctl ───────────────────────────────────────────────────────────────────────────────────────

function put_state(at: usize, end: usize, state: i32): usize {
  switch (state) {
    case LA_INCOMPLETE: return kput_str(at, end, " incomplete ");
    case LA_FAILED: return kput_str(at, end, " failed ");
    case LA_STALE: return kput_str(at, end, " stale ");
    case LA_PROBE: return kput_str(at, end, " probe ");
    case LA_REACHABLE: return kput_str(at, end, " reachable ");
    default: return kput_str(at, end, " permanent ");
  }
}

function put_entry(at: usize, end: usize, la: Llentry): usize {
  at = kput_char(kput_ipv4(at, end, la.la_addr), end, 32);
  if (la.la_state >= LA_STALE) at = kput_ether(at, end, la.la_mac);
  else at = kput_char(at, end, 45);
  at = kput_bytes(kput_char(at, end, 32), end, la.la_ifp.if_xname, la.la_ifp.if_namelen);
  at = put_state(at, end, la.la_state);
  const left = la.la_timer.c_time - getmicrouptime();
  if (!callout_pending(la.la_timer)) at = kput_char(at, end, 45);
  else at = kput_u64(at, end, <u64>(max<i64>(left, 0) / 1000000));
  at = kput_u32(kput_char(at, end, 32), end, la.la_nhold);
  if (la.la_pub != 0) at = kput_str(at, end, " pub");
  return kput_char(at, end, 10);
}

/** The Ethernet interface on whose network `addr` is, or null. */
function arp_ifp_for(addr: u32): Ifnet {
  for (let i = 1; i <= if_count(); i++) {
    const ifp = if_byindex(i);
    if (ifp.if_type == IFT_ETHER && arp_onlink(ifp, addr, changetype<Ifaddr>(0))) return ifp;
  }
  return changetype<Ifnet>(0);
}

/** The entry of `addr` on any interface, or null. */
function arp_find_any(addr: u32): Llentry {
  for (let i = 1; i <= if_count(); i++) {
    const la = arp_find(if_byindex(i), addr);
    if (la) return la;
  }
  return changetype<Llentry>(0);
}

/** "add": `addr` is at the hardware address in scratch. 0, -ENETUNREACH (on no network of ours), -ENOBUFS. */
function arp_add(addr: u32, permanent: bool, pub: bool): i32 {
  const ifp = arp_ifp_for(addr);
  if (changetype<usize>(ifp) == 0) return -ENETUNREACH;
  let la = arp_find(ifp, addr);
  if (!la) la = arp_new(ifp, addr, LA_STALE, true);
  if (!la) return -ENOBUFS;
  ether_copy(la.la_mac, scratch);
  la.la_heard_us = getmicrouptime();
  la.la_pub = pub ? 1 : 0;
  if (!permanent) {
    arp_reachable(la);
    return 0;
  }
  callout_stop(la.la_timer);
  arp_setstate(la, LA_PERMANENT);
  arp_flush(la);
  return 0;
}

/** Obey the `n` bytes at `p`. 0 or -errno. */
function arp_command(p: usize, n: i32): i32 {
  n = ktext_trim(p, n);
  let k = ktext_word(p, n);
  if (kstr_eq(p, n, "flush")) {
    for (let la = arp_first(); la; la = arp_next(la)) if (la.la_state != LA_PERMANENT) arp_free(la);
    return 0;
  }
  const add = kstr_eq(p, k, "add");
  if (!add && !kstr_eq(p, k, "del")) return -EINVAL;
  let skip = ktext_next(p, n, k);
  p += skip;
  n -= skip;
  k = ktext_word(p, n);
  const addr = kparse_ipv4(p, k);
  if (addr < 0) return -EINVAL;
  if (!add) {
    const la = arp_find_any(<u32>addr);
    if (k != n) return -EINVAL;
    if (!la) return -ESRCH;
    arp_free(la);
    return 0;
  }
  skip = ktext_next(p, n, k);
  p += skip;
  n -= skip;
  k = ktext_word(p, n);
  if (!kparse_ether(p, k, scratch) || ether_group(scratch)) return -EINVAL;
  let permanent = false;
  let pub = false;
  for (skip = ktext_next(p, n, k); skip < n; skip = ktext_next(p, n, k)) {
    p += skip;
    n -= skip;
    k = ktext_word(p, n);
    if (kstr_eq(p, k, "permanent")) permanent = true;
    else if (kstr_eq(p, k, "pub")) pub = true;
    else return -EINVAL;
  }
  return arp_add(<u32>addr, permanent, pub);
}

/** sysctl net.arp.table. */
function arp_sysctl(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen > 0) return arp_command(newp, newlen);
  const end = buf + <usize>len;
  let at = buf;
  for (let la = arp_first(); la; la = arp_next(la)) at = put_entry(at, end, la);
  return at == end ? -ERANGE : <i32>(at - buf);
}
