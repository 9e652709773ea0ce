/**
 * Out-of-order segments: kept in sequence until the hole before them is filled.
 *
 *      rcv_nxt     t_segq ─m_nextpkt→            ─m_nextpkt→
 *         │ hole │ [seq, seq+len) │    hole    │ [seq, seq+len) FIN │      ph_priv0 = seq, ph_priv1 = flags
 *
 * Segments do not overlap: what is already held is trimmed off the newcomer, so no byte is kept twice
 * and the first copy wins (a later, different one cannot replace it).
 *
 * Bounds (the lesson of SegmentSmack, CVE-2018-5390): bytes by the receive window; pieces by
 * net.inet.tcp.reass.maxqueuelen a connection (more if they are half a segment long on average), which
 * bounds the work for a segment, and .maxtotal in all.
 * Adjacent pieces that fit are joined; a short one does not hold a cluster, it is copied into an mbuf.
 * The search looks at the end first, where the next one nearly always belongs.
 */
import { EXT_NONE, MHLEN, MNULL, Mbuf, m_freem, m_gethdr, m_scarce, m_trailingspace } from "../../kernel/net/mbuf";
import { m_adj, m_copydata, m_last } from "../../kernel/net/mbuf2";
import { SS_CANTRCVMORE, Socket } from "../../kernel/net/socket";
import { sbappendstream } from "../../kernel/net/sockbuf";
import { SEQ_GEQ, SEQ_GT, SEQ_LT, SEQ_MIN, TH_FIN } from "./tcp";
import { tcp_sack_clean, tcp_sack_rcv, tcp_sack_rcvdup } from "./tcp_sackrcv";
import { tcpstat } from "./tcp_stat";
import { Tcpcb, tcps } from "./tcp_var";

function seg_end(m: Mbuf): u32 {
  return m.ph_priv0 + <u32>m.ph_len;
}

/** `n` pieces more or fewer are held for `tp`. */
function reass_count(tp: Tcpcb, n: i32): void {
  tp.t_segq_len += n;
  tcps.reass_total += n;
  assert(tp.t_segq_len >= 0 && tcps.reass_total >= 0, "tcp_reass: count");
}

/** Forget everything queued. */
export function tcp_reass_flush(tp: Tcpcb): void {
  while (tp.t_segq) {
    const m = tp.t_segq;
    tp.t_segq = m.m_nextpkt;
    m_freem(m);
  }
  reass_count(tp, -tp.t_segq_len);
  tp.t_segq_last = MNULL;
  tp.t_segq_bytes = 0;
  tp.t_nsackblk = 0;
}

/** The last queued segment that begins at or before `seq`; null if there is none. */
function reass_before(tp: Tcpcb, seq: u32): Mbuf {
  const last = tp.t_segq_last;
  if (last && SEQ_GEQ(seq, last.ph_priv0)) return last;
  let prev = MNULL;
  for (let q = tp.t_segq; q && SEQ_GEQ(seq, q.ph_priv0); q = q.m_nextpkt) prev = q;
  return prev;
}

/** Drop or shorten queued segments that `m` (already trimmed at its front) covers. */
function reass_trim_after(tp: Tcpcb, m: Mbuf, prev: Mbuf): void {
  const end = seg_end(m);
  let q = prev ? prev.m_nextpkt : tp.t_segq;
  while (q && SEQ_GT(end, q.ph_priv0)) {
    const over = end - q.ph_priv0;
    tcp_sack_rcvdup(tp, q.ph_priv0, SEQ_MIN(end, seg_end(q)));
    if (over < <u32>q.ph_len) {
      // The queued bytes stay; the newcomer's copy of them goes, and a FIN that would lie before their end.
      m_adj(m, -<i32>over);
      m.ph_priv1 = 0;
      return;
    }
    tcpstat.rcvduppack++;
    const next = q.m_nextpkt;
    if ((q.ph_priv1 & TH_FIN) != 0) {
      // The stream ends there, whatever the newcomer says.
      m_adj(m, <i32>(seg_end(q) - seg_end(m)));
      m.ph_priv1 |= TH_FIN;
    }
    reass_count(tp, -1);
    tp.t_segq_bytes -= <u32>q.ph_len;
    if (tp.t_segq_last == q) tp.t_segq_last = prev;
    if (prev) prev.m_nextpkt = next;
    else tp.t_segq = next;
    m_freem(q);
    q = next;
  }
}

/** Join `m` to `prev` if it follows at once and its bytes fit behind: one piece fewer. */
function reass_join(tp: Tcpcb, prev: Mbuf, m: Mbuf): bool {
  if (!prev || seg_end(prev) != m.ph_priv0 || m.m_next) return false;
  const last = m_last(prev);
  if (m_trailingspace(last) < m.m_len) return false;
  memory.copy(last.m_data + last.m_len, m.m_data, m.m_len);
  last.m_len += m.m_len;
  prev.ph_len += m.m_len;
  prev.ph_priv1 |= m.ph_priv1;
  tp.t_segq_bytes += <u32>m.m_len;
  m_freem(m);
  return true;
}

/** `m`, or a copy of it that holds no cluster if it is short. */
function reass_compact(m: Mbuf): Mbuf {
  if (m.m_exttype == EXT_NONE || m.m_next || m.ph_len > MHLEN) return m;
  const n = m_gethdr();
  if (!n) return m;
  m_copydata(m, 0, m.ph_len, n.m_data);
  n.m_len = m.ph_len;
  n.ph_len = m.ph_len;
  n.ph_priv0 = m.ph_priv0;
  n.ph_priv1 = m.ph_priv1;
  m_freem(m);
  return n;
}

/** Too many pieces, and small ones? A large window may hold as many whole segments as fit in it. */
function reass_many(tp: Tcpcb): bool {
  return tp.t_segq_len >= tcps.reass_maxqueue && tp.t_segq_bytes < <u32>tp.t_segq_len * (tp.t_maxseg >> 1);
}

/** What comes next is always taken: it is what makes room. When memory is scarce only that is kept. */
function reass_full(tp: Tcpcb, seq: u32): bool {
  return seq != tp.rcv_nxt && (reass_many(tp) || tcps.reass_total >= tcps.reass_maxtotal || m_scarce());
}

/** Put `m` behind `prev` (null: first). */
function reass_insert(tp: Tcpcb, prev: Mbuf, m: Mbuf): void {
  reass_count(tp, 1);
  tp.t_segq_bytes += <u32>m.ph_len;
  m.m_nextpkt = prev ? prev.m_nextpkt : tp.t_segq;
  if (!m.m_nextpkt) tp.t_segq_last = m;
  if (prev) prev.m_nextpkt = m;
  else tp.t_segq = m;
}

/**
 * Queue the payload `m` (a packet, ph_len bytes from sequence `seq`, `flags` with or without FIN).
 * Consumes it. It must lie within the receive window and beyond rcv_nxt.
 */
export function tcp_reass(tp: Tcpcb, m: Mbuf, seq: u32, flags: i32): void {
  m.ph_priv0 = seq;
  m.ph_priv1 = flags & TH_FIN;
  const last = seg_end(m) + (m.ph_priv1 != 0 ? 1 : 0);
  tcpstat.rcvoopack++;
  tcpstat.rcvoobyte += <u64>m.ph_len;
  const prev = reass_before(tp, seq);
  if (prev) {
    const end = seg_end(prev);
    if (SEQ_GT(end, seq)) {
      const over = end - seq;
      tcp_sack_rcvdup(tp, seq, SEQ_MIN(end, seg_end(m)));
      if (over >= <u32>m.ph_len) {
        tcp_sack_rcv(tp, seq, seg_end(m));
        // All of it is there already; a FIN at the same place may be news.
        if (over == <u32>m.ph_len) prev.ph_priv1 |= m.ph_priv1;
        tcpstat.rcvduppack++;
        tcpstat.rcvdupbyte += <u64>m.ph_len;
        m_freem(m);
        return;
      }
      tcpstat.rcvpartduppack++;
      m_adj(m, <i32>over);
      m.ph_priv0 = end;
    }
  }
  // Nothing comes after a FIN.
  if (prev && (prev.ph_priv1 & TH_FIN) != 0) {
    m_freem(m);
    return;
  }
  reass_trim_after(tp, m, prev);
  if (m.ph_len == 0 && m.ph_priv1 == 0) {
    m_freem(m);
    return;
  }
  if (reass_join(tp, prev, m)) {
    tcp_sack_rcv(tp, seq, last);
    return;
  }
  if (reass_full(tp, seq)) {
    tcpstat.rcvoodrop++;
    m_freem(m);
    return;
  }
  tcp_sack_rcv(tp, seq, last);
  reass_insert(tp, prev, reass_compact(m));
}

/** Hand over what is now in order: advances rcv_nxt. TH_FIN if the peer's FIN is reached, else 0. */
export function tcp_reass_present(tp: Tcpcb, so: Socket): i32 {
  let fin: i32 = 0;
  while (tp.t_segq && !SEQ_LT(tp.rcv_nxt, tp.t_segq.ph_priv0)) {
    const m = tp.t_segq;
    const len = <u32>m.ph_len;
    const flags = m.ph_priv1;
    tp.t_segq = m.m_nextpkt;
    if (!tp.t_segq) tp.t_segq_last = MNULL;
    reass_count(tp, -1);
    tp.t_segq_bytes -= len;
    m.m_nextpkt = MNULL;
    const end = seg_end(m);
    if (SEQ_GT(end, tp.rcv_nxt)) {
      m_adj(m, <i32>(tp.rcv_nxt - m.ph_priv0));
      if ((so.so_state & SS_CANTRCVMORE) != 0) m_freem(m);
      else sbappendstream(so.so_rcv, m);
      tp.rcv_nxt = end;
    } else {
      m_freem(m);
    }
    if ((flags & TH_FIN) != 0) {
      fin = TH_FIN;
      tcp_reass_flush(tp);
      break;
    }
  }
  if (tp.t_nsackblk > 0) tcp_sack_clean(tp);
  return fin;
}
