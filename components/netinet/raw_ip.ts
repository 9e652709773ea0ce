/**
 * Raw sockets: IP datagrams of one protocol (or all) as they are, for ping, traceroute and tests.
 *
 * Every raw socket whose protocol, and addresses if it is bound or connected, agree gets a copy of each
 * datagram delivered here, IP header first (as BSD and Linux do). What is sent gets a header, unless
 * IP_HDRINCL says that it has one; then length, identification and checksum are still filled in.
 */
import { EINVAL, EDESTADDRREQ, EISCONN, EMSGSIZE, ENOBUFS, ENOPROTOOPT, ENOTCONN } from "../../kernel/abi/errno";
import { IPPROTO_IP, IPPROTO_RAW } from "../../kernel/abi/inet";
import { AF_INET, SHUT_RD, SOCK_RAW } from "../../kernel/abi/socket";
import { NETINET_MAXRAWPCB } from "rump/tunables";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { domain_register } from "../../kernel/net/domain";
import { M_COPYALL, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_adj, m_copym, m_pullup } from "../../kernel/net/mbuf2";
import { PR_ADDR, PR_ATOMIC, PR_WILDCARD, Protosw, pr_sendfail } from "../../kernel/net/protosw";
import { SS_ISCONNECTED, SS_NOFDREF, Socket, socantsendmore, sofree, soisconnected, soisdisconnected, sorwakeup } from "../../kernel/net/socket";
import { sbappendaddr } from "../../kernel/net/sockbuf";
import { in_mcast_detach } from "./in_mcast";
import { INP_HDRINCL, Inpcb, Inpcbinfo, in_pcballoc, in_pcbfree, in_pcbinfo_create } from "./in_pcb";
import { in_setpeeraddr, in_setsockaddr, sin_addr, sin_check, sin_put } from "./in_pcb_user";
import { in_localip } from "./in_ifaddr";
import * as ip from "./ip";
import { ip_ctloutput } from "./ip_ctloutput";
import { ip_output } from "./ip_output";

@unmanaged
class RipState {
  info: Inpcbinfo;
  from: usize;
}

let rip: RipState = changetype<RipState>(0);

/** A datagram is being delivered: copies to the raw sockets. True if anyone took one. Does not consume m. */
export function rip_input(m: Mbuf, iphlen: i32): bool {
  const info = rip.info;
  if (info.ipi_count == 0) return false;
  const p = m.m_data;
  const proto = load<u8>(p, ip.IP_P);
  const src = load<u32>(p, ip.IP_SRC);
  const dst = load<u32>(p, ip.IP_DST);
  let taken = false;
  for (let inp = info.ipi_first; inp; inp = inp.inp_next) {
    if (inp.inp_proto != 0 && inp.inp_proto != proto) continue;
    if (inp.inp_laddr != 0 && inp.inp_laddr != dst) continue;
    if (inp.inp_faddr != 0 && inp.inp_faddr != src) continue;
    const n = m_copym(m, 0, M_COPYALL);
    if (!n) continue;
    taken = true;
    const so = inp.inp_so;
    const salen = sin_put(rip.from, src, 0);
    if (sbappendaddr(so.so_rcv, rip.from, salen, n, changetype<Mbuf>(0))) {
      sorwakeup(so);
    } else {
      so.so_rcvdrops++;
      m_freem(n);
    }
  }
  return taken;
}

/** Send `m` to `dst`. Consumes m. */
function rip_output(inp: Inpcb, m0: Mbuf, dst: u32): i32 {
  const none = changetype<Mbuf>(0);
  if ((inp.inp_flags & INP_HDRINCL) == 0) {
    return ip_output(m0, inp, inp.inp_laddr, dst, inp.inp_proto, inp.inp_ttl, inp.inp_tos, false);
  }
  if (m0.ph_len < ip.IP_HDRLEN) return pr_sendfail(m0, none, -EINVAL);
  const m = m_pullup(m0, ip.IP_HDRLEN);
  if (!m) return -ENOBUFS;
  const p = m.m_data;
  // Options are not carried over: their header would be longer than ours.
  if (ip.ip_hl(p) != ip.IP_HDRLEN || ip.ip_len(p) != m.ph_len) return pr_sendfail(m, none, -EINVAL);
  if (m.ph_len > ip.IP_MAXPACKET) return pr_sendfail(m, none, -EMSGSIZE);
  const src = load<u32>(p, ip.IP_SRC);
  const proto = <i32>load<u8>(p, ip.IP_P);
  const ttl = <i32>load<u8>(p, ip.IP_TTL);
  const tos = <i32>load<u8>(p, ip.IP_TOS);
  const df = (ip.ip_off(p) & ip.IP_DF) != 0;
  m_adj(m, ip.IP_HDRLEN);
  return ip_output(m, inp, src, dst, proto, ttl, tos, df);
}

function sotoinpcb(so: Socket): Inpcb {
  return changetype<Inpcb>(so.so_pcb);
}

export class RawProto extends Protosw {
  pr_attach(so: Socket, proto: i32): i32 {
    const inp = in_pcballoc(rip.info, so);
    if (!inp) return -ENOBUFS;
    inp.inp_proto = <u8>proto;
    if (proto == IPPROTO_RAW) inp.inp_flags |= INP_HDRINCL;
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
    if (e < 0) return e;
    const addr = sin_addr(sa);
    if (addr != 0 && !in_localip(addr)) return -EINVAL;
    sotoinpcb(so).inp_laddr = addr;
    return 0;
  }

  pr_connect(so: Socket, sa: usize, len: i32): i32 {
    const e = sin_check(sa, len);
    if (e < 0) return e;
    sotoinpcb(so).inp_faddr = sin_addr(sa);
    soisconnected(so);
    return 0;
  }

  pr_disconnect(so: Socket): i32 {
    const inp = sotoinpcb(so);
    if (inp.inp_faddr == 0) return -ENOTCONN;
    inp.inp_faddr = 0;
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
    if (namlen == 0) {
      if (inp.inp_faddr == 0) return pr_sendfail(m, none, -EDESTADDRREQ);
      return rip_output(inp, m, inp.inp_faddr);
    }
    if (inp.inp_faddr != 0) return pr_sendfail(m, none, -EISCONN);
    const e = sin_check(nam, namlen);
    return e < 0 ? pr_sendfail(m, none, e) : rip_output(inp, m, sin_addr(nam));
  }

  pr_peeraddr(so: Socket, buf: usize): i32 {
    return in_setpeeraddr(sotoinpcb(so), buf);
  }

  pr_sockaddr(so: Socket, buf: usize): i32 {
    return in_setsockaddr(sotoinpcb(so), buf);
  }

  pr_ctloutput(so: Socket, op: i32, level: i32, opt: i32, buf: usize, len: i32): i32 {
    return level == IPPROTO_IP ? ip_ctloutput(sotoinpcb(so), op, opt, buf, len) : -ENOPROTOOPT;
  }
}

/** NET phase. */
export function rip_init(): void {
  rip = changetype<RipState>(kmem_alloc(offsetof<RipState>(), 8, "rip"));
  rip.info = in_pcbinfo_create(NETINET_MAXRAWPCB, IPPROTO_RAW, "rip_inpcb");
  rip.from = kmem_alloc(32, 8, "rip");
  const p = kobj<RawProto>("rip");
  p.pr_type = SOCK_RAW;
  p.pr_flags = PR_ATOMIC | PR_ADDR | PR_WILDCARD;
  p.pr_sndspace = 65536;
  p.pr_rcvspace = 65536;
  domain_register(AF_INET, p);
}
