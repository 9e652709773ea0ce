/**
 * virtif: Ethernet interfaces virt0, virt1 … on network devices of the host.
 *
 *      if_snd ─▶ if_start ─▶ virtif_tx.ts: one hypercall a frame, pieces by reference ─▶ host
 *      host ─▶ ring of receive buffers ─▶ virtif_rx.ts ─▶ if_receive
 *
 * At boot each unit asks the host for its device (virtif_create): there are as many interfaces as the
 * host has devices for. The device says what it can do in IFCAP_* bits, all of which is put to use; a
 * tunnel device of Linux or a hub between instances then carries 64 KiB packets without a checksum ever
 * being computed. One interrupt stands for everything: frames that have come in, room to send again, a
 * cable plugged or pulled.
 */
import { ENOMEM, ENXIO } from "../../kernel/abi/errno";
import { IFCAP_LRO, IFF_OACTIVE, LINK_STATE_UNKNOWN, LINK_STATE_UP } from "../../kernel/abi/if";
import { INTR_NETIF, LOG_ERR, RING_NETIF } from "../../kernel/abi/rump";
import { intr_establish, intr_signal } from "../../kernel/kern/intr";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { log_begin, log_end, log_str } from "../../kernel/kern/log";
import { ring_register } from "../../kernel/kern/ring";
import { if_link_state_change } from "../../kernel/net/ifnet";
import { EtherIfnet, ether_ifattach } from "rump/ether";
import { VIRTIF_MAXIF, VIRTIF_RXBUFS, VIRTIF_RXBUFS_LRO } from "rump/tunables";
import {
  VIRTIF_INFO_CAPS, VIRTIF_INFO_MAC, VIRTIF_INFO_MTU, VIRTIF_INFO_SIZE, VIRTIF_INFO_TSOMAX, VIRTIF_RX_LINK,
} from "./virtif.abi";
import { virtif_create, virtif_open } from "./virtif.hyper";
import { VirtifRx, virtif_rx_create, virtif_rxeof } from "./virtif_rx";
import { virtif_stat_boot } from "./virtif_stat";
import { virtif_transmit, virtif_tx_boot } from "./virtif_tx";

class VirtIfnet extends EtherIfnet {
  vif_unit: i32;
  vif_rx: VirtifRx;

  if_start(): void {
    virtif_transmit(this, this.vif_unit);
  }
}

/** The host signals interface `arg`: link, room to send, frames. */
function virtif_intr(arg: usize): void {
  const ifp = changetype<VirtIfnet>(arg);
  const link = load<i32>(ifp.vif_rx.rx_ring, VIRTIF_RX_LINK);
  if (link != LINK_STATE_UNKNOWN) if_link_state_change(ifp, link);
  if ((ifp.if_flags & IFF_OACTIVE) != 0) {
    ifp.if_flags &= ~IFF_OACTIVE;
    virtif_transmit(ifp, ifp.vif_unit);
  }
  if (virtif_rxeof(ifp, ifp.vif_rx)) intr_signal(INTR_NETIF + ifp.vif_unit);
}

/** Make interface `unit` if the host has a device for it; `info` is scratch memory. 0 or -errno. */
function virtif_attach1(unit: i32, info: usize): i32 {
  const e = virtif_create(unit, info);
  if (e < 0) return e == -ENXIO ? 0 : e;
  const ifp = kobj<VirtIfnet>("virtif");
  ifp.vif_unit = unit;
  ifp.if_mtu = load<i32>(info, VIRTIF_INFO_MTU);
  ifp.if_capabilities = load<i32>(info, VIRTIF_INFO_CAPS);
  ifp.if_capenable = ifp.if_capabilities;
  ifp.if_tsomax = load<i32>(info, VIRTIF_INFO_TSOMAX);
  ifp.if_link_state = LINK_STATE_UP;
  const lro = (ifp.if_capabilities & IFCAP_LRO) != 0;
  ifp.vif_rx = virtif_rx_create(lro ? VIRTIF_RXBUFS_LRO : VIRTIF_RXBUFS);
  if (!ifp.vif_rx) {
    log_begin(LOG_ERR, "virtif");
    log_str("no buffers to receive with: raise NET_NMBUFS and NET_NMBCLUSTERS, or lower VIRTIF_RXBUFS");
    log_end();
    return -ENOMEM;
  }
  ether_ifattach(ifp, "virt", unit, info + VIRTIF_INFO_MAC);
  ring_register(RING_NETIF + unit, ifp.vif_rx.rx_ring);
  intr_establish(INTR_NETIF + unit, virtif_intr, changetype<usize>(ifp));
  return virtif_open(unit, ifp.vif_rx.rx_ring);
}

/** NET_IF phase: the interfaces that the host has devices for. 0 or -errno. */
export function virtif_attach(): i32 {
  virtif_stat_boot();
  virtif_tx_boot();
  const info = kmem_alloc(VIRTIF_INFO_SIZE, 8, "virtif");
  for (let unit = 0; unit < VIRTIF_MAXIF; unit++) {
    const e = virtif_attach1(unit, info);
    if (e < 0) return e;
  }
  return 0;
}
