/**
 * TCP_INFO read into an object: what a connection knows of itself. Names are Linux's without `tcpi_`,
 * units as in kernel/abi/tcp_info.ts.
 */
import { IPPROTO_TCP, TCP_INFO } from '../../kernel/abi/inet';
import * as abi from '../../kernel/abi/tcp_info';
import type { Sys } from './sysSockets';

/** name → offset, by the width of the field. */
const bytes = { state: abi.TCPI_STATE, ca_state: abi.TCPI_CA_STATE, retransmits: abi.TCPI_RETRANSMITS, probes: abi.TCPI_PROBES, backoff: abi.TCPI_BACKOFF, options: abi.TCPI_OPTIONS } as const;
const words = {
  rto: abi.TCPI_RTO, ato: abi.TCPI_ATO, snd_mss: abi.TCPI_SND_MSS, rcv_mss: abi.TCPI_RCV_MSS, unacked: abi.TCPI_UNACKED, sacked: abi.TCPI_SACKED,
  lost: abi.TCPI_LOST, retrans: abi.TCPI_RETRANS, last_data_sent: abi.TCPI_LAST_DATA_SENT, last_data_recv: abi.TCPI_LAST_DATA_RECV,
  last_ack_recv: abi.TCPI_LAST_ACK_RECV, pmtu: abi.TCPI_PMTU, rcv_ssthresh: abi.TCPI_RCV_SSTHRESH, rtt: abi.TCPI_RTT, rttvar: abi.TCPI_RTTVAR,
  snd_ssthresh: abi.TCPI_SND_SSTHRESH, snd_cwnd: abi.TCPI_SND_CWND, advmss: abi.TCPI_ADVMSS, reordering: abi.TCPI_REORDERING,
  rcv_rtt: abi.TCPI_RCV_RTT, rcv_space: abi.TCPI_RCV_SPACE, total_retrans: abi.TCPI_TOTAL_RETRANS, segs_out: abi.TCPI_SEGS_OUT,
  segs_in: abi.TCPI_SEGS_IN, notsent_bytes: abi.TCPI_NOTSENT_BYTES, min_rtt: abi.TCPI_MIN_RTT, data_segs_in: abi.TCPI_DATA_SEGS_IN,
  data_segs_out: abi.TCPI_DATA_SEGS_OUT, delivered: abi.TCPI_DELIVERED, dsack_dups: abi.TCPI_DSACK_DUPS, reord_seen: abi.TCPI_REORD_SEEN,
  rcv_ooopack: abi.TCPI_RCV_OOOPACK, snd_wnd: abi.TCPI_SND_WND, rcv_wnd: abi.TCPI_RCV_WND,
} as const;
const quads = {
  pacing_rate: abi.TCPI_PACING_RATE, bytes_acked: abi.TCPI_BYTES_ACKED, bytes_received: abi.TCPI_BYTES_RECEIVED,
  bytes_sent: abi.TCPI_BYTES_SENT, bytes_retrans: abi.TCPI_BYTES_RETRANS,
} as const;

/** Fields of struct tcp_info. */
export type TcpInfo = Record<keyof typeof bytes | keyof typeof words | keyof typeof quads | 'snd_wscale' | 'rcv_wscale', number>;

/**
 * What the connection behind `fd` knows of itself.
 * @throws SystemError ENOPROTOOPT for a socket that is not TCP or a stack without TCP_INFO, EINVAL after the connection's end
 */
export function tcpInfo(sys: Sys, fd: number): TcpInfo {
  const raw = sys.getsockopt(fd, IPPROTO_TCP, TCP_INFO, abi.TCP_INFO_SIZE);
  const all = <T extends Readonly<Record<string, number>>>(fields: T, read: (offset: number) => number): [string, number][] =>
    Object.entries(fields).map(([name, offset]) => [name, read(offset)]);
  const scales = raw.readUInt8(abi.TCPI_WSCALE);
  return Object.fromEntries([
    ...all(bytes, (offset) => raw.readUInt8(offset)), ['snd_wscale', scales & 15], ['rcv_wscale', scales >> 4],
    ...all(words, (offset) => raw.readUInt32LE(offset)), ...all(quads, (offset) => Number(raw.readBigUInt64LE(offset))),
  ]) as TcpInfo;
}
