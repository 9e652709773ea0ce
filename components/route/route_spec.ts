/**
 * For the specs of route: interfaces with addresses, requests in one line, the table as text.
 */
import { IFF_BROADCAST, IFF_LOOPBACK, IFF_UP } from "../../kernel/abi/if";
import { AF_INET } from "../../kernel/abi/socket";
import { SA_FAMILY, SIN_ADDR } from "../../kernel/abi/sockaddr";
import { SYS_sysctlbyname } from "../../kernel/abi/syscall";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { kput_str } from "../../kernel/kern/kstring";
import { syscall } from "../../kernel/kern/syscall";
import { Ifaddr, Ifnet, if_attach, if_byindex, if_count, ifa_alloc, ifa_free, ifa_insert, ifa_remove } from "../../kernel/net/ifnet";
import { Mbuf, m_freem } from "../../kernel/net/mbuf";
import { SPEC_BUF_SIZE, spec_buf } from "../../kernel/net/net_spec";
import { RTF_BROADCAST, RTF_CONNECTED, RTF_LOCAL, RTM_ADD, RTM_DELETE, Rtentry, Rtinfo } from "../../kernel/net/route";
import { rtrequest } from "./route";
import { rt_mask } from "./fib_mask";

class SpecIf extends Ifnet {
  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    m_freem(m);
    return 0;
  }
  if_start(): void {}
}

/** a.b.c.d as in a packet. */
export function ip4(a: u32, b: u32, c: u32, d: u32): u32 {
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** lo0 (index 1), spec0 (2) and spec1 (3), up. */
export function spec_route_ifs(): void {
  for (let i = 0; i < 3; i++) {
    const ifp = kobj<SpecIf>("spec.if");
    ifp.if_mtu = 1500;
    ifp.if_flags = IFF_UP | (i == 0 ? IFF_LOOPBACK : IFF_BROADCAST);
    if_attach(ifp, i == 0 ? "lo" : "spec", i == 0 ? 0 : i - 1);
  }
}

export function spec_info(dst: u32, len: i32, flags: u32, gw: u32, ifindex: i32, src: u32, metric: i32 = 0): Rtinfo {
  const ri = changetype<Rtinfo>(spec_buf);
  memory.fill(spec_buf, 0, offsetof<Rtinfo>());
  ri.ri_family = AF_INET;
  ri.ri_dst4 = dst;
  ri.ri_prefixlen = len;
  ri.ri_flags = flags;
  ri.ri_gateway4 = gw;
  ri.ri_ifindex = ifindex;
  ri.ri_src4 = src;
  ri.ri_metric = metric;
  return ri;
}

/** The routes of an address, as netinet makes and removes them. */
function spec_addr_routes(cmd: i32, index: i32, addr: u32, len: i32): void {
  const mask = rt_mask(len);
  rtrequest(cmd, spec_info(addr, 32, RTF_LOCAL, 0, 1, addr));
  rtrequest(cmd, spec_info(addr & mask, len, RTF_CONNECTED, 0, index, addr));
  rtrequest(cmd, spec_info(addr | ~mask, 32, RTF_BROADCAST, 0, index, addr));
}

/** Give interface `index` an address, with its routes. */
export function spec_addr_add(index: i32, addr: u32, len: i32): Ifaddr {
  const ifa = ifa_alloc(AF_INET);
  ifa.ifa_prefixlen = len;
  store<u8>(ifa.ifa_addr, <u8>AF_INET, SA_FAMILY);
  store<u32>(ifa.ifa_addr, addr, SIN_ADDR);
  ifa_insert(if_byindex(index), ifa);
  spec_addr_routes(RTM_ADD, index, addr, len);
  return ifa;
}

/** Take it away again. */
export function spec_addr_del(ifa: Ifaddr): void {
  spec_addr_routes(RTM_DELETE, ifa.ifa_ifp.if_index, load<u32>(ifa.ifa_addr, SIN_ADDR), ifa.ifa_prefixlen);
  ifa_remove(ifa);
  ifa_free(ifa);
}

/** Everything that interfaces have, gone. */
export function spec_addr_clear(): void {
  for (let i = 1; i <= if_count(); i++) {
    while (if_byindex(i).if_addrlist) spec_addr_del(if_byindex(i).if_addrlist);
  }
}

/** Sysctl `node` with `text` written and room for an answer of `room` bytes at spec_answer. Its length, or -errno. */
function spec_sysctl(node: string, text: string, room: i32): i32 {
  const name = kput_str(spec_buf + 256, spec_buf + 512, node);
  const end = kput_str(spec_buf + 512, spec_buf + 4096, text);
  const n = <i32>(end - spec_buf) - 512;
  return syscall(SYS_sysctlbyname, <i32>spec_buf + 256, <i32>(name - spec_buf) - 256, room == 0 ? 0 : <i32>spec_buf + 4096, room,
    n == 0 ? 0 : <i32>spec_buf + 512, n);
}

/** Write `text` to sysctl net.route.table: 0 or -errno. */
export function spec_route(text: string): i32 {
  return spec_sysctl("net.route.table", text, 0);
}

/** Write `text` to sysctl net.route.rules: 0 or -errno. */
export function spec_rule(text: string): i32 {
  return spec_sysctl("net.route.rules", text, 0);
}

/** What sysctl `node` answers to `question`; "-N" for -errno. */
export function spec_ask(node: string, question: string): string {
  const n = spec_sysctl(node, question, <i32>SPEC_BUF_SIZE - 4096);
  return n < 0 ? n.toString() : String.UTF8.decodeUnsafe(spec_buf + 4096, n);
}

/** The tables as text. */
export function spec_table(): string {
  return spec_ask("net.route.table", "");
}

/** The rules as text. */
export function spec_rules(): string {
  return spec_ask("net.route.rules", "");
}

/** Room for a model of the table. */
export function spec_alloc(n: usize): usize {
  return kmem_alloc(n, 8, "spec.model");
}
