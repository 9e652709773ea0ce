/**
 * Selective acknowledgment, the receiver's half: what of the stream has arrived beyond rcv_nxt, and what
 * has arrived twice. RFC 2018 §4, RFC 2883 §4.
 *
 *      t_sackblk:  | the block that grew last | the one before | … |      at most SACK_NBLK, no two touch
 *      on the wire:   [D-SACK]  newest  next …       3 blocks beside timestamps, else 4
 *
 * tcp_reass.ts says what it has kept (tcp_sack_rcv); the block is joined with those that it touches and
 * moves to the front, so that every block is repeated in several ACKs and the newest is always among
 * them. The list only says what is really queued: what tcp_reass drops is never reported. A duplicate is
 * reported once, in front of all (D-SACK), followed by the block around it, if there is one.
 *
 * Blocks travel in segments without data alone: while something is out of order an ACK goes by itself
 * before data does, so that a full segment stays full. Cost: O(SACK_NBLK) for a segment out of order,
 * nothing for one in order.
 */
import * as th from "./tcp";
import { tcpstat } from "./tcp_stat";
import { TF_SACK_PERMIT, Tcpcb } from "./tcp_var";

/** Blocks remembered: more than go on the wire, so that one that shrinks away uncovers an older one. */
const SACK_NBLK: i32 = 6;

function blk(tp: Tcpcb, i: i32): usize {
  return changetype<usize>(tp) + offsetof<Tcpcb>("t_sackblk0") + (<usize>i << 3);
}

/** [start, end) is queued: the newest block. Joined with those that it overlaps or touches. */
export function tcp_sack_rcv(tp: Tcpcb, start: u32, end: u32): void {
  if ((tp.t_flags & TF_SACK_PERMIT) == 0 || start == end) return;
  let n: i32 = 0;
  for (let i = 0; i < tp.t_nsackblk; i++) {
    const s = load<u32>(blk(tp, i));
    const e = load<u32>(blk(tp, i), 4);
    if (th.SEQ_LEQ(s, end) && th.SEQ_GEQ(e, start)) {
      start = th.SEQ_MIN(s, start);
      end = th.SEQ_MAX(e, end);
    } else if (n < SACK_NBLK - 1) {
      memory.copy(blk(tp, n), blk(tp, i), 8);
      n++;
    }
  }
  memory.copy(blk(tp, 1), blk(tp, 0), <usize>n << 3);
  store<u32>(blk(tp, 0), start);
  store<u32>(blk(tp, 0), end, 4);
  tp.t_nsackblk = n + 1;
}

/** [start, end) came again (RFC 2883 §4): the next ACK says so. The first of a segment's duplicates counts. */
export function tcp_sack_rcvdup(tp: Tcpcb, start: u32, end: u32): void {
  if ((tp.t_flags & TF_SACK_PERMIT) == 0 || tp.t_dsack_start != tp.t_dsack_end || start == end) return;
  tp.t_dsack_start = start;
  tp.t_dsack_end = end;
}

/** rcv_nxt has moved: what lies before it is acknowledged the plain way. */
export function tcp_sack_clean(tp: Tcpcb): void {
  let n: i32 = 0;
  for (let i = 0; i < tp.t_nsackblk; i++) {
    if (th.SEQ_LEQ(load<u32>(blk(tp, i), 4), tp.rcv_nxt)) continue;
    if (n != i) memory.copy(blk(tp, n), blk(tp, i), 8);
    n++;
  }
  tp.t_nsackblk = n;
}

/** Would an ACK carry blocks? */
export function tcp_sack_due(tp: Tcpcb): bool {
  return tp.t_nsackblk > 0 || tp.t_dsack_start != tp.t_dsack_end;
}

function put_block(p: usize, start: u32, end: u32): void {
  store<u32>(p, bswap<u32>(start));
  store<u32>(p, bswap<u32>(end), 4);
}

/** The block that holds `seq`; -1 if there is none. */
function block_around(tp: Tcpcb, seq: u32): i32 {
  for (let i = 0; i < tp.t_nsackblk; i++) {
    if (th.SEQ_LEQ(load<u32>(blk(tp, i)), seq) && th.SEQ_GT(load<u32>(blk(tp, i), 4), seq)) return i;
  }
  return -1;
}

/** Write the SACK option at `p`, aligned by two NOPs, into `room` bytes. Bytes written, 0 if nothing is due. */
export function tcp_sack_write(tp: Tcpcb, p: usize, room: i32): i32 {
  if (!tcp_sack_due(tp)) return 0;
  const most = (room - 4) >> 3;
  let n: i32 = 0;
  let first: i32 = -1;
  let at = p + 4;
  if (tp.t_dsack_start != tp.t_dsack_end) {
    put_block(at, tp.t_dsack_start, tp.t_dsack_end);
    // RFC 2883 §4: the block that the duplicate lies in comes second.
    first = block_around(tp, tp.t_dsack_start);
    tp.t_dsack_end = tp.t_dsack_start;
    tcpstat.dsack_send_blocks++;
    at += 8;
    n++;
  }
  for (let k = -1; k < tp.t_nsackblk && n < most; k++) {
    const i = k < 0 ? first : k;
    if (i < 0 || (k >= 0 && i == first)) continue;
    put_block(at, load<u32>(blk(tp, i)), load<u32>(blk(tp, i), 4));
    at += 8;
    n++;
  }
  tcpstat.sack_send_blocks += n;
  store<u16>(p, 0x0101);
  store<u8>(p, <u8>th.TCPOPT_SACK, 2);
  store<u8>(p, <u8>(2 + (n << 3)), 3);
  return <i32>(at - p);
}
