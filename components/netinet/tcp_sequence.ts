/**
 * Is a segment acceptable? PAWS and the sequence number check of RFC 9293 §3.10.7.4, and what is cut off.
 *
 *      rcv_nxt                      rcv_adv
 *         │←──────── window ───────────→│
 *      ▒▒▒│████████  kept  █████████████│▒▒▒        ▒ trimmed: old on the left, too much on the right
 *
 * A segment none of which lies in the window is answered with an ACK, a reset is not. How often is
 * limited (tcp_challenge.ts).
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { m_adj } from "../../kernel/net/mbuf2";
import * as th from "./tcp";
import { tcp_challenge, tcp_outside_ack, tcp_outside_allowed } from "./tcp_challenge";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcp_output } from "./tcp_output";
import { tcp_sack_rcvdup } from "./tcp_sackrcv";
import { tcpstat } from "./tcp_stat";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

/** RFC 7323 §5.5: a connection idle for this long has no use for its last timestamp. */
const TCP_PAWS_IDLE_US: i64 = 24 * 86400 * 1000000;

/** RFC 7323 §5.3 R1: a segment with a timestamp older than the last one is a duplicate from the past. */
export function tcp_check_paws(tp: Tcpcb): bool {
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
  // Late, and overtaken by its own retransmission: RFC 2883 has a word for that.
  const end = seg.seg_seq + seg.ti_len;
  if (th.SEQ_LEQ(end, tp.rcv_nxt)) tcp_sack_rcvdup(tp, seg.seg_seq, end);
  tcp_outside_ack(tp);
  return false;
}

/** First: is any of it inside the window (RFC 9293 §3.10.7.4)? Trims what is not. */
export function tcp_check_sequence(tp: Tcpcb): bool {
  const seg = tcps.seg;
  const before = <i32>(tp.rcv_nxt - seg.seg_seq);
  if (before > 0 && !tcp_trim_left(tp, before)) return false;
  const wnd = th.SEQ_GT(tp.rcv_adv, tp.rcv_nxt) ? tp.rcv_adv - tp.rcv_nxt : 0;
  const fin = (seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0;
  const over = <i32>(seg.seg_seq + seg.ti_len + fin - (tp.rcv_nxt + wnd));
  if (over > 0 && !tcp_trim_right(tp, over, wnd)) return false;
  if (over == 0 && seg.ti_len + fin == 0 && wnd > 0 && (seg.ti_flags & (th.TH_SYN | th.TH_RST)) != 0) {
    // The right edge itself is outside. A bare ACK there is let through: its sender has filled the
    // window, and what it acknowledges is news whatever became of the data before it.
    tcp_outside(tp);
    return false;
  }
  return true;
}

/**
 * RFC 7323 §4.3: the timestamp to echo is that of the segment that the last ACK waits for. Only once its
 * ACK has been found acceptable (RFC 5961 §5.2): who guesses sequence numbers alone must not be able to
 * set a timestamp from the future, beside which all that the peer sends would be old. And not from a
 * segment that lies wholly before the window.
 */
export function tcp_ts_update(tp: Tcpcb): void {
  const to = tcpopt;
  if ((to.to_flags & TOF_TS) == 0 || (tp.t_flags & v.TF_RCVD_TSTMP) == 0) return;
  const seg = tcps.seg;
  if (th.SEQ_GT(seg.seg_seq, tp.last_ack_sent) || th.SEQ_LT(seg.seg_seq + seg.ti_len, tp.rcv_nxt)) return;
  if (th.SEQ_LT(to.to_tsval, tp.ts_recent)) return;
  tp.ts_recent = to.to_tsval;
  tp.ts_recent_age_us = getmicrouptime();
}

/** Not acceptable: an ACK, unless it is a reset. A SYN is challenged wherever it lies (RFC 5961 §4.2). */
function tcp_outside(tp: Tcpcb): void {
  const flags = tcps.seg.ti_flags;
  if ((flags & th.TH_RST) != 0) return;
  if ((flags & th.TH_SYN) != 0) tcp_challenge(tp);
  else tcp_outside_ack(tp);
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
      tcp_outside_ack(tp);
      return false;
    }
    // All of it is old. Its ACK may still be news, so the check of the ACK sees what is left of it.
    if (seg.ti_len > 0) {
      tcpstat.rcvduppack++;
      tcpstat.rcvdupbyte += <u64>seg.ti_len;
      tcp_sack_rcvdup(tp, seg.seg_seq, seg.seg_seq + seg.ti_len);
    }
    if (tcp_outside_allowed(tp, seg.ti_len + (fin ? 1 : 0))) tp.t_flags |= v.TF_ACKNOW;
    seg.ti_flags &= ~(th.TH_FIN | th.TH_URG);
    before = seg.ti_len;
    // Not up to rcv_nxt: it is older than what set the window (SND.WL1), and must not set it.
    seg.seg_seq = th.SEQ_MIN(seg.seg_seq + before, tp.snd_wl1 - 1);
  } else {
    tcpstat.rcvpartduppack++;
    tcpstat.rcvpartdupbyte += <u64>before;
    tcp_sack_rcvdup(tp, seg.seg_seq, tp.rcv_nxt);
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
  const fin = (seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0;
  tcpstat.rcvpackafterwin++;
  if (over >= seg.ti_len + fin && !(wnd == 0 && seg.seg_seq == tp.rcv_nxt)) {
    tcpstat.rcvbyteafterwin += <u64>seg.ti_len;
    tcp_outside(tp);
    return false;
  }
  // RFC 9293 §3.4 MUST-66: with a closed window nothing is accepted but valid ACKs, URGs and RSTs: a probe.
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

