/**
 * TCP output: what may be sent now, and the segments that carry it.
 *
 *      so_snd:  |← snd_una … snd_nxt →|← may go: min(snd_wnd, cwnd) →|  … sb_cc
 *                    in flight              one segment, or up to 64 KiB for a link that segments
 *
 * tcp_output asks tcp_decide, in the order of RFC 9293 §3.8.6.2 (silly window avoidance, Nagle,
 * window updates), builds a segment and asks again until there is nothing to send. The header is one
 * mbuf; the payload is a reference into the socket buffer, never a copy (small ones excepted).
 * Every segment carries <ACK=rcv_nxt> and the window; what is sent is remembered by sequence numbers
 * alone, so retransmission is the same path with snd_nxt pulled back.
 */
import { ENOBUFS } from "../../kernel/abi/errno";
import { IPPROTO_TCP } from "../../kernel/abi/inet";
import { getmicrouptime } from "../../kernel/kern/clock";
import { MAX_LINKHDR, MHLEN, Mbuf, VNET_GSO_TCPV4, m_free, m_gethdr } from "../../kernel/net/mbuf";
import { m_copydata, m_copym } from "../../kernel/net/mbuf2";
import { Socket } from "../../kernel/net/socket";
import { sbsndptr, sbspace } from "../../kernel/net/sockbuf";
import { IP_HDRLEN } from "./ip";
import { ip_output } from "./ip_output";
import * as th from "./tcp";
import { tcp_pressed_window } from "./tcp_autobuf";
import { tcp_cc_idle } from "./tcp_cc";
import { tcp_info_sent } from "./tcp_info";
import { IPTOS_ECN_MASK, tcp_ecn_output, tcp_ecn_single } from "./tcp_ecn";
import { tcp_ourmss, tcp_tsomax } from "./tcp_mtu";
import { tcp_synoptions, tcp_tsoption } from "./tcp_options";
import { tcp_pmtud_sent, tcp_probe_begin, tcp_probe_sent } from "./tcp_pmtud";
import { tcp_sendwindow } from "./tcp_recovery";
import { tcp_ts_getticks } from "./tcp_rtt";
import { tcp_sack_holds, tcp_sack_rexmt } from "./tcp_sackout";
import { tcp_sack_due, tcp_sack_write } from "./tcp_sackrcv";
import { tcp_sent_record } from "./tcp_sent";
import { tcpstat } from "./tcp_stat";
import { tcp_setcsum, tcp_softerror } from "./tcp_subr";
import { tcp_rexmt_arm, tcp_setpersist, tcp_timer_arm, tcp_timer_disarm, tcp_timer_isarmed } from "./tcp_timer";
import { tcp_tlp_schedule } from "./tcp_tlp";
import * as v from "./tcp_var";
import { Tcpcb } from "./tcp_var";

/** Flags of a segment sent in each state; FIN goes when the data before it has gone. */
function tcp_outflags(state: i32): i32 {
  switch (state) {
    case v.TCPS_SYN_SENT: return th.TH_SYN;
    case v.TCPS_SYN_RECEIVED: return th.TH_SYN | th.TH_ACKF;
    case v.TCPS_FIN_WAIT_1:
    case v.TCPS_CLOSING:
    case v.TCPS_LAST_ACK: return th.TH_FIN | th.TH_ACKF;
    case v.TCPS_CLOSED: return th.TH_RST | th.TH_ACKF;
    case v.TCPS_LISTEN: return 0;
    default: return th.TH_ACKF;
  }
}

/** Whether something must go that is not data: SYN, FIN at its place, an ACK that is due, urgent news. */
function tcp_mustsend(tp: Tcpcb, flags: i32): bool {
  if ((tp.t_flags & v.TF_ACKNOW) != 0) return true;
  if ((flags & (th.TH_RST | th.TH_SYN | th.TH_FIN)) != 0) return true;
  return th.SEQ_GT(tp.snd_up, tp.snd_una) && tp.snd_up != tp.snd_up_told;
}

/** RFC 9293 §3.8.6.2.1 MUST-38 (silly windows) and RFC 9293 §3.7.4 MUST-17 (Nagle, unless TCP_NODELAY): may `len` bytes at offset `off` go now? */
function tcp_dosegment(tp: Tcpcb, so: Socket, len: i32, off: u32): bool {
  if (<u32>len >= tp.t_maxseg) return true;
  const all = off + <u32>len == so.so_snd.sb_cc;
  const idle = tp.snd_max == tp.snd_una;
  const hold = (tp.t_flags & (v.TF_MORETOCOME | v.TF_NOPUSH)) != 0 && (tp.t_flags & v.TF_SENTFIN) == 0 &&
    tp.t_state <= v.TCPS_CLOSE_WAIT;
  if (all && !hold && (idle || (tp.t_flags & v.TF_NODELAY) != 0)) return true;
  if ((tp.t_flags & v.TF_FORCE) != 0) return true;
  // A window that was never larger: half of it is as much as can be hoped for.
  if (<u32>len >= tp.max_sndwnd >> 1 && tp.max_sndwnd > 0) return true;
  return th.SEQ_LT(tp.snd_nxt, tp.snd_max);
}

/**
 * RFC 9293 §3.8.6.2.2 MUST-39: is a window update worth a segment? When the right edge would move by two
 * segments or half the buffer.
 */
function tcp_wndupdate(tp: Tcpcb, so: Socket, win: u32): bool {
  if (win == 0 || v.TCPS_HAVERCVDFIN(tp.t_state)) return false;
  const limit = min(win, th.TCP_MAXWIN << <u32>tp.rcv_scale);
  const adv = <i32>(limit - (tp.rcv_adv - tp.rcv_nxt));
  if (adv <= 0) return false;
  return <u32>adv >= tp.t_maxseg << 1 || <u32>adv << 1 >= so.so_rcv.sb_hiwat;
}

/** The receive window to announce: never shrunk (RFC 9293 §3.8.6 SHLD-14), not in silly steps (RFC 9293 §3.8.6.2.2 MUST-39). */
export function tcp_rcvwindow(tp: Tcpcb, so: Socket): u32 {
  const space = sbspace(so.so_rcv);
  let win = tcp_pressed_window(so, space > 0 ? <u32>space : 0);
  if (win < so.so_rcv.sb_hiwat >> 2 && win < tp.t_maxseg) win = 0;
  const max = th.TCP_MAXWIN << <u32>tp.rcv_scale;
  if (win > max) win = max;
  const promised = tp.rcv_adv - tp.rcv_nxt;
  return win < promised && <i32>promised > 0 ? promised : win;
}

/** Send all that may be sent. 0, or -errno of the first segment that could not be (it is retried). */
export function tcp_output(tp: Tcpcb): i32 {
  const so = tp.t_inpcb.inp_so;
  if (tp.snd_max == tp.snd_una) tcp_cc_idle(tp);
  if (tp.t_probe_at_us != 0 && tcp_probe_begin(tp, so)) {
    const e = tcp_output1(tp, so);
    tcp_probe_sent(tp);
    if (e <= 0) return e;
  }
  for (let burst = 0; burst < 64; burst++) {
    const more = tcp_output1(tp, so);
    if (more > 0) continue;
    if ((tp.t_sackflags & v.TSF_PTODUE) != 0) tcp_tlp_schedule(tp);
    return more;
  }
  // A very large window: the rest when ACKs come, or at once by the timer, so that others have a turn.
  tcp_timer_arm(tp, v.TCPT_DELACK, 1);
  tp.t_flags |= v.TF_DELACK;
  return 0;
}

/** How many bytes from `off` may go in one segment: bounded by window, buffer, and what the link takes. */
function tcp_sendlen(tp: Tcpcb, cc: u32, off: u32, wnd: u32): i32 {
  // Before the connection stands no data goes: our SYN occupies the number that off counts.
  if (tp.t_state <= v.TCPS_SYN_RECEIVED && tp.snd_una == tp.iss) return 0;
  let len = <i32>(min(cc, wnd) - off);
  if (len <= 0) return 0;
  const most = tcp_ecn_single(tp) ? tp.t_maxseg : tcp_tsomax(tp);
  if (<u32>len > most) len = <i32>most;
  if (<u32>len > tp.t_maxseg) {
    // A whole number of segments, so that the link's segmentation leaves no short one in the middle.
    const odd = <u32>len % tp.t_maxseg;
    if (odd != 0 && (off + len < cc || (tp.t_flags & v.TF_NODELAY) == 0)) len -= odd;
  }
  return len;
}

/** One segment. 1: ask again; 0: nothing (more) to send; -errno. */
function tcp_output1(tp: Tcpcb, so: Socket): i32 {
  if (tp.t_due > 0) {
    const again = tcp_sack_rexmt(tp, so);
    if (again != 0) return again;
  }
  let flags = tcp_outflags(tp.t_state);
  const cc = so.so_snd.sb_cc;
  const off = tp.snd_nxt - tp.snd_una;
  let wnd = tcp_sendwindow(tp);
  if ((tp.t_flags & v.TF_FORCE) != 0 && wnd == 0) wnd = off + 1;
  let len = tcp_sack_holds(tp) ? 0 : tcp_sendlen(tp, cc, off, wnd);
  // SYN and FIN only at their own place in the sequence space: what was sent is not sent again here.
  if (tp.snd_nxt != tp.iss) flags &= ~th.TH_SYN;
  if (off + <u32>len != cc) flags &= ~th.TH_FIN;
  if (flags == 0) return 0;
  let win = tcp_rcvwindow(tp, so);
  if ((flags & th.TH_SYN) != 0) win = min(win, th.TCP_MAXWIN);
  const data = len > 0 && tcp_dosegment(tp, so, len, off);
  if (len > 0 && !data) {
    flags &= ~th.TH_FIN;
    len = 0;
  }
  if (!data && !tcp_mustsend(tp, flags) && !tcp_wndupdate(tp, so, win)) {
    tcp_idlecheck(tp, so);
    return 0;
  }
  // SACK blocks go by themselves, before the data.
  const sack = data && (tp.t_flags & v.TF_ACKNOW) != 0 && tcp_sack_due(tp);
  const e = sack ? tcp_emit(tp, so, off, 0, th.TH_ACKF, win) : tcp_emit(tp, so, off, len, flags, win);
  if (e < 0) return e;
  if (sack) return 1;
  // An ACK went, data did not: whatever holds it back, a timer must run.
  if (!data) tcp_idlecheck(tp, so);
  return data && off + <u32>len < cc && (tp.t_flags & v.TF_FORCE) == 0 ? 1 : 0;
}

/** Nothing goes although data waits and no timer runs: the window is closed, so probe it. */
function tcp_idlecheck(tp: Tcpcb, so: Socket): void {
  if (so.so_snd.sb_cc == 0 || tcp_timer_isarmed(tp, v.TCPT_REXMT)) return;
  if (tp.t_state < v.TCPS_ESTABLISHED || tp.snd_max != tp.snd_una) return;
  if (tp.snd_cwnd == 0) {
    // RFC 3168 §6.1.2: a mark on a window of one segment: the next goes when the retransmission timer runs.
    tcp_rexmt_arm(tp);
    return;
  }
  tp.t_rxtshift = 0;
  tcp_setpersist(tp);
}

/** The options of this segment at `p`; their length. */
function tcp_segoptions(tp: Tcpcb, p: usize, flags: i32, len: i32): i32 {
  if ((flags & th.TH_SYN) != 0) {
    const answer = (flags & th.TH_ACKF) != 0;
    const scale = (tp.t_flags & v.TF_REQ_SCALE) != 0 && (!answer || (tp.t_flags & v.TF_RCVD_SCALE) != 0);
    const ts = (tp.t_flags & v.TF_REQ_TSTMP) != 0 && (!answer || (tp.t_flags & v.TF_RCVD_TSTMP) != 0);
    const sack = (tp.t_flags & v.TF_REQ_SACK) != 0 && (!answer || (tp.t_flags & v.TF_SACK_PERMIT) != 0);
    return tcp_synoptions(p, tcp_ourmss(tp), scale ? tp.request_r_scale : -1, sack, ts,
      tcp_ts_getticks(tp), answer ? tp.ts_recent : 0);
  }
  const ts = (tp.t_flags & v.TF_RCVD_TSTMP) != 0 ? tcp_tsoption(p, tcp_ts_getticks(tp), tp.ts_recent) : 0;
  if (len > 0 || (flags & th.TH_RST) != 0) return ts;
  return ts + tcp_sack_write(tp, p + ts, th.TCP_MAXOLEN - ts);
}

/** Payload of `len` bytes from `off` of so_snd behind the header in `m`; false without mbufs. */
function tcp_payload(m: Mbuf, so: Socket, off: u32, len: i32): bool {
  const mb = sbsndptr(so.so_snd, off);
  const at = <i32>(off - so.so_snd.sb_sndoff);
  if (len <= MHLEN - MAX_LINKHDR - IP_HDRLEN - m.m_len) {
    m_copydata(mb, at, len, m.m_data + m.m_len);
    m.m_len += len;
  } else {
    const chain = m_copym(mb, at, len);
    if (!chain) return false;
    m.m_next = chain;
  }
  m.ph_len += len;
  return true;
}

/** Write the fixed header. `hlen` includes the options. */
function tcp_puthdr(tp: Tcpcb, p: usize, seq: u32, flags: i32, hlen: i32, win: u32): void {
  const inp = tp.t_inpcb;
  store<u16>(p, bswap<u16>(inp.inp_lport), th.TH_SPORT);
  store<u16>(p, bswap<u16>(inp.inp_fport), th.TH_DPORT);
  store<u32>(p, bswap<u32>(seq), th.TH_SEQ);
  store<u32>(p, (flags & th.TH_ACKF) != 0 ? bswap<u32>(tp.rcv_nxt) : 0, th.TH_ACK);
  store<u8>(p, <u8>(hlen << 2), th.TH_OFF);
  // RFC 7323 §2.2: the window of a SYN is never scaled.
  const w = (flags & th.TH_SYN) != 0 ? win : min(win >> <u32>tp.rcv_scale, th.TCP_MAXWIN);
  store<u16>(p, bswap<u16>(<u16>w), th.TH_WIN);
  store<u32>(p, 0, th.TH_SUM);
  let f = flags;
  if (th.SEQ_GT(tp.snd_up, seq)) {
    const urp = tp.snd_up - seq;
    store<u16>(p, bswap<u16>(<u16>(urp > 65535 ? 65535 : urp)), th.TH_URP);
    f |= th.TH_URG;
    tp.snd_up_told = tp.snd_up;
    tcpstat.sndurg++;
  }
  store<u8>(p, <u8>f, th.TH_FLAGS);
}

/** Build and send one segment: `len` bytes from `off`, `flags`, window `win`. 0 or -errno. */
export function tcp_emit(tp: Tcpcb, so: Socket, off: u32, len: i32, flags: i32, win: u32): i32 {
  const m = m_gethdr(MAX_LINKHDR + IP_HDRLEN);
  if (!m) return tcp_nobufs(tp);
  const p = m.m_data;
  const hlen = th.TCP_HDRLEN + tcp_segoptions(tp, p + th.TCP_HDRLEN, flags, len);
  m.m_len = hlen;
  m.ph_len = hlen;
  if (len > 0) {
    // RFC 9293 §3.9.1.2 MUST-60: no data waits for a push; RFC 9293 §3.9.1.2 MUST-61: PSH where the buffer is emptied.
    if (off + <u32>len == so.so_snd.sb_cc) flags |= th.TH_PUSH;
    if (!tcp_payload(m, so, off, len)) {
      m_free(m);
      return tcp_nobufs(tp);
    }
    if (<u32>len > tp.t_maxseg) {
      m.vh_gso_type = VNET_GSO_TCPV4;
      m.vh_gso_size = <u16>tp.t_maxseg;
      m.vh_hdr_len = <u16>hlen;
    }
  }
  // A bare ACK is <SEQ=SND.NXT> as it was before any retransmission, or the peer could not accept it.
  const bare = len == 0 && (flags & (th.TH_SYN | th.TH_FIN)) == 0;
  const ecn = tcp_ecn_output(tp, flags, len);
  tcp_puthdr(tp, p, bare ? tp.snd_max : tp.snd_nxt, flags | (ecn & ~IPTOS_ECN_MASK), hlen, win);
  const inp = tp.t_inpcb;
  tcp_setcsum(m, inp.inp_laddr, inp.inp_faddr, m.ph_len);
  tcp_sent(tp, len, flags);
  if (win > 0 && th.SEQ_GT(tp.rcv_nxt + win, tp.rcv_adv)) tp.rcv_adv = tp.rcv_nxt + win;
  tp.rcv_wnd = win;
  tp.last_ack_sent = tp.rcv_nxt;
  tp.t_bytes_received += <u64>(tp.rcv_nxt - tp.t_counted_rcv);
  tp.t_counted_rcv = tp.rcv_nxt;
  tp.t_flags &= ~(v.TF_ACKNOW | v.TF_DELACK);
  tcp_timer_disarm(tp, v.TCPT_DELACK);
  const e = ip_output(m, inp, inp.inp_laddr, inp.inp_faddr, IPPROTO_TCP, inp.inp_ttl, (inp.inp_tos & ~IPTOS_ECN_MASK) | (ecn & IPTOS_ECN_MASK), true);
  if (e < 0) return tcp_outerror(tp, e);
  return 0;
}

/** Account for a segment that is about to go: counters, sequence numbers, timing, timers. */
function tcp_sent(tp: Tcpcb, len: i32, flags: i32): void {
  tcpstat.sndtotal++;
  const start = tp.snd_nxt;
  const again = th.SEQ_LT(start, tp.snd_max);
  tcp_info_sent(tp, len, again);
  if (len > 0) {
    if ((tp.t_flags & v.TF_FORCE) != 0 && len == 1) tcpstat.sndprobe++;
    else if (again) {
      tcpstat.sndrexmitpack++;
      tcpstat.sndrexmitbyte += len;
    } else {
      tcpstat.sndpack++;
      tcpstat.sndbyte += len;
    }
  } else if ((flags & (th.TH_SYN | th.TH_FIN | th.TH_RST)) != 0) tcpstat.sndctrl++;
  else if ((tp.t_flags & v.TF_ACKNOW) != 0) tcpstat.sndacks++;
  else tcpstat.sndwinup++;
  let next = start + len;
  if ((flags & th.TH_SYN) != 0) next++;
  if ((flags & th.TH_FIN) != 0) {
    next++;
    tp.t_flags |= v.TF_SENTFIN;
  }
  if (next == start) return;
  const now = getmicrouptime();
  tp.t_lastsend_us = now;
  if (tp.t_una_since_us == 0) tp.t_una_since_us = now;
  // A probe of a closed window: the peer may take the byte, so snd_max counts it, but the persist
  // timer owns it, and it is sent again with the rest when the window opens.
  if ((tp.t_flags & v.TF_FORCE) != 0 && tp.snd_wnd == 0) {
    tp.snd_max = th.SEQ_MAX(tp.snd_max, next);
    return;
  }
  tp.snd_nxt = next;
  tcp_pmtud_sent(tp, len, start, next, again);
  if ((tp.t_flags & v.TF_FASTRECOVERY) != 0) tp.prr_out += next - start;
  if (th.SEQ_GT(next, tp.snd_max)) {
    tp.snd_max = next;
    if ((tp.t_flags & v.TF_SACK_PERMIT) != 0 && (flags & th.TH_SYN) == 0) {
      tcp_sent_record(tp, start, next);
      tp.t_sackflags |= v.TSF_PTODUE;
    }
    if (tp.t_rtttime_us == 0) {
      tp.t_rtttime_us = now;
      tp.t_rtseq = start;
      tcpstat.segstimed++;
    }
  }
  if (!tcp_timer_isarmed(tp, v.TCPT_REXMT)) tcp_rexmt_arm(tp);
}

/** No mbufs: try again when the timer runs; the timer must run. */
function tcp_nobufs(tp: Tcpcb): i32 {
  tcpstat.sndnobufs++;
  if (!tcp_timer_isarmed(tp, v.TCPT_REXMT) && tp.t_state > v.TCPS_LISTEN) tcp_rexmt_arm(tp);
  return -ENOBUFS;
}

/** ip_output refused the segment. The timer will send it again; some errors the user is told later. */
function tcp_outerror(tp: Tcpcb, e: i32): i32 {
  if (e == -ENOBUFS) {
    tcpstat.sndnobufs++;
    return 0;
  }
  tcp_softerror(tp, e);
  return e;
}
