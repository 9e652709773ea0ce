/**
 * The MTU of the path: told by ICMP (RFC 1191), found missing (RFC 2923), and searched for (RFC 4821,
 * RFC 8899).
 *
 *      "needed"      nothing of that size acknowledged yet: believed at once
 *                    a larger segment came through before: believed only if the one it quotes times out
 *                    (RFC 5927 §7.2: a forged message finds the real acknowledgment sooner)
 *      black hole    full segments time out three times, five if the path has carried that size or they are
 *                    within 1200 bytes: the next plateau below
 *      search        later, by the timer: one segment of new data that is larger; acknowledged, that is the
 *                    MTU; sent again, it is not
 *
 *                 t_pathmtu          probe           t_probe_high
 *          ───────────┼────────────────┼───────────────────┼───────── ceiling: route, peer, user
 *            works         first the ceiling, then halves     known not to work
 *
 * A probe that is lost tells nothing of congestion: when recovery is over, the window is what it was
 * before (RFC 4821 §7.6). sysctl net.inet.tcp.mtu_probing: 0 none, 1 after the MTU was lowered, 2 always,
 * from 1200 bytes on (RFC 8899 §5.1.2). What is learnt of a peer its next connections begin with, for as
 * long as the timer runs: a table of 64, the last one wins.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { siphash13_2 } from "../../kernel/kern/siphash";
import { Socket } from "../../kernel/net/socket";
import { SEQ_GEQ, SEQ_GT, SEQ_LT } from "./tcp";
import { tcp_cc_undo } from "./tcp_cc";
import { tcp_ceiling, tcp_pathmtu, tcp_segsize, tcp_setmss } from "./tcp_mtu";
import { tcp_output } from "./tcp_output";
import { tcp_sendwindow } from "./tcp_recovery";
import { tcp_sent_goback } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import * as v from "./tcp_var";
import { Tcpcb, tcp_inflight, tcps } from "./tcp_var";

/** No path has less (RFC 791); what a forged "needed" message can do is bounded by this. */
const MTU_FLOOR: i32 = 296;
/** Below this nothing is gained by suspecting the path. */
const MTU_BLACKHOLE_MIN: i32 = 508;
/** RFC 8899 §5.1.2: BASE_PLPMTU. */
const MTU_BASE: u32 = 1200;
/** The search ends when what is open is less than this. */
const PROBE_GAP: i32 = 16;
/** RFC 8899 §5.1.2: MAX_PROBES. */
const PROBE_TRIES: i32 = 3;
/** Segments behind a probe, so that its loss is seen by duplicates and not by a timeout (RFC 4821 §7.4). */
const PROBE_TAIL: u32 = 4;

/** What is known of the path to a peer. */
@unmanaged
export class Pathinfo {
  faddr: u32;
  mtu: u32;
  until_us: i64;
}
export const PATHINFO_N: i32 = 64;

function pathinfo(faddr: u32): Pathinfo {
  const h = <usize>siphash13_2(tcps.secret + 16, faddr, 0x8899) & (PATHINFO_N - 1);
  return changetype<Pathinfo>(tcps.pathinfo + h * offsetof<Pathinfo>());
}

/** The path carries no more than `mtu`: use that, search again when the timer has run. */
function path_lower(tp: Tcpcb, mtu: i32): void {
  const at = getmicrouptime() + <i64>tcps.mtu_raise * 1000000;
  tp.t_pathmtu = <u32>mtu;
  tp.t_probe_mtu = 0;
  tp.t_probe_high = 0;
  tp.t_full_size = 0;
  if (tcps.mtu_probing != 0) tp.t_probe_at_us = at;
  const known = pathinfo(tp.t_inpcb.inp_faddr);
  known.faddr = tp.t_inpcb.inp_faddr;
  known.mtu = <u32>mtu;
  known.until_us = at;
  tcp_setmss(tp);
}

/** A connection begins: what is known of its path, and whether it searches. */
export function tcp_pmtud_init(tp: Tcpcb): void {
  if (tp.t_pathmtu != 0) return;
  const now = getmicrouptime();
  const known = pathinfo(tp.t_inpcb.inp_faddr);
  if (known.faddr == tp.t_inpcb.inp_faddr && known.until_us > now) {
    tp.t_pathmtu = known.mtu;
    if (tcps.mtu_probing != 0) tp.t_probe_at_us = known.until_us;
  } else if (tcps.mtu_probing == 2) {
    tp.t_pathmtu = MTU_BASE;
    tp.t_probe_at_us = now;
  }
}

/** ICMP says that segment `seq` of ours needs fragmentation at a link of `mtu` (0: an old router, no value). */
export function tcp_mtudisc(tp: Tcpcb, mtu: u32, seq: u32): void {
  const now = tcp_pathmtu(tp);
  let next = <i32>mtu;
  if (next == 0) next = plateau_below(now);
  if (next < MTU_FLOOR) next = MTU_FLOOR;
  if (next >= now) {
    // About a probe, perhaps: then it names the bound.
    if (tp.t_probe_mtu != 0 && SEQ_GEQ(seq, tp.t_probe_seq) && <u32>next < tp.t_probe_mtu) tp.t_probe_high = <u32>next;
    return;
  }
  if (tp.t_provenseg > tcp_segsize(tp, next)) {
    tcpstat.mtudelayed++;
    tp.t_pmtu_pending = <u32>next;
    tp.t_pmtu_seq = seq;
    return;
  }
  path_lower(tp, next);
  tcpstat.mturesent++;
  tcp_sent_goback(tp);
  tp.t_rtttime_us = 0;
  tcp_output(tp);
}

/** RFC 1191 §7.1. */
function plateau_below(mtu: i32): i32 {
  if (mtu > 32000) return 32000;
  if (mtu > 17914) return 17914;
  if (mtu > 8166) return 8166;
  if (mtu > 4352) return 4352;
  if (mtu > 2002) return 2002;
  if (mtu > 1492) return 1492;
  if (mtu > 1280) return 1280;
  if (mtu > 1006) return 1006;
  if (mtu > 508) return 508;
  return MTU_FLOOR;
}

/** The retransmission timer has run out, t_rxtshift times in a row: is it the size? */
export function tcp_mtu_blackhole(tp: Tcpcb): void {
  if (tp.t_probe_mtu != 0) probe_lost(tp);
  // No use restoring a window that a timeout has judged.
  tp.t_probe_undo = false;
  if (tp.t_pmtu_pending != 0) {
    const next = <i32>tp.t_pmtu_pending;
    tp.t_pmtu_pending = 0;
    // RFC 5927 §7.2: no progress since the message: it was true.
    if (!SEQ_LT(tp.t_pmtu_seq, tp.snd_una) && next < tcp_pathmtu(tp)) {
      tp.t_provenseg = 0;
      tcpstat.mturesent++;
      path_lower(tp, next);
      return;
    }
  }
  if (tcps.mtu_probing == 0 || tp.t_rxtshift < 3 || tp.t_rxtshift > 7) return;
  const mtu = min(tcp_pathmtu(tp), tcp_ceiling(tp));
  // A path that has carried segments of this size, or one that any path carries: more likely plain losses.
  if ((tp.t_provenseg >= tp.t_maxseg || <u32>mtu <= MTU_BASE) && tp.t_rxtshift < 5) return;
  if (mtu <= MTU_BLACKHOLE_MIN || tcp_inflight(tp) < tp.t_maxseg) return;
  tcpstat.mtublackhole++;
  path_lower(tp, plateau_below(mtu));
}

/** `len` bytes of payload up to sequence `next` go out, from `start`; `again` if they went before. */
export function tcp_pmtud_sent(tp: Tcpcb, len: i32, start: u32, next: u32, again: bool): void {
  if (again) {
    if (tp.t_probe_mtu != 0 && SEQ_LT(start, tp.t_probe_end) && SEQ_GT(next, tp.t_probe_seq)) probe_lost(tp);
  } else if (tp.t_full_size == 0 && <u32>len >= tp.t_maxseg) {
    tp.t_full_size = tp.t_maxseg;
    tp.t_full_end = next;
  }
}

/** snd_una has advanced, and recovery knows. */
export function tcp_pmtud_acked(tp: Tcpcb): void {
  if (tp.t_full_size != 0 && SEQ_GEQ(tp.snd_una, tp.t_full_end)) {
    if (tp.t_full_size > tp.t_provenseg) tp.t_provenseg = tp.t_full_size;
    tp.t_full_size = 0;
  }
  if (tp.t_probe_undo && (tp.t_flags & v.TF_FASTRECOVERY) == 0) {
    tp.t_probe_undo = false;
    tcp_cc_undo(tp);
  }
  if (tp.t_probe_mtu == 0 || SEQ_LT(tp.snd_una, tp.t_probe_end)) return;
  tcpstat.mtuprobeok++;
  tp.t_pathmtu = tp.t_probe_mtu;
  tp.t_probe_mtu = 0;
  tp.t_probe_tries = 0;
  tcp_setmss(tp);
  tp.t_provenseg = tp.t_maxseg;
  const known = pathinfo(tp.t_inpcb.inp_faddr);
  if (known.faddr == tp.t_inpcb.inp_faddr) known.mtu = tp.t_pathmtu;
}

/** The probe under way is sent again, so it was lost. */
function probe_lost(tp: Tcpcb): void {
  tcpstat.mtuprobefail++;
  tp.t_probe_undo = true;
  if (++tp.t_probe_tries >= PROBE_TRIES) {
    tp.t_probe_tries = 0;
    tp.t_probe_high = tp.t_probe_mtu - 1;
  }
  tp.t_probe_mtu = 0;
}

/** MTU to try next; 0 when the search is over, for now or for good. */
function probe_size(tp: Tcpcb): i32 {
  const top = tcp_ceiling(tp);
  const low = <i32>tp.t_pathmtu;
  if (low >= top) {
    tp.t_pathmtu = 0;
    tp.t_probe_at_us = 0;
    tp.t_probe_high = 0;
    return 0;
  }
  if (tp.t_probe_high == 0 || <i32>tp.t_probe_high >= top) return top;
  if (<i32>tp.t_probe_high - low >= PROBE_GAP) return (low + <i32>tp.t_probe_high + 1) >> 1;
  // Found. The path may change: all of it again when the timer has run (RFC 8899 §5.1.1, PMTU_RAISE_TIMER).
  tp.t_probe_high = 0;
  tp.t_probe_at_us = getmicrouptime() + <i64>tcps.mtu_raise * 1000000;
  return 0;
}

/**
 * Should the segment that goes next be a probe? Then t_maxseg is its size until tcp_probe_sent. There
 * must be new data and window for it and for what shows its loss, and no loss under repair.
 */
export function tcp_probe_begin(tp: Tcpcb, so: Socket): bool {
  if (tp.t_probe_mtu != 0 || tp.t_rxtshift != 0 || tp.t_dupacks != 0 || tp.snd_nxt != tp.snd_max || tp.t_segq) return false;
  if ((tp.t_flags & (v.TF_FASTRECOVERY | v.TF_PERSIST)) != 0 || tp.t_pathmtu == 0) return false;
  if (tp.t_state != v.TCPS_ESTABLISHED && tp.t_state != v.TCPS_CLOSE_WAIT) return false;
  if (getmicrouptime() < tp.t_probe_at_us) return false;
  const out = tcp_inflight(tp);
  const most = tcp_segsize(tp, tcp_ceiling(tp)) + PROBE_TAIL * tp.t_maxseg;
  if (so.so_snd.sb_cc < out + most || tcp_sendwindow(tp) < out + most) return false;
  const mtu = probe_size(tp);
  if (mtu == 0) return false;
  tcpstat.mtuprobe++;
  tp.t_probe_mtu = <u32>mtu;
  tp.t_probe_seq = tp.snd_nxt;
  tp.t_probe_mss = tp.t_maxseg;
  tp.t_maxseg = tcp_segsize(tp, mtu);
  return true;
}

/** It has gone, or could not. */
export function tcp_probe_sent(tp: Tcpcb): void {
  const size = tp.t_maxseg;
  tp.t_maxseg = tp.t_probe_mss;
  tp.t_probe_mss = 0;
  tp.t_probe_end = tp.t_probe_seq + size;
  // What it was counted as, if the size were proven by it, it is proven by its own acknowledgment.
  if (tp.t_full_size == size) tp.t_full_size = 0;
  if (tp.snd_max != tp.t_probe_end) tp.t_probe_mtu = 0;
}
