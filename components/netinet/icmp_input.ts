/**
 * ICMP input (RFC 792): echo and timestamp are answered, errors are handed to the transport they are
 * about, redirects are believed only from the gateway in use.
 *
 *      echo request ─▶ reply, the same mbufs turned around
 *      unreachable, time exceeded, parameter problem ─▶ TCP, UDP by the header quoted (RFC 5927 checks there)
 *
 * Raw sockets have had their copy before (ip_input.ts). Echo to a broadcast or multicast address is not
 * answered (smurf; RFC 1122 §3.2.2.6 allows that).
 */
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from "../../kernel/abi/inet";
import { ECONNREFUSED, EHOSTUNREACH } from "../../kernel/abi/errno";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { in_cksum } from "../../kernel/net/in_cksum";
import { M_BCAST, M_MCAST, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_adj, m_makewritable, m_prepend, m_pullup } from "../../kernel/net/mbuf2";
import { rtredirect } from "./in_redirect";
import {
  ICMP_ECHO, ICMP_ECHOREPLY, ICMP_MINLEN, ICMP_PARAMPROB, ICMP_REDIRECT, ICMP_SOURCEQUENCH, ICMP_TIMXCEED,
  ICMP_TSTAMP, ICMP_TSTAMPREPLY, ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG, ICMP_UNREACH_PORT, ICMP_UNREACH_PROTOCOL,
} from "./icmp_error";
import { Inpcb } from "./in_pcb";
import { icmpstat } from "./in_stat";
import * as ip from "./ip";
import { ip_opt_copy, ip_opt_record, ip_timestamp } from "./ip_options";
import { ip_defttl, ip_output } from "./ip_output";
import { TCPE_NEEDFRAG, TCPE_REFUSED, TCPE_UNREACH, tcp_ctlinput } from "./tcp_subr";
import { udp_ctlinput } from "./udp_input";

@unmanaged
class IcmpInput {
  /** IP options of the reply that is being made, and how long they are. */
  opts: usize;
  optlen: i32;
}

let ici: IcmpInput = changetype<IcmpInput>(0);

export function icmp_input_boot(): void {
  ici = changetype<IcmpInput>(kmem_alloc(offsetof<IcmpInput>(), 8, "icmp"));
  ici.opts = kmem_alloc(44, 8, "icmp");
}

/** Turn the request in `m` (ICMP header first) into the reply and send it from `src` to `dst`, behind the options in ici. */
function icmp_reply(m0: Mbuf, type: i32, src: u32, dst: u32, tos: i32): void {
  let m = m_makewritable(m0, m0.ph_len < 20 ? m0.ph_len : 20);
  if (!m) return;
  const p = m.m_data;
  store<u8>(p, <u8>type);
  store<u8>(p, 0, 1);
  if (type == ICMP_TSTAMPREPLY) {
    const ms = ip_timestamp();
    store<u32>(p, ms, 12);
    store<u32>(p, ms, 16);
  }
  store<u16>(p, 0, 2);
  store<u16>(p, <u16>in_cksum(m, 0, m.ph_len), 2);
  m.ph_csum = 0;
  m.vh_flags = 0;
  m.m_flags &= ~(M_BCAST | M_MCAST);
  icmpstat.outecho++;
  if (ici.optlen > 0) {
    m = m_prepend(m, ici.optlen);
    if (!m) return;
    memory.copy(m.m_data, ici.opts, ici.optlen);
  }
  ip_output(m, changetype<Inpcb>(0), src, dst, IPPROTO_ICMP, ip_defttl(), tos, false, ici.optlen);
}

/** ICMP message in `m` behind an IP header of `hlen` bytes. Consumes m. */
export function icmp_input(m0: Mbuf, hlen: i32): void {
  let m = m0;
  if (m.ph_len < hlen + ICMP_MINLEN) {
    icmpstat.tooshort++;
    m_freem(m);
    return;
  }
  if (in_cksum(m, hlen, m.ph_len - hlen) != 0) {
    icmpstat.badsum++;
    m_freem(m);
    return;
  }
  // The header, and of an error the quoted IP header (with options) and 8 bytes more.
  m = m_pullup(m, min(m.ph_len, hlen + 8 + 60 + 8 > 128 ? 128 : hlen + 76));
  if (!m) return;
  const p = m.m_data + hlen;
  const type = <i32>load<u8>(p);
  const code = <i32>load<u8>(p, 1);
  switch (type) {
    case ICMP_ECHO:
    case ICMP_TSTAMP:
      icmp_query(m, hlen, type);
      return;
    case ICMP_UNREACH:
      icmpstat.inunreach++;
      icmp_ctlinput(m, hlen, type, code);
      break;
    case ICMP_TIMXCEED:
      icmpstat.intimxceed++;
      icmp_ctlinput(m, hlen, type, code);
      break;
    case ICMP_PARAMPROB:
      icmpstat.inparamprob++;
      icmp_ctlinput(m, hlen, type, code);
      break;
    case ICMP_REDIRECT:
      icmpstat.inredirect++;
      icmp_redirect(m, hlen, code);
      break;
    case ICMP_SOURCEQUENCH:
      // RFC 9293 §3.9.2.2 MUST-55, RFC 6633: ignored.
      icmpstat.inquench++;
      break;
    default:
      icmpstat.inother++;
  }
  m_freem(m);
}

function icmp_query(m: Mbuf, hlen: i32, type: i32): void {
  const p = m.m_data;
  const src = load<u32>(p, ip.IP_SRC);
  const dst = load<u32>(p, ip.IP_DST);
  const tos = <i32>load<u8>(p, ip.IP_TOS);
  if (type == ICMP_ECHO) icmpstat.inecho++;
  else icmpstat.intstamp++;
  if ((m.m_flags & (M_BCAST | M_MCAST)) != 0) {
    icmpstat.bmcastecho++;
    m_freem(m);
    return;
  }
  if (type == ICMP_TSTAMP && m.ph_len < hlen + 20) {
    icmpstat.badlen++;
    m_freem(m);
    return;
  }
  // RFC 1122 §3.2.2.6: a recorded route goes back with the reply, and so shows both ways; we are on it too.
  ici.optlen = ip_opt_copy(p + ip.IP_HDRLEN, hlen - ip.IP_HDRLEN, ici.opts, false);
  if (ip_opt_record(ici.opts, ici.optlen, dst) != 0) ici.optlen = 0;
  m_adj(m, hlen);
  icmp_reply(m, type == ICMP_ECHO ? ICMP_ECHOREPLY : ICMP_TSTAMPREPLY, dst, src, tos);
}

/** The packet of ours that an error quotes: to its transport. */
function icmp_ctlinput(m: Mbuf, hlen: i32, type: i32, code: i32): void {
  const icmp = m.m_data + hlen;
  const have = m.m_len - hlen - ICMP_MINLEN;
  if (have < ip.IP_HDRLEN) {
    icmpstat.badlen++;
    return;
  }
  const q = icmp + ICMP_MINLEN;
  const qhl = ip.ip_hl(q);
  if (qhl < ip.IP_HDRLEN || have < qhl + 8 || (ip.ip_off(q) & ip.IP_OFFMASK) != 0) {
    icmpstat.badlen++;
    return;
  }
  icmpstat.ctlinput++;
  const t = q + qhl;
  const laddr = load<u32>(q, ip.IP_SRC);
  const faddr = load<u32>(q, ip.IP_DST);
  const lport = <u32>bswap<u16>(load<u16>(t));
  const fport = <u32>bswap<u16>(load<u16>(t, 2));
  const needfrag = type == ICMP_UNREACH && code == ICMP_UNREACH_NEEDFRAG;
  const refused = type == ICMP_UNREACH && (code == ICMP_UNREACH_PORT || code == ICMP_UNREACH_PROTOCOL);
  const mtu = <u32>bswap<u16>(load<u16>(icmp, 6));
  const proto = <i32>load<u8>(q, ip.IP_P);
  if (proto == IPPROTO_TCP) {
    const what = needfrag ? TCPE_NEEDFRAG : refused ? TCPE_REFUSED : TCPE_UNREACH;
    tcp_ctlinput(what, mtu, laddr, lport, faddr, fport, bswap<u32>(load<u32>(t, 4)));
  } else if (proto == IPPROTO_UDP) {
    udp_ctlinput(needfrag ? 0 : refused ? ECONNREFUSED : EHOSTUNREACH, mtu, laddr, lport, faddr, fport);
  }
}

/** RFC 1122 §3.2.2.2: only from the gateway that we use for that destination. */
function icmp_redirect(m: Mbuf, hlen: i32, code: i32): void {
  const icmp = m.m_data + hlen;
  if (code > 3 || m.m_len < hlen + ICMP_MINLEN + ip.IP_HDRLEN) {
    icmpstat.badcode++;
    return;
  }
  const from = load<u32>(m.m_data, ip.IP_SRC);
  const gw = load<u32>(icmp, 4);
  const dst = load<u32>(icmp + ICMP_MINLEN, ip.IP_DST);
  rtredirect(dst, gw, from, m.ph_rcvif);
}
