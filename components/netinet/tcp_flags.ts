/**
 * The states of a connection (RFC 9293 §3.3.2), and the bits of t_flags and t_sackflags.
 */
export const TCPS_CLOSED: i32 = 0;
export const TCPS_LISTEN: i32 = 1;
export const TCPS_SYN_SENT: i32 = 2;
export const TCPS_SYN_RECEIVED: i32 = 3;
export const TCPS_ESTABLISHED: i32 = 4;
export const TCPS_CLOSE_WAIT: i32 = 5;
export const TCPS_FIN_WAIT_1: i32 = 6;
export const TCPS_CLOSING: i32 = 7;
export const TCPS_LAST_ACK: i32 = 8;
export const TCPS_FIN_WAIT_2: i32 = 9;
export const TCPS_TIME_WAIT: i32 = 10;

// t_flags
export const TF_ACKNOW: u32 = 0x0001;
export const TF_DELACK: u32 = 0x0002;
export const TF_NODELAY: u32 = 0x0004;
export const TF_SENTFIN: u32 = 0x0008;
/** Peer agreed to window scaling; to timestamps. */
export const TF_RCVD_SCALE: u32 = 0x0010;
export const TF_RCVD_TSTMP: u32 = 0x0020;
/** We offer window scaling; timestamps. */
export const TF_REQ_SCALE: u32 = 0x0040;
export const TF_REQ_TSTMP: u32 = 0x0080;
/** The SYN (or SYN-ACK) was sent more than once (RFC 6298 §5.7). */
export const TF_SYNREXMT: u32 = 0x0100;
/** Passive open: back to LISTEN, that is gone, on a reset in SYN-RECEIVED. */
export const TF_PASSIVE: u32 = 0x0200;
/** A zero-window probe is due: one byte beyond the window. */
export const TF_FORCE: u32 = 0x0400;
/** More data follows from the same call: hold back a short segment. */
export const TF_MORETOCOME: u32 = 0x0800;
/** In loss recovery (RFC 6582). */
export const TF_FASTRECOVERY: u32 = 0x1000;
/** The application has closed: no descriptor. */
export const TF_DETACHED: u32 = 0x2000;
/** Hold back short segments until uncorked (TCP_CORK, TCP_NOPUSH). */
export const TF_NOPUSH: u32 = 0x4000;
/** Peer allows SACK; we offer it. */
export const TF_SACK_PERMIT: u32 = 0x8000;
export const TF_REQ_SACK: u32 = 0x10000;
/** TCPT_REXMT is the persist timer. */
export const TF_PERSIST: u32 = 0x20000;
/** Closed before the handshake was done: FIN after it. */
export const TF_NEEDFIN: u32 = 0x40000;
/** rcv_up is beyond what has arrived. */
export const TF_URGPEND: u32 = 0x80000;
/** Acknowledge every segment at once (TCP_QUICKACK). */
export const TF_QUICKACK: u32 = 0x10000000;

// t_sackflags: recovery by the scoreboard (tcp_sackrec.ts and what it calls).
/** A timeout is being recovered from. */
export const TSF_LOSS: u32 = 0x0001;
/** F-RTO: after a timeout of which it is not known whether it was spurious; new data goes to find out. */
export const TSF_FRTO: u32 = 0x0002;
export const TSF_FRTONEW: u32 = 0x0004;
/** A tail loss probe is out, up to tlp_end; it was a retransmission. */
export const TSF_TLP: u32 = 0x0008;
export const TSF_TLPREXMT: u32 = 0x0010;
/** TCPT_RACK is the probe timer; it is to be set. */
export const TSF_PTO: u32 = 0x0020;
export const TSF_PTODUE: u32 = 0x0040;
/** The network has reordered. */
export const TSF_REORD: u32 = 0x0080;
/** rack_dsack_round is set. */
export const TSF_DSACKROUND: u32 = 0x0100;
/** There is an episode to undo; undo_ts is set. */
export const TSF_UNDO: u32 = 0x0200;
export const TSF_UNDOTS: u32 = 0x0400;
/** The rescue retransmission of this recovery has gone. */
export const TSF_RESCUED: u32 = 0x0800;
/** The last episode was a fast recovery, not a timeout. */
export const TSF_WASFAST: u32 = 0x1000;

export function TCPS_HAVEESTABLISHED(s: i32): bool {
  return s >= TCPS_ESTABLISHED;
}

/** The peer's FIN has been received. */
export function TCPS_HAVERCVDFIN(s: i32): bool {
  return s == TCPS_CLOSE_WAIT || s == TCPS_CLOSING || s == TCPS_LAST_ACK || s == TCPS_TIME_WAIT;
}
