/**
 * ARP packets (RFC 826): their layout, their checks, and sending one.
 *
 *      | 0 hw type 1 | 2 protocol 0x0800 | 4 lengths 6, 4 | 6 operation |
 *      | 8 sender: hardware 6 | 14 sender: IPv4 | 18 target: hardware 6 | 24 target: IPv4 |      28 bytes
 *
 * One function makes them all: a request asks everybody, or one host alone (RFC 1122 §2.3.2.1: a unicast
 * poll); a probe is a request from 0.0.0.0, an announcement one about oneself (RFC 5227 §1.1).
 */
import { ENOBUFS, ENETDOWN } from "../../kernel/abi/errno";
import { IFF_RUNNING, IFF_UP } from "../../kernel/abi/if";
import { Ifnet } from "../../kernel/net/ifnet";
import { MAX_LINKHDR, M_BCAST, m_gethdr } from "../../kernel/net/mbuf";
import { ETHERTYPE_ARP, ether_broadcast, ether_copy, ether_frame, ether_isbroadcast } from "./ether_frame";
import { arpstat } from "./ether_stat";

export const ARP_LEN: i32 = 28;
export const ARP_OP: usize = 6;
export const ARP_SHA: usize = 8;
export const ARP_SPA: usize = 14;
export const ARP_THA: usize = 18;
export const ARP_TPA: usize = 24;

export const ARPOP_REQUEST: i32 = 1;
export const ARPOP_REPLY: i32 = 2;

/** The first 6 bytes of every packet that concerns us, 00 01 08 00 06 04, as two loads see them. */
const HW_PROTO: u32 = 0x00080100;
const LENGTHS: u16 = 0x0406;

/** Is the packet at `p` (ARP_LEN bytes of it) about IPv4 on Ethernet? */
export function arp_isipv4(p: usize): bool {
  return load<u32>(p) == HW_PROTO && load<u16>(p, 4) == LENGTHS;
}

export function arp_op(p: usize): i32 {
  return <i32>bswap<u16>(load<u16>(p, ARP_OP));
}

/**
 * Send an ARP packet from `ifp` and `spa` about `tpa`, to the hardware address at `to`. A reply names
 * `to` as target; a request leaves it open. `sha`: the sender's hardware address if it is not that of
 * `ifp`. 0, -ENETDOWN, -ENOBUFS.
 */
export function arp_send(ifp: Ifnet, op: i32, spa: u32, tpa: u32, to: usize, sha: usize = 0): i32 {
  if ((ifp.if_flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING)) return -ENETDOWN;
  const m = m_gethdr(MAX_LINKHDR);
  if (!m) return -ENOBUFS;
  const p = m.m_data;
  store<u32>(p, HW_PROTO);
  store<u16>(p, LENGTHS, 4);
  store<u16>(p, bswap<u16>(<u16>op), ARP_OP);
  ether_copy(p + ARP_SHA, sha != 0 ? sha : ifp.if_lladdr);
  store<u32>(p, spa, ARP_SPA);
  if (op == ARPOP_REPLY) {
    ether_copy(p + ARP_THA, to);
  } else {
    store<u32>(p, 0, ARP_THA);
    store<u16>(p, 0, ARP_THA + 4);
  }
  store<u32>(p, tpa, ARP_TPA);
  m.m_len = ARP_LEN;
  m.ph_len = ARP_LEN;
  arpstat.sndtotal++;
  if (op == ARPOP_REPLY) arpstat.sndreply++;
  else arp_count(spa, tpa);
  if (ether_isbroadcast(to)) m.m_flags |= M_BCAST;
  return ether_frame(ifp, m, to, ETHERTYPE_ARP);
}

function arp_count(spa: u32, tpa: u32): void {
  arpstat.sndrequest++;
  if (spa == 0) arpstat.sndprobe++;
  else if (spa == tpa) arpstat.sndannounce++;
}

/** Ask everybody who has `tpa`. */
export function arp_request(ifp: Ifnet, spa: u32, tpa: u32): i32 {
  return arp_send(ifp, ARPOP_REQUEST, spa, tpa, ether_broadcast());
}
