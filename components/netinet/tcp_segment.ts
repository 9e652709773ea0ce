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
import { MNULL, m_freem } from "../../kernel/net/mbuf";
import {
  SS_CANTRCVMORE, SS_NOFDREF, SS_OOBPEND, Socket, socantrcvmore, sohasoutofband, soisdisconnected,
  sorwakeup,
} from "../../kernel/net/socket";
import { in_pcblookup_wild } from "./in_pcb";
import * as th from "./tcp";
import { tcp_ack } from "./tcp_ack";
import { tcp_acknow, tcp_challenge, tcp_outside_ack } from "./tcp_challenge";
import { tcp_pressed } from "./tcp_autobuf";
import { TE_ON, tcp_ecn_input } from "./tcp_ecn";
import { tcp_indata } from "./tcp_input";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcp_output } from "./tcp_output";
import { tcp_reass, tcp_reass_present } from "./tcp_reass";
import { tcp_check_paws, tcp_check_sequence } from "./tcp_sequence";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_dropwithreset, tcp_reseterror } from "./tcp_subr";
import { tcp_keepalive_touch } from "./tcp_timer";
import { tcp_timewait_arm, tcp_timewait_input } from "./tcp_timewait";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

export function tcp_segment_input(tp: Tcpcb): void {
  const seg = tcps.seg;
  if (tp.t_state == v.TCPS_TIME_WAIT) {
    tcp_timewait_input(tp);
    return;
  }
  if (!tcp_check_paws(tp) || !tcp_check_sequence(tp)) return;
  if ((seg.ti_flags & th.TH_RST) != 0) {
    tcp_check_rst(tp);
    return;
  }
  if (!tcp_check_syn(tp)) return;
  // Fifth: RFC 9293: "if the ACK bit is off, drop the segment".
  if ((seg.ti_flags & th.TH_ACKF) == 0) return;
  tcp_keepalive_touch(tp);
  if (!tcp_ack(tp)) return;
  if ((tp.t_ecn & TE_ON) != 0) tcp_ecn_input(tp);
  tcp_segment_text(tp);
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
    // RFC 9293 §3.5 MUST-11: how it was opened is remembered. A passive open goes back to LISTEN: the listener is there still, only this attempt ends.
    if ((tp.t_flags & v.TF_PASSIVE) == 0) so.so_error = ECONNREFUSED;
  } else if (tp.t_state <= v.TCPS_FIN_WAIT_1 || tp.t_state == v.TCPS_FIN_WAIT_2) {
    // RFC 9293 §3.6 MUST-12: the user is told that the connection was aborted, not closed.
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
      if (seg.ti_len > 0 && !tcp_deliver(tp, so)) fin = 0;
    } else {
      fin = tcp_outoforder(tp, so, fin);
    }
    tcp_urgent_mark(tp, so);
    if (fin != 0) tcp_segment_fin(tp, so);
  } else if (fin != 0) {
    // The FIN again: acknowledge it.
    tp.t_flags |= v.TF_ACKNOW;
  }
  tcp_output(tp);
}

/**
 * In order: to the reader, or counted and dropped if the reader wants no more. False if there are not the mbufs
 * to keep it: it has not been received, and the ACK says so.
 */
function tcp_deliver(tp: Tcpcb, so: Socket): bool {
  const seg = tcps.seg;
  const wanted = (so.so_state & SS_CANTRCVMORE) == 0;
  const pressed = wanted && tcp_pressed(so);
  if (wanted && !pressed) {
    tcp_indata(tp, so);
    return true;
  }
  if (pressed) tcpstat.rcvpressdrop++;
  else tp.rcv_nxt += seg.ti_len;
  m_freem(seg.m);
  seg.m = MNULL;
  tp.t_flags |= v.TF_ACKNOW;
  return !pressed;
}

/** Out of order, or filling a hole: keep it, hand over what is in order now. The FIN if it is reached. */
function tcp_outoforder(tp: Tcpcb, so: Socket, fin: i32): i32 {
  const seg = tcps.seg;
  const m = seg.m;
  seg.m = MNULL;
  tcp_reass(tp, m, seg.seg_seq, fin);
  const was = tp.rcv_nxt;
  const got = tcp_reass_present(tp, so);
  // RFC 9293 §3.10.7.4 MUST-59: all that is in order now is taken first. RFC 5681 §4.2: then an ACK at once, for out-of-order segments and for those that fill a gap.
  tp.t_flags |= v.TF_ACKNOW;
  if (tp.rcv_nxt != was) sorwakeup(so);
  return got;
}

/** Sixth: URG moves the urgent pointer forward (RFC 9293 §3.8.5 MUST-30, RFC 6093), however far: RFC 9293 §3.8.5 MUST-31. */
function tcp_segment_urg(tp: Tcpcb): void {
  const seg = tcps.seg;
  if ((seg.ti_flags & th.TH_URG) == 0 || seg.seg_up == 0 || v.TCPS_HAVERCVDFIN(tp.t_state)) return;
  const up = seg.seg_seq + seg.seg_up;
  if (!th.SEQ_GT(up, tp.rcv_up)) return;
  tcpstat.rcvurg++;
  tp.rcv_up = up;
  tp.t_flags |= v.TF_URGPEND;
  // RFC 9293 §3.8.5 MUST-32: whoever watches (EVFILT_EXCEPT) hears it now, and each time that the pointer moves on.
  const so = tp.t_inpcb.inp_so;
  so.so_state |= SS_OOBPEND;
  sorwakeup(so);
}

/** RFC 9293 §3.8.5 MUST-33: the reader learns where urgent data ends once it is all there: a read stops there, SIOCATMARK says so. */
function tcp_urgent_mark(tp: Tcpcb, so: Socket): void {
  if ((tp.t_flags & v.TF_URGPEND) == 0 || th.SEQ_GT(tp.rcv_up, tp.rcv_nxt)) return;
  tp.t_flags &= ~v.TF_URGPEND;
  so.so_state &= ~SS_OOBPEND;
  // RFC 9293 §3.8.5 MUST-62: the pointer is one beyond the urgent byte. That byte may have been read already.
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
