/**
 * loop: lo0, the interface by which this host talks to itself.
 *
 *      ip_output ─▶ if_output ─▶ netisr queue ─softint─▶ ip_input        never input within output
 *
 * Nothing is copied and nothing computed: the packet that was sent is the packet that arrives, payload
 * still in the sender's clusters. Checksums are neither made (IFCAP_CSUM_TX) nor verified, and TCP hands
 * over up to 64 KiB at once (IFCAP_TSO4), which the receiver takes as one segment. The MTU is BSD's
 * 33192: two segments of it fill a 64 KiB socket buffer, so that the window keeps moving; with an MTU of
 * 64 KiB a buffer would hold less than two, and each would wait for the acknowledgement of the last.
 *
 * It has no IFF_MULTICAST: multicast without a route must find a wire, whatever the order of
 * interfaces; members on this host get their copy from IP (RFC 1112 §6.1).
 */
import { EAFNOSUPPORT, ENETDOWN, ENOBUFS } from "../../kernel/abi/errno";
import {
  IFCAP_CSUM_RX, IFCAP_CSUM_TX, IFCAP_SG, IFCAP_TSO4, IFF_LOOPBACK, IFF_RUNNING, IFF_UP, IFT_LOOP, LINK_STATE_UP,
} from "../../kernel/abi/if";
import { SA_FAMILY } from "../../kernel/abi/sockaddr";
import { AF_INET, AF_INET6 } from "../../kernel/abi/socket";
import { kobj } from "../../kernel/kern/kmem";
import { Ifnet, if_attach } from "../../kernel/net/ifnet";
import { CSUM_DATA_OK, CSUM_IP_CHECKED, M_LOOP, Mbuf, VNET_GSO_NONE, m_freem } from "../../kernel/net/mbuf";
import { NETISR_IP, NETISR_IPV6, netisr_queue } from "../../kernel/net/netisr";
import { Rtentry } from "../../kernel/net/route";

const LOMTU: i32 = 33192;

class LoopIfnet extends Ifnet {
  /** `m` is back again before anyone has looked. 0, -ENETDOWN, -EAFNOSUPPORT, -ENOBUFS (the queue is full). */
  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    const family = <i32>load<u8>(dst, SA_FAMILY);
    if ((this.if_flags & IFF_UP) == 0 || (family != AF_INET && family != AF_INET6)) {
      m_freem(m);
      return (this.if_flags & IFF_UP) == 0 ? -ENETDOWN : -EAFNOSUPPORT;
    }
    const len = m.ph_len;
    this.ifi_opackets++;
    this.ifi_obytes += len;
    if (this.if_tap != 0) call_indirect<void>(this.if_tap, this, m, 1, this.if_taparg);
    lo_received(m, this.if_index);
    if (!netisr_queue(family == AF_INET ? NETISR_IP : NETISR_IPV6, m)) {
      this.ifi_iqdrops++;
      return -ENOBUFS;
    }
    this.ifi_ipackets++;
    this.ifi_ibytes += len;
    return 0;
  }

  /** Nothing ever waits in if_snd. */
  if_start(): void {
    assert(this.if_snd.ifq_len == 0, "loop: a packet in the send queue");
  }
}

/** Make a packet as it was sent one as it is received. */
function lo_received(m: Mbuf, index: u16): void {
  m.m_flags |= M_LOOP;
  m.ph_rcvif = index;
  m.ph_csum = CSUM_IP_CHECKED | CSUM_DATA_OK;
  m.ph_hash = 0;
  // What was left to the device is done: nobody after this may do it again.
  m.vh_flags = 0;
  m.vh_gso_type = VNET_GSO_NONE;
  m.vh_gso_size = 0;
  m.vh_hdr_len = 0;
}

/** NET_IF phase: attach lo0. Whoever configures addresses gives it 127.0.0.1 and brings it up. 0. */
export function loop_attach(): i32 {
  const ifp = kobj<LoopIfnet>("loop");
  ifp.if_type = IFT_LOOP;
  ifp.if_mtu = LOMTU;
  ifp.if_flags = IFF_LOOPBACK | IFF_RUNNING;
  ifp.if_link_state = LINK_STATE_UP;
  ifp.if_capabilities = IFCAP_CSUM_TX | IFCAP_CSUM_RX | IFCAP_TSO4 | IFCAP_SG;
  ifp.if_capenable = ifp.if_capabilities;
  if_attach(ifp, "lo", 0);
  return 0;
}
