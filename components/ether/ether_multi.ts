/**
 * Which multicast frames an interface hears.
 *
 *      em_tab: {address 6 bytes, joins u16} × ETHER_MAXMULTI an interface
 *
 * Several groups may share an address (RFC 1112 §6.4), so joins are counted. A group that finds no room
 * makes the interface hear them all until it leaves. The filter is a scan: a host is in a few groups.
 */
import { EAFNOSUPPORT } from "../../kernel/abi/errno";
import { SA_FAMILY, SIN6_ADDR, SIN_ADDR } from "../../kernel/abi/sockaddr";
import { AF_INET, AF_INET6 } from "../../kernel/abi/socket";
import { ETHER_MAXMULTI } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { ether_copy, ether_eq, ether_mapmulticast4, ether_mapmulticast6 } from "./ether_frame";

/** What an interface hears. */
@unmanaged
export class EtherMulti {
  em_tab: usize;
  em_count: i32;
  /** Joins that found no room. */
  em_all: i32;
  /** The address being looked for. */
  em_mac: u64;
}

/** An empty filter. Boot only. */
export function ether_multi_create(): EtherMulti {
  const em = changetype<EtherMulti>(kmem_alloc(offsetof<EtherMulti>(), 8, "ether.multi"));
  em.em_tab = kmem_alloc(<usize>ETHER_MAXMULTI << 3, 8, "ether.multi");
  return em;
}

/** Entry of the address at `mac`, 0 if there is none. */
function em_find(em: EtherMulti, mac: usize): usize {
  const end = em.em_tab + (<usize>em.em_count << 3);
  for (let at = em.em_tab; at < end; at += 8) if (ether_eq(at, mac)) return at;
  return 0;
}

/** Does the interface hear the group at `mac`? */
export function ether_multi_hears(em: EtherMulti, mac: usize): bool {
  return em.em_all != 0 || em_find(em, mac) != 0;
}

/** Map the group of sockaddr `sa` to em_mac; its address, or 0 for a family without groups here. */
function em_map(em: EtherMulti, sa: usize): usize {
  const mac = changetype<usize>(em) + offsetof<EtherMulti>("em_mac");
  const family = <i32>load<u8>(sa, SA_FAMILY);
  if (family == AF_INET) ether_mapmulticast4(load<u32>(sa, SIN_ADDR), mac);
  else if (family == AF_INET6) ether_mapmulticast6(sa + SIN6_ADDR, mac);
  else return 0;
  return mac;
}

/** Hear the group of sockaddr `sa` from now on. 0 or -EAFNOSUPPORT. */
export function ether_addmulti(em: EtherMulti, sa: usize): i32 {
  const mac = em_map(em, sa);
  if (mac == 0) return -EAFNOSUPPORT;
  let at = em_find(em, mac);
  if (at == 0) {
    if (em.em_count >= ETHER_MAXMULTI) {
      em.em_all++;
      return 0;
    }
    at = em.em_tab + (<usize>em.em_count << 3);
    em.em_count++;
    ether_copy(at, mac);
    store<u16>(at, 0, 6);
  }
  store<u16>(at, load<u16>(at, 6) + 1, 6);
  return 0;
}

/** One fewer wants the group of sockaddr `sa`. 0 or -EAFNOSUPPORT. */
export function ether_delmulti(em: EtherMulti, sa: usize): i32 {
  const mac = em_map(em, sa);
  if (mac == 0) return -EAFNOSUPPORT;
  const at = em_find(em, mac);
  if (at == 0) {
    // It was one that found no room.
    assert(em.em_all > 0, "ether_delmulti: not joined");
    em.em_all--;
    return 0;
  }
  const joins = load<u16>(at, 6) - 1;
  store<u16>(at, joins, 6);
  if (joins > 0) return 0;
  em.em_count--;
  store<u64>(at, load<u64>(em.em_tab + (<usize>em.em_count << 3)));
  return 0;
}
