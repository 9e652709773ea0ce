/**
 * IGMP, the host's side (RFC 2236 version 2, RFC 3376 version 3).
 *
 *      join: report at once, again within 10 s          query: report after a random delay
 *      version 2: another's report cancels ours         leave: if we reported last
 *      version 3: state-change records, never cancelled; falls back to 2 for 400 s after a version 2 query
 *
 * One callout scans the groups while a report is due: O(groups), tens. 224.0.0.1 is never reported.
 */
import { IPPROTO_IGMP } from "../../kernel/abi/inet";
import { CALLOUT_SIZE, Callout, callout_init, callout_schedule } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_uniform } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { in_cksum } from "../../kernel/net/in_cksum";
import { if_byindex } from "../../kernel/net/ifnet";
import { MAX_LINKHDR, Mbuf, m_freem, m_gethdr } from "../../kernel/net/mbuf";
import { m_prepend, m_pullup } from "../../kernel/net/mbuf2";
import { in_ifaddr_of } from "./in_ifaddr";
import { InMulti, in_multi_at } from "./in_mcast";
import { igmpstat } from "./in_stat";
import * as ip from "./ip";
import { ip_header, ip_send } from "./ip_output";
import { M_MCAST } from "../../kernel/net/mbuf";
import { Rtentry } from "../../kernel/net/route";

const IGMP_QUERY: i32 = 0x11;
const IGMP_V2_REPORT: i32 = 0x16;
const IGMP_V2_LEAVE: i32 = 0x17;
const IGMP_V3_REPORT: i32 = 0x22;
const MODE_IS_EXCLUDE: i32 = 2;
const CHANGE_TO_INCLUDE: i32 = 3;
const CHANGE_TO_EXCLUDE: i32 = 4;
const ALL_HOSTS: u32 = 0x010000e0;
const ALL_ROUTERS: u32 = 0x020000e0;
/** 224.0.0.22: where version 3 reports go. */
const ALL_IGMPV3: u32 = 0x160000e0;
const UNSOLICITED_US: u32 = 10000000;
const V2_PRESENT_US: i64 = 400000000;
/** Router alert (RFC 2113). */
const ROUTER_ALERT: u32 = 0x00000494;

@unmanaged
class IgmpState {
  callout: usize;
  v2_until_us: i64;
}

let ig: IgmpState = changetype<IgmpState>(0);

export function igmp_boot(): void {
  ig = changetype<IgmpState>(kmem_alloc(offsetof<IgmpState>(), 8, "igmp"));
  ig.callout = kmem_alloc(CALLOUT_SIZE, 8, "igmp");
  callout_init(changetype<Callout>(ig.callout), igmp_timeout, 0);
}

function igmp_v2(): bool {
  return getmicrouptime() < ig.v2_until_us;
}

/** Arm the callout for the earliest report that is due. */
function igmp_arm(): void {
  let next: i64 = 0;
  for (let i = 0; ; i++) {
    const inm = in_multi_at(i);
    if (!inm) break;
    if (inm.inm_refs > 0 && inm.inm_report_us != 0 && (next == 0 || inm.inm_report_us < next)) next = inm.inm_report_us;
  }
  if (next == 0) return;
  const us = next - getmicrouptime();
  callout_schedule(changetype<Callout>(ig.callout), us > 0 ? us : 1);
}

function igmp_timeout(arg: usize): void {
  const now = getmicrouptime();
  for (let i = 0; ; i++) {
    const inm = in_multi_at(i);
    if (!inm) break;
    if (inm.inm_refs == 0 || inm.inm_report_us == 0 || inm.inm_report_us > now) continue;
    inm.inm_report_us = 0;
    const change = inm.inm_repeat > 0;
    if (change && --inm.inm_repeat > 0) inm.inm_report_us = now + 1 + cprng_uniform(UNSOLICITED_US);
    igmp_report(inm, change ? CHANGE_TO_EXCLUDE : MODE_IS_EXCLUDE);
  }
  igmp_arm();
}

/** Send the IGMP message in `m` to `dst` with TTL 1 and router alert. */
function igmp_send(m0: Mbuf, inm: InMulti, dst: u32): void {
  store<u16>(m0.m_data, 0, 2);
  store<u16>(m0.m_data, <u16>in_cksum(m0, 0, m0.ph_len), 2);
  let m = m_prepend(m0, 4);
  if (!m) return;
  store<u32>(m.m_data, ROUTER_ALERT);
  m = m_prepend(m, ip.IP_HDRLEN);
  if (!m) return;
  ip_header(m, in_ifaddr_of(inm.inm_ifp, dst), dst, IPPROTO_IGMP, 1, 0xc0, 0);
  store<u8>(m.m_data, 0x46);
  m.m_flags |= M_MCAST;
  ip_send(m, inm.inm_ifp, changetype<Rtentry>(0), dst, inm.inm_ifp.if_mtu);
}

function igmp_report(inm: InMulti, record: i32): void {
  const v2 = igmp_v2();
  const m = m_gethdr(MAX_LINKHDR + ip.IP_HDRLEN + 4);
  if (!m) return;
  const p = m.m_data;
  m.m_len = v2 ? 8 : 16;
  m.ph_len = m.m_len;
  memory.fill(p, 0, m.m_len);
  let dst = inm.inm_addr;
  if (v2) {
    const leave = record == CHANGE_TO_INCLUDE;
    store<u8>(p, <u8>(leave ? IGMP_V2_LEAVE : IGMP_V2_REPORT));
    store<u32>(p, inm.inm_addr, 4);
    if (leave) dst = ALL_ROUTERS;
    else inm.inm_reporter = 1;
  } else {
    store<u8>(p, <u8>IGMP_V3_REPORT);
    store<u16>(p, 0x0100, 6);
    store<u8>(p, <u8>record, 8);
    store<u32>(p, inm.inm_addr, 12);
    dst = ALL_IGMPV3;
  }
  if (record == CHANGE_TO_INCLUDE) igmpstat.sndleaves++;
  else igmpstat.sndreports++;
  igmp_send(m, inm, dst);
}

/** The first socket joined. */
export function igmp_joined(inm: InMulti): void {
  if (inm.inm_addr == ALL_HOSTS) return;
  igmp_report(inm, CHANGE_TO_EXCLUDE);
  inm.inm_repeat = 1;
  inm.inm_report_us = getmicrouptime() + 1 + cprng_uniform(UNSOLICITED_US);
  igmp_arm();
}

/** The last socket left. */
export function igmp_left(inm: InMulti): void {
  inm.inm_report_us = 0;
  if (inm.inm_addr == ALL_HOSTS || (igmp_v2() && inm.inm_reporter == 0)) return;
  igmp_report(inm, CHANGE_TO_INCLUDE);
}

/** A query asks for `group` (0: all), answers within `max_us`. */
function igmp_query(ifindex: i32, group: u32, max_us: u32): void {
  const now = getmicrouptime();
  for (let i = 0; ; i++) {
    const inm = in_multi_at(i);
    if (!inm) break;
    if (inm.inm_refs == 0 || <i32>inm.inm_ifp.if_index != ifindex || inm.inm_addr == ALL_HOSTS) continue;
    if (group != 0 && inm.inm_addr != group) continue;
    const due = now + 1 + <i64>cprng_uniform(max_us);
    if (inm.inm_report_us == 0 || inm.inm_report_us > due) inm.inm_report_us = due;
  }
  igmp_arm();
}

/** IGMP message behind an IP header of `hlen` bytes. Consumes m. */
export function igmp_input(m0: Mbuf, hlen: i32): void {
  igmpstat.rcvtotal++;
  let m = m0;
  if (m.ph_len < hlen + 8) {
    igmpstat.rcvtooshort++;
    m_freem(m);
    return;
  }
  if (in_cksum(m, hlen, m.ph_len - hlen) != 0) {
    igmpstat.rcvbadsum++;
    m_freem(m);
    return;
  }
  m = m_pullup(m, hlen + 8);
  if (!m) return;
  const p = m.m_data + hlen;
  const type = <i32>load<u8>(p);
  const group = load<u32>(p, 4);
  if (type == IGMP_QUERY) {
    igmpstat.rcvqueries++;
    const v3 = m.ph_len - hlen >= 12;
    let tenths = <u32>load<u8>(p, 1);
    if (!v3) ig.v2_until_us = getmicrouptime() + V2_PRESENT_US;
    else if (tenths >= 128) tenths = ((tenths & 15) | 16) << (((tenths >> 4) & 7) + 3);
    igmp_query(m.ph_rcvif, group, tenths == 0 ? UNSOLICITED_US : tenths * 100000);
  } else if (type == IGMP_V2_REPORT) {
    igmpstat.rcvreports++;
    igmp_heard(m.ph_rcvif, group);
  }
  m_freem(m);
}

/** Another host reported `group`: in version 2 ours is not needed. */
function igmp_heard(ifindex: i32, group: u32): void {
  const ifp = if_byindex(ifindex);
  for (let i = 0; ; i++) {
    const inm = in_multi_at(i);
    if (!inm) break;
    if (inm.inm_refs == 0 || inm.inm_ifp != ifp || inm.inm_addr != group || !igmp_v2()) continue;
    igmpstat.rcvourreports++;
    inm.inm_report_us = 0;
    inm.inm_reporter = 0;
  }
}
