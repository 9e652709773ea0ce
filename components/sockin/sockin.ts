/**
 * sockin: PF_INET and PF_INET6 by proxy, over the sockets of the host.
 *
 *      app ─ syscalls ─ socket layer ─ Protosw ─▶ sockin_* hypercalls ─▶ host's socket
 *                             ▲                                             │
 *                             └── soisconnected, so_error, wake-ups ◀── RING_SOCKIN, INTR_SOCKIN
 *
 * The same place in an image as netinet (role domain:inet), without a network stack: no packets, no
 * privileges, the host's port space. Two protocols for each family: TCP and UDP. Everything is
 * non-blocking and driven by the host's edges; connect is asynchronous, shutdown and half-close are
 * real, errors are the host's errno, a reset is a reset, and nothing is read ahead of the reader.
 *
 * Files: sockin_pcb.ts control blocks · sockin_io.ts data · sockin_event.ts edges and accept ·
 * sockin.user.ts and its backends the host half · sockin.hyper.ts, sockin.abi.ts between them.
 */
import { EALREADY, EINPROGRESS, EINVAL, ENOBUFS, ENOPROTOOPT, ENOTCONN } from "../../kernel/abi/errno";
import { IPPROTO_TCP, IPPROTO_UDP } from "../../kernel/abi/inet";
import { INTR_SOCKIN, RING_SOCKIN } from "../../kernel/abi/rump";
import { SA_LEN, SOCK_MAXADDRLEN } from "../../kernel/abi/sockaddr";
import { AF_INET, AF_INET6, SHUT_RD, SHUT_WR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_ACCEPTCONN, SO_LINGER }
  from "../../kernel/abi/socket";
import { CALLOUT_SIZE, Callout, callout_init } from "../../kernel/kern/callout";
import { intr_establish } from "../../kernel/kern/intr";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { pool_put } from "../../kernel/kern/pool";
import { ring_create, ring_register } from "../../kernel/kern/ring";
import { softint_establish, softint_schedule } from "../../kernel/kern/softint";
import { sysctl_int, sysctl_quad } from "../../kernel/kern/sysctl";
import { domain_register } from "../../kernel/net/domain";
import { Mbuf } from "../../kernel/net/mbuf";
import { Msg } from "../../kernel/net/msg";
import { PRCO_GETOPT, PR_ADDR, PR_ATOMIC, PR_CONNREQUIRED, PR_LISTEN, Protosw } from "../../kernel/net/protosw";
import { SS_CANTRCVMORE, SS_CANTSENDMORE, SS_ISCONNECTED, SS_ISDISCONNECTED, Socket, socantsendmore, sofree,
  soisconnected, soisconnecting, soisdisconnected, soisdisconnecting } from "../../kernel/net/socket";
import { SOCKIN_RING } from "rump/tunables";
import { SOCKIN_EVENT_SIZE, SOCKIN_NAME_PEER, SOCKIN_NAME_SOCK } from "./sockin.abi";
import { sockin_again, sockin_finish, sockin_intr } from "./sockin_event";
import { sockin_abort, sockin_bind, sockin_connect, sockin_getname, sockin_getopt, sockin_listen,
  sockin_setopt, sockin_shutdown, sockin_socket, sockin_unsent } from "./sockin.hyper";
import { sockin_available, sockin_sendchain, sockin_soreceive, sockin_sosend } from "./sockin_io";
import { PEER_SIZE, SI_CLOSING, SI_DISCARD, SI_LISTENING, SI_READABLE, SI_WRITABLE, SockinPcb, SockinState, pcb_alloc, pcb_attach,
  pcb_cookie, pcb_free, pcb_list, sist, sockin_pcb_boot, sockin_room, sotopcb } from "./sockin_pcb";

/** Both protocols of both families: what does not depend on the kind of socket. */
abstract class SockinProto extends Protosw {
  pr_attach(so: Socket, proto: i32): i32 {
    let pcb = sist.st_accepted;
    if (pcb) {
      sist.st_accepted = changetype<SockinPcb>(0);
      pcb_attach(pcb, so, pcb.pcb_handle);
      return 0;
    }
    pcb = pcb_alloc();
    if (!pcb) return -ENOBUFS;
    const h = sockin_socket(this.pr_family, this.pr_type, proto, pcb_cookie(pcb));
    if (h < 0) {
      pool_put(sist.st_pool, changetype<usize>(pcb));
      return h;
    }
    pcb_attach(pcb, so, h);
    return 0;
  }
  pr_detach(so: Socket): void {
    const pcb = sotopcb(so);
    if (so.so_snd.sb_cc > 0 && so.so_error == 0) pcb.pcb_flags |= SI_CLOSING; // sockin_event.ts goes on
    else sockin_finish(so, pcb);
  }
  pr_abort(so: Socket): void {
    const pcb = sotopcb(so);
    sockin_abort(pcb.pcb_handle);
    pcb_free(pcb);
    sofree(so);
  }
  pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
    return sockin_sendchain(so, m, nam, namlen, flags, control);
  }
  pr_bind(so: Socket, sa: usize, len: i32): i32 {
    return sockin_bind(sotopcb(so).pcb_handle, sa, len);
  }
  pr_sockaddr(so: Socket, buf: usize): i32 {
    return sockin_getname(sotopcb(so).pcb_handle, SOCKIN_NAME_SOCK, buf, SOCK_MAXADDRLEN);
  }
  pr_peeraddr(so: Socket, buf: usize): i32 {
    const pcb = sotopcb(so);
    const len = <i32>load<u8>(pcb.pcb_peer, SA_LEN);
    if (len == 0) return sockin_getname(pcb.pcb_handle, SOCKIN_NAME_PEER, buf, SOCK_MAXADDRLEN);
    memory.copy(buf, pcb.pcb_peer, len);
    return len;
  }
  pr_ctloutput(so: Socket, op: i32, level: i32, opt: i32, buf: usize, len: i32): i32 {
    const pcb = sotopcb(so);
    if (!pcb) return -EINVAL;
    if (op == PRCO_GETOPT) return sockin_getopt(pcb.pcb_handle, level, opt, buf, len);
    if (level == SOL_SOCKET && opt == SO_LINGER) return -ENOPROTOOPT; // pr_disconnect acts on it
    return sockin_setopt(pcb.pcb_handle, level, opt, buf, len);
  }
  pr_sosend(so: Socket, msg: Msg, flags: i32): i32 { return sockin_sosend(so, msg, flags); }
  pr_soreceive(so: Socket, msg: Msg, flags: i32): i32 { return sockin_soreceive(so, msg, flags); }
  pr_soavail(so: Socket): i32 {
    if (so.so_options & SO_ACCEPTCONN) return <i32>so.so_qlen;
    const pcb = sotopcb(so);
    return pcb ? sockin_available(pcb) : 0;
  }
  pr_sospace(so: Socket): i32 {
    const pcb = sotopcb(so);
    if (!pcb || (pcb.pcb_flags & SI_WRITABLE) == 0) return 0;
    return <i32>so.so_snd.sb_hiwat - <i32>so.so_snd.sb_cc;
  }
  pr_sounsent(so: Socket): i32 {
    const pcb = sotopcb(so);
    if (!pcb) return 0;
    return max(0, sockin_unsent(pcb.pcb_handle)) + <i32>so.so_snd.sb_cc;
  }
  pr_soreadable(so: Socket): bool {
    if (so.so_error != 0 || (so.so_state & SS_CANTRCVMORE) != 0) return true;
    if (so.so_options & SO_ACCEPTCONN) return so.so_qlen > 0;
    const pcb = sotopcb(so);
    if (!pcb || (pcb.pcb_flags & SI_READABLE) == 0) return false;
    return so.so_rcv.sb_lowat <= 1 || (this.pr_flags & PR_ATOMIC) != 0 || <u32>sockin_available(pcb) >= so.so_rcv.sb_lowat;
  }
  pr_sowriteable(so: Socket): bool {
    if (so.so_error != 0 || (so.so_state & SS_CANTSENDMORE) != 0) return true;
    if ((this.pr_flags & PR_CONNREQUIRED) != 0 && (so.so_state & SS_ISCONNECTED) == 0) return false;
    return (sotopcb(so).pcb_flags & SI_WRITABLE) != 0;
  }
}

/** Keep `sa` as the peer of `pcb`. */
function set_peer(pcb: SockinPcb, sa: usize, len: i32): void {
  const n = min(len, PEER_SIZE);
  memory.copy(pcb.pcb_peer, sa, n);
  store<u8>(pcb.pcb_peer, <u8>n, SA_LEN);
}

class SockinTcp extends SockinProto {
  pr_listen(so: Socket, backlog: i32): i32 {
    const pcb = sotopcb(so);
    const e = sockin_listen(pcb.pcb_handle, backlog);
    if (e < 0) return e;
    pcb.pcb_flags |= SI_LISTENING;
    pcb_list(pcb);
    sockin_room(); // the backlog may have grown
    return 0;
  }
  pr_connect(so: Socket, sa: usize, len: i32): i32 {
    const pcb = sotopcb(so);
    if (!pcb || (so.so_state & SS_ISDISCONNECTED) != 0) return -EINVAL; // a connection is made once
    const e = sockin_connect(pcb.pcb_handle, sa, len);
    if (e < 0 && e != -EINPROGRESS) return e;
    set_peer(pcb, sa, len);
    if (e == 0) {
      pcb.pcb_flags |= SI_WRITABLE;
      soisconnected(so);
    } else soisconnecting(so);
    return 0;
  }
  pr_accept(so: Socket, sabuf: usize): i32 {
    sockin_room();
    return this.pr_peeraddr(so, sabuf);
  }
  /** pr_detach follows and closes in order; only a reset is done here. */
  pr_disconnect(so: Socket): i32 {
    if ((so.so_options & SO_LINGER) != 0 && so.so_linger == 0) {
      const pcb = sotopcb(so);
      sockin_abort(pcb.pcb_handle);
      pcb_free(pcb);
    } else if (so.so_snd.sb_cc > 0) {
      soisdisconnecting(so);
      return 0;
    }
    soisdisconnected(so);
    return 0;
  }
  pr_shutdown(so: Socket, how: i32): i32 {
    const pcb = sotopcb(so);
    if (!pcb) return -ENOTCONN;
    if (how != SHUT_WR) discard(pcb);
    if (how == SHUT_RD) return 0;
    const e = sockin_shutdown(pcb.pcb_handle, SHUT_WR);
    socantsendmore(so);
    return e == -ENOTCONN ? 0 : e;
  }
}

/** What comes in from now on is read and forgotten, so that the peer can go on sending, as BSD does. */
function discard(pcb: SockinPcb): void {
  pcb.pcb_flags |= SI_DISCARD;
  pcb_list(pcb);
  softint_schedule(sist.st_softint);
}

class SockinUdp extends SockinProto {
  pr_connect(so: Socket, sa: usize, len: i32): i32 {
    const pcb = sotopcb(so);
    const e = sockin_connect(pcb.pcb_handle, sa, len);
    if (e < 0) return e == -EALREADY ? -EINVAL : e;
    set_peer(pcb, sa, len);
    soisconnected(so);
    return 0;
  }
  pr_disconnect(so: Socket): i32 {
    const pcb = sotopcb(so);
    store<u8>(pcb.pcb_peer, 0, SA_LEN);
    so.so_state &= ~SS_ISCONNECTED;
    return sockin_connect(pcb.pcb_handle, 0, 0);
  }
  pr_shutdown(so: Socket, how: i32): i32 {
    if (how != SHUT_WR) discard(sotopcb(so));
    if (how != SHUT_RD) socantsendmore(so);
    return 0;
  }
}

/** Name and sizes of a protocol, and its place in the protocol switch. */
function register(proto: Protosw, family: i32, type: i32, number: i32, flags: i32): void {
  proto.pr_type = type;
  proto.pr_protocol = number;
  proto.pr_flags = flags;
  proto.pr_sndspace = 65536;
  proto.pr_rcvspace = 65536;
  domain_register(family, proto);
}

function field(offset: usize): usize {
  return changetype<usize>(sist) + offset;
}

function sysctls(): void {
  sysctl_int("net.sockin.open", field(offsetof<SockinState>("st_nopen")), 0);
  sysctl_quad("net.sockin.events", field(offsetof<SockinState>("st_events")), 0);
  sysctl_quad("net.sockin.stale", field(offsetof<SockinState>("st_stale")), 0);
  sysctl_quad("net.sockin.accepts", field(offsetof<SockinState>("st_accepts")), 0);
  sysctl_quad("net.sockin.noaccept", field(offsetof<SockinState>("st_noaccept")), 0);
  sysctl_quad("net.sockin.discarded", field(offsetof<SockinState>("st_discarded")), 0);
}

/** Phase NET: the event ring, the interrupt, the four protocols. */
export function sockin_init(): void {
  sockin_pcb_boot();
  sist.st_ring = ring_create(SOCKIN_RING, SOCKIN_EVENT_SIZE, "sockin.ring");
  ring_register(RING_SOCKIN, sist.st_ring);
  intr_establish(INTR_SOCKIN, sockin_intr, 0);
  sist.st_softint = softint_establish(sockin_again, 0);
  sist.st_callout = kmem_alloc(CALLOUT_SIZE, 8, "sockin");
  callout_init(changetype<Callout>(sist.st_callout), sockin_again, 0);
  const tcp = PR_CONNREQUIRED | PR_LISTEN;
  const udp = PR_ATOMIC | PR_ADDR;
  register(kobj<SockinTcp>("sockin"), AF_INET, SOCK_STREAM, IPPROTO_TCP, tcp);
  register(kobj<SockinTcp>("sockin"), AF_INET6, SOCK_STREAM, IPPROTO_TCP, tcp);
  register(kobj<SockinUdp>("sockin"), AF_INET, SOCK_DGRAM, IPPROTO_UDP, udp);
  register(kobj<SockinUdp>("sockin"), AF_INET6, SOCK_DGRAM, IPPROTO_UDP, udp);
  sysctls();
}
