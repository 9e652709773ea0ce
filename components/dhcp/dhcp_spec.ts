/**
 * For the specs of dhcp: a wire, and a server on it that does what a spec says.
 *
 *      image ─ virt0 ─ if_start ─▶ frames kept (last DHCP message: sent_…)      serve() ─▶ if_receive
 *
 * The whole stack is underneath (netinet, route, ether), on a clock that pass() moves.
 */
import { AF_INET } from "../../kernel/abi/socket";
import { SYS_sysctlbyname } from "../../kernel/abi/syscall";
import { SIN_ADDR } from "../../kernel/abi/sockaddr";
import { callout_run } from "../../kernel/kern/callout";
import { clock_set, getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { kput_str } from "../../kernel/kern/kstring";
import { softint_run } from "../../kernel/kern/softint";
import { syscall } from "../../kernel/kern/syscall";
import { ifq_dequeue } from "../../kernel/net/ifq";
import { Ifnet, if_byindex, if_receive } from "../../kernel/net/ifnet";
import { m_freem } from "../../kernel/net/mbuf";
import { m_copydata } from "../../kernel/net/mbuf2";
import { m_devget } from "../../kernel/net/mbuf3";
import { in_cksum_data, in_cksum_fold, in_cksum_part, in_pseudo } from "../../kernel/net/in_cksum";
import { spec_net_boot } from "../../kernel/net/net_spec";
import { netinet_init } from "rump/domain_inet";
import { EtherIfnet, ether_ifattach, ether_init } from "rump/ether";
import { route_init } from "rump/route";
import { dhcp_init, dhcp_param } from "./dhcp";
import { DHCPACK, DHCPDISCOVER, DHCPOFFER, DHCP_MAGIC } from "./dhcp_msg";
import { DHS_BOUND, DHS_REQUESTING, dhcp_at } from "./dhcp_var";

class WireIf extends EtherIfnet {
  if_start(): void {
    for (let m = ifq_dequeue(this.if_snd); m; m = ifq_dequeue(this.if_snd)) {
      const n = min(m.ph_len, 2000);
      m_copydata(m, 0, n, frame);
      frame_taken(n);
      m_freem(m);
    }
  }
}

/** The frame that is being looked at; the last DHCP frame; text; what a server makes. */
let frame: usize = 0;
let last: usize = 0;
let text: usize = 0;
let out: usize = 0;
let outlen: i32 = 0;
let ndhcp: i32 = 0;
let narp: i32 = 0;
let lastlen: i32 = 0;

/** a.b.c.d as in a packet. */
export function ip4(a: u32, b: u32, c: u32, d: u32): u32 {
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** Everything up to a client for virt0, 02:00:00:00:00:01, off. */
export function wire_boot(): void {
  spec_net_boot();
  frame = kmem_alloc(2048, 8, "wire");
  last = kmem_alloc(2048, 8, "wire");
  out = kmem_alloc(2048, 8, "wire");
  text = kmem_alloc(65536, 8, "wire");
  ether_init();
  route_init();
  assert(netinet_init() == 0, "netinet_init");
  const ifp = kobj<WireIf>("wire");
  store<u64>(text, 0x010000000002);
  ether_ifattach(ifp, "virt", 0, text);
  assert(dhcp_init() == 0, "dhcp_init");
}

export function ifp0(): Ifnet {
  return if_byindex(1);
}

/** A frame was sent: keep DHCP, count ARP. */
function frame_taken(n: i32): void {
  const type = load<u16>(frame, 12);
  if (type == 0x0608) narp++;
  if (type != 0x0008 || load<u8>(frame, 14 + 9) != 17 || load<u16>(frame, 14 + 22) != 0x4300) return;
  memory.copy(last, frame, n);
  lastlen = n;
  ndhcp++;
}

/** DHCP messages, ARP packets sent since the last wire_clear. */
export function sent_count(): i32 {
  return ndhcp;
}
export function sent_arps(): i32 {
  return narp;
}
export function wire_clear(): void {
  ndhcp = 0;
  narp = 0;
}

/** The last DHCP message, its headers' addresses, whether its checksums are right, its options. */
export function sent_msg(): usize {
  return last + 42;
}
export function sent_src(): u32 {
  return load<u32>(last, 26);
}
export function sent_dst(): u32 {
  return load<u32>(last, 30);
}
export function sent_broadcast(): bool {
  return load<u32>(last) == 0xffffffff;
}
export function sent_sumsok(): bool {
  const ulen = <i32>bswap<u16>(load<u16>(last, 38));
  const sum = in_cksum_part(last + 34, ulen) + in_pseudo(sent_src(), sent_dst(), 17, ulen);
  return in_cksum_data(last + 14, 20) == 0 && in_cksum_fold(sum) == 0xffff && ulen + 34 == lastlen;
}
/** Address of option `opt`'s length byte, 0 if it is not there. */
export function sent_opt(opt: i32): usize {
  let p = last + 42 + 240;
  while (load<u8>(p) != 255) {
    if (<i32>load<u8>(p) == opt) return p + 1;
    p += load<u8>(p) == 0 ? 1 : 2 + <usize>load<u8>(p, 1);
  }
  return 0;
}
export function sent_type(): i32 {
  const p = sent_opt(53);
  return p == 0 ? 0 : load<u8>(p, 1);
}
/** Option `opt` as an address; 0 if it is not there. */
export function sent_addr(opt: i32): u32 {
  const p = sent_opt(opt);
  return p == 0 ? 0 : load<u32>(p, 1);
}

/** Let `us` pass. */
export function pass(us: i64): void {
  const end = getmicrouptime() + us;
  while (getmicrouptime() < end) {
    clock_set(min<i64>(end, getmicrouptime() + 50000) + 1000000);
    callout_run();
    softint_run(100);
  }
}

/** Let time pass until another DHCP message has been sent: how long it took; 0 if none was in `max_us`. */
export function until_sent(max_us: i64): i64 {
  const n = ndhcp;
  const began = getmicrouptime();
  while (ndhcp == n && getmicrouptime() - began < max_us) pass(50000);
  return ndhcp == n ? 0 : getmicrouptime() - began;
}

// ── the server ───────────────────────────────────────────────────────────────────────────────────

/** Begin message `type` from server 10.0.0.1 about `yiaddr`, in answer to the last one. */
export function reply(type: i32, yiaddr: u32): void {
  memory.fill(out, 0, 2048);
  const p = out + 42;
  store<u32>(p, 0x00060102);
  store<u32>(p, load<u32>(sent_msg(), 4), 4);
  store<u32>(p, yiaddr, 16);
  memory.copy(p + 28, sent_msg() + 28, 16);
  store<u32>(p, DHCP_MAGIC, 236);
  outlen = 240;
  opt_u8(53, type);
  opt_addr(54, ip4(10, 0, 0, 1));
}

/** Where the message is written, for specs that spoil it. */
export function reply_at(): usize {
  return out + 42;
}

export function opt_u8(opt: i32, v: i32): void {
  store<u8>(out + 42 + outlen, <u8>opt);
  store<u8>(out + 43 + outlen, 1);
  store<u8>(out + 44 + outlen, <u8>v);
  outlen += 3;
}
export function opt_addr(opt: i32, a: u32): void {
  store<u8>(out + 42 + outlen, <u8>opt);
  store<u8>(out + 43 + outlen, 4);
  store<u32>(out + 44 + outlen, a);
  outlen += 6;
}
export function opt_u32(opt: i32, v: u32): void {
  opt_addr(opt, bswap<u32>(v));
}
export function opt_text(opt: i32, s: string): void {
  store<u8>(out + 42 + outlen, <u8>opt);
  store<u8>(out + 43 + outlen, <u8>s.length);
  kput_str(out + 44 + outlen, out + 2000, s);
  outlen += 2 + s.length;
}

/** What a usual server says: /24, router 10.0.0.1, `lease` seconds. */
export function opt_usual(lease: u32): void {
  opt_addr(1, ip4(255, 255, 255, 0));
  opt_addr(3, ip4(10, 0, 0, 1));
  opt_u32(51, lease);
}

/** Send it, to our hardware address. */
export function serve(): void {
  store<u8>(out + 42 + outlen, 255);
  serve_bytes(outlen + 1);
}

/** Send the first `n` bytes of the message as they are. */
export function serve_bytes(n: i32): void {
  memory.copy(out, ifp0().if_lladdr, 6);
  store<u64>(out, 0x0008090000000002, 6);
  const ip = out + 14;
  memory.fill(ip, 0, 28);
  store<u8>(ip, 0x45);
  store<u16>(ip, bswap<u16>(<u16>(28 + n)), 2);
  store<u8>(ip, 64, 8);
  store<u8>(ip, 17, 9);
  store<u32>(ip, ip4(10, 0, 0, 1), 12);
  store<u32>(ip, 0xffffffff, 16);
  store<u16>(ip, <u16>in_cksum_data(ip, 20), 10);
  store<u32>(ip, 0x44004300, 20);
  store<u16>(ip, bswap<u16>(<u16>(8 + n)), 24);
  const sum = in_cksum_part(ip + 20, 8 + n) + in_pseudo(ip4(10, 0, 0, 1), 0xffffffff, 17, 8 + n);
  store<u16>(ip, <u16>(in_cksum_fold(sum) ^ 0xffff), 26);
  serve_frame(42 + n);
}

/** Send the frame of `n` bytes again as it lies there. */
export function serve_frame(n: i32): void {
  if_receive(ifp0(), m_devget(out, n, true));
}
export function frame_at(): usize {
  return out;
}

/** An ARP packet from host 02:00:00:00:00:09. */
export function arp_in(op: i32, spa: u32, tpa: u32): void {
  memory.fill(out, 0xff, 6);
  store<u64>(out, 0x0608090000000002, 6);
  store<u64>(out, 0x0000040600080100, 14);
  store<u16>(out, bswap<u16>(<u16>op), 20);
  memory.copy(out + 22, out + 6, 6);
  store<u32>(out, spa, 28);
  memory.fill(out + 32, 0, 6);
  store<u32>(out, tpa, 38);
  serve_frame(42);
}

// ── what has become of it ────────────────────────────────────────────────────────────────────────

/** The address of virt0, 0 for none. */
export function address(): u32 {
  for (let ifa = ifp0().if_addrlist; ifa; ifa = ifa.ifa_next) {
    if (ifa.ifa_family == AF_INET) return load<u32>(ifa.ifa_addr, SIN_ADDR);
  }
  return 0;
}

/** The text of sysctl `name`. */
export function ctl_text(name: string): string {
  const end = kput_str(text, text + 128, name);
  const n = syscall(SYS_sysctlbyname, <i32>text, <i32>(end - text), <i32>text + 1024, 31744, 0, 0);
  return n < 0 ? "error" : String.UTF8.decodeUnsafe(text + 1024, n);
}

/** Write `set` to sysctl `name`. */
export function ctl(name: string, set: string): i32 {
  const end = kput_str(text, text + 128, name);
  const val = kput_str(text + 128, text + 1024, set);
  return syscall(SYS_sysctlbyname, <i32>text, <i32>(end - text), 0, 0, <i32>text + 128, <i32>(val - text) - 128);
}

// ── whole exchanges ──────────────────────────────────────────────────────────────────────────────

/** The address that the server gives. */
export const OURS: u32 = 0x0700000a;

/** The client's state. */
export function state(): i32 {
  return dhcp_at(1).dh_state;
}

/** The image is started with parameter net.`name`=`value`: 0 or -errno. */
export function param(name: string, value: string): i32 {
  const eq = kput_str(text, text + 64, name);
  const end = kput_str(eq, text + 256, value);
  return dhcp_param(text, <i32>(eq - text), eq, <i32>(end - eq));
}

/** From nothing to the request for OURS; `how` is the parameter. */
export function request(how: string): void {
  assert(param("virt0", how) == 0, "request: parameter");
  until_sent(1000000);
  assert(sent_type() == DHCPDISCOVER, "request: no discover");
  reply(DHCPOFFER, OURS);
  opt_usual(3600);
  serve();
  assert(state() == DHS_REQUESTING, "request: state");
}

/** The acknowledgement of the last request, for `lease` seconds. */
export function acknowledge(lease: u32): void {
  reply(DHCPACK, OURS);
  opt_usual(lease);
  serve();
}

/** From nothing to an address for `lease` seconds, not probed. */
export function bind(lease: u32): void {
  request("inet,dhcp,noprobe");
  acknowledge(lease);
  assert(state() == DHS_BOUND && address() == OURS, "bind: state");
}
