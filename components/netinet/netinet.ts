/**
 * netinet: the TCP/IP stack, provider of role `domain:inet`.
 *
 *      NET:      tables and protocols          NET_IFCFG: addresses that -W asked for (in_netconf.ts)
 *
 * What other components may use of it (rump/domain_inet): addresses of interfaces, and the choice of an
 * interface by name. Everything else goes through sockets.
 */
import { icmp_error_boot } from "./icmp_error";
import { icmp_input_boot } from "./icmp_input";
import { igmp_boot } from "./igmp";
import { in_ifaddr_boot } from "./in_ifaddr";
import { in_iface_boot } from "./in_iface";
import { in_mcast_boot } from "./in_mcast";
import { in_netconf_boot } from "./in_netconf";
import { in_pcb_user_boot } from "./in_pcb_user";
import { in_pcblist_boot } from "./in_pcblist";
import { in_redirect_boot } from "./in_redirect";
import { in_stat_boot } from "./in_stat";
import { ip_filter_boot } from "./ip_filter";
import { ip_forward_boot } from "./ip_forward";
import { ip_input_boot } from "./ip_input";
import { ip_output_boot } from "./ip_output";
import { ip_reass_boot } from "./ip_reass";
import { ip_redirect_boot } from "./ip_redirect";
import { portalgo_boot } from "./portalgo";
import { rip_init } from "./raw_ip";
import { tcp_init } from "./tcp_subr";
import { tcp_attach } from "./tcp_usrreq";
import { udp_init } from "./udp_usrreq";

export { in_ifaddr_add, in_ifaddr_del, in_ifaddr_of, in_localip, in_mask } from "./in_ifaddr";

/** NET phase. 0 or -errno. */
export function netinet_init(): i32 {
  in_stat_boot();
  in_ifaddr_boot();
  in_iface_boot();
  in_pcb_user_boot();
  portalgo_boot();
  in_mcast_boot();
  igmp_boot();
  icmp_error_boot();
  icmp_input_boot();
  in_redirect_boot();
  ip_output_boot();
  ip_reass_boot();
  ip_filter_boot();
  ip_redirect_boot();
  ip_forward_boot();
  ip_input_boot();
  const e = tcp_init();
  if (e < 0) return e;
  tcp_attach();
  udp_init();
  rip_init();
  in_pcblist_boot();
  return 0;
}

/** NET_IFCFG phase. 0 or -errno. */
export function netinet_ifconfig(): i32 {
  return in_netconf_boot();
}
