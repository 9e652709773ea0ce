/**
 * TCP's counters, by the names that netstat -s has them under.
 *
 * One structure of u64 in the order of tcpstat_name, so that the table is printed by index. Counting
 * is an increment in memory; nothing here is ever reset.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kstat_table } from "../../kernel/kern/kstat";
import { sysctl_fn } from "../../kernel/kern/sysctl";

@unmanaged
export class TcpStat {
  connattempt: u64;
  accepts: u64;
  connects: u64;
  drops: u64;
  conndrops: u64;
  closed: u64;
  segstimed: u64;
  rttupdated: u64;
  delack: u64;
  timeoutdrop: u64;
  rexmttimeo: u64;
  persisttimeo: u64;
  persistdrop: u64;
  keeptimeo: u64;
  keepprobe: u64;
  keepdrops: u64;
  finwait2drop: u64;
  sndtotal: u64;
  sndpack: u64;
  sndbyte: u64;
  sndrexmitpack: u64;
  sndrexmitbyte: u64;
  sndacks: u64;
  sndprobe: u64;
  sndurg: u64;
  sndwinup: u64;
  sndctrl: u64;
  sndrst: u64;
  sndnobufs: u64;
  rcvtotal: u64;
  rcvpack: u64;
  rcvbyte: u64;
  rcvbadsum: u64;
  rcvbadoff: u64;
  rcvshort: u64;
  rcvduppack: u64;
  rcvdupbyte: u64;
  rcvpartduppack: u64;
  rcvpartdupbyte: u64;
  rcvoopack: u64;
  rcvoobyte: u64;
  rcvoodrop: u64;
  rcvpackafterwin: u64;
  rcvbyteafterwin: u64;
  rcvafterclose: u64;
  rcvwinprobe: u64;
  rcvdupack: u64;
  rcvacktoomuch: u64;
  rcvackpack: u64;
  rcvackbyte: u64;
  rcvwinupd: u64;
  rcvnoport: u64;
  rcvurg: u64;
  pawsdrop: u64;
  predack: u64;
  preddat: u64;
  badsyn: u64;
  badrst: u64;
  listendrop: u64;
  mturesent: u64;
  fastrexmit: u64;
  newrenopartial: u64;
  reasslimit: u64;
  rstlimit: u64;
  icmpquench: u64;
  challengeack: u64;
  memdrop: u64;
  selfconn: u64;
  challengelimit: u64;
  ackskipped: u64;
  twrstignored: u64;
  sack_send_blocks: u64;
  dsack_send_blocks: u64;
  sc_added: u64;
  sc_completed: u64;
  sc_timed_out: u64;
  sc_overflowed: u64;
  sc_reset: u64;
  sc_unreach: u64;
  sc_bucketoverflow: u64;
  sc_aborted: u64;
  sc_dupesyn: u64;
  sc_dropped: u64;
  sc_retransmitted: u64;
  sc_deferred: u64;
  sc_cookie_sent: u64;
  sc_cookie_recv: u64;
  sc_cookie_failed: u64;
  ccundo: u64;
  idlerestart: u64;
  hystartcss: u64;
  hystartexit: u64;
  mtudelayed: u64;
  mtublackhole: u64;
  mtuprobe: u64;
  mtuprobeok: u64;
  mtuprobefail: u64;
  sack_recovery_episode: u64;
  sack_rexmits: u64;
  sack_rexmit_bytes: u64;
  sack_rcv_blocks: u64;
  sack_sboverflow: u64;
  sack_rescues: u64;
  sack_reneged: u64;
  dsack_count: u64;
  dsack_bytes: u64;
  rack_reordering: u64;
  rack_lost_rexmits: u64;
  rack_reo_wnd_up: u64;
  rack_timeo: u64;
  tlp_probes: u64;
  tlp_rexmits: u64;
  tlp_recovered: u64;
  frto_start: u64;
  frto_spurious: u64;
  eifel_spurious: u64;
  undo: u64;
  ecn_shs: u64;
  ecn_ect: u64;
  ecn_ce: u64;
  ecn_reduced: u64;
  ecn_cwr: u64;
  rcvbufgrown: u64;
  sndbufgrown: u64;
  rcvpressdrop: u64;
}

export let tcpstat: TcpStat = changetype<TcpStat>(0);

/** "name name …" in the order of the fields. */
// One literal: joining strings would need an allocator.
const NAMES = "connattempt accepts connects drops conndrops closed segstimed rttupdated delack timeoutdrop rexmttimeo persisttimeo persistdrop keeptimeo keepprobe keepdrops finwait2drop sndtotal sndpack sndbyte sndrexmitpack sndrexmitbyte sndacks sndprobe sndurg sndwinup sndctrl sndrst sndnobufs rcvtotal rcvpack rcvbyte rcvbadsum rcvbadoff rcvshort rcvduppack rcvdupbyte rcvpartduppack rcvpartdupbyte rcvoopack rcvoobyte rcvoodrop rcvpackafterwin rcvbyteafterwin rcvafterclose rcvwinprobe rcvdupack rcvacktoomuch rcvackpack rcvackbyte rcvwinupd rcvnoport rcvurg pawsdrop predack preddat badsyn badrst listendrop mturesent fastrexmit newrenopartial reasslimit rstlimit icmpquench challengeack memdrop selfconn challengelimit ackskipped twrstignored sack_send_blocks dsack_send_blocks sc_added sc_completed sc_timed_out sc_overflowed sc_reset sc_unreach sc_bucketoverflow sc_aborted sc_dupesyn sc_dropped sc_retransmitted sc_deferred sc_cookie_sent sc_cookie_recv sc_cookie_failed ccundo idlerestart hystartcss hystartexit mtudelayed mtublackhole mtuprobe mtuprobeok mtuprobefail sack_recovery_episode sack_rexmits sack_rexmit_bytes sack_rcv_blocks sack_sboverflow sack_rescues sack_reneged dsack_count dsack_bytes rack_reordering rack_lost_rexmits rack_reo_wnd_up rack_timeo tlp_probes tlp_rexmits tlp_recovered frto_start frto_spurious eifel_spurious undo ecn_shs ecn_ect ecn_ce ecn_reduced ecn_cwr rcvbufgrown sndbufgrown rcvpressdrop";

export function tcp_stat_boot(): void {
  tcpstat = changetype<TcpStat>(kmem_alloc(offsetof<TcpStat>(), 64, "tcpstat"));
  sysctl_fn("net.inet.tcp.stats", tcp_stat_read, 0);
}

/** sysctl net.inet.tcp.stats: "name value" lines. */
export function tcp_stat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, NAMES, changetype<usize>(tcpstat), <i32>(offsetof<TcpStat>() >> 3));
}
