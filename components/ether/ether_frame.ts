/**
 * Ethernet frames (RFC 894, IEEE 802.3): the header, and putting it on.
 *
 *      | destination 6 | source 6 | type 2 | payload …          all of a group have bit 0 of byte 0 set
 *
 * The header goes into the room that protocols leave before their packet (MAX_LINKHDR), so it costs no
 * copy. Frames are not padded to 60 bytes: devices do that where a wire needs it.
 */
import { ENOBUFS } from "../../kernel/abi/errno";
import { Ifnet, if_transmit } from "../../kernel/net/ifnet";
import { Mbuf } from "../../kernel/net/mbuf";
import { m_prepend } from "../../kernel/net/mbuf2";
import { etherstat } from "./ether_stat";

export const ETHER_HDR_LEN: i32 = 14;
export const ETHER_ADDR_LEN: i32 = 6;
export const ETHER_SHOST: usize = 6;
export const ETHER_TYPE: usize = 12;

export const ETHERTYPE_IP: i32 = 0x0800;
export const ETHERTYPE_ARP: i32 = 0x0806;
export const ETHERTYPE_VLAN: i32 = 0x8100;
export const ETHERTYPE_QINQ: i32 = 0x88a8;
export const ETHERTYPE_IPV6: i32 = 0x86dd;
/** Smaller numbers are lengths (IEEE 802.3 §3.2.6). */
export const ETHERTYPE_MIN: i32 = 0x0600;

/** ff:ff:ff:ff:ff:ff */
const ETHER_BROADCAST: StaticArray<u8> = [255, 255, 255, 255, 255, 255, 0, 0];

/** Address of the 6 bytes of the broadcast address. */
export function ether_broadcast(): usize {
  return changetype<usize>(ETHER_BROADCAST);
}

/** Are the addresses at `a` and `b` the same? */
export function ether_eq(a: usize, b: usize): bool {
  return load<u32>(a) == load<u32>(b) && load<u16>(a, 4) == load<u16>(b, 4);
}

/** Copy an address. */
export function ether_copy(to: usize, from: usize): void {
  store<u32>(to, load<u32>(from));
  store<u16>(to, load<u16>(from, 4), 4);
}

/** Is the address at `a` that of a group (broadcast included)? */
export function ether_group(a: usize): bool {
  return (load<u8>(a) & 1) != 0;
}

/** Does the address at `a` say broadcast? */
export function ether_isbroadcast(a: usize): bool {
  return load<u32>(a) == 0xffffffff && load<u16>(a, 4) == 0xffff;
}

/** The multicast address of IPv4 group `group`, at `to`: 01:00:5e and its low 23 bits (RFC 1112 §6.4). */
export function ether_mapmulticast4(group: u32, to: usize): void {
  store<u8>(to, 0x01);
  store<u8>(to, 0x00, 1);
  store<u8>(to, 0x5e, 2);
  store<u8>(to, <u8>((group >> 8) & 0x7f), 3);
  store<u16>(to, <u16>(group >> 16), 4);
}

/** The multicast address of the IPv6 group at `group`, at `to`: 33:33 and its low 32 bits (RFC 2464 §7). */
export function ether_mapmulticast6(group: usize, to: usize): void {
  store<u16>(to, 0x3333);
  store<u32>(to, load<u32>(group, 12), 2);
}

/** Send `m` as a frame of `type` to the address at `mac`, from `ifp`'s own. Consumes m. 0 or -ENOBUFS. */
export function ether_frame(ifp: Ifnet, m0: Mbuf, mac: usize, type: i32): i32 {
  const m = m_prepend(m0, ETHER_HDR_LEN);
  if (!m) {
    etherstat.nobufs++;
    return -ENOBUFS;
  }
  const p = m.m_data;
  ether_copy(p, mac);
  ether_copy(p + ETHER_SHOST, ifp.if_lladdr);
  store<u16>(p, bswap<u16>(<u16>type), ETHER_TYPE);
  return if_transmit(ifp, m);
}
