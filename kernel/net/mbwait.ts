/**
 * Writers that were refused for want of mbufs (ENOBUFS, mbuf.ts: m_scarce), until there are some again.
 *
 *      mw_first ─▶ Socket ⇄ Socket ⇄ …        so_mwnext, so_mwprev; SS_MBWAIT
 *
 * A stream whose write was refused is not writeable, although its buffer has room: a program that waits for
 * that (EVFILT_WRITE) sleeps instead of asking again and again. m_free looks at one word; once the mbufs are
 * plenty enough the soft interrupt tells those who wait, in the order in which they came.
 */
import { kmem_alloc } from "../kern/kmem";
import { softint_establish, softint_schedule } from "../kern/softint";
import { m_short, mbst } from "./mbuf";
import { SS_MBWAIT, Socket, sowwakeup } from "./socket";

/** Sockets that one run tells: the rest in the next, so that others have a turn. */
const BATCH: i32 = 64;
const NONE: Socket = changetype<Socket>(0);

@unmanaged
export class MbwaitState {
  mw_first: Socket;
  mw_last: Socket;
}

export let mws: MbwaitState = changetype<MbwaitState>(0);

/** Called once by net_init(). */
export function mbwait_boot(): void {
  mws = changetype<MbwaitState>(kmem_alloc(offsetof<MbwaitState>(), 8, "mbwait"));
  mbst.mb_softint = softint_establish(mbwait_run, 0);
}

/** Tell `so` when there are mbufs to write with. */
export function mbwait_add(so: Socket): void {
  if (so.so_state & SS_MBWAIT) return;
  so.so_state |= SS_MBWAIT;
  so.so_mwnext = NONE;
  so.so_mwprev = mws.mw_last;
  if (mws.mw_last) mws.mw_last.so_mwnext = so;
  else mws.mw_first = so;
  mws.mw_last = so;
  mbst.mb_waiting = true;
}

/** It need not be told any more. */
export function mbwait_remove(so: Socket): void {
  if ((so.so_state & SS_MBWAIT) == 0) return;
  so.so_state &= ~SS_MBWAIT;
  if (so.so_mwprev) so.so_mwprev.so_mwnext = so.so_mwnext;
  else mws.mw_first = so.so_mwnext;
  if (so.so_mwnext) so.so_mwnext.so_mwprev = so.so_mwprev;
  else mws.mw_last = so.so_mwprev;
  mbst.mb_waiting = changetype<usize>(mws.mw_first) != 0;
}

function mbwait_run(arg: usize): void {
  for (let i = 0; i < BATCH; i++) {
    const so = mws.mw_first;
    if (!so) return;
    if (m_short(3)) {
      // Gone again: the next m_free that makes them plenty comes back here.
      mbst.mb_waiting = true;
      return;
    }
    mbwait_remove(so);
    sowwakeup(so);
  }
  if (mws.mw_first) softint_schedule(mbst.mb_softint);
}
