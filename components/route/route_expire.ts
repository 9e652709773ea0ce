/**
 * Routes that expire: those that neither an administrator nor an address made (redirects).
 *
 *      rt_expire = now + net.route.redirtimeout      one callout, armed for the earliest, never more
 *                                                    often than once a second
 *
 * A sweep looks at all routes, O(routes), and arms the next one; a table without expiring routes has
 * no timer. The default of 600 s is NetBSD's for redirects.
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { AF_INET } from "../../kernel/abi/socket";
import {
  CALLOUT_SIZE, Callout, callout_init, callout_pending, callout_schedule,
} from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { Rtentry } from "../../kernel/net/route";
import { rt_first, rt_next, rt_remove, rt_static } from "./route_table";

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

/** Start the life of `rt` anew, for ever or for the time-out. */
export function rt_expire_set(rt: Rtentry): void {
  rt.rt_expire = 0;
  if (rt_static(rt)) return;
  const life_us = <i64>rx.timeout_s * SECOND_US;
  rt.rt_expire = getmicrouptime() + life_us;
  if (!callout_pending(rx.sweep)) callout_schedule(rx.sweep, life_us);
  else if (rx.sweep.c_time > rt.rt_expire) callout_schedule(rx.sweep, life_us);
}

/** The expiring route with the least time left, or null. */
export function rt_expire_soonest(): Rtentry {
  let best = changetype<Rtentry>(0);
  for (let rt = rt_first(AF_INET); rt; rt = rt_next(rt)) {
    if (rt.rt_expire != 0 && (!best || rt.rt_expire < best.rt_expire)) best = rt;
  }
  return best;
}

function rt_sweep(arg: usize): void {
  const now = getmicrouptime();
  let next: i64 = 0;
  for (let rt = rt_first(AF_INET); rt; rt = rt_next(rt)) {
    if (rt.rt_expire == 0) continue;
    if (rt.rt_expire <= now) rt_remove(rt);
    else if (next == 0 || rt.rt_expire < next) next = rt.rt_expire;
  }
  if (next != 0) callout_schedule(rx.sweep, max<i64>(next - now, SECOND_US));
}
