/**
 * The transmission control block, and what all of TCP shares.
 *
 *      Socket ─so_pcb→ Inpcb ─inp_ppcb→ Tcpcb ─t_inpcb→ Inpcb      (one pool each)
 *
 *      send:     snd_una ──────── snd_nxt ─── snd_max        snd_una + snd_wnd
 *                   │  in flight    │ (pulled back after RTO)     │
 *      receive:  rcv_nxt ───────────────────────────── rcv_adv (right edge promised)
 *
 * Names are RFC 9293's (§3.3.1) where it has one. Times are µs; sequence numbers u32. All timers are
 * callouts in the block: arming one costs O(1) and no memory.
 */
import { CALLOUT_SIZE, Callout } from "../../kernel/kern/callout";
import { Mbuf } from "../../kernel/net/mbuf";
import { Pool } from "../../kernel/kern/pool";
import { Socket } from "../../kernel/net/socket";
import { Inpcb, Inpcbinfo } from "./in_pcb";
import { Tcpdelivery, Tcpsent } from "./tcp_scoreboard";

export * from "./tcp_flags";

@unmanaged
export class Tcpcb {
  t_inpcb: Inpcb;
  t_state: i32;
  t_flags: u32;

  snd_una: u32;
  snd_nxt: u32;
  snd_max: u32;
  snd_up: u32;
  /** The urgent pointer that the peer was last told. */
  snd_up_told: u32;
  snd_wl1: u32;
  snd_wl2: u32;
  snd_wnd: u32;
  iss: u32;
  max_sndwnd: u32;
  rcv_nxt: u32;
  rcv_wnd: u32;
  rcv_adv: u32;
  rcv_up: u32;
  irs: u32;
  last_ack_sent: u32;

  /** Congestion control (RFC 5681): bytes. */
  snd_cwnd: u32;
  snd_ssthresh: u32;
  /** RFC 6582: highest sequence sent when recovery began. */
  recover: u32;
  /** Bytes acknowledged towards the next increase in congestion avoidance (RFC 3465). */
  t_bytes_acked: u32;
  t_dupacks: i32;
  /** The window as it was before the last congestion event (tcp_cc_save); cwnd 0: nothing to undo. */
  cc_prev_cwnd: u32;
  cc_prev_ssthresh: u32;
  /** The algorithm, CC_*. */
  t_cc: i32;
  /** Largest flight of this round trip, which ends at cc_round, and of the last one (RFC 7661); when tcp_cc.ts looked last. */
  cc_pipe: u32;
  cc_lastpipe: u32;
  cc_round: u32;
  cc_last_us: i64;
  /** Receive buffer (tcp_autobuf.ts): round trip; since when, and from which byte on, what is read is counted. */
  rb_rtt_us: u32;
  rb_seq: u32;
  rb_since_us: i64;
  /** ECN: TE_* (tcp_ecn.ts); snd_max when the window was last reduced. */
  t_ecn: u32;
  ecn_recover: u32;
  /** CUBIC (tcp_cubic.ts): beginning of the epoch, 0 none; W_est with fraction; W_max; plateau; K; cwnd at the last event. */
  cub_epoch_us: i64;
  cub_west: u64;
  cub_wmax: u32;
  cub_origin: u32;
  cub_k_ms: u32;
  cub_prior: u32;
  /** The five above as they were before the last event. */
  cub_saved0: u64;
  cub_saved1: u64;
  cub_saved2: u64;
  cub_saved3: u64;
  /** HyStart++ (tcp_hystart.ts): end of the round, smallest RTT of the last and of this one, baseline. */
  hs_end: u32;
  hs_lastmin_us: u32;
  hs_curmin_us: u32;
  hs_samples: i32;
  hs_base_us: u32;
  hs_rounds: i32;

  /** Payload of a full segment that we send: the peer's MSS, the path's MTU, less our options. */
  t_maxseg: u32;
  /** What the peer announced, or 536. */
  t_peermss: u32;
  snd_scale: i32;
  rcv_scale: i32;
  /** Scale that we offer in our SYN. */
  request_r_scale: i32;

  /** RFC 7323. */
  ts_recent: u32;
  ts_offset: u32;
  ts_recent_age_us: i64;

  /** RFC 6298; 0 = no sample yet. */
  t_srtt_us: i32;
  /** The last sample, 0 once the congestion control has seen it. */
  t_rtt_us: u32;
  t_rttvar_us: i32;
  t_rto_us: i32;
  t_rxtshift: i32;
  /** The segment being timed (without timestamps): sequence, and when it was sent; 0 none. */
  t_rtseq: u32;
  t_rtttime_us: i64;
  /** When the oldest unacknowledged data was first sent, for the user timeout. */
  t_una_since_us: i64;
  t_rcvtime_us: i64;
  t_lastsend_us: i64;

  /** Out of order segments, by m_nextpkt, in sequence, and the last; their number and bytes. */
  t_segq: Mbuf;
  t_segq_last: Mbuf;
  t_segq_len: i32;
  t_segq_bytes: u32;

  /** SACK blocks that we report, the newest first (tcp_sackrcv.ts); a duplicate to report, start = end none. */
  t_nsackblk: i32;
  t_dsack_start: u32;
  t_dsack_end: u32;
  t_sackblk0: u64;
  t_sackblk1: u64;
  t_sackblk2: u64;
  t_sackblk3: u64;
  t_sackblk4: u64;
  t_sackblk5: u64;

  /** The scoreboard (tcp_sent.ts): records by sequence and by time; where searches begin. */
  t_sent_first: Tcpsent;
  t_sent_last: Tcpsent;
  t_sent_xfirst: Tcpsent;
  t_sent_xlast: Tcpsent;
  t_sack_hint: Tcpsent;
  t_rexmt_hint: Tcpsent;
  /** The latest transmission. */
  t_xmit_us: i64;
  t_xmit_end: u32;
  t_nsent: i32;
  t_sackflags: u32;
  /** Bytes SACKed, lost, in flight again; lost and to be sent again. Segments SACKed. */
  t_sacked: u32;
  t_lost: u32;
  t_rexmt: u32;
  t_due: u32;
  t_sackedsegs: i32;
  /** Blocks of the last SACK option. */
  t_nsackprev: i32;
  t_sackprev0: u64;
  t_sackprev1: u64;
  t_sackprev2: u64;
  t_sackprev3: u64;
  /** RFC 8985 §6.1: the newest transmission delivered, its round trip; the smallest, and when it was seen. */
  rack_xmit_us: i64;
  rack_rtt_us: i64;
  rack_min_rtt_us: i64;
  rack_min_rtt_at_us: i64;
  rack_end: u32;
  /** Highest sequence number delivered. */
  rack_fack: u32;
  /** Quarters of the smallest round trip added to the reordering window; recoveries until they go. */
  rack_reo_wnd_incr: i32;
  rack_reo_wnd_persist: i32;
  rack_dsack_round: u32;
  tlp_end: u32;
  /** RFC 9937. */
  prr_delivered: u32;
  prr_out: u32;
  prr_recoverfs: u32;
  /** tcp_undo.ts. */
  undo_una: u32;
  undo_rexmits: i32;
  undo_ts: u32;

  /** Soft error of ICMP, reported when the connection times out (RFC 1122 §4.2.3.9). */
  t_softerror: i32;
  t_keepidle_us: i64;
  t_keepintvl_us: i64;
  t_keepcnt: i32;
  t_keepprobes: i32;
  t_user_timeout_us: i64;
  /** User's limit on t_maxseg (TCP_MAXSEG), 0 none. */
  t_usermss: u32;
  /** Largest t_maxseg of which a whole segment was acknowledged: the path carries that (tcp_pmtud.ts). */
  t_provenseg: u32;
  /** One full segment in flight that would prove it: its size, 0 none, and its end. */
  t_full_size: u32;
  t_full_end: u32;
  /** "Needed" that waits for the segment it quotes to time out. */
  t_pmtu_pending: u32;
  t_pmtu_seq: u32;
  /** The probe in flight: MTU, 0 none, and place; t_maxseg while it is sent; tries; bound; when the next is due, 0 never. */
  t_probe_mtu: u32;
  t_probe_seq: u32;
  t_probe_end: u32;
  t_probe_mss: u32;
  t_probe_tries: i32;
  t_probe_high: u32;
  t_probe_at_us: i64;
  t_probe_undo: bool;
  /** ICMP "needed" lowers this; 0 = the interface's. */
  t_pathmtu: u32;
  /** Answers to strangers (Tclimit of tcp_challenge.ts, in its order): end, tokens and number of the period; the last answer to what lay outside. */
  t_challenge_until_us: i64;
  t_outside_us: i64;
  t_challenge_left: i32;
  t_challenge_period: u32;
  /** Counts for TCP_INFO (tcp_info.ts); the receive sequence number up to which t_bytes_received counts. */
  t_bytes_sent: u64;
  t_bytes_retrans: u64;
  t_bytes_received: u64;
  t_acked_data: u64;
  t_segs_in: u32;
  t_segs_out: u32;
  t_data_segs_in: u32;
  t_data_segs_out: u32;
  t_total_retrans: u32;
  t_counted_rcv: u32;
  t_lastack_us: i64;
  t_lastrcvdata_us: i64;
  /** MSLT_*: how near the peer is, fixed when the connection was established (tcp_mslt.ts). */
  t_mslclass: i32;
  /** Those in TIME-WAIT, by age (tcp_timewait.ts). */
  t_twnext: Tcpcb;
  t_twprev: Tcpcb;

  /** TCP_DEFER_ACCEPT of a listener: SYN,ACK timeouts in which an ACK without data is not enough, 0 none. */
  t_defer: i32;
}

/** TCP's own state: pools, tables, tunables; counters are in tcp_stat.ts. */
@unmanaged
export class TcpState {
  tcb_pool: Pool;
  sent_pool: Pool;
  /** What the ACK under way delivered (tcp_sack.ts). */
  del: Tcpdelivery;
  info: Inpcbinfo;
  /** Secret of the initial sequence numbers and timestamp offsets (RFC 6528). */
  secret: usize;
  /** What is known of paths (tcp_pmtud.ts); where TCP_INFO is put together. */
  pathinfo: usize;
  info_buf: usize;
  /** sysctl net.inet.tcp.*: see tcp_sysctl.ts for units. */
  rfc1323: i32;
  do_sack: i32;
  tlp: i32;
  mssdflt: i32;
  delack_us: i32;
  rtomin_us: i32;
  rtomax_us: i32;
  keepidle: i32;
  keepintvl: i32;
  keepcnt: i32;
  msl_us: i32;
  /** net.inet.tcp.mslt.* (tcp_mslt.ts), net.inet.tcp.vtw.enable (tcp_vtw.ts). */
  mslt_enable: i32;
  mslt_loopback: i32;
  mslt_local: i32;
  mslt_remote: i32;
  mslt_remote_threshold: i32;
  vtw_enable: i32;
  finwait2_us: i32;
  init_win: i32;
  /** Congestion control: the algorithms' functions, and the one of new connections. */
  cc_algos: usize;
  cc_selected: i32;
  recvbuf_auto: i32;
  recvbuf_inc: i32;
  recvbuf_max: i32;
  sendbuf_auto: i32;
  sendbuf_inc: i32;
  sendbuf_max: i32;
  ecn_enable: i32;
  ecn_maxretries: i32;
  /** Out-of-order pieces that a connection may hold, that all may, that they do. */
  reass_maxqueue: i32;
  reass_maxtotal: i32;
  reass_total: i32;
  rstppslim: i32;
  minmss: i32;
  /** tcp_pmtud.ts: whether, and seconds until, it searches. RFC 1337: resets do not end TIME-WAIT. Limits of tcp_challenge.ts. */
  mtu_probing: i32;
  mtu_raise: i32;
  rfc1337: i32;
  challenge_limit: i32;
  challenge_us: i32;
  invalid_ratelimit: i32;
  /** Resets sent within the present second, and the second. */
  rst_count: i32;
  rst_second: i64;
  /** Those in TIME-WAIT, the oldest first; how many; how many gave way to new connections. */
  tw_first: Tcpcb;
  tw_last: Tcpcb;
  tw_count: i32;
  tw_recycled: u64;
  /** The block that the segment under way has left without an owner in TIME-WAIT or FIN-WAIT-2 (tcp_vtw.ts). */
  tw_ready: Tcpcb;
  /** While a connection takes the place of one in TIME-WAIT: it begins beyond `iss_floor`. */
  iss_floored: bool;
  iss_floor: u32;
  /** Segment under way (tcp_input.ts). */
  seg: Tcpseg;
}

/** The segment being processed, in host order: SEG.SEQ and its kin of RFC 9293 §3.3.1. */
@unmanaged
export class Tcpseg {
  seg_seq: u32;
  seg_ack: u32;
  /** SEG.LEN counts SYN and FIN; ti_len is the payload only. */
  ti_len: i32;
  ti_flags: i32;
  /** Window as scaled for this connection. */
  seg_wnd: u32;
  seg_wnd_raw: u32;
  seg_up: u32;
  src: u32;
  dst: u32;
  sport: u32;
  dport: u32;
  /** IP's ECN bits and TTL. */
  tos: i32;
  ttl: i32;
  /** The payload, headers removed; 0 once it is queued or freed. */
  m: Mbuf;
}

/** One segment at a time: the state and the segment are reached through this. */
export let tcps: TcpState = changetype<TcpState>(0);

export function tcp_setstate(s: TcpState): void {
  tcps = s;
}

export function sototcpcb(so: Socket): Tcpcb {
  const inp = changetype<Inpcb>(so.so_pcb);
  return changetype<Tcpcb>(inp.inp_ppcb);
}

/** Bytes sent and not acknowledged. */
export function tcp_inflight(tp: Tcpcb): u32 {
  return tp.snd_max - tp.snd_una;
}

// Timers: TCPT_NTIMERS callouts behind the fields of a control block (tcp_timer.ts).
export const TCPT_REXMT: i32 = 0;
export const TCPT_DELACK: i32 = 1;
export const TCPT_KEEP: i32 = 2;
export const TCPT_2MSL: i32 = 3;
export const TCPT_RACK: i32 = 4;
export const TCPT_NTIMERS: i32 = 5;

const TCPCB_FIELDS: usize = (offsetof<Tcpcb>() + 7) & ~7;
/** Bytes of a control block, its timers included. */
export const TCPCB_SIZE: usize = TCPCB_FIELDS + <usize>TCPT_NTIMERS * CALLOUT_SIZE;

export function tcp_callout(tp: Tcpcb, timer: i32): Callout {
  return changetype<Callout>(changetype<usize>(tp) + TCPCB_FIELDS + <usize>timer * CALLOUT_SIZE);
}
