/**
 * TCP's tunables, under net.inet.tcp, by NetBSD's names where it has them.
 *
 *      rfc1323 0/1        window scaling and timestamps       mssdflt bytes      minmss bytes
 *      sack.enable 0/1    selective acknowledgments, RFC 2018       tlp 0/1   tail loss probes, RFC 8985
 *      init_win segments  delack_us  rtomin_us  rtomax_us     keepidle, keepintvl ms   keepcnt
 *      mslt.*, msl_us     how long TIME-WAIT lasts: tcp_mslt.ts     vtw.*   vestiges: tcp_vtw.ts
 *      finwait2_us        an orphaned FIN-WAIT-2               rstppslim resets/s, -1 any
 *      timewait           connections in TIME-WAIT; timewait_recycled of them gave way to new ones
 *      reass.maxqueuelen, reass.maxtotal   out-of-order pieces a connection, and of all (reass.total: now)
 *      mtu_probing 0/1/2  search for the path's MTU: never, after it was lowered, always
 *      mtu_raise s        until the search begins again (RFC 8899: 600)
 *      rfc1337 0/1        resets do not end TIME-WAIT
 *      challengeack_limit, challengeack_us   challenge ACKs a connection and period, about; -1 any
 *      invalid_ratelimit ms   between answers of a connection to invalid segments without data, 0 any
 */
import { NET_NMBUFS } from "rump/tunables";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { sysctl_int, sysctl_quad } from "../../kernel/kern/sysctl";
import { TcpState, tcps } from "./tcp_var";

/** Defaults, and the names. Boot only. */
export function tcp_sysctl_boot(): void {
  const s = tcps;
  s.rfc1323 = 1;
  s.do_sack = 1;
  s.tlp = 1;
  s.mssdflt = 536;
  s.minmss = 216;
  s.init_win = 10;
  s.delack_us = 40000;
  // RFC 6298 §2.4 says 1 s (SHOULD), for clocks of 500 ms; ours is 1 ms. 200 ms is what peers use.
  s.rtomin_us = 200000;
  s.rtomax_us = 60000000;
  // RFC 9293 §3.8.4 MUST-28: two hours.
  s.keepidle = 7200000;
  s.keepintvl = 75000;
  s.keepcnt = 8;
  s.finwait2_us = 60000000;
  s.rstppslim = 200;
  s.reass_maxqueue = 512;
  s.reass_maxtotal = NET_NMBUFS >> 2;
  s.mtu_probing = 1;
  s.mtu_raise = 600;
  s.rfc1337 = 1;
  s.challenge_limit = 10;
  s.challenge_us = 5000000;
  s.invalid_ratelimit = 500;
  const at = changetype<usize>(s);
  sysctl_int("net.inet.tcp.rfc1323", at + offsetof<TcpState>("rfc1323"), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.tcp.sack.enable", at + offsetof<TcpState>("do_sack"), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.tcp.tlp", at + offsetof<TcpState>("tlp"), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.tcp.mssdflt", at + offsetof<TcpState>("mssdflt"), CTLFLAG_RW, 216, 65495);
  sysctl_int("net.inet.tcp.minmss", at + offsetof<TcpState>("minmss"), CTLFLAG_RW, 48, 1460);
  sysctl_int("net.inet.tcp.init_win", at + offsetof<TcpState>("init_win"), CTLFLAG_RW, 1, 64);
  sysctl_int("net.inet.tcp.delack_us", at + offsetof<TcpState>("delack_us"), CTLFLAG_RW, 0, 499999);
  sysctl_int("net.inet.tcp.rtomin_us", at + offsetof<TcpState>("rtomin_us"), CTLFLAG_RW, 1000, 3000000);
  sysctl_int("net.inet.tcp.rtomax_us", at + offsetof<TcpState>("rtomax_us"), CTLFLAG_RW, 1000000, 240000000);
  sysctl_int("net.inet.tcp.keepidle", at + offsetof<TcpState>("keepidle"), CTLFLAG_RW, 1);
  sysctl_int("net.inet.tcp.keepintvl", at + offsetof<TcpState>("keepintvl"), CTLFLAG_RW, 1);
  sysctl_int("net.inet.tcp.keepcnt", at + offsetof<TcpState>("keepcnt"), CTLFLAG_RW, 1, 1000);
  sysctl_int("net.inet.tcp.finwait2_us", at + offsetof<TcpState>("finwait2_us"), CTLFLAG_RW, 1000);
  sysctl_int("net.inet.tcp.rstppslim", at + offsetof<TcpState>("rstppslim"), CTLFLAG_RW, -1, 1000000);
  sysctl_int("net.inet.tcp.reass.maxqueuelen", at + offsetof<TcpState>("reass_maxqueue"), CTLFLAG_RW, 1, 65536);
  sysctl_int("net.inet.tcp.mtu_probing", at + offsetof<TcpState>("mtu_probing"), CTLFLAG_RW, 0, 2);
  sysctl_int("net.inet.tcp.mtu_raise", at + offsetof<TcpState>("mtu_raise"), CTLFLAG_RW, 1, 86400);
  sysctl_int("net.inet.tcp.rfc1337", at + offsetof<TcpState>("rfc1337"), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.tcp.challengeack_limit", at + offsetof<TcpState>("challenge_limit"), CTLFLAG_RW, -1, 1000000);
  sysctl_int("net.inet.tcp.challengeack_us", at + offsetof<TcpState>("challenge_us"), CTLFLAG_RW, 1000, 600000000);
  sysctl_int("net.inet.tcp.invalid_ratelimit", at + offsetof<TcpState>("invalid_ratelimit"), CTLFLAG_RW, 0, 60000);
  sysctl_int("net.inet.tcp.reass.maxtotal", at + offsetof<TcpState>("reass_maxtotal"), CTLFLAG_RW, 1, 1 << 24);
  sysctl_int("net.inet.tcp.reass.total", at + offsetof<TcpState>("reass_total"), 0);
  sysctl_int("net.inet.tcp.timewait", at + offsetof<TcpState>("tw_count"), 0);
  sysctl_quad("net.inet.tcp.timewait_recycled", at + offsetof<TcpState>("tw_recycled"), 0);
}
