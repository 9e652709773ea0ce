/**
 * TIME-WAIT: blocks that wait out 2 MSL, in order of age.
 *
 *      tcps.tw_first ⇄ … ⇄ tcps.tw_last        all wait equally long, so the list is sorted by expiry
 *
 * They hold control blocks and sockets that a busy server needs. While there are enough they all wait
 * their time; when a pool is empty the oldest whose owner has gone gives way (counted), as RFC 9293
 * §3.6.1 tolerates under load better than refusing connections. Enter, leave and recycle are O(1).
 */
import { tcp_close } from "./tcp_subr";
import { tcp_timer_arm, tcp_timer_disarm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

/** Off the list, if it is on it. */
export function tcp_tw_remove(tp: Tcpcb): void {
  if (!tp.t_twprev && !tp.t_twnext && tcps.tw_first != tp) return;
  if (tp.t_twprev) tp.t_twprev.t_twnext = tp.t_twnext;
  else tcps.tw_first = tp.t_twnext;
  if (tp.t_twnext) tp.t_twnext.t_twprev = tp.t_twprev;
  else tcps.tw_last = tp.t_twprev;
  tp.t_twnext = changetype<Tcpcb>(0);
  tp.t_twprev = changetype<Tcpcb>(0);
  tcps.tw_count--;
}

/** Enter, or stay in, TIME-WAIT for 2 MSL from now (RFC 9293 §3.10.7.4 MUST-13): the youngest of all. */
export function tcp_timewait_arm(tp: Tcpcb): void {
  tcp_tw_remove(tp);
  tp.t_twprev = tcps.tw_last;
  if (tcps.tw_last) tcps.tw_last.t_twnext = tp;
  else tcps.tw_first = tp;
  tcps.tw_last = tp;
  tcps.tw_count++;
  tcp_timer_disarm(tp, v.TCPT_REXMT);
  tcp_timer_disarm(tp, v.TCPT_DELACK);
  tcp_timer_disarm(tp, v.TCPT_KEEP);
  tcp_timer_arm(tp, v.TCPT_2MSL, <i64>tcps.msl_us * 2);
}

/** A pool is empty: the oldest block in TIME-WAIT without an owner gives way. False if there is none. */
export function tcp_tw_recycle(): bool {
  let tp = tcps.tw_first;
  // Those whose descriptor is still open are few; their socket would not be freed.
  for (let i = 0; tp && i < 64; i++) {
    if ((tp.t_flags & v.TF_DETACHED) != 0) {
      tcps.tw_recycled++;
      tcp_close(tp);
      return true;
    }
    tp = tp.t_twnext;
  }
  return false;
}
