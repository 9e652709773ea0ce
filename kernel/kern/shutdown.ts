/**
 * Orderly end: apps are told, drain, and the last one out turns off the light.
 *
 * An app that has something to finish registers (app_register) and watches EVFILT_USER ident
 * KE_IDENT_SHUTDOWN on its kqueue. rump_shutdown triggers that event everywhere; each app calls
 * app_done when it has drained; when none is left the host is asked to stop (hyp_exit). An app that
 * cannot go on at all calls app_fail with an exit status.
 */
import { KE_IDENT_SHUTDOWN } from "../abi/event";
import { hyp_exit } from "./hyper";
import { kmem_alloc } from "./kmem";
import { kqueue_broadcast } from "./kqueue";

@unmanaged
class ShutdownState {
  apps: i32;
  asked: i32;
  exited: i32;
  status: i32;
}

let sd: ShutdownState = changetype<ShutdownState>(0);

export function shutdown_boot(): void {
  sd = changetype<ShutdownState>(kmem_alloc(offsetof<ShutdownState>(), 8, "shutdown"));
}

/** One more app that rump_shutdown has to wait for. */
export function app_register(): void {
  sd.apps++;
}

/** Apps that have not drained yet. */
export function app_count(): i32 {
  return sd.apps;
}

/** An app has drained. */
export function app_done(): void {
  assert(sd.apps > 0, "app_done: none registered");
  sd.apps--;
  if (sd.asked != 0 && sd.apps == 0) kern_exit(0);
}

/** An app cannot go on: end with exit status `status`. */
export function app_fail(status: i32): void {
  kern_exit(status);
}

/** Ask the host to stop; the first status counts. */
export function kern_exit(status: i32): void {
  if (sd.exited != 0) return;
  sd.exited = 1;
  sd.status = status;
  hyp_exit(status);
}

/** Begin: tell the apps, or end at once if there are none. */
export function kern_shutdown(): void {
  if (sd.asked != 0) return;
  sd.asked = 1;
  kqueue_broadcast(KE_IDENT_SHUTDOWN);
  if (sd.apps == 0) kern_exit(0);
}

export function kern_exited(): bool {
  return sd.exited != 0;
}

export function kern_exit_status(): i32 {
  return sd.status;
}
