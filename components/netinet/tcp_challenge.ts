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

/** Begin a period: its length and its tokens, half to one and a half of what the sysctls say. */
function challenge_period(tp: Tcpcb, now: i64): void {
  const inp = tp.t_inpcb;
  const pair = (<u64>inp.inp_faddr << 32) | <u64>((inp.inp_fport << 16) | inp.inp_lport);
  // 0x5961 keeps it apart from the hashes of ISS and timestamps under the same key.
  const h = siphash13_2(tcps.secret + 16, pair, (<u64>0x5961 << 32) | <u64>++tp.t_challenge_period);
  const span = <i64>tcps.challenge_us;
  const limit = <u32>tcps.challenge_limit;
  tp.t_challenge_until_us = now + (span * 3 >> 2) + ((span >> 1) * <i64>(h >>> 40) >> 24);
  tp.t_challenge_left = limit == 0 ? 0 : <i32>((limit + 1) / 2 + <u32>h % (limit + 1));
}

/** RFC 5961 §3.2, §4.2, §5.2: an answer that only the true peer can turn into what it wants. */
export function tcp_challenge(tp: Tcpcb): void {
  if (tcps.challenge_limit >= 0) {
    const now = getmicrouptime();
    if (now >= tp.t_challenge_until_us) challenge_period(tp, now);
    if (tp.t_challenge_left <= 0) {
      tcpstat.challengelimit++;
      return;
    }
    tp.t_challenge_left--;
  }
  tcpstat.challengeack++;
  tcp_acknow(tp);
}

/** May a segment of `len` bytes (SYN and FIN count) that is not acceptable be answered? Data always: no loop is made of it. */
export function tcp_outside_allowed(tp: Tcpcb, len: i32): bool {
  if (len > 0 || tcps.invalid_ratelimit == 0) return true;
  const now = getmicrouptime();
  if (tp.t_outside_us != 0 && now - tp.t_outside_us < <i64>tcps.invalid_ratelimit * 1000) {
    tcpstat.ackskipped++;
    return false;
  }
  tp.t_outside_us = now;
  return true;
}

/** Answer the segment under way, which is not acceptable, unless one like it was answered a moment ago. */
export function tcp_outside_ack(tp: Tcpcb): void {
  const seg = tcps.seg;
  const fin = (seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0;
  if (tcp_outside_allowed(tp, seg.ti_len + fin)) tcp_acknow(tp);
}
