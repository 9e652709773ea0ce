/**
 * HyStart++ (RFC 9406): leave slow start when the round-trip time says that a queue is building, before
 * it overflows and half a window is lost.
 *
 *      slow start ── round's smallest RTT up by an eighth (4 to 16 ms) ──▶ conservative slow start
 *          ▲                                                                │  a quarter of the growth
 *          └── smallest RTT falls below what it was on entry ◀──────────────┤
 *                                                                           └ 5 rounds ─▶ ssthresh = cwnd
 *
 * A round is a window's worth of ACKs. Only in the first slow start of a connection, which knows no
 * ssthresh; a loss ends either phase. State: hs_* of the control block. O(1) an ACK.
 */
import { SEQ_GEQ } from "./tcp";
import { tcpstat } from "./tcp_stat";
import { Tcpcb } from "./tcp_var";

/** RFC 9406 §4.3. */
const MIN_RTT_THRESH_US: u32 = 4000;
const MAX_RTT_THRESH_US: u32 = 16000;
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: i32 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: i32 = 5;
/** No sample yet. */
const NONE: u32 = 0xffffffff;

export function hystart_init(tp: Tcpcb): void {
  tp.hs_end = tp.snd_max;
  tp.hs_lastmin_us = NONE;
  tp.hs_curmin_us = NONE;
  tp.hs_samples = 0;
  tp.hs_base_us = 0;
  tp.hs_rounds = 0;
}

/** What was sent when this round began is acknowledged: the next one, with a window of `cwnd`. */
function hystart_round(tp: Tcpcb, cwnd: u32): void {
  tp.hs_end = tp.snd_max;
  tp.hs_lastmin_us = tp.hs_curmin_us;
  tp.hs_curmin_us = NONE;
  tp.hs_samples = 0;
  if (tp.hs_base_us == 0 || ++tp.hs_rounds < CSS_ROUNDS) return;
  tcpstat.hystartexit++;
  tp.snd_ssthresh = cwnd;
}

/**
 * An ACK in the first slow start allows `growth` bytes; how many of them to take. `rtt_us`: the sample
 * that came with it, 0 none.
 */
export function hystart_ack(tp: Tcpcb, growth: u32, rtt_us: u32): u32 {
  if (rtt_us != 0) {
    tp.hs_samples++;
    if (rtt_us < tp.hs_curmin_us) tp.hs_curmin_us = rtt_us;
  }
  if (tp.hs_samples >= N_RTT_SAMPLE) {
    if (tp.hs_base_us != 0) {
      // The rise was jitter after all.
      if (tp.hs_curmin_us < tp.hs_base_us) tp.hs_base_us = 0;
    } else if (tp.hs_lastmin_us != NONE) {
      const thresh = min(max(tp.hs_lastmin_us / MIN_RTT_DIVISOR, MIN_RTT_THRESH_US), MAX_RTT_THRESH_US);
      if (tp.hs_curmin_us >= tp.hs_lastmin_us + thresh) {
        tcpstat.hystartcss++;
        tp.hs_base_us = tp.hs_curmin_us;
        tp.hs_rounds = 0;
      }
    }
  }
  const take = tp.hs_base_us != 0 ? growth / CSS_GROWTH_DIVISOR : growth;
  if (SEQ_GEQ(tp.snd_una, tp.hs_end)) hystart_round(tp, tp.snd_cwnd + take);
  return take;
}
