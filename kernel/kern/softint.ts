/**
 * Soft interrupts: work that is due, run to completion one piece after the other.
 *
 *      pending: one bit a handler, scanned round robin from where the last scan ended
 *
 * An interrupt from the host (rump_intr) or an event inside only marks a handler; softint_run calls
 * what is marked, so no handler ever runs inside another. Marking is O(1) and idempotent. A handler
 * may mark itself again: it then has its next turn after all the others (fairness).
 */
import { kmem_alloc } from "./kmem";

export const SOFTINT_MAX: i32 = 64;

@unmanaged
class SoftintState {
  pending: u64;
  count: i32;
  rover: i32;
  /** Handlers run since boot. */
  nrun: u64;
}

@unmanaged
class Softint {
  fn: i32;
  arg: usize;
}

let si: SoftintState = changetype<SoftintState>(0);
let si_tab: usize = 0;

export function softint_boot(): void {
  si = changetype<SoftintState>(kmem_alloc(offsetof<SoftintState>(), 64, "softint"));
  si_tab = kmem_alloc(<usize>SOFTINT_MAX * offsetof<Softint>(), 64, "softint");
}

/** Register `fn(arg)`; a handle for softint_schedule. Boot only. */
export function softint_establish(fn: (arg: usize) => void, arg: usize): i32 {
  const h = si.count;
  assert(h < SOFTINT_MAX, "softint_establish: too many");
  si.count = h + 1;
  const s = changetype<Softint>(si_tab + <usize>h * offsetof<Softint>());
  s.fn = fn.index;
  s.arg = arg;
  return h;
}

/** Mark handler `h` to be run in this rump_run, or the next if none is under way. */
export function softint_schedule(h: i32): void {
  si.pending |= <u64>1 << <u64>h;
}

export function softint_pending(): bool {
  return si.pending != 0;
}

/** Run marked handlers, at most `budget` of them; true if some are still marked. */
export function softint_run(budget: i32): bool {
  while (si.pending != 0 && budget-- > 0) {
    const later = si.pending & (~(<u64>0) << <u64>si.rover);
    const h = <i32>ctz<u64>(later != 0 ? later : si.pending);
    si.pending &= ~(<u64>1 << <u64>h);
    si.rover = h + 1 < SOFTINT_MAX ? h + 1 : 0;
    si.nrun++;
    const s = changetype<Softint>(si_tab + <usize>h * offsetof<Softint>());
    call_indirect<void>(s.fn, s.arg);
  }
  return si.pending != 0;
}
