/**
 * The life of a socket: create, bind, listen, accept, connect, disconnect, shut down, abort.
 *
 * What the system calls, in-kernel users and protocols' tests call; everything that depends on the
 * protocol goes through so_proto. Results are >= 0 or -errno. Closing is uipc_close.ts.
 */
import { EAGAIN, EALREADY, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN, ENOBUFS, ENOTCONN, EOPNOTSUPP } from "../abi/errno";
import { SA_FAMILY } from "../abi/sockaddr";
import { AF_UNSPEC, SHUT_RD, SHUT_RDWR, SHUT_WR, SO_ACCEPTCONN } from "../abi/socket";
import { pffindproto, pffindtype, pfmissing } from "./domain";
import { PR_CONNREQUIRED, PR_LISTEN } from "./protosw";
import { SS_COMP, SS_ISCONNECTED, SS_ISCONNECTING, SS_ISDISCONNECTED, SS_ISDISCONNECTING, SS_NOFDREF, Socket, soalloc, socantrcvmore,
  sofree, soqremque, sost } from "./socket";
import { sorflush } from "./uipc_recv";

/**
 * Make a socket. Its address (positive, as an i32), or -EAFNOSUPPORT, -EPROTOTYPE, -EPROTONOSUPPORT,
 * -ENOBUFS when there is none left, or what the protocol says.
 */
export function socreate(family: i32, type: i32, protocol: i32): i32 {
  const p = protocol == 0 ? pffindtype(family, type) : pffindproto(family, type, protocol);
  if (!p || p.pr_type != type) return pfmissing(family, type, protocol, p);
  const so = soalloc(p, type);
  if (!so) return -ENOBUFS;
  if (protocol != 0) so.so_protocol = protocol;
  const e = p.pr_attach(so, protocol);
  if (e < 0) {
    assert(so.so_pcb == 0, "socreate: half attached");
    so.so_state |= SS_NOFDREF;
    sofree(so);
    return e;
  }
  return <i32>changetype<usize>(so);
}

export function sobind(so: Socket, sa: usize, len: i32): i32 {
  if (so.so_pcb == 0) return -EINVAL;
  return so.so_proto.pr_bind(so, sa, len);
}

/**
 * Accept connections from now on. `backlog` is the number that may wait: at least 1, at most
 * kern.ipc.somaxconn (also for a negative one). May be repeated to change it.
 */
export function solisten(so: Socket, backlog: i32): i32 {
  if ((so.so_proto.pr_flags & PR_LISTEN) == 0) return -EOPNOTSUPP;
  const busy = SS_ISCONNECTED | SS_ISCONNECTING | SS_ISDISCONNECTING | SS_ISDISCONNECTED;
  if (so.so_pcb == 0 || (so.so_state & busy) != 0) return -EINVAL;
  const most = sost.so_somaxconn;
  const n = backlog < 0 || backlog > most ? most : max(backlog, 1);
  const e = so.so_proto.pr_listen(so, n);
  if (e < 0) return e;
  so.so_options |= SO_ACCEPTCONN;
  so.so_qlimit = n;
  return 0;
}

/** Whether accept would answer: 0, or -EINVAL (no listener), the pending error, -EAGAIN. */
export function soacceptable(head: Socket): i32 {
  if ((head.so_options & SO_ACCEPTCONN) == 0) return -EINVAL;
  if (head.so_qlen > 0) return 0;
  if (head.so_error != 0) {
    const e = head.so_error;
    head.so_error = 0;
    return -e;
  }
  return -EAGAIN;
}

/**
 * The connection that waited longest leaves the queue (soacceptable must have answered 0); it now
 * belongs to the caller, who gives it a descriptor or closes it.
 */
export function soaccept(head: Socket): Socket {
  const so = head.so_q;
  assert(changetype<usize>(so) != 0 && (so.so_state & SS_COMP) != 0, "soaccept: nothing queued");
  soqremque(so);
  so.so_state &= ~SS_NOFDREF;
  return so;
}

/**
 * The peer's address of a connection just accepted, to `sabuf` (SOCK_MAXADDRLEN): its length, or
 * -ECONNABORTED when it ended while it waited.
 */
export function soaccept_name(so: Socket, sabuf: usize): i32 {
  if (so.so_pcb == 0) return -ECONNABORTED;
  return so.so_proto.pr_accept(so, sabuf);
}

/**
 * Connect to `sa`, or, on a datagram socket, send there from now on (AF_UNSPEC: nowhere). 0,
 * -EINPROGRESS, or what is wrong.
 */
export function soconnect(so: Socket, sa: usize, len: i32): i32 {
  if (so.so_options & SO_ACCEPTCONN) return -EOPNOTSUPP;
  const connreq = (so.so_proto.pr_flags & PR_CONNREQUIRED) != 0;
  if (so.so_state & SS_ISCONNECTING) return -EALREADY;
  // One attempt a socket, whatever came of it: netinet has no control block any more.
  if (so.so_pcb == 0 || (connreq && (so.so_state & SS_ISDISCONNECTED) != 0)) return -EINVAL;
  if (so.so_state & SS_ISCONNECTED) {
    if (connreq) return -EISCONN;
    const e = sodisconnect(so);
    if (e < 0) return e;
  }
  if (!connreq && load<u8>(sa, SA_FAMILY) == AF_UNSPEC) return 0;
  so.so_error = 0;
  const e = so.so_proto.pr_connect(so, sa, len);
  if (e < 0) return e;
  return so.so_state & SS_ISCONNECTING ? -EINPROGRESS : 0;
}

/** Connect two sockets with each other (socketpair). */
export function soconnect2(so: Socket, so2: Socket): i32 {
  return so.so_proto.pr_connect2(so, so2);
}

export function sodisconnect(so: Socket): i32 {
  if ((so.so_state & SS_ISCONNECTED) == 0) return -ENOTCONN;
  if (so.so_state & SS_ISDISCONNECTING) return -EALREADY;
  return so.so_proto.pr_disconnect(so);
}

/** shutdown(2): close one direction, or both. */
export function soshutdown(so: Socket, how: i32): i32 {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  if ((so.so_state & (SS_ISCONNECTED | SS_ISCONNECTING | SS_ISDISCONNECTING)) == 0) return -ENOTCONN;
  if (so.so_pcb == 0) return -ENOTCONN;
  if (how != SHUT_WR) {
    sorflush(so);
    socantrcvmore(so);
  }
  return so.so_proto.pr_shutdown(so, how);
}

/** End a connection that has no descriptor, at once; `so` is gone afterwards. */
export function soabort(so: Socket): void {
  assert((so.so_state & SS_NOFDREF) != 0, "soabort: has a descriptor");
  if (so.so_pcb != 0) so.so_proto.pr_abort(so);
  else sofree(so);
}

/** Our address, to `sabuf` (SOCK_MAXADDRLEN): its length (0: unnamed). */
export function sogetsockname(so: Socket, sabuf: usize): i32 {
  if (so.so_pcb == 0) return -EINVAL;
  return so.so_proto.pr_sockaddr(so, sabuf);
}

/** The peer's address, to `sabuf`: its length, or -ENOTCONN. */
export function sogetpeername(so: Socket, sabuf: usize): i32 {
  if (so.so_pcb == 0 || (so.so_state & SS_ISCONNECTED) == 0) return -ENOTCONN;
  return so.so_proto.pr_peeraddr(so, sabuf);
}
