/**
 * ipif: interfaces without a link layer, for tests of the protocols above it.
 *
 *      ip_output ─▶ if_output ─▶ if_snd ─▶ if_start: one piece, one hypercall ─▶ host
 *      host ─▶ interrupt ─▶ ipif_intr: fetch, one mbuf or cluster each ─▶ if_receive ─▶ netisr by version
 *
 * A conformance test speaks of segments, not of Ethernet: here a datagram is all that passes, whoever is
 * next hop. Nothing is offloaded (if_capabilities = 0): what comes out has its checksums and its final
 * size, what comes in is verified. Every datagram is copied once each way, which is cheap enough for
 * scripts and a harness, and keeps both sides simple.
 */
import { EAFNOSUPPORT, ENETDOWN, ENXIO } from "../../kernel/abi/errno";
import {
  IFF_BROADCAST, IFF_MULTICAST, IFF_NOARP, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_OTHER, LINK_STATE_UP,
} from "../../kernel/abi/if";
import { SA_FAMILY } from "../../kernel/abi/sockaddr";
import { AF_INET, AF_INET6 } from "../../kernel/abi/socket";
import { getmicrouptime } from "../../kernel/kern/clock";
import { intr_establish, intr_signal } from "../../kernel/kern/intr";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { Ifnet, if_attach, if_receive, if_transmit } from "../../kernel/net/ifnet";
import { ifq_dequeue } from "../../kernel/net/ifq";
import { MAX_LINKHDR, MCLBYTES, Mbuf, m_freem, m_getbig, m_getcl } from "../../kernel/net/mbuf";
import { m_copydata } from "../../kernel/net/mbuf2";
import { NETISR_IP, NETISR_IPV6, netisr_input } from "../../kernel/net/netisr";
import { Rtentry } from "../../kernel/net/route";
import { IPIF_MAXIF } from "rump/tunables";
import { IPIF_INTR, IPIF_MAXPACKET } from "./ipif.abi";
import { ipif_create, ipif_next, ipif_recv, ipif_send } from "./ipif.hyper";

/** Datagrams fetched before others have a turn. */
const RX_BUDGET: i32 = 64;

@unmanaged
class IpifState {
  /** IPIF_MAXPACKET bytes: the datagram that is being sent, in one piece. */
  tx: usize;
}

let ipifst: IpifState = changetype<IpifState>(0);

class IpIfnet extends Ifnet {
  ipif_unit: i32;

  /** 0, -ENETDOWN, -EAFNOSUPPORT, -ENOBUFS. There is nobody to resolve: `dst` and `rt` do not matter. */
  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    const family = <i32>load<u8>(dst, SA_FAMILY);
    const up = (this.if_flags & IFF_UP) != 0;
    if (up && (family == AF_INET || family == AF_INET6)) return if_transmit(this, m);
    m_freem(m);
    return up ? -EAFNOSUPPORT : -ENETDOWN;
  }

  if_start(): void {
    for (let m = ifq_dequeue(this.if_snd); m; m = ifq_dequeue(this.if_snd)) {
      const len = m.ph_len;
      assert(len > 0 && len <= IPIF_MAXPACKET, "ipif: length of a datagram");
      m_copydata(m, 0, len, ipifst.tx);
      m_freem(m);
      if (ipif_send(this.ipif_unit, ipifst.tx, len) < 0) this.ifi_oerrors++;
    }
  }

  /** The version says whose it is (RFC 791 §3.1, RFC 8200 §3). */
  if_input(m: Mbuf): void {
    const version = load<u8>(m.m_data) >> 4;
    if (version == 4) netisr_input(NETISR_IP, m);
    else if (version == 6) netisr_input(NETISR_IPV6, m);
    else {
      this.ifi_noproto++;
      m_freem(m);
    }
  }
}

/** Fetch the datagram of `len` bytes; null without memory (it is dropped then). */
function fetch(unit: i32, len: i32): Mbuf {
  const m = len <= MCLBYTES - MAX_LINKHDR ? m_getcl(MAX_LINKHDR) : m_getbig();
  if (!m) {
    ipif_recv(unit, 0, 0);
    return m;
  }
  const n = ipif_recv(unit, m.m_data, len);
  assert(n == len, "ipif: the datagram is not the one that was announced");
  m.m_len = len;
  m.ph_len = len;
  m.ph_tstamp = getmicrouptime();
  return m;
}

/** The host has datagrams for interface `arg`. */
function ipif_intr(arg: usize): void {
  const ifp = changetype<IpIfnet>(arg);
  const unit = ifp.ipif_unit;
  for (let budget = RX_BUDGET; budget > 0; budget--) {
    const len = ipif_next(unit);
    if (len == 0) return;
    assert(len > 0 && len <= IPIF_MAXPACKET, "ipif: announced length");
    const m = fetch(unit, len);
    if (m) if_receive(ifp, m);
    else ifp.ifi_iqdrops++;
  }
  if (ipif_next(unit) != 0) intr_signal(IPIF_INTR + unit);
}

/** NET_IF phase: the interfaces that the host has. 0 or -errno. */
export function ipif_attach(): i32 {
  ipifst = changetype<IpifState>(kmem_alloc(offsetof<IpifState>(), 8, "ipif"));
  ipifst.tx = kmem_alloc(<usize>IPIF_MAXPACKET + 1, 64, "ipif.tx");
  for (let unit = 0; unit < IPIF_MAXIF; unit++) {
    const mtu = ipif_create(unit);
    if (mtu == -ENXIO) continue;
    if (mtu < 0) return mtu;
    const ifp = kobj<IpIfnet>("ipif");
    ifp.ipif_unit = unit;
    ifp.if_type = IFT_OTHER;
    ifp.if_mtu = mtu;
    ifp.if_flags = IFF_BROADCAST | IFF_MULTICAST | IFF_NOARP | IFF_SIMPLEX | IFF_RUNNING;
    ifp.if_link_state = LINK_STATE_UP;
    if_attach(ifp, "ip", unit);
    intr_establish(IPIF_INTR + unit, ipif_intr, changetype<usize>(ifp));
  }
  return 0;
}
