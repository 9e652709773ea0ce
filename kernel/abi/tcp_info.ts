/**
 * struct tcp_info of option TCP_INFO: Linux's layout and field names (include/uapi/linux/tcp.h as of
 * 6.8), so that what is written for `ss` reads it. Little-endian; constants only.
 *
 *      getsockopt(fd, IPPROTO_TCP, TCP_INFO, buf, &len)      as much of it as `len` allows
 *
 * Times are µs where the name is rto, ato, rtt, rttvar, min_rtt, *_time and *_limited; ms where it is
 * last_*. snd_cwnd, snd_ssthresh, unacked, sacked, lost, retrans, delivered and reordering count
 * segments of snd_mss bytes, rounded up, as Linux counts them; what begins with bytes_ counts bytes.
 * Of a listener, unacked is how many connections wait to be accepted and sacked how many may.
 * Fields that this stack has no value for are 0.
 */
export const TCPI_STATE: i32 = 0;
export const TCPI_CA_STATE: i32 = 1;
export const TCPI_RETRANSMITS: i32 = 2;
export const TCPI_PROBES: i32 = 3;
export const TCPI_BACKOFF: i32 = 4;
export const TCPI_OPTIONS: i32 = 5;
/** Low half: our shift for their window (snd_wscale); high half: rcv_wscale. */
export const TCPI_WSCALE: i32 = 6;
export const TCPI_RTO: i32 = 8;
export const TCPI_ATO: i32 = 12;
export const TCPI_SND_MSS: i32 = 16;
export const TCPI_RCV_MSS: i32 = 20;
export const TCPI_UNACKED: i32 = 24;
export const TCPI_SACKED: i32 = 28;
export const TCPI_LOST: i32 = 32;
export const TCPI_RETRANS: i32 = 36;
export const TCPI_LAST_DATA_SENT: i32 = 44;
export const TCPI_LAST_DATA_RECV: i32 = 52;
export const TCPI_LAST_ACK_RECV: i32 = 56;
export const TCPI_PMTU: i32 = 60;
export const TCPI_RCV_SSTHRESH: i32 = 64;
export const TCPI_RTT: i32 = 68;
export const TCPI_RTTVAR: i32 = 72;
export const TCPI_SND_SSTHRESH: i32 = 76;
export const TCPI_SND_CWND: i32 = 80;
export const TCPI_ADVMSS: i32 = 84;
export const TCPI_REORDERING: i32 = 88;
export const TCPI_RCV_RTT: i32 = 92;
export const TCPI_RCV_SPACE: i32 = 96;
export const TCPI_TOTAL_RETRANS: i32 = 100;
/** u64 each. */
export const TCPI_PACING_RATE: i32 = 104;
export const TCPI_BYTES_ACKED: i32 = 120;
export const TCPI_BYTES_RECEIVED: i32 = 128;
export const TCPI_SEGS_OUT: i32 = 136;
export const TCPI_SEGS_IN: i32 = 140;
export const TCPI_NOTSENT_BYTES: i32 = 144;
export const TCPI_MIN_RTT: i32 = 148;
export const TCPI_DATA_SEGS_IN: i32 = 152;
export const TCPI_DATA_SEGS_OUT: i32 = 156;
export const TCPI_DELIVERED: i32 = 192;
/** u64. */
export const TCPI_BYTES_SENT: i32 = 200;
export const TCPI_BYTES_RETRANS: i32 = 208;
export const TCPI_DSACK_DUPS: i32 = 216;
export const TCPI_REORD_SEEN: i32 = 220;
export const TCPI_RCV_OOOPACK: i32 = 224;
export const TCPI_SND_WND: i32 = 228;
export const TCPI_RCV_WND: i32 = 232;
export const TCP_INFO_SIZE: i32 = 248;

/** tcpi_state: Linux's numbers. */
export const TCPI_S_ESTABLISHED: i32 = 1;
export const TCPI_S_SYN_SENT: i32 = 2;
export const TCPI_S_SYN_RECV: i32 = 3;
export const TCPI_S_FIN_WAIT1: i32 = 4;
export const TCPI_S_FIN_WAIT2: i32 = 5;
export const TCPI_S_TIME_WAIT: i32 = 6;
export const TCPI_S_CLOSE: i32 = 7;
export const TCPI_S_CLOSE_WAIT: i32 = 8;
export const TCPI_S_LAST_ACK: i32 = 9;
export const TCPI_S_LISTEN: i32 = 10;
export const TCPI_S_CLOSING: i32 = 11;

/** tcpi_options. */
export const TCPI_OPT_TIMESTAMPS: i32 = 1;
export const TCPI_OPT_SACK: i32 = 2;
export const TCPI_OPT_WSCALE: i32 = 4;
export const TCPI_OPT_ECN: i32 = 8;

/** tcpi_ca_state. */
export const TCPI_CA_OPEN: i32 = 0;
export const TCPI_CA_DISORDER: i32 = 1;
export const TCPI_CA_RECOVERY: i32 = 3;
export const TCPI_CA_LOSS: i32 = 4;
