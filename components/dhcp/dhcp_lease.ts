/**
 * What a lease does to the system: address, default route, MTU, and texts for sysctl.
 *
 * All of it is undone when the lease ends. What somebody else has set stays: an address that is there
 * already is used but not removed, a default route that is there is not replaced. A gateway that is not
 * on the network of the address (a /32, as some clouds have it) gets a host route first.
 */
import { EEXIST } from "../../kernel/abi/errno";
import { SIOCSIFMTU } from "../../kernel/abi/if";
import { AF_INET } from "../../kernel/abi/socket";
import { LOG_ERR, LOG_INFO } from "../../kernel/abi/rump";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_char } from "../../kernel/kern/kstring";
import { log_begin, log_bytes, log_end, log_int, log_ipv4, log_str } from "../../kernel/kern/log";
import { kput_ipv4 } from "../../kernel/net/in_text";
import { RTF_GATEWAY, RTF_STATIC, RTF_UP, RTM_ADD, RTM_DELETE, Rtinfo } from "../../kernel/net/route";
import { in_ifaddr_add, in_ifaddr_del, in_mask } from "rump/domain_inet";
import { rtrequest } from "rump/route";
import { DHCP_NAMELEN, Dhcp, Lease, lease_dns } from "./dhcp_var";

@unmanaged
class DhcpLease {
  ri: Rtinfo;
  mtu: i32;
}

let dl: DhcpLease = changetype<DhcpLease>(0);

export function dhcp_lease_boot(): void {
  dl = changetype<DhcpLease>(kmem_alloc(offsetof<DhcpLease>(), 8, "dhcp"));
  dl.ri = changetype<Rtinfo>(kmem_alloc(offsetof<Rtinfo>(), 8, "dhcp"));
}

/** Begin a record about `d`: "dhcp: virt0: …". */
export function dhcp_log(d: Dhcp, level: i32, what: string): void {
  log_begin(level, "dhcp");
  log_bytes(d.dh_ifp.if_xname, d.dh_ifp.if_namelen);
  log_str(": ");
  log_str(what);
}

/** A record of one text and, if it is not 0, an address. */
export function dhcp_say(d: Dhcp, what: string, addr: u32): void {
  dhcp_log(d, LOG_INFO, what);
  if (addr != 0) log_ipv4(addr);
  log_end();
}

// ── gateway ──────────────────────────────────────────────────────────────────────────────────────

function route(d: Dhcp, cmd: i32, dst: u32, len: i32, gw: u32): i32 {
  const ri = dl.ri;
  memory.fill(changetype<usize>(ri), 0, offsetof<Rtinfo>());
  ri.ri_family = AF_INET;
  ri.ri_dst4 = dst;
  ri.ri_prefixlen = len;
  ri.ri_gateway4 = gw;
  ri.ri_flags = RTF_UP | RTF_STATIC | (gw != 0 ? RTF_GATEWAY : 0);
  ri.ri_ifindex = d.dh_ifp.if_index;
  ri.ri_src4 = d.dh_lease.le_addr;
  return rtrequest(cmd, ri);
}

/** Is `gw` on the network of the lease? */
function onlink(le: Lease, gw: u32): bool {
  return ((gw ^ le.le_addr) & in_mask(le.le_prefixlen)) == 0;
}

function gateway_clear(d: Dhcp): void {
  if (d.dh_gateway == 0) return;
  route(d, RTM_DELETE, 0, 0, d.dh_gateway);
  if (!onlink(d.dh_lease, d.dh_gateway)) route(d, RTM_DELETE, d.dh_gateway, 32, 0);
  d.dh_gateway = 0;
}

function gateway_set(d: Dhcp): void {
  const gw = d.dh_lease.le_router;
  if (gw == d.dh_gateway) return;
  gateway_clear(d);
  if (gw == 0) return;
  if (!onlink(d.dh_lease, gw)) route(d, RTM_ADD, gw, 32, 0);
  const e = route(d, RTM_ADD, 0, 0, gw);
  if (e >= 0) {
    d.dh_gateway = gw;
    return;
  }
  if (!onlink(d.dh_lease, gw)) route(d, RTM_DELETE, gw, 32, 0);
  if (e == -EEXIST) return;
  dhcp_log(d, LOG_ERR, "no default route by ");
  log_ipv4(gw);
  log_str(": errno ");
  log_int(-e);
  log_end();
}

// ── MTU ──────────────────────────────────────────────────────────────────────────────────────────

function mtu_change(d: Dhcp, mtu: i32): bool {
  dl.mtu = mtu;
  return d.dh_ifp.if_ioctl(SIOCSIFMTU, changetype<usize>(dl) + offsetof<DhcpLease>("mtu")) >= 0;
}

/** RFC 2132 §5.1; a path where less than 576 fits is more likely a mistake or an attack. */
function mtu_set(d: Dhcp): void {
  const mtu = d.dh_lease.le_mtu;
  const old = d.dh_ifp.if_mtu;
  if (mtu < 576 || mtu >= old) return;
  if (mtu_change(d, mtu) && d.dh_oldmtu == 0) d.dh_oldmtu = old;
}

// ── the whole ────────────────────────────────────────────────────────────────────────────────────

function dns_text(d: Dhcp): void {
  const le = d.dh_lease;
  memory.fill(d.dh_dns, 0, DHCP_NAMELEN);
  let at = d.dh_dns;
  const end = at + DHCP_NAMELEN - 1;
  for (let i = 0; i < le.le_ndns; i++) {
    if (i > 0) at = kput_char(at, end, 32);
    at = kput_ipv4(at, end, load<u32>(lease_dns(le, i)));
  }
}

/** Put d.dh_lease to use, or what of it has changed. 0, or -errno if the address cannot be had. */
export function dhcp_configure(d: Dhcp): i32 {
  const le = d.dh_lease;
  if (d.dh_configured == 0) {
    const e = in_ifaddr_add(d.dh_ifp, le.le_addr, le.le_prefixlen);
    if (e < 0 && e != -EEXIST) return e;
    d.dh_configured = 1;
    d.dh_owned = e == 0 ? 1 : 0;
  }
  gateway_set(d);
  mtu_set(d);
  dns_text(d);
  return 0;
}

/** Undo it. */
export function dhcp_unconfigure(d: Dhcp): void {
  if (d.dh_configured == 0) return;
  gateway_clear(d);
  if (d.dh_owned != 0) in_ifaddr_del(d.dh_ifp, d.dh_lease.le_addr);
  if (d.dh_oldmtu != 0) mtu_change(d, d.dh_oldmtu);
  d.dh_oldmtu = 0;
  d.dh_configured = 0;
  memory.fill(d.dh_dns, 0, DHCP_NAMELEN);
  memory.fill(d.dh_domain, 0, DHCP_NAMELEN);
  memory.fill(d.dh_hostname, 0, DHCP_NAMELEN);
}
