/**
 * AF_LOCAL: sockets between two ends within the image.
 *
 * Streams, records (SOCK_SEQPACKET) and datagrams, by name or as a pair; the first protocol of the
 * socket layer, and the one that tests it. Sending appends to the receiver's buffer, so the room to
 * write is the room there (pr_sospace): a slow reader stops the writer, and its reads wake it
 * (pr_rcvd). Urgent data marks its place in line. SO_LINGER with 0 seconds resets. No data is copied
 * between the two ends, and there is nothing to wait for: a connect to a listener succeeds at once.
 */
import { ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EINVAL, ENOBUFS, ENOTCONN, EOPNOTSUPP, EPIPE, EPROTOTYPE } from "../../kernel/abi/errno";
import { AF_LOCAL, SHUT_RD, SHUT_WR, SO_LINGER, SO_TIMESTAMP, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from "../../kernel/abi/socket";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { domain_register } from "../../kernel/net/domain";
import { MNULL, Mbuf } from "../../kernel/net/mbuf";
import { PRUS_OOB, PR_ADDR, PR_ATOMIC, PR_CONNREQUIRED, PR_LISTEN, PR_WANTRCVD, Protosw, pr_sendfail } from "../../kernel/net/protosw";
import { SS_CANTRCVMORE, SS_ISCONNECTED, Socket, socantrcvmore, socantsendmore, sohasoutofband, sorwakeup, sowwakeup } from "../../kernel/net/socket";
import { sbappendaddr, sbappendrecord, sbappendstream, sbspace } from "../../kernel/net/sockbuf";
import { SOCK_MAXADDRLEN } from "../../kernel/abi/sockaddr";
import { socontrol_timestamp } from "../../kernel/net/uipc_recv";
import { unp_connect, unp_connect2, unp_detach, unp_disconnect } from "./unp_conn";
import { Unpcb, sotounpcb, unp_alloc, unp_bind, unp_boot, unp_getaddr, unp_lookup } from "./unpcb";

const SPACE: u32 = 65536;

/** Scratch for a sender's address. */
let local_sabuf: usize = 0;

/** What all three have in common. */
abstract class LocalProto extends Protosw {
  pr_attach(so: Socket, proto: i32): i32 {
    return unp_alloc(so) ? 0 : -ENOBUFS;
  }
  pr_detach(so: Socket): void {
    unp_detach(so, 0);
  }
  pr_abort(so: Socket): void {
    unp_detach(so, ECONNRESET);
  }
  pr_bind(so: Socket, sa: usize, len: i32): i32 {
    return unp_bind(sotounpcb(so), sa, len);
  }
  pr_connect(so: Socket, sa: usize, len: i32): i32 {
    return unp_connect(so, sa, len);
  }
  pr_connect2(so: Socket, so2: Socket): i32 {
    return unp_connect2(so, so2);
  }
  pr_disconnect(so: Socket): i32 {
    const reset = (so.so_options & SO_LINGER) != 0 && so.so_linger == 0;
    unp_disconnect(sotounpcb(so), reset ? ECONNRESET : 0);
    return 0;
  }
  pr_shutdown(so: Socket, how: i32): i32 {
    const peer = sotounpcb(so).unp_conn;
    if (how != SHUT_RD) {
      socantsendmore(so);
      if (peer && so.so_type != SOCK_DGRAM) socantrcvmore(peer.unp_so);
    }
    // The peer's writer finds out that nobody will read (EPIPE).
    if (how != SHUT_WR && peer) sowwakeup(peer.unp_so);
    return 0;
  }
  pr_peeraddr(so: Socket, buf: usize): i32 {
    return unp_getaddr(sotounpcb(so).unp_conn, buf);
  }
  pr_sockaddr(so: Socket, buf: usize): i32 {
    return unp_getaddr(sotounpcb(so), buf);
  }
  pr_sospace(so: Socket): i32 {
    const unp = sotounpcb(so);
    const peer = unp ? unp.unp_conn : changetype<Unpcb>(0);
    if (!peer) return sbspace(so.so_snd);
    const space = sbspace(peer.unp_so.so_rcv);
    if (space < <i32>peer.unp_so.so_rcv.sb_hiwat) peer.unp_wanted = true;
    return space;
  }
  pr_sounsent(so: Socket): i32 {
    const unp = sotounpcb(so);
    return unp && unp.unp_conn ? <i32>unp.unp_conn.unp_so.so_rcv.sb_cc : 0;
  }
}

/** SOCK_STREAM and SOCK_SEQPACKET. */
class LocalStream extends LocalProto {
  pr_listen(so: Socket, backlog: i32): i32 {
    return sotounpcb(so).unp_addrlen != 0 ? 0 : -EINVAL;
  }
  pr_accept(so: Socket, sabuf: usize): i32 {
    return unp_getaddr(sotounpcb(so).unp_conn, sabuf);
  }
  pr_rcvd(so: Socket, flags: i32): void {
    const unp = sotounpcb(so);
    if (!unp.unp_wanted || !unp.unp_conn) return;
    unp.unp_wanted = false;
    sowwakeup(unp.unp_conn.unp_so);
  }
  pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
    if (control) return pr_sendfail(m, control, -EOPNOTSUPP);
    const peer = sotounpcb(so).unp_conn;
    if (!peer) return pr_sendfail(m, control, -ENOTCONN);
    const so2 = peer.unp_so;
    if (so2.so_state & SS_CANTRCVMORE) return pr_sendfail(m, control, -EPIPE);
    if (this.pr_flags & PR_ATOMIC) sbappendrecord(so2.so_rcv, m);
    else sbappendstream(so2.so_rcv, m);
    if (flags & PRUS_OOB) sohasoutofband(so2, 1);
    sorwakeup(so2);
    return 0;
  }
}

/** SOCK_DGRAM. */
class LocalDgram extends LocalProto {
  pr_rcvd(so: Socket, flags: i32): void {
    const unp = sotounpcb(so);
    if (!unp.unp_wanted) return;
    unp.unp_wanted = false;
    for (let u = unp.unp_refs; u; u = u.unp_refnext) sowwakeup(u.unp_so);
  }
  pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
    if (control) return pr_sendfail(m, control, -EOPNOTSUPP);
    const unp = sotounpcb(so);
    let peer = unp.unp_conn;
    if (namlen != 0) {
      const p = unp_lookup(nam, namlen);
      if (p <= 0) return pr_sendfail(m, control, p < 0 ? p : -ECONNREFUSED);
      peer = changetype<Unpcb>(p);
    }
    if (!peer) return pr_sendfail(m, control, so.so_state & SS_ISCONNECTED ? -ECONNREFUSED : -EDESTADDRREQ);
    const so2 = peer.unp_so;
    if (so2.so_type != SOCK_DGRAM) return pr_sendfail(m, control, -EPROTOTYPE);
    if (so2.so_state & SS_CANTRCVMORE) return pr_sendfail(m, control, -EPIPE);
    const len = unp_getaddr(unp, local_sabuf);
    const stamp = so2.so_options & SO_TIMESTAMP ? socontrol_timestamp() : MNULL;
    if (!sbappendaddr(so2.so_rcv, local_sabuf, len, m, stamp)) return pr_sendfail(m, stamp, -ENOBUFS);
    sorwakeup(so2);
    return 0;
  }
}

function local_proto(p: Protosw, type: i32, flags: i32): void {
  p.pr_type = type;
  p.pr_flags = flags;
  p.pr_sndspace = SPACE;
  p.pr_rcvspace = SPACE;
  domain_register(AF_LOCAL, p);
}

/** NET phase: register the three protocols. 0. */
export function local_init(): i32 {
  unp_boot();
  local_sabuf = kmem_alloc(SOCK_MAXADDRLEN, 8, "local.addr");
  local_proto(kobj<LocalStream>("local.stream"), SOCK_STREAM, PR_CONNREQUIRED | PR_WANTRCVD | PR_LISTEN);
  local_proto(kobj<LocalStream>("local.seqpacket"), SOCK_SEQPACKET, PR_ATOMIC | PR_CONNREQUIRED | PR_WANTRCVD | PR_LISTEN);
  local_proto(kobj<LocalDgram>("local.dgram"), SOCK_DGRAM, PR_ATOMIC | PR_ADDR | PR_WANTRCVD);
  return 0;
}
