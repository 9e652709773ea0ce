/**
 * Locks: one for each device, held by what changes it.
 *
 *      whole sectors         RL_SHARED   any number at a time
 *      parts of sectors      RL_ALONE    reads the sector, puts its bytes in, writes it back: none beside it
 *
 * Without it, of two clients that write different bytes of one sector at the same time the one would put
 * back what the sector was before the other. Who has to wait waits in order of arrival, so nobody is
 * passed over. Reads need no lock: a sector is written in one transfer. Cost: O(1).
 */
import { DEV_MAXDEVS } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { NOREQ, Req, nb } from "./nbd_state";
import { write_granted } from "./nbd_write";

/** r_lock. */
export const RL_NONE: i32 = 0;
export const RL_SHARED: i32 = 1;
export const RL_ALONE: i32 = 2;

@unmanaged
class DevLock {
  dl_shared: i32;
  dl_alone: i32;
  /** Those that wait, by r_next. */
  dl_first: Req;
  dl_last: Req;
}

/** Boot: the table. */
export function lock_init(): usize {
  return kmem_alloc(<usize>DEV_MAXDEVS * offsetof<DevLock>(), 8, "nbd");
}

function lock_of(r: Req): DevLock {
  return changetype<DevLock>(nb.locks + <usize>r.r_unit * offsetof<DevLock>());
}

/** May `how` be had now, but for those who wait? Then it is. */
function take(l: DevLock, how: i32): bool {
  if (l.dl_alone != 0 || (how == RL_ALONE && l.dl_shared > 0)) return false;
  if (how == RL_ALONE) l.dl_alone = 1;
  else l.dl_shared++;
  return true;
}

/** Lock device `unit` for `r`. False: it waits, and write_granted(r) is called when it has it. */
export function lock_take(r: Req, unit: i32, how: i32): bool {
  assert(r.r_lock == RL_NONE, "nbd: locked twice");
  r.r_unit = unit;
  r.r_lock = how;
  const l = lock_of(r);
  if (!l.dl_first && take(l, how)) return true;
  r.r_next = NOREQ;
  if (l.dl_first) l.dl_last.r_next = r;
  else l.dl_first = r;
  l.dl_last = r;
  return false;
}

/** `r` is done with the device; nothing if it has no lock. */
export function lock_release(r: Req): void {
  if (r.r_lock == RL_NONE) return;
  const l = lock_of(r);
  assert(r.r_lock == RL_ALONE ? l.dl_alone == 1 && l.dl_shared == 0 : l.dl_shared > 0, "nbd: lock");
  if (r.r_lock == RL_ALONE) l.dl_alone = 0;
  else l.dl_shared--;
  r.r_lock = RL_NONE;
  while (l.dl_first && take(l, l.dl_first.r_lock)) {
    const next = l.dl_first;
    l.dl_first = next.r_next;
    next.r_next = NOREQ;
    write_granted(next);
  }
}
