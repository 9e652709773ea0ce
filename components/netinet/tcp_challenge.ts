/**
 * Bare ACKs that a stranger can provoke: the challenge ACKs of RFC 5961, and answers to segments that
 * lie outside the window (RFC 9293 §3.10.7.4). Both are limited, each connection by itself.
 *
 *      challenge   at most about challengeack_limit (10) in challengeack_us (5 s), RFC 5961 §7
 *      outside     at most one in invalid_ratelimit ms (500) to a segment without data: two ends that
 *                  each take the other's ACK for invalid would answer each other for ever
 *
 * There is no counter that connections share: by how much it had fallen somebody could learn of others'
 * traffic (CVE-2016-5696). Nor is a connection's own limit exact: how many a period grants, and how long
 * it lasts, is a keyed hash of the connection and the period, so that what is left tells nothing.
 *
 *      | period 0: 3..15 tokens |  period 1  | …      3/4 to 5/4 of challengeack_us each
 *
 * Cost: three words a connection; a hash a period.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { siphash13_2 } from "../../kernel/kern/siphash";
import * as th from "./tcp";
import { tcpstat } from "./tcp_stat";
import { tcp_respond } from "./tcp_subr";
import { Tcpcb, tcps } from "./tcp_var";

/** <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, now. */
export function tcp_acknow(tp: Tcpcb): void {
  tcp_respond(tp, tp.snd_max, tp.rcv_nxt, th.TH_ACKF);
}

/** What is left of a connection's limits: four fields of the control block, or a slot of the vestiges' (tcp_vtw.ts). */
@unmanaged
export class Tclimit {
  until_us: i64;
  outside_us: i64;
  left: i32;
  period: u32;
}

function tcp_limits(tp: Tcpcb): Tclimit {
  return changetype<Tclimit>(changetype<usize>(tp) + offsetof<Tcpcb>("t_challenge_until_us"));
}

/** Foreign address and both ports: whose limits they are. */
export function tcp_limit_pair(faddr: u32, fport: u32, lport: u32): u64 {
  return (<u64>faddr << 32) | <u64>((fport << 16) | lport);
}

/** Begin a period: its length and its tokens, half to one and a half of what the sysctls say. */
function challenge_period(lim: Tclimit, pair: u64, now: i64): void {
  // 0x5961 keeps it apart from the hashes of ISS and timestamps under the same key.
  const h = siphash13_2(tcps.secret + 16, pair, (<u64>0x5961 << 32) | <u64>++lim.period);
  const span = <i64>tcps.challenge_us;
  const limit = <u32>tcps.challenge_limit;
  lim.until_us = now + (span * 3 >> 2) + ((span >> 1) * <i64>(h >>> 40) >> 24);
  lim.left = limit == 0 ? 0 : <i32>((limit + 1) / 2 + <u32>h % (limit + 1));
}

/** RFC 5961 §7: may the connection `pair` send one more challenge? Counts it, or that it was held back. */
export function tcp_challenge_allowed(lim: Tclimit, pair: u64): bool {
  if (tcps.challenge_limit >= 0) {
    const now = getmicrouptime();
    if (now >= lim.until_us) challenge_period(lim, pair, now);
    if (lim.left <= 0) {
      tcpstat.challengelimit++;
      return false;
    }
    lim.left--;
  }
  tcpstat.challengeack++;
  return true;
}

/** RFC 5961 §3.2, §4.2, §5.2: an answer that only the true peer can turn into what it wants. */
export function tcp_challenge(tp: Tcpcb): void {
  const inp = tp.t_inpcb;
  if (tcp_challenge_allowed(tcp_limits(tp), tcp_limit_pair(inp.inp_faddr, inp.inp_fport, inp.inp_lport))) tcp_acknow(tp);
}

/** May a segment of `len` bytes (SYN and FIN count) that is not acceptable be answered? Data always: no loop is made of it. */
export function tcp_answer_allowed(lim: Tclimit, len: i32): bool {
  if (len > 0 || tcps.invalid_ratelimit == 0) return true;
  const now = getmicrouptime();
  if (lim.outside_us != 0 && now - lim.outside_us < <i64>tcps.invalid_ratelimit * 1000) {
    tcpstat.ackskipped++;
    return false;
  }
  lim.outside_us = now;
  return true;
}

export function tcp_outside_allowed(tp: Tcpcb, len: i32): bool {
  return tcp_answer_allowed(tcp_limits(tp), len);
}

/** Answer the segment under way, which is not acceptable, unless one like it was answered a moment ago. */
export function tcp_outside_ack(tp: Tcpcb): void {
  const seg = tcps.seg;
  const fin = (seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0;
  if (tcp_outside_allowed(tp, seg.ti_len + fin)) tcp_acknow(tp);
}
