/**
 * Buffers that grow with what a connection needs, and windows that do not grow when mbufs are short.
 *
 *      receive   what the reader took in one round trip, twice, and a little: the window never is what
 *                limits a sender that doubles its own each round trip (dynamic right-sizing)
 *      send      twice the congestion window: one in flight, one to follow it
 *
 *      net.inet.tcp.recvbuf_auto, sendbuf_auto   0/1; SO_RCVBUF, SO_SNDBUF end it for one
 *      net.inet.tcp.recvbuf_inc, sendbuf_inc     steps, bytes
 *      net.inet.tcp.recvbuf_max, sendbuf_max     limits, bytes: by default the tunables TCP_RECVBUF_MAX and
 *                                                TCP_SENDBUF_MAX, or a quarter of the image's clusters
 *
 * The receiver's round trip is timed by the echo of our timestamps in the peer's data (RFC 7323 §4.1: this
 * includes what the peer waited, so the least counts), without them by the handshake.
 *
 * Mbufs are finite, so (kernel/net/mbuf.ts: m_short): with less than a quarter left no buffer grows and no
 * window promises more than a reader who keeps up needs; with less than 3/16 what was promised is dropped
 * too when nobody has read the last of it, to be sent again; the last eighth is not for user data at all.
 */
import { NETINET_TCP_RECVBUF_MAX, NETINET_TCP_SENDBUF_MAX, NET_NMBCLUSTERS } from "rump/tunables";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { getmicrouptime } from "../../kernel/kern/clock";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { MCLBYTES, m_short } from "../../kernel/net/mbuf";
import { Socket } from "../../kernel/net/socket";
import { SB_AUTOSIZE, Sockbuf, sbreserve } from "../../kernel/net/sockbuf";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcpstat } from "./tcp_stat";
import { tcp_ts_rtt } from "./tcp_rtt";
import { TF_RCVD_TSTMP, TcpState, Tcpcb, tcps } from "./tcp_var";

/** Sixteenths of the mbufs that are left when windows stop to grow; when promised data is dropped. */
const SHORT_GROW: u32 = 4;
const SHORT_KEEP: u32 = 3;
/** Bytes, and storage, that a connection may hold unread when mbufs are short. */
const SHORT_BYTES: u32 = 16384;
/** Timestamps count ms. */
const RTT_MIN_US: i64 = 1000;

export function tcp_autobuf_boot(): void {
  const s = tcps;
  const quarter = NET_NMBCLUSTERS * (MCLBYTES >> 2);
  s.recvbuf_auto = 1;
  s.sendbuf_auto = 1;
  s.recvbuf_inc = 16384;
  s.sendbuf_inc = 8192;
  s.recvbuf_max = min(NETINET_TCP_RECVBUF_MAX, quarter);
  s.sendbuf_max = min(NETINET_TCP_SENDBUF_MAX, quarter);
  const at = changetype<usize>(s);
  sysctl_int("net.inet.tcp.recvbuf_auto", at + offsetof<TcpState>("recvbuf_auto"), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.tcp.sendbuf_auto", at + offsetof<TcpState>("sendbuf_auto"), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.tcp.recvbuf_inc", at + offsetof<TcpState>("recvbuf_inc"), CTLFLAG_RW, 1, 1 << 24);
  sysctl_int("net.inet.tcp.sendbuf_inc", at + offsetof<TcpState>("sendbuf_inc"), CTLFLAG_RW, 1, 1 << 24);
  sysctl_int("net.inet.tcp.recvbuf_max", at + offsetof<TcpState>("recvbuf_max"), CTLFLAG_RW, 1, 1 << 28);
  sysctl_int("net.inet.tcp.sendbuf_max", at + offsetof<TcpState>("sendbuf_max"), CTLFLAG_RW, 1, 1 << 28);
}

/** A new socket: its buffers may grow, until SO_RCVBUF or SO_SNDBUF says otherwise. */
export function tcp_autobuf_attach(so: Socket): void {
  so.so_rcv.sb_flags |= SB_AUTOSIZE;
  so.so_snd.sb_flags |= SB_AUTOSIZE;
}

/** The largest window that `so` may come to announce. */
export function tcp_autobuf_window(so: Socket): u32 {
  const sb = so.so_rcv;
  return (sb.sb_flags & SB_AUTOSIZE) != 0 ? max(sb.sb_hiwat, <u32>tcps.recvbuf_max) : sb.sb_hiwat;
}

/** Let `sb` have `want` bytes, in whole steps, within `most`. True if it grew. */
function sb_grow(sb: Sockbuf, want: u32, inc: u32, most: u32): bool {
  const size = min((want + inc - 1) / inc * inc, most);
  if (size <= sb.sb_hiwat || m_short(SHORT_GROW)) return false;
  sbreserve(sb, size, most);
  return true;
}

/** Data has come in: the echo in it may time a round trip as the receiver sees it. */
export function tcp_rcvbuf_time(tp: Tcpcb): void {
  const to = tcpopt;
  if ((to.to_flags & TOF_TS) == 0 || (tp.t_flags & TF_RCVD_TSTMP) == 0 || to.to_tsecr == 0) return;
  const rtt = tcp_ts_rtt(tp, to.to_tsecr);
  if (rtt < 0) return;
  const us = <u32>max(rtt, RTT_MIN_US);
  // A peer that had nothing to send makes it seem longer: longer ones count little.
  if (tp.rb_rtt_us == 0 || us < tp.rb_rtt_us) tp.rb_rtt_us = us;
  else tp.rb_rtt_us += (us - tp.rb_rtt_us) >> 3;
}

/** The reader took data: once a round trip, is the buffer twice what it takes in one? */
export function tcp_rcvbuf_tune(tp: Tcpcb, so: Socket): void {
  const sb = so.so_rcv;
  if (tcps.recvbuf_auto == 0 || (sb.sb_flags & SB_AUTOSIZE) == 0) return;
  const now = getmicrouptime();
  const taken = tp.rcv_nxt - sb.sb_cc;
  if (tp.rb_since_us == 0) {
    tp.rb_since_us = now;
    tp.rb_seq = tp.irs + 1;
  }
  const rtt = tp.rb_rtt_us != 0 ? <i64>tp.rb_rtt_us : <i64>tp.t_srtt_us;
  if (rtt == 0 || now - tp.rb_since_us < max(rtt, RTT_MIN_US)) return;
  const copied = taken - tp.rb_seq;
  tp.rb_seq = taken;
  tp.rb_since_us = now;
  if (copied > 1 << 28) return;
  if (sb_grow(sb, (copied << 1) + (tp.t_maxseg << 4), tcps.recvbuf_inc, tcps.recvbuf_max)) tcpstat.rcvbufgrown++;
}

/** An ACK came while `cc` bytes were in the send buffer: does the buffer hold the window back? */
export function tcp_sndbuf_tune(tp: Tcpcb, so: Socket, cc: u32): void {
  const sb = so.so_snd;
  if (tcps.sendbuf_auto == 0 || (sb.sb_flags & SB_AUTOSIZE) == 0 || cc < sb.sb_hiwat - (sb.sb_hiwat >> 2)) return;
  // No more than the peer lets us send.
  const want = min(tp.snd_cwnd, tp.max_sndwnd) << 1;
  if (sb_grow(sb, want, tcps.sendbuf_inc, tcps.sendbuf_max)) tcpstat.sndbufgrown++;
}

/** The window to announce for `space` bytes of room, as far as mbufs go. */
export function tcp_pressed_window(so: Socket, space: u32): u32 {
  if (!m_short(SHORT_GROW)) return space;
  const cc = so.so_rcv.sb_cc;
  return cc >= SHORT_BYTES ? 0 : min(space, SHORT_BYTES - cc);
}

/** Mbufs are short and `so` holds more than its share unread: what comes is to be sent again later. */
export function tcp_pressed(so: Socket): bool {
  const sb = so.so_rcv;
  if (!m_short(SHORT_KEEP) || sb.sb_cc < sb.sb_lowat) return false;
  return sb.sb_mbcnt >= SHORT_BYTES << 1 || m_short(SHORT_KEEP - 1);
}
