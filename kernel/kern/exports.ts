/**
 * The image as the host sees it: the functions of docs/rumpuser.md, "calls into the image".
 *
 * Everything the host can do is here: make the kernel run (rump_run), say that something is there
 * (rump_intr), make a system call, find the shared rings, begin a shutdown. None of them blocks or
 * calls back, so the host may call any of them whenever the image is not already running.
 *
 *      rump_run:  take the time → callouts that are due → soft interrupts → … → next deadline
 *
 * One run does a bounded amount of work (RUN_BUDGET soft interrupts), so that the host's own event
 * loop stays alive under load; if more is pending it answers "now".
 */
import { ENOSYS } from "../abi/errno";
import { CLOCK_REALTIME, RUMP_ABI, RUMP_HOSTBUF_SIZE } from "../abi/rump";
import { callout_deadline, callout_run } from "./callout";
import { clock_set, clock_setwall, clock_tohost, getmicrouptime } from "./clock";
import { intr_signal } from "./intr";
import { kmem_alloc } from "./kmem";
import { ring_lookup } from "./ring";
import { rumpuser_clock } from "./rumpuser";
import { kern_shutdown } from "./shutdown";
import { softint_pending, softint_run } from "./softint";
import { syscall } from "./syscall";

const RUN_BUDGET: i32 = 32;
/** The wall clock is compared with the host's this often. */
const WALL_INTERVAL_US: i64 = 60000000;

@unmanaged
class RunState {
  hostbuf: usize;
  wall_at_us: i64;
  nruns: u64;
}

let rs: RunState = changetype<RunState>(0);

export function hostbuf_boot(): void {
  rs = changetype<RunState>(kmem_alloc(offsetof<RunState>(), 8, "run"));
  rs.hostbuf = kmem_alloc(RUMP_HOSTBUF_SIZE, 4096, "hostbuf");
  rs.wall_at_us = getmicrouptime() + WALL_INTERVAL_US;
}

/** Version of this interface, RUMP_ABI. */
export function rump_abi(): i32 {
  return RUMP_ABI;
}

/**
 * Do all that is due at monotonic `now_us` of the host's clock. Returns when to be called next on
 * the same clock: -1 not before something happens, `now_us` or less if work is left.
 */
export function rump_run(now_us: f64): f64 {
  if (changetype<usize>(rs) == 0) return -1;
  rs.nruns++;
  clock_set(<i64>now_us);
  if (getmicrouptime() >= rs.wall_at_us) {
    rs.wall_at_us = getmicrouptime() + WALL_INTERVAL_US;
    clock_setwall(rumpuser_clock(CLOCK_REALTIME));
  }
  callout_run();
  if (softint_run(RUN_BUDGET)) return now_us;
  const at = callout_deadline();
  return at < 0 ? -1 : <f64>clock_tohost(at);
}

/**
 * It is monotonic `now_us` of the host's clock, though nothing is to be done yet: before a system call
 * or a shutdown that comes after a rest, so that timers set by it do not count from the last run.
 */
export function rump_clock(now_us: f64): void {
  if (changetype<usize>(rs) != 0) clock_set(<i64>now_us);
}

/** Interrupt `source` (INTR_*): only marks its handler; a rump_run must follow. */
export function rump_intr(source: i32): void {
  if (changetype<usize>(rs) != 0) intr_signal(source);
}

/** Make system call `nr`; >= 0 or -errno. If soft interrupts are now pending a rump_run should follow. */
export function rump_syscall(nr: i32, a0: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  if (changetype<usize>(rs) == 0) return -ENOSYS;
  return syscall(nr, a0, a1, a2, a3, a4, a5);
}

/** Is a rump_run wanted at once (work was left by a system call)? 1 or 0. */
export function rump_pending(): i32 {
  return changetype<usize>(rs) != 0 && softint_pending() ? 1 : 0;
}

/** RUMP_HOSTBUF_SIZE bytes for the host's system call arguments; 0 before rump_init. */
export function rump_hostbuf(): i32 {
  return changetype<usize>(rs) != 0 ? <i32>rs.hostbuf : 0;
}

/** Address of shared ring or structure `id` (RING_*); 0 if the image has none. */
export function rump_ring(id: i32): i32 {
  return changetype<usize>(rs) != 0 ? <i32>ring_lookup(id) : 0;
}

/** Begin an orderly shutdown; the image asks to stop (hyp_exit) when its apps have drained. */
export function rump_shutdown(): void {
  if (changetype<usize>(rs) != 0) kern_shutdown();
}
