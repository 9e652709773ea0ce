/**
 * Selective acknowledgment, the sender's half: what an ACK says has been delivered (RFC 2018 §5, RFC 6675
 * §5, D-SACK by RFC 2883 §5).
 *
 *      tcp_sack_input(tp)    the blocks of the segment under way → records marked SACKED, D-SACK noted
 *      tcp_sack_cumack(tp)   the cumulative acknowledgment       → records freed
 *
 * Both tell RACK of each record when it is delivered, and sum up in tcps.del what the recovery
 * algorithms ask of one ACK. Blocks outside [SEG.ACK, snd_max] are ignored (RFC 2018 does not say so; a
 * peer that lies harms only itself). A block seen in the last ACK is not looked at again, and one that
 * has grown only where it has: a long train of ACKs over many holes costs the change, not the flight
 * (the lesson of SACK slowness, CVE-2019-11478). At worst an ACK walks all records of its connection.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import * as th from "./tcp";
import { TOF_SACK, tcpopt } from "./tcp_options";
import { tcp_rack_delivered } from "./tcp_rack";
import { SENT_EVER, SENT_LOST, SENT_SACKED, Tcpdelivery, Tcpsent } from "./tcp_scoreboard";
import { SNULL, sent_free, sent_lose, sent_sack, sent_split, sent_trim, sent_unmark, tcp_sent_active } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import { tcp_undo_dsack } from "./tcp_undo";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

export function tcp_sack_boot(): void {
  tcps.del = changetype<Tcpdelivery>(kmem_alloc(offsetof<Tcpdelivery>(), 8, "tcp"));
}

/** Record `r` (not SACKED before) has reached the peer. */
function sack_deliver(tp: Tcpcb, r: Tcpsent, len: u32): void {
  const d = tcps.del;
  d.delivered += len;
  if ((r.flags & SENT_EVER) == 0) {
    if (d.rtt_us < 0) d.rtt_us = max<i64>(getmicrouptime() - r.xmit_us, 0);
    if ((tp.t_sackflags & v.TSF_LOSS) != 0 && th.SEQ_LEQ(r.end, tp.recover)) d.orig = true;
  }
  tcp_rack_delivered(tp, r);
}

/** The record that holds `seq`, looked for from where the last search ended. */
function sack_find(tp: Tcpcb, seq: u32): Tcpsent {
  let r = tp.t_sack_hint ? tp.t_sack_hint : tp.t_sent_last;
  while (r && r.prev && th.SEQ_GT(r.start, seq)) r = r.prev;
  while (r && th.SEQ_LEQ(r.end, seq)) r = r.next;
  return r;
}

/** Those segments of `r` that lie in [s, e) whole: a record of its own by now, or null. */
function sack_cut(tp: Tcpcb, r: Tcpsent, s: u32, e: u32): Tcpsent {
  const lo = th.SEQ_LEQ(s, r.start) ? r.start : r.start + (s - r.start + r.mss - 1) / r.mss * r.mss;
  const hi = th.SEQ_GEQ(e, r.end) ? r.end : r.start + (e - r.start) / r.mss * r.mss;
  if (th.SEQ_GEQ(lo, hi)) return SNULL;
  if (lo != r.start) {
    r = sent_split(tp, r, lo);
    if (!r) return r;
  }
  if (hi != r.end && !sent_split(tp, r, hi)) return SNULL;
  return r;
}

/** The peer holds [s, e). */
function sack_block(tp: Tcpcb, s: u32, e: u32): void {
  let r = sack_find(tp, s);
  while (r && th.SEQ_LT(r.start, e)) {
    tp.t_sack_hint = r;
    if ((r.flags & SENT_SACKED) == 0) {
      const cut = sack_cut(tp, r, s, e);
      if (cut) {
        r = cut;
        sack_deliver(tp, r, r.end - r.start);
        tcps.del.sacked += r.end - r.start;
        sent_sack(tp, r);
      }
    }
    r = r.next;
  }
}

function prev_block(tp: Tcpcb, i: i32): usize {
  return changetype<usize>(tp) + offsetof<Tcpcb>("t_sackprev0") + (<usize>i << 3);
}

/** Where in [s, e) to begin, given the last ACK's blocks: `e` if all of it is known. */
function sack_news(tp: Tcpcb, s: u32, e: u32): u32 {
  for (let i = 0; i < tp.t_nsackprev; i++) {
    const ps = load<u32>(prev_block(tp, i));
    const pe = load<u32>(prev_block(tp, i), 4);
    if (th.SEQ_LT(s, ps) || th.SEQ_GEQ(s, pe)) continue;
    if (th.SEQ_LEQ(e, pe)) return e;
    // From a segment before the old end, which may have lain inside one.
    const back = min(pe - s, tp.t_maxseg << 1);
    return pe - back;
  }
  return s;
}

/** RFC 2883 §5: is the first block a D-SACK: below the cumulative acknowledgment, or inside the second? */
function sack_dsack(tp: Tcpcb, s: u32, e: u32): bool {
  const to = tcpopt;
  let dup = th.SEQ_LEQ(e, tcps.seg.seg_ack);
  if (!dup && to.to_nsacks > 1) {
    const s2 = bswap<u32>(load<u32>(to.to_sacks, 8));
    const e2 = bswap<u32>(load<u32>(to.to_sacks, 12));
    dup = th.SEQ_GEQ(s, s2) && th.SEQ_LEQ(e, e2);
  }
  if (!dup || th.SEQ_GT(e, tp.snd_max) || th.SEQ_LT(s, tp.snd_una - tp.max_sndwnd)) return dup;
  tcps.del.dsack = true;
  tcps.del.dsack_start = s;
  tcps.del.dsack_end = e;
  tcpstat.dsack_count++;
  tcpstat.dsack_bytes += <u64>(e - s);
  return true;
}

/** An acceptable ACK has come: its SACK option. SEG.ACK is within [snd_una, snd_max]; snd_una has not moved yet. */
export function tcp_sack_input(tp: Tcpcb): void {
  const d = tcps.del;
  d.active = tcp_sent_active(tp);
  d.fack = tp.rack_fack;
  d.dsack = false;
  d.orig = false;
  d.sacked = 0;
  d.delivered = 0;
  d.rtt_us = -1;
  d.xmit_us = -1;
  const to = tcpopt;
  if ((to.to_flags & TOF_SACK) == 0 || !d.active) return;
  const ack = tcps.seg.seg_ack;
  tcpstat.sack_rcv_blocks += to.to_nsacks;
  const lost = tcpstat.sack_sboverflow;
  for (let i = 0; i < to.to_nsacks; i++) {
    const p = to.to_sacks + (<usize>i << 3);
    let s = bswap<u32>(load<u32>(p));
    const e = bswap<u32>(load<u32>(p, 4));
    if (!th.SEQ_LT(s, e)) continue;
    if (i == 0 && sack_dsack(tp, s, e)) continue;
    if (th.SEQ_LT(s, ack) || th.SEQ_GT(e, tp.snd_max)) continue;
    s = sack_news(tp, s, e);
    if (s != e) sack_block(tp, s, e);
  }
  tp.t_nsackprev = 0;
  // Unless one could not be marked for want of a record: then all is looked at again.
  if (tcpstat.sack_sboverflow == lost) sack_remember(tp);
  if (d.dsack) tcp_undo_dsack(tp, d.dsack_start, d.dsack_end);
}

function sack_remember(tp: Tcpcb): void {
  const to = tcpopt;
  const n = min(to.to_nsacks, 4);
  for (let i = tcps.del.dsack ? 1 : 0; i < n; i++) {
    const p = to.to_sacks + (<usize>i << 3);
    const at = prev_block(tp, tp.t_nsackprev++);
    store<u32>(at, bswap<u32>(load<u32>(p)));
    store<u32>(at, bswap<u32>(load<u32>(p, 4)), 4);
  }
}

/** Everything up to `ack` is acknowledged: its records go. */
export function tcp_sack_cumack(tp: Tcpcb, ack: u32): void {
  let r = tp.t_sent_first;
  while (r && th.SEQ_LEQ(r.end, ack)) {
    if ((r.flags & SENT_SACKED) == 0) sack_deliver(tp, r, r.end - r.start);
    sent_free(tp, r);
    r = tp.t_sent_first;
  }
  if (!r || th.SEQ_GEQ(r.start, ack)) return;
  if ((r.flags & SENT_SACKED) == 0) {
    // Only what lies before `ack` was.
    const end = r.end;
    r.end = ack;
    sack_deliver(tp, r, ack - r.start);
    r.end = end;
  }
  sent_trim(tp, r, ack);
}

/**
 * The retransmission timer ran out. RFC 2018 §8: a peer whose head of the queue is "SACKed" although it
 * acknowledges nothing has taken its word back: all marks go. What is lost: the first segment, and what
 * has been out for longer than RACK would wait (RFC 8985 §6.3); `wait_us` is that time.
 */
export function tcp_sack_timeout(tp: Tcpcb, wait_us: i64): void {
  const reneged = (tp.t_sent_first.flags & SENT_SACKED) != 0;
  if (reneged) {
    tcpstat.sack_reneged++;
    tp.t_nsackprev = 0;
  }
  const now = getmicrouptime();
  for (let r = tp.t_sent_first; r; r = r.next) {
    if (reneged && (r.flags & SENT_SACKED) != 0) sent_unmark(tp, r);
    if ((r.flags & SENT_SACKED) != 0) continue;
    if (reneged || r == tp.t_sent_first || now - r.xmit_us >= wait_us || (r.flags & SENT_LOST) != 0) sent_lose(tp, r);
  }
}
