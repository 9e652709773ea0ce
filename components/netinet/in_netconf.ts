/**
 * Addresses and interface control as text: at boot from parameters, at run time through sysctl.
 *
 *      parameter  net.virt0=inet,static,10.0.0.2/24[,10.0.0.1]      (run -W)
 *                 route.0=10.1.0.0/16,10.0.0.2                      (run -R)
 *      sysctl     net.interfaces         one line an interface, one an address; writing:
 *                 "virt0 add 10.0.0.2/24" "virt0 del 10.0.0.2" "virt0 up" "virt0 down"
 *
 * A method other than static (dhcp) is left to the component that implements it. A bad parameter ends
 * the boot with a log record that quotes it.
 */
import { EINVAL, ENXIO, ERANGE } from "../../kernel/abi/errno";
import { IFF_LOOPBACK, IFF_RUNNING, IFF_UP } from "../../kernel/abi/if";
import { AF_INET } from "../../kernel/abi/socket";
import { CTLFLAG_RW, LOG_ERR } from "../../kernel/abi/rump";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_bytes, kput_char, kput_hex, kput_str, kput_u32, kput_u64, kstr_eq } from "../../kernel/kern/kstring";
import { log_begin, log_bytes, log_end, log_int, log_str } from "../../kernel/kern/log";
import { param_at, param_count, param_len } from "../../kernel/kern/rumpuser";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { Ifnet, if_byindex, if_count, if_find, if_flags_change } from "../../kernel/net/ifnet";
import { RTF_GATEWAY, RTF_STATIC, RTF_UP, RTM_ADD, Rtinfo } from "../../kernel/net/route";
import { rtalloc4, rtrequest } from "rump/route";
import { ifa_in, in_ifaddr_add, in_ifaddr_del, in_ifaddr_of, in_mask } from "./in_ifaddr";

@unmanaged
class NetconfState {
  /** What in_parse found: address, prefix length (-1 none), characters read. */
  addr: u32;
  len: i32;
  ri: Rtinfo;
}

let nc: NetconfState = changetype<NetconfState>(0);

/** Parse "a.b.c.d" or "a.b.c.d/n", all of the `n` bytes at `p`. False if it is not that. */
function in_parse(p: usize, n: i32): bool {
  let addr: u32 = 0;
  let part: u32 = 0;
  let digits = 0;
  let parts = 0;
  let slash = false;
  nc.len = -1;
  for (let i = 0; i <= n; i++) {
    const c = i < n ? <i32>load<u8>(p + i) : -1;
    if (c >= 48 && c <= 57) {
      part = part * 10 + (c - 48);
      if (++digits > 3 || part > 255) return false;
      continue;
    }
    if (digits == 0) return false;
    if (slash) {
      if (c != -1 || part > 32) return false;
      nc.len = <i32>part;
    } else {
      if (parts > 3) return false;
      addr |= part << (parts << 3);
      parts++;
      slash = c == 47;
      if (c != -1 && (slash ? parts != 4 : c != 46)) return false;
    }
    part = 0;
    digits = 0;
  }
  nc.addr = addr;
  return parts == 4 && (!slash || nc.len >= 0);
}

/** Bytes up to the next `sep` or the end. */
function field_len(p: usize, n: i32, sep: i32): i32 {
  let i = 0;
  while (i < n && <i32>load<u8>(p + i) != sep) i++;
  return i;
}

/** Add a route to `dst`/`len` by gateway `gw`; 0 or -errno. */
function add_gateway(dst: u32, len: i32, gw: u32): i32 {
  const rt = rtalloc4(gw, 0, 0, 0);
  if (!rt || (rt.rt_flags & RTF_GATEWAY) != 0) return -EINVAL;
  const ri = nc.ri;
  memory.fill(changetype<usize>(ri), 0, offsetof<Rtinfo>());
  ri.ri_family = AF_INET;
  ri.ri_dst4 = dst & in_mask(len);
  ri.ri_prefixlen = len;
  ri.ri_gateway4 = gw;
  ri.ri_flags = RTF_UP | RTF_GATEWAY | RTF_STATIC;
  ri.ri_ifindex = rt.rt_ifp.if_index;
  ri.ri_src4 = in_ifaddr_of(rt.rt_ifp, gw);
  return rtrequest(RTM_ADD, ri);
}

/** One -W: interface `name`, "inet,static,ADDR/LEN[,GW]". 0, 1 (another method), or -errno. */
function conf_address(name: usize, namelen: i32, p: usize, n: i32): i32 {
  const ifp = if_find(name, namelen);
  if (changetype<usize>(ifp) == 0) return -ENXIO;
  let k = field_len(p, n, 44);
  if (!kstr_eq(p, k, "inet")) return -EINVAL;
  p += k + 1;
  n -= k + 1;
  k = field_len(p, n, 44);
  if (!kstr_eq(p, k, "static")) return kstr_eq(p, k, "dhcp") ? 1 : -EINVAL;
  p += k + 1;
  n -= k + 1;
  k = field_len(p, n, 44);
  if (!in_parse(p, k) || nc.len < 0) return -EINVAL;
  const e = in_ifaddr_add(ifp, nc.addr, nc.len);
  if (e < 0 || k >= n) return e;
  if (!in_parse(p + k + 1, n - k - 1)) return -EINVAL;
  return add_gateway(0, 0, nc.addr);
}

/** One -R: "DST/LEN,GW". */
function conf_route(p: usize, n: i32): i32 {
  const k = field_len(p, n, 44);
  if (k >= n || !in_parse(p, k)) return -EINVAL;
  const dst = nc.addr;
  const len = nc.len < 0 ? 32 : nc.len;
  return in_parse(p + k + 1, n - k - 1) ? add_gateway(dst, len, nc.addr) : -EINVAL;
}

/** Parameter `s` ("NAME=VALUE"): an address (`routes` false) or a route. 0 or -errno. */
function conf_param(s: usize, routes: bool): i32 {
  const n = param_len(s);
  const eq = field_len(s, n, 61);
  const prefix = routes ? 6 : 4;
  if (eq <= prefix || eq >= n || !kstr_eq(s, prefix, routes ? "route." : "net.")) return 0;
  const value = s + eq + 1;
  const len = n - eq - 1;
  const e = routes ? conf_route(value, len) : conf_address(s + prefix, eq - prefix, value, len);
  if (e >= 0) return 0;
  log_begin(LOG_ERR, "netinet");
  log_str("cannot configure ");
  log_bytes(s, n);
  log_str(": errno ");
  log_int(-e);
  log_end();
  return e;
}

/** Loopback first, then the parameters. 0 or -errno. */
export function in_netconf_boot(): i32 {
  nc = changetype<NetconfState>(kmem_alloc(offsetof<NetconfState>(), 8, "netconf"));
  nc.ri = changetype<Rtinfo>(kmem_alloc(offsetof<Rtinfo>(), 8, "netconf"));
  sysctl_fn("net.interfaces", netconf_interfaces, CTLFLAG_RW);
  for (let i = 1; i <= if_count(); i++) {
    const ifp = if_byindex(i);
    if ((ifp.if_flags & IFF_LOOPBACK) == 0) continue;
    const e = in_ifaddr_add(ifp, 0x0100007f, 8);
    if (e < 0) return e;
  }
  for (let i = 0; i < param_count(); i++) {
    const e = conf_param(param_at(i), false);
    if (e < 0) return e;
  }
  for (let i = 0; i < param_count(); i++) {
    const e = conf_param(param_at(i), true);
    if (e < 0) return e;
  }
  return 0;
}

/** An address as text. */
export function in_print(at: usize, end: usize, a: u32): usize {
  for (let i = 0; i < 4; i++) {
    if (i > 0) at = kput_char(at, end, 46);
    at = kput_u32(at, end, (a >> (i << 3)) & 255);
  }
  return at;
}

function put_count(at: usize, end: usize, name: string, v: u64): usize {
  return kput_u64(kput_str(at, end, name), end, v);
}

function put_interface(at: usize, end: usize, ifp: Ifnet): usize {
  at = kput_bytes(at, end, ifp.if_xname, ifp.if_namelen);
  at = kput_str(at, end, (ifp.if_flags & IFF_UP) != 0 ? " up" : " down");
  at = kput_str(at, end, (ifp.if_flags & IFF_RUNNING) != 0 ? " running" : " stopped");
  at = put_count(at, end, " mtu ", ifp.if_mtu);
  at = kput_str(at, end, " ether ");
  for (let i = 0; i < ifp.if_addrlen; i++) {
    if (i > 0) at = kput_char(at, end, 58);
    at = kput_hex(at, end, load<u8>(ifp.if_lladdr + i), 2);
  }
  if (ifp.if_addrlen == 0) at = kput_char(at, end, 45);
  at = put_count(at, end, " ipackets ", ifp.ifi_ipackets);
  at = put_count(at, end, " ierrors ", ifp.ifi_ierrors);
  at = put_count(at, end, " ibytes ", ifp.ifi_ibytes);
  at = put_count(at, end, " opackets ", ifp.ifi_opackets);
  at = put_count(at, end, " oerrors ", ifp.ifi_oerrors);
  at = put_count(at, end, " obytes ", ifp.ifi_obytes);
  at = put_count(at, end, " iqdrops ", ifp.ifi_iqdrops);
  at = put_count(at, end, " odrops ", ifp.if_snd.ifq_drops);
  at = put_count(at, end, " imcasts ", ifp.ifi_imcasts);
  at = put_count(at, end, " omcasts ", ifp.ifi_omcasts);
  at = put_count(at, end, " noproto ", ifp.ifi_noproto);
  at = kput_char(at, end, 10);
  for (let ifa = ifp.if_addrlist; ifa; ifa = ifa.ifa_next) {
    if (ifa.ifa_family != AF_INET) continue;
    at = in_print(kput_str(at, end, "  inet "), end, ifa_in(ifa));
    at = put_count(at, end, "/", ifa.ifa_prefixlen);
    at = kput_char(at, end, 10);
  }
  return at;
}

/** A command on one interface. */
function netconf_command(p: usize, n: i32): i32 {
  let k = field_len(p, n, 32);
  const ifp = if_find(p, k);
  if (changetype<usize>(ifp) == 0) return -ENXIO;
  if (k + 1 >= n) return -EINVAL;
  p += k + 1;
  n -= k + 1;
  k = field_len(p, n, 32);
  if (kstr_eq(p, n, "up")) if_flags_change(ifp, IFF_UP, 0);
  else if (kstr_eq(p, n, "down")) if_flags_change(ifp, 0, IFF_UP);
  else if (kstr_eq(p, k, "add") && in_parse(p + 4, n - 4) && nc.len > 0) return in_ifaddr_add(ifp, nc.addr, nc.len);
  else if (kstr_eq(p, k, "del") && in_parse(p + 4, n - 4)) return in_ifaddr_del(ifp, nc.addr);
  else return -EINVAL;
  return 0;
}

/** sysctl net.interfaces. */
export function netconf_interfaces(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen > 0) return netconf_command(newp, newlen);
  const end = buf + <usize>len;
  let at = buf;
  for (let i = 1; i <= if_count(); i++) at = put_interface(at, end, if_byindex(i));
  return at == end ? -ERANGE : <i32>(at - buf);
}
