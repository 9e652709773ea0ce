/**
 * What bind(2), connect(2) and the choice of ephemeral ports may do with what is in TIME-WAIT.
 *
 *      connect   the 4-tuple of a connection that is waiting may be used again if it used timestamps and
 *                ours has moved on since (RFC 6191 §2 from the active side): what is left of the old
 *                connection on the way is older than the SYN and falls to PAWS, and the new ISS lies above
 *                all that was sent. Otherwise EADDRINUSE.
 *      bind      a waiting connection is a connection: SO_REUSEADDR, or SO_REUSEPORT on both, gets past it
 *      ephemeral ports that are free towards the peer come first, then those that may be used again
 *
 * The same for vestiges and for control blocks whose owner has gone, so that nothing here depends on
 * whether vestiges are on. Without reuse a client would stop at 16,384 connections to one server in 2 MSL.
 */
import { IPPROTO_TCP } from "../../kernel/abi/inet";
import { SO_REUSEADDR, SO_REUSEPORT } from "../../kernel/abi/socket";
import { Inpcb, Inpcbinfo, in_pcblookup_conn } from "./in_pcb";
import { tcp_2msl_us } from "./tcp_mslt";
import { tcp_close } from "./tcp_subr";
import { tcp_tw_left_us } from "./tcp_timewait";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";
import { vtw, vtw_at, vtw_has_ts, vtw_is_finwait2, vtw_snd_nxt } from "./vtw_entry";
import { vtw_age_ms, vtw_conflict, vtw_lookup, vtw_portcount, vtw_remove } from "./vtw_table";

export const TUPLE_FREE: i32 = 0;
/** In TIME-WAIT, and may be used again. */
export const TUPLE_REUSABLE: i32 = 1;
export const TUPLE_TAKEN: i32 = 2;

/** Is block `inp` in TIME-WAIT, its owner gone, its last segment at least 1 ms old? */
function block_reusable(inp: Inpcb): bool {
  const tp = changetype<Tcpcb>(inp.inp_ppcb);
  if (!tp || tp.t_state != v.TCPS_TIME_WAIT || (tp.t_flags & v.TF_DETACHED) == 0) return false;
  if ((tp.t_flags & v.TF_RCVD_TSTMP) == 0) return false;
  return tcp_2msl_us(tp.t_mslclass) - tcp_tw_left_us(tp) >= 1000;
}

function vestige_reusable(i: u32): bool {
  const e = vtw_at(i);
  return vtw_has_ts(e) && !vtw_is_finwait2(e) && vtw_age_ms(i) >= 1;
}

/** May a connection from `laddr`:`lport` to `faddr`:`fport` be made? TUPLE_…. */
export function tcp_tuple(info: Inpcbinfo, laddr: u32, lport: u32, faddr: u32, fport: u32): i32 {
  const inp = in_pcblookup_conn(info, laddr, lport, faddr, fport);
  const tcp = info.ipi_proto == IPPROTO_TCP;
  if (inp) return tcp && tcps.rfc1323 != 0 && block_reusable(inp) ? TUPLE_REUSABLE : TUPLE_TAKEN;
  if (!tcp) return TUPLE_FREE;
  const i = vtw_lookup(laddr, lport, faddr, fport);
  if (i == 0) return TUPLE_FREE;
  return tcps.rfc1323 != 0 && vestige_reusable(i) ? TUPLE_REUSABLE : TUPLE_TAKEN;
}

/**
 * Take the 4-tuple from what is waiting there, if it may be taken. True if it is free now; the next
 * initial sequence number lies above what the old connection sent (tcp_new_iss).
 */
export function tcp_tuple_take(info: Inpcbinfo, laddr: u32, lport: u32, faddr: u32, fport: u32): bool {
  const inp = in_pcblookup_conn(info, laddr, lport, faddr, fport);
  const tcp = info.ipi_proto == IPPROTO_TCP;
  if (inp) {
    if (!tcp || tcps.rfc1323 == 0 || !block_reusable(inp)) return false;
    const tp = changetype<Tcpcb>(inp.inp_ppcb);
    tuple_again(tp.snd_max);
    tcp_close(tp);
    return true;
  }
  const i = tcp ? vtw_lookup(laddr, lport, faddr, fport) : 0;
  if (i == 0) return true;
  if (tcps.rfc1323 == 0 || !vestige_reusable(i)) return false;
  tuple_again(vtw_snd_nxt(vtw_at(i)));
  vtw_remove(i);
  return true;
}

/** A 4-tuple is used again: the next initial sequence number lies above `floor`. */
function tuple_again(floor: u32): void {
  tcps.iss_floored = true;
  tcps.iss_floor = floor;
  vtw.reused++;
}

/** Does a vestige stand in the way of a socket with `options` that binds `laddr`:`lport`? */
export function tcp_tw_conflict(info: Inpcbinfo, options: i32, laddr: u32, lport: u32): bool {
  if (info.ipi_proto != IPPROTO_TCP || (options & SO_REUSEADDR) != 0) return false;
  return vtw_conflict(laddr, lport, (options & SO_REUSEPORT) != 0);
}

/** Has any vestige local port `lport`? */
export function tcp_tw_portused(info: Inpcbinfo, lport: u32): bool {
  return info.ipi_proto == IPPROTO_TCP && vtw_portcount(lport) != 0;
}
