/**
 * Multicast membership of sockets and interfaces (RFC 1112), and how multicast is sent.
 *
 *      mc_tab: {interface, group, sockets that joined, IGMP timer} × NETINET_MAXMCAST
 *      ms_tab: {socket, entry of mc_tab} × NETINET_MAXMEMBERSHIPS
 *
 * The first socket to join a group on an interface makes the interface hear it and IGMP report it; the
 * last one to leave ends both. 224.0.0.1 is always joined (RFC 1112 §7.2). Joining needs an interface:
 * the one whose address is given, else the route to the group, else the first that can multicast.
 */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENOPROTOOPT } from "../../kernel/abi/errno";
import {
  IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_IF, IP_MULTICAST_LOOP, IP_MULTICAST_TTL,
} from "../../kernel/abi/inet";
import { IFF_MULTICAST, IFF_UP, SIOCADDMULTI, SIOCDELMULTI } from "../../kernel/abi/if";
import { NETINET_MAXMCAST, NETINET_MAXMEMBERSHIPS } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Ifnet, if_byindex, if_count } from "../../kernel/net/ifnet";
import { M_LOOP, Mbuf } from "../../kernel/net/mbuf";
import { M_COPYALL } from "../../kernel/net/mbuf";
import { m_copym, m_makewritable } from "../../kernel/net/mbuf2";
import { NETISR_IP, netisr_queue } from "../../kernel/net/netisr";
import { PRCO_GETOPT } from "../../kernel/net/protosw";
import { Rtentry } from "../../kernel/net/route";
import { in_cksum_data } from "../../kernel/net/in_cksum";
import { igmp_joined, igmp_left } from "./igmp";
import { in_ifwithaddr, in_multicast } from "./in_ifaddr";
import { INP_MULTICAST_LOOP, Inpcb } from "./in_pcb";
import { sin_put } from "./in_pcb_user";
import { IP_DST, IP_SUM, ip_hl } from "./ip";
import { ip_finishcsum } from "./ip_output";
import { VNET_F_NEEDS_CSUM } from "../../kernel/net/mbuf";

/** A group that an interface hears. */
@unmanaged
export class InMulti {
  inm_ifp: Ifnet;
  inm_addr: u32;
  inm_refs: i32;
  /** IGMP (igmp.ts): report due at, µs of uptime, 0 none; reports still to repeat. */
  inm_report_us: i64;
  inm_repeat: i32;
  /** We were the last to report: a leave is due when we go. */
  inm_reporter: i32;
}

@unmanaged
class Membership {
  ms_inp: Inpcb;
  ms_multi: InMulti;
}

@unmanaged
class McastState {
  sa: usize;
  tab: usize;
  members: usize;
}

let mc: McastState = changetype<McastState>(0);
/** 224.0.0.1 as it lies in memory. */
const ALL_HOSTS: u32 = 0x010000e0;

export function in_mcast_boot(): void {
  mc = changetype<McastState>(kmem_alloc(offsetof<McastState>(), 8, "in_mcast"));
  mc.sa = kmem_alloc(16, 8, "in_mcast");
  mc.tab = kmem_alloc(<usize>NETINET_MAXMCAST * offsetof<InMulti>(), 64, "in_mcast");
  mc.members = kmem_alloc(<usize>NETINET_MAXMEMBERSHIPS * offsetof<Membership>(), 64, "in_mcast");
}

/** Entry `i` of the groups, used or not (inm_refs 0); null beyond the last. */
export function in_multi_at(i: i32): InMulti {
  if (i >= NETINET_MAXMCAST) return changetype<InMulti>(0);
  return changetype<InMulti>(mc.tab + <usize>i * offsetof<InMulti>());
}

function member_at(i: i32): Membership {
  return changetype<Membership>(mc.members + <usize>i * offsetof<Membership>());
}

function in_multi_find(ifp: Ifnet, group: u32): InMulti {
  for (let i = 0; i < NETINET_MAXMCAST; i++) {
    const inm = in_multi_at(i);
    if (inm.inm_refs > 0 && inm.inm_ifp == ifp && inm.inm_addr == group) return inm;
  }
  return changetype<InMulti>(0);
}

/** Does `ifp` hear `group`? */
export function in_mcast_member(ifp: Ifnet, group: u32): bool {
  if (group == ALL_HOSTS) return true;
  return changetype<usize>(ifp) != 0 && changetype<usize>(in_multi_find(ifp, group)) != 0;
}

/** Has socket `inp` joined `group` on `ifp`? For the delivery of datagrams. */
export function in_mcast_joined(inp: Inpcb, ifp: Ifnet, group: u32): bool {
  for (let i = 0; i < NETINET_MAXMEMBERSHIPS; i++) {
    const ms = member_at(i);
    if (ms.ms_inp == inp && ms.ms_multi.inm_addr == group && ms.ms_multi.inm_ifp == ifp) return true;
  }
  return false;
}

/** The interface that multicast of `inp` (may be null) goes out by; null if there is none. */
export function in_mcast_ifp(inp: Inpcb, rt: Rtentry): Ifnet {
  if (inp && inp.inp_mcif != 0) return in_ifwithaddr(inp.inp_mcif);
  if (rt && (rt.rt_ifp.if_flags & IFF_MULTICAST) != 0) return rt.rt_ifp;
  for (let i = 1; i <= if_count(); i++) {
    const ifp = if_byindex(i);
    if ((ifp.if_flags & (IFF_UP | IFF_MULTICAST)) == (IFF_UP | IFF_MULTICAST) && ifp.if_addrlist) return ifp;
  }
  return changetype<Ifnet>(0);
}

/** IP_MULTICAST_LOOP: members on this host get a copy of `m` (IP header first, its checksum missing). */
export function in_mcast_loop(m: Mbuf, inp: Inpcb, ifp: Ifnet, group: u32): void {
  if (inp && (inp.inp_flags & INP_MULTICAST_LOOP) == 0) return;
  if (!in_multi_find(ifp, group)) return;
  let n = m_copym(m, 0, M_COPYALL);
  if (n) n = m_makewritable(n, ip_hl(n.m_data));
  if (!n) return;
  if ((n.vh_flags & VNET_F_NEEDS_CSUM) != 0) {
    n = m_makewritable(n, <i32>n.vh_csum_start + <i32>n.vh_csum_offset + 2);
    if (!n) return;
    ip_finishcsum(n);
  }
  n.m_flags |= M_LOOP;
  // It comes back as if from the wire, but for a source that is ours: by no interface.
  n.ph_rcvif = ifp.if_index;
  store<u16>(n.m_data, 0, IP_SUM);
  store<u16>(n.m_data, <u16>in_cksum_data(n.m_data, ip_hl(n.m_data)), IP_SUM);
  assert(load<u32>(n.m_data, IP_DST) == group, "in_mcast_loop: destination");
  netisr_queue(NETISR_IP, n);
}

function in_addmulti(ifp: Ifnet, group: u32): InMulti {
  let inm = in_multi_find(ifp, group);
  if (inm) {
    inm.inm_refs++;
    return inm;
  }
  for (let i = 0; i < NETINET_MAXMCAST; i++) {
    inm = in_multi_at(i);
    if (inm.inm_refs != 0) continue;
    memory.fill(changetype<usize>(inm), 0, offsetof<InMulti>());
    inm.inm_ifp = ifp;
    inm.inm_addr = group;
    inm.inm_refs = 1;
    sin_put(mc.sa, group, 0);
    ifp.if_ioctl(SIOCADDMULTI, mc.sa);
    igmp_joined(inm);
    return inm;
  }
  return changetype<InMulti>(0);
}

function in_delmulti(inm: InMulti): void {
  if (--inm.inm_refs > 0) return;
  igmp_left(inm);
  sin_put(mc.sa, inm.inm_addr, 0);
  inm.inm_ifp.if_ioctl(SIOCDELMULTI, mc.sa);
}

/** IP_ADD_MEMBERSHIP: 0, -EINVAL, -EADDRNOTAVAIL, -EADDRINUSE (joined already), -ENOBUFS. */
function in_join(inp: Inpcb, group: u32, ifaddr: u32): i32 {
  if (!in_multicast(group)) return -EINVAL;
  const ifp = ifaddr != 0 ? in_ifwithaddr(ifaddr) : in_mcast_ifp(inp, changetype<Rtentry>(0));
  if (changetype<usize>(ifp) == 0 || (ifp.if_flags & IFF_MULTICAST) == 0) return -EADDRNOTAVAIL;
  if (in_mcast_joined(inp, ifp, group)) return -EADDRINUSE;
  for (let i = 0; i < NETINET_MAXMEMBERSHIPS; i++) {
    const ms = member_at(i);
    if (ms.ms_inp) continue;
    const inm = in_addmulti(ifp, group);
    if (!inm) return -ENOBUFS;
    ms.ms_inp = inp;
    ms.ms_multi = inm;
    return 0;
  }
  return -ENOBUFS;
}

function in_leave(inp: Inpcb, group: u32, ifaddr: u32): i32 {
  for (let i = 0; i < NETINET_MAXMEMBERSHIPS; i++) {
    const ms = member_at(i);
    if (ms.ms_inp != inp || ms.ms_multi.inm_addr != group) continue;
    if (ifaddr != 0 && in_ifwithaddr(ifaddr) != ms.ms_multi.inm_ifp) continue;
    ms.ms_inp = changetype<Inpcb>(0);
    in_delmulti(ms.ms_multi);
    return 0;
  }
  return -EADDRNOTAVAIL;
}

/** The socket is gone: it leaves everything. */
export function in_mcast_detach(inp: Inpcb): void {
  if (inp.inp_moptions == 0) return;
  for (let i = 0; i < NETINET_MAXMEMBERSHIPS; i++) {
    const ms = member_at(i);
    if (ms.ms_inp != inp) continue;
    ms.ms_inp = changetype<Inpcb>(0);
    in_delmulti(ms.ms_multi);
  }
}

/** The multicast options of level IPPROTO_IP; -ENOPROTOOPT for any other. */
export function in_mcast_ctloutput(inp: Inpcb, op: i32, opt: i32, buf: usize, len: i32): i32 {
  if (opt == IP_ADD_MEMBERSHIP || opt == IP_DROP_MEMBERSHIP) {
    if (op == PRCO_GETOPT || len < 8) return -EINVAL;
    inp.inp_moptions = 1;
    const join = opt == IP_ADD_MEMBERSHIP;
    return join ? in_join(inp, load<u32>(buf), load<u32>(buf, 4)) : in_leave(inp, load<u32>(buf), load<u32>(buf, 4));
  }
  if (opt != IP_MULTICAST_IF && opt != IP_MULTICAST_TTL && opt != IP_MULTICAST_LOOP) return -ENOPROTOOPT;
  // TTL and LOOP are bytes or ints, as all systems take them.
  const width = opt == IP_MULTICAST_IF || len >= 4 ? 4 : 1;
  if (len < width) return -EINVAL;
  if (op == PRCO_GETOPT) {
    const val = opt == IP_MULTICAST_IF ? inp.inp_mcif : opt == IP_MULTICAST_TTL ? <u32>inp.inp_mcttl
      : (inp.inp_flags & INP_MULTICAST_LOOP) != 0 ? 1 : 0;
    if (width == 4) store<u32>(buf, val);
    else store<u8>(buf, <u8>val);
    return width;
  }
  const val = width == 4 ? load<u32>(buf) : <u32>load<u8>(buf);
  if (opt == IP_MULTICAST_IF) {
    if (val != 0 && changetype<usize>(in_ifwithaddr(val)) == 0) return -EADDRNOTAVAIL;
    inp.inp_mcif = val;
  } else if (opt == IP_MULTICAST_TTL) {
    if (val > 255) return -EINVAL;
    inp.inp_mcttl = <u8>val;
  } else if (val != 0) inp.inp_flags |= INP_MULTICAST_LOOP;
  else inp.inp_flags &= ~INP_MULTICAST_LOOP;
  return 0;
}
