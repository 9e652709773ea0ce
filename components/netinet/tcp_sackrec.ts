/**
 * Loss recovery by the scoreboard: what an ACK, the reordering timer and the retransmission timer do.
 *
 *               RACK finds a loss                    snd_una reaches recover
 *      OPEN ───────────────────────▶ FAST (PRR) ──────────────────────────────▶ OPEN
 *        └── timeout ─▶ LOSS (slow start) ◀─ timeout ─┘  undo: the window of before
 *
 * FAST is TF_FASTRECOVERY, LOSS is TSF_LOSS, OPEN neither. NewReno, for peers without SACK, is in
 * tcp_recovery.ts, where both are chosen between.
 */
import { tcp_cc_ack, tcp_cc_congestion } from "./tcp_cc";
import { tcp_frto_ack, tcp_frto_begin } from "./tcp_frto";
import { tcp_output } from "./tcp_output";
import { tcp_prr_ack, tcp_prr_done, tcp_prr_init } from "./tcp_prr";
import { tcp_rack_detect, tcp_rack_dsack, tcp_rack_recovered, tcp_rack_reo_wnd } from "./tcp_rack";
import { tcp_sack_timeout } from "./tcp_sack";
import { tcp_sack_rescue } from "./tcp_sackout";
import { tcp_pipe } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import { tcp_rexmt_arm } from "./tcp_timer";
import { tcp_tlp_ack, tcp_tlp_end } from "./tcp_tlp";
import { tcp_undo, tcp_undo_begin, tcp_undo_dsacked, tcp_undo_eifel, tcp_undo_past } from "./tcp_undo";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

function sackrec_inloss(tp: Tcpcb): bool {
  return (tp.t_sackflags & v.TSF_LOSS) != 0;
}

function sackrec_infast(tp: Tcpcb): bool {
  return (tp.t_flags & v.TF_FASTRECOVERY) != 0;
}

/** RFC 6675 §5 step 4: fast recovery begins. */
function sackrec_enter(tp: Tcpcb, sacked: u32): void {
  tcpstat.fastrexmit++;
  tcpstat.sack_recovery_episode++;
  tcp_tlp_end(tp);
  tcp_undo_begin(tp);
  tcp_prr_init(tp, sacked);
  tcp_cc_congestion(tp);
  tp.recover = tp.snd_max;
  tp.t_flags |= v.TF_FASTRECOVERY;
  tp.t_sackflags = (tp.t_sackflags & ~v.TSF_RESCUED) | v.TSF_WASFAST;
  tcp_rexmt_arm(tp);
}

/** All that was out when it began is acknowledged. */
function sackrec_exit(tp: Tcpcb): void {
  tcp_rack_recovered(tp);
  if (tcp_undo_eifel(tp) || tcp_undo_dsacked(tp)) {
    tcp_undo(tp);
    return;
  }
  if (sackrec_infast(tp)) tcp_prr_done(tp);
  tp.t_flags &= ~v.TF_FASTRECOVERY;
  tp.t_sackflags &= ~(v.TSF_LOSS | v.TSF_FRTO | v.TSF_FRTONEW);
}

/** In FAST or LOSS: has the episode ended, or was it none? `acked` bytes are acknowledged cumulatively. */
function sackrec_episode(tp: Tcpcb, acked: u32): void {
  if (tcp_undo_past(tp)) {
    sackrec_exit(tp);
  } else if (acked > 0 && tcp_undo_eifel(tp)) {
    tcpstat.eifel_spurious++;
    tcp_undo(tp);
  } else if (tcp_undo_dsacked(tp)) {
    tcp_undo(tp);
  } else if (sackrec_inloss(tp) && tcp_frto_ack(tp, acked)) {
    tcp_undo(tp);
  }
}

/** An ACK, of which tcps.del tells what it delivered; snd_una has advanced by `acked`. */
export function tcp_sack_recovery(tp: Tcpcb, acked: u32): void {
  const d = tcps.del;
  tp.t_dupacks = 0;
  tcp_rack_dsack(tp);
  tcp_tlp_ack(tp, acked);
  const lost = tcp_rack_detect(tp);
  const was = sackrec_infast(tp) || sackrec_inloss(tp);
  if (was) sackrec_episode(tp, acked);
  else if (d.dsack && tcp_undo_dsacked(tp)) tcp_undo(tp);
  const open = !sackrec_infast(tp) && !sackrec_inloss(tp);
  if (open && tp.t_lost > 0) sackrec_enter(tp, d.sacked);
  if (sackrec_infast(tp)) {
    tcp_prr_ack(tp, d.delivered, acked > 0 && lost == 0);
    tcp_sack_rescue(tp);
  } else if (acked > 0 && !(was && open)) tcp_cc_ack(tp, acked);
}

/** RACK's reordering timer ran out (RFC 8985 §6.3). */
export function tcp_sack_reordered(tp: Tcpcb): void {
  if (tcp_rack_detect(tp) == 0) return;
  tcpstat.rack_timeo++;
  if (!sackrec_infast(tp) && !sackrec_inloss(tp)) sackrec_enter(tp, 0);
  if (sackrec_infast(tp)) tcp_prr_ack(tp, 0, false);
  tcp_output(tp);
}

/** The retransmission timer ran out; tcp_cc_rto has been told. */
export function tcp_sack_rto(tp: Tcpcb): void {
  const fresh = !sackrec_infast(tp) && !sackrec_inloss(tp);
  if (fresh) tcp_undo_begin(tp);
  tp.t_sackflags &= ~v.TSF_WASFAST;
  tcp_tlp_end(tp);
  tcp_sack_timeout(tp, tp.rack_rtt_us + tcp_rack_reo_wnd(tp));
  tp.t_flags &= ~v.TF_FASTRECOVERY;
  tp.t_sackflags |= v.TSF_LOSS;
  tcp_frto_begin(tp, fresh);
  // RFC 5681 (4): one segment; what was sent a moment ago and may yet arrive counts besides.
  tp.snd_cwnd = tcp_pipe(tp) + tp.t_maxseg;
}
