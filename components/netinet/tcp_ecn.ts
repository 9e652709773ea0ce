/**
 * Explicit congestion notification, RFC 3168: a router marks a packet instead of dropping it.
 *
 *      sender ── data, IP: ECT(0) ──▶ router: CE ──▶ receiver      (IP: two bits of TOS)
 *         ▲ ◀── ACK, TCP: ECE, until CWR comes ──────┘ │
 *         └── window reduced; next new data: CWR ──────┘
 *
 *      SYN ECE,CWR  →  ← SYN,ACK ECE      both sides can          (§6.1.1)
 *
 *      net.inet.tcp.ecn.enable       0 off, 1 ask and answer, 2 only answer (the default)
 *      net.inet.tcp.ecn.maxretries   SYNs that ask; one that comes after them does not (§6.1.1.1)
 *
 * Only new data is sent as ECN-capable: not SYNs, pure ACKs, retransmissions or probes, whose loss or mark
 * nobody would notice (§6.1.1, §6.1.4 to 6.1.6). State: t_ecn and ecn_recover of the control block.
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { sysctl_int } from "../../kernel/kern/sysctl";
import * as th from "./tcp";
import { tcpstat } from "./tcp_stat";
import { TCPS_ESTABLISHED, TCPS_SYN_SENT, TF_FORCE, TcpState, Tcpcb, tcps } from "./tcp_var";

// Tcpcb.t_ecn
/** Our last SYN asked. */
export const TE_ASKED: u32 = 1;
/** Both sides can. */
export const TE_ON: u32 = 2;
/** A mark has come in, and no CWR since: ACKs say ECE. */
export const TE_SNDECE: u32 = 4;
/** The window was reduced: the next new data says CWR. */
export const TE_SNDCWR: u32 = 8;

// IP's two bits.
export const IPTOS_ECN_MASK: i32 = 3;
export const IPTOS_ECN_ECT0: i32 = 2;
export const IPTOS_ECN_CE: i32 = 3;

export function tcp_ecn_boot(): void {
  tcps.ecn_enable = 2;
  tcps.ecn_maxretries = 1;
  const at = changetype<usize>(tcps);
  sysctl_int("net.inet.tcp.ecn.enable", at + offsetof<TcpState>("ecn_enable"), CTLFLAG_RW, 0, 2);
  sysctl_int("net.inet.tcp.ecn.maxretries", at + offsetof<TcpState>("ecn_maxretries"), CTLFLAG_RW, 0, 100);
}

/** Does the SYN under way ask for ECN, and do we answer? RFC 3168 §6.1.1: both ECE and CWR. */
export function tcp_ecn_asked(): bool {
  const both = th.TH_ECE | th.TH_CWR;
  return tcps.ecn_enable != 0 && (tcps.seg.ti_flags & both) == both;
}

/** A connection from a listener, whose SYN asked: from its first byte on. */
export function tcp_ecn_passive(tp: Tcpcb): void {
  tcpstat.ecn_shs++;
  tp.t_ecn = TE_ON;
  tp.ecn_recover = tp.iss + 1;
}

/**
 * The SYN under way, of a peer to whom we have sent one: SYN,ACK with ECE and without CWR (both is a peer that
 * reflects what it does not know), or, in a simultaneous open, a SYN that asks. Only if our last SYN did.
 */
export function tcp_ecn_syn(tp: Tcpcb): void {
  const seg = tcps.seg;
  const acked = (seg.ti_flags & th.TH_ACKF) != 0;
  const agreed = acked ? (seg.ti_flags & (th.TH_ECE | th.TH_CWR)) == th.TH_ECE : tcp_ecn_asked();
  if (!agreed || (tp.t_ecn & TE_ASKED) == 0) return;
  tcpstat.ecn_shs++;
  tp.t_ecn = TE_ON;
  tp.ecn_recover = tp.iss + 1;
}

/** ECE and CWR of our SYN, and of the SYN,ACK of a simultaneous open. */
function ecn_synflags(tp: Tcpcb): i32 {
  if (tp.t_state != TCPS_SYN_SENT) return (tp.t_ecn & TE_ON) != 0 ? th.TH_ECE : 0;
  if (tcps.ecn_enable != 1 || tp.t_rxtshift >= tcps.ecn_maxretries) {
    // §6.1.1.1: whoever drops such SYNs gets one without. It is the last one that counts.
    tp.t_ecn = 0;
    return 0;
  }
  tp.t_ecn = TE_ASKED;
  return th.TH_ECE | th.TH_CWR;
}

/** ECE, if it is owed, for a segment with `flags`. */
export function tcp_ecn_ackflags(tp: Tcpcb, flags: i32): i32 {
  return (tp.t_ecn & TE_SNDECE) != 0 && (flags & th.TH_RST) == 0 ? th.TH_ECE : 0;
}

/** For a segment of `len` bytes at snd_nxt with `flags`: what to add to the flags (bits 6, 7), and IP's bits (0, 1). */
export function tcp_ecn_output(tp: Tcpcb, flags: i32, len: i32): i32 {
  if ((flags & th.TH_SYN) != 0) return ecn_synflags(tp);
  if ((tp.t_ecn & TE_ON) == 0) return 0;
  let out = tcp_ecn_ackflags(tp, flags);
  const fresh = len > 0 && th.SEQ_GEQ(tp.snd_nxt, tp.snd_max) && (tp.t_flags & TF_FORCE) == 0;
  if (!fresh) return out;
  if ((tp.t_ecn & TE_SNDCWR) != 0) {
    // §6.1.2: the first new data after a reduction.
    tp.t_ecn &= ~TE_SNDCWR;
    tcpstat.ecn_cwr++;
    out |= th.TH_CWR;
  }
  tcpstat.ecn_ect++;
  return out | IPTOS_ECN_ECT0;
}

/** CWR is due: the next segment must be one, or a link that segments would put it on each of the pieces. */
export function tcp_ecn_single(tp: Tcpcb): bool {
  return (tp.t_ecn & TE_SNDCWR) != 0;
}

/** An acceptable segment of an ECN connection, trimmed to the window: marks and CWR (§6.1.3). */
export function tcp_ecn_input(tp: Tcpcb): void {
  const seg = tcps.seg;
  if (tp.t_state < TCPS_ESTABLISHED) return;
  if ((seg.ti_flags & th.TH_CWR) != 0) tp.t_ecn &= ~TE_SNDECE;
  if (seg.ti_len == 0 || (seg.tos & IPTOS_ECN_MASK) != IPTOS_ECN_CE) return;
  tcpstat.ecn_ce++;
  tp.t_ecn |= TE_SNDECE;
}

/** Is the ACK under way news of congestion? Once for what was in flight when the window was last reduced (§6.1.2). */
export function tcp_ecn_echoed(tp: Tcpcb): bool {
  return (tp.t_ecn & TE_ON) != 0 && (tcps.seg.ti_flags & th.TH_ECE) != 0 && th.SEQ_GT(tcps.seg.seg_ack, tp.ecn_recover);
}

/** Whether the ACK under way carries ECE: then it opens no window. */
export function tcp_ecn_marked(tp: Tcpcb): bool {
  return (tp.t_ecn & TE_ON) != 0 && (tcps.seg.ti_flags & th.TH_ECE) != 0;
}

/** The window is being reduced, for whatever reason: say so with the next new data. */
export function tcp_ecn_reduced(tp: Tcpcb): void {
  if ((tp.t_ecn & TE_ON) == 0) return;
  tp.t_ecn |= TE_SNDCWR;
  tp.ecn_recover = tp.snd_max;
}

/** snd_una has moved: what lies behind it is no limit, and must not seem ahead one day. */
export function tcp_ecn_advance(tp: Tcpcb): void {
  if (th.SEQ_LT(tp.ecn_recover, tp.snd_una)) tp.ecn_recover = tp.snd_una - 1;
}
