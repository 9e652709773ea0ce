/**
 * UDP as the socket layer sees it: the Protosw of SOCK_DGRAM in PF_INET.
 */
import {
  EACCES, EADDRINUSE, EADDRNOTAVAIL, EDESTADDRREQ, EISCONN, EMSGSIZE, ENOBUFS, ENOPROTOOPT, ENOTCONN,
} from "../../kernel/abi/errno";
import { IPPROTO_IP, IPPROTO_UDP, UDP_NOCKSUM } from "../../kernel/abi/inet";
import { AF_INET, AF_UNSPEC, SHUT_RD, SOCK_DGRAM, SO_BROADCAST } from "../../kernel/abi/socket";
import { SA_FAMILY } from "../../kernel/abi/sockaddr";
import { NETINET_MAXUDPPCB, NETINET_UDP_RECVSPACE, NETINET_UDP_SENDSPACE } from "rump/tunables";
import { kobj } from "../../kernel/kern/kmem";
import { domain_register } from "../../kernel/net/domain";
import { in_pseudo } from "../../kernel/net/in_cksum";
import { Mbuf, VNET_F_NEEDS_CSUM, m_freem } from "../../kernel/net/mbuf";
import { m_prepend } from "../../kernel/net/mbuf2";
import { PRCO_GETOPT, PR_ADDR, PR_ATOMIC, Protosw, pr_sendfail } from "../../kernel/net/protosw";
import { Rtentry } from "../../kernel/net/route";
import { Socket, socantsendmore, sofree, soisconnected, soisdisconnected, SS_ISCONNECTED, SS_NOFDREF } from "../../kernel/net/socket";
import { in_ifaddr_of, in_ifbroadcast, in_multicast } from "./in_ifaddr";
import { in_mcast_detach, in_mcast_ifp } from "./in_mcast";
import {
  INP_CONNECTED, INP_NOCKSUM, Inpcb, in_pcballoc, in_pcbfree, in_pcbinfo_create, in_pcbunconn,
} from "./in_pcb";
import { in_pcbbind, in_pcbconnect, in_setpeeraddr, in_setsockaddr, sin_addr, sin_check, sin_port } from "./in_pcb_user";
import { in_selectsrc } from "./in_route";
import { udpstat } from "./in_stat";
import { ip_ctloutput } from "./ip_ctloutput";
import { ip_output } from "./ip_output";
import { UDP_HDRLEN, UH_DPORT, UH_LEN, UH_SPORT, UH_SUM, udp_setstate, udps } from "./udp_input";

function sotoinpcb(so: Socket): Inpcb {
  return changetype<Inpcb>(so.so_pcb);
}

/** Send the payload `m` from `inp` to `faddr`:`fport`. Consumes m. 0 or -errno. */
function udp_output(inp: Inpcb, m0: Mbuf, faddr: u32, fport: u32): i32 {
  const len = m0.ph_len + UDP_HDRLEN;
  if (len > 65515) return pr_sendfail(m0, changetype<Mbuf>(0), -EMSGSIZE);
  let src = inp.inp_laddr;
  if (src == 0 && in_multicast(faddr)) {
    const ifp = in_mcast_ifp(inp, changetype<Rtentry>(0));
    if (changetype<usize>(ifp) != 0) src = in_ifaddr_of(ifp, faddr);
  } else if (src == 0) {
    const e = in_selectsrc(inp, faddr, udps.from + 24);
    if (e < 0) return pr_sendfail(m0, changetype<Mbuf>(0), e);
    src = load<u32>(udps.from, 24);
  }
  const m = m_prepend(m0, UDP_HDRLEN);
  if (!m) return -ENOBUFS;
  const p = m.m_data;
  store<u16>(p, bswap<u16>(inp.inp_lport), UH_SPORT);
  store<u16>(p, bswap<u16>(<u16>fport), UH_DPORT);
  store<u16>(p, bswap<u16>(<u16>len), UH_LEN);
  // RFC 1122 §4.1.3.4: a checksum by default.
  if ((inp.inp_flags & INP_NOCKSUM) != 0 || src == 0) {
    store<u16>(p, 0, UH_SUM);
  } else {
    store<u16>(p, <u16>in_pseudo(src, faddr, IPPROTO_UDP, len), UH_SUM);
    m.vh_flags = VNET_F_NEEDS_CSUM;
    m.vh_csum_start = 0;
    m.vh_csum_offset = <u16>UH_SUM;
  }
  udpstat.opackets++;
  const ttl = in_multicast(faddr) ? inp.inp_mcttl : inp.inp_ttl;
  return ip_output(m, inp, src, faddr, IPPROTO_UDP, ttl, inp.inp_tos, false);
}

export class UdpProto extends Protosw {
  pr_attach(so: Socket, proto: i32): i32 {
    const inp = in_pcballoc(udps.info, so);
    if (!inp) return -ENOBUFS;
    so.so_pcb = changetype<usize>(inp);
    return 0;
  }

  pr_detach(so: Socket): void {
    const inp = sotoinpcb(so);
    in_mcast_detach(inp);
    so.so_pcb = 0;
    in_pcbfree(inp);
    soisdisconnected(so);
    if ((so.so_state & SS_NOFDREF) != 0) sofree(so);
  }

  pr_abort(so: Socket): void {
    this.pr_detach(so);
  }

  pr_bind(so: Socket, sa: usize, len: i32): i32 {
    const e = sin_check(sa, len);
    return e < 0 ? e : in_pcbbind(sotoinpcb(so), sa);
  }

  pr_connect(so: Socket, sa: usize, len: i32): i32 {
    const inp = sotoinpcb(so);
    // connect to AF_UNSPEC: forget the peer.
    if (<i32>load<u8>(sa, SA_FAMILY) == AF_UNSPEC) {
      this.pr_disconnect(so);
      return 0;
    }
    const e = sin_check(sa, len);
    if (e < 0) return e;
    if ((inp.inp_flags & INP_CONNECTED) != 0) this.pr_disconnect(so);
    const c = in_pcbconnect(inp, sa);
    if (c < 0) return c;
    soisconnected(so);
    return 0;
  }

  pr_disconnect(so: Socket): i32 {
    const inp = sotoinpcb(so);
    if ((inp.inp_flags & INP_CONNECTED) == 0) return -ENOTCONN;
    in_pcbunconn(inp);
    so.so_state &= ~SS_ISCONNECTED;
    return 0;
  }

  pr_shutdown(so: Socket, how: i32): i32 {
    if (how != SHUT_RD) socantsendmore(so);
    return 0;
  }

  pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
    if (control) m_freem(control);
    const none = changetype<Mbuf>(0);
    const inp = sotoinpcb(so);
    const connected = (inp.inp_flags & INP_CONNECTED) != 0;
    if (namlen == 0) {
      if (!connected) return pr_sendfail(m, none, -EDESTADDRREQ);
      return udp_output(inp, m, inp.inp_faddr, inp.inp_fport);
    }
    if (connected) return pr_sendfail(m, none, -EISCONN);
    const e = sin_check(nam, namlen);
    if (e < 0) return pr_sendfail(m, none, e);
    const addr = sin_addr(nam);
    if (sin_port(nam) == 0) return pr_sendfail(m, none, -EADDRNOTAVAIL);
    if (in_ifbroadcast(addr) && (so.so_options & SO_BROADCAST) == 0) return pr_sendfail(m, none, -EACCES);
    if (inp.inp_lport == 0) {
      const b = in_pcbbind(inp, 0);
      if (b < 0) return pr_sendfail(m, none, b == -EADDRINUSE ? -EADDRNOTAVAIL : b);
    }
    return udp_output(inp, m, addr, sin_port(nam));
  }

  pr_peeraddr(so: Socket, buf: usize): i32 {
    return in_setpeeraddr(sotoinpcb(so), buf);
  }

  pr_sockaddr(so: Socket, buf: usize): i32 {
    return in_setsockaddr(sotoinpcb(so), buf);
  }

  pr_ctloutput(so: Socket, op: i32, level: i32, opt: i32, buf: usize, len: i32): i32 {
    const inp = sotoinpcb(so);
    if (level == IPPROTO_IP) return ip_ctloutput(inp, op, opt, buf, len);
    if (level != IPPROTO_UDP || opt != UDP_NOCKSUM || len < 4) return -ENOPROTOOPT;
    if (op == PRCO_GETOPT) {
      store<i32>(buf, (inp.inp_flags & INP_NOCKSUM) != 0 ? 1 : 0);
      return 4;
    }
    if (load<i32>(buf) != 0) inp.inp_flags |= INP_NOCKSUM;
    else inp.inp_flags &= ~INP_NOCKSUM;
    return 0;
  }
}

/** NET phase. */
export function udp_init(): void {
  udp_setstate(in_pcbinfo_create(NETINET_MAXUDPPCB, IPPROTO_UDP, "udp_inpcb"));
  const p = kobj<UdpProto>("udp");
  p.pr_type = SOCK_DGRAM;
  p.pr_protocol = IPPROTO_UDP;
  p.pr_flags = PR_ATOMIC | PR_ADDR;
  p.pr_sndspace = NETINET_UDP_SENDSPACE;
  p.pr_rcvspace = NETINET_UDP_RECVSPACE;
  domain_register(AF_INET, p);
}
