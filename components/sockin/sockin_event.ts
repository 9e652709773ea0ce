/**
 * What the host tells: edges from the ring, turned into the state of sockets; and accepting.
 *
 *      RING_SOCKIN ─▶ {cookie, bits, error} ─▶ SockinPcb ─▶ soisconnected / so_error / sorwakeup …
 *      listener's edge ─▶ sockin_accept until EAGAIN, the backlog, or our room ─▶ sonewconn
 *
 * Connections are taken from the host as they come, because the socket layer's queue is what accept(2)
 * and kqueue look at; but never more than the backlog and the pools hold. The rest stays in the host's
 * own queue and is fetched when accept(2) or a close makes room: nothing polls. Only when the host
 * itself is out of descriptors, which no event announces the end of, a callout tries again.
 */
import { EAGAIN, EBADF, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTSOCK, EOPNOTSUPP } from "../../kernel/abi/errno";
import { SO_ACCEPTCONN } from "../../kernel/abi/socket";
import { SS_ISCONNECTED, SS_ISCONNECTING, Socket, socantrcvmore, sofree, soisconnected, soisdisconnected, sonewconn, sorwakeup,
  sost, sowwakeup } from "../../kernel/net/socket";
import { Callout, callout_pending, callout_schedule } from "../../kernel/kern/callout";
import { pool_avail, pool_put } from "../../kernel/kern/pool";
import { ring_consume, ring_peek } from "../../kernel/kern/ring";
import { softint_schedule } from "../../kernel/kern/softint";
import { SOCKIN_EV_CONNECTED, SOCKIN_EV_ERROR, SOCKIN_EV_HUP, SOCKIN_EV_RDHUP, SOCKIN_EV_READ, SOCKIN_EV_URGENT,
  SOCKIN_EV_WRITE, SOCKIN_EVENT_BITS, SOCKIN_EVENT_COOKIE, SOCKIN_EVENT_ERROR } from "./sockin.abi";
import { sockin_abort, sockin_accept, sockin_close } from "./sockin.hyper";
import { sockin_discard, sockin_flush } from "./sockin_io";
import { PEER_SIZE, SI_AVAILKNOWN, SI_CLOSING, SI_DGRAM, SI_DISCARD, SI_LISTED, SI_LISTENING, SI_RDHUP, SI_READABLE, SI_URGENT,
  SI_WRITABLE, SockinPcb, pcb_alloc, pcb_cookie, pcb_free, pcb_is, pcb_lookup, sist } from "./sockin_pcb";

/** How long to wait when the host has no descriptor for a connection. */
const RETRY_US: i64 = 100000;

/** INTR_SOCKIN: take all events from the ring. */
export function sockin_intr(arg: usize): void {
  const ring = sist.st_ring;
  for (let e = ring_peek(ring); e != 0; e = ring_peek(ring)) {
    const cookie = load<i32>(e, SOCKIN_EVENT_COOKIE);
    const bits = load<i32>(e, SOCKIN_EVENT_BITS);
    const error = load<i32>(e, SOCKIN_EVENT_ERROR);
    ring_consume(ring);
    sist.st_events++;
    const pcb = pcb_lookup(cookie);
    if (!pcb) sist.st_stale++;
    else if (pcb.pcb_flags & SI_LISTENING) listener_event(pcb, cookie, bits, error);
    else socket_event(pcb, cookie, bits, error);
  }
}

/** One socket's edges: first what they mean for us, then what they mean for the user. */
function socket_event(pcb: SockinPcb, cookie: i32, bits: i32, error: i32): void {
  const so = pcb.pcb_so;
  const dgram = (pcb.pcb_flags & SI_DGRAM) != 0;
  if (bits & SOCKIN_EV_ERROR) so.so_error = error;
  if (bits & SOCKIN_EV_URGENT) pcb.pcb_flags |= SI_URGENT;
  if (bits & SOCKIN_EV_READ) pcb.pcb_flags = (pcb.pcb_flags | SI_READABLE) & ~SI_AVAILKNOWN;
  if (bits & (SOCKIN_EV_WRITE | SOCKIN_EV_CONNECTED)) pcb.pcb_flags |= SI_WRITABLE;
  if (!dgram && (bits & (SOCKIN_EV_RDHUP | SOCKIN_EV_HUP)) != 0) pcb.pcb_flags |= SI_RDHUP;
  if ((pcb.pcb_flags & (SI_DISCARD | SI_READABLE)) == (SI_DISCARD | SI_READABLE)) softint_schedule(sist.st_softint);
  if ((bits & SOCKIN_EV_WRITE) != 0 && so.so_snd.sb_cc > 0) sockin_flush(so, pcb);
  if (pcb.pcb_flags & SI_CLOSING) {
    if (so.so_snd.sb_cc == 0 || (bits & (SOCKIN_EV_HUP | SOCKIN_EV_ERROR)) != 0) sockin_finish(so, pcb);
    return;
  }
  if (so.so_state & SS_ISCONNECTING) {
    if ((bits & (SOCKIN_EV_CONNECTED | SOCKIN_EV_ERROR)) == 0) return;
    if (bits & SOCKIN_EV_ERROR) {
      soisdisconnected(so);
      return;
    }
    soisconnected(so);
    if (!pcb_is(pcb, cookie)) return;
  }
  socket_wake(pcb, cookie, bits, dgram);
}

/** Wake whoever waits; each step may run code that closes the socket. */
function socket_wake(pcb: SockinPcb, cookie: i32, bits: i32, dgram: bool): void {
  const so = pcb.pcb_so;
  if (!dgram && (bits & SOCKIN_EV_HUP) != 0) {
    soisdisconnected(so);
    return;
  }
  if (!dgram && (bits & SOCKIN_EV_RDHUP) != 0) socantrcvmore(so);
  else if (bits & (SOCKIN_EV_READ | SOCKIN_EV_ERROR)) sorwakeup(so);
  if ((bits & (SOCKIN_EV_WRITE | SOCKIN_EV_ERROR)) != 0 && pcb_is(pcb, cookie)) sowwakeup(so);
}

/** Close the host's socket; the socket may go with it. */
export function sockin_finish(so: Socket, pcb: SockinPcb): void {
  sockin_close(pcb.pcb_handle);
  pcb_free(pcb);
  sofree(so);
}

function listener_event(pcb: SockinPcb, cookie: i32, bits: i32, error: i32): void {
  if (bits & SOCKIN_EV_READ) pcb.pcb_flags |= SI_READABLE;
  if (bits & SOCKIN_EV_ERROR) {
    pcb.pcb_so.so_error = error;
    sorwakeup(pcb.pcb_so);
  }
  if (pcb_is(pcb, cookie)) accept_some(pcb);
}

/** Take connections from the host: all, or as many as there is room for. */
function accept_some(head: SockinPcb): void {
  const so = head.pcb_so;
  const cookie = pcb_cookie(head);
  if ((so.so_options & SO_ACCEPTCONN) == 0) return;
  while (pcb_is(head, cookie) && (head.pcb_flags & SI_READABLE) != 0) {
    if (so.so_qlen >= so.so_qlimit || pool_avail(sost.so_pool) == 0) {
      sist.st_starved = 1;
      return;
    }
    const pcb = pcb_alloc();
    if (!pcb) {
      sist.st_starved = 1;
      return;
    }
    const h = sockin_accept(head.pcb_handle, pcb_cookie(pcb), pcb.pcb_peer, PEER_SIZE);
    if (h >= 0) {
      accept_one(so, pcb, h);
      continue;
    }
    pool_put(sist.st_pool, changetype<usize>(pcb));
    if (h == -EAGAIN) head.pcb_flags &= ~SI_READABLE;
    else if (!accept_failed(so, -h)) return;
  }
}

/** The host's socket `h` is a connection of `head`: give it a socket, through pr_attach. */
function accept_one(head: Socket, pcb: SockinPcb, h: i32): void {
  pcb.pcb_handle = h;
  pcb.pcb_flags = SI_WRITABLE;
  sist.st_accepted = pcb;
  const so = sonewconn(head, SS_ISCONNECTED);
  if (so) {
    assert(so.so_pcb == changetype<usize>(pcb), "accept_one: not attached");
    sist.st_accepts++;
    return;
  }
  // Room was checked, but the socket layer has its own reasons.
  sist.st_accepted = changetype<SockinPcb>(0);
  sockin_abort(h);
  pcb.pcb_handle = -1;
  pool_put(sist.st_pool, changetype<usize>(pcb));
}

/**
 * accept failed. Out of descriptors: again later. A fault of that connection alone: true, there may be
 * others. A fault of the listener: its error.
 */
function accept_failed(head: Socket, error: i32): bool {
  sist.st_noaccept++;
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
    const c = changetype<Callout>(sist.st_callout);
    if (!callout_pending(c)) callout_schedule(c, RETRY_US);
    return false;
  }
  if (error != EBADF && error != EINVAL && error != ENOTSOCK && error != EOPNOTSUPP) return true;
  head.so_error = error;
  sorwakeup(head);
  return false;
}

/**
 * Callout and soft interrupt: listeners that left connections with the host, and discarders. A wake-up
 * may close any socket of the list, so the walk starts again if the next one is gone.
 */
export function sockin_again(arg: usize): void {
  let pcb = sist.st_list;
  while (pcb) {
    const next = pcb.pcb_next;
    const nextname = next ? pcb_cookie(next) : 0;
    if (pcb.pcb_flags & SI_READABLE) {
      if (pcb.pcb_flags & SI_LISTENING) accept_some(pcb);
      else if (sockin_discard(pcb)) softint_schedule(sist.st_softint);
    }
    if (next && !(pcb_is(next, nextname) && (next.pcb_flags & SI_LISTED) != 0)) {
      softint_schedule(sist.st_softint);
      return;
    }
    pcb = next;
  }
}
