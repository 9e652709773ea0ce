/**
 * Tail loss probe (RFC 8985 §7): the last segments of a flight have nothing behind them that would tell of
 * their loss. Two round trips after the last one was sent, something is: a new segment, or the last again.
 *
 *      PTO = 2 SRTT + 2 ms, + 200 ms if only one segment is out (its ACK may be delayed), at most until the RTO
 *
 * The probe's ACK starts RACK; the RTO, begun anew with the probe, is what remains if it is lost too.
 * A probe that was a retransmission may have repaired the loss without a sign: §7.4 tells by D-SACK, and
 * if there was none, the window is reduced all the same.
 */
import { tcp_cc_congestion } from "./tcp_cc";
import { SEQ_GT, SEQ_LT } from "./tcp";
import { tcp_output } from "./tcp_output";
import { tcp_sack_send } from "./tcp_sackout";
import { sent_split, tcp_pipe, tcp_sent_active } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import { tcp_rexmt_arm, tcp_timer_arm, tcp_timer_disarm, tcp_timer_left } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcp_inflight, tcps } from "./tcp_var";

/** RFC 8985 §7.2, TLP.max_ack_delay. */
const MAX_ACK_DELAY_US: i64 = 200000;
/** Beyond two round trips: jitter of the peer's clock and ours. */
const SLACK_US: i64 = 2000;
/** §7.2: without a round trip measured. */
const PTO_INIT_US: i64 = 1000000;

/** Is a probe of use: something is out, nothing is known to be missing, no probe is out already? */
function tlp_wanted(tp: Tcpcb): bool {
  if ((tp.t_flags & (v.TF_FASTRECOVERY | v.TF_PERSIST)) != 0) return false;
  if ((tp.t_sackflags & (v.TSF_LOSS | v.TSF_TLP)) != 0) return false;
  return tcps.tlp != 0 && tp.t_sacked == 0 && tp.t_lost == 0 && tp.t_sent_first && tcp_sent_active(tp);
}

/** After an ACK, or new data: arm the probe, or call it off. */
export function tcp_tlp_schedule(tp: Tcpcb): void {
  tp.t_sackflags &= ~v.TSF_PTODUE;
  if (!tlp_wanted(tp)) {
    if ((tp.t_sackflags & v.TSF_PTO) != 0) {
      tp.t_sackflags &= ~v.TSF_PTO;
      tcp_timer_disarm(tp, v.TCPT_RACK);
    }
    return;
  }
  let us = tp.t_srtt_us != 0 ? (<i64>tp.t_srtt_us << 1) + SLACK_US : PTO_INIT_US;
  if (tcp_inflight(tp) <= tp.t_maxseg) us += MAX_ACK_DELAY_US;
  const rto = tcp_timer_left(tp, v.TCPT_REXMT);
  if (rto < us) us = rto;
  tp.t_sackflags |= v.TSF_PTO;
  tcp_timer_arm(tp, v.TCPT_RACK, us);
}

/** The probe is over. */
export function tcp_tlp_end(tp: Tcpcb): void {
  tp.t_sackflags &= ~(v.TSF_TLP | v.TSF_TLPREXMT);
  if ((tp.t_sackflags & v.TSF_PTO) == 0) return;
  tp.t_sackflags &= ~v.TSF_PTO;
  tcp_timer_disarm(tp, v.TCPT_RACK);
}

/** A new segment beyond the congestion window, if there is one; true if it went. */
function tlp_newdata(tp: Tcpcb): bool {
  const max = tp.snd_max;
  const cwnd = tp.snd_cwnd;
  const nodelay = tp.t_flags & v.TF_NODELAY;
  tp.snd_cwnd = tcp_pipe(tp) + tp.t_maxseg;
  tp.t_flags |= v.TF_NODELAY;
  tcp_output(tp);
  tp.t_flags = (tp.t_flags & ~v.TF_NODELAY) | nodelay;
  tp.snd_cwnd = cwnd;
  return SEQ_GT(tp.snd_max, max);
}

/** The last segment again; false if it could not be sent. */
function tlp_rexmit(tp: Tcpcb): bool {
  let r = tp.t_sent_last;
  const len = r.end - r.start;
  if (len > r.mss) {
    r = sent_split(tp, r, r.start + (len - 1) / r.mss * r.mss);
    if (!r) return false;
  }
  return tcp_sack_send(tp, r) >= 0;
}

/** The probe timer ran out (§7.3). */
export function tcp_tlp_fire(tp: Tcpcb): void {
  tp.t_sackflags &= ~v.TSF_PTO;
  if (!tlp_wanted(tp)) return;
  tp.t_sackflags |= v.TSF_TLP;
  if (!tlp_newdata(tp)) {
    if (!tlp_rexmit(tp)) {
      tp.t_sackflags &= ~v.TSF_TLP;
      return;
    }
    tp.t_sackflags |= v.TSF_TLPREXMT;
    tcpstat.tlp_rexmits++;
  }
  tcpstat.tlp_probes++;
  tp.tlp_end = tp.snd_max;
  tcp_rexmt_arm(tp);
}

/** §7.4.2: an ACK, snd_una moved by `acked`, while a probe may be out. */
export function tcp_tlp_ack(tp: Tcpcb, acked: u32): void {
  if ((tp.t_sackflags & v.TSF_TLP) == 0 || SEQ_LT(tp.snd_una, tp.tlp_end)) return;
  const d = tcps.del;
  if ((tp.t_sackflags & v.TSF_TLPREXMT) == 0 || (d.dsack && d.dsack_end == tp.tlp_end)) {
    tcp_tlp_end(tp);
  } else if (SEQ_GT(tp.snd_una, tp.tlp_end)) {
    // The original was lost and the probe has repaired that: a loss like any other.
    tcp_tlp_end(tp);
    tcpstat.tlp_recovered++;
    tcp_cc_congestion(tp);
    tp.snd_cwnd = min(tp.snd_cwnd, tp.snd_ssthresh);
  } else if (acked == 0 && d.delivered == 0) {
    // A plain duplicate: both arrived.
    tcp_tlp_end(tp);
  }
}
