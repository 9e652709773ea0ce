/**
 * Congestion control: how much may be in flight.
 *
 *      cwnd < ssthresh   slow start (RFC 5681 §3.1, byte counting RFC 3465; HyStart++ with CUBIC)
 *      otherwise         congestion avoidance ─┐
 *      loss, ECN         ssthresh              ├─ by algorithm: tcps.cc_algos[tp.t_cc]
 *      timeout           the same, cwnd = 1   ─┘     0 newreno   1 cubic
 *
 * An algorithm is four functions in a table of the stack; what it remembers of a connection are fields of
 * the control block. What the window is, is decided here; which segments are lost, and what is sent while
 * a loss is being repaired, in tcp_recovery.ts. The two meet in the functions below and in snd_cwnd and
 * snd_ssthresh. Names, sysctls and the socket option are in tcp_ccsel.ts.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { SEQ_GEQ, SEQ_LT } from "./tcp";
import { tcp_ecn_advance, tcp_ecn_marked, tcp_ecn_reduced } from "./tcp_ecn";
import { cubic_ack, cubic_quiet, cubic_ssthresh, cubic_timeout } from "./tcp_cubic";
import { hystart_ack, hystart_init } from "./tcp_hystart";
import { tcp_tsomax } from "./tcp_mtu";
import { newreno_ack, newreno_quiet, newreno_ssthresh, newreno_timeout } from "./tcp_newreno";
import { tcp_backoff_us } from "./tcp_rtt";
import { tcpstat } from "./tcp_stat";
import * as v from "./tcp_var";
import { Tcpcb, tcp_inflight, tcps } from "./tcp_var";

export const CC_NEWRENO: i32 = 0;
export const CC_CUBIC: i32 = 1;
export const CC_NALGOS: i32 = 2;
/** No window is larger, and no ssthresh known. */
const CWND_MAX: u32 = 0x3fffffff;
/** The fields of a control block that an undo restores beside cwnd and ssthresh. */
const CC_STATE: usize = offsetof<Tcpcb>("cub_epoch_us");
const CC_SAVED: usize = offsetof<Tcpcb>("cub_saved0");

/** One algorithm: indices of functions. */
@unmanaged
export class CcAlgo {
  /** (tp, acked): new data was acknowledged in congestion avoidance, and the window was the limit. */
  cc_ack: i32;
  /** (tp, flight) => bytes: a congestion event; the new ssthresh. */
  cc_ssthresh: i32;
  /** (tp): the event is a timeout; after cc_ssthresh. */
  cc_timeout: i32;
  /** (tp, us): for that long the window was not the limit. */
  cc_quiet: i32;
}

function cc_algo(i: i32): CcAlgo {
  return changetype<CcAlgo>(tcps.cc_algos + <usize>i * offsetof<CcAlgo>());
}

function cc_register(i: i32, ack: (tp: Tcpcb, acked: u32) => void, ssthresh: (tp: Tcpcb, flight: u32) => u32,
                     timeout: (tp: Tcpcb) => void, quiet: (tp: Tcpcb, us: i64) => void): void {
  const a = cc_algo(i);
  a.cc_ack = ack.index;
  a.cc_ssthresh = ssthresh.index;
  a.cc_timeout = timeout.index;
  a.cc_quiet = quiet.index;
}

/** The table of algorithms. Boot only. */
export function tcp_cc_boot(): void {
  assert(CC_SAVED - CC_STATE == 32, "tcp_cc: state");
  tcps.cc_algos = kmem_alloc(<usize>CC_NALGOS * offsetof<CcAlgo>(), 16, "tcpcc");
  tcps.cc_selected = CC_CUBIC;
  cc_register(CC_NEWRENO, newreno_ack, newreno_ssthresh, newreno_timeout, newreno_quiet);
  cc_register(CC_CUBIC, cubic_ack, cubic_ssthresh, cubic_timeout, cubic_quiet);
}

export function tcp_cc_init(tp: Tcpcb): void {
  tp.t_cc = tcps.cc_selected;
  tp.snd_cwnd = tp.t_maxseg;
  tp.snd_ssthresh = CWND_MAX;
}

/** The initial window, bytes: RFC 6928 §2, or net.inet.tcp.init_win segments. */
function cc_initial(tp: Tcpcb): u32 {
  const mss = tp.t_maxseg;
  const segs = <u32>tcps.init_win;
  const byte_limit: u32 = 14600;
  return segs == 10 ? min<u32>(10 * mss, max<u32>(2 * mss, byte_limit)) : segs * mss;
}

/** The connection stands, its segment size is known. */
export function tcp_cc_established(tp: Tcpcb): void {
  // RFC 5681 §3.1, RFC 6928 §2: a lost SYN tells of congestion.
  tp.snd_cwnd = (tp.t_flags & v.TF_SYNREXMT) != 0 ? tp.t_maxseg : cc_initial(tp);
  tp.cc_last_us = getmicrouptime();
  tp.cc_round = tp.snd_max;
  hystart_init(tp);
}

/** Another algorithm from now on: it begins with the window as it is, and nothing to undo. */
export function tcp_cc_switch(tp: Tcpcb, algo: i32): void {
  tp.t_cc = algo;
  tp.t_bytes_acked = 0;
  tp.cc_prev_cwnd = 0;
  memory.fill(changetype<usize>(tp) + CC_STATE, 0, CC_SAVED - CC_STATE);
}

/** Keep the window as it is now, before a congestion event changes it, for tcp_cc_undo. */
export function tcp_cc_save(tp: Tcpcb): void {
  tp.cc_prev_cwnd = tp.snd_cwnd;
  tp.cc_prev_ssthresh = tp.snd_ssthresh;
  const at = changetype<usize>(tp);
  memory.copy(at + CC_SAVED, at + CC_STATE, CC_SAVED - CC_STATE);
}

/**
 * The last congestion event was none (F-RTO, Eifel, DSACK): the window, and what the algorithm remembers, is
 * what it was before it, RFC 9438 §4.9. At most once for each event; false when there is nothing to undo.
 */
export function tcp_cc_undo(tp: Tcpcb): bool {
  if (tp.cc_prev_cwnd == 0) return false;
  tp.snd_cwnd = max(tp.snd_cwnd, tp.cc_prev_cwnd);
  tp.snd_ssthresh = max(tp.snd_ssthresh, tp.cc_prev_ssthresh);
  tp.cc_prev_cwnd = 0;
  const at = changetype<usize>(tp);
  memory.copy(at + CC_STATE, at + CC_SAVED, CC_SAVED - CC_STATE);
  tp.t_bytes_acked = 0;
  tcpstat.ccundo++;
  return true;
}

/**
 * A loss or an ECN mark, the first of its flight: ssthresh by the algorithm, of what was in flight (RFC 5681
 * §3.1, not counting what limited transmit has sent beyond cwnd), at least two segments. Saves for tcp_cc_undo.
 */
export function tcp_cc_congestion(tp: Tcpcb): void {
  // A timeout within fast recovery belongs to the same event: what was before that is kept.
  if ((tp.t_flags & v.TF_FASTRECOVERY) == 0) tcp_cc_save(tp);
  const flight = min(min(tcp_inflight(tp), tp.snd_wnd), tp.snd_cwnd);
  const ssthresh = call_indirect<u32>(cc_algo(tp.t_cc).cc_ssthresh, tp, flight);
  tp.snd_ssthresh = max(ssthresh, 2 * tp.t_maxseg);
  tcp_ecn_reduced(tp);
}

/**
 * The peer has seen a mark (RFC 3168 §6.1.2): as a loss, with nothing to send again and nothing to undo. A
 * window that is one segment already cannot be halved: then the next waits for the retransmission timer.
 */
export function tcp_cc_ecn(tp: Tcpcb): void {
  tcpstat.ecn_reduced++;
  const least = tp.snd_cwnd <= tp.t_maxseg;
  tcp_cc_congestion(tp);
  tp.cc_prev_cwnd = 0;
  if (tp.snd_cwnd > tp.snd_ssthresh) tp.snd_cwnd = tp.snd_ssthresh;
  if (least) tp.snd_cwnd = 0;
}

/** The retransmission timer ran with nothing in flight: whoever waited for it may send a segment. */
export function tcp_cc_release(tp: Tcpcb): void {
  if (tp.snd_cwnd < tp.t_maxseg) tp.snd_cwnd = tp.t_maxseg;
}

/** What one ACK may add in slow start (RFC 9293 §3.8.2 MUST-19): RFC 3465 §2.2, L = 2 segments; with HyStart++ 8 (RFC 9406 §4.3). */
function cc_limit(tp: Tcpcb): u32 {
  // RFC 3465 §2.3: one, while what was lost in a timeout is sent again.
  if (SEQ_LT(tp.snd_nxt, tp.snd_max)) return tp.t_maxseg;
  const segs = tp.t_maxseg * (tp.t_cc == CC_CUBIC ? 8 : 2);
  // L keeps one ACK from releasing a burst. A link that segments is given, and acknowledges, bursts anyway.
  return max(segs, tcp_tsomax(tp));
}

/**
 * Was the window the limit? Only then does an ACK say that more would have gone through: RFC 7661 §4.1, half
 * of it used (pipeACK), measured as the largest flight that an ACK of this round trip or the last one found.
 */
function cc_validated(tp: Tcpcb, acked: u32): bool {
  const flight = tcp_inflight(tp) + acked;
  if (flight > tp.cc_pipe) tp.cc_pipe = flight;
  const used = max(tp.cc_pipe, tp.cc_lastpipe);
  if (SEQ_GEQ(tp.snd_una, tp.cc_round)) {
    tp.cc_lastpipe = tp.cc_pipe;
    tp.cc_pipe = 0;
    tp.cc_round = tp.snd_max;
  }
  return used * 2 >= tp.snd_cwnd;
}

function cc_slowstart(tp: Tcpcb, acked: u32): void {
  let growth = min(acked, cc_limit(tp));
  if (tp.t_cc == CC_CUBIC && tp.snd_ssthresh == CWND_MAX) growth = hystart_ack(tp, growth, tp.t_rtt_us);
  // Up to ssthresh, which is where the algorithm takes over, and not beyond it by a large ACK.
  tp.snd_cwnd += min(growth, tp.snd_ssthresh - tp.snd_cwnd);
}

/** `acked` bytes of new data were acknowledged while nothing is being recovered. */
export function tcp_cc_ack(tp: Tcpcb, acked: u32): void {
  const now = getmicrouptime();
  const algo = cc_algo(tp.t_cc);
  tcp_ecn_advance(tp);
  // RFC 3168 §6.1.2: an ACK that tells of congestion opens no window.
  if (tcp_ecn_marked(tp) || !cc_validated(tp, acked)) call_indirect<void>(algo.cc_quiet, tp, now - tp.cc_last_us);
  else if (tp.snd_cwnd < tp.snd_ssthresh) cc_slowstart(tp, acked);
  else call_indirect<void>(algo.cc_ack, tp, acked);
  tp.cc_last_us = now;
  tp.t_rtt_us = 0;
  if (tp.snd_cwnd > CWND_MAX) tp.snd_cwnd = CWND_MAX;
}

/** The retransmission timer ran out (RFC 5681 §3.1). */
export function tcp_cc_rto(tp: Tcpcb): void {
  // Only the first timeout of a flight reduces; its back-offs are the same loss.
  if (tp.t_rxtshift == 1) tcp_cc_congestion(tp);
  tp.snd_cwnd = tp.t_maxseg;
  call_indirect<void>(cc_algo(tp.t_cc).cc_timeout, tp);
}

/**
 * Nothing is in flight. What time passes now the algorithm does not see; after an RTO of it the window is no
 * longer known: RFC 5681 §4.1, restart from min(IW, cwnd); RFC 7661 §4.4.3, but remember where it was.
 */
export function tcp_cc_idle(tp: Tcpcb): void {
  if (tp.t_state < v.TCPS_ESTABLISHED || tp.t_lastsend_us == 0) return;
  const now = getmicrouptime();
  call_indirect<void>(cc_algo(tp.t_cc).cc_quiet, tp, now - tp.cc_last_us);
  tp.cc_last_us = now;
  if (now - tp.t_lastsend_us < tcp_backoff_us(tp)) return;
  const iw = cc_initial(tp);
  if (tp.snd_cwnd <= iw) return;
  tcpstat.idlerestart++;
  tp.snd_ssthresh = max(tp.snd_ssthresh, (tp.snd_cwnd >> 2) * 3);
  tp.snd_cwnd = iw;
}
