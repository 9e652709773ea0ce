/**
 * For specs of netinet: the whole stack over an interface that keeps what it is given.
 *
 *      socket calls ─▶ netinet ─▶ SpecIf: packets counted, the last one copied to spec_out
 *      spec_in() ─▶ ip_input
 */
import { IFCAP_CSUM_TX, IFF_BROADCAST, IFF_MULTICAST, IFF_UP, IFT_OTHER } from "../../kernel/abi/if";
import { callout_run } from "../../kernel/kern/callout";
import { clock_set, clock_tohost, getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { softint_run } from "../../kernel/kern/softint";
import { Ifnet, if_attach, if_byindex } from "../../kernel/net/ifnet";
import { CSUM_DATA_OK, CSUM_IP_CHECKED, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_copydata } from "../../kernel/net/mbuf2";
import { m_devget } from "../../kernel/net/mbuf3";
import { spec_net_boot } from "../../kernel/net/net_spec";
import { NETISR_IP, netisr_input } from "../../kernel/net/netisr";
import { Rtentry } from "../../kernel/net/route";
import { route_init } from "rump/route";
import { in_ifaddr_add } from "./in_ifaddr";
import { netinet_init } from "./netinet";

/** The last packet sent, and its length; how many were. */
export let spec_out: usize = 0;
let outlen: i32 = 0;
let outcount: i32 = 0;

class SpecIf extends Ifnet {
  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    outcount++;
    outlen = min(m.ph_len, 65536);
    m_copydata(m, 0, outlen, spec_out);
    m_freem(m);
    return 0;
  }
  if_start(): void {}
}

/** a.b.c.d as in a packet. */
export function ip4(a: u32, b: u32, c: u32, d: u32): u32 {
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** The stack on 10.0.0.1/24, interface number 1. */
export function spec_netinet_boot(): void {
  spec_net_boot();
  spec_out = kmem_alloc(65536, 8, "spec");
  assert(route_init() == 0 && netinet_init() == 0, "spec: boot");
  const ifp = kobj<SpecIf>("spec");
  ifp.if_mtu = 1500;
  ifp.if_type = IFT_OTHER;
  ifp.if_flags = IFF_UP | IFF_BROADCAST | IFF_MULTICAST;
  ifp.if_capenable = IFCAP_CSUM_TX;
  if_attach(ifp, "spec", 0);
  assert(in_ifaddr_add(if_byindex(1), ip4(10, 0, 0, 1), 24) == 0, "spec: address");
}

export function spec_sent(): i32 {
  return outcount;
}

export function spec_outlen(): i32 {
  return outlen;
}

/** Packet of `len` bytes at `p` arrives, its checksums taken for right. */
export function spec_in(p: usize, len: i32): void {
  const m = m_devget(p, len, true);
  m.ph_rcvif = 1;
  m.ph_csum = CSUM_DATA_OK | CSUM_IP_CHECKED;
  netisr_input(NETISR_IP, m);
  softint_run(64);
}

/** Let `us` pass. */
export function spec_pass(us: i64): void {
  clock_set(clock_tohost(getmicrouptime() + us));
  callout_run();
  softint_run(64);
}
