/**
 * Cells of CLOSED, LISTEN and SYN-SENT (RFC 9293 §3.10.7.1 to 3.10.7.3), where there is no window yet.
 */
import { ISS, IRS, type StateEntry, WINDOW } from './statesPrologue';
import type { Cell } from './statesCells';

const at = (flags: string, seq: number, length: number, ack: number | null, options = ''): string =>
  `+.01 < ${flags} ${seq}:${seq + length}(${length})${ack === null ? '' : ` ack ${ack}`} win ${WINDOW}${options}`;

const noAck = 'the ACK bit is off: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>';
const withAck = 'the ACK bit is on: <SEQ=SEG.ACK><CTL=RST>';

/** CLOSED: everything but a reset is answered with a reset. */
export function closedCells(): Cell[] {
  const cell = (file: string, title: string, clause: string, lines: string[]): Cell => ({
    file, title, clause: `RFC 9293 §3.10.7.1: ${clause}`, after: 'CLOSED', lines: lines.map((line) => line.replace(/^\+\.01/, '0')),
  });
  const reset = (ack: number): string => `+0 > R. 0:0(0) ack ${ack}`;
  const resetAt = (seq: number): string => `+0 > R ${seq}:${seq}(0)`;
  return [
    cell('syn', 'SYN', noAck, [at('S', IRS, 0, null, ' <mss 1000>'), reset(IRS + 1)]),
    cell('syn-data', 'SYN with data', noAck, [at('S', IRS, 100, null), reset(IRS + 101)]),
    cell('synack', 'SYN,ACK', withAck, [at('S.', IRS, 0, 500), resetAt(500)]),
    cell('ack', 'ACK', withAck, [at('.', IRS, 0, 500), resetAt(500)]),
    cell('fin', 'FIN without ACK', noAck, [at('F', IRS, 0, null), reset(IRS + 1)]),
    cell('finack', 'FIN,ACK', withAck, [at('F.', IRS, 0, 500), resetAt(500)]),
    cell('data', 'data', withAck, [at('P.', IRS, 100, 500), resetAt(500)]),
    cell('data-noack', 'data without ACK', noAck, [at('P', IRS, 100, null), reset(IRS + 100)]),
    cell('data-fin-noack', 'data and FIN without ACK', noAck, [at('FP', IRS, 100, null), reset(IRS + 101)]),
    cell('nothing', 'no flags at all', noAck, [at('-', IRS, 0, null), reset(IRS)]),
    cell('rst', 'RST', 'an incoming RST is discarded', [at('R', IRS, 0, null)]),
    cell('rstack', 'RST,ACK', 'an incoming RST is discarded', [at('R.', IRS, 0, 500)]),
  ];
}

/** LISTEN. The state of the pair of ports is looked at: it is CLOSED while nothing has been opened. */
export function listenCells(): Cell[] {
  const cell = (file: string, title: string, clause: string, after: string, lines: string[]): Cell => ({
    file, title, clause: `RFC 9293 §3.10.7.2, ${clause}`, after, lines: [...lines, `+0 %{ assert connections == ${after === 'CLOSED' ? 1 : 2} }%`],
  });
  const resetAt = (seq: number): string => `+0 > R ${seq}:${seq}(0)`;
  const synack = `+0 > S. ${ISS}:${ISS}(0) ack ${IRS + 1} win ${WINDOW} <mss 1460>`;
  return [
    cell('rst', 'RST', 'first: an incoming RST is ignored', 'CLOSED', [at('R', IRS, 0, null)]),
    cell('rst-syn', 'RST and SYN', 'first: an incoming RST is ignored', 'CLOSED', [at('SR', IRS, 0, null)]),
    cell('rstack', 'RST,ACK', 'first: an incoming RST is ignored', 'CLOSED', [at('R.', IRS, 0, 500)]),
    cell('ack', 'ACK', `second: ${withAck}`, 'CLOSED', [at('.', IRS, 0, 500), resetAt(500)]),
    cell('synack', 'SYN,ACK', `second: ${withAck}`, 'CLOSED', [at('S.', IRS, 0, 500), resetAt(500)]),
    cell('finack', 'FIN,ACK', `second: ${withAck}`, 'CLOSED', [at('F.', IRS, 0, 500), resetAt(500)]),
    cell('data', 'data', `second: ${withAck}`, 'CLOSED', [at('P.', IRS, 100, 500), resetAt(500)]),
    cell('syn', 'SYN', 'third: RCV.NXT := SEG.SEQ+1, <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>', 'SYN_RCVD', [at('S', IRS, 0, null, ' <mss 1000>'), synack]),
    cell('syn-data', 'SYN with data', 'third: text may be queued for later; here the peer sends it again', 'SYN_RCVD', [at('S', IRS, 100, null, ' <mss 1000>'), synack]),
    cell('syn-urg', 'SYN and URG', 'third: other control is queued for processing later', 'SYN_RCVD', [at('SU', IRS, 0, null, ' <mss 1000>'), synack]),
    cell('fin', 'FIN without ACK', 'fourth: should not be reached: dropped', 'CLOSED', [at('F', IRS, 0, null)]),
    cell('data-noack', 'data without ACK', 'fourth: should not be reached: dropped', 'CLOSED', [at('P', IRS, 100, null)]),
    cell('nothing', 'no flags at all', 'fourth: should not be reached: dropped', 'CLOSED', [at('-', IRS, 0, null)]),
  ];
}

/** SYN-SENT. */
export function synSentCells(s: StateEntry): Cell[] {
  const cell = (file: string, title: string, clause: string, after: string, lines: string[]): Cell => ({
    file, title, clause: `RFC 9293 §3.10.7.3, ${clause}`, after, lines,
  });
  const resetAt = (seq: number): string => `+0 > R ${seq}:${seq}(0)`;
  const bad = 'first: SEG.ACK =< ISS or SEG.ACK > SND.NXT: <SEQ=SEG.ACK><CTL=RST>';
  const refused = '+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0';
  const ack = (rcvNxt: number): string => `+0 > . ${s.nxt}:${s.nxt}(0) ack ${rcvNxt}`;
  const mss = ' <mss 1000>';
  return [
    cell('ack-iss', 'ACK of nothing', bad, s.word, [at('.', IRS, 0, ISS), resetAt(ISS)]),
    cell('ack-future', 'ACK of what was not sent', bad, s.word, [at('.', IRS, 0, ISS + 2), resetAt(ISS + 2)]),
    cell('ack-good', 'ACK of our SYN alone', 'fifth: neither SYN nor RST: dropped', s.word, [at('.', IRS, 0, ISS + 1)]),
    cell('synack-iss', 'SYN,ACK of nothing', bad, s.word, [at('S.', IRS, 0, ISS, mss), resetAt(ISS)]),
    cell('synack-future', 'SYN,ACK of what was not sent', bad, s.word, [at('S.', IRS, 0, ISS + 2, mss), resetAt(ISS + 2)]),
    cell('synack-good', 'SYN,ACK of our SYN', 'fourth: our SYN is acknowledged: ESTABLISHED, <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>', 'ESTABLISHED', [at('S.', IRS, 0, ISS + 1, mss), ack(IRS + 1)]),
    cell('synack-data', 'SYN,ACK with data', 'fourth: controls or text: continue at the sixth step', 'ESTABLISHED',
      [at('S.', IRS, 100, ISS + 1, mss), ack(IRS + 101), '+0 read(4, ..., 1000) = 100']),
    cell('synack-fin', 'SYN,ACK with FIN', 'fourth: controls or text: continue at the sixth step', 'CLOSE_WAIT',
      [at('FS.', IRS, 0, ISS + 1, mss), ack(IRS + 2), '+0 read(4, ..., 1000) = 0']),
    cell('syn', 'SYN', 'fourth: otherwise SYN-RECEIVED: <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>', 'SYN_RCVD', [at('S', IRS, 0, null, mss), `+0 > S. ${ISS}:${ISS}(0) ack ${IRS + 1} win ${WINDOW} <mss 1460>`]),
    cell('rst', 'RST without ACK', 'second: no ACK: dropped', s.word, [at('R', IRS, 0, null)]),
    cell('rstack-good', 'RST,ACK of our SYN', 'second: the ACK is acceptable: "connection reset", CLOSED', 'CLOSED', [at('R.', 0, 0, ISS + 1), refused]),
    cell('rstack-iss', 'RST,ACK of nothing', 'first: not acceptable, and a reset is never answered: dropped', s.word, [at('R.', 0, 0, ISS)]),
    cell('rstack-future', 'RST,ACK of what was not sent', 'first: not acceptable, and a reset is never answered: dropped', s.word, [at('R.', 0, 0, ISS + 2)]),
    cell('fin', 'FIN without ACK', 'fifth: neither SYN nor RST: dropped', s.word, [at('F', IRS, 0, null)]),
    cell('finack-good', 'FIN,ACK of our SYN', 'fifth: neither SYN nor RST: dropped', s.word, [at('F.', IRS, 0, ISS + 1)]),
    cell('data', 'data with an ACK of our SYN', 'fifth: neither SYN nor RST: dropped', s.word, [at('P.', IRS, 100, ISS + 1)]),
    cell('data-noack', 'data without ACK', 'fifth: neither SYN nor RST: dropped', s.word, [at('P', IRS, 100, null)]),
  ];
}
