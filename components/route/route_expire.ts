/**
 * Routes that expire: those that neither an administrator nor an address made (redirects).
 *
 *      fe_expire = now + net.route.redirtimeout      one callout, armed for the earliest, never more
 *                                                    often than once a second
 *
 * A sweep looks at all routes, O(routes), and arms the next one; a table without expiring routes has
 * no timer. The default of 600 s is NetBSD's for redirects.
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import {
  CALLOUT_SIZE, Callout, callout_init, callout_pending, callout_schedule,
} from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { Fibent, fe_first, fe_nextof, rt_remove, rt_static } from "./fib_table";

const SECOND_US: i64 = 1000000;

@unmanaged
class RouteExpire {
  timeout_s: i32;
  sweep: Callout;
}

let rx: RouteExpire = changetype<RouteExpire>(0);

export function rt_expire_boot(): void {
  rx = changetype<RouteExpire>(kmem_alloc(offsetof<RouteExpire>(), 8, "route"));
  rx.timeout_s = 600;
  rx.sweep = changetype<Callout>(kmem_alloc(CALLOUT_SIZE, 8, "route"));
  callout_init(rx.sweep, rt_sweep, 0);
  sysctl_int("net.route.redirtimeout", changetype<usize>(rx), CTLFLAG_RW, 1, 86400);
}

/** Seconds of uptime. */
function now_s(): u32 {
  return <u32>(getmicrouptime() / SECOND_US);
}

/** Start the life of `fe` anew, for ever or for the time-out. */
export function rt_expire_set(fe: Fibent): void {
  fe.fe_expire = 0;
  if (rt_static(fe)) return;
  // A second begun counts whole.
  fe.fe_expire = <u32>((getmicrouptime() + SECOND_US - 1) / SECOND_US) + <u32>rx.timeout_s;
  const life_us = <i64>fe.fe_expire * SECOND_US - getmicrouptime();
  if (!callout_pending(rx.sweep)) callout_schedule(rx.sweep, life_us);
  else if (rx.sweep.c_time > getmicrouptime() + life_us) callout_schedule(rx.sweep, life_us);
}

/** Seconds that `fe`, which expires, has left. */
export function rt_expire_left(fe: Fibent): u32 {
  return <u32>max<i64>((<i64>fe.fe_expire * SECOND_US - getmicrouptime()) / SECOND_US, 0);
}

/** The expiring route with the least time left, or null. */
export function rt_expire_soonest(): Fibent {
  let best = changetype<Fibent>(0);
  if (!callout_pending(rx.sweep)) return best;
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) {
    if (fe.fe_expire != 0 && (!best || fe.fe_expire < best.fe_expire)) best = fe;
  }
  return best;
}

function rt_sweep(arg: usize): void {
  const now = now_s();
  let next: u32 = 0;
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) {
    if (fe.fe_expire == 0) continue;
    if (fe.fe_expire <= now) rt_remove(fe);
    else if (next == 0 || fe.fe_expire < next) next = fe.fe_expire;
  }
  if (next != 0) callout_schedule(rx.sweep, max<i64>(<i64>next * SECOND_US - getmicrouptime(), SECOND_US));
}
