/**
 * Counters of IP, ICMP, UDP and IGMP, by the names that netstat -s has them under.
 *
 * Each structure is u64 only, in the order of its NAMES literal, so that the tables (sysctl
 * net.inet.*.stats, "name value" lines) are printed by index.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kstat_table } from "../../kernel/kern/kstat";
import { sysctl_fn } from "../../kernel/kern/sysctl";

@unmanaged
export class IpStat {
  total: u64;
  badsum: u64;
  tooshort: u64;
  toosmall: u64;
  badhlen: u64;
  badlen: u64;
  badvers: u64;
  badoptions: u64;
  fragments: u64;
  fragdropped: u64;
  fragtimeout: u64;
  fragoverlap: u64;
  fragflood: u64;
  reassembled: u64;
  delivered: u64;
  noproto: u64;
  forward: u64;
  cantforward: u64;
  badaddr: u64;
  notours: u64;
  localout: u64;
  odropped: u64;
  ofragments: u64;
  fragmented: u64;
  cantfrag: u64;
  noroute: u64;
  nobufs: u64;
  rpfilter: u64;
  martian: u64;
  redirectsent: u64;
  badsroute: u64;
  gsosegmented: u64;
  gsosegments: u64;
  fragecn: u64;
}

export let ipstat: IpStat = changetype<IpStat>(0);
const IPSTAT_NAMES = "total badsum tooshort toosmall badhlen badlen badvers badoptions fragments fragdropped fragtimeout fragoverlap fragflood reassembled delivered noproto forward cantforward badaddr notours localout odropped ofragments fragmented cantfrag noroute nobufs rpfilter martian redirectsent badsroute gsosegmented gsosegments fragecn";

@unmanaged
export class IcmpStat {
  inecho: u64;
  inunreach: u64;
  inredirect: u64;
  intimxceed: u64;
  inparamprob: u64;
  inquench: u64;
  intstamp: u64;
  inother: u64;
  badsum: u64;
  tooshort: u64;
  badlen: u64;
  badcode: u64;
  outecho: u64;
  outunreach: u64;
  outtimxceed: u64;
  outparamprob: u64;
  outlimited: u64;
  outsuppressed: u64;
  bmcastecho: u64;
  ctlinput: u64;
  outredirect: u64;
}

export let icmpstat: IcmpStat = changetype<IcmpStat>(0);
const ICMPSTAT_NAMES = "inecho inunreach inredirect intimxceed inparamprob inquench intstamp inother badsum tooshort badlen badcode outecho outunreach outtimxceed outparamprob outlimited outsuppressed bmcastecho ctlinput outredirect";

@unmanaged
export class UdpStat {
  ipackets: u64;
  hdrops: u64;
  badsum: u64;
  badlen: u64;
  noport: u64;
  noportbcast: u64;
  fullsock: u64;
  opackets: u64;
  delivered: u64;
  nosum: u64;
}

export let udpstat: UdpStat = changetype<UdpStat>(0);
const UDPSTAT_NAMES = "ipackets hdrops badsum badlen noport noportbcast fullsock opackets delivered nosum";

@unmanaged
export class IgmpStat {
  rcvtotal: u64;
  rcvtooshort: u64;
  rcvbadsum: u64;
  rcvqueries: u64;
  rcvbadqueries: u64;
  rcvreports: u64;
  rcvbadreports: u64;
  rcvourreports: u64;
  sndreports: u64;
  sndleaves: u64;
}

export let igmpstat: IgmpStat = changetype<IgmpStat>(0);
const IGMPSTAT_NAMES = "rcvtotal rcvtooshort rcvbadsum rcvqueries rcvbadqueries rcvreports rcvbadreports rcvourreports sndreports sndleaves";

/** NET phase, before the protocols. */
export function in_stat_boot(): void {
  ipstat = changetype<IpStat>(kmem_alloc(offsetof<IpStat>(), 64, "ipstat"));
  sysctl_fn("net.inet.ip.stats", ipstat_read, 0);
  icmpstat = changetype<IcmpStat>(kmem_alloc(offsetof<IcmpStat>(), 64, "icmpstat"));
  sysctl_fn("net.inet.icmp.stats", icmpstat_read, 0);
  udpstat = changetype<UdpStat>(kmem_alloc(offsetof<UdpStat>(), 64, "udpstat"));
  sysctl_fn("net.inet.udp.stats", udpstat_read, 0);
  igmpstat = changetype<IgmpStat>(kmem_alloc(offsetof<IgmpStat>(), 64, "igmpstat"));
  sysctl_fn("net.inet.igmp.stats", igmpstat_read, 0);
}

function ipstat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, IPSTAT_NAMES, changetype<usize>(ipstat), <i32>(offsetof<IpStat>() >> 3));
}

function icmpstat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, ICMPSTAT_NAMES, changetype<usize>(icmpstat), <i32>(offsetof<IcmpStat>() >> 3));
}

function udpstat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, UDPSTAT_NAMES, changetype<usize>(udpstat), <i32>(offsetof<UdpStat>() >> 3));
}

function igmpstat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, IGMPSTAT_NAMES, changetype<usize>(igmpstat), <i32>(offsetof<IgmpStat>() >> 3));
}
