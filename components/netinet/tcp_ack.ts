/**
 * Fifth check of RFC 9293 §3.10.7.4: the ACK field.
 *
 *      SYN-RECEIVED: our SYN is acknowledged → ESTABLISHED (if the listener's queue has room)
 *      snd_una < SEG.ACK <= snd_max: new       = snd_una: duplicate, or a window update
 *      otherwise: outside → an ACK, drop (RFC 5961 §5)
 *
 * A new acknowledgment frees send buffer, times the round trip, restarts the retransmission timer and
 * moves the closing states on.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { Socket, soisconnected } from "../../kernel/net/socket";
import { sbdrop } from "../../kernel/net/sockbuf";
import * as th from "./tcp";
import { tcp_sndbuf_tune } from "./tcp_autobuf";
import { tcp_cc_ecn, tcp_cc_established } from "./tcp_cc";
import { tcp_challenge } from "./tcp_challenge";
import { tcp_ecn_echoed } from "./tcp_ecn";
import { tcp_wakewriter } from "./tcp_input";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcp_pmtud_acked } from "./tcp_pmtud";
import { tcp_recovery_ack, tcp_recovery_dupack } from "./tcp_recovery";
import { tcp_sack_recovery } from "./tcp_sackrec";
import { tcp_sack_cumack, tcp_sack_input } from "./tcp_sack";
import { tcp_backoff_us, tcp_ts_rtt, tcp_xmit_timer } from "./tcp_rtt";
import { tcp_enter_timewait } from "./tcp_segment";
import { tcp_ts_update } from "./tcp_sequence";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_dropwithreset } from "./tcp_subr";
import { tcp_established_timers, tcp_rexmt_arm, tcp_timer_arm, tcp_timer_disarm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

/** False if the segment is not to be looked at any further (dropped, or the connection is gone). */
export function tcp_ack(tp: Tcpcb): bool {
  const seg = tcps.seg;
  if (tp.t_state == v.TCPS_SYN_RECEIVED && !tcp_ack_synreceived(tp)) return false;
  if (th.SEQ_GT(seg.seg_ack, tp.snd_max)) {
    tcpstat.rcvacktoomuch++;
    tcp_challenge(tp);
    return false;
  }
  // RFC 5961 §5.2: older than the largest window that we ever saw: challenged.
  if (th.SEQ_LT(seg.seg_ack, tp.snd_una - tp.max_sndwnd)) {
    tcp_challenge(tp);
    return false;
  }
  tcp_ts_update(tp);
  if (th.SEQ_GEQ(seg.seg_ack, tp.snd_una)) tcp_sack_input(tp);
  // RFC 3168 §6.1.2: before snd_una moves, what was in flight is what the window is reduced from.
  if (tcp_ecn_echoed(tp)) tcp_cc_ecn(tp);
  if (th.SEQ_GT(seg.seg_ack, tp.snd_una)) {
    // A segment older than the one that set the window tells nothing of it: its right edge stays.
    if (!tcp_window_update(tp)) {
      const acked = seg.seg_ack - tp.snd_una;
      tp.snd_wnd = tp.snd_wnd > acked ? tp.snd_wnd - acked : 0;
    }
    tcp_ack_new(tp);
    return tcp_ack_closing(tp);
  }
  const dup = seg.seg_ack == tp.snd_una && seg.ti_len == 0 && (seg.ti_flags & th.TH_FIN) == 0 &&
    tp.snd_max != tp.snd_una && seg.seg_wnd == tp.snd_wnd && (tp.t_flags & v.TF_PERSIST) == 0;
  if (dup) tcpstat.rcvdupack++;
  if (seg.seg_ack == tp.snd_una && tcps.del.active) tcp_sack_recovery(tp, 0);
  else if (dup) tcp_recovery_dupack(tp);
  tcp_window_update(tp);
  if (tp.t_state == v.TCPS_TIME_WAIT) return tcp_ack_closing(tp);
  return true;
}

/** SYN-RECEIVED: does this acknowledge our SYN? */
function tcp_ack_synreceived(tp: Tcpcb): bool {
  const seg = tcps.seg;
  if (th.SEQ_LEQ(seg.seg_ack, tp.snd_una) || th.SEQ_GT(seg.seg_ack, tp.snd_max)) {
    tcp_dropwithreset();
    return false;
  }
  const so = tp.t_inpcb.inp_so;
  // A full accept queue: the ACK is dropped, the SYN,ACK goes again, and there may be room by then.
  if (soisconnected(so) < 0) {
    tcpstat.listendrop++;
    return false;
  }
  tcpstat.connects++;
  if ((tp.t_flags & v.TF_RCVD_SCALE) != 0) seg.seg_wnd = seg.seg_wnd_raw << <u32>tp.snd_scale;
  // RFC 9293 §3.10.7.4: SND.WND, WL1 and WL2 from this segment.
  tp.snd_wnd = seg.seg_wnd;
  tp.max_sndwnd = max(tp.max_sndwnd, tp.snd_wnd);
  tp.snd_wl1 = seg.seg_seq;
  tp.snd_wl2 = seg.seg_ack;
  tp.t_state = v.TCPS_ESTABLISHED;
  tcp_sample(tp);
  tcp_cc_established(tp);
  tcp_established_timers(tp);
  tp.snd_una++;
  tp.t_una_since_us = 0;
  if (th.SEQ_LT(tp.snd_nxt, tp.snd_una)) tp.snd_nxt = tp.snd_una;
  // close(2) came before the handshake was done: now the FIN goes.
  if ((tp.t_flags & v.TF_NEEDFIN) != 0) {
    tp.t_flags &= ~v.TF_NEEDFIN;
    tp.t_state = v.TCPS_FIN_WAIT_1;
  }
  return true;
}

/** Time the round trip that this acknowledgment ends. */
function tcp_sample(tp: Tcpcb): void {
  const to = tcpopt;
  // The records know to the µs, and never of what was sent twice.
  if (tcps.del.active && tcps.del.rtt_us >= 0) tcp_xmit_timer(tp, tcps.del.rtt_us);
  else if ((to.to_flags & TOF_TS) != 0 && (tp.t_flags & v.TF_RCVD_TSTMP) != 0 && to.to_tsecr != 0) {
    const rtt = tcp_ts_rtt(tp, to.to_tsecr);
    if (rtt >= 0) tcp_xmit_timer(tp, rtt);
  } else if (tp.t_rtttime_us != 0 && th.SEQ_GT(tcps.seg.seg_ack, tp.t_rtseq)) {
    tcp_xmit_timer(tp, getmicrouptime() - tp.t_rtttime_us);
  }
  if (th.SEQ_GT(tcps.seg.seg_ack, tp.t_rtseq)) tp.t_rtttime_us = 0;
}

/** SEG.ACK acknowledges something new; tcp_sack_input has seen it. */
export function tcp_ack_new(tp: Tcpcb): void {
  const seg = tcps.seg;
  const so = tp.t_inpcb.inp_so;
  const acked = seg.seg_ack - tp.snd_una;
  tcpstat.rcvackpack++;
  tcpstat.rcvackbyte += <u64>acked;
  if (tp.t_sent_first) {
    tcp_sack_cumack(tp, seg.seg_ack);
    tp.t_sackflags |= v.TSF_PTODUE;
  }
  tcp_sample(tp);
  const cc = so.so_snd.sb_cc;
  const data = min(acked, cc);
  // What sbdrop takes away and snd_una move together: offsets into so_snd count from snd_una.
  sbdrop(so.so_snd, data);
  tp.t_acked_data += <u64>data;
  tp.snd_una = seg.seg_ack;
  if (th.SEQ_LT(tp.snd_nxt, tp.snd_una)) tp.snd_nxt = tp.snd_una;
  if (th.SEQ_LT(tp.snd_up, tp.snd_una)) tp.snd_up = tp.snd_una;
  // RFC 9293 §3.8.1 MUST-18, RFC 6298 §5, Karn: what was sent again gives no sample, and without one the RTO stays backed off.
  if (tp.t_rxtshift > 0 && (tp.t_flags & v.TF_PERSIST) == 0) tp.t_rto_us = <i32>tcp_backoff_us(tp);
  tp.t_rxtshift = 0;
  tp.t_softerror = 0;
  if (tp.snd_una == tp.snd_max) {
    tcp_timer_disarm(tp, v.TCPT_REXMT);
    tp.t_flags &= ~v.TF_PERSIST;
    tp.t_una_since_us = 0;
  } else {
    tp.t_una_since_us = getmicrouptime();
    // Probes are of data. When only our FIN is left, it is retransmitted.
    if (data == cc) tp.t_flags &= ~v.TF_PERSIST;
    if ((tp.t_flags & v.TF_PERSIST) == 0) tcp_rexmt_arm(tp);
  }
  tcp_recovery_ack(tp, acked);
  tcp_pmtud_acked(tp);
  if (data > 0) {
    tcp_sndbuf_tune(tp, so, cc);
    tcp_wakewriter(so);
  }
}

/** RFC 9293 §3.10.7.4: a newer segment's window replaces the old one (SND.WL1, SND.WL2). True if it is newer. */
function tcp_window_update(tp: Tcpcb): bool {
  const seg = tcps.seg;
  const newer = th.SEQ_LT(tp.snd_wl1, seg.seg_seq) || (tp.snd_wl1 == seg.seg_seq && th.SEQ_LEQ(tp.snd_wl2, seg.seg_ack));
  if (!newer) return false;
  if (seg.ti_len == 0 && tp.snd_wl2 == seg.seg_ack && seg.seg_wnd > tp.snd_wnd) tcpstat.rcvwinupd++;
  tp.snd_wnd = seg.seg_wnd;
  tp.snd_wl1 = seg.seg_seq;
  tp.snd_wl2 = seg.seg_ack;
  if (tp.snd_wnd > tp.max_sndwnd) tp.max_sndwnd = tp.snd_wnd;
  if ((tp.t_flags & v.TF_PERSIST) != 0 && tp.snd_wnd > 0) {
    tp.t_flags &= ~v.TF_PERSIST;
    tcp_timer_disarm(tp, v.TCPT_REXMT);
    tp.t_rxtshift = 0;
    tp.snd_nxt = tp.snd_una;
  }
  return true;
}

/** Our FIN may be acknowledged now: the closing states. False if the connection is gone. */
function tcp_ack_closing(tp: Tcpcb): bool {
  const so = tp.t_inpcb.inp_so;
  const finacked = (tp.t_flags & v.TF_SENTFIN) != 0 && tp.snd_una == tp.snd_max && so.so_snd.sb_cc == 0;
  if (tp.t_state == v.TCPS_TIME_WAIT) return true;
  if (!finacked) return true;
  switch (tp.t_state) {
    case v.TCPS_FIN_WAIT_1:
      tcp_finwait2(tp, so);
      return true;
    case v.TCPS_CLOSING:
      tcp_enter_timewait(tp);
      return true;
    case v.TCPS_LAST_ACK:
      tcp_close(tp);
      return false;
    default:
      return true;
  }
}

/**
 * FIN-WAIT-2: if nobody is there to read, the peer has finwait2 to send its FIN, else the memory
 * would be its to keep.
 */
export function tcp_finwait2(tp: Tcpcb, so: Socket): void {
  tp.t_state = v.TCPS_FIN_WAIT_2;
  if ((tp.t_flags & v.TF_DETACHED) == 0) return;
  tcp_timer_arm(tp, v.TCPT_2MSL, tcps.finwait2_us);
  tcps.tw_ready = tp;
}
