/**
 * A DHCP client's state: one for each interface, in a table by interface index.
 *
 *      INIT ─▶ SELECTING ─offer─▶ REQUESTING ─ack─▶ PROBING ─free─▶ BOUND ─T1─▶ RENEWING ─T2─▶ REBINDING
 *       ▲          (retransmit)        │ nak            │ taken        ▲            │ ack          │ ack
 *       └──────────────────────────────┴── decline ─────┘              └────────────┴──────────────┘
 *
 * RFC 2131 §4.4, figure 5, with the check of RFC 5227 between. Times are µs of uptime; what a server
 * says in seconds stays in seconds.
 */
import { NET_MAXIF } from "rump/tunables";
import { CALLOUT_SIZE, Callout } from "../../kernel/kern/callout";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kstat_table } from "../../kernel/kern/kstat";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { Ifnet } from "../../kernel/net/ifnet";

/** dh_state. */
export const DHS_OFF: i32 = 0;
export const DHS_INIT: i32 = 1;
export const DHS_SELECTING: i32 = 2;
export const DHS_REQUESTING: i32 = 3;
export const DHS_PROBING: i32 = 4;
export const DHS_BOUND: i32 = 5;
export const DHS_RENEWING: i32 = 6;
export const DHS_REBINDING: i32 = 7;
/** The address has been given back, but the message may still wait for the server's hardware address. */
export const DHS_RELEASING: i32 = 8;

/** A lease without end (RFC 2131 §3.3). */
export const LEASE_INFINITE: u32 = 0xffffffff;

/** Most name servers that are remembered, and bytes of a name (RFC 2132 §3.14, §3.17). */
export const DHCP_MAXDNS: i32 = 4;
export const DHCP_NAMELEN: i32 = 128;

/** What a server grants: of an offer, and of the lease in use. */
@unmanaged
export class Lease {
  le_addr: u32;
  le_prefixlen: i32;
  le_server: u32;
  le_router: u32;
  le_lease_s: u32;
  /** Renewal and rebinding times. */
  le_t1_s: u32;
  le_t2_s: u32;
  le_mtu: i32;
  le_ndns: i32;
  le_dns0: u32;
  le_dns1: u32;
  le_dns2: u32;
  le_dns3: u32;
}

@unmanaged
export class Dhcp {
  dh_ifp: Ifnet;
  dh_state: i32;
  /** Do not look whether the address is free before using it. */
  dh_noprobe: i32;
  /** The cable was pulled: the first requests for the lease that we hold follow each other sooner. */
  dh_verify: i32;
  dh_xid: u32;
  /** Messages sent in this state. */
  dh_tries: i32;
  /** When the exchange under way began, and when its last request was sent. */
  dh_began_us: i64;
  dh_asked_us: i64;
  /** When the lease was asked for: its times count from there (RFC 2131 §4.4.1). */
  dh_leased_us: i64;
  dh_lease: Lease;
  /** The address is on the interface; by us. The gateway that we set, 0 = none. The MTU before ours, 0 = as it was. */
  dh_configured: i32;
  dh_owned: i32;
  dh_gateway: u32;
  dh_oldmtu: i32;
  /** NUL-padded texts for sysctl: name servers, domain, host name. */
  dh_dns: usize;
  dh_domain: usize;
  dh_hostname: usize;
  dh_timer: Callout;
}

@unmanaged
export class DhcpStat {
  sent: u64;
  received: u64;
  discovers: u64;
  offers: u64;
  requests: u64;
  acks: u64;
  naks: u64;
  declines: u64;
  releases: u64;
  /** Malformed; not for us, not expected, or from another server. */
  bad: u64;
  ignored: u64;
  expired: u64;
  nobufs: u64;
}

const DHCPSTAT_NAMES = "sent received discovers offers requests acks naks declines releases bad ignored expired nobufs";

@unmanaged
class DhcpState {
  /** Dhcp by interface index, 0 = none; entry 0 stays 0. */
  tab: usize;
}

let ds: DhcpState = changetype<DhcpState>(0);
export let dhcpstat: DhcpStat = changetype<DhcpStat>(0);

/** Carve the table and the counters. Boot only. */
export function dhcp_var_boot(): void {
  ds = changetype<DhcpState>(kmem_alloc(offsetof<DhcpState>(), 8, "dhcp"));
  ds.tab = kmem_alloc((<usize>NET_MAXIF + 1) << 2, 8, "dhcp");
  dhcpstat = changetype<DhcpStat>(kmem_alloc(offsetof<DhcpStat>(), 8, "dhcp"));
  sysctl_fn("net.dhcp.stats", dhcpstat_read, 0);
}

/** The client of interface `index`, or null. */
export function dhcp_at(index: i32): Dhcp {
  return changetype<Dhcp>(load<usize>(ds.tab + (<usize>index << 2)));
}

/** A client for `ifp`, off. Boot only. */
export function dhcp_create(ifp: Ifnet): Dhcp {
  assert(!dhcp_at(ifp.if_index), "dhcp_create: twice");
  const d = changetype<Dhcp>(kmem_alloc(offsetof<Dhcp>(), 8, "dhcp"));
  d.dh_ifp = ifp;
  d.dh_lease = changetype<Lease>(kmem_alloc(offsetof<Lease>(), 8, "dhcp"));
  d.dh_timer = changetype<Callout>(kmem_alloc(CALLOUT_SIZE, 8, "dhcp"));
  d.dh_dns = kmem_alloc(DHCP_NAMELEN, 8, "dhcp");
  d.dh_domain = kmem_alloc(DHCP_NAMELEN, 8, "dhcp");
  d.dh_hostname = kmem_alloc(DHCP_NAMELEN, 8, "dhcp");
  store<usize>(ds.tab + (<usize>ifp.if_index << 2), changetype<usize>(d));
  return d;
}

/** Address of the i-th name server of `le`, a u32. */
export function lease_dns(le: Lease, i: i32): usize {
  return changetype<usize>(le) + offsetof<Lease>("le_dns0") + (<usize>i << 2);
}

function dhcpstat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, DHCPSTAT_NAMES, changetype<usize>(dhcpstat), <i32>(offsetof<DhcpStat>() >> 3));
}
