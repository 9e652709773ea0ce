/**
 * TCP: boot, control blocks made and ended, resets and bare ACKs, ICMP's news.
 *
 * Initial sequence numbers are RFC 6528's: a 4 µs clock plus a keyed hash of the 4-tuple, so that each
 * tuple has its own sequence space that only moves forward, and nobody outside can guess it. Timestamp
 * offsets are another keyed hash (RFC 7323 §5.4). ICMP errors are believed only if the sequence number
 * they quote is in flight, and never end an established connection (RFC 5927 §4, §5).
 */
import { ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EMSGSIZE, ETIMEDOUT } from "../../kernel/abi/errno";
import { IPPROTO_TCP } from "../../kernel/abi/inet";
import { TCP_INFO_SIZE } from "../../kernel/abi/tcp_info";
import { NETINET_MAXTCPCB } from "rump/tunables";
import { cprng_strong } from "../../kernel/kern/cprng";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { pool_getz, pool_init, pool_put } from "../../kernel/kern/pool";
import { siphash13_2 } from "../../kernel/kern/siphash";
import { MAX_LINKHDR, Mbuf, VNET_F_NEEDS_CSUM, m_gethdr } from "../../kernel/net/mbuf";
import { SS_NOFDREF, Socket, so_setreclaim, sofree, soisdisconnected } from "../../kernel/net/socket";
import {
  INP_CONNECTED, Inpcb, in_pcballoc, in_pcbfree, in_pcbinfo_create, in_pcblookup_conn,
} from "./in_pcb";
import { in_pseudo } from "../../kernel/net/in_cksum";
import { ip_output } from "./ip_output";
import { IP_HDRLEN } from "./ip";
import * as th from "./tcp";
import { tcp_autobuf_attach, tcp_autobuf_boot } from "./tcp_autobuf";
import { tcp_cc_boot, tcp_cc_init } from "./tcp_cc";
import { tcp_ccsel_boot } from "./tcp_ccsel";
import { tcp_mslt_boot } from "./tcp_mslt";
import { PATHINFO_N, Pathinfo, tcp_mtudisc } from "./tcp_pmtud";
import { IPTOS_ECN_MASK, tcp_ecn_ackflags, tcp_ecn_boot } from "./tcp_ecn";
import { tcp_options_boot, tcp_tsoption } from "./tcp_options";
import { tcp_reass_flush } from "./tcp_reass";
import { TCPTV_RTOINIT_US, tcp_ts_getticks } from "./tcp_rtt";
import { tcp_sack_boot } from "./tcp_sack";
import { tcp_sack_write } from "./tcp_sackrcv";
import { tcp_sent_boot, tcp_sent_flush } from "./tcp_sent";
import { tcp_stat_boot, tcpstat } from "./tcp_stat";
import { tcp_sysctl_boot } from "./tcp_sysctl";
import { syn_cache_boot } from "./tcp_syncache";
import { syn_cache_unreach } from "./tcp_syncache_input";
import { syn_cache_cleanup, syn_cache_timer } from "./tcp_syncache_output";
import { syncookie_boot } from "./tcp_syncookie";
import { tcp_canceltimers, tcp_timers_init } from "./tcp_timer";
import { tcp_tw_recycle, tcp_tw_remove } from "./tcp_timewait";
import * as v from "./tcp_var";
import { tcp_vtw_boot } from "./tcp_vtw";
import { TCPCB_SIZE, TcpState, Tcpcb, Tcpseg, tcp_setstate, tcps } from "./tcp_var";

/** NET phase: pools, tables, tunables. */
export function tcp_init(): i32 {
  const s = changetype<TcpState>(kmem_alloc(offsetof<TcpState>(), 64, "tcp"));
  tcp_setstate(s);
  s.tcb_pool = pool_init("tcpcb", <u32>TCPCB_SIZE, NETINET_MAXTCPCB, 64);
  s.info = in_pcbinfo_create(NETINET_MAXTCPCB, IPPROTO_TCP, "tcp_inpcb");
  s.secret = kmem_alloc(32, 16, "tcp");
  cprng_strong(s.secret, 32);
  s.pathinfo = kmem_alloc(<usize>PATHINFO_N * offsetof<Pathinfo>(), 16, "tcp");
  s.info_buf = kmem_alloc(TCP_INFO_SIZE, 8, "tcp");
  s.seg = changetype<Tcpseg>(kmem_alloc(offsetof<Tcpseg>(), 64, "tcp"));
  tcp_sent_boot();
  tcp_sack_boot();
  so_setreclaim(tcp_tw_recycle);
  tcp_stat_boot();
  tcp_options_boot();
  tcp_sysctl_boot();
  syn_cache_boot(syn_cache_timer);
  syncookie_boot();
  tcp_cc_boot();
  tcp_ccsel_boot();
  tcp_mslt_boot();
  tcp_vtw_boot();
  tcp_ecn_boot();
  tcp_autobuf_boot();
  return 0;
}

/** A control block for `so` in CLOSED; 0 when a pool is exhausted. */
export function tcp_newtcpcb(so: Socket): Tcpcb {
  let p = pool_getz(tcps.tcb_pool);
  if (p == 0 && tcp_tw_recycle()) p = pool_getz(tcps.tcb_pool);
  if (p == 0) {
    tcpstat.memdrop++;
    return changetype<Tcpcb>(0);
  }
  const inp = in_pcballoc(tcps.info, so);
  if (!inp) {
    tcpstat.memdrop++;
    pool_put(tcps.tcb_pool, p);
    return changetype<Tcpcb>(0);
  }
  const tp = changetype<Tcpcb>(p);
  tp.t_inpcb = inp;
  inp.inp_ppcb = p;
  so.so_pcb = changetype<usize>(inp);
  tp.t_state = v.TCPS_CLOSED;
  tp.t_rto_us = TCPTV_RTOINIT_US;
  tp.t_peermss = th.TCP_MSS_DEFAULT;
  tp.t_maxseg = th.TCP_MSS_DEFAULT;
  if (tcps.rfc1323 != 0) tp.t_flags |= v.TF_REQ_SCALE | v.TF_REQ_TSTMP;
  if (tcps.do_sack != 0) tp.t_flags |= v.TF_REQ_SACK;
  tp.t_rcvtime_us = getmicrouptime();
  tcp_timers_init(tp);
  tcp_cc_init(tp);
  tcp_autobuf_attach(so);
  return tp;
}

/** What RFC 6528 §3 calls F(localip, localport, remoteip, remoteport, secretkey): RFC 9293 §3.4.1 MUST-9, keyed, so nobody outside can compute it. */
export function tcp_isshash(laddr: u32, lport: u32, faddr: u32, fport: u32): u64 {
  return siphash13_2(tcps.secret, (<u64>faddr << 32) | laddr, (<u64>fport << 16) | lport);
}

/** Where the timestamps of the connection with this hash begin. */
export function tcp_tsoffset(h: u64): u32 {
  return <u32>(siphash13_2(tcps.secret + 16, h, 0) >> 16);
}

export function tcp_new_iss(tp: Tcpcb): u32 {
  const inp = tp.t_inpcb;
  const h = tcp_isshash(inp.inp_laddr, inp.inp_lport, inp.inp_faddr, inp.inp_fport);
  tp.ts_offset = tcp_tsoffset(h);
  return tcp_iss(h);
}

/** RFC 6528 §3: ISN = M + F, for the connection with hash F = `h`. */
export function tcp_iss(h: u64): u32 {
  // RFC 9293 §3.4.1 MUST-8: a clock of 4 µs.
  const iss = <u32>h + <u32>(getmicrouptime() >> 2);
  // RFC 9293 §3.6.1 MAY-2: beyond all that the connection in TIME-WAIT has sent, however fast it was.
  if (tcps.iss_floored && th.SEQ_LEQ(iss, tcps.iss_floor)) return tcps.iss_floor + 1 + (<u32>h & 0xffff);
  return iss;
}

/** Set the initial send sequence number and all that counts from it. */
export function tcp_sendseqinit(tp: Tcpcb, iss: u32): void {
  tp.iss = iss;
  tp.snd_una = iss;
  tp.snd_nxt = iss;
  tp.snd_max = iss;
  tp.snd_up = iss;
  tp.snd_up_told = iss;
  tp.recover = iss;
  tp.rack_fack = iss;
  tp.rack_end = iss;
}

/** The peer's initial sequence number is `irs`. */
export function tcp_rcvseqinit(tp: Tcpcb, irs: u32): void {
  tp.irs = irs;
  tp.rcv_nxt = irs + 1;
  tp.t_counted_rcv = irs + 1;
  // What our SYN announced, if one went; its window field is not scaled (RFC 7323 §2.2).
  tp.rcv_adv = irs + 1 + min(tp.rcv_wnd, th.TCP_MAXWIN);
  tp.rcv_up = irs + 1;
  tp.last_ack_sent = irs + 1;
}

/**
 * End the connection: the block goes, and the socket with it unless a descriptor still holds it, which
 * then reads and writes the end (so_error). Whoever called must not touch `tp` again.
 */
export function tcp_close(tp: Tcpcb): void {
  const inp = tp.t_inpcb;
  const so = inp.inp_so;
  tcpstat.closed++;
  if (tp.t_state == v.TCPS_LISTEN) syn_cache_cleanup(tp);
  tcp_canceltimers(tp);
  tcp_tw_remove(tp);
  tcp_reass_flush(tp);
  tcp_sent_flush(tp);
  tp.t_state = v.TCPS_CLOSED;
  so.so_pcb = 0;
  in_pcbfree(inp);
  pool_put(tcps.tcb_pool, changetype<usize>(tp));
  soisdisconnected(so);
  if ((so.so_state & SS_NOFDREF) != 0) sofree(so);
}

/** RFC 9293 §3.10.5: in which states ABORT sends a reset. In the others the peer has no use for it. */
function tcp_needreset(state: i32): bool {
  return state >= v.TCPS_SYN_RECEIVED && state != v.TCPS_CLOSING && state != v.TCPS_LAST_ACK && state != v.TCPS_TIME_WAIT;
}

/** End it with `error` for the user, telling the peer if it knows of us (a reset). */
export function tcp_drop(tp: Tcpcb, error: i32): void {
  const so = tp.t_inpcb.inp_so;
  if (tcp_needreset(tp.t_state)) {
    tcpstat.drops++;
    // SND.NXT, but nothing beyond the peer's window, where it would be dropped.
    const edge = tp.snd_una + tp.snd_wnd;
    const out = tp.t_state > v.TCPS_SYN_RECEIVED && th.SEQ_GT(tp.snd_max, edge);
    tcp_respond(tp, out ? edge : tp.snd_max, tp.rcv_nxt, th.TH_RST | th.TH_ACKF);
  } else {
    tcpstat.conndrops++;
  }
  so.so_error = error;
  tcp_close(tp);
}

/** Put a TCP header at the front of empty packet `m`. */
export function tcp_header(m: Mbuf, sport: u32, dport: u32, seq: u32, ack: u32, flags: i32, win: u32, optlen: i32): usize {
  const p = m.m_data;
  const hlen = th.TCP_HDRLEN + optlen;
  store<u16>(p, bswap<u16>(<u16>sport), th.TH_SPORT);
  store<u16>(p, bswap<u16>(<u16>dport), th.TH_DPORT);
  store<u32>(p, bswap<u32>(seq), th.TH_SEQ);
  store<u32>(p, bswap<u32>(ack), th.TH_ACK);
  store<u8>(p, <u8>(hlen << 2), th.TH_OFF);
  store<u8>(p, <u8>flags, th.TH_FLAGS);
  store<u16>(p, bswap<u16>(<u16>win), th.TH_WIN);
  store<u32>(p, 0, th.TH_SUM);
  m.m_len = hlen;
  m.ph_len = hlen;
  return p;
}

/** RFC 9293 §3.1 MUST-2: ask for the transport checksum over `len` bytes behind the IP header (virtio's terms). */
export function tcp_setcsum(m: Mbuf, src: u32, dst: u32, len: i32): void {
  store<u16>(m.m_data, <u16>in_pseudo(src, dst, IPPROTO_TCP, len), th.TH_SUM);
  m.vh_flags = VNET_F_NEEDS_CSUM;
  m.vh_csum_start = 0;
  m.vh_csum_offset = <u16>th.TH_SUM;
}

/** Send a segment without data on connection `tp`: an ACK, a probe, a reset. Lost silently without memory. */
export function tcp_respond(tp: Tcpcb, seq: u32, ack: u32, flags: i32): void {
  const inp = tp.t_inpcb;
  const m = m_gethdr(MAX_LINKHDR + IP_HDRLEN);
  if (!m) {
    tcpstat.sndnobufs++;
    return;
  }
  const ts = (tp.t_flags & v.TF_RCVD_TSTMP) != 0;
  const opt = m.m_data + th.TCP_HDRLEN;
  let optlen = ts ? tcp_tsoption(opt, tcp_ts_getticks(tp), tp.ts_recent) : 0;
  if ((flags & th.TH_RST) == 0) optlen += tcp_sack_write(tp, opt + optlen, th.TCP_MAXOLEN - optlen);
  // What has been promised already, no more: this segment promises nothing.
  const promised = th.SEQ_GT(tp.rcv_adv, tp.rcv_nxt) ? tp.rcv_adv - tp.rcv_nxt : 0;
  const win = (flags & th.TH_RST) != 0 ? 0 : promised >> <u32>tp.rcv_scale;
  tcp_header(m, inp.inp_lport, inp.inp_fport, seq, ack, flags | tcp_ecn_ackflags(tp, flags), min(win, th.TCP_MAXWIN), optlen);
  tcp_setcsum(m, inp.inp_laddr, inp.inp_faddr, m.ph_len);
  tcpstat.sndtotal++;
  tp.t_segs_out++;
  if ((flags & th.TH_RST) != 0) tcpstat.sndrst++;
  else tcpstat.sndctrl++;
  ip_output(m, inp, inp.inp_laddr, inp.inp_faddr, IPPROTO_TCP, inp.inp_ttl, inp.inp_tos & ~IPTOS_ECN_MASK, true);
}

/**
 * A reset for the segment under way, that belongs to no connection (RFC 9293 §3.10.7.1): with an ACK,
 * <SEQ=SEG.ACK><CTL=RST>; without, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. Never for a reset;
 * limited to net.inet.tcp.rstppslim a second.
 */
export function tcp_dropwithreset(): void {
  const seg = tcps.seg;
  if ((seg.ti_flags & th.TH_RST) != 0) return;
  const second = getmicrouptime() / 1000000;
  if (second != tcps.rst_second) {
    tcps.rst_second = second;
    tcps.rst_count = 0;
  }
  if (tcps.rstppslim >= 0 && ++tcps.rst_count > tcps.rstppslim) {
    tcpstat.rstlimit++;
    return;
  }
  const m = m_gethdr(MAX_LINKHDR + IP_HDRLEN);
  if (!m) {
    tcpstat.sndnobufs++;
    return;
  }
  if ((seg.ti_flags & th.TH_ACKF) != 0) {
    tcp_header(m, seg.dport, seg.sport, seg.seg_ack, 0, th.TH_RST, 0, 0);
  } else {
    let len = seg.ti_len;
    if ((seg.ti_flags & th.TH_SYN) != 0) len++;
    if ((seg.ti_flags & th.TH_FIN) != 0) len++;
    tcp_header(m, seg.dport, seg.sport, 0, seg.seg_seq + len, th.TH_RST | th.TH_ACKF, 0, 0);
  }
  tcp_setcsum(m, seg.dst, seg.src, m.ph_len);
  tcpstat.sndtotal++;
  tcpstat.sndrst++;
  ip_output(m, changetype<Inpcb>(0), seg.dst, seg.src, IPPROTO_TCP, 64, 0, true);
}

/** What ICMP said of a segment of ours. */
export const TCPE_UNREACH: i32 = 1;
export const TCPE_REFUSED: i32 = 2;
export const TCPE_NEEDFRAG: i32 = 3;

/**
 * ICMP quotes a segment of ours: `laddr`:`lport` to `faddr`:`fport`, sequence `seq`. RFC 5927 §4.1:
 * only if that sequence number is in flight. RFC 9293 §3.9.2.2 MUST-54, MUST-56: unreachable (net, host,
 * time exceeded) is a soft error; protocol or port unreachable may end a connection being made.
 */
export function tcp_ctlinput(what: i32, mtu: u32, laddr: u32, lport: u32, faddr: u32, fport: u32, seq: u32): void {
  const inp = in_pcblookup_conn(tcps.info, laddr, lport, faddr, fport);
  if (!inp || (inp.inp_flags & INP_CONNECTED) == 0) {
    syn_cache_unreach(what, laddr, lport, faddr, fport, seq);
    return;
  }
  const tp = changetype<Tcpcb>(inp.inp_ppcb);
  if (th.SEQ_LT(seq, tp.snd_una) || th.SEQ_GEQ(seq, tp.snd_max)) return;
  if (what == TCPE_NEEDFRAG) {
    tcp_mtudisc(tp, mtu, seq);
    return;
  }
  const opening = tp.t_state == v.TCPS_SYN_SENT || tp.t_state == v.TCPS_SYN_RECEIVED;
  if (what == TCPE_REFUSED && opening) {
    tcp_drop(tp, ECONNREFUSED);
  } else {
    // RFC 9293 §3.9.2.2 SHLD-25: remembered, and told if the connection fails (tcp_timer_rexmt).
    tp.t_softerror = what == TCPE_REFUSED ? ECONNREFUSED : EHOSTUNREACH;
  }
}

/** The errno of a send that failed on its way out, as a soft error; 0 if it is passing (ENOBUFS). */
export function tcp_softerror(tp: Tcpcb, e: i32): void {
  if (e == -EMSGSIZE || e >= 0) return;
  tp.t_softerror = -e;
}

/** The other end reset the connection: what the user is told (RFC 9293 §3.9.1.8 MUST-47: by SO_ERROR and the next call). */
export function tcp_reseterror(state: i32): i32 {
  if (state == v.TCPS_SYN_SENT || state == v.TCPS_SYN_RECEIVED) return ECONNREFUSED;
  return state == v.TCPS_TIME_WAIT ? ETIMEDOUT : ECONNRESET;
}
