/**
 * CUBIC (RFC 9438): the window as a cubic function of the time since the last congestion event.
 *
 *      W_max ┄┄┄┄┄┄┄┄┄┄┄┄┄╭────╮┄┄┄╱┄       W_cubic(t) = C (t - K)³ + W_max       C = 0.4
 *                      ╱  concave │ convex     K = cbrt((W_max - cwnd_epoch) / C)
 *      β W_max  ╱┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄         β = 0.7
 *              0         K                   t →
 *
 * Fast where the window is far from where the loss was, slow around it, then probing beyond; the same
 * for every round-trip time. Never slower than Reno would be with the same β (W_est, §4.3).
 *
 * All in integers, the same on every machine: windows in bytes (W_est with 10 bits of fraction), time in
 * ms, the cube root exact (rounded down). State: cub_* of the control block, 32 bytes that tcp_cc.ts
 * saves and restores as a whole (§4.9). O(1) an ACK.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { Tcpcb } from "./tcp_var";

/** Bits of fraction of cub_west. */
const WEST_SHIFT: u64 = 10;
/** |t - K| beyond this many ms makes no difference: the target is bounded by 1.5 cwnd. */
const CUBIC_MAX_MS: i64 = 100000;

/** The largest r with r³ <= x. Digit by digit, 21 steps. */
export function cubic_root(x: u64): u32 {
  let rest = x;
  let r: u64 = 0;
  for (let s = 63; s >= 0; s -= 3) {
    r <<= 1;
    const b = 3 * r * (r + 1) + 1;
    if ((rest >> <u64>s) < b) continue;
    rest -= b << <u64>s;
    r++;
  }
  return <u32>r;
}

/** K in ms for a window that is `below` bytes under its plateau: cbrt(below / mss / 0.4 · 10⁹). RFC 9438 §4.2. */
export function cubic_k(below: u32, mss: u32): u32 {
  return cubic_root(<u64>below * 2500000000 / mss);
}

/** C (d ms)³ in bytes: d³ · 0.4 / 10⁹ segments. */
export function cubic_rise(d: i64, mss: u32): i64 {
  const t = d > CUBIC_MAX_MS ? CUBIC_MAX_MS : d < -CUBIC_MAX_MS ? -CUBIC_MAX_MS : d;
  return t * t * t * 4 / 1000000 * <i64>mss / 10000;
}

/** W_cubic at `t` ms of this epoch, bytes. */
function cubic_window(tp: Tcpcb, t: i64): i64 {
  return <i64>tp.cub_origin + cubic_rise(t - <i64>tp.cub_k_ms, tp.t_maxseg);
}

/**
 * Congestion avoidance begins. RFC 9438 §4.2: K from where the window is to where it was; §4.8, §4.10: after
 * a timeout or a slow start that ended without loss there is no W_max, the window itself is the plateau.
 */
function cubic_epoch(tp: Tcpcb, now: i64): void {
  const cwnd = tp.snd_cwnd;
  tp.cub_epoch_us = now;
  tp.cub_west = <u64>cwnd << WEST_SHIFT;
  tp.t_bytes_acked = 0;
  if (cwnd < tp.cub_wmax) {
    tp.cub_k_ms = cubic_k(tp.cub_wmax - cwnd, tp.t_maxseg);
    tp.cub_origin = tp.cub_wmax;
  } else {
    tp.cub_k_ms = 0;
    tp.cub_origin = cwnd;
  }
}

/** RFC 9438 §4.3 figure 4: what Reno would have; α = 3 (1-β)/(1+β) = 9/17 up to the window of the last event, then 1. */
function cubic_reno(tp: Tcpcb, acked: u32): u32 {
  let add = (<u64>acked * tp.t_maxseg << WEST_SHIFT) / tp.snd_cwnd;
  if (tp.cub_west >> WEST_SHIFT < <u64>tp.cub_prior) add = add * 9 / 17;
  tp.cub_west += add;
  return <u32>min<u64>(tp.cub_west >> WEST_SHIFT, 0x3fffffff);
}

/** Congestion avoidance: `acked` bytes of new data. */
export function cubic_ack(tp: Tcpcb, acked: u32): void {
  const now = getmicrouptime();
  if (tp.cub_epoch_us == 0) cubic_epoch(tp, now);
  const cwnd = tp.snd_cwnd;
  if (acked > cwnd) acked = cwnd;
  const reno = cubic_reno(tp, acked);
  const t = (now - tp.cub_epoch_us) / 1000;
  if (cubic_window(tp, t) < <i64>reno) {
    // §4.3: the Reno-friendly region.
    if (reno > cwnd) tp.snd_cwnd = reno;
    return;
  }
  // §4.4, §4.5: a round trip from now it should be there; at most half as much again in one.
  const most = <i64>cwnd + <i64>(cwnd >> 1);
  const target = min(cubic_window(tp, t + <i64>(tp.t_srtt_us / 1000)), most);
  if (target <= <i64>cwnd) return;
  const gain = <u64>acked * <u64>(target - <i64>cwnd) + <u64>tp.t_bytes_acked;
  tp.snd_cwnd = cwnd + <u32>(gain / cwnd);
  tp.t_bytes_acked = <u32>(gain % cwnd);
}

/** A congestion event: RFC 9438 §4.6, multiplicative decrease; §4.7, fast convergence. */
export function cubic_ssthresh(tp: Tcpcb, flight: u32): u32 {
  const cwnd = tp.snd_cwnd;
  tp.cub_wmax = cwnd < tp.cub_wmax ? <u32>(<u64>cwnd * 17 / 20) : cwnd;
  tp.cub_prior = cwnd;
  tp.cub_epoch_us = 0;
  tp.t_bytes_acked = 0;
  return <u32>(<u64>flight * 7 / 10);
}

/** RFC 9438 §4.8: the first congestion avoidance after a timeout begins at its own plateau. */
export function cubic_timeout(tp: Tcpcb): void {
  tp.cub_wmax = 0;
  tp.cub_epoch_us = 0;
  tp.t_bytes_acked = 0;
}

/** For `us` the window was not what limited the sender: that time does not count (RFC 9438 §5.8). */
export function cubic_quiet(tp: Tcpcb, us: i64): void {
  if (tp.cub_epoch_us != 0) tp.cub_epoch_us += us;
}
