/**
 * Options of level IPPROTO_IP, common to TCP, UDP and raw sockets.
 *
 *      IP_TTL IP_TOS IP_MINTTL IP_RECVDSTADDR IP_RECVTTL IP_RECVIF IP_PKTINFO IP_HDRINCL IP_PORTRANGE
 *      IP_PORTALGO                  numbers, i32 (multicast options: in_mcast.ts)
 */
import { EINVAL, ENOPROTOOPT } from "../../kernel/abi/errno";
import {
  IP_HDRINCL, IP_MINTTL, IP_PKTINFO, IP_PORTALGO, IP_PORTRANGE, IP_RECVDSTADDR, IP_RECVIF, IP_RECVTTL, IP_TOS, IP_TTL,
} from "../../kernel/abi/inet";
import { PRCO_GETOPT } from "../../kernel/net/protosw";
import { in_mcast_ctloutput } from "./in_mcast";
import {
  INP_HDRINCL, INP_LOWPORT, INP_PKTINFO, INP_RECVDSTADDR, INP_RECVIF, INP_RECVTTL, Inpcb,
} from "./in_pcb";

/** The flag behind a boolean option, 0 if it is none. */
function opt_flag(opt: i32): u32 {
  if (opt == IP_RECVDSTADDR) return INP_RECVDSTADDR;
  if (opt == IP_RECVTTL) return INP_RECVTTL;
  if (opt == IP_RECVIF) return INP_RECVIF;
  if (opt == IP_PKTINFO) return INP_PKTINFO;
  if (opt == IP_HDRINCL) return INP_HDRINCL;
  return 0;
}

function opt_get(inp: Inpcb, opt: i32): i32 {
  const flag = opt_flag(opt);
  if (flag != 0) return (inp.inp_flags & flag) != 0 ? 1 : 0;
  if (opt == IP_TTL) return inp.inp_ttl;
  if (opt == IP_TOS) return inp.inp_tos;
  if (opt == IP_MINTTL) return inp.inp_minttl;
  if (opt == IP_PORTRANGE) return (inp.inp_flags & INP_LOWPORT) != 0 ? 2 : 0;
  if (opt == IP_PORTALGO) return <i32>inp.inp_portalgo - 1;
  return -ENOPROTOOPT;
}

function opt_set(inp: Inpcb, opt: i32, val: i32): i32 {
  const flag = opt_flag(opt);
  if (flag != 0) {
    if (val != 0) inp.inp_flags |= flag;
    else inp.inp_flags &= ~flag;
    return 0;
  }
  if (val < 0 || val > 255) return -EINVAL;
  if (opt == IP_TTL) {
    if (val == 0) return -EINVAL;
    // RFC 9293 §3.9.2 MUST-49.
    inp.inp_ttl = <u8>val;
  } else if (opt == IP_TOS) inp.inp_tos = <u8>val; // RFC 9293 §3.9.1.9 MUST-48
  else if (opt == IP_MINTTL) inp.inp_minttl = <u8>val;
  else if (opt == IP_PORTRANGE) {
    if (val > 2) return -EINVAL;
    if (val == 2) inp.inp_flags |= INP_LOWPORT;
    else inp.inp_flags &= ~INP_LOWPORT;
  } else if (opt == IP_PORTALGO) {
    if (val > 5) return -EINVAL;
    inp.inp_portalgo = <u8>(val + 1);
  } else return -ENOPROTOOPT;
  return 0;
}

/** Get or set an option of IP; GETOPT answers the length written. */
export function ip_ctloutput(inp: Inpcb, op: i32, opt: i32, buf: usize, len: i32): i32 {
  const mc = in_mcast_ctloutput(inp, op, opt, buf, len);
  if (mc != -ENOPROTOOPT) return mc;
  if (len < 4) return -EINVAL;
  if (op != PRCO_GETOPT) return opt_set(inp, opt, load<i32>(buf));
  const val = opt_get(inp, opt);
  if (val < 0 && opt != IP_PORTALGO) return val;
  store<i32>(buf, val);
  return 4;
}
