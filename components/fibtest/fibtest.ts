/**
 * fibtest: interfaces that swallow what they are given, for tests and benchmarks of routes.
 *
 *      exports ─▶ rtrequest, rtalloc4, the cache               (fibtest_exports.ts)
 *              ─▶ packets ─▶ netisr ─▶ ip_forward ─▶ sink0, sink1: counted and freed
 *
 * No part of an image that serves anybody: ROUTEBIG has it. Addresses to look up lie in an array in the image,
 * so that a loop over them measures look-ups and not calls from the host.
 */
import { IFF_BROADCAST, IFF_RUNNING, IFF_UP, IFT_OTHER } from "../../kernel/abi/if";
import { FIBTEST_ADDRESSES } from "rump/tunables";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { Ifnet, if_attach } from "../../kernel/net/ifnet";
import { Mbuf, m_freem } from "../../kernel/net/mbuf";
import { Rtentry, Rtinfo } from "../../kernel/net/route";

/** Takes every packet, counts it and where it was to go. */
export class SinkIf extends Ifnet {
  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    this.ifi_opackets++;
    this.ifi_obytes += m.ph_len;
    m_freem(m);
    return 0;
  }
  if_start(): void {}
}

@unmanaged
export class FibtestState {
  /** FIBTEST_ADDRESSES words: addresses, as in a packet. */
  addresses: usize;
  /** A packet of 28 bytes: IPv4 and UDP headers. */
  packet: usize;
  ri: Rtinfo;
  sink0: SinkIf;
  sink1: SinkIf;
}

export let fts: FibtestState = changetype<FibtestState>(0);

function sink(unit: i32): SinkIf {
  const ifp = kobj<SinkIf>("fibtest");
  ifp.if_mtu = 1500;
  ifp.if_type = IFT_OTHER;
  ifp.if_flags = IFF_UP | IFF_RUNNING | IFF_BROADCAST;
  if_attach(ifp, "sink", unit);
  return ifp;
}

/** NET_IF phase: sink0 and sink1. 0. */
export function fibtest_init(): i32 {
  fts = changetype<FibtestState>(kmem_alloc(offsetof<FibtestState>(), 8, "fibtest"));
  fts.addresses = kmem_alloc(<usize>FIBTEST_ADDRESSES << 2, 64, "fibtest");
  fts.packet = kmem_alloc(28, 8, "fibtest");
  fts.ri = changetype<Rtinfo>(kmem_alloc(offsetof<Rtinfo>(), 8, "fibtest"));
  fts.sink0 = sink(0);
  fts.sink1 = sink(1);
  return 0;
}
