/**
 * A segment arrives for a connection that is being made (RFC 9293 §3.10.7.4, SYN-RECEIVED, passive OPEN).
 *
 *      SYN            → entry, SYN,ACK        the same SYN again → the SYN,ACK again
 *      RST at RCV.NXT → gone                  elsewhere in the window → challenge ACK (RFC 5961 §3.2)
 *      SYN in the window → gone               not acceptable → <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>
 *      ACK of the SYN → a socket and a control block, which then takes the segment, data and FIN included
 *      another ACK    → <SEQ=SEG.ACK><CTL=RST>, the entry stays
 *
 * The connection is made only if the listener's queue has room for it; else the ACK is dropped, and the
 * SYN,ACK, sent again, asks for another. With TCP_DEFER_ACCEPT an ACK without data is not enough until the
 * listener's time is over.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { soqroom } from "../../kernel/net/socket";
import * as th from "./tcp";
import { tcp_passive_open } from "./tcp_listen";
import { tcp_ecn_asked } from "./tcp_ecn";
import { TOF_MSS, TOF_SACKPERM, TOF_SCALE, TOF_TS, tcpopt } from "./tcp_options";
import { tcp_segment_input } from "./tcp_segment";
import { tcpstat } from "./tcp_stat";
import { TCPE_NEEDFRAG, TCPE_REFUSED, tcp_dropwithreset, tcp_iss, tcp_isshash, tcp_tsoffset } from "./tcp_subr";
import * as c from "./tcp_syncache";
import { Syncache, syn_cache_insert, syn_cache_lookup, syn_cache_remove, syn_cache_wait, syncs } from "./tcp_syncache";
import { syn_cache_acknow, syn_cache_respond } from "./tcp_syncache_output";
import { syncookie_check, syncookie_make } from "./tcp_syncookie";
import { tcp_rcvscale_of } from "./tcp_usrreq";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

/** The scratch entry with the 4-tuple of the segment under way, for listener `lp`. */
function sc_fromseg(lp: Tcpcb): Syncache {
  const seg = tcps.seg;
  const sc = syncs.scratch;
  memory.fill(changetype<usize>(sc), 0, offsetof<Syncache>());
  sc.sc_faddr = seg.src;
  sc.sc_laddr = seg.dst;
  sc.sc_fport = <u16>seg.sport;
  sc.sc_lport = <u16>seg.dport;
  sc.sc_lp = lp;
  const so = lp.t_inpcb.inp_so;
  sc.sc_win = <u16>min(so.so_rcv.sb_hiwat, th.TCP_MAXWIN);
  sc.sc_rcvscale = <u8>tcp_rcvscale_of(so);
  return sc;
}

/** What the SYN under way offers and `lp` wants: RFC 7323 §2.2, §3.2, RFC 2018 §2, RFC 3168 §6.1.1. */
function sc_options(sc: Syncache, lp: Tcpcb): void {
  const to = tcpopt;
  let flags: u32 = 0;
  if ((to.to_flags & TOF_MSS) != 0) {
    flags |= c.SCF_MSS;
    sc.sc_peermss = <u16>to.to_mss;
  }
  if ((to.to_flags & TOF_SCALE) != 0 && (lp.t_flags & v.TF_REQ_SCALE) != 0) {
    flags |= c.SCF_SCALE;
    sc.sc_sndscale = <u8>to.to_wscale;
  }
  if ((to.to_flags & TOF_TS) != 0 && (lp.t_flags & v.TF_REQ_TSTMP) != 0) {
    flags |= c.SCF_TS;
    sc.sc_tsrecent = to.to_tsval;
  }
  if ((to.to_flags & TOF_SACKPERM) != 0 && (lp.t_flags & v.TF_REQ_SACK) != 0) flags |= c.SCF_SACK;
  if (tcp_ecn_asked()) flags |= c.SCF_ECN;
  sc.sc_flags = <u16>flags;
}

/** A SYN for listener `lp`, checked: remember it, or say it in a cookie, and answer. Its data is not kept: the peer sends it again. */
export function syn_cache_add(lp: Tcpcb): void {
  const seg = tcps.seg;
  const from = sc_fromseg(lp);
  sc_options(from, lp);
  from.sc_irs = seg.seg_seq;
  from.sc_peerwnd = <u16>seg.seg_wnd_raw;
  const h = tcp_isshash(seg.dst, seg.dport, seg.src, seg.sport);
  from.sc_iss = tcp_iss(h);
  from.sc_tsoffset = tcp_tsoffset(h);
  // What takes the place of a connection in TIME-WAIT must begin beyond it, which no cookie can.
  const cookies = syncs.syncookies != 0 && !tcps.iss_floored;
  const sc = cookies && syncs.syncookies == 2 ? changetype<Syncache>(0) : syn_cache_insert(from, !cookies);
  if (sc) {
    syn_cache_wait(sc);
    syn_cache_respond(sc);
  } else {
    syncookie_make(from);
    syn_cache_respond(from);
  }
}

/** An ACK for listener `lp` that belongs to nothing: true if it brought a cookie back, and was dealt with. */
export function syn_cache_cookie(lp: Tcpcb): bool {
  const sc = sc_fromseg(lp);
  if ((tcps.seg.ti_flags & th.TH_SYN) != 0 || !syncookie_check(sc, lp)) return false;
  if (!soqroom(lp.t_inpcb.inp_so)) tcpstat.listendrop++;
  else if (!sc_complete(sc)) tcpstat.sc_aborted++;
  return true;
}

/** Make the connection and let it have the segment. False without a socket or control block. */
function sc_complete(sc: Syncache): bool {
  const tp = tcp_passive_open(sc.sc_lp, sc);
  if (!tp) return false;
  if ((sc.sc_flags & c.SCF_COOKIE) == 0) syn_cache_remove(sc);
  tcpstat.sc_completed++;
  const seg = tcps.seg;
  seg.seg_wnd = seg.seg_wnd_raw << <u32>tp.snd_scale;
  tcp_segment_input(tp);
  return true;
}

/** RST: only exactly at RCV.NXT it ends the attempt; the listener stays as it is (RFC 9293 §3.10.7.4, second). */
function sc_rst(sc: Syncache): void {
  const off = tcps.seg.seg_seq - (sc.sc_irs + 1);
  if (off == 0) {
    tcpstat.sc_reset++;
    syn_cache_remove(sc);
  } else if (off < <u32>sc.sc_win) {
    tcpstat.challengeack++;
    syn_cache_acknow(sc);
  }
}

/** RFC 7323 §5.3 R1, §3.2: false if the segment's timestamp is missing (silently) or too old (an ACK). */
function sc_paws(sc: Syncache): bool {
  if ((sc.sc_flags & c.SCF_TS) == 0) return true;
  if ((tcpopt.to_flags & TOF_TS) == 0) return false;
  if (!th.SEQ_LT(tcpopt.to_tsval, sc.sc_tsrecent)) return true;
  tcpstat.pawsdrop++;
  syn_cache_acknow(sc);
  return false;
}

/** The SYN again, evidently because our answer was lost: once more, the timer runs on. */
function sc_dupsyn(sc: Syncache): void {
  tcpstat.sc_dupesyn++;
  sc.sc_flags |= <u16>c.SCF_AGAIN;
  const ts = (sc.sc_flags & c.SCF_TS) != 0 && (tcpopt.to_flags & TOF_TS) != 0;
  if (ts && th.SEQ_GEQ(tcpopt.to_tsval, sc.sc_tsrecent)) sc.sc_tsrecent = tcpopt.to_tsval;
  syn_cache_respond(sc);
}

/** First: does any of it lie in the window (RFC 9293 §3.10.7.4)? */
function sc_acceptable(sc: Syncache): bool {
  const seg = tcps.seg;
  const fin = (seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0;
  const off = <i32>(seg.seg_seq - (sc.sc_irs + 1));
  const len = seg.ti_len + fin;
  // A bare ACK at the right edge too: its sender has filled the window.
  const edge = (seg.ti_flags & th.TH_SYN) != 0 ? 0 : 1;
  if (len == 0) return off >= 0 && off < <i32>sc.sc_win + edge;
  return off < <i32>sc.sc_win && off + len > 0;
}

/** TCP_DEFER_ACCEPT: an ACK with nothing behind it is noted, and waited on. True if it was. */
function sc_defer(sc: Syncache): bool {
  const seg = tcps.seg;
  if (<i32>sc.sc_rxtshift >= sc.sc_lp.t_defer || seg.ti_len > 0 || (seg.ti_flags & th.TH_FIN) != 0) return false;
  sc.sc_flags |= <u16>c.SCF_ACKED;
  tcpstat.sc_deferred++;
  return true;
}

/** A segment for entry `sc`: the checks of RFC 9293 §3.10.7.4 in their order. */
export function syn_cache_segment(sc: Syncache): void {
  const seg = tcps.seg;
  if ((seg.ti_flags & th.TH_RST) != 0) {
    sc_rst(sc);
    return;
  }
  const acked = (seg.ti_flags & th.TH_ACKF) != 0;
  const first = (seg.ti_flags & th.TH_SYN) != 0 && seg.seg_seq == sc.sc_irs;
  if (first && !acked) {
    sc_dupsyn(sc);
    return;
  }
  if (!sc_paws(sc)) return;
  if (!first && !sc_acceptable(sc)) {
    syn_cache_acknow(sc);
    return;
  }
  if (!first && (seg.ti_flags & th.TH_SYN) != 0) {
    // Fourth: a passive OPEN returns to LISTEN.
    tcpstat.sc_reset++;
    syn_cache_remove(sc);
    return;
  }
  if (!acked) return;
  // Fifth: SND.UNA < SEG.ACK =< SND.NXT, and only our SYN is between them.
  if (seg.seg_ack != sc.sc_iss + 1) {
    tcp_dropwithreset();
    return;
  }
  if (sc_defer(sc)) return;
  if (!soqroom(sc.sc_lp.t_inpcb.inp_so)) {
    tcpstat.listendrop++;
    return;
  }
  if (!sc_complete(sc)) tcpstat.sc_aborted++;
}

/**
 * ICMP speaks of a SYN,ACK of ours (the arguments are tcp_ctlinput's). RFC 5927 §4.1: only if it quotes the
 * sequence number of that SYN,ACK. Port or protocol unreachable ends the attempt; the others when they come
 * again after the third retransmission, for a route may come back (RFC 9293 §3.9.2.2 MUST-56, RFC 5461 §4).
 */
export function syn_cache_unreach(what: i32, laddr: u32, lport: u32, faddr: u32, fport: u32, seq: u32): void {
  const sc = syn_cache_lookup(laddr, lport, faddr, fport);
  if (!sc || seq != sc.sc_iss || what == TCPE_NEEDFRAG) return;
  if (what != TCPE_REFUSED && ((sc.sc_flags & c.SCF_UNREACH) == 0 || sc.sc_rxtshift < 3)) {
    sc.sc_flags |= <u16>c.SCF_UNREACH;
    return;
  }
  tcpstat.sc_unreach++;
  syn_cache_remove(sc);
}

/** When the SYN,ACK of `sc` was sent, µs of uptime, if that times the round trip; else 0. */
export function syn_cache_senttime(sc: Syncache): i64 {
  if (sc.sc_rxtshift != 0 || (sc.sc_flags & (c.SCF_AGAIN | c.SCF_COOKIE)) != 0) return 0;
  const now = getmicrouptime();
  return now - <i64>(<u32>now - sc.sc_sent);
}
