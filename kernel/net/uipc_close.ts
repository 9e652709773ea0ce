/**
 * Closing sockets, and SO_LINGER without waiting.
 *
 *      close ─▶ connected? pr_disconnect (FIN, or RST with linger 0) ─▶ pr_detach ─▶ SS_NOFDREF
 *                 the protocol finishes alone and calls sofree;
 *                 SO_LINGER with l seconds: on the lingering list until then, aborted when l is over
 *
 * close(2) cannot wait here, so a linger time means what it limits: how long undelivered data may keep
 * the connection alive. After it the connection is reset and the data is dropped, as Stevens describes
 * (UNP §7.5). One callout a second walks the list while it is not empty: O(sockets lingering).
 */
import { SO_ACCEPTCONN, SO_LINGER } from "../abi/socket";
import { CALLOUT_SIZE, Callout, callout_init, callout_pending, callout_schedule } from "../kern/callout";
import { getmicrouptime } from "../kern/clock";
import { kmem_alloc } from "../kern/kmem";
import { SS_CANTRCVMORE, SS_ISCONNECTED, SS_ISDISCONNECTING, SS_LINGERING, SS_NOFDREF, Socket, sofree,
  solinger_remove, soqremque, sost } from "./socket";
import { soabort, sodisconnect } from "./uipc_socket";
import { sorflush } from "./uipc_recv";

const LINGER_TICK_US: i64 = 1000000;

/** The callout of the lingering list. Called once by net_init(). */
export function linger_boot(): void {
  sost.so_callout = kmem_alloc(CALLOUT_SIZE, 8, "socket.linger");
  callout_init(changetype<Callout>(sost.so_callout), linger_tick, 0);
}

function linger_add(so: Socket): void {
  so.so_state |= SS_LINGERING;
  so.so_deadline = getmicrouptime() + <i64>so.so_linger * 1000000;
  so.so_qprev = sost.so_lingerlast;
  so.so_qnext = changetype<Socket>(0);
  if (sost.so_lingerlast) sost.so_lingerlast.so_qnext = so;
  else sost.so_lingering = so;
  sost.so_lingerlast = so;
  const c = changetype<Callout>(sost.so_callout);
  if (!callout_pending(c)) callout_schedule(c, LINGER_TICK_US);
}

function linger_tick(arg: usize): void {
  const now = getmicrouptime();
  let so = sost.so_lingering;
  while (so) {
    const next = so.so_qnext;
    if (so.so_deadline <= now) {
      solinger_remove(so);
      sost.so_nlingerabort++;
      soabort(so);
    }
    so = next;
  }
  if (sost.so_lingering) callout_schedule(changetype<Callout>(sost.so_callout), LINGER_TICK_US);
}

/** Connections that nobody will accept are reset. */
function close_queues(head: Socket): void {
  while (head.so_q0) {
    const so = head.so_q0;
    soqremque(so);
    soabort(so);
  }
  while (head.so_q) {
    const so = head.so_q;
    soqremque(so);
    soabort(so);
  }
}

/** The last descriptor of `so` is gone. 0, or -errno of the disconnect; the socket is closed either way. */
export function soclose(so: Socket): i32 {
  assert((so.so_state & SS_NOFDREF) == 0, "soclose: closed twice");
  let e = 0;
  so.so_upcall = 0;
  if (so.so_options & SO_ACCEPTCONN) close_queues(so);
  if (so.so_pcb != 0) {
    if ((so.so_state & (SS_ISCONNECTED | SS_ISDISCONNECTING)) == SS_ISCONNECTED) e = sodisconnect(so);
    if (so.so_pcb != 0) so.so_proto.pr_detach(so);
  }
  // After pr_detach: unread data tells TCP to reset (RFC 2525 §2.17).
  so.so_state |= SS_NOFDREF | SS_CANTRCVMORE;
  sorflush(so);
  if (so.so_pcb != 0 && (so.so_options & SO_LINGER) != 0 && so.so_linger > 0) linger_add(so);
  sofree(so);
  return e;
}
