/**
 * TCP_INFO: what a connection knows of itself (STATUS of RFC 9293 §3.10.6), in the layout of
 * kernel/abi/tcp_info.ts. The counts that nothing else needs are kept here, one line where a segment
 * comes, goes, or is acknowledged.
 */
import * as ti from "../../kernel/abi/tcp_info";
import { getmicrouptime } from "../../kernel/kern/clock";
import { Socket } from "../../kernel/net/socket";
import { sbspace } from "../../kernel/net/sockbuf";
import { TCP_MAX_WINSHIFT } from "./tcp";
import { TE_ON } from "./tcp_ecn";
import { tcp_ourmss, tcp_pathmtu } from "./tcp_mtu";
import { tcp_rcvwindow } from "./tcp_output";
import { tcp_backoff_us } from "./tcp_rtt";
import * as v from "./tcp_var";
import { Tcpcb, tcp_inflight, tcps } from "./tcp_var";

/** A segment with `len` bytes of payload has come in. */
export function tcp_info_received(tp: Tcpcb, len: i32): void {
  tp.t_segs_in++;
  if (len == 0) {
    tp.t_lastack_us = getmicrouptime();
    return;
  }
  tp.t_data_segs_in++;
  tp.t_lastrcvdata_us = getmicrouptime();
}

/** `len` bytes of payload go out, in as many segments as the link makes of them. `again`: they went before. */
export function tcp_info_sent(tp: Tcpcb, len: i32, again: bool): void {
  const segs = <u32>len <= tp.t_maxseg ? 1 : (<u32>len + tp.t_maxseg - 1) / tp.t_maxseg;
  tp.t_segs_out += segs;
  if (len == 0) return;
  tp.t_data_segs_out += segs;
  tp.t_bytes_sent += <u64>len;
  if (!again) return;
  tp.t_total_retrans += segs;
  tp.t_bytes_retrans += <u64>len;
}

/** The state in Linux's numbers. */
function info_state(state: i32): i32 {
  switch (state) {
    case v.TCPS_LISTEN: return ti.TCPI_S_LISTEN;
    case v.TCPS_SYN_SENT: return ti.TCPI_S_SYN_SENT;
    case v.TCPS_SYN_RECEIVED: return ti.TCPI_S_SYN_RECV;
    case v.TCPS_ESTABLISHED: return ti.TCPI_S_ESTABLISHED;
    case v.TCPS_CLOSE_WAIT: return ti.TCPI_S_CLOSE_WAIT;
    case v.TCPS_FIN_WAIT_1: return ti.TCPI_S_FIN_WAIT1;
    case v.TCPS_CLOSING: return ti.TCPI_S_CLOSING;
    case v.TCPS_LAST_ACK: return ti.TCPI_S_LAST_ACK;
    case v.TCPS_FIN_WAIT_2: return ti.TCPI_S_FIN_WAIT2;
    case v.TCPS_TIME_WAIT: return ti.TCPI_S_TIME_WAIT;
    default: return ti.TCPI_S_CLOSE;
  }
}

function info_options(tp: Tcpcb): i32 {
  let options = 0;
  if ((tp.t_flags & v.TF_RCVD_TSTMP) != 0) options |= ti.TCPI_OPT_TIMESTAMPS;
  if ((tp.t_flags & v.TF_SACK_PERMIT) != 0) options |= ti.TCPI_OPT_SACK;
  if ((tp.t_flags & v.TF_RCVD_SCALE) != 0) options |= ti.TCPI_OPT_WSCALE;
  if ((tp.t_ecn & TE_ON) != 0) options |= ti.TCPI_OPT_ECN;
  return options;
}

function info_ca_state(tp: Tcpcb): i32 {
  if ((tp.t_flags & v.TF_FASTRECOVERY) != 0) return ti.TCPI_CA_RECOVERY;
  if ((tp.t_sackflags & v.TSF_LOSS) != 0) return ti.TCPI_CA_LOSS;
  if (tp.t_rxtshift > 0 && (tp.t_flags & v.TF_PERSIST) == 0 && tp.t_state >= v.TCPS_ESTABLISHED) return ti.TCPI_CA_LOSS;
  return tp.t_dupacks > 0 || tp.t_sacked > 0 ? ti.TCPI_CA_DISORDER : ti.TCPI_CA_OPEN;
}

/** Segments of `bytes`, rounded up. */
function segments(tp: Tcpcb, bytes: u32): u32 {
  return (bytes + tp.t_maxseg - 1) / tp.t_maxseg;
}

/** ms since `then_us`; 0 if it never was. */
function ms_since(then_us: i64): u32 {
  return then_us == 0 ? 0 : <u32>((getmicrouptime() - then_us) / 1000);
}

/** State, timers and round trip: the head of the structure at `p`. */
function info_head(tp: Tcpcb, p: usize): void {
  const persist = (tp.t_flags & v.TF_PERSIST) != 0;
  const shift = <u8>tp.t_rxtshift;
  store<u8>(p, <u8>info_state(tp.t_state), ti.TCPI_STATE);
  store<u8>(p, <u8>info_ca_state(tp), ti.TCPI_CA_STATE);
  store<u8>(p, persist ? 0 : shift, ti.TCPI_RETRANSMITS);
  store<u8>(p, persist ? shift : <u8>tp.t_keepprobes, ti.TCPI_PROBES);
  store<u8>(p, shift, ti.TCPI_BACKOFF);
  store<u8>(p, <u8>info_options(tp), ti.TCPI_OPTIONS);
  const scaled = (tp.t_flags & v.TF_RCVD_SCALE) != 0;
  assert(tp.snd_scale <= TCP_MAX_WINSHIFT && tp.rcv_scale <= TCP_MAX_WINSHIFT, "tcp_info: scale");
  store<u8>(p, scaled ? <u8>(tp.snd_scale | (tp.rcv_scale << 4)) : 0, ti.TCPI_WSCALE);
  store<u32>(p, <u32>tcp_backoff_us(tp), ti.TCPI_RTO);
  store<u32>(p, <u32>tcps.delack_us, ti.TCPI_ATO);
  store<u32>(p, tp.t_srtt_us, ti.TCPI_RTT);
  store<u32>(p, tp.t_rttvar_us, ti.TCPI_RTTVAR);
  store<u32>(p, ms_since(tp.t_lastsend_us), ti.TCPI_LAST_DATA_SENT);
  store<u32>(p, ms_since(tp.t_lastrcvdata_us), ti.TCPI_LAST_DATA_RECV);
  store<u32>(p, ms_since(tp.t_lastack_us), ti.TCPI_LAST_ACK_RECV);
}

/** Segment sizes and windows. */
function info_windows(tp: Tcpcb, so: Socket, p: usize): void {
  store<u32>(p, tp.t_maxseg, ti.TCPI_SND_MSS);
  store<u32>(p, <u32>tcp_pathmtu(tp), ti.TCPI_PMTU);
  store<u32>(p, tcp_ourmss(tp), ti.TCPI_ADVMSS);
  store<u32>(p, tcp_ourmss(tp), ti.TCPI_RCV_MSS);
  store<u32>(p, min(segments(tp, tp.snd_ssthresh), 0x7fffffff), ti.TCPI_SND_SSTHRESH);
  store<u32>(p, segments(tp, tp.snd_cwnd), ti.TCPI_SND_CWND);
  store<u32>(p, tp.snd_wnd, ti.TCPI_SND_WND);
  store<u32>(p, tcp_rcvwindow(tp, so), ti.TCPI_RCV_WND);
  store<u32>(p, <u32>max(0, sbspace(so.so_rcv)), ti.TCPI_RCV_SPACE);
  store<u32>(p, so.so_rcv.sb_hiwat, ti.TCPI_RCV_SSTHRESH);
}

/** What is in flight, and all that ever was. */
function info_counts(tp: Tcpcb, so: Socket, p: usize): void {
  store<u32>(p, segments(tp, tcp_inflight(tp)), ti.TCPI_UNACKED);
  store<u32>(p, <u32>tp.t_sackedsegs, ti.TCPI_SACKED);
  store<u32>(p, segments(tp, tp.t_lost), ti.TCPI_LOST);
  store<u32>(p, <u32>tp.rack_min_rtt_us, ti.TCPI_MIN_RTT);
  store<u32>(p, segments(tp, tp.t_rexmt), ti.TCPI_RETRANS);
  store<u32>(p, tp.t_total_retrans, ti.TCPI_TOTAL_RETRANS);
  store<u64>(p, tp.t_acked_data, ti.TCPI_BYTES_ACKED);
  const fin: u32 = v.TCPS_HAVERCVDFIN(tp.t_state) ? 1 : 0;
  // Negative where what was counted includes the FIN.
  const fresh = <i32>(tp.rcv_nxt - fin - tp.t_counted_rcv);
  store<u64>(p, tp.t_bytes_received + <u64><i64>fresh, ti.TCPI_BYTES_RECEIVED);
  store<u32>(p, tp.t_segs_out, ti.TCPI_SEGS_OUT);
  store<u32>(p, tp.t_segs_in, ti.TCPI_SEGS_IN);
  store<u32>(p, tp.t_data_segs_in, ti.TCPI_DATA_SEGS_IN);
  store<u32>(p, tp.t_data_segs_out, ti.TCPI_DATA_SEGS_OUT);
  const sent = min(tcp_inflight(tp), so.so_snd.sb_cc);
  store<u32>(p, so.so_snd.sb_cc - sent, ti.TCPI_NOTSENT_BYTES);
  store<u64>(p, tp.t_bytes_sent, ti.TCPI_BYTES_SENT);
  store<u64>(p, tp.t_bytes_retrans, ti.TCPI_BYTES_RETRANS);
}

/** Write the structure, or its first `len` bytes, to `buf` by way of the scratch at `p`. Bytes written. */
export function tcp_info(tp: Tcpcb, so: Socket, buf: usize, len: i32): i32 {
  const p = tcps.info_buf;
  memory.fill(p, 0, ti.TCP_INFO_SIZE);
  info_head(tp, p);
  if (tp.t_state == v.TCPS_LISTEN) {
    store<u32>(p, so.so_qlen, ti.TCPI_UNACKED);
    store<u32>(p, so.so_qlimit, ti.TCPI_SACKED);
  } else {
    info_windows(tp, so, p);
    info_counts(tp, so, p);
  }
  const n = min(len, ti.TCP_INFO_SIZE);
  memory.copy(buf, p, n);
  return n;
}
