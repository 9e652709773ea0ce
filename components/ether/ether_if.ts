/**
 * EtherIfnet: an interface that speaks Ethernet. Drivers extend it and add if_start.
 *
 *      if_output ─▶ MAC of the next hop: broadcast, a group's, ARP's ─▶ ether_frame ─▶ if_snd ─▶ if_start
 *      if_input  ─▶ header ─▶ for us? ─▶ filter ─▶ IP · ARP · IPv6 by type; the rest is counted
 *
 * Dropped: frames shorter than a header, with a group as their source, for another host, for a group
 * that nobody joined, with VLAN tags, 802.3 frames. In promiscuous mode everything reaches the tap
 * (if_receive), but still nothing that is not for us the protocols. What is broadcast comes back to this
 * host's own sockets, since the device does not hear itself (IFF_SIMPLEX).
 */
import { EAFNOSUPPORT, EINVAL, ENETDOWN, ENOTTY } from "../../kernel/abi/errno";
import {
  IFF_ALLMULTI, IFF_BROADCAST, IFF_MULTICAST, IFF_PROMISC, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_ETHER,
  SIOCADDMULTI, SIOCDELMULTI, SIOCSIFMTU,
} from "../../kernel/abi/if";
import { SA_FAMILY, SIN6_ADDR, SIN_ADDR } from "../../kernel/abi/sockaddr";
import { AF_INET, AF_INET6 } from "../../kernel/abi/socket";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Ifnet, if_attach } from "../../kernel/net/ifnet";
import {
  CSUM_DATA_OK, CSUM_IP_CHECKED, M_BCAST, M_COPYALL, M_LOOP, M_MCAST, Mbuf, VNET_GSO_NONE, m_freem,
} from "../../kernel/net/mbuf";
import { m_adj, m_copym, m_pullup } from "../../kernel/net/mbuf2";
import { NETISR_IP, NETISR_IPV6, netisr_input, netisr_queue } from "../../kernel/net/netisr";
import { Rtentry } from "../../kernel/net/route";
import { arp_input } from "./arp_input";
import { arp_resolve, arp_wait } from "./arp_resolve";
import * as eh from "./ether_frame";
import { EtherMulti, ether_addmulti, ether_delmulti, ether_multi_create, ether_multi_hears } from "./ether_multi";
import { etherstat } from "./ether_stat";

const ETHERMTU: i32 = 1500;
/** RFC 791 §3.2: no link may carry less. */
const ETHERMTU_MIN: i32 = 68;

export abstract class EtherIfnet extends Ifnet {
  /** Sees IPv4 packets before IP does: function (ifp: Ifnet, m: Mbuf) => bool, true if it took m. 0 = none. */
  ec_filter: i32;
  ec_multi: EtherMulti;
  /** What the device was attached with: SIOCSIFMTU cannot go beyond. */
  ec_maxmtu: i32;
  /** Scratch: a group's address. */
  ec_mac: usize;

  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    if ((this.if_flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING)) {
      m_freem(m);
      return -ENETDOWN;
    }
    const family = <i32>load<u8>(dst, SA_FAMILY);
    if (family == AF_INET) return ether_output4(this, m, load<u32>(dst, SIN_ADDR), rt);
    if (family == AF_INET6 && load<u8>(dst, SIN6_ADDR) == 0xff) {
      m.m_flags |= M_MCAST;
      eh.ether_mapmulticast6(dst + SIN6_ADDR, this.ec_mac);
      return eh.ether_frame(this, m, this.ec_mac, eh.ETHERTYPE_IPV6);
    }
    m_freem(m);
    return -EAFNOSUPPORT;
  }

  if_input(m0: Mbuf): void {
    const m = ether_accept(this, m0);
    if (!m) return;
    const type = <i32>bswap<u16>(load<u16>(m.m_data, eh.ETHER_TYPE));
    if (type == eh.ETHERTYPE_IP) {
      m_adj(m, eh.ETHER_HDR_LEN);
      if (this.ec_filter != 0 && call_indirect<bool>(this.ec_filter, this, m)) return;
      netisr_input(NETISR_IP, m);
    } else if (type == eh.ETHERTYPE_ARP) {
      m_adj(m, eh.ETHER_HDR_LEN);
      arp_input(this, m);
    } else if (type == eh.ETHERTYPE_IPV6) {
      m_adj(m, eh.ETHER_HDR_LEN);
      netisr_input(NETISR_IPV6, m);
    } else {
      if (type == eh.ETHERTYPE_VLAN || type == eh.ETHERTYPE_QINQ) etherstat.vlan++;
      else if (type < eh.ETHERTYPE_MIN) etherstat.llc++;
      else etherstat.noproto++;
      this.ifi_noproto++;
      m_freem(m);
    }
  }

  if_ioctl(cmd: i32, data: usize): i32 {
    if (cmd == SIOCADDMULTI) return ether_addmulti(this.ec_multi, data);
    if (cmd == SIOCDELMULTI) return ether_delmulti(this.ec_multi, data);
    if (cmd != SIOCSIFMTU) return -ENOTTY;
    const mtu = load<i32>(data);
    if (mtu < ETHERMTU_MIN || mtu > this.ec_maxmtu) return -EINVAL;
    this.if_mtu = mtu;
    return 0;
  }
}

/**
 * Attach driver object `ifp` as "<name><unit>" with the 6-byte address at `mac`: an Ethernet interface,
 * ready to run (IFF_RUNNING; a driver that is not clears it), not up. Its MTU is 1500 if it has none. Boot
 * only.
 */
export function ether_ifattach(ifp: EtherIfnet, name: string, unit: i32, mac: usize): void {
  assert(!eh.ether_group(mac), "ether_ifattach: the address of a group");
  ifp.if_type = IFT_ETHER;
  ifp.if_addrlen = eh.ETHER_ADDR_LEN;
  ifp.if_hdrlen = eh.ETHER_HDR_LEN;
  ifp.if_flags |= IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST | IFF_RUNNING;
  if (ifp.if_mtu == 0) ifp.if_mtu = ETHERMTU;
  ifp.ec_maxmtu = ifp.if_mtu;
  ifp.ec_multi = ether_multi_create();
  ifp.ec_mac = kmem_alloc(8, 8, "ether");
  if_attach(ifp, name, unit);
  eh.ether_copy(ifp.if_lladdr, mac);
}

/**
 * Let `fn(ifp, m)` see every IPv4 packet that comes in by Ethernet interface `ifp`, IP header first,
 * before IP does; it answers whether it took the packet. For protocols that work before there is an
 * address (DHCP). One function at a time.
 */
export function ether_filter_set(ifp: Ifnet, fn: (ifp: Ifnet, m: Mbuf) => bool): void {
  assert(ifp.if_type == IFT_ETHER, "ether_filter_set: not Ethernet");
  changetype<EtherIfnet>(ifp).ec_filter = fn.index;
}

/** No function sees them any more. */
export function ether_filter_clear(ifp: Ifnet): void {
  assert(ifp.if_type == IFT_ETHER, "ether_filter_clear: not Ethernet");
  changetype<EtherIfnet>(ifp).ec_filter = 0;
}

// ── output ───────────────────────────────────────────────────────────────────────────────────────

/** IPv4 packet `m` to next hop `addr`. */
function ether_output4(ifp: EtherIfnet, m: Mbuf, addr: u32, rt: Rtentry): i32 {
  if ((m.m_flags & M_BCAST) != 0) {
    if ((ifp.if_flags & IFF_SIMPLEX) != 0) ether_hearself(ifp, m);
    return eh.ether_frame(ifp, m, eh.ether_broadcast(), eh.ETHERTYPE_IP);
  }
  if ((addr & 0xf0) == 0xe0) {
    m.m_flags |= M_MCAST;
    eh.ether_mapmulticast4(addr, ifp.ec_mac);
    return eh.ether_frame(ifp, m, ifp.ec_mac, eh.ETHERTYPE_IP);
  }
  const mac = arp_resolve(ifp, addr, rt);
  if (mac == 0) return arp_wait(ifp, addr, m);
  return eh.ether_frame(ifp, m, mac, eh.ETHERTYPE_IP);
}

/** A copy of broadcast packet `m` for our own sockets; without memory there is none. */
function ether_hearself(ifp: EtherIfnet, m: Mbuf): void {
  if ((m.m_flags & M_LOOP) != 0) return;
  const n = m_copym(m, 0, M_COPYALL);
  if (!n) return;
  n.m_flags |= M_LOOP;
  n.ph_rcvif = ifp.if_index;
  n.ph_csum = CSUM_IP_CHECKED | CSUM_DATA_OK;
  n.vh_flags = 0;
  n.vh_gso_type = VNET_GSO_NONE;
  netisr_queue(NETISR_IP, n);
}

// ── input ────────────────────────────────────────────────────────────────────────────────────────

/** The frame with its header contiguous and M_BCAST, M_MCAST set, or null: not for us (freed, counted). */
function ether_accept(ifp: EtherIfnet, m0: Mbuf): Mbuf {
  if (m0.ph_len < eh.ETHER_HDR_LEN) {
    etherstat.runts++;
    ifp.ifi_ierrors++;
    m_freem(m0);
    return changetype<Mbuf>(0);
  }
  const m = m_pullup(m0, eh.ETHER_HDR_LEN);
  if (!m) {
    etherstat.nobufs++;
    ifp.ifi_iqdrops++;
    return m;
  }
  const p = m.m_data;
  if (eh.ether_group(p + eh.ETHER_SHOST)) {
    etherstat.badsource++;
    ifp.ifi_ierrors++;
  } else if (eh.ether_eq(p, ifp.if_lladdr)) {
    return m;
  } else if (eh.ether_isbroadcast(p)) {
    m.m_flags |= M_BCAST;
    return m;
  } else if (eh.ether_group(p)) {
    ifp.ifi_imcasts++;
    if (ether_hears(ifp, p)) {
      m.m_flags |= M_MCAST;
      return m;
    }
    etherstat.filtered++;
  } else if ((ifp.if_flags & IFF_PROMISC) == 0) {
    etherstat.notours++;
  }
  m_freem(m);
  return changetype<Mbuf>(0);
}

/** 01:00:5e:00:00:01, all hosts (RFC 1112 §7.2), is heard without being joined. */
function ether_hears(ifp: EtherIfnet, p: usize): bool {
  if ((ifp.if_flags & (IFF_ALLMULTI | IFF_PROMISC)) != 0) return true;
  if (load<u32>(p) == 0x005e0001 && load<u16>(p, 4) == 0x0100) return true;
  return ether_multi_hears(ifp.ec_multi, p);
}
