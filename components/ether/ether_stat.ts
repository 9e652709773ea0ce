/**
 * Counters of Ethernet and ARP: sysctl net.ether.stats and net.arp.stats, "name value" lines.
 *
 * ARP's names are those of netstat -s -p arp where it has them. Each structure is u64 only, in the order
 * of its NAMES literal.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kstat_table } from "../../kernel/kern/kstat";
import { sysctl_fn } from "../../kernel/kern/sysctl";

@unmanaged
export class EtherStat {
  /** Shorter than a header. */
  runts: u64;
  /** A source that is a group. */
  badsource: u64;
  notours: u64;
  /** Multicast that nobody here joined. */
  filtered: u64;
  /** VLAN tags; lengths instead of types (802.3); types that nobody here speaks. */
  vlan: u64;
  llc: u64;
  noproto: u64;
  nobufs: u64;
}

export let etherstat: EtherStat = changetype<EtherStat>(0);
const ETHERSTAT_NAMES = "runts badsource notours filtered vlan llc noproto nobufs";

@unmanaged
export class ArpStat {
  sndtotal: u64;
  sndrequest: u64;
  sndreply: u64;
  /** Of the requests: probes and announcements of RFC 5227. */
  sndprobe: u64;
  sndannounce: u64;
  rcvtotal: u64;
  rcvrequest: u64;
  rcvreply: u64;
  rcvbadlen: u64;
  rcvbadproto: u64;
  rcvbadspa: u64;
  rcvbcastsha: u64;
  rcvlocalsha: u64;
  /** An address of ours claimed by another; defended; given up. */
  rcvlocalspa: u64;
  defended: u64;
  lost: u64;
  /** A neighbour's hardware address changed; refused because permanent; because it changed just now. */
  rcvover: u64;
  rcvoverperm: u64;
  rcvoverlock: u64;
  /** Replies about hosts that nobody asked for. */
  unsolicited: u64;
  /** Packets that waited: all, sent on in the end, dropped. */
  dfrtotal: u64;
  dfrsent: u64;
  dfrdropped: u64;
  /** Resolutions that failed; entries that made way; that were not to be had. */
  timeouts: u64;
  evicted: u64;
  allocfail: u64;
  /** Of the replies: for others. */
  sndproxy: u64;
}

export let arpstat: ArpStat = changetype<ArpStat>(0);
const ARPSTAT_NAMES = "sndtotal sndrequest sndreply sndprobe sndannounce rcvtotal rcvrequest rcvreply rcvbadlen rcvbadproto rcvbadspa rcvbcastsha rcvlocalsha rcvlocalspa defended lost rcvover rcvoverperm rcvoverlock unsolicited dfrtotal dfrsent dfrdropped timeouts evicted allocfail sndproxy";

export function ether_stat_boot(): void {
  etherstat = changetype<EtherStat>(kmem_alloc(offsetof<EtherStat>(), 64, "etherstat"));
  sysctl_fn("net.ether.stats", etherstat_read, 0);
  arpstat = changetype<ArpStat>(kmem_alloc(offsetof<ArpStat>(), 64, "arpstat"));
  sysctl_fn("net.arp.stats", arpstat_read, 0);
}

function etherstat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, ETHERSTAT_NAMES, changetype<usize>(etherstat), <i32>(offsetof<EtherStat>() >> 3));
}

function arpstat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, ARPSTAT_NAMES, changetype<usize>(arpstat), <i32>(offsetof<ArpStat>() >> 3));
}
