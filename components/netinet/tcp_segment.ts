/**
 * A segment arrives on a connection that is past SYN-SENT: the checks of RFC 9293 §3.10.7.4, in their
 * order, one function each.
 *
 *      PAWS → sequence number → RST → SYN → ACK (tcp_ack.ts) → URG → text → FIN
 *
 * A check answers whether the next one should look at the segment. Resets and SYNs inside the window
 * are only believed at the exact sequence number, else challenged (RFC 5961, now part of RFC 9293
 * §3.10.7.4): who cannot see the connection cannot end it.
 */
import { ECONNREFUSED } from "../../kernel/abi/errno";
import { getmicrouptime } from "../../kernel/kern/clock";
import { MNULL, m_freem } from "../../kernel/net/mbuf";
import { m_adj } from "../../kernel/net/mbuf2";
import {
  SS_CANTRCVMORE, SS_NOFDREF, Socket, socantrcvmore, sohasoutofband, soisdisconnected,
  sorwakeup,
} from "../../kernel/net/socket";
import { in_pcblookup_wild } from "./in_pcb";
import * as th from "./tcp";
import { tcp_ack } from "./tcp_ack";
import { tcp_indata } from "./tcp_input";
import { tcp_listen_input } from "./tcp_listen";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcp_output } from "./tcp_output";
import { tcp_reass, tcp_reass_present } from "./tcp_reass";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_dropwithreset, tcp_reseterror, tcp_respond } from "./tcp_subr";
import { tcp_keepalive_touch } from "./tcp_timer";
import { tcp_timewait_arm } from "./tcp_timewait";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

/** RFC 7323 §5.5: a connection idle for this long has no use for its last timestamp. */
const TCP_PAWS_IDLE_US: i64 = 24 * 86400 * 1000000;

export function tcp_segment_input(tp: Tcpcb): void {
  const seg = tcps.seg;
  if (tp.t_state == v.TCPS_TIME_WAIT && tcp_timewait_syn(tp)) return;
  if (!tcp_check_paws(tp) || !tcp_check_sequence(tp)) return;
  if ((seg.ti_flags & th.TH_RST) != 0) {
    tcp_check_rst(tp);
    return;
  }
  if (!tcp_check_syn(tp)) return;
  // Fifth: RFC 9293: "if the ACK bit is off, drop the segment".
  if ((seg.ti_flags & th.TH_ACKF) == 0) return;
  if (tp.t_state == v.TCPS_TIME_WAIT) {
    tcp_timewait_segment(tp);
    return;
  }
  tcp_keepalive_touch(tp);
  if (!tcp_ack(tp)) return;
  tcp_segment_text(tp);
}

/**
 * TIME-WAIT, fifth: "the only thing that can arrive is a retransmission of the remote FIN. Acknowledge
 * it, and restart the 2 MSL timeout." Whatever else comes is acknowledged too, so that a peer which has
 * lost its way hears where we are; but the last ACK again is not: two ends must not answer each other.
 */
function tcp_timewait_segment(tp: Tcpcb): void {
  const seg = tcps.seg;
  const fin = (seg.ti_flags & th.TH_FIN) != 0;
  const last = !fin && seg.ti_len == 0 && seg.seg_seq == tp.rcv_nxt && seg.seg_ack == tp.snd_max;
  const owed = (tp.t_flags & v.TF_ACKNOW) != 0;
  tp.t_flags &= ~v.TF_ACKNOW;
  if (fin) tcp_timewait_arm(tp);
  if (!last || owed) tcp_acknow(tp);
}

/** <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, now: to duplicates and what lies outside the window. */
export function tcp_acknow(tp: Tcpcb): void {
  tcp_respond(tp, tp.snd_max, tp.rcv_nxt, th.TH_ACKF);
}

/** RFC 5961: an answer that only the true peer can turn into what it wants. */
export function tcp_challenge(tp: Tcpcb): void {
  tcpstat.challengeack++;
  tcp_acknow(tp);
}

/**
 * A SYN for a 4-tuple in TIME-WAIT (RFC 9293 §3.10.7.4, RFC 6191): a new connection if its sequence
 * number lies above the old ones, or its timestamp is newer. True if it was handed to the listener.
 */
function tcp_timewait_syn(tp: Tcpcb): bool {
  const seg = tcps.seg;
  if ((seg.ti_flags & (th.TH_SYN | th.TH_ACKF | th.TH_RST)) != th.TH_SYN) return false;
  const to = tcpopt;
  const ts = (to.to_flags & TOF_TS) != 0 && (tp.t_flags & v.TF_RCVD_TSTMP) != 0;
  // RFC 6191 §2: with equal timestamps, and without, the sequence number decides.
  const above = th.SEQ_GT(seg.seg_seq, tp.rcv_nxt);
  const newer = ts && to.to_tsval != tp.ts_recent ? th.SEQ_GT(to.to_tsval, tp.ts_recent) : above;
  if (!newer) return false;
  const inp = in_pcblookup_wild(tcps.info, seg.dst, seg.dport, seg.src ^ (seg.sport << 16));
  if (!inp) return false;
  const lp = changetype<Tcpcb>(inp.inp_ppcb);
  if (lp.t_state != v.TCPS_LISTEN) return false;
  tcps.iss_floor = tp.snd_max;
  tcps.iss_floored = true;
  tcp_close(tp);
  tcp_listen_input(lp);
  tcps.iss_floored = false;
  return true;
}

/** RFC 7323 §5.3 R1: a segment with a timestamp older than the last one is a duplicate from the past. */
function tcp_check_paws(tp: Tcpcb): bool {
  const to = tcpopt;
  if ((tp.t_flags & v.TF_RCVD_TSTMP) == 0) return true;
  const seg = tcps.seg;
  if ((to.to_flags & TOF_TS) == 0) {
    // RFC 7323 §3.2: once negotiated, a segment without it (but a reset) is dropped.
    return (seg.ti_flags & th.TH_RST) != 0;
  }
  if ((seg.ti_flags & th.TH_RST) != 0 || !th.SEQ_LT(to.to_tsval, tp.ts_recent)) return true;
  if (getmicrouptime() - tp.ts_recent_age_us > TCP_PAWS_IDLE_US) {
    tp.ts_recent = to.to_tsval;
    return true;
  }
  tcpstat.pawsdrop++;
  tcp_acknow(tp);
  return false;
}

/** First: is any of it inside the window (RFC 9293 §3.10.7.4)? Trims what is not. */
export function tcp_check_sequence(tp: Tcpcb): bool {
  const seg = tcps.seg;
  const rst = (seg.ti_flags & th.TH_RST) != 0;
  const before = <i32>(tp.rcv_nxt - seg.seg_seq);
  if (before > 0 && !tcp_trim_left(tp, before)) return false;
  const wnd = th.SEQ_GT(tp.rcv_adv, tp.rcv_nxt) ? tp.rcv_adv - tp.rcv_nxt : 0;
  const fin = (seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0;
  const over = <i32>(seg.seg_seq + seg.ti_len + fin - (tp.rcv_nxt + wnd));
  if (over > 0 && !tcp_trim_right(tp, over, wnd)) return false;
  if (over == 0 && seg.ti_len + fin == 0 && wnd > 0 && (seg.ti_flags & (th.TH_SYN | th.TH_RST)) != 0) {
    // The right edge itself is outside. A bare ACK there is let through: its sender has filled the
    // window, and what it acknowledges is news whatever became of the data before it.
    tcp_outside(tp, rst);
    return false;
  }
  const to = tcpopt;
  // RFC 7323 §4.3: the timestamp to echo is that of the segment that the last ACK waits for.
  if ((to.to_flags & TOF_TS) != 0 && (tp.t_flags & v.TF_RCVD_TSTMP) != 0 && !rst &&
      th.SEQ_LEQ(seg.seg_seq, tp.last_ack_sent) && th.SEQ_GEQ(to.to_tsval, tp.ts_recent)) {
    tp.ts_recent = to.to_tsval;
    tp.ts_recent_age_us = getmicrouptime();
  }
  return true;
}

/** Not acceptable: an ACK, unless it is a reset. */
function tcp_outside(tp: Tcpcb, rst: bool): void {
  if (!rst) tcp_acknow(tp);
}

/** `before` sequence numbers were received before: cut them off. False if nothing of use is left. */
function tcp_trim_left(tp: Tcpcb, before: i32): bool {
  const seg = tcps.seg;
  if ((seg.ti_flags & th.TH_RST) != 0) return false;
  if ((seg.ti_flags & th.TH_SYN) != 0) {
    // Where it is not the SYN that opened this connection, or no longer news, it is only answered.
    if (tp.t_state != v.TCPS_SYN_RECEIVED || seg.seg_seq != tp.irs) {
      tcp_challenge(tp);
      return false;
    }
    // The peer has not seen our SYN,ACK: again. (With ACK: a simultaneous open, RFC 9293 §3.5 figure 8.)
    if ((seg.ti_flags & th.TH_ACKF) == 0) {
      tp.snd_nxt = tp.iss;
      tp.t_flags |= v.TF_ACKNOW;
      tcp_output(tp);
      return false;
    }
    seg.ti_flags &= ~th.TH_SYN;
    seg.seg_seq++;
    before--;
  }
  const fin = (seg.ti_flags & th.TH_FIN) != 0;
  if (before > seg.ti_len || (before == seg.ti_len && !fin)) {
    // Nothing from before the connection may establish it.
    if (tp.t_state == v.TCPS_SYN_RECEIVED && before > 0) {
      tcp_acknow(tp);
      return false;
    }
    // All of it is old. Its ACK may still be news, so the check of the ACK sees what is left of it.
    if (seg.ti_len > 0) {
      tcpstat.rcvduppack++;
      tcpstat.rcvdupbyte += <u64>seg.ti_len;
    }
    if (tp.t_state == v.TCPS_TIME_WAIT && fin) tcp_timewait_arm(tp);
    seg.ti_flags &= ~(th.TH_FIN | th.TH_URG);
    before = seg.ti_len;
    tp.t_flags |= v.TF_ACKNOW;
    // Not up to rcv_nxt: it stays older than what set the window (SND.WL1).
    seg.seg_seq += before;
  } else {
    tcpstat.rcvpartduppack++;
    tcpstat.rcvpartdupbyte += <u64>before;
    seg.seg_seq += before;
  }
  m_adj(seg.m, before);
  seg.ti_len -= before;
  if (seg.seg_up > <u32>before) seg.seg_up -= before;
  else seg.ti_flags &= ~th.TH_URG;
  return true;
}

/** `over` sequence numbers lie beyond the window: cut them off. False if all of it does. */
function tcp_trim_right(tp: Tcpcb, over: i32, wnd: u32): bool {
  const seg = tcps.seg;
  const rst = (seg.ti_flags & th.TH_RST) != 0;
  const fin = (seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0;
  tcpstat.rcvpackafterwin++;
  if (over >= seg.ti_len + fin && !(wnd == 0 && seg.seg_seq == tp.rcv_nxt)) {
    tcpstat.rcvbyteafterwin += <u64>seg.ti_len;
    tcp_outside(tp, rst);
    return false;
  }
  // RFC 9293 §3.10.7.4: with a closed window nothing is accepted but valid ACKs, URGs and RSTs: a probe.
  if (wnd == 0 && seg.ti_len > 0) tcpstat.rcvwinprobe++;
  tp.t_flags |= v.TF_ACKNOW;
  over -= fin;
  seg.ti_flags &= ~(th.TH_FIN | th.TH_PUSH);
  if (over > 0) {
    m_adj(seg.m, -over);
    seg.ti_len -= over;
    tcpstat.rcvbyteafterwin += <u64>over;
  }
  return true;
}

/** Second: RST (RFC 9293 §3.10.7.4, RFC 5961 §3.2). */
function tcp_check_rst(tp: Tcpcb): void {
  const seg = tcps.seg;
  if (seg.seg_seq != tp.rcv_nxt) {
    tcpstat.badrst++;
    tcp_challenge(tp);
    return;
  }
  const so = tp.t_inpcb.inp_so;
  if (tp.t_state == v.TCPS_SYN_RECEIVED) {
    // A passive open goes back to LISTEN: the listener is there still, only this attempt ends.
    if ((tp.t_flags & v.TF_PASSIVE) == 0) so.so_error = ECONNREFUSED;
  } else if (tp.t_state <= v.TCPS_FIN_WAIT_1 || tp.t_state == v.TCPS_FIN_WAIT_2) {
    so.so_error = tcp_reseterror(tp.t_state);
  }
  tcpstat.drops++;
  tcp_close(tp);
}

/** Fourth: SYN inside the window: a challenge, whatever its sequence number (RFC 5961 §4.2). */
function tcp_check_syn(tp: Tcpcb): bool {
  if ((tcps.seg.ti_flags & th.TH_SYN) == 0) return true;
  if (tp.t_state == v.TCPS_SYN_RECEIVED && (tp.t_flags & v.TF_PASSIVE) != 0) {
    // Back to LISTEN: this attempt ends without a word.
    tcp_close(tp);
    return false;
  }
  tcp_challenge(tp);
  return false;
}

/** Sixth to eighth: URG, the text, FIN. Then whatever is due goes out. */
export function tcp_segment_text(tp: Tcpcb): void {
  const seg = tcps.seg;
  const so = tp.t_inpcb.inp_so;
  // RFC 9293 §3.10.7.4, RFC 1122 §4.2.2.13: data for an owner that is gone is answered with a reset.
  if (seg.ti_len > 0 && (tp.t_state == v.TCPS_FIN_WAIT_1 || tp.t_state == v.TCPS_FIN_WAIT_2) &&
      (so.so_state & SS_NOFDREF) != 0) {
    tcpstat.rcvafterclose++;
    tcp_close(tp);
    tcp_dropwithreset();
    return;
  }
  tcp_segment_urg(tp);
  let fin = seg.ti_flags & th.TH_FIN;
  if ((seg.ti_len > 0 || fin != 0) && !v.TCPS_HAVERCVDFIN(tp.t_state)) {
    if (seg.seg_seq == tp.rcv_nxt && !tp.t_segq) {
      if (seg.ti_len > 0) tcp_deliver(tp, so);
    } else {
      fin = tcp_outoforder(tp, so, fin);
    }
    tcp_urgent_mark(tp, so);
    if (fin != 0) tcp_segment_fin(tp, so);
  } else if (fin != 0) {
    // The FIN again: acknowledge it (and restart 2 MSL in TIME-WAIT).
    tp.t_flags |= v.TF_ACKNOW;
    if (tp.t_state == v.TCPS_TIME_WAIT) tcp_timewait_arm(tp);
  }
  tcp_output(tp);
}

/** In order: to the reader, or counted and dropped if the reader wants no more. */
function tcp_deliver(tp: Tcpcb, so: Socket): void {
  const seg = tcps.seg;
  if ((so.so_state & SS_CANTRCVMORE) == 0) {
    tcp_indata(tp, so);
    return;
  }
  tp.rcv_nxt += seg.ti_len;
  m_freem(seg.m);
  seg.m = MNULL;
  tp.t_flags |= v.TF_ACKNOW;
}

/** Out of order, or filling a hole: keep it, hand over what is in order now. The FIN if it is reached. */
function tcp_outoforder(tp: Tcpcb, so: Socket, fin: i32): i32 {
  const seg = tcps.seg;
  const m = seg.m;
  seg.m = MNULL;
  tcp_reass(tp, m, seg.seg_seq, fin);
  const was = tp.rcv_nxt;
  const got = tcp_reass_present(tp, so);
  // RFC 5681 §4.2: an ACK at once, for out-of-order segments and for those that fill a gap.
  tp.t_flags |= v.TF_ACKNOW;
  if (tp.rcv_nxt != was) sorwakeup(so);
  return got;
}

/** Sixth: URG moves the urgent pointer forward (RFC 9293 §3.8.5 MUST-60 to 62, RFC 6093). */
function tcp_segment_urg(tp: Tcpcb): void {
  const seg = tcps.seg;
  if ((seg.ti_flags & th.TH_URG) == 0 || seg.seg_up == 0 || v.TCPS_HAVERCVDFIN(tp.t_state)) return;
  const up = seg.seg_seq + seg.seg_up;
  if (!th.SEQ_GT(up, tp.rcv_up)) return;
  tcpstat.rcvurg++;
  tp.rcv_up = up;
  tp.t_flags |= v.TF_URGPEND;
}

/** The reader learns where urgent data ends once it is all there. */
function tcp_urgent_mark(tp: Tcpcb, so: Socket): void {
  if ((tp.t_flags & v.TF_URGPEND) == 0 || th.SEQ_GT(tp.rcv_up, tp.rcv_nxt)) return;
  tp.t_flags &= ~v.TF_URGPEND;
  // The pointer is one beyond the urgent byte (RFC 9293 §3.1). That byte may have been read already.
  const back = tp.rcv_nxt - tp.rcv_up + 1;
  if (back <= so.so_rcv.sb_cc) sohasoutofband(so, back);
}

/** Eighth: the FIN is next in order. */
function tcp_segment_fin(tp: Tcpcb, so: Socket): void {
  tp.rcv_nxt++;
  tp.t_flags |= v.TF_ACKNOW;
  switch (tp.t_state) {
    case v.TCPS_SYN_RECEIVED:
    case v.TCPS_ESTABLISHED:
      tp.t_state = v.TCPS_CLOSE_WAIT;
      break;
    case v.TCPS_FIN_WAIT_1:
      tp.t_state = v.TCPS_CLOSING;
      break;
    case v.TCPS_FIN_WAIT_2:
      tcp_enter_timewait(tp);
      break;
    default:
      break;
  }
  socantrcvmore(so);
}

/** Both FINs are acknowledged, and ours was first: 2 MSL of TIME-WAIT (RFC 9293 §3.6.1). */
export function tcp_enter_timewait(tp: Tcpcb): void {
  tp.t_state = v.TCPS_TIME_WAIT;
  tcp_timewait_arm(tp);
  soisdisconnected(tp.t_inpcb.inp_so);
}
