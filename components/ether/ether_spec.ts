/**
 * For the specs of ether: a wire of one's own.
 *
 *      spec0 ─ if_start ─▶ sent frames, kept as bytes (wire_at)        wire_frame … wire_in ─▶ if_receive
 *
 * Frames are written with little functions (arp, ip packets); time is moved by pass().
 */
import { IFF_UP } from "../../kernel/abi/if";
import { AF_INET } from "../../kernel/abi/socket";
import { SA_FAMILY, SIN_ADDR } from "../../kernel/abi/sockaddr";
import { SYS_sysctlbyname } from "../../kernel/abi/syscall";
import { callout_run } from "../../kernel/kern/callout";
import { clock_set, getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { kput_str } from "../../kernel/kern/kstring";
import { syscall } from "../../kernel/kern/syscall";
import { ifq_dequeue } from "../../kernel/net/ifq";
import { Ifaddr, Ifnet, if_byindex, if_flags_change, if_receive, ifa_alloc, ifa_free, ifa_insert, ifa_remove } from "../../kernel/net/ifnet";
import { MAX_LINKHDR, Mbuf, m_freem, m_gethdr } from "../../kernel/net/mbuf";
import { m_copydata } from "../../kernel/net/mbuf2";
import { m_devget } from "../../kernel/net/mbuf3";
import { spec_net_boot } from "../../kernel/net/net_spec";
import { Rtentry } from "../../kernel/net/route";
import { EtherIfnet, ether_ifattach, ether_init } from "./ether";

/** Frames that are kept; bytes of each. */
const WIRE_MAX: i32 = 64;
const WIRE_SLOT: usize = 2048;

class WireIf extends EtherIfnet {
  if_start(): void {
    for (let m = ifq_dequeue(this.if_snd); m; m = ifq_dequeue(this.if_snd)) {
      if (nsent < WIRE_MAX) {
        store<i32>(wire + <usize>nsent * WIRE_SLOT, m.ph_len);
        m_copydata(m, 0, min(m.ph_len, 2000), wire + <usize>nsent * WIRE_SLOT + 8);
        nsent++;
      }
      m_freem(m);
    }
  }
}

let wire: usize = 0;
let nsent: i32 = 0;
/** Text and sockaddrs. */
let text: usize = 0;
let sa: usize = 0;
/** Hardware addresses: ours, and of hosts 0, 1 … */
let macs: usize = 0;

/** a.b.c.d as in a packet. */
export function ip4(a: u32, b: u32, c: u32, d: u32): u32 {
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** Boot kernel, net, ether and interface spec0 with address 02:00:00:00:00:ff, up. */
export function wire_boot(): void {
  spec_net_boot();
  ether_init();
  wire = kmem_alloc(<usize>WIRE_MAX * WIRE_SLOT, 8, "wire");
  text = kmem_alloc(65536, 8, "wire");
  sa = kmem_alloc(32, 8, "wire");
  macs = kmem_alloc(256 * 8, 8, "wire");
  for (let i: usize = 0; i < 256; i++) {
    store<u8>(macs + (i << 3), 2);
    store<u8>(macs + (i << 3), <u8>i, 5);
  }
  const ifp = kobj<WireIf>("wire");
  ether_ifattach(ifp, "spec", 0, mac(255));
  if_flags_change(ifp, IFF_UP, 0);
}

/** The interface. */
export function ifp0(): Ifnet {
  return if_byindex(1);
}

/** Hardware address 02:00:00:00:00:i. */
export function mac(i: i32): usize {
  return macs + (<usize>i << 3);
}

/** Frames sent and not yet taken. */
export function wire_count(): i32 {
  return nsent;
}

/** Forget what was sent. */
export function wire_clear(): void {
  nsent = 0;
}

/** Frame `i` of those sent. */
export function wire_at(i: i32): usize {
  assert(i < nsent, "wire_at: not sent");
  return wire + <usize>i * WIRE_SLOT + 8;
}

export function wire_len(i: i32): i32 {
  return load<i32>(wire + <usize>i * WIRE_SLOT);
}

/** Let `us` pass. */
export function pass(us: i64): void {
  // In steps, so that what timers arm is armed at the time at which they fire.
  const end = getmicrouptime() + us;
  while (getmicrouptime() < end) {
    clock_set(min<i64>(end, getmicrouptime() + 50000) + 1000000);
    callout_run();
  }
}

/** The frame of `len` bytes at `p` arrives. */
export function wire_in(p: usize, len: i32): void {
  if_receive(ifp0(), m_devget(p, len, true));
}

/** An ARP packet from host `from` (hardware address number) arrives, sent to `to` (-1: broadcast). */
export function arp_in(op: i32, from: i32, spa: u32, tpa: u32, to: i32): void {
  const p = text + 32768;
  memory.fill(p, 0xff, 6);
  if (to >= 0) memory.copy(p, mac(to), 6);
  memory.copy(p + 6, mac(from), 6);
  store<u64>(p, 0x0406000801000608, 12);
  store<u16>(p, bswap<u16>(<u16>op), 20);
  memory.copy(p + 22, mac(from), 6);
  store<u32>(p, spa, 28);
  memory.fill(p + 32, 0, 6);
  store<u32>(p, tpa, 38);
  wire_in(p, 42);
}

/** Give spec0 an address. */
export function addr_add(addr: u32, len: i32): Ifaddr {
  const ifa = ifa_alloc(AF_INET);
  ifa.ifa_prefixlen = len;
  store<u8>(ifa.ifa_addr, <u8>AF_INET, SA_FAMILY);
  store<u32>(ifa.ifa_addr, addr, SIN_ADDR);
  ifa_insert(ifp0(), ifa);
  return ifa;
}

export function addr_del(ifa: Ifaddr): void {
  ifa_remove(ifa);
  ifa_free(ifa);
}

/** A packet of `len` bytes, the first of which is `tag`. */
export function packet(len: i32, tag: i32): Mbuf {
  const m = m_gethdr(MAX_LINKHDR);
  m.m_len = len;
  m.ph_len = len;
  memory.fill(m.m_data, 0, len);
  store<u8>(m.m_data, <u8>tag);
  return m;
}

/** if_output of a packet to next hop `dst`. */
export function output(m: Mbuf, dst: u32, rt: Rtentry): i32 {
  memory.fill(sa, 0, 16);
  store<u8>(sa, <u8>AF_INET, SA_FAMILY);
  store<u32>(sa, dst, SIN_ADDR);
  return ifp0().if_output(m, sa, rt);
}

/** sysctl `name`, `set` written to it if it is not empty: what it answers. */
export function ctl(name: string, set: string): i32 {
  const end = kput_str(text, text + 128, name);
  const val = kput_str(text + 128, text + 1024, set);
  return syscall(SYS_sysctlbyname, <i32>text, <i32>(end - text), <i32>text + 1024, 31744, <i32>text + 128, <i32>(val - text) - 128);
}

/** The same with a number. */
export function ctl_int(name: string, v: i32): i32 {
  const end = kput_str(text, text + 128, name);
  store<i32>(text, v, 128);
  return syscall(SYS_sysctlbyname, <i32>text, <i32>(end - text), 0, 0, <i32>text + 128, 4);
}

/** The text of sysctl `name`. */
export function ctl_text(name: string): string {
  return String.UTF8.decodeUnsafe(text + 1024, ctl(name, ""));
}

/** The operation of frame `i` of those sent, if it is ARP (1 request, 2 reply); else 0. */
export function sent_op(i: i32): i32 {
  const p = wire_at(i);
  return load<u16>(p, 12) == 0x0608 ? <i32>bswap<u16>(load<u16>(p, 20)) : 0;
}

export function sent_spa(i: i32): u32 {
  return load<u32>(wire_at(i), 28);
}

export function sent_tpa(i: i32): u32 {
  return load<u32>(wire_at(i), 38);
}

/** Was frame `i` sent to hardware address `to` (-1: broadcast)? */
export function sent_to(i: i32, to: i32): bool {
  const p = wire_at(i);
  if (to < 0) return load<u32>(p) == 0xffffffff && load<u16>(p, 4) == 0xffff;
  return memory.compare(p, mac(to), 6) == 0;
}
