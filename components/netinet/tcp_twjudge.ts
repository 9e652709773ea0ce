/**
 * A segment arrives for a connection in TIME-WAIT: what to do, from what a vestige knows of it.
 *
 *      tcp_segment.ts ─ control block ─┐
 *                                      ├─▶ tcpw {rcv_nxt, wnd, snd_nxt, ts_recent} ─▶ judge ─▶ TWJ_…
 *      tcp_vtw.ts ───── vestige ───────┘
 *
 * One judge for both, so that a connection behaves alike before and after its block has gone (facts.md
 * §2.6 lists where NetBSD's two differ, and the replies that nobody can use). RFC 9293 §3.10.7.4 in its
 * order, with RFC 7323 §5 (PAWS), RFC 5961 (challenges), RFC 6191 (a new connection) and RFC 1337
 * (resets). It changes nothing; FIN-WAIT-2 of an orphan is here too, for it needs no more than this.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import * as th from "./tcp";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcpstat } from "./tcp_stat";
import { tcps } from "./tcp_var";

/** Nothing more. */
export const TWJ_DROP: i32 = 0;
/** <SEQ=snd_nxt><ACK=rcv_nxt><CTL=ACK>. */
export const TWJ_ACK: i32 = 1;
/** The same, as a challenge (RFC 5961). */
export const TWJ_CHALLENGE: i32 = 2;
/** The FIN again: the same, and 2 MSL from now. */
export const TWJ_RESTART: i32 = 3;
/** The peer has reset it: it is over. */
export const TWJ_DELETE: i32 = 4;
/** FIN-WAIT-2: data that nobody will read. A reset, and it is over (RFC 9293 §3.6.1 MUST-13 does not hold it). */
export const TWJ_RESET: i32 = 5;
/** FIN-WAIT-2: the FIN has come. Acknowledge it; TIME-WAIT from now. */
export const TWJ_FIN: i32 = 6;

/** What is known of the connection. */
@unmanaged
export class Tcpw {
  rcv_nxt: u32;
  /** Window last announced, bytes. */
  wnd: u32;
  snd_nxt: u32;
  ts_recent: u32;
  ts: bool;
  finwait2: bool;
}

export let tcpw: Tcpw = changetype<Tcpw>(0);

export function tcp_twjudge_boot(): void {
  tcpw = changetype<Tcpw>(kmem_alloc(offsetof<Tcpw>(), 8, "tcpw"));
}

/**
 * Is the segment a SYN that may begin a new connection here? RFC 6191 §2: its timestamp is newer, or
 * (equal timestamps, or none) its sequence number is above all that the old one used.
 */
export function tcp_tw_newer(): bool {
  const seg = tcps.seg;
  if (tcpw.finwait2 || (seg.ti_flags & (th.TH_SYN | th.TH_ACKF | th.TH_RST | th.TH_FIN)) != th.TH_SYN) return false;
  const to = tcpopt;
  if (tcpw.ts && (to.to_flags & TOF_TS) != 0 && to.to_tsval != tcpw.ts_recent) {
    return th.SEQ_GT(to.to_tsval, tcpw.ts_recent);
  }
  return th.SEQ_GT(seg.seg_seq, tcpw.rcv_nxt);
}

/** The verdict on the segment under way, TWJ_…. */
export function tcp_twjudge(): i32 {
  const seg = tcps.seg;
  const rst = (seg.ti_flags & th.TH_RST) != 0;
  const syn = (seg.ti_flags & th.TH_SYN) != 0;
  if (tcpw.ts && !rst) {
    // RFC 7323 §3.2: once negotiated, every segment has it. §5.3: an older one is a duplicate.
    if ((tcpopt.to_flags & TOF_TS) == 0) return TWJ_DROP;
    if (th.SEQ_LT(tcpopt.to_tsval, tcpw.ts_recent)) {
      tcpstat.pawsdrop++;
      return TWJ_ACK;
    }
  }
  // First: the sequence number.
  const len = <u32>seg.ti_len + ((seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0);
  const end = seg.seg_seq + len;
  const old = th.SEQ_LT(seg.seg_seq, tcpw.rcv_nxt);
  if (old && rst) return TWJ_DROP;
  if (old && syn) return TWJ_CHALLENGE;
  const right = tcpw.rcv_nxt + tcpw.wnd;
  const beyond = len == 0 ? tcp_tw_beyond(seg.seg_seq, right, rst || syn) : th.SEQ_GEQ(seg.seg_seq, right) && tcpw.wnd != 0;
  if (beyond) return rst ? TWJ_DROP : TWJ_ACK;
  if (rst) return tcp_tw_rst();
  if (syn) return TWJ_CHALLENGE;
  // None of it is in the window: answered, whatever it is. Else the ACK bit must be there.
  if ((seg.ti_flags & th.TH_ACKF) == 0) return old && th.SEQ_LEQ(end, tcpw.rcv_nxt) ? TWJ_ACK : TWJ_DROP;
  return tcpw.finwait2 ? tcp_fw2_judge(old, end) : tcp_tw_text(old, len, end);
}

/** A segment without a length lies beyond the window. At its very edge, only a bare ACK does not. */
function tcp_tw_beyond(seq: u32, right: u32, special: bool): bool {
  if (special && tcpw.wnd != 0) return th.SEQ_GEQ(seq, right);
  return th.SEQ_GT(seq, right);
}

/** Second: RST. RFC 5961 §3.2: only exactly at RCV.NXT; RFC 1337 §3 (F1): old or forged, not even then. */
function tcp_tw_rst(): i32 {
  if (tcps.seg.seg_seq != tcpw.rcv_nxt) {
    tcpstat.badrst++;
    return TWJ_CHALLENGE;
  }
  if (!tcpw.finwait2 && tcps.rfc1337 != 0) {
    tcpstat.twrstignored++;
    return TWJ_DROP;
  }
  return TWJ_DELETE;
}

/** Fifth to eighth: whatever it is, an ACK; but two ends must not answer each other's last ACK for ever. */
function tcp_tw_text(old: bool, len: u32, end: u32): i32 {
  const seg = tcps.seg;
  // RFC 9293 §3.10.7.4: "the only thing that can arrive … is a retransmission of the remote FIN".
  if ((seg.ti_flags & th.TH_FIN) != 0 && end == tcpw.rcv_nxt) return TWJ_RESTART;
  if (len == 0 && !old && seg.seg_seq == tcpw.rcv_nxt && seg.seg_ack == tcpw.snd_nxt) return TWJ_DROP;
  return TWJ_ACK;
}

/** FIN-WAIT-2 without an owner. */
function tcp_fw2_judge(old: bool, end: u32): i32 {
  const seg = tcps.seg;
  if (th.SEQ_GT(seg.seg_ack, tcpw.snd_nxt) || tcpw.snd_nxt - seg.seg_ack > th.TCP_MAXWIN) return TWJ_ACK;
  if (old && th.SEQ_LEQ(end, tcpw.rcv_nxt)) return TWJ_ACK;
  if (seg.ti_len > 0) {
    tcpstat.rcvafterclose++;
    return TWJ_RESET;
  }
  if ((seg.ti_flags & th.TH_FIN) == 0) return TWJ_DROP;
  return seg.seg_seq == tcpw.rcv_nxt ? TWJ_FIN : TWJ_ACK;
}
