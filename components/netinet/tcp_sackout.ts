/**
 * What goes again, by the scoreboard: NextSeg of RFC 6675 §4.
 *
 *      (1) the lowest record that is lost and not in flight again, as far as cwnd - pipe allows
 *      (2) new data (tcp_output.ts)
 *      (4) once a recovery, when there is neither: the highest segment that is not SACKed (rescue)
 *
 * Rule (3), segments of which it is not known that they are lost, is RACK's reordering timer's.
 * snd_nxt stays at snd_max: retransmission and new data do not get in each other's way.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { Socket } from "../../kernel/net/socket";
import * as th from "./tcp";
import { tcp_tsomax } from "./tcp_mtu";
import { tcp_emit, tcp_rcvwindow } from "./tcp_output";
import { tcp_sack_due } from "./tcp_sackrcv";
import { SENT_EVER, SENT_LOST, SENT_REXMT, SENT_SACKED, Tcpsent } from "./tcp_scoreboard";
import { sent_again, sent_segs, sent_split, tcp_pipe, tcp_sent_goback } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import { tcp_undo_rexmit } from "./tcp_undo";
import * as v from "./tcp_var";
import { Tcpcb } from "./tcp_var";

/** Send record `r`, one segment or several, again. 0 or -errno. */
export function tcp_sack_send(tp: Tcpcb, r: Tcpsent): i32 {
  const so = tp.t_inpcb.inp_so;
  const off = r.start - tp.snd_una;
  const cc = so.so_snd.sb_cc;
  const len = r.end - r.start;
  // The last sequence number may be our FIN's.
  const data = off < cc ? min(len, cc - off) : 0;
  const flags = data < len ? th.TH_ACKF | th.TH_FIN : th.TH_ACKF;
  const nxt = tp.snd_nxt;
  tp.snd_nxt = r.start;
  tp.t_rtttime_us = 0;
  const e = tcp_emit(tp, so, off, <i32>data, flags, tcp_rcvwindow(tp, so));
  tp.snd_nxt = nxt;
  if (e < 0) return e;
  sent_again(tp, r);
  tcpstat.sack_rexmits++;
  tcpstat.sack_rexmit_bytes += <u64>len;
  tcp_undo_rexmit(tp, sent_segs(r));
  return 0;
}

/** How much of lost record `r` may go now: whole segments, 0 if the windows allow none. */
function rexmt_len(tp: Tcpcb, r: Tcpsent): u32 {
  const right = tp.snd_una + tp.snd_wnd;
  if (th.SEQ_GEQ(r.start, right)) return 0;
  const len = min(r.end - r.start, right - r.start);
  const pipe = tcp_pipe(tp);
  const room = tp.snd_cwnd > pipe ? tp.snd_cwnd - pipe : 0;
  if (room < min(len, tp.t_maxseg)) return 0;
  if (len <= tp.t_maxseg) return len;
  const most = min(min(room, tcp_tsomax(tp)), len);
  return most - most % tp.t_maxseg;
}

/** Send what is lost, the lowest first. 1: ask again; 0: nothing may go; -errno. */
export function tcp_sack_rexmt(tp: Tcpcb, so: Socket): i32 {
  // RFC 5682: until the timeout is known to be real, new data goes instead.
  if ((tp.t_sackflags & v.TSF_FRTONEW) != 0) return 0;
  let r = tp.t_rexmt_hint;
  while (r && (r.flags & (SENT_LOST | SENT_REXMT)) != SENT_LOST) r = r.next;
  tp.t_rexmt_hint = r;
  assert(r, "tcp_sack_rexmt: t_due");
  const len = rexmt_len(tp, r);
  if (len == 0) return 0;
  if ((tp.t_flags & v.TF_ACKNOW) != 0 && tcp_sack_due(tp)) {
    const e = tcp_emit(tp, so, r.start - tp.snd_una, 0, th.TH_ACKF, tcp_rcvwindow(tp, so));
    return e < 0 ? e : 1;
  }
  if (len < r.end - r.start && !sent_split(tp, r, r.start + len)) {
    tcp_sent_goback(tp);
    return 0;
  }
  const e = tcp_sack_send(tp, r);
  return e < 0 ? e : 1;
}

/** Does what is lost come before new data? */
export function tcp_sack_holds(tp: Tcpcb): bool {
  return tp.t_due > 0 && (tp.t_sackflags & v.TSF_FRTONEW) == 0;
}

/** NextSeg (4): in recovery, with room in the window and nothing else to send. */
export function tcp_sack_rescue(tp: Tcpcb): void {
  if ((tp.t_sackflags & v.TSF_RESCUED) != 0 || tp.t_due > 0 || tp.snd_cwnd < tcp_pipe(tp) + tp.t_maxseg) return;
  const off = tp.snd_max - tp.snd_una;
  if (tp.t_inpcb.inp_so.so_snd.sb_cc > off && tp.snd_wnd > off) return;
  let r = tp.t_sent_last;
  while (r && (r.flags & SENT_SACKED) != 0) r = r.prev;
  // What left less than a round trip ago is not missing yet.
  if (!r || (r.flags & SENT_EVER) != 0 || getmicrouptime() - r.xmit_us < <i64>tp.t_srtt_us * 5 / 4) return;
  const len = r.end - r.start;
  if (len > r.mss) {
    r = sent_split(tp, r, r.start + (len - 1) / r.mss * r.mss);
    if (!r) return;
  }
  tp.t_sackflags |= v.TSF_RESCUED;
  if (tcp_sack_send(tp, r) >= 0) tcpstat.sack_rescues++;
}
