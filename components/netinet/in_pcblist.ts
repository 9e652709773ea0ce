/**
 * sysctl net.inet.tcp.pcblist and net.inet.udp.pcblist: the control blocks as text, for netstat -a.
 *
 *      tcp recvq sendq local foreign state cwnd srtt_us rto_us backoff ssthresh       one line a block,
 *      udp recvq sendq local foreign - drops                                 the youngest first
 *
 * Behind the blocks of TCP come the entries of the SYN cache, in state SYN_RCVD.
 *
 * Queues are bytes; those of a listener are connections waiting and how many may. Addresses are
 * a.b.c.d:port, 0.0.0.0:0 for none. `backoff` is how often the segment at the head of the queue has
 * been sent again without an answer. Read plainly the list is complete or -ERANGE. With a decimal
 * number N written at the same time, the answer is as many whole lines as there is room for, from the
 * N-th block on (0 is the first); no bytes means that there are no more. The image runs between two
 * such questions only if the host lets it: asked in one go, the pages fit together.
 *
 * Cost: a page walks the list from its beginning, so n blocks in pages of p take n²/2p steps.
 */
import { EINVAL, ERANGE } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { SO_ACCEPTCONN } from "../../kernel/abi/socket";
import { kparse_u64, kput_char, kput_str, kput_u32, kput_u64 } from "../../kernel/kern/kstring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { kput_ipv4 } from "../../kernel/net/in_text";
import { Socket } from "../../kernel/net/socket";
import { sbavail } from "../../kernel/net/sockbuf";
import { Inpcb, Inpcbinfo } from "./in_pcb";
import { Syncache, syn_cache_next, syn_cache_rto_us } from "./tcp_syncache";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";
import { udps } from "./udp_input";
import { VTW_LISTS, vtw_at, vtw_faddr, vtw_fport, vtw_is_finwait2, vtw_laddr, vtw_link_younger, vtw_lport, vtw_oldest_at } from "./vtw_entry";

/** NET phase, once the protocols are there. */
export function in_pcblist_boot(): void {
  sysctl_fn("net.inet.tcp.pcblist", tcp_pcblist, CTLFLAG_RW);
  sysctl_fn("net.inet.udp.pcblist", udp_pcblist, CTLFLAG_RW);
}

function tcp_pcblist(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return pcblist(tcps.info, true, buf, len, newp, newlen);
}

function udp_pcblist(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return pcblist(udps.info, false, buf, len, newp, newlen);
}

/** All blocks, or those from the one on that `newp` numbers. Bytes written, -ERANGE or -EINVAL. */
function pcblist(info: Inpcbinfo, tcp: bool, buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const from = newlen > 0 ? kparse_u64(newp, newlen) : 0;
  if (from < 0) return -EINVAL;
  const end = buf + <usize>len;
  let at = buf;
  let skip = from;
  for (let inp = info.ipi_first; inp; inp = inp.inp_next) {
    if (skip-- > 0) continue;
    const line = at;
    at = tcp ? put_tcp(at, end, inp) : put_udp(at, end, inp);
    // A line that reaches the end may have been cut.
    if (at == end) return newlen > 0 && line > buf ? <i32>(line - buf) : -ERANGE;
  }
  if (!tcp) return <i32>(at - buf);
  let sc = syn_cache_next(changetype<Syncache>(0));
  for (; sc; sc = syn_cache_next(sc)) {
    if (skip-- > 0) continue;
    const line = at;
    at = put_syn(at, end, sc);
    if (at == end) return newlen > 0 && line > buf ? <i32>(line - buf) : -ERANGE;
  }
  return put_vestiges(buf, at, end, skip, newlen > 0);
}

/** A connection that is being made: no block yet. */
function put_syn(at: usize, end: usize, sc: Syncache): usize {
  at = kput_str(at, end, "tcp 0 0");
  at = put_endpoint(at, end, sc.sc_laddr, sc.sc_lport);
  at = put_endpoint(at, end, sc.sc_faddr, sc.sc_fport);
  at = kput_str(at, end, " SYN_RCVD 0 0");
  at = put_field(at, end, <u64>syn_cache_rto_us(sc.sc_rxtshift));
  at = put_field(at, end, sc.sc_rxtshift);
  return kput_char(at, end, 10);
}

/** Vestiges, after all others: the oldest first, class by class. Bytes from `buf`, or -ERANGE. */
function put_vestiges(buf: usize, at: usize, end: usize, skip: i64, paged: bool): i32 {
  for (let l = 0; l < VTW_LISTS; l++) {
    for (let i = load<u32>(vtw_oldest_at(l)); i != 0; i = vtw_link_younger(vtw_at(i))) {
      if (skip-- > 0) continue;
      const line = at;
      at = put_vestige(at, end, vtw_at(i));
      if (at == end) return paged && line > buf ? <i32>(line - buf) : -ERANGE;
    }
  }
  return <i32>(at - buf);
}

function put_vestige(at: usize, end: usize, e: usize): usize {
  at = kput_str(at, end, "tcp 0 0");
  at = put_endpoint(at, end, vtw_laddr(e), vtw_lport(e));
  at = put_endpoint(at, end, vtw_faddr(e), vtw_fport(e));
  return kput_str(at, end, vtw_is_finwait2(e) ? " FIN_WAIT_2 0 0 0 0\n" : " TIME_WAIT 0 0 0 0\n");
}

function put_field(at: usize, end: usize, x: u64): usize {
  return kput_u64(kput_char(at, end, 32), end, x);
}

function put_endpoint(at: usize, end: usize, addr: u32, port: u32): usize {
  at = kput_ipv4(kput_char(at, end, 32), end, addr);
  return kput_u32(kput_char(at, end, 58), end, port);
}

/** What is common: protocol, queues, both ends, and a space. A block may have outlived its socket. */
function put_head(at: usize, end: usize, inp: Inpcb, name: string): usize {
  const so: Socket = inp.inp_so;
  let recvq: u64 = 0;
  let sendq: u64 = 0;
  if (so) {
    const listens = (so.so_options & SO_ACCEPTCONN) != 0;
    recvq = listens ? so.so_qlen : sbavail(so.so_rcv);
    sendq = listens ? so.so_qlimit : sbavail(so.so_snd);
  }
  at = kput_str(at, end, name);
  at = put_field(at, end, recvq);
  at = put_field(at, end, sendq);
  at = put_endpoint(at, end, inp.inp_laddr, inp.inp_lport);
  at = put_endpoint(at, end, inp.inp_faddr, inp.inp_fport);
  return kput_char(at, end, 32);
}

function put_udp(at: usize, end: usize, inp: Inpcb): usize {
  at = kput_char(put_head(at, end, inp, "udp"), end, 45);
  at = put_field(at, end, inp.inp_so ? inp.inp_so.so_rcvdrops : 0);
  return kput_char(at, end, 10);
}

function put_tcp(at: usize, end: usize, inp: Inpcb): usize {
  const tp = changetype<Tcpcb>(inp.inp_ppcb);
  at = put_head(at, end, inp, "tcp");
  at = kput_str(at, end, tp ? state_name(tp.t_state) : "CLOSED");
  at = put_field(at, end, tp ? tp.snd_cwnd : 0);
  at = put_field(at, end, tp ? <u64>tp.t_srtt_us : 0);
  at = put_field(at, end, tp ? <u64>tp.t_rto_us : 0);
  at = put_field(at, end, tp ? <u64>tp.t_rxtshift : 0);
  at = put_field(at, end, tp ? <u64>tp.snd_ssthresh : 0);
  return kput_char(at, end, 10);
}

/** Names of the states as netstat(1) has them. */
function state_name(state: i32): string {
  switch (state) {
    case v.TCPS_LISTEN: return "LISTEN";
    case v.TCPS_SYN_SENT: return "SYN_SENT";
    case v.TCPS_SYN_RECEIVED: return "SYN_RCVD";
    case v.TCPS_ESTABLISHED: return "ESTABLISHED";
    case v.TCPS_CLOSE_WAIT: return "CLOSE_WAIT";
    case v.TCPS_FIN_WAIT_1: return "FIN_WAIT_1";
    case v.TCPS_CLOSING: return "CLOSING";
    case v.TCPS_LAST_ACK: return "LAST_ACK";
    case v.TCPS_FIN_WAIT_2: return "FIN_WAIT_2";
    case v.TCPS_TIME_WAIT: return "TIME_WAIT";
    default: return "CLOSED";
  }
}
