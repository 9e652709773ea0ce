/**
 * TCP as the socket layer sees it: the Protosw of SOCK_STREAM in PF_INET.
 *
 *      user calls of RFC 9293 §3.10.1 to 3.10.6:  OPEN  SEND  RECEIVE  CLOSE  ABORT  STATUS
 *      here:                             pr_connect/pr_listen  pr_send  pr_rcvd  pr_disconnect  pr_abort  TCP_INFO
 *
 * Nothing waits; what cannot be done now happens when the peer answers.
 */
import { EADDRNOTAVAIL, EAFNOSUPPORT, ECONNABORTED, EINPROGRESS, EINVAL, ENOBUFS, EOPNOTSUPP } from "../../kernel/abi/errno";
import { INADDR_BROADCAST, IPPROTO_TCP } from "../../kernel/abi/inet";
import { SHUT_RD, SOCK_STREAM, SO_LINGER } from "../../kernel/abi/socket";
import { domain_register } from "../../kernel/net/domain";
import { kobj } from "../../kernel/kern/kmem";
import { Mbuf, m_freem } from "../../kernel/net/mbuf";
import {
  PRUS_MORETOCOME, PRUS_OOB, PR_CONNREQUIRED, PR_LISTEN, PR_WANTRCVD, Protosw, pr_sendfail,
} from "../../kernel/net/protosw";
import {
  SS_CANTRCVMORE, Socket, socantsendmore, soisconnecting, soisdisconnecting, sost,
} from "../../kernel/net/socket";
import { sbappendstream } from "../../kernel/net/sockbuf";
import { AF_INET } from "../../kernel/abi/socket";
import { NETINET_TCP_RECVSPACE, NETINET_TCP_SENDSPACE } from "rump/tunables";
import { in_pcbbind, in_pcbconnect, in_setpeeraddr, in_setsockaddr, sin_addr, sin_check } from "./in_pcb_user";
import { in_ifbroadcast, in_multicast } from "./in_ifaddr";
import * as th from "./tcp";
import { tcp_autobuf_window, tcp_rcvbuf_tune } from "./tcp_autobuf";
import { tcp_ctloutput, tcp_ioctl } from "./tcp_ctloutput";
import { tcp_output } from "./tcp_output";
import { tcp_finwait2 } from "./tcp_ack";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_drop, tcp_new_iss, tcp_newtcpcb, tcp_sendseqinit } from "./tcp_subr";
import { TCP_KEEPINIT_US, tcp_timer_arm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, sototcpcb, tcps } from "./tcp_var";
import { tcp_vtw_enter } from "./tcp_vtw";

/** The scale to offer: enough for the largest receive buffer that this socket may have (RFC 7323 §2). */
export function tcp_rcvscale_of(so: Socket): i32 {
  const most = max(tcp_autobuf_window(so), <u32>sost.so_sbmax);
  let scale = 0;
  while (scale < th.TCP_MAX_WINSHIFT && th.TCP_MAXWIN << <u32>scale < most) scale++;
  return scale;
}

/** The user closes: what RFC 9293 §3.10.4 says for each state. */
function tcp_usrclosed(tp: Tcpcb): void {
  switch (tp.t_state) {
    case v.TCPS_CLOSED:
    case v.TCPS_LISTEN:
    case v.TCPS_SYN_SENT:
      tcp_close(tp);
      return;
    case v.TCPS_SYN_RECEIVED:
      tp.t_flags |= v.TF_NEEDFIN;
      return;
    case v.TCPS_ESTABLISHED:
      tp.t_state = v.TCPS_FIN_WAIT_1;
      break;
    case v.TCPS_CLOSE_WAIT:
      tp.t_state = v.TCPS_LAST_ACK;
      break;
    case v.TCPS_FIN_WAIT_2:
      if ((tp.t_flags & v.TF_DETACHED) != 0) tcp_finwait2(tp, tp.t_inpcb.inp_so);
      return;
    default:
      return;
  }
  tcp_output(tp);
}

export class TcpProto extends Protosw {
  pr_attach(so: Socket, proto: i32): i32 {
    return tcp_newtcpcb(so) ? 0 : -ENOBUFS;
  }

  pr_detach(so: Socket): void {
    const tp = sototcpcb(so);
    tp.t_flags |= v.TF_DETACHED;
    if (tp.t_state <= v.TCPS_SYN_SENT) {
      tcp_close(tp);
      return;
    }
    // SO_LINGER of no time is ABORT (RFC 9293 §3.10.5), in whatever state.
    const abort = (so.so_options & SO_LINGER) != 0 && so.so_linger == 0;
    // RFC 9293 §3.6.1 (RFC 2525 §2.17): unread data is lost to the user; the peer is told by a reset.
    if ((so.so_rcv.sb_cc > 0 && tp.t_state != v.TCPS_TIME_WAIT) || abort) {
      so.so_error = 0;
      tcp_drop(tp, 0);
      return;
    }
    tcp_usrclosed(tp);
    // Nobody is left who could see the block: a vestige will do.
    if (so.so_pcb != 0 && (tp.t_state == v.TCPS_TIME_WAIT || tp.t_state == v.TCPS_FIN_WAIT_2)) tcp_vtw_enter(tp);
    tcps.tw_ready = changetype<Tcpcb>(0);
  }

  pr_abort(so: Socket): void {
    const tp = sototcpcb(so);
    // The linger time is over, but all has been delivered: what is left is the wait (RFC 9293 §3.6.1 MUST-13).
    if (tp.t_state == v.TCPS_FIN_WAIT_2 || tp.t_state == v.TCPS_TIME_WAIT) return;
    tcp_drop(tp, ECONNABORTED);
  }

  pr_bind(so: Socket, sa: usize, len: i32): i32 {
    const e = sin_check(sa, len);
    if (e < 0) return e;
    const addr = sin_addr(sa);
    if (in_multicast(addr) || addr == INADDR_BROADCAST) return -EADDRNOTAVAIL;
    return in_pcbbind(sototcpcb(so).t_inpcb, sa);
  }

  pr_listen(so: Socket, backlog: i32): i32 {
    const tp = sototcpcb(so);
    if (tp.t_state == v.TCPS_LISTEN) return 0;
    if (tp.t_state != v.TCPS_CLOSED) return -EINVAL;
    if (tp.t_inpcb.inp_lport == 0) {
      const e = in_pcbbind(tp.t_inpcb, 0);
      if (e < 0) return e;
    }
    // RFC 9293 §3.9.1.1 MUST-41: this block and no other.
    tp.t_state = v.TCPS_LISTEN;
    return 0;
  }

  pr_connect(so: Socket, sa: usize, len: i32): i32 {
    const e = sin_check(sa, len);
    if (e < 0) return e;
    const tp = sototcpcb(so);
    if (tp.t_state != v.TCPS_CLOSED) return -EOPNOTSUPP;
    const addr = sin_addr(sa);
    // RFC 9293 §3.9.1.1 MUST-46: no connection to a broadcast or multicast address.
    if (in_multicast(addr) || addr == INADDR_BROADCAST || in_ifbroadcast(addr)) return -EAFNOSUPPORT;
    const c = in_pcbconnect(tp.t_inpcb, sa);
    if (c < 0) {
      tcps.iss_floored = false;
      return c;
    }
    tp.request_r_scale = tcp_rcvscale_of(so);
    tcp_sendseqinit(tp, tcp_new_iss(tp));
    tcps.iss_floored = false;
    tp.t_state = v.TCPS_SYN_SENT;
    tcpstat.connattempt++;
    soisconnecting(so);
    tcp_timer_arm(tp, v.TCPT_KEEP, TCP_KEEPINIT_US);
    const sent = tcp_output(tp);
    if (sent < 0 && sent != -ENOBUFS) {
      // No route after all: the user hears it at once, the socket can be used again.
      so.so_error = 0;
      tcp_drop(tp, 0);
      so.so_error = -sent;
      return sent;
    }
    return -EINPROGRESS;
  }

  pr_accept(so: Socket, sabuf: usize): i32 {
    if (so.so_pcb == 0) return -ECONNABORTED;
    return in_setpeeraddr(sototcpcb(so).t_inpcb, sabuf);
  }

  pr_disconnect(so: Socket): i32 {
    const tp = sototcpcb(so);
    if (tp.t_state < v.TCPS_ESTABLISHED) {
      tcp_close(tp);
    } else if ((so.so_options & SO_LINGER) != 0 && so.so_linger == 0) {
      tcp_drop(tp, 0);
    } else {
      soisdisconnecting(so);
      if (so.so_rcv.sb_cc == 0) tcp_usrclosed(tp);
    }
    return 0;
  }

  pr_shutdown(so: Socket, how: i32): i32 {
    if (how == SHUT_RD) return 0;
    const tp = sototcpcb(so);
    socantsendmore(so);
    tcp_usrclosed(tp);
    return 0;
  }

  /** The reader took data: perhaps a window update is due. */
  pr_rcvd(so: Socket, flags: i32): void {
    const tp = sototcpcb(so);
    if (tp.t_state >= v.TCPS_ESTABLISHED && (so.so_state & SS_CANTRCVMORE) == 0) {
      tcp_rcvbuf_tune(tp, so);
      tcp_output(tp);
    }
  }

  pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
    if (control) m_freem(control);
    const tp = sototcpcb(so);
    if (tp.t_state < v.TCPS_ESTABLISHED) return pr_sendfail(m, changetype<Mbuf>(0), -EINVAL);
    sbappendstream(so.so_snd, m);
    // RFC 9293 §3.8.5 MUST-62: the pointer is one beyond the last byte.
    if ((flags & PRUS_OOB) != 0) tp.snd_up = tp.snd_una + so.so_snd.sb_cc;
    if ((flags & PRUS_MORETOCOME) != 0) tp.t_flags |= v.TF_MORETOCOME;
    tcp_output(tp);
    tp.t_flags &= ~v.TF_MORETOCOME;
    return 0;
  }

  pr_peeraddr(so: Socket, buf: usize): i32 {
    return in_setpeeraddr(sototcpcb(so).t_inpcb, buf);
  }

  pr_sockaddr(so: Socket, buf: usize): i32 {
    return in_setsockaddr(sototcpcb(so).t_inpcb, buf);
  }

  pr_ctloutput(so: Socket, op: i32, level: i32, opt: i32, buf: usize, len: i32): i32 {
    return tcp_ctloutput(sototcpcb(so), so, op, level, opt, buf, len);
  }

  pr_ioctl(so: Socket, cmd: i32, data: usize): i32 {
    return tcp_ioctl(sototcpcb(so), so, cmd, data);
  }
}

/** Register with the protocol switch. NET phase, after tcp_init. */
export function tcp_attach(): void {
  const p = kobj<TcpProto>("tcp");
  p.pr_type = SOCK_STREAM;
  p.pr_protocol = IPPROTO_TCP;
  p.pr_flags = PR_CONNREQUIRED | PR_WANTRCVD | PR_LISTEN;
  p.pr_sndspace = NETINET_TCP_SENDSPACE;
  p.pr_rcvspace = NETINET_TCP_RECVSPACE;
  domain_register(AF_INET, p);
}
