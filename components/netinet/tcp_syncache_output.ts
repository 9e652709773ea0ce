/**
 * What the SYN cache sends, and its timer.
 *
 *      SYN,ACK   <SEQ=ISS><ACK=IRS+1><CTL=SYN,ACK>, options as agreed; again after 1, 2, 4 … 60 s
 *      ACK       <SEQ=ISS+1><ACK=IRS+1><CTL=ACK>: a challenge
 *      RST       <SEQ=ISS+1><ACK=IRS+1><CTL=RST,ACK>: nobody will accept it, or it took too long
 *
 * There is no control block, so a segment is written from an entry, with TTL, TOS and TCP_MAXSEG of the
 * listener. RFC 9293 §3.8.3 MUST-23: seven times again, over three minutes (R2 of a SYN).
 */
import { IPPROTO_TCP } from "../../kernel/abi/inet";
import { getmicrouptime } from "../../kernel/kern/clock";
import { MAX_LINKHDR, m_gethdr } from "../../kernel/net/mbuf";
import { rtalloc4 } from "rump/route";
import { Inpcb } from "./in_pcb";
import { IP_HDRLEN } from "./ip";
import { ip_output } from "./ip_output";
import * as th from "./tcp";
import { IPTOS_ECN_MASK } from "./tcp_ecn";
import { tcp_ourmss_by } from "./tcp_mtu";
import { tcp_synoptions, tcp_tsoption } from "./tcp_options";
import { tcpstat } from "./tcp_stat";
import { tcp_header, tcp_setcsum } from "./tcp_subr";
import {
  SCF_ACKED, SCF_COOKIE, SCF_ECN, SCF_SACK, SCF_SCALE, SCF_TS, Syncache, syn_cache_next, syn_cache_nextdue, syn_cache_remove, syn_cache_unwait,
  syn_cache_wait, syncs,
} from "./tcp_syncache";
import { syncookie_tsval } from "./tcp_syncookie";
import { TCP_MAXSYNSHIFT } from "./tcp_timer";
import { Tcpcb } from "./tcp_var";
import { callout_schedule } from "../../kernel/kern/callout";

/** Entries that one run of the timer looks at: the rest in the next, so that others have a turn. */
const BATCH: i32 = 64;
/** Challenge ACKs between two runs of an entry's timer (RFC 5961 §7). */
const CHALLENGES_MAX: u8 = 10;

/** Our timestamp clock for this connection. */
function sc_ticks(sc: Syncache): u32 {
  return <u32>(getmicrouptime() / 1000) + sc.sc_tsoffset;
}

/** Options of a SYN,ACK at `p`; their length. */
function sc_synoptions(sc: Syncache, p: usize): i32 {
  const flags = <u32>sc.sc_flags;
  const linp = sc.sc_lp.t_inpcb;
  const mss = tcp_ourmss_by(rtalloc4(sc.sc_faddr, sc.sc_laddr, linp.inp_tos, 0), sc.sc_lp.t_usermss);
  const scale = (flags & SCF_SCALE) != 0 ? <i32>sc.sc_rcvscale : -1;
  const ts = sc_ticks(sc);
  const tsval = (flags & SCF_COOKIE) != 0 ? syncookie_tsval(sc, ts) : ts;
  return tcp_synoptions(p, mss, scale, (flags & SCF_SACK) != 0, (flags & SCF_TS) != 0, tsval, sc.sc_tsrecent);
}

/** Write and send a segment of the connection that `sc` is to become. Lost silently without memory. */
function sc_send(sc: Syncache, flags: i32): void {
  const m = m_gethdr(MAX_LINKHDR + IP_HDRLEN);
  if (!m) {
    tcpstat.sndnobufs++;
    return;
  }
  const syn = (flags & th.TH_SYN) != 0;
  const opt = m.m_data + th.TCP_HDRLEN;
  const ts = (sc.sc_flags & SCF_TS) != 0;
  let optlen = 0;
  if (syn) optlen = sc_synoptions(sc, opt);
  else if (ts) optlen = tcp_tsoption(opt, sc_ticks(sc), sc.sc_tsrecent);
  // RFC 7323 §2.2: the window of a SYN is never scaled.
  const scale: u32 = !syn && (sc.sc_flags & SCF_SCALE) != 0 ? sc.sc_rcvscale : 0;
  const win = (flags & th.TH_RST) != 0 ? 0 : <u32>sc.sc_win >> scale;
  tcp_header(m, sc.sc_lport, sc.sc_fport, syn ? sc.sc_iss : sc.sc_iss + 1, sc.sc_irs + 1, flags, win, optlen);
  tcp_setcsum(m, sc.sc_laddr, sc.sc_faddr, m.ph_len);
  tcpstat.sndtotal++;
  if ((flags & th.TH_RST) != 0) tcpstat.sndrst++;
  else tcpstat.sndctrl++;
  const linp = sc.sc_lp.t_inpcb;
  ip_output(m, changetype<Inpcb>(0), sc.sc_laddr, sc.sc_faddr, IPPROTO_TCP, linp.inp_ttl, linp.inp_tos & ~IPTOS_ECN_MASK, true);
}

/** The SYN,ACK (RFC 9293 §3.10.7.2). */
export function syn_cache_respond(sc: Syncache): void {
  sc.sc_sent = <u32>getmicrouptime();
  // RFC 3168 §6.1.1: ECE alone agrees to ECN.
  sc_send(sc, th.TH_SYN | th.TH_ACKF | ((sc.sc_flags & SCF_ECN) != 0 ? th.TH_ECE : 0));
}

/** <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>: to what is not acceptable, and as a challenge (RFC 5961); limited for each entry. */
export function syn_cache_acknow(sc: Syncache): void {
  if (sc.sc_challenges >= CHALLENGES_MAX) return;
  sc.sc_challenges++;
  sc_send(sc, th.TH_ACKF);
}

/** End it and tell the peer. */
export function syn_cache_abort(sc: Syncache): void {
  sc_send(sc, th.TH_RST | th.TH_ACKF);
  syn_cache_remove(sc);
}

/** One entry whose time has come: the SYN,ACK again, or the end. */
function sc_expired(sc: Syncache): void {
  if (<i32>sc.sc_rxtshift >= TCP_MAXSYNSHIFT) {
    // RFC 9293 §3.8.3 R2. A reset, because the peer may think that it is connected: its ACK was lost or refused.
    tcpstat.sc_timed_out++;
    syn_cache_abort(sc);
    return;
  }
  syn_cache_unwait(sc);
  // TCP_DEFER_ACCEPT: it has been answered; only data is missing. The last time asks whether the peer is there still.
  const quiet = (sc.sc_flags & SCF_ACKED) != 0 && <i32>sc.sc_rxtshift < sc.sc_lp.t_defer - 1;
  sc.sc_rxtshift++;
  sc.sc_challenges = 0;
  syn_cache_wait(sc);
  if (quiet) return;
  tcpstat.sc_retransmitted++;
  syn_cache_respond(sc);
}

/** The callout: everything that is due, at most BATCH at a time. */
export function syn_cache_timer(arg: usize): void {
  for (let i = 0; i < BATCH; i++) {
    const sc = syn_cache_nextdue();
    if (!sc) return;
    sc_expired(sc);
  }
  callout_schedule(syncs.callout, 1);
}

/** Listener `lp` closes: what it would have accepted is reset (RFC 9293 §3.10.4). O(entries). */
export function syn_cache_cleanup(lp: Tcpcb): void {
  let sc = syn_cache_next(changetype<Syncache>(0));
  while (sc) {
    const next = syn_cache_next(sc);
    if (sc.sc_lp == lp) {
      tcpstat.sc_aborted++;
      syn_cache_abort(sc);
    }
    sc = next;
  }
}
