/**
 * A protocol as the socket layer sees it: the swap point of the network stack.
 *
 *     syscalls → sosend/soreceive → Protosw → netinet (mbufs, TCP, wire)
 *                                           ↘ sockin  (the host's sockets)
 *                                           ↘ local   (a pair of sockets)
 *
 * BSD has a table of function pointers (struct protosw and pr_usrreqs); here it is an abstract class
 * with one instance per (family, type, protocol), allocated by kobj<T>() at boot and registered with
 * domain_register(). In a closed world asc turns the calls into a switch. What a protocol does not
 * override answers EOPNOTSUPP.
 *
 * Rules of the interface:
 *  - a null object is changetype<T>(0) and tested by truth; `control` may be one, `m` of pr_send may not;
 *  - nothing blocks: pr_connect answers 0 (done), -EINPROGRESS (soisconnected()/so_error follow) or -errno;
 *  - pr_send consumes `m` and `control` whatever it answers;
 *  - addresses going in are (pointer, length), already checked to be readable and 2..SOCK_MAXADDRLEN
 *    bytes long, with sa_len set to that length; going out, `buf` has room for SOCK_MAXADDRLEN bytes
 *    and the length is the return value (0 = unnamed);
 *  - life of a socket: pr_attach (sets so_pcb) … pr_detach (no descriptor any more; the protocol may
 *    keep the socket to finish its work) … so_pcb = 0; sofree(so), after which `so` is gone. When a
 *    connection ends by itself the protocol may do so_pcb = 0; sofree(so) while there is a descriptor:
 *    the socket then stays, dead. The calls that take no so_pcb = 0 are not made then; pr_soavail,
 *    pr_sospace, pr_sounsent, pr_soreadable, pr_sowriteable, pr_sosend and pr_soreceive still are.
 */
import { EOPNOTSUPP, ENOPROTOOPT, ENOTTY } from "../abi/errno";
import { Mbuf, m_freem } from "./mbuf";
import { Socket, SS_CANTRCVMORE, SS_CANTSENDMORE, SS_ISCONNECTED, SS_MBWAIT } from "./socket";
import { sbavail, sbrecordlen, sbspace } from "./sockbuf";
import { Msg } from "./msg";
import { sosend_generic } from "./uipc_send";
import { soreceive_generic } from "./uipc_recv";
import { SO_ACCEPTCONN } from "../abi/socket";

/** Messages are atomic: one send is one record (datagrams). Without it the socket is a byte stream. */
export const PR_ATOMIC: i32 = 0x01;
/** Every record carries the address of its sender. */
export const PR_ADDR: i32 = 0x02;
/** Data can only be sent when connected. */
export const PR_CONNREQUIRED: i32 = 0x04;
/** Call pr_rcvd when the reader has taken data (window update, back-pressure). */
export const PR_WANTRCVD: i32 = 0x08;
/** listen(2) and accept(2) make sense. */
export const PR_LISTEN: i32 = 0x20;
/** The last protocol of its type: answers to any protocol number (raw sockets). */
export const PR_WILDCARD: i32 = 0x40;

/** pr_send flags. */
export const PRUS_OOB: i32 = 0x1;
/** More data follows at once (MSG_MORE, or more of the same write). */
export const PRUS_MORETOCOME: i32 = 0x4;

/** pr_ctloutput operations. */
export const PRCO_GETOPT: i32 = 0;
export const PRCO_SETOPT: i32 = 1;

export abstract class Protosw {
  /** SOCK_STREAM, … ; AF_INET, … ; IPPROTO_TCP, … (0 with PR_WILDCARD or where the family has but one). */
  pr_type: i32;
  pr_family: i32;
  pr_protocol: i32;
  pr_flags: i32;
  /** Sizes of new send and receive buffers, bytes. */
  pr_sndspace: u32;
  pr_rcvspace: u32;

  /** A new socket: make the protocol's control block, set so_pcb. `proto` is socket(2)'s third argument. */
  abstract pr_attach(so: Socket, proto: i32): i32;
  /** The descriptor is gone. Ends, now or later, with so_pcb = 0 and sofree(so). */
  abstract pr_detach(so: Socket): void;
  /** Tear down at once (a reset, where the protocol has one). Ends, before returning, as pr_detach does. */
  abstract pr_abort(so: Socket): void;
  /** Send one record (PR_ATOMIC) or append to the stream. Consumes m and control. 0 or -errno. */
  abstract pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32;

  pr_bind(so: Socket, sa: usize, len: i32): i32 { return -EOPNOTSUPP; }
  /** Called with the clamped backlog (>= 1); the socket layer marks the socket when 0 is returned. */
  pr_listen(so: Socket, backlog: i32): i32 { return -EOPNOTSUPP; }
  pr_connect(so: Socket, sa: usize, len: i32): i32 { return -EOPNOTSUPP; }
  /** socketpair(2). */
  pr_connect2(so: Socket, so2: Socket): i32 { return -EOPNOTSUPP; }
  /** `so` just left its listener's queue: write the peer's address, answer its length. */
  pr_accept(so: Socket, sabuf: usize): i32 { return -EOPNOTSUPP; }
  /** Connection: begin an orderly close (SO_LINGER with 0 s: reset). Datagram: forget the peer. */
  pr_disconnect(so: Socket): i32 { return -EOPNOTSUPP; }
  /** how = SHUT_RD, SHUT_WR or SHUT_RDWR. The receive side is flushed by the socket layer. */
  pr_shutdown(so: Socket, how: i32): i32 { return -EOPNOTSUPP; }
  /** The reader took data from so_rcv (with PR_WANTRCVD only). */
  pr_rcvd(so: Socket, flags: i32): void {}
  pr_peeraddr(so: Socket, buf: usize): i32 { return -EOPNOTSUPP; }
  pr_sockaddr(so: Socket, buf: usize): i32 { return -EOPNOTSUPP; }
  /** Options of every level. GETOPT answers the length written (at most len). SOL_SOCKET arrives after
   *  the socket layer handled it, only to be passed on: the answer to SETOPT is then ignored unless it
   *  is an error other than ENOPROTOOPT. */
  pr_ctloutput(so: Socket, op: i32, level: i32, opt: i32, buf: usize, len: i32): i32 { return -ENOPROTOOPT; }
  pr_ioctl(so: Socket, cmd: i32, data: usize): i32 { return -ENOTTY; }

  /* The data path. The defaults use mbuf socket buffers; sockin may bypass them. */

  /** Send what `msg` describes. Bytes taken (possibly fewer than asked, on a stream) or -errno. */
  pr_sosend(so: Socket, msg: Msg, flags: i32): i32 { return sosend_generic(so, msg, flags); }
  /** Receive into `msg`. Bytes (0 = end of stream) or -errno. Sets msg_namelen to the length of the sender's
   *  address written to msg_name (0: none), msg_controllen to the bytes of control messages, msg_flags. */
  pr_soreceive(so: Socket, msg: Msg, flags: i32): i32 { return soreceive_generic(so, msg, flags); }
  /** Bytes that a read would find now; for a listener, connections that accept would. */
  pr_soavail(so: Socket): i32 {
    if (so.so_options & SO_ACCEPTCONN) return <i32>so.so_qlen;
    return <i32>((this.pr_flags & PR_ATOMIC) != 0 ? sbrecordlen(so.so_rcv) : sbavail(so.so_rcv));
  }
  /** Room for writing, bytes (<= 0: none). */
  pr_sospace(so: Socket): i32 { return sbspace(so.so_snd); }
  /** Bytes accepted by write that the peer does not have yet (FIONWRITE). */
  pr_sounsent(so: Socket): i32 { return <i32>so.so_snd.sb_cc; }
  /** Whether read or accept would not answer EAGAIN (EVFILT_READ). */
  pr_soreadable(so: Socket): bool {
    if (so.so_error != 0 || (so.so_state & SS_CANTRCVMORE) != 0) return true;
    if (so.so_options & SO_ACCEPTCONN) return so.so_qlen > 0;
    return sbavail(so.so_rcv) >= so.so_rcv.sb_lowat
      || (this.pr_flags & PR_ATOMIC) != 0 && changetype<usize>(so.so_rcv.sb_mb) != 0;
  }
  /** Whether write would not answer EAGAIN (EVFILT_WRITE). */
  pr_sowriteable(so: Socket): bool {
    if (so.so_error != 0 || (so.so_state & SS_CANTSENDMORE) != 0) return true;
    if ((this.pr_flags & PR_CONNREQUIRED) != 0 && (so.so_state & SS_ISCONNECTED) == 0) return false;
    // A write that was refused for want of mbufs: when there are some (mbwait.ts).
    if (so.so_state & SS_MBWAIT) return false;
    return this.pr_sospace(so) >= <i32>so.so_snd.sb_lowat;
  }
}

/** Drop what pr_send was given, on a path that fails; answers `error` so that it can be returned. */
export function pr_sendfail(m: Mbuf, control: Mbuf, error: i32): i32 {
  m_freem(m);
  if (control) m_freem(control);
  return error;
}
