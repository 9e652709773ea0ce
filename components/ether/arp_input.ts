/**
 * ARP, the answering side: a packet arrives (RFC 826, RFC 5227 §2.4).
 *
 *      check ─▶ claims our address? (arp_acd.ts) ─▶ update the sender's entry ─▶ about us? reply
 *
 * What is believed: the answer to our own request makes a neighbour reachable. Anything else updates an
 * entry that exists, as RFC 826 wants, but only to "stale": its first use asks the new address, so a
 * forged one is found out. Who asks for an address that is published (arp -s … pub), or that interface and
 * routing let us answer for (if_proxy: proxy ARP, RFC 1027), is answered in its place; probes (RFC 5227) and
 * announcements are not. An entry is created only by somebody on our network who asks for us; a reply
 * about a host that nobody asked for creates nothing. An address that changed a moment ago does not
 * change again for a second, and permanent entries never do.
 */
import { LOG_NOTICE, LOG_WARNING } from "../../kernel/abi/rump";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { log_begin, log_end, log_ether, log_ipv4, log_str } from "../../kernel/kern/log";
import { Ifaddr, Ifnet, if_proxy } from "../../kernel/net/ifnet";
import { M_BCAST, M_MCAST, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_pullup } from "../../kernel/net/mbuf2";
import { acd_input, acd_tentative } from "./arp_acd";
import { arp_islocal, arp_onlink } from "./arp_addr";
import {
  ARPOP_REPLY, ARPOP_REQUEST, ARP_LEN, ARP_SHA, ARP_SPA, ARP_TPA, arp_isipv4, arp_op, arp_send,
} from "./arp_packet";
import { arp_asked, arp_new, arp_reachable, arp_stale } from "./arp_resolve";
import { LA_PERMANENT, LA_STALE, Llentry, arp_find } from "./arp_table";
import { ether_copy, ether_eq, ether_group } from "./ether_frame";
import { arpstat } from "./ether_stat";

/** An address that changed does not change again for so long. */
const LOCK_US: i64 = 1000000;

@unmanaged
class ArpInput {
  /** The second of the last record about a changed address, and how many there were in it. */
  log_second: i64;
  log_count: i32;
}

let ai: ArpInput = changetype<ArpInput>(0);

export function arp_input_boot(): void {
  ai = changetype<ArpInput>(kmem_alloc(offsetof<ArpInput>(), 8, "arp"));
}

/** Say that `addr` is at `sha` now, or would like to be; five a second. */
function arp_log(level: i32, addr: u32, what: string, sha: usize): void {
  const second = getmicrouptime() / 1000000;
  if (second != ai.log_second) ai.log_count = 0;
  ai.log_second = second;
  if (++ai.log_count > 5) return;
  log_begin(level, "arp");
  log_ipv4(addr);
  log_str(what);
  log_ether(sha);
  log_end();
}

/** The packet contiguous and of our kind, or null (freed, counted). */
function arp_check(m0: Mbuf): Mbuf {
  arpstat.rcvtotal++;
  if (m0.ph_len < ARP_LEN) {
    arpstat.rcvbadlen++;
    m_freem(m0);
    return changetype<Mbuf>(0);
  }
  const m = m_pullup(m0, ARP_LEN);
  if (!m) return m;
  const op = arp_op(m.m_data);
  if (arp_isipv4(m.m_data) && (op == ARPOP_REQUEST || op == ARPOP_REPLY)) return m;
  arpstat.rcvbadproto++;
  m_freem(m);
  return changetype<Mbuf>(0);
}

/** Can a host have address `a`? 0, multicast, loopback, class E and broadcast: no. */
function arp_hostaddr(a: u32): bool {
  const first = a & 0xff;
  return first != 0 && first != 127 && first < 224;
}

/** A packet (Ethernet header gone, M_BCAST as it came) from `ifp`. Consumes it. */
export function arp_input(ifp: Ifnet, m0: Mbuf): void {
  const m = arp_check(m0);
  if (!m) return;
  const p = m.m_data;
  const op = arp_op(p);
  const sha = p + ARP_SHA;
  const spa = load<u32>(p, ARP_SPA);
  const tpa = load<u32>(p, ARP_TPA);
  if (op == ARPOP_REQUEST) arpstat.rcvrequest++;
  else arpstat.rcvreply++;
  if (ether_group(sha)) arpstat.rcvbcastsha++;
  else if (ether_eq(sha, ifp.if_lladdr)) arpstat.rcvlocalsha++;
  else if (spa != 0 && !arp_hostaddr(spa)) arpstat.rcvbadspa++;
  else if (!acd_input(ifp, op, sha, spa, tpa) && !arp_islocal(ifp, spa)) {
    const forus = arp_islocal(ifp, tpa) && !acd_tentative(ifp, tpa);
    const other = forus || op != ARPOP_REQUEST ? 0 : arp_answer_for(ifp, spa, tpa);
    if (spa != 0) arp_learn(ifp, spa, sha, op, forus || other != 0, (m.m_flags & (M_BCAST | M_MCAST)) == 0);
    if (forus && op == ARPOP_REQUEST) arp_send(ifp, ARPOP_REPLY, tpa, spa, sha);
    if (other != 0) {
      arpstat.sndproxy++;
      arp_send(ifp, ARPOP_REPLY, tpa, spa, sha, other);
    }
  }
  m_freem(m);
}

/** The hardware address that `spa` on `ifp` is told for `tpa`, which is not ours; 0: none. */
function arp_answer_for(ifp: Ifnet, spa: u32, tpa: u32): usize {
  if (spa == 0 || spa == tpa || !arp_hostaddr(tpa) || arp_islocal(ifp, tpa)) return 0;
  const la = arp_find(ifp, tpa);
  if (la && la.la_pub != 0 && la.la_state >= LA_STALE) return la.la_mac;
  return arp_onlink(ifp, spa, changetype<Ifaddr>(0)) && if_proxy(ifp, tpa, spa) ? ifp.if_lladdr : 0;
}

/** `spa` says that it is at `sha`. */
function arp_learn(ifp: Ifnet, spa: u32, sha: usize, op: i32, forus: bool, unicast: bool): void {
  let la = arp_find(ifp, spa);
  if (la) {
    arp_update(la, sha, op == ARPOP_REPLY && unicast && arp_asked(la));
    return;
  }
  if (op == ARPOP_REPLY) {
    arpstat.unsolicited++;
    return;
  }
  if (!forus || !arp_onlink(ifp, spa, changetype<Ifaddr>(0))) return;
  la = arp_new(ifp, spa, LA_STALE, false);
  if (!la) return;
  ether_copy(la.la_mac, sha);
  la.la_heard_us = getmicrouptime();
  arp_stale(la);
}

/** The neighbour of entry `la` is heard from, at `sha`; `answer`: because we asked. */
function arp_update(la: Llentry, sha: usize, answer: bool): void {
  const now = getmicrouptime();
  const known = la.la_state >= LA_STALE;
  const same = known && ether_eq(la.la_mac, sha);
  if (la.la_state == LA_PERMANENT) {
    if (same) return;
    arpstat.rcvoverperm++;
    arp_log(LOG_WARNING, la.la_addr, " is a permanent entry, refused to ", sha);
    return;
  }
  if (known && !same) {
    if (now - la.la_heard_us < LOCK_US) {
      arpstat.rcvoverlock++;
      return;
    }
    arpstat.rcvover++;
    arp_log(LOG_NOTICE, la.la_addr, " moved to ", sha);
  }
  ether_copy(la.la_mac, sha);
  if (answer) {
    la.la_heard_us = now;
    arp_reachable(la);
  } else if (!same) {
    la.la_heard_us = now;
    arp_stale(la);
  }
}
