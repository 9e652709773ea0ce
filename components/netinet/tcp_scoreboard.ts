/**
 * The shapes of the sender's scoreboard: a record of what is in flight, and what one ACK delivered.
 *
 *      Tcpcb.t_sent_first → Tcpsent → Tcpsent …     tcp_sent.ts keeps them, tcp_sack.ts marks them
 *      TcpState.del: Tcpdelivery                    one for the stack: ACKs do not nest
 *
 * No more than that, so that the control block can name them.
 */
export const SENT_SACKED: u32 = 1;
export const SENT_LOST: u32 = 2;
/** Sent again since it was lost, and in flight as far as is known. */
export const SENT_REXMT: u32 = 4;
/** Sent more than once in its life. */
export const SENT_EVER: u32 = 8;
/** On the list by time. */
export const SENT_TIMED: u32 = 16;

@unmanaged
export class Tcpsent {
  next: Tcpsent;
  prev: Tcpsent;
  xnext: Tcpsent;
  xprev: Tcpsent;
  start: u32;
  end: u32;
  flags: u32;
  /** Segment size it was sent with. */
  mss: u32;
  xmit_us: i64;
}

/** What one ACK delivered. */
@unmanaged
export class Tcpdelivery {
  /** The scoreboard was complete when it came: recovery goes by it. */
  active: bool;
  dsack: bool;
  /** Data that was sent once, before the timeout, was delivered only now (RFC 5682). */
  orig: bool;
  /** Bytes SACKed by it; bytes delivered in all. */
  sacked: u32;
  delivered: u32;
  /** The highest sequence number delivered before it: its own blocks come in any order. */
  fack: u32;
  /** When the youngest segment that it delivered had left; -1 none. */
  xmit_us: i64;
  /** The D-SACK block. */
  dsack_start: u32;
  dsack_end: u32;
  /** Round trip of the oldest data delivered that was sent once; -1 none. */
  rtt_us: i64;
}
