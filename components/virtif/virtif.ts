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
import { ENXIO } from "../../kernel/abi/errno";
import { IFF_OACTIVE, IFF_RUNNING, LINK_STATE_UP } from "../../kernel/abi/if";
import { INTR_NETIF, LOG_ERR, RING_NETIF } from "../../kernel/abi/rump";
import { intr_establish, intr_signal } from "../../kernel/kern/intr";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { log_begin, log_end, log_int, log_str } from "../../kernel/kern/log";
import { ring_register } from "../../kernel/kern/ring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { kstat_table } from "../../kernel/kern/kstat";
import { if_link_state_change } from "../../kernel/net/ifnet";
import { EtherIfnet, ether_ifattach } from "rump/ether";
import { VIRTIF_MAXIF } from "rump/tunables";
import { VIRTIF_INFO_CAPS, VIRTIF_INFO_MAC, VIRTIF_INFO_MTU, VIRTIF_INFO_SIZE, VIRTIF_INFO_TSOMAX, VIRTIF_RX_LINK } from "./virtif.abi";
import { virtif_create, virtif_open } from "./virtif.hyper";
import { VirtifRx, virtif_rx_create, virtif_rxeof } from "./virtif_rx";
import { virtif_stat_boot, virtifstat } from "./virtif_stat";
import { virtif_transmit, virtif_tx_boot } from "./virtif_tx";

export class VirtIfnet extends EtherIfnet {
  vif_unit: i32;
  vif_rx: VirtifRx;

  if_start(): void {
    virtif_transmit(this, this.vif_unit);
  }
}
