/**
 * Time, as the image knows it: what the host last said, and nothing else.
 *
 * rump_run brings the monotonic time once per run; all code of one run sees the same instant. Wall
 * time is an offset to it, read from the host at boot and again once a minute (the host's clock may
 * be stepped). With an injected clock both are exact functions of the inputs.
 */
import { kmem_alloc } from "./kmem";

@unmanaged
class ClockState {
  /** Monotonic µs of the host's clock at the present run. */
  now_us: i64;
  /** The same at boot: uptime counts from it. */
  boot_us: i64;
  /** Wall µs minus monotonic µs. */
  wall_off_us: i64;
}

let clk: ClockState = changetype<ClockState>(0);

/** Start at monotonic `mono_us`, wall clock `wall_us`. */
export function clock_boot(mono_us: i64, wall_us: i64): void {
  clk = changetype<ClockState>(kmem_alloc(offsetof<ClockState>(), 8, "clock"));
  clk.now_us = mono_us;
  clk.boot_us = mono_us;
  clk.wall_off_us = wall_us - mono_us;
}

/** Take a new time from the host. Time never goes back inside: an earlier one is ignored. */
export function clock_set(mono_us: i64): void {
  if (mono_us > clk.now_us) clk.now_us = mono_us;
}

/** The wall clock was read again: `wall_us` now. */
export function clock_setwall(wall_us: i64): void {
  clk.wall_off_us = wall_us - clk.now_us;
}

/** µs since boot. */
export function getmicrouptime(): i64 {
  return clk.now_us - clk.boot_us;
}

/** µs since 1970-01-01 UTC. */
export function getmicrotime(): i64 {
  return clk.now_us + clk.wall_off_us;
}

/** Uptime as the host's monotonic clock counts it, for deadlines that are handed out. */
export function clock_tohost(uptime_us: i64): i64 {
  return uptime_us + clk.boot_us;
}
