/**
 * TCP input: a segment arrives (RFC 9293 §3.10.7).
 *
 *      ip_input → tcp_input: length, checksum, header → demux: connection, else listener, else CLOSED
 *          LISTEN      → tcp_listen.ts
 *          SYN-SENT    → tcp_synsent.ts
 *          the others  → tcp_segment.ts: sequence, RST, SYN, ACK (tcp_ack.ts), URG, text, FIN
 *
 * The header is read once, into tcps.seg, in host order and validated: what runs after this file cannot
 * meet a malformed segment. Established connections in order take a short path (header prediction,
 * Van Jacobson): pure ACKs and pure in-sequence data skip the general checks, because all of them hold.
 */
import { IPPROTO_TCP } from "../../kernel/abi/inet";
import { CSUM_DATA_OK, M_BCAST, M_MCAST, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_adj, m_pullup } from "../../kernel/net/mbuf2";
import { in4_cksum, in_pseudo } from "../../kernel/net/in_cksum";
import { SS_CANTRCVMORE, Socket, sorwakeup, sowwakeup } from "../../kernel/net/socket";
import { sbappendstream, sbspace } from "../../kernel/net/sockbuf";
import { INP_CONNECTED, Inpcb, in_pcblookup_conn, in_pcblookup_wild } from "./in_pcb";
import { IP_DST, IP_SRC, IP_TOS, IP_TTL } from "./ip";
import * as th from "./tcp";
import { tcp_ack_new } from "./tcp_ack";
import { tcp_info_received } from "./tcp_info";
import { tcp_pressed, tcp_rcvbuf_time } from "./tcp_autobuf";
import { TE_ON, tcp_ecn_input } from "./tcp_ecn";
import { tcp_listen_input } from "./tcp_listen";
import { TOF_SACK, TOF_TS, tcp_dooptions, tcpopt } from "./tcp_options";
import { tcp_output } from "./tcp_output";
import { tcp_sack_input } from "./tcp_sack";
import { tcp_segment_input } from "./tcp_segment";
import { tcp_ts_update } from "./tcp_sequence";
import { tcpstat } from "./tcp_stat";
import { tcp_dropwithreset } from "./tcp_subr";
import { tcp_synsent_input } from "./tcp_synsent";
import { tcp_keepalive_touch, tcp_timer_arm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";
import { tcp_vtw_collect, tcp_vtw_input } from "./tcp_vtw";

/** Read the headers into tcps.seg; the payload alone stays in m. Null (m freed, counted) if malformed. */
function tcp_parse(m0: Mbuf, iphlen: i32): Mbuf {
  tcpstat.rcvtotal++;
  if (m0.ph_len < iphlen + th.TCP_HDRLEN) {
    tcpstat.rcvshort++;
    m_freem(m0);
    return changetype<Mbuf>(0);
  }
  // RFC 9293 §3.9.2.1 MUST-50: IP options are IP's; TCP looks behind them.
  let m = m_pullup(m0, iphlen + th.TCP_HDRLEN);
  if (!m) return m;
  const tlen = m.ph_len - iphlen;
  const hlen = <i32>(load<u8>(m.m_data + iphlen, th.TH_OFF) >> 4) << 2;
  if (hlen < th.TCP_HDRLEN || hlen > tlen) {
    tcpstat.rcvbadoff++;
    m_freem(m);
    return changetype<Mbuf>(0);
  }
  m = m_pullup(m, iphlen + hlen);
  if (!m) return m;
  const ip = m.m_data;
  const src = load<u32>(ip, IP_SRC);
  const dst = load<u32>(ip, IP_DST);
  // RFC 9293 §3.1 MUST-3: the checksum is checked, unless the device did or it never left the machine.
  if ((m.ph_csum & CSUM_DATA_OK) == 0 && in4_cksum(m, iphlen, tlen, in_pseudo(src, dst, IPPROTO_TCP, tlen)) != 0) {
    tcpstat.rcvbadsum++;
    m_freem(m);
    return changetype<Mbuf>(0);
  }
  const p = ip + iphlen;
  const seg = tcps.seg;
  seg.src = src;
  seg.dst = dst;
  seg.tos = load<u8>(ip, IP_TOS);
  seg.ttl = load<u8>(ip, IP_TTL);
  seg.sport = <u32>bswap<u16>(load<u16>(p, th.TH_SPORT));
  seg.dport = <u32>bswap<u16>(load<u16>(p, th.TH_DPORT));
  seg.seg_seq = bswap<u32>(load<u32>(p, th.TH_SEQ));
  seg.seg_ack = bswap<u32>(load<u32>(p, th.TH_ACK));
  seg.ti_flags = load<u8>(p, th.TH_FLAGS);
  // RFC 9293 §3.1 MUST-1: the window is an unsigned number.
  seg.seg_wnd_raw = <u32>bswap<u16>(load<u16>(p, th.TH_WIN));
  seg.seg_up = <u32>bswap<u16>(load<u16>(p, th.TH_URP));
  seg.ti_len = tlen - hlen;
  tcp_dooptions(p + th.TCP_HDRLEN, hlen - th.TCP_HDRLEN, (seg.ti_flags & th.TH_SYN) != 0);
  m_adj(m, iphlen + hlen);
  return m;
}

/** The control block that this segment is for: the connection, else a listener, else 0. */
function tcp_demux(): Inpcb {
  const seg = tcps.seg;
  const inp = in_pcblookup_conn(tcps.info, seg.dst, seg.dport, seg.src, seg.sport);
  if (inp) return inp;
  return in_pcblookup_wild(tcps.info, seg.dst, seg.dport, seg.src ^ (seg.sport << 16));
}

/** A segment arrives: `m` holds the IP header (of `iphlen` bytes) and what follows. Consumes it. */
export function tcp_input(m0: Mbuf, iphlen: i32): void {
  // RFC 9293 §3.9.2.3 MUST-57: never for a broadcast or multicast address.
  if ((m0.m_flags & (M_BCAST | M_MCAST)) != 0) {
    m_freem(m0);
    return;
  }
  const m = tcp_parse(m0, iphlen);
  if (!m) return;
  const seg = tcps.seg;
  seg.m = m;
  const inp = tcp_demux();
  // Vestiges come after the connections and before the listeners.
  const connected = changetype<usize>(inp) != 0 && (inp.inp_flags & INP_CONNECTED) != 0;
  if (connected || !tcp_vtw_input()) tcp_dispatch(inp);
  if (seg.m) m_freem(seg.m);
  seg.m = changetype<Mbuf>(0);
  if (tcps.tw_ready) tcp_vtw_collect();
}

/** The segment under way, for block `inp` (0: nobody's), by the block's state. */
function tcp_dispatch(inp: Inpcb): void {
  const seg = tcps.seg;
  if (!inp || inp.inp_ppcb == 0) {
    tcpstat.rcvnoport++;
    tcp_dropwithreset();
    return;
  }
  const tp = changetype<Tcpcb>(inp.inp_ppcb);
  if (inp.inp_minttl != 0 && seg.ttl < <i32>inp.inp_minttl) {
    tcpstat.rcvnoport++;
  } else if (tp.t_state == v.TCPS_LISTEN) {
    tcp_listen_input(tp);
  } else if (tp.t_state == v.TCPS_CLOSED) {
    tcp_dropwithreset();
  } else {
    tcp_info_received(tp, seg.ti_len);
    // RFC 7323 §2.2: the window of a SYN is never scaled.
    const scale = (seg.ti_flags & th.TH_SYN) != 0 ? 0 : tp.snd_scale;
    seg.seg_wnd = seg.seg_wnd_raw << <u32>scale;
    if (tp.t_state == v.TCPS_SYN_SENT) tcp_synsent_input(tp);
    else if (!tcp_fastpath(tp)) tcp_segment_input(tp);
  }
}

/** Established, in order, nothing unusual: true if the segment was dealt with here. */
function tcp_fastpath(tp: Tcpcb): bool {
  const seg = tcps.seg;
  if (tp.t_state != v.TCPS_ESTABLISHED || (seg.ti_flags & ~th.TH_PUSH) != th.TH_ACKF) return false;
  if (seg.seg_seq != tp.rcv_nxt || seg.seg_wnd == 0 || seg.seg_wnd != tp.snd_wnd || tp.snd_nxt != tp.snd_max) return false;
  if ((tp.t_flags & (v.TF_FASTRECOVERY | v.TF_PERSIST | v.TF_URGPEND)) != 0 || tp.t_segq) return false;
  const to = tcpopt;
  if ((to.to_flags & TOF_SACK) != 0) return false;
  if ((tp.t_flags & v.TF_RCVD_TSTMP) != 0) {
    // RFC 7323 §5.3: PAWS holds.
    if ((to.to_flags & TOF_TS) == 0 || th.SEQ_LT(to.to_tsval, tp.ts_recent)) return false;
  }
  if (seg.ti_len == 0) {
    if (!th.SEQ_GT(seg.seg_ack, tp.snd_una) || th.SEQ_GT(seg.seg_ack, tp.snd_max)) return false;
    tcpstat.predack++;
    tcp_ts_update(tp);
    tcp_keepalive_touch(tp);
    tp.snd_wl1 = seg.seg_seq;
    tp.snd_wl2 = seg.seg_ack;
    tcp_sack_input(tp);
    tcp_ack_new(tp);
    tcp_output(tp);
    return true;
  }
  const so = tp.t_inpcb.inp_so;
  if (tcp_pressed(so)) return false;
  if (seg.seg_ack != tp.snd_una || seg.ti_len > sbspace(so.so_rcv) || (so.so_state & SS_CANTRCVMORE) != 0) return false;
  if (<u32>seg.ti_len > tp.rcv_adv - tp.rcv_nxt) return false;
  tcpstat.preddat++;
  tcp_ts_update(tp);
  tcp_keepalive_touch(tp);
  tp.snd_wl1 = seg.seg_seq;
  if ((tp.t_ecn & TE_ON) != 0) tcp_ecn_input(tp);
  tcp_indata(tp, so);
  if ((tp.t_flags & v.TF_ACKNOW) != 0) tcp_output(tp);
  return true;
}

/** In-sequence data: to the receive buffer, and an ACK is owed. */
export function tcp_indata(tp: Tcpcb, so: Socket): void {
  const seg = tcps.seg;
  tcpstat.rcvpack++;
  tcpstat.rcvbyte += <u64>seg.ti_len;
  tp.rcv_nxt += seg.ti_len;
  tcp_rcvbuf_time(tp);
  // Without news the urgent pointer moves along, or it would be 2^31 behind one day and seem ahead.
  if ((tp.t_flags & v.TF_URGPEND) == 0) tp.rcv_up = tp.rcv_nxt;
  const m = seg.m;
  seg.m = changetype<Mbuf>(0);
  sbappendstream(so.so_rcv, m);
  tcp_oweack(tp);
  sorwakeup(so);
}

/**
 * RFC 9293 §3.8.6.3 SHLD-18: every second full segment at once, else within delack, RFC 9293 §3.8.6.3 MUST-40:
 * half a second at most (the sysctl's limit). So ACKs are aggregated, RFC 9293 §3.10.7.4 MUST-58.
 */
export function tcp_oweack(tp: Tcpcb): void {
  const seg = tcps.seg;
  const two = <u32>seg.ti_len > tp.t_maxseg || tp.rcv_nxt - tp.last_ack_sent >= tp.t_maxseg << 1;
  if (two || tcps.delack_us == 0 || (tp.t_flags & v.TF_QUICKACK) != 0) {
    tp.t_flags |= v.TF_ACKNOW;
    return;
  }
  if ((tp.t_flags & v.TF_DELACK) != 0) return;
  tp.t_flags |= v.TF_DELACK;
  tcp_timer_arm(tp, v.TCPT_DELACK, tcps.delack_us);
}

/** Room in the send buffer: the writer may go on. */
export function tcp_wakewriter(so: Socket): void {
  if (sbspace(so.so_snd) >= <i32>so.so_snd.sb_lowat) sowwakeup(so);
}
