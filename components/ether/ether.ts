/**
 * ether: provider of role `ether`, what a driver of an Ethernet device builds on.
 *
 *      class VirtIfnet extends EtherIfnet { if_start() … }     ether_ifattach(ifp, "virt", unit, mac)
 *      if_receive(ifp, m)                                      a frame came in, its header first
 *
 * It knows IPv4 addresses through Ifnet.if_addrlist and the interface hooks alone. For who negotiates an
 * address (DHCP): arp_probe, arp_conflict_hook, and a filter that sees packets before IP does.
 */
import { acd_boot } from "./arp_acd";
import { arp_control_boot } from "./arp_control";
import { arp_input_boot } from "./arp_input";
import { arp_resolve_boot } from "./arp_resolve";
import { arp_table_boot } from "./arp_table";
import { ether_stat_boot } from "./ether_stat";

export { arp_conflict_hook, arp_probe, arp_probe_stop } from "./arp_acd";
export { ETHERTYPE_IP, ETHER_ADDR_LEN, ETHER_HDR_LEN, ether_broadcast, ether_frame } from "./ether_frame";
export { EtherIfnet, ether_filter_clear, ether_filter_set, ether_ifattach } from "./ether_if";

/** NET phase. 0. */
export function ether_init(): i32 {
  ether_stat_boot();
  arp_table_boot();
  acd_boot();
  arp_resolve_boot();
  arp_input_boot();
  arp_control_boot();
  return 0;
}
