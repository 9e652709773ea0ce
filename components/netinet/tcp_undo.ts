/**
 * Was the retransmission needless? Then the window is what it was (tcp_cc_undo).
 *
 *      Eifel (RFC 3522)       an ACK of what was sent again echoes a timestamp from before it was
 *      D-SACK (RFC 3708)      every retransmission of the episode is reported as a duplicate
 *      F-RTO (RFC 5682)       after a timeout data is acknowledged that was sent only once (tcp_frto.ts)
 *
 * An episode begins with fast recovery or a timeout: undo_una is snd_una then, undo_rexmits counts the
 * segments sent again less those reported, undo_ts is the clock at the first of them.
 */
import { SEQ_GEQ, SEQ_GT, SEQ_LT } from "./tcp";
import { tcp_cc_undo } from "./tcp_cc";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcp_rack_reordering } from "./tcp_rack";
import { tcp_ts_getticks } from "./tcp_rtt";
import { SENT_LOST } from "./tcp_scoreboard";
import { sent_unmark } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import * as v from "./tcp_var";
import { Tcpcb } from "./tcp_var";

/** An episode begins. */
export function tcp_undo_begin(tp: Tcpcb): void {
  tp.t_sackflags = (tp.t_sackflags & ~v.TSF_UNDOTS) | v.TSF_UNDO;
  tp.undo_una = tp.snd_una;
  tp.undo_rexmits = -1;
}

/** Nothing is left to be undone. */
export function tcp_undo_end(tp: Tcpcb): void {
  tp.t_sackflags &= ~(v.TSF_UNDO | v.TSF_UNDOTS);
}

/** `segs` segments go again. */
export function tcp_undo_rexmit(tp: Tcpcb, segs: i32): void {
  if ((tp.t_sackflags & v.TSF_UNDO) == 0) return;
  tp.undo_rexmits = max(tp.undo_rexmits, 0) + segs;
  if ((tp.t_sackflags & v.TSF_UNDOTS) != 0) return;
  tp.t_sackflags |= v.TSF_UNDOTS;
  tp.undo_ts = tcp_ts_getticks(tp);
}

/** D-SACK: [start, end) has arrived twice. */
export function tcp_undo_dsack(tp: Tcpcb, start: u32, end: u32): void {
  if ((tp.t_sackflags & v.TSF_UNDO) == 0 || tp.undo_rexmits <= 0) return;
  if (SEQ_LT(start, tp.undo_una) || SEQ_GT(end, tp.snd_max)) return;
  const segs = <i32>((end - start + tp.t_maxseg - 1) / tp.t_maxseg);
  tp.undo_rexmits = max(tp.undo_rexmits - segs, 0);
  if ((tp.t_sackflags & (v.TSF_WASFAST | v.TSF_TLPREXMT)) == v.TSF_WASFAST) tcp_rack_reordering(tp);
}

/** RFC 3522 §3.2: does this ACK of data sent again answer its first transmission? */
export function tcp_undo_eifel(tp: Tcpcb): bool {
  if ((tp.t_sackflags & v.TSF_UNDOTS) == 0 || (tp.t_flags & v.TF_RCVD_TSTMP) == 0) return false;
  const to = tcpopt;
  return (to.to_flags & TOF_TS) != 0 && to.to_tsecr != 0 && SEQ_LT(to.to_tsecr, tp.undo_ts);
}

/** Every retransmission was reported as a duplicate. */
export function tcp_undo_dsacked(tp: Tcpcb): bool {
  return (tp.t_sackflags & v.TSF_UNDO) != 0 && tp.undo_rexmits == 0;
}

/** Undo the episode: the window, and the marks of loss. */
export function tcp_undo(tp: Tcpcb): void {
  tcp_cc_undo(tp);
  tcp_undo_end(tp);
  tcpstat.undo++;
  // A segment that was only late looked lost: the network reorders.
  if ((tp.t_sackflags & v.TSF_WASFAST) != 0) tcp_rack_reordering(tp);
  tp.t_flags &= ~v.TF_FASTRECOVERY;
  tp.t_sackflags &= ~(v.TSF_LOSS | v.TSF_FRTO | v.TSF_FRTONEW);
  if (tp.t_lost == 0) return;
  // From the end, since each goes to the front of the list by time.
  for (let r = tp.t_sent_last; r; r = r.prev) {
    if ((r.flags & SENT_LOST) != 0) sent_unmark(tp, r);
  }
}

/** Has snd_una reached the end of the episode? */
export function tcp_undo_past(tp: Tcpcb): bool {
  return SEQ_GEQ(tp.snd_una, tp.recover);
}
