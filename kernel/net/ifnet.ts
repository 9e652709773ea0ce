/**
 * Network interfaces: what the protocols know of a device, and the list of them.
 *
 *      Ifnet (abstract) ◀── the link layer's class (ether: if_output = ARP and header, if_input = demux)
 *         │                      ◀── the driver's class (virtif: if_start gives frames to the host)
 *         ├ if_addrlist ─▶ Ifaddr ─▶ Ifaddr        addresses, of all families
 *         └ if_snd        Ifqueue                  packets waiting for the device
 *
 *      out: ip_output ─▶ if_output(m, next hop, route) ─▶ if_transmit ─▶ if_snd ─▶ if_start
 *      in:  driver ─▶ if_input(m) ─▶ netisr_input(protocol)
 *
 * A driver declares in if_capabilities what its device does (checksums, segmentation, gathering) and
 * protocols look at if_capenable: a packet carries what is left to be done in its vh_* fields
 * (mbuf.ts). An interface lives as long as the image: it is made with kobj at boot. Packets name it by
 * index. Looking up by index is one load, by name or address linear: those are for the control path.
 */
import { ENOBUFS, ENOTTY } from "../abi/errno";
import { IFF_UP, IFNAMSIZ, LINK_STATE_UP } from "../abi/if";
import { SA_FAMILY } from "../abi/sockaddr";
import { NET_IFQLEN, NET_MAXIF, NET_MAXIFADDR } from "rump/tunables";
import { kmem_alloc } from "../kern/kmem";
import { kput_str, kput_u32 } from "../kern/kstring";
import { Pool, pool_getz, pool_init, pool_put } from "../kern/pool";
import { Ifqueue, ifq_enqueue } from "./ifq";
import { M_BCAST, M_MCAST, Mbuf, m_freem } from "./mbuf";
import { Rtentry } from "./route";

/** Bytes that an Ifaddr keeps for one sockaddr. */
export const IFA_SALEN: i32 = 32;

/** An address of an interface, with its network. */
@unmanaged
export class Ifaddr {
  ifa_next: Ifaddr;
  ifa_ifp: Ifnet;
  ifa_family: i32;
  ifa_prefixlen: i32;
  /** Free for the family (in_ifaddr: hash link, conflict detection state). */
  ifa_flags: u32;
  ifa_priv: usize;
  ifa_link: usize;
  /** Valid until, µs of uptime; 0 = for ever. */
  ifa_expire: i64;

  /** Addresses of sockaddrs of IFA_SALEN bytes: the address, the mask, broadcast or the other end. */
  @inline
  get ifa_addr(): usize {
    return changetype<usize>(this) + IFA_HDR;
  }
  @inline
  get ifa_netmask(): usize {
    return changetype<usize>(this) + IFA_HDR + IFA_SALEN;
  }
  @inline
  get ifa_dstaddr(): usize {
    return changetype<usize>(this) + IFA_HDR + 2 * IFA_SALEN;
  }
}

const IFA_HDR: usize = 48;

/** What if_hook_add functions are told. */
export const IFH_LINK: i32 = 1;
export const IFH_FLAGS: i32 = 2;
export const IFH_ADDR_ADD: i32 = 3;
export const IFH_ADDR_DEL: i32 = 4;

const IF_MAXHOOKS: u32 = 8;

export abstract class Ifnet {
  /** 1 and up; set by if_attach, as is the name (IFNAMSIZ bytes, ends in a NUL). */
  if_index: u16;
  if_namelen: i32;
  if_xname: usize;
  /** Address of the (at most 8) bytes of the link-layer address, if_addrlen of them. */
  if_lladdr: usize;
  if_addrlen: i32;
  if_hdrlen: i32;
  if_type: i32;
  if_flags: i32;
  if_mtu: i32;
  if_link_state: i32;
  /** IFCAP_*: what the device can do, and what of it is in use. */
  if_capabilities: i32;
  if_capenable: i32;
  /** Largest TCP payload in one packet with IFCAP_TSO*, bytes (0: 65535 less headers). */
  if_tsomax: i32;
  if_addrlist: Ifaddr;
  if_snd: Ifqueue;
  /** State of a family for this interface, by its own arrangement (inet, inet6, link). */
  if_inet: usize;
  if_inet6: usize;
  if_link: usize;
  /** Sees every packet: function (ifp, m, 0 = in | 1 = out, arg) => void; must not keep or change m. 0 = none. */
  if_tap: i32;
  if_taparg: usize;
  /* Counters, by the names of struct if_data. */
  ifi_ipackets: u64;
  ifi_ierrors: u64;
  ifi_ibytes: u64;
  ifi_imcasts: u64;
  ifi_iqdrops: u64;
  ifi_noproto: u64;
  ifi_opackets: u64;
  ifi_oerrors: u64;
  ifi_obytes: u64;
  ifi_omcasts: u64;

  /** Send network packet `m` to next hop `dst` (a sockaddr) by route `rt` (may be null). Consumes m. 0 or -errno. */
  abstract if_output(m: Mbuf, dst: usize, rt: Rtentry): i32;
  /** There are packets in if_snd: give the device what it takes. */
  abstract if_start(): void;
  /** A packet came in, link header first, ph_rcvif set. Consumes m. */
  if_input(m: Mbuf): void {
    this.ifi_noproto++;
    m_freem(m);
  }
  /** Control: SIOC* of abi/if.ts, `data` an address. 0 or -errno. */
  if_ioctl(cmd: i32, data: usize): i32 {
    return -ENOTTY;
  }
}

@unmanaged
class IfState {
  if_count: i32;
  /** Ifnet by index, NET_MAXIF + 1 words; entry 0 stays 0. */
  if_index: usize;
  ifa_pool: Pool;
  nhooks: u32;
  /** Function indexes of hooks. */
  hooks: usize;
  /** Function index of who decides on proxy ARP, 0 = nobody. */
  proxy: i32;
}

let ifst: IfState = changetype<IfState>(0);

/** Carve the table. Called once by net_init(). */
export function if_boot(): void {
  assert(offsetof<Ifaddr>() <= IFA_HDR, "ifnet: IFA_HDR");
  ifst = changetype<IfState>(kmem_alloc(offsetof<IfState>(), 64, "ifnet"));
  ifst.if_index = kmem_alloc((<usize>NET_MAXIF + 1) << 2, 64, "ifnet.index");
  ifst.hooks = kmem_alloc(<usize>IF_MAXHOOKS << 2, 4, "ifnet.hooks");
  ifst.ifa_pool = pool_init("ifaddr", <u32>(IFA_HDR + 3 * IFA_SALEN), NET_MAXIFADDR, 16);
}

/**
 * Take `ifp` (from kobj, its fields set) into the list as "<name><unit>", with an empty send queue.
 * Boot only. Its index.
 */
export function if_attach(ifp: Ifnet, name: string, unit: i32): i32 {
  assert(ifst.if_count < NET_MAXIF, "if_attach: raise NET_MAXIF");
  assert(ifp.if_mtu > 0, "if_attach: no MTU");
  const at = kmem_alloc(IFNAMSIZ, 8, "ifnet.name");
  const end = kput_u32(kput_str(at, at + IFNAMSIZ - 4, name), at + IFNAMSIZ - 1, unit);
  ifp.if_xname = at;
  ifp.if_namelen = <i32>(end - at);
  if (ifp.if_lladdr == 0) ifp.if_lladdr = kmem_alloc(8, 8, "ifnet.lladdr");
  ifp.if_snd = changetype<Ifqueue>(kmem_alloc(offsetof<Ifqueue>(), 8, "ifnet.snd"));
  ifp.if_snd.ifq_maxlen = NET_IFQLEN;
  ifp.if_index = <u16>++ifst.if_count;
  store<usize>(ifst.if_index + (<usize>ifp.if_index << 2), changetype<usize>(ifp));
  return ifp.if_index;
}

/** The interface of index `index`, or null (also for 0). */
export function if_byindex(index: i32): Ifnet {
  if (<u32>index > <u32>ifst.if_count) return changetype<Ifnet>(0);
  return changetype<Ifnet>(load<usize>(ifst.if_index + (<usize>index << 2)));
}

/** Number of interfaces: indexes 1 to this. */
export function if_count(): i32 {
  return ifst.if_count;
}

/** The interface whose name is the `len` bytes at `name`, or null. */
export function if_find(name: usize, len: i32): Ifnet {
  for (let i = 1; i <= ifst.if_count; i++) {
    const ifp = if_byindex(i);
    if (ifp.if_namelen == len && memory.compare(ifp.if_xname, name, len) == 0) return ifp;
  }
  return changetype<Ifnet>(0);
}

/**
 * Queue a complete link packet and start the device: what if_output of a link layer ends with. Counts.
 * 0, or -ENOBUFS when the queue was full (m is freed).
 */
export function if_transmit(ifp: Ifnet, m: Mbuf): i32 {
  const len = m.ph_len;
  const mcast = (m.m_flags & (M_MCAST | M_BCAST)) != 0;
  if (ifp.if_tap != 0) call_indirect<void>(ifp.if_tap, ifp, m, 1, ifp.if_taparg);
  if (!ifq_enqueue(ifp.if_snd, m)) {
    ifp.ifi_oerrors++;
    return -ENOBUFS;
  }
  ifp.ifi_opackets++;
  ifp.ifi_obytes += len;
  if (mcast) ifp.ifi_omcasts++;
  ifp.if_start();
  return 0;
}

/** What a driver calls with a packet from its device: counts, shows it to the tap, hands it up. */
export function if_receive(ifp: Ifnet, m: Mbuf): void {
  if ((ifp.if_flags & IFF_UP) == 0) {
    m_freem(m);
    return;
  }
  m.ph_rcvif = ifp.if_index;
  ifp.ifi_ipackets++;
  ifp.ifi_ibytes += m.ph_len;
  if (ifp.if_tap != 0) call_indirect<void>(ifp.if_tap, ifp, m, 0, ifp.if_taparg);
  ifp.if_input(m);
}

// ── hooks ────────────────────────────────────────────────────────────────────────────────────────

/** Call `fn(ifp, what, ifa)` when an interface or its addresses change: IFH_*. `ifa` may be 0. Boot only. */
export function if_hook_add(fn: (ifp: Ifnet, what: i32, ifa: usize) => void): void {
  assert(ifst.nhooks < IF_MAXHOOKS, "if_hook_add: too many");
  store<i32>(ifst.hooks + (<usize>ifst.nhooks << 2), fn.index);
  ifst.nhooks++;
}

/** `fn(ifp, target, asker)` says whether the link layer shall answer for `target`, IPv4 as in a packet. Boot only. */
export function if_proxy_set(fn: (ifp: Ifnet, target: u32, asker: u32) => bool): void {
  assert(ifst.proxy == 0, "if_proxy_set: taken");
  ifst.proxy = fn.index;
}

/** Shall `ifp` answer `asker` for `target`, which is not its own address? */
export function if_proxy(ifp: Ifnet, target: u32, asker: u32): bool {
  return ifst.proxy != 0 && call_indirect<bool>(ifst.proxy, ifp, target, asker);
}

function if_hook_run(ifp: Ifnet, what: i32, ifa: usize): void {
  for (let i: u32 = 0; i < ifst.nhooks; i++) {
    call_indirect<void>(load<i32>(ifst.hooks + (<usize>i << 2)), ifp, what, ifa);
  }
}

/** The device found its cable plugged or pulled: LINK_STATE_*. */
export function if_link_state_change(ifp: Ifnet, state: i32): void {
  if (ifp.if_link_state == state) return;
  ifp.if_link_state = state;
  if_hook_run(ifp, IFH_LINK, 0);
  if (state == LINK_STATE_UP && ifp.if_snd.ifq_len > 0) ifp.if_start();
}

/** Change IFF_* flags: `set` on, `clear` off; tells the hooks. */
export function if_flags_change(ifp: Ifnet, set: i32, clear: i32): void {
  const now = (ifp.if_flags & ~clear) | set;
  if (now == ifp.if_flags) return;
  ifp.if_flags = now;
  if_hook_run(ifp, IFH_FLAGS, 0);
}

// ── addresses ────────────────────────────────────────────────────────────────────────────────────

/** A zeroed Ifaddr of `family`; null when there is none. */
export function ifa_alloc(family: i32): Ifaddr {
  const ifa = changetype<Ifaddr>(pool_getz(ifst.ifa_pool));
  if (ifa) ifa.ifa_family = family;
  return ifa;
}

/** Give an Ifaddr back that is on no interface. */
export function ifa_free(ifa: Ifaddr): void {
  assert(changetype<usize>(ifa.ifa_ifp) == 0, "ifa_free: on an interface");
  pool_put(ifst.ifa_pool, changetype<usize>(ifa));
}

/** Put `ifa` at the end of the addresses of `ifp` and tell the hooks. */
export function ifa_insert(ifp: Ifnet, ifa: Ifaddr): void {
  assert(changetype<usize>(ifa.ifa_ifp) == 0, "ifa_insert: on an interface");
  ifa.ifa_ifp = ifp;
  ifa.ifa_next = changetype<Ifaddr>(0);
  if (!ifp.if_addrlist) ifp.if_addrlist = ifa;
  else {
    let last = ifp.if_addrlist;
    while (last.ifa_next) last = last.ifa_next;
    last.ifa_next = ifa;
  }
  if_hook_run(ifp, IFH_ADDR_ADD, changetype<usize>(ifa));
}

/** Take `ifa` off its interface, after telling the hooks. */
export function ifa_remove(ifa: Ifaddr): void {
  const ifp = ifa.ifa_ifp;
  if_hook_run(ifp, IFH_ADDR_DEL, changetype<usize>(ifa));
  if (ifp.if_addrlist == ifa) ifp.if_addrlist = ifa.ifa_next;
  else {
    let p = ifp.if_addrlist;
    while (p.ifa_next != ifa) p = p.ifa_next;
    p.ifa_next = ifa.ifa_next;
  }
  ifa.ifa_ifp = changetype<Ifnet>(0);
}

/** The address equal to the `len` bytes from `off` of sockaddr `sa`, on any interface, or null. Control path. */
export function ifa_ifwithaddr(sa: usize, off: i32, len: i32): Ifaddr {
  for (let i = 1; i <= ifst.if_count; i++) {
    for (let ifa = if_byindex(i).if_addrlist; ifa; ifa = ifa.ifa_next) {
      if (<u8>ifa.ifa_family != load<u8>(sa, SA_FAMILY)) continue;
      if (memory.compare(ifa.ifa_addr + off, sa + off, len) == 0) return ifa;
    }
  }
  return changetype<Ifaddr>(0);
}
