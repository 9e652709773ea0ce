/**
 * TIME-WAIT: blocks that wait out 2 MSL, in order of age.
 *
 *      tcps.tw_first ⇄ … ⇄ tcps.tw_last        the oldest first
 *
 * A block is here only while a descriptor holds it, or where vestiges are off or full (tcp_vtw.ts): then
 * it holds a control block and a socket that a busy server needs. While there are enough they all wait
 * their time; when a pool is empty the oldest whose owner has gone gives way (counted), as RFC 9293
 * §3.6.1 tolerates under load better than refusing connections. Enter, leave and recycle are O(1).
 */
import { EADDRINUSE } from "../../kernel/abi/errno";
import { callout_pending } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import * as th from "./tcp";
import { tcp_acknow, tcp_challenge, tcp_outside_ack } from "./tcp_challenge";
import { tcp_2msl_us } from "./tcp_mslt";
import { tcpopt } from "./tcp_options";
import { tcpstat } from "./tcp_stat";
import { tcp_close } from "./tcp_subr";
import { tcp_timer_arm, tcp_timer_disarm } from "./tcp_timer";
import { TWJ_ACK, TWJ_CHALLENGE, TWJ_DELETE, TWJ_RESTART, tcp_tw_newer, tcp_twjudge, tcpw } from "./tcp_twjudge";
import * as v from "./tcp_var";
import { Tcpcb, tcp_callout, tcps } from "./tcp_var";
import { tcp_tw_listener, tcp_tw_reopen } from "./tcp_vtw";

/** Off the list, if it is on it. */
export function tcp_tw_remove(tp: Tcpcb): void {
  if (tcps.tw_ready == tp) tcps.tw_ready = changetype<Tcpcb>(0);
  if (!tp.t_twprev && !tp.t_twnext && tcps.tw_first != tp) return;
  if (tp.t_twprev) tp.t_twprev.t_twnext = tp.t_twnext;
  else tcps.tw_first = tp.t_twnext;
  if (tp.t_twnext) tp.t_twnext.t_twprev = tp.t_twprev;
  else tcps.tw_last = tp.t_twprev;
  tp.t_twnext = changetype<Tcpcb>(0);
  tp.t_twprev = changetype<Tcpcb>(0);
  tcps.tw_count--;
}

/** Enter, or stay in, TIME-WAIT for 2 MSL from now (RFC 9293 §3.6.1 MUST-13): the youngest of all. */
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
  tcp_timer_arm(tp, v.TCPT_2MSL, tcp_2msl_us(tp.t_mslclass));
  if ((tp.t_flags & v.TF_DETACHED) != 0) tcps.tw_ready = tp;
}

/** What is left of TIME-WAIT, or of an orphan's FIN-WAIT-2, µs. */
export function tcp_tw_left_us(tp: Tcpcb): i64 {
  const c = tcp_callout(tp, v.TCPT_2MSL);
  return callout_pending(c) ? max<i64>(c.c_time - getmicrouptime(), 0) : 0;
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

/** A segment arrives for a block in TIME-WAIT. `tp` may be gone afterwards. */
export function tcp_timewait_input(tp: Tcpcb): void {
  const wnd = th.SEQ_GT(tp.rcv_adv, tp.rcv_nxt) ? tp.rcv_adv - tp.rcv_nxt : 0;
  tcpw.rcv_nxt = tp.rcv_nxt;
  tcpw.snd_nxt = tp.snd_max;
  tcpw.wnd = (wnd >> <u32>tp.rcv_scale) << <u32>tp.rcv_scale;
  tcpw.ts = (tp.t_flags & v.TF_RCVD_TSTMP) != 0;
  tcpw.ts_recent = tp.ts_recent;
  tcpw.finwait2 = false;
  if (tcp_tw_newer()) {
    const lp = tcp_tw_listener();
    if (lp) {
      const floor = tp.snd_max;
      tcp_close(tp);
      tcp_tw_reopen(lp, floor);
      return;
    }
  }
  switch (tcp_twjudge()) {
    case TWJ_ACK:
      tcp_outside_ack(tp);
      break;
    case TWJ_CHALLENGE:
      tcp_challenge(tp);
      break;
    case TWJ_RESTART:
      if (tcpw.ts && th.SEQ_GEQ(tcpopt.to_tsval, tp.ts_recent)) tp.ts_recent = tcpopt.to_tsval;
      tcp_timewait_arm(tp);
      tcp_acknow(tp);
      break;
    case TWJ_DELETE:
      tcpstat.drops++;
      tcp_close(tp);
      break;
    default:
      break;
  }
}
