/**
 * The TCP header on the wire (RFC 9293 §3.1) and the numbers of its options.
 *
 *      0        4        8        12       14        16       18       20
 *      | sport dport | seq    | ack     | off flags | win    | sum    | urp    | options … |
 *
 * Wire format only: offsets and accessors that cannot fail, once tcp_input has checked the length.
 */
export const TH_SPORT: usize = 0;
export const TH_DPORT: usize = 2;
export const TH_SEQ: usize = 4;
export const TH_ACK: usize = 8;
export const TH_OFF: usize = 12;
export const TH_FLAGS: usize = 13;
export const TH_WIN: usize = 14;
export const TH_SUM: usize = 16;
export const TH_URP: usize = 18;
export const TCP_HDRLEN: i32 = 20;

export const TH_FIN: i32 = 0x01;
export const TH_SYN: i32 = 0x02;
export const TH_RST: i32 = 0x04;
export const TH_PUSH: i32 = 0x08;
export const TH_ACKF: i32 = 0x10;
export const TH_URG: i32 = 0x20;
export const TH_ECE: i32 = 0x40;
export const TH_CWR: i32 = 0x80;

export const TCPOPT_EOL: i32 = 0;
export const TCPOPT_NOP: i32 = 1;
export const TCPOPT_MAXSEG: i32 = 2;
export const TCPOPT_WINDOW: i32 = 3;
export const TCPOPT_SACK_PERMITTED: i32 = 4;
export const TCPOPT_SACK: i32 = 5;
export const TCPOPT_TIMESTAMP: i32 = 8;
export const TCPOLEN_MAXSEG: i32 = 4;
export const TCPOLEN_WINDOW: i32 = 3;
export const TCPOLEN_SACK_PERMITTED: i32 = 2;
export const TCPOLEN_TIMESTAMP: i32 = 10;
/** The timestamp option with the two NOPs that align it (RFC 7323 appendix A). */
export const TCPOLEN_TSTAMP_APPA: i32 = 12;
export const TCP_MAXOLEN: i32 = 40;

export const TCP_MAXWIN: u32 = 65535;
/** RFC 7323 §2.3. */
export const TCP_MAX_WINSHIFT: i32 = 14;
/** RFC 9293 §3.7.1: what a peer that sends no MSS option can take. */
export const TCP_MSS_DEFAULT: u32 = 536;

// Sequence numbers are compared modulo 2^32 (RFC 9293 §3.4).
export function SEQ_LT(a: u32, b: u32): bool {
  return <i32>(a - b) < 0;
}
export function SEQ_LEQ(a: u32, b: u32): bool {
  return <i32>(a - b) <= 0;
}
export function SEQ_GT(a: u32, b: u32): bool {
  return <i32>(a - b) > 0;
}
export function SEQ_GEQ(a: u32, b: u32): bool {
  return <i32>(a - b) >= 0;
}
export function SEQ_MAX(a: u32, b: u32): u32 {
  return <i32>(a - b) >= 0 ? a : b;
}
export function SEQ_MIN(a: u32, b: u32): u32 {
  return <i32>(a - b) <= 0 ? a : b;
}
