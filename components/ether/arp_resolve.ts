/**
 * ARP, the asking side: the hardware address of a next hop (RFC 826, RFC 1122 §2.3.2).
 *
 *      if_output ─▶ arp_resolve: known ─▶ frame             (one compare if the route remembers the entry)
 *                              └ unknown ─▶ arp_wait: the packet waits, everybody is asked once a second,
 *                                           net.arp.maxtries times; then the senders hear of it
 *
 * An answer is believed for net.arp.reachable seconds (half to one and a half times that, at random). A
 * neighbour in use is then asked alone, three times, while packets go on; if it is silent, everybody is
 * asked as at first (RFC 1122's unicast poll, in the manner of RFC 4861's states). One that nobody uses is
 * kept for net.arp.keep seconds, and asked when it is used again. While a neighbour has failed
 * (net.arp.down seconds) sending to it is -EHOSTUNREACH at once. Packets that waited in vain go to the
 * network layer (NETISR_IPUNREACH), which tells their source in its own way.
 */
import { EADDRNOTAVAIL, EHOSTUNREACH, ENOBUFS } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { callout_schedule } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_uniform } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { Ifnet } from "../../kernel/net/ifnet";
import { MNULL, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { NETISR_IPUNREACH, netisr_input } from "../../kernel/net/netisr";
import { Rtentry } from "../../kernel/net/route";
import { arp_hasaddr, arp_source } from "./arp_addr";
import { ARPOP_REQUEST, arp_request, arp_send } from "./arp_packet";
import {
  LA_FAILED, LA_INCOMPLETE, LA_PROBE, LA_REACHABLE, LA_STALE, Llentry, arp_create, arp_find, arp_free, arp_setstate,
  la_dequeue, la_dequeueall, la_enqueue, la_valid,
} from "./arp_table";
import { ETHERTYPE_IP, ether_frame } from "./ether_frame";
import { arpstat } from "./ether_stat";

const SECOND_US: i64 = 1000000;
/** RFC 1122 §2.3.2.1: no more than one request a second for one address. */
const RETRY_US: i64 = SECOND_US;
/** Unicast polls without an answer before everybody is asked. */
const POLLS: i32 = 3;
/** An answer so long after the last request still counts as one. */
const ANSWER_US: i64 = 3 * SECOND_US;

@unmanaged
class ArpTimes {
  reachable_s: i32;
  keep_s: i32;
  down_s: i32;
  maxtries: i32;
}

let ar: ArpTimes = changetype<ArpTimes>(0);

export function arp_resolve_boot(): void {
  ar = changetype<ArpTimes>(kmem_alloc(offsetof<ArpTimes>(), 8, "arp"));
  ar.reachable_s = 60;
  ar.keep_s = 1200;
  ar.down_s = 10;
  ar.maxtries = 5;
  const base = changetype<usize>(ar);
  sysctl_int("net.arp.reachable", base + offsetof<ArpTimes>("reachable_s"), CTLFLAG_RW, 1, 86400);
  sysctl_int("net.arp.keep", base + offsetof<ArpTimes>("keep_s"), CTLFLAG_RW, 1, 86400);
  sysctl_int("net.arp.down", base + offsetof<ArpTimes>("down_s"), CTLFLAG_RW, 0, 3600);
  sysctl_int("net.arp.maxtries", base + offsetof<ArpTimes>("maxtries"), CTLFLAG_RW, 1, 20);
}

/** An entry for `addr` on `ifp`; see arp_create. */
export function arp_new(ifp: Ifnet, addr: u32, state: i32, needed: bool): Llentry {
  return arp_create(ifp, addr, state, needed, arp_timer);
}

// ── output ───────────────────────────────────────────────────────────────────────────────────────

/**
 * The hardware address (6 bytes) of `addr` on `ifp`, 0 if it is not known. `rt` (may be null), the route
 * there, remembers the entry.
 */
export function arp_resolve(ifp: Ifnet, addr: u32, rt: Rtentry): usize {
  let la = changetype<Llentry>(rt ? rt.rt_llinfo : 0);
  if (!la || !la_valid(la, ifp, addr)) {
    la = arp_find(ifp, addr);
    if (!la) return 0;
    if (rt) rt.rt_llinfo = changetype<usize>(la);
  }
  if (la.la_state < LA_STALE) return 0;
  la.la_used = 1;
  if (la.la_state == LA_STALE) arp_poll_begin(la);
  return la.la_mac;
}

/**
 * Let `m`, for `addr` on `ifp`, wait until its hardware address is known. Consumes m. 0, -EHOSTUNREACH
 * (lately nobody answered), -EADDRNOTAVAIL (we have no address to ask from), -ENOBUFS.
 */
export function arp_wait(ifp: Ifnet, addr: u32, m: Mbuf): i32 {
  let la = arp_find(ifp, addr);
  let e = 0;
  if (la && la.la_state == LA_FAILED) e = -EHOSTUNREACH;
  else if (!arp_hasaddr(ifp)) e = -EADDRNOTAVAIL;
  else if (!la) {
    la = arp_new(ifp, addr, LA_INCOMPLETE, true);
    if (!la) e = -ENOBUFS;
    else arp_ask(la);
  }
  if (e < 0) {
    m_freem(m);
    return e;
  }
  assert(la.la_state == LA_INCOMPLETE, "arp_wait: known");
  la_enqueue(la, m);
  return 0;
}

/** Ask everybody, and again in a second. */
function arp_ask(la: Llentry): void {
  const spa = arp_source(la.la_ifp, la.la_addr);
  // Without an address that is ours for certain the question waits for it.
  if (spa != 0) {
    la.la_tries++;
    la.la_asked_us = getmicrouptime();
    arp_request(la.la_ifp, spa, la.la_addr);
  }
  callout_schedule(la.la_timer, RETRY_US);
}

/** Ask the neighbour alone, and again in a second. */
function arp_poll(la: Llentry): void {
  const spa = arp_source(la.la_ifp, la.la_addr);
  la.la_tries++;
  la.la_asked_us = getmicrouptime();
  if (spa != 0) arp_send(la.la_ifp, ARPOP_REQUEST, spa, la.la_addr, la.la_mac);
  callout_schedule(la.la_timer, RETRY_US);
}

function arp_poll_begin(la: Llentry): void {
  arp_setstate(la, LA_PROBE);
  arp_poll(la);
}

// ── answers ──────────────────────────────────────────────────────────────────────────────────────

/** Is a reply about `la` that comes now the answer to a request of ours? */
export function arp_asked(la: Llentry): bool {
  return la.la_asked_us != 0 && getmicrouptime() - la.la_asked_us <= ANSWER_US;
}

/** `la` has answered, its address is at la_mac: what waited goes out. */
export function arp_reachable(la: Llentry): void {
  arp_setstate(la, LA_REACHABLE);
  la.la_asked_us = 0;
  la.la_used = 0;
  const half_us = <i64>ar.reachable_s * (SECOND_US / 2);
  callout_schedule(la.la_timer, half_us + ((half_us * <i64>cprng_uniform(65536)) >> 15));
  arp_flush(la);
}

/** The address at la_mac is likely but nobody has asked: good until used, then asked. */
export function arp_stale(la: Llentry): void {
  arp_setstate(la, LA_STALE);
  callout_schedule(la.la_timer, <i64>ar.keep_s * SECOND_US);
  if (la.la_nhold == 0) return;
  arp_flush(la);
  arp_poll_begin(la);
}

/** Send what waited. */
export function arp_flush(la: Llentry): void {
  for (let m = la_dequeue(la); m; m = la_dequeue(la)) {
    arpstat.dfrsent++;
    ether_frame(la.la_ifp, m, la.la_mac, ETHERTYPE_IP);
  }
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

/** Nobody answered: tell the senders, and refuse for a while. */
function arp_fail(la: Llentry): void {
  arpstat.timeouts++;
  arp_setstate(la, LA_FAILED);
  callout_schedule(la.la_timer, <i64>ar.down_s * SECOND_US);
  // Telling may send, and that may need entries: let go of this one first.
  let m = la_dequeueall(la);
  while (m) {
    const next = m.m_nextpkt;
    m.m_nextpkt = MNULL;
    arpstat.dfrdropped++;
    netisr_input(NETISR_IPUNREACH, m);
    m = next;
  }
}

/** The timer of an entry. */
function arp_timer(arg: usize): void {
  const la = changetype<Llentry>(arg);
  switch (la.la_state) {
    case LA_INCOMPLETE:
      if (la.la_tries >= ar.maxtries) arp_fail(la);
      else arp_ask(la);
      break;
    case LA_PROBE:
      if (la.la_tries < POLLS) {
        arp_poll(la);
      } else {
        arp_setstate(la, LA_INCOMPLETE);
        arp_ask(la);
      }
      break;
    case LA_REACHABLE:
      if (la.la_used != 0) arp_poll_begin(la);
      else arp_stale(la);
      break;
    default:
      arp_free(la);
  }
}
