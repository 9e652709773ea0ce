/**
 * Connecting and disconnecting local sockets.
 *
 *      stream     a.unp_conn = b, b.unp_conn = a: what one sends is appended to the other's so_rcv
 *      datagram   a.unp_conn = b, a on b.unp_refs: many may send to one
 *
 * A connect to a listener completes at once: the new socket stands in the accept queue and can be
 * written to. No room in the queue, nobody listening, nobody there: ECONNREFUSED.
 */
import { ECONNREFUSED, ECONNRESET, EISCONN, EINVAL, EPROTOTYPE } from "../../kernel/abi/errno";
import { SO_ACCEPTCONN, SOCK_DGRAM } from "../../kernel/abi/socket";
import { SS_ISCONNECTED, Socket, sofree, soisconnected, soisdisconnected, sonewconn,
  sorwakeup, sowwakeup } from "../../kernel/net/socket";
import { Unpcb, sotounpcb, unp_free, unp_lookup, unp_setaddr, unp_unbind } from "./unpcb";

/** Join two sockets. A datagram socket joins one way. */
export function unp_join(unp: Unpcb, peer: Unpcb): void {
  assert(!unp.unp_conn, "unp_join: connected");
  unp.unp_conn = peer;
  if (unp.unp_so.so_type == SOCK_DGRAM) {
    unp.unp_refprev = changetype<Unpcb>(0);
    unp.unp_refnext = peer.unp_refs;
    if (peer.unp_refs) peer.unp_refs.unp_refprev = unp;
    peer.unp_refs = unp;
  } else peer.unp_conn = unp;
}

/** Undo unp_join on a datagram socket. */
function unref(unp: Unpcb): void {
  if (unp.unp_refprev) unp.unp_refprev.unp_refnext = unp.unp_refnext;
  else unp.unp_conn.unp_refs = unp.unp_refnext;
  if (unp.unp_refnext) unp.unp_refnext.unp_refprev = unp.unp_refprev;
  unp.unp_conn = changetype<Unpcb>(0);
}

/** Connect to the name at `sa`. 0 or -errno. */
export function unp_connect(so: Socket, sa: usize, len: i32): i32 {
  const unp = sotounpcb(so);
  if (!unp) return -EINVAL;
  const p = unp_lookup(sa, len);
  if (p <= 0) return p < 0 ? p : -ECONNREFUSED;
  let peer = changetype<Unpcb>(p);
  const head = peer.unp_so;
  if (head.so_type != so.so_type) return -EPROTOTYPE;
  if (so.so_type != SOCK_DGRAM) {
    if ((head.so_options & SO_ACCEPTCONN) == 0) return -ECONNREFUSED;
    const so2 = sonewconn(head, SS_ISCONNECTED);
    if (!so2) return -ECONNREFUSED;
    peer = sotounpcb(so2);
    unp_setaddr(peer, sotounpcb(head).unp_addr, sotounpcb(head).unp_addrlen);
  }
  unp_join(unp, peer);
  return soisconnected(so);
}

/** socketpair(2). */
export function unp_connect2(so: Socket, so2: Socket): i32 {
  const unp = sotounpcb(so);
  const unp2 = sotounpcb(so2);
  if (so.so_type != so2.so_type) return -EPROTOTYPE;
  if (unp.unp_conn || unp2.unp_conn) return -EISCONN;
  unp_join(unp, unp2);
  if (so.so_type == SOCK_DGRAM) unp_join(unp2, unp);
  soisconnected(so);
  return soisconnected(so2);
}

/** Part `unp` from its peer, which learns of it if it was a stream; `error` is what the peer is told. */
export function unp_disconnect(unp: Unpcb, error: i32): void {
  const peer = unp.unp_conn;
  if (!peer) return;
  const so = unp.unp_so;
  if (so.so_type == SOCK_DGRAM) {
    unref(unp);
    so.so_state &= ~SS_ISCONNECTED;
    return;
  }
  unp.unp_conn = changetype<Unpcb>(0);
  peer.unp_conn = changetype<Unpcb>(0);
  soisdisconnected(so);
  peer.unp_so.so_error = error;
  soisdisconnected(peer.unp_so);
}

/** The socket goes away: its name, its connection, and the datagram sockets that sent to it. */
export function unp_detach(so: Socket, error: i32): void {
  const unp = sotounpcb(so);
  unp_unbind(unp);
  unp_disconnect(unp, error);
  while (unp.unp_refs) {
    const other = unp.unp_refs.unp_so;
    unp_disconnect(unp.unp_refs, 0);
    other.so_error = ECONNRESET;
    sorwakeup(other);
    sowwakeup(other);
  }
  unp_free(unp);
  sofree(so);
}
