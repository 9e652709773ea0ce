/**
 * TCP's timers: retransmission and persist, delayed ACK, keepalive, 2 MSL.
 *
 *      TCPT_REXMT   something is in flight: retransmit (RFC 6298); nothing may be: probe (RFC 9293 §3.8.6.1)
 *      TCPT_DELACK  an ACK is owed (RFC 1122 §4.2.3.2)
 *      TCPT_KEEP    connection establishment; then keepalive (RFC 9293 §3.8.4)
 *      TCPT_2MSL    TIME-WAIT; FIN-WAIT-2 without an owner
 *      TCPT_RACK    reordering, or a tail loss probe (RFC 8985 §6.3, §7.3): never both
 *
 * Each is a callout in the control block. Retransmission and persist share one: a connection has
 * either data in flight or a closed window, never both with a timer running.
 */
import { EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT } from "../../kernel/abi/errno";
import { SO_KEEPALIVE } from "../../kernel/abi/socket";
import { callout_init, callout_pending, callout_schedule, callout_stop } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { in_losing } from "./in_route";
import { TH_ACKF } from "./tcp";
import { tcp_msl_fix } from "./tcp_mslt";
import { tcp_mtu_blackhole } from "./tcp_pmtud";
import { tcp_cc_release } from "./tcp_cc";
import { tcp_output } from "./tcp_output";
import { tcp_recovery_rto } from "./tcp_recovery";
import { tcp_backoff_us, tcp_rto_synfallback } from "./tcp_rtt";
import { tcp_sack_reordered } from "./tcp_sackrec";
import { tcp_sent_goback } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_drop, tcp_respond } from "./tcp_subr";
import { tcp_tlp_fire } from "./tcp_tlp";
import * as v from "./tcp_var";
import { Tcpcb, tcp_callout, tcps } from "./tcp_var";

/** Give up after this many retransmissions of one segment: R2, RFC 9293 §3.8.3 MUST-20, well over 100 s (SHLD-11). */
export const TCP_MAXRXTSHIFT: i32 = 12;
/** The same for a SYN, RFC 9293 §3.8.3 MUST-22: R2 of at least 3 minutes (RFC 9293 §3.8.3 MUST-23) needs 7 doublings from 1 s. */
export const TCP_MAXSYNSHIFT: i32 = 7;
/** R1 (SHLD-10): IP is told. */
const TCP_R1: i32 = 3;
const PERSIST_MIN_US: i64 = 500000;
const PERSIST_MAX_US: i64 = 60000000;
const CORK_MAX_US: i64 = 200000;
/** Connection establishment: beyond the last SYN. */
export const TCP_KEEPINIT_US: i64 = 260000000;

export function tcp_timers_init(tp: Tcpcb): void {
  const arg = changetype<usize>(tp);
  callout_init(tcp_callout(tp, v.TCPT_REXMT), tcp_timer_rexmt, arg);
  callout_init(tcp_callout(tp, v.TCPT_DELACK), tcp_timer_delack, arg);
  callout_init(tcp_callout(tp, v.TCPT_KEEP), tcp_timer_keep, arg);
  callout_init(tcp_callout(tp, v.TCPT_2MSL), tcp_timer_2msl, arg);
  callout_init(tcp_callout(tp, v.TCPT_RACK), tcp_timer_rack, arg);
}

/** Arm timer `t` for `us` from now. */
export function tcp_timer_arm(tp: Tcpcb, t: i32, us: i64): void {
  callout_schedule(tcp_callout(tp, t), us);
}

export function tcp_timer_disarm(tp: Tcpcb, t: i32): void {
  callout_stop(tcp_callout(tp, t));
}

export function tcp_timer_isarmed(tp: Tcpcb, t: i32): bool {
  return callout_pending(tcp_callout(tp, t));
}

/** µs until timer `t` runs out; 0 if it is not armed. */
export function tcp_timer_left(tp: Tcpcb, t: i32): i64 {
  const c = tcp_callout(tp, t);
  return callout_pending(c) ? c.c_time - getmicrouptime() : 0;
}

export function tcp_canceltimers(tp: Tcpcb): void {
  for (let t = 0; t < v.TCPT_NTIMERS; t++) callout_stop(tcp_callout(tp, t));
}

/** Arm the retransmission timer with the present RTO (RFC 6298 §5.1). */
export function tcp_rexmt_arm(tp: Tcpcb): void {
  tp.t_flags &= ~v.TF_PERSIST;
  tcp_timer_arm(tp, v.TCPT_REXMT, user_timeout_clamp(tp, tcp_backoff_us(tp)));
}

/** The window is closed and data waits: probe it, backing off (RFC 9293 §3.8.6.1 MUST-36, SHLD-30). */
export function tcp_setpersist(tp: Tcpcb): void {
  let us = tcp_backoff_us(tp);
  if (us < PERSIST_MIN_US) us = PERSIST_MIN_US;
  if (us > PERSIST_MAX_US) us = PERSIST_MAX_US;
  tp.t_flags |= v.TF_PERSIST;
  // Not a closed window but a cork: TCP_NOPUSH's limit, an override time within RFC 9293 §3.8.6.2.1's 0.1 to 1 s.
  if ((tp.t_flags & v.TF_NOPUSH) != 0 && tp.snd_wnd > 0) us = CORK_MAX_US;
  tcp_timer_arm(tp, v.TCPT_REXMT, user_timeout_clamp(tp, us));
  if (tp.t_rxtshift < TCP_MAXRXTSHIFT) tp.t_rxtshift++;
}

/** Has the user's own limit on unacknowledged data passed (RFC 5482)? RFC 9293 §3.8.3 MUST-21: R2 by TCP_USER_TIMEOUT. */
function user_timeout_passed(tp: Tcpcb): bool {
  return tp.t_user_timeout_us != 0 && tp.t_una_since_us != 0 &&
    getmicrouptime() - tp.t_una_since_us >= tp.t_user_timeout_us;
}

/** `us`, or less: the timer runs when the user's limit is over. */
function user_timeout_clamp(tp: Tcpcb, us: i64): i64 {
  if (tp.t_user_timeout_us == 0 || tp.t_una_since_us == 0) return us;
  const left = tp.t_una_since_us + tp.t_user_timeout_us - getmicrouptime();
  return left >= us ? us : left > 0 ? left : 1;
}

function tcp_timer_rexmt(arg: usize): void {
  const tp = changetype<Tcpcb>(arg);
  if (user_timeout_passed(tp)) {
    tcpstat.timeoutdrop++;
    tcp_drop(tp, ETIMEDOUT);
    return;
  }
  if ((tp.t_sackflags & v.TSF_PTO) != 0) {
    // Both at once: RFC 8985 §7.2, the probe goes in the place of the timeout.
    tcp_timer_disarm(tp, v.TCPT_RACK);
    tcp_tlp_fire(tp);
    if (tcp_timer_isarmed(tp, v.TCPT_REXMT)) return;
  }
  // RFC 9293 §3.8.6 MUST-34, RFC 9293 §3.8.6 MUST-35: a window that was shrunk to nothing is probed, the connection kept.
  if ((tp.t_flags & v.TF_PERSIST) != 0 || (tp.snd_wnd == 0 && tp.t_state >= v.TCPS_ESTABLISHED && tcp_hasdata(tp))) {
    tcp_sent_goback(tp);
    tcp_persist_fire(tp);
    return;
  }
  if (tp.snd_max == tp.snd_una && tp.t_state >= v.TCPS_ESTABLISHED) {
    // Armed because there was no mbuf to send with, or because of ECN.
    tcp_cc_release(tp);
    tcp_output(tp);
    return;
  }
  // RFC 9293 §3.8.3 MUST-20, MUST-22: beyond R2 it is closed and the user told, a connection being made as well. If
  // ICMP gave a reason, then that one (RFC 9293 §3.9.1.8 MUST-47).
  const syn = tp.t_state == v.TCPS_SYN_SENT || tp.t_state == v.TCPS_SYN_RECEIVED;
  if (++tp.t_rxtshift > (syn ? TCP_MAXSYNSHIFT : TCP_MAXRXTSHIFT)) {
    tp.t_rxtshift = TCP_MAXRXTSHIFT;
    tcpstat.timeoutdrop++;
    tcp_drop(tp, tp.t_softerror != 0 ? tp.t_softerror : ETIMEDOUT);
    return;
  }
  tcpstat.rexmttimeo++;
  if (tp.t_rxtshift == TCP_R1) in_losing(tp.t_inpcb);
  if (syn) {
    tp.t_flags |= v.TF_SYNREXMT;
    tp.snd_nxt = tp.snd_una;
  } else {
    tcp_mtu_blackhole(tp);
    tcp_recovery_rto(tp);
  }
  // RFC 9293 §3.8.2 MUST-19, RFC 6298 §5.4 to 5.6: the earliest segment again, the timer doubled. What follows it is taken for
  // lost too, unless it is SACKed, and sent again as the window opens.
  tp.t_rtttime_us = 0;
  tp.t_flags |= v.TF_ACKNOW;
  tcp_rexmt_arm(tp);
  const e = tcp_output(tp);
  // The link has found that nobody is there (ARP): no use in trying for minutes.
  if (tp.t_state == v.TCPS_SYN_SENT && (e == -EHOSTDOWN || e == -EHOSTUNREACH || e == -ENETUNREACH)) {
    tcpstat.conndrops++;
    tcp_drop(tp, EHOSTUNREACH);
  }
}

function tcp_hasdata(tp: Tcpcb): bool {
  return tp.t_inpcb.inp_so.so_snd.sb_cc > 0;
}

/** Nothing in flight and the timer ran: the window is closed. One byte beyond it asks the peer. */
function tcp_persist_fire(tp: Tcpcb): void {
  if (!tcp_hasdata(tp)) return;
  // RFC 9293 §3.8.6.1 MUST-37: a peer that acknowledges probes may keep its window closed for ever; one that
  // is silent, or whose owner has gone, may not hold memory for ever.
  const idle = getmicrouptime() - tp.t_rcvtime_us;
  if (tp.t_rxtshift >= TCP_MAXRXTSHIFT && (idle >= 600000000 || ((tp.t_flags & v.TF_DETACHED) != 0 && idle >= 120000000))) {
    tcpstat.persistdrop++;
    tcp_drop(tp, ETIMEDOUT);
    return;
  }
  tcpstat.persisttimeo++;
  if (tp.t_una_since_us == 0) tp.t_una_since_us = getmicrouptime();
  tcp_setpersist(tp);
  tp.t_flags |= v.TF_FORCE;
  tcp_output(tp);
  tp.t_flags &= ~v.TF_FORCE;
}

function tcp_timer_rack(arg: usize): void {
  const tp = changetype<Tcpcb>(arg);
  if ((tp.t_sackflags & v.TSF_PTO) != 0) tcp_tlp_fire(tp);
  else tcp_sack_reordered(tp);
}

function tcp_timer_delack(arg: usize): void {
  const tp = changetype<Tcpcb>(arg);
  if ((tp.t_flags & v.TF_DELACK) == 0) return;
  tp.t_flags = (tp.t_flags & ~v.TF_DELACK) | v.TF_ACKNOW;
  tcpstat.delack++;
  tcp_output(tp);
}

/** Idle time before the first keepalive probe: RFC 9293 §3.8.4 MUST-27, by the socket or by sysctl. */
export function tcp_keepidle_us(tp: Tcpcb): i64 {
  return tp.t_keepidle_us != 0 ? tp.t_keepidle_us : <i64>tcps.keepidle * 1000;
}

function tcp_keepintvl_us(tp: Tcpcb): i64 {
  return tp.t_keepintvl_us != 0 ? tp.t_keepintvl_us : <i64>tcps.keepintvl * 1000;
}

function tcp_timer_keep(arg: usize): void {
  const tp = changetype<Tcpcb>(arg);
  if (tp.t_state < v.TCPS_ESTABLISHED) {
    tcpstat.keepdrops++;
    tcp_drop(tp, tp.t_softerror != 0 ? tp.t_softerror : ETIMEDOUT);
    return;
  }
  const so = tp.t_inpcb.inp_so;
  // RFC 9293 §3.8.4 MUST-24, RFC 9293 §3.8.4 MUST-25: only where the application has asked for it.
  if ((so.so_options & SO_KEEPALIVE) == 0 || tp.t_state > v.TCPS_CLOSE_WAIT) return;
  const idle = getmicrouptime() - tp.t_rcvtime_us;
  const limit = tcp_keepidle_us(tp);
  // RFC 9293 §3.8.4 MUST-26: nothing has come for the interval, and nothing of ours is under way or waits:
  // retransmission and window probes ask the peer as well, and know when to give up.
  const busy = tp.snd_max != tp.snd_una || so.so_snd.sb_cc > 0;
  if (idle < limit || busy) {
    tp.t_keepprobes = 0;
    tcp_timer_arm(tp, v.TCPT_KEEP, busy ? limit : limit - idle);
    return;
  }
  // RFC 9293 §3.8.4 MUST-29: one unanswered probe is no proof.
  const cnt = tp.t_keepcnt != 0 ? tp.t_keepcnt : tcps.keepcnt;
  // RFC 5482 §2: the user's timeout, where there is one, decides instead of the count of probes.
  const dead = tp.t_user_timeout_us != 0 ? tp.t_keepprobes > 0 && idle >= tp.t_user_timeout_us : tp.t_keepprobes >= cnt;
  if (dead) {
    tcpstat.keepdrops++;
    tcp_drop(tp, ETIMEDOUT);
    return;
  }
  // RFC 9293 §3.8.4: SEG.SEQ = SND.NXT - 1 makes any peer answer; no data, so none is taken for new.
  tp.t_keepprobes++;
  tcpstat.keepprobe++;
  tcp_respond(tp, tp.snd_una - 1, tp.rcv_nxt, TH_ACKF);
  tcp_timer_arm(tp, v.TCPT_KEEP, tcp_keepintvl_us(tp));
}

/** Data or an ACK came in: the connection lives. */
export function tcp_keepalive_touch(tp: Tcpcb): void {
  tp.t_rcvtime_us = getmicrouptime();
  if (tp.t_keepprobes == 0) return;
  // A probe was answered: the next is due after the idle time, not after the interval of probes.
  tp.t_keepprobes = 0;
  tcp_keepalive_start(tp);
}

/** SO_KEEPALIVE was set, or its times changed. */
export function tcp_keepalive_start(tp: Tcpcb): void {
  if (tp.t_state < v.TCPS_ESTABLISHED || tp.t_state > v.TCPS_CLOSE_WAIT) return;
  const idle = getmicrouptime() - tp.t_rcvtime_us;
  const left = tcp_keepidle_us(tp) - idle;
  tcp_timer_arm(tp, v.TCPT_KEEP, left > 0 ? left : 1);
}

function tcp_timer_2msl(arg: usize): void {
  const tp = changetype<Tcpcb>(arg);
  if (tp.t_state == v.TCPS_FIN_WAIT_2) tcpstat.finwait2drop++;
  tcp_close(tp);
}

/** After tcp_rtt's new sample or an ACK: the fall-back of RFC 6298 §5.7 when the handshake is done. */
export function tcp_established_timers(tp: Tcpcb): void {
  tcp_timer_disarm(tp, v.TCPT_REXMT);
  tcp_timer_disarm(tp, v.TCPT_KEEP);
  tcp_rto_synfallback(tp);
  tcp_msl_fix(tp);
  if ((tp.t_inpcb.inp_so.so_options & SO_KEEPALIVE) != 0) tcp_keepalive_start(tp);
}
